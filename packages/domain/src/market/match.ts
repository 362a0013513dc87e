// Who runs what, given all we know: the one door to matching. Each decision keeps its terms and why the other nodes were not taken.
import { slotId, taskId } from '@lumaris/protocol'
import type { AttemptId, DriverOffer, Instant, NodeId, UserId } from '@lumaris/protocol'
import type { AttemptRow, JobRow, NodeRow, SlotRow, TaskRow } from '../rows.ts'
import type { Decided, MarketState, Waiting } from '../state.ts'
import { liveJob, putAttempt, putJob, putTask, record } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { SLOT, holdsNode, isLive, next } from '../job/lifecycle.ts'
import { moveTask } from '../job/move.ts'
import { dispatch, termsOf } from '../fleet/dispatch.ts'
import { lookAfresh } from './candidates.ts'
import { Claims } from './claims.ts'
import { obstacles } from './filter.ts'
import type { Answer, Lane } from './order/fair-queue.ts'
import type { Seen } from './candidates.ts'
import { asksAsItsClass, classKeyOf, requirementOf } from './requirement.ts'
import type { Requirement } from './requirement.ts'
import { wireScore } from './score.ts'
import type { Refusals, Score } from './score.ts'
import { canonical, NO_USAGE } from '@lumaris/protocol'

/** Placements of one turn: a bound on how long a turn can take. */
const PLACEMENTS_MAX = 2_000

/** Gives waiting slots to nodes until nobody fits any more. Returns how many were placed. */
export function match(turn: Turn): number {
  const claims = new Claims()
  return turn.state.queue.serve((waiting, classKey, lane) => place(turn, waiting, classKey, lane, claims), PLACEMENTS_MAX, turn.now)
}

function place(turn: Turn, waiting: Waiting, classKey: string, lane: Lane, claims: Claims): Answer {
  const live = turn.state.jobs.get(waiting.job)
  const task = live?.tasks[waiting.task], slot = task?.slots[waiting.slot]
  if (!live || live.row.cancelling || !task || slot?.state !== 'pending' || slot.fence !== waiting.fence) return 'gone'
  if (slot.notBefore > turn.now) return 'gone' // its backoff timer will put it back
  // Left behind in the line of what it asked for before its last concession.
  if (live.row.rung > 0 && classKeyOf(live.row, task, waiting.slot) !== classKey) return 'gone'
  const need = requirementOf(live.row, slot, ownersOfCopies(turn.state, live.row, task, waiting.slot), neighbours(turn.state, live.row, task))
  const choice = choose(turn.state, need, classKey, turn.now, claims.size === 0 ? null : (node) => claims.leave(turn, node, need))
  if (choice) {
    offer(turn, live.row, task, waiting.slot, choice)
    remember(turn, { at: turn.now, need, node: choice.node.id, total: choice.score.total })
    return 'placed'
  }
  if (![...turn.state.nodes.values()].some((node) => obstacles(node, need).length === 0)) return 'never'
  if (lane === 'overdue') claims.make(turn, need)
  return 'no_room'
}

/** Placements that a seller can ask about. */
export const RECENT_MAX = 100
function remember(turn: Turn, decided: Decided): void {
  const { recent } = turn.state
  recent.push(decided)
  if (recent.length >= 2 * RECENT_MAX) recent.splice(0, recent.length - RECENT_MAX)
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

/** Nodes where other tasks of a job run that asks to be spread. */
export function neighbours(state: MarketState, job: JobRow, task: TaskRow): NodeRow[] {
  if (job.spec.placement.spread === undefined) return []
  return (state.jobs.get(job.id)?.attempts ?? []).flatMap((attempt) => {
    const node = attempt.task !== task.index && holdsNode(attempt.state) ? state.nodes.get(attempt.node) : undefined
    return node ? [node] : []
  })
}

export type Choice = { node: NodeRow; driver: DriverOffer; score: Score; candidates: number; refused: Refusals; runnerUp: { node: NodeId; score: Score } | null }

/** The cheapest node in expectation that may take it; ties go to the smaller id, so that a replay decides the same. */
export function choose(state: MarketState, need: Requirement, classKey: string, now: Instant, mayTake: MayTake | null = null): Choice | null {
  // A slot with copies, or one that failed somewhere, has wishes of its own, and asks for itself; so does one that the clock decides on.
  if (asksAsItsClass(need)) return cheapest(state.candidates.of(state, classKey, need, now), [], mayTake)
  const seen = lookAfresh(state, need, now)
  return cheapest(seen, need.avoid, mayTake) ?? (need.avoid.length > 0 ? cheapest(seen, [], mayTake) : null)
}
type MayTake = (node: NodeRow) => boolean

function cheapest(seen: readonly Seen[], avoid: readonly NodeId[], mayTake: MayTake | null): Choice | null {
  const refused: Refusals = {}
  let best: Seen | null = null, second: Seen | null = null
  let candidates = 0
  for (const one of seen) {
    const no = avoid.length > 0 && avoid.includes(one.node.id) ? 'failed_here' : one.no ?? (mayTake && !mayTake(one.node) ? 'kept_for_overdue' : null)
    if (no !== null) { refused[no] = (refused[no] ?? 0) + 1; continue }
    candidates++
    if (best === null || before(one, best)) { second = best; best = one } else if (second === null || before(one, second)) second = one
  }
  if (!best) return null
  return { node: best.node, driver: best.driver as DriverOffer, score: best.score as Score, candidates, refused, runnerUp: second && { node: second.node.id, score: second.score as Score } }
}
const before = (one: Seen, other: Seen): boolean => {
  const a = (one.score as Score).total, b = (other.score as Score).total
  return a < b || (a === b && one.node.id < other.node.id)
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
      terms: wireScore(choice.score), completes: Math.round(choice.score.completes * 1000) / 1000, candidates: choice.candidates, refused: choice.refused,
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
