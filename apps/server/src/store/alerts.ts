// Questions about alerts. Whether somebody has read one decides nothing, so it does not go through the engine.
import type { Alert, AlertId, UserId } from '@lumaris/protocol'
import type { AlertRow } from '@lumaris/domain'
import type { Database } from '../database/database.ts'
import { plainRow } from './load.ts'
import { page } from './page.ts'
import type { PageOf } from './page.ts'
import { given } from './views.ts'

export async function listAlerts(db: Database, user: UserId, limit: number, cursor: string | undefined): Promise<PageOf<Alert> & { readonly unread: number }> {
  const rows = await db.query<{ doc: string; read_at: number | null }>(`SELECT doc, read_at FROM alerts WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT ${limit + 1}`, [user, cursor ?? 'alr~'])
  const [unread] = await db.query<{ count: string }>('SELECT CAST(COUNT(*) AS TEXT) AS count FROM alerts WHERE user_id = $1 AND read_at IS NULL', [user])
  const found = page(rows.map((row) => ({ ...plainRow<AlertRow>(row), readAt: row.read_at })), limit, ({ id, kind, at, subject, says, readAt }) => ({ id, kind, at, subject, says, ...given('readAt', readAt) }), ({ id }) => id)
  return { ...found, unread: Number(unread?.count ?? 0) }
}
export const readAlerts = (db: Database, user: UserId, upTo: AlertId, now: number): Promise<void> =>
  db.transact([{ sql: 'UPDATE alerts SET read_at = $3 WHERE user_id = $1 AND id <= $2 AND read_at IS NULL', params: [user, upTo, now] }])
