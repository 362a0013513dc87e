// A pool of several resources that many buyers share, played event by event: the queue of the domain in front of a profile, and the policies it is
// compared with. What each buyer is given is counted up to `until`, while the flood lasts; then everything runs out.
import { Heap } from '../../packages/domain/src/heap.ts'
import { HEADS_MAX, RESERVATIONS_MAX, backfill } from '../../packages/domain/src/market/order/backfill.ts'
import { latestStart } from '../../packages/domain/src/market/order/bound.ts'
import { dominantCost } from '../../packages/domain/src/market/order/fair.ts'
import { FairQueue } from '../../packages/domain/src/market/order/fair-queue.ts'
import { kindOf, patienceMs } from '../../packages/domain/src/market/order/key.ts'
import { Profile } from '../../packages/domain/src/market/order/profile.ts'
import type { Amounts } from '../../packages/domain/src/market/order/profile.ts'

export type PoolJob = { readonly id: number; readonly buyer: string; readonly submit: number; readonly run: number; readonly limitMs: number; readonly expectedMs: number; readonly amounts: Amounts }
export type Started = { readonly job: PoolJob; readonly at: number }
/** One round at one moment: whom it starts is taken from the profile, and nothing else is left in it. */
export type Scheduler = { add(job: PoolJob, now: number): void; round(profile: Profile, now: number): readonly PoolJob[]; ended(job: PoolJob): void; /** Turned overdue, and of them started after their bound. */ readonly overdue: () => number; readonly late: () => number }

export function playPool(jobs: readonly PoolJob[], total: Amounts, scheduler: Scheduler): Started[] {
  const profile = new Profile(total), ends = new Heap<Started>(), started: Started[] = []
  let next = 0
  while (next < jobs.length || ends.size > 0) {
    const now = Math.min(ends.peekKey() ?? Infinity, jobs[next]?.submit ?? Infinity)
    profile.advance(now)
    while (ends.peekKey() === now) {
      const { job, at } = ends.pop() as Started
      profile.give(now, at + job.limitMs, job.amounts)
      scheduler.ended(job)
    }
    while (jobs[next]?.submit === now) scheduler.add(jobs[next++] as PoolJob, now)
    for (const job of scheduler.round(profile, now)) { started.push({ job, at: now }); ends.push(now + job.run, { job, at: now }) }
  }
  return started
}

/** The domain's queue: who is overdue and does not fit gets a reservation for this round, and so does the first of each buyer who does not fit. */
export function fairly(total: Amounts, longestMs: number): Scheduler {
  const queue = new FairQueue<PoolJob>(total), bounds = new Map<PoolJob, number>()
  const dues = new Heap<PoolJob>(), begun = new Set<PoolJob>()
  let older: PoolJob[] = [], late = 0
  /** Whoever turned overdue since the last round: its bound is made of those before it that still wait. */
  const bind = (now: number) => {
    older = older.filter((job) => !begun.has(job))
    while ((dues.peekKey() ?? Infinity) <= now) {
      const due = dues.peekKey() as number, job = dues.pop() as PoolJob
      if (begun.has(job)) continue
      bounds.set(job, latestStart({ due, self: job, older, longestMs, total, reservationsMax: RESERVATIONS_MAX }))
      older.push(job)
    }
  }
  return {
    overdue: () => bounds.size, late: () => late,
    add(job, now) {
      const at = queue.add(`${job.amounts.join(' ')}|${job.limitMs}`, job, { ...job, since: now, priority: 5 })
      dues.push(now + patienceMs({ limitMs: job.limitMs, width: dominantCost(job.amounts, total, 1), priority: 5 }, Math.max(0, at - now)), job)
    },
    round(profile, now) {
      bind(now)
      const started: PoolJob[] = [], reserved: { readonly job: PoolJob; readonly at: number }[] = []
      const reserve = (job: PoolJob, at: number) => { profile.take(at, at + job.limitMs, job.amounts); reserved.push({ job, at }) }
      const start = (job: PoolJob) => { profile.take(now, now + job.limitMs, job.amounts); started.push(job); return 'placed' as const }
      let last = now
      const heads = new Set<string>()
      queue.wake()
      queue.serve((job, _, lane) => {
        if (lane === 'overdue') {
          last = profile.earliest(last, job)
          if (last === now) return start(job)
          reserve(job, last)
          return 'no_room'
        }
        if (profile.fits(now, job)) return start(job)
        if (!heads.has(job.buyer) && heads.size < HEADS_MAX) { heads.add(job.buyer); reserve(job, profile.earliest(now, job)) }
        return 'no_room'
      }, Infinity, now)
      for (const { job, at } of reserved) profile.give(at, at + job.limitMs, job.amounts)
      for (const job of started) {
        begun.add(job)
        if (now > (bounds.get(job) ?? Infinity)) late++
      }
      return started
    },
    ended: (job) => queue.correct(job.buyer, job.amounts, job.run - kindOf({ ...job, priority: 5 }).expectedMs),
  }
}

/** How far into the queue it looks: with tens of thousands waiting, to the end would take hours, and no scheduler does. */
const DEPTH = 1_000
/** Without fairness between buyers: in the order of arrival, strictly or with EASY backfilling. */
export function byArrival(backfills: boolean): Scheduler {
  let waiting: PoolJob[] = []
  const begun = new Set<PoolJob>()
  return {
    overdue: () => 0, late: () => 0, ended: () => {},
    add(job) { waiting.push(job) },
    round(profile, now) {
      // Ends where nothing could start any more: no job does without a processor.
      function* order(): Iterable<PoolJob> {
        let looked = 0
        for (const job of waiting) {
          if (begun.has(job)) continue
          if (looked++ >= DEPTH) return
          if (profile.free(now)[0] === 0 || (!backfills && !profile.fits(now, job))) return
          yield job
        }
      }
      const { started } = backfill({ profile, now, overdue: [], waiting: order() })
      for (const job of started) begun.add(job)
      if (begun.size * 2 > waiting.length) { waiting = waiting.filter((job) => !begun.has(job)); begun.clear() }
      return started
    },
  }
}

/** Dominant resource fairness as of this moment: whoever holds least now is next, whatever was held before. With a reservation for the first who does not fit. */
export function leastHeld(total: Amounts): Scheduler {
  const lines = new Map<string, PoolJob[]>(), held = new Map<string, number>()
  const hold = (job: PoolJob, sign: number) => held.set(job.buyer, (held.get(job.buyer) ?? 0) + sign * dominantCost(job.amounts, total, 1))
  return {
    overdue: () => 0, late: () => 0, ended: (job) => hold(job, -1),
    add(job) { const line = lines.get(job.buyer); if (line) line.push(job); else lines.set(job.buyer, [job]) },
    round(profile, now) {
      function* order(): Iterable<PoolJob> {
        const blocked = new Set<string>()
        for (;;) {
          const buyer = [...lines].filter(([id, line]) => line.length > 0 && !blocked.has(id)).map(([id]) => id).sort((a, b) => (held.get(a) ?? 0) - (held.get(b) ?? 0) || (a < b ? -1 : 1))[0]
          if (buyer === undefined) return
          const line = lines.get(buyer) as PoolJob[], job = line[0] as PoolJob
          const fits = profile.fits(now, job)
          yield job
          if (fits) { line.shift(); hold(job, 1) } else blocked.add(buyer)
        }
      }
      return backfill({ profile, now, overdue: [], waiting: order() }).started
    },
  }
}
