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

export type Score = { readonly price: bigint; readonly risk: bigint; readonly load: bigint; readonly total: bigint }

export function scoreOf(state: MarketState, node: NodeRow, need: Requirement): Score {
  const price = costsOn(node, need).likely
  // Parts per million, so that the sum stays in whole micro-credits and two replicas agree to the digit.
  const failure = BigInt(Math.round((1 - reliabilityOf(node)) * 1_000_000))
  const risk = (price * failure) / 1_000_000n
  const used = state.reserved.get(node.id) ?? EMPTY_CAPACITY
  const share = node.capacity.cpuMillis === 0 ? 0 : Math.round((1000 * used.cpuMillis) / node.capacity.cpuMillis)
  const load = (price * BigInt(share * LOAD_PERCENT)) / 100_000n
  return { price, risk, load, total: price + risk + load }
}
export const wireScore = (score: Score): ScoreTerms => ({ price: score.price.toString(), risk: score.risk.toString(), load: score.load.toString(), total: score.total.toString() })
export type Refusals = Partial<Record<NoReason, number>>
