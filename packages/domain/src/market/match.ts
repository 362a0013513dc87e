// Who runs what, given all we know: the one door to matching. Each decision keeps its terms and why the other nodes were not taken.
import { slotId, taskId } from '@lumaris/protocol'
import type { AttemptId, DriverOffer, NodeId, UserId } from '@lumaris/protocol'
import type { AttemptRow, JobRow, NodeRow, SlotRow, TaskRow } from '../rows.ts'
import type { MarketState } from '../state.ts'
import { liveJob, putAttempt, putJob, putTask, record } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { SLOT, isLive, next } from '../job/lifecycle.ts'
import { moveTask } from '../job/move.ts'
import { dispatch, termsOf } from '../fleet/dispatch.ts'
import { busyReason, neverReason, pickDriver, worstCost } from './filter.ts'
import { requirementOf } from './requirement.ts'
import type { Requirement } from './requirement.ts'
import { scoreOf, wireScore } from './score.ts'
import type { Refusals, Score } from './score.ts'
import type { Waiting } from './queue.ts'
import { canonical, NO_USAGE } from '@lumaris/protocol'

/** Placements of one turn: a bound on how long a turn can take. */
const PLACEMENTS_MAX = 2_000

/** Gives waiting slots to nodes until nobody fits any more. Returns how many were placed. */
export function match(turn: Turn): number {
  return turn.state.queue.serve((waiting) => place(turn, waiting), PLACEMENTS_MAX)
}

function place(turn: Turn, waiting: Waiting): 'placed' | 'gone' | 'no_room' {
  const live = turn.state.jobs.get(waiting.job)
  const task = live?.tasks[waiting.task], slot = task?.slots[waiting.slot]
  if (!live || live.row.cancelling || !task || slot?.state !== 'pending' || slot.fence !== waiting.fence) return 'gone'
  if (slot.notBefore > turn.now) return 'gone' // its backoff timer will put it back
  const need = requirementOf(live.row, slot, ownersOfCopies(turn.state, live.row, task, waiting.slot))
  const choice = choose(turn.state, need)
  if (!choice) return 'no_room'
  offer(turn, live.row, task, waiting.slot, choice)
  return 'placed'
}

/** Owners that hold another copy of this task: a second opinion must not come from the same house. */
function ownersOfCopies(state: MarketState, job: JobRow, task: TaskRow, slot: number): UserId[] {
  if (job.spec.copies === 1) return []
  const owners: UserId[] = []
  for (const attempt of state.jobs.get(job.id)?.attempts ?? []) {
    if (attempt.task !== task.index || attempt.slot === slot) continue
    if (isLive(attempt.state) || attempt.state === 'valid' || attempt.state === 'invalid') owners.push(attempt.seller)
  }
  return owners
}

export type Choice = { node: NodeRow; driver: DriverOffer; score: Score; candidates: number; refused: Refusals; runnerUp: { node: NodeId; score: Score } | null }

/** The cheapest node in expectation that may take it; ties go to the smaller id, so that a replay decides the same. */
export function choose(state: MarketState, need: Requirement): Choice | null {
  return chooseAmong(state, need, need.avoid) ?? (need.avoid.length > 0 ? chooseAmong(state, need, []) : null)
}

function chooseAmong(state: MarketState, need: Requirement, avoid: readonly NodeId[]): Choice | null {
  const refused: Refusals = {}
  let best: { node: NodeRow; driver: DriverOffer; score: Score } | null = null
  let second: { node: NodeId; score: Score } | null = null
  let candidates = 0
  const no = (reason: keyof Refusals) => { refused[reason] = (refused[reason] ?? 0) + 1 }
  for (const node of state.nodes.values()) {
    if (avoid.includes(node.id)) { no('failed_here'); continue }
    const reason = busyReason(state, node, need) ?? neverReason(node, need)
    if (reason) { no(reason); continue }
    if (worstCost(node, need) > need.attemptCap) { no('price'); continue }
    const driver = pickDriver(node, need)
    if (typeof driver === 'string') { no(driver); continue }
    candidates++
    const score = scoreOf(state, node, need)
    if (!best || score.total < best.score.total || (score.total === best.score.total && node.id < best.node.id)) {
      if (best) second = { node: best.node.id, score: best.score }
      best = { node, driver, score }
    } else if (!second || score.total < second.score.total) second = { node: node.id, score }
  }
  return best ? { ...best, candidates, refused, runnerUp: second } : null
}

function offer(turn: Turn, job: JobRow, task: TaskRow, slotIndex: number, choice: Choice): void {
  const slot = task.slots[slotIndex] as SlotRow
  const fence = slot.fence + 1
  const { node, driver } = choice
  const bare: AttemptRow = {
    id: turn.id('att') as AttemptId, job: job.id, task: task.index, slot: slotIndex, node: node.id, seller: node.owner, session: node.session, leaseGen: node.leaseGen,
    fence, state: 'offered', cause: null, driver: driver.id, level: driver.level, prices: node.prices, usage: NO_USAGE, tickSeq: 0, tickHash: '',
    exitCode: null, detail: null, digest: null, files: [], offeredAt: turn.now, startedAt: null, endedAt: null, billed: null, fee: null,
    decision: {
      terms: wireScore(choice.score), candidates: choice.candidates, refused: choice.refused,
      ...(choice.runnerUp ? { runnerUp: { node: choice.runnerUp.node, total: String(choice.runnerUp.score.total) } } : {}),
    },
    evidence: null,
  }
  const terms = termsOf(job, bare)
  const attempt = putAttempt(turn, { ...bare, tickHash: turn.hash(canonical(terms)) })
  const slots = task.slots.with(slotIndex, { ...slot, state: next(SLOT, slot.state, 'assign', slotId(taskId(job.id, task.index), slotIndex)), fence, attempt: attempt.id })
  moveTask(turn, putTask(turn, { ...task, slots }), 'start')
  const row = liveJob(turn, job.id).row
  if (row.state === 'queued') putJob(turn, { ...row, state: 'running', startedAt: row.startedAt ?? turn.now })
  record(turn, job.id, { type: 'attempt', state: 'offered', attempt })
  dispatch(turn, attempt)
}
