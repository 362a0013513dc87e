// What a job with a plan cannot ask for: together with what, how soon, for how little. Each no says what to change.
import type { Instant, JobSpec, Micros, Refusal } from '@lumaris/protocol'
import { refused } from '../turn.ts'
import type { MarketState } from '../state.ts'
import { capOf } from '../market/quote.ts'
import { firmWay, roundsOf } from './firm-way.ts'

export function planConflict({ deadline, expectedMs, limits, interruptible, copies, assurance, gang, speculate, disconnect }: JobSpec): string | null {
  if (deadline === undefined) return 'a plan for a deadline needs one: name deadline, or leave out plan'
  if (expectedMs === undefined) return 'when it must become firm follows from how long it runs: name expectedMs, or leave out plan'
  if (limits.runMs < expectedMs) return 'it is expected to run longer than its time limit allows: raise limits.runMs, or lower expectedMs'
  if (interruptible) return 'with a plan the market chooses when it is interruptible: leave out interruptible, or plan'
  if (copies > 1 || assurance) return 'copies wait for one another, and each would have a course of its own: leave out plan, or copies and assurance'
  if (speculate) return 'with a plan a task that is late becomes firm instead of getting a copy: leave out speculate, or plan'
  if (gang) return 'a gang is never interruptible: leave out plan, or gang'
  return disconnect === 'wait' ? 'what waits for a node that is cut off keeps no deadline: leave out disconnect, or plan' : null
}

/** Null as long as no node could take it at all: then it waits for one, as all work does. */
export function tooTight(state: MarketState, spec: JobSpec, attemptCap: Micros | null, now: Instant): Refusal | null {
  const { deadline = Infinity, expectedMs = 0 } = spec, way = firmWay(state, spec, null, now)
  if (way.leastWorst === null) return null
  const rounds = roundsOf(way, spec.tasks.length), neededMs = Math.ceil(rounds * expectedMs * way.quickest)
  if (now + neededMs > deadline) {
    return refused('impossible_request', { reason: `the deadline is too near even for firm nodes: ${rounds > 1 ? `its tasks need ${rounds} rounds on the nodes that could run them; ` : ''}name a later one (not before earliest), or ask for less`, deadline, now, neededMs, earliest: now + neededMs })
  }
  if (attemptCap !== null && attemptCap < way.leastWorst) {
    return refused('cap_too_low', { reason: 'the budget does not cover the cheapest firm way to the end, so it could not be kept to in any case: raise it to needed, or lower the time limit', needed: capOf(spec, way.leastWorst).toString(), cap: capOf(spec, attemptCap).toString() })
  }
  return null
}
