// Questions about the ledger and about money on its way out.
import { account, formatCredits } from '@lumaris/protocol'
import { forfeitEntry } from '@lumaris/domain'
import type { AttemptId, Entry, EntryKind, Forfeit, Hold, JobId, JobState, LedgerCheck, SellerEarnings, UserId } from '@lumaris/protocol'
import type { EntryRow, ForfeitRow, PayoutRow, PayoutRuleRow, ReversalRow } from '@lumaris/domain'
import type { Database } from '../database/database.ts'
import { forfeitRow, payoutRow, plainRow, reversalRow } from './load.ts'
import { among, page } from './page.ts'
import type { PageOf } from './page.ts'

type Doc = { doc: string }
type Line = { entry: string; kind: string; at: string; job: string | null; attempt: string | null; debit: string; credit: string; amount: string }

/** Those of these that there are, in no order. */
export async function readEntries(db: Database, names: readonly string[]): Promise<EntryRow[]> {
  if (names.length === 0) return []
  const lines = await db.query<Line>(`SELECT entry, kind, CAST(at AS TEXT) AS at, job, attempt, debit, credit, CAST(amount AS TEXT) AS amount FROM postings WHERE entry IN ${among(db)} ORDER BY entry, line`, [JSON.stringify(names)])
  const found = new Map<string, EntryRow & { postings: EntryRow['postings'][number][] }>()
  for (const { entry, kind, at, job, attempt, debit, credit, amount } of lines) {
    const row = found.get(entry) ?? { id: entry, kind: kind as EntryKind, at: Number(at), job: job as JobId | null, attempt: attempt as AttemptId | null, postings: [] }
    row.postings.push({ from: debit, to: credit, amount: BigInt(amount) })
    found.set(entry, row)
  }
  return [...found.values()]
}
export const viewEntry = (row: EntryRow): Entry => ({ id: row.id, kind: row.kind, at: row.at, postings: row.postings.map(({ from, to, amount }) => ({ from, to, amount: amount.toString() })), ...(row.job ? { job: row.job } : {}), ...(row.attempt ? { attempt: row.attempt } : {}) })

/** Of an account, newest first, by the indexes of both its sides. Escrows and the fee stand in no index: those of a job are found by their names. */
export async function findEntries(db: Database, filter: { account?: string | undefined; job?: JobId | undefined }, limit: number, cursor: string | undefined): Promise<PageOf<Entry>> {
  const job = filter.job ?? (filter.account?.startsWith('escrow:') ? filter.account.slice(7) : undefined)
  if (job !== undefined) {
    const heads = await db.query<{ entry: string }>(`SELECT DISTINCT entry FROM postings WHERE (entry IN ('hold:' || $1, 'refund:' || $1) OR (entry >= 'settle:' || $1 AND entry < 'settle:' || $1 || '/') OR (entry >= 'reversal:settle:' || $1 AND entry < 'reversal:settle:' || $1 || '/')) AND entry > $2 ORDER BY entry LIMIT ${limit + 1}`, [job, cursor ?? ''])
    const rows = await readEntries(db, heads.slice(0, limit).map(({ entry }) => entry))
    return { data: rows.map(viewEntry).toSorted((a, b) => (a.id < b.id ? -1 : 1)), nextCursor: heads.length > limit ? heads[limit - 1]?.entry ?? null : null }
  }
  const name = filter.account ?? account.external('demo')
  const side = (column: 'debit' | 'credit'): string => `SELECT entry, at FROM postings WHERE ${column} = $1 AND ${column} NOT LIKE 'escrow:%' AND ${column} <> 'platform:fee' AND (at < $2 OR (at = $2 AND entry > $3))`
  const [atText, after] = cursor ? (cursor.split('~', 2) as [string, string]) : ['9007199254740991', '']
  const heads = await db.query<{ entry: string; at: string }>(`SELECT entry, CAST(at AS TEXT) AS at FROM (${side('debit')} UNION ${side('credit')}) both_sides ORDER BY at DESC, entry LIMIT ${limit + 1}`, [name, Number(atText), after])
  return entriesOf(db, heads, limit)
}
/** A page of entries, in the order of their heads; one head more than the page says that there is another. */
export async function entriesOf(db: Database, heads: { readonly entry: string; readonly at: string }[], limit: number): Promise<PageOf<Entry>> {
  const rows = new Map((await readEntries(db, heads.slice(0, limit).map(({ entry }) => entry))).map((row) => [row.id, row]))
  return page(heads, limit, ({ entry }) => viewEntry(rows.get(entry) as EntryRow), ({ at, entry }) => `${at}~${entry}`)
}

export async function readPayout(db: Database, id: string): Promise<PayoutRow | null> {
  const [row] = await db.query<Doc>('SELECT doc FROM payouts WHERE id = $1', [id])
  return row ? payoutRow(row) : null
}
export async function listPayouts<Shown>(db: Database, user: UserId, limit: number, cursor: string | undefined, shown: (row: PayoutRow) => Shown): Promise<PageOf<Shown>> {
  const rows = await db.query<Doc>(`SELECT doc FROM payouts WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT ${limit + 1}`, [user, cursor ?? 'pay~'])
  return page(rows.map(payoutRow), limit, shown, (row) => row.id)
}

export async function readPayoutRule(db: Database, user: UserId): Promise<PayoutRuleRow | null> {
  const [row] = await db.query<Doc>("SELECT doc FROM payout_rules WHERE user_id = $1 AND state <> 'removed'", [user])
  return row ? plainRow<PayoutRuleRow>(row) : null
}

/** The last ones of a seller are shown. */
const FORFEITS_SHOWN = 20
export async function readForfeits(db: Database, owner: UserId, most = FORFEITS_SHOWN): Promise<Forfeit[]> {
  return (await db.query<Doc>(`SELECT doc FROM forfeits WHERE owner = $1 ORDER BY at DESC LIMIT ${most}`, [owner])).map(forfeitRow).map(viewForfeit)
}
function viewForfeit({ attempt, job, at, state, price, most, taken, of }: ForfeitRow): Forfeit {
  const took = state === 'due' ? 'what of your pending earnings answers for it is being looked up' : taken === 0n ? 'nothing of yours was pending, so nothing was taken' : `${formatCredits(taken)} credits of your pending earnings were taken for it`
  return {
    attempt, job, at, state, price: price.toString(), most: most.toString(), taken: taken.toString(), attempts: of.length, ...(taken > 0n ? { entry: forfeitEntry(attempt) } : {}),
    says: `Three or more other owners agreed on another result than yours, which would have been paid ${formatCredits(price)} credits; ${took}. Your results are checked each time until you have confirmed ones again.`,
    whatToDo: `Look for what makes your machine answer differently: memory that fails, a processor that is overclocked, a driver that is out of date.${taken > 0n ? ` If the program cannot give the same answer twice, ask an operator to reverse ${forfeitEntry(attempt)}: two of them decide.` : ''}`,
  }
}

export async function readSellerEarnings(db: Database, user: UserId, disputeMs: number): Promise<Pick<SellerEarnings, 'pending' | 'available' | 'onTheWay' | 'paid' | 'nextClearing' | 'forfeits'>> {
  const balances = await db.query<{ id: string; balance: string }>('SELECT id, CAST(balance AS TEXT) AS balance FROM accounts WHERE id IN ($1, $2)', [account.pending(user), account.earned(user)])
  const of = (name: string): string => balances.find(({ id }) => id === name)?.balance ?? '0'
  const sum = (states: string): string => `CAST(COALESCE(SUM(CASE WHEN state IN (${states}) THEN amount ELSE 0 END), 0) AS TEXT)`
  const [sums] = await db.query<{ way: string; paid: string }>(`SELECT ${sum("'requested', 'sent'")} AS way, ${sum("'paid'")} AS paid FROM payouts WHERE user_id = $1`, [user])
  const [next] = await db.query<{ ended_at: string; amount: string }>('SELECT CAST(ended_at AS TEXT) AS ended_at, CAST(billed - fee AS TEXT) AS amount FROM attempts WHERE seller = $1 AND billed > 0 AND released = 0 AND billed > fee ORDER BY ended_at LIMIT 1', [user])
  return { pending: of(account.pending(user)), available: of(account.earned(user)), onTheWay: sums?.way ?? '0', paid: sums?.paid ?? '0', forfeits: await readForfeits(db, user), ...(next ? { nextClearing: { at: Number(next.ended_at) + disputeMs, amount: next.amount } } : {}) }
}

export async function readReversal(db: Database, id: string): Promise<ReversalRow | null> {
  const [row] = await db.query<Doc>('SELECT doc FROM reversals WHERE id = $1', [id])
  return row ? reversalRow(row) : null
}
export async function listReversals<Shown>(db: Database, state: string | undefined, limit: number, cursor: string | undefined, shown: (row: ReversalRow) => Shown): Promise<PageOf<Shown>> {
  const rows = await db.query<Doc>(`SELECT doc FROM reversals WHERE id < $1 ${state === undefined ? '' : 'AND state = $2'} ORDER BY id DESC LIMIT ${limit + 1}`, [cursor ?? 'rev~', ...(state === undefined ? [] : [state])])
  return page(rows.map(reversalRow), limit, shown, (row) => row.id)
}

/** Money on its way out stands in an account of its own, and nothing else does. */
export async function payoutProblems(db: Database): Promise<string[]> {
  const count = async (sql: string): Promise<number> => Number((await db.query<{ value: string }>(sql))[0]?.value ?? '0')
  const wrong = await count("SELECT CAST(COUNT(*) AS TEXT) AS value FROM payouts LEFT JOIN accounts ON accounts.id = 'payout:' || payouts.id WHERE COALESCE(accounts.balance, 0) <> CASE WHEN payouts.state IN ('requested', 'sent') THEN payouts.amount ELSE 0 END")
  return wrong === 0 ? [] : [`${wrong} payouts hold another sum than they should`]
}

/** The class of an account, by its name: `classOf` of the protocol, for the database (a test holds the two together). */
export const classSql = (column: string): string =>
  `CASE WHEN ${column} LIKE 'buyer:%' THEN 'buyer:available' WHEN ${column} LIKE 'escrow:%' THEN 'escrow' WHEN ${column} LIKE 'seller:%:pending' THEN 'seller:pending' WHEN ${column} LIKE 'seller:%' THEN 'seller:available' WHEN ${column} LIKE 'payout:%' THEN 'payout' ELSE ${column} END`
/** What each class of accounts holds, and what went out of it and into it. */
export async function trialBalance(db: Database): Promise<LedgerCheck['classes']> {
  // One statement, so that all of it is of one moment.
  const rows = await db.query<{ class: string; accounts: number; balance: string; gone: string; came: string }>(`SELECT class, CAST(SUM(one) AS INTEGER) AS accounts, CAST(SUM(balance) AS TEXT) AS balance, CAST(SUM(gone) AS TEXT) AS gone, CAST(SUM(came) AS TEXT) AS came FROM (
      SELECT ${classSql('id')} AS class, 1 AS one, balance, 0 AS gone, 0 AS came FROM accounts UNION ALL SELECT ${classSql('debit')}, 0, 0, amount, 0 FROM postings UNION ALL SELECT ${classSql('credit')}, 0, 0, 0, amount FROM postings
    ) sides GROUP BY class`)
  return rows.map((row) => ({ class: row.class, accounts: Number(row.accounts), out: row.gone, in: row.came, balance: row.balance })).toSorted((a, b) => (a.class < b.class ? -1 : 1))
}

/** Whole entries of a span behind one of them, in the order of time and then of names; the first page begins behind the empty name. */
export async function entriesBetween(db: Database, after: { at: number; entry: string }, to: number, limit: number): Promise<EntryRow[]> {
  const heads = await db.query<{ entry: string; at: string }>(`SELECT DISTINCT entry, CAST(at AS TEXT) AS at, at AS since FROM postings WHERE at >= $1 AND at < $3 AND (at > $1 OR entry > $2) ORDER BY since, entry LIMIT ${limit}`, [after.at, after.entry, to])
  const rows = new Map((await readEntries(db, heads.map(({ entry }) => entry))).map((row) => [row.id, row]))
  return heads.map(({ entry }) => rows.get(entry) as EntryRow)
}

/** What is held for jobs that were made before a moment, oldest first. */
export async function listHolds(db: Database, before: number, limit: number, cursor: string | undefined): Promise<PageOf<Hold>> {
  const name = db.dialect === 'sqlite' ? "json_extract(j.spec, '$.name')" : "j.spec::json->>'name'"
  const rows = await db.query<{ id: string; buyer: string; name: string | null; state: string; since: string; held: string; cap: string }>(`SELECT j.id, j.buyer, ${name} AS name, j.state, CAST(j.created_at AS TEXT) AS since, CAST(a.balance AS TEXT) AS held, CAST(j.cap AS TEXT) AS cap
    FROM jobs j JOIN accounts a ON a.id = 'escrow:' || j.id WHERE j.state IN ('queued', 'running') AND j.created_at < $1 AND j.id > $2 ORDER BY j.id LIMIT ${limit + 1}`, [before, cursor ?? ''])
  return page(rows, limit, ({ id, buyer, name: called, state, since, held, cap }) => ({ job: id as JobId, buyer: buyer as UserId, ...(called === null ? {} : { name: called }), state: state as JobState, since: Number(since), held, cap }), (row) => row.id)
}
