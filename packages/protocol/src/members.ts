import { z } from 'zod'
import { Instant, InvitationId, UserId } from './ids.ts'
import { Email, User } from './identity.ts'
import type { Scope } from './identity.ts'
import { Amount } from './money.ts'

// Several people work for one account: its owner invites them, each signs in as himself, and acts for it within his role. What a role may do is a set of scopes, as
// of an API key, so that the table of routes says who may call what; routes without a scope, and those that say `members: false`, are the owner's alone.

/** In order: each may what those before it may. */
export const MEMBER_ROLES = ['viewer', 'submitter', 'manager'] as const
export const MemberRole = z.enum(MEMBER_ROLES).meta({ id: 'MemberRole' })
export type MemberRole = z.infer<typeof MemberRole>
export const MEMBER_SCOPES: Readonly<Record<MemberRole, readonly Scope[]>> = {
  viewer: ['jobs:read', 'wallet:read'],
  submitter: ['jobs:read', 'wallet:read', 'jobs:write'],
  manager: ['jobs:read', 'wallet:read', 'jobs:write', 'wallet:write', 'keys:write'],
}
/** What a role may do, for people. */
export const MEMBER_SAYS: Readonly<Record<MemberRole, string>> = {
  viewer: 'sees jobs, results and spend',
  submitter: 'sees jobs, results and spend; runs, cancels and reruns jobs',
  manager: 'does what a submitter does; makes keys and webhooks, sets budgets, and invites viewers and submitters',
}
export const isAbove = (one: MemberRole, other: MemberRole): boolean => MEMBER_ROLES.indexOf(one) > MEMBER_ROLES.indexOf(other)

/** Of one account. */
export const MEMBERS_MAX = 100, INVITATIONS_MAX = 50
/** Long enough for somebody on holiday, short enough that a forgotten link is worth nothing. */
export const INVITATION_VALID_MS = 7 * 86_400_000

const Terms = z.strictObject({
  role: MemberRole,
  /** Of a submitter: what the jobs of a calendar month (UTC) may be held for or have cost; null: no more than the account has. */
  monthlyLimit: Amount.nullable().default(null),
})
const limitOfSubmitters = (terms: { role: MemberRole; monthlyLimit: string | null }): boolean => terms.monthlyLimit === null || terms.role === 'submitter'
const ONLY_SUBMITTERS = { message: 'only a submitter has a limit', path: ['monthlyLimit'] }
export const InviteMember = Terms.extend({ email: Email }).refine(limitOfSubmitters, ONLY_SUBMITTERS).meta({ id: 'InviteMember' })
export const ChangeMember = Terms.refine(limitOfSubmitters, ONLY_SUBMITTERS).meta({ id: 'ChangeMember' })
/** As it travels in a link: 256 random bits. */
export const InvitationCode = z.strictObject({ code: z.string().min(20).max(100) }).meta({ id: 'InvitationCode' })

export const Invitation = z.object({ id: InvitationId, email: z.string(), role: MemberRole, monthlyLimit: Amount.nullable(), by: UserId, byName: z.string(), at: Instant, expiresAt: Instant }).meta({ id: 'Invitation' })
export type Invitation = z.infer<typeof Invitation>
/** Shown once: the owner hands it over. `path` is that of the page, with the code behind the `#`, which no browser sends. */
export const NewInvitation = Invitation.extend({ code: z.string(), path: z.string() }).meta({ id: 'NewInvitation' })
export type NewInvitation = z.infer<typeof NewInvitation>
/** For whoever has the code. */
export const SeenInvitation = Invitation.pick({ email: true, role: true, monthlyLimit: true, byName: true, expiresAt: true }).extend({ accountName: z.string() }).meta({ id: 'SeenInvitation' })
export type SeenInvitation = z.infer<typeof SeenInvitation>

export const Member = z.object({
  user: UserId, name: z.string(), email: z.string(), role: MemberRole, monthlyLimit: Amount.nullable(), since: Instant, invitedBy: UserId,
  /** What the jobs that he submitted this month (UTC) have cost or are held for. */ usedThisMonth: Amount,
}).meta({ id: 'Member' })
export type Member = z.infer<typeof Member>
/** An account that I work for. */
export const Account = z.object({ account: UserId, name: z.string(), email: z.string(), role: MemberRole, monthlyLimit: Amount.nullable(), usedThisMonth: Amount, since: Instant }).meta({ id: 'Account' })
export type Account = z.infer<typeof Account>
/** `actingFor`: the account that this token acts for; the rest is who acts. */
export const Me = User.extend({ actingFor: Account.optional() }).meta({ id: 'Me' })
export type Me = z.infer<typeof Me>
/** Does, for some minutes, what the role allows, for the account; who it was stands with everything that is done. */
export const ActingToken = z.object({ accessToken: z.string(), expiresInMs: z.number().int(), account: Account }).meta({ id: 'ActingToken' })
export type ActingToken = z.infer<typeof ActingToken>
/** What a member did for the account: which route, and to what. */
export const MemberAct = z.object({ id: z.string(), at: Instant, by: UserId, byName: z.string(), route: z.string(), subject: z.string().optional(), request: z.string(), from: z.string(), /** It was begun, and nobody has seen how it ended: it is under way, or the market stopped meanwhile. */ isOpen: z.literal(true).optional() }).meta({ id: 'MemberAct' })
export type MemberAct = z.infer<typeof MemberAct>
