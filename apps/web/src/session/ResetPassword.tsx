import { useEffect, useState } from 'react'
import { Alert, Button, Stack, Text } from '@mantine/core'
import { ButtonLink, TextLink } from '../shell/links.tsx'
import { beside } from '../ui/field-errors.ts'
import { plural } from '../ui/format.ts'
import { NewPassword } from '../ui/fields.tsx'
import { Empty, Page, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { anonymous } from './session.ts'

/** The code stands behind the `#`, which no browser sends, and is taken out of the address at once: it is not in the history, and in no picture of the screen. */
function takeCode(): string | null {
  const given = /^#([A-Za-z0-9_-]{20,100})$/.exec(location.hash)?.[1] ?? null
  if (given !== null) history.replaceState(history.state, '', location.pathname)
  return given
}

export function ResetPassword() {
  const [code, setCode] = useState(takeCode), [password, setPassword] = useState(''), [ended, setEnded] = useState<number | null>(null), { busy, error, submit } = useWork(), { at, isLeft } = beside(error, ['/password'], { weak_password: '/password' })
  // Another link in the same tab: the page stays, only what is behind the # changes.
  useEffect(() => {
    const again = (): void => { const given = takeCode(); if (given !== null) { setEnded(null); setCode(given) } }
    addEventListener('hashchange', again)
    return () => removeEventListener('hashchange', again)
  }, [])
  const set = async (): Promise<void> => { if (code !== null) setEnded((await anonymous.api.usePasswordReset({ body: { code, password } })).ended) }
  return (
    <div className="door"><Page title="Set a new password">
      <Stack maw={420} w="100%">
        {code === null ? <Empty title="There is no code in this address">Open the whole link of the mail: what stands behind the # belongs to it. Or <TextLink to="/forgot-password" size="sm">ask for another one</TextLink>.</Empty>
          : ended !== null ? <><Alert color="green" role="status" title="The new password holds">{ended > 0 ? `${plural(ended, 'session')} ended with the old one.` : 'Nobody was signed in with the old one.'} API keys go on working: if somebody else may have had your password, look through them.</Alert><div><ButtonLink to="/sign-in">Sign in with it</ButtonLink></div></>
            : <form onSubmit={(event) => submit(event, set)}><Stack>
              <Text size="sm">Whoever is signed in to your account must sign in again with the new one.</Text>
              {isLeft && <Refusal error={error} />}
              <NewPassword autoFocus value={password} onChange={(event) => setPassword(event.currentTarget.value)} error={at('/password')} />
              <Button type="submit" loading={busy}>Set it</Button>
              {isLeft && <Text size="sm"><TextLink to="/forgot-password">Ask for another link</TextLink></Text>}
            </Stack></form>}
      </Stack>
    </Page></div>
  )
}
