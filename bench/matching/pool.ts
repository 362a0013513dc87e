// A pool of several resources that many buyers share, played event by event: the queue of the domain in front of a profile, and the policies it is
// compared with. What each buyer is given is counted up to `until`, while the flood lasts; then everything runs out.
import { Heap } from '../../packages/domain/src/heap.ts'
import { RESERVATIONS_MAX, backfill } from '../../packages/domain/src/market/order/backfill.ts'
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

/** The domain's queue: who does not fit and is overdue, or is the first who does not fit, gets a reservation for this round. */
export function fairly(total: Amounts, longestMs: number): Scheduler {
  const queue = new FairQueue<PoolJob>(total), bounds = new Map<PoolJob, number>()
  const dues: { readonly job: PoolJob; readonly due: number }[] = []
  let overdue = 0, late = 0
  const bind = (now: number) => {
    const older = dues.filter(({ due }) => due <= now).sort((a, b) => a.due - b.due || a.job.id - b.job.id)
    older.forEach(({ job, due }, i) => {
      if (bounds.has(job)) return
      overdue++
      bounds.set(job, latestStart({ due, self: job, older: older.slice(0, i).map((one) => one.job), longestMs, total, reservationsMax: RESERVATIONS_MAX }))
    })
  }
  return {
    overdue: () => overdue, late: () => late,
    add(job, now) {
      const at = queue.add(`${job.amounts.join(' ')}|${job.limitMs}`, job, { ...job, since: now, priority: 5 })
      dues.push({ job, due: now + patienceMs({ limitMs: job.limitMs, width: dominantCost(job.amounts, total, 1), priority: 5 }, Math.max(0, at - now)) })
    },
    round(profile, now) {
      bind(now)
      const started: PoolJob[] = [], reserved: { readonly job: PoolJob; readonly at: number }[] = []
      const reserve = (job: PoolJob, at: number) => { profile.take(at, at + job.limitMs, job.amounts); reserved.push({ job, at }) }
      const start = (job: PoolJob) => { profile.take(now, now + job.limitMs, job.amounts); started.push(job); return 'placed' as const }
      let last = now, head = false
      queue.wake()
      queue.serve((job, _, lane) => {
        if (lane === 'overdue') {
          last = profile.earliest(last, job)
          if (last === now) return start(job)
          reserve(job, last)
          return 'no_room'
        }
        if (profile.fits(now, job)) return start(job)
        if (!head) { head = true; reserve(job, profile.earliest(now, job)) }
        return 'no_room'
      }, Infinity, now)
      for (const { job, at } of reserved) profile.give(at, at + job.limitMs, job.amounts)
      for (const job of started) {
        dues.splice(dues.findIndex((one) => one.job === job), 1)
        if (now > (bounds.get(job) ?? Infinity)) late++
      }
      return started
    },
    ended: (job) => queue.correct(job.buyer, job.amounts, job.run - kindOf({ ...job, priority: 5 }).expectedMs),
  }
}

/** Without fairness between buyers: in the order of arrival, strictly or with EASY backfilling. */
export function byArrival(backfills: boolean): Scheduler {
  let waiting: PoolJob[] = []
  return {
    overdue: () => 0, late: () => 0, ended: () => {},
    add(job) { waiting.push(job) },
    round(profile, now) {
      const { started } = backfill({ profile, now, overdue: [], waiting: backfills ? waiting : whileTheyFit(waiting, profile, now) })
      if (started.length > 0) { const gone = new Set(started); waiting = waiting.filter((job) => !gone.has(job)) }
      return started
    },
  }
}
function* whileTheyFit(waiting: readonly PoolJob[], profile: Profile, now: number): Iterable<PoolJob> {
  for (const job of waiting) { if (!profile.fits(now, job)) return; yield job }
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
