// Statements of accounts outside, what was settled by hand, and the entries of the ledger that such an account should show. Written beside the engine: nothing here moves money.
import { account as accountName } from '@lumaris/protocol'
import type { Instant, SettlementId, StatementId, StatementLineId, UserId } from '@lumaris/protocol'
import type { BookEntry, Days } from '@lumaris/domain'
import type { Database, Statement } from '../database/database.ts'
import { among, page } from './page.ts'
import type { PageOf } from './page.ts'

export type OutsideLineRow = { readonly id: StatementLineId; readonly key: string; readonly day: Instant; readonly reference: string; readonly amount: bigint; readonly own: string | null }
/** As it was read; `lines` and `known` as it was then. */
export type StatementRow = { readonly id: StatementId; readonly account: string; readonly from: Instant; readonly to: Instant; readonly lines: number; readonly known: number; readonly in: string; readonly out: string; readonly name?: string; readonly at: Instant; readonly by: UserId; readonly reason: string; readonly withdrawn?: { readonly at: Instant; readonly by: UserId; readonly reason: string } }
export type SettlementRow = { readonly id: SettlementId; readonly account: string; readonly how: 'linked' | 'aside'; readonly key: string; readonly line: string | null; readonly entry: string | null; readonly reason: string; readonly by: UserId; readonly at: Instant }

type LineSql = { id: string; key: string; day: string; reference: string; amount: string; own: string | null }
const LINE = 'id, key, CAST(day AS TEXT) AS day, reference, CAST(amount AS TEXT) AS amount, own'
const lineRow = (row: LineSql): OutsideLineRow => ({ ...row, id: row.id as StatementLineId, day: Number(row.day), amount: BigInt(row.amount) })

/** Accounts of which a statement was handed in. */
export const outsideAccounts = async (db: Database): Promise<string[]> => (await db.query<{ account: string }>('SELECT DISTINCT account FROM outside_statements ORDER BY account')).map(({ account }) => account)
export const readOutsideLines = async (db: Database, account: string): Promise<OutsideLineRow[]> => (await db.query<LineSql>(`SELECT ${LINE} FROM outside_lines WHERE account = $1`, [account])).map(lineRow)
export const linesKnown = async (db: Database, account: string, keys: readonly string[]): Promise<OutsideLineRow[]> => (await db.query<LineSql>(`SELECT ${LINE} FROM outside_lines WHERE key IN ${among(db)} AND account = $2`, [JSON.stringify(keys), account])).map(lineRow)
export async function coveredDays(db: Database, account: string): Promise<Days[]> {
  return (await db.query<{ from_day: string; to_day: string }>('SELECT CAST(from_day AS TEXT) AS from_day, CAST(to_day AS TEXT) AS to_day FROM outside_statements WHERE account = $1 AND withdrawn_at IS NULL', [account])).map((row) => ({ from: Number(row.from_day), to: Number(row.to_day) }))
}

/** Every entry that moved money into the market from this account, or out of it, by the indexes of both sides. What came in is above zero, as on its statement. */
export async function bookEntries(db: Database, account: string): Promise<BookEntry[]> {
  const side = (column: 'debit' | 'credit', sign: string): string => `SELECT entry, at, ${sign}amount AS amount FROM postings WHERE ${column} = $1 AND ${column} NOT LIKE 'escrow:%' AND ${column} <> 'platform:fee'`
  const rows = await db.query<{ entry: string; at: string; amount: string }>(`SELECT entry, CAST(MIN(at) AS TEXT) AS at, CAST(SUM(amount) AS TEXT) AS amount FROM (${side('debit', '')} UNION ALL ${side('credit', '-')}) both_sides GROUP BY entry HAVING SUM(amount) <> 0`, [accountName.external(account)])
  const payouts = await payoutReferences(db, rows.flatMap(({ entry }) => { const id = payoutOf(entry); return id === null ? [] : [id] }))
  return rows.map(({ entry, at, amount }) => {
    const reverses = entry.startsWith('reversal:') ? entry.slice('reversal:'.length) : undefined
    return { entry, at: Number(at), amount: BigInt(amount), references: referencesOf(reverses ?? entry, payouts), ...(reverses === undefined ? {} : { reverses }) }
  })
}
const payoutOf = (entry: string): string | null => /^payout:(pay_[0-9a-z]+):paid$/.exec(entry)?.[1] ?? null
/** What whoever carried the money may have written under it. */
function referencesOf(entry: string, payouts: ReadonlyMap<string, string>): string[] {
  const payout = payoutOf(entry), own = payout === null ? undefined : payouts.get(payout)
  if (payout !== null) return own === undefined ? [payout] : [own, payout]
  if (entry.startsWith('deposit:')) return [entry.slice('deposit:'.length)]
  return [/^topup:[^:]+:(.+)$/.exec(entry)?.[1] ?? entry]
}
async function payoutReferences(db: Database, ids: readonly string[]): Promise<Map<string, string>> {
  const rows = ids.length === 0 ? [] : await db.query<{ id: string; doc: string }>(`SELECT id, doc FROM payouts WHERE id IN ${among(db)}`, [JSON.stringify(ids)])
  return new Map(rows.flatMap(({ id, doc }) => { const { reference } = JSON.parse(doc) as { reference: string | null }; return reference === null ? [] : [[id, reference] as const] }))
}

/** The new lines and which of all stand in it: two statements, however many lines, so that the writer of the market hardly waits. */
export function putStatement(db: Database, row: StatementRow, lines: readonly OutsideLineRow[]): Statement[] {
  const rows = db.dialect === 'sqlite' ? 'json_each($1)' : 'json_array_elements($1::json)'
  return [
    { sql: 'INSERT INTO outside_statements (id, account, from_day, to_day, doc) VALUES ($1, $2, $3, $4, $5)', params: [row.id, row.account, row.from, row.to, JSON.stringify(row)] },
    { sql: `INSERT INTO outside_lines (id, account, key, day, reference, amount, own) SELECT value->>0, $2, value->>1, CAST(value->>2 AS BIGINT), value->>3, CAST(value->>4 AS BIGINT), value->>5 FROM ${rows} WHERE true ON CONFLICT (account, key) DO NOTHING`, params: [JSON.stringify(lines.map(({ id, key, day, reference, amount, own }) => [id, key, String(day), reference, amount.toString(), own])), row.account] },
    { sql: `INSERT INTO outside_statement_lines (statement, line) SELECT $2, value->>0 FROM ${rows} WHERE true`, params: [JSON.stringify(lines.map(({ id }) => [id])), row.id], expectRows: lines.length },
  ]
}
/** Its lines go, but for those of other statements. */
export const withdrawStatement = (row: StatementRow, at: Instant): Statement[] => [
  { sql: 'UPDATE outside_statements SET withdrawn_at = $2, doc = $3 WHERE id = $1 AND withdrawn_at IS NULL', params: [row.id, at, JSON.stringify(row)], expectRows: 1 },
  { sql: 'DELETE FROM outside_statement_lines WHERE statement = $1', params: [row.id] },
  { sql: 'DELETE FROM outside_lines WHERE account = $1 AND NOT EXISTS (SELECT 1 FROM outside_statement_lines WHERE line = outside_lines.id)', params: [row.account] },
]
export async function readStatementRow(db: Database, id: string): Promise<StatementRow | null> {
  const [row] = await db.query<{ doc: string }>('SELECT doc FROM outside_statements WHERE id = $1', [id])
  return row ? (JSON.parse(row.doc) as StatementRow) : null
}
export async function listStatementRows(db: Database, account: string | undefined, limit: number, cursor: string | undefined): Promise<PageOf<StatementRow & { readonly byName: string }>> {
  const rows = await db.query<{ doc: string }>(`SELECT doc FROM outside_statements WHERE id < $1 ${account === undefined ? '' : 'AND account = $2'} ORDER BY id DESC LIMIT ${limit + 1}`, [cursor ?? 'stm~', ...(account === undefined ? [] : [account])])
  const found = page(rows.map(({ doc }) => JSON.parse(doc) as StatementRow), limit, (row) => row, (row) => row.id), names = await namesOf(db, found.data.map(({ by }) => by))
  return { ...found, data: found.data.map((row) => ({ ...row, byName: names.get(row.by) ?? '' })) }
}
export async function namesOf(db: Database, users: readonly string[]): Promise<Map<string, string>> {
  return users.length === 0 ? new Map() : new Map((await db.query<{ id: string; name: string }>(`SELECT id, name FROM users WHERE id IN ${among(db)}`, [JSON.stringify([...new Set(users)])])).map(({ id, name }) => [id, name]))
}

export const readSettlements = async (db: Database, account: string): Promise<SettlementRow[]> => (await db.query<{ doc: string }>('SELECT doc FROM mismatch_settlements WHERE account = $1 AND reopened_at IS NULL ORDER BY id', [account])).map(({ doc }) => JSON.parse(doc) as SettlementRow)
export async function readSettlement(db: Database, id: string): Promise<{ readonly row: SettlementRow; readonly isOpen: boolean } | null> {
  const [row] = await db.query<{ doc: string; reopened_at: string | null }>('SELECT doc, CAST(reopened_at AS TEXT) AS reopened_at FROM mismatch_settlements WHERE id = $1', [id])
  return row ? { row: JSON.parse(row.doc) as SettlementRow, isOpen: row.reopened_at === null } : null
}
/** `stale`, when somebody was quicker: the line, the entry or the mismatch is settled. */
export const putSettlement = (row: SettlementRow): Statement =>
  ({ sql: 'INSERT INTO mismatch_settlements (id, account, how, key, line, entry, doc) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING', params: [row.id, row.account, row.how, row.key, row.line, row.entry, JSON.stringify(row)], expectRows: 1 })
export const reopenSettlement = (id: SettlementId, at: Instant): Statement => ({ sql: 'UPDATE mismatch_settlements SET reopened_at = $2 WHERE id = $1 AND reopened_at IS NULL', params: [id, at], expectRows: 1 })
