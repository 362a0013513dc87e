// What an attempt costs, once it is over. The cause decides who bears it; the meter is believed only as far as the market saw the attempt
// itself; and nothing above the attempt's cap is ever billed.
import { CAUSES, account, refereeOf } from '@lumaris/protocol'
import type { Micros } from '@lumaris/protocol'
import type { AttemptRow, JobRow, KeptRow, PostingRow, SlotRow } from '../rows.ts'
import { liveJob, putAttempt, putEntry, putJob, record } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { feeOf, priceOf } from './price.ts'
import { restCap, restMs } from '../job/kept.ts'
import { invariant } from '../invariant.ts'

/**
 * The bill of an attempt, in micro-credits: metered time, but at most what the market saw between offering it and hearing its end, at most the
 * job's time limit, and at most the attempt's cap. Nothing for causes the buyer does not bear, or for work that never ran.
 */
export function billOf(job: JobRow, attempt: AttemptRow): Micros {
  return attempt.cause === null || CAUSES[attempt.cause].bears !== 'buyer' ? 0n : meteredOf(job, attempt)
}
/** What its time and output come to, whoever bears it. */
export function meteredOf(job: JobRow, attempt: AttemptRow): Micros {
  if (attempt.startedAt === null || attempt.endedAt === null) return 0n
  const seen = Math.max(0, attempt.endedAt - attempt.offeredAt)
  const runMs = Math.min(attempt.usage.runMs, seen, restMs(job.spec, attempt.resumes), attempt.referee ? refereeOf(job.spec)?.runMs ?? Infinity : Infinity)
  const outBytes = Math.min(attempt.usage.outBytes, job.spec.resources.diskBytes)
  const bill = priceOf(attempt.prices, job.spec.resources, { runMs, outBytes })
  return least(bill, restCap(job.attemptCap, attempt.resumes))
}
/**
 * What was kept of an attempt that ended by no cause of the buyer's: its time up to its last checkpoint. Neither the start nor output is in it: they are
 * paid once, to who ends the work; so whoever goes on at prices like these stays below what is left of the cap. Nothing for work that made place: who took the place pays for all of it.
 */
export function partBillOf(job: JobRow, attempt: AttemptRow): Micros {
  const { saved, cause } = attempt
  if (!saved || cause === null || cause === 'preempted' || CAUSES[cause].bears === 'buyer') return 0n
  return least(priceOf({ ...attempt.prices, start: '0' }, job.spec.resources, { runMs: keptMs(job, attempt), outBytes: 0 }), restCap(job.attemptCap, attempt.resumes))
}
/** Time that a node claims and the market has not seen counts neither for its bill nor against who goes on. */
const keptMs = (job: JobRow, { saved, offeredAt, resumes }: AttemptRow): number => (saved ? Math.min(saved.runMs, Math.max(0, saved.at - offeredAt), restMs(job.spec, resumes)) : 0)
/** What the slot goes on from after this attempt. */
export function keptOf(turn: Turn, job: JobRow, slot: SlotRow, attempt: AttemptRow): KeptRow | undefined {
  const { saved, filed, resumes } = attempt
  // The memory it was to go on from was of no use, and nobody is paid for it (settleMemory): what there was before must do.
  if (!saved) return slot.kept?.memory && !turn.state.attempts.get(slot.kept.attempt)?.saved?.memory ? slot.kept.before : slot.kept
  const { tick: _tick, at: _at, memory, ...plain } = saved
  return {
    attempt: attempt.id, fence: attempt.fence, saved: plain, runMs: (resumes?.runMs ?? 0) + keptMs(job, attempt), spent: (BigInt(resumes?.spent ?? 0) + partBillOf(job, attempt)).toString(),
    ...(memory ? { memory: { ...memory, node: attempt.node, publicKey: turn.state.nodes.get(attempt.node)?.publicKey ?? '' }, before: filed ? keptOf(turn, job, slot, { ...attempt, saved: filed }) : restorable(slot.kept) } : {}),
  }
}
/** What came while it ran is nowhere but where it runs. */
const restorable = (kept: KeptRow | undefined): KeptRow | undefined => (kept?.saved.kind === 'live' ? kept.before : kept)
/** Restored, and the driver failed before anything was kept of it. */
const isUnproven = ({ cause, saved }: AttemptRow): boolean => cause === 'driver_failed' && saved === undefined

/** Billed for what was kept of it, and not for a result: its slot goes on, and is settled later. */
export const isPart = ({ billed, cause }: Pick<AttemptRow, 'billed' | 'cause'>): boolean => billed !== null && cause !== null && cause !== 'preempted' && CAUSES[cause].bears !== 'buyer'
const least = (a: Micros, b: Micros): Micros => (a < b ? a : b)

/** Pays the seller out of the escrow; at most once per slot, because the entry is named by the slot and so is the row that forbids a second. */
export const settle = (turn: Turn, attempt: AttemptRow): AttemptRow => pay(turn, attempt, billOf(liveJob(turn, attempt.job).row, attempt), `settle:${slotName(attempt)}`)
/** Pays for what is kept of an interrupted attempt; at most once per fence of its slot. */
export function settlePart(turn: Turn, attempt: AttemptRow): void {
  settleMemory(turn, attempt, true)
  // Memory is worth something when somebody has gone on from it: until then nobody pays for it.
  if (attempt.saved?.memory) return
  payPart(turn, attempt)
}
/** The attempt whose memory this one was restored from is paid for now, or for its files alone when its memory was of no use. */
export function settleMemory(turn: Turn, attempt: AttemptRow, interrupted = false): void {
  const { resumes } = attempt, source = resumes?.memory ? turn.state.attempts.get(resumes.attempt) : undefined
  if (!source?.saved?.memory || source.billed !== null) return
  // What came while it ran is lost with whoever had it last; it was worth something if that one has kept it, or ends the work.
  if (source.saved.kind === 'live' && interrupted) {
    if (attempt.saved?.memory) return // worth what that is worth
    if (attempt.saved) payThrough(turn, source)
    else takeBack(turn, source)
  } else if (isUnproven(attempt)) takeBack(turn, source)
  else if (attempt.startedAt !== null) payThrough(turn, source)
}
/** With those before it that it came from while it ran. */
function payThrough(turn: Turn, source: AttemptRow): void {
  payPart(turn, source)
  const earlier = liveSourceOf(turn, source)
  if (earlier) payThrough(turn, earlier)
}
function takeBack(turn: Turn, source: AttemptRow): void {
  const { saved: _useless, filed, ...bare } = source, left = putAttempt(turn, filed ? { ...bare, saved: filed } : bare), earlier = liveSourceOf(turn, source)
  payPart(turn, left)
  if (earlier && filed) payThrough(turn, earlier)
  else if (earlier) takeBack(turn, earlier)
}
function liveSourceOf(turn: Turn, { resumes }: AttemptRow): AttemptRow | undefined {
  const source = resumes?.saved.kind === 'live' ? turn.state.attempts.get(resumes.attempt) : undefined
  return source?.saved?.kind === 'live' && source.billed === null ? source : undefined
}
/** At the end of a job: what was kept and can not be shown to be of use any more. */
export function settleMemories(turn: Turn, attempts: readonly AttemptRow[]): void {
  for (const attempt of Array.from(attempts)) if (attempt.cause === 'moved' && attempt.saved?.memory && attempt.billed === null) payPart(turn, attempt)
}
function payPart(turn: Turn, attempt: AttemptRow): void {
  const billed = partBillOf(liveJob(turn, attempt.job).row, attempt)
  if (billed > 0n) pay(turn, attempt, billed, `settle:${slotName(attempt)}:${attempt.fence}`)
}
const slotName = (attempt: AttemptRow): string => `${attempt.job}.${attempt.task}.${attempt.slot}`

function pay(turn: Turn, attempt: AttemptRow, billed: Micros, id: string): AttemptRow {
  const job = liveJob(turn, attempt.job).row
  invariant(attempt.billed === null, `attempt ${attempt.id} is settled already`)
  invariant(job.cost + billed <= job.cap, `job ${job.id} would cost more than its cap`)
  const fee = feeOf(billed, job.fee ?? turn.state.settings.feeBasisPoints)
  const postings: PostingRow[] = []
  if (billed - fee > 0n) postings.push({ from: account.escrow(job.id), to: account.pending(attempt.seller), amount: billed - fee })
  if (fee > 0n) postings.push({ from: account.escrow(job.id), to: account.fee, amount: fee })
  if (postings.length > 0) putEntry(turn, { id, kind: 'settle', at: turn.now, job: job.id, attempt: attempt.id, postings })
  const settled = putAttempt(turn, { ...attempt, billed, fee })
  if (billed > 0n) putJob(turn, { ...liveJob(turn, job.id).row, cost: job.cost + billed })
  record(turn, job.id, { type: 'settled', state: settled.state, attempt: settled, amount: billed })
  return settled
}
