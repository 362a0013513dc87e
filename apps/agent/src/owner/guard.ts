// Carries out what packages/domain decides about the owner: four times a second it looks, and when something has changed it acts, in this order: what
// runs stands still; then the market is told. The other way round, an owner would wait for a network.
import { FROZEN_MAX_MS } from '@lumaris/protocol'
import type { AttemptId, OwnerSettings, OwnerSettingsInput } from '@lumaris/protocol'
import { NEW_OWNER_MEMORY, NO_READINGS, decideOwner } from '@lumaris/domain'
import type { OwnerDecision, OwnerMemory, OwnerReadings } from '@lumaris/domain'
import type { Attempts } from '../attempts.ts'
import type { Clock } from '../clock.ts'
import { saysOf } from '../log.ts'
import type { Log } from '../log.ts'
import { watchOwnerFiles } from './files.ts'
import type { OwnerFiles } from './files.ts'
import type { Sense } from './sense.ts'

export type GuardPorts = {
  readonly dataDir: string; readonly defaults?: OwnerSettingsInput | undefined; readonly sense: Sense; readonly clock: Clock; readonly log: Log
  readonly attempts: Pick<Attempts, 'freeze' | 'list'>
  /** Told to the market: no new work, or work again. */
  readonly pause: (paused: boolean) => void
  readonly reclaim: (attempts?: readonly AttemptId[]) => void
  readonly share: (share: OwnerSettings['share']) => void
  readonly level?: (level: OwnerSettings['logLevel']) => void
}
export interface Guard {
  /** One pass, now. */
  look(): void
  readonly files: OwnerFiles
  readonly readings: OwnerReadings
  readonly decision: OwnerDecision
  /** When what stands still is handed back, on the wall clock; null: nothing stands still. */
  readonly handBackAt: number | null
  close(): void
}
export const LOOK_MS = 250
/** All standing still of one attempt together: after this it is better off elsewhere, and the market would take it for lost. */
const FROZEN_IN_ALL_MS = (FROZEN_MAX_MS * 2) / 3

export function createGuard({ dataDir, defaults, sense, clock, log, attempts, pause, reclaim, share, level }: GuardPorts): Guard {
  const files = watchOwnerFiles(dataDir, defaults)
  let seen = files.look(), readings = NO_READINGS, memory: OwnerMemory = NEW_OWNER_MEMORY
  let decision: OwnerDecision = { work: true, reasons: [], attempts: 'run', nextAt: null }
  let told = '', paused = false, given = '', trouble: string | null = null

  function look(): void {
    seen = files.look()
    const { settings } = seen
    const now = clock.now(), wall = clock.wall()
    readings = sense.read(now, wall, { inputs: settings.pauseWhen.inUse, terminals: settings.pauseWhen.terminals })
    const view = { settings, wish: seen.wish, stopped: seen.stopped, readings, now, wall };
    ({ memory, decision } = decideOwner(memory, view))
    const says = decision.reasons.join(', ')
    if (says !== told) log.info({ reasons: decision.reasons, nextAt: decision.nextAt }, says === '' ? 'the owner lets work run' : 'the owner comes first: work stands still')
    told = says
    void attempts.freeze(decision.attempts !== 'run').catch((error: unknown) => log.error({ error: saysOf(error) }, 'not everything stands still'))
    if (paused !== !decision.work) pause(paused = !decision.work)
    const running = attempts.list().filter((one) => one.state !== 'ending')
    if (decision.attempts === 'hand_back' && running.length > 0) reclaim()
    else {
      const late = running.filter((one) => one.frozenMs > FROZEN_IN_ALL_MS).map((one) => one.id)
      if (late.length > 0) reclaim(late)
    }
    const part = JSON.stringify(settings.share)
    if (part !== given) { given = part; share(settings.share) }
    level?.(settings.logLevel)
    if (seen.trouble !== trouble && seen.trouble !== null) log.error({ trouble: seen.trouble }, 'the settings of the owner cannot be read; the last good ones hold')
    trouble = seen.trouble
  }
  look()
  const timer = setInterval(look, LOOK_MS)
  return { look, get files() { return seen }, get readings() { return readings }, get decision() { return decision },
    get handBackAt() { return memory.pausedSince === null ? null : clock.wall() + seen.settings.freezeMs - (clock.now() - memory.pausedSince) },
    close() { clearInterval(timer); sense.close() } }
}
