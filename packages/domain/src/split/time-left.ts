// How long a job of many tasks still takes, from what its nodes have shown. Pure; work is in any unit.
import type { DurationMs, Instant } from '@lumaris/protocol'
import { WORTH, remainingMs } from './speculate.ts'

export type Try = { readonly work: number; /** Work in a millisecond, as believed of its node. */ readonly pace: number; readonly offeredAt: Instant }
export type TimeLeft = {
  readonly now: Instant
  /** What dispatching a task costs, whatever is in it. */
  readonly overheadMs: DurationMs
  /** Work of the tasks that wait, and how many they are. */
  readonly waiting: { readonly work: number; readonly tasks: number }
  /** By task, its tries: with a copy there are two, and the first to end frees both nodes. */
  readonly running: readonly (readonly Try[])[]
  /** What is late will be begun a second time when nothing waits any more. */
  readonly copies?: boolean | undefined
}

/** Null while nobody works on it. */
export function timeLeft({ now, overheadMs, waiting, running, copies = false }: TimeLeft): DurationMs | null {
  const mean = waiting.tasks === 0 ? 0 : waiting.work / waiting.tasks
  const lanes: { readonly freeMs: DurationMs; readonly pace: number }[] = [], ends: { readonly freeMs: DurationMs; readonly work: number; readonly twice: boolean }[] = []
  for (const tries of running) {
    const [first] = tries
    if (!first) continue
    const freeMs = Math.min(...tries.map(({ work, pace, offeredAt }) => remainingMs({ chunk: 0, work, startedAt: offeredAt, expectedMs: overheadMs + work / pace, copies: 0 }, now)))
    ends.push({ freeMs, work: first.work, twice: tries.length > 1 })
    for (const { work, pace: believed, offeredAt } of tries) {
      // Who should be done and is not is not as quick as was believed.
      const elapsed = now - offeredAt - overheadMs, pace = elapsed > work / believed ? work / elapsed : believed
      // Each task that waits costs its dispatch too.
      lanes.push({ freeMs, pace: mean === 0 ? pace : mean / (overheadMs + mean / pace) })
    }
  }
  if (lanes.length === 0) return waiting.tasks === 0 ? 0 : null
  // Nodes take up what waits as they become free: the time by which they have done all of it, were it a fluid.
  let left = waiting.work, fleet = 0, at = 0
  for (const { freeMs, pace } of lanes.toSorted((a, b) => a.freeMs - b.freeMs)) {
    if (left <= fleet * (freeMs - at)) break
    left -= fleet * (freeMs - at)
    at = freeMs
    fleet += pace
  }
  const shared = waiting.work === 0 ? 0 : at + left / fleet, each = lanes.reduce((sum, { pace }) => sum + pace, 0) / lanes.length
  // Nothing ends before its slowest task, nor that before a copy of it, where there will be one.
  const slowest = ends.reduce((latest, { freeMs, work, twice }) => { const fresh = overheadMs + work / each; return Math.max(latest, copies && !twice && freeMs - shared > WORTH * fresh ? shared + fresh : freeMs) }, 0)
  return Math.max(slowest, shared)
}
