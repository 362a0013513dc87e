// A slot is given to a node: the attempt is made, with the reasons of the decision, and offered; and the decision is remembered for sellers who ask.
import { NO_USAGE, canonical, slotId, taskId } from '@lumaris/protocol'
import type { AttemptId, Decision, DriverOffer, NodeId, PriceSheet } from '@lumaris/protocol'
import type { AttemptRow, JobRow, NodeRow, SlotRow, TaskRow } from '../rows.ts'
import type { Decided } from '../state.ts'
import { invariant } from '../invariant.ts'
import { liveAttempt, liveJob, putAttempt, putJob, putTask, record } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { SLOT, next } from '../job/lifecycle.ts'
import { foresee } from '../job/copy-late.ts'
import { moveTask } from '../job/move.ts'
import { bars } from '../operator/pause-matching.ts'
import { sheetOf } from '../billing/price.ts'
import { takePiece } from '../split/pieces.ts'
import { dispatch, termsOf } from '../fleet/dispatch.ts'
import { wireScore } from './score.ts'
import type { Refusals, Score } from './score.ts'
import type { Wanted } from './wanted.ts'

export type Choice = { node: NodeRow; driver: DriverOffer; score: Score; candidates: number; refused: Refusals; runnerUp: { node: NodeId; score: Score } | null }

export function offer(turn: Turn, wanted: Wanted, slotIndex: number, choice: Choice, prices: PriceSheet = sheetOf(choice.node)): void {
  const { need } = wanted, { job, task } = takePiece(turn, wanted.job, wanted.task, choice.node.id, choice.candidates)
  const slot = task.slots[slotIndex] as SlotRow
  const fence = slot.fence + 1
  const { node, driver } = choice
  invariant(!bars(turn.state.pauses, node, driver, need.spec), `${node.id} is given work although that is paused`)
  const bare: AttemptRow = {
    id: turn.id('att') as AttemptId, job: job.id, task: task.index, slot: slotIndex, node: node.id, seller: node.owner, session: node.session, leaseGen: node.leaseGen,
    fence, state: 'offered', cause: null, driver: driver.id, level: driver.level, prices, usage: NO_USAGE, tickSeq: 0, tickHash: '',
    exitCode: null, detail: null, digest: null, files: [], offeredAt: turn.now, startedAt: null, endedAt: null, billed: null, fee: null,
    decision: {
      terms: wireScore(choice.score), completes: Math.round(choice.score.completes * 1000) / 1000, candidates: choice.candidates, refused: choice.refused,
      ...copyOf(turn, job, task, slotIndex),
      ...(choice.runnerUp ? { runnerUp: { node: choice.runnerUp.node, total: String(choice.runnerUp.score.total) } } : {}),
    },
    evidence: null, ...(job.spec.plan ? { as: slot.firm ? 'firm' as const : 'interruptible' as const } : {}), ...(slot.kept ? { resumes: slot.kept } : {}), ...(task.piece ? { piece: task.piece } : {}), ...(slot.referee ? { referee: slot.referee } : {}),
  }
  turn.state.demand.saw(job.spec.resources)
  const terms = termsOf(job, bare)
  const attempt = putAttempt(turn, { ...bare, tickHash: turn.hash(canonical(terms)) })
  const slots = task.slots.with(slotIndex, { ...slot, state: next(SLOT, slot.state, 'assign', slotId(taskId(job.id, task.index), slotIndex)), fence, attempt: attempt.id })
  moveTask(turn, putTask(turn, { ...task, slots }), 'start')
  const row = liveJob(turn, job.id).row
  if (row.state === 'queued') putJob(turn, { ...row, state: 'running', startedAt: row.startedAt ?? turn.now })
  record(turn, job.id, { type: 'attempt', state: 'offered', attempt })
  dispatch(turn, attempt)
  remember(turn, { at: turn.now, need, node: node.id, total: choice.score.total })
}

/** What it is a copy of, while that still runs. */
function copyOf(turn: Turn, job: JobRow, task: TaskRow, slot: number): Pick<Decision, 'copyOf'> {
  const first = job.spec.speculate ? task.slots.find((other, i) => i !== slot && other.state === 'assigned')?.attempt : null, late = first ? liveAttempt(turn, first) : null
  return late ? { copyOf: { attempt: late.id, ranMs: turn.now - late.offeredAt, foreseenMs: Math.round(foresee(turn.state, liveJob(turn, job.id)).msOf(late) ?? 0) } } : {}
}

/** Placements that a seller can ask about. */
export const RECENT_MAX = 100
function remember(turn: Turn, decided: Decided): void {
  const { recent } = turn.state
  recent.push(decided)
  if (recent.length >= 2 * RECENT_MAX) recent.splice(0, recent.length - RECENT_MAX)
}
