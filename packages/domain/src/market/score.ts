// A first honest score, in one currency: what running here is expected to cost the buyer. Price for the expected time, the price of doing it
// again if the node fails, and a small charge for load, which spreads work over equals. The full engine replaces this file and match.ts.
import type { NoReason, ScoreTerms } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import { EMPTY_CAPACITY } from '../state.ts'
import type { MarketState } from '../state.ts'
import { costsOn } from './filter.ts'
import type { Requirement } from './requirement.ts'

/** Prior of a Beta(α, β) over ending well: a newcomer counts as 10 of 11, so that it gets work but no blind trust. */
const PRIOR_WELL = 10, PRIOR_ILL = 1
export const reliabilityOf = (node: Pick<NodeRow, 'succeeded' | 'failed'>): number =>
  (node.succeeded + PRIOR_WELL) / (node.succeeded + node.failed + PRIOR_WELL + PRIOR_ILL)

/** A full node costs this many hundredths of the price more than an empty one: enough to spread, too little to pick a dearer node. */
const LOAD_PERCENT = 10

/** Micro-credits as plain numbers: a score only compares, nothing is paid by it, and a hundred nodes are scored for every placement. */
export type Score = { readonly price: number; readonly risk: number; readonly load: number; readonly total: number }

export function scoreOf(state: MarketState, node: NodeRow, need: Requirement): Score {
  const price = costsOn(node, need).likelyNumber
  const risk = Math.floor(price * (1 - reliabilityOf(node)))
  const used = state.reserved.get(node.id) ?? EMPTY_CAPACITY
  const share = node.capacity.cpuMillis === 0 ? 0 : used.cpuMillis / node.capacity.cpuMillis
  const load = Math.floor((price * share * LOAD_PERCENT) / 100)
  return { price, risk, load, total: price + risk + load }
}
export const wireScore = (score: Score): ScoreTerms => ({ price: String(score.price), risk: String(score.risk), load: String(score.load), total: String(score.total) })
export type Refusals = Partial<Record<NoReason, number>>
