// Accounts, sessions and API keys: what the routes ask for, over the tables. A request is recognised from memory (a small cache of tokens); what
// was revoked here is forgotten at once, what another replica revoked within a few seconds.
import { createHash, timingSafeEqual } from 'node:crypto'
import { refuse } from '@lumaris/protocol'
import type { Key, KeyId, NewKey, Refusal, Role, Scope, Tokens, User, UserId } from '@lumaris/protocol'
import { crc32 } from 'node:zlib'
import type { Database } from '../database/database.ts'
import { DatabaseError } from '../database/database.ts'
import type { Ids } from '../ids.ts'
import type { UserPrincipal } from '../http/policy.ts'
import { ACCESS_MS, issueAccessToken, readAccessToken } from './access-tokens.ts'
import { hashPassword, isWeak, verifyPassword } from './passwords.ts'
import type { Secrets } from './secrets.ts'
import { createGuessGuard } from './guess-guard.ts'

const REFRESH_MS = 30 * 86_400_000
/** A refresh whose answer was lost may be tried again with the old token for so long; after that the old token means theft. */
const GRACE_MS = 10_000
const CACHE_MS = 5_000, CACHE_MAX = 10_000
/** "Last used" is for people; once a minute is enough. */
const LAST_USED_MS = 60_000
const USER_SCOPES: readonly Scope[] = ['jobs:read', 'jobs:write', 'wallet:read', 'wallet:write', 'nodes:read', 'nodes:write', 'keys:write']

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const tail = (text: string): string => crc32(text).toString(36).padStart(7, '0').slice(-6)

export type Identity = ReturnType<typeof createIdentity>
type Ports = { db: Database; ids: Ids; now: () => number; random: (size: number) => Buffer; secrets: Secrets }
type UserSql = { id: string; email: string; name: string; password: string; roles: string; created_at: string }
type KeySql = { id: string; user_id: string; secret_hash: string; label: string; prefix: string; scopes: string; created_at: string; last_used_at: string | null; expires_at: string | null; revoked_at: string | null; roles: string }
const viewUser = (row: UserSql): User => ({ id: row.id as UserId, email: row.email, name: row.name, roles: JSON.parse(row.roles) as Role[], createdAt: Number(row.created_at) })
const viewKey = (row: Omit<KeySql, 'roles'>): Key => ({
  id: row.id as KeyId, label: row.label, prefix: row.prefix, scopes: JSON.parse(row.scopes) as Scope[], createdAt: Number(row.created_at),
  ...(row.last_used_at ? { lastUsedAt: Number(row.last_used_at) } : {}), ...(row.expires_at ? { expiresAt: Number(row.expires_at) } : {}), ...(row.revoked_at ? { revokedAt: Number(row.revoked_at) } : {}),
})

export function createIdentity({ db, ids, now, random, secrets }: Ports) {
  const cache = new Map<string, { principal: UserPrincipal; until: number; keyId: string }>()
  const revokedSessions = new Map<string, number>()
  const usedAt = new Map<string, number>()
  const guesses = createGuessGuard(now)

  async function register(body: { email: string; password: string; name: string; roles: readonly Role[] }): Promise<User | Refusal> {
    if (isWeak(body.password)) return refuse('weak_password')
    const row: UserSql = { id: ids.make('usr'), email: body.email.toLowerCase(), name: body.name, password: await hashPassword(body.password), roles: JSON.stringify(body.roles), created_at: String(now()) }
    try {
      await db.transact([{ sql: 'INSERT INTO users (id, email, name, password, roles, created_at) VALUES ($1, $2, $3, $4, $5, $6)', params: [row.id, row.email, row.name, row.password, row.roles, now()] }])
    } catch (error) {
      if (error instanceof DatabaseError && error.kind === 'refused') return refuse('email_taken')
      throw error
    }
    return viewUser(row)
  }

  const userBy = async (column: 'id' | 'email', value: string): Promise<UserSql | null> =>
    (await db.query<UserSql>(`SELECT id, email, name, password, roles, CAST(created_at AS TEXT) AS created_at FROM users WHERE ${column} = $1`, [value]))[0] ?? null

  async function login(body: { email: string; password: string }, from: string): Promise<Tokens | Refusal> {
    const email = body.email.toLowerCase()
    const wait = guesses.waitMs(email, from)
    if (wait > 0) return refuse('too_many_attempts', { retryAfterMs: wait })
    const user = await userBy('email', email)
    if (!(await verifyPassword(user?.password ?? null, body.password)) || !user) { guesses.failed(email, from); return refuse('invalid_credentials') }
    guesses.succeeded(email)
    return openSession(user)
  }

  async function openSession(user: UserSql): Promise<Tokens> {
    const id = ids.make('ses'), refreshToken = `rft_${random(32).toString('base64url')}`
    await db.transact([{ sql: 'INSERT INTO sessions (id, user_id, token_hash, rotated_at, created_at, expires_at) VALUES ($1, $2, $3, $4, $4, $5)', params: [id, user.id, sha256(refreshToken), now(), now() + REFRESH_MS] }])
    return tokens(user, id, refreshToken)
  }
  const tokens = (user: UserSql, sid: string, refreshToken: string): Tokens => ({
    accessToken: issueAccessToken(secrets.tokenKey, { sub: user.id as UserId, sid, roles: JSON.parse(user.roles) as Role[] }, now()), refreshToken, expiresInMs: ACCESS_MS, user: user.id as UserId,
  })

  type SessionSql = { id: string; user_id: string; token_hash: string; previous_hash: string | null; rotated_at: string; expires_at: string; revoked_at: string | null }
  async function refresh(refreshToken: string): Promise<Tokens | Refusal> {
    const hash = sha256(refreshToken)
    const [session] = await db.query<SessionSql>('SELECT id, user_id, token_hash, previous_hash, CAST(rotated_at AS TEXT) AS rotated_at, CAST(expires_at AS TEXT) AS expires_at, CAST(revoked_at AS TEXT) AS revoked_at FROM sessions WHERE token_hash = $1 OR previous_hash = $1', [hash])
    if (!session) return refuse('invalid_credentials')
    if (session.revoked_at) return refuse('token_revoked')
    if (Number(session.expires_at) < now()) return refuse('token_expired')
    // An old token after its grace: somebody else has the new one. Nobody keeps either.
    if (session.token_hash !== hash && now() - Number(session.rotated_at) > GRACE_MS) { await revokeSession(session.id); return refuse('token_revoked') }
    const user = await userBy('id', session.user_id)
    if (!user) return refuse('invalid_credentials')
    const next = `rft_${random(32).toString('base64url')}`
    try {
      await db.transact([{ sql: 'UPDATE sessions SET token_hash = $2, previous_hash = $3, rotated_at = $4 WHERE id = $1 AND token_hash = $5', params: [session.id, sha256(next), hash, now(), session.token_hash], expectRows: 1 }])
    } catch (error) {
      if (error instanceof DatabaseError && error.kind === 'stale') return refuse('token_revoked') // two at once with one token: one of them wins
      throw error
    }
    return tokens(user, session.id, next)
  }

  async function revokeSession(id: string): Promise<void> {
    revokedSessions.set(id, now())
    for (const [other, at] of revokedSessions) if (now() - at > ACCESS_MS) revokedSessions.delete(other)
    await db.transact([{ sql: 'UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL', params: [id, now()] }])
  }

  async function createKey(who: UserPrincipal, body: { label: string; scopes: readonly Scope[]; expiresInMs?: number | undefined }): Promise<NewKey | Refusal> {
    const allowed: readonly Scope[] = who.scopes === 'all' ? (who.roles.includes('admin') ? [...USER_SCOPES, 'admin'] : USER_SCOPES) : who.scopes
    const denied = body.scopes.filter((scope) => !allowed.includes(scope))
    if (denied.length > 0) return refuse('scope_not_allowed', { scopes: denied })
    const id = ids.make('key') as KeyId
    const start = `lum_live_${id.slice(4)}_${random(32).toString('base64url')}`
    const secret = `${start}_${tail(start)}`
    const row = { id, user_id: who.userId, secret_hash: sha256(secret), label: body.label, prefix: `lum_live_${id.slice(4, 12)}…`, scopes: JSON.stringify(body.scopes), created_at: String(now()), last_used_at: null, expires_at: body.expiresInMs ? String(now() + body.expiresInMs) : null, revoked_at: null }
    await db.transact([{ sql: 'INSERT INTO api_keys (id, user_id, secret_hash, label, prefix, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)', params: [row.id, row.user_id, row.secret_hash, row.label, row.prefix, row.scopes, now(), row.expires_at === null ? null : Number(row.expires_at)] }])
    return { ...viewKey(row), secret }
  }
  const KEY_COLUMNS = 'k.id, k.user_id, k.secret_hash, k.label, k.prefix, k.scopes, CAST(k.created_at AS TEXT) AS created_at, CAST(k.last_used_at AS TEXT) AS last_used_at, CAST(k.expires_at AS TEXT) AS expires_at, CAST(k.revoked_at AS TEXT) AS revoked_at'
  const listKeys = async (user: UserId): Promise<Key[]> => (await db.query<KeySql>(`SELECT ${KEY_COLUMNS} FROM api_keys k WHERE k.user_id = $1 ORDER BY k.id DESC`, [user])).map(viewKey)
  async function revokeKey(user: UserId, id: KeyId): Promise<boolean> {
    for (const [token, entry] of cache) if (entry.keyId === id) cache.delete(token)
    const [mine] = await db.query<{ id: string }>('SELECT id FROM api_keys WHERE id = $1 AND user_id = $2', [id, user])
    if (!mine) return false
    await db.transact([{ sql: 'UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL', params: [id, now()] }])
    return true
  }

  async function byKey(token: string): Promise<UserPrincipal | Refusal> {
    const match = /^lum_live_([0-9a-z]{26})_[A-Za-z0-9_-]{43}_[0-9a-z]{6}$/.exec(token)
    if (!match || token.slice(-6) !== tail(token.slice(0, -7))) return refuse('unauthenticated') // mistyped: no look-up needed
    const [row] = await db.query<KeySql>(`SELECT ${KEY_COLUMNS}, u.roles FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.id = $1`, [`key_${match[1]}`])
    if (!row || !timingSafeEqual(Buffer.from(row.secret_hash), Buffer.from(sha256(token)))) return refuse('unauthenticated')
    if (row.revoked_at) return refuse('key_revoked')
    if (row.expires_at && Number(row.expires_at) < now()) return refuse('key_expired')
    return { kind: 'user', userId: row.user_id as UserId, roles: JSON.parse(row.roles) as Role[], scopes: JSON.parse(row.scopes) as Scope[], keyId: row.id }
  }

  /** Who is behind this bearer token. Runs on every request: a hit costs one map look-up. */
  function authenticate(token: string): UserPrincipal | Refusal | Promise<UserPrincipal | Refusal> {
    const hit = cache.get(token)
    if (hit && hit.until > now()) { noteUse(hit.keyId); return hit.principal }
    if (token.startsWith('lum_')) {
      return byKey(token).then((found) => {
        if ('refusal' in found) return found
        if (cache.size >= CACHE_MAX) cache.clear()
        cache.set(token, { principal: found, until: now() + CACHE_MS, keyId: found.keyId ?? '' })
        noteUse(found.keyId ?? '')
        return found
      })
    }
    const claims = readAccessToken(secrets.tokenKey, token, now())
    if ('refusal' in claims) return claims
    if (revokedSessions.has(claims.sid)) return refuse('token_revoked')
    const principal: UserPrincipal = { kind: 'user', userId: claims.sub, roles: claims.roles, scopes: 'all', sessionId: claims.sid }
    return stillOpen(claims.sid).then((open) => {
      if (!open) return refuse('token_revoked')
      if (cache.size >= CACHE_MAX) cache.clear()
      cache.set(token, { principal, until: Math.min(claims.exp, now() + CACHE_MS), keyId: '' })
      return principal
    })
  }
  const stillOpen = async (sid: string): Promise<boolean> => (await db.query<{ id: string }>('SELECT id FROM sessions WHERE id = $1 AND revoked_at IS NULL', [sid])).length > 0

  function noteUse(keyId: string): void {
    if (!keyId || now() - (usedAt.get(keyId) ?? 0) < LAST_USED_MS) return
    if (usedAt.size >= CACHE_MAX) usedAt.clear()
    usedAt.set(keyId, now())
    // For people's eyes only: if it is not written now, it is in a minute.
    void db.transact([{ sql: 'UPDATE api_keys SET last_used_at = $2 WHERE id = $1', params: [keyId, now()] }]).catch(() => undefined)
  }

  return {
    register, login, refresh, createKey, listKeys, revokeKey, authenticate,
    logout: async (who: UserPrincipal): Promise<void> => {
      for (const [token, entry] of cache) if (entry.principal.sessionId === who.sessionId) cache.delete(token)
      if (who.sessionId) await revokeSession(who.sessionId)
    },
    user: async (id: UserId): Promise<User | null> => { const row = await userBy('id', id); return row ? viewUser(row) : null },
    byEmail: async (email: string): Promise<User | null> => { const row = await userBy('email', email); return row ? viewUser(row) : null },
    setRoles: async (id: UserId, roles: readonly Role[]): Promise<void> => db.transact([{ sql: 'UPDATE users SET roles = $2 WHERE id = $1', params: [id, JSON.stringify(roles)], expectRows: 1 }]),
  }
}
