import { test, expect } from 'vitest'
import fc from 'fast-check'
import { ageingKey, kindOf, patienceMs } from './key.ts'
import type { Sized } from './key.ts'

const HOUR = 3_600_000
const sized = (over: Partial<Sized> = {}): Sized => ({ limitMs: 2 * HOUR, expectedMs: HOUR, width: 0.1, priority: 5, ...over })
const any = fc.record({ limitMs: fc.integer({ min: 1, max: 1_000 * HOUR }), expectedMs: fc.integer({ min: 1, max: 1_000 * HOUR }), width: fc.double({ min: 1e-6, max: 1, noNaN: true }), priority: fc.integer({ min: 1, max: 10 }) })

test('the longest, widest and last of all overtakes the shortest that has just come, if it waits long enough', () => {
  fc.assert(fc.property(any, any, (old, fresh) => {
    // Nothing here is 10^28 times another, and a million times 36 hours count for 10^30.
    expect(ageingKey(old, 36 * HOUR * 1_000_000)).toBeLessThan(ageingKey(fresh, 0))
    expect(ageingKey(old, 2 * HOUR)).toBeLessThan(ageingKey(old, HOUR))
  }))
})

test('an hour of expectation, an hour of limit and width count alike; priority counts twice over', () => {
  for (const twice of [{ expectedMs: 2 * HOUR }, { limitMs: 4 * HOUR }, { width: 0.2 }]) expect(ageingKey(sized(twice), 0)).toBe(2 * ageingKey(sized(), 0))
  expect(ageingKey(sized({ priority: 10 }), 0)).toBe(4 * ageingKey(sized(), 0))
})

test('patience: three hours at least; more for the long, the last and those with a backlog; less for the wide', () => {
  expect(patienceMs(sized({ width: 0 }), 0)).toBe(7 * HOUR)
  expect(patienceMs(sized({ width: 0, priority: 10 }), 0)).toBe(10 * HOUR)
  expect(patienceMs(sized({ width: 0, limitMs: 10 * HOUR }), HOUR)).toBe(12 * HOUR)
  expect(patienceMs(sized({ width: 0.75 }), 0)).toBe(5 * HOUR)
  expect(patienceMs(sized({ width: 1 }), 50 * HOUR)).toBe(3 * HOUR)
})

test('kinds: rounded up by less than half, never to less, and few', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 45 }), (expectedMs) => {
    const kind = kindOf({ expectedMs, limitMs: 2 ** 46, priority: 5 })
    expect(kind.expectedMs).toBeGreaterThanOrEqual(expectedMs)
    expect(kind.expectedMs).toBeLessThanOrEqual(expectedMs * 1.5)
  }))
  const kinds = new Set(Array.from({ length: 10_000 }, (_, i) => kindOf({ expectedMs: i * HOUR / 100, limitMs: 200 * HOUR, priority: 5 }).kind))
  expect(kinds.size).toBeLessThanOrEqual(32)
  expect(kindOf({ expectedMs: 9 * HOUR, limitMs: HOUR, priority: 5 }).expectedMs).toBeLessThanOrEqual(1.5 * HOUR)
})
