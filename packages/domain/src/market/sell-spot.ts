// Room is sold to interruptible work: every 30 s, what firm work has left, to the highest bids (market/spot/clear.ts). What one pays is agreed when the attempt is
// offered and holds until it ends, as for all work; so work that runs takes no part in later sales, and nobody is outbid while running. Only firm work
// can take its place (displace.ts).
import type { Micros, NodeId } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import { freeOn, slotOf } from '../state.ts'
import type { Waiting } from '../state.ts'
import type { Turn } from '../turn.ts'
import { hourlyOf, priceOf, scaled, sheetOf } from '../billing/price.ts'
import { sawSale } from '../deadline/plan-quote.ts'
import { queuedSince } from '../job/waiting.ts'
import { look } from './candidates.ts'
import type { Seen } from './candidates.ts'
import type { Claims } from './claims.ts'
import { offer } from './offer.ts'
import type { Choice } from './offer.ts'
import { textOf } from './requirement.ts'
import { isOpen, seatsOn } from './filter.ts'
import type { Requirement } from './requirement.ts'
import type { Refusals } from './score.ts'
import { clear } from './spot/clear.ts'
import type { Ask, Bid } from './spot/clear.ts'
import { wantedOf } from './wanted.ts'
import type { Wanted } from './wanted.ts'

type Bidder = Wanted & { readonly waiting: Waiting; readonly max: Micros }
/** Bidders who ask for the same units on the same nodes. */
type Book = { readonly bidders: Bidder[]; best: Micros }

/** Returns how many were placed. */
export function sellSpot(turn: Turn, claims: Claims): number {
  const { state, now } = turn
  state.firm.saw(now)
  if (state.spot.size === 0 || (now - state.spotAt < state.settings.spotEveryMs && now >= state.spotAt)) return 0
  const before = state.spotAt
  state.spotAt = now
  let placed = 0, asked = 0, served = 0
  // What is scarce goes to the book with the dearest bid first; each sale leaves less room for the next.
  for (const book of [...books(turn).values()].sort((a, b) => (a.best === b.best ? 0 : a.best > b.best ? -1 : 1))) {
    const came = book.bidders.filter(({ job }) => queuedSince(job) >= before)
    placed += sell(turn, book, claims)
    asked += came.length
    served += came.filter(({ waiting }) => !state.spot.has(slotOf(waiting))).length
  }
  sawSale(state.sales, asked, served, now)
  return placed
}

function books(turn: Turn): Map<string, Book> {
  const all = new Map<string, Book>()
  for (const [key, waiting] of turn.state.spot) {
    const wanted = wantedOf(turn, waiting)
    if (!wanted) { turn.state.spot.delete(key); continue }
    const { spec } = wanted.need, unit = `${spec.runtime}|${textOf(spec.resources)}|${textOf(spec.placement)}${spec.network ? '|egress' : ''}`
    const bidder = { ...wanted, waiting, max: bidOf(wanted.need) }, book = all.get(unit)
    if (!book) all.set(unit, { bidders: [bidder], best: bidder.max })
    else { book.bidders.push(bidder); if (bidder.max > book.best) book.best = bidder.max }
  }
  return all
}

const HOUR_MS = 3_600_000n
/** The most an hour may cost: the bid, and what the cap of the attempt allows over its time limit. */
function bidOf({ spec, attemptCap, hourMax }: Requirement): Micros {
  const capped = (attemptCap * HOUR_MS) / BigInt(spec.limits.runMs), bid = spec.interruptible?.bidHour ?? hourMax
  return bid === undefined || BigInt(bid) > capped ? capped : BigInt(bid)
}

function sell(turn: Turn, { bidders }: Book, claims: Claims): number {
  const { state, now } = turn
  // Caps and bids are each bidder's own; asked here is only who could take such a unit at all.
  const first = bidders[0] as Bidder
  const anyone: Requirement = { ...first.need, spec: { ...first.need.spec, interruptible: {} }, attemptCap: 2n ** 62n, avoid: [], owners: [], beside: [] }
  const rooms = new Map<NodeId, { seen: Seen; left: number; min: Micros }>(), refused: Refusals = {}
  const open = [...state.nodes.values()].filter((node) => isOpen(state, node)), { resources } = anyone.spec
  const sellable = state.firm.sellable(open.map((node) => ({ node, free: freeOn(state, node) })), state.settings.headroomMost)
  for (const node of state.nodes.values()) {
    const seen = look(state, node, anyone, now), no = seen.no ?? (claims.leave(turn, node, anyone) ? null : 'kept_for_overdue')
    if (no !== null) { refused[no] = (refused[no] ?? 0) + 1; continue }
    const { spotPercent = 100 } = node.prices
    rooms.set(node.id, { seen, left: Math.min(seatsOn(freeOn(state, node), anyone), bidders.length), min: (hourlyOf(sheetOf(node), anyone.spec.resources) * BigInt(spotPercent)) / 100n })
  }
  // What is kept free is kept on the dearest nodes of a pool.
  for (const [node, room] of [...rooms].sort(([a, one], [b, other]) => (one.min < other.min ? -1 : one.min > other.min ? 1 : a < b ? -1 : 1))) {
    const units = Math.min(room.left, sellable.units(room.seen.node, resources))
    if (units === 0) { rooms.delete(node); refused.kept_for_firm = (refused.kept_for_firm ?? 0) + 1; continue }
    room.left = units
    sellable.take(room.seen.node, resources, units)
  }
  const asks = [...rooms].map(([node, { left, min }]): Ask => ({ node, units: left, min }))
  const bids = bidders.map(({ waiting, max, job }): Bid => ({ slot: slotOf(waiting), max, since: queuedSince(job), held: null }))
  const sales = clear(bids, asks, now, 0), byBidder = new Map(bidders.map((bidder) => [slotOf(bidder.waiting), bidder]))
  let placed = 0
  for (const sale of sales.placed) {
    const asked = byBidder.get(sale.slot) as Bidder, wanted = wantedOf(turn, asked.waiting)
    if (!wanted) continue
    // As it is now: the sale before this one may have been of another copy of the same task.
    const bidder = { ...asked, ...wanted }
    // A unit is as good as another at one price; but some nodes are not for this bidder.
    const node = sales.rule === 'uniform' ? [...rooms].find(([, room]) => room.left > 0 && room.min <= sale.pays && suits(room.seen.node, bidder, sale.pays))?.[0] : sale.node
    const room = node && rooms.get(node)
    if (!room || !suits(room.seen.node, bidder, sale.pays) || look(state, room.seen.node, bidder.need, now).no !== null) continue
    room.left--
    give(turn, bidder, room.seen, sale.pays, { candidates: rooms.size, refused })
    placed++
  }
  return placed
}

/** Not where it failed while it has other hope, and not above its cap, start fee and output included. */
function suits(node: NodeRow, { need }: Bidder, pays: Micros): boolean {
  if (need.avoid.includes(node.id) || need.drawn?.(node.owner) === false) return false
  return priceOf(sheetAt(node, need, pays), need.spec.resources, { runMs: need.spec.limits.runMs, outBytes: need.spec.resources.diskBytes }) <= need.attemptCap
}
/** The node's prices, all by one factor, so that an hour costs so much; never more than firm work pays there. */
function sheetAt(node: NodeRow, { spec: { resources } }: Requirement, pays: Micros): NodeRow['prices'] {
  const prices = sheetOf(node), posted = hourlyOf(prices, resources)
  return scaled(prices, pays < posted ? pays : posted, posted)
}

function give(turn: Turn, bidder: Bidder, { node, driver, score }: Seen, pays: Micros, seen: Pick<Choice, 'candidates' | 'refused'>): void {
  if (!driver || !score) return
  turn.state.spot.delete(slotOf(bidder.waiting))
  offer(turn, bidder, bidder.waiting.slot, { node, driver, score, ...seen, runnerUp: null }, sheetAt(node, bidder.need, pays))
}
