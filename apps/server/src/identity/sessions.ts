// Where somebody is signed in, and ending it.
import type { Session, SessionId, UserId } from '@lumaris/protocol'
import type { IdentityParts } from './identity.ts'
import type { Statement } from '../database/database.ts'
import { endSession } from './logout.ts'

const LISTED_MAX = 200
type SessionSql = { id: string; created_at: number; rotated_at: number; expires_at: number; address: string | null; client: string | null }

export async function listSessions({ db, now }: IdentityParts, user: UserId, current: string): Promise<Session[]> {
  const rows = await db.query<SessionSql>(`SELECT id, created_at, rotated_at, expires_at, address, client FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY id DESC LIMIT ${LISTED_MAX}`, [user, now()])
  return rows.map((row) => ({ id: row.id as SessionId, current: row.id === current, createdAt: row.created_at, renewedAt: row.rotated_at, expiresAt: row.expires_at, ...(row.address === null ? {} : { address: row.address }), ...(row.client === null ? {} : { client: row.client }) }))
}

/** False when this user has no such session. */
export async function endOneSession(parts: IdentityParts, user: UserId, id: string, beside?: readonly Statement[]): Promise<boolean> {
  // What somebody else ends is there to be ended, or nothing was done; of one's own it is enough that it is over.
  const [mine] = await parts.db.query<{ id: string }>(`SELECT id FROM sessions WHERE id = $1 AND user_id = $2 ${beside ? 'AND revoked_at IS NULL' : ''}`, [id, user])
  if (!mine) return false
  await endSession(parts, id, beside)
  return true
}

export async function endOtherSessions(parts: IdentityParts, user: UserId, current: string): Promise<number> {
  const others = await parts.db.query<{ id: string }>('SELECT id FROM sessions WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL AND expires_at > $3', [user, current, parts.now()])
  // One statement, so that one that is opened meanwhile is ended too; then each is forgotten.
  try { await parts.db.transact([{ sql: 'UPDATE sessions SET revoked_at = $3 WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL', params: [user, current, parts.now()] }]) } finally { for (const { id } of others) parts.known.forget(id) }
  return others.length
}
