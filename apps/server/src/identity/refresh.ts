import { refuse } from '@lumaris/protocol'
import type { Refusal, Tokens, UserId } from '@lumaris/protocol'
import { took } from '../database/database.ts'
import type { IdentityParts } from './identity.ts'
import { tokensFor } from './login.ts'
import { endSession } from './logout.ts'
import { ABSOLUTE_MS, SLIDING_MS } from './refresh-tokens.ts'
import { sha256Hex } from '../signatures.ts'
import { parseRoles } from './users.ts'

/** A refresh whose answer was lost may be asked again with the old token for so long, from where it was asked first; after that it means theft. */
const GRACE_MS = 10_000

type SessionSql = { user_id: string; token_hash: string; previous_hash: string | null; rotated_at: number; created_at: number; expires_at: number; revoked_at: number | null; roles: string }

export async function refresh(parts: IdentityParts, token: string, from?: string): Promise<Tokens | Refusal> {
  const { db, now, refreshTokens, rotatedFrom } = parts
  const session = refreshTokens.sessionOf(token)
  if (!session) return refuse('invalid_credentials')
  const hash = sha256Hex(token), at = now()
  // Twice at most: the second look is for two that ask at once, where the slower finds its token replaced a moment ago.
  for (let look = 1; look <= 2; look++) {
    const [row] = await db.query<SessionSql>('SELECT s.user_id, s.token_hash, s.previous_hash, s.rotated_at, s.created_at, s.expires_at, s.revoked_at, u.roles FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1', [session])
    if (!row) return refuse('invalid_credentials')
    if (row.revoked_at !== null) return refuse('token_revoked')
    if (row.expires_at <= at) return refuse('token_expired')
    const user = { id: row.user_id as UserId, roles: parseRoles(row.roles) }, next = refreshTokens.next(token)
    if (row.token_hash !== hash) {
      const isLost = row.previous_hash === hash && at - row.rotated_at <= GRACE_MS && rotatedFrom.isSame(session, from)
      if (isLost) return tokensFor(parts, user, session, next)
      await endSession(parts, session) // somebody else has the newest one: nobody keeps any
      return refuse('token_revoked')
    }
    const expiresAt = Math.min(at + SLIDING_MS, row.created_at + ABSOLUTE_MS)
    const turned = await took(db, [{ sql: 'UPDATE sessions SET token_hash = $2, previous_hash = $3, rotated_at = $4, expires_at = $5 WHERE id = $1 AND token_hash = $3 AND revoked_at IS NULL', params: [session, sha256Hex(next), hash, at, expiresAt], expectRows: 1 }])
    if (!turned) continue
    rotatedFrom.note(session, from)
    return tokensFor(parts, user, session, next)
  }
  return refuse('token_revoked')
}

/** Sessions whose last rotation is remembered by this process. What it does not remember, another replica may have done: that passes. */
const ROTATIONS_MAX = 10_000
export type RotatedFrom = ReturnType<typeof createRotatedFrom>
export function createRotatedFrom() {
  const addresses = new Map<string, string>()
  return {
    note(session: string, from: string | undefined): void {
      addresses.delete(session)
      if (addresses.size >= ROTATIONS_MAX) for (const oldest of addresses.keys()) { addresses.delete(oldest); break }
      if (from !== undefined) addresses.set(session, from)
    },
    isSame: (session: string, from: string | undefined): boolean => { const before = addresses.get(session); return before === undefined || before === from },
  }
}
