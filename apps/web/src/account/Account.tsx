import { useState } from 'react'
import { Alert, Badge, Button, Group, Stack, Text } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import type { Session } from '@lumaris/protocol'
import { factorQuery, sessionsQuery } from '../queries.ts'
import { useSession } from '../session/use-session.ts'
import { plural, visible } from '../ui/format.ts'
import { Command, Confirm, Copy, CopyId, Loaded, Moment, Page, Panel } from '../ui/parts.tsx'
import { Looked } from './Looked.tsx'
import { PasswordPanel } from './PasswordPanel.tsx'
import { Enrol, Prove } from './SecondFactor.tsx'
import { programOf } from './program.ts'

export function AccountScreen() {
  const { user, byKey, acting } = useSession()
  if (acting) return <Page title="Sign-in"><Alert color="blue" title={`You act for ${visible(acting.name)}`}>How its owner signs in is the owner’s alone. Go back to yourself to see your own sign-in.</Alert></Page>
  return (
    <Page title="Sign-in" intro={<>{visible(user.name)}, {visible(user.email)} <CopyId id={user.id} what="user id" /></>}>
      {byKey ? <Alert color="blue" title="You are signed in with an API key, for this tab">A second factor and the list of sessions are there for somebody who signs in with e-mail and password: a key must not become more than it is.</Alert>
        : <><PasswordPanel /><Factor /><Sessions /></>}
      <Looked />
      <Command line="npx lumaris whoami" />
      <Panel title="A program without a password" id="device"><Text size="sm" mb="xs">On a machine where you would not type your password, this shows a code that you approve here.</Text><Command line={`npx lumaris login --device --url ${location.origin}`} /></Panel>
    </Page>
  )
}

function Factor() {
  const { client } = useSession(), queries = useQueryClient(), factor = useQuery(factorQuery(client))
  const [doing, setDoing] = useState<'enrol' | 'renew' | 'stop' | null>(null), [codes, setCodes] = useState<readonly string[] | null>(null)
  const again = (): void => { setDoing(null); void queries.invalidateQueries({ queryKey: ['second-factor'] }) }
  return (
    <Panel title="Second factor" id="factor">
      {codes && (
        <Alert color="green" role="status" title="Keep these recovery codes" mb="md" withCloseButton closeButtonLabel="I have kept them" onClose={() => setCodes(null)}>
          <Text size="sm" mb="xs">Each signs you in once when your phone is not at hand. They are shown this once.</Text>
          <ul className="codes">{codes.map((code) => <li key={code}><code>{code}</code></li>)}</ul>
          <Copy text={codes.join('\n')} what="recovery codes" label="Copy all" />
        </Alert>)}
      <Loaded query={factor}>{({ on, since, recoveryCodesLeft }) => (
        <Stack gap="sm">
          {on ? <>
            <Group gap="xs"><Badge color="green" leftSection={<span aria-hidden>✓</span>}>On</Badge>{since !== undefined && <Text size="sm" c="dimmed">since <Moment at={since} />, with {plural(recoveryCodesLeft, 'recovery code')} left</Text>}</Group>
            {recoveryCodesLeft <= 3 && <Alert color="orange">Few recovery codes are left. Make new ones before you need them.</Alert>}
            {doing === null && <Group><Button variant="default" onClick={() => setDoing('renew')}>New recovery codes</Button><Button variant="default" onClick={() => setDoing('stop')}>Turn it off</Button></Group>}
          </> : <>
            <Text size="sm">Signing in then asks for a code of an app on your phone too, so that a password alone opens nothing.</Text>
            {doing === null && <div><Button onClick={() => setDoing('enrol')}>Set up a second factor</Button></div>}
          </>}
          {doing === 'enrol' && <Enrol close={() => setDoing(null)} done={(fresh) => { setCodes(fresh); again() }} />}
          {doing === 'renew' && <Prove yes="Make new codes" says="The codes you have now work no more." close={() => setDoing(null)} act={async (body) => { setCodes((await client.api.renewRecoveryCodes({ body })).recoveryCodes); again() }} />}
          {doing === 'stop' && <Prove yes="Turn it off" danger says="After that the password alone signs you in." close={() => setDoing(null)} act={async (body) => { await client.api.stopSecondFactor({ body }); setCodes(null); again() }} />}
        </Stack>)}</Loaded>
    </Panel>
  )
}

function Sessions() {
  const { client } = useSession(), queries = useQueryClient(), sessions = useQuery(sessionsQuery(client))
  const [ending, setEnding] = useState<Session | 'others' | null>(null)
  const again = (): void => void queries.invalidateQueries({ queryKey: ['sessions'] })
  const others = sessions.data?.data.filter((one) => !one.current).length ?? 0
  return (
    <Panel title="Where you are signed in" id="sessions" actions={<Button variant="default" size="xs" disabled={others === 0} title={others === 0 ? 'There is no other one' : undefined} onClick={() => setEnding('others')}>End all others</Button>}>
      <Loaded query={sessions}>{({ data }) => (
        <div className="scroll-box" tabIndex={0} role="region" aria-label="Sessions"><table className="table">
          <thead><tr><th>With</th><th>From</th><th>Since</th><th>Last renewed</th><th><span className="for-readers">Actions</span></th></tr></thead>
          <tbody>{data.map((one) => (
            <tr key={one.id}><td><span title={one.client === undefined ? undefined : visible(one.client)}>{programOf(one.client)}</span>{one.current && <> <Badge size="sm" color="green">this one</Badge></>}</td><td className="number">{one.address ?? 'not known'}</td><td><Moment at={one.createdAt} /></td><td><Moment at={one.renewedAt} /></td>
              <td className="right"><Button size="compact-sm" variant="default" disabled={one.current} title={one.current ? 'Sign out to end this one' : undefined} onClick={() => setEnding(one)}>End<span className="for-readers"> {programOf(one.client)}, {one.address}</span></Button></td></tr>))}</tbody>
        </table></div>)}</Loaded>
      <Confirm opened={ending !== null} close={() => setEnding(null)} title={ending === 'others' ? `End ${plural(others, 'other session')}?` : `End the session of ${ending ? programOf(ending.client) : ''}?`} yes={ending === 'others' ? 'End them' : 'End it'}
        act={async () => { if (ending === 'others') await client.api.endOtherSessions(); else if (ending) await client.api.endSession({ params: { session: ending.id } }); again() }}><Text size="sm">Whoever uses {ending === 'others' ? 'them' : 'it'} must sign in again. API keys go on working: end those under API keys.</Text></Confirm>
    </Panel>
  )
}
