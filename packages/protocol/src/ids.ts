import { z } from 'zod'

// Ids are `prefix_` and 26 characters of Crockford base 32 (lower case): 10 of time, 16 of chance. The prefix says what is named, and the
// brand keeps a NodeId from being passed where a JobId is meant. Task and slot ids are derived, so that they need no look-up.
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz'
const BODY = '[0-9abcdefghjkmnpqrstvwxyz]{26}'
const id = <Prefix extends string, Name extends string>(prefix: Prefix, name: Name) =>
  z.string().regex(new RegExp(`^${prefix}_${BODY}$`), `expected an id such as ${prefix}_01jcd3k8w9e5r7t2y4u6p8a0sd`).meta({ id: name }).brand<Name>()

export const UserId = id('usr', 'UserId')
export type UserId = z.infer<typeof UserId>
export const JobId = id('job', 'JobId')
export type JobId = z.infer<typeof JobId>
export const AttemptId = id('att', 'AttemptId')
export type AttemptId = z.infer<typeof AttemptId>
export const NodeId = id('nod', 'NodeId')
export type NodeId = z.infer<typeof NodeId>
export const QuoteId = id('quo', 'QuoteId')
export type QuoteId = z.infer<typeof QuoteId>
export const EnrolmentId = id('enr', 'EnrolmentId')
export type EnrolmentId = z.infer<typeof EnrolmentId>
export const StandingId = id('sta', 'StandingId')
export type StandingId = z.infer<typeof StandingId>
export const ScheduleId = id('sch', 'ScheduleId')
export type ScheduleId = z.infer<typeof ScheduleId>
export const KeyId = id('key', 'KeyId')
export type KeyId = z.infer<typeof KeyId>
export const PayoutId = id('pay', 'PayoutId')
export type PayoutId = z.infer<typeof PayoutId>
export const ReversalId = id('rev', 'ReversalId')
export type ReversalId = z.infer<typeof ReversalId>
export const IncidentId = id('inc', 'IncidentId')
export type IncidentId = z.infer<typeof IncidentId>
export const ActionId = id('act', 'ActionId')
export type ActionId = z.infer<typeof ActionId>
export const ImpersonationId = id('imp', 'ImpersonationId')
export type ImpersonationId = z.infer<typeof ImpersonationId>
export const MatchingPauseId = id('hal', 'MatchingPauseId')
export type MatchingPauseId = z.infer<typeof MatchingPauseId>
export const InvitationId = id('inv', 'InvitationId')
export type InvitationId = z.infer<typeof InvitationId>
export const AlertId = id('alr', 'AlertId')
export type AlertId = z.infer<typeof AlertId>
export const SessionId = id('ses', 'SessionId')
export type SessionId = z.infer<typeof SessionId>
export const WebhookId = id('whk', 'WebhookId')
export type WebhookId = z.infer<typeof WebhookId>
export const DeliveryId = id('msg', 'DeliveryId')
export type DeliveryId = z.infer<typeof DeliveryId>
export const StatementId = id('stm', 'StatementId')
export type StatementId = z.infer<typeof StatementId>
export const StatementLineId = id('lin', 'StatementLineId')
export type StatementLineId = z.infer<typeof StatementLineId>
export const SettlementId = id('stl', 'SettlementId')
export type SettlementId = z.infer<typeof SettlementId>

/** `job_….3`: the fourth task of a job. */
export const TaskId = z.string().regex(new RegExp(`^job_${BODY}\\.[0-9]{1,6}$`)).meta({ id: 'TaskId' }).brand<'TaskId'>()
export type TaskId = z.infer<typeof TaskId>
/** `job_….3.0`: the first seat of that task. */
export const SlotId = z.string().regex(new RegExp(`^job_${BODY}\\.[0-9]{1,6}\\.[0-9]{1,2}$`)).meta({ id: 'SlotId' }).brand<'SlotId'>()
export type SlotId = z.infer<typeof SlotId>

export const taskId = (job: JobId, index: number): TaskId => `${job}.${index}` as TaskId
export const slotId = (task: TaskId, index: number): SlotId => `${task}.${index}` as SlotId

/** The ten characters of time of an id. */
export function timeText(ms: number): string {
  let text = ''
  for (let i = 0, rest = ms; i < 10; i++, rest = Math.floor(rest / 32)) text = DIGITS[rest % 32] + text
  return text
}
/** The sixteen characters of chance: the low five bits of each of the first sixteen bytes, be they drawn, or a digest of what the id follows from. */
export function chanceText(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < 16; i++) text += DIGITS[(bytes[i] as number) & 31]
  return text
}
/** The same of a digest in hex. */
export const digestText = (hex: string): string => chanceText(Uint8Array.from({ length: 16 }, (_one, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)))

/** A SHA-256 in lower-case hex: the name of a blob, of a result, of a link in a receipt's chain. */
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 is 64 lower-case hexadecimal digits').meta({ id: 'Sha256' })
export type Sha256 = z.infer<typeof Sha256>

/** Milliseconds since 1970, for people and for order; never compared between machines to decide anything. */
export const Instant = z.number().int().nonnegative().meta({ id: 'Instant' })
export type Instant = number
export type DurationMs = number
