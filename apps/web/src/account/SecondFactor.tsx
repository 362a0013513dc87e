import { useMemo, useState } from 'react'
import type { ReactNode } from 'react'
import { Button, Group, Stack, Text } from '@mantine/core'
import { encode } from 'uqr'
import type { NewSecondFactor } from '@lumaris/protocol'
import { useSession } from '../session/use-session.ts'
import { Code, Password } from '../ui/fields.tsx'
import { beside } from '../ui/field-errors.ts'
import { Copy, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

/** What the market says of them stands beside them. */
const FIELDS = ['/password', '/code', '/next'], CODES = { weak_password: '/next', invalid_credentials: '/password', second_factor_wrong: '/code', second_factor_needed: '/code' }
export type At = (field: string) => string | undefined
export function Form({ fields = FIELDS, children, yes, danger, close, act }: { fields?: readonly string[]; children: (at: At) => ReactNode; yes: string; danger?: boolean | undefined; close: () => void; act: () => Promise<void> }) {
  const { busy, error, submit } = useWork(), { at, isLeft } = beside(error, fields, CODES)
  return (
    <form onSubmit={(event) => submit(event, act)}><Stack maw={420}>
      {children(at)}
      {isLeft && <Refusal error={error} />}
      <Group><Button type="submit" loading={busy} {...(danger ? { color: 'red' } : {})}>{yes}</Button><Button variant="default" onClick={close}>Leave it</Button></Group>
    </Stack></form>
  )
}
export const YourPassword = ({ value, set, at }: { value: string; set: (value: string) => void; at: At }) => <Password label="Your password" autoComplete="current-password" autoFocus required value={value} onChange={(event) => set(event.currentTarget.value)} error={at('/password')} />
export const AppCode = ({ value, set, at, focus, recovery }: { value: string; at: At; set: (value: string) => void; focus?: boolean; recovery?: boolean }) => <Code description={recovery ? 'The six digits that the app shows now, or a recovery code' : 'The six digits that the app shows now'} inputMode={recovery ? 'text' : 'numeric'} autoFocus={focus ?? false} value={value} onChange={(event) => set(event.currentTarget.value)} error={at('/code')} />

export function Prove({ yes, says, danger, close, act }: { yes: string; says: string; danger?: boolean; close: () => void; act: (body: { password: string; code: string }) => Promise<void> }) {
  const [password, setPassword] = useState(''), [code, setCode] = useState('')
  return <Form yes={yes} danger={danger} close={close} act={() => act({ password, code })}>{(at) => <><Text size="sm">{says}</Text><YourPassword value={password} set={setPassword} at={at} /><AppCode value={code} set={setCode} at={at} recovery /></>}</Form>
}

/** First the password, then the picture and the first code. */
export function Enrol({ close, done }: { close: () => void; done: (codes: readonly string[]) => void }) {
  const { client } = useSession()
  const [password, setPassword] = useState(''), [code, setCode] = useState(''), [made, setMade] = useState<NewSecondFactor | null>(null)
  if (!made) return <Form fields={['/password']} yes="Go on" close={close} act={async () => setMade(await client.api.startSecondFactor({ body: { password } }))}>{(at) => <YourPassword value={password} set={setPassword} at={at} />}</Form>
  return (
    <Form fields={['/code']} yes="Turn it on" close={close} act={async () => done((await client.api.confirmSecondFactor({ body: { code } })).recoveryCodes)}>
      {(at) => <><Text size="sm">Take a picture of this with an authenticator app, or type the key into it. Then type the code that it shows.</Text>
      <Qr text={made.uri} />
      <Group gap="xs" wrap="nowrap" align="flex-start"><Text size="sm" component="div">Key: <code>{made.secret.replace(/(.{4})(?=.)/g, '$1 ')}</code></Text><Copy text={made.secret} what="key" /></Group>
      <AppCode value={code} set={setCode} at={at} focus /></>}
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
