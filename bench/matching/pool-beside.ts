// The pool once more, where one buyer's work is interruptible: the others are served as if it were not there, and it fills what they leave, but for what is kept
// free for them (market/spot/headroom.ts). Where that is not enough, what began last is told to go, and the other starts when the notice is over.
import { Heap } from '../../packages/domain/src/heap.ts'
import { dominantCost } from '../../packages/domain/src/market/order/fair.ts'
import { Profile } from '../../packages/domain/src/market/order/profile.ts'
import type { Amounts } from '../../packages/domain/src/market/order/profile.ts'
import { headroom, newHeadroom, sawFirm } from '../../packages/domain/src/market/spot/headroom.ts'
import { fairly } from './pool.ts'
import type { PoolJob, Started } from './pool.ts'

/** Of what waits, at each event. */
const LOOKED_AT = 100
type Run = { readonly job: PoolJob; readonly at: number; gone: boolean }
export type Beside = { readonly graceMs: number; /** At most this part of the pool is kept free. */ readonly most: number; readonly isSpot: (job: PoolJob) => boolean }
export type BesideResult = { readonly started: readonly Started[]; readonly evictions: number; /** Of all that interruptible work was given, what was lost with an eviction. */ readonly lost: number; readonly overdue: number; readonly late: number }

export function playBeside(jobs: readonly PoolJob[], total: Amounts, longestMs: number, { graceMs, most, isSpot }: Beside): BesideResult {
  const firm = fairly(total, longestMs), alone = new Profile(total), free = [...total]
  const events = new Heap<{ readonly run: Run } | { readonly start: PoolJob }>(), spot: PoolJob[] = [], running = new Set<Run>(), started: Started[] = []
  let rows = total.map((_, r) => newHeadroom(String(r), 0, 0)), next = 0, evictions = 0, lost = 0, given = 0
  const used = total.map(() => 0)
  const take = (job: PoolJob, sign: number): void => job.amounts.forEach((amount, r) => { free[r] = (free[r] as number) - sign * amount; if (!isSpot(job)) used[r] = (used[r] as number) + sign * amount })
  const begin = (job: PoolJob, at: number): void => {
    const run: Run = { job, at, gone: false }
    take(job, 1)
    if (isSpot(job)) running.add(run)
    started.push({ job, at })
    events.push(at + job.run, { run })
  }
  const end = (run: Run, now: number): void => {
    run.gone = true
    running.delete(run)
    take(run.job, -1)
    if (isSpot(run.job)) given += dominantCost(run.job.amounts, total, now - run.at)
    else { alone.give(now, run.at + run.job.limitMs, run.job.amounts); firm.ended(run.job) }
  }
  const fits = ({ amounts }: PoolJob, kept: readonly number[] = []): boolean => amounts.every((amount, r) => amount <= (free[r] as number) - (kept[r] ?? 0))
  while (next < jobs.length || events.size > 0) {
    const now = Math.min(events.peekKey() ?? Infinity, jobs[next]?.submit ?? Infinity)
    alone.advance(now)
    while (events.peekKey() === now) {
      const event = events.pop() as { readonly run: Run } | { readonly start: PoolJob }
      if ('start' in event) begin(event.start, now)
      else if (!event.run.gone) end(event.run, now)
    }
    while (jobs[next]?.submit === now) { const job = jobs[next++] as PoolJob; if (isSpot(job)) spot.push(job); else firm.add(job, now) }
    for (const job of firm.round(alone, now)) {
      if (fits(job)) { begin(job, now); continue }
      // It is as if they were gone already: what is freed is taken at once, so that nobody else gets it in between.
      for (const run of [...running].sort((a, b) => b.at - a.at)) {
        if (fits(job)) break
        end(run, now)
        evictions++
        lost += dominantCost(run.job.amounts, total, now - run.at)
        const at = started.findIndex((one) => one.job === run.job)
        started.splice(at, 1)
        spot.unshift(run.job)
      }
      alone.give(now, now + job.limitMs, job.amounts)
      alone.take(now, now + graceMs + job.limitMs, job.amounts)
      take(job, 1)
      const run: Run = { job, at: now + graceMs, gone: false }
      started.push({ job, at: now + graceMs })
      events.push(now + graceMs + job.run, { run })
    }
    rows = rows.map((row, r) => sawFirm(row, used[r] as number, now))
    const kept = rows.map((row, r) => Math.min(headroom(row), most * (total[r] as number)))
    for (let i = 0, looked = 0; i < spot.length && looked < LOOKED_AT; looked++) { if (fits(spot[i] as PoolJob, kept)) { begin(spot.splice(i, 1)[0] as PoolJob, now) } else { i++ } }
  }
  return { started, evictions, lost: given === 0 ? 0 : lost / given, overdue: firm.overdue(), late: firm.late() }
}
