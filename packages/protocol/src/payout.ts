import { z } from 'zod'
import { AttemptId, Instant, JobId, NodeId, PayoutId, UserId } from './ids.ts'
import { Amount } from './money.ts'

// Money that leaves the market for its seller. It is set aside when it is asked for, so it cannot be spent or paid twice; it leaves the books when the
// provider says that it arrived, and comes back when the provider says that it did not.

export const PayoutProvider = z.enum(['demo'])
export const PayoutState = z.enum(['requested', 'sent', 'paid', 'failed']).meta({ id: 'PayoutState' })
export type PayoutState = z.infer<typeof PayoutState>

export const RequestPayout = z.strictObject({
  amount: Amount, provider: PayoutProvider.default('demo'),
  /** Where it goes, as the provider names it. */
  destination: z.string().regex(/^[\x21-\x7e](?:[\x20-\x7e]{0,78}[\x21-\x7e])?$/, 'an account at the provider: 1 to 80 plain characters'),
}).meta({ id: 'RequestPayout' })

export const Payout = z.object({
  id: PayoutId, user: UserId, amount: Amount, provider: PayoutProvider, destination: z.string(), state: PayoutState, requestedAt: Instant,
  sentAt: Instant.optional(), endedAt: Instant.optional(), /** The provider's own number for it. */ reference: z.string().optional(), /** Why it came back. */ reason: z.string().optional(),
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
  nodes: z.array(z.object({ node: NodeId, name: z.string(), cleared: Amount, pending: Amount, days: z.array(z.object({ day: z.string().regex(/^\d{4}-\d{2}-\d{2}$/), earned: Amount })) })),
}).meta({ id: 'NodesEarnings' })
export type NodesEarnings = z.infer<typeof NodesEarnings>
