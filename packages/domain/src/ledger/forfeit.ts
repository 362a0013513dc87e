// What a seller has earned and what has not cleared is the bond for its results. A result that three others have shown to be wrong is not paid, and so
// much of the bond goes with it that lying does not pay at the rate at which this seller is checked. The debt is decided with the result; which earnings
// pay it only the tables know, so the server looks them up and asks again. Until then nothing of this seller clears.
import { account } from '@lumaris/protocol'
import type { AttemptId, Micros } from '@lumaris/protocol'
import type { AttemptRow, ForfeitRow } from '../rows.ts'
import type { MarketState } from '../state.ts'
import { TAKEN_MARGIN, checkShare } from '../assurance/enough.ts'
import type { OwnerRecord } from '../assurance/enough.ts'
import { meteredOf } from '../billing/settle.ts'
import { emit, liveJob, putEntry } from '../turn.ts'
import type { Turn } from '../turn.ts'

/** Pending earnings of one seller that are looked through for one debt, newest first: a turn stays short however small they are. */
export const FORFEIT_LOOKS_MAX = 10_000
export const bondOf = (state: MarketState, { seller }: Pick<AttemptRow, 'seller'>): Micros => state.accounts.get(account.pending(seller)) ?? 0n
/** What the seller would be paid for this result, the market's fee aside: whoever claims little for a lie has little to gain by it. */
export const priceOfResult = (turn: Turn, attempt: AttemptRow): Micros => meteredOf(liveJob(turn, attempt.job).row, attempt)

/** Called when others have decided against it; once per attempt, because an attempt is judged once. */
export function owe(turn: Turn, attempt: AttemptRow, record: OwnerRecord): void {
  const price = priceOfResult(turn, attempt), most = mostFor(price, record)
  if (most > 0n) emit(turn, { kind: 'forfeit', row: { attempt: attempt.id, job: attempt.job, owner: attempt.seller, at: turn.now, state: 'due', record, price, most, taken: 0n, of: [], endedAt: null } })
}
/** Two prices for each time that this seller may expect not to be checked before it is. */
const mostFor = (price: Micros, record: OwnerRecord): Micros => (price * BigInt(Math.round(TAKEN_MARGIN * 1000))) / BigInt(Math.round(checkShare(record) * 1000))

/** What was found to be pending for the debt of this attempt, newest first. */
export type ForfeitCommand = { readonly kind: 'forfeit'; readonly attempt: AttemptId; readonly earnings: readonly { readonly attempt: AttemptId; readonly amount: Micros }[] }

export function forfeit(turn: Turn, command: ForfeitCommand): { ok: true; taken: string } {
  const row = turn.state.forfeits.get(command.attempt)
  if (!row) return { ok: true, taken: '0' } // asked twice
  const free = command.earnings.filter(({ attempt }) => !turn.state.takenBack.has(attempt)), chosen = choose(free, row.most), taken = chosen.reduce((sum, { amount }) => sum + amount, 0n)
  if (taken > 0n) putEntry(turn, { id: forfeitEntry(row.attempt), kind: 'forfeit', at: turn.now, job: row.job, attempt: row.attempt, postings: [{ from: account.pending(row.owner), to: account.insurance, amount: taken }] })
  emit(turn, { kind: 'forfeit', row: { ...row, state: 'done', taken, of: chosen.map(({ attempt }) => attempt), endedAt: turn.now } satisfies ForfeitRow })
  return { ok: true, taken: taken.toString() }
}
export const forfeitEntry = (attempt: AttemptId): string => `forfeit:${attempt}`

type Earning = ForfeitCommand['earnings'][number]
/** Earnings are taken whole: those that fit, newest first; and for what then still lacks the smallest of the others. */
function choose(earnings: readonly Earning[], most: Micros): Earning[] {
  const chosen: Earning[] = []
  let left = most, smallest: Earning | null = null
  for (const earning of earnings) {
    if (earning.amount <= left) { chosen.push(earning); left -= earning.amount } else if (!smallest || earning.amount < smallest.amount) smallest = earning
  }
  return left > 0n && smallest ? [...chosen, smallest] : chosen
}

/** A seller with an open debt: nothing of it clears until the debt is paid. */
export function owes(state: MarketState, owner: ForfeitRow['owner']): boolean {
  for (const row of state.forfeits.values()) if (row.owner === owner) return true
  return false
}
