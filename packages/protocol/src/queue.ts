import { z } from 'zod'
import { Cause } from './causes.ts'
import { DeliveryId, Instant, JobId, UserId, WebhookId } from './ids.ts'
import { NO_REASONS } from './job.ts'

// What waits in the market, for how long and why; and what was given up for good.

/** Upper ends of the classes of age, in ms; the last one has none. */
export const QUEUE_AGES_MS = [10_000, 60_000, 600_000, 3_600_000, 6 * 3_600_000, 86_400_000] as const
export const QUEUE_CLASSES_MAX = 200, QUEUE_REASONED_MAX = 20

const Counted = z.object({ reason: z.enum(NO_REASONS), says: z.string(), nodes: z.number().int() })
export const MarketQueue = z.object({
  at: Instant,
  /** Slots that wait, by what for. In line: for a node. For the next sale: interruptible work. After a failure: until their pause is over. Held: paused by their buyers. After others: for jobs that have not completed. */
  waiting: z.object({ inLine: z.number().int(), forSale: z.number().int(), afterFailure: z.number().int(), held: z.number().int(), afterOthers: z.number().int() }),
  /** Of those in line and for sale, by how long they wait: up to each of the ages, and longer. */
  ages: z.array(z.object({ upToMs: z.number().int().nullable(), waiting: z.number().int() })),
  /** Only the first so many of all waiting slots were looked at for `waiting` and `ages`; absent: all of them. */
  looked: z.object({ slots: z.number().int(), jobs: z.number().int(), ofJobs: z.number().int() }).optional(),
  /** Work that asks for the same, the one with the most waiting first; `left` classes more are not told. */
  classes: z.array(z.object({
    need: z.string(), /** The longest waiting of it. */ job: JobId, waiting: z.number().int(), buyers: z.number().int(), oldestAt: Instant, /** No node could take it when it was last asked about. */ asleep: z.boolean(),
    /** Of the largest classes: what stands against it, the most telling first (room that is in use before what no node has), with how many nodes say so; empty: it is next. */
    reasons: z.array(Counted).optional(),
  })),
  left: z.number().int(),
  /** Over the classes that were asked about: how many slots wait for this first of all. */
  reasons: z.array(z.object({ reason: z.enum([...NO_REASONS, 'no_node', 'next']), says: z.string(), waiting: z.number().int() })),
  /** Nodes asked for the reasons, of all: a large market asks every so manieth. */
  asked: z.object({ nodes: z.number().int(), of: z.number().int() }),
  dead: z.object({ deliveries: z.number().int(), jobs: z.number().int() }),
}).meta({ id: 'MarketQueue' })
export type MarketQueue = z.infer<typeof MarketQueue>

/** A message that was given up. Where to it went is its owner's business. */
export const DeadDelivery = z.object({ id: DeliveryId, webhook: WebhookId, owner: UserId, type: z.string(), subject: z.string(), createdAt: Instant, tries: z.number().int(), lastTryAt: Instant.optional(), status: z.number().int().optional(), problem: z.string().optional(), /** The webhook is turned off: its owner must turn it on before anything is sent again. */ off: z.boolean() }).meta({ id: 'DeadDelivery' })
export type DeadDelivery = z.infer<typeof DeadDelivery>
/** A job that failed for good through no fault of its buyer: whatever was tried, no node ended it. */
export const DeadJob = z.object({ job: JobId, buyer: UserId, name: z.string().optional(), cause: Cause, says: z.string(), detail: z.string().optional(), /** An admin has tried it again, as this one. */ retriedAs: JobId.optional(), tasksFailed: z.number().int(), createdAt: Instant, endedAt: Instant.optional() }).meta({ id: 'DeadJob' })
export type DeadJob = z.infer<typeof DeadJob>
