// A self-test that a seller asks of a machine. As with settings (ask-settings.ts), the market says it until a heartbeat has its number; the agent waits until
// nothing runs there, and tells what it found.
import { SELF_TEST_EVERY_MS, SELF_TEST_VALID_MS } from '@lumaris/protocol'
import type { NodeId, Refusal } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import { note, putNode, refused, tell } from '../turn.ts'
import type { Turn } from '../turn.ts'

export type AskTestCommand = { readonly kind: 'askTest'; readonly node: NodeId }

export function askTest(turn: Turn, command: AskTestCommand): NodeRow | Refusal {
  const node = turn.state.nodes.get(command.node)
  if (!node) return refused('not_found')
  if (node.will === 'retired' || node.will === 'banned') return refused('not_in_this_state', { state: node.will, possible: [] })
  const againInMs = node.test ? node.test.at + SELF_TEST_EVERY_MS - turn.now : 0
  if (againInMs > 0) return refused('self_test_too_soon', { againInMs })
  const row = putNode(turn, { ...node, test: { number: (node.test?.number ?? 0) + 1, at: turn.now } })
  note(turn, node.id, 'self_test')
  if (turn.state.links.get(node.id)?.connected) tellTest(turn, row)
  return row
}
/** An order that is older than anybody waits for is not given any more. */
export function tellTest(turn: Turn, { id, session, test }: NodeRow): void {
  if (test && turn.now - test.at < SELF_TEST_VALID_MS) tell(turn, id, session, { type: 'self_test', number: test.number })
}
