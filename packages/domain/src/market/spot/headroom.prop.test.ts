import { expect, test } from 'vitest'
import fc from 'fast-check'
import { WINDOW_MS, headroom, maySpotStart, newHeadroom, sawFirm } from './headroom.ts'
import type { HeadroomRow } from './headroom.ts'

const after = (uses: readonly number[], stepMs = WINDOW_MS): HeadroomRow => uses.reduce((row, use, i) => sawFirm(row, use, (i + 1) * stepMs), newHeadroom('p', uses[0] ?? 0, 0))

test('nothing seen, or nothing changing: interruptible work may fill the pool', () => {
  expect(headroom(newHeadroom('p', 5, 0))).toBe(0)
  expect(headroom(after([5, 5, 5, 5]))).toBe(0)
  expect(maySpotStart(after([5, 5, 5, 5]), 4, 4)).toBe(true)
})
test('a steady ramp keeps free what the next window will take', () => {
  expect(headroom(after(Array.from({ length: 20 }, (_, i) => 3 * i)))).toBeCloseTo(3, 0)
})
test('firm use that falls keeps nothing free, and one that swings keeps more than its mean change', () => {
  expect(headroom(after([50, 40, 30, 20]))).toBe(0)
  expect(headroom(after([0, 10, 0, 10, 0, 10, 0, 10]))).toBeGreaterThan(10)
})
test('what was long ago counts little', () => {
  const wild = after([0, 100, 0, 100])
  let row = wild
  for (let i = 5; i < 60; i++) row = sawFirm(row, 100, i * WINDOW_MS)
  expect(headroom(row)).toBeLessThan(headroom(wild) / 5)
})
test('a pool that was silent for a day counts its change by the window', () => {
  expect(headroom(sawFirm(newHeadroom('p', 0, 0), 96, 96 * WINDOW_MS))).toBeCloseTo(1, 6)
})
test('whatever is said in whatever order, headroom is a finite number of zero or more, and rows survive being written as JSON', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(1_000), fc.nat(3 * WINDOW_MS)), { maxLength: 50 }), (words) => {
    let row = newHeadroom('p', 0, 0), now = 0
    for (const [use, later] of words) { now += later; row = sawFirm(row, use, now) }
    expect(headroom(row)).toBeGreaterThanOrEqual(0)
    expect(Number.isFinite(headroom(row))).toBe(true)
    expect(JSON.parse(JSON.stringify(row))).toEqual(row)
  }))
})
test('within a window nothing is counted: a job that comes and goes is no growth', () => {
  const row = newHeadroom('p', 5, 0)
  expect(sawFirm(sawFirm(row, 500, 1_000), 5, WINDOW_MS - 1)).toBe(row)
})
test('interruptible work may use what is free beyond the headroom, and no more', () => {
  const row = sawFirm(newHeadroom('p', 0, 0), 10, WINDOW_MS) // keeps ten
  expect([maySpotStart(row, 14, 4), maySpotStart(row, 13, 4)]).toEqual([true, false])
})
