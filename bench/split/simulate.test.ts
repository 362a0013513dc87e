import { expect, test } from 'vitest'
import { equalSplit, measured, planned, selfScheduling, staticPartitions } from './policies.ts'
import { simulate } from './simulate.ts'
import { wholeMarket } from './whole-market.ts'
import type { Failures, MakePolicy, WorldOptions } from './simulate.ts'

const world = (seed: number, failures: Failures): WorldOptions => ({ seed, nodes: 100, spread: 10, idealMs: 3_600_000, overheadMs: 1000, failures, share: 0.05, lostMs: 60_000, noise: 0.05 })
const POLICIES: MakePolicy[] = [equalSplit, staticPartitions(5), selfScheduling(5), planned(8, 64), measured({ copies: false }), measured({ copies: true })]

test('whatever fails, under every policy each chunk counts once and all work is done, no faster than is possible; the same seed is the same run', () => {
  for (const failures of ['none', 'nodes', 'attempts', 'slow'] as const) for (const make of POLICIES) {
    const options = world(3, failures), { told, makespan, wasted } = simulate(make, options)
    const done = told.filter(({ kind }) => kind === 'done').map(({ chunk }) => chunk)
    expect(new Set(done).size).toBe(done.length)
    expect(makespan).toBeGreaterThan(0.999)
    expect(wasted).toBeGreaterThanOrEqual(0)
    expect(simulate(make, options).makespan).toBe(makespan)
  }
})
test('the sizes that lumaris map plans with --no-divide, and chunks by measured speeds, end within 1.2 times the ideal with less than 8 % wasted; an equal split does not', () => {
  for (const failures of ['none', 'nodes', 'attempts'] as const) for (let seed = 1; seed <= 5; seed++) {
    for (const make of [planned(8, 64), measured({ copies: true })]) { const { makespan, wasted } = simulate(make, world(seed, failures)); expect(makespan).toBeLessThan(1.2); expect(wasted).toBeLessThan(0.08) }
    expect(simulate(equalSplit, world(seed, failures)).makespan).toBeGreaterThan(2)
  }
})
test('a node that becomes twenty times slower holds up who waits for it; a copy of what is late does not wait', () => {
  expect(simulate(measured({ copies: true }), world(2, 'slow')).makespan).toBeLessThan(simulate(measured({ copies: false }), world(2, 'slow')).makespan / 2)
})
test('a whole market that cuts the parts while they run ends within 1.2 times the ideal too, wastes as little, and knows within a tenth of the whole how long it still takes', () => {
  for (const failures of ['none', 'nodes', 'attempts'] as const) {
    const options = { ...world(1, failures), idealMs: 600_000 }, { told, makespan, wasted, said } = simulate(wholeMarket({ speculate: 0.05 }), options)
    const done = told.filter(({ kind }) => kind === 'done')
    expect(new Set(done.map(({ chunk }) => chunk)).size).toBe(done.length)
    expect(done.length).toBeLessThan(2000)
    expect(makespan).toBeGreaterThan(0.999)
    expect(makespan).toBeLessThan(1.2)
    expect(wasted).toBeLessThan(0.08)
    const end = makespan * options.idealMs, half = said.find(({ at }) => at >= end / 2)!
    expect(Math.abs(half.leftMs! - (end - half.at))).toBeLessThan(0.1 * end)
  }
})
