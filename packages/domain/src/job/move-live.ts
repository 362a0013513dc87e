// A machine that goes to another node while its program runs. Both agents are told of each other; what it is made of goes from one to the other, past the
// market. Then it stands still, is there twice, and runs nowhere; and the market decides, in one turn: the attempt ends as moved and the next one begins
// on the named node, or it stays. So no second attempt begins before the first has ended, here as everywhere, and whoever dies meanwhile is one of the ways
// in which an attempt ends.
//
//   asked → both say how they are reached → both are told → (bytes) → `checkpoint` of kind live → handed over, or `stay`
//
// Its place there is reserved from the first word on. What was handed over is nowhere but there: see billing/settle.ts for what follows.
import type { LivePeer, LiveReady, NodeId, ReceiveFailed } from '@lumaris/protocol'
import type { AttemptId } from '@lumaris/protocol'
import type { AttemptRow } from '../rows.ts'
import { liveAttempt, liveJob, putAttempt, record, tell } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { keptOf } from '../billing/settle.ts'
import { restOf } from './kept.ts'
import { endAttempt } from './finish.ts'
import { isLive } from './lifecycle.ts'
import { moveFailed, whyNot } from './move-job.ts'
import { speaksFor } from '../fleet/report.ts'
import { look } from '../market/candidates.ts'
import { offer } from '../market/offer.ts'
import { requirementOf } from '../market/requirement.ts'
import { neighbours, wantedOf } from '../market/wanted.ts'

/** Both agents say how they are reached within so long, or it is not done in this way. */
const READY_MS = 30_000

export type LiveCommand = { readonly kind: 'live'; readonly node: NodeId; readonly session: number; readonly message: LiveReady | ReceiveFailed }

/** One of the two agents says how it is reached, or that it cannot receive it. */
export function live(turn: Turn, { node, session, message }: LiveCommand): void {
  const attempt = turn.state.attempts.get(message.attempt_id), moving = attempt?.moving
  if (!attempt || moving?.kind !== 'live' || attempt.state !== 'running' || attempt.fence !== message.fence) return
  const leaves = speaksFor(turn, node, session, attempt.id, message.fence) !== null
  if (!leaves && (moving.to !== node || turn.state.nodes.get(node)?.session !== session)) return
  if (message.type === 'live_ready') return tellLive(turn, putAttempt(turn, { ...attempt, moving: { ...moving, [leaves ? 'from' : 'into']: message.mesh } }))
  if (!leaves) moveFailed(turn, { kind: 'moveFailed', node: attempt.node, session: attempt.session, message: { ...message, kind: 'live' } })
}

/** Said again with every heartbeat of the one that leaves; each agent does a thing once. */
export function tellLive(turn: Turn, attempt: AttemptRow): void {
  const { id, node, session, fence, moving } = attempt, to = moving?.to ? turn.state.nodes.get(moving.to) : undefined, from = turn.state.nodes.get(node), { spec } = liveJob(turn, attempt.job).row
  if (!moving || !to || !from) return
  const peer = (one: typeof to, mesh: NonNullable<typeof moving.from>): LivePeer => ({ ...mesh, node: one.id, nodeKey: one.publicKey })
  if (!(moving.from && moving.into) && turn.now - moving.at > READY_MS) return moveFailed(turn, { kind: 'moveFailed', node, session, message: { attempt_id: id, fence, detail: 'one of the agents did not say how it is reached', kind: 'live' } })
  const both = moving.from && moving.into ? { leaves: peer(from, moving.from), receives: peer(to, moving.into) } : null
  tell(turn, to.id, to.session, { type: 'receive', attempt_id: id, fence, driver: attempt.driver, maker: to.drivers.find((one) => one.id === attempt.driver)?.memory ?? '', runtime: spec.runtime, resources: spec.resources, limits: restOf(spec, attempt.resumes).limits, ...(both ? { peer: both.leaves } : {}) })
  tell(turn, node, session, { type: 'checkpoint', attempt_id: id, fence, kind: 'live', ...(both ? { peer: both.receives } : {}) })
}
export function tellNotToReceive(turn: Turn, { id, fence, moving }: AttemptRow): void {
  const to = moving?.kind === 'live' && moving.to ? turn.state.nodes.get(moving.to) : undefined
  if (to) tell(turn, to.id, to.session, { type: 'receive_over', attempt_id: id, fence })
}

/** It stands still, and its new node has all of it: there or here. Null: said again, by an agent that has not heard what became of it. */
export function handOver(turn: Turn, id: AttemptId, number: number, saved: NonNullable<AttemptRow['saved']> | null): void {
  const attempt = liveAttempt(turn, id), { moving, ...bare } = attempt, { row, tasks } = liveJob(turn, attempt.job), task = tasks[attempt.task], slot = task?.slots[attempt.slot]
  const stay = (): void => tell(turn, attempt.node, attempt.session, { type: 'stay', attempt_id: id, fence: attempt.fence, number })
  const node = moving?.kind === 'live' && moving.to ? turn.state.nodes.get(moving.to) : undefined
  if (!isLive(attempt.state) || attempt.displaced || !saved?.memory || !node || !task || !slot || row.cancelling || row.paused) return stay()
  // What was set aside for it there is free now, and nobody else comes in between.
  const ended = putAttempt(turn, { ...bare, saved, ...(attempt.saved && !attempt.saved.memory ? { filed: attempt.saved } : {}) })
  const { kept: _older, ...bareSlot } = slot, kept = keptOf(turn, row, slot, { ...ended, cause: 'moved' })
  const { move: _before, ...need } = requirementOf(row, { ...bareSlot, ...(kept ? { kept } : {}) }, [], neighbours(turn.state, row, task))
  if (whyNot(turn, node, need, true) !== null) {
    record(turn, attempt.job, { type: 'moved', state: 'failed', attempt: putAttempt(turn, bare) })
    tellNotToReceive(turn, attempt)
    return stay()
  }
  endAttempt(turn, id, 'moved', null, true)
  tell(turn, attempt.node, attempt.session, { type: 'cancel', attempt_id: id, reason: 'moved' })
  const waiting = { job: attempt.job, task: attempt.task, slot: attempt.slot, fence: attempt.fence }, wanted = wantedOf(turn, waiting), seen = wanted && look(turn.state, node, wanted.need, turn.now)
  if (wanted && seen?.driver && seen.score) offer(turn, wanted, attempt.slot, { node, driver: seen.driver, score: seen.score, candidates: 1, refused: {}, runnerUp: null })
}
