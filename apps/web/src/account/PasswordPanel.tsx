import { useState } from 'react'
import { Alert, Button, Stack, Text } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { factorQuery } from '../queries.ts'
import { useSession } from '../session/use-session.ts'
import { plural } from '../ui/format.ts'
import { NewPassword } from '../ui/fields.tsx'
import { Loaded, Panel } from '../ui/parts.tsx'
import { AppCode, Form, YourPassword } from './SecondFactor.tsx'

export function PasswordPanel() {
  const { client } = useSession(), queries = useQueryClient(), factor = useQuery(factorQuery(client)), [doing, setDoing] = useState(false), [ended, setEnded] = useState<number | null>(null)
  return (
    <Panel title="Password" id="password">
      <Stack gap="sm">
        {ended !== null && <Alert color="green" role="status" withCloseButton closeButtonLabel="Close" onClose={() => setEnded(null)}>The new password holds. {ended > 0 ? `${plural(ended, 'other session')} ended with the old one.` : 'You were signed in nowhere else.'} API keys go on working.</Alert>}
        {!doing && <div><Button variant="default" onClick={() => { setEnded(null); setDoing(true) }}>Change the password</Button></div>}
        {doing && <Loaded query={factor}>{({ on }) => <Change hasFactor={on} close={() => setDoing(false)} done={(count) => { setEnded(count); setDoing(false); void queries.invalidateQueries({ queryKey: ['sessions'] }) }} />}</Loaded>}
      </Stack>
    </Panel>
  )
}
function Change({ hasFactor, close, done }: { hasFactor: boolean; close: () => void; done: (ended: number) => void }) {
  const { client } = useSession(), [password, setPassword] = useState(''), [next, setNext] = useState(''), [code, setCode] = useState('')
  return (
    <Form yes="Change it" close={close} act={async () => done((await client.api.changePassword({ body: { password, next, ...(hasFactor ? { code } : {}) } })).ended)}>{(at) => <>
      <Text size="sm">You are signed out everywhere but here. API keys go on working.</Text>
      <YourPassword value={password} set={setPassword} at={at} />
      {hasFactor && <AppCode value={code} set={setCode} at={at} recovery />}
      <NewPassword value={next} onChange={(event) => setNext(event.currentTarget.value)} error={at('/next')} />
    </>}</Form>
  )
}
