import { useEffect, useState } from 'react'
import { Alert, Button, Stack, Tabs, Text, TextInput } from '@mantine/core'
import { getRouteApi, useRouter } from '@tanstack/react-router'
import { isLumarisError } from '@lumaris/sdk'
import { startOf } from '../shell/Shell.tsx'
import { Code, Password } from '../ui/fields.tsx'
import { beside } from '../ui/field-errors.ts'
import { Page, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { session, signIn, signInWithKey } from './session.ts'
import { useSessionState } from './use-session.ts'
import { TextLink } from '../shell/links.tsx'

const route = getRouteApi('/sign-in')
export function SignIn() {
  const { next } = route.useSearch()
  const router = useRouter()
  const state = useSessionState()
  const [email, setEmail] = useState(''), [password, setPassword] = useState(''), [key, setKey] = useState('')
  const { busy, error, run, submit, forget } = useWork()
  // Asked for only when the market says that this account has one.
  const [code, setCode] = useState<string | null>(null)
  const { at, isLeft } = beside(error, code === null ? ['/email', '/password'] : ['/code'], code === null ? {} : { second_factor_wrong: '/code' })
  const enter = (how: () => Promise<void>) => async (): Promise<void> => {
    try { await how() } catch (failure) {
      if (isLumarisError(failure, 'second_factor_needed')) return setCode((now) => now ?? '')
      setCode((now) => (now === null ? null : ''))
      throw failure
    }
    const now = session.get()
    if (now.kind === 'in') await router.navigate({ href: next ?? startOf(now.user), replace: true })
  }
  // `npm start` prints addresses that carry a key of the demo behind the #, which never leaves the browser. It is taken out of the address at once, and
  // used only where the market is on this very machine: elsewhere such a link would be a way to put somebody into a stranger's account unseen.
  useEffect(() => {
    const given = /^#key=([\x21-\x7e]{10,300})$/.exec(location.hash)?.[1]
    if (given === undefined) return
    history.replaceState(history.state, '', location.pathname + location.search)
    if (/^(?:127\.0\.0\.1|localhost|\[::1\])$/.test(location.hostname)) void run(enter(() => signInWithKey(given)))
  }, [])
  return (
    <div className="door"><Page title="Sign in">
      <Stack maw={420} w="100%">
        {state.kind === 'out' && state.because && <Alert color="orange" role="status">{state.because}</Alert>}
        {isLeft && <Refusal error={error} />}
        <Tabs defaultValue="password" keepMounted={false}>
          <Tabs.List mb="md" aria-label="How to sign in"><Tabs.Tab value="password">E-mail and password</Tabs.Tab><Tabs.Tab value="key">API key</Tabs.Tab></Tabs.List>
          <Tabs.Panel value="password">
            {code !== null && (
              <form onSubmit={(event) => submit(event, enter(() => signIn(email, password, code)))}><Stack>
                <Text role="status">This account has a second factor.</Text>
                <Code description="The six digits that your app shows now, or one of your recovery codes" name="code" inputMode="text" autoFocus value={code} onChange={(event) => setCode(event.currentTarget.value)} error={at('/code')} />
                <Button type="submit" loading={busy}>Sign in</Button>
                <Button variant="default" onClick={() => { setCode(null); forget() }}>Back</Button>
              </Stack></form>)}
            {code === null && <form onSubmit={(event) => submit(event, enter(() => signIn(email, password)))}><Stack>
              <TextInput label="E-mail" type="email" name="email" autoComplete="username" required value={email} onChange={(event) => setEmail(event.currentTarget.value)} error={at('/email')} />
              <Password label="Password" name="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.currentTarget.value)} error={at('/password')} />
              <Button type="submit" loading={busy}>Sign in</Button>
              <Text size="sm"><TextLink to="/forgot-password">Forgotten your password?</TextLink></Text>
            </Stack></form>}
          </Tabs.Panel>
          <Tabs.Panel value="key">
            <form onSubmit={(event) => submit(event, enter(() => signInWithKey(key.trim())))}><Stack>
              <Password label="API key" shows="Show the key" description="For this tab only. What the key may not do, the screens may not do either." autoComplete="off" required value={key} onChange={(event) => setKey(event.currentTarget.value)} />
              <Button type="submit" loading={busy}>Sign in</Button>
            </Stack></form>
          </Tabs.Panel>
        </Tabs>
        <Text size="sm">No account yet? <TextLink to="/sign-up">Sign up</TextLink></Text>
      </Stack>
    </Page></div>
  )
}
