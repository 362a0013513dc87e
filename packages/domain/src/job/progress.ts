// How far a job is and how long it still takes, as of now: from its tasks, and what its nodes have shown.
import type { Instant, JobProgress } from '@lumaris/protocol'
import { copiesMax, isInBytes, isInItems } from '@lumaris/protocol'
import type { LiveJob, MarketState } from '../state.ts'
import { timeLeft } from '../split/time-left.ts'
import type { Try } from '../split/time-left.ts'
import { workIn } from '../split/pieces.ts'
import { foresee } from './copy-late.ts'
import { holdsNode } from './lifecycle.ts'

export function progressOf(state: MarketState, live: LiveJob, now: Instant): JobProgress {
  const { tasks, row } = live, foreseen = foresee(state, live), running: Try[][] = []
  let done = 0, total = 0, copies = 0, waitingWork = 0, waitingTasks = 0
  for (const task of tasks) {
    const size = workIn(row.spec, task.index, task.piece)
    total += size
    if (row.spec.speculate && task.slots.length > 1) copies++
    if (task.state === 'done') done += size
    if (task.state === 'queued') { waitingWork += size; waitingTasks++ }
    if (task.state !== 'running') continue
    const tries = task.slots.flatMap(({ attempt: id }): Try[] => {
      const attempt = id ? state.attempts.get(id) : undefined, pace = attempt && holdsNode(attempt.state) ? foreseen.paceOn(attempt.node) : null
      return attempt && pace !== null ? [{ work: size, pace, offeredAt: attempt.offeredAt }] : []
    })
    if (tries.length > 0) running.push(tries)
  }
  // What waits of a job that is cut while it runs is more tasks than it looks.
  if (row.spec.divide && foreseen.mean !== null) waitingTasks = Math.max(waitingTasks, Math.ceil(waitingWork / (foreseen.mean * row.spec.divide.targetMs)))
  // Copies that must agree come one after the other, or all count: how many are still to come is not known.
  const known = foreseen.mean !== null && row.spec.copies === 1 && !row.spec.assurance && !row.cancelling
  const etaMs = known ? timeLeft({ now, overheadMs: foreseen.overheadMs, waiting: { work: waitingWork, tasks: waitingTasks }, running, copies: copies < copiesMax(row.spec) }) : null
  const sinceMs = row.startedAt === null ? 0 : now - row.startedAt
  return { unit: isInBytes(row.spec.tasks) ? 'bytes' : isInItems(row.spec.tasks) ? 'items' : 'tasks', total, done, ...(sinceMs > 0 && done > 0 ? { perSecond: (done / sinceMs) * 1000 } : {}), ...(etaMs === null ? {} : { etaMs: Math.round(etaMs) }), ...(copies > 0 ? { copies } : {}) }
}
