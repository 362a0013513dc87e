import { account } from '@lumaris/protocol'
import type { JobId, Micros, UserId } from '@lumaris/protocol'
import { putEntry } from '../turn.ts'
import type { Turn } from '../turn.ts'

/** Sets the whole cap of a job aside: buyer → escrow. The caller has checked the balance; the ledger refuses a debt all the same. */
export function hold(turn: Turn, job: JobId, buyer: UserId, cap: Micros): void {
  if (cap > 0n) putEntry(turn, { id: `hold:${job}`, kind: 'hold', at: turn.now, job, attempt: null, postings: [{ from: account.available(buyer), to: account.escrow(job), amount: cap }] })
}

/** Gives back what is left in the escrow of a job that ended. */
export function refundRest(turn: Turn, job: JobId, buyer: UserId, rest: Micros): void {
  if (rest > 0n) putEntry(turn, { id: `refund:${job}`, kind: 'refund', at: turn.now, job, attempt: null, postings: [{ from: account.escrow(job), to: account.available(buyer), amount: rest }] })
}
