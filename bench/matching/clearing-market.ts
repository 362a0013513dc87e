// A spot market over a day, for B9: buyers come, bid for one unit each, run for a while and leave; sellers post asks and change them now and then.
import type { NodeId, SlotId } from '@lumaris/protocol'
import { CLEAR_EVERY_MS, clear } from '../../packages/domain/src/market/spot/clear.ts'
import type { Ask, Bid, Held } from '../../packages/domain/src/market/spot/clear.ts'
import { virtualChance } from '../../packages/testkit/src/virtual-chance.ts'

export const SEEDS = [42, 43, 44, 45, 46, 47, 48, 49, 50, 51] as const
export type Mechanism = 'posted asks' | 'uniform price'
export type Day = { welfare: number; best: number; rounds: number; used: number; evicted: number; moved: number; balance: bigint; wronged: number }
type Buyer = { readonly slot: SlotId; readonly value: bigint; readonly since: number; left: number; held: Held | null }

const ROUNDS = 86_400_000 / CLEAR_EVERY_MS, STAY_ROUNDS = 40, PATIENCE_ROUNDS = 60
/** Values of an hour: a third of the buyers each are thrifty, ordinary and urgent. Costs are lower, and overlap: some pairs should not trade. */
const VALUES = [[200_000, 500_000], [400_000, 800_000], [700_000, 1_300_000]] as const
const COSTS = [100_000, 900_000] as const
/** More would run than there is room for at the prices they could pay. */
const CROWD = 1.3
/** What sellers post above their cost where the posted price is what they get. */
const MARKUP_PERCENT = 115n

export function market(seed: number, units: number, mechanism: Mechanism): Day {
  const chance = virtualChance(seed, `B9 market ${units}`), perRound = (CROWD * units) / STAY_ROUNDS
  const cost = Array.from({ length: units }, () => BigInt(chance.between(...COSTS))), node = (i: number): NodeId => `n${i}` as NodeId, indexOf = new Map(cost.map((_, i) => [node(i), i]))
  let buyers: Buyer[] = []
  const day: Day = { welfare: 0, best: 0, rounds: ROUNDS, used: 0, evicted: 0, moved: 0, balance: 0n, wronged: 0 }
  for (let r = 0, named = 0; r < ROUNDS; r++) {
    for (let due = chance.exponential(1 / perRound); due < 1; due += chance.exponential(1 / perRound)) {
      const [low, high] = VALUES[chance.between(0, 2)] as (typeof VALUES)[number]
      buyers.push({ slot: `s${named++}` as SlotId, value: BigInt(chance.between(low, high)), since: r, left: 1 + Math.floor(chance.exponential(STAY_ROUNDS)), held: null })
    }
    // Machines come cheaper and dearer with their owners' days.
    if (chance.happens(units / 500)) cost[chance.between(0, units - 1)] = BigInt(chance.between(...COSTS))
    const busy = new Set(buyers.flatMap(({ held }) => (held ? [held.node] : [])))
    const best = greatest(buyers.map(({ value }) => value), cost)
    if (mechanism === 'posted asks') postedRound(buyers, cost, busy, node)
    else {
      const bids = buyers.map(({ slot, value, since, held }): Bid => ({ slot, max: value, since, held }))
      const asks = cost.flatMap((min, i): Ask[] => (busy.has(node(i)) ? [{ node: node(i), units: 0, min }] : [{ node: node(i), units: 1, min }]))
      const result = clear(bids, asks, r * CLEAR_EVERY_MS, 0), bySlot = new Map(buyers.map((buyer) => [buyer.slot, buyer]))
      for (const { slot } of result.evicted) { (bySlot.get(slot) as Buyer).held = null; day.evicted++ }
      for (const { slot, held } of result.warned) (bySlot.get(slot) as Buyer).held = held
      day.moved += result.moved.length
      for (const { slot } of result.moved) (bySlot.get(slot) as Buyer).held = null
      for (const sale of [...result.kept, ...result.moved, ...result.placed]) {
        const buyer = bySlot.get(sale.slot) as Buyer, ask = buyer.held ? buyer.held.ask : (cost[indexOf.get(sale.node) as number] as bigint)
        day.balance += sale.pays - sale.gets
        if (sale.pays > buyer.value || sale.gets < ask) day.wronged++
        buyer.held = { node: sale.node, ask, price: sale.pays, strikes: 0 }
      }
    }
    const running = buyers.filter(({ held }) => held !== null)
    day.best += best
    // A holder's unit costs its seller what it costs now, whatever was agreed.
    day.welfare += running.reduce((sum, { value, held }) => sum + Number(value - (cost[indexOf.get((held as Held).node) as number] as bigint)), 0)
    day.used += running.length / units / ROUNDS
    for (const buyer of running) buyer.left--
    buyers = buyers.filter(({ left, held, since }) => left > 0 && (held !== null || r - since < PATIENCE_ROUNDS))
  }
  return day
}

/** Buyers in the order they came take the cheapest unit they can pay, and keep it. */
function postedRound(buyers: readonly Buyer[], cost: readonly bigint[], busy: ReadonlySet<NodeId>, node: (i: number) => NodeId): void {
  const free = cost.map((one, i) => ({ node: node(i), price: (one * MARKUP_PERCENT) / 100n })).filter((one) => !busy.has(one.node)).toSorted((a, b) => Number(a.price - b.price))
  for (const buyer of buyers) {
    const unit = free[0]
    if (buyer.held || !unit || unit.price > buyer.value) continue
    free.shift()
    buyer.held = { node: unit.node, ask: unit.price, price: unit.price, strikes: 0 }
  }
}

function greatest(values: readonly bigint[], costs: readonly bigint[]): number {
  const dear = values.toSorted((a, b) => Number(b - a)), cheap = costs.toSorted((a, b) => Number(a - b))
  return dear.reduce((sum, value, i) => sum + Math.max(0, Number(value - (cheap[i] ?? value))), 0)
}
