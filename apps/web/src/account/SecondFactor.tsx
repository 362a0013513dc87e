import { useMemo, useState } from 'react'
import type { ReactNode } from 'react'
import { Button, Group, Stack, Text } from '@mantine/core'
import { encode } from 'uqr'
import type { NewSecondFactor } from '@lumaris/protocol'
import { useSession } from '../session/use-session.ts'
import { Code, Password } from '../ui/fields.tsx'
import { Copy, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

function Form({ children, yes, danger, close, act }: { children: ReactNode; yes: string; danger?: boolean | undefined; close: () => void; act: () => Promise<void> }) {
  const { busy, error, submit } = useWork()
  return (
    <form onSubmit={(event) => submit(event, act)}><Stack maw={420}>
      {children}
      {error !== null && <Refusal error={error} />}
      <Group><Button type="submit" loading={busy} {...(danger ? { color: 'red' } : {})}>{yes}</Button><Button variant="default" onClick={close}>Leave it</Button></Group>
    </Stack></form>
  )
}
const YourPassword = ({ value, set }: { value: string; set: (value: string) => void }) => <Password label="Your password" autoComplete="current-password" autoFocus required value={value} onChange={(event) => set(event.currentTarget.value)} />
const AppCode = ({ value, set, focus, recovery }: { value: string; set: (value: string) => void; focus?: boolean; recovery?: boolean }) => <Code description={recovery ? 'The six digits that the app shows now, or a recovery code' : 'The six digits that the app shows now'} inputMode={recovery ? 'text' : 'numeric'} autoFocus={focus ?? false} value={value} onChange={(event) => set(event.currentTarget.value)} />

export function Prove({ yes, says, danger, close, act }: { yes: string; says: string; danger?: boolean; close: () => void; act: (body: { password: string; code: string }) => Promise<void> }) {
  const [password, setPassword] = useState(''), [code, setCode] = useState('')
  return <Form yes={yes} danger={danger} close={close} act={() => act({ password, code })}><Text size="sm">{says}</Text><YourPassword value={password} set={setPassword} /><AppCode value={code} set={setCode} recovery /></Form>
}

/** First the password, then the picture and the first code. */
export function Enrol({ close, done }: { close: () => void; done: (codes: readonly string[]) => void }) {
  const { client } = useSession()
  const [password, setPassword] = useState(''), [code, setCode] = useState(''), [made, setMade] = useState<NewSecondFactor | null>(null)
  if (!made) return <Form yes="Go on" close={close} act={async () => setMade(await client.api.startSecondFactor({ body: { password } }))}><YourPassword value={password} set={setPassword} /></Form>
  return (
    <Form yes="Turn it on" close={close} act={async () => done((await client.api.confirmSecondFactor({ body: { code } })).recoveryCodes)}>
      <Text size="sm">Take a picture of this with an authenticator app, or type the key into it. Then type the code that it shows.</Text>
      <Qr text={made.uri} />
      <Group gap="xs" wrap="nowrap" align="flex-start"><Text size="sm" component="div">Key: <code>{made.secret.replace(/(.{4})(?=.)/g, '$1 ')}</code></Text><Copy text={made.secret} what="key" /></Group>
      <AppCode value={code} set={setCode} focus />
    </Form>
  )
}

/** Drawn in the page: nobody else sees what it says. Dark on light in both colour schemes, as cameras want it. */
function Qr({ text }: { text: string }) {
  const { size, path } = useMemo(() => {
    const { data, size: side } = encode(text, { ecc: 'M', border: 4 })
    return { size: side, path: data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join('') }
  }, [text])
  return <svg className="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label="QR code with the key, for an authenticator app" shapeRendering="crispEdges"><rect width={size} height={size} fill="#ffffff" /><path d={path} fill="#000000" /></svg>
}
