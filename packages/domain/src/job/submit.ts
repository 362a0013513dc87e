// A job is taken: its cap is known and held, its rows exist, all in one commit. Nothing else in the market can make a job.
import type { JobId, JobSpec, Micros, QuoteId, Refusal, ScheduleId, UserId } from '@lumaris/protocol'
import { account, formatCredits, isRefusal } from '@lumaris/protocol'
import type { By, JobRow, SlotRow, TaskRow } from '../rows.ts'
import { internSpec } from '../state.ts'
import { emit, liveJob, putJob, putTask, record, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { followCourse } from '../deadline/follow-course.ts'
import { tooTight } from '../deadline/too-tight.ts'
import { raise } from '../alerts/raise.ts'
import { recordAction } from '../operator/record-action.ts'
import type { AsAdmin } from '../operator/record-action.ts'
import { feeNow } from '../operator/settings.ts'
import { hold } from '../ledger/hold.ts'
import { attemptCapOf, capOf, contradiction, estimate, seatsMax } from '../market/quote.ts'
import { NEW_SLOT } from './lifecycle.ts'
import { mayHold, noteHeld } from '../members/members.ts'
import { pieceOf } from '../split/pieces.ts'
import { meetParents } from './meet-parents.ts'
import type { EndedParent } from './parent-files.ts'

/** Shared by all that wait: rows never change in place. */
const ONE_NEW_SLOT: readonly SlotRow[] = [NEW_SLOT]

const given = (piece: TaskRow['piece']): Pick<TaskRow, 'piece'> => (piece ? { piece } : {})

export type SubmitCommand = {
  readonly kind: 'submit'; readonly buyer: UserId; readonly id: JobId | null
  /** The Idempotency-Key, made unique per buyer; null when the job's own id serves as one. */
  readonly key: string | null
  readonly bodyHash: string; readonly spec: JobSpec; readonly specHash: string; readonly quote: QuoteId | null; readonly cap: Micros | null; readonly noWait: boolean
  /** Jobs that it comes after and that have left memory, as the tables have them. */
  readonly ended?: readonly EndedParent[]
  /** The schedule that asks. */
  readonly schedule?: ScheduleId
  /** An admin tries a job of this buyer again that failed. */
  readonly retries?: AsAdmin & { readonly job: JobId; readonly name: string }
  /** Values of the secrets that the spec names. */
  readonly sealed?: string
  /** A member of the buyer's account: it counts against his limit. */
  readonly by?: By
}
export type Submitted = { readonly job: JobRow; readonly replayed: boolean }

export function submit(turn: Turn, command: SubmitCommand): Submitted | Refusal {
  const { state } = turn
  const before = earlier(turn, command)
  if (before) return before
  const { retries } = command
  // An admin who asks is not the one who is suspended.
  if (state.suspended.has(command.buyer)) return retries ? refused('cannot_retry', { reason: 'its buyer is suspended' }) : refused('account_suspended')
  const paused = state.operating?.values.newJobsPaused
  if (paused) return refused('new_jobs_paused', { says: paused })
  const wrong = contradiction(command.spec, turn.now)
  if (wrong) return wrong
  if (command.spec.secrets && command.sealed === undefined) return refused('secrets_missing', { secrets: command.spec.secrets })
  const seats = seatsMax(command.spec)
  if ((state.slotsByBuyer.get(command.buyer) ?? 0) + seats > state.settings.slotsPerBuyerMax) return refused('queue_full', { max: state.settings.slotsPerBuyerMax })
  const parents = meetParents(turn, command)
  if (isRefusal(parents)) return parents
  const terms = agreeOnCap(turn, command)
  if ('refusal' in terms) return terms
  const tight = command.spec.plan ? tooTight(state, command.spec, terms.attemptCap, turn.now) : null
  if (tight) return tight
  const over = command.by ? mayHold(turn, command.buyer, command.by.user, terms.cap) : null
  if (over) return over
  const available = state.accounts.get(account.available(command.buyer)) ?? 0n
  if (available < terms.cap) return refused('insufficient_funds', { needed: terms.cap.toString(), available: available.toString() })
  const id = command.id ?? (turn.id('job') as JobId)
  const spec = internSpec(state, command.spec)
  putJob(turn, {
    id, buyer: command.buyer, state: 'queued', spec, quote: command.quote, bodyHash: command.bodyHash, cap: terms.cap, attemptCap: terms.attemptCap, cost: 0n, refunded: 0n, displaced: 0n,
    cancelling: false, tasksTotal: spec.tasks.length, tasksDone: 0, tasksFailed: 0, tasksRunning: 0, cause: null, exitCode: null, ...(parents ? { parents } : {}), ...(command.schedule ? { schedule: command.schedule } : {}), ...(retries ? { retries: retries.job } : {}), ...(command.spec.secrets && command.sealed !== undefined ? { sealed: command.sealed } : {}), ...(command.by ? { by: command.by } : {}), fee: terms.fee ?? feeNow(state), rung: 0, createdAt: turn.now, startedAt: null, endedAt: null, version: 0,
  })
  hold(turn, id, command.buyer, terms.cap)
  if (command.by) noteHeld(turn, command.buyer, command.by.user, terms.cap)
  if (command.key) emit(turn, { kind: 'key', row: { id: command.key, bodyHash: command.bodyHash, subject: id, at: turn.now } })
  record(turn, id, { type: 'submitted', state: 'queued', reason: retries?.reason })
  if (retries) tellRetried(turn, command.buyer, id, terms.cap, retries)
  const first = parents && parents.readyAt === null ? 'waiting' : 'queued'
  const slots: readonly SlotRow[] = spec.copies === 1 || spec.assurance ? ONE_NEW_SLOT : Array.from({ length: spec.copies }, () => NEW_SLOT)
  for (let index = 0; index < spec.tasks.length; index++) putTask(turn, { job: id, index, state: first, slots, retries: 0, exitCode: null, result: null, cause: null, ...given(pieceOf(spec, index)) })
  followCourse(turn, id)
  return { job: liveJob(turn, id).row, replayed: false }
}

/** Its buyer did not ask for it, and money of theirs is held: they are told at once, with the reason. */
function tellRetried(turn: Turn, buyer: UserId, id: JobId, cap: Micros, { by, reason, job, name }: NonNullable<SubmitCommand['retries']>): void {
  recordAction(turn, { by, action: 'job.retry', subject: job, reason, before: { state: 'failed' }, after: { job: id, cap: cap.toString() } })
  raise(turn, { user: buyer, kind: 'job_retried', subject: id, says: `An operator has tried “${name}” again, which no node could end: ${reason}. ${formatCredits(cap)} credits are held for it, as for the first try; you may cancel it.` }, 0)
}

/** Was this very request made before? Then its job is the answer; with another body it is refused. */
function earlier(turn: Turn, command: SubmitCommand): Submitted | Refusal | null {
  if (!turn.state.guards.idempotencyKey) return null
  const key = command.key ? turn.state.keys.get(command.key) : undefined
  const id = key ? (key.subject as JobId) : command.id
  const job = id ? turn.state.jobs.get(id)?.row : undefined
  if (key && key.bodyHash !== command.bodyHash) return refused('idempotency_conflict')
  if (!job) return null
  // Somebody else's job under an id that the caller made up: an id is no secret, so this says no more than that it is taken.
  if (job.buyer !== command.buyer || job.bodyHash !== command.bodyHash) return refused('idempotency_conflict')
  return { job, replayed: true }
}

/** `fee` is that of the quote, where there is one. */
type Cap = { cap: Micros; attemptCap: Micros; fee?: number | undefined }
function agreeOnCap(turn: Turn, command: SubmitCommand): Cap | Refusal {
  if (command.quote) {
    const quoted = turn.state.quotes.get(command.quote)
    if (!quoted || quoted.validUntil < turn.now) return refused('quote_expired')
    if (quoted.buyer !== command.buyer || quoted.specHash !== command.specHash) return refused('quote_mismatch')
    if (command.noWait && quoted.nodes === 0) return refused('no_node_fits', { refused: quoted.refused })
    return { cap: BigInt(quoted.cap), attemptCap: BigInt(quoted.attemptCap), fee: quoted.feeBasisPoints }
  }
  const needsEstimate = command.noWait || command.cap === null
  const found = needsEstimate ? estimate(turn.state, command.spec, turn.now) : null
  if (command.noWait && found?.nodes === 0) return refused('no_node_fits', { refused: found.refused })
  if (command.cap !== null) {
    const attemptCap = attemptCapOf(command.spec, command.cap)
    return isRefusal(attemptCap) ? attemptCap : { cap: capOf(command.spec, attemptCap), attemptCap }
  }
  // Not one node has ever joined: nothing says what it may cost, so the buyer must.
  if (turn.state.nodes.size === 0) return refused('no_node_fits', { reason: 'no node has joined this market yet; name a cap to let the job wait for one' })
  const attemptCap = found?.attemptCap ?? 0n
  return { cap: capOf(command.spec, attemptCap), attemptCap }
}
