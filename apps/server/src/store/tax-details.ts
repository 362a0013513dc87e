import type { UserId } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'

export type SealedDetails = { readonly sealed: string; readonly setAt: number }
export async function readTaxDetails(db: Database, user: UserId): Promise<SealedDetails | null> {
  const [row] = await db.query<{ sealed: string; set_at: string }>('SELECT sealed, CAST(set_at AS TEXT) AS set_at FROM tax_details WHERE user_id = $1', [user])
  return row ? { sealed: row.sealed, setAt: Number(row.set_at) } : null
}
export const putTaxDetails = (db: Database, user: UserId, { sealed, setAt }: SealedDetails): Promise<unknown> =>
  db.transact([{ sql: 'INSERT INTO tax_details (user_id, sealed, set_at) VALUES ($1, $2, $3) ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, set_at = excluded.set_at', params: [user, sealed, setAt] }])
export const removeTaxDetails = (db: Database, user: UserId): Promise<unknown> => db.transact([{ sql: 'DELETE FROM tax_details WHERE user_id = $1', params: [user] }])
