// When is a job with a deadline interruptible, and when firm? After the rule of Uniform Progress (Wu and others, Can't Be Late, NSDI 2024): the work that should be done by now
// lies on a straight line from its beginning to its deadline, its course.
//
//   room for interruptible work    taken whenever there is some, and kept, also behind the course: it costs least
//   none, and far behind           firm, to catch up; how far is a share of the slack, so that who has much time waits longer for cheap room
//   firm, and there is room again  back to it, when the slack left pays for changing over twice, and for once more
//   no return                      what is stored, firm and without a break, is only just done in time: firm, whatever there is
//
// Without checkpoints nothing is done before all of it is, so there is no line to keep to: a try is interruptible only when after all of it a firm one still fits.
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
}
export type Seen = {
  readonly now: Instant; readonly as: As
  /** Since when it is that. */ readonly since: Instant
  readonly runs: boolean
  /** What is done, and what of it is stored. */ readonly doneMs: DurationMs; readonly savedMs: DurationMs
  /** Is there room for interruptible work? Asked only where it decides. */ readonly room: () => boolean
}
export type Advice = { readonly as: As; readonly why: Why; /** When that changes if nothing else does; null: not by time alone. */ readonly until: Instant | null }

/** Share of the slack that it may lag behind while it waits, per part of the time that is slack; and at most. Chosen on starts that no reported run uses (docs/benchmarks/deadline.md). */
const LAG_SHARE = 0.1, LAG_SHARE_MAX = 0.3
/** Going back is worth it for work of so many changes, with slack for so many after both. */
const WORTH_CHANGES = 3, SPARE_CHANGES = 1

/** By then what is stored must go on firm. */
export const noReturnAt = ({ deadline, workMs, changeMs }: Course, savedMs: DurationMs): Instant => deadline - Math.max(0, workMs - savedMs) - changeMs
function lagMs({ from, deadline, workMs, changeMs, patienceMs }: Course): DurationMs {
  const window = deadline - from, slack = Math.max(0, window - workMs - changeMs)
  return Math.max(patienceMs, slack * Math.min(LAG_SHARE_MAX, (LAG_SHARE * window) / Math.max(1, workMs)))
}
/** When what waits is too far behind. */
function behindAt(course: Course, doneMs: DurationMs): Instant {
  const { from, deadline, workMs } = course
  return workMs <= 0 ? deadline : from + ((doneMs + lagMs(course)) * (deadline - from)) / workMs
}

export function advise(course: Course, seen: Seen): Advice {
  return course.resumable ? resumed(course, seen) : inOneGo(course, seen)
}

function resumed(course: Course, { now, as, since, runs, doneMs, savedMs, room }: Seen): Advice {
  const last = noReturnAt(course, savedMs)
  if (as === 'interruptible') {
    // A move that was not answered for too long would only make it later.
    if (runs && course.deadline - now < Math.max(0, course.workMs - doneMs)) return { as, why: 'late_anyway', until: null }
    if (now >= last) return { as: 'firm', why: 'no_return', until: null }
    if (runs) return { as, why: 'cheap_room', until: last }
    const behind = behindAt(course, doneMs)
    return now >= behind && !room() ? { as: 'firm', why: 'behind', until: null } : { as, why: 'on_course', until: Math.min(last, now < behind ? behind : now + course.patienceMs) }
  }
  const { deadline, workMs, changeMs, patienceMs } = course, restMs = workMs - doneMs
  const slackMs = deadline - now - restMs - (2 + SPARE_CHANGES) * changeMs - patienceMs
  if (runs && restMs > WORTH_CHANGES * changeMs && slackMs >= 0 && now - since >= 2 * changeMs && room()) return { as: 'interruptible', why: 'cheap_room', until: noReturnAt(course, doneMs) }
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
