// How things end. An attempt ends exactly once (`endAttempt`, `reportAttempt`); its slot waits again or is done; when all slots of a task are
// decided the task ends; when all tasks have, the job does, and what is left of its escrow goes back.
import { CAUSES, refereeOf } from '@lumaris/protocol'
import type { Assurance, AttemptId, Cause, JobId } from '@lumaris/protocol'
import type { AttemptRow, JobRow, SlotRow, TaskRow } from '../rows.ts'
import { liveAttempt, liveJob, putAttempt, putJob, putTask, record, tell } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { ATTEMPT, JOB, NEW_SLOT, SLOT, holdsNode, isLive, isOpen, isTerminal, next } from './lifecycle.ts'
import type { JobEventName } from './lifecycle.ts'
import { closeCourse, followCourse } from '../deadline/follow-course.ts'
import { moveTask } from './move.ts'
import { moveOf } from './move-job.ts'
import { tellNotToReceive } from './move-live.ts'
import { backoffMs, exclusiveWaitMs } from './retry.ts'
import { keptOf, settle, settleMemories, settleMemory, settlePart } from '../billing/settle.ts'
import { payDisplaced, payerOf } from '../billing/pay-displaced.ts'
import { refundRest } from '../ledger/hold.ts'
import { agree, groupsOf, isKnown } from '../assurance/agree.ts'
import { ask, copySlotsMax, hasFailed, isAsked, sortResults, wordsOnRight } from '../assurance/referee.ts'
import { drawAgainOf, drawOf } from '../assurance/draws.ts'
import { OUTVOTE, confirms, enough, riskOf, stakeShare } from '../assurance/enough.ts'
import type { OwnerRecord } from '../assurance/enough.ts'
import { learnOwner, recordOf } from '../assurance/records.ts'
import { bondOf, owe, priceOfResult } from '../ledger/forfeit.ts'
import { learn } from '../fleet/profile/learn.ts'
import { invariant } from '../invariant.ts'

const taskOf = (turn: Turn, attempt: { job: JobId; task: number }): TaskRow => {
  const task = liveJob(turn, attempt.job).tasks[attempt.task]
  invariant(task, `no task ${attempt.task} in ${attempt.job}`)
  return task
}
const putSlot = (turn: Turn, task: TaskRow, index: number, slot: SlotRow): TaskRow => putTask(turn, { ...task, slots: task.slots.with(index, slot) })
/** Nothing more comes of the slot of an attempt that has ended. */
function dropSlot(turn: Turn, task: TaskRow, ended: AttemptRow, paid?: boolean): TaskRow {
  const slot = slotOf(task, ended.slot)
  return putSlot(turn, task, ended.slot, { ...slot, state: next(SLOT, slot.state, 'drop', ended.id), ...(paid === undefined ? {} : { paid }) })
}
const slotOf = (task: TaskRow, index: number): SlotRow => {
  const slot = task.slots[index]
  invariant(slot, `no slot ${index} in ${task.job}.${task.index}`)
  return slot
}

/**
 * The attempt is over without a result to verify: lost, refused, stopped. Its slot waits again, unless nobody wants it any more.
 * `stopped` says that nothing of it can run any more, because the node said so or its lease is over.
 */
export function endAttempt(turn: Turn, id: AttemptId, cause: Cause, detail: string | null = null, stopped = false): void {
  const attempt = liveAttempt(turn, id)
  const ended = putAttempt(turn, { ...attempt, state: next(ATTEMPT, attempt.state, 'end', id), cause, detail, endedAt: turn.now })
  record(turn, attempt.job, { type: 'attempt', state: 'ended', attempt: ended, cause })
  // A seller who takes the machine back in time, or does not take an offer up, has broken nothing.
  if (CAUSES[cause].bears === 'seller' && cause !== 'seller_reclaimed' && cause !== 'seller_refused') learn(turn, ended, null)
  tellNotToReceive(turn, ended)
  if (payerOf(ended)) payDisplaced(turn, ended) // else it ended otherwise, and the job that wanted its place owes nothing
  if (ended.displaced) closePayer(turn, ended.displaced.by)
  const task = taskOf(turn, attempt), slot = slotOf(task, attempt.slot), job = liveJob(turn, attempt.job).row
  if (slot.attempt !== id) return
  // Of two tries of a task, one that is lost is not missed while the other goes on.
  const spare = job.spec.speculate !== undefined && !job.cancelling && task.state === 'running' && task.slots.some((other, i) => i !== attempt.slot && other.state !== 'done' && other.state !== 'dropped')
  if (CAUSES[cause].bears === 'buyer') {
    settleMemory(turn, ended)
    settle(turn, ended)
    const paid = liveAttempt(turn, id).billed !== 0n
    dropSlot(turn, task, ended, paid)
    if (spare && cause !== 'buyer_cancelled') return goOnWith(turn, attempt.job, attempt.task)
    // The command was not run; whether that was the buyer's fault, another owner must show.
    if (attempt.referee && cause !== 'buyer_cancelled' && !job.cancelling && task.state === 'running') return judge(turn, taskOf(turn, attempt))
    return cause === 'buyer_cancelled' || job.cancelling ? closeIfOver(turn, attempt.job) : failTask(turn, attempt.job, attempt.task, cause)
  }
  settlePart(turn, ended)
  if (job.cancelling || isTerminal(job.state) || task.state !== 'running') {
    dropSlot(turn, task, ended)
    return closeIfOver(turn, attempt.job)
  }
  if (spare) { dropSlot(turn, task, ended); return goOnWith(turn, attempt.job, attempt.task) }
  retrySlot(turn, ended, task, slot, job, stopped)
  if (job.spec.gang && cause !== 'peer_lost') dissolve(turn, attempt.job)
}

/** One rank is gone, so what the others do is worth nothing: they end, unbilled, and the gang waits for its seats again. What their agents still say comes too late. */
function dissolve(turn: Turn, job: JobId): void {
  if (liveJob(turn, job).row.cancelling) return // it was one time too many: the whole job ends
  for (const { id, node, session, state } of liveJob(turn, job).attempts) {
    if (!isLive(state)) continue
    tell(turn, node, session, state === 'reported' ? { type: 'forget', attempt_id: id } : { type: 'cancel', attempt_id: id, reason: 'peer_lost' })
    endAttempt(turn, id, 'peer_lost')
  }
}

/** All ranks are ready where they are: now. Said again to each that is not known to have heard it. */
export function startGang(turn: Turn, job: JobId, only?: AttemptId): void {
  const live = liveJob(turn, job)
  const ranks = live.tasks.map((task) => { const id = task.slots[0]?.attempt; return id ? liveAttempt(turn, id) : null })
  const peers = ranks.flatMap((row) => (row?.mesh && isLive(row.state) ? [{ rank: row.task, attempt_id: row.id, ...row.mesh }] : []))
  if (peers.length < ranks.length || live.row.cancelling) return
  for (const row of ranks) if (row?.state === 'accepted' && (only === undefined || row.id === only)) tell(turn, row.node, row.session, { type: 'gang_start', attempt_id: row.id, peers })
}

/** Ends that say nothing about the task. It still waits after a refused offer, so that two nodes cannot refuse it in a tight loop. */
const NO_FAILURE: ReadonlySet<Cause> = new Set(['seller_refused', 'moved', 'preempted', 'peer_lost', 'platform_fault'])

function retrySlot(turn: Turn, ended: AttemptRow, task: TaskRow, slot: SlotRow, job: JobRow, stopped: boolean): void {
  const retries = task.retries + (ended.cause !== null && NO_FAILURE.has(ended.cause) ? 0 : 1)
  // A rank that lost another one waits with it: whether there is another try is decided for the one that was lost.
  if (retries > job.spec.limits.retries || (turn.now >= (job.spec.deadline ?? Infinity) && ended.cause !== 'peer_lost')) {
    putTask(turn, { ...dropSlot(turn, task, ended), retries })
    if (job.spec.gang) dissolve(turn, ended.job)
    return failTask(turn, ended.job, ended.task, ended.cause ?? 'platform_fault')
  }
  const failedOn = CAUSES[ended.cause ?? 'platform_fault'].bears === 'seller' ? [...slot.failedOn.filter((node) => node !== ended.node), ended.node].slice(-8) : slot.failedOn
  const waits = job.spec.disconnect === 'exclusive' && !stopped ? exclusiveWaitMs(turn.state.settings) : 0
  const notBefore = ended.cause === 'moved' && waits === 0 ? 0 : turn.now + Math.max(waits, backoffMs(turn.state.settings, Math.max(1, retries)))
  const { kept: _before, ...bare } = slot, kept = keptOf(turn, job, slot, ended), move = moveOf(turn, ended, slot)
  const waiting = putTask(turn, {
    ...task, retries, slots: task.slots.with(ended.slot, { ...bare, state: next(SLOT, slot.state, 'release', ended.id), attempt: null, notBefore, failedOn, ...(kept ? { kept } : {}), ...(move ? { move } : {}) }),
  })
  requeueIfNoneRuns(turn, waiting)
  followCourse(turn, ended.job)
}
function requeueIfNoneRuns(turn: Turn, task: TaskRow): void {
  if (!task.slots.every((slot) => slot.state === 'pending' || slot.state === 'dropped')) return
  moveTask(turn, task, 'requeue')
  const row = liveJob(turn, task.job).row
  if (row.tasksRunning === 0 && row.tasksDone === 0 && row.tasksFailed === 0 && row.state === 'running') putJob(turn, { ...row, state: next(JOB, row.state, 'requeue', row.id) })
}
/** The other try is all there is now: it runs, or waits for a node, or has reported that the program fails. */
function goOnWith(turn: Turn, job: JobId, index: number): void {
  const task = taskOf(turn, { job, task: index })
  requeueIfNoneRuns(turn, task)
  if (task.slots.some((slot) => slot.state === 'reported')) judge(turn, task)
}

/** A result has come, good or bad: it waits for its copies, or counts at once when it is the only one. */
export function reportAttempt(turn: Turn, attempt: AttemptRow): void {
  const task = taskOf(turn, attempt), slot = slotOf(task, attempt.slot)
  // The copies agreed without it while it was being stopped: it is paid for its time, and changes nothing.
  if (task.state !== 'running') return endAttempt(turn, attempt.id, 'buyer_cancelled')
  record(turn, attempt.job, { type: 'attempt', state: 'reported', attempt })
  settleMemory(turn, attempt)
  if (attempt.displaced) closePayer(turn, attempt.displaced.by)
  judge(turn, putSlot(turn, task, attempt.slot, { ...slot, state: next(SLOT, slot.state, 'report', attempt.id) }))
}

/** Results of the task that wait to be judged. */
const resultsOf = (turn: Turn, task: TaskRow): AttemptRow[] => task.slots.flatMap((slot) => (slot.state === 'reported' && slot.attempt && !slot.referee ? [liveAttempt(turn, slot.attempt)] : []))

function judge(turn: Turn, task: TaskRow): void {
  const { spec } = liveJob(turn, task.job).row
  if (refereeOf(spec)) return judgeWithReferee(turn, task)
  judgeResults(turn, task, resultsOf(turn, task))
}

/** What the buyer's command has said so far is heard, and paid; then the results are judged as others are, or it is asked again. */
function judgeWithReferee(turn: Turn, before: TaskRow): void {
  for (const { referee, state, attempt } of before.slots) if (referee && state === 'reported' && attempt) decide(turn, liveAttempt(turn, attempt), true, null)
  const task = taskOf(turn, { job: before.job, task: before.index }), reported = resultsOf(turn, task)
  if (reported.length === 0) return
  const sorted = refereeOf(liveJob(turn, task.job).row.spec)?.says === 'right' ? (isAsked(task) ? 'asked' : 'done') : sortResults(turn, task, reported)
  switch (sorted) {
    case 'asked': return
    case 'failed': return failReferee(turn, task, reported)
    case 'spent': return leaveUndecided(turn, task, reported)
    case 'done': judgeResults(turn, task, resultsOf(turn, task))
  }
}
/** The buyer's command is of no use: who has delivered is paid, because the buyer has the results, and nobody is blamed. */
function failReferee(turn: Turn, task: TaskRow, reported: readonly AttemptRow[]): void {
  for (const attempt of reported) decide(turn, attempt, true, null)
  dropOpenSlots(turn, task.job, task.index, 'buyer_cancelled')
  failTask(turn, task.job, task.index, 'referee_failed')
}
/** Nobody was shown to be wrong: it may as well be the program that never answers the same. */
function leaveUndecided(turn: Turn, task: TaskRow, reported: readonly AttemptRow[]): void {
  for (const attempt of reported) decide(turn, attempt, false, null)
  failTask(turn, task.job, task.index, 'wrong_result')
}

function judgeResults(turn: Turn, task: TaskRow, reported: readonly AttemptRow[]): void {
  const { spec } = liveJob(turn, task.job).row
  const copies = task.slots.filter((slot) => !slot.referee), open = copies.filter((slot) => slot.state === 'pending' || slot.state === 'assigned').length
  if (spec.gang) return judgeGang(turn, task.job)
  if (spec.assurance) { if (open === 0) judgeAssured(turn, task, spec.assurance, reported); return }
  if (spec.speculate) {
    // A bad result may be the slow node's, which ran into a limit: it counts only when no other try runs.
    const counts = reported.find((attempt) => attempt.cause === 'succeeded') ?? (task.slots.some((slot) => slot.state === 'assigned') ? undefined : reported[0])
    return counts && conclude(turn, task, [counts], [])
  }
  const verdict = agree(reported, open, spec.copies)
  if (verdict.kind === 'wait') return
  if (verdict.kind === 'split') {
    if (copies.length < copySlotsMax(spec)) { putTask(turn, { ...task, slots: [...task.slots, NEW_SLOT] }); return }
    for (const attempt of reported) decide(turn, attempt, false)
    return failTask(turn, task.job, task.index, 'wrong_result')
  }
  conclude(turn, task, verdict.valid, verdict.invalid)
}

/** A rank that fails fails the job. Else results wait for one another: should a rank be lost, even the ranks that are done have to be run again with it. */
function judgeGang(turn: Turn, job: JobId): void {
  const { tasks } = liveJob(turn, job)
  const reported = tasks.flatMap((task) => { const slot = task.slots[0]; return slot?.state === 'reported' && slot.attempt ? [{ task, attempt: liveAttempt(turn, slot.attempt) }] : [] })
  const failed = reported.find(({ attempt }) => attempt.cause !== 'succeeded')
  if (failed) return conclude(turn, failed.task, [failed.attempt], [])
  if (reported.length === tasks.length) for (const { task, attempt } of reported) conclude(turn, task, [attempt], [])
}

/** One result at a time: what has agreed is enough for the bound, or one more owner is asked, who cannot know of it before its own result is committed. */
function judgeAssured(turn: Turn, task: TaskRow, bound: Assurance, reported: readonly AttemptRow[]): void {
  const recordsOf = (group: readonly AttemptRow[]) => group.map((attempt) => recordOf(turn.state, attempt.seller))
  const groups = groupsOf(reported).map((attempts) => ({ attempts, records: recordsOf(attempts) })).sort((a, b) => b.attempts.length - a.attempts.length || riskOf(a.records, bound) - riskOf(b.records, bound))
  const [lead] = groups, first = lead?.attempts[0]
  invariant(lead && first, `nothing was reported for ${task.job}.${task.index}`)
  const { known } = liveJob(turn, task.job).row.spec.tasks[task.index] ?? {}, isRight = known !== undefined && isKnown(first, known)
  // The buyer knows that it is right; where others differ, they decide all the same, since somebody will be blamed.
  if (isRight && groups.length === 1) return conclude(turn, task, lead.attempts, [])
  // A command that says whether a result is right speaks for the first one, as a copy that agrees would; a no of it is the buyer's doubt.
  const said = groups.length === 1 ? wordsOnRight(turn, task, first) : null, doubted = said !== null && said.words.no > 0
  if (said && hasFailed(said.words)) return failReferee(turn, task, reported)
  const agreed = said && !doubted ? [...lead.attempts, ...said.words.yes] : lead.attempts, asked = said && !doubted ? [recordsOf(agreed)] : groups.map(({ records }) => records)
  const stake = asked.flat().length > 1 ? 0 : stakeShare(priceOfResult(turn, first), bondOf(turn.state, first))
  switch (enough(asked, bound, drawOf(turn, first), stake, doubted || (known !== undefined && !isRight), agreed.length === 2 ? drawAgainOf(turn, agreed) : 1)) {
    case 'enough': return conclude(turn, task, lead.attempts, reported.filter((attempt) => !lead.attempts.includes(attempt)))
    case 'more': if (!(said && !doubted && ask(turn, task, { of: first.id }, said.files))) putTask(turn, { ...task, slots: [...task.slots, NEW_SLOT] }); return
    case 'undecided': return leaveUndecided(turn, task, reported)
  }
}

/** It is known which results count and which do not: the task ends with the first that does. */
function conclude(turn: Turn, task: TaskRow, valid: readonly AttemptRow[], invalid: readonly AttemptRow[]): void {
  const records = new Map(valid.map((attempt) => [attempt, recordOf(turn.state, attempt.seller)]))
  for (const attempt of invalid) {
    // Fewer than three may be a pair that lies about somebody honest: that costs the pay and the record, and not the bond.
    if (valid.length >= OUTVOTE) owe(turn, attempt, recordOf(turn.state, attempt.seller))
    decide(turn, attempt, false)
    learnOwner(turn, attempt.seller, false)
  }
  for (const attempt of valid) {
    decide(turn, attempt, true, valid.length > 1 ? true : null)
    if (confirms(valid.flatMap((other) => (other === attempt ? [] : [records.get(other) as OwnerRecord])))) learnOwner(turn, attempt.seller, true)
  }
  const winner = valid[0] as AttemptRow
  dropOpenSlots(turn, task.job, task.index, 'buyer_cancelled')
  // A program that fails is a result like any other (it was verified and is paid), but it fails its task.
  if (winner.cause === 'succeeded') {
    moveTask(turn, taskOf(turn, winner), 'complete', { exitCode: winner.exitCode, result: winner.id, cause: 'succeeded' })
    record(turn, task.job, { type: 'task', state: 'done', task: task.index })
    return closeIfOver(turn, task.job)
  }
  putTask(turn, { ...taskOf(turn, winner), exitCode: winner.exitCode, result: winner.id })
  failTask(turn, task.job, task.index, winner.cause ?? 'buyer_exit')
}

/** `agreed`: whether others gave the same result; null when there was nothing to compare with, or comparing said nothing. */
function decide(turn: Turn, attempt: AttemptRow, good: boolean, agreed: boolean | null = good): void {
  const judged = putAttempt(turn, { ...attempt, state: next(ATTEMPT, attempt.state, good ? 'validate' : 'invalidate', attempt.id), cause: good ? attempt.cause : 'wrong_result' })
  if (good) settle(turn, judged)
  if (good || agreed === false) learn(turn, judged, agreed)
  const task = taskOf(turn, attempt)
  putSlot(turn, task, attempt.slot, { ...slotOf(task, attempt.slot), state: 'done', paid: good })
  tell(turn, attempt.node, attempt.session, { type: 'forget', attempt_id: attempt.id })
}

/** Slots of a decided task that still wait or run: nobody needs them. */
function dropOpenSlots(turn: Turn, job: JobId, index: number, cause: Cause): void {
  const count = liveJob(turn, job).tasks[index]?.slots.length ?? 0
  for (let i = 0; i < count; i++) {
    const task = taskOf(turn, { job, task: index }), slot = slotOf(task, i)
    if (slot.state === 'pending') putSlot(turn, task, i, { ...slot, state: 'dropped' })
    if ((slot.state === 'assigned' || slot.state === 'reported') && slot.attempt) stopAttempt(turn, slot.attempt, cause)
  }
}

/** Tells the node to stop. An offer that was not taken up ends at once; what runs may send its last reading first, or is ended by a timer. */
export function stopAttempt(turn: Turn, id: AttemptId, cause: Cause): void {
  const attempt = liveAttempt(turn, id)
  tell(turn, attempt.node, attempt.session, { type: 'cancel', attempt_id: id, reason: cause })
  if (attempt.state === 'offered' || attempt.state === 'accepted' || attempt.state === 'reported') return endAttempt(turn, id, cause)
  turn.state.timers.push(turn.now + turn.state.settings.cancelMs, { kind: 'cancel', id, task: attempt.task, slot: attempt.slot })
}

/** One task has failed for good, so the job cannot complete: the rest of it is stopped (fail fast), unless the buyer wants whatever can be had. */
export function failTask(turn: Turn, job: JobId, index: number, cause: Cause): void {
  const task = taskOf(turn, { job, task: index })
  if (isOpen(task.state)) {
    moveTask(turn, task, 'fail', { cause })
    record(turn, job, { type: 'task', state: 'failed', task: index, cause })
  }
  const row = liveJob(turn, job).row, { exitCode } = taskOf(turn, { job, task: index })
  if (row.spec.onFailure === 'finish' && !row.cancelling) {
    if (row.cause === null) putJob(turn, { ...row, cause, exitCode })
    dropOpenSlots(turn, job, index, 'buyer_cancelled')
    return closeIfOver(turn, job)
  }
  if (!row.cancelling) putJob(turn, { ...row, cancelling: true, cause, exitCode })
  stopAll(turn, job, 'buyer_cancelled')
}

/** Stops everything of a job that is still open, then closes it if nothing runs any more. */
export function stopAll(turn: Turn, job: JobId, cause: Cause): void {
  const live = liveJob(turn, job)
  for (let index = 0; index < live.tasks.length; index++) {
    dropOpenSlots(turn, job, index, cause)
    const task = taskOf(turn, { job, task: index })
    if (isOpen(task.state) && !task.slots.some((slot) => slot.attempt && isLive(liveAttempt(turn, slot.attempt).state))) moveTask(turn, task, 'cancel')
  }
  closeIfOver(turn, job)
}

/** A job that waited for a place to be paid may be over now. It is gone for long when the attempt gave the place up before (it had reported, and waited for its copies). */
function closePayer(turn: Turn, id: JobId): void { if (turn.state.jobs.has(id)) closeIfOver(turn, id) }

function closeIfOver(turn: Turn, id: JobId): void {
  const live = liveJob(turn, id)
  if (isTerminal(live.row.state)) return
  if (live.attempts.some((attempt) => holdsNode(attempt.state) || attempt.state === 'reported')) return
  // It still has to pay for work that makes place for it.
  if (turn.state.displacedBy.has(id)) return
  if (live.row.cancelling) {
    for (const task of live.tasks) if (isOpen(task.state)) moveTask(turn, taskOf(turn, { job: id, task: task.index }), 'cancel')
    const event: JobEventName = live.row.cause === 'buyer_cancelled' ? 'cancel' : live.row.cause === 'queue_timeout' ? 'expire' : 'fail'
    return closeJob(turn, id, event)
  }
  if (live.row.tasksDone + live.row.tasksFailed === live.row.tasksTotal) closeJob(turn, id, live.row.tasksFailed === 0 ? 'complete' : 'fail')
}

function closeJob(turn: Turn, id: JobId, event: JobEventName): void {
  settleMemories(turn, liveJob(turn, id).attempts)
  // Nothing of it is tried again from here on: its secrets go.
  const { sealed: _wiped, ...row } = liveJob(turn, id).row
  const rest = row.cap - row.cost
  const done = event === 'complete'
  putJob(turn, { ...row, state: next(JOB, row.state, event, id), refunded: rest, endedAt: turn.now, cause: done ? 'succeeded' : row.cause, exitCode: done ? 0 : row.exitCode })
  refundRest(turn, id, row.buyer, rest)
  closeCourse(turn, id)
  const closed = liveJob(turn, id).row
  turn.closed.push(id)
  record(turn, id, { type: 'ended', state: closed.state, cause: closed.cause, amount: closed.cost })
}
