import type { NodeId, UserId } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'

export type ForecastBase = { readonly node: NodeId; readonly jobs: number; readonly earned: bigint; readonly ranMs: number; /** Of what each job brought, added up. */ readonly squares: number }
/** What a seller's nodes earned since a moment, or since each became another one, job by job. */
export async function readForecastBase(db: Database, owner: UserId, since: number): Promise<ForecastBase[]> {
  const field = (doc: string, path: readonly string[]): string => (db.dialect === 'sqlite' ? `json_extract(${doc}, '$.${path.join('.')}')` : `(${doc}::json#>>'{${path.join(',')}}')::bigint`)
  const rows = await db.query<{ node: NodeId; jobs: string; earned: string; ran: string; squares: string }>(`SELECT node, CAST(COUNT(*) AS TEXT) AS jobs, CAST(SUM(earned) AS TEXT) AS earned, CAST(SUM(ran) AS TEXT) AS ran, CAST(SUM(CAST(earned AS DOUBLE PRECISION) * CAST(earned AS DOUBLE PRECISION)) AS TEXT) AS squares FROM (
      SELECT a.node, SUM(a.billed - a.fee) AS earned, SUM(${field('a.doc', ['usage', 'runMs'])}) AS ran FROM attempts a JOIN nodes n ON n.id = a.node
      WHERE n.owner = $1 AND a.billed > 0 AND a.released <> 2 AND a.ended_at >= $2 AND a.ended_at >= COALESCE(${field('n.doc', ['changedAt'])}, 0) GROUP BY a.node, a.job) pieces GROUP BY node`, [owner, since])
  return rows.map(({ node, jobs, earned, ran, squares }) => ({ node, jobs: Number(jobs), earned: BigInt(earned), ranMs: Number(ran), squares: Number(squares) }))
}
