// When a node could begin with something: now, or when enough of what runs there is expected to be over. Nobody is promised this; whoever waits in
// front comes first.
import type { Instant } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import { freeOn } from '../state.ts'
import type { MarketState } from '../state.ts'
import { holdsNode } from '../job/lifecycle.ts'
import { busyReason, expectedMs } from './filter.ts'
import type { Requirement } from './requirement.ts'

/** Milliseconds from `now`; null when nothing that will happen by itself makes room (the node is not there, or closed). */
export function startsInMs(state: MarketState, node: NodeRow, need: Requirement, now: Instant): number | null {
  const busy = busyReason(state, node, need, now)
  if (busy === null) return 0
  if (busy === 'not_online' || busy === 'matching_paused' || busy === 'agent_too_old' || busy === 'same_owner_as_copy' || busy === 'same_network_as_copy' || busy === 'trust' || busy === 'deadline' || busy === 'spread') return null
  const { resources } = need.spec
  const left = freeOn(state, node)
  const ends = [...(state.attemptsByNode.get(node.id) ?? [])].flatMap((id) => {
    const attempt = state.attempts.get(id), spec = attempt && state.jobs.get(attempt.job)?.row.spec
    if (!attempt || !spec || !holdsNode(attempt.state)) return []
    const from = attempt.startedAt ?? attempt.offeredAt
    // What has outlived its expectation is expected to use its whole limit.
    const at = from + expectedMs(spec) > now ? from + expectedMs(spec) : from + spec.limits.runMs
    return [{ at: Math.max(at, now), resources: spec.resources }]
  }).sort((a, b) => a.at - b.at)
  for (const end of ends) {
    left.cpuMillis += end.resources.cpuMillis; left.memoryBytes += end.resources.memoryBytes; left.diskBytes += end.resources.diskBytes; left.gpus += end.resources.gpus
    if (left.cpuMillis >= resources.cpuMillis && left.memoryBytes >= resources.memoryBytes && left.diskBytes >= resources.diskBytes && left.gpus >= resources.gpus) return end.at - now
  }
  return null
}
