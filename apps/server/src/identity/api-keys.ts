// API keys: `lum_live_{id}_{secret}{check}`. The first twelve characters of the key's id say which one it is, to us and to its owner's eyes; then 256
// random bits, of which we keep the SHA-256 only (that much chance needs no slow hash); then six characters by which a scanner for leaked
// secrets, and we without asking the database, know a true key from a mistyped one.
import { createHash, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { refuse } from '@lumaris/protocol'
import type { Key, KeyId, MemberRole, NewKey, Refusal, Role, Scope, UserId } from '@lumaris/protocol'
import type { UserPrincipal } from '../http/policy.ts'
import type { IdentityParts } from './identity.ts'
import { memberRoles, withinRole } from './members.ts'
import { scopesOf } from './users.ts'

const FORM = /^lum_live_([0-9a-z]{12})_[A-Za-z0-9_-]{43}[0-9a-z]{6}$/
/** Keys of one user that are shown, newest first; whoever has more revokes some. */
const LISTED_MAX = 1_000
const check = (start: string): string => crc32(start).toString(36).padStart(6, '0').slice(-6)
const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest()
const shortId = (id: string): string => id.slice(4, 16)

type KeySql = { id: string; user_id: string; secret_hash: string; label: string; prefix: string; scopes: string; created_at: number; last_used_at: number | null; expires_at: number | null; revoked_at: number | null; made_by: string | null }
const COLUMNS = 'k.id, k.user_id, k.secret_hash, k.label, k.prefix, k.scopes, k.created_at, k.last_used_at, k.expires_at, k.revoked_at, k.made_by'
const view = (row: KeySql & { maker?: string | null }): Key => ({
  id: row.id as KeyId, label: row.label, prefix: row.prefix, scopes: JSON.parse(row.scopes) as Scope[], createdAt: row.created_at,
  ...(row.last_used_at === null ? {} : { lastUsedAt: row.last_used_at }), ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }), ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }), ...(row.made_by === null ? {} : { madeBy: { user: row.made_by as UserId, name: row.maker ?? '' } }),
})

/** The secret is in the answer, and never anywhere again. Nobody gives a key more than he has himself. */
export async function createKey({ db, ids, now, random }: IdentityParts, who: UserPrincipal, body: { label: string; scopes: readonly Scope[]; expiresInMs?: number | undefined }): Promise<NewKey | Refusal> {
  const mine = scopesOf(who.roles).filter((scope) => who.scopes === 'all' || who.scopes.includes(scope))
  const denied = body.scopes.filter((scope) => !mine.includes(scope))
  if (denied.length > 0) return refuse('scope_not_allowed', { scopes: denied })
  const id = ids.make('key'), prefix = `lum_live_${shortId(id)}`
  const start = `${prefix}_${random(32).toString('base64url')}`, secret = start + check(start)
  const row: KeySql = { id, user_id: who.userId, secret_hash: hashOf(secret).toString('hex'), label: body.label, prefix, scopes: JSON.stringify(body.scopes), created_at: now(), last_used_at: null, expires_at: body.expiresInMs === undefined ? null : now() + body.expiresInMs, revoked_at: null, made_by: who.member?.by ?? null }
  await db.transact([{ sql: 'INSERT INTO api_keys (id, user_id, secret_hash, label, prefix, scopes, created_at, expires_at, made_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)', params: [row.id, row.user_id, row.secret_hash, row.label, row.prefix, row.scopes, row.created_at, row.expires_at, row.made_by] }])
  return { ...view({ ...row, maker: who.member?.name ?? null }), secret }
}

/** Of a member's eyes, only those that he made: the owner's are the owner's. */
export async function listKeys({ db }: IdentityParts, user: UserId, madeBy?: UserId): Promise<Key[]> {
  return (await db.query<KeySql & { maker: string | null }>(`SELECT ${COLUMNS}, m.name AS maker FROM api_keys k LEFT JOIN users m ON m.id = k.made_by WHERE k.user_id = $1 ${madeBy === undefined ? '' : 'AND k.made_by = $2'} ORDER BY k.id DESC LIMIT ${LISTED_MAX}`, madeBy === undefined ? [user] : [user, madeBy])).map(view)
}

/** False when this user has no such key. */
export async function revokeKey({ db, now, known }: IdentityParts, user: UserId, id: KeyId, madeBy?: UserId): Promise<boolean> {
  const [mine] = await db.query<{ made_by: string | null }>('SELECT made_by FROM api_keys WHERE id = $1 AND user_id = $2', [id, user])
  if (!mine || (madeBy !== undefined && mine.made_by !== madeBy)) return false
  // Forgotten after the table knows, or a request in between would bring it back from there; and whatever became of the write.
  try { await db.transact([{ sql: 'UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL', params: [id, now()] }]) } finally { known.forget(id) }
  return true
}

/** Who holds this key, and until when that is worth remembering. */
export async function recogniseKey({ db, now }: IdentityParts, token: string): Promise<{ principal: UserPrincipal; until: number } | Refusal> {
  const short = FORM.exec(token)?.[1]
  if (!short || check(token.slice(0, -6)) !== token.slice(-6)) return refuse('unauthenticated')
  // The short id is the front of the id, so the primary key finds it; keys of one millisecond can share it.
  const rows = await db.query<KeySql & { roles: string; suspended: string | null; member: string | null; maker: string | null; maker_suspended: string | null }>(`SELECT ${COLUMNS}, u.roles, u.suspended, m.doc AS member, p.name AS maker, p.suspended AS maker_suspended
    FROM api_keys k JOIN users u ON u.id = k.user_id LEFT JOIN members m ON m.account = k.user_id AND m.user_id = k.made_by AND m.state = 'active' LEFT JOIN users p ON p.id = k.made_by WHERE k.id >= $1 AND k.id <= $2`, [`key_${short}${'0'.repeat(14)}`, `key_${short}${'z'.repeat(14)}`])
  const hash = hashOf(token)
  const row = rows.find((one) => timingSafeEqual(Buffer.from(one.secret_hash, 'hex'), hash))
  if (!row) return refuse('unauthenticated')
  if (row.revoked_at !== null) return refuse('key_revoked')
  if (row.expires_at !== null && row.expires_at <= now()) return refuse('key_expired')
  if (row.suspended !== null || row.maker_suspended !== null) return refuse('account_suspended')
  if (row.made_by !== null) {
    // Of a member: it may what he may today, and no more than it was given.
    if (row.member === null) return refuse('key_revoked')
    const { role } = JSON.parse(row.member) as { role: MemberRole }, by = row.made_by as UserId
    return { principal: { kind: 'user', userId: row.user_id as UserId, roles: memberRoles(row.roles), scopes: withinRole(role, JSON.parse(row.scopes) as Scope[]), keyId: row.id, member: { by, name: row.maker ?? '', role } }, until: row.expires_at ?? Infinity }
  }
  return { principal: { kind: 'user', userId: row.user_id as UserId, roles: JSON.parse(row.roles) as Role[], scopes: JSON.parse(row.scopes) as Scope[], keyId: row.id }, until: row.expires_at ?? Infinity }
}
