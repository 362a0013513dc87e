// For a seller: why was my node not chosen? The last placements are asked again of the node as it stands now: what stood against it, or by how much
// it was dearer than the one that got the work; and what one change of the node would have brought it into how many of them.
import type { Instant, NoReason } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import type { MarketState } from '../state.ts'
import { isTrusted } from '../fleet/profile/learn.ts'
import { obstacles } from './filter.ts'
import { RECENT_MAX } from './offer.ts'
import { scoreOf } from './score.ts'
import { takesWork } from '../fleet/takes-work.ts'

export type WhyNot = {
  readonly decisions: number; readonly chosen: number
  readonly reasons: readonly { readonly reason: NoReason | 'dearer'; readonly count: number; /** In so many of them it was the only thing. */ readonly alone: number }[]
  /** Over those in which only the price stood against it: how many hundredths above the winner, the middle one. */
  readonly medianGapPercent: number | null
}

export function whyNot(state: MarketState, node: NodeRow, now: Instant): WhyNot {
  const recent = state.recent.slice(-RECENT_MAX)
  const counts = new Map<NoReason | 'dearer', { count: number; alone: number }>()
  const gaps: number[] = []
  let chosen = 0
  for (const { need, node: winner, total } of recent) {
    if (winner === node.id) { chosen++; continue }
    const against: (NoReason | 'dearer')[] = obstacles(node, need)
    if (node.presence !== 'online' || !takesWork(node) || !state.links.get(node.id)?.connected) against.unshift('not_online')
    const { minTrust } = need.spec.placement
    if (minTrust && !isTrusted(state, node, minTrust, now)) against.push('trust')
    if (against.length === 0) {
      against.push('dearer')
      gaps.push(total === 0 ? 0 : Math.max(0, ((scoreOf(state, node, need, now).total - total) / total) * 100))
    }
    for (const reason of against) {
      const seen = counts.get(reason) ?? { count: 0, alone: 0 }
      counts.set(reason, { count: seen.count + 1, alone: seen.alone + (against.length === 1 ? 1 : 0) })
    }
  }
  gaps.sort((a, b) => a - b)
  return {
    decisions: recent.length, chosen, medianGapPercent: gaps.length === 0 ? null : Math.round((gaps[gaps.length >> 1] as number) * 10) / 10,
    reasons: [...counts].map(([reason, seen]) => ({ reason, ...seen })).sort((a, b) => b.count - a.count),
  }
}
