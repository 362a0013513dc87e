import type { SavedFilter, UserId } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'

export async function listFilters(db: Database, user: UserId): Promise<SavedFilter[]> {
  return (await db.query<{ doc: string }>('SELECT doc FROM saved_filters WHERE user_id = $1 ORDER BY name', [user])).map(({ doc }) => JSON.parse(doc) as SavedFilter)
}
export const putFilter = (db: Database, user: UserId, filter: SavedFilter): Promise<unknown> =>
  db.transact([{ sql: 'INSERT INTO saved_filters (user_id, name, doc) VALUES ($1, $2, $3) ON CONFLICT (user_id, name) DO UPDATE SET doc = excluded.doc', params: [user, filter.name, JSON.stringify(filter)] }])
export const removeFilter = (db: Database, user: UserId, name: string): Promise<unknown> => db.transact([{ sql: 'DELETE FROM saved_filters WHERE user_id = $1 AND name = $2', params: [user, name] }])
