// Who runs what, given all we know: the one door to matching. Each decision keeps its terms and why the other nodes were not taken.
import type { DriverOffer, Instant, NodeId } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import type { MarketState, Waiting } from '../state.ts'
import type { Turn } from '../turn.ts'
import { lookAfresh } from './candidates.ts'
import { Claims } from './claims.ts'
import { displace, takePlaces } from './displace.ts'
import { obstacles } from './filter.ts'
import { offer } from './offer.ts'
import { placeGang } from './place-gang.ts'
import type { Choice } from './offer.ts'
import type { Answer, Lane } from './order/fair-queue.ts'
import type { Kept, Seen } from './candidates.ts'
import { asksAsItsClass, classKeyOf } from './requirement.ts'
import type { Requirement } from './requirement.ts'
import { sellSpot } from './sell-spot.ts'
import type { Refusals, Score } from './score.ts'
import { wantedOf } from './wanted.ts'

/** Placements of one turn: a bound on how long a turn can take. */
const PLACEMENTS_MAX = 2_000

/** Gives waiting slots to nodes until nobody fits any more. Returns how many were placed. */
export function match(turn: Turn): number {
  const claims = new Claims()
  const moved = takePlaces(turn, claims)
  const placed = turn.state.queue.serve((waiting, classKey, lane) => place(turn, waiting, classKey, lane, claims), PLACEMENTS_MAX, turn.now)
  return moved + placed + sellSpot(turn, claims)
}

function place(turn: Turn, waiting: Waiting, classKey: string, lane: Lane, claims: Claims): Answer {
  if (turn.state.jobs.get(waiting.job)?.row.spec.gang) return placeGang(turn, waiting, classKey, lane, claims)
  const wanted = wantedOf(turn, waiting)
  if (!wanted) return 'gone'
  const { job, task, need } = wanted
  // Left behind in the line of what it asked for before its last concession.
  if (job.rung > 0 && classKeyOf(job, task, waiting.slot) !== classKey) return 'gone'
  const choice = choose(turn.state, need, classKey, turn.now, claims.size === 0 ? null : { nodes: claims.nodes(), mayTake: (node) => claims.leave(turn, node, need) })
  if (choice) { offer(turn, wanted, waiting.slot, choice); return 'placed' }
  if (!couldGo(turn.state, need, classKey, turn.now)) return 'never'
  displace(turn, job, waiting, need, claims)
  if (lane === 'overdue') claims.make(turn, need)
  return 'no_room'
}

/** Is there a node that could take it if it were empty? */
function couldGo(state: MarketState, need: Requirement, classKey: string, now: Instant): boolean {
  if (asksAsItsClass(need)) return state.candidates.couldGo(state, classKey, need, now)
  for (const node of state.nodes.values()) if (obstacles(node, need).length === 0) return true
  return false
}

/** The cheapest node in expectation that may take it; ties go to the smaller id, so that a replay decides the same. */
export function choose(state: MarketState, need: Requirement, classKey: string, now: Instant, kept: Kept | null = null): Choice | null {
  // A slot with copies, or one that failed somewhere, has wishes of its own, and asks for itself; so does one that the clock decides on.
  if (asksAsItsClass(need)) return state.candidates.cheapest(state, classKey, need, now, kept)
  const seen = lookAfresh(state, need, now), { drawn, prefers } = need, mayTake = kept?.mayTake ?? null
  return (prefers && cheapest(seen.filter(({ node }) => prefers(node)), need.avoid, mayTake)) ?? (drawn && cheapest(seen.filter(({ node }) => drawn(node.owner)), need.avoid, mayTake)) ?? cheapest(seen, need.avoid, mayTake) ?? (need.avoid.length > 0 ? cheapest(seen, [], mayTake) : null)
}
type MayTake = (node: NodeRow) => boolean

/** Of answers that were just given: what `Candidates` says of kept ones. */
export function cheapest(seen: readonly Seen[], avoid: readonly NodeId[], mayTake: MayTake | null): Choice | null {
  const refused: Refusals = {}
  let best: Seen | null = null, second: Seen | null = null
  let candidates = 0
  for (const one of seen) {
    const no = avoid.length > 0 && avoid.includes(one.node.id) ? 'failed_here' : one.no ?? (mayTake && !mayTake(one.node) ? 'kept_for_overdue' : null)
    if (no !== null) { refused[no] = (refused[no] ?? 0) + 1; continue }
    candidates++
    if (best === null || before(one, best)) { second = best; best = one } else if (second === null || before(one, second)) second = one
  }
  if (!best) return null
  return { node: best.node, driver: best.driver as DriverOffer, score: best.score as Score, candidates, refused, runnerUp: second && { node: second.node.id, score: second.score as Score } }
}
const before = (one: Seen, other: Seen): boolean => {
  const a = (one.score as Score).total, b = (other.score as Score).total
  return a < b || (a === b && one.node.id < other.node.id)
}
