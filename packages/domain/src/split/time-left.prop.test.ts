import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { NodeId } from '@lumaris/protocol'
import { forecastOf, seenRun } from './forecast.ts'
import type { JobPace } from './forecast.ts'
import { timeLeft } from './time-left.ts'
import type { TimeLeft } from './time-left.ts'

const NOW = 1_000_000
const aTry = fc.record({ work: fc.integer({ min: 1, max: 1e6 }), pace: fc.double({ min: 0.01, max: 100, noNaN: true }), offeredAt: fc.integer({ min: 0, max: NOW }) })
const question: fc.Arbitrary<TimeLeft> = fc.record({
  now: fc.constant(NOW), overheadMs: fc.integer({ min: 0, max: 5000 }), copies: fc.boolean(),
  waiting: fc.record({ work: fc.integer({ min: 1, max: 1e8 }), tasks: fc.integer({ min: 1, max: 1000 }) }), running: fc.array(fc.array(aTry, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 20 }),
})
const ms = (one: TimeLeft): number => timeLeft(one) as number

test('never below nothing, never without an end, and nothing only when nothing is left', () => {
  fc.assert(fc.property(question, (one) => { expect(ms(one)).toBeGreaterThan(0); expect(Number.isFinite(ms(one))).toBe(true) }))
  expect(timeLeft({ now: NOW, overheadMs: 0, waiting: { work: 0, tasks: 0 }, running: [] })).toBe(0)
  expect(timeLeft({ now: NOW, overheadMs: 0, waiting: { work: 1, tasks: 1 }, running: [] })).toBeNull()
})
test('more that waits takes no less time, of tasks of one size', () => {
  fc.assert(fc.property(question, fc.integer({ min: 1, max: 10 }), (one, times) => {
    const more = { ...one, copies: false, waiting: { work: one.waiting.work * times, tasks: one.waiting.tasks * times } }
    expect(ms(more)).toBeGreaterThanOrEqual(ms({ ...one, copies: false }) * (1 - 1e-9))
  }))
})
test('copies that are still to come never make it longer', () => {
  fc.assert(fc.property(question, (one) => { expect(ms({ ...one, copies: true })).toBeLessThanOrEqual(ms({ ...one, copies: false }) * (1 + 1e-9)) }))
})
test('another unit of work changes nothing', () => {
  fc.assert(fc.property(question, fc.integer({ min: 2, max: 1000 }), (one, unit) => {
    const other = { ...one, waiting: { ...one.waiting, work: one.waiting.work * unit }, running: one.running.map((tries) => tries.map((run) => ({ ...run, work: run.work * unit, pace: run.pace * unit }))) }
    expect(ms(other) / ms(one)).toBeCloseTo(1, 6)
  }))
})
test('nodes that keep their pace: what is foreseen is what comes, to within one task', () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 }), fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 500 }), (paces, tasks, overheadMs) => {
    const WORK = 10_000, lanes = paces.map((pace) => ({ pace, freeAt: overheadMs + WORK / pace }))
    const said = ms({ now: 0, overheadMs, waiting: { work: tasks * WORK, tasks }, running: paces.map((pace) => [{ work: WORK, pace, offeredAt: 0 }]) })
    for (let i = 0; i < tasks; i++) { const next = lanes.reduce((a, b) => (b.freeAt < a.freeAt ? b : a)); next.freeAt += overheadMs + WORK / next.pace }
    const end = Math.max(...lanes.map(({ freeAt }) => freeAt)), longest = overheadMs + WORK / Math.min(...paces)
    expect(Math.abs(end - said)).toBeLessThanOrEqual(longest + 1)
  }))
})
test('a task that should be over long ago takes as long again, or, where it gets a copy, as long as a fresh one', () => {
  const one = { now: NOW, overheadMs: 0, waiting: { work: 0, tasks: 0 }, running: [[{ work: 100, pace: 1, offeredAt: NOW - 10_000 }], [{ work: 100, pace: 1, offeredAt: NOW - 50 }], [{ work: 100, pace: 1, offeredAt: NOW }]] }
  expect(ms(one)).toBe(10_000)
  expect(ms({ ...one, copies: true })).toBeLessThan(200)
  expect(ms({ ...one, running: [[one.running[0]![0]!, { work: 100, pace: 1, offeredAt: NOW - 40 }]] })).toBe(60)
})

const nod = (name: string) => name as NodeId
const seen = (runs: readonly [node: string, work: number, ms: number][]): JobPace | undefined => runs.reduce<JobPace | undefined>((pace, [node, work, took]) => seenRun(pace, { node: nod(node), offeredAt: 0, startedAt: 500, endedAt: 500 + took }, work), undefined)
test('a node is as quick as it was at this job; one that was not seen, as the market believes beside those that were', () => {
  const pace = seen([['a', 1000, 100_000], ['a', 1000, 100_000], ['b', 1000, 400_000]])
  const plain = forecastOf(pace, null, () => 1)
  expect(plain.overheadMs).toBe(500)
  expect(plain.paceOn(nod('a'))).toBeCloseTo(0.01, 3)
  expect(plain.paceOn(nod('b'))).toBeCloseTo(0.0025, 3)
  expect(plain.paceOn(nod('c'))).toBeCloseTo(3000 / 600_000, 6)
  const known = forecastOf(pace, null, (node) => (node === 'c' ? 2 : 1))
  expect(known.paceOn(nod('c'))).toBeCloseTo(3000 / 600_000 / 2, 6)
  expect(forecastOf(undefined, { work: 10, ms: 1000 }, () => 2).paceOn(nod('x'))).toBeCloseTo(0.005, 9)
  expect(forecastOf(undefined, null, () => 1)).toMatchObject({ mean: null })
})
