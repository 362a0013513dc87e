// The nodes as one class of slots sees them: why not, or at what score. Slots of a class ask the same question again and again, and between two of
// them only a few nodes have changed; so the answers are kept, and asked again only for nodes that were named as changed since (a row, a load, a link or a
// record is another one). A placement then costs a look at what changed and one pass over numbers, also with many thousand nodes.
import type { DriverOffer, Instant, NodeId } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import type { MarketState } from '../state.ts'
import { busyReason, neverReason, pickDriver, worstCost } from './filter.ts'
import type { Requirement } from './requirement.ts'
import { scoreOf } from './score.ts'
import type { Refusals, Score } from './score.ts'

export type Seen = { readonly node: NodeRow; readonly driver: DriverOffer | null; readonly score: Score | null; readonly no: keyof Refusals | null }
type Class = { readonly seen: Seen[]; /** Changes it knows of, counted from the first of all. */ upTo: number; asked: Instant }
/** Beliefs fade and forecasts move with time, slowly: after this everything is asked again. */
const KEPT_MS = 60_000
/** Kept at once, over all classes; a market of odd requests starts afresh rather than grow. */
const ANSWERS_MAX = 500_000

export class Candidates {
  #classes = new Map<string, Class>()
  #places = new Map<NodeId, number>()
  #ids: NodeId[] = []
  /** Places of nodes that changed, in order; `#forgotten` changes before them are gone. */
  #changes: number[] = []
  #forgotten = 0

  /** To be called for every change of what a decision reads of a node. */
  changed(node: NodeId): void {
    let place = this.#places.get(node)
    if (place === undefined) { place = this.#places.size; this.#places.set(node, place); this.#ids.push(node) }
    this.#changes.push(place)
    // Who is so far behind asks everybody again.
    if (this.#changes.length > 1_000 + 4 * this.#places.size) { this.#forgotten += this.#changes.length; this.#changes = [] }
  }

  /** The nodes in the order of the state's map, each with its answer as of now. */
  of(state: MarketState, key: string, need: Requirement, now: Instant): readonly Seen[] {
    const newest = this.#forgotten + this.#changes.length
    let kept = this.#classes.get(key)
    if (!kept || kept.upTo < this.#forgotten || now - kept.asked >= KEPT_MS || now < kept.asked) {
      if (!kept && (this.#classes.size + 1) * state.nodes.size > ANSWERS_MAX) this.#classes.clear()
      kept = { seen: lookAfresh(state, need, now), upTo: newest, asked: now }
      this.#classes.set(key, kept)
      return kept.seen
    }
    if (kept.upTo === newest) return kept.seen
    for (let i = kept.upTo - this.#forgotten; i < this.#changes.length; i++) {
      const place = this.#changes[i] as number, node = state.nodes.get(this.#ids[place] as NodeId)
      if (node) kept.seen[place] = look(state, node, need, now)
    }
    kept.upTo = newest
    return kept.seen
  }
}

function look(state: MarketState, node: NodeRow, need: Requirement, now: Instant): Seen {
  const not = (no: keyof Refusals): Seen => ({ node, driver: null, score: null, no })
  const reason = busyReason(state, node, need, now) ?? neverReason(node, need)
  if (reason) return not(reason)
  if (worstCost(node, need) > need.attemptCap) return not('price')
  const driver = pickDriver(node, need)
  return typeof driver === 'string' ? not(driver) : { node, driver, score: scoreOf(state, node, need, now), no: null }
}
export const lookAfresh = (state: MarketState, need: Requirement, now: Instant): Seen[] => [...state.nodes.values()].map((node) => look(state, node, need, now))
