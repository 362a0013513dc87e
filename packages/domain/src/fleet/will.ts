// What a seller decides about a node: take work or not, and for how much.
import type { NodeId, NodePolicy, PriceSheet, Refusal } from '@lumaris/protocol'
import type { NodeRow, Will } from '../rows.ts'
import { moveAway } from '../job/move-job.ts'
import { effect, note, putNode, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { adminWord, recordAction } from '../operator/record-action.ts'
import type { AsAdmin } from '../operator/record-action.ts'

const MAY: Readonly<Record<Will, readonly Will[]>> = {
  open: ['open', 'paused', 'draining', 'retired', 'banned'], paused: ['paused', 'open', 'draining', 'retired', 'banned'], draining: ['draining', 'open', 'paused', 'retired', 'banned'],
  retired: [], banned: ['open'],
}
const EVENT = { open: 'resumed', paused: 'paused', draining: 'draining' } as const
const ACTION = { open: 'node.resume', paused: 'node.pause', draining: 'node.drain' } as const
export type WillCommand = { readonly kind: 'will'; readonly node: NodeId; readonly will: 'open' | 'paused' | 'draining'; /** An admin who is not its owner. */ readonly admin?: AsAdmin }
export type PolicyCommand = { readonly kind: 'policy'; readonly node: NodeId; readonly policy: NodePolicy }
export type RetireCommand = { readonly kind: 'retire'; readonly node: NodeId }
export type PriceCommand = { readonly kind: 'price'; readonly node: NodeId; readonly prices: PriceSheet; readonly admin?: AsAdmin }

export function setWill(turn: Turn, command: WillCommand): NodeRow | Refusal {
  const node = turn.state.nodes.get(command.node)
  if (!node) return refused('not_found')
  if (!MAY[node.will].includes(command.will) || node.will === 'banned') return refused('not_in_this_state', { state: node.will, possible: MAY[node.will] })
  if (node.will === command.will) return node
  if (command.admin) recordAction(turn, { ...command.admin, action: ACTION[command.will], subject: node.id, before: { will: node.will }, after: { will: command.will } })
  const row = putNode(turn, { ...withoutWord(node), will: command.will, ...adminWord(turn, ACTION[command.will], command.admin) })
  note(turn, row.id, EVENT[command.will], command.admin && `by an admin: ${command.admin.reason}`)
  if (row.will === 'draining') moveAway(turn, row.id)
  return row
}

/** For work from now on; what is offered or running keeps the prices it was agreed at. */
export function setPrices(turn: Turn, command: PriceCommand): NodeRow | Refusal {
  const node = turn.state.nodes.get(command.node)
  if (!node) return refused('not_found')
  if (command.admin) recordAction(turn, { ...command.admin, action: 'node.price', subject: node.id, before: { ...node.prices }, after: { ...command.prices } })
  note(turn, node.id, 'priced', command.admin && `by an admin: ${command.admin.reason}`)
  return putNode(turn, { ...withoutWord(node), prices: command.prices, ...adminWord(turn, 'node.price', command.admin) })
}
/** For work from now on; what is offered or runs there was taken before, and may end. */
export function setPolicy(turn: Turn, command: PolicyCommand): NodeRow | Refusal {
  const node = turn.state.nodes.get(command.node)
  return node ? putNode(turn, { ...node, policy: command.policy }) : refused('not_found')
}
/** Out of the market for good, by its seller. Nothing may run there, or have a place there: whoever is moved to it would have none. */
export function retire(turn: Turn, { node: id }: RetireCommand): NodeRow | Refusal {
  const node = turn.state.nodes.get(id)
  if (!node) return refused('not_found')
  if (node.will === 'retired') return node // said again, as by who has not heard the answer
  if (!MAY[node.will].includes('retired')) return refused('not_in_this_state', { state: node.will, possible: MAY[node.will] })
  const running = turn.state.attemptsByNode.get(id)?.size ?? 0, reserved = turn.state.reserved.get(id)
  if (running > 0 || (reserved !== undefined && (reserved.cpuMillis > 0 || reserved.memoryBytes > 0))) return refused('node_has_work', { running, possible: ['drain'] })
  const row = putNode(turn, { ...withoutWord(node), will: 'retired' })
  note(turn, id, 'retired')
  effect(turn, { kind: 'cut', node: id, session: node.session, code: 'node_retired' })
  return row
}
/** What an admin did to it is not the last word any more. */
function withoutWord(row: NodeRow): NodeRow {
  const { admin: _, ...node } = row
  return node
}
