// The policies of the queueing part, side by side. Ours is the key and the patience of the domain, as they are there; only its hours are seconds here.
import { BACKLOG_TIMES, ageingKey, patienceMs } from '../../packages/domain/src/market/order/key.ts'
import type { Policy, Queued } from './machine.ts'
import type { Profile } from '../../packages/domain/src/market/order/profile.ts'

const asAsked = (job: Queued): number => job.limitMs
const plain = { backfills: true, together: false, overdueAt: null, expect: asAsked } as const

export const fifo = (): Policy => ({ ...plain, name: 'FIFO', backfills: false, order: (waiting) => waiting })
export const easy = (): Policy => ({ ...plain, name: 'EASY', order: (waiting) => waiting })

/** EASY, but who may pass is tried shortest first. */
export const easyShortest = (): Policy => ({ ...plain, name: 'EASY-SJBF', order: inTurnThenShortest })
function* inTurnThenShortest(waiting: Queued[], now: number, profile: Profile): Iterable<Queued> {
  let i = 0
  for (let blocked = false; i < waiting.length && !blocked; i++) {
    blocked = !profile.fits(now, waiting[i] as Queued)
    yield waiting[i] as Queued
  }
  yield* waiting.slice(i).sort((a, b) => a.limitMs - b.limitMs || a.submit - b.submit || a.id - b.id)
}

const sortedBy = (key: (job: Queued, now: number) => number) => (waiting: Queued[], now: number): Queued[] => {
  const keys = new Map(waiting.map((job) => [job, key(job, now)]))
  return waiting.sort((a, b) => (keys.get(a) as number) - (keys.get(b) as number) || a.submit - b.submit || a.id - b.id)
}

/** The plainest ageing key, without a guard: limit / (1 + wait in hours). */
export const ageing = (): Policy => ({ ...plain, name: 'ageing, no guard', together: true, order: sortedBy((job, now) => job.limitMs / (1 + (now - job.submit) / 3_600)) })

const MIDDLE = 5
function ourPolicy(name: string, processors: number, expect: (job: Queued) => number): Policy {
  const sized = (job: Queued) => ({ limitMs: job.limitMs * 1_000, expectedMs: job.expected * 1_000, width: job.processors / processors, priority: MIDDLE })
  return {
    ...plain, name, together: true, expect,
    order: sortedBy((job, now) => ageingKey(sized(job), (now - job.submit) * 1_000)),
    // Rounded up to the second: patience is a promise, and the clock of the logs has no finer one.
    overdueAt: (job, backlog) => job.submit + Math.ceil(patienceMs(sized(job), BACKLOG_TIMES * backlog * 1_000) / 1_000),
  }
}
export const ours = (processors: number): Policy => ourPolicy('Lumaris', processors, asAsked)

/** With a foresight: the mean of the same user's last two runs. It orders; promises are made with the limit. */
export function oursForeseeing(processors: number): Policy {
  const last = new Map<number, readonly number[]>()
  const expect = (job: Queued) => {
    const runs = last.get(job.buyer)
    return runs ? Math.min(job.limitMs, runs.reduce((sum, run) => sum + run, 0) / runs.length) : job.limitMs
  }
  return { ...ourPolicy('Lumaris, foreseeing', processors, expect), ended: (job, run) => { last.set(job.buyer, [...(last.get(job.buyer) ?? []), run].slice(-2)) } }
}
