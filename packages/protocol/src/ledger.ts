import { z } from 'zod'
import { Cause } from './causes.ts'
import { AttemptId, Instant, JobId, UserId } from './ids.ts'
import type { PayoutId } from './ids.ts'
import { Reason } from './incident.ts'
import { Amount, Money } from './money.ts'
import { REFUSAL_CODES } from './refusals.ts'

// Account names. Money moves only from account to account; only `external:*` may go below zero, because it stands for the world outside.
export type AccountName = string
export const account = {
  available: (user: UserId): AccountName => `buyer:${user}:available`,
  escrow: (job: JobId): AccountName => `escrow:${job}`,
  pending: (user: UserId): AccountName => `seller:${user}:pending`,
  earned: (user: UserId): AccountName => `seller:${user}:available`,
  fee: 'platform:fee' as AccountName,
  insurance: 'platform:insurance' as AccountName,
  /** Money on its way out: it has left the seller, and the provider has not said that it arrived. */
  payout: (payout: PayoutId): AccountName => `payout:${payout}`,
  external: (provider: string): AccountName => `external:${provider}`,
}
export const isExternal = (name: AccountName): boolean => name.startsWith('external:')

/** Accounts alike: what a trial balance has a line for. Of those that stand for the world outside, one for each provider. */
export const AccountClass = z.string().regex(/^(buyer:available|escrow|seller:pending|seller:available|payout|platform:[a-z]+|external:[a-z0-9-]+)$/).meta({ id: 'AccountClass' })
export const classOf = (name: AccountName): string => name.replace(/^(buyer|seller):[^:]+:/, '$1:').replace(/^(escrow|payout):.*$/, '$1')

export const EntryKind = z.enum(['topup', 'hold', 'settle', 'displace', 'refund', 'release', 'payout', 'reversal', 'forfeit']).meta({ id: 'EntryKind' })
export type EntryKind = z.infer<typeof EntryKind>

/** One movement: `amount` leaves `from` and arrives at `to`. A movement cannot be out of balance, so neither can an entry. */
export const Posting = z.object({ from: z.string(), to: z.string(), amount: Amount }).meta({ id: 'Posting' })
export type Posting = z.infer<typeof Posting>

/** A group of movements with one cause. Its id is derived from what it is for (`settle:{slot}`), so it can happen only once. */
export const Entry = z.object({
  id: z.string(), kind: EntryKind, at: Instant, job: JobId.optional(), attempt: AttemptId.optional(), postings: z.array(Posting),
  /** In my own list: of what came back from a job, how the job ended; of a reversal, why. */
  because: z.object({ state: z.enum(['queued', 'running', 'completed', 'failed', 'cancelled', 'expired']).optional(), cause: Cause.optional(), reason: z.string().optional() }).optional(),
}).meta({ id: 'Entry' })
export type Entry = z.infer<typeof Entry>

export const Wallet = z.object({
  user: UserId, available: Amount, held: Amount, spent: Amount,
  /** As a seller: earned and still in the dispute window, and free to be paid out. */
  pending: Amount, earned: Amount,
}).meta({ id: 'Wallet' })
export type Wallet = z.infer<typeof Wallet>

/** Names or templates that one answer tells apart, and those of them that are told day by day as well; what the others cost is the rest of the total. */
export const SPEND_LINES_MAX = 50, SPEND_SPLIT_MAX = 5
export const SpendBy = z.enum(['day', 'name', 'template']).meta({ id: 'SpendBy' })
export type SpendBy = z.infer<typeof SpendBy>
const Day = z.string().regex(/^\d{4}-\d{2}-\d{2}$/)
const SpendLine = z.object({ cost: Amount, jobs: z.number().int(), /** Of the first lines: the days (UTC) on which it cost something. */ days: z.array(z.object({ day: Day, cost: Amount })).optional() })
/** What was billed, from the entries of the ledger: by the day it was (UTC), by the name of the job and by the template it was made from, those with the most first; `null` is what has none. */
export const Spend = z.object({
  since: Instant, total: Amount, days: z.array(z.object({ day: Day, cost: Amount, jobs: z.number().int() })),
  names: z.array(SpendLine.extend({ name: z.string().nullable() })), templates: z.array(SpendLine.extend({ template: z.string().nullable() })),
  /** This calendar month (UTC) so far, the budget that I have set for one, and what it would come to if it went on as it has so far: from its fourth day on. */
  month: z.object({ name: z.string(), spent: Amount, budget: Amount.optional(), forecast: Amount.optional() }).optional(),
}).meta({ id: 'Spend' })
export type Spend = z.infer<typeof Spend>

export const TopupProvider = z.enum(['demo'])
export const Topup = z.strictObject({ amount: Amount, provider: TopupProvider.default('demo') }).meta({ id: 'Topup' })

/** What came in outside of the market, and what it came in under: one payment is booked once, for whomever. */
export const BookDeposit = z.strictObject({ amount: Amount, reference: z.string().min(1).max(100).regex(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, 'the reference of the payment: letters, digits, and . _ / - between them'), reason: Reason }).meta({ id: 'BookDeposit' })

/** When my wallet is topped up by itself: below so much, so much is added, and at most so much in a calendar month (UTC). */
export const AutoTopupRule = z.strictObject({ below: Amount, add: Amount, monthlyMost: Amount }).meta({ id: 'AutoTopupRule' })
/** Runs that are kept, newest first. */
export const AUTO_RUNS_MAX = 20
/** One fall below the bound: what was there, and what came of it. `limit`: the month's most was reached. */
export const AutoTopupRun = z.object({ at: Instant, available: Amount, amount: Amount, outcome: z.enum(['added', 'limit', 'refused']), /** Why the market gave none. */ refused: z.enum(REFUSAL_CODES).optional() }).meta({ id: 'AutoTopupRun' })
export type AutoTopupRun = z.infer<typeof AutoTopupRun>
export const AutoTopup = z.object({ /** Null: it is off. */ rule: AutoTopupRule.nullable(), addedThisMonth: Amount, runs: z.array(AutoTopupRun) }).meta({ id: 'AutoTopup' })
export type AutoTopup = z.infer<typeof AutoTopup>

export const LedgerCheck = z.object({ balanced: z.boolean(), sum: Money, accounts: z.number().int(), postings: z.number().int(), problems: z.array(z.string()),
  /** The trial balance: what went out of the accounts of each class and into them, and what they hold; the last sums to zero. */
  classes: z.array(z.object({ class: AccountClass, accounts: z.number().int(), out: Amount, in: Amount, balance: Money })),
}).meta({ id: 'LedgerCheck' })
export type LedgerCheck = z.infer<typeof LedgerCheck>
