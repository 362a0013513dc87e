import { Button } from '@mantine/core'
import { useRouter } from '@tanstack/react-router'
import { MEMBER_SAYS } from '@lumaris/protocol'
import type { Account } from '@lumaris/protocol'
import { actForMyself } from '../session/session.ts'
import { visible } from '../ui/format.ts'

/** On every screen while one acts for somebody else's account: whose, as what, and the way back. */
export function Acting({ account }: { account: Account }) {
  const router = useRouter()
  const back = async (): Promise<void> => { await actForMyself(); await router.navigate({ to: '/members' }) }
  return (
    <div className="banner trouble minor" role="region" aria-label="You act for somebody else’s account">
      <span><strong>You act for {visible(account.name)}</strong> as {account.role}, who {MEMBER_SAYS[account.role]}. What you do stands there under your name.</span>
      <Button size="compact-sm" variant="default" onClick={() => void back()}>Back to yourself</Button>
    </div>
  )
}
