import { isRefusal, refuse } from '@lumaris/protocol'
import type { Refusal, Tokens } from '@lumaris/protocol'
import { ACCESS_MS } from './access-tokens.ts'
import type { IdentityParts } from './identity.ts'
import { SLIDING_MS } from './refresh-tokens.ts'
import { sha256Hex } from '../signatures.ts'
import { isSuspended } from './suspended.ts'
import { checkSecondFactor } from './second-factor.ts'
import { findUser, plainEmail, scopesOf } from './users.ts'
import type { UserRow } from './users.ts'

/** A wrong password and an account that is not there look the same: in words, in time, and in how long one has to wait after several. */
export async function login(parts: IdentityParts, body: { email: string; password: string; code?: string | undefined }, from: string, client?: string): Promise<Tokens | Refusal> {
  const { db, passwords, guesses } = parts
  const email = plainEmail(body.email)
  const waitMs = guesses.begin(email, from)
  if (waitMs > 0) return refuse('too_many_attempts', { retryAfterMs: waitMs })
  const user = await findUser(db, 'email', email)
  const isRight = await passwords.verify(user?.password ?? null, body.password)
  if (isRefusal(isRight)) return isRight
  if (!isRight || !user) return refuse('invalid_credentials')
  // The try still counts: a password alone is worth no more guesses at the code.
  const more = await checkSecondFactor(parts, user.id, body.code)
  if (more) return more
  guesses.succeeded(email, from)
  if (await isSuspended(db, user.id)) return refuse('account_suspended')
  if (passwords.isOutdated(user.password)) await hashAgain(parts, user, body.password)
  return openSession(parts, user, { address: from, client })
}

/** Only now do we have the password in our hands. Where we are too busy it stays as it is until the next time. */
async function hashAgain({ db, passwords }: IdentityParts, user: UserRow, password: string): Promise<void> {
  const fresh = await passwords.hash(password)
  if (!isRefusal(fresh)) await db.transact([{ sql: 'UPDATE users SET password = $2 WHERE id = $1 AND password = $3', params: [user.id, fresh, user.password] }])
}

/** What a program says of itself is kept short. */
const CLIENT_MAX = 200
export async function openSession(parts: IdentityParts, user: UserRow, from: { address: string; client?: string | undefined }): Promise<Tokens> {
  const { db, ids, now, refreshTokens } = parts
  const session = ids.make('ses'), refreshToken = refreshTokens.first(session), at = now()
  await db.transact([{ sql: 'INSERT INTO sessions (id, user_id, token_hash, rotated_at, created_at, proved_at, expires_at, address, client) VALUES ($1, $2, $3, $4, $4, $4, $5, $6, $7)', params: [session, user.id, sha256Hex(refreshToken), at, at + SLIDING_MS, from.address, from.client?.slice(0, CLIENT_MAX) ?? null] }])
  return tokensFor(parts, user, session, refreshToken)
}

export const tokensFor = ({ accessTokens, now }: IdentityParts, user: Pick<UserRow, 'id' | 'roles'>, session: string, refreshToken: string): Tokens => ({
  accessToken: accessTokens.issue({ sub: user.id, sid: session, roles: user.roles, scope: scopesOf(user.roles).join(' ') }, now()), refreshToken, expiresInMs: ACCESS_MS, user: user.id,
})
