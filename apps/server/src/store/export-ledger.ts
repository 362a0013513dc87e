// The entries of a span as lines of a file: chained by hashes, sealed now and then with the market's signature (packages/protocol/src/ledger-export.ts says how). Entries
// are read a page at a time, by time and name: nothing is ever changed or put in between, so what was read stays what it was.
import type { KeyObject } from 'node:crypto'
import { LEDGER_SEAL_EVERY, ledgerHeadText, ledgerLineText, ledgerSealText } from '@lumaris/protocol'
import type { LedgerBalance, LedgerHead } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'
import { sha256Hex, signText } from '../signatures.ts'
import { classSql, entriesBetween, viewEntry } from './read-ledger.ts'

const PAGE = 500

/** All that was ever moved before a moment, by class of account. */
export async function balancesBefore(db: Database, at: number): Promise<LedgerBalance[]> {
  const rows = await db.query<{ class: string; balance: string }>(`SELECT class, CAST(SUM(amount) AS TEXT) AS balance FROM (
      SELECT ${classSql('debit')} AS class, -amount AS amount FROM postings WHERE at < $1 UNION ALL SELECT ${classSql('credit')} AS class, amount FROM postings WHERE at < $1
    ) moved GROUP BY class`, [at])
  return rows.toSorted((a, b) => (a.class < b.class ? -1 : 1))
}

export async function* exportLedger(db: Database, { from, to }: { from: number; to: number }, market: { readonly platformKey: string; readonly key: KeyObject }): AsyncGenerator<string, void, undefined> {
  const head: LedgerHead = { ledger: 1, from, to, platformKey: market.platformKey, opening: await balancesBefore(db, from) }
  yield `${JSON.stringify(head)}\n`
  let hash = sha256Hex(ledgerHeadText(head)), n = 0
  const seal = (closing?: LedgerBalance[]): string => { const said = { n, hash, ...(closing ? { closing } : {}) }; return `${JSON.stringify({ seal: { ...said, signature: signText(market.key, ledgerSealText(said)) } })}\n` }
  for (let after = { at: from, entry: '' }; ;) {
    const rows = await entriesBetween(db, after, to, PAGE)
    let text = ''
    for (const row of rows) {
      const entry = viewEntry(row), prev = hash
      hash = sha256Hex(ledgerLineText(hash, ++n, entry))
      text += `${JSON.stringify({ n, prev, entry, hash })}\n`
      if (n % LEDGER_SEAL_EVERY === 0) text += seal()
    }
    const last = rows.at(-1)
    if (!last) break
    yield text
    after = { at: last.at, entry: last.id }
  }
  yield seal(await balancesBefore(db, to))
}
