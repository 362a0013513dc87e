// How a node's record went, what lowered it, and the appeals against that.
import type { NodeId, UserId } from '@lumaris/protocol'
import type { FaultRow, ReputationDayRow } from '@lumaris/domain'
import type { Database } from '../database/database.ts'
import { plainRow } from './load.ts'
import { among } from './page.ts'

type Doc = { doc: string }
export const listFaults = async (db: Database, node: NodeId, limit: number): Promise<FaultRow[]> => (await db.query<Doc>(`SELECT doc FROM faults WHERE node = $1 ORDER BY at DESC, id DESC LIMIT ${limit}`, [node])).map((row) => plainRow<FaultRow>(row))
export const readTrend = async (db: Database, node: NodeId, days: number): Promise<ReputationDayRow[]> => (await db.query<Doc>(`SELECT doc FROM reputation_days WHERE node = $1 ORDER BY day DESC LIMIT ${days}`, [node])).map((row) => plainRow<ReputationDayRow>(row)).toReversed()
/** The oldest first: they have waited longest. */
export async function listAppealed(db: Database, state: string, limit: number, cursor: string | undefined): Promise<{ data: FaultRow[]; nextCursor: string | null }> {
  const [at, after] = cursor ? (cursor.split('~', 2) as [string, string]) : ['0', '']
  const rows = (await db.query<Doc>(`SELECT doc FROM faults WHERE appeal IS NOT NULL AND appeal = $1 AND (appealed_at > $2 OR (appealed_at = $2 AND id > $3)) ORDER BY appealed_at, id LIMIT ${limit + 1}`, [state, Number(at), after])).map((row) => plainRow<FaultRow>(row))
  const last = rows[limit - 1]
  return { data: rows.slice(0, limit), nextCursor: rows.length > limit && last?.appeal ? `${last.appeal.at}~${last.attempt}` : null }
}
/** Of their owners. */
export const readNames = async (db: Database, rows: readonly FaultRow[]): Promise<Map<UserId, string>> =>
  new Map((await db.query<{ id: string; name: string }>(`SELECT id, name FROM users WHERE id IN ${among(db)}`, [JSON.stringify([...new Set(rows.map(({ owner }) => owner))])])).map(({ id, name }) => [id as UserId, name]))
