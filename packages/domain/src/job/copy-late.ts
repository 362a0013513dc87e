// A task that takes far longer than was foreseen gets one more slot, when nothing of its job waits and somebody else has room: docs/adr/0021. Only the tail of a job is ever looked
// at, every so often, each time at what still runs; the list of that is made once, when the tail begins.
import type { DurationMs, JobId, JobSpec, NodeId } from '@lumaris/protocol'
import { copiesMax, workOf } from '@lumaris/protocol'
import type { AttemptRow, NodeRow, TaskRow } from '../rows.ts'
import { isAtTail } from '../state.ts'
import type { LiveJob, MarketState } from '../state.ts'
import { putTask, record } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { NEW_SLOT, holdsNode, isTerminal } from './lifecycle.ts'
import { choose } from '../market/match.ts'
import { neighbours } from '../market/wanted.ts'
import { requirementOf } from '../market/requirement.ts'
import { speedOf } from '../fleet/profile/learn.ts'
import { forecastOf } from '../split/forecast.ts'
import { workIn } from '../split/pieces.ts'
import { isWorth, pickStraggler } from '../split/speculate.ts'
import type { Running } from '../split/speculate.ts'

/** Tasks of a job at its tail that still run once; null until it is looked at. `extra`: work of the copies so far. */
export type LateLook = { tasks: number[] | null; extra: number; copies: number }
/** Tasks and nodes that one clock looks at for copies; jobs beyond that are looked at later. */
export type LateBudget = { left: number }
export const LATE_BUDGET = 20_000
/** Copies that one look begins, and nodes that it finds wanting. */
const COPIES_PER_LOOK = 8, MISSES_MAX = 2
/** Two looks in the time between heartbeats. What runs no longer than that is not looked at: a copy of it is more dispatch than help. */
const lookMs = (state: MarketState): DurationMs => state.settings.heartbeatMs / 2

type Foreseen = { readonly overheadMs: DurationMs; readonly mean: number | null; readonly paceOn: (node: NodeId) => number | null; /** From its offer to its end, as believed now; null when nothing is known. */ readonly msOf: (attempt: AttemptRow) => DurationMs | null }
const totalOf = ({ tasks }: JobSpec): number => workOf(tasks).reduce((sum, one) => sum + one, 0)
export function foresee(state: MarketState, { row: { spec }, pace }: LiveJob): Foreseen {
  const factorOf = (id: NodeId): number => { const node = state.nodes.get(id); return node && spec.expectedMs !== undefined ? speedOf(state, node, spec).factor : 1 }
  const forecast = forecastOf(pace, spec.expectedMs === undefined ? null : { work: totalOf(spec) / spec.tasks.length, ms: spec.expectedMs }, factorOf)
  return { ...forecast, msOf: ({ node, task, piece }) => { const on = forecast.paceOn(node); return on === null ? null : forecast.overheadMs + workIn(spec, task, piece) / on } }
}
const runOf = ({ task, offeredAt }: AttemptRow, work: number, expectedMs: DurationMs): Running => ({ chunk: task, work, startedAt: offeredAt, expectedMs, copies: 0 })

export function copyLate(turn: Turn, id: JobId, budget: LateBudget): void {
  const { state, now } = turn, live = state.jobs.get(id), look = live?.look
  if (!live || !look) return
  const { row } = live, again = (): void => state.timers.push(now + lookMs(state), { kind: 'late', id, task: 0, slot: 0 })
  // A task waits again, so whoever has room takes that one first; the job says when it is at its tail once more.
  if (isTerminal(row.state) || row.cancelling || !isAtTail(row)) { live.look = undefined; return }
  if (budget.left <= 0) return again()
  const most = copiesMax(row.spec)
  look.tasks ??= listOnce(live, look)
  if (look.copies >= most) return // for good: copies are never taken back
  budget.left -= look.tasks.length
  look.tasks = look.tasks.filter((index) => { const task = live.tasks[index]; return task?.state === 'running' && task.slots.length === 1 })
  begin(turn, live, look, most, budget)
  again()
}

function listOnce(live: LiveJob, look: LateLook): number[] {
  const once: number[] = []
  for (const task of live.tasks) {
    if (task.slots.length > 1) { look.copies++; look.extra += workIn(live.row.spec, task.index, task.piece) } else if (task.state === 'running') once.push(task.index)
  }
  return once
}

function begin(turn: Turn, live: LiveJob, look: LateLook, most: number, budget: LateBudget): void {
  const { state, now } = turn, { spec } = live.row, foreseen = foresee(state, live)
  if (foreseen.mean === null) return // nothing has ended yet, and the buyer does not say how long it takes
  const running = new Map<Running, AttemptRow>(), overheadMs = foreseen.overheadMs
  for (const index of look.tasks ?? []) {
    const at = live.tasks[index]?.slots[0]?.attempt, attempt = at ? state.attempts.get(at) : undefined, ms = attempt ? foreseen.msOf(attempt) : null
    if (attempt && ms !== null && holdsNode(attempt.state) && now - attempt.offeredAt >= lookMs(state)) running.set(runOf(attempt, workIn(spec, index, attempt.piece), ms), attempt)
  }
  const total = totalOf(spec), taken = new Set<NodeId>()
  for (let begun = 0, misses = 0; begun < COPIES_PER_LOOK && misses < MISSES_MAX && look.copies < most && (begun === 0 || budget.left > 0);) {
    const late = pickStraggler(running.keys(), { now, pace: foreseen.mean, total, extra: look.extra, settings: { overheadMs, extraMax: spec.speculate ?? 0 } })
    const attempt = late && running.get(late), task = late && live.tasks[late.chunk]
    if (!late || !attempt || !task) return
    running.delete(late)
    budget.left -= state.nodes.size
    const need = requirementOf(live.row, undefined, [attempt.seller], neighbours(state, live.row, task)), there = worth(foreseen, late, now)
    const choice = choose(state, need, '', now, { nodes: state.nodes.keys(), mayTake: (node) => !taken.has(node.id) && there(node) })
    if (!choice) { misses++; continue }
    taken.add(choice.node.id)
    look.copies++
    look.extra += late.work
    begun++
    putTask(turn, { ...task, slots: [...task.slots, NEW_SLOT] })
    record(turn, live.row.id, { type: 'copy', state: 'late', attempt })
  }
}

const worth = ({ overheadMs, mean, paceOn }: Foreseen, late: Running, now: number) => ({ id }: Pick<NodeRow, 'id'>): boolean => { const pace = paceOn(id); return pace !== null && mean !== null && isWorth(late, { now, pace, mean, overheadMs }) }
/** Nodes for a copy that waits for one; any, when the first try is gone. */
export function worthOn(state: MarketState, live: LiveJob, task: TaskRow, now: number): (node: NodeRow) => boolean {
  const first = task.slots.find((slot) => slot.state === 'assigned')?.attempt, attempt = first ? state.attempts.get(first) : undefined, foreseen = foresee(state, live), ms = attempt ? foreseen.msOf(attempt) : null
  return attempt && ms !== null ? worth(foreseen, runOf(attempt, workIn(live.row.spec, task.index, task.piece), ms), now) : () => true
}
