import { z } from 'zod'
import { AlertId, Instant } from './ids.ts'
import { Amount } from './money.ts'

// What somebody wants to be told without asking: kept in an inbox, told to webhooks as `alert.raised`, and by mail where the market has a mail server.

export const AlertKind = z.enum(['budget', 'node_offline', 'node_unreliable', 'payout_failed', 'agent_too_old', 'job_retried', 'invited', 'member', 'topup_limit', 'appeal_decided', 'mail_off']).meta({ id: 'AlertKind' })
export type AlertKind = z.infer<typeof AlertKind>
/** What each is about, in two words or three. */
export const ALERT_WORDS: Readonly<Record<AlertKind, string>> = {
  budget: 'Budget', node_offline: 'Node offline', node_unreliable: 'Node fails work', payout_failed: 'Payout came back', agent_too_old: 'Agent too old', job_retried: 'Tried again', invited: 'Invitation', member: 'Member', topup_limit: 'No top-up', appeal_decided: 'Appeal decided', mail_off: 'Mail is off',
}
/** `subject` is what it is about: a node, a payout, a job, a month (2026-11), an account that invites, a member, an address of mail. */
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

/** What may be mailed: not that nothing can be mailed. */
export const MailedKind = AlertKind.exclude(['mail_off']).meta({ id: 'MailedKind' })
export type MailedKind = z.infer<typeof MailedKind>
/** A code that proves an address: so long it is good, and so often one may be asked for and tried. Enough for a mail that is late; too few to guess eight digits, or to fill somebody's inbox. */
export const MAIL_CODE_DIGITS = 8, MAIL_CODE_VALID_MS = 30 * 60_000, MAIL_CODE_TRIES_MAX = 5, MAIL_CODE_AGAIN_MS = 60_000, MAIL_CODES_A_DAY = 5
/** Mails with alerts that one person gets in an hour; what comes on top is gathered into one. */
export const MAILS_AN_HOUR = 5
/** Alerts by mail, of one account: to the address that it signs in with, once that is proved. */
export const AlertMail = z.object({
  /** The market has a mail server. */ here: z.boolean(),
  address: z.string(), /** Somebody who reads its mail has typed a code that was sent there. */ proved: z.boolean(),
  on: z.boolean(), /** Null: all kinds. */ kinds: z.array(MailedKind).nullable(),
  /** Why the market, or a link in a mail, has turned it off; absent: it is on, or its owner did. */ offBecause: z.string().optional(), offAt: Instant.optional(),
  /** A code is on its way or waits to be typed. */ code: z.object({ sentAt: Instant, until: Instant }).optional(),
  /** Mails not sent yet, and what the last try of one of them said. */ waiting: z.number().int(), problem: z.string().optional(), lastSentAt: Instant.optional(),
}).meta({ id: 'AlertMail' })
export type AlertMail = z.infer<typeof AlertMail>
export const SetAlertMail = z.strictObject({ on: z.boolean(), /** Null: all kinds. Absent: as they are. */ kinds: z.array(MailedKind).min(1).max(MailedKind.options.length).nullable().optional() }).meta({ id: 'SetAlertMail' })
export const ProveAlertMail = z.strictObject({ /** As it stands in the mail; spaces do not matter. */ code: z.string().min(1).max(40) }).meta({ id: 'ProveAlertMail' })

/** The day (UTC) of a moment, such as 2026-11-22. */
export const dayText = (at: number): string => new Date(at).toISOString().slice(0, 10)
const DAY_MS = 86_400_000
/** Every day (UTC) from a moment to another, in their order. */
export function daysBetween(from: number, to: number): string[] {
  const days: string[] = []
  for (let at = from - (from % DAY_MS); at <= to; at += DAY_MS) days.push(dayText(at))
  return days
}
/** The first moment of the calendar month (UTC), and of the next one. */
export function monthOf(at: number): { readonly name: string; readonly from: number; readonly to: number } {
  const day = new Date(at), year = day.getUTCFullYear(), month = day.getUTCMonth()
  return { name: `${year}-${String(month + 1).padStart(2, '0')}`, from: Date.UTC(year, month, 1), to: Date.UTC(year, month + 1, 1) }
}
