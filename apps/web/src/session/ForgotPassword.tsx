import { useState } from 'react'
import { Alert, Button, Stack, Text, TextInput } from '@mantine/core'
import { formatDuration } from '@lumaris/protocol'
import { TextLink } from '../shell/links.tsx'
import { beside } from '../ui/field-errors.ts'
import { Page, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { anonymous } from './session.ts'

/** Whether the address has an account is said to nobody. */
export function ForgotPassword() {
  const [email, setEmail] = useState(''), [sent, setSent] = useState<{ to: string; validMs: number } | null>(null), { busy, error, submit } = useWork(), { at, isLeft } = beside(error, ['/email'])
  const ask = async (): Promise<void> => setSent({ to: email, validMs: (await anonymous.api.askPasswordReset({ body: { email } })).validMs })
  return (
    <div className="door"><Page title="Set a new password">
      <Stack maw={420} w="100%">
        {sent ? <Alert color="green" role="status" title="Look into your mail">If {sent.to} has an account here, a link is on its way that sets a new password. It is good for {formatDuration(sent.validMs)}, and works once. Look into the folder for spam too.</Alert> : (
          <form onSubmit={(event) => submit(event, ask)}><Stack>
            <Text size="sm">Type the address that you sign in with: a link is mailed there that sets a new password.</Text>
            {isLeft && <Refusal error={error} />}
            <TextInput label="E-mail" type="email" autoComplete="username" required value={email} onChange={(event) => setEmail(event.currentTarget.value)} error={at('/email')} />
            <Button type="submit" loading={busy}>Mail me a link</Button>
          </Stack></form>)}
        <Text size="sm"><TextLink to="/sign-in">Back to signing in</TextLink></Text>
      </Stack>
    </Page></div>
  )
}
