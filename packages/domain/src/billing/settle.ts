// What an attempt costs, once it is over. The cause decides who bears it; the meter is believed only as far as the market saw the attempt
// itself; and nothing above the attempt's cap is ever billed.
import { CAUSES, account } from '@lumaris/protocol'
import type { Micros } from '@lumaris/protocol'
import type { AttemptRow, JobRow, PostingRow } from '../rows.ts'
import { liveJob, putAttempt, putEntry, putJob, record } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { feeOf, priceOf } from './price.ts'
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
  const runMs = Math.min(attempt.usage.runMs, seen, job.spec.limits.runMs)
  const outBytes = Math.min(attempt.usage.outBytes, job.spec.resources.diskBytes)
  const bill = priceOf(attempt.prices, job.spec.resources, { runMs, outBytes })
  return bill < job.attemptCap ? bill : job.attemptCap
}

/** Pays the seller out of the escrow; at most once per slot, because the entry is named by the slot and so is the row that forbids a second. */
export function settle(turn: Turn, attempt: AttemptRow): AttemptRow {
  const job = liveJob(turn, attempt.job).row
  invariant(attempt.billed === null, `attempt ${attempt.id} is settled already`)
  const billed = billOf(job, attempt)
  invariant(job.cost + billed <= job.cap, `job ${job.id} would cost more than its cap`)
  const fee = feeOf(billed, turn.state.settings.feeBasisPoints)
  const slot = `${attempt.job}.${attempt.task}.${attempt.slot}`
  const postings: PostingRow[] = []
  if (billed - fee > 0n) postings.push({ from: account.escrow(job.id), to: account.pending(attempt.seller), amount: billed - fee })
  if (fee > 0n) postings.push({ from: account.escrow(job.id), to: account.fee, amount: fee })
  if (postings.length > 0) putEntry(turn, { id: `settle:${slot}`, kind: 'settle', at: turn.now, job: job.id, attempt: attempt.id, postings })
  const settled = putAttempt(turn, { ...attempt, billed, fee })
  if (billed > 0n) putJob(turn, { ...liveJob(turn, job.id).row, cost: job.cost + billed })
  record(turn, job.id, { type: 'settled', state: settled.state, attempt: settled, amount: billed })
  return settled
}
