import { expect, test } from 'vitest'
import fc from 'fast-check'
import { chanceOf, exp, halved, ln, logOdds } from './powers.ts'

const near = (is: number, should: number): void => { expect(Math.abs(is - should)).toBeLessThanOrEqual(4 * Number.EPSILON * Math.max(Math.abs(should), Number.MIN_VALUE)) }

test('exp and ln are those of the machine, but for its last bits', () => {
  fc.assert(fc.property(fc.double({ min: -700, max: 700, noNaN: true }), (x) => near(exp(x), Math.exp(x))), { numRuns: 2_000 })
  fc.assert(fc.property(fc.double({ min: 1e-300, max: 1e300, noNaN: true }), (x) => { near(ln(x), Math.log(x)); near(ln(1 / x), Math.log(1 / x)) }), { numRuns: 2_000 })
  expect([exp(0), ln(1), ln(2), halved(1), halved(10)]).toEqual([1, 0, Math.LN2, 0.5, 2 ** -10])
})

test('a chance and its log-odds are the same statement, and nothing is ever certain', () => {
  fc.assert(fc.property(fc.double({ min: 0.0001, max: 0.9999, noNaN: true }), (p) => { expect(chanceOf(logOdds(p))).toBeCloseTo(p, 12) }))
  expect(chanceOf(logOdds(1))).toBeLessThan(1)
  expect(chanceOf(logOdds(0))).toBeGreaterThan(0)
})

test('there is no logarithm of nothing', () => {
  for (const x of [0, -1, Number.NaN, Infinity]) expect(() => ln(x)).toThrow(RangeError)
})
