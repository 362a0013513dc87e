// Tasks that are cut, and joined, while their job runs (docs/adr/0028, docs/adr/0034): which part of what one is, what a node would get of it, the cut, and taking over what waits
// behind it. The parts touch each other and cover all of it, at every commit: a cut makes one task less and adds one, joining gives one the front of its neighbours, in the turn that
// offers the first. Nothing of what a node has ever been given is joined with anything, unless that node refused it.
import { MIB, divisibleOf, filledTask, partsMax, partsNeeded, rangeOfTask, workOf } from '@lumaris/protocol'
import type { ByteRange, Divisible, DurationMs, Instant, JobSpec, NodeId, TaskSpec } from '@lumaris/protocol'
import type { JobRow, PieceRow, TaskRow } from '../rows.ts'
import type { LiveJob, MarketState } from '../state.ts'
import { liveJob, putJob, putTask } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { invariant } from '../invariant.ts'
import { NEW_SLOT, SLOT, next } from '../job/lifecycle.ts'
import { moveTask } from '../job/move.ts'
import { UNSEEN_PACE, chunkBounds, nextChunk, paceOf } from './chunk.ts'
import { forecastOf } from './forecast.ts'
import type { JobPace } from './forecast.ts'

export function pieceOf(spec: JobSpec, index: number): PieceRow | undefined {
  const whole = spec.divide && divisibleOf(spec.tasks, index), range = whole && rangeOfTask(spec.tasks[index] as TaskSpec)
  return whole && range ? { of: whole.head, ...range } : undefined
}
export const rangeOf = (piece: PieceRow | undefined): { readonly range?: ByteRange } => (piece ? { range: { from: piece.from, to: piece.to } } : {})
/** How much a task is, or was when this attempt of it was made. */
export const workIn = (spec: JobSpec, index: number, piece: PieceRow | undefined): number => (piece ? piece.to - piece.from : workOf(spec.tasks)[index] ?? 1)
/** What this is a part of. */
function wholeOf(spec: JobSpec, { of }: PieceRow): Divisible {
  const whole = divisibleOf(spec.tasks, of)
  invariant(whole, `task ${of} of the spec cannot be cut`)
  return whole
}
/** The task as its program sees it. */
export function taskSpecOf(spec: JobSpec, index: number, piece: PieceRow | undefined): TaskSpec {
  const task = spec.tasks[piece?.of ?? index]
  invariant(task, `there is no task ${piece?.of ?? index} in the spec`)
  return piece ? filledTask(wholeOf(spec, piece).narrow({ from: piece.from, to: piece.to })) : task
}

export type PortionQuestion = {
  /** What waits of the job. */
  readonly left: number; readonly pace: JobPace | undefined; readonly node: NodeId
  /** Tries that could run at one time. */
  readonly lanes: number
  /** Tasks that there may still come to be, this one among them. */
  readonly seats: number
  readonly targetMs: DurationMs; readonly slackMs?: DurationMs | undefined
}
/** Where starts are not seen to cost anything, a part lasts ten seconds all the same. */
const OVERHEAD_MS_MIN = 500
/** How much of what waits this node should get: what it is believed to do in the target time, and at the tail so much less that all end together. Pure; the bench asks it too. */
export function portionOf({ left, pace, node, lanes, seats, targetMs, slackMs }: PortionQuestion): number {
  const { mean, overheadMs } = forecastOf(pace, null, () => 1), all = pace?.all ?? UNSEEN_PACE
  const settings = { overheadMs: Math.max(OVERHEAD_MS_MIN, overheadMs), hazardPerMs: 0, targetMs, slackMs }
  const seen = pace?.nodes.get(node) ?? UNSEEN_PACE, own = paceOf(seen, all)
  const most = left * Math.min(1 / 2, GREED / lanes)
  const share = nextChunk({ left, node: seen, all, nodes: lanes, fleet: mean === null ? null : mean * lanes, settings, grain: 1 })
  // Seats last as long as the work: parts that take so long that there are enough of them, with some kept for the tail, where parts are small.
  if (own === null || mean === null || seen.chunks === 0) return seats > PROBES * lanes ? Math.min(most, share) : Math.max(Math.min(most, share), left / seats)
  return Math.max(Math.min(most, Math.max(share, (own / mean) * (left / Math.max(seats / 2, seats - TAIL_SEATS * lanes)))), seats > PROBES * lanes ? 0 : left / seats)
}
/** Of less than this a node does not make enough to be worth starting; 0 while it has shown nothing. */
export function leastOf({ pace, node, targetMs }: Pick<PortionQuestion, 'pace' | 'node' | 'targetMs'>): number {
  const { overheadMs } = forecastOf(pace, null, () => 1), seen = pace?.nodes.get(node), own = seen && pace ? paceOf(seen, pace.all) : null
  return own === null ? 0 : own * chunkBounds({ overheadMs: Math.max(OVERHEAD_MS_MIN, overheadMs), hazardPerMs: 0, targetMs }).leastMs
}
/** However quick it says it is, a node gets at most as much of what is left as so many that are like the others. */
const GREED = 16
/** With so many seats for each that works on it, a first part may be as small as it likes; so many are kept for the last rounds. */
const PROBES = 8, TAIL_SEATS = 4

/** Of a run's time limit, no more than this is planned for: forecasts are wrong by so much now and then. */
const LIMIT_PARTS = 3, DISK_PARTS = 4
type Portion = {
  /** Where to cut the task for this node; null to give all of it. */
  readonly cut: number | null
  /** Up to where it may go on with what waits behind it, as the node would then get as much as it should; null when it is long enough, or nobody knows. */
  readonly grow: number | null
}
function portionFor(state: MarketState, live: LiveJob, { index, piece }: TaskRow & { readonly piece: PieceRow }, node: NodeId, candidates: number, now: Instant): Portion {
  const { spec } = live.row, { divide } = spec, whole = wholeOf(spec, piece), { from, to } = piece, limit = whole.limitFrom(from)
  invariant(divide, `task ${live.row.id}.${index} cannot be cut`)
  const more = partsMax(spec) - live.tasks.length, targetMs = Math.min(divide.targetMs, spec.limits.runMs / LIMIT_PARTS)
  // Up to the end of the piece, file or item in which its last unit would lie.
  const endWith = (seats: number): number => {
    const share = portionOf({ left: live.left, pace: live.pace, node, lanes: Math.max(1, candidates + live.row.tasksRunning), seats, targetMs, slackMs: spec.deadline === undefined ? undefined : Math.max(0, spec.deadline - now) })
    const units = Math.max(1, Math.floor(Math.min(share, whole.unit === 'bytes' ? Math.max(MIB, spec.resources.diskBytes / DISK_PARTS) : Number.POSITIVE_INFINITY)))
    return Math.min(limit, whole.endAfter(from + Math.min(units, whole.to - from) - 1))
  }
  const at = endWith(more + 1)
  // What waits behind it has seats already, so that growing uses none up: with few left to cut with, it still gets no more than its share.
  if (at >= to) return { cut: null, grow: at > to && to - from < leastOf({ pace: live.pace, node, targetMs }) ? endWith(more + (live.waits?.size ?? 1)) : null }
  if (more <= 0) return { cut: null, grow: null }
  // Seats that others must have, as no node can be given all of what they are, are not spent on a shorter part.
  return { cut: limit < whole.to && more <= seatsNeeded(live) ? (limit < to ? limit : null) : at, grow: null }
}
/** Tasks that must still come to be, so that each fits into a frame. At submit there were enough; a cut at the limit needs one less. */
const seatsNeeded = ({ tasks, row: { spec } }: LiveJob): number => tasks.reduce((sum, { piece, state }) => sum + (piece && state === 'queued' ? partsNeeded(wholeOf(spec, piece), piece) - 1 : 0), 0)

/** All its slots wait, and none has anything to go on from: nobody has a result, or a part of one, of the range as it is. */
const mayBeCut = ({ slots }: TaskRow): boolean => slots.every((slot) => slot.state === 'pending' && !slot.kept && !slot.move)
/** What was lost once is kept apart: whatever in it has done that takes no neighbours along. */
const mayJoin = (task: TaskRow, behind: TaskRow, node: NodeId, now: Instant): boolean =>
  behind.state === 'queued' && task.retries === 0 && behind.retries === 0 && behind.slots.length === task.slots.length && mayBeCut(behind) && behind.slots.every(({ notBefore, failedOn }) => notBefore <= now && !failedOn.includes(node))

/** What the node gets of a waiting task: it becomes as much as that, and the rest waits as one more task, with as many copies; or it becomes longer, by what waits behind it. */
export function takePiece(turn: Turn, job: JobRow, task: TaskRow, node: NodeId, candidates: number): { readonly job: JobRow; readonly task: TaskRow } {
  const { piece } = task
  if (!piece || !mayBeCut(task)) return { job, task }
  const live = liveJob(turn, job.id), { cut, grow } = portionFor(turn.state, live, { ...task, piece }, node, candidates, turn.now)
  if (grow !== null) { const more = join(turn, live, { ...task, piece }, grow, node); return { job: live.row, task: more } }
  if (cut === null) return { job, task }
  // Not how many there are: those that were joined have kept their numbers.
  const index = live.tasks.length, more = putJob(turn, { ...live.row, tasksTotal: live.row.tasksTotal + 1 })
  const less = putTask(turn, { ...task, piece: { ...piece, to: cut } })
  putTask(turn, { job: job.id, index, state: 'queued', slots: task.slots.map(() => NEW_SLOT), retries: 0, exitCode: null, result: null, cause: null, piece: { ...piece, from: cut } })
  return { job: more, task: less }
}

/** Takes the front of what waits behind it, up to there; of whom nothing is left, that one is over. */
function join(turn: Turn, live: LiveJob, task: TaskRow & { readonly piece: PieceRow }, end: number, node: NodeId): TaskRow {
  const { piece } = task
  let to = piece.to
  while (to < end) {
    const index = live.waits?.get(waitsAt({ ...piece, from: to })), behind = index === undefined ? undefined : live.tasks[index]
    if (!behind?.piece || !mayJoin(task, behind, node, turn.now)) break
    to = Math.min(end, behind.piece.to)
    const less = { ...behind, piece: { ...behind.piece, from: to } }
    if (to < behind.piece.to) { putTask(turn, less); break }
    moveTask(turn, less, 'join', { slots: behind.slots.map((slot) => ({ ...slot, state: next(SLOT, slot.state, 'drop', `${task.job}.${behind.index}`) })) })
    putJob(turn, { ...live.row, tasksTotal: live.row.tasksTotal - 1 })
  }
  return to === piece.to ? task : putTask(turn, { ...task, piece: { ...piece, to } })
}
/** Where a waiting part begins, as a key. */
export const waitsAt = ({ of, from }: PieceRow): string => `${of} ${from}`
