// What the market sees of its nodes' coming and going, handed to the forecast of availability; and the forecast, kept for a minute, because it is asked for
// every placement and changes with the hours.
import type { Instant, NodeId } from '@lumaris/protocol'
import type { NodeRow } from '../../rows.ts'
import type { MarketState } from '../../state.ts'
import type { Outlook } from './survival.ts'
import { hardwareOf } from './learn.ts'

const KEPT_MS = 60_000

/** Time as the forecast needs it: it never steps back, whatever a new writer's clock says. */
const forwards = (state: MarketState, now: Instant): Instant => (state.presenceAt = Math.max(state.presenceAt, now))
export function sawNode(state: MarketState, node: NodeRow, up: boolean, now: Instant): void {
  state.availability.saw(node.id, `${node.region}|${hardwareOf(node)}`, up, forwards(state, now))
}
export function outlookOf(state: MarketState, node: NodeId, now: Instant): Outlook | null {
  const kept = state.outlooks.get(node)
  if (kept && now - kept.at < KEPT_MS && now >= kept.at) return kept.outlook
  const outlook = state.availability.outlook(node, forwards(state, now))
  state.outlooks.set(node, { at: now, outlook })
  return outlook
}
