// What a node says about an attempt. Three fences stand before every word: the attempt is the node's, in the session it was made for, and it
// still holds its slot. Whatever does not pass is answered with "forget", and a late result is kept as evidence, never paid.
import type { AttemptId, Cause, JobStatusMessage, MeshOffer, NodeId, Tick } from '@lumaris/protocol'
import { CAUSES } from '@lumaris/protocol'
import type { AttemptRow } from '../rows.ts'
import { emit, liveAttempt, liveJob, putAttempt, record, tell } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { ATTEMPT, isLive, next } from '../job/lifecycle.ts'
import { endAttempt, reportAttempt, startGang } from '../job/finish.ts'
import { hasLeft } from '../job/move-job.ts'

export type StatusCommand = { readonly kind: 'status'; readonly node: NodeId; readonly session: number; readonly message: JobStatusMessage; /** See AttemptRow: never the node's own word. */ readonly alike?: string | undefined }
export type TickCommand = { readonly kind: 'tick'; readonly node: NodeId; readonly session: number; readonly tick: Tick; readonly hash: string }

/** The attempt, if this node may still speak for it. */
export function speaksFor(turn: Turn, node: NodeId, session: number, id: AttemptId, fence: number): AttemptRow | null {
  const attempt = turn.state.attempts.get(id)
  if (!attempt || attempt.node !== node) return null
  if (turn.state.guards.sessionBound && attempt.session !== session) return null
  const counts = isLive(attempt.state) || !turn.state.guards.liveOnly ? attempt : null
  if (!turn.state.guards.attemptFence) return counts
  const slot = turn.state.jobs.get(attempt.job)?.tasks[attempt.task]?.slots[attempt.slot]
  if (attempt.fence !== fence || slot?.fence !== fence || slot.attempt !== id) return null
  return counts
}

export function status(turn: Turn, command: StatusCommand): void {
  const { message, node, session } = command
  const attempt = speaksFor(turn, node, session, message.attempt_id, message.fence)
  if (!attempt) return tooLate(turn, command)
  switch (message.status) {
    case 'accepted': return ready(turn, attempt, message.mesh)
    case 'running': return running(turn, attempt)
    // What was taken up cannot be refused any more.
    case 'refused': if (attempt.state === 'offered') endAttempt(turn, attempt.id, 'seller_refused', message.detail ?? null, true); return
    case 'succeeded': case 'failed': case 'stopped': return over(turn, attempt, message, command.alike)
  }
}

function accepted(turn: Turn, attempt: AttemptRow): void {
  if (attempt.state === 'offered') putAttempt(turn, { ...attempt, state: next(ATTEMPT, attempt.state, 'accept', attempt.id) })
}
/** A rank of a gang says `accepted` twice: when it takes the offer, and when all is there that it needs, with how the others reach it. */
function ready(turn: Turn, attempt: AttemptRow, mesh: MeshOffer | undefined): void {
  accepted(turn, attempt)
  const row = liveAttempt(turn, attempt.id)
  if (!mesh || row.state !== 'accepted' || !liveJob(turn, row.job).row.spec.gang) return
  // Said again, by an agent that may not have heard: the first word counts, because others may have been told of it.
  if (row.mesh) return startGang(turn, row.job, row.id)
  putAttempt(turn, { ...row, mesh })
  startGang(turn, row.job)
}
export function running(turn: Turn, attempt: AttemptRow): void {
  accepted(turn, attempt)
  const row = liveAttempt(turn, attempt.id)
  if (row.state !== 'accepted') return
  const started = putAttempt(turn, { ...row, state: next(ATTEMPT, row.state, 'run', row.id), startedAt: turn.now })
  record(turn, row.job, { type: 'attempt', state: 'running', attempt: started })
}

/** Brings an attempt up to what its node says of it; a word that is already known changes nothing. */
export function advance(turn: Turn, attempt: AttemptRow, to: 'accepted' | 'running'): void {
  accepted(turn, attempt)
  if (to === 'running') running(turn, liveAttempt(turn, attempt.id))
}

/** Causes that a node knows of. The rest are the market's to find; believed, "the buyer cancelled" would be a way to be paid for stopping. */
const NODE_MAY_SAY: ReadonlySet<Cause> = new Set(['succeeded', 'buyer_exit', 'buyer_limit', 'input_unavailable', 'seller_offline', 'seller_reclaimed', 'seller_refused', 'driver_failed'])

/** The end, as the node tells it: with the last tick of the chain, which the bill is made from. */
function over(turn: Turn, attempt: AttemptRow, message: JobStatusMessage, alike: string | undefined): void {
  if (attempt.state === 'reported') return // said twice: the first time counts
  accepted(turn, attempt)
  if (message.final) {
    const { tick, hash } = message.final
    // A job of a millisecond may say nothing between "accepted" and its end; it ran all the same.
    if (tick.usage.runMs > 0 || message.status === 'succeeded') running(turn, liveAttempt(turn, attempt.id))
    const wrong = followTick(turn, liveAttempt(turn, attempt.id), tick, hash)
    if (wrong) return endAttempt(turn, attempt.id, 'driver_failed', wrong)
  }
  const row = liveAttempt(turn, attempt.id)
  const job = liveJob(turn, row.job).row
  const said: Cause = message.cause ?? (message.status === 'succeeded' ? 'succeeded' : 'driver_failed')
  const cause: Cause = NODE_MAY_SAY.has(said) || (said === 'preempted' && row.displaced !== undefined) || (said === 'moved' && hasLeft(row)) || (said === 'buyer_cancelled' && (job.cancelling || liveJob(turn, row.job).tasks[row.task]?.state !== 'running')) ? said : 'driver_failed'
  // What the buyer's program did, well or ill, is a result, and is verified like one; everything else ends the attempt without one.
  const isResult = cause === 'succeeded' || cause === 'buyer_exit' || cause === 'buyer_limit'
  if (!isResult || job.cancelling || !message.final) {
    const borne = job.cancelling && CAUSES[cause].bears === 'buyer' ? 'buyer_cancelled' : cause
    const honest = CAUSES[borne].bears === 'buyer' && !message.final && borne !== 'input_unavailable' && borne !== 'buyer_cancelled' ? 'driver_failed' : borne
    endAttempt(turn, row.id, honest, message.detail ?? null, true)
    return tell(turn, row.node, row.session, { type: 'forget', attempt_id: row.id })
  }
  const reported = putAttempt(turn, {
    ...row, state: next(ATTEMPT, row.state, 'report', row.id), cause, exitCode: message.exit_code ?? null, detail: message.detail ?? null,
    digest: message.result_digest ?? null, files: message.files ?? [], endedAt: turn.now, ...(alike === undefined ? {} : { alike }),
  })
  reportAttempt(turn, reported)
}

function tooLate(turn: Turn, command: StatusCommand): void {
  const { message, node, session } = command
  const attempt = turn.state.attempts.get(message.attempt_id)
  if (attempt && attempt.node === node && message.result_digest && !isLive(attempt.state) && attempt.state === 'ended' && !attempt.evidence) {
    putAttempt(turn, { ...attempt, evidence: message.result_digest })
  }
  // "Forget" ends the talk about it on the node's side too; a node that only said "accepted" is told to stop by the same word.
  tell(turn, node, session, { type: 'forget', attempt_id: message.attempt_id })
}

export function tick(turn: Turn, command: TickCommand): void {
  const attempt = turn.state.attempts.get(command.tick.attempt)
  const mine = attempt && speaksFor(turn, command.node, command.session, attempt.id, attempt.fence)
  if (!mine || mine.state === 'reported') return
  running(turn, mine) // a tick says that it runs, also when the word "running" was lost with the agent's last start
  const wrong = followTick(turn, liveAttempt(turn, mine.id), command.tick, command.hash)
  if (!wrong) return
  endAttempt(turn, mine.id, 'driver_failed', wrong)
  tell(turn, mine.node, mine.session, { type: 'cancel', attempt_id: mine.id, reason: 'driver_failed' })
}

/** Appends a tick to the attempt's chain, or says why it does not belong there. Totals only grow, and not faster than time. */
export function followTick(turn: Turn, attempt: AttemptRow, tick: Tick, hash: string): string | null {
  if (tick.seq <= attempt.tickSeq) return null // a repeated one
  if (tick.attempt !== attempt.id || tick.seq !== attempt.tickSeq + 1 || tick.prev !== attempt.tickHash) return 'the metering chain is broken'
  const { usage } = attempt
  if (tick.usage.runMs < usage.runMs || tick.usage.cpuMs < usage.cpuMs || tick.usage.outBytes < usage.outBytes || (tick.usage.egressInBytes ?? 0) < (usage.egressInBytes ?? 0) || (tick.usage.egressOutBytes ?? 0) < (usage.egressOutBytes ?? 0)) return 'the meter ran backwards'
  emit(turn, { kind: 'tick', row: { ...tick, hash } })
  putAttempt(turn, { ...attempt, usage: tick.usage, tickSeq: tick.seq, tickHash: hash })
  return null
}
