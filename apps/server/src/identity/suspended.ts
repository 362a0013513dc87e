import type { UserId } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'

/** Asked at sign-in, after the password was right; tokens and keys are asked about with what else is asked of them. */
export async function isSuspended(db: Database, user: UserId): Promise<boolean> {
  return (await db.query<{ id: string }>('SELECT id FROM users WHERE id = $1 AND suspended IS NOT NULL', [user])).length > 0
}
