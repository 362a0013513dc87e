// What a buyer is told was spent, on both databases: held against the entries themselves, added up here a second time.
import { expect, test } from 'vitest'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import { SPEND_LINES_MAX, SPEND_SPLIT_MAX } from '@lumaris/protocol'
import type { JobDispatch, JobId, JobSpecInput, Saved } from '@lumaris/protocol'
import { createAgentState, stepAgent } from '@lumaris/domain'
import type { AgentInput, JobRow, Submitted } from '@lumaris/domain'
import type { Database } from '../database/database.ts'
import { statementsFor } from './persist.ts'
import { readSpend, spentSince } from './read-spend.ts'
import { readWallet } from './read.ts'

const DAY_MS = 86_400_000, MINUTE = 60_000, buyer = aUser('buyer'), other = aUser('other')

/** Three days of work: many names, two templates and none; parts of what was interrupted, and a place that was taken from somebody else. */
function aFewDays() {
  const market = aMarket({ settings: { suspectMs: 1e15, lostMs: 1e15, offerMs: 1e15, retryBackoffMs: 0, feeBasisPoints: 1_000 } })
  for (const user of [buyer, other]) market.fund(user, credits(10_000))
  const node = market.join('one', { cpuMillis: 1000, spotPercent: 50 })
  node.connect()
  const submit = (who: typeof buyer, more: Partial<JobSpecInput>, cap?: bigint): JobId => (market.submit(who, aSpec({ limits: { runMs: 60 * MINUTE }, ...more }), cap === undefined ? {} : { cap }) as Submitted).job.id
  const only = (): JobDispatch => { const [order, ...more] = market.dispatched(node.id); expect([order !== undefined, more]).toEqual([true, []]); return order as JobDispatch }
  const run = (who: typeof buyer, more: Partial<JobSpecInput>, runMs: number, exitCode = 0): void => { submit(who, more); const order = only(); market.pass(runMs + MINUTE); market.report(order, { runMs, exitCode }) }
  // First, while no firm work has kept room free for more of it.
  const taken = submit(other, { interruptible: {} })
  const victim = only()
  market.act({ kind: 'status', node: node.id, session: victim.session, message: { type: 'job_status', job_id: victim.job_id, attempt_id: victim.attempt_id, fence: victim.fence, status: 'running' } })
  market.pass(5 * MINUTE)
  const winner = submit(buyer, { name: 'in a hurry', template: 'draw', displace: String(credits(1)) }, credits(12))
  market.pass(2_000)
  market.report(victim, { runMs: 5 * MINUTE, cause: 'preempted' })
  market.report(only(), { runMs: 2 * MINUTE })
  expect(market.job(winner)).toMatchObject({ state: 'completed' })
  expect(market.job(winner)?.displaced).toBeGreaterThan(0n)
  market.act({ kind: 'cancel', job: taken })
  const templates = ['train', 'draw', undefined, undefined] as const
  for (let i = 0; i < SPEND_LINES_MAX + 16; i++) {
    const template = templates[i % 4]
    run(buyer, { ...(i % 13 === 0 ? {} : { name: `night ${i % 9 === 0 ? 'shift' : i} “ü”` }), ...(template ? { template } : {}) }, (1 + (i * 7) % 40) * MINUTE, i % 11 === 0 ? 3 : 0)
    if (i % 20 === 19) market.pass(DAY_MS)
  }
  run(other, { name: 'not mine', template: 'train' }, 5 * MINUTE)
  // Interrupted twice with something kept: each part is an entry of its own.
  const kept = submit(buyer, { name: 'kept', template: 'train', checkpoint: { paths: ['state'], everyMs: MINUTE } })
  for (const [i, cause] of (['seller_reclaimed', 'seller_reclaimed', 'succeeded'] as const).entries()) {
    const order = only(), agent = createAgentState(order.terms.node, { cpuMillis: 1e6, memoryBytes: 2 ** 50, diskBytes: 2 ** 50, gpus: 0 }), [nodeId, { session }] = [order.terms.node, order]
    agent.session = session; agent.leaseFrom = market.now; agent.leaseGen = order.lease_gen
    const step = (input: AgentInput): void => {
      for (const out of stepAgent(agent, input, { now: market.now, wall: market.now, hash: sha256 })) {
        if (out.kind !== 'send') continue
        const { message } = out
        if (message.type === 'job_status') market.act({ kind: 'status', node: nodeId, session, message })
        if (message.type === 'tick') market.act({ kind: 'tick', node: nodeId, session, tick: message.tick, hash: message.hash })
        if (message.type === 'checkpoint') market.act({ kind: 'checkpoint', node: nodeId, session, message })
      }
    }
    step({ kind: 'message', message: order })
    step({ kind: 'started', attempt: order.attempt_id })
    market.pass(10 * MINUTE)
    if (cause !== 'succeeded') step({ kind: 'saved', attempt: order.attempt_id, saved: { number: i + 1, kind: 'files', runMs: 6 * MINUTE, manifest: sha256('list') as Saved['manifest'], manifestSize: 50, size: 10 } })
    market.pass(5 * MINUTE)
    step({ kind: 'ended', attempt: order.attempt_id, end: { cause, exitCode: cause === 'succeeded' ? 0 : null, usage: { runMs: 12 * MINUTE, cpuMs: 1, memoryPeakBytes: 1, diskBytes: 0, outBytes: 0 }, files: [], resultDigest: cause === 'succeeded' ? sha256('result') : null, detail: null } })
    if (cause !== 'succeeded') market.pass(10 * MINUTE)
  }
  expect(market.job(kept)?.state).toBe('completed')
  return market
}

export function spendContract(name: string, fresh: () => Promise<Database>): void {
  test(`${name}: what was spent since any moment, by day, name or template, is what the entries moved out of the escrows of its jobs`, async () => {
    const db = await fresh(), market = aFewDays()
    await db.transact(statementsFor(market.log, db.dialect))
    const jobs = new Map<string, JobRow>(), ids = new Set<string>()
    for (const change of market.log) if (change.kind === 'job') jobs.set(change.row.id, change.row)
    const paid = market.log.flatMap((change) => (change.kind === 'entry' && (change.row.kind === 'settle' || change.row.kind === 'displace') && jobs.get(change.row.job ?? '')?.buyer === buyer ? [change.row] : []))
      .map((row) => { ids.add(row.id.split(':')[0] + (row.id.split(':').length > 2 ? ' of a part' : '')); return { at: row.at, cost: row.postings.reduce((sum, { amount }) => sum + amount, 0n), job: jobs.get(row.job ?? '') as JobRow } })
    expect([...ids].toSorted()).toEqual(['displace', 'settle', 'settle of a part'])
    const today = market.now - (market.now % DAY_MS), dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)
    type Paid = (typeof paid)[number]
    const grouped = (rows: readonly Paid[], key: (one: Paid) => string | null): Map<string | null, { cost: string; jobs: number }> => new Map([...Map.groupBy(rows, key)].map(([which, all]) => [which, { cost: all.reduce((sum, { cost }) => sum + cost, 0n).toString(), jobs: new Set(all.map(({ job }) => job.id)).size }]))
    for (const since of [0, today - 2 * DAY_MS, today - DAY_MS, today, market.now + 1]) {
      const counted = paid.filter(({ at }) => at >= since), found = await readSpend(db, buyer, since), total = counted.reduce((sum, { cost }) => sum + cost, 0n)
      expect([found.total, (await spentSince(db, buyer, since)).toString()]).toEqual([total.toString(), total.toString()])
      expect(new Map(found.days.map(({ day, ...line }) => [day, line]))).toEqual(grouped(counted, ({ at }) => dayOf(at)))
      expect(found.days.map(({ day }) => day)).toEqual(found.days.map(({ day }) => day).toSorted())
      // Of the templates all, of the names those with the most; the others are what is left of the total.
      expect(new Map(found.templates.map(({ template, cost, jobs: count }) => [template, { cost, jobs: count }]))).toEqual(grouped(counted, ({ job }) => job.spec.template ?? null))
      const names = grouped(counted, ({ job }) => job.spec.name ?? null), costs = found.names.map(({ cost }) => BigInt(cost))
      expect(found.names).toHaveLength(Math.min(SPEND_LINES_MAX, names.size))
      for (const line of found.names) expect({ cost: line.cost, jobs: line.jobs }, line.name ?? 'none').toEqual(names.get(line.name))
      expect(costs).toEqual(costs.toSorted((a, b) => (a > b ? -1 : a < b ? 1 : 0)))
      for (const [lines, key] of [[found.names.map((line) => ({ ...line, key: line.name })), ({ job }: Paid) => job.spec.name ?? null], [found.templates.map((line) => ({ ...line, key: line.template })), ({ job }: Paid) => job.spec.template ?? null]] as const) {
        expect(lines.map(({ days }) => days !== undefined)).toEqual(lines.map((_one, i) => i < SPEND_SPLIT_MAX))
        for (const line of lines.slice(0, SPEND_SPLIT_MAX)) expect(new Map(line.days?.map(({ day, cost }) => [day, cost]))).toEqual(new Map([...grouped(counted.filter((one) => key(one) === line.key), ({ at }) => dayOf(at))].map(([day, { cost }]) => [day, cost])))
      }
    }
    expect((await readSpend(db, buyer, 0)).total).toBe((await readWallet(db, buyer)).spent)
    expect((await readSpend(db, buyer, 0)).names.length).toBe(SPEND_LINES_MAX)
    expect((await readSpend(db, aUser('nobody'), 0))).toMatchObject({ total: '0', days: [], names: [], templates: [] })
    await db.close()
  })
}
