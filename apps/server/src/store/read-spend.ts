// What was billed to a buyer, summed by the database from the postings that paid for it, in one statement: its lines are of one moment, so whichever way they are grouped their sum is the
// total. Names and templates stand in documents, so sums are made by job and day first.
import { SPEND_LINES_MAX, SPEND_SPLIT_MAX, dayText } from '@lumaris/protocol'
import type { Micros, Spend, UserId } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'

const DAY_MS = 86_400_000
/**
 * An entry that pays for an attempt is named by its slot, or by its slot and fence (a part of it), so it is found through the buyer's own attempts without an index by job; what was paid for a
 * place that was taken is a small part of all that was moved since.
 */
const PAID = `paid AS (
  SELECT j.id AS job, p.at, p.amount FROM jobs j JOIN attempts a ON a.job = j.id AND a.payer IS NULL AND a.billed > 0
    JOIN postings p ON p.entry IN ('settle:' || a.job || '.' || a.task || '.' || a.slot, 'settle:' || a.job || '.' || a.task || '.' || a.slot || ':' || a.fence) AND p.attempt = a.id
    WHERE j.buyer = $1 AND (j.ended_at IS NULL OR j.ended_at >= $2) AND p.at >= $2
  UNION ALL SELECT j.id, p.at, p.amount FROM postings p JOIN jobs j ON j.id = p.job WHERE p.kind = 'displace' AND p.at >= $2 AND j.buyer = $1)`

export async function spentSince(db: Database, buyer: UserId, since: number): Promise<Micros> {
  const [row] = await db.query<{ sum: string }>(`WITH ${PAID} SELECT CAST(COALESCE(SUM(amount), 0) AS TEXT) AS sum FROM paid`, [buyer, since])
  return BigInt(row?.sum ?? 0)
}

type Row = { readonly what: 'day' | 'name' | 'template' | 'name by day' | 'template by day'; readonly key: string | null; readonly day: string | null; readonly cost: string; readonly jobs: string }
export async function readSpend(db: Database, buyer: UserId, since: number): Promise<Spend> {
  const field = (name: string): string => (db.dialect === 'sqlite' ? `json_extract(j.spec, '$.${name}')` : `j.spec::json->>'${name}'`)
  const largest = (name: 'name' | 'template', count: number): string => `SELECT ${name} AS key, SUM(amount) AS cost, COUNT(DISTINCT job) AS jobs FROM per GROUP BY ${name} ORDER BY SUM(amount) DESC, ${name} LIMIT ${count}`
  const lines = (name: 'name' | 'template'): string => `
    UNION ALL SELECT '${name}', key, NULL, CAST(cost AS TEXT), CAST(jobs AS TEXT) FROM (${largest(name, SPEND_LINES_MAX)}) ${name}s
    UNION ALL SELECT '${name} by day', t.key, CAST(per.day AS TEXT), CAST(SUM(per.amount) AS TEXT), '0' FROM (${largest(name, SPEND_SPLIT_MAX)}) t JOIN per ON per.${name} IS NOT DISTINCT FROM t.key GROUP BY t.key, per.day`
  const rows = await db.query<Row>(`WITH ${PAID},
    per AS (SELECT s.job, s.day, s.amount, ${field('name')} AS name, ${field('template')} AS template FROM (SELECT job, at / ${DAY_MS} AS day, SUM(amount) AS amount FROM paid GROUP BY job, at / ${DAY_MS}) s JOIN jobs j ON j.id = s.job)
    SELECT 'day' AS what, NULL AS key, CAST(day AS TEXT) AS day, CAST(SUM(amount) AS TEXT) AS cost, CAST(COUNT(DISTINCT job) AS TEXT) AS jobs FROM per GROUP BY day${lines('name')}${lines('template')}`, [buyer, since])
  const of = (what: Row['what']): Row[] => rows.filter((row) => row.what === what), byDay = (a: Row, b: Row): number => Number(a.day) - Number(b.day), dayOf = ({ day }: Row): string => dayText(Number(day) * DAY_MS)
  const days = of('day').toSorted(byDay)
  const found = (name: 'name' | 'template') => {
    const splits = Map.groupBy(of(`${name} by day`).toSorted(byDay), ({ key }) => key)
    return of(name).toSorted(largestFirst).map(({ key, cost, jobs }) => ({ key, cost, jobs: Number(jobs), ...(splits.has(key) ? { days: (splits.get(key) ?? []).map((one) => ({ day: dayOf(one), cost: one.cost })) } : {}) }))
  }
  return {
    since, total: days.reduce((sum, one) => sum + BigInt(one.cost), 0n).toString(), days: days.map((one) => ({ day: dayOf(one), cost: one.cost, jobs: Number(one.jobs) })),
    names: found('name').map(({ key, ...line }) => ({ name: key, ...line })), templates: found('template').map(({ key, ...line }) => ({ template: key, ...line })),
  }
}
function largestFirst(a: Row, b: Row): number {
  const [one, other] = [BigInt(a.cost), BigInt(b.cost)]
  return one === other ? ((a.key ?? '') < (b.key ?? '') ? -1 : 1) : one > other ? -1 : 1
}
