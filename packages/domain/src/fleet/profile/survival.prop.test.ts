import { expect, test } from 'vitest'
import fc from 'fast-check'
import { checkpointEveryMs, expectedLostMs, meanStayMs, staysFor } from './survival.ts'
import type { Outlook } from './survival.ts'

const HOUR_MS = 3_600_000
/** Leaves at a constant rate, with this mean. */
const constant = (meanMs: number): Outlook => [HOUR_MS, 4 * HOUR_MS, 24 * HOUR_MS].map((afterMs) => ({ afterMs, stays: Math.exp(-afterMs / meanMs) }))
const outlook = fc.array(fc.double({ min: 0.001, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }).map((chances): Outlook =>
  chances.toSorted((a, b) => b - a).map((stays, i) => ({ afterMs: [1, 4, 12][i] as number * HOUR_MS, stays })))

test('a constant rate is read as one, between the horizons and beyond them', () => {
  const five = constant(5 * HOUR_MS)
  for (const hours of [0, 0.3, 1, 2.5, 4, 24, 60]) expect(staysFor(five, hours * HOUR_MS)).toBeCloseTo(Math.exp(-hours / 5), 6)
  expect(meanStayMs(five, 3 * HOUR_MS)).toBeCloseTo(5 * HOUR_MS, 0)
})

test('lost work of an exponential stay is what the integral says', () => {
  const mean = 5, work = 4
  const exact = mean - (mean + work) * Math.exp(-work / mean) // ∫₀^W t·f(t) dt
  expect(Math.abs(expectedLostMs(constant(mean * HOUR_MS), work * HOUR_MS) / HOUR_MS - exact)).toBeLessThan(1e-6)
})

test('staying falls with time, lost work grows with work and is never more than it, and checkpoints never cost more of it', () => {
  fc.assert(fc.property(outlook, fc.integer({ min: 1, max: 48 }), fc.integer({ min: 1, max: 48 }), fc.integer({ min: 1, max: 600 }), (of, a, b, everyMin) => {
    const [less, more] = [Math.min(a, b) * HOUR_MS, Math.max(a, b) * HOUR_MS] as const
    expect(staysFor(of, more)).toBeLessThanOrEqual(staysFor(of, less))
    const lost = expectedLostMs(of, more)
    expect(lost).toBeGreaterThanOrEqual(0)
    expect(lost).toBeLessThanOrEqual(more)
    expect(expectedLostMs(of, less)).toBeLessThanOrEqual(lost + 1)
    expect(expectedLostMs(of, more, everyMin * 60_000)).toBeLessThanOrEqual(lost + 1)
  }))
})

test('the interval between checkpoints is Young\'s √(2δM) where a checkpoint is cheap, and within 1 % of the best of an exponential model', () => {
  const cost = 60_000
  for (const mean of [0.5, 2, 10, 100]) {
    const every = checkpointEveryMs(constant(mean * HOUR_MS), HOUR_MS, cost), young = Math.sqrt(2 * cost * mean * HOUR_MS)
    expect(Math.abs(every / young - 1)).toBeLessThan(mean < 1 ? 0.2 : 0.1)
    // Wall time per hour of work when failures come at rate 1/M and a restart is free: M·(e^((τ+δ)/M) − 1)/τ.
    const wall = (ms: number): number => (mean * HOUR_MS * (Math.exp((ms + cost) / (mean * HOUR_MS)) - 1)) / ms
    let best = Infinity
    for (let ms = 10_000; ms < 20 * HOUR_MS; ms *= 1.02) best = Math.min(best, wall(ms))
    expect(wall(every)).toBeLessThan(best * 1.01)
  }
})
test('a checkpoint that costs more than two stays is taken once a stay', () => {
  expect(checkpointEveryMs(constant(HOUR_MS), HOUR_MS, 3 * HOUR_MS)).toBe(HOUR_MS)
})
