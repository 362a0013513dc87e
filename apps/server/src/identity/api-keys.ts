// API keys: `lum_live_{id}_{secret}{check}`. The first twelve characters of the key's id say which one it is, to us and to its owner's eyes; then 256
// random bits, of which we keep the SHA-256 only (that much chance needs no slow hash); then six characters by which a scanner for leaked
// secrets, and we without asking the database, know a true key from a mistyped one.
import { createHash, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { refuse } from '@lumaris/protocol'
import type { Key, KeyId, NewKey, Refusal, Role, Scope, UserId } from '@lumaris/protocol'
import type { UserPrincipal } from '../http/policy.ts'
import type { IdentityParts } from './identity.ts'
import { scopesOf } from './users.ts'

const FORM = /^lum_live_([0-9a-z]{12})_[A-Za-z0-9_-]{43}[0-9a-z]{6}$/
/** Keys of one user that are shown, newest first; whoever has more revokes some. */
const LISTED_MAX = 1_000
const check = (start: string): string => crc32(start).toString(36).padStart(6, '0').slice(-6)
const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest()
const shortId = (id: string): string => id.slice(4, 16)

type KeySql = { id: string; user_id: string; secret_hash: string; label: string; prefix: string; scopes: string; created_at: number; last_used_at: number | null; expires_at: number | null; revoked_at: number | null }
const COLUMNS = 'k.id, k.user_id, k.secret_hash, k.label, k.prefix, k.scopes, k.created_at, k.last_used_at, k.expires_at, k.revoked_at'
const view = (row: KeySql): Key => ({
  id: row.id as KeyId, label: row.label, prefix: row.prefix, scopes: JSON.parse(row.scopes) as Scope[], createdAt: row.created_at,
  ...(row.last_used_at === null ? {} : { lastUsedAt: row.last_used_at }), ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }), ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
})

/** The secret is in the answer, and never anywhere again. Nobody gives a key more than he has himself. */
export async function createKey({ db, ids, now, random }: IdentityParts, who: UserPrincipal, body: { label: string; scopes: readonly Scope[]; expiresInMs?: number | undefined }): Promise<NewKey | Refusal> {
  const mine = scopesOf(who.roles).filter((scope) => who.scopes === 'all' || who.scopes.includes(scope))
  const denied = body.scopes.filter((scope) => !mine.includes(scope))
  if (denied.length > 0) return refuse('scope_not_allowed', { scopes: denied })
  const id = ids.make('key'), prefix = `lum_live_${shortId(id)}`
  const start = `${prefix}_${random(32).toString('base64url')}`, secret = start + check(start)
  const row: KeySql = { id, user_id: who.userId, secret_hash: hashOf(secret).toString('hex'), label: body.label, prefix, scopes: JSON.stringify(body.scopes), created_at: now(), last_used_at: null, expires_at: body.expiresInMs === undefined ? null : now() + body.expiresInMs, revoked_at: null }
  await db.transact([{ sql: 'INSERT INTO api_keys (id, user_id, secret_hash, label, prefix, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)', params: [row.id, row.user_id, row.secret_hash, row.label, row.prefix, row.scopes, row.created_at, row.expires_at] }])
  return { ...view(row), secret }
}

export async function listKeys({ db }: IdentityParts, user: UserId): Promise<Key[]> {
  return (await db.query<KeySql>(`SELECT ${COLUMNS} FROM api_keys k WHERE k.user_id = $1 ORDER BY k.id DESC LIMIT ${LISTED_MAX}`, [user])).map(view)
}

/** False when this user has no such key. */
export async function revokeKey({ db, now, known }: IdentityParts, user: UserId, id: KeyId): Promise<boolean> {
  const [mine] = await db.query<{ id: string }>('SELECT id FROM api_keys WHERE id = $1 AND user_id = $2', [id, user])
  if (!mine) return false
  // Forgotten after the table knows, or a request in between would bring it back from there; and whatever became of the write.
  try { await db.transact([{ sql: 'UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL', params: [id, now()] }]) } finally { known.forget(id) }
  return true
}

/** Who holds this key, and until when that is worth remembering. */
export async function recogniseKey({ db, now }: IdentityParts, token: string): Promise<{ principal: UserPrincipal; until: number } | Refusal> {
  const short = FORM.exec(token)?.[1]
  if (!short || check(token.slice(0, -6)) !== token.slice(-6)) return refuse('unauthenticated')
  // The short id is the front of the id, so the primary key finds it; keys of one millisecond can share it.
  const rows = await db.query<KeySql & { roles: string; suspended: string | null }>(`SELECT ${COLUMNS}, u.roles, u.suspended FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.id >= $1 AND k.id <= $2`, [`key_${short}${'0'.repeat(14)}`, `key_${short}${'z'.repeat(14)}`])
  const hash = hashOf(token)
  const row = rows.find((one) => timingSafeEqual(Buffer.from(one.secret_hash, 'hex'), hash))
  if (!row) return refuse('unauthenticated')
  if (row.revoked_at !== null) return refuse('key_revoked')
  if (row.expires_at !== null && row.expires_at <= now()) return refuse('key_expired')
  if (row.suspended !== null) return refuse('account_suspended')
  return { principal: { kind: 'user', userId: row.user_id as UserId, roles: JSON.parse(row.roles) as Role[], scopes: JSON.parse(row.scopes) as Scope[], keyId: row.id }, until: row.expires_at ?? Infinity }
}
