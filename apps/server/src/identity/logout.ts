import type { UserPrincipal } from '../http/policy.ts'
import type { Statement } from '../database/database.ts'
import type { IdentityParts } from './identity.ts'

/** Ends the caller's session: its access tokens and its refresh tokens are void. A key has no session; it is revoked, not logged out. */
export async function logout(parts: IdentityParts, who: UserPrincipal): Promise<void> {
  if (who.sessionId) await endSession(parts, who.sessionId)
}

export async function endSession({ db, now, known }: IdentityParts, session: string, beside: readonly Statement[] = []): Promise<void> {
  // Forgotten after the table knows, or a request in between would bring it back from there; and whatever became of the write.
  try { await db.transact([{ sql: 'UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL', params: [session, now()] }, ...beside]) } finally { known.forget(session) }
}
