// An agent connects. One start of an agent is one session; the number only grows, and what older sessions say is refused. Then both sides lay
// their lists of attempts beside each other and repair by difference (the table in docs/reference/agent-link.md), so that no single message
// ever has to arrive.
import type { AttemptOrder, AttemptReport, Hello, NodeId, Refusal } from '@lumaris/protocol'
import type { AttemptRow, NodeRow } from '../rows.ts'
import { note, putAttempt, putNode, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { tellTooOld } from '../alerts/raise.ts'
import { hasWork, isTooOld } from '../operator/settings.ts'
import { setLink } from '../state.ts'
import { isLive } from '../job/lifecycle.ts'
import { endAttempt } from '../job/finish.ts'
import { dispatch } from './dispatch.ts'
import { advance } from './report.ts'
import { sawNode } from './profile/presence.ts'

/** The signature over the challenge was checked by the caller. */
export type HelloCommand = { readonly kind: 'hello'; readonly hello: Hello; /** As its connection came from there: what it says itself is not asked. */ readonly block?: string | undefined }
export type Welcomed = { readonly node: NodeRow; readonly orders: readonly AttemptOrder[]; readonly resumed: boolean }
/** Starts of an agent that are remembered, to refuse an older process that comes back after a newer one. */
const OLD_BOOTS_MAX = 8

export function hello(turn: Turn, command: HelloCommand): Welcomed | Refusal {
  const said = command.hello
  const node = turn.state.nodes.get(said.node_id)
  if (!node) return refused('not_found')
  if (node.will === 'retired' || node.will === 'banned') return refused('node_retired')
  const link = turn.state.links.get(node.id)
  const resumed = node.bootId === said.boot_id
  // What it runs it may bring to its end.
  if (isTooOld(turn.state, said.agent_version) && !(resumed && hasWork(turn.state, node.id))) {
    tellTooOld(turn, node, said.agent_version)
    return refused('agent_too_old', { version: said.agent_version, oldest: turn.state.operating?.values.agentVersionMin })
  }
  if (!resumed) {
    if (node.oldBoots.includes(said.boot_id)) return refused('stale_session')
    if (link?.connected && turn.now - link.lastSeen < turn.state.settings.suspectMs) return refused('node_in_use')
  }
  const { block: _before, ...rest } = node, isAnother = node.session > 0 && earnsWith(node.capacity, node.drivers) !== earnsWith(said.capacity, said.drivers)
  const current = putNode(turn, {
    ...rest, ...(command.block ? { block: command.block } : {}), presence: 'online', session: resumed ? node.session : node.session + 1, bootId: said.boot_id,
    // A new connection is a new generation: a dispatch of the last one that arrives late, when its offer may be long over, is not taken up.
    leaseGen: resumed && turn.state.guards.leaseGeneration ? node.leaseGen + 1 : node.leaseGen,
    oldBoots: resumed || node.bootId === '' ? node.oldBoots : [...node.oldBoots, node.bootId].slice(-OLD_BOOTS_MAX),
    capacity: said.capacity, drivers: said.drivers, agentVersion: said.agent_version, lastSeenAt: turn.now, ...(isAnother ? { changedAt: turn.now } : {}),
  })
  note(turn, node.id, resumed ? 'connected' : 'started')
  if (node.agentVersion !== said.agent_version && node.session > 0) note(turn, node.id, 'version', `${node.agentVersion} → ${said.agent_version}`)
  if (node.session > 0 && (JSON.stringify(node.capacity) !== JSON.stringify(said.capacity) || JSON.stringify(node.drivers) !== JSON.stringify(said.drivers))) note(turn, node.id, 'offers')
  setLink(turn.state, node.id, { connected: true, accepting: said.paused !== true, lastSeen: turn.now, heartbeat: resumed ? Math.max(link?.heartbeat ?? 0, said.heartbeat ?? 0) : 0 })
  sawNode(turn.state, current, true, turn.now)
  turn.state.queue.wake()
  const orders = reconcile(turn, current, said.attempts, resumed)
  return { node: current, orders, resumed }
}

/** Of what it offers, what decides which work it gets. */
const earnsWith = ({ cpuMillis, memoryBytes, gpus, gpuModel, gpuProfile }: NodeRow['capacity'], drivers: NodeRow['drivers']): string => JSON.stringify([cpuMillis, memoryBytes, gpus, gpuModel, gpuProfile, drivers.map(({ id }) => id).toSorted()])

/** Attempts of this node that the market counts on. Looked up one by one as they are asked for: ending one may end others (its job fails). */
export function* attemptsOn(turn: Turn, node: NodeId): Iterable<AttemptRow> {
  for (const id of Array.from(turn.state.attemptsByNode.get(node) ?? [])) {
    const row = turn.state.attempts.get(id)
    if (row && isLive(row.state)) yield row
  }
}

export function reconcile(turn: Turn, node: NodeRow, listed: readonly AttemptReport[], resumed: boolean): AttemptOrder[] {
  const orders = listed.map((said) => orderFor(turn, node, said))
  const known = new Set(listed.map((said) => said.attempt_id))
  for (const attempt of attemptsOn(turn, node.id)) {
    if (known.has(attempt.id)) continue
    // A result that we hold needs nothing more from the node.
    if (attempt.state === 'reported') continue
    if (attempt.session !== node.session) { if (turn.state.guards.reconcileMissing) endAttempt(turn, attempt.id, 'seller_offline', 'the agent restarted without it'); continue }
    if (attempt.state === 'offered') { if (turn.state.guards.resendOffers && resumed) dispatch(turn, putAttempt(turn, { ...attempt, leaseGen: node.leaseGen })); continue }
    if (turn.state.guards.reconcileMissing) endAttempt(turn, attempt.id, 'seller_offline', 'the agent no longer knows of it')
  }
  return orders
}

function orderFor(turn: Turn, node: NodeRow, said: AttemptReport): AttemptOrder {
  const attempt = turn.state.attempts.get(said.attempt_id)
  const order = (action: AttemptOrder['action']): AttemptOrder => ({ attempt_id: said.attempt_id, action })
  if (!attempt || attempt.node !== node.id) return order(said.state === 'reported' ? 'forget' : 'stop')
  const slot = turn.state.jobs.get(attempt.job)?.tasks[attempt.task]?.slots[attempt.slot]
  const holds = isLive(attempt.state) && (!turn.state.guards.attemptFence || (attempt.fence === said.fence && slot?.fence === said.fence && slot.attempt === attempt.id))
  if (!holds) return order(said.state === 'reported' ? 'forget' : 'stop')
  if (attempt.state === 'reported') return order('forget')
  // The word "accepted" or "running" may have been lost with an earlier writer's memory: the list says it again.
  if (attempt.session === node.session && said.state !== 'reported') advance(turn, attempt, said.state)
  // A finished result survives its agent: the journal brought it into a new session, and the attempt follows.
  if (attempt.session !== node.session) {
    if (said.state !== 'reported') { endAttempt(turn, attempt.id, 'seller_offline', 'the agent restarted while it ran'); return order('stop') }
    putAttempt(turn, { ...attempt, session: node.session, leaseGen: node.leaseGen })
    return order('send_result')
  }
  return order(said.state === 'reported' ? 'send_result' : 'continue')
}
