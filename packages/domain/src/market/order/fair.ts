// Between buyers: start-time fair queueing on dominant cost. Each buyer has a finish mark, the cost of what it was given divided by its weight; the
// one with the lowest mark is served next. The clock is the mark of whoever was served last, and a buyer that comes back starts at the clock: idling
// earns no credit, and a flood costs only the one who sends it.
//
// While two buyers both have work waiting that could start, what they were given differs by no more than one job of each:
//   | cost(f) / weight(f) - cost(g) / weight(g) |  <=  largest(f) / weight(f) + largest(g) / weight(g)
import { invariant } from '../../invariant.ts'
import type { Amounts } from './profile.ts'

export type Buyer = {
  readonly id: string; weight: number
  /** What it was given, over its weight, on the clock's scale. */
  finish: number
  /** When its newest waiting work is entitled to run: promises of waiting count from there, so that a flood ages slower than it arrives. */
  entitledAt: number
  /** The cost of what waits. */
  backlog: number
  waiting: number
}

/** The share of the scarcest of what it needs, for how long: what one job costs the pool, comparable between jobs of any shape. */
export function dominantCost(amounts: Amounts, total: Amounts, ms: number): number {
  let share = 0
  for (let r = 0; r < total.length; r++) if ((total[r] as number) > 0) share = Math.max(share, (amounts[r] as number) / (total[r] as number))
  return share * ms
}

export class FairShares {
  #buyers = new Map<string, Buyer>()
  #clock = 0
  #waitingWeight = 0

  get clock(): number { return this.#clock }
  get size(): number { return this.#buyers.size }

  buyer(id: string): Buyer {
    let buyer = this.#buyers.get(id)
    if (!buyer) { buyer = { id, weight: 1, finish: this.#clock, entitledAt: -Infinity, backlog: 0, waiting: 0 }; this.#buyers.set(id, buyer) }
    return buyer
  }

  /** A buyer of weight 2 is given twice what one of weight 1 is. */
  weigh(id: string, weight: number): void {
    invariant(weight > 0, `buyer ${id} cannot weigh ${weight}`)
    const buyer = this.buyer(id)
    if (buyer.waiting > 0) this.#waitingWeight += weight - buyer.weight
    buyer.weight = weight
  }

  /** One more of it waits, which will cost so much. */
  join(buyer: Buyer, cost: number): void {
    if (buyer.waiting++ === 0) { buyer.finish = Math.max(buyer.finish, this.#clock); this.#waitingWeight += buyer.weight }
    buyer.backlog += cost
  }

  /** When work of `since` is entitled to run: once what its buyer has waiting could have run `times` over on the buyer's share. Later work never before earlier. */
  entitle(buyer: Buyer, since: number, times: number): number {
    const share = buyer.weight / (this.#waitingWeight + (buyer.waiting === 0 ? buyer.weight : 0))
    buyer.entitledAt = Math.max(buyer.entitledAt, since + (times * buyer.backlog) / share)
    return buyer.entitledAt
  }

  /** It started: charged at once, with what it is expected to cost. */
  charge(buyer: Buyer, cost: number): void {
    this.#clock = Math.max(this.#clock, buyer.finish)
    buyer.finish += cost / buyer.weight
  }

  /**
   * It ended, and cost so much more (or less, below zero) than was charged. A refund is paid in full to who still has work waiting, even below the clock:
   * cut off there, surcharges counted and refunds did not, and in an overload the one with the longest jobs fell behind. Who is idle gains nothing by it.
   */
  correct(id: string, more: number): void {
    if (more < 0 && !this.#buyers.has(id)) return // forgotten: its mark is behind the clock already
    this.buyer(id).finish += more / this.buyer(id).weight
  }

  /** It waits no longer, started or gone. Nobody is remembered whose mark the clock has passed: it would start at the clock anyway. */
  leave(buyer: Buyer, cost: number): void {
    invariant(buyer.waiting > 0, `buyer ${buyer.id} leaves a queue it is not in`)
    buyer.backlog -= cost
    if (--buyer.waiting > 0) return
    this.#waitingWeight -= buyer.weight
    buyer.backlog = 0
    buyer.entitledAt = -Infinity
    if (buyer.finish <= this.#clock && buyer.weight === 1) this.#buyers.delete(buyer.id)
  }
}
