// Hours and limits that a seller asks of a machine. The market keeps what was asked and says it until a heartbeat has its number; what is made of it
// is decided on the machine, where whatever its owner has set wins (agent/settings.ts).
import type { NodeId, OwnerAsked, Refusal } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import { note, putNode, refused, tell } from '../turn.ts'
import type { Turn } from '../turn.ts'

export type AskSettingsCommand = { readonly kind: 'askSettings'; readonly node: NodeId; readonly settings: OwnerAsked }

/** In place of what was asked before. An agent that is not there hears it with its first heartbeat. */
export function askSettings(turn: Turn, command: AskSettingsCommand): NodeRow | Refusal {
  const node = turn.state.nodes.get(command.node)
  if (!node) return refused('not_found')
  const row = putNode(turn, { ...node, asked: { number: (node.asked?.number ?? 0) + 1, at: turn.now, settings: command.settings } })
  note(turn, node.id, 'settings')
  if (turn.state.links.get(node.id)?.connected) tellSettings(turn, row)
  return row
}
export function tellSettings(turn: Turn, { id, session, asked }: NodeRow): void {
  if (asked) tell(turn, id, session, { type: 'owner_settings', number: asked.number, settings: asked.settings })
}
