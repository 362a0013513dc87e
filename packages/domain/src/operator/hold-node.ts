// What operators decide about a node, beside what its owner wants. A cordon keeps new work from it, and with a drain empties it too; a ban takes it out of
// the market at once. Neither touches the owner's own will: when it is lifted, what the owner wanted last holds again.
//
//   (nothing) ──cordon──▶ cordoned ──uncordon──▶ (nothing)      cordoned again: the newer words and deadline hold
//   any but retired ──ban──▶ banned ──unban──▶ open
//
// What is ended here ends as the market's own fault: buyers pay for what a checkpoint has kept and nothing else, it counts against no record, and the slot waits again.
import type { Instant, NodeId, Refusal, UserId } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import { attemptsOn } from '../fleet/hello.ts'
import { endAttempt } from '../job/finish.ts'
import { moveAway } from '../job/move-job.ts'
import { effect, note, putNode, refused, tell } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { recordAction } from './record-action.ts'

type By = { readonly by: UserId; readonly node: NodeId; readonly reason: string }
export type CordonCommand = By & { readonly kind: 'cordon'; /** Null: what runs there may stay. `withinMs` null: to its end. */ readonly drain: { readonly withinMs: number | null } | null }
export type UncordonCommand = By & { readonly kind: 'uncordon' }
export type BanCommand = By & { readonly kind: 'ban' }
export type UnbanCommand = By & { readonly kind: 'unban' }

export function cordon(turn: Turn, { by, node: id, reason, drain }: CordonCommand): NodeRow | Refusal {
  const node = turn.state.nodes.get(id)
  if (!node) return refused('not_found')
  if (node.will === 'retired' || node.will === 'banned') return refused('not_in_this_state', { state: node.will, possible: node.will === 'banned' ? ['unban'] : [] })
  const until: Instant | undefined = drain === null || drain.withinMs === null ? undefined : turn.now + drain.withinMs
  // Said again, as by who has not heard the answer: it holds already.
  const holds = node.cordon, isSame = holds?.by === by && holds.reason === reason && holds.until === until && (drain === null || holds.at === turn.now)
  if (!isSame) {
    recordAction(turn, { by, action: 'node.cordon', subject: id, reason, before: { cordon: outline(node) }, after: { cordon: { drains: drain !== null, ...(until === undefined ? {} : { until }) } } })
    note(turn, id, 'cordoned', reason)
    putNode(turn, { ...node, cordon: { at: turn.now, by, reason, ...(until === undefined ? {} : { until }) } })
  }
  if (drain) moveAway(turn, id)
  endOverdue(turn, id) // a deadline of none at all
  return turn.state.nodes.get(id) ?? node
}

export function uncordon(turn: Turn, { by, node: id, reason }: UncordonCommand): NodeRow | Refusal {
  const node = turn.state.nodes.get(id)
  if (!node) return refused('not_found')
  if (!node.cordon) return refused('not_in_this_state', { state: 'not cordoned', possible: ['cordon'] })
  recordAction(turn, { by, action: 'node.uncordon', subject: id, reason, before: { cordon: outline(node) }, after: { cordon: null } })
  note(turn, id, 'uncordoned', reason)
  const { cordon: _lifted, ...row } = node
  return putNode(turn, row)
}

export function ban(turn: Turn, { by, node: id, reason }: BanCommand): NodeRow | Refusal {
  const node = turn.state.nodes.get(id)
  if (!node) return refused('not_found')
  if (node.will === 'retired' || node.will === 'banned') return refused('not_in_this_state', { state: node.will, possible: node.will === 'banned' ? ['unban'] : [] })
  recordAction(turn, { by, action: 'node.ban', subject: id, reason, before: { will: node.will }, after: { will: 'banned' } })
  const row = putNode(turn, { ...node, will: 'banned' })
  note(turn, id, 'banned', reason)
  endAll(turn, id, 'an operator banned the node')
  effect(turn, { kind: 'cut', node: id, session: node.session, code: 'node_retired' })
  return row
}

export function unban(turn: Turn, { by, node: id, reason }: UnbanCommand): NodeRow | Refusal {
  const node = turn.state.nodes.get(id)
  if (!node) return refused('not_found')
  if (node.will !== 'banned') return refused('not_in_this_state', { state: node.will, possible: ['ban'] })
  recordAction(turn, { by, action: 'node.unban', subject: id, reason, before: { will: 'banned' }, after: { will: 'open' } })
  note(turn, id, 'unbanned', reason)
  return putNode(turn, { ...node, will: 'open' })
}

/** Called by the clock at the deadline of a drain, and when there is none left: an earlier one that was taken back does nothing. */
export function endOverdue(turn: Turn, node: NodeId): void {
  const until = turn.state.nodes.get(node)?.cordon?.until
  if (until !== undefined && until <= turn.now) endAll(turn, node, 'an operator emptied the node')
}
/** A result that has been reported is here already, and waits for its copies. */
function endAll(turn: Turn, node: NodeId, detail: string): void {
  for (const attempt of attemptsOn(turn, node)) {
    if (attempt.state === 'reported') continue
    tell(turn, node, attempt.session, { type: 'cancel', attempt_id: attempt.id, reason: 'platform_fault' })
    endAttempt(turn, attempt.id, 'platform_fault', detail)
  }
}
const outline = ({ cordon }: NodeRow): Record<string, unknown> | null => (cordon ? { reason: cordon.reason, ...(cordon.until === undefined ? {} : { until: cordon.until }) } : null)
