// Accounts, sessions and API keys: one file per verb beside this one, put together here. They work on the tables directly, not through the engine:
// nothing here moves money or work, and signing in must not wait for the market.
import type { Key, KeyId, NewKey, Refusal, Role, Scope, Tokens, User, UserId } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'
import type { UserPrincipal } from '../http/policy.ts'
import type { Ids } from '../ids.ts'
import { createAccessTokens } from './access-tokens.ts'
import type { AccessTokens } from './access-tokens.ts'
import { createKey, listKeys, revokeKey } from './api-keys.ts'
import { createAuthenticate } from './authenticate.ts'
import type { Authenticate } from './authenticate.ts'
import { createGuessGuard } from './guess-guard.ts'
import type { GuessGuard } from './guess-guard.ts'
import { createKnownPrincipals } from './known-principals.ts'
import type { KnownPrincipals } from './known-principals.ts'
import { createLastUsed } from './last-used.ts'
import type { LastUsed } from './last-used.ts'
import { login } from './login.ts'
import { logout } from './logout.ts'
import { createPasswords } from './passwords.ts'
import type { Cost, Passwords } from './passwords.ts'
import { createRotatedFrom, refresh } from './refresh.ts'
import type { RotatedFrom } from './refresh.ts'
import { createRefreshTokens } from './refresh-tokens.ts'
import type { RefreshTokens } from './refresh-tokens.ts'
import { register } from './register.ts'
import type { Secrets } from './secrets.ts'
import { findUser, plainEmail, viewUser } from './users.ts'

export type IdentityPorts = {
  readonly db: Database; readonly ids: Ids; readonly now: () => number; readonly random: (size: number) => Buffer; readonly secrets: Pick<Secrets, 'tokenKey' | 'derive'>
  /** Cheaper in tests that sign in often. */
  readonly passwordCost?: Cost
}
/** What the verbs share. */
export type IdentityParts = Pick<IdentityPorts, 'db' | 'ids' | 'now' | 'random'> & {
  readonly passwords: Passwords; readonly guesses: GuessGuard; readonly accessTokens: AccessTokens; readonly refreshTokens: RefreshTokens; readonly rotatedFrom: RotatedFrom
  readonly known: KnownPrincipals; readonly lastUsed: LastUsed
}
export type Identity = {
  register(body: { email: string; password: string; name: string; roles: readonly Role[] }): Promise<User | Refusal>
  /** `from` is the caller's address: guessing is slowed by it too. */
  login(body: { email: string; password: string }, from: string): Promise<Tokens | Refusal>
  refresh(refreshToken: string, from?: string): Promise<Tokens | Refusal>
  logout(who: UserPrincipal): Promise<void>
  createKey(who: UserPrincipal, body: { label: string; scopes: readonly Scope[]; expiresInMs?: number | undefined }): Promise<NewKey | Refusal>
  listKeys(user: UserId): Promise<Key[]>
  /** False when this user has no such key. */
  revokeKey(user: UserId, id: KeyId): Promise<boolean>
  authenticate: Authenticate
  user(id: UserId): Promise<User | null>
  byEmail(email: string): Promise<User | null>
  setRoles(id: UserId, roles: readonly Role[]): Promise<void>
  /** What this user may do has changed: asked anew at the next request. */
  forget(id: UserId): void
  /** Writes what is still in memory: when keys were last used. */
  flush(): Promise<void>
}

export function createIdentity({ db, ids, now, random, secrets, passwordCost }: IdentityPorts): Identity {
  const parts: IdentityParts = {
    db, ids, now, random, passwords: createPasswords(random, passwordCost), guesses: createGuessGuard(now), accessTokens: createAccessTokens(secrets.tokenKey, random),
    refreshTokens: createRefreshTokens(secrets.derive('refresh tokens'), random), rotatedFrom: createRotatedFrom(), known: createKnownPrincipals(now), lastUsed: createLastUsed(db, now),
  }
  return {
    register: (body) => register(parts, body),
    login: (body, from) => login(parts, body, from),
    refresh: (token, from) => refresh(parts, token, from),
    logout: (who) => logout(parts, who),
    createKey: (who, body) => createKey(parts, who, body),
    listKeys: (user) => listKeys(parts, user),
    revokeKey: (user, id) => revokeKey(parts, user, id),
    authenticate: createAuthenticate(parts),
    user: async (id) => { const row = await findUser(db, 'id', id); return row && viewUser(row) },
    byEmail: async (email) => { const row = await findUser(db, 'email', plainEmail(email)); return row && viewUser(row) },
    setRoles: async (id, roles) => {
      try { await db.transact([{ sql: 'UPDATE users SET roles = $2 WHERE id = $1', params: [id, JSON.stringify(roles)], expectRows: 1 }]) } finally { parts.known.forget(id) }
    },
    forget: (id) => { parts.known.forget(id) },
    flush: () => parts.lastUsed.write(),
  }
}
