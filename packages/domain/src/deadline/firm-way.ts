// The firm way to the end: which nodes could be had for it whatever they run now, what it costs there at most, how slow they are, and how many rounds they need.
import type { DurationMs, Instant, JobSpec, Micros } from '@lumaris/protocol'
import { hourlyOf, sheetOf } from '../billing/price.ts'
import { exclusiveWaitMs } from '../job/retry.ts'
import { speedOf } from '../fleet/profile/learn.ts'
import { neverReason, seatsOn, worstCost } from '../market/filter.ts'
import { needBefore, wishesOf } from '../market/requirement.ts'
import type { LiveJob, MarketSettings, MarketState } from '../state.ts'
import type { Course } from './course.ts'
import { takesWork } from '../fleet/takes-work.ts'

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
  const need = needBefore(spec, attemptCap ?? 0n)
  const factors: number[] = []
  let seats = 0, leastWorst: Micros | null = null, leastHour: Micros | null = null
  for (const node of state.nodes.values()) {
    if (!takesWork(node) || (node.presence !== 'online' && node.presence !== 'suspect') || state.suspended.has(node.owner) || neverReason(node, need) !== null) continue
    const worst = worstCost(node, need)
    if (leastWorst === null || worst < leastWorst) leastWorst = worst
    if (attemptCap !== null && worst > attemptCap) continue
    const hour = hourlyOf(sheetOf(node), spec.resources)
    if (leastHour === null || hour < leastHour) leastHour = hour
    seats += seatsOn(node.capacity, need)
    factors.push(spec.expectedMs === undefined ? 1 : speedOf(state, node, spec).factor)
  }
  factors.sort((a, b) => a - b)
  return { at: now, nodes: factors.length, seats, leastWorst, leastHour, slowness: Math.max(1, factors[factors.length >> 1] ?? 1), quickest: factors[0] ?? 1 }
}

/** Tasks that find no seat in the first round need as much time more. */
export const roundsOf = ({ seats }: FirmWay, tasks: number): number => Math.ceil(tasks / Math.max(1, seats))
/** Two sales of room. */
export const patienceOf = ({ spotEveryMs }: MarketSettings): DurationMs => 2 * spotEveryMs
/** The course of one of its tasks, so many rounds having to fit. */
export function courseOver(way: FirmWay, spec: JobSpec, settings: MarketSettings, from: Instant, rounds: number): Course {
  const workMs = Math.ceil((spec.expectedMs ?? 0) * way.slowness)
  return {
    from, deadline: (spec.deadline ?? from) - (rounds - 1) * workMs, workMs, changeMs: settings.changeMs + (spec.disconnect === 'exclusive' ? exclusiveWaitMs(settings) : 0), patienceMs: patienceOf(settings),
    resumable: spec.checkpoint !== undefined, saveMs: spec.checkpoint?.everyMs ?? 0,
  }
}

/** Nodes come, go and change their prices, none of them so often that every look at a job need ask all of them. */
const KEPT_MS = 30_000
export function firmWayOf(state: MarketState, live: LiveJob, now: Instant): FirmWay {
  const kept = live.firmWay
  if (kept && now >= kept.at && now - kept.at < KEPT_MS) return kept
  return (live.firmWay = firmWay(state, wishesOf(live.row), live.row.attemptCap, now))
}
