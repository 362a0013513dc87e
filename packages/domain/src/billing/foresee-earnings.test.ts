import { expect, test } from 'vitest'
import { FORESEE_FROM_MS, foreseeEarnings } from './foresee-earnings.ts'

const DAY = 86_400_000, base = { earned: 7_000_000n, squares: 7e6 ** 2 / 700, spanMs: 7 * DAY, ranMs: DAY }, ALL = 1_000_000_000n
test('the middle is what came in a time as long; a range lies around it, and is narrow for many small jobs', () => {
  const found = foreseeEarnings(base, DAY, ALL)
  expect(found?.middle).toBe(1_000_000n)
  expect([found?.low, found?.high]).toEqual([862_991n, 1_137_009n])
})
test('one large job says little: from nothing to far more', () => {
  const found = foreseeEarnings({ ...base, squares: 7e6 ** 2 }, DAY, ALL)
  expect([found?.low, found?.middle]).toEqual([0n, 1_000_000n])
  expect(found?.high).toBeGreaterThan(4_000_000n)
})
test('never more than the whole node sold all the time', () => expect(foreseeEarnings({ ...base, squares: 7e6 ** 2 }, DAY, 2_000_000n)?.high).toBe(2_000_000n))
test('the less time before, the wider', () => {
  const quarter = foreseeEarnings({ earned: 250_000n, squares: 25e8, spanMs: DAY / 4, ranMs: DAY / 8 }, DAY, ALL), day = foreseeEarnings({ earned: 1_000_000n, squares: 1e10, spanMs: DAY, ranMs: DAY / 2 }, DAY, ALL)
  expect([quarter?.middle, day?.middle]).toEqual([1_000_000n, 1_000_000n])
  expect(quarter?.high).toBeGreaterThan(day?.high ?? ALL)
})
test.each([['too little work', { ...base, ranMs: FORESEE_FROM_MS - 1 }], ['too little time', { ...base, spanMs: FORESEE_FROM_MS - 1 }], ['nothing earned', { ...base, earned: 0n, squares: 0 }]])('without a base there is no number: %s', (_what, none) => expect(foreseeEarnings({ ...none }, DAY, ALL)).toBe(null))
test('with five minutes of work there is one', () => expect(foreseeEarnings({ ...base, ranMs: FORESEE_FROM_MS }, DAY, ALL)).not.toBe(null))
test('in nine hundred markets of chance it lies in the range about as often as is said', () => {
  // A generator of its own, so that a failing run can be run again.
  let seed = 7
  const random = (): number => { seed = (seed * 48_271) % 2_147_483_647; return seed / 2_147_483_647 }
  const days = (count: number, perDay: number): number[] => { const pieces: number[] = []; for (let at = -Math.log(random()) / perDay; at < count; at -= Math.log(random()) / perDay) pieces.push(Math.round(-Math.log(random()) * 1e6)); return pieces }
  let within = 0
  for (let i = 0; i < 900; i++) {
    const before = days(7, 12), after = days(1, 12).reduce((sum, one) => sum + one, 0)
    const found = foreseeEarnings({ earned: BigInt(before.reduce((sum, one) => sum + one, 0)), squares: before.reduce((sum, one) => sum + one * one, 0), spanMs: 7 * DAY, ranMs: DAY }, DAY, 10n ** 15n)
    if (found && found.low <= BigInt(after) && BigInt(after) <= found.high) within++
  }
  expect(within / 900).toBeGreaterThan(0.76)
  expect(within / 900).toBeLessThan(0.85)
})
