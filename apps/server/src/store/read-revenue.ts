// What the market turned over in a span, summed by the database from the postings themselves: volume and fees are what settlements moved, reversals what they gave back. Names (region,
// template) stand in documents, so sums are made by attempt or by job first, and each document is read once.
import { REVENUE_LINES_MAX, dayText } from '@lumaris/protocol'
import type { Revenue, RevenueBy, RevenueLine, RevenueSums } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'
import { trialBalance } from './read-ledger.ts'

const DAY_MS = 86_400_000
/** Paid for work, out of an escrow; and what a reversal of that gave back. A reversed top-up has no attempt, and a reversed forfeit comes from the insurance. */
const SETTLED = "kind IN ('settle', 'displace')", REVERSED = "kind = 'reversal' AND attempt IS NOT NULL AND debit <> 'platform:insurance'"
const COLUMNS = ['settled', 'volume', 'fees', 'reversed', 'feesReversed', 'returned'] as const satisfies readonly (keyof RevenueSums)[]
const sumOf = (when: string): string => `SUM(CASE WHEN ${when} THEN amount ELSE 0 END)`
/** One posting of an entry speaks for it: the first. */
const SUMS = `SUM(CASE WHEN ${SETTLED} AND line = 0 THEN 1 ELSE 0 END) AS settled, ${sumOf(SETTLED)} AS volume, ${sumOf(`${SETTLED} AND credit = 'platform:fee'`)} AS fees, ${sumOf(REVERSED)} AS reversed, ${sumOf(`${REVERSED} AND debit = 'platform:fee'`)} AS "feesReversed", ${sumOf("kind = 'refund'")} AS returned`
const again = COLUMNS.map((name) => `CAST(SUM("${name}") AS TEXT) AS "${name}"`).join(', ')
const SPAN = `at >= $1 AND at < $2 AND (kind IN ('settle', 'displace', 'refund') OR (${REVERSED}))`

type Row = { key: string | number | null } & Record<(typeof COLUMNS)[number], string>
function linesSql(db: Database, by: RevenueBy): string {
  const field = (column: string, name: string): string => (db.dialect === 'sqlite' ? `json_extract(${column}, '$.${name}')` : `${column}::json->>'${name}'`)
  // Whole milliseconds of both databases divide to whole days.
  if (by === 'day') return `SELECT CAST(day AS TEXT) AS key, ${again} FROM (SELECT at / ${DAY_MS} AS day, ${SUMS} FROM postings WHERE ${SPAN} GROUP BY at / ${DAY_MS}) days GROUP BY day`
  if (by === 'region') return `SELECT key, ${again} FROM (SELECT ${field('n.doc', 'region')} AS key, s.* FROM (SELECT attempt, ${SUMS} FROM postings WHERE ${SPAN} GROUP BY attempt) s LEFT JOIN attempts a ON a.id = s.attempt LEFT JOIN nodes n ON n.id = a.node) regions GROUP BY key`
  return `SELECT key, ${again} FROM (SELECT ${field('j.spec', 'template')} AS key, s.* FROM (SELECT job, ${SUMS} FROM postings WHERE ${SPAN} GROUP BY job) s LEFT JOIN jobs j ON j.id = s.job) templates GROUP BY key`
}

/** Of the whole span, without lines. */
export async function sumRevenue(db: Database, from: number, to: number): Promise<RevenueSums> {
  const [row] = await db.query<Record<(typeof COLUMNS)[number], string | null>>(`SELECT ${COLUMNS.map((name) => `CAST("${name}" AS TEXT) AS "${name}"`).join(', ')} FROM (SELECT ${SUMS} FROM postings WHERE ${SPAN}) sums`, [from, to]), of = (name: (typeof COLUMNS)[number]): string => row?.[name] ?? '0'
  return { settled: Number(of('settled')), volume: of('volume'), fees: of('fees'), reversed: of('reversed'), feesReversed: of('feesReversed'), returned: of('returned') }
}

export async function readRevenue(db: Database, { from, to, by }: { from: number; to: number; by: RevenueBy }): Promise<Revenue> {
  const rows = await db.query<Row>(linesSql(db, by), [from, to])
  const all = rows.map(({ key, ...sums }): RevenueLine => ({ key: key === null ? null : by === 'day' ? dayText(Number(key) * DAY_MS) : String(key), ...sums, settled: Number(sums.settled) }))
  const total = added(all)
  const ordered = by === 'day' ? all.toSorted((a, b) => ((a.key ?? '') < (b.key ?? '') ? -1 : 1)) : all.toSorted((a, b) => Number(BigInt(b.volume) - BigInt(a.volume)) || ((a.key ?? '~') < (b.key ?? '~') ? -1 : 1))
  const lines = by === 'day' ? ordered.slice(-REVENUE_LINES_MAX) : ordered.slice(0, REVENUE_LINES_MAX), others = ordered.filter((line) => !lines.includes(line))
  const classes = new Map((await trialBalance(db)).map((one) => [one.class, one.balance])), owed = (name: string): string => classes.get(name) ?? '0'
  return {
    from, to, by, lines, total, ...(others.length > 0 ? { others: added(others) } : {}), ...(total.volume === '0' ? {} : { takeBasisPoints: Number((BigInt(total.fees) * 1_000_000n) / BigInt(total.volume)) / 100 }),
    due: { pending: owed('seller:pending'), cleared: owed('seller:available'), onTheWay: owed('payout') },
  }
}
function added(lines: readonly RevenueSums[]): RevenueSums {
  const sum = (name: Exclude<(typeof COLUMNS)[number], 'settled'>): string => lines.reduce((all, line) => all + BigInt(line[name]), 0n).toString()
  return { settled: lines.reduce((all, line) => all + line.settled, 0), volume: sum('volume'), fees: sum('fees'), reversed: sum('reversed'), feesReversed: sum('feesReversed'), returned: sum('returned') }
}
