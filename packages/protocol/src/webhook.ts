import { z } from 'zod'
import { DeliveryId, Instant, WebhookId } from './ids.ts'
import { JobEventType } from './job.ts'

/** Webhooks of one buyer at a time. */
export const WEBHOOKS_MAX = 20

/** What can be told: each line of a job's history (`running`: an attempt of it has begun to run), and standing requests that are met. `ping` is the test. */
export const WebhookEvent = z.enum([...JobEventType.options.map((type) => `job.${type}` as const), 'job.running', 'standing.met', 'alert.raised']).meta({ id: 'WebhookEvent' })
export type WebhookEvent = z.infer<typeof WebhookEvent>

export const CreateWebhook = z.strictObject({ url: z.string().min(1).max(2_000), events: z.array(WebhookEvent).min(1).max(25).default(['job.ended']) }).meta({ id: 'CreateWebhook' })
/** `disabledBecause` is the notice when the market turned it off by itself. */
export const Webhook = z.object({
  id: WebhookId, url: z.string(), events: z.array(WebhookEvent), createdAt: Instant, disabledAt: Instant.optional(), disabledBecause: z.string().optional(),
  waiting: z.number().int(), lastDeliveredAt: Instant.optional(),
}).meta({ id: 'Webhook' })
export type Webhook = z.infer<typeof Webhook>
/** Shown once: the key of the signatures (Standard Webhooks, `whsec_…`). */
export const NewWebhook = Webhook.extend({ secret: z.string() }).meta({ id: 'NewWebhook' })
export type NewWebhook = z.infer<typeof NewWebhook>

export const DeliveryState = z.enum(['waiting', 'delivered', 'failed'])
/** One message to one webhook. Its id is the `webhook-id` of every try, also of those sent again by hand. */
export const Delivery = z.object({
  id: DeliveryId, webhook: WebhookId, type: z.union([WebhookEvent, z.literal('ping')]), subject: z.string(), state: DeliveryState, createdAt: Instant, tries: z.number().int(),
  lastTryAt: Instant.optional(), nextTryAt: Instant.optional(), status: z.number().int().optional(), problem: z.string().optional(),
}).meta({ id: 'Delivery' })
export type Delivery = z.infer<typeof Delivery>
