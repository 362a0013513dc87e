import { expect, test } from 'vitest'
import fc from 'fast-check'
import type { NodeId } from '@lumaris/protocol'
import { virtualChance } from '../../../../testkit/src/virtual-chance.ts'
import { RUNS_KEPT, forecastSpeed, learnSpeed, newSpeed } from './speed.ts'
import type { SpeedRows } from './speed.ts'

const node = (i: number): NodeId => `nod_0000000000000000000000000${i}` as NodeId
const runs = (rows: SpeedRows, factor: number, times: number): SpeedRows => {
  let next = rows
  for (let i = 0; i < times; i++) next = learnSpeed(next, { meteredMs: factor * 60_000, referenceMs: 60_000 })
  return next
}

test('nothing seen: the reference time, and a wide guard', () => {
  const { factor, slow, runs: seen } = forecastSpeed(newSpeed(node(1), 'gpu', 'train'))
  expect([factor, seen]).toEqual([1, 0])
  expect(slow).toBeGreaterThan(1.7)
})

test('five runs bring the forecast within 15 % of a machine twice as slow', () => {
  const { factor } = forecastSpeed(runs(newSpeed(node(1), 'gpu', 'train'), 2, 5))
  expect(factor).toBeGreaterThan(1.7)
  expect(factor).toBeLessThan(2.3)
})

test('a wrong hint counts as a factor of eight at most, and runs without a time teach nothing', () => {
  const rows = newSpeed(node(1), 'gpu', 'train')
  expect(learnSpeed(rows, { meteredMs: 1e12, referenceMs: 1 })).toEqual(learnSpeed(rows, { meteredMs: 8, referenceMs: 1 }))
  for (const run of [{ meteredMs: 0, referenceMs: 1 }, { meteredMs: 1, referenceMs: 0 }, { meteredMs: Number.NaN, referenceMs: 1 }, { meteredMs: Infinity, referenceMs: Infinity }]) expect(learnSpeed(rows, run)).toBe(rows)
})

test('a node that became slower is known as slower within a hundred runs', () => {
  const rows = runs(runs(newSpeed(node(1), 'gpu', 'train'), 1, 200), 3, 100)
  expect(forecastSpeed(rows).factor).toBeGreaterThan(2.7)
  expect(rows.node.ratio.runs).toBe(RUNS_KEPT)
})

test('what is usual for the class and what is special to the node are told apart', () => {
  const chance = virtualChance(7, 'speed')
  const special = [0.8, 1, 1, 1.25]
  let rows = special.map((_, i) => newSpeed(node(i), 'gpu', 'train'))
  for (let round = 0; round < 200; round++) {
    const i = chance.between(0, 3), shared = rows.find(Boolean) as SpeedRows
    const noise = Math.exp((chance.next() - 0.5) * 0.1)
    const learnt = learnSpeed({ ...(rows[i] as SpeedRows), hardware: shared.hardware, cell: shared.cell }, { meteredMs: 3 * (special[i] as number) * noise * 1e6, referenceMs: 1e6 })
    rows = rows.map((one, k) => ({ hardware: learnt.hardware, cell: learnt.cell, node: k === i ? learnt.node : one.node }))
  }
  special.forEach((factor, i) => expect(Math.abs(forecastSpeed(rows[i] as SpeedRows).factor / (3 * factor) - 1)).toBeLessThan(0.05))
  const newcomer = forecastSpeed({ ...(rows[0] as SpeedRows), node: newSpeed(node(9), 'gpu', 'train').node })
  expect(Math.abs(newcomer.factor / 3 - 1)).toBeLessThan(0.1)
})

test('whatever was seen, the forecast is a positive time, and rows survive being written as JSON', () => {
  fc.assert(fc.property(fc.array(fc.record({ meteredMs: fc.double(), referenceMs: fc.double() }), { maxLength: 80 }), (seen) => {
    let rows = newSpeed(node(1), 'gpu', 'train')
    for (const run of seen) rows = learnSpeed(rows, run)
    expect(JSON.parse(JSON.stringify(rows))).toEqual(rows)
    const { factor, slow } = forecastSpeed(rows)
    expect(factor).toBeGreaterThan(0)
    expect(slow).toBeGreaterThan(factor)
    expect(slow).toBeLessThan(64)
  }))
})
