// One machine with P processors and a policy, played event by event: arrivals and ends in order of time, an end before an arrival at equal time.
import { Heap } from '../../packages/domain/src/heap.ts'
import { backfill } from '../../packages/domain/src/market/order/backfill.ts'
import { Profile } from '../../packages/domain/src/market/order/profile.ts'
import type { SwfJob } from './swf.ts'

/** What a policy may look at: never how long the job will run. `predicted` is what was foreseen at submission, at most the limit. */
export type Queued = {
  readonly id: number; readonly submit: number; readonly limitMs: number; readonly amounts: readonly number[]; readonly processors: number
  readonly buyer: number; predicted: number; overdueAt: number; started: number; heldUntil: number
}
export type Policy = {
  readonly name: string
  /** Sorts what waits, first to serve first; null: first come first served. */
  readonly key: ((job: Queued, now: number) => number) | null
  readonly backfills: boolean
  /** Everything of one moment before one pass, or a pass per event as the published simulators do. */
  readonly together: boolean
  /** When a job turns overdue; null: no overdue lane. */
  readonly overdueAt: ((job: Queued) => number) | null
  readonly reservationsMax?: number
  readonly predict: ((job: Queued) => number) | null
  /** Hears what ran how long, for predictions. */
  readonly ended?: (job: Queued, run: number) => void
}
export type Run = { readonly wait: number; readonly run: number; readonly processors: number; readonly buyer: number; readonly submit: number; readonly older: number }

/** Times are whole seconds, as in the logs; the domain does not mind the unit. */
export function play(jobs: readonly SwfJob[], processors: number, policy: Policy): Run[] {
  const profile = new Profile([processors], jobs[0]?.submit ?? 0)
  const ends = new Heap<{ job: Queued; real: SwfJob }>()
  const limits = new Heap<Queued>()
  const runs: Run[] = []
  let waiting: Queued[] = [], next = 0
  const real = new Map<Queued, SwfJob>()
  const begin = (job: Queued, now: number) => {
    const truth = real.get(job) as SwfJob
    real.delete(job)
    job.started = now
    job.heldUntil = now + job.limitMs
    if (truth.run > job.limitMs) limits.push(job.heldUntil, job)
    ends.push(now + truth.run, { job, real: truth })
    runs.push({ wait: now - truth.submit, run: truth.run, processors: truth.processors, buyer: job.buyer, submit: truth.submit, older: 0 })
  }
  const pass = (now: number) => {
    if (waiting.length === 0) return
    const started = serve(profile, policy, waiting, now)
    if (started.length === 0) return
    for (const job of started) begin(job, now)
    waiting = waiting.filter((job) => job.started < 0)
  }
  while (next < jobs.length || ends.size > 0) {
    const now = Math.min(ends.peekKey() ?? Infinity, jobs[next]?.submit ?? Infinity, limits.peekKey() ?? Infinity)
    // Who is still there at its limit is expected to stay a tenth of it longer, again and again: nobody knows.
    while ((limits.peekKey() ?? Infinity) <= now) {
      const job = limits.pop() as Queued
      if (job.heldUntil < 0) continue
      const until = now + Math.max(60, Math.ceil(job.limitMs / 10))
      profile.advance(now)
      profile.take(now, until, job.amounts)
      job.heldUntil = until
      limits.push(until, job)
    }
    while (ends.peekKey() === now || jobs[next]?.submit === now) {
      if (ends.peekKey() === now) {
        const { job, real: truth } = ends.pop() as { job: Queued; real: SwfJob }
        profile.advance(now)
        profile.give(now, job.heldUntil, job.amounts)
        job.heldUntil = -1
        policy.ended?.(job, truth.run)
      } else {
        const truth = jobs[next++] as SwfJob
        const job: Queued = { id: truth.id, submit: truth.submit, limitMs: truth.requested, amounts: [truth.processors], processors: truth.processors, buyer: truth.user, predicted: 0, overdueAt: Infinity, started: -1, heldUntil: -1 }
        job.predicted = policy.predict ? policy.predict(job) : job.limitMs
        job.overdueAt = policy.overdueAt ? policy.overdueAt(job) : Infinity
        real.set(job, truth)
        waiting.push(job)
      }
      if (!policy.together) pass(now)
    }
    if (policy.together) pass(now)
  }
  return runs
}

function serve(profile: Profile, policy: Policy, waiting: Queued[], now: number): readonly Queued[] {
  if (!policy.backfills) {
    profile.advance(now)
    const started: Queued[] = []
    for (const job of waiting) {
      if (!profile.fits(now, job)) break
      profile.take(now, now + job.limitMs, job.amounts)
      started.push(job)
    }
    return started
  }
  if (policy.key) {
    const keys = new Map(waiting.map((job) => [job, (policy.key as NonNullable<Policy['key']>)(job, now)]))
    waiting.sort((a, b) => (keys.get(a) as number) - (keys.get(b) as number) || a.submit - b.submit || a.id - b.id)
  }
  if (!policy.overdueAt) return backfill({ profile, now, overdue: [], waiting }).started
  const overdue = waiting.filter((job) => job.overdueAt <= now).sort((a, b) => a.overdueAt - b.overdueAt || a.id - b.id)
  return backfill({ profile, now, overdue, waiting: overdue.length === 0 ? waiting : waiting.filter((job) => job.overdueAt > now), reservationsMax: policy.reservationsMax ?? 16 }).started
}
