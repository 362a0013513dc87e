import { useState } from 'react'
import { Alert, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { getRouteApi } from '@tanstack/react-router'
import type { WaitingDevice } from '@lumaris/protocol'
import { rest } from '../session/may.ts'
import { useMay, useSession } from '../session/use-session.ts'
import { visible } from '../ui/format.ts'
import { beside } from '../ui/field-errors.ts'
import { Facts, Moment, Page, Panel, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

const route = getRouteApi('/inside/device')
/** Somebody looks at who asks, and says yes or no. Nothing happens by opening the address alone. */
export function Device() {
  const { client, user, byKey } = useSession(), { why } = useMay(), not = byKey ? 'Not with a key' : why('decideDevice'), { code: given = '' } = route.useSearch()
  const [code, setCode] = useState(given), [found, setFound] = useState<WaitingDevice | null>(null), [over, setOver] = useState<'approved' | 'refused' | null>(null)
  const { busy, error, run, submit } = useWork()
  const { at, isLeft } = beside(error, found === null ? ['/userCode'] : [], found === null ? { device_code_expired: '/userCode' } : {})
  const look = async (): Promise<void> => setFound(await client.api.lookAtDevice({ body: { userCode: code } }))
  const decide = (approve: boolean): void => void run(async () => { await client.api.decideDevice({ body: { userCode: found?.userCode ?? code, approve } }); setOver(approve ? 'approved' : 'refused') })
  return (
    <Page title="Sign in a program" intro="A program shows a code and waits until you say yes here.">
      <Stack maw={480} w="100%">
        {!byKey && not !== undefined && <Alert color="orange" title={not}>A program is signed in as whoever says yes. Go back to yourself first.</Alert>}
        {byKey && <Alert color="orange" title="You are signed in with an API key">Sign in with e-mail and password to approve a program: a key must not make others that may more than it may itself.</Alert>}
        {over === null ? <>
          {isLeft && <Refusal error={error} />}
          {found === null ? (
            <form onSubmit={(event) => submit(event, look)}><Stack>
              <TextInput label="Code" description="As the program shows it, such as BCDF-GHJK" autoComplete="off" autoCapitalize="characters" required minLength={8} maxLength={20} value={code} onChange={(event) => setCode(event.currentTarget.value)} error={at('/userCode')} />
              <div><Button type="submit" loading={busy} {...rest(not)}>Look who asks</Button></div>
            </Stack></form>
          ) : (
            <Panel title={`Sign in “${visible(found.client)}” as ${visible(user.name)}?`} id="who">
              <Stack gap="sm">
                <Facts of={[['Code', <code key="code">{found.userCode}</code>], ['It asks from', found.address], ['Asked', <Moment key="asked" at={found.createdAt} />]]} />
                <Text size="sm">It may then do what you may. Say yes only if you started it yourself, just now, and it shows this very code.</Text>
                <Group><Button loading={busy} onClick={() => decide(true)}>Approve</Button><Button variant="default" disabled={busy} onClick={() => decide(false)}>Refuse</Button></Group>
              </Stack>
            </Panel>)}
        </> : <Alert color={over === 'approved' ? 'green' : 'orange'} role="status" title={over === 'approved' ? 'It is signed in' : 'It was refused'}>{over === 'approved' ? 'The program goes on within some seconds. You may close this page.' : 'The program is told so. If you did not start it, nothing more is to be done.'}</Alert>}
      </Stack>
    </Page>
  )
}
