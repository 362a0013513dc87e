import { Button, NativeSelect } from '@mantine/core'
import { PACES, refresh, setPace, usePace } from '../pace.ts'
import type { Pace } from '../pace.ts'
import { useReach } from '../session/use-session.ts'
import { ago } from '../ui/format.ts'
import { useNow } from '../ui/parts.tsx'
import { TIMES, setTimes, useTimes } from '../ui/times.ts'
import type { Times } from '../ui/times.ts'

const TimesPicker = () => <NativeSelect className="pace" size="xs" label="Times" value={useTimes()} onChange={(event) => setTimes(event.currentTarget.value as Times)} data={Object.entries(TIMES).map(([value, label]) => ({ value, label }))} />
const PacePicker = () => <NativeSelect className="pace" size="xs" label="Refresh" value={usePace()} onChange={(event) => setPace(event.currentTarget.value as Pace)} data={Object.entries(PACES).map(([value, { name }]) => ({ value, label: name }))} />
/** How often a screen looks, and how it tells times: of whoever looks, on every screen. */
export const Pickers = () => <><PacePicker /><TimesPicker /></>
/** On every screen while it is not live: how old what is shown may be, and the way to look again. */
export function PaceLine() {
  const pace = usePace(), { at } = useReach(), now = useNow(1_000, pace !== 'live')
  if (pace === 'live') return null
  return (
    <div className="banner trouble minor" role="region" aria-label="Not live">
      <span>{pace === 'off' ? 'Nothing here refreshes by itself.' : `Refreshes ${PACES[pace].name.toLowerCase()}.`} Last asked {ago(at, Math.max(at, now))}.</span>
      <Button size="compact-sm" variant="default" onClick={refresh}>Refresh now</Button><Button size="compact-sm" variant="default" onClick={() => setPace('live')}>Live</Button>
    </div>
  )
}
