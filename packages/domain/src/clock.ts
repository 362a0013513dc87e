// The tick of time: everything that happens because something else did not. Timers are hints, armed generously and checked here against the
// rows, so an old one does nothing.
import { FROZEN_MAX_MS } from '@lumaris/protocol'
import type { AttemptId, JobId, NodeId, QuoteId, ScheduleId } from '@lumaris/protocol'
import type { JobRow, TaskRow } from './rows.ts'
import type { MarketState, Timer } from './state.ts'
import { queueSlot } from './state.ts'
import { liveJob, putJob, record } from './turn.ts'
import type { Turn } from './turn.ts'
import { holdsNode, isTerminal } from './job/lifecycle.ts'
import { isHeld, queuedSince } from './job/waiting.ts'
import { endAttempt, failTask, stopAll } from './job/finish.ts'
import { LATE_BUDGET, copyLate } from './job/copy-late.ts'
import type { LateBudget } from './job/copy-late.ts'
import { lookAtPlan, whyLate } from './deadline/follow-course.ts'
import { lookAtNodes } from './alerts/raise.ts'
import { watchNodes } from './fleet/liveness.ts'
import { fireSchedule } from './schedule/schedule.ts'
import { lookForStanding } from './market/standing.ts'
import { payByRules } from './ledger/payout-rule.ts'
import { expireReversals } from './ledger/reversal.ts'
import { pauseOf, pausedMs } from './operator/pause-matching.ts'
import { endOverdue } from './operator/hold-node.ts'

export type ClockCommand = { readonly kind: 'clock' }

/** Timers whose job or attempt is over lie in the heap until their hour comes: a busy market would hold millions of them. Over this many per live job they are swept. */
const TIMERS_PER_JOB_MAX = 4, TIMERS_SPARED = 10_000

export function clock(turn: Turn): void {
  watchNodes(turn)
  const { timers, jobs, quotes } = turn.state
  if (timers.size > TIMERS_SPARED + TIMERS_PER_JOB_MAX * (jobs.size + quotes.size)) timers.keep((timer) => isWanted(turn.state, timer))
  lookForStanding(turn)
  expireReversals(turn)
  lookAtNodes(turn)
  payByRules(turn)
  const budget: LateBudget = { left: LATE_BUDGET }
  for (let due = timers.peekKey(); due !== undefined && due <= turn.now; due = timers.peekKey()) fire(turn, timers.pop() as Timer, budget)
}

function fire(turn: Turn, timer: Timer, budget: LateBudget): void {
  switch (timer.kind) {
    case 'offer': return ifAttempt(turn, timer, ['offered'], 'seller_refused', 'the offer was not taken up in time')
    case 'overrun': return overrun(turn, timer)
    case 'cancel': return ifAttempt(turn, timer, ['running'], wasDisplaced(turn, timer) ? 'preempted' : 'buyer_cancelled', 'told to stop; the node sent no last reading')
    case 'queue': return expire(turn, timer)
    case 'backoff': return retry(turn, timer)
    case 'fallback': return stepDown(turn, timer)
    case 'schedule': return fireSchedule(turn, timer.id as ScheduleId)
    case 'late': return copyLate(turn, timer.id as JobId, budget)
    case 'plan': return lookAtPlan(turn, timer.id as JobId)
    case 'wake': turn.state.queue.wake(); return
    case 'topup': turn.state.topupsDue.add(timer.id); return
    case 'drain': return endOverdue(turn, timer.id as NodeId)
    case 'quote': turn.state.quotes.delete(timer.id as QuoteId)
  }
}

function isWanted(state: MarketState, timer: Timer): boolean {
  switch (timer.kind) {
    case 'offer': return state.attempts.get(timer.id as AttemptId)?.state === 'offered'
    case 'overrun': case 'cancel': { const attempt = state.attempts.get(timer.id as AttemptId); return attempt !== undefined && holdsNode(attempt.state) }
    case 'queue': case 'backoff': case 'fallback': case 'plan': { const live = state.jobs.get(timer.id as JobId); return live !== undefined && !isTerminal(live.row.state) }
    case 'schedule': return state.schedules.get(timer.id as ScheduleId)?.state === 'active'
    case 'late': return state.jobs.get(timer.id as JobId)?.look !== undefined
    case 'wake': case 'topup': return true
    case 'drain': return state.nodes.get(timer.id as NodeId)?.cordon?.until !== undefined
    case 'quote': return state.quotes.has(timer.id as QuoteId)
  }
}

function ifAttempt(turn: Turn, timer: Timer, states: readonly string[], cause: Parameters<typeof endAttempt>[2], detail: string): void {
  const attempt = turn.state.attempts.get(timer.id as AttemptId)
  if (attempt && states.includes(attempt.state)) endAttempt(turn, attempt.id, cause, detail)
}

function wasDisplaced(turn: Turn, timer: Timer): boolean {
  const attempt = turn.state.attempts.get(timer.id as AttemptId)
  return attempt?.displaced !== undefined && !liveJob(turn, attempt.job).row.cancelling
}

/** Long past its own time limit and still not reported: the node has lost control of it. */
function overrun(turn: Turn, timer: Timer): void {
  const attempt = turn.state.attempts.get(timer.id as AttemptId)
  if (!attempt || (attempt.state !== 'running' && attempt.state !== 'accepted')) return
  const job = liveJob(turn, attempt.job).row
  const due = (attempt.startedAt ?? attempt.offeredAt) + job.spec.limits.runMs + turn.state.settings.overrunMs
  if (due > turn.now) { turn.state.timers.push(due, timer); return }
  // Its meter speaks, and stands below the limit: the owner uses the machine, and the work stands still, unpaid. For a while that is no loss of control.
  if (attempt.tickSeq > 0 && attempt.usage.runMs < job.spec.limits.runMs && turn.now < due + FROZEN_MAX_MS) { turn.state.timers.push(Math.min(turn.now + turn.state.settings.overrunMs, due + FROZEN_MAX_MS), timer); return }
  if (job.spec.disconnect === 'wait' && turn.state.nodes.get(attempt.node)?.presence === 'lost') return // it waits for its node; liveness ends it
  // A rank that is ready has waited for one that is not; that one is to blame.
  const blamed = attempt.state === 'accepted' && attempt.mesh ? liveJob(turn, attempt.job).attempts.find((other) => holdsNode(other.state) && !other.mesh) : undefined
  if (blamed) return endAttempt(turn, blamed.id, 'driver_failed', 'it was not ready in time for the other ranks of its gang')
  endAttempt(turn, attempt.id, 'driver_failed', 'it ran over its time limit and the node did not end it')
}

/** While operators let nothing of a job start, it is looked at again so often. */
const STILL_MS = 60_000

/** No node was found in the time the job was willing to wait: since it was made, since its parents had completed, or since the last of its attempts was over; or by its deadline. */
function expire(turn: Turn, timer: Timer): void {
  const id = timer.id as JobId, live = turn.state.jobs.get(id)
  if (!live || isTerminal(live.row.state) || live.row.cancelling) return
  const runs = live.attempts.some((attempt) => holdsNode(attempt.state))
  const since = live.attempts.reduce((latest, attempt) => Math.max(latest, attempt.endedAt ?? 0), runs ? turn.now : queuedSince(live.row))
  const { deadline = Infinity, limits } = live.row.spec, stood = pausedMs(turn.state, live.row, since, turn.now)
  const due = isHeld(live.row) || live.row.spec.plan ? Infinity : pauseOf(turn.state, live.row) ? Math.max(since + limits.queueMs + stood, turn.now + STILL_MS) : since + limits.queueMs + stood
  const late = deadline <= turn.now ? live.tasks.filter((task) => waits(live.row, task)) : []
  // Some of it runs, but all of it cannot be had by then any more: so much is billed as was used.
  const missed = live.row.spec.plan && late.length > 0 ? { detail: whyLate(turn, live) } : {}
  if (late.length > 0 && runs) { if (live.row.spec.plan) putJob(turn, { ...live.row, ...missed }); for (const task of late) if (!isTerminal(liveJob(turn, id).row.state)) failTask(turn, id, task.index, 'queue_timeout'); return }
  if (late.length === 0 && due > turn.now) { const at = deadline > turn.now ? Math.min(due, deadline) : due; if (at < Infinity) turn.state.timers.push(at, timer); return }
  putJob(turn, { ...live.row, cancelling: true, cause: 'queue_timeout', ...missed })
  record(turn, id, { type: 'cancelling', state: live.row.state, cause: 'queue_timeout' })
  stopAll(turn, id, 'queue_timeout')
}

/** A copy of what is late that waits keeps nothing from being done. */
const waits = ({ spec }: JobRow, { slots, state }: TaskRow): boolean => slots.some((slot) => slot.state === 'pending') && !(spec.speculate && state === 'running')

/** The buyer's next concession, if the job still waits. While all of it runs nothing is given up; the question comes again after the same time. */
function stepDown(turn: Turn, timer: Timer): void {
  const id = timer.id as JobId, live = turn.state.jobs.get(id), rung = timer.task
  const step = live?.row.spec.fallback?.[rung]
  if (!live || !step || live.row.rung !== rung || isHeld(live.row) || isTerminal(live.row.state) || live.row.cancelling) return
  if (!live.tasks.some((task) => waits(live.row, task))) { turn.state.timers.push(turn.now + step.afterMs, timer); return }
  const since = queuedSince(live.row), due = since + step.afterMs + pausedMs(turn.state, live.row, since, turn.now)
  if (due > turn.now || pauseOf(turn.state, live.row)) { turn.state.timers.push(Math.max(due, turn.now + STILL_MS), timer); return }
  putJob(turn, { ...live.row, rung: rung + 1 })
  record(turn, id, { type: 'fallback', state: `step ${rung + 1} of ${live.row.spec.fallback?.length ?? 0}` })
}

function retry(turn: Turn, timer: Timer): void {
  const live = turn.state.jobs.get(timer.id as JobId)
  const task = live?.tasks[timer.task], slot = task?.slots[timer.slot]
  if (live && task && slot?.state === 'pending' && slot.notBefore <= turn.now) queueSlot(turn.state, live.row, task, timer.slot, queuedSince(live.row))
}
