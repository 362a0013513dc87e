import { Button } from '@mantine/core'
import { useRouter } from '@tanstack/react-router'
import { stopViewing } from '../session/session.ts'
import type { View } from '../session/session.ts'
import { useSession } from '../session/use-session.ts'
import { duration, visible } from '../ui/format.ts'
import { useNow } from '../ui/parts.tsx'

/** On every screen while an admin sees what somebody else sees: whose, how long still, and the way back. */
export function Viewing({ view }: { view: View }) {
  const { user } = useSession(), router = useRouter(), left = view.expiresAt - useNow(1_000)
  const end = async (): Promise<void> => { await stopViewing(); await router.navigate({ to: '/users/$user', params: { user: user.id } }) }
  return (
    <div className="banner trouble major" role="region" aria-label="You see what somebody else sees">
      <span><strong>You see what {visible(user.name)} sees</strong>, and can change nothing. {left > 0 ? `${duration(Math.ceil(left / 60_000) * 60_000)} left.` : 'It is over.'} {visible(user.name)} is shown that you looked, and why.</span>
      <Button size="compact-sm" variant="default" onClick={() => void end()}>End</Button>
    </div>
  )
}
