import { z } from 'zod'
import { ActionId, AttemptId, ImpersonationId, Instant, JobId, NodeId, ReversalId, UserId } from './ids.ts'
import { Role } from './identity.ts'
import { Reason } from './incident.ts'
import { EntryKind, Posting, Wallet } from './ledger.ts'

// What operators do to money and people. All of it needs a reason and leaves a line in the log of admin actions, in the same commit as its effect.

/** Names an entry by what it is for: `settle:{slot}`, `topup:{user}:{key}`. */
export const EntryName = z.string().min(1).max(300).regex(/^[a-z]+:[\x21-\x7e]+$/, 'the name of an entry, such as settle:job_….0.0')
export const ReversalState = z.enum(['proposed', 'done', 'rejected', 'expired']).meta({ id: 'ReversalState' })
export type ReversalState = z.infer<typeof ReversalState>
export const ProposeReversal = z.strictObject({ entry: EntryName, reason: Reason }).meta({ id: 'ProposeReversal' })
export const GiveReason = z.strictObject({ reason: Reason }).meta({ id: 'GiveReason' })
export const Reversal = z.object({
  id: ReversalId, /** What is reversed. */ entry: z.string(), kind: EntryKind, job: JobId.optional(), attempt: AttemptId.optional(),
  /** What moves when a second admin approves. */ postings: z.array(Posting),
  reason: z.string(), state: ReversalState, proposedBy: UserId, proposedAt: Instant, /** Unless approved by then. */ expiresAt: Instant, decidedBy: UserId.optional(), decidedAt: Instant.optional(),
}).meta({ id: 'Reversal' })
export type Reversal = z.infer<typeof Reversal>

export const ActionName = z.enum(['reversal.propose', 'reversal.approve', 'reversal.reject', 'incident.open', 'incident.update', 'incident.resolve', 'user.suspend', 'user.unsuspend', 'user.roles', 'user.deposit', 'session.end', 'node.pause', 'node.drain', 'node.resume', 'node.price', 'node.cordon', 'node.uncordon', 'node.ban', 'node.unban', 'job.cancel', 'job.pause', 'job.resume', 'job.move', 'job.retry', 'schedule.pause', 'schedule.resume', 'schedule.remove', 'standing.drop', 'settings.change', 'matching.pause', 'matching.resume', 'user.impersonate', 'delivery.retry', 'appeal.accept', 'appeal.refuse', 'statement.hand-in', 'statement.withdraw', 'mismatch.link', 'mismatch.aside', 'mismatch.reopen']).meta({ id: 'ActionName' })
export type ActionName = z.infer<typeof ActionName>
/** What its owner may do without a word: an admin who does it to somebody else's says why. */
export const MayGiveReason = z.strictObject({ reason: Reason.optional() }).meta({ id: 'MayGiveReason' })
/** For the owner of a node or a schedule: what an admin did to it last, and why. Gone when its owner changes it. */
export const AdminWord = z.object({ at: Instant, action: ActionName, reason: z.string() }).meta({ id: 'AdminWord' })
export type AdminWord = z.infer<typeof AdminWord>
export const AdminAction = z.object({
  id: ActionId, at: Instant, by: UserId, byName: z.string(), action: ActionName, /** What it was done to. */ subject: z.string(), reason: z.string(),
  /** What was there, and what is there since: as the tables have it. */ before: z.record(z.string(), z.unknown()).nullable(), after: z.record(z.string(), z.unknown()).nullable(),
  /** The request that asked for it, and the address that it came from. */
  request: z.string().optional(), from: z.string().optional(),
}).meta({ id: 'AdminAction' })
export type AdminAction = z.infer<typeof AdminAction>

export const Suspension = z.object({ at: Instant, by: UserId, reason: z.string() }).meta({ id: 'Suspension' })
export type Suspension = z.infer<typeof Suspension>
export const Person = z.object({ id: UserId, email: z.string(), name: z.string(), roles: z.array(Role), createdAt: Instant, suspended: Suspension.optional() }).meta({ id: 'Person' })
export type Person = z.infer<typeof Person>
export const PersonDetail = Person.extend({
  wallet: Wallet, jobs: z.object({ live: z.number().int(), all: z.number().int() }), nodes: z.array(z.object({ id: NodeId, name: z.string() })),
  /** Sessions and keys that would let somebody in now. */ sessions: z.number().int(), keys: z.number().int(),
  /** What holds for this user now: seats of their jobs that wait or run, jobs that wait for others, and requests a minute. */
  limits: z.object({ seats: z.object({ now: z.number().int(), most: z.number().int() }), waiting: z.object({ now: z.number().int(), most: z.number().int() }), requestsAMinute: z.number().int().nullable() }),
}).meta({ id: 'PersonDetail' })
export type PersonDetail = z.infer<typeof PersonDetail>
export const SetRoles = z.strictObject({ roles: z.array(Role).min(1).max(3).refine((roles) => new Set(roles).size === roles.length, 'each role once'), reason: Reason }).meta({ id: 'SetRoles' })

/** Shown once: sees what the user sees, and changes nothing. */
export const NewImpersonation = z.object({ id: ImpersonationId, user: UserId, token: z.string(), expiresAt: Instant }).meta({ id: 'NewImpersonation' })
export type NewImpersonation = z.infer<typeof NewImpersonation>
/** For its user: which admin looked, why, until when, and what was asked with it, by the names of the routes. */
export const Impersonation = z.object({ id: ImpersonationId, by: UserId, byName: z.string(), reason: z.string(), at: Instant, expiresAt: Instant, endedAt: Instant.optional(), reads: z.array(z.object({ route: z.string(), count: z.number().int() })) }).meta({ id: 'Impersonation' })
export type Impersonation = z.infer<typeof Impersonation>
