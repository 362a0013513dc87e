// A heartbeat: the node is there, and this is all it works on. Its answer renews the leases.
import type { AttemptOrder, AvailabilityUpdate, NodeId } from '@lumaris/protocol'
import { effect, note, putNode, tell } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { setLink } from '../state.ts'
import { attemptsOn, reconcile } from './hello.ts'
import { startGang } from '../job/finish.ts'
import { tellToLeave } from '../job/move-job.ts'
import { dispatch } from './dispatch.ts'
import { tellSettings } from './ask-settings.ts'
import { tellTest } from './ask-test.ts'
import { sawNode } from './profile/presence.ts'

export type HeartbeatCommand = { readonly kind: 'heartbeat'; readonly node: NodeId; readonly session: number; readonly message: AvailabilityUpdate }
export type DisconnectedCommand = { readonly kind: 'disconnected'; readonly node: NodeId; readonly session: number }

export function heartbeat(turn: Turn, command: HeartbeatCommand): void {
  const { message } = command
  const node = turn.state.nodes.get(command.node), link = turn.state.links.get(command.node)
  if (!node || !link) return
  if (node.session !== command.session) return effect(turn, { kind: 'cut', node: command.node, session: command.session, code: 'stale_session' })
  // A delayed heartbeat lists what ran then, not what runs now: believing it would declare live attempts gone.
  if (turn.state.guards.heartbeatOrder && message.heartbeat <= link.heartbeat) return
  // Nobody is there to be answered, and this writer may not know how old it is: a hello comes first.
  if (turn.state.guards.heartbeatOrder && !link.connected) return
  const accepting = message.status === 'ready' || message.status === 'busy'
  setLink(turn.state, node.id, { ...link, accepting, lastSeen: turn.now, heartbeat: message.heartbeat })
  sawNode(turn.state, node, true, turn.now)
  if (accepting && !link.accepting) turn.state.queue.wake()
  if (node.presence === 'suspect' || node.presence === 'lost') note(turn, node.id, 'back')
  if (node.presence !== 'online') { putNode(turn, { ...node, presence: 'online', lastSeenAt: turn.now }); turn.state.queue.wake() }
  if (node.asked && message.settings_number !== undefined && message.settings_number !== node.asked.number) tellSettings(turn, node)
  if (node.test && message.self_test_number !== undefined && message.self_test_number < node.test.number) tellTest(turn, node)
  // "continue" needs no words: the lease says it.
  const orders: AttemptOrder[] = reconcile(turn, node, message.attempts, false).filter((order) => order.action !== 'continue')
  if (turn.state.guards.resendOffers) {
    const listed = new Set(message.attempts.map((said) => said.attempt_id))
    for (const attempt of attemptsOn(turn, node.id)) {
      if (attempt.state === 'offered' && attempt.session === node.session && !listed.has(attempt.id) && turn.now - attempt.offeredAt >= turn.state.settings.resendMs) dispatch(turn, attempt)
    }
  }
  for (const attempt of attemptsOn(turn, node.id)) {
    // Said again with every heartbeat until it has stopped: the first word may have been lost with a commit.
    if (attempt.state === 'accepted' && attempt.mesh) startGang(turn, attempt.job, attempt.id)
    if (attempt.state === 'running' && turn.state.jobs.get(attempt.job)?.row.cancelling) tell(turn, node.id, attempt.session, { type: 'cancel', attempt_id: attempt.id, reason: 'buyer_cancelled' })
    else if (attempt.state === 'running') tellToLeave(turn, attempt)
  }
  for (const order of orders) if (order.action === 'stop') tell(turn, node.id, node.session, { type: 'cancel', attempt_id: order.attempt_id, reason: 'seller_offline' })
  tell(turn, node.id, node.session, { type: 'lease_renew', session: node.session, heartbeat: message.heartbeat, lease_gen: node.leaseGen, orders })
}

/** The socket closed. Nothing is lost yet: the agent may be back in a second, and what runs goes on; but no new work goes there. */
export function disconnected(turn: Turn, command: DisconnectedCommand): void {
  const node = turn.state.nodes.get(command.node), link = turn.state.links.get(command.node)
  if (node?.session !== command.session || !link) return
  if (link.connected) note(turn, node.id, 'disconnected')
  setLink(turn.state, node.id, { ...link, connected: false })
}
