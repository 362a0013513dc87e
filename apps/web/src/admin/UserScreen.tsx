import { useState } from 'react'
import { Alert, Button, Checkbox, Group, Stack, Text } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, useRouter } from '@tanstack/react-router'
import { account } from '@lumaris/protocol'
import type { PersonDetail, Role, Session } from '@lumaris/protocol'
import { programOf } from '../account/program.ts'
import { personQuery } from '../queries.ts'
import { viewAs } from '../session/session.ts'
import { useSession } from '../session/use-session.ts'
import { creditsText, plural, visible } from '../ui/format.ts'
import { Command, Empty, Facts, Id, Loaded, Moment, Page, Panel } from '../ui/parts.tsx'
import { TextLink } from '../shell/links.tsx'
import { Deposit } from './Deposit.tsx'
import { userSessionsQuery } from './queries.ts'
import './look.css'
import { WithReason } from './WithReason.tsx'

const route = getRouteApi('/inside/users/$user')
export function UserScreen() {
  const { user: id } = route.useParams()
  const { client } = useSession()
  const person = useQuery(personQuery(client, id))
  if (!person.data) return <Page title="User"><Loaded query={person}>{() => null}</Loaded></Page>
  return <Shown key={id} person={person.data} />
}

const ROLES: readonly (readonly [Role, string])[] = [['buyer', 'Submits jobs'], ['seller', 'Offers nodes'], ['admin', 'Runs the market: sees and does everything here']]
function Shown({ person }: { person: PersonDetail }) {
  const { client, user } = useSession(), queries = useQueryClient()
  const [doing, setDoing] = useState<'suspend' | 'unsuspend' | 'roles' | 'look' | null>(null), [roles, setRoles] = useState<string[]>([...person.roles])
  const name = visible(person.name), isMe = user.id === person.id, params = { user: person.id }
  const given = ROLES.map(([role]) => role).filter((role) => roles.includes(role)), isSame = given.length === person.roles.length && given.every((role) => person.roles.includes(role))
  const router = useRouter()
  const act = async (reason: string): Promise<void> => {
    if (doing === 'look') { await viewAs(await client.api.impersonateUser({ params, body: { reason } })); await router.navigate({ to: '/' }); return }
    const now = doing === 'suspend' ? await client.api.suspendUser({ params, body: { reason } }) : doing === 'unsuspend' ? await client.api.unsuspendUser({ params, body: { reason } }) : await client.api.setUserRoles({ params, body: { roles: given, reason } })
    queries.setQueryData(['admin', 'person', person.id], now)
    void queries.invalidateQueries({ queryKey: ['admin', 'people'] })
  }
  return (
    <Page title={name} intro={<Id id={person.id} what="user id" />} actions={<><Button variant="default" disabled={isMe} title={isMe ? 'This is you' : undefined} onClick={() => setDoing('look')}>See what they see…</Button>{person.suspended ? <Button onClick={() => setDoing('unsuspend')}>End the suspension</Button> : <Button color="red" variant="outline" disabled={isMe} title={isMe ? 'Nobody suspends himself: ask another admin' : undefined} onClick={() => setDoing('suspend')}>Suspend…</Button>}</>}>
      {person.suspended && <Alert color="red" title="⊘ Suspended">Since <Moment at={person.suspended.at} />, by <TextLink to="/users/$user" params={{ user: person.suspended.by }}>an admin</TextLink>: {visible(person.suspended.reason)}</Alert>}
      <div className="two">
        <Stack>
          <Panel title="Account" id="account"><Facts of={[['E-mail', visible(person.email)], ['Since', <Moment at={person.createdAt} />], ['API keys', plural(person.keys, 'good key')], ['Jobs', <>{person.jobs.all} in all, {person.jobs.live} under way{person.jobs.all > 0 && <> · <TextLink to="/jobs" search={{ of: person.id }} size="sm">show them</TextLink></>}</>]]} /></Panel>
          <Panel title="Money" id="money" actions={<Group gap="sm"><TextLink to="/ledger" search={{ account: account.available(person.id) }} size="sm">Entries</TextLink><Deposit person={person} /></Group>}><Facts of={[['Available', creditsText(person.wallet.available)], ['Held for jobs', creditsText(person.wallet.held)], ['Spent', creditsText(person.wallet.spent)], ...(person.roles.includes('seller') ? [['In the dispute window', creditsText(person.wallet.pending)], ['Cleared', <>{creditsText(person.wallet.earned)} · <TextLink to="/ledger" search={{ account: account.earned(person.id) }} size="sm">entries</TextLink></>]] as const : [])]} /></Panel>
          <Panel title="Limits" id="limits"><Facts of={[['Seats of jobs', `${person.limits.seats.now.toLocaleString('en')} of at most ${person.limits.seats.most.toLocaleString('en')}`], ['Jobs that wait for others', `${person.limits.waiting.now.toLocaleString('en')} of at most ${person.limits.waiting.most.toLocaleString('en')}`], ['Requests', person.limits.requestsAMinute === null ? 'not counted' : <>at most {person.limits.requestsAMinute.toLocaleString('en')} a minute · <TextLink to="/settings" size="sm">settings</TextLink></>]]} /></Panel>
          <Panel title="Nodes" id="nodes">{person.nodes.length === 0 ? <Empty title="No nodes" /> : <ul className="details">{person.nodes.map((node) => <li key={node.id}><TextLink to="/nodes/$node" params={{ node: node.id }} size="sm">{visible(node.name)}</TextLink></li>)}</ul>}</Panel>
        </Stack>
        <Stack>
          <Panel title="Roles" id="roles">
            <Checkbox.Group aria-labelledby="roles" value={roles} onChange={setRoles}><Stack gap="xs">{ROLES.map(([role, says]) => <Checkbox key={role} value={role} label={role} description={says} />)}</Stack></Checkbox.Group>
            <Group mt="md"><Button variant="default" disabled={isSame || given.length === 0} title={isSame ? 'Nothing was changed' : given.length === 0 ? 'Everybody has one role at least' : undefined} onClick={() => setDoing('roles')}>Set these roles…</Button></Group>
          </Panel>
          <Sessions person={person} />
          <Panel title="What admins did here" id="log"><TextLink to="/actions" search={{ subject: person.id }} size="sm">To {name}</TextLink>{person.roles.includes('admin') && <><br /><TextLink to="/actions" search={{ by: person.id }} size="sm">By {name}</TextLink></>}</Panel>
        </Stack>
      </div>
      <Command line={`npx lumaris --as admin admin user ${person.id}`} />
      <WithReason opened={doing !== null} close={() => setDoing(null)} title={doing === 'look' ? `See what ${name} sees?` : doing === 'suspend' ? `Suspend ${name}?` : doing === 'unsuspend' ? `End the suspension of ${name}?` : `Make ${name} ${given.join(', ')}?`} yes={doing === 'look' ? 'See it' : doing === 'suspend' ? 'Suspend' : doing === 'unsuspend' ? 'End it' : 'Set the roles'} dangerous={doing === 'suspend'} act={act}>
        {doing === 'look' ? `In this tab, for a quarter of an hour. You can change nothing meanwhile. ${name} is shown that you looked, why, and what you opened.` : doing === 'suspend' ? `${name} is signed out everywhere and cannot sign in or submit. ${person.nodes.length > 0 ? `${plural(person.nodes.length, 'node')} get no new work. ` : ''}What runs goes on to its end and is paid.` : doing === 'unsuspend' ? 'Everything is possible again, at once.' : given.includes('admin') && !person.roles.includes('admin') ? 'An admin sees everything, and can do all that you can.' : 'The new roles count from the next request on.'}
      </WithReason>
      {isMe && <Text size="sm" c="dimmed">This is you.</Text>}
    </Page>
  )
}

function Sessions({ person }: { person: PersonDetail }) {
  const { client } = useSession(), queries = useQueryClient(), found = useQuery(userSessionsQuery(client, person.id)), [ending, setEnding] = useState<Session | null>(null), name = visible(person.name)
  const end = async (reason: string): Promise<void> => { if (ending) await client.api.endUserSession({ params: { user: person.id, session: ending.id }, body: { reason } }); void queries.invalidateQueries({ queryKey: ['admin'] }) }
  return (
    <Panel title="Where they are signed in" id="sessions">
      <Loaded query={found}>{({ data }) => (data.length === 0 ? <Empty title="Nowhere" /> : (
        <ul className="plain-list sessions">{data.map((one) => <li key={one.id}><Group justify="space-between" gap="sm"><div className="page-title"><Text size="sm" fw={600}>{programOf(one.client)}</Text><Text size="sm" c="dimmed">{one.address === undefined ? '' : `${visible(one.address)}, `}since <Moment at={one.createdAt} />, renewed <Moment at={one.renewedAt} /></Text></div><Button size="compact-sm" variant="default" onClick={() => setEnding(one)}>End…<span className="for-readers"> {programOf(one.client)} {one.id.slice(-8)}</span></Button></Group></li>)}</ul>))}</Loaded>
      <div className="use"><Command line={`npx lumaris --as admin admin sessions ${person.id}`} /></div>
      <WithReason opened={ending !== null} close={() => setEnding(null)} title={`End this session of ${name}?`} yes="End it" dangerous act={end}>{ending && <>{programOf(ending.client)}{ending.address === undefined ? '' : `, from ${visible(ending.address)}`}. Whoever uses it must sign in again. API keys go on working.</>}</WithReason>
    </Panel>
  )
}
