// The nodes as one class of slots sees them: why not, or at what score. Slots of a class ask the same question again and again, and between two of
// them only a few nodes have changed; so the answers are kept, and asked again only for nodes whose row, load, link or record is another one. All of them
// are replaced, never changed in place, so "another one" is a comparison of references.
import type { Capacity, DriverOffer, Instant } from '@lumaris/protocol'
import type { NodeLesson, NodeRow } from '../rows.ts'
import type { MarketState } from '../state.ts'
import { busyReason, neverReason, pickDriver, worstCost } from './filter.ts'
import type { Requirement } from './requirement.ts'
import { scoreOf } from './score.ts'
import type { Refusals, Score } from './score.ts'

export type Seen = { readonly node: NodeRow; readonly used: Capacity | undefined; readonly open: boolean; readonly profile: NodeLesson | undefined; readonly at: Instant; readonly driver: DriverOffer | null; readonly score: Score | null; readonly no: keyof Refusals | null }
/** Beliefs fade and forecasts move with time, slowly: an answer is asked again after this. */
const KEPT_MS = 60_000
/** Kept at once, over all classes; a market of odd requests starts afresh rather than grow. */
const ANSWERS_MAX = 200_000

export class Candidates {
  #classes = new Map<string, Seen[]>()
  #count = 0

  /** The nodes in the order of the state's map, each with its answer as of now. */
  of(state: MarketState, key: string, need: Requirement, now: Instant): readonly Seen[] {
    let kept = this.#classes.get(key)
    if (!kept) {
      if (this.#count + state.nodes.size > ANSWERS_MAX) { this.#classes.clear(); this.#count = 0 }
      kept = []
      this.#classes.set(key, kept)
    }
    const had = kept.length
    let i = 0
    for (const node of state.nodes.values()) {
      const before = kept[i], used = state.reserved.get(node.id), link = state.links.get(node.id), open = link !== undefined && link.connected && link.accepting
      if (before?.node !== node || before.used !== used || before.open !== open || before.profile !== state.profiles.get(node.id) || now - before.at >= KEPT_MS || now < before.at) kept[i] = look(state, node, used, open, need, now)
      i++
    }
    kept.length = i
    this.#count += i - had
    return kept
  }
}

function look(state: MarketState, node: NodeRow, used: Capacity | undefined, open: boolean, need: Requirement, now: Instant): Seen {
  const kept = { node, used, open, profile: state.profiles.get(node.id), at: now }
  const not = (no: keyof Refusals): Seen => ({ ...kept, driver: null, score: null, no })
  const reason = busyReason(state, node, need, now) ?? neverReason(node, need)
  if (reason) return not(reason)
  if (worstCost(node, need) > need.attemptCap) return not('price')
  const driver = pickDriver(node, need)
  return typeof driver === 'string' ? not(driver) : { ...kept, driver, score: scoreOf(state, node, need, now), no: null }
}
export const lookAfresh = (state: MarketState, need: Requirement, now: Instant): Seen[] =>
  [...state.nodes.values()].map((node) => { const link = state.links.get(node.id); return look(state, node, state.reserved.get(node.id), link !== undefined && link.connected && link.accepting, need, now) })
