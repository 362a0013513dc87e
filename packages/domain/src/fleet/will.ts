// What a seller decides about a node: take work or not, and for how much.
import type { NodeId, NodePolicy, PriceSheet, Refusal } from '@lumaris/protocol'
import type { NodeRow, Will } from '../rows.ts'
import { moveAway } from '../job/move-job.ts'
import { putNode, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { adminWord, recordAction } from '../operator/record-action.ts'
import type { AsAdmin } from '../operator/record-action.ts'

const MAY: Readonly<Record<Will, readonly Will[]>> = {
  open: ['open', 'paused', 'draining', 'retired', 'banned'], paused: ['paused', 'open', 'draining', 'retired', 'banned'], draining: ['draining', 'open', 'paused', 'retired', 'banned'],
  retired: [], banned: ['open'],
}
const ACTION = { open: 'node.resume', paused: 'node.pause', draining: 'node.drain' } as const
export type WillCommand = { readonly kind: 'will'; readonly node: NodeId; readonly will: 'open' | 'paused' | 'draining'; /** An admin who is not its owner. */ readonly admin?: AsAdmin }
export type PolicyCommand = { readonly kind: 'policy'; readonly node: NodeId; readonly policy: NodePolicy }
export type PriceCommand = { readonly kind: 'price'; readonly node: NodeId; readonly prices: PriceSheet; readonly admin?: AsAdmin }

export function setWill(turn: Turn, command: WillCommand): NodeRow | Refusal {
  const node = turn.state.nodes.get(command.node)
  if (!node) return refused('not_found')
  if (!MAY[node.will].includes(command.will) || node.will === 'banned') return refused('not_in_this_state', { state: node.will, possible: MAY[node.will] })
  if (node.will === command.will) return node
  if (command.admin) recordAction(turn, { ...command.admin, action: ACTION[command.will], subject: node.id, before: { will: node.will }, after: { will: command.will } })
  const row = putNode(turn, { ...withoutWord(node), will: command.will, ...adminWord(turn, ACTION[command.will], command.admin) })
  if (row.will === 'draining') moveAway(turn, row.id)
  return row
}

/** For work from now on; what is offered or running keeps the prices it was agreed at. */
export function setPrices(turn: Turn, command: PriceCommand): NodeRow | Refusal {
  const node = turn.state.nodes.get(command.node)
  if (!node) return refused('not_found')
  if (command.admin) recordAction(turn, { ...command.admin, action: 'node.price', subject: node.id, before: { ...node.prices }, after: { ...command.prices } })
  return putNode(turn, { ...withoutWord(node), prices: command.prices, ...adminWord(turn, 'node.price', command.admin) })
}
/** For work from now on; what is offered or runs there was taken before, and may end. */
export function setPolicy(turn: Turn, command: PolicyCommand): NodeRow | Refusal {
  const node = turn.state.nodes.get(command.node)
  return node ? putNode(turn, { ...node, policy: command.policy }) : refused('not_found')
}
/** What an admin did to it is not the last word any more. */
function withoutWord(row: NodeRow): NodeRow {
  const { admin: _, ...node } = row
  return node
}
