// What both databases promise the engine. Run by store.db.test.ts on SQLite and on a real PostgreSQL.
import { expect, test } from 'vitest'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import { apply, createState, internSpec, recordOf } from '@lumaris/domain'
import type { Change, EntryRow, JobRow, MarketState, ReversalRow } from '@lumaris/domain'
import type { JobDispatch, JobId, NodeId, ResultFile, ScheduleId, PayoutId, UserId } from '@lumaris/protocol'
import { account, canonical } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'
import { listAlerts, readAlerts } from './alerts.ts'
import { availabilityStatement, epochStatement, statementsFor } from './persist.ts'
import { loadState } from './load.ts'
import { needsOf, prefetch } from './prefetch.ts'
import { findEntries, listPayouts, listReversals, readForfeits, readSellerEarnings } from './read-ledger.ts'
import { listActions, listIncidents, listPeople, listSettingsVersions, readPerson } from './read-operators.ts'
import { checkLedger, dueReleases, listAttempts, listEntries, listJobs, pendingEarnings, readEvents, readJob, readTicks, readWallet } from './read.ts'
import { viewJob } from './views.ts'

const buyer = aUser('buyer')
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner)))
/** Everything a decision can see of live work, without what heartbeats fill in. */
const seen = (state: MarketState): unknown => ({
  jobs: [...state.jobs.values()].filter((job) => job.row.state === 'queued' || job.row.state === 'running').map((job) => plain({ row: job.row, tasks: job.tasks, open: job.open, left: job.left, attempts: [...job.attempts].sort((a, b) => (a.id < b.id ? -1 : 1)) })).sort((a, b) => (canonical(a) < canonical(b) ? -1 : 1)),
  nodes: plain([...state.nodes.values()].sort((a, b) => (a.id < b.id ? -1 : 1))), quotes: plain([...state.quotes.values()]), enrolments: plain([...state.enrolments.values()]),
  payouts: plain([...state.payouts.values()]), reversals: plain([...state.reversals.values()]), incidents: plain([...state.incidents.values()]), takenBack: [...state.takenBack], suspended: [...state.suspended], operating: plain(state.operating), alertSettings: plain([...state.alertSettings.values()]), alerted: [...state.alerted].sort(([a], [b]) => (a < b ? -1 : 1)),
  lessons: plain([state.profiles, state.owners, state.cohorts, state.speeds].map((lessons) => [...lessons.values()].sort((a, b) => (a.key < b.key ? -1 : 1)))),
  reserved: plain([...state.reserved].filter(([, used]) => used.cpuMillis > 0).sort(([a], [b]) => (a < b ? -1 : 1))), slotsByBuyer: plain([...state.slotsByBuyer]),
  children: plain([...state.children].map(([parent, ids]) => `${parent} ${[...ids].sort().join(' ')}`).sort()), waitingByBuyer: plain([...state.waitingByBuyer]),
  schedules: plain([...state.schedules.values()]),
})

const admins = [aUser('ann'), aUser('bob')] as const, seller = aUser('seller of a')
/** One of each that operators and sellers leave behind, open and over. What the store would fetch for the commands is put there by hand. */
function operate(market: ReturnType<typeof aMarket>, settled: readonly EntryRow[]): void {
  const { state } = market
  for (const change of market.log) if (change.kind === 'entry') for (const { from, to, amount } of change.row.postings) for (const [name, by] of [[from, -amount], [to, amount]] as const) if (/^(seller|platform)/.test(name)) state.accounts.set(name, (state.accounts.get(name) ?? 0n) + by)
  for (const user of [seller, aUser('seller of b'), aUser('seller of c')]) for (const name of [account.pending(user), account.earned(user)]) if (!state.accounts.has(name)) state.accounts.set(name, 0n)
  const [first, second] = settled as [EntryRow, EntryRow]
  const release = (entry: EntryRow): void => { const [{ to, amount }] = entry.postings as [EntryRow['postings'][number]]; market.act({ kind: 'release', due: [{ attempt: entry.attempt!, seller: to.split(':')[1] as UserId, amount }] }) }
  release(first)
  const owner = (first.postings[0]?.to.split(':')[1] ?? '') as UserId, half = (first.postings[0]?.amount ?? 0n) / 4n
  for (const key of ['p1', 'p2', 'p3']) market.act({ kind: 'payout', user: owner, amount: half, provider: 'demo', destination: 'my account', key, bodyHash: 'x' })
  const [one, two] = [...state.payouts.keys()] as [PayoutId, PayoutId]
  for (const [id, event] of [[one, 'send'], [two, 'send'], [two, 'pay']] as const) market.act({ kind: 'payoutStep', id, event })
  const propose = (entry: EntryRow): ReversalRow => { state.entries.set(entry.id, entry); return market.act({ kind: 'proposeReversal', by: admins[0], entry: entry.id, reason: 'a mistake' }) as ReversalRow }
  market.act({ kind: 'approveReversal', by: admins[1], id: propose(second).id, reason: 'so it is' })
  const topup = market.log.flatMap((change) => (change.kind === 'entry' && change.row.kind === 'topup' ? [change.row] : []))
  market.fund(buyer, 5n)
  propose(market.log.flatMap((change) => (change.kind === 'entry' && change.row.kind === 'topup' ? [change.row] : [])).at(-1)!)
  expect(topup).toHaveLength(1)
  for (const [id, roles] of [[admins[0], ['admin']], [admins[1], ['admin']], [seller, ['seller']], [buyer, ['buyer']]] as const) state.people.set(id, { id, roles: [...roles], suspended: null })
  market.act({ kind: 'suspend', by: admins[0], user: seller, reason: 'to be looked at' })
  market.act({ kind: 'suspend', by: admins[0], user: buyer, reason: 'to be looked at' })
  market.act({ kind: 'unsuspend', by: admins[1], user: buyer, reason: 'all is well' })
  market.act({ kind: 'roles', by: admins[0], user: buyer, roles: ['buyer', 'seller'], reason: 'as agreed' })
  for (const title of ['Slow', 'Down']) market.act({ kind: 'openIncident', by: admins[0], title, severity: 'major', text: 'Jobs wait', regions: ['local'], nodes: [] })
  market.act({ kind: 'resolveIncident', by: admins[1], id: [...state.incidents.keys()][0]!, text: 'It was a cable' })
  market.act({ kind: 'setAlerts', user: buyer, settings: { monthlyBudget: '1000', offlineMs: null, completionBelow: 0.5 } })
  for (const spent of [400n, 500n, 900n]) market.act({ kind: 'spent', user: buyer, month: '2026-11', spent })
  for (const [version, set] of [[0, { fee: 400, newJobsPaused: 'until noon' }], [1, { newJobsPaused: null, agentVersionMin: '0.1.0' }]] as const) market.act({ kind: 'changeSettings', by: admins[0], reason: 'as agreed', version, set })
}
/** Users live in tables of their own, made by signing up. */
const signUp = (db: Database) => db.transact([...admins, seller, buyer].map((id) => ({ sql: 'INSERT INTO users (id, email, name, password, roles, created_at) VALUES ($1, $1, $1, $2, $3, 1)', params: [id, '-', '["buyer"]'] })))

async function busyMarket() {
  const market = aMarket({ settings: { offerMs: 1e9, payoutMinMicros: 1n } })
  market.fund(buyer, credits(50))
  const nodes = ['a', 'b', 'c'].map((name, i) => market.join(name, { cpuHour: 1 + i }))
  for (const node of nodes) node.connect()
  market.act({ kind: 'quote', buyer, spec: aSpec(), specHash: 'a'.repeat(64) })
  const done = market.submit(buyer, aSpec({ expectedMs: 10_000 }), { key: 'k1' }) as { job: { id: JobId } }
  market.submit(buyer, aSpec({ copies: 2, tasks: [{ args: ['1'] }, { args: ['2'] }] }))
  market.submit(buyer, aSpec({ resources: { cpuMillis: 900_000 } }), { cap: 1_000_000n })
  const failing = market.submit(buyer, aSpec({ name: 'fails “ü” \u{1F600}' })) as { job: { id: JobId } }
  const cancelled = market.submit(buyer, aSpec()) as { job: { id: JobId } }
  // One that waits for two, of which one completes below; and its child.
  const child = market.submit(buyer, aSpec({ after: [{ job: done.job.id, inputs: [{ from: 'out' }] }, { job: cancelled.job.id }] })) as { job: { id: JobId } }
  market.submit(buyer, aSpec({ after: [{ job: child.job.id }] }))
  const waiting = market.submit(buyer, aSpec({ resources: { cpuMillis: 900_000 } }), { cap: 1_000_000n }) as { job: { id: JobId } }
  market.submit(buyer, aSpec({ after: [{ job: done.job.id, inputs: [{ from: 'out', to: 'in' }] }, { job: waiting.job.id }] }))
  // One that is cut as it is offered: its parts, and the ranges that its attempts had.
  const pieces = Array.from({ length: 600 }, (_one, i) => ({ to: 10 * (i + 1), hash: 'c'.repeat(64) }))
  const cut = market.submit(buyer, aSpec({ tasks: [{ inputs: [{ path: 'part', blob: 'd'.repeat(64), size: 6000, from: 0, to: 6000, pieces } as never] }], divide: { most: 12 }, resources: { cpuMillis: 500 } })) as { job: { id: JobId } }
  const schedule = (more: object = {}) => market.act({ kind: 'createSchedule', buyer, key: 'schedule', bodyHash: 'x', name: 'nightly', cron: '* * * * *', timeZone: 'Europe/Berlin', spec: aSpec(), cap: 1_000_000n, budget: 5_000_000n, overlap: 'allow', ...more } as never) as { id: ScheduleId }
  schedule()
  market.act({ kind: 'changeSchedule', id: schedule({ key: 'second' }).id, to: 'paused' })
  market.act({ kind: 'changeSchedule', id: schedule({ key: 'third' }).id, to: 'removed' })
  const orders = nodes.flatMap((node) => market.dispatched(node.id))
  market.now += 30_000
  const orderOf = (job: JobId) => orders.find((order) => order.job_id === job) as JobDispatch
  market.report(orderOf(done.job.id), { runMs: 20_000, files: [{ path: 'out' as ResultFile['path'], blob: 'b'.repeat(64) as ResultFile['blob'], size: 3 }] })
  market.report(orderOf(failing.job.id), { runMs: 10_000, exitCode: 3 })
  market.act({ kind: 'cancel', job: cancelled.job.id })
  market.pass(0) // the schedule's minute has come
  const settled = market.log.flatMap((change) => (change.kind === 'entry' && change.row.kind === 'settle' ? [change.row] : []))
  operate(market, settled)
  return { market, done: done.job.id, cut: cut.job.id, orders }
}

export function storeContract(name: string, fresh: () => Promise<Database>): void {
  const persist = (db: Database, changes: readonly Change[]) => db.transact(statementsFor(changes, db.dialect))
  const opened = async (): Promise<Database> => { const db = await fresh(); await signUp(db); return db }

  test(`${name}: what is persisted and loaded again is what memory held`, async () => {
    const db = await opened()
    const { market, cut } = await busyMarket()
    const shown: Change = { kind: 'lesson', row: { what: 'owner', key: aUser('seller of a'), valid: 12, wrong: 1 } }
    apply(market.state, shown)
    market.log.push(shown)
    expect(market.state.jobs.get(cut)!.tasks.length).toBeGreaterThan(2)
    // In several commits, as the engine would: rows are inserted, then updated.
    for (let i = 0; i < market.log.length; i += 7) await persist(db, market.log.slice(i, i + 7))
    const loaded = createState(market.state.settings)
    await loadState(db, loaded, market.now, (row) => ({ ...row, spec: internSpec(loaded, row.spec) }))
    expect(seen(loaded)).toEqual(seen(market.state))
    expect(loaded.jobs.get(cut)).toMatchObject({ left: market.state.jobs.get(cut)!.left, row: { spec: { divide: { most: 12 } } } })
    expect(loaded.jobs.get(cut)!.attempts.map(({ task, piece }) => [task, piece])).toEqual(loaded.jobs.get(cut)!.tasks.filter(({ state }) => state === 'running').map(({ index, piece }) => [index, piece]))
    expect(loaded.children.size).toBe(1)
    expect([...loaded.schedules.values()]).toMatchObject([{ state: 'active', firings: [{ outcome: 'submitted' }], running: [expect.any(String)] }, { state: 'paused', nextAt: null }])
    expect(recordOf(loaded, aUser('seller of a'))).toMatchObject({ valid: 12, wrong: 1 })
    await db.close()
  })

  test(`${name}: parts that were joined, and where what waits of them begins, are there again`, async () => {
    const db = await opened(), market = aMarket({ settings: { offerMs: 1e9 } }), node = market.join('a')
    market.fund(buyer, credits(50))
    node.connect()
    const tasks = Array.from({ length: 30 }, (_one, i) => ({ inputs: [{ path: 'part', blob: 'd'.repeat(64), size: 6000, from: 200 * i, to: 200 * i + 200, pieces: [{ to: 200 * i + 100, hash: 'c'.repeat(64) }, { to: 200 * i + 200, hash: 'c'.repeat(64) }] } as never] }))
    const { job: { id } } = market.submit(buyer, aSpec({ tasks, divide: { most: 40 }, resources: { cpuMillis: 4000 } })) as { job: { id: JobId } }
    market.now += 1000
    market.report(market.dispatched(node.id)[0] as JobDispatch, { runMs: 1000 })
    expect(market.state.jobs.get(id)!.tasks.filter(({ state }) => state === 'joined').length).toBeGreaterThan(0)
    await persist(db, market.log)
    const loaded = createState(market.state.settings)
    await loadState(db, loaded, market.now, (row) => ({ ...row, spec: internSpec(loaded, row.spec) }))
    expect(seen(loaded)).toEqual(seen(market.state))
    expect(loaded.jobs.get(id)!.waits).toEqual(market.state.jobs.get(id)!.waits)
    await db.close()
  })

  test(`${name}: what was learned of the nodes' coming and going is there again`, async () => {
    const db = await opened()
    const { market } = await busyMarket()
    await persist(db, market.log)
    for (let hour = 0; hour < 30; hour++) { const node = [...market.state.nodes.values()][0]!; market.now += 3_600_000; market.state.availability.saw(node.id, 'local|cpu', hour % 5 !== 0, market.now) }
    await db.transact([availabilityStatement(market.state.availability.rows(), db.dialect)])
    await db.transact([availabilityStatement(market.state.availability.rows(), db.dialect)]) // again, over the first
    const loaded = createState(market.state.settings)
    await loadState(db, loaded, market.now, (row) => row)
    const node = [...market.state.nodes.keys()][0]!
    expect(loaded.availability.outlook(node, market.now)).toEqual(market.state.availability.outlook(node, market.now))
    expect(loaded.availability.outlook(node, market.now)).not.toBeNull()
    await db.close()
  })

  test(`${name}: one commit of everything gives the same tables as many`, async () => {
    const { market, done } = await busyMarket()
    const db = await opened()
    await persist(db, market.log)
    expect(await checkLedger(db)).toMatchObject({ balanced: true, sum: '0', problems: [] })
    const job = await readJob(db, done)
    expect(job && viewJob(job)).toMatchObject({ state: 'completed', exitCode: 0, tasks: { total: 1, done: 1, queued: 0, running: 0 } })
    expect((await readEvents(db, done, 0)).map((event) => event.version)).toEqual([...Array(job?.version).keys()].map((i) => i + 1))
    const [attempt] = (await listAttempts(db, done, 10, undefined)).data
    expect(attempt).toMatchObject({ state: 'valid', billed: expect.anything() })
    expect(await readTicks(db, attempt!.id)).toHaveLength(1)
    const wallet = await readWallet(db, buyer)
    const back = market.log.flatMap((change) => (change.kind === 'entry' && change.row.kind === 'reversal' ? change.row.postings : [])).reduce((sum, { amount }) => sum + amount, 0n)
    expect(BigInt(wallet.available) + BigInt(wallet.held) + BigInt(wallet.spent)).toBe(credits(50) + 5n + back) // 5 of the last top-up
    await db.close()
  })

  test(`${name}: jobs are found by id, buyer, node, image and state, each by an index`, async () => {
    const db = await opened(), market = aMarket({ settings: { offerMs: 1e9 } }), other = aUser('other'), DIGEST = `sha256:${'a1'.repeat(32)}`
    for (const user of [buyer, other]) market.fund(user, credits(50))
    const nodes = ['a', 'b'].map((one) => { const node = market.join(one); node.connect(); return node.id })
    for (let i = 0; i < 12; i++) market.submit(i % 3 === 0 ? other : buyer, aSpec({ name: `job ${i}`, tasks: [{}, {}], ...(i % 4 === 0 ? { runtime: 'container', image: `docker.io/library/tool@${i % 8 === 0 ? DIGEST : `sha256:${'b2'.repeat(32)}`}` } : {}), resources: { cpuMillis: i > 8 ? 900_000 : 100 } }))
    for (const [i, { row }] of [...market.state.jobs.values()].entries()) if (i % 5 === 0) market.act({ kind: 'cancel', job: row.id })
    await persist(db, market.log)
    // Rows enough for a plan to matter; nobody's, and not of this shape.
    const many = Array.from({ length: 3_000 }, (_, i) => String(i).padStart(4, '0'))
    await db.transact([...many.map((n) => ({ sql: "INSERT INTO jobs (id, buyer, state, created_at, cap, cost, version, spec, doc) VALUES ($1, $2, 'completed', 1, 1, 0, 1, '{}', '{}')", params: [`job_x${n}`, `usr_${n}`] })),
      ...many.map((n) => ({ sql: "INSERT INTO attempts (id, job, task, slot, fence, node, seller, state, live, tick_seq, doc) VALUES ($1, $2, 0, 0, 1, $3, 'usr_x', 'ended', 0, 0, '{}')", params: [`att_${n}`, `job_x${n}`, `nod_${n}`] }))])
    if (db.dialect === 'postgres') await db.transact([{ sql: 'ANALYZE jobs', params: [] }, { sql: 'ANALYZE attempts', params: [] }])
    const rows = [...market.log.reduce((all, change) => (change.kind === 'job' ? all.set(change.row.id, change.row) : all), new Map<string, JobRow>()).values()], ran = new Map<string, Set<string>>()
    for (const change of market.log) if (change.kind === 'attempt') ran.set(change.row.job, (ran.get(change.row.job) ?? new Set()).add(change.row.node))
    const asked: string[] = [], watched: Database = { ...db, dialect: db.dialect, query: async (sql, params) => { asked.push((await db.query<Record<string, string>>(`EXPLAIN ${db.dialect === 'sqlite' ? 'QUERY PLAN ' : ''}${sql}`, params)).map((line) => line['detail'] ?? line['QUERY PLAN']).join('\n')); return db.query(sql, params) } } as Database
    const find = async (filter: Omit<Parameters<typeof listJobs>[2], 'limit'>, whose: UserId | null = null): Promise<string[]> => {
      const ids: string[] = []
      for (let cursor: string | undefined; ;) {
        const found = await listJobs(watched, whose, { ...filter, limit: 2, cursor }, viewJob)
        ids.push(...found.data.map(({ id }) => id))
        if (found.nextCursor === null) return ids
        cursor = found.nextCursor
      }
    }
    const [node] = nodes as [NodeId, NodeId], wanted = (is: (row: JobRow) => boolean): string[] => rows.filter(is).map(({ id }) => id).toSorted().toReversed()
    expect(await find({ buyer: other })).toEqual(wanted((row) => row.buyer === other))
    expect(await find({ image: DIGEST })).toEqual(wanted((row) => row.spec.image?.endsWith(DIGEST) ?? false))
    expect(wanted((row) => ran.get(row.id)?.has(node) ?? false).length).toBeGreaterThan(2)
    expect(await find({ node })).toEqual(wanted((row) => ran.get(row.id)?.has(node) ?? false))
    expect(await find({ node, buyer: other })).toEqual(wanted((row) => row.buyer === other && (ran.get(row.id)?.has(node) ?? false)))
    expect(await find({ state: 'cancelled' })).toEqual(wanted((row) => row.state === 'cancelled'))
    const id = wanted(() => true)[3] as string
    expect(await find({ id })).toEqual([id])
    expect(await find({ id: id.slice(0, 20) })).toEqual(wanted((row) => row.id.startsWith(id.slice(0, 20))))
    // Of somebody else there is nothing to find, whatever is asked.
    expect(await find({ buyer: other }, buyer)).toEqual([])
    expect(await find({ node }, other)).toEqual(await find({ node, buyer: other }))
    expect(asked.filter((plan) => /Seq Scan|SCAN (jobs|attempts)(?! USING (COVERING )?INDEX (jobs|attempts)_)/.test(plan))).toEqual([])
  })

  test(`${name}: lists go page by page without a gap or a double`, async () => {
    const { market } = await busyMarket()
    const db = await opened()
    await persist(db, market.log)
    const ids: string[] = []
    for (let cursor: string | undefined; ;) {
      const page = await listJobs(db, buyer, { limit: 2, cursor }, viewJob)
      ids.push(...page.data.map((job) => job.id))
      if (page.nextCursor === null) break
      cursor = page.nextCursor
    }
    expect(new Set(ids).size).toBe(11)
    expect(ids).toHaveLength(11)
    const entries: string[] = []
    for (let cursor: string | undefined; ;) {
      const page = await listEntries(db, buyer, 3, cursor)
      entries.push(...page.data.map((entry) => entry.id))
      if (page.nextCursor === null) break
      cursor = page.nextCursor
    }
    expect(entries).toHaveLength(new Set(entries).size)
    expect(entries.filter((id) => id.startsWith('hold:'))).toHaveLength(11)
    await db.close()
  })

  test(`${name}: what operators and sellers left is found again: entries by account and job, payouts, reversals, people, incidents, and the log of it all`, async () => {
    const { market, done } = await busyMarket()
    const db = await opened()
    await persist(db, market.log)
    expect((await findEntries(db, { job: done }, 50, undefined)).data.map(({ id }) => id)).toEqual([`hold:${done}`, `refund:${done}`, `settle:${done}.0.0`])
    expect((await findEntries(db, { account: `escrow:${done}` }, 2, undefined)).nextCursor).toBe(`refund:${done}`)
    expect((await findEntries(db, { account: account.available(buyer) }, 50, undefined)).data.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['topup', 'hold', 'reversal']))
    const owner = market.log.flatMap((change) => (change.kind === 'payout' ? [change.row.user] : []))[0]!
    const payouts = await listPayouts(db, owner, 2, undefined, (row) => row), rest = await listPayouts(db, owner, 2, payouts.nextCursor ?? undefined, (row) => row)
    expect([...payouts.data, ...rest.data].map(({ state }) => state)).toEqual(['requested', 'paid', 'sent'])
    const earnings = await readSellerEarnings(db, owner, 1_000), each = payouts.data[0]!.amount
    expect(earnings).toMatchObject({ onTheWay: String(2n * each), paid: String(each) })
    expect((await listReversals(db, undefined, 10, undefined, (row) => row)).data.map(({ state }) => state)).toEqual(['proposed', 'done'])
    expect((await listReversals(db, 'done', 10, undefined, (row) => row)).data).toEqual(market.log.flatMap((change) => (change.kind === 'reversal' && change.row.state === 'done' ? [change.row] : [])))
    expect((await listPeople(db, { suspended: 'yes' }, 10, undefined)).data).toMatchObject([{ id: seller, suspended: { by: admins[0], reason: 'to be looked at' } }])
    expect((await listPeople(db, { q: buyer.toUpperCase().slice(0, 20) }, 10, undefined)).data.map(({ id, roles }) => [id, roles])).toEqual([[buyer, ['buyer', 'seller']]])
    expect((await listPeople(db, { q: '%' }, 10, undefined)).data).toEqual([]) // a sign like any other
    expect(await readPerson(db, buyer, market.now)).toMatchObject({ jobs: { all: [...market.state.jobs.values()].filter(({ row }) => row.buyer === buyer).length }, sessions: 0, keys: 0, nodes: [] })
    expect((await listIncidents(db, 'open', 10, undefined)).data.map(({ title }) => title)).toEqual(['Down'])
    expect((await listIncidents(db, undefined, 1, undefined)).nextCursor).toMatch(/^inc_/)
    const acts = (await listActions(db, {}, 50, undefined)).data
    expect(acts.map(({ action }) => action)).toEqual(['settings.change', 'settings.change', 'incident.resolve', 'incident.open', 'incident.open', 'user.roles', 'user.unsuspend', 'user.suspend', 'user.suspend', 'reversal.propose', 'reversal.approve', 'reversal.propose'])
    expect((await listActions(db, { by: admins[1], action: 'user.unsuspend' }, 50, undefined)).data).toMatchObject([{ subject: buyer, byName: admins[1], before: { suspended: true }, after: { suspended: false } }])
    expect((await listActions(db, { subject: seller }, 50, undefined)).data).toHaveLength(1)
    const versions = await listSettingsVersions(db, 1, undefined), older = await listSettingsVersions(db, 1, versions.nextCursor ?? undefined)
    expect([...versions.data, ...older.data]).toMatchObject([{ version: 2, by: admins[0], byName: admins[0], changed: { newJobsPaused: { before: 'until noon', after: null }, agentVersionMin: { before: null, after: '0.1.0' } } }, { version: 1, changed: { fee: { after: 400 } } }])
    const alerts = await listAlerts(db, buyer, 1, undefined)
    expect([alerts.unread, alerts.data[0]?.kind, alerts.data[0]?.says]).toEqual([2, 'budget', '80 % of the budget of 2026-11 are used: 0.0009 of 0.001 credits.'])
    await readAlerts(db, buyer, (await listAlerts(db, buyer, 1, alerts.nextCursor ?? undefined)).data[0]!.id, 7)
    expect([(await listAlerts(db, buyer, 9, undefined)).unread, (await listAlerts(db, buyer, 9, undefined)).data.map(({ readAt }) => readAt), (await listAlerts(db, seller, 9, undefined)).data]).toEqual([1, [undefined, 7], []])
    // Whatever the engine believes: a version is made once, and stays what it is.
    for (const sql of ["UPDATE settings_versions SET doc = '{}' WHERE version = 1", 'DELETE FROM settings_versions WHERE version = 1', "INSERT INTO settings_versions (version, by_user, doc) VALUES (2, 'x', '{}')"]) await expect(db.transact([{ sql, params: [] }]), sql).rejects.toThrow()
    expect(await checkLedger(db)).toMatchObject({ balanced: true, problems: [] })
    await db.close()
  })

  test(`${name}: a debt for a wrong result is loaded again, finds what is pending, newest first, and what it takes neither clears nor is reversed a second way`, async () => {
    const db = await opened(), market = aMarket({ settings: { offerMs: 1e9, suspectMs: 1e12, lostMs: 1e12 } })
    market.fund(buyer, credits(50))
    const nodes = ['a', 'b', 'c', 'd'].map((node, i) => market.join(node, { cpuHour: 1 + i }))
    for (const node of nodes) node.connect()
    const run = (copies: number, lies: boolean): void => {
      market.submit(buyer, aSpec({ copies }))
      for (let sent = nodes.flatMap(({ id }) => market.dispatched(id)); sent.length > 0; sent = nodes.flatMap(({ id }) => market.dispatched(id))) for (const order of sent) { market.now += 10_000; market.report(order, { runMs: 10_000, digest: (lies && order.terms.node === nodes[0]!.id ? 'b' : 'a').repeat(64) }) }
    }
    run(4, false)
    run(4, false)
    run(3, true)
    const written = market.log.length
    await persist(db, market.log)
    const load = async (): Promise<MarketState> => { const state = createState(market.state.settings); await loadState(db, state, market.now, (row) => row); return state }
    const loaded = await load(), [debt] = [...loaded.forfeits.values()]
    expect([...loaded.forfeits]).toEqual([...market.state.forfeits])
    expect(debt).toMatchObject({ owner: seller, state: 'due' })
    for (const who of ['a', 'b', 'c', 'd']) { const account_ = account.pending(aUser(`seller of ${who}`)); expect([account_, loaded.accounts.get(account_)]).toEqual([account_, market.state.accounts.get(account_)]) }
    const found = await pendingEarnings(db, seller, market.now, 10)
    expect(found).toHaveLength(2)
    expect(found.map(({ attempt }) => attempt)).toEqual(found.map(({ attempt }) => attempt).toSorted().toReversed())
    expect((await pendingEarnings(db, seller, market.now, 1))[0]).toEqual(found[0])
    market.act({ kind: 'forfeit', attempt: debt!.attempt, earnings: found })
    await persist(db, market.log.slice(written))
    const after = await pendingEarnings(db, seller, market.now, 10)
    expect(after.length).toBeLessThan(found.length)
    expect((await load()).forfeits.size).toBe(0)
    expect(await readForfeits(db, seller)).toMatchObject([{ attempt: debt!.attempt, state: 'done', entry: `forfeit:${debt!.attempt}`, attempts: found.length - after.length }])
    expect(await readForfeits(db, aUser('seller of b'))).toEqual([])
    const taken = found.find(({ attempt }) => !after.some((one) => one.attempt === attempt))!, settle = market.log.flatMap((change) => (change.kind === 'entry' && change.row.kind === 'settle' && change.row.attempt === taken.attempt ? [change.row.id] : []))[0]!
    const fresh_ = createState(market.state.settings), command = { kind: 'proposeReversal', by: admins[0], entry: settle, reason: 'x' } as const
    await prefetch(db, fresh_, needsOf(fresh_, [command]))
    expect([...fresh_.takenBack]).toEqual([taken.attempt]) // also long after, when it is not loaded any more
    const back = { ...command, entry: `forfeit:${debt!.attempt}` }
    await prefetch(db, fresh_, needsOf(fresh_, [back]))
    expect([...fresh_.forfeited.values()]).toMatchObject([{ attempt: debt!.attempt, owner: seller, record: debt!.record }]) // what the owner had shown before
    expect(await checkLedger(db)).toMatchObject({ balanced: true, problems: [] })
    await db.close()
  })

  test(`${name}: a commit under an old epoch changes nothing`, async () => {
    const db = await opened()
    await db.transact([{ sql: 'INSERT INTO writer (region, epoch, holder, beat) VALUES ($1, 7, $2, 0)', params: ['local', 'me'] }])
    const { market } = await busyMarket()
    await expect(db.transact([epochStatement('local', 6, 1), ...statementsFor(market.log, db.dialect)])).rejects.toMatchObject({ kind: 'stale' })
    expect((await checkLedger(db)).postings).toBe(0)
    await db.transact([epochStatement('local', 7, 1), ...statementsFor(market.log, db.dialect)])
    expect((await checkLedger(db)).postings).toBeGreaterThan(0)
    await db.close()
  })

  test(`${name}: what is kept of interrupted work is paid beside the result, loaded again, and not paid twice; its seller waits for the seal of the very tick that names it`, async () => {
    const db = await fresh(), market = aMarket({ settings: { retryBackoffMs: 0 } })
    market.fund(buyer, credits(50))
    const nodes = ['a', 'b'].map((each) => market.join(each)), orders = () => nodes.flatMap((node) => market.dispatched(node.id))
    for (const node of nodes) node.connect()
    const { job } = market.submit(buyer, aSpec({ limits: { runMs: 3_600_000 }, checkpoint: { paths: ['state'] } })) as { job: { id: JobId } }
    const [first] = orders() as [JobDispatch]
    market.now += 15_000
    const tick = { attempt: first.attempt_id, seq: 1, prev: market.attempt(first.attempt_id)?.tickHash as never, at: market.now, usage: { runMs: 12_000, cpuMs: 1, memoryPeakBytes: 1, diskBytes: 0, outBytes: 0 }, final: false, checkpoint: { number: 1, kind: 'files' as const, runMs: 10_000, manifest: sha256('list') as never, manifestSize: 1, size: 1 } }
    market.act({ kind: 'checkpoint', node: first.terms.node, session: first.session, message: { type: 'checkpoint', attempt_id: first.attempt_id, fence: 1, tick, hash: sha256(canonical(tick)) as never } })
    market.act({ kind: 'status', node: first.terms.node, session: first.session, message: { type: 'job_status', job_id: job.id, attempt_id: first.attempt_id, fence: 1, status: 'stopped', cause: 'seller_reclaimed' } })
    market.pass(10)
    const [second] = orders() as [JobDispatch]
    expect(second.resume).toMatchObject({ number: 1 })
    await persist(db, market.log.splice(0))
    const loaded = createState(market.state.settings)
    await loadState(db, loaded, market.now, (row) => ({ ...row, spec: internSpec(loaded, row.spec) }))
    expect(seen(loaded)).toEqual(seen(market.state))
    market.now += 20_000
    market.report(second, { runMs: 20_000 })
    await persist(db, market.log)
    expect(await checkLedger(db)).toMatchObject({ balanced: true, sum: '0', problems: [] })
    const paid = (await listAttempts(db, job.id, 10, undefined)).data.map(({ billed }) => billed)
    expect(paid).toEqual([2777n, 5555n])
    const no = (sql: string) => expect(db.transact([{ sql, params: [] }]), sql).rejects.toMatchObject({ kind: 'refused' })
    const again = (part: string, id: string) => `INSERT INTO attempts (id, job, task, slot, fence, node, seller, state, live, billed, tick_seq, part, doc) SELECT id || '${id}', job, task, slot, fence + 100, node, seller, state, 0, billed, tick_seq, part, doc FROM attempts WHERE ${part}`
    await no(again('part = 1', 'x')) // what was kept under one fence, again
    await no(again('part = 0 AND billed IS NOT NULL', 'y')) // a second result
    const due = async () => (await dueReleases(db, market.now + 1, 10)).map(({ attempt }) => attempt)
    expect(await due()).toEqual([])
    await db.transact([{ sql: "UPDATE ticks SET seal = 's', leaf = 0 WHERE attempt = $1 AND seq = 1", params: [first.attempt_id] }])
    expect(await due()).toEqual([first.attempt_id])
    await db.close()
  })

  test(`${name}: the database itself refuses what must never be`, async () => {
    const db = await opened()
    const { market, done } = await busyMarket()
    await persist(db, market.log)
    const no = (sql: string) => expect(db.transact([{ sql, params: [] }]), sql).rejects.toMatchObject({ kind: 'refused' })
    const post = (entry: string, from: string, to: string, amount: string) => `INSERT INTO postings (entry, line, kind, at, debit, credit, amount) VALUES ('${entry}', 0, 'settle', 1, '${from}', '${to}', ${amount})`
    await no(post('x1', 'buyer:nobody:available', 'platform:fee', '1')) // below zero
    await no(post('x2', 'external:demo', 'platform:fee', '0'))
    await no(post('x3', 'external:demo', 'platform:fee', '-5'))
    await no(post('x4', 'external:demo', 'external:demo', '5'))
    await no(post(`hold:${done}`, 'external:demo', 'platform:fee', '5')) // an entry happens once
    await no('UPDATE postings SET amount = amount + 1')
    await no('DELETE FROM postings')
    await no(`INSERT INTO attempts (id, job, task, slot, fence, node, seller, state, live, billed, tick_seq, doc) SELECT id || 'x', job, task, slot, fence + 100, node, seller, state, 0, billed, tick_seq, doc FROM attempts WHERE billed IS NOT NULL`) // a second settlement of a slot
    await no(`INSERT INTO attempts (id, job, task, slot, fence, node, seller, state, live, tick_seq, doc) SELECT id || 'y', job, task, slot, fence + 200, node, seller, state, 1, tick_seq, doc FROM attempts WHERE live = 1`) // a second live attempt
    await no(`INSERT INTO attempts (id, job, task, slot, fence, node, seller, state, live, tick_seq, doc) SELECT id || 'z', job, task, slot, fence, node, seller, state, 0, tick_seq, doc FROM attempts`) // a fence given twice
    await no('UPDATE nodes SET session = session - 1')
    await no('UPDATE jobs SET cost = cap + 1')
    await no("UPDATE admin_actions SET doc = '{}'")
    await no('DELETE FROM admin_actions')
    await no("INSERT INTO reversals (id, entry, state, doc) SELECT id || 'x', entry, 'proposed', doc FROM reversals WHERE state = 'done'") // a second reversal of an entry
    await no("UPDATE payouts SET state = 'requested'") // one has been paid
    expect(await checkLedger(db)).toMatchObject({ balanced: true })
    await db.close()
  })
}
