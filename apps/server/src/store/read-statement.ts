// What a seller earned, paid and was paid in a calendar year (UTC): from the entries alone, each time it is asked, so nothing can drift from the ledger.
import { account } from '@lumaris/protocol'
import type { UserId, YearStatement } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'

type Sums = { gross: bigint; fees: bigint; lost: bigint; cleared: bigint; paidOut: bigint; cameBack: bigint; arrived: bigint }
const none = (): Sums => ({ gross: 0n, fees: 0n, lost: 0n, cleared: 0n, paidOut: 0n, cameBack: 0n, arrived: 0n })
const shown = ({ gross, fees, lost, cleared, paidOut, cameBack, arrived }: Sums) =>
  ({ gross: `${gross}`, fees: `${fees}`, lost: `${lost}`, net: `${gross - fees - lost}`, cleared: `${cleared}`, paidOut: `${paidOut}`, cameBack: `${cameBack}`, arrived: `${arrived}` })
const DAY_MS = 86_400_000

export async function readStatement(db: Database, user: UserId, year: number, now: number): Promise<YearStatement> {
  const from = Date.UTC(year, 0, 1), end = Date.UTC(year + 1, 0, 1), to = Math.min(end, now + 1), pending = account.pending(user), earned = account.earned(user), fee = account.fee
  const byDay = (what: string, on: string): string => `SELECT CAST(p.at / ${DAY_MS} AS TEXT) AS day, '${what}' AS what, CAST(SUM(p.amount) AS TEXT) AS sum FROM postings p ${on} AND p.at >= $3 AND p.at < $4 GROUP BY p.at / ${DAY_MS}`
  // In the words of the indexes, which leave escrows and the fee out.
  const known = (column: string): string => `p.${column} NOT LIKE 'escrow:%' AND p.${column} <> '${fee}'`
  const mine = (column: string): string => `p.${column} IN ($1, $2) AND ${known(column)}`
  // The fee of an entry is its seller's: each entry pays one attempt.
  const itsFee = (column: string, other: string, name: string): string => `JOIN postings f ON f.entry = p.entry AND f.${column} = '${fee}' AND ${mine(other)} AND p.kind ${name}`
  const feeByDay = (what: string, column: string, other: string, name: string): string => `SELECT CAST(p.at / ${DAY_MS} AS TEXT) AS day, '${what}' AS what, CAST(SUM(f.amount) AS TEXT) AS sum FROM postings p ${itsFee(column, other, name)} WHERE p.at >= $3 AND p.at < $4 GROUP BY p.at / ${DAY_MS}`
  const rows = await db.query<{ day: string; what: string; sum: string }>([
    byDay('came', `WHERE ${mine('credit')} AND p.kind IN ('settle', 'displace')`), byDay('given', `WHERE ${mine('credit')} AND p.kind = 'reversal'`), byDay('lost', `WHERE ${mine('debit')} AND p.kind IN ('reversal', 'forfeit')`),
    byDay('cleared', `WHERE p.debit = $1 AND p.credit = $2 AND p.kind = 'release' AND ${known('debit')}`), byDay('paidOut', `WHERE p.debit = $2 AND p.kind = 'payout' AND ${known('debit')}`), byDay('cameBack', `WHERE p.credit = $2 AND p.kind = 'payout' AND ${known('credit')}`),
    byDay('arrived', `JOIN payouts ON p.debit = 'payout:' || payouts.id WHERE payouts.user_id = $5 AND p.credit LIKE 'external:%' AND ${known('debit')}`), feeByDay('fees', 'credit', 'credit', `IN ('settle', 'displace')`), feeByDay('feesBack', 'debit', 'debit', `= 'reversal'`),
  ].join(' UNION ALL '), [pending, earned, from, to, user])
  const months = Array.from({ length: 12 }, (_, i) => ({ month: `${year}-${String(i + 1).padStart(2, '0')}`, ...none() })), total = none()
  for (const { day, what, sum } of rows) {
    const amount = BigInt(sum)
    for (const one of [months[new Date(Number(day) * DAY_MS).getUTCMonth()] as Sums, total]) {
      if (what === 'came') one.gross += amount
      else if (what === 'fees') { one.gross += amount; one.fees += amount }
      // Of what is reversed the fee goes back too: it was the market's, and is no loss of the seller's.
      else if (what === 'feesBack') { one.fees -= amount; one.lost += amount }
      else if (what === 'given') one.lost -= amount
      else one[what as 'lost' | 'cleared' | 'paidOut' | 'cameBack' | 'arrived'] += amount
    }
  }
  const balance = async (before: number): Promise<bigint> => {
    const [row] = await db.query<{ sum: string }>(`SELECT CAST(COALESCE(SUM(amount), 0) AS TEXT) AS sum FROM (
      SELECT amount FROM postings WHERE credit IN ($1, $2) AND credit NOT LIKE 'escrow:%' AND credit <> '${fee}' AND at < $3
      UNION ALL SELECT -amount FROM postings WHERE debit IN ($1, $2) AND debit NOT LIKE 'escrow:%' AND debit <> '${fee}' AND at < $3) sides`, [pending, earned, before])
    return BigInt(row?.sum ?? 0)
  }
  const [who] = await db.query<{ name: string }>('SELECT name FROM users WHERE id = $1', [user])
  return { year, seller: user, name: who?.name ?? '', at: now, open: now < end, opening: `${await balance(from)}`, closing: `${await balance(to)}`, total: shown(total), months: months.filter(({ month }) => Date.parse(`${month}-01`) <= now).map(({ month, ...sums }) => ({ month, ...shown(sums) })) }
}
