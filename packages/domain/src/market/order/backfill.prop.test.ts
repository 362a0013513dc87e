import { test, expect } from 'vitest'
import fc from 'fast-check'
import { Profile } from './profile.ts'
import { backfill } from './backfill.ts'
import { latestStart } from './bound.ts'

type Job = { readonly id: number; readonly submit: number; readonly limitMs: number; readonly run: number; readonly amounts: readonly number[]; readonly due: number }
const PROCESSORS = 8, LONGEST = 20
const running = fc.array(fc.record({ processors: fc.integer({ min: 1, max: 4 }), until: fc.integer({ min: 1, max: LONGEST }) }), { maxLength: 4 })
const waiting = fc.array(fc.record({ processors: fc.integer({ min: 1, max: PROCESSORS }), limitMs: fc.integer({ min: 1, max: LONGEST }) }), { maxLength: 8 })

test('without overdue work it is EASY: the shadow time of the first who does not fit, and the processors spare at it', () => {
  fc.assert(fc.property(running, waiting, (busy, queue) => {
    const profile = new Profile([PROCESSORS])
    let free = PROCESSORS
    const ends: { until: number; processors: number }[] = []
    for (const one of busy) if (one.processors <= free) { profile.take(0, one.until, [one.processors]); ends.push(one); free -= one.processors }
    const jobs = queue.map(({ processors, limitMs }, id) => ({ id, amounts: [processors], limitMs, processors }))
    const { started } = backfill({ profile, now: 0, overdue: [], waiting: jobs })

    const expected: number[] = []
    let shadow = Infinity, spare = Infinity
    for (const job of jobs) {
      if (job.processors <= free && (job.limitMs <= shadow || job.processors <= spare)) {
        expected.push(job.id); free -= job.processors
        if (job.limitMs > shadow) spare -= job.processors
        ends.push({ until: job.limitMs, processors: job.processors })
      } else if (shadow === Infinity) {
        let there = free
        for (const end of [...ends].sort((a, b) => a.until - b.until)) { if (there >= job.processors && end.until > shadow) break; there += end.processors; if (there >= job.processors && shadow === Infinity) shadow = end.until }
        spare = there - job.processors
      }
    }
    expect(started.map((job) => job.id)).toEqual(expected)
  }), { numRuns: 2_000 })
})

/** Plays a stream on one machine: a pass after each moment with an event. Answers when each started, and what was known when it turned overdue. */
function play(jobs: readonly Job[], total: readonly number[], reservationsMax: number, key: (job: Job, now: number) => number) {
  const profile = new Profile(total)
  const begun = new Map<Job, number>(), bounds = new Map<Job, number>()
  let queue: Job[] = []
  const events = new Set(jobs.map((job) => job.submit))
  for (let now = 0; begun.size < jobs.length && now < 10_000; now++) {
    profile.advance(now)
    for (const [job, at] of begun) if (at + job.run === now) { profile.give(now, at + job.limitMs, job.amounts); events.add(now) }
    for (const job of jobs) if (job.submit === now) queue.push(job)
    const overdue = queue.filter((job) => job.due <= now).sort((a, b) => a.due - b.due || a.id - b.id)
    for (const [i, job] of overdue.entries()) {
      if (!bounds.has(job)) bounds.set(job, latestStart({ due: job.due, self: job, older: overdue.slice(0, i), longestMs: LONGEST, total, reservationsMax }))
    }
    if (!events.has(now)) continue
    const rest = queue.filter((job) => job.due > now).sort((a, b) => key(a, now) - key(b, now) || a.id - b.id)
    const { started } = backfill({ profile, now, overdue, waiting: rest, reservationsMax })
    for (const job of started) begun.set(job, now)
    queue = queue.filter((job) => !begun.has(job))
  }
  return { begun, bounds }
}

const stream = fc.array(fc.record({
  gap: fc.integer({ min: 0, max: 3 }), limitMs: fc.integer({ min: 1, max: LONGEST }), part: fc.double({ min: 0.05, max: 1, noNaN: true }),
  cpu: fc.integer({ min: 1, max: PROCESSORS }), memory: fc.integer({ min: 1, max: 6 }), patience: fc.integer({ min: 0, max: 60 }),
}), { minLength: 1, maxLength: 60 }).map((rows) => {
  let at = 0
  return rows.map((row, id): Job => {
    at += row.gap
    return { id, submit: at, limitMs: row.limitMs, run: Math.max(1, Math.floor(row.limitMs * row.part)), amounts: [row.cpu, row.memory], due: at + row.patience }
  })
})

test('whatever comes, however it is ordered, everything starts before its bound', () => {
  // The orders are an adversary's: the newest first, the widest last, the longest last.
  const orders = [(job: Job) => -job.submit, (job: Job) => job.amounts[0] as number, (job: Job) => job.limitMs]
  fc.assert(fc.property(stream, fc.constantFrom(1, 2, 16), fc.constantFrom(...orders), (jobs, reservationsMax, order) => {
    const { begun, bounds } = play(jobs, [PROCESSORS, 6], reservationsMax, order)
    for (const job of jobs) {
      expect(begun.has(job)).toBe(true)
      const bound = bounds.get(job)
      if (bound !== undefined) expect(begun.get(job)).toBeLessThanOrEqual(bound)
    }
  }), { numRuns: 1_500 })
})

test('a stream of small work that would hold a wide job up for ever does so for no longer than the bound', () => {
  const wide: Job = { id: 0, submit: 0, limitMs: 10, run: 10, amounts: [PROCESSORS], due: 50 }
  const small = Array.from({ length: 400 }, (_, i): Job => ({ id: i + 1, submit: Math.max(0, i - 4), limitMs: 4, run: 4, amounts: [2], due: i + 1_000 }))
  const { begun, bounds } = play([wide, ...small], [PROCESSORS], 16, (job) => job.limitMs)
  expect(begun.get(wide)).toBeGreaterThan(40)
  expect(begun.get(wide)).toBeLessThanOrEqual(bounds.get(wide) as number)
  expect(bounds.get(wide)).toBe(70)
})

test('the bound is tight: one processor, just taken for the longest time, and older work that runs to its limit', () => {
  const job = (id: number, submit: number, limitMs: number, due: number): Job => ({ id, submit, limitMs, run: limitMs, amounts: [1], due })
  const jobs = [job(0, 9, LONGEST, 900), job(1, 9, 10, 10), job(2, 9, 5, 11), job(3, 9, 1, 12)]
  const { begun, bounds } = play(jobs, [1], 16, (one) => one.id)
  expect(jobs.slice(1).map((one) => [begun.get(one), bounds.get(one)])).toEqual([[29, 30], [39, 41], [44, 47]])
})

test('reservations of the overdue are in their order, also where a younger one would fit before', () => {
  const profile = new Profile([4])
  profile.take(0, 10, [2]); profile.take(0, 5, [2])
  const wide = { amounts: [4], limitMs: 3 }, small = { amounts: [2], limitMs: 4 }
  expect(backfill({ profile, now: 0, overdue: [wide, small], waiting: [] }).reserved).toEqual([{ job: wide, at: 10 }, { job: small, at: 13 }])
})
