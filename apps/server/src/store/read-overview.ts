// What operators' overview counts, and what of nodes and accounts it looks into. Each question by an index, and none counts without an end.
import type { JobEvent, JobState, LedgerAccount, NodeEvidence, NodeId } from '@lumaris/protocol'
import { NODE_ATTEMPTS_SHOWN, classOf } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'
import { attemptRow } from './load.ts'
import { page } from './page.ts'
import type { PageOf } from './page.ts'
import { given } from './views.ts'

export async function countEnded(db: Database, from: number): Promise<Partial<Record<JobState, number>>> {
  const rows = await db.query<{ state: string; jobs: string }>('SELECT state, CAST(COUNT(*) AS TEXT) AS jobs FROM jobs WHERE ended_at >= $1 GROUP BY state', [from])
  return Object.fromEntries(rows.map(({ state, jobs }) => [state, Number(jobs)]))
}

type Backlog = { readonly waiting: number; readonly oldestAt?: number }
/** `endedBefore`: attempts that ended before this have their dispute window behind them. */
export async function countBacklogs(db: Database, endedBefore: number, most: number): Promise<Record<'events' | 'messages' | 'mails' | 'clearing', Backlog>> {
  const count = async (sql: string, params: (string | number)[]): Promise<Backlog> => {
    const [row] = await db.query<{ waiting: string; oldest: string | null }>(`SELECT CAST(COUNT(*) AS TEXT) AS waiting, CAST(MIN(since) AS TEXT) AS oldest FROM (${sql} LIMIT ${most}) some_of_them`, params)
    return { waiting: Number(row?.waiting ?? 0), ...given('oldestAt', row?.oldest ? Number(row.oldest) : null) }
  }
  // Where nobody is told anything, nothing is looked through, and nothing waits.
  const unread = 'seq > (SELECT seq FROM webhook_cursor WHERE id = \'events\') AND EXISTS (SELECT 1 FROM webhooks WHERE disabled_at IS NULL)'
  const [first] = await db.query<{ doc: string }>(`SELECT doc FROM events WHERE ${unread} ORDER BY seq LIMIT 1`), at = first && (JSON.parse(first.doc) as JobEvent[])[0]?.at
  return {
    events: { ...await count(`SELECT CAST(NULL AS BIGINT) AS since FROM events WHERE ${unread}`, []), ...(at === undefined ? {} : { oldestAt: at }) },
    messages: await count("SELECT created_at AS since FROM deliveries WHERE state = 'waiting'", []),
    mails: await count("SELECT created_at AS since FROM mails WHERE state = 'waiting'", []),
    clearing: await count('SELECT ended_at AS since FROM attempts WHERE billed > 0 AND billed > fee AND released = 0 AND ended_at < $1 ORDER BY ended_at', [endedBefore]),
  }
}

/** The last attempts on a node, newest job first, with how many results of others each was held against. */
export async function lastAttempts(db: Database, node: NodeId): Promise<NodeEvidence['attempts']> {
  const rows = await db.query<{ doc: string; others: string }>(`SELECT a.doc, (SELECT CAST(COUNT(*) AS TEXT) FROM attempts o WHERE o.job = a.job AND o.task = a.task AND o.node <> a.node AND o.state IN ('valid', 'invalid')) AS others FROM attempts a WHERE a.node = $1 ORDER BY a.job DESC, a.id DESC LIMIT ${NODE_ATTEMPTS_SHOWN}`, [node])
  return rows.map((row) => ({ row: attemptRow(row), others: Number(row.others) })).map(({ row, others }) => ({ attempt: row.id, job: row.job, state: row.state, ...given('cause', row.cause), others: row.state === 'valid' || row.state === 'invalid' ? others : 0, offeredAt: row.offeredAt, ...given('endedAt', row.endedAt), ...given('billed', row.billed?.toString()) }))
}

/** Those of a class that hold something, by their names. Escrows and payouts are found through what they are for: all but a few are empty for ever. */
export async function listLedgerAccounts(db: Database, of: string, limit: number, cursor: string | undefined): Promise<PageOf<LedgerAccount>> {
  const [kind = '', what] = of.split(':', 2), after = cursor ?? '', first = `${kind}:`, last = `${kind};`
  const live = of === 'escrow' ? ["jobs WHERE state IN ('queued', 'running')", 'escrow:'] : of === 'payout' ? ["payouts WHERE state IN ('requested', 'sent')", 'payout:'] : null
  const held = 'SELECT id, CAST(balance AS TEXT) AS balance FROM accounts WHERE balance <> 0 AND id > $1'
  const [sql, params]: [string, string[]] = live ? [`${held} AND id IN (SELECT '${live[1]}' || id FROM ${live[0]})`, [after]]
    : kind === 'platform' || kind === 'external' ? [`${held} AND id = $2`, [after, of]]
    : [`${held} AND id >= $2 AND id < $3 ${kind === 'seller' ? `AND id ${what === 'pending' ? '' : 'NOT '}LIKE '%:pending'` : ''}`, [after, first, last]]
  const rows = await db.query<{ id: string; balance: string }>(`${sql} ORDER BY id LIMIT ${limit + 1}`, params)
  return page(rows, limit, ({ id, balance }) => ({ account: id, class: classOf(id), balance }), ({ id }) => id)
}
