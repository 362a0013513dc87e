// The score, in one currency: what running here is expected to cost the buyer. The price for the time it will probably take on this node (as learned, where
// the buyer said how long it takes), the price of doing it again if it does not end here (the node breaks it, or goes away meanwhile) or its result
// is checked (as often as its owner's record asks for), a small charge for load, which spreads work over equals, and what becomes unusable of the node's idle GPUs.
import type { Instant, NoReason, ScoreTerms } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import { EMPTY_CAPACITY } from '../state.ts'
import type { MarketState } from '../state.ts'
import { outlookOf } from '../fleet/profile/presence.ts'
import { completionNow, speedOf } from '../fleet/profile/learn.ts'
import { staysFor } from '../fleet/profile/survival.ts'
import type { Outlook } from '../fleet/profile/survival.ts'
import { checksOf } from '../assurance/enough.ts'
import { recordOf } from '../assurance/records.ts'
import { expectedMs, likelyAbout, ratesOf, sheetFor } from './filter.ts'
import type { Rates } from './filter.ts'
import { fragmentationOf } from './fragmentation.ts'
import type { Requirement } from './requirement.ts'

/** A full node costs this many hundredths of the price more than an empty one: enough to spread, too little to pick a dearer node. */
const LOAD_PERCENT = 10

/** Below this a node is as good as hopeless; it bounds the risk at forty-nine times the price. */
const COMPLETES_MIN = 0.02

/** Micro-credits as plain numbers: a score only compares, nothing is paid by it, and a hundred nodes are scored for every placement. */
export type Score = { readonly price: number; readonly risk: number; readonly load: number; readonly fragmentation: number; readonly total: number; /** The chance that it ends here. */ readonly completes: number }

/** What the score asks of a node whoever asks; kept by candidates.ts. `completion` is the chance that it brings work to its end as long as it stays. */
export type Standing = { readonly completion: number; readonly outlook: Outlook | null; readonly rates: Rates; /** Of its processors, in use. */ readonly share: number }
export function scoreOf(state: MarketState, node: NodeRow, need: Requirement, now: Instant): Score {
  const used = state.reserved.get(node.id) ?? EMPTY_CAPACITY, share = node.capacity.cpuMillis === 0 ? 0 : used.cpuMillis / node.capacity.cpuMillis
  const total = totalOf(state, node, need, { completion: completionNow(state, node, now), outlook: outlookOf(state, node.id, now), rates: ratesOf(sheetFor(node, need.spec)), share })
  return { price: last.price, risk: last.risk, load: last.load, fragmentation: last.fragmentation, total, completes: last.completes }
}
/** The terms of the total that was asked for last: it is asked for hundreds of nodes, and the terms are read of one of them. */
const last = { price: 0, risk: 0, load: 0, fragmentation: 0, completes: 0 }
export function totalOf(state: MarketState, node: NodeRow, need: Requirement, { completion, outlook, rates, share }: Standing): number {
  const { spec } = need
  // A guess of ours (a fifth of the limit) is no measure that a node could be quicker or slower than.
  const factor = spec.expectedMs === undefined ? 1 : speedOf(state, node, spec).factor
  const likely = likelyAbout(rates, spec, expectedMs(spec)), { start } = rates
  const price = Math.round(start + (likely - start) * factor)
  const completes = completion * (outlook ? staysFor(outlook, expectedMs(spec) * factor) : 1)
  // Tried until it ends: 1 / p times in the mean.
  const again = spec.assurance && need.owners.length === 0 ? checksOf(recordOf(state, node.owner), spec.assurance) : 0
  const risk = Math.floor(price * (1 / Math.max(COMPLETES_MIN, completes) - 1 + again))
  // Nodes with GPUs are filled up instead: there it is the fragmentation that counts.
  const load = node.capacity.gpus > 0 ? 0 : Math.floor((price * share * LOAD_PERCENT) / 100)
  const fragmentation = fragmentationOf(state, node, need)
  last.price = price; last.risk = risk; last.load = load; last.fragmentation = fragmentation; last.completes = completes
  return price + risk + load + fragmentation
}
export const wireScore = (score: Score): ScoreTerms => ({ price: String(score.price), risk: String(score.risk), load: String(score.load), ...(score.fragmentation === 0 ? {} : { fragmentation: String(score.fragmentation) }), total: String(score.total) })
export type Refusals = Partial<Record<NoReason, number>>
