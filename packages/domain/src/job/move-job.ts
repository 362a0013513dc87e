// A running job goes to another node with what it has done: its node stores a checkpoint and ends the attempt, and the slot is placed again like any that
// waits. There is no moment with two attempts: the second is made when the first has ended. Whatever dies on the way, the slot goes on from the newest
// checkpoint that was stored, or from the start.
import { MIB } from '@lumaris/protocol'
import type { JobId, JobSpec, NodeId, Refusal, Saved } from '@lumaris/protocol'
import type { AttemptRow, JobRow, NodeRow, SlotRow } from '../rows.ts'
import { liveJob, putAttempt, record, refused, tell } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { isTerminal } from './lifecycle.ts'
import { recordAction } from '../operator/record-action.ts'
import type { AsAdmin } from '../operator/record-action.ts'
import { speaksFor } from '../fleet/report.ts'
import { takesWork } from '../fleet/takes-work.ts'
import { busyReason, isPaused, neverReason, worstCost } from '../market/filter.ts'
import { tellLive, tellNotToReceive } from './move-live.ts'
import { look } from '../market/candidates.ts'
import { requirementOf } from '../market/requirement.ts'
import type { Requirement } from '../market/requirement.ts'
import { neighbours } from '../market/wanted.ts'

export type MoveCommand = { readonly kind: 'move'; readonly job: JobId; readonly to: NodeId | null; readonly task: number | null; /** An admin who is not its buyer. */ readonly admin?: AsAdmin }
export type MoveFailedCommand = { readonly kind: 'moveFailed'; readonly node: NodeId; readonly session: number; readonly message: { readonly attempt_id: AttemptRow['id']; readonly fence: number; readonly detail: string; readonly kind?: Saved['kind'] | undefined } }

/** So long the slot waits for the named node, and does not go back to the old one. Then anywhere is better than nowhere. */
export const MOVE_MS = 60_000

export function move(turn: Turn, { job, to, task, admin }: MoveCommand): JobRow | Refusal {
  const live = turn.state.jobs.get(job)
  if (!live) return refused('not_found')
  if (isTerminal(live.row.state) || live.row.cancelling) return refused('job_ended', { state: live.row.state })
  const runs = live.attempts.filter((attempt) => attempt.state === 'running' && (task === null || attempt.task === task))
  if (runs.length === 0) return refused('not_in_this_state', { state: live.row.state, reason: task === null ? 'nothing of it runs just now' : `task ${task} does not run just now` })
  // All or none: each is asked before the first is told.
  const plans = runs.map((attempt) => plan(turn, attempt, to))
  const no = plans.find((one) => 'refusal' in one)
  if (no && 'refusal' in no) return no
  if (admin) recordAction(turn, { ...admin, action: 'job.move', subject: job, before: { nodes: [...new Set(runs.map((attempt) => attempt.node))] }, after: { to: to ?? 'wherever there is room', attempts: runs.length } })
  // Room that the one before has just taken is not there for this one: it goes through the store then.
  runs.forEach((attempt, i) => { const first = plans[i] as Plan, again = plan(turn, attempt, to); begin(turn, attempt, 'kind' in again ? again : { to, kind: first.kind === 'live' ? 'memory' : first.kind }, admin?.reason) })
  return liveJob(turn, job).row
}

/** A node that its seller empties: what can be moved is, the rest runs to its end. */
export function moveAway(turn: Turn, node: NodeId): void {
  for (const id of Array.from(turn.state.attemptsByNode.get(node) ?? [])) {
    const attempt = turn.state.attempts.get(id), found = attempt?.state === 'running' && !attempt.moving ? plan(turn, attempt, null, LIVE_BYTES) : null
    if (attempt && found && 'kind' in found) begin(turn, attempt, found)
  }
}

/**
 * A node that is emptied sends no smaller ones while they run. Through the store 98 MiB stand still for three seconds (docs/isolation.md), and what they were is kept
 * there and paid; sent while it runs it is nowhere but where it arrived, and the seller who leaves waits for his money until it has ended there.
 */
const LIVE_BYTES = 512 * MIB

type Plan = { readonly to: NodeId | null; readonly kind: Saved['kind']; readonly chosen?: true }
function plan(turn: Turn, attempt: AttemptRow, to: NodeId | null, liveBytes = 0): Plan | Refusal {
  const { state, now } = turn, live = liveJob(turn, attempt.job), { spec } = live.row, task = live.tasks[attempt.task]
  if (attempt.displaced) return refused('cannot_move', { reason: 'it is being taken off for other work already', attempt: attempt.id })
  if (spec.gang) return refused('cannot_move', { reason: 'ranks of a gang talk to one another where they are: cancel the job and submit it again for other nodes' })
  if (to === attempt.node) return refused('cannot_move', { reason: 'it runs on that node already', node: to })
  const target = to === null ? null : state.nodes.get(to)
  if (target === undefined) return refused('cannot_move', { reason: 'there is no such node', node: to })
  // A move of a minute ago does not stand in the way of this one.
  const { move: _before, ...need } = requirementOf(live.row, task?.slots[attempt.slot], [], task ? neighbours(state, live.row, task) : [])
  const others = target ? [target] : [...state.nodes.values()].filter((node) => node.id !== attempt.node)
  const able = others.filter((node) => whyNot(turn, node, need, target !== null) === null)
  if (able.length === 0) return refused('cannot_move', target ? { reason: 'that node cannot take it now', node: target.id, why: whyNot(turn, target, need, true) } : { reason: 'no other node can run it: see lumaris explain' })
  const source = state.nodes.get(attempt.node), maker = makerOn(source, attempt.driver)
  // To one node, where its place is held while it is on its way: the named one, or the one that is worth most of those with room just now.
  if (mayCarryMemory(spec) && maker !== undefined && isLiveOn(source, attempt.driver) && spec.resources.memoryBytes >= liveBytes) {
    const receives = able.filter((node) => makerOn(node, attempt.driver) === maker && isLiveOn(node, attempt.driver))
    const best = target ? receives[0]?.id : bestOf(turn, receives, need)
    if (best) return { to: best, kind: 'live', ...(target ? {} : { chosen: true }) }
  }
  if (mayCarryMemory(spec) && maker !== undefined && able.some((node) => makerOn(node, attempt.driver) === maker)) return { to, kind: 'memory' }
  if (spec.checkpoint) return { to, kind: 'files' }
  return refused('cannot_move', {
    reason: 'what it has done cannot be taken along: add checkpoint: { paths: [...] } to the job (--checkpoint), with the files it goes on from; or run it with the driver gvisor or qemu where two nodes have the same version of it, the same image and as many processors',
    driver: attempt.driver, at: now,
  })
}
/** The same exclusions as for checkpoints of files; for them the spec is refused before. A memory would lie outside of an encrypted scratch, its connections would end on the way, and of two tries of a task one is thrown away. */
const mayCarryMemory = (spec: JobSpec): boolean => !spec.placement.encryptedScratch && !spec.network && !spec.speculate && spec.copies === 1 && !spec.assurance && spec.stdout === undefined
/** As for work that waits: nodes on which it has not failed, and of them the least that its end is expected to cost. */
function bestOf(turn: Turn, nodes: readonly NodeRow[], need: Requirement): NodeId | undefined {
  const seen = nodes.flatMap((node) => { const { score } = look(turn.state, node, need, turn.now); return score ? [{ id: node.id, failed: need.avoid.includes(node.id) ? 1 : 0, total: score.total }] : [] })
  return seen.toSorted((a, b) => a.failed - b.failed || a.total - b.total || (a.id < b.id ? -1 : 1))[0]?.id
}
const isLiveOn = (node: NodeRow | undefined, driver: AttemptRow['driver']): boolean => node?.drivers.find(({ id }) => id === driver)?.live === true
const makerOn = (node: NodeRow | undefined, driver: AttemptRow['driver']): string | undefined => node?.drivers.find(({ id }) => id === driver)?.memory
export const whyNot = (turn: Turn, node: NodeRow, need: Requirement, nowToo: boolean): string | null =>
  neverReason(node, need) ?? (nowToo ? busyReason(turn.state, node, need, turn.now) : takesWork(node) && node.presence === 'online' ? (isPaused(turn.state, node, need) ? 'matching_paused' : null) : 'not_online') ?? (worstCost(node, need) > need.attemptCap ? 'price' : null)

function begin(turn: Turn, attempt: AttemptRow, plan: Plan, reason?: string): void {
  const asked = putAttempt(turn, { ...attempt, moving: { ...plan, at: turn.now } })
  record(turn, attempt.job, { type: 'moved', state: 'asked', attempt: asked, reason })
  tellToLeave(turn, asked)
}
/** Said again with every heartbeat until it has ended or could not be: the first word may have been lost with a commit. */
export function tellToLeave(turn: Turn, attempt: AttemptRow): void {
  const { id, node, session, fence, moving } = attempt
  if (moving?.kind === 'live') tellLive(turn, attempt)
  else if (moving) tell(turn, node, session, { type: 'checkpoint', attempt_id: id, fence, kind: moving.kind })
}

/** No checkpoint could be taken: it runs on where it is. What could not leave while it ran may still leave through the market's store. */
export function moveFailed(turn: Turn, { node, session, message }: MoveFailedCommand): void {
  const mine = speaksFor(turn, node, session, message.attempt_id, message.fence)
  if (!mine?.moving || (message.kind === 'live' && mine.moving.kind !== 'live')) return
  if (mine.moving.kind === 'live') { tellNotToReceive(turn, mine); tellToLeave(turn, putAttempt(turn, { ...mine, moving: { to: namedBy(mine.moving), kind: 'memory', at: turn.now } })); return }
  const { moving, ...row } = mine
  record(turn, mine.job, { type: 'moved', state: 'failed', attempt: putAttempt(turn, moving.as === 'interruptible' ? { ...row, stays: true } : row) })
}

/** Its end is a move only when what it had done was stored since it was asked for. */
export const hasLeft = ({ moving, saved }: AttemptRow): boolean => moving !== undefined && saved !== undefined && saved.at >= moving.at
/** Where the slot of an attempt that was to be moved may go, however it ended. */
export const moveOf = (turn: Turn, { moving, node }: AttemptRow, slot: SlotRow): SlotRow['move'] => (moving && moving.as === undefined ? { from: node, to: namedBy(moving), until: turn.now + MOVE_MS } : slot.move)
/** Where the market chose the node, any other will do when that way has failed. */
const namedBy = ({ to, chosen }: NonNullable<AttemptRow['moving']>): NodeId | null => (chosen ? null : to)
