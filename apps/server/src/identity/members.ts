// Who acts for whose account: tokens of people who work for somebody else. Such a token is an access token of theirs that names the account as well; with each request the tables
// say whether the session or key behind it still stands, whether they still work there and as what, and whether either is suspended. What it may do is what the role may do
// (protocol/members.ts), and never more than the key that it was made with.
import { MEMBER_SCOPES, refuse } from '@lumaris/protocol'
import type { Account, ActingToken, Invitation, Member, MemberAct, MemberRole, Refusal, RouteName, Scope, UserId } from '@lumaris/protocol'
import { usedBy } from '@lumaris/domain'
import type { InvitationRow, MemberRow } from '@lumaris/domain'
import type { UserPrincipal } from '../http/policy.ts'
import { page } from '../store/page.ts'
import { given } from '../store/views.ts'
import { ACCESS_MS } from './access-tokens.ts'
import type { Claims } from './access-tokens.ts'
import type { IdentityParts } from './identity.ts'
import { parseRoles } from './users.ts'

type Doc = { doc: string }
const rowOf = ({ doc }: Doc): MemberRow => JSON.parse(doc) as MemberRow // we wrote it
export const viewMember = (row: MemberRow, now: number): Member => ({ user: row.user, name: row.name, email: row.email, role: row.role, monthlyLimit: row.limit, since: row.since, invitedBy: row.invitedBy, usedThisMonth: usedBy(row, now).toString() })
export const viewInvitation = ({ id, email, role, limit, by, byName, at, expiresAt }: InvitationRow): Invitation => ({ id, email, role, monthlyLimit: limit, by, byName, at, expiresAt })
type Owner = { name: string; email: string }
export const viewAccount = (row: MemberRow, owner: Owner, now: number): Account => ({ account: row.account, name: owner.name, email: owner.email, role: row.role, monthlyLimit: row.limit, usedThisMonth: usedBy(row, now).toString(), since: row.since })

/** What a role leaves of scopes. */
export const withinRole = (role: MemberRole, scopes: readonly Scope[] | 'all'): readonly Scope[] => MEMBER_SCOPES[role].filter((scope) => scopes === 'all' || scopes.includes(scope))
/** Who works for somebody buys for him, and neither sells nor runs the market. */
export const memberRoles = (owner: string): UserPrincipal['roles'] => parseRoles(owner).filter((role) => role === 'buyer')

type ActingSql = Doc & { person: string | null; owner: string | null; owner_roles: string; name: string; session: string | null; session_over: number | null; proved_at: number | null; key_scopes: string | null; key_over: number | null; key_expires: number | null }
export async function recogniseActing({ db, now }: IdentityParts, claims: Claims & { for: UserId }): Promise<{ principal: UserPrincipal; until: number } | Refusal> {
  const [row] = await db.query<ActingSql>(`SELECT m.doc, u.suspended AS person, u.name, a.suspended AS owner, a.roles AS owner_roles, s.id AS session, s.revoked_at AS session_over, s.proved_at, k.scopes AS key_scopes, k.revoked_at AS key_over, k.expires_at AS key_expires
    FROM members m JOIN users u ON u.id = m.user_id JOIN users a ON a.id = m.account LEFT JOIN sessions s ON s.id = $3 AND s.user_id = m.user_id LEFT JOIN api_keys k ON k.id = $4 AND k.user_id = m.user_id WHERE m.account = $1 AND m.user_id = $2 AND m.state = 'active'`, [claims.for, claims.sub, claims.sid, claims.kid ?? ''])
  if (!row) return refuse('not_a_member')
  const stands = claims.kid === undefined ? row.session !== null && row.session_over === null : row.key_scopes !== null && row.key_over === null && (row.key_expires === null || row.key_expires > now())
  if (!stands) return refuse('token_revoked')
  if (row.person !== null || row.owner !== null) return refuse('account_suspended')
  const { role } = rowOf(row), scopes = row.key_scopes === null ? 'all' : (JSON.parse(row.key_scopes) as Scope[])
  return {
    principal: { kind: 'user', userId: claims.for, roles: memberRoles(row.owner_roles), scopes: withinRole(role, scopes), member: { by: claims.sub, name: row.name, role }, ...(claims.kid === undefined ? { sessionId: claims.sid, provedAt: row.proved_at ?? 0 } : { keyId: claims.kid }) },
    until: claims.exp * 1000,
  }
}

export async function actFor({ db, now, accessTokens }: IdentityParts, who: UserPrincipal, account: UserId): Promise<ActingToken | Refusal> {
  const [row] = await db.query<Doc & Owner & { suspended: string | null }>("SELECT m.doc, a.name, a.email, a.suspended FROM members m JOIN users a ON a.id = m.account WHERE m.account = $1 AND m.user_id = $2 AND m.state = 'active'", [account, who.userId])
  if (!row) return refuse('not_found')
  if (row.suspended !== null) return refuse('account_suspended')
  const member = rowOf(row)
  const accessToken = accessTokens.issue({ sub: who.userId, sid: who.sessionId ?? '', ...(who.keyId === undefined ? {} : { kid: who.keyId }), for: account, roles: ['buyer'], scope: withinRole(member.role, who.scopes).join(' ') }, now())
  return { accessToken, expiresInMs: ACCESS_MS, account: viewAccount(member, row, now()) }
}

export async function accountsOf({ db, now }: Pick<IdentityParts, 'db' | 'now'>, user: UserId, only?: UserId): Promise<Account[]> {
  const rows = await db.query<Doc & Owner>(`SELECT m.doc, a.name, a.email FROM members m JOIN users a ON a.id = m.account WHERE m.user_id = $1 AND m.state = 'active' ${only === undefined ? '' : 'AND m.account = $2'} ORDER BY m.account`, only === undefined ? [user] : [user, only])
  return rows.map((row) => viewAccount(rowOf(row), row, now()))
}
export async function membersOf({ db, now }: Pick<IdentityParts, 'db' | 'now'>, account: UserId): Promise<Member[]> {
  return (await db.query<Doc>("SELECT doc FROM members WHERE account = $1 AND state = 'active' ORDER BY user_id", [account])).map((row) => viewMember(rowOf(row), now()))
}
export async function invitationsOf({ db, now }: Pick<IdentityParts, 'db' | 'now'>, account: UserId): Promise<Invitation[]> {
  return (await db.query<Doc>("SELECT doc FROM invitations WHERE account = $1 AND state = 'open' AND expires_at > $2 ORDER BY id DESC", [account, now()])).map(({ doc }) => viewInvitation(JSON.parse(doc) as InvitationRow))
}

/** What is done outside of the engine's commits: its line is there before it, so that a market that dies in between has said too much, and never too little. */
export async function beginAct({ db, ids, now }: Pick<IdentityParts, 'db' | 'ids' | 'now'>, act: { readonly account: UserId; readonly by: UserId; readonly route: RouteName; readonly subject: string | null; readonly request: string; readonly from: string }): Promise<BegunAct> {
  const id = ids.make('mac')
  await db.transact([{ sql: 'INSERT INTO member_acts (id, account, by_user, at, route, subject, request, address, open) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)', params: [id, act.account, act.by, now(), act.route, act.subject, act.request, act.from] }])
  return {
    done: (subject) => db.transact([{ sql: 'UPDATE member_acts SET open = NULL, subject = $2 WHERE id = $1', params: [id, subject] }]),
    undone: () => db.transact([{ sql: 'DELETE FROM member_acts WHERE id = $1', params: [id] }]),
  }
}
export type BegunAct = { /** With what it was done to. */ readonly done: (subject: string | null) => Promise<void>; /** It was refused: nothing came of it. */ readonly undone: () => Promise<void> }
type ActSql = { id: string; by_user: string; name: string; at: number; route: string; subject: string | null; request: string; address: string; open: number | null }
export async function actsOf({ db }: Pick<IdentityParts, 'db'>, account: UserId, by: UserId | undefined, limit: number, cursor: string | undefined): Promise<{ data: MemberAct[]; nextCursor: string | null }> {
  const rows = await db.query<ActSql>(`SELECT m.id, m.by_user, u.name, m.at, m.route, m.subject, m.request, m.address, m.open FROM member_acts m JOIN users u ON u.id = m.by_user WHERE m.account = $1 AND m.id < $2 ${by === undefined ? '' : 'AND m.by_user = $3'} ORDER BY m.id DESC LIMIT ${limit + 1}`, [account, cursor ?? 'mac~', ...(by === undefined ? [] : [by])])
  return page(rows, limit, (row) => ({ id: row.id, at: row.at, by: row.by_user as UserId, byName: row.name, route: row.route, ...given('subject', row.subject), request: row.request, from: row.address, ...(row.open === null ? {} : { isOpen: true as const }) }), ({ id }) => id)
}
