import fc from 'fast-check'
import { expect, test } from 'vitest'
import { advise, noReturnAt } from './course.ts'
import type { As, Course, Seen } from './course.ts'

const MINUTE = 60_000, HOUR = 60 * MINUTE
const course = (more: Partial<Course> = {}): Course => ({ from: 0, deadline: 6 * HOUR, workMs: 4 * HOUR, changeMs: 2 * MINUTE, patienceMs: MINUTE, saveMs: 5 * MINUTE, resumable: true, ...more })
const seen = (more: Partial<Seen> = {}): Seen => ({ now: 0, as: 'interruptible', awaySince: 0, runs: false, doneMs: 0, savedMs: 0, room: () => null, ...more })

test('the last moment leaves time for what is not stored, and for changing over', () => {
  expect(noReturnAt(course(), 0)).toBe(2 * HOUR - 2 * MINUTE)
  expect(noReturnAt(course(), 3 * HOUR)).toBe(5 * HOUR - 2 * MINUTE)
})

test('it waits for room, is firm when that has been away for too long, and waits longer with more slack and for less work', () => {
  const tight = course({ deadline: 4.5 * HOUR }), loose = course({ deadline: 12 * HOUR })
  expect(advise(tight, seen())).toMatchObject({ as: 'interruptible', why: 'on_course' })
  const behind = [tight, loose].map((one) => advise(one, seen()).until as number)
  expect(advise(tight, seen({ now: behind[0] as number }))).toMatchObject({ as: 'firm', why: 'behind' })
  expect(behind[1]).toBeGreaterThan(10 * (behind[0] as number))
  expect(advise(course({ deadline: 2.5 * HOUR, workMs: 2 * HOUR }), seen()).until).toBeGreaterThan(1.5 * (behind[0] as number))
  // It is counted from when room went away, and by then as long as it says.
  const late = advise(tight, seen({ now: HOUR, awaySince: HOUR, doneMs: HOUR, savedMs: HOUR }))
  expect(advise(tight, seen({ now: late.until as number - 1, awaySince: HOUR, doneMs: HOUR, savedMs: HOUR }))).toEqual(late)
  expect(advise(tight, seen({ now: late.until as number, awaySince: HOUR, doneMs: HOUR, savedMs: HOUR })).as).toBe('firm')
  // Room for it is taken also after that, and what runs there stays.
  expect(advise(tight, seen({ now: behind[0] as number, room: () => 0 }))).toMatchObject({ as: 'interruptible' })
  expect(advise(tight, seen({ now: behind[0] as number, runs: true }))).toMatchObject({ as: 'interruptible', why: 'cheap_room', until: noReturnAt(tight, 0) })
})

test('room from which there would be no time to come back is not waited for, and not taken', () => {
  // Over to it and back with what is not stored: two changes less the look that is now, and five minutes.
  const one = course(), at = 2 * HOUR - 8 * MINUTE
  expect(advise(one, seen({ now: at - 1, room: () => 0 }))).toMatchObject({ as: 'interruptible', why: 'on_course', until: at })
  expect(advise(one, seen({ now: at, room: () => 0 }))).toMatchObject({ as: 'firm', why: 'behind' })
  expect(advise(one, seen({ now: at, runs: true, room: () => 0 })).as).toBe('interruptible')
  // It can lose no more than all of it.
  expect(advise(course({ workMs: MINUTE, deadline: HOUR, saveMs: HOUR }), seen()).as).toBe('interruptible')
})

test('there is a last moment, counted from what is stored, and nothing holds it back', () => {
  const at = noReturnAt(course(), HOUR)
  for (const runs of [true, false]) {
    expect(advise(course(), seen({ now: at - 1, runs, doneMs: 2 * HOUR, savedMs: HOUR, room: () => 0 })).as).toBe('interruptible')
    expect(advise(course(), seen({ now: at, runs, doneMs: 2 * HOUR, savedMs: HOUR, room: () => 0 }))).toMatchObject({ as: 'firm', why: 'no_return' })
  }
})

test('what runs, and would be late as firm work too, is left where it is', () => {
  const late = (more: Partial<Seen>) => advise(course(), seen({ runs: true, now: 5 * HOUR, doneMs: 2 * HOUR, savedMs: HOUR, ...more }))
  expect(late({})).toEqual({ as: 'interruptible', why: 'late_anyway', until: null })
  expect(late({ doneMs: 3 * HOUR }).as).toBe('firm')
  expect(late({ now: 7 * HOUR, doneMs: 5 * HOUR }).as).toBe('interruptible')
  expect(late({ runs: false }).as).toBe('firm')
})

test('firm work goes back only to room that has been there a while, with slack for both changes, and work worth them', () => {
  const firm = (more: Partial<Seen>, one = course()) => advise(one, seen({ as: 'firm', now: HOUR, runs: true, doneMs: HOUR, savedMs: HOUR, room: () => 0, ...more })).as
  expect(firm({})).toBe('interruptible')
  expect(firm({ room: () => null })).toBe('firm')
  expect(firm({ runs: false })).toBe('firm')
  expect(firm({ doneMs: 4 * HOUR - 4 * MINUTE })).toBe('firm')
  expect(firm({ now: 3 * HOUR - 8 * MINUTE + 1 })).toBe('firm')
  // Three hours of work and 112 minutes to spare: three quarters of a minute. With a minute to spare: a quarter of an hour.
  const stays = (now: number, ms: number) => firm({ now, room: () => now - ms })
  expect([stays(HOUR, 46_000), stays(HOUR, 47_000)]).toEqual(['firm', 'interruptible'])
  expect([stays(3 * HOUR - 9 * MINUTE, 17 * MINUTE), stays(3 * HOUR - 9 * MINUTE, 18 * MINUTE)]).toEqual(['firm', 'interruptible'])
})

test('without checkpoints a try is interruptible only when a whole firm one still fits behind it', () => {
  const one = course({ resumable: false, workMs: HOUR, deadline: 3 * HOUR }), last = 3 * HOUR - 2 * (HOUR + 2 * MINUTE)
  expect(advise(one, seen({ now: last - 1 }))).toEqual({ as: 'interruptible', why: 'on_course', until: last })
  expect(advise(one, seen({ now: last }))).toMatchObject({ as: 'firm', why: 'no_second_try' })
  // What began before runs to its end.
  expect(advise(one, seen({ now: 2 * HOUR - 2 * MINUTE, runs: true, doneMs: 1.2 * HOUR }))).toMatchObject({ as: 'interruptible', why: 'long_overdue' })
  // Firm once, it stays: what it did would be lost.
  expect(advise(one, seen({ as: 'firm', now: MINUTE, runs: true, room: () => 0 })).as).toBe('firm')
})

/** A world that takes interruptible room away and gives it back as it likes; firm room is always there. Losing it costs what is not stored, every start costs a change. */
function live(one: Course, downs: readonly number[], saveEvery: number): { endedAt: number; modes: As[] } {
  const STEP = MINUTE / 2
  let as: As = 'interruptible', awaySince = 0, roomSince = 0, starting = -1, done = 0, saved = 0
  const modes: As[] = []
  for (let now = 0; now < one.deadline + 24 * HOUR; now += STEP) {
    const up = downs.filter((at) => at <= now / MINUTE).length % 2 === 0
    if (!up) roomSince = now + STEP
    if (as === 'interruptible' && starting >= 0 && !up) { done = saved; starting = -1; awaySince = now }
    const advice = advise(one, { now, as, awaySince, runs: starting >= 0, doneMs: done, savedMs: saved, room: () => (up ? roomSince : null) })
    if (advice.as !== as) { as = advice.as; awaySince = now; starting = -1; if (one.resumable) saved = done; else done = 0 }
    if (starting < 0 && (as === 'firm' || up)) starting = now + one.changeMs - STEP
    if (starting >= 0 && now >= starting) { done += STEP; if (one.resumable && done - saved >= saveEvery) saved = done }
    modes.push(as)
    if (done >= one.workMs) return { endedAt: now + STEP, modes }
  }
  return { endedAt: Infinity, modes }
}

test('with firm room whenever it is asked for, it ends in time, whatever becomes of the cheap room', () => {
  fc.assert(fc.property(fc.boolean(), fc.integer({ min: 10, max: 600 }), fc.integer({ min: 3, max: 900 }), fc.array(fc.integer({ min: 0, max: 1500 }), { maxLength: 40 }), fc.integer({ min: 1, max: 30 }), (resumable, work, slack, downs, save) => {
    const one = course({ resumable, workMs: work * MINUTE, deadline: (work + slack) * MINUTE })
    const { endedAt } = live(one, downs.toSorted((a, b) => a - b), save * MINUTE)
    expect(endedAt).toBeLessThanOrEqual(one.deadline)
  }), { numRuns: 500, seed: 42 })
})
