// Tokens by which an admin sees what a user sees. They only read (http/policy.ts), for a quarter of an hour (domain/operator/impersonate.ts), and no longer than
// the admin is one and signed in; the admin's own powers do not come along. What was read with each is counted, for its user's eyes.
import { refuse } from '@lumaris/protocol'
import type { Impersonation, ImpersonationId, Refusal, RouteName, UserId } from '@lumaris/protocol'
import type { UserPrincipal } from '../http/policy.ts'
import { given } from '../store/views.ts'
import { took } from '../database/database.ts'
import type { IdentityParts } from './identity.ts'
import { sha256Hex } from '../signatures.ts'
import { parseRoles } from './users.ts'

const PREFIX = 'lum_view_', LISTED_MAX = 100
export const isViewToken = (token: string): boolean => token.startsWith(PREFIX)
export const newViewToken = (random: (size: number) => Buffer): string => PREFIX + random(32).toString('base64url')

type ViewSql = { id: string; by_user: string; user_id: string; expires_at: number; ended_at: number | null; roles: string; by_roles: string; by_suspended: string | null; session_over: number | null; key_over: number | null }
export async function recogniseView({ db, now }: IdentityParts, token: string): Promise<{ principal: UserPrincipal; until: number } | Refusal> {
  const [row] = await db.query<ViewSql>(`SELECT i.id, i.by_user, i.user_id, i.expires_at, i.ended_at, u.roles, a.roles AS by_roles, a.suspended AS by_suspended, s.revoked_at AS session_over, k.revoked_at AS key_over
    FROM impersonations i JOIN users u ON u.id = i.user_id JOIN users a ON a.id = i.by_user LEFT JOIN sessions s ON s.id = i.session_id LEFT JOIN api_keys k ON k.id = i.key_id WHERE i.token_hash = $1`, [sha256Hex(token)])
  if (!row) return refuse('unauthenticated')
  if (row.expires_at <= now()) return refuse('token_expired')
  if (row.ended_at !== null || row.session_over !== null || row.key_over !== null || row.by_suspended !== null || !parseRoles(row.by_roles).includes('admin')) return refuse('token_revoked')
  return { principal: { kind: 'user', userId: row.user_id as UserId, roles: parseRoles(row.roles).filter((role) => role !== 'admin'), scopes: 'all', readOnly: { id: row.id as ImpersonationId, by: row.by_user as UserId, until: row.expires_at } }, until: row.expires_at }
}

/** False when it is not this admin's, or over. */
export async function endImpersonation({ db, now, known }: IdentityParts, by: UserId, id: ImpersonationId): Promise<boolean> {
  const [mine] = await db.query<{ user_id: string }>('SELECT user_id FROM impersonations WHERE id = $1 AND by_user = $2', [id, by])
  if (!mine) return false
  try { return await took(db, [{ sql: 'UPDATE impersonations SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL AND expires_at > $2', params: [id, now()], expectRows: 1 }]) } finally { known.forget(mine.user_id) }
}

/** One line for each kind of question, with how often it was asked. */
export const noteRead = ({ db, now }: Pick<IdentityParts, 'db' | 'now'>, id: ImpersonationId, route: RouteName): Promise<void> =>
  db.transact([{ sql: 'INSERT INTO impersonation_reads (impersonation, route, count, last_at) VALUES ($1, $2, 1, $3) ON CONFLICT (impersonation, route) DO UPDATE SET count = impersonation_reads.count + 1, last_at = $3', params: [id, route, now()] }])

/** Of one user, newest first. */
export async function listImpersonations({ db }: Pick<IdentityParts, 'db'>, user: UserId): Promise<Impersonation[]> {
  const rows = await db.query<{ id: string; by_user: string; name: string; reason: string; at: number; expires_at: number; ended_at: number | null }>(`SELECT i.id, i.by_user, a.name, i.reason, i.at, i.expires_at, i.ended_at FROM impersonations i JOIN users a ON a.id = i.by_user WHERE i.user_id = $1 ORDER BY i.id DESC LIMIT ${LISTED_MAX}`, [user])
  const reads = await db.query<{ impersonation: string; route: string; count: number }>('SELECT r.impersonation, r.route, r.count FROM impersonation_reads r JOIN impersonations i ON i.id = r.impersonation WHERE i.user_id = $1 ORDER BY r.route', [user])
  const byId = Map.groupBy(reads, ({ impersonation }) => impersonation)
  return rows.map((row) => ({ id: row.id as ImpersonationId, by: row.by_user as UserId, byName: row.name, reason: row.reason, at: row.at, expiresAt: row.expires_at, ...given('endedAt', row.ended_at), reads: (byId.get(row.id) ?? []).map(({ route, count }) => ({ route, count: Number(count) })) }))
}
