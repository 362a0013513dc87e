// Questions that the API asks: always of the tables, so that nothing is shown that is not committed. One exported function per question.
import { JobState, account, dayText } from '@lumaris/protocol'
import type { AccountName, AttemptId, Entry, Job, JobEvent, JobId, LedgerCheck, NodeId, NodesEarnings, Quote, UserId, Wallet } from '@lumaris/protocol'
import type { AttemptRow, AutoTopupRow, JobRow, NodeRow, ScheduleRow, SealRow, StandingRow, TaskRow, TickRow } from '@lumaris/domain'
import type { Database } from '../database/database.ts'
import { attemptRow, jobRow, plainRow } from './load.ts'
import { entriesOf, payoutProblems, trialBalance } from './read-ledger.ts'
import { among, page } from './page.ts'
import type { PageOf } from './page.ts'

type Doc = { doc: string }
export async function readJob(db: Database, id: JobId): Promise<JobRow | null> {
  const [row] = await db.query<{ spec: string; doc: string }>('SELECT spec, doc FROM jobs WHERE id = $1', [id])
  return row ? jobRow(row) : null
}

/** Each of them is found by an index, so that a page costs what a page is long, however many jobs there are; where several are named, the others only leave out. */
type JobsWanted = { readonly state?: JobState | undefined; readonly id?: string | undefined; readonly buyer?: UserId | undefined; readonly node?: NodeId | undefined; readonly image?: string | undefined; readonly limit: number; readonly cursor?: string | undefined }
/** `buyer` null: everybody's. */
export async function listJobs(db: Database, buyer: UserId | null, filter: JobsWanted, view: (row: JobRow) => Job): Promise<PageOf<Job>> {
  const where: string[] = [], params: (string | number)[] = []
  const add = (condition: string, value: string | number) => { params.push(value); where.push(condition.replaceAll('?', `$${params.length}`)) }
  if (buyer) add('buyer = ?', buyer)
  if (filter.buyer) add('buyer = ?', filter.buyer)
  // As a word of our own: the indexes of what is not frequent are for one state each, and a parameter would not find them.
  if (filter.state) where.push(`state = '${JobState.parse(filter.state)}'`)
  if (filter.id) { add('id >= ?', filter.id); add('id < ?', `${filter.id}~`) }
  if (filter.image) add('image = ?', filter.image)
  if (filter.cursor) add('id < ?', filter.cursor)
  // Of a node: from its attempts. Where nothing else is asked, no more of them are looked through than a page has.
  if (filter.node) {
    const alone = where.length === (filter.cursor ? 1 : 0)
    add(`id IN (SELECT job FROM (SELECT DISTINCT job FROM attempts WHERE node = ?${filter.cursor ? ` AND job < $${params.length}` : ''} ${alone ? `ORDER BY job DESC LIMIT ${filter.limit + 1}` : ''}) there)`, filter.node)
  }
  // Ids are in order of time, so they serve as the key of the page.
  const rows = await db.query<{ spec: string; doc: string }>(`SELECT spec, doc FROM jobs ${where.length > 0 ? `WHERE ${where.join(' AND ')}` : ''} ORDER BY id DESC LIMIT ${filter.limit + 1}`, params)
  return page(rows.map(jobRow), filter.limit, view, (row) => row.id)
}

export async function listTasks(db: Database, job: JobId, limit: number, cursor: string | undefined): Promise<PageOf<TaskRow>> {
  const rows = await db.query<Doc>(`SELECT doc FROM tasks WHERE job = $1 AND idx > $2 ORDER BY idx LIMIT ${limit + 1}`, [job, cursor === undefined ? -1 : Number(cursor)])
  return page(rows.map((row) => plainRow<TaskRow>(row)), limit, (row) => row, (row) => String(row.index))
}

export async function listAttempts(db: Database, job: JobId, limit: number, cursor: string | undefined): Promise<PageOf<AttemptRow>> {
  const rows = await db.query<Doc>(`SELECT doc FROM attempts WHERE job = $1 AND id > $2 ORDER BY id LIMIT ${limit + 1}`, [job, cursor ?? ''])
  return page(rows.map(attemptRow), limit, (row) => row, (row) => row.id)
}

export async function readAttempt(db: Database, id: AttemptId): Promise<AttemptRow | null> {
  const [row] = await db.query<Doc>('SELECT doc FROM attempts WHERE id = $1', [id])
  return row ? attemptRow(row) : null
}

/** Every result of an ended job, task by task: of those that have one. */
export async function readResults(db: Database, job: JobId): Promise<{ task: number; attempt: AttemptRow }[]> {
  const rows = await db.query<Doc>("SELECT doc FROM tasks WHERE job = $1 ORDER BY idx", [job])
  const tasks = rows.map((row) => plainRow<TaskRow>(row)).filter((task) => task.result !== null), wanted = new Map(tasks.map((task) => [task.result as AttemptId, task.index]))
  const attempts = wanted.size === 0 ? [] : await db.query<Doc>(`SELECT doc FROM attempts WHERE id IN ${among(db)}`, [JSON.stringify([...wanted.keys()])])
  return attempts.map(attemptRow).map((attempt) => ({ task: wanted.get(attempt.id) ?? 0, attempt })).sort((a, b) => a.task - b.task)
}

export async function readEvents(db: Database, job: JobId, after: number): Promise<JobEvent[]> {
  const rows = await db.query<Doc>('SELECT doc FROM events WHERE job = $1 AND version > $2 ORDER BY version', [job, after])
  return rows.flatMap((row) => JSON.parse(row.doc) as JobEvent[]).filter((event) => event.version > after)
}

export type StoredTick = { readonly tick: TickRow; readonly seal: string | null; readonly leaf: number | null }
export async function readTicks(db: Database, attempt: AttemptId): Promise<StoredTick[]> {
  const rows = await db.query<{ doc: string; seal: string | null; leaf: number | null }>('SELECT doc, seal, leaf FROM ticks WHERE attempt = $1 ORDER BY seq', [attempt])
  return rows.map((row) => ({ tick: plainRow<TickRow>(row), seal: row.seal, leaf: row.leaf }))
}
export async function readSeal(db: Database, id: string): Promise<SealRow | null> {
  const [row] = await db.query<Doc>('SELECT doc FROM seals WHERE id = $1', [id])
  return row ? plainRow<SealRow>(row) : null
}

export async function readQuote(db: Database, id: string): Promise<Quote | null> {
  const [row] = await db.query<Doc>('SELECT doc FROM quotes WHERE id = $1', [id])
  return row ? plainRow<Quote>(row) : null
}
export async function readStanding(db: Database, id: string): Promise<StandingRow | null> {
  const [row] = await db.query<Doc>('SELECT doc FROM standing WHERE id = $1', [id])
  return row ? plainRow<StandingRow>(row) : null
}
/** Null: everybody's. */
export async function listStanding<Shown>(db: Database, buyer: UserId | null, limit: number, cursor: string | undefined, shown: (row: StandingRow) => Shown): Promise<PageOf<Shown>> {
  const rows = await db.query<Doc>(`SELECT doc FROM standing WHERE id < $1 ${buyer === null ? '' : 'AND buyer = $2'} ORDER BY id DESC LIMIT ${limit + 1}`, [cursor ?? 'sta~', ...(buyer === null ? [] : [buyer])])
  return page(rows.map((row) => plainRow<StandingRow>(row)), limit, shown, (row) => row.id)
}
export async function readSchedule(db: Database, id: string): Promise<ScheduleRow | null> {
  const [row] = await db.query<Doc>('SELECT doc FROM schedules WHERE id = $1', [id])
  return row ? plainRow<ScheduleRow>(row) : null
}
/** Null: everybody's. */
export async function listSchedules<Shown>(db: Database, buyer: UserId | null, limit: number, cursor: string | undefined, shown: (row: ScheduleRow) => Shown): Promise<PageOf<Shown>> {
  const rows = await db.query<Doc>(`SELECT doc FROM schedules WHERE state <> 'removed' AND id < $1 ${buyer === null ? '' : 'AND buyer = $2'} ORDER BY id DESC LIMIT ${limit + 1}`, [cursor ?? 'sch~', ...(buyer === null ? [] : [buyer])])
  return page(rows.map((row) => plainRow<ScheduleRow>(row)), limit, shown, (row) => row.id)
}
export async function readNode(db: Database, id: NodeId): Promise<NodeRow | null> {
  const [row] = await db.query<Doc>('SELECT doc FROM nodes WHERE id = $1', [id])
  return row ? plainRow<NodeRow>(row) : null
}
export async function listNodes(db: Database, owner: UserId | null, limit: number, cursor: string | undefined): Promise<PageOf<NodeRow>> {
  const rows = await db.query<Doc>(`SELECT doc FROM nodes WHERE id > $1 ${owner ? 'AND owner = $2' : ''} ORDER BY id LIMIT ${limit + 1}`, owner ? [cursor ?? '', owner] : [cursor ?? ''])
  return page(rows.map((row) => plainRow<NodeRow>(row)), limit, (row) => row, (row) => row.id)
}

export async function readWallet(db: Database, user: UserId): Promise<Wallet> {
  const names = [account.available(user), account.pending(user), account.earned(user)]
  const balances = await db.query<{ id: string; balance: string }>('SELECT id, CAST(balance AS TEXT) AS balance FROM accounts WHERE id IN ($1, $2, $3)', names)
  const of = (name: AccountName): string => balances.find((row) => row.id === name)?.balance ?? '0'
  const [held] = await db.query<{ sum: string }>("SELECT CAST(COALESCE(SUM(cap - cost), 0) AS TEXT) AS sum FROM jobs WHERE buyer = $1 AND state IN ('queued', 'running')", [user])
  const [spent] = await db.query<{ sum: string }>('SELECT CAST(COALESCE(SUM(cost), 0) AS TEXT) AS sum FROM jobs WHERE buyer = $1', [user])
  return { user, available: of(account.available(user)), held: held?.sum ?? '0', spent: spent?.sum ?? '0', pending: of(account.pending(user)), earned: of(account.earned(user)) }
}

/** After the fee: all of it, what is still in the dispute window, and what ended since a moment. */
export async function readEarnings(db: Database, node: NodeId, since: number): Promise<{ total: string; pending: string; recent: string }> {
  const sum = (when: string): string => `CAST(COALESCE(SUM(CASE WHEN ${when} THEN billed - fee ELSE 0 END), 0) AS TEXT)`
  const [row] = await db.query<{ total: string; pending: string; recent: string }>(`SELECT ${sum('released <> 2')} AS total, ${sum('released = 0')} AS pending, ${sum('ended_at >= $2 AND released <> 2')} AS recent FROM attempts WHERE node = $1 AND billed > 0`, [node, since])
  return row ?? { total: '0', pending: '0', recent: '0' }
}

/** By node and day, after the fee; a seller's nodes, the one that earned most in this time first. */
export async function readNodesEarnings(db: Database, seller: UserId, since: number): Promise<NodesEarnings> {
  const sum = (when: string): string => `CAST(COALESCE(SUM(CASE WHEN ${when} THEN billed - fee ELSE 0 END), 0) AS TEXT)`
  const mine = 'node IN (SELECT id FROM nodes WHERE owner = $1) AND billed > 0 AND released <> 2'
  const rows = await db.query<{ node: NodeId; cleared: string; pending: string; doc: string }>(`SELECT sums.node, sums.cleared, sums.pending, nodes.doc FROM (SELECT node, ${sum('released = 1')} AS cleared, ${sum('released = 0')} AS pending FROM attempts WHERE ${mine} GROUP BY node) sums JOIN nodes ON nodes.id = sums.node`, [seller])
  const ran = db.dialect === 'sqlite' ? "json_extract(doc, '$.usage.runMs')" : "(doc::json->'usage'->>'runMs')::bigint"
  const days = await db.query<{ node: NodeId; day: string; earned: string; ran: string }>(`SELECT node, CAST(ended_at / 86400000 AS TEXT) AS day, CAST(SUM(billed - fee) AS TEXT) AS earned, CAST(SUM(${ran}) AS TEXT) AS ran FROM attempts WHERE ${mine} AND ended_at >= $2 GROUP BY node, ended_at / 86400000 ORDER BY node, ended_at / 86400000`, [seller, since])
  const byNode = Map.groupBy(days, ({ node }) => node), earned = (node: NodeId): bigint => (byNode.get(node) ?? []).reduce((total, one) => total + BigInt(one.earned), 0n)
  const nodes = rows.map(({ node, cleared, pending, doc }) => ({ node, name: (JSON.parse(doc) as NodeRow).name, cleared, pending, days: (byNode.get(node) ?? []).map((one) => ({ day: dayText(Number(one.day) * 86_400_000), earned: one.earned, ranMs: Number(one.ran) })) }))
  return { since, nodes: nodes.toSorted((a, b) => { const [one, other] = [earned(a.node), earned(b.node)]; return one === other ? a.node.localeCompare(b.node) : one > other ? -1 : 1 }) }
}

export async function listEntries(db: Database, user: UserId, limit: number, cursor: string | undefined): Promise<PageOf<Entry>> {
  const mine = [account.available(user), account.pending(user), account.earned(user)]
  const [atText, entryAfter] = cursor ? (cursor.split('~', 2) as [string, string]) : ['9007199254740991', '']
  const before = '(at < $4 OR (at = $4 AND entry > $5))'
  // Each side by its own index; the union is short because both are cut to a page.
  const heads = await db.query<{ entry: string; at: string }>(`SELECT entry, CAST(at AS TEXT) AS at FROM (
      SELECT entry, at FROM postings WHERE debit IN ($1, $2, $3) AND ${before} UNION SELECT entry, at FROM postings WHERE credit IN ($1, $2, $3) AND ${before}
    ) both_sides ORDER BY at DESC, entry LIMIT ${limit + 1}`, [...mine, Number(atText), entryAfter])
  return withCauses(db, await entriesOf(db, heads, limit))
}
/** Why money came back: how its job ended, or what was said when it was reversed. */
async function withCauses(db: Database, found: PageOf<Entry>): Promise<PageOf<Entry>> {
  const refunds = found.data.flatMap(({ kind, job }) => (kind === 'refund' && job ? [job] : [])), reversed = found.data.flatMap(({ kind, id }) => (kind === 'reversal' ? [id.slice('reversal:'.length)] : []))
  const jobs = refunds.length === 0 ? [] : await db.query<Doc & { id: string }>(`SELECT id, doc FROM jobs WHERE id IN ${among(db)}`, [JSON.stringify(refunds)])
  const reasons = reversed.length === 0 ? [] : await db.query<Doc & { entry: string }>(`SELECT entry, doc FROM reversals WHERE state = 'done' AND entry IN ${among(db)}`, [JSON.stringify(reversed)])
  const because = new Map<string, NonNullable<Entry['because']>>([
    ...jobs.map(({ id, doc }): [string, NonNullable<Entry['because']>] => { const { state, cause } = JSON.parse(doc) as Pick<JobRow, 'state' | 'cause'>; return [`refund:${id}`, { state, ...(cause === null ? {} : { cause }) }] }),
    ...reasons.map(({ entry, doc }): [string, NonNullable<Entry['because']>] => [`reversal:${entry}`, { reason: (JSON.parse(doc) as { reason: string }).reason }]),
  ])
  return { ...found, data: found.data.map((entry) => { const why = because.get(entry.id); return why ? { ...entry, because: why } : entry }) }
}

/** Everything that must hold of the books, asked of the tables themselves. */
export async function checkLedger(db: Database): Promise<LedgerCheck> {
  const problems: string[] = []
  const text = async (sql: string): Promise<string> => (await db.query<{ value: string }>(sql))[0]?.value ?? '0'
  const sum = await text('SELECT CAST(COALESCE(SUM(balance), 0) AS TEXT) AS value FROM accounts')
  if (sum !== '0') problems.push(`all accounts together hold ${sum}, not 0`)
  const below = await text("SELECT CAST(COUNT(*) AS TEXT) AS value FROM accounts WHERE balance < 0 AND id NOT LIKE 'external:%'")
  if (below !== '0') problems.push(`${below} accounts are below zero`)
  const folded = await text(`SELECT CAST(COUNT(*) AS TEXT) AS value FROM accounts LEFT JOIN (
      SELECT id, SUM(amount) AS total FROM (SELECT debit AS id, -amount AS amount FROM postings UNION ALL SELECT credit, amount FROM postings) sides GROUP BY id
    ) fold ON fold.id = accounts.id WHERE accounts.balance <> COALESCE(fold.total, 0)`)
  if (folded !== '0') problems.push(`${folded} balances differ from the sum of their postings`)
  const escrows = await text("SELECT CAST(COUNT(*) AS TEXT) AS value FROM jobs JOIN accounts ON accounts.id = 'escrow:' || jobs.id WHERE jobs.state NOT IN ('queued', 'running') AND accounts.balance <> 0")
  if (escrows !== '0') problems.push(`${escrows} ended jobs still hold money in escrow`)
  const open = await text("SELECT CAST(COUNT(*) AS TEXT) AS value FROM jobs JOIN accounts ON accounts.id = 'escrow:' || jobs.id WHERE jobs.state IN ('queued', 'running') AND accounts.balance <> jobs.cap - jobs.cost")
  if (open !== '0') problems.push(`${open} open jobs hold another sum than their cap less their cost`)
  const costs = await text(`SELECT CAST(COUNT(*) AS TEXT) AS value FROM jobs LEFT JOIN (SELECT COALESCE(payer, job) AS job, SUM(billed) AS billed FROM attempts WHERE billed IS NOT NULL GROUP BY COALESCE(payer, job)) paid ON paid.job = jobs.id WHERE jobs.cost <> COALESCE(paid.billed, 0)`)
  if (costs !== '0') problems.push(`${costs} jobs cost another sum than their settled attempts`)
  problems.push(...await payoutProblems(db))
  const classes = await trialBalance(db)
  for (const one of classes) if (BigInt(one.in) - BigInt(one.out) !== BigInt(one.balance)) problems.push(`the accounts ${one.class} hold ${one.balance}, and ${one.in} less ${one.out} was moved into them`)
  return {
    balanced: problems.length === 0, sum, problems, classes, accounts: Number(await text('SELECT CAST(COUNT(*) AS TEXT) AS value FROM accounts')), postings: Number(await text('SELECT CAST(COUNT(*) AS TEXT) AS value FROM postings')),
  }
}

/** What of a seller is pending and was earned by then, newest first. */
export async function pendingEarnings(db: Database, seller: UserId, until: number, limit: number): Promise<{ attempt: AttemptId; amount: bigint }[]> {
  const rows = await db.query<{ id: string; amount: string }>(`SELECT id, CAST(billed - fee AS TEXT) AS amount FROM attempts WHERE seller = $1 AND billed > 0 AND billed > fee AND released = 0 AND ended_at <= $2 ORDER BY ended_at DESC, id DESC LIMIT ${limit}`, [seller, until])
  return rows.map((row) => ({ attempt: row.id as AttemptId, amount: BigInt(row.amount) }))
}

/** Settlements whose dispute window is over and whose final tick is sealed. */
export async function dueReleases(db: Database, endedBefore: number, limit: number): Promise<{ attempt: AttemptId; seller: UserId; amount: bigint }[]> {
  const rows = await db.query<{ id: string; seller: string; amount: string }>(`SELECT a.id, a.seller, CAST(a.billed - a.fee AS TEXT) AS amount FROM attempts a JOIN ticks t ON t.attempt = a.id AND t.seq = a.tick_seq
    WHERE a.billed > a.fee AND a.billed > 0 AND a.released = 0 AND a.ended_at < $1 AND t.seal IS NOT NULL ORDER BY a.ended_at LIMIT ${limit}`, [endedBefore])
  return rows.map((row) => ({ attempt: row.id as AttemptId, seller: row.seller as UserId, amount: BigInt(row.amount) }))
}

export async function readAutoTopup(db: Database, user: UserId): Promise<AutoTopupRow | null> {
  const [row] = await db.query<{ doc: string }>('SELECT doc FROM auto_topups WHERE user_id = $1', [user])
  return row ? (JSON.parse(row.doc) as AutoTopupRow) : null // we wrote it
}
