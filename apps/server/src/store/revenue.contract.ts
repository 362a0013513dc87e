// What operators ask of the entries, on both databases: held against the entries themselves, added up here a second time.
import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import { account, classOf } from '@lumaris/protocol'
import type { AttemptId, JobId, RevenueSums } from '@lumaris/protocol'
import type { AttemptRow, Change, EntryRow } from '@lumaris/domain'
import type { Submitted } from '@lumaris/domain'
import type { Database } from '../database/database.ts'
import { rawPublicKey } from '../signatures.ts'
import { exportLedger } from './export-ledger.ts'
import { statementsFor } from './persist.ts'
import { countDead, listDeadJobs } from './read-dead.ts'
import { listHolds, trialBalance } from './read-ledger.ts'
import { readRevenue } from './read-revenue.ts'
import { checkLedger } from './read.ts'

const buyer = aUser('buyer'), seller = aUser('seller'), DAY_MS = 86_400_000
/** Nodes of three regions, jobs of two templates and of none, an attempt of each job on each node. */
function world() {
  const market = aMarket({ settings: { offerMs: 1e9 } })
  market.fund(buyer, credits(1000))
  const nodes = ['r-one', 'r-two', 'local'].map((region) => { const node = market.join(`in ${region}`, { region }); node.connect(); return { region, id: node.id } })
  const jobs = ['train', 'draw', undefined].map((template) => ({ template, id: (market.submit(buyer, aSpec({ ...(template ? { template } : {}), tasks: [{}, {}, {}], placement: { spread: 'node' } })) as Submitted).job.id }))
  const attempts = market.log.flatMap((change) => (change.kind === 'attempt' && change.row.state === 'offered' ? [change.row] : []))
  return { market, nodes, jobs, attempts: [...new Map(attempts.map((row) => [row.id, row])).values()] }
}
type Made = { readonly what: 'settle' | 'displace' | 'reversal' | 'refund' | 'topup' | 'release'; readonly of: number; readonly at: number; readonly amount: number; readonly fee: number }
const some = fc.array(fc.record({ what: fc.constantFrom('settle', 'settle', 'displace', 'reversal', 'refund', 'topup', 'release'), of: fc.nat(99), at: fc.nat(4 * DAY_MS), amount: fc.integer({ min: 1, max: 1_000_000 }), fee: fc.nat(200) }), { minLength: 1, maxLength: 60 }) as fc.Arbitrary<Made[]>

/** As the domain would make them; whatever is reversed was settled before. */
function entriesOf(made: readonly Made[], attempts: readonly AttemptRow[], round: number): EntryRow[] {
  const rows: EntryRow[] = [], settled: EntryRow[] = []
  const entry = (id: string, kind: EntryRow['kind'], at: number, job: JobId | null, attempt: AttemptId | null, postings: EntryRow['postings']): EntryRow => { const row = { id: `${id}:${round}:${rows.length}`, kind, at, job, attempt, postings }; rows.push(row); return row }
  for (const { what, of, at, amount, fee } of made) {
    const attempt = attempts[of % attempts.length] as AttemptRow, whole = BigInt(amount), cut = (whole * BigInt(fee)) / 1000n
    const out = account.escrow(attempt.job)
    if (what === 'topup') entry('topup', 'topup', at, null, null, [{ from: account.external('demo'), to: account.available(buyer), amount: whole }])
    else if (what === 'refund') { entry('hold', 'hold', at, attempt.job, null, [{ from: account.external('demo'), to: out, amount: whole }]); entry('refund', 'refund', at, attempt.job, null, [{ from: out, to: account.available(buyer), amount: whole }]) }
    else if (what === 'release') { entry('topup', 'topup', at, null, null, [{ from: account.external('demo'), to: account.pending(seller), amount: whole }]); entry('release', 'release', at, null, attempt.id, [{ from: account.pending(seller), to: account.earned(seller), amount: whole }]) }
    else if (what === 'reversal') {
      const wrong = settled.pop()
      if (wrong) entry('reversal', 'reversal', Math.max(at, wrong.at), wrong.job, wrong.attempt, wrong.postings.map(({ to, amount: moved }) => ({ from: to, to: account.available(buyer), amount: moved })))
    } else {
      entry('hold', 'hold', at, attempt.job, null, [{ from: account.external('demo'), to: out, amount: whole }])
      settled.push(entry(what, what, at, attempt.job, attempt.id, [{ from: out, to: account.pending(seller), amount: whole - cut }, { from: out, to: account.fee, amount: cut }].filter((one) => one.amount > 0n)))
    }
  }
  return rows
}
/** The same sums, straight from the entries. */
function sumsOf(entries: readonly EntryRow[]): RevenueSums {
  const sums = { settled: 0, volume: 0n, fees: 0n, reversed: 0n, feesReversed: 0n, returned: 0n }
  for (const { kind, postings, attempt } of entries) {
    if (kind === 'settle' || kind === 'displace') sums.settled++
    for (const { from, to, amount } of postings) {
      if (kind === 'settle' || kind === 'displace') { sums.volume += amount; if (to === account.fee) sums.fees += amount }
      if (kind === 'reversal' && attempt) { sums.reversed += amount; if (from === account.fee) sums.feesReversed += amount }
      if (kind === 'refund') sums.returned += amount
    }
  }
  return { settled: sums.settled, volume: String(sums.volume), fees: String(sums.fees), reversed: String(sums.reversed), feesReversed: String(sums.feesReversed), returned: String(sums.returned) }
}

export function revenueContract(name: string, fresh: () => Promise<Database>): void {
  const persist = (db: Database, changes: readonly Change[]) => db.transact(statementsFor(changes, db.dialect))

  test(`${name}: revenue of any span, by whatever, is what its entries moved`, { timeout: 300_000 }, async () => {
    const db = await fresh(), { market, nodes, jobs, attempts } = world()
    await persist(db, market.log)
    const regionOf = new Map(attempts.map((row) => [row.id as string, nodes.find((node) => node.id === row.node)?.region])), templateOf = new Map(jobs.map((job) => [job.id as string, job.template]))
    expect(new Set(regionOf.values()).size).toBe(3)
    const all: EntryRow[] = market.log.flatMap((change) => (change.kind === 'entry' ? [change.row] : []))
    let round = 0
    await fc.assert(fc.asyncProperty(some, fc.nat(4 * DAY_MS), fc.nat(4 * DAY_MS), async (made, one, two) => {
      const entries = entriesOf(made, attempts, round++)
      all.push(...entries)
      if (entries.length > 0) await persist(db, entries.map((row) => ({ kind: 'entry', row })))
      const from = Math.min(one, two), to = Math.max(one, two), counted = all.filter(({ at }) => at >= from && at < to)
      const keys = { day: ({ at }: EntryRow) => new Date(at).toISOString().slice(0, 10), region: ({ attempt }: EntryRow) => regionOf.get(attempt ?? '') ?? null, template: ({ job }: EntryRow) => templateOf.get(job ?? '') ?? null }
      for (const by of ['day', 'region', 'template'] as const) {
        const found = await readRevenue(db, { from, to, by })
        expect(found.total).toEqual(sumsOf(counted))
        const groups = Map.groupBy(counted.filter(({ kind, attempt }) => kind === 'settle' || kind === 'displace' || kind === 'refund' || (kind === 'reversal' && attempt)), keys[by])
        expect(new Map(found.lines.map(({ key, ...sums }) => [key, sums]))).toEqual(new Map([...groups].map(([key, rows]) => [key, sumsOf(rows)])))
      }
      // Over all of time, what the market keeps is what its account holds; and every class holds what was moved into it.
      const { total } = await readRevenue(db, { from: 0, to: 10 * DAY_MS, by: 'day' }), classes = await trialBalance(db), fee = classes.find((one_) => one_.class === account.fee)
      expect(BigInt(total.fees) - BigInt(total.feesReversed)).toBe(BigInt(fee?.balance ?? 0))
      expect(classes.reduce((sum, one_) => sum + BigInt(one_.balance), 0n)).toBe(0n)
      for (const one_ of classes) expect(BigInt(one_.in) - BigInt(one_.out), one_.class).toBe(BigInt(one_.balance))
    }), { numRuns: 15 })
    expect(all.length).toBeGreaterThan(100)
    // The database and the protocol agree on what class an account is of.
    const byName = new Map<string, bigint>()
    for (const { postings } of all) for (const { from, to, amount } of postings) for (const [which, by] of [[from, -amount], [to, amount]] as const) byName.set(classOf(which), (byName.get(classOf(which)) ?? 0n) + by)
    expect(new Map((await trialBalance(db)).map((one) => [one.class, one.balance]))).toEqual(new Map([...byName].map(([which, balance]) => [which, balance.toString()])))
    await db.close()
  })

  test(`${name}: an export has every entry of its span once, in the order of time, and what was there before`, async () => {
    const db = await fresh(), { market, attempts } = world()
    await persist(db, market.log)
    // Many of one moment, so that a page ends among them.
    const made = Array.from({ length: 1_300 }, (_one, i): Made => ({ what: i % 3 === 0 ? 'topup' : 'settle', of: i, at: 2_000_000 + (i < 900 ? 0 : i), amount: 100 + i, fee: 50 })), entries = entriesOf(made, attempts, 0)
    for (let i = 0; i < entries.length; i += 500) await persist(db, entries.slice(i, i + 500).map((row) => ({ kind: 'entry', row })))
    const { privateKey } = generateKeyPairSync('ed25519'), lines: string[] = []
    for await (const piece of exportLedger(db, { from: 2_000_000, to: 2_001_200 }, { platformKey: rawPublicKey(privateKey), key: privateKey })) lines.push(...piece.trimEnd().split('\n'))
    const told = lines.flatMap((line) => { const said = JSON.parse(line); return said.entry ? [said.entry.id as string] : [] }), wanted = entries.filter(({ at }) => at < 2_001_200)
    expect(told).toEqual(wanted.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1)).map(({ id }) => id))
    expect(lines.filter((line) => line.startsWith('{"seal"'))).toHaveLength(1 + Math.floor(wanted.length / 1_000))
    expect(JSON.parse(lines[0] as string).opening.find((one: { class: string }) => one.class === 'escrow').balance).not.toBe('0')
    await db.close()
  })

  test(`${name}: old holds, and jobs that were given up, are found`, async () => {
    const db = await fresh(), { market, jobs } = world(), [first] = jobs
    const at = market.now
    market.now += 1_000
    const later = (market.submit(buyer, aSpec({ name: 'later', resources: { cpuMillis: 900_000 } }), { cap: 5_000n }) as Submitted).job.id
    await persist(db, market.log)
    expect((await listHolds(db, at + 1, 10, undefined)).data.map((one) => one.job)).toEqual(jobs.map(({ id }) => id))
    const page = await listHolds(db, at + 5_000, 3, undefined)
    expect((await listHolds(db, at + 5_000, 3, page.nextCursor ?? '')).data).toMatchObject([{ job: later, name: 'later', held: '5000', cap: '5000', state: 'queued' }])
    expect(await countDead(db)).toEqual({ deliveries: 0, jobs: 0 })
    const row = market.job(first?.id as JobId)!, ended = (cause: 'driver_failed' | 'buyer_exit', id: JobId): Change => ({ kind: 'job', row: { ...row, id, version: 0, state: 'failed', cause, endedAt: at } })
    await persist(db, [ended('driver_failed', `job_${'z'.repeat(26)}` as JobId), ended('buyer_exit', `job_${'y'.repeat(26)}` as JobId)])
    expect((await listDeadJobs(db, 10, undefined)).data).toMatchObject([{ job: `job_${'z'.repeat(26)}`, cause: 'driver_failed' }])
    expect(await countDead(db)).toEqual({ deliveries: 0, jobs: 1 })
    expect((await checkLedger(db)).classes.length).toBeGreaterThan(1)
    await db.close()
  })
}
