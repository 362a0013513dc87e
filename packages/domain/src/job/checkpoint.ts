// Checkpoints. A node says that one is stored (its files are with the market; the gateway has looked), and the attempt's row names it. When the attempt ends
// by a cause that the buyer does not bear, its slot keeps the newest one: the next attempt goes on from there, with what is left of time and cap.
//
// An attempt's checkpoints count under its own fence only, as all it says; a slot's next attempt has a higher one. So no attempt goes on from what another
// that was given up has stored afterwards.
import type { CheckpointMessage, JobSpec, MemoryLock, NodeId, Saved } from '@lumaris/protocol'
import type { AttemptRow } from '../rows.ts'
import { liveAttempt, liveJob, putAttempt, tell } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { endAttempt } from './finish.ts'
import { followTick, running, speaksFor } from '../fleet/report.ts'
import { handOver } from './move-live.ts'

export type CheckpointCommand = { readonly kind: 'checkpoint'; readonly node: NodeId; readonly session: number; readonly message: CheckpointMessage }

export function checkpoint(turn: Turn, { node, session, message }: CheckpointCommand): void {
  const mine = speaksFor(turn, node, session, message.attempt_id, message.fence)
  if (!mine || mine.state === 'reported') return
  running(turn, mine)
  const { tick } = message, attempt = liveAttempt(turn, mine.id), repeated = tick.seq <= attempt.tickSeq
  const wrong = followTick(turn, attempt, tick, message.hash) ?? (tick.checkpoint && !repeated ? unfit(attempt, tick.checkpoint, tick.usage.runMs) : null)
  if (wrong) {
    endAttempt(turn, mine.id, 'driver_failed', wrong)
    return tell(turn, node, mine.session, { type: 'cancel', attempt_id: mine.id, reason: 'driver_failed' })
  }
  if (tick.checkpoint?.kind === 'live') return handOver(turn, mine.id, tick.checkpoint.number, repeated ? null : { ...tick.checkpoint, tick: tick.seq, at: turn.now, ...(message.memory ? { memory: message.memory } : {}) })
  if (repeated || !tick.checkpoint || !mayKeep(liveJob(turn, mine.job).row.spec, tick.checkpoint, attempt, message.memory)) return
  putAttempt(turn, { ...liveAttempt(turn, mine.id), saved: { ...tick.checkpoint, tick: tick.seq, at: turn.now, ...(message.memory ? { memory: message.memory } : {}) }, ...(message.memory && attempt.saved ? { filed: attempt.saved } : {}) })
}

/** Only what was asked for: a seller is paid for what is kept, so nothing is kept that the buyer has not named. */
const mayKeep = ({ checkpoint: asked, resources }: JobSpec, saved: Saved, { moving }: AttemptRow, memory: MemoryLock | undefined): boolean =>
  (saved.kind === 'files' ? asked !== undefined && !memory && saved.size <= resources.diskBytes : moving?.kind === 'memory' && memory !== undefined && saved.size <= resources.diskBytes + 2 * resources.memoryBytes)

function unfit(attempt: AttemptRow, next: Saved, runMs: number): string | null {
  const last = attempt.saved ?? attempt.resumes?.saved
  if (last && next.number <= last.number) return 'a checkpoint has the number of an older one'
  return next.runMs > runMs || next.runMs < (attempt.saved?.runMs ?? 0) ? 'a checkpoint claims another time than the meter' : null
}
