// What both databases promise the engine. Run by store.db.test.ts on SQLite and on a real PostgreSQL.
import { expect, test } from 'vitest'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import { apply, createState, internSpec, recordOf } from '@lumaris/domain'
import type { Change, MarketState } from '@lumaris/domain'
import type { JobDispatch, JobId, ResultFile, ScheduleId } from '@lumaris/protocol'
import { canonical } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'
import { availabilityStatement, epochStatement, statementsFor } from './persist.ts'
import { loadState } from './load.ts'
import { checkLedger, dueReleases, listAttempts, listEntries, listJobs, readEvents, readJob, readTicks, readWallet } from './read.ts'
import { viewJob } from './views.ts'

const buyer = aUser('buyer')
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner)))
/** Everything a decision can see of live work, without what heartbeats fill in. */
const seen = (state: MarketState): unknown => ({
  jobs: [...state.jobs.values()].filter((job) => job.row.state === 'queued' || job.row.state === 'running').map((job) => plain({ row: job.row, tasks: job.tasks, open: job.open, attempts: [...job.attempts].sort((a, b) => (a.id < b.id ? -1 : 1)) })).sort((a, b) => (canonical(a) < canonical(b) ? -1 : 1)),
  nodes: plain([...state.nodes.values()].sort((a, b) => (a.id < b.id ? -1 : 1))), quotes: plain([...state.quotes.values()]), enrolments: plain([...state.enrolments.values()]),
  lessons: plain([state.profiles, state.owners, state.cohorts, state.speeds].map((lessons) => [...lessons.values()].sort((a, b) => (a.key < b.key ? -1 : 1)))),
  reserved: plain([...state.reserved].filter(([, used]) => used.cpuMillis > 0).sort(([a], [b]) => (a < b ? -1 : 1))), slotsByBuyer: plain([...state.slotsByBuyer]),
  children: plain([...state.children].map(([parent, ids]) => `${parent} ${[...ids].sort().join(' ')}`).sort()), waitingByBuyer: plain([...state.waitingByBuyer]),
  schedules: plain([...state.schedules.values()]),
})

async function busyMarket() {
  const market = aMarket({ settings: { offerMs: 1e9 } })
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
  return { market, done: done.job.id, orders }
}

export function storeContract(name: string, fresh: () => Promise<Database>): void {
  const persist = (db: Database, changes: readonly Change[]) => db.transact(statementsFor(changes, db.dialect))

  test(`${name}: what is persisted and loaded again is what memory held`, async () => {
    const db = await fresh()
    const { market } = await busyMarket()
    const shown: Change = { kind: 'lesson', row: { what: 'owner', key: aUser('seller of a'), valid: 12, wrong: 1 } }
    apply(market.state, shown)
    market.log.push(shown)
    // In several commits, as the engine would: rows are inserted, then updated.
    for (let i = 0; i < market.log.length; i += 7) await persist(db, market.log.slice(i, i + 7))
    const loaded = createState(market.state.settings)
    await loadState(db, loaded, market.now, (row) => ({ ...row, spec: internSpec(loaded, row.spec) }))
    expect(seen(loaded)).toEqual(seen(market.state))
    expect(loaded.children.size).toBe(1)
    expect([...loaded.schedules.values()]).toMatchObject([{ state: 'active', firings: [{ outcome: 'submitted' }], running: [expect.any(String)] }, { state: 'paused', nextAt: null }])
    expect(recordOf(loaded, aUser('seller of a'))).toMatchObject({ valid: 12, wrong: 1 })
    await db.close()
  })

  test(`${name}: what was learned of the nodes' coming and going is there again`, async () => {
    const db = await fresh()
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
    const db = await fresh()
    await persist(db, market.log)
    expect(await checkLedger(db)).toMatchObject({ balanced: true, sum: '0', problems: [] })
    const job = await readJob(db, done)
    expect(job && viewJob(job)).toMatchObject({ state: 'completed', exitCode: 0, tasks: { total: 1, done: 1, queued: 0, running: 0 } })
    expect((await readEvents(db, done, 0)).map((event) => event.version)).toEqual([...Array(job?.version).keys()].map((i) => i + 1))
    const [attempt] = (await listAttempts(db, done, 10, undefined)).data
    expect(attempt).toMatchObject({ state: 'valid', billed: expect.anything() })
    expect(await readTicks(db, attempt!.id)).toHaveLength(1)
    const wallet = await readWallet(db, buyer)
    expect(BigInt(wallet.available) + BigInt(wallet.held) + BigInt(wallet.spent)).toBe(credits(50))
    await db.close()
  })

  test(`${name}: lists go page by page without a gap or a double`, async () => {
    const { market } = await busyMarket()
    const db = await fresh()
    await persist(db, market.log)
    const ids: string[] = []
    for (let cursor: string | undefined; ;) {
      const page = await listJobs(db, buyer, { limit: 2, cursor }, viewJob)
      ids.push(...page.data.map((job) => job.id))
      if (page.nextCursor === null) break
      cursor = page.nextCursor
    }
    expect(new Set(ids).size).toBe(10)
    expect(ids).toHaveLength(10)
    const entries: string[] = []
    for (let cursor: string | undefined; ;) {
      const page = await listEntries(db, buyer, 3, cursor)
      entries.push(...page.data.map((entry) => entry.id))
      if (page.nextCursor === null) break
      cursor = page.nextCursor
    }
    expect(entries).toHaveLength(new Set(entries).size)
    expect(entries.filter((id) => id.startsWith('hold:'))).toHaveLength(10)
    await db.close()
  })

  test(`${name}: a commit under an old epoch changes nothing`, async () => {
    const db = await fresh()
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
    const db = await fresh()
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
    expect(await checkLedger(db)).toMatchObject({ balanced: true })
    await db.close()
  })
}
