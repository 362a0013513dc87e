import { expect, test } from 'vitest'
import fc from 'fast-check'
import type { NodeId, SlotId } from '@lumaris/protocol'
import { STRIKES_MAX, clear } from './clear.ts'
import type { Ask, Bid, Clearing } from './clear.ts'

const money = fc.bigInt({ min: 0n, max: 40n })
const market = fc.record({
  newcomers: fc.array(fc.record({ max: money, since: fc.nat(5) }), { maxLength: 14 }),
  holders: fc.array(fc.record({ max: money, since: fc.nat(5), ask: money, more: money, strikes: fc.nat(STRIKES_MAX - 1) }), { maxLength: 8 }),
  asks: fc.array(fc.record({ units: fc.integer({ min: 1, max: 4 }), min: money }), { maxLength: 6 }),
}).map(({ newcomers, holders, asks }): { bids: Bid[]; asks: Ask[] } => ({
  bids: [
    ...newcomers.map(({ max, since }, i): Bid => ({ slot: `new.${i}` as SlotId, max, since, held: null })),
    // What a holder pays lies between its unit's ask and its bid, because that is how it came to hold it.
    ...holders.map(({ max, since, ask, more, strikes }, i): Bid => {
      const floor = ask < max ? ask : max, price = floor + more < max ? floor + more : max
      return { slot: `old.${i}` as SlotId, max, since, held: { node: `nod_${i % 6}` as NodeId, ask: floor, price, strikes } }
    }),
  ],
  asks: asks.map(({ units, min }, i): Ask => ({ node: `nod_${i}` as NodeId, units, min })),
}))
const GRACE_MS = 60_000
const run = ({ bids, asks }: { bids: readonly Bid[]; asks: readonly Ask[] }): Clearing => clear(bids, asks, 1_000, GRACE_MS)
const many = { numRuns: 1_500 }
const sum = (list: readonly bigint[]): bigint => list.reduce((a, b) => a + b, 0n)

test('nobody pays above the bid, no seller gets below the ask, and what buyers pay is what sellers get', () => {
  fc.assert(fc.property(market, ({ bids, asks }) => {
    const { placed, kept, moved, warned } = run({ bids, asks })
    const bid = (slot: SlotId): Bid => bids.find((one) => one.slot === slot) as Bid
    for (const sale of [...placed, ...kept, ...moved]) expect(sale.pays <= bid(sale.slot).max).toBe(true)
    for (const sale of kept) expect(sale.gets >= (bid(sale.slot).held?.ask as bigint)).toBe(true)
    const evicted = new Set(run({ bids, asks }).evicted.map(({ node }) => node))
    for (const sale of [...placed, ...moved]) {
      const mins = asks.filter(({ node }) => node === sale.node).map(({ min }) => min)
      if (mins.length === 0) expect(evicted.has(sale.node)).toBe(true)
      else expect(sale.gets >= (mins[0] as bigint)).toBe(true)
    }
    for (const { slot, held } of warned) expect(held.price <= bid(slot).max && held.price >= held.ask).toBe(true)
    expect(sum([...placed, ...kept, ...moved].map(({ pays }) => pays)) - sum([...placed, ...kept, ...moved].map(({ gets }) => gets))).toBe(0n)
  }), many)
})

test('one price for all, and it clears: who is left out would not pay more, and no unit left over is cheaper', () => {
  fc.assert(fc.property(market, ({ bids, asks }) => {
    const { rule, price, placed, kept, moved, warned, evicted } = run({ bids, asks })
    if (rule !== 'uniform') return
    for (const sale of [...placed, ...moved]) expect([sale.pays, sale.gets]).toEqual([price, price])
    for (const sale of kept) {
      const ask = bids.find(({ slot }) => slot === sale.slot)?.held?.ask as bigint
      expect([sale.pays, sale.gets]).toEqual(price === null || ask > price ? [ask, ask] : [price, price])
    }
    const busy = new Set([...placed, ...kept, ...moved, ...warned, ...evicted].map(({ slot }) => slot)), out = bids.filter(({ slot }) => !busy.has(slot))
    expect(out.every(({ held }) => held === null)).toBe(true) // holders are kept, warned or evicted, never forgotten
    const taken = (node: NodeId): number => [...placed, ...moved].filter((sale) => sale.node === node).length
    const cheapest = asks.filter(({ node, units }) => taken(node) < units).map(({ min }) => min)
    if (price === null) { for (const { max } of out) for (const min of cheapest) expect(max < min).toBe(true); return }
    // But for those who wait until an outbid holder has left its unit, and units that a holder on a dearer one could have had.
    const waiting = warned.length + evicted.length + kept.filter(({ slot }) => (bids.find((bid) => bid.slot === slot)?.held?.ask as bigint) >= (price as bigint)).length
    expect(out.filter(({ max }) => max > price).length).toBeLessThanOrEqual(waiting)
    expect(cheapest.filter((min) => min < price).length).toBeLessThanOrEqual(waiting)
    if (waiting > 0) return
    for (const { max } of out) expect(max <= price).toBe(true)
    for (const min of cheapest) expect(min >= price).toBe(true)
  }), many)
})

test('no unit is sold twice, and holders stay on theirs', () => {
  fc.assert(fc.property(market, ({ bids, asks }) => {
    const { placed, kept, moved, warned, evicted } = run({ bids, asks })
    const slots = [...placed, ...kept, ...moved, ...warned, ...evicted].map(({ slot }) => slot)
    expect(new Set(slots).size).toBe(slots.length)
    for (const node of new Set([...placed, ...moved].map((sale) => sale.node))) {
      const free = sum(asks.filter((ask) => ask.node === node).map(({ units }) => BigInt(units))), freed = evicted.filter((one) => one.node === node).length
      expect([...placed, ...moved].filter((sale) => sale.node === node).length).toBeLessThanOrEqual(Number(free) + freed)
    }
    for (const sale of kept) expect(sale.node).toBe(bids.find(({ slot }) => slot === sale.slot)?.held?.node)
  }), many)
})

test('nobody is evicted at the first clearing above its bid: it is warned, and stays at its old price', () => {
  fc.assert(fc.property(market, ({ bids, asks }) => {
    const { warned, evicted } = run({ bids, asks })
    const strikes = (slot: SlotId): number => bids.find((bid) => bid.slot === slot)?.held?.strikes as number
    for (const one of evicted) { expect(strikes(one.slot)).toBe(STRIKES_MAX - 1); expect(one.endBy).toBe(1_000 + GRACE_MS) }
    for (const { slot, held } of warned) { expect(held.strikes).toBe(strikes(slot) + 1); expect(held.price).toBe(bids.find((bid) => bid.slot === slot)?.held?.price) }
  }), many)
})

test('without holders nobody could gain more by trading otherwise: welfare is the greatest there is', () => {
  fc.assert(fc.property(market, ({ bids, asks }) => {
    const fresh = bids.map((bid): Bid => ({ ...bid, held: null })), { placed, rule } = run({ bids: fresh, asks })
    if (rule !== 'uniform') return
    const values = fresh.map(({ max }) => max).toSorted((a, b) => Number(b - a)), costs = asks.flatMap(({ units, min }) => Array.from({ length: units }, () => min)).toSorted((a, b) => Number(a - b))
    const best = sum(values.map((value, i) => (costs[i] !== undefined && value > costs[i] ? value - costs[i] : 0n)))
    const got = sum(placed.map(({ slot }) => fresh.find((bid) => bid.slot === slot)?.max as bigint)) - sum(placed.map(({ node }) => asks.find((ask) => ask.node === node)?.min as bigint))
    expect(got).toBe(best)
  }), many)
})

test('the order in which bids and asks come does not matter', () => {
  fc.assert(fc.property(market, ({ bids, asks }) => {
    const sorted = ({ placed, kept, moved, price }: Clearing): unknown => [[...placed, ...kept, ...moved].map((sale) => JSON.stringify(sale, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))).toSorted(), price]
    expect(sorted(run({ bids: bids.toReversed(), asks: asks.toReversed() }))).toEqual(sorted(run({ bids, asks })))
  }))
})

const aBid = (i: number, max: bigint, held: Bid['held'] = null): Bid => ({ slot: `s${i}` as SlotId, max, since: i, held })
test('in a thin class everyone buys at a posted ask, a lone buyer too, and nobody who runs is displaced', () => {
  const asks: Ask[] = [{ node: 'nod_1' as NodeId, units: 1, min: 20n }, { node: 'nod_2' as NodeId, units: 1, min: 10n }]
  const lone = run({ bids: [aBid(1, 12n)], asks })
  expect([lone.rule, lone.price, lone.placed]).toEqual(['posted', null, [{ slot: 's1', node: 'nod_2', pays: 10n, gets: 10n }]])
  expect(run({ bids: [aBid(1, 40n), aBid(2, 50n), aBid(3, 60n)], asks }).placed.map(({ slot, pays }) => [slot, pays])).toEqual([['s3', 10n], ['s2', 20n]])
  expect(run({ bids: [aBid(1, 9n)], asks }).placed).toEqual([])
  const held = { node: 'nod_1' as NodeId, ask: 5n, price: 6n, strikes: 1 }
  expect(run({ bids: [aBid(1, 7n, held), aBid(2, 90n)], asks: [] })).toMatchObject({ evicted: [], kept: [{ slot: 's1', pays: 6n }] })
})
test('an outbid holder is warned, then goes, and its unit goes to who bid more', () => {
  const asks: Ask[] = [], held = (strikes: number, i: number) => ({ node: `nod_${i}` as NodeId, ask: 1n, price: 2n, strikes })
  const bids = (strikes: number): Bid[] => [...[0, 1, 2, 3].map((i) => aBid(i, 20n, held(0, i))), aBid(4, 5n, held(strikes, 4)), aBid(5, 30n)]
  const first = run({ bids: bids(0), asks }), second = run({ bids: bids(1), asks })
  expect([first.warned.map(({ slot }) => slot), first.placed.length]).toEqual([['s4'], 0])
  expect([second.evicted.map(({ slot }) => slot), second.placed.map(({ slot, node }) => [slot, node])]).toEqual([['s4'], [['s5', 'nod_4']]])
})
test('a holder on a unit a little dearer than the market stays there at what its seller asked; one on a much dearer unit is moved', () => {
  const asks: Ask[] = [{ node: 'nod_9' as NodeId, units: 9, min: 10n }], others = [0, 1, 2, 3, 4].map((i) => aBid(i, 50n))
  const holding = (ask: bigint): Clearing => run({ bids: [...others, aBid(5, 60n, { node: 'nod_5' as NodeId, ask, price: ask, strikes: 1 })], asks })
  expect(holding(11n)).toMatchObject({ price: 10n, kept: [{ slot: 's5', node: 'nod_5', pays: 11n, gets: 11n }], moved: [], evicted: [] })
  expect(holding(12n)).toMatchObject({ price: 10n, kept: [], moved: [{ slot: 's5', node: 'nod_9', pays: 10n, gets: 10n }], evicted: [] })
})
test('the cheaper unit that a staying holder could have had is for others', () => {
  const asks: Ask[] = [{ node: 'nod_9' as NodeId, units: 5, min: 20n }], holder = aBid(9, 60n, { node: 'nod_5' as NodeId, ask: 26n, price: 26n, strikes: 0 })
  const { kept, placed, price } = run({ bids: [holder, ...[0, 1, 2, 3].map((i) => aBid(i, 50n)), aBid(4, 24n)], asks })
  expect([kept.length, placed.length, price]).toEqual([1, 5, 22n])
})
test('a unit whose holder goes is not sold below what its node posts now', () => {
  const held = (i: number) => ({ node: `nod_${i}` as NodeId, ask: 1n, price: 2n, strikes: 1 })
  const bids = [...[0, 1, 2, 3].map((i) => aBid(i, 20n, held(i))), aBid(4, 5n, held(4)), aBid(5, 30n)]
  expect(run({ bids, asks: [{ node: 'nod_4' as NodeId, units: 0, min: 99n }] })).toMatchObject({ placed: [], evicted: [{ slot: 's4' }] })
})
