import { z } from 'zod'
import { AlertId, Instant } from './ids.ts'
import { Amount } from './money.ts'

// What somebody wants to be told without asking: kept in an inbox, and told to webhooks as `alert.raised`. There is no mail.

export const AlertKind = z.enum(['budget', 'node_offline', 'node_unreliable', 'payout_failed', 'agent_too_old', 'job_retried', 'invited', 'member', 'topup_limit', 'appeal_decided']).meta({ id: 'AlertKind' })
export type AlertKind = z.infer<typeof AlertKind>
/** `subject` is what it is about: a node, a payout, a job, a month (2026-11), an account that invites, a member. */
export const Alert = z.object({ id: AlertId, kind: AlertKind, at: Instant, subject: z.string(), says: z.string(), readAt: Instant.optional() }).meta({ id: 'Alert' })
export type Alert = z.infer<typeof Alert>

/** Shares of a month's budget at which a buyer is told. */
export const BUDGET_STEPS = [50, 80, 100] as const
export const OFFLINE_DEFAULT_MS = 15 * 60_000, COMPLETION_DEFAULT = 0.8
/** When alerts are raised for me. Of a budget one is told at 50, 80 and 100 %; it stops nothing. */
export const AlertSettings = z.strictObject({
  /** What my jobs may come to in a calendar month (UTC); null: I have none. */
  monthlyBudget: Amount.nullable().default(null),
  /** A node of mine that was not heard of for so long; null: never. */
  offlineMs: z.number().int().min(60_000).max(30 * 86_400_000).nullable().default(OFFLINE_DEFAULT_MS),
  /** A node of mine that is believed to end less than this share of its work; null: never. */
  completionBelow: z.number().min(0.01).max(0.99).nullable().default(COMPLETION_DEFAULT),
}).meta({ id: 'AlertSettings' })
export type AlertSettings = z.infer<typeof AlertSettings>
export const ReadAlerts = z.strictObject({ /** The newest that was seen: it, and all before it, are read. */ upTo: AlertId }).meta({ id: 'ReadAlerts' })

/** The first moment of the calendar month (UTC), and of the next one. */
export function monthOf(at: number): { readonly name: string; readonly from: number; readonly to: number } {
  const day = new Date(at), year = day.getUTCFullYear(), month = day.getUTCMonth()
  return { name: `${year}-${String(month + 1).padStart(2, '0')}`, from: Date.UTC(year, month, 1), to: Date.UTC(year, month + 1, 1) }
}
