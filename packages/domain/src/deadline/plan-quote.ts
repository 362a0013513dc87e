// What a quote says of a plan: from what is known of the nodes that could take it as interruptible and as firm work, and of how often there was room to be sold.
import type { Instant, JobSpec, Micros, PlanForecast } from '@lumaris/protocol'
import type { MarketState } from '../state.ts'
import { busyReason, costsOn, neverReason, worstCost } from '../market/filter.ts'
import { needBefore } from '../market/requirement.ts'
import type { Requirement } from '../market/requirement.ts'
import { scoreOf } from '../market/score.ts'
import { halved } from '../fleet/profile/powers.ts'
import { asPlanned } from './as.ts'
import { noReturnAt } from './course.ts'
import { courseOver, firmWay, roundsOf } from './firm-way.ts'
import { foresee } from './foresee.ts'
import type { Belief } from './foresee.ts'
import { takesWork } from '../fleet/takes-work.ts'

/** How often who came to a sale for the first time was served there, fading. Not stored: a new writer starts with nothing. */
export type SaleRecord = { asked: number; served: number; at: Instant }
const HALF_MS = 12 * 3_600_000
export function sawSale(record: SaleRecord, asked: number, served: number, now: Instant): void {
  const left = halved(Math.max(0, now - record.at) / HALF_MS)
  record.asked = record.asked * left + asked
  record.served = record.served * left + served
  record.at = now
}

/** So many of the cheapest nodes speak for all: it will run on one of them. */
const NODES_ASKED = 10

function beliefIn(state: MarketState, need: Requirement, now: Instant, seen: SaleRecord | null): Belief | null {
  const able = [...state.nodes.values()].flatMap((node) => {
    if (node.presence !== 'online' || !takesWork(node) || neverReason(node, need) !== null || worstCost(node, need) > need.attemptCap) return []
    const busy = busyReason(state, node, need, now)
    return busy === 'deadline' ? [] : [{ node, free: busy === null, likely: Number(costsOn(node, need).likely) }]
  }).sort((a, b) => a.likely - b.likely).slice(0, NODES_ASKED)
  if (able.length === 0) return null
  const mean = (of: (one: (typeof able)[number]) => number): number => able.reduce((sum, one) => sum + of(one), 0) / able.length
  const free = able.filter((one) => one.free).length
  // By the rule of succession, now being one of the looks; for firm work each of the nodes is one.
  const room = seen ? (seen.served + (free > 0 ? 1 : 0) + 1) / (seen.asked + 3) : free > 0 ? 1 - 1 / (free + 2) ** 2 : (able.length + 1) / (able.length + 5)
  return { ends: mean(({ node }) => scoreOf(state, node, need, now).completes), room, cost: mean(({ likely }) => likely) }
}

export function planQuote(state: MarketState, spec: JobSpec, attemptCap: Micros, now: Instant): PlanForecast {
  const firm = beliefIn(state, needBefore(spec, attemptCap), now, null), cheap = beliefIn(state, needBefore(asPlanned(spec, undefined), attemptCap), now, state.sales), way = firmWay(state, spec, attemptCap, now)
  const tasks = spec.tasks.length, course = courseOver(way, spec, state.settings, now, roundsOf(way, tasks))
  const { chance, cost } = foresee(course, spec.checkpoint?.everyMs ?? null, { firm, interruptible: cheap })
  // Each task has a course of its own; all of them must be met.
  return { chance: Math.round(1000 * chance ** tasks) / 1000, likely: String(cost * tasks), firm: String(Math.round((firm?.cost ?? 0) * tasks)), noReturnAt: Math.max(now, Math.round(noReturnAt(course, 0))), room: Math.round(1000 * (cheap?.room ?? 0)) / 1000 }
}
