import { expect, test } from 'vitest'
import fc from 'fast-check'
import type { NodeId } from '@lumaris/protocol'
import { virtualChance } from '../../../../testkit/src/virtual-chance.ts'
import { Availability, HORIZONS_MS } from './availability.ts'
import { SPELLS_MAX, WINDOW_MS, changed, newUptime, sightOf } from './uptime.ts'
import { staysFor } from './survival.ts'

const id = (i: number): NodeId => `nod_0000000000000000000000000${i}` as NodeId
const MINUTE_MS = 60_000, HOUR_MS = 60 * MINUTE_MS
const seen = fc.array(fc.record({ node: fc.nat(4), up: fc.boolean(), laterMs: fc.integer({ min: 0, max: 5 * HOUR_MS }), gone: fc.integer({ min: 0, max: 30 }) }), { maxLength: 120 })
const play = (pool: Availability, words: readonly { node: number; up: boolean; laterMs: number; gone: number }[], from = 0): number => {
  let now = from
  for (const { node, up, laterMs, gone } of words) {
    now += laterMs
    if (gone === 0) pool.forget(id(node))
    else pool.saw(id(node), `site ${node % 2}`, up, now)
  }
  return now
}

test('what was persisted and loaded is the same pool: the same rows, and the same answers ever after', () => {
  fc.assert(fc.property(seen, seen, (before, after) => {
    const pool = new Availability(), now = play(pool, before)
    const rows = pool.rows(), copy = Availability.load(JSON.parse(JSON.stringify(rows)) as typeof rows)
    expect(copy.rows()).toEqual(rows)
    const end = play(pool, after, now)
    play(copy, after, now)
    expect(copy.rows()).toEqual(pool.rows())
    for (let i = 0; i < 5; i++) expect(copy.outlook(id(i), end)).toEqual(pool.outlook(id(i), end))
  }), { numRuns: 60 })
})

test('an outlook holds chances that only fall with time, and only of a node that is up', () => {
  fc.assert(fc.property(seen, (words) => {
    const pool = new Availability(), now = play(pool, words), { nodes } = pool.rows()
    for (let i = 0; i < 5; i++) {
      const outlook = pool.outlook(id(i), now)
      expect(outlook !== null).toBe(nodes.some(({ node, up }) => node === id(i) && up))
      outlook?.forEach(({ stays }, k) => {
        expect(stays).toBeGreaterThan(0)
        expect(stays).toBeLessThanOrEqual(k === 0 ? 1 : (outlook[k - 1]?.stays as number))
      })
    }
  }), { numRuns: 60 })
})

/** Nodes that are up for `upHours` and down for `downHours` on average, watched every five minutes. */
function watched(kinds: readonly { upHours: number; downHours: number }[], days: number): { pool: Availability; now: number; up: boolean[] } {
  const pool = new Availability(), chance = virtualChance(11, 'availability'), up = kinds.map(() => true), until = kinds.map((kind) => chance.exponential(kind.upHours * HOUR_MS))
  let now = 0
  for (; now < days * 24 * HOUR_MS; now += 5 * MINUTE_MS) {
    kinds.forEach((kind, i) => {
      if (now >= (until[i] as number)) { up[i] = !up[i]; until[i] = now + chance.exponential((up[i] ? kind.upHours : kind.downHours) * HOUR_MS) }
      pool.saw(id(i), `site ${i}`, up[i] as boolean, now)
    })
  }
  kinds.forEach((_, i) => { pool.saw(id(i), `site ${i}`, true, now) })
  return { pool, now: now + HOUR_MS, up }
}

test('the chance of staying comes near the truth for nodes that leave at random, and tells the steady from the fickle', () => {
  const { pool, now } = watched([{ upHours: 100, downHours: 5 }, { upHours: 3, downHours: 5 }, { upHours: 100, downHours: 5 }], 60)
  const steady = pool.outlook(id(0), now), fickle = pool.outlook(id(1), now)
  expect(Math.abs(staysFor(steady ?? [], 4 * HOUR_MS) - Math.exp(-4 / 100))).toBeLessThan(0.1)
  expect(Math.abs(staysFor(fickle ?? [], 4 * HOUR_MS) - Math.exp(-4 / 3))).toBeLessThan(0.15)
})

test('a question counts only when its time is over: an early departure teaches nothing before', () => {
  const pool = new Availability()
  for (let t = 0; t <= 60; t += 5) pool.saw(id(0), 's', true, t * MINUTE_MS)
  const day = HORIZONS_MS.length - 1, learnt = (): number => pool.rows().cells.filter(({ horizon }) => horizon === day).length
  pool.saw(id(0), 's', false, 7 * HOUR_MS)
  for (let h = 8; h < 24; h++) pool.saw(id(0), 's', false, h * HOUR_MS)
  expect(learnt()).toBe(0)
})
test('a node that is gone for good answers nothing, also when its name comes back', () => {
  const pool = new Availability(), fourHours = HORIZONS_MS.indexOf(4 * HOUR_MS)
  for (let minutes = 0; minutes <= 60; minutes += 5) pool.saw(id(0), 's', true, minutes * MINUTE_MS)
  expect(pool.rows().questions.some(({ horizon }) => horizon === fourHours)).toBe(true)
  pool.forget(id(0))
  for (let minutes = 70; minutes < 360; minutes += 5) pool.saw(id(0), 's', true, minutes * MINUTE_MS)
  expect(pool.rows().cells.filter(({ horizon }) => horizon === fourHours)).toEqual([]) // asked before: void; asked after: not due yet
})
test('a node that is gone is no neighbour any more', () => {
  const pool = new Availability()
  for (let i = 0; i < 3; i++) pool.saw(id(i), 's', true, 0)
  pool.saw(id(3), 's', false, 0)
  pool.forget(id(0))
  const rows = pool.rows()
  expect(pool.outlook(id(1), HOUR_MS)).toEqual(Availability.load(rows).outlook(id(1), HOUR_MS))
})

test('questions are asked by the clock, not on coming up: a node that comes and goes is not asked at its births', () => {
  const pool = new Availability()
  for (let t = 0; t < 20; t++) pool.saw(id(0), 's', t % 2 === 0, t * 40 * MINUTE_MS)
  expect(pool.rows().questions).toEqual([])
})

test('what is seen of a node stays within its bounds, however often it comes and goes', () => {
  fc.assert(fc.property(fc.array(fc.nat(10 * MINUTE_MS), { maxLength: 400 }), (steps) => {
    let row = newUptime(id(0), 's', 0), now = 0
    steps.forEach((step, i) => { now += step; row = changed(row, i % 2 === 0, now) })
    expect(row.spells.length).toBeLessThanOrEqual(SPELLS_MAX)
    const { features, age, share, ends } = sightOf(row, null, now)
    expect(features.every(Number.isFinite)).toBe(true)
    expect([age >= 0, age < 13, share >= 0, share < 5, ends >= 0, ends < 6]).toEqual([true, true, true, true, true, true])
  }))
  let restless = newUptime(id(0), 's', 0)
  for (let i = 0; i < 300; i++) restless = changed(restless, i % 2 === 0, i * MINUTE_MS)
  expect(restless.spells.length).toBe(SPELLS_MAX)
  const away = changed(changed(newUptime(id(0), 's', 0), true, 0), false, HOUR_MS)
  expect(sightOf(changed(away, true, HOUR_MS + 2 * WINDOW_MS), null, HOUR_MS + 2 * WINDOW_MS).share).toBe(0)
})

test('the share of the last day counts the last day alone', () => {
  const DAY_MS = 24 * HOUR_MS
  const steady = changed(newUptime(id(0), 's', 0), true, 0)
  expect(sightOf(steady, null, 5 * DAY_MS).features[3]).toBeCloseTo(24.5 / 25 - 0.5, 10)
  // Up for two days, down for twelve hours, up for six: of the last day, six hours before the gap and six after it.
  const broken = changed(changed(steady, false, 2 * DAY_MS), true, 2 * DAY_MS + 12 * HOUR_MS)
  expect(sightOf(broken, null, 2 * DAY_MS + 18 * HOUR_MS).features[3]).toBeCloseTo(12.5 / 25 - 0.5, 10)
  expect(sightOf(broken, null, 2 * DAY_MS + 18 * HOUR_MS).ends).toBe(1)
})
