import { z } from 'zod'
import { Instant, QuoteId, Sha256, UserId } from './ids.ts'
import { Amount } from './money.ts'
import { NoReason } from './job.ts'

/** How long a quote binds: long enough to read it and press a button. */
export const QUOTE_VALID_MS = 300_000

/** Of a job with a plan, as believed now: nobody promises it. */
export const PlanForecast = z.object({
  /** That it ends by its deadline. */
  chance: z.number().min(0).max(1),
  /** What it will probably cost, and what it would as firm work from the start. */
  likely: Amount, firm: Amount,
  /** Without anything done by then, it is firm from there. */
  noReturnAt: Instant,
  /** The chance that there is room for interruptible work when it is looked for. */
  room: z.number().min(0).max(1),
}).meta({ id: 'PlanForecast' })
export type PlanForecast = z.infer<typeof PlanForecast>

export const Quote = z.object({
  id: QuoteId, buyer: UserId, specHash: Sha256,
  /** What the work is likely to cost, and what nine of ten such jobs stay below. */
  p50: Amount, p90: Amount,
  /** The most it can ever cost, retries and copies included. Held at submit; nothing above it is ever billed. */
  cap: Amount,
  /** The most one attempt can cost: nodes that could cost more are not taken. */
  attemptCap: Amount,
  /** Nodes that could run it at all, and those with room right now. */
  nodes: z.number().int(), nodesFree: z.number().int(),
  /** When it could start, in ms from now; absent when no node can run it. */
  startsInMs: z.number().int().optional(),
  /** What the market keeps of the seller's part, in hundredths of a percent, as it was when this was quoted. */
  feeBasisPoints: z.number().int().optional(),
  /** Of a job with a plan. */
  plan: PlanForecast.optional(),
  refused: z.partialRecord(NoReason, z.number().int()),
  validUntil: Instant,
}).meta({ id: 'Quote' })
export type Quote = z.infer<typeof Quote>

/** One thing asked for differently, and what becomes of the price and of the nodes that could run it then. `to` null: not asked for at all. */
export const QuoteChange = z.object({
  what: z.enum(['memoryBytes', 'cpuMillis', 'diskBytes', 'gpus', 'gpuModels', 'minLevel', 'regions', 'minTrust', 'maxAttemptCost', 'interruptible']),
  from: z.union([z.string(), z.number()]), to: z.union([z.string(), z.number()]).nullable(),
  p50: Amount, cap: Amount, nodes: z.number().int(), nodesFree: z.number().int(),
}).meta({ id: 'QuoteChange' })
export type QuoteChange = z.infer<typeof QuoteChange>
/** What lies around a request. It binds nobody, and nothing is kept of it. */
export const QuoteAround = z.object({
  p50: Amount, cap: Amount, nodes: z.number().int(), nodesFree: z.number().int(),
  /** Cheapest first; only those that help the price or the number of nodes. */
  changes: z.array(QuoteChange),
  /** How long jobs like it waited for a node, of those that began in the last day, since this market was started; absent when there were fewer than five. */
  wait: z.object({ starts: z.number().int(), p50Ms: z.number().int(), p90Ms: z.number().int() }).optional(),
}).meta({ id: 'QuoteAround' })
export type QuoteAround = z.infer<typeof QuoteAround>
