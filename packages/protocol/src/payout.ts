import { z } from 'zod'
import { AttemptId, Instant, JobId, NodeId, PayoutId, UserId } from './ids.ts'
import { Amount, Money } from './money.ts'
import { DAYS } from './owner.ts'
import { TaxDetails } from './tax-details.ts'

// Money that leaves the market for its seller. It is set aside when it is asked for, so it cannot be spent or paid twice; it leaves the books when the
// provider says that it arrived, and comes back when the provider says that it did not.

export const PayoutProvider = z.enum(['demo'])
export const PayoutState = z.enum(['requested', 'sent', 'paid', 'failed']).meta({ id: 'PayoutState' })
export type PayoutState = z.infer<typeof PayoutState>

const Destination = z.string().regex(/^[\x21-\x7e](?:[\x20-\x7e]{0,78}[\x21-\x7e])?$/, 'an account at the provider: 1 to 80 plain characters')
export const RequestPayout = z.strictObject({
  amount: Amount, provider: PayoutProvider.default('demo'),
  /** Where it goes, as the provider names it. */
  destination: Destination,
}).meta({ id: 'RequestPayout' })

/** All that has cleared, on this day of each week (at 00:00 UTC), or as soon as it comes to so much. Less than the market's minimum is never paid out. */
export const PayoutRule = z.strictObject({
  when: z.discriminatedUnion('kind', [z.strictObject({ kind: z.literal('weekly'), day: z.enum(DAYS) }), z.strictObject({ kind: z.literal('cleared'), amount: Amount })]),
  provider: PayoutProvider.default('demo'), destination: Destination,
}).meta({ id: 'PayoutRule' })
export type PayoutRule = z.infer<typeof PayoutRule>
/** `stopped`: its last payout came back, and `reason` says why; setting a rule begins anew. */
export const StandingPayout = z.object({
  rule: PayoutRule, state: z.enum(['active', 'stopped']), setAt: Instant, reason: z.string().optional(), /** Of a weekly one. */ nextAt: Instant.optional(),
  /** What became of it last: a payout, or none, because too little had cleared. */
  last: z.object({ at: Instant, payout: PayoutId.optional(), amount: Amount }).optional(),
}).meta({ id: 'StandingPayout' })
export type StandingPayout = z.infer<typeof StandingPayout>

export const Payout = z.object({
  id: PayoutId, user: UserId, amount: Amount, provider: PayoutProvider, destination: z.string(), state: PayoutState, requestedAt: Instant,
  sentAt: Instant.optional(), endedAt: Instant.optional(), /** The provider's own number for it. */ reference: z.string().optional(), /** Why it came back. */ reason: z.string().optional(),
  /** Nobody asked for it: its seller's standing rule did. */ byRule: z.literal(true).optional(),
}).meta({ id: 'Payout' })
export type Payout = z.infer<typeof Payout>

/** Pending earnings that answered for a result that three others showed to be wrong. `at` is when it was decided; `state: due` says that they are being looked up. */
export const Forfeit = z.object({
  attempt: AttemptId, job: JobId, at: Instant, state: z.enum(['due', 'done']),
  /** What the wrong result would have been paid, the most that answers for it, and what was taken of it; from so many attempts. */
  price: Amount, most: Amount, taken: Amount, attempts: z.number().int(),
  /** The entry of the ledger, once it is done: the one to name when asking for it to be looked at again. */
  entry: z.string().optional(), says: z.string(), whatToDo: z.string(),
}).meta({ id: 'Forfeit' })
export type Forfeit = z.infer<typeof Forfeit>

export const SellerEarnings = z.object({
  /** Earned and still in the dispute window; free to be paid out; on its way out; arrived. */
  pending: Amount, available: Amount, onTheWay: Amount, paid: Amount,
  /** The earliest of what is pending: when its dispute window ends, and how much it is. */
  nextClearing: z.object({ at: Instant, amount: Amount }).optional(),
  /** The last ones, newest first. */
  forfeits: z.array(Forfeit),
  disputeMs: z.number().int(), /** The least that is paid out. */ minimum: Amount,
  /** Who can pay out here; none: nobody just now. */
  providers: z.array(PayoutProvider), at: Instant,
}).meta({ id: 'SellerEarnings' })
export type SellerEarnings = z.infer<typeof SellerEarnings>

/** After the fee, by node and day (UTC), of what was settled since. A payout is of all nodes together, so what was paid is not in it. */
export const NodesEarnings = z.object({
  since: Instant,
  /** The one that earned most first; `cleared` and `pending` are of all time. */
  nodes: z.array(z.object({ node: NodeId, name: z.string(), cleared: Amount, pending: Amount, days: z.array(z.object({ day: z.string().regex(/^\d{4}-\d{2}-\d{2}$/), earned: Amount, /** How long the programs ran that it was earned with, added up. */ ranMs: z.number().int() })) })),
}).meta({ id: 'NodesEarnings' })
export type NodesEarnings = z.infer<typeof NodesEarnings>

const Foreseen = z.object({ /** Four times of five it lies between, if work comes as it came. */ low: Amount, middle: Amount, high: Amount })
/** What may be earned next, after the fee. `why` stands where nothing can be said: it takes no work now, it is not there, or too little ran since its base began. */
export const EarningsForecast = z.object({
  at: Instant, /** The time that is foreseen. */ horizonMs: z.number().int(), /** So long must programs have run, together. */ leastRanMs: z.number().int(),
  nodes: z.array(z.object({
    node: NodeId, name: z.string(), foreseen: Foreseen.optional(), why: z.enum(['paused', 'away', 'little_work']).optional(),
    /** What it rests on: work that ended since then, which is when it joined, when its hardware or what it offers changed, or the last week. */
    since: Instant, from: z.enum(['joined', 'changed', 'week']), jobs: z.number().int(), ranMs: z.number().int(), earned: Amount,
  })),
  /** Of the nodes of which something can be said, added up; absent: of none. */
  total: Foreseen.optional(),
}).meta({ id: 'EarningsForecast' })
export type EarningsForecast = z.infer<typeof EarningsForecast>

/** Sums of a time, from the entries of the ledger. `gross` is what jobs paid for the seller's work, `fees` what the market kept of it, `lost` what was reversed or forfeited afterwards; `net` is the rest. What is given back of an earlier time is below zero in the last three. */
const StatementSums = z.object({
  gross: Amount, fees: Money, lost: Money, net: Money, cleared: Amount,
  /** Asked to be paid out; of that, or of what was asked before, what came back; and what arrived. */
  paidOut: Amount, cameBack: Amount, arrived: Amount,
})
export const YearStatement = z.object({
  year: z.number().int(), seller: UserId, name: z.string(), at: Instant, /** The year is not over: it goes up to `at`. */ open: z.boolean(),
  /** Pending and cleared together, before the year and at its end: `opening + net − paidOut + cameBack` is `closing`. */
  opening: Amount, closing: Amount, total: StatementSums,
  months: z.array(StatementSums.extend({ month: z.string().regex(/^\d{4}-\d{2}$/) })),
  /** As they stand now; absent where none are given. */
  taxDetails: TaxDetails.optional(),
}).meta({ id: 'YearStatement' })
export type YearStatement = z.infer<typeof YearStatement>
