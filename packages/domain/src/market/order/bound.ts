// How long work can wait at most, and why.
//
// A job turns overdue at its due time. Overdue work is served oldest due first, and the first RESERVATIONS_MAX (R) of it hold reservations, each not
// before the one of the older (backfill.ts). Let O be the overdue jobs that are older and had not started when j turned overdue, k their number, L
// the longest limit of the pool, C its total and a, l the amounts and limit of a job. As long as limits are enforced:
//
//   start(j) <= due(j) + (1 + floor(k / R)) x L + min( sum over O of l,  sum over O and resources r of a_r x l / (C_r - m_r + 1) )
//
// with m_r the largest a_r among O and j. Why: at due + L nothing of before runs any more. From then on, at every moment before j's reservation some
// older overdue job is next and does not fit, so of some resource more than C_r - m_r is in use, and all of it by jobs of O: those moments cannot be
// more than the second sum, nor more than the first, because something of O runs in each. Later passes only move reservations forwards: running work
// ends at its limit at the latest, and what starts in between was let in only where every reservation stays possible. A job further back than R comes
// among the first R once enough of those before it have started: that is one more L for each R of them.
import type { Amounts, Demand } from './profile.ts'
import { RESERVATIONS_MAX } from './backfill.ts'

export type BoundOf = { readonly due: number; readonly self: Demand; readonly older: readonly Demand[]; readonly longestMs: number; readonly total: Amounts; readonly reservationsMax?: number }

/** The latest start of a job, known when it turns overdue. Rounded up: a bound may be late, never early. */
export function latestStart({ due, self, older, longestMs, total, reservationsMax = RESERVATIONS_MAX }: BoundOf): number {
  return Math.ceil(due + (1 + Math.floor(older.length / reservationsMax)) * longestMs + drainMs(self, older, total))
}

function drainMs(self: Demand, older: readonly Demand[], total: Amounts): number {
  const inTurn = older.reduce((sum, job) => sum + job.limitMs, 0)
  const sideBySide = total.reduce((sum, all, r) => {
    const of = (job: Demand): number => job.amounts[r] as number
    const widest = older.reduce((most, job) => Math.max(most, of(job)), of(self))
    return sum + older.reduce((area, job) => area + of(job) * job.limitMs, 0) / (all - widest + 1)
  }, 0)
  return Math.min(inTurn, sideBySide)
}
