// What a waiting slot asks for as of now, with what follows from the other attempts of its job.
import type { AttemptRow, JobRow, NodeRow, TaskRow } from '../rows.ts'
import { slotOf } from '../state.ts'
import type { MarketState, Waiting } from '../state.ts'
import type { Turn } from '../turn.ts'
import { firmWayOf } from '../deadline/firm-way.ts'
import { holdsNode, isLive } from '../job/lifecycle.ts'
import { drawCheckers } from '../assurance/draws.ts'
import { worthOn } from '../job/copy-late.ts'
import { requirementOf } from './requirement.ts'
import type { Requirement } from './requirement.ts'

export type Wanted = { readonly job: JobRow; readonly task: TaskRow; readonly need: Requirement }
/** Null when it does not count any more. */
export function wantedOf(turn: Turn, waiting: Waiting): Wanted | null {
  const live = turn.state.jobs.get(waiting.job)
  const task = live?.tasks[waiting.task], slot = task?.slots[waiting.slot]
  if (!live || live.row.cancelling || live.row.paused || !task || slot?.state !== 'pending' || slot.fence !== waiting.fence) return null
  if (slot.notBefore > turn.now) return null // its backoff timer will put it back
  const copies = copiesOf(turn.state, live.row, task, waiting.slot), asked = requirementOf(live.row, slot, copies.map(({ seller }) => seller), neighbours(turn.state, live.row, task))
  const need = copies.length > 0 && !live.row.spec.speculate ? { ...asked, beside: copies.flatMap(({ node }) => turn.state.nodes.get(node) ?? []) } : asked
  if (need.spec.interruptible && live.row.spec.plan) { const { leastHour } = firmWayOf(turn.state, live, turn.now); return { job: live.row, task, need: leastHour === null ? need : { ...need, hourMax: leastHour } } }
  if (live.row.spec.speculate && task.slots.length > 1) return { job: live.row, task, need: { ...need, prefers: worthOn(turn.state, live, task, turn.now) } }
  return { job: live.row, task, need: (live.row.spec.assurance && waiting.slot > 0) || slot.referee ? { ...need, drawn: checkersOf(turn, live.row, waiting) } : need }
}

/** Room that is sold goes to nobody else meanwhile, so there the draw is made anew for each sale; else it stands, and gives way only when none of them has room. */
const checkersOf = (turn: Turn, { spec }: JobRow, waiting: Waiting) =>
  drawCheckers(turn, turn.state, `${slotOf(waiting)}${spec.interruptible ? ` ${Math.floor(turn.now / turn.state.settings.spotEveryMs)}` : ''}`)

/** The other copies of this task: a second opinion must not come from the same house. */
function copiesOf(state: MarketState, job: JobRow, task: TaskRow, slot: number): AttemptRow[] {
  if (job.spec.copies === 1 && !job.spec.assurance && task.slots.length === 1) return []
  const copies: AttemptRow[] = [], asked = task.slots[slot]?.referee
  for (const attempt of state.jobs.get(job.id)?.attempts ?? []) {
    if (attempt.task !== task.index || attempt.slot === slot) continue
    // One owner may be asked several questions about a task, each once.
    if (attempt.referee && asked && (attempt.referee.of !== asked.of || attempt.referee.with !== asked.with)) continue
    // Whoever was shown results as a referee could give one of them as its own, also when it never said anything.
    if (isLive(attempt.state) || attempt.state === 'valid' || attempt.state === 'invalid' || attempt.referee) copies.push(attempt)
  }
  return copies
}

/** Nodes where other tasks of a job run that asks to be spread. */
export function neighbours(state: MarketState, job: JobRow, task: TaskRow): NodeRow[] {
  if (job.spec.placement.spread === undefined) return []
  return (state.jobs.get(job.id)?.attempts ?? []).flatMap((attempt) => {
    const node = attempt.task !== task.index && holdsNode(attempt.state) ? state.nodes.get(attempt.node) : undefined
    return node ? [node] : []
  })
}
