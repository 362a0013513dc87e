import { useEffect, useState } from 'react'
import { Alert, Button, Group, Skeleton, Stack, Text } from '@mantine/core'
import { useRouter } from '@tanstack/react-router'
import { MEMBER_SAYS } from '@lumaris/protocol'
import type { Account, SeenInvitation } from '@lumaris/protocol'
import { actForAccount, anonymous, signOut } from '../session/session.ts'
import { useSessionState } from '../session/use-session.ts'
import { creditsText, visible } from '../ui/format.ts'
import { Empty, Facts, Moment, Page, Panel, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { ButtonLink } from '../shell/links.tsx'

const KEPT = 'lumaris-invitation'
/** The code stands behind the `#`, which no browser sends; it is taken out of the address at once, and kept by the tab while somebody signs in. */
function takeCode(): string | null {
  const given = /^#([A-Za-z0-9_-]{20,100})$/.exec(location.hash)?.[1]
  if (given !== undefined) { sessionStorage.setItem(KEPT, given); history.replaceState(history.state, '', location.pathname) }
  return given ?? sessionStorage.getItem(KEPT)
}

export function InvitationScreen() {
  const state = useSessionState(), [code, setCode] = useState(takeCode), [found, setFound] = useState<SeenInvitation | null>(null), [joined, setJoined] = useState<Account | null>(null), { busy, error, run } = useWork(), router = useRouter()
  const look = (): void => { if (code !== null) void run(async () => setFound(await anonymous.api.lookAtInvitation({ body: { code } }))) }
  useEffect(look, [code])
  // Another link in the same tab: the page stays, only what is behind the # changes.
  useEffect(() => {
    const again = (): void => { if (location.hash === '') return; setFound(null); setJoined(null); setCode(takeCode()) }
    addEventListener('hashchange', again)
    return () => removeEventListener('hashchange', again)
  }, [])
  const me = state.kind === 'in' ? (state.self?.user ?? state.user) : null, client = state.kind === 'in' ? (state.self?.client ?? state.client) : null
  const isMine = me !== null && me.email === found?.email
  const accept = (): Promise<void> => run(async () => { if (code === null || !client) return; setJoined(await client.api.acceptInvitation({ body: { code } })); sessionStorage.removeItem(KEPT) })
  const begin = (): Promise<void> => run(async () => { if (!joined) return; await actForAccount(joined.account); await router.navigate({ to: '/home' }) })
  return (
    <Page title="Invitation">
      <Stack maw={520} w="100%">
        {error !== null && <Refusal error={error} retry={found ? undefined : look} />}
        {code === null && <Empty title="There is no invitation in this address">Open the whole link that you were given: what stands behind the # belongs to it.</Empty>}
        {code !== null && !found && error === null && <Panel><Skeleton height={20} mb="sm" /><Skeleton height={20} width="70%" /></Panel>}
        {found && !joined && (
          <Panel title={`Work for ${visible(found.accountName)}`} id="invitation">
            <Stack gap="sm">
              <Facts of={[['Invited by', visible(found.byName)], ['For', visible(found.email)], ['As', `${found.role}: ${MEMBER_SAYS[found.role]}`], ['Up to, a month', found.monthlyLimit === null ? null : creditsText(found.monthlyLimit)], ['Until', <Moment key="until" at={found.expiresAt} />]]} />
              <Text size="sm">You sign in as yourself and choose for whom you act. Everything you do for {visible(found.accountName)} stands there under your name.</Text>
              {me === null ? <Group><ButtonLink to="/sign-in" search={{ next: '/invitation' }}>Sign in to accept</ButtonLink><ButtonLink to="/sign-up" search={{ next: '/invitation' }} variant="default">Make an account</ButtonLink></Group>
                : isMine ? <Group><Button loading={busy} onClick={() => void accept()}>Accept</Button><ButtonLink to="/home" variant="default">Not now</ButtonLink></Group>
                  : <Alert color="orange" title={`You are signed in as ${visible(me.email)}`}><Text size="sm" mb="xs">The invitation is for {visible(found.email)}.</Text><Button size="compact-sm" variant="default" loading={busy} onClick={() => void run(signOut)}>Sign out</Button></Alert>}
            </Stack>
          </Panel>)}
        {joined && <Alert color="green" role="status" title={`You work for ${visible(joined.name)} now`}><Text size="sm" mb="xs">As {joined.role}. You find the account in your menu whenever you want to act for it.</Text><Button size="compact-md" loading={busy} onClick={() => void begin()}>Act for {visible(joined.name)}</Button></Alert>}
      </Stack>
    </Page>
  )
}
