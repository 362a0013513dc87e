// The rule, number by number. What it is worth against cheats is measured by bench/assurance.
import { expect, test } from 'vitest'
import { alwaysChecked, checkShare, confirms, enough, errorOf, expectedCopies, isProven, mayServe, riskOf } from './enough.ts'
import type { OwnerRecord } from './enough.ts'

const shown = (valid: number, wrong = 0): OwnerRecord => ({ valid, wrong })
const NEW = shown(0), PROVEN = shown(10), OLD = shown(100), CAUGHT = shown(0, 1)
/** Draws that never and always ask for a check. */
const SPARED = 1 - 1e-9, DRAWN = 0

test('the belief in an error is the worst that any steady rate of cheating leaves after so many right results', () => {
  for (const valid of [0, 1, 2, 5, 10, 40, 300]) for (const wrong of [0, 1]) {
    let worst = 0
    for (let q = 0.0005; q <= 1; q += 0.0005) {
      const passes = (1 - q) ** valid
      worst = Math.max(worst, wrong > 0 ? q * passes : (0.2 * q * passes) / (0.8 + 0.2 * passes))
    }
    expect(errorOf(shown(valid, wrong))).toBeGreaterThanOrEqual(worst - 1e-12)
    expect(errorOf(shown(valid, wrong))).toBeLessThanOrEqual(worst * 1.26)
  }
  expect(errorOf(NEW)).toBe(0.2)
  expect(errorOf(CAUGHT)).toBe(1)
})

test('who has shown less than ten confirmed results is always checked, at whatever draw', () => {
  for (let valid = 0; valid < 10; valid++) expect(enough([[shown(valid)]], '1e-2', SPARED)).toBe('more')
  expect(enough([[PROVEN]], '1e-2', SPARED)).toBe('more') // at ten the share is still one
  expect(enough([[shown(11)]], '1e-2', SPARED)).toBe('enough')
})

test('who has shown more is checked as often as ten results are of what was shown, and one time in fifty at least', () => {
  expect([NEW, PROVEN, shown(20), OLD, shown(10_000)].map(checkShare)).toEqual([1, 1, 0.5, 0.1, 0.02])
  expect(enough([[OLD]], '1e-2', 0.0999)).toBe('more')
  expect(enough([[OLD]], '1e-2', 0.1001)).toBe('enough')
  expect(enough([[shown(10_000)]], '1e-2', 0.0199)).toBe('more')
})

test('who was found wrong has ten times as much to show for each time, and no benefit of the doubt', () => {
  expect([0, 1, 2, 3, 9].map((wrong) => alwaysChecked(shown(0, wrong)))).toEqual([10, 100, 1000, 1000, 1000])
  expect(isProven(shown(99, 1))).toBe(false)
  expect(enough([[shown(99, 1)]], '1e-2', SPARED)).toBe('more')
  expect(enough([[shown(101, 1)]], '1e-2', SPARED)).toBe('enough')
  expect(enough([[shown(37, 1)]], '1e-2', 1)).toBe('more') // the one draw that is no less than a share of one: the belief alone would do here
  expect(enough([[CAUGHT, CAUGHT, CAUGHT]], '1e-2', SPARED)).toBe('more')
})

test('a pair counts as the better of the two, in the worst way to pair them up', () => {
  expect(riskOf([NEW], '1e-4')).toBe(0.2)
  expect(riskOf([NEW, OLD], '1e-4')).toBe(errorOf(OLD))
  expect(riskOf([OLD, NEW, PROVEN], '1e-4')).toBeCloseTo(0.2 * errorOf(OLD), 12)
  expect(riskOf([PROVEN, NEW, OLD, NEW], '1e-4')).toBeCloseTo(0.2 * errorOf(OLD), 12)
  expect(riskOf([NEW, NEW, NEW], '1e-2')).toBeCloseTo(0.008, 12)
})

test('at one in a hundred, two are enough when one of them is proven, three newcomers always', () => {
  expect(enough([[NEW, PROVEN]], '1e-2', DRAWN)).toBe('enough')
  expect(enough([[NEW, NEW]], '1e-2', SPARED)).toBe('more')
  expect(enough([[NEW, NEW, NEW]], '1e-2', SPARED)).toBe('enough')
})

test('at the tighter bounds three owners are the least, all of them proven, and more when they have shown little', () => {
  for (const bound of ['1e-4', '1e-6'] as const) {
    expect([NEW, CAUGHT, PROVEN].map((record) => mayServe(record, bound))).toEqual([false, false, true])
    for (const few of [[shown(1e6)], [shown(1e6), shown(1e6)]]) expect(enough([few], bound, SPARED)).toBe('more')
  }
  expect(enough([[PROVEN, PROVEN, PROVEN]], '1e-4', SPARED)).toBe('enough')
  expect(enough([[PROVEN, PROVEN, PROVEN]], '1e-6', SPARED)).toBe('more')
  expect(enough([[PROVEN, PROVEN, PROVEN, PROVEN, PROVEN]], '1e-6', SPARED)).toBe('enough')
  expect(enough([[OLD, OLD, OLD]], '1e-6', SPARED)).toBe('enough')
})

test('where results differ, two who agree may be a pair: only three outvote, and only more than any other group has', () => {
  expect(enough([[OLD, OLD], [NEW]], '1e-2', SPARED)).toBe('more')
  expect(enough([[OLD, OLD, NEW], [NEW, NEW]], '1e-2', SPARED)).toBe('enough')
  expect(enough([[OLD, OLD, OLD], [NEW, NEW, NEW]], '1e-2', SPARED)).not.toBe('enough')
})

test('when no group can win any more within what the cap covers, it is undecided, and not before', () => {
  expect(enough([[OLD], [OLD], [OLD], [OLD]], '1e-2', SPARED)).toBe('more')
  expect(enough([[OLD], [OLD], [OLD], [OLD], [OLD]], '1e-2', SPARED)).toBe('undecided')
  expect(enough([[OLD, OLD], [OLD, OLD], [OLD], [OLD]], '1e-2', SPARED)).toBe('undecided')
  expect(enough([Array.from({ length: 6 }, () => CAUGHT)], '1e-2', SPARED)).toBe('undecided')
})

test('a result counts for a record when a proven owner or two others gave it too: a pair cannot make a name for itself', () => {
  expect(confirms([])).toBe(false)
  expect(confirms([NEW])).toBe(false)
  expect(confirms([PROVEN])).toBe(true)
  expect(confirms([NEW, NEW])).toBe(true)
})

test('the copies to expect fall with what owners have shown', () => {
  expect(expectedCopies([NEW, NEW, NEW], '1e-2')).toEqual({ mean: 3, most: 3 })
  expect(expectedCopies([OLD, OLD], '1e-2')).toEqual({ mean: 1.1, most: 1.1 })
  expect(expectedCopies([OLD, NEW, OLD], '1e-2')).toEqual({ mean: (1.1 + 1.1 + 2) / 3, most: 2 })
  expect(expectedCopies([OLD, NEW, OLD], '1e-6')).toEqual({ mean: 3, most: 3 })
  expect(expectedCopies([], '1e-4')).toEqual({ mean: 3, most: 3 })
})
