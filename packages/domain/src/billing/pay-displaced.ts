// Interruptible work was taken off for firm work. Its own buyer pays nothing for that try; its seller is paid for every metered second all the same, by the
// job that took the place. (Paid by nobody, or by the market, two accounts of one person could have work run for nothing: once as the one who is taken
// off, once as the one who takes the place.)
import { account } from '@lumaris/protocol'
import type { JobId } from '@lumaris/protocol'
import type { JobRow, AttemptRow, PostingRow } from '../rows.ts'
import { liveJob, putAttempt, putEntry, putJob, record } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { invariant } from '../invariant.ts'
import { feeOf } from './price.ts'
import { meteredOf } from './settle.ts'

/** Who pays for the attempt, when it is not its own job. */
export const payerOf = ({ cause, displaced }: Pick<AttemptRow, 'cause' | 'displaced'>): JobId | null => (cause === 'preempted' ? (displaced?.by ?? null) : null)

/** Once per attempt, when it has ended as `preempted`; never above what was agreed when the place was taken. */
export function payDisplaced(turn: Turn, attempt: AttemptRow): void {
  const { displaced } = attempt
  invariant(displaced && attempt.billed === null, `attempt ${attempt.id} is not to be paid by another job`)
  const payer: JobRow = liveJob(turn, displaced.by).row, most = BigInt(displaced.most), metered = meteredOf(liveJob(turn, attempt.job).row, attempt)
  const billed = metered < most ? metered : most
  invariant(payer.cost + billed <= payer.cap, `job ${payer.id} would cost more than its cap`)
  const fee = feeOf(billed, payer.fee ?? turn.state.settings.feeBasisPoints)
  const postings: PostingRow[] = []
  if (billed - fee > 0n) postings.push({ from: account.escrow(payer.id), to: account.pending(attempt.seller), amount: billed - fee })
  if (fee > 0n) postings.push({ from: account.escrow(payer.id), to: account.fee, amount: fee })
  if (postings.length > 0) putEntry(turn, { id: `displace:${attempt.id}`, kind: 'displace', at: turn.now, job: payer.id, attempt: attempt.id, postings })
  putAttempt(turn, { ...attempt, billed, fee })
  if (billed === 0n) return
  putJob(turn, { ...payer, cost: payer.cost + billed, displaced: payer.displaced + billed })
  record(turn, payer.id, { type: 'displaced', state: 'paid', amount: billed })
}
