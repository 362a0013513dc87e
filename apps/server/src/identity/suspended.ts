import type { UserId } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'

/** Asked whenever somebody is not remembered: at sign-in, and for each token or key every few seconds at most. */
export async function isSuspended(db: Database, user: UserId): Promise<boolean> {
  return (await db.query<{ id: string }>('SELECT id FROM users WHERE id = $1 AND suspended IS NOT NULL', [user])).length > 0
}
