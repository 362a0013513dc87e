import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { NodeId } from '@lumaris/protocol'
import { UNSEEN_PACE, chunkBounds, nextChunk, paceOf, seenPace } from './chunk.ts'
import { seenRun } from './forecast.ts'
import type { JobPace } from './forecast.ts'
import { portionOf } from './pieces.ts'
import { isWorth, pickStraggler, remainingMs } from './speculate.ts'

const settings = { overheadMs: 1000, hazardPerMs: 1e-7 }
const pace = fc.record({ work: fc.integer({ min: 1, max: 1e6 }), ms: fc.integer({ min: 1, max: 1e6 }), chunks: fc.constant(1) })

test('a chunk is never nothing, never more than there is, whole grains, and leaves no crumb', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 500 }), fc.option(pace), fc.option(pace), (left, grain, nodes, node, all) => {
    const fleet = all ? (all.work / all.ms) * nodes : null
    const size = nextChunk({ left, grain, nodes, node: node ?? UNSEEN_PACE, all: all ?? UNSEEN_PACE, fleet, settings })
    expect(size).toBeGreaterThan(0)
    expect(size).toBeLessThanOrEqual(left)
    if (size < left) { expect(size % grain).toBe(0); expect(left - size).toBeGreaterThanOrEqual(grain) }
  }))
})
test('handing out chunk after chunk ends, in a number of chunks that grows with the logarithm of the work and no faster than overhead allows', () => {
  const all = seenPace(UNSEEN_PACE, 1000, 1000)
  let left = 1e9, chunks = 0
  for (; left > 0; chunks++) left -= nextChunk({ left, grain: 1, nodes: 10, node: all, all, fleet: 10, settings })
  expect(chunks).toBeLessThan(1e9 / (1 * chunkBounds(settings).leastMs))
  expect(chunks).toBeGreaterThan(10)
})
test('a node twice as quick gets twice as much, and both take as long', () => {
  const slow = seenPace(UNSEEN_PACE, 1e6, 1e6), fast = seenPace(UNSEEN_PACE, 2e6, 1e6), all = seenPace(slow, 2e6, 1e6)
  const of = (node: typeof slow): number => nextChunk({ left: 1e9, grain: 1, nodes: 2, node, all, fleet: 3, settings })
  expect(of(fast) / of(slow)).toBeCloseTo(2, 1)
})
test('what nobody has seen begins with little', () => {
  const known = seenPace(UNSEEN_PACE, 1e6, 1e6)
  const ask = (node: typeof known, all: typeof known, fleet: number | null): number => nextChunk({ left: 1e8, grain: 1, nodes: 100, node, all, fleet, settings })
  expect(ask(UNSEEN_PACE, known, 100)).toBeLessThan(ask(known, known, 100) / 10)
  expect(ask(UNSEEN_PACE, UNSEEN_PACE, null)).toBeLessThan(1e8 / 5000)
})
test('chunks get longer where nodes stay, shorter where they go or time is short, and never shorter than overhead allows', () => {
  expect(chunkBounds({ overheadMs: 1000, hazardPerMs: 0 })).toEqual({ leastMs: 20_000, mostMs: Number.POSITIVE_INFINITY })
  expect(chunkBounds({ overheadMs: 1000, hazardPerMs: 1e-9 }).mostMs).toBeGreaterThan(chunkBounds({ overheadMs: 1000, hazardPerMs: 1e-8 }).mostMs)
  expect(chunkBounds({ overheadMs: 1000, hazardPerMs: 1e-9, slackMs: 400_000 }).mostMs).toBe(100_000)
  expect(chunkBounds({ overheadMs: 1000, hazardPerMs: 1e-9, slackMs: 1 })).toEqual({ leastMs: 20_000, mostMs: 20_000 })
})
test('one odd chunk does not make a node', () => {
  const all = seenPace(UNSEEN_PACE, 1e7, 1e6)
  expect(paceOf(seenPace(UNSEEN_PACE, 1, 1000), all)).toBeGreaterThan(8)
  expect(paceOf(UNSEEN_PACE, UNSEEN_PACE)).toBeNull()
})

const run = (more: Partial<Parameters<typeof remainingMs>[0]> = {}) => ({ chunk: 0, work: 100, startedAt: 0, expectedMs: 100_000, copies: 0, ...more })
test('a copy is made of what will take more than twice as long as a fresh one, of that which saves the most, and only once', () => {
  const ask = (running: ReturnType<typeof run>[], more: object = {}) => pickStraggler(running, { now: 0, pace: 0.01, total: 1e6, extra: 0, settings: { overheadMs: 1000, extraMax: 0.05 }, ...more })?.chunk ?? null
  expect(ask([run({ expectedMs: 20_000 })])).toBeNull()
  expect(ask([run({ expectedMs: 30_000 }), run({ chunk: 1, expectedMs: 90_000 })])).toBe(1)
  expect(ask([run({ copies: 1 })])).toBeNull()
  expect(ask([run()], { pace: 0.001 })).toBeNull()
  expect(ask([run()], { total: 1999 })).toBeNull()
  expect(ask([run()], { total: 2001 })).toBe(0)
  expect(ask([run()], { total: 2001, extra: 1 })).toBeNull()
})
test('what is late is taken to be as long again as it has taken', () => {
  expect(remainingMs(run(), 60_000)).toBe(40_000)
  expect(remainingMs(run(), 110_000)).toBe(0)
  expect(remainingMs(run(), 200_000)).toBe(200_000)
})
test('a copy waits for a node as quick as the others, unless a slow one saves very much', () => {
  const ask = (elapsed: number, pace: number) => isWorth(run({ expectedMs: 10_000 }), { now: elapsed, pace, mean: 0.01, overheadMs: 0 }) // fresh: 10 s on a mean node, 20 s at half its pace
  expect([ask(19_000, 0.01), ask(21_000, 0.01), ask(21_000, 0.0095)]).toEqual([false, true, false])
  expect([ask(22_000, 0.0095), ask(150_000, 0.005), ask(170_000, 0.005)]).toEqual([true, false, true])
})
test('what a node gets of what waits: more than nothing, no more than half while there are seats, and seats never run out before the work: whoever asks, in whatever order, at whatever speed', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 300 }), fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 1e6 })), { minLength: 1, maxLength: 40 }), fc.integer({ min: 1000, max: 1e6 }), (total, lanes, most, asks, targetMs) => {
    let left = total, parts = 0, pace: JobPace | undefined
    for (let i = 0; left > 0; i++) {
      const [number, ms] = asks[i % asks.length] as [number, number], node = `nod_${number}` as NodeId, seats = most - parts
      expect(seats).toBeGreaterThan(0)
      const portion = portionOf({ left, pace, node, lanes, seats, targetMs })
      expect(portion).toBeGreaterThan(0)
      if (seats > 8 * lanes) expect(portion).toBeLessThanOrEqual(Math.max(1, left / 2))
      const taken = seats === 1 ? left : Math.min(left, Math.max(1, Math.floor(portion)))
      left -= taken
      parts++
      pace = seenRun(pace, { node, offeredAt: 0, startedAt: 0, endedAt: ms }, taken)
    }
    expect(parts).toBeLessThanOrEqual(most)
  }), { numRuns: 300 })
})
