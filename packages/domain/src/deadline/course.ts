// When is a job with a deadline interruptible, and when firm? What is weighed is its spare time: what is left until the deadline after the rest of the work, once over to cheap room and back.
// How long room will stay away, or stay, nobody knows; but what was away for long stays away for long, and what has been there for long stays (on every trace that we have:
// docs/benchmarks/deadline.md). So both waits are measured by how long it has been so.
//
//   room for interruptible work    taken whenever there is some and time to come back from it, and kept to the last moment: it costs least
//   none                           firm when it has been away too long: the more spare time for the work that is left, the longer that is
//   firm, and there is room again  back to it when it has been there long enough: the more spare time, the sooner
//   no return                      what is stored, firm and without a break, is only just done in time: firm, whatever there is
//
// Without checkpoints nothing is done before all of it is, so there is nothing to go back to: a try is interruptible only when after all of it a firm one still fits.
import type { DurationMs, Instant, PlanAs as As, PlanWhy as Why } from '@lumaris/protocol'

export type { As, Why }
export type Course = {
  readonly from: Instant; readonly deadline: Instant
  /** All of the work, on a node that can be had for sure. */
  readonly workMs: DurationMs
  /** What going on elsewhere takes: noticing, stopping, starting again, storing what came out. */
  readonly changeMs: DurationMs
  /** So long it waits for room at least: sales are some time apart. */
  readonly patienceMs: DurationMs
  /** It has checkpoints. */
  readonly resumable: boolean
  /** Of what was done so much is not stored at most. */
  readonly saveMs: DurationMs
}
export type Seen = {
  readonly now: Instant; readonly as: As
  readonly runs: boolean
  /** Since when it has waited for room, if it is interruptible and does not run. */ readonly awaySince: Instant
  /** What is done, and what of it is stored. */ readonly doneMs: DurationMs; readonly savedMs: DurationMs
  /** Since when there is room for interruptible work, as far as somebody looked; null: there is none. Asked only where it decides. */ readonly room: () => Instant | null
}
export type Advice = { readonly as: As; readonly why: Why; /** When that changes if nothing else does; null: not by time alone. */ readonly until: Instant | null }

/** It waits for as long as a change takes when its spare time is a sixteenth of the work that is left; for four times as long when it is twice that. Chosen on starts that no reported run uses. */
const WAIT_SHARE = 1 / 16
/** Going back is worth it for work of so many changes, to room that has been there for a quarter of a change, times as often as the spare time, and two changes more, fit into the work that is left. */
const WORTH_CHANGES = 2, STAY_SHARE = 1 / 4, SPARE_CHANGES = 2

/** By then what is stored must go on firm. */
export const noReturnAt = ({ deadline, workMs, changeMs }: Course, savedMs: DurationMs): Instant => deadline - Math.max(0, workMs - savedMs) - changeMs
/** What is left after the rest of the work, and after once to cheap room and back with what would not be stored by then; below 0 room that is found is of no use. Noticing is part of a change, but now it looks. */
function spareAt({ deadline, workMs, changeMs, patienceMs, saveMs }: Course, at: Instant, doneMs: DurationMs): DurationMs {
  const restMs = workMs - doneMs
  return deadline - at - restMs - 2 * changeMs + patienceMs - Math.min(saveMs, restMs)
}
/** For how long it waits: until that is as long as what is spared by then pays for, so w = c (spare - w)² with c = changeMs / (WAIT_SHARE · rest)². */
function waitMs(course: Course, spareMs: DurationMs, restMs: DurationMs): DurationMs {
  if (spareMs <= 0) return 0
  const c = course.changeMs / (WAIT_SHARE * Math.max(1, restMs)) ** 2
  return Math.max(course.patienceMs, spareMs - (2 * spareMs) / (1 + Math.sqrt(1 + 4 * c * spareMs)))
}
/** How long room must have been there before firm work goes back to it. */
const stayMs = ({ changeMs }: Course, spareMs: DurationMs, restMs: DurationMs): DurationMs => (STAY_SHARE * changeMs * restMs) / (spareMs + SPARE_CHANGES * changeMs)

export function advise(course: Course, seen: Seen): Advice {
  return course.resumable ? resumed(course, seen) : inOneGo(course, seen)
}

function resumed(course: Course, { now, as, runs, awaySince, doneMs, savedMs, room }: Seen): Advice {
  const last = noReturnAt(course, savedMs), restMs = Math.max(0, course.workMs - doneMs), spareMs = spareAt(course, now, doneMs)
  if (as === 'interruptible') {
    // A move that was not answered for too long would only make it later.
    if (runs && course.deadline - now < restMs) return { as, why: 'late_anyway', until: null }
    if (now >= last) return { as: 'firm', why: 'no_return', until: null }
    if (runs) return { as, why: 'cheap_room', until: last }
    const behind = awaySince + waitMs(course, spareAt(course, awaySince, doneMs), restMs)
    if (spareMs <= 0 || (now >= behind && room() === null)) return { as: 'firm', why: 'behind', until: null }
    return { as, why: 'on_course', until: Math.min(last, now + spareMs, now < behind ? behind : now + course.patienceMs) }
  }
  const since = runs && spareMs >= 0 && restMs > WORTH_CHANGES * course.changeMs ? room() : null
  if (since !== null && now - since >= stayMs(course, spareMs, restMs)) return { as: 'interruptible', why: 'cheap_room', until: noReturnAt(course, doneMs) }
  return { as, why: now >= last ? 'no_return' : 'catching_up', until: null }
}

function inOneGo(course: Course, { now, as, runs, doneMs }: Seen): Advice {
  const { workMs, changeMs } = course, last = noReturnAt(course, 0)
  if (as === 'firm') return { as, why: now >= last ? 'no_return' : 'no_second_try', until: null }
  if (!runs) { const until = last - workMs - changeMs; return now >= until ? { as: 'firm', why: 'no_second_try', until: null } : { as, why: 'on_course', until } }
  if (now < last) return { as, why: 'cheap_room', until: last }
  // It began when all of it still fitted, so its work takes longer than was said; a firm try would begin with nothing.
  return doneMs > 0 ? { as, why: 'long_overdue', until: null } : { as: 'firm', why: 'no_return', until: null }
}
