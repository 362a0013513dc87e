// The firm way to the end: which nodes could be had for it whatever they run now, what it costs there at most, how slow they are, and how many rounds they need.
import type { Instant, JobSpec, Micros } from '@lumaris/protocol'
import { hourlyOf, sheetOf } from '../billing/price.ts'
import { speedOf } from '../fleet/profile/learn.ts'
import { neverReason, worstCost } from '../market/filter.ts'
import { wishesOf } from '../market/requirement.ts'
import type { Requirement } from '../market/requirement.ts'
import type { LiveJob, MarketState } from '../state.ts'

export type FirmWay = {
  readonly at: Instant
  readonly nodes: number
  /** Tasks that they hold at one time. */
  readonly seats: number
  /** The least that the whole of a task could cost on one of them, and the least an hour. */
  readonly leastWorst: Micros | null; readonly leastHour: Micros | null
  /** How much longer than said it takes on the middle one of them; at least 1. */
  readonly slowness: number
  /** The same on the quickest. */ readonly quickest: number
}

export function firmWay(state: MarketState, spec: JobSpec, attemptCap: Micros | null, now: Instant): FirmWay {
  const need: Requirement = { spec, attemptCap: attemptCap ?? 0n, job: '' as Requirement['job'], avoid: [], owners: [] }
  const factors: number[] = []
  let seats = 0, leastWorst: Micros | null = null, leastHour: Micros | null = null
  for (const node of state.nodes.values()) {
    if (node.will !== 'open' || (node.presence !== 'online' && node.presence !== 'suspect') || state.suspended.has(node.owner) || neverReason(node, need) !== null) continue
    const worst = worstCost(node, need)
    if (leastWorst === null || worst < leastWorst) leastWorst = worst
    if (attemptCap !== null && worst > attemptCap) continue
    const { capacity } = node, { resources } = spec, hour = hourlyOf(sheetOf(node), resources)
    if (leastHour === null || hour < leastHour) leastHour = hour
    seats += Math.min(...(['cpuMillis', 'memoryBytes', 'diskBytes', 'gpus'] as const).map((kind) => (resources[kind] > 0 ? Math.floor(capacity[kind] / resources[kind]) : Infinity)))
    factors.push(spec.expectedMs === undefined ? 1 : speedOf(state, node, spec).factor)
  }
  factors.sort((a, b) => a - b)
  return { at: now, nodes: factors.length, seats, leastWorst, leastHour, slowness: Math.max(1, factors[factors.length >> 1] ?? 1), quickest: factors[0] ?? 1 }
}

/** Nodes come, go and change their prices, none of them so often that every look at a job need ask all of them. */
const KEPT_MS = 30_000
export function firmWayOf(state: MarketState, live: LiveJob, now: Instant): FirmWay {
  const kept = live.firmWay
  if (kept && now >= kept.at && now - kept.at < KEPT_MS) return kept
  return (live.firmWay = firmWay(state, wishesOf(live.row), live.row.attemptCap, now))
}
