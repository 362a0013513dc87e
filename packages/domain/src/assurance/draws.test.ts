// Draws that a seller cannot foresee must look like chance to anybody without the key, and be the same for whoever has it.
import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import type { AttemptId } from '@lumaris/protocol'
import { aMarket, sha256 } from '@lumaris/testkit'
import { apply } from '../state.ts'
import { drawCheckers, drawOf } from './draws.ts'

const keyedBy = (key: string) => ({ keyed: (text: string) => createHmac('sha256', key).update(text).digest('hex') })
const attempt = (i: number) => ({ id: `att_${i}` as AttemptId, digest: 'a'.repeat(64) })
/** Sum of squared deviations over what is expected: about the number of cells when all are equally likely. */
const chiSquare = (counts: readonly number[], expected: number): number => counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)

test('owners who were found wrong, and have not made up for it, are drawn an eighth as often; who has is drawn like others', () => {
  const market = aMarket(), ids = Array.from({ length: 24 }, (_, i) => market.join(`n${i}`).id), owners = ids.map((id) => market.state.nodes.get(id)!.owner)
  apply(market.state, { kind: 'lesson', row: { what: 'owner', key: owners[0]!, valid: 99, wrong: 1 } })
  apply(market.state, { kind: 'lesson', row: { what: 'owner', key: owners[1]!, valid: 100, wrong: 1 } })
  const times = [0, 0, 0]
  for (let slot = 0; slot < 4000; slot++) { const may = drawCheckers({ keyed: sha256 }, market.state, `slot ${slot}`); for (const i of [0, 1, 2]) if (may(owners[i]!)) times[i]!++ }
  expect(times[1]! / 4000).toBeCloseTo(1 / 8, 1)
  expect(times[2]! / 4000).toBeCloseTo(1 / 8, 1)
  expect(times[0]!).toBeGreaterThan(0)
  expect(times[0]! / times[2]!).toBeLessThan(0.25)
})

test('checks are drawn evenly from nothing to one, again the same under one key, and another way under another', () => {
  const cells = Array.from({ length: 20 }, () => 0), key = keyedBy('a'), other = keyedBy('b')
  let same = 0
  for (let i = 0; i < 20_000; i++) {
    const draw = drawOf(key, attempt(i))
    cells[Math.floor(draw * 20)]!++
    expect(drawOf(key, attempt(i))).toBe(draw)
    if (drawOf(other, attempt(i)) < 0.1 === draw < 0.1) same++
  }
  expect(chiSquare(cells, 1000)).toBeLessThan(44) // 19 degrees of freedom: one in a thousand is above
  expect(same / 20_000).toBeCloseTo(0.82, 1) // as often as chance has it: 0.1² + 0.9²
})

test('another result of the same attempt draws anew', () => {
  const key = keyedBy('a'), draws = new Set(Array.from({ length: 100 }, (_, i) => drawOf(key, { ...attempt(1), digest: String(i) })))
  expect(draws.size).toBe(100)
})

test('every owner is drawn as a checker as often as any other, an eighth of them, and three of a few', () => {
  const market = aMarket(), owners = Array.from({ length: 80 }, (_, i) => market.join(`n${i}`).row().owner), key = keyedBy('a'), counts = owners.map(() => 0), together = owners.map(() => 0)
  const slots = 4000
  for (let i = 0; i < slots; i++) {
    const drawn = drawCheckers(key, market.state, `slot ${i}`)
    owners.forEach((owner, at) => { if (drawn(owner)) { counts[at]!++; if (drawn(owners[0]!)) together[at]!++ } })
  }
  expect(chiSquare(counts, slots / 8) / (1 - 1 / 8)).toBeLessThan(125) // 80 degrees of freedom
  expect(chiSquare(together.slice(1), slots / 64) / (1 - 1 / 64)).toBeLessThan(125) // to be drawn beside one's partner is no likelier
  const few = aMarket(), four = Array.from({ length: 4 }, (_, i) => few.join(`n${i}`).row().owner)
  const sizes = Array.from({ length: 1000 }, (_, i) => four.filter(drawCheckers(key, few.state, `slot ${i}`)).length)
  expect(sizes.reduce((sum, size) => sum + size, 0) / 1000).toBeCloseTo(3, 0)
})
