// When nothing is left to hand out, idle nodes may run a second copy of what takes too long: the node may have died without a word, or be much slower than it
// was. The first result counts. Bounded twice: one copy of a chunk at most, and so much extra work in all. Pure.
import type { DurationMs, Instant } from '@lumaris/protocol'

export type Running = { readonly chunk: number; readonly work: number; readonly startedAt: Instant; /** As foreseen at its start, by its node's pace. */ readonly expectedMs: DurationMs; readonly copies: number }
export type SpeculateSettings = { readonly overheadMs: DurationMs; /** Of all work, so much may be done twice. */ readonly extraMax: number }
/** A copy must be at least twice as quick as waiting: below that it is more often the loser than the winner. */
export const WORTH = 2
/** Past this multiple of what was foreseen, the forecast was wrong, and what it has taken so far is the better one for what it will still take. */
const LATE = 1.2

/** How long it will still take, for all that is known now. */
export function remainingMs(run: Running, now: Instant): DurationMs {
  const elapsed = now - run.startedAt
  return elapsed > LATE * run.expectedMs ? elapsed : Math.max(0, run.expectedMs - elapsed)
}

/** The chunk whose copy on a node of this pace would save the most; null when none is worth it. */
export function pickStraggler(running: Iterable<Running>, question: { readonly now: Instant; readonly pace: number; readonly total: number; /** Work of copies so far. */ readonly extra: number; readonly settings: SpeculateSettings }): Running | null {
  const { now, pace, total, extra, settings } = question
  let best: Running | null = null, saves = 0
  for (const run of running) {
    if (run.copies > 0 || extra + run.work > settings.extraMax * total) continue
    const left = remainingMs(run, now), fresh = run.work / pace + settings.overheadMs
    if (left > WORTH * fresh && left - fresh > saves) { best = run; saves = left - fresh }
  }
  return best
}

/** A copy on a slow node is the task's only one, so it waits for a quick one, which the tail of a job sets free soon; unless it would save so much all the same. */
const QUICK = 0.9, PATIENCE = 8
/** Whether a copy on a node of this pace is worth it; `mean` is the pace of those that work on the job. With copies on any node, the 95th percentile with slow nodes was 1.42 times the ideal. */
export function isWorth(run: Running, { now, pace, mean, overheadMs }: { readonly now: Instant; readonly pace: number; readonly mean: number; readonly overheadMs: DurationMs }): boolean {
  return remainingMs(run, now) > (pace >= QUICK * mean ? WORTH : PATIENCE) * (run.work / pace + overheadMs)
}
