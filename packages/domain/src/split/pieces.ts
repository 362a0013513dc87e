// Tasks that are cut while their job runs (docs/adr/0028): which part of which input one is, what a node would get of it, and the cut. The parts of one input touch
// each other and cover it, at every commit: a cut makes one task less and adds one, both in the turn that offers the first.
import { MIB, dividedInput, narrowed, partsMax, pieceAfter, workOf } from '@lumaris/protocol'
import type { ByteRange, DurationMs, InputPiece, Instant, JobSpec, NodeId, TaskSpec } from '@lumaris/protocol'
import type { JobRow, PieceRow, TaskRow } from '../rows.ts'
import type { LiveJob, MarketState } from '../state.ts'
import { liveJob, putJob, putTask } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { invariant } from '../invariant.ts'
import { NEW_SLOT } from '../job/lifecycle.ts'
import { UNSEEN_PACE, nextChunk, paceOf } from './chunk.ts'
import { forecastOf } from './forecast.ts'
import type { JobPace } from './forecast.ts'

export const pieceOf = (spec: JobSpec, of: number): PieceRow | undefined => {
  const file = spec.divide && dividedInput(spec.tasks[of] as TaskSpec)
  return file ? { of, from: file.from, to: file.to } : undefined
}
export const rangeOf = (piece: PieceRow | undefined): { readonly range?: ByteRange } => (piece ? { range: { from: piece.from, to: piece.to } } : {})
/** How much a task is, or was when this attempt of it was made. */
export const workIn = (spec: JobSpec, index: number, piece: PieceRow | undefined): number => (piece ? piece.to - piece.from : workOf(spec.tasks)[index] ?? 1)
/** The task as its program sees it. */
export function taskSpecOf(spec: JobSpec, index: number, piece: PieceRow | undefined): TaskSpec {
  const task = spec.tasks[piece?.of ?? index], file = piece && task ? dividedInput(task) : null
  invariant(task, `there is no task ${piece?.of ?? index} in the spec`)
  return file && piece ? { ...task, inputs: (task.inputs ?? []).map((input) => (input === file ? narrowed(file, piece) : input)) } : task
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
/** However quick it says it is, a node gets at most as much of what is left as so many that are like the others. */
const GREED = 16
/** With so many seats for each that works on it, a first part may be as small as it likes; so many are kept for the last rounds. */
const PROBES = 8, TAIL_SEATS = 4

/** Of a run's time limit, no more than this is planned for: forecasts are wrong by so much now and then. */
const LIMIT_PARTS = 3, DISK_PARTS = 4
/** Where to cut the task for this node; null to give all of it. */
function cutAt(state: MarketState, live: LiveJob, { index, piece }: TaskRow & { readonly piece: PieceRow }, node: NodeId, candidates: number, now: Instant): number | null {
  const { spec } = live.row, { divide } = spec, file = dividedInput(spec.tasks[piece.of] as TaskSpec)
  invariant(divide && file, `task ${live.row.id}.${index} cannot be cut`)
  const seats = partsMax(spec) - live.row.tasksTotal + 1
  if (seats <= 1) return null
  const share = portionOf({
    left: live.left, pace: live.pace, node, lanes: Math.max(1, candidates + live.row.tasksRunning), seats, targetMs: Math.min(divide.targetMs, spec.limits.runMs / LIMIT_PARTS),
    slackMs: spec.deadline === undefined ? undefined : Math.max(0, spec.deadline - now),
  })
  // Up to the end of the piece in which its last byte would lie.
  const bytes = Math.max(1, Math.floor(Math.min(share, Math.max(MIB, spec.resources.diskBytes / DISK_PARTS)))), { to } = file.pieces[pieceAfter(file.pieces, piece.from + Math.min(bytes, piece.to - piece.from) - 1)] as InputPiece
  return to >= piece.to ? null : to
}

/** All its slots wait, and none has anything to go on from: nobody has a result, or a part of one, of the range as it is. */
const mayBeCut = ({ slots }: TaskRow): boolean => slots.every((slot) => slot.state === 'pending' && !slot.kept && !slot.move)

/** What the node gets of a waiting task: it becomes as much as that, and the rest waits as one more task, with as many copies. */
export function takePiece(turn: Turn, job: JobRow, task: TaskRow, node: NodeId, candidates: number): { readonly job: JobRow; readonly task: TaskRow } {
  const { piece } = task
  if (!piece || !mayBeCut(task)) return { job, task }
  const live = liveJob(turn, job.id), at = cutAt(turn.state, live, { ...task, piece }, node, candidates, turn.now)
  if (at === null) return { job, task }
  const index = job.tasksTotal, more = putJob(turn, { ...live.row, tasksTotal: index + 1 })
  const less = putTask(turn, { ...task, piece: { ...piece, to: at } })
  putTask(turn, { job: job.id, index, state: 'queued', slots: task.slots.map(() => NEW_SLOT), retries: 0, exitCode: null, result: null, cause: null, piece: { ...piece, from: at } })
  return { job: more, task: less }
}
