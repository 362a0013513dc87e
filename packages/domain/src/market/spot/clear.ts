// The spot market: every 30 s, for each class of units in each region, one price at which the interruptible work that is worth most gets the cheapest room. It stands beside
// the posted asks: firm work is never part of it, and who does not want to bid buys at a posted price.
//
//   bids      one per slot: the most an hour may cost (from the job's spec); a slot that runs already goes on bidding for the unit it holds
//   asks      free units of nodes at their posted price; a held unit keeps the ask it was agreed at
//   price     between what buyers and sellers at the margin can bear; all pay it, all get it, but for holders on units a little dearer, who go on at their seller's ask
//   outbid    a holder that the price leaves behind is warned and stays at its old price; at the second clearing in a row it goes, with notice
//   thin      with fewer than five bids or units one report could set the price for all: then each newcomer buys at a posted ask, and nobody who runs is displaced.
//             (McAfee's trade reduction, J. Economic Theory 56, 1992, is proof against false reports, but a lone buyer would never be served)
//
// No mechanism is at once efficient, truthful, voluntary and balanced (Myerson and Satterthwaite 1983). This one is efficient, voluntary and balanced, and what a
// false report gains falls with the number of units (B9).
import type { DurationMs, Instant, Micros, NodeId, SlotId } from '@lumaris/protocol'

export const CLEAR_EVERY_MS: DurationMs = 30_000
/** Clearings above its bid before a holder must go: one may be a moment's crowd. */
export const STRIKES_MAX = 2
export const THIN_UNITS = 5
/** A holder is moved to cheaper room when its own is dearer than the price by a tenth: below that, starting again costs more than it saves. */
export const STAY_PERCENT = 110n

/** Prices are micro-credits per unit and hour. `ask` is what the seller agreed to get at least, `price` what the holder pays now. */
export type Held = { readonly node: NodeId; readonly ask: Micros; readonly price: Micros; readonly strikes: number }
export type Bid = { readonly slot: SlotId; readonly max: Micros; readonly since: Instant; readonly held: Held | null }
export type Ask = { readonly node: NodeId; readonly units: number; readonly min: Micros }
export type Sale = { readonly slot: SlotId; readonly node: NodeId; readonly pays: Micros; readonly gets: Micros }
export type Clearing = {
  /** Null when nothing was traded, or at posted asks, which differ. */
  readonly price: Micros | null; readonly rule: 'uniform' | 'posted'
  readonly placed: readonly Sale[]; readonly kept: readonly Sale[]
  /** Holders that go on at another node, because their own unit is much dearer than the price; they are ended with notice and start again there. */
  readonly moved: readonly Sale[]
  /** Left behind by the price once: they stay, at the price they had. */
  readonly warned: readonly { readonly slot: SlotId; readonly held: Held }[]
  readonly evicted: readonly { readonly slot: SlotId; readonly node: NodeId; readonly endBy: Instant }[]
}

type Unit = { readonly node: NodeId; readonly min: Micros; /** Who holds it; null: free. */ readonly by: Bid | null }
const order = (a: bigint | number | string, b: bigint | number | string): number => (a < b ? -1 : a > b ? 1 : 0)
/** The dearest first; at one price holders before newcomers, then who came first: moving somebody for nothing helps nobody. */
const byBid = (a: Bid, b: Bid): number => order(b.max, a.max) || order(a.held ? 0 : 1, b.held ? 0 : 1) || order(a.since, b.since) || order(a.slot, b.slot)
const byAsk = (a: Unit, b: Unit): number => order(a.min, b.min) || order(a.by ? 0 : 1, b.by ? 0 : 1) || order(a.node, b.node) || order(a.by?.slot ?? '', b.by?.slot ?? '')
const freeUnits = (asks: readonly Ask[]): Unit[] => asks.flatMap(({ node, units, min }) => Array.from({ length: units }, (): Unit => ({ node, min, by: null })))
const tradesOf = (bids: readonly Bid[], units: readonly Unit[]): number => {
  let trades = 0
  while (trades < bids.length && trades < units.length && (bids[trades] as Bid).max >= (units[trades] as Unit).min) trades++
  return trades
}
const least = (a: Micros, b: Micros): Micros => (a < b ? a : b), most = (a: Micros, b: Micros): Micros => (a > b ? a : b)

/**
 * One clearing of one class in one region. The order of bids and asks does not matter. Whoever is in `kept` is clean again (no strikes) and pays the new price from now on;
 * a sale may be of a unit whose holder is only just being evicted, which is free when its notice is over.
 */
export function clear(bids: readonly Bid[], asks: readonly Ask[], now: Instant, graceMs: DurationMs): Clearing {
  const held = bids.filter((bid) => bid.held !== null).length, units = held + asks.reduce((sum, ask) => sum + ask.units, 0)
  return bids.length < THIN_UNITS || units < THIN_UNITS ? posted(bids, asks) : uniform(bids, asks, now, graceMs)
}

/**
 * The price is that of the whole book, as if everybody could move at once. Holders it leaves behind keep their unit for one clearing more, so as many newcomers who have won
 * wait as well. (Clearing again without those units looks tidier, but then each newcomer without a unit outbids one holder after the other, until all are warned.)
 */
function uniform(bids: readonly Bid[], asks: readonly Ask[], now: Instant, graceMs: DurationMs): Clearing {
  let book = bids.toSorted(byBid), units = [...freeUnits(asks), ...bids.flatMap((bid): Unit[] => (bid.held ? [{ node: bid.held.node, min: bid.held.ask, by: bid }] : []))].toSorted(byAsk)
  const kept: Sale[] = []
  let trades = 0, price: Micros | null = null
  // Holders who would stay on a unit a little dearer than the price leave the book with it, at what its seller asked, and the cheaper unit they could have had is for others.
  // Each round takes bids out, so the price only falls, and who has left stays out.
  for (let staying = new Set<Bid>(); ;) {
    trades = tradesOf(book, units)
    const at = (price = priceOf(book, units, trades))
    staying = new Set(at === null ? [] : book.slice(0, trades).filter(({ held }) => held !== null && held.ask > at && held.ask * 100n <= at * STAY_PERCENT))
    if (staying.size === 0) break
    for (const { slot, held } of staying) if (held) kept.push({ slot, node: held.node, pays: held.ask, gets: held.ask })
    book = book.filter((bid) => !staying.has(bid))
    units = units.filter(({ by }) => by === null || !staying.has(by))
  }
  const winners = book.slice(0, trades), won = new Set(winners), sold = units.slice(0, trades)
  const moved: Sale[] = [], warned: Clearing['warned'][number][] = [], evicted: Clearing['evicted'][number][] = [], gone = new Set<Bid>()
  for (const bid of book) {
    const { slot, held } = bid
    if (!held || won.has(bid)) continue
    if (held.strikes + 1 < STRIKES_MAX) warned.push({ slot, held: { ...held, strikes: held.strikes + 1 } })
    else { gone.add(bid); evicted.push({ slot, node: held.node, endBy: now + graceMs }) }
  }
  if (price === null) return { price, rule: 'uniform', placed: [], kept, moved, warned, evicted }
  // A unit that is left may have been posted anew since it was sold: then it is not to be had below that.
  const posted = new Map(asks.map(({ node, min }) => [node, min]))
  const open = sold.filter(({ by, node, min }) => by === null || (gone.has(by) && (posted.get(node) ?? min) <= price))
  for (const { slot, held } of winners) {
    if (!held) continue
    const better = held.ask > price ? open.shift() : undefined, pays = better || held.ask <= price ? price : held.ask
    ;(better ? moved : kept).push({ slot, node: better?.node ?? held.node, pays, gets: pays })
  }
  const placed = winners.filter(({ held }) => held === null).slice(0, open.length).map(({ slot }, i): Sale => ({ slot, node: (open[i] as Unit).node, pays: price, gets: price }))
  return { price, rule: 'uniform', placed, kept, moved, warned, evicted }
}

/**
 * McAfee's price, the middle of the first pair left out, held between the last pair that trades: it lies between what the last pair can bear and what the first pair left out
 * would, so it clears, and nobody has to step back. The middle of the whole range (k = ½) does as well, with the same gain for a false report (B9).
 */
function priceOf(bids: readonly Bid[], units: readonly Unit[], trades: number): Micros | null {
  const bid = bids[trades - 1], unit = units[trades - 1]
  if (!bid || !unit) return null
  return most(unit.min, least(bid.max, ((bids[trades]?.max ?? unit.min) + (units[trades]?.min ?? bid.max)) / 2n))
}

/** The dearest bids take the cheapest units, each at its seller's ask: nobody sets a price for others, and whoever can trade does. */
function posted(bids: readonly Bid[], asks: readonly Ask[]): Clearing {
  const kept = bids.flatMap(({ slot, held }): Sale[] => (held ? [{ slot, node: held.node, pays: held.price, gets: held.price }] : []))
  const newcomers = bids.filter((bid) => bid.held === null).toSorted(byBid), units = freeUnits(asks).toSorted(byAsk)
  const placed = newcomers.slice(0, tradesOf(newcomers, units)).map(({ slot }, i): Sale => { const { node, min } = units[i] as Unit; return { slot, node, pays: min, gets: min } })
  return { price: null, rule: 'posted', placed, kept, moved: [], warned: [], evicted: [] }
}
