// People who work for somebody else's account. The writer keeps them in memory and decides on them like on anything else, so that a member who was removed, or made less, a
// turn ago does nothing in this one, whatever his token says; the tables have them for who asks whose token it is.
//
//   invitation: open → accepted (once, by the address it is for) | revoked        each of them is over after a week
//   member:     accepted → role and limit are changed → gone
//
// A manager decides on those below manager only, and what he has begun ends with him: his invitations here, his keys and webhooks in the store.
import { INVITATIONS_MAX, INVITATION_VALID_MS, MEMBERS_MAX, formatCredits, isAbove, monthOf } from '@lumaris/protocol'
import type { InvitationId, MemberRole, Micros, Refusal, UserId } from '@lumaris/protocol'
import type { InvitationRow, JobRow, MemberRow } from '../rows.ts'
import type { MarketState } from '../state.ts'
import { emit, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { raise } from '../alerts/raise.ts'

type Terms = { readonly role: MemberRole; readonly limit: Micros | null }
/** `by` is the owner, or a manager; `invitee` is who has that address here, if anybody has. */
export type InviteCommand = Terms & { readonly kind: 'invite'; readonly account: UserId; readonly accountName: string; readonly by: UserId; readonly byName: string; readonly email: string; readonly codeHash: string; readonly invitee: UserId | null }
export type RevokeInvitationCommand = { readonly kind: 'revokeInvitation'; readonly account: UserId; readonly by: UserId; readonly id: InvitationId }
export type AcceptInvitationCommand = { readonly kind: 'acceptInvitation'; readonly codeHash: string; readonly user: UserId; readonly email: string; readonly name: string }
export type ChangeMemberCommand = Terms & { readonly kind: 'changeMember'; readonly account: UserId; readonly by: UserId; readonly user: UserId }
/** Also by himself. */
export type RemoveMemberCommand = { readonly kind: 'removeMember'; readonly account: UserId; readonly by: UserId; readonly user: UserId }

export const memberOf = (state: MarketState, account: UserId, user: UserId): MemberRow | undefined => state.members.get(account)?.get(user)

/** For whom a command acts, who is a member there: what he is not allowed any more since his request came in is refused here. */
export type ActsFor = { readonly account: UserId; readonly user: UserId; readonly least: MemberRole }
export function mayStillAct(turn: Turn, { account, user, least }: ActsFor): Refusal | null {
  const member = memberOf(turn.state, account, user)
  if (!member) return refused('not_a_member')
  if (turn.state.suspended.has(user) || turn.state.suspended.has(account)) return refused('account_suspended')
  return isAbove(least, member.role) ? refused('forbidden', { needsRole: least }) : null
}

/** The owner decides on everybody; a manager on who is below him, and gives no more than what is below him. */
function mayDecide(turn: Turn, account: UserId, by: UserId, roles: readonly MemberRole[]): Refusal | null {
  if (turn.state.suspended.has(account) || turn.state.suspended.has(by)) return refused('account_suspended')
  if (by === account) return null
  const member = memberOf(turn.state, account, by)
  if (!member) return refused('not_a_member')
  return member.role === 'manager' && roles.every((role) => isAbove('manager', role)) ? null : refused('not_below_you')
}

export function invite(turn: Turn, command: InviteCommand): InvitationRow | Refusal {
  const { state } = turn, { account, by, role, invitee } = command
  const no = mayDecide(turn, account, by, [role])
  if (no) return no
  if (invitee === account) return refused('own_account')
  if (invitee && memberOf(state, account, invitee)) return refused('already_member')
  forgetOver(turn)
  const asked = openInvitation(state, command.codeHash, turn.now)
  if (asked) return asked
  let open = 0
  for (const row of state.invitations.values()) if (row.account === account) open++
  if (open >= INVITATIONS_MAX) return refused('members_full', { most: INVITATIONS_MAX })
  const row: InvitationRow = {
    id: turn.id('inv') as InvitationId, account, accountName: command.accountName, by, byName: command.byName, email: command.email, role, limit: command.limit?.toString() ?? null, codeHash: command.codeHash, at: turn.now, expiresAt: turn.now + INVITATION_VALID_MS, state: 'open',
  }
  emit(turn, { kind: 'invitation', row })
  // Not the code: an address is nobody's before he shows what was sent to it.
  if (invitee) raise(turn, { user: invitee, kind: 'invited', subject: account, says: `${command.byName} invites you to work for ${command.accountName} as ${role}. Open the link that you are given, signed in as yourself; if you know nothing of it, do nothing.` }, turn.now - INVITATION_VALID_MS)
  return row
}

export function revokeInvitation(turn: Turn, { account, by, id }: RevokeInvitationCommand): null | Refusal {
  const row = turn.state.invitations.get(id)
  if (!row || row.account !== account) return refused('not_found')
  const no = mayDecide(turn, account, by, [row.role])
  if (no) return no
  emit(turn, { kind: 'invitation', row: { ...row, state: 'revoked' } })
  return null
}

export function acceptInvitation(turn: Turn, { codeHash, user, email, name }: AcceptInvitationCommand): MemberRow | Refusal {
  const { state } = turn
  const row = openInvitation(state, codeHash, turn.now)
  if (!row) return refused('invitation_invalid')
  if (row.account === user) return refused('own_account')
  if (row.email !== email) return refused('invitation_for_another')
  if (state.suspended.has(user) || state.suspended.has(row.account)) return refused('account_suspended')
  const members = state.members.get(row.account), before = members?.get(user)
  if (!before && (members?.size ?? 0) >= MEMBERS_MAX) return refused('members_full', { most: MEMBERS_MAX })
  // Whoever works there already keeps what he has: an older link makes nobody less, and nobody more.
  const member: MemberRow = before ?? { account: row.account, accountName: row.accountName, user, name, email, role: row.role, limit: row.limit, invitedBy: row.by, since: turn.now, month: monthOf(turn.now).name, used: '0', state: 'active' }
  emit(turn, { kind: 'invitation', row: { ...row, state: 'accepted' } })
  if (!before) emit(turn, { kind: 'member', row: member })
  raise(turn, { user: row.account, kind: 'member', subject: user, says: `${name} (${email}) works for your account as ${member.role} now, invited by ${row.by === row.account ? 'you' : row.byName}.`, step: row.id }, turn.now)
  return member
}

export function changeMember(turn: Turn, { account, by, user, role, limit }: ChangeMemberCommand): MemberRow | Refusal {
  const before = memberOf(turn.state, account, user)
  if (!before) return refused('not_found')
  const no = mayDecide(turn, account, by, [before.role, role])
  if (no) return no
  const row: MemberRow = { ...before, role, limit: limit?.toString() ?? null }
  emit(turn, { kind: 'member', row })
  if (before.role === 'manager' && role !== 'manager') endInvitations(turn, account, user)
  return row
}

export function removeMember(turn: Turn, { account, by, user }: RemoveMemberCommand): null | Refusal {
  const row = memberOf(turn.state, account, user)
  if (!row) return refused('not_found')
  const no = by === user ? null : mayDecide(turn, account, by, [row.role])
  if (no) return no
  emit(turn, { kind: 'member', row: { ...row, state: 'gone', goneAt: turn.now } })
  endInvitations(turn, account, user)
  return null
}

/** Or a manager who is removed would come back by a link that he has made for himself. */
function endInvitations(turn: Turn, account: UserId, by: UserId): void {
  for (const row of Array.from(turn.state.invitations.values())) if (row.account === account && row.by === by) emit(turn, { kind: 'invitation', row: { ...row, state: 'revoked' } })
}
export function openInvitation(state: MarketState, codeHash: string, now: number): InvitationRow | undefined {
  for (const row of state.invitations.values()) if (row.codeHash === codeHash) return row.expiresAt > now ? row : undefined
  return undefined
}
function forgetOver(turn: Turn): void {
  for (const row of Array.from(turn.state.invitations.values())) if (row.expiresAt <= turn.now) emit(turn, { kind: 'invitation', row: { ...row, state: 'revoked' } })
}

/** What a member's jobs of this month have cost or are held for. */
export const usedBy = (row: MemberRow, now: number): Micros => (row.month === monthOf(now).name ? BigInt(row.used) : 0n)
/** A job of his is about to be held for so much: also what a schedule of his fires. */
export function mayHold(turn: Turn, account: UserId, user: UserId, cap: Micros): Refusal | null {
  const no = mayStillAct(turn, { account, user, least: 'submitter' })
  if (no) return no
  const row = memberOf(turn.state, account, user) as MemberRow // or mayStillAct had said so
  if (row.limit === null) return null
  const left = BigInt(row.limit) - usedBy(row, turn.now)
  return cap <= left ? null : refused('member_limit', { needed: cap.toString(), left: (left < 0n ? 0n : left).toString(), limit: formatCredits(BigInt(row.limit)) })
}
export function noteHeld(turn: Turn, account: UserId, user: UserId, cap: Micros): void {
  const row = memberOf(turn.state, account, user)
  if (row) emit(turn, { kind: 'member', row: { ...row, month: monthOf(turn.now).name, used: (usedBy(row, turn.now) + cap).toString() } })
}
/** What it was held for and did not cost may be used again: in the month in which it was submitted. */
export function memberJobEnded(turn: Turn, job: JobRow): void {
  const row = job.by ? memberOf(turn.state, job.buyer, job.by.user) : undefined
  if (!row || job.createdAt < row.since || monthOf(job.createdAt).name !== row.month || job.cap === job.cost) return
  emit(turn, { kind: 'member', row: { ...row, used: (BigInt(row.used) - job.cap + job.cost).toString() } })
}
