import { z } from 'zod'
import { Instant } from './ids.ts'
import { Amount } from './money.ts'

// What the market turned over in a span of time, summed from the entries of the ledger themselves. `from` counts, `to` does not.

export const RevenueBy = z.enum(['day', 'region', 'template']).meta({ id: 'RevenueBy' })
export type RevenueBy = z.infer<typeof RevenueBy>

/** Sums of postings, in micro-credits; what the market keeps is `fees` less `feesReversed`. */
export const RevenueSums = z.object({
  /** Attempts that were paid for, and what buyers paid for them: to sellers, and of it to the market. */
  settled: z.number().int(), volume: Amount, fees: Amount,
  /** What reversals gave back of that, and what of it the market had kept. */
  reversed: Amount, feesReversed: Amount,
  /** What came back of caps because it was not used: it was held, and never billed. */
  returned: Amount,
}).meta({ id: 'RevenueSums' })
export type RevenueSums = z.infer<typeof RevenueSums>

/** Absent from the span, not zero: `null` is what has no such name (a job without a template; what came back of a cap has no region). */
export const RevenueLine = RevenueSums.extend({ key: z.string().nullable() }).meta({ id: 'RevenueLine' })
export type RevenueLine = z.infer<typeof RevenueLine>

/** Lines of one answer: more than a year of days. The rest of them is in `others`, so lines and others are always the total. */
export const REVENUE_LINES_MAX = 400
export const Revenue = z.object({
  from: Instant, to: Instant, by: RevenueBy,
  /** Days in their order, the newest ones if there are too many; others by volume, the largest first. */
  lines: z.array(RevenueLine), others: RevenueSums.optional(), total: RevenueSums,
  /** Hundredths of a percent of the volume that were fees; absent without any volume. */
  takeBasisPoints: z.number().optional(),
  /** What is owed to sellers now, whatever the span: in the dispute window, cleared, and on its way out. */
  due: z.object({ pending: Amount, cleared: Amount, onTheWay: Amount }),
}).meta({ id: 'Revenue' })
export type Revenue = z.infer<typeof Revenue>

const At = z.coerce.number().int().min(0).max(8_640_000_000_000_000)
export const Span = z.object({ /** Absent: thirty days before `to`. */ from: At.optional(), /** Absent: now. */ to: At.optional() })
export const RevenueQuery = Span.extend({ by: RevenueBy.default('day') })
