// Work whose parts run at once or not at all: where it is seated, when it begins, what happens to the others when one is lost, and who pays.
import { expect, test } from 'vitest'
import { isRefusal } from '@lumaris/protocol'
import type { JobDispatch, JobId, JobSpecInput, JobStatusMessage, MeshOffer, Quote, Refusal, ToAgent } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import type { Submitted } from '../job/submit.ts'
import { gangRoom } from './place-gang.ts'
import type { LiveJob } from '../state.ts'

const MINUTE = 60_000
const SETTINGS = { suspectMs: 1e12, lostMs: 1e12, offerMs: 20_000, feeBasisPoints: 0, retryBackoffMs: 1_000 }
const ann = aUser('ann'), bob = aUser('bob')
type Join = NonNullable<Parameters<ReturnType<typeof aMarket>['join']>[1]>
const meshOf = (id: string): MeshOffer => ({ public_key: `${sha256(id).slice(0, 43)}=`, addresses: [] })

function aMarketOf(...nodes: Join[]) {
  const market = aMarket({ settings: SETTINGS })
  for (const user of [ann, bob]) market.fund(user, credits(1000))
  const joined = nodes.map((more, i) => { const node = market.join(`n${i}`, { cpuMillis: 1000, ...more }); node.connect(); return node })
  const ask = (ranks: number, more: Partial<JobSpecInput> = {}, buyer = ann) => market.submit(buyer, aSpec({ gang: true, tasks: Array.from({ length: ranks }, () => ({})), limits: { runMs: 10 * MINUTE }, ...more }), { cap: credits(50) })
  const gang = (...args: Parameters<typeof ask>): JobId => (ask(...args) as Submitted).job.id
  const sent = (): ToAgent[] => joined.flatMap((node) => market.sentTo(node.id))
  const orders = (): JobDispatch[] => sent().filter((message) => message.type === 'job_dispatch')
  const say = (order: JobDispatch, status: JobStatusMessage['status'], more: Partial<JobStatusMessage> = {}) => market.act({ kind: 'status', node: order.terms.node, session: order.session, message: { type: 'job_status', job_id: order.job_id, attempt_id: order.attempt_id, fence: order.fence, status, ...more } })
  const ready = (order: JobDispatch) => say(order, 'accepted', { mesh: meshOf(order.attempt_id) })
  const begin = (all: readonly JobDispatch[]) => { for (const order of all) { say(order, 'accepted'); ready(order) } for (const order of all) say(order, 'running') }
  const causes = () => [...market.state.attempts.values()].map(({ task, state, cause, billed }) => [task, state, cause, billed])
  return { market, joined, ask, gang, sent, orders, say, ready, begin, causes }
}

test('it is placed whole, on the cheapest seats there are, also several on one node', () => {
  const { gang, orders, joined } = aMarketOf({ cpuHour: 3 }, { cpuHour: 1, cpuMillis: 2500 }, { cpuHour: 2 }, { cpuHour: 4 })
  gang(4)
  const all = orders()
  expect(all.map(({ gang: place, terms, env }) => [place, joined.findIndex((node) => node.id === terms.node), env['RANK'], env['WORLD_SIZE'], env['MASTER_ADDR'], env['LUMARIS_ADDRESS']])).toEqual([
    [{ rank: 2, size: 4 }, 0, '2', '4', 'rank-0', '10.99.0.3'].with(1, 2), [{ rank: 3, size: 4 }, 0, '3', '4', 'rank-0', '10.99.0.4'],
    [{ rank: 0, size: 4 }, 1, '0', '4', 'rank-0', '10.99.0.1'], [{ rank: 1, size: 4 }, 1, '1', '4', 'rank-0', '10.99.0.2'],
  ].toSorted((a, b) => Number(a[1]) - Number(b[1])))
  expect(all[0]?.env['LUMARIS_PEERS']).toBe('10.99.0.1,10.99.0.2,10.99.0.3,10.99.0.4')
})

test('while a seat is missing none is taken, and others may use what there is; two that need more than half never hold a part each', () => {
  const { market, gang, orders, begin } = aMarketOf({}, {}, {}, {})
  const first = gang(3), second = gang(3, {}, bob)
  const held = orders()
  expect(held.map((order) => order.job_id)).toEqual([first, first, first])
  expect(market.state.jobs.get(second)?.attempts).toEqual([])
  expect(gangRoom(market.state, market.state.jobs.get(second) as LiveJob, market.now)).toEqual({ ranks: 3, seats: 1 })
  const small = (market.submit(bob, aSpec({ limits: { runMs: MINUTE } }), { cap: credits(1) }) as Submitted).job.id
  expect(orders().map((order) => order.job_id)).toEqual([small])
  begin(held)
  for (const order of held) market.report(order)
  expect([market.job(first)?.state, market.job(second)?.state]).toEqual(['completed', 'running'])
  expect(orders().map((order) => order.job_id)).toEqual([second, second, second])
})

test('nobody is told to begin before all are ready; then everybody is told who is where, and told again until it runs', () => {
  const { market, gang, orders, say, ready, sent } = aMarketOf({}, {}, {})
  gang(3)
  const all = orders(), starts = () => sent().filter((message) => message.type === 'gang_start')
  for (const order of all) say(order, 'accepted')
  for (const order of all.slice(1)) ready(order)
  expect(starts()).toEqual([])
  ready(all[0] as JobDispatch)
  const peers = all.toSorted((a, b) => (a.gang?.rank ?? 0) - (b.gang?.rank ?? 0)).map((order) => ({ rank: order.gang?.rank, attempt_id: order.attempt_id, ...meshOf(order.attempt_id) }))
  expect(starts()).toEqual(all.map((order) => ({ type: 'gang_start', attempt_id: order.attempt_id, peers })))
  const [one, other] = all as [JobDispatch, JobDispatch]
  say(one, 'running')
  const beat = (order: JobDispatch, state: 'accepted' | 'running') => market.act({ kind: 'heartbeat', node: order.terms.node, session: order.session, message: { type: 'availability_update', node_id: order.terms.node, cpu_available: 0, mem_available: 0, status: 'busy', heartbeat: 1, attempts: [{ attempt_id: order.attempt_id, fence: order.fence, state }] } })
  beat(one, 'running'); beat(other, 'accepted')
  expect(starts().map((message) => message.attempt_id)).toEqual([other.attempt_id])
  // A rank that is done already still counts as one of them.
  market.report(one)
  ready(other)
  expect(starts().map((message) => [message.attempt_id, message.peers.length])).toEqual([[other.attempt_id, 3]])
})

test('when one is lost all of them end, unbilled, and begin again together under higher fences; only the lost one was a failure', () => {
  const { market, gang, orders, begin, say, sent, causes } = aMarketOf({}, {}, {}, {})
  const id = gang(3), all = orders(), [lost, done, other] = all as [JobDispatch, JobDispatch, JobDispatch]
  begin(all)
  market.pass(MINUTE)
  market.report(done, { runMs: MINUTE })
  expect(market.job(id)).toMatchObject({ state: 'running', tasksDone: 0, cost: 0n }) // its result waits for the others
  sent()
  say(lost, 'stopped', { cause: 'seller_reclaimed' })
  expect(causes()).toEqual(expect.arrayContaining([[lost.gang?.rank, 'ended', 'seller_reclaimed', null], [done.gang?.rank, 'ended', 'peer_lost', null], [other.gang?.rank, 'ended', 'peer_lost', null]]))
  expect(sent().map((message) => message.type)).toEqual(['forget', 'forget', 'cancel'])
  market.pass(1_000)
  const again = orders()
  expect(again.map((order) => [order.job_id, order.fence])).toEqual([[id, 2], [id, 2], [id, 2]])
  expect(market.state.jobs.get(id)?.tasks.map((task) => task.retries).toSorted((a, b) => a - b)).toEqual([0, 0, 1])
  begin(again)
  market.pass(8 * MINUTE)
  for (const order of again) market.report(order, { runMs: 6 * MINUTE })
  expect(market.job(id)).toMatchObject({ state: 'completed', cost: credits(0.3) }) // three times six minutes at one credit an hour, and nothing for the first try
})

test('a rank that does not take its offer up dissolves the gang before anything ran', () => {
  const { market, gang, orders, say, ready, causes } = aMarketOf({}, {}, {})
  const id = gang(2), all = orders(), [one] = all as [JobDispatch]
  say(one, 'accepted'); ready(one)
  market.pass(21_000)
  expect(causes().map(([, state, cause]) => [state, cause])).toEqual(expect.arrayContaining([['ended', 'peer_lost'], ['ended', 'seller_refused']]))
  market.pass(1_000)
  expect(orders().map((order) => [order.job_id, order.fence])).toEqual([[id, 2], [id, 2]])
})

test('a rank that fails fails the job, and what the others ran is billed: it was the program', () => {
  const { market, gang, orders, begin, say } = aMarketOf({}, {})
  const id = gang(2), all = orders(), [one, other] = all as [JobDispatch, JobDispatch]
  begin(all)
  market.pass(7 * MINUTE)
  market.sentTo(other.terms.node)
  market.report(one, { runMs: 6 * MINUTE, exitCode: 3 })
  expect(market.sentTo(other.terms.node)).toMatchObject([{ type: 'cancel', reason: 'buyer_cancelled' }])
  say(other, 'stopped', { cause: 'buyer_cancelled', usage: { runMs: 6 * MINUTE, cpuMs: 0, memoryPeakBytes: 0, diskBytes: 0, outBytes: 0 } })
  expect(market.job(id)).toMatchObject({ state: 'failed', cause: 'buyer_exit', exitCode: 3 })
  expect(market.job(id)?.cost).toBeGreaterThanOrEqual(credits(0.1))
})

test('one time too many, or past the deadline, the job ends and nobody is billed', () => {
  for (const more of [{ limits: { runMs: 10 * MINUTE, retries: 0 } }, { limits: { runMs: 10 * MINUTE }, expectedMs: 1000, deadline: 1_000_000 + 5 * MINUTE }]) {
    const { market, gang, orders, begin, say } = aMarketOf({}, {}, {})
    const id = gang(3, more), all = orders()
    begin(all)
    market.now += 6 * MINUTE
    say(all[1] as JobDispatch, 'stopped', { cause: 'seller_reclaimed' })
    expect(market.job(id)).toMatchObject({ state: 'failed', cause: 'seller_reclaimed', cost: 0n, refunded: market.job(id)?.cap })
    expect([...market.state.attempts.values()].map(({ task, cause }) => [task, cause])).toEqual([0, 1, 2].map((rank) => [rank, rank === all[1]?.gang?.rank ? 'seller_reclaimed' : 'peer_lost']))
  }
})

test('a rank that is never ready is blamed, not those that waited for it', () => {
  const { market, gang, orders, say, ready, causes } = aMarketOf({}, {})
  gang(2)
  const all = orders()
  for (const order of all) say(order, 'accepted')
  ready(all[0] as JobDispatch)
  market.pass(10 * MINUTE + 120_000)
  expect(causes().map(([task, , cause]) => [task, cause])).toEqual(expect.arrayContaining([[all[0]?.gang?.rank, 'peer_lost'], [all[1]?.gang?.rank, 'driver_failed']]))
})

test('a gang that has waited beyond its patience gets seats kept, and starts although small work keeps coming', () => {
  const { market, gang, orders, say } = aMarketOf({}, {}, {})
  const running: { order: JobDispatch; until: number }[] = []
  const pick = () => { for (const order of orders()) { if (order.gang) seated++; else { say(order, 'running'); running.push({ order, until: market.now + 9 * MINUTE }) } } }
  let seated = 0
  const small = () => { market.submit(bob, aSpec({ limits: { runMs: 10 * MINUTE }, expectedMs: 9 * MINUTE }), { cap: credits(1) }); pick() }
  for (let i = 0; i < 3; i++) { small(); market.pass(3 * MINUTE); pick() }
  gang(3, { limits: { runMs: 10 * MINUTE } })
  let minutes = 0
  for (; seated === 0 && minutes < 1000; minutes++) {
    if (minutes % 3 === 0) small()
    market.pass(MINUTE)
    for (const one of running.filter(({ until }) => until <= market.now)) { running.splice(running.indexOf(one), 1); market.report(one.order, { runMs: 9 * MINUTE }) }
    pick()
  }
  expect(seated).toBe(3)
  expect(minutes).toBeLessThanOrEqual(3 * 60 + 12) // its patience, and what runs then to its time limit
})

test('a rank is not moved alone', () => {
  const { market, gang, orders, begin } = aMarketOf({}, {}, {})
  const id = gang(2)
  begin(orders())
  expect(market.act({ kind: 'move', job: id, to: null, task: 1 })).toMatchObject({ refusal: 'cannot_move', detail: { reason: expect.stringContaining('ranks of a gang') } })
})

test('ranks that ask to be spread sit apart', () => {
  const { gang, orders, market } = aMarketOf({ cpuMillis: 8000 }, { cpuMillis: 8000 })
  gang(2, { placement: { spread: 'node' } })
  expect(new Set(orders().map((order) => order.terms.node)).size).toBe(2)
  const three = gang(3, { placement: { spread: 'node' } })
  expect([orders(), market.job(three)?.state]).toEqual([[], 'queued'])
})

test('a quote says when there are not seats enough, or no node that can join a gang, and its cap covers every rank', () => {
  const quote = (market: ReturnType<typeof aMarket>, ranks: number): Quote => { const spec = aSpec({ gang: true, tasks: Array.from({ length: ranks }, () => ({})), limits: { runMs: 60 * MINUTE } }); return market.act({ kind: 'quote', buyer: ann, spec, specHash: sha256(JSON.stringify(spec)) }) as Quote }
  const { market } = aMarketOf({ cpuHour: 1 }, { cpuHour: 2 })
  expect(quote(market, 2)).toMatchObject({ nodes: 2, nodesFree: 2, cap: String(credits(4)), refused: {} })
  expect(quote(market, 3)).toMatchObject({ nodes: 0, nodesFree: 0, refused: { gang_room: 2 } })
  expect(quote(aMarketOf({ alone: true }).market, 2)).toMatchObject({ nodes: 0, refused: { gang: 1 } })
  // Twelve seats on twelve nodes: the dearest of them counts, though a quote looks at ten elsewhere.
  expect(quote(aMarketOf(...Array.from({ length: 12 }, (_, i) => ({ cpuHour: i + 1 }))).market, 12).cap).toBe(String(credits(144)))
})

test.each<[string, number, Partial<JobSpecInput>]>([
  ['2 to 64 ranks', 1, {}], ['copies', 2, { copies: 2 }], ['copies', 2, { assurance: '1e-2' }], ['interruptible', 2, { interruptible: {} }], ['interruptible', 2, { displace: '5' }], ['onFailure', 2, { onFailure: 'finish' }],
  ['disconnect', 2, { disconnect: 'wait' }], ['checkpoint', 2, { checkpoint: { paths: ['x'] } }], ['native', 2, { runtime: 'python' }],
])('what a gang cannot be is refused: %s', (says, ranks, more) => {
  const answer = aMarketOf({}, {}).ask(ranks, more)
  expect(isRefusal(answer) && (answer as Refusal).detail?.['reason']).toContain(says)
})
