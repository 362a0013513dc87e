// One machine with P processors and a policy, played event by event: arrivals and ends in order of time, an end before an arrival at equal time.
// Times are whole seconds, as in the logs; the domain does not mind the unit, and its hours are given to policies as seconds.
import { Heap } from '../../packages/domain/src/heap.ts'
import { RESERVATIONS_MAX, backfill } from '../../packages/domain/src/market/order/backfill.ts'
import { latestStart } from '../../packages/domain/src/market/order/bound.ts'
import { Profile } from '../../packages/domain/src/market/order/profile.ts'
import type { SwfJob } from './swf.ts'

/** What a policy may look at: never how long the job will run. `expected` is foreseen at submission, at most the limit. */
export type Queued = {
  readonly id: number; readonly submit: number; readonly buyer: number; readonly processors: number; readonly amounts: readonly number[]; readonly limitMs: number
  expected: number; overdueAt: number; bound: number; started: number; heldUntil: number
}
export type Policy = {
  readonly name: string
  /** Who is offered first; the profile tells what would fit now. */
  readonly order: (waiting: Queued[], now: number, profile: Profile) => Iterable<Queued>
  /** False: nobody passes the first who does not fit. */
  readonly backfills: boolean
  /** All events of one moment before one pass, or a pass per event as the published simulators do. */
  readonly together: boolean
  /** When a job will be overdue, given how long the machine would be busy with what waits. Null: no overdue lane. */
  readonly overdueAt: ((job: Queued, backlog: number) => number) | null
  readonly expect: (job: Queued) => number
  readonly ended?: (job: Queued, run: number) => void
}
export type Run = { readonly id: number; readonly submit: number; readonly wait: number; readonly run: number; readonly processors: number; readonly buyer: number }
export type Played = { readonly runs: readonly Run[]; /** Jobs that turned overdue, and those that started after their bound. */ readonly overdue: number; readonly late: number }

export function play(jobs: readonly SwfJob[], processors: number, policy: Policy): Played {
  const profile = new Profile([processors], jobs[0]?.submit ?? 0)
  const ends = new Heap<{ readonly job: Queued; readonly truth: SwfJob }>(), limits = new Heap<Queued>()
  const truths = new Map<Queued, SwfJob>(), runs: Run[] = []
  const longestMs = jobs.reduce((most, job) => Math.max(most, job.requested), 0)
  let waiting: Queued[] = [], next = 0, backlog = 0, overdueCount = 0, late = 0

  const begin = (job: Queued, now: number) => {
    const truth = truths.get(job) as SwfJob
    truths.delete(job)
    job.started = now
    job.heldUntil = now + job.limitMs
    if (truth.run > job.limitMs) limits.push(job.heldUntil, job)
    if (now > job.bound) late++
    backlog -= job.expected * job.processors
    ends.push(now + truth.run, { job, truth })
    runs.push({ id: job.id, submit: truth.submit, wait: now - truth.submit, run: truth.run, processors: truth.processors, buyer: job.buyer })
  }
  const overdueAt = (now: number): Queued[] => {
    const overdue = waiting.filter((job) => job.overdueAt <= now).sort((a, b) => a.overdueAt - b.overdueAt || a.id - b.id)
    overdue.forEach((job, i) => {
      if (job.bound < Infinity) return
      overdueCount++
      job.bound = latestStart({ due: job.overdueAt, self: job, older: overdue.slice(0, i), longestMs, total: [processors], reservationsMax: RESERVATIONS_MAX })
    })
    return overdue
  }
  const pass = (now: number) => {
    if (waiting.length === 0) return
    profile.advance(now)
    const overdue = policy.overdueAt ? overdueAt(now) : []
    const rest = overdue.length === 0 ? waiting : waiting.filter((job) => job.overdueAt > now)
    const started = policy.backfills ? backfill({ profile, now, overdue, waiting: policy.order(rest, now, profile) }).started : inTurn(profile, now, policy.order(rest, now, profile))
    if (started.length === 0) return
    for (const job of started) begin(job, now)
    waiting = waiting.filter((job) => job.started < 0)
  }
  const arrive = (truth: SwfJob) => {
    const job: Queued = {
      id: truth.id, submit: truth.submit, buyer: truth.user, processors: truth.processors, amounts: [truth.processors], limitMs: truth.requested,
      expected: 0, overdueAt: Infinity, bound: Infinity, started: -1, heldUntil: -1,
    }
    job.expected = policy.expect(job)
    if (policy.overdueAt) job.overdueAt = policy.overdueAt(job, backlog / processors)
    backlog += job.expected * job.processors
    truths.set(job, truth)
    waiting.push(job)
  }
  const end = ({ job, truth }: { readonly job: Queued; readonly truth: SwfJob }, now: number) => {
    profile.advance(now)
    profile.give(now, job.heldUntil, job.amounts)
    job.heldUntil = -1
    policy.ended?.(job, truth.run)
  }

  while (next < jobs.length || ends.size > 0) {
    const now = Math.min(ends.peekKey() ?? Infinity, jobs[next]?.submit ?? Infinity, limits.peekKey() ?? Infinity)
    // Who is still there at its limit is taken to stay a tenth of it longer, again and again: the log knows better, the machine does not.
    while ((limits.peekKey() ?? Infinity) <= now) {
      const job = limits.pop() as Queued
      if (job.heldUntil < 0) continue
      profile.advance(now)
      job.heldUntil = now + Math.max(60, Math.ceil(job.limitMs / 10))
      profile.take(now, job.heldUntil, job.amounts)
      limits.push(job.heldUntil, job)
    }
    while (ends.peekKey() === now || jobs[next]?.submit === now) {
      if (ends.peekKey() === now) end(ends.pop() as { job: Queued; truth: SwfJob }, now)
      else arrive(jobs[next++] as SwfJob)
      if (!policy.together) pass(now)
    }
    if (policy.together) pass(now)
  }
  return { runs, overdue: overdueCount, late }
}

function inTurn(profile: Profile, now: number, waiting: Iterable<Queued>): Queued[] {
  const started: Queued[] = []
  for (const job of waiting) {
    if (!profile.fits(now, job)) break
    profile.take(now, now + job.limitMs, job.amounts)
    started.push(job)
  }
  return started
}
