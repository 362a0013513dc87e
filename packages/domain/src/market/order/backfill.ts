// One pass over what waits for one pool. Overdue work comes first, oldest first: the first of it hold reservations that nothing may delay, not even
// each other. Then the rest in the order given: who fits starts, the first who does not gets one reservation at its earliest time, and whoever comes
// later starts only where it delays no reservation: it ends before, or uses what is spare (EASY).
//
// Reservations are not kept between passes. They need not be: they are made in the same order with the same limits, and running work only ends
// earlier than its limit, so each is at or before where it was (bound.ts says why, bound.prop.test.ts holds it).
import type { Demand, Profile } from './profile.ts'

/** So many overdue jobs hold reservations at once: a bound on the length of a pass, and on how much of the pool is kept for promises. */
export const RESERVATIONS_MAX = 8
/**
 * So many buyers' first who do not fit hold one as well. With one for all, whoever floods the pool with small work fills every gap before the wide work
 * of the others: in an overload of a hundred times it was given 1.6 times its share, with three 1.1 times (bench/matching/fairness.ts).
 */
export const HEADS_MAX = 4

export type Reservation<Job> = { readonly job: Job; readonly at: number }
export type Pass<Job> = { readonly started: readonly Job[]; readonly reserved: readonly Reservation<Job>[] }
export type PassOptions<Job> = {
  readonly profile: Profile; readonly now: number
  /** Oldest first. */
  readonly overdue: readonly Job[]
  /** By the order of serving. */
  readonly waiting: Iterable<Job>
  readonly reservationsMax?: number
  /** 1 is EASY, Infinity is conservative backfilling. */
  readonly headsMax?: number
}

/** Takes what starts from the profile, and leaves no reservation in it. Every job must fit the empty pool. */
export function backfill<Job extends Demand>({ profile, now, overdue, waiting, reservationsMax = RESERVATIONS_MAX, headsMax = 1 }: PassOptions<Job>): Pass<Job> {
  profile.advance(now)
  const started: Job[] = [], reserved: Reservation<Job>[] = []
  const start = (job: Job) => { profile.take(now, now + job.limitMs, job.amounts); started.push(job) }
  const reserve = (job: Job, at: number) => { profile.take(at, at + job.limitMs, job.amounts); reserved.push({ job, at }) }

  // Strictly in turn: no reservation lies before that of an older one, which is what makes them move only forwards.
  let last = now, promised = 0
  for (; promised < overdue.length && reserved.length < reservationsMax; promised++) {
    const job = overdue[promised] as Job
    last = profile.earliest(last, job)
    if (last === now) start(job)
    else reserve(job, last)
  }
  // An overdue job may also slip in where it delays nobody else.
  for (const { job, at } of reserved.slice()) {
    profile.give(at, at + job.limitMs, job.amounts)
    if (profile.fits(now, job)) { start(job); reserved.splice(reserved.findIndex((one) => one.job === job), 1) } else profile.take(at, at + job.limitMs, job.amounts)
  }
  let heads = 0
  const serve = (job: Job) => {
    if (profile.fits(now, job)) start(job)
    else if (heads < headsMax) { heads++; reserve(job, profile.earliest(now, job)) }
  }
  for (let i = promised; i < overdue.length; i++) serve(overdue[i] as Job)
  for (const job of waiting) serve(job)
  for (const { job, at } of reserved) profile.give(at, at + job.limitMs, job.amounts)
  return { started, reserved }
}
