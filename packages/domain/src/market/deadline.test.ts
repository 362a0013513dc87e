import { expect, test } from 'vitest'
import type { JobId, JobSpecInput } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { Submitted } from '../job/submit.ts'

const MINUTE = 60_000
const buyer = aUser('buyer')
function aMarketWith(nodes: number, cores = 1) {
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 } })
  market.fund(buyer, credits(100))
  const joined = Array.from({ length: nodes }, (_, i) => { const node = market.join(`n${i}`, { cpuMillis: cores * 1000 }); node.connect(); return node })
  const submit = (more: Partial<JobSpecInput>) => market.submit(buyer, aSpec({ limits: { runMs: 10 * MINUTE }, expectedMs: 2 * MINUTE, ...more }), { cap: credits(1) })
  const place = (more: Partial<JobSpecInput>): JobId => (submit(more) as Submitted).job.id
  return { market, nodes: joined, submit, place }
}

test('what waits at its deadline is given up, with all of its hold back', () => {
  const { market, place } = aMarketWith(1)
  place({})
  const late = place({ deadline: market.now + 5 * MINUTE })
  market.pass(5 * MINUTE - 1)
  expect(market.job(late)?.state).toBe('queued')
  market.pass(1)
  expect(market.job(late)).toMatchObject({ state: 'expired', cause: 'queue_timeout', cost: 0n, refunded: credits(1) })
})

test('what could not be over by then is not begun, although a node has room', () => {
  const { market, nodes, place } = aMarketWith(1)
  const first = place({ expectedMs: MINUTE })
  const [order] = market.dispatched((nodes[0] as { id: Parameters<typeof market.dispatched>[0] }).id)
  const second = place({ deadline: market.now + 3 * MINUTE })
  market.pass(MINUTE + 1)
  market.report(order as NonNullable<typeof order>, { runMs: MINUTE })
  // One minute and fifty-nine seconds are left, and it is expected to take two minutes.
  expect([market.job(first)?.state, market.job(second)?.state]).toEqual(['completed', 'queued'])
  market.pass(2 * MINUTE)
  expect(market.job(second)?.state).toBe('expired')
})

test('what runs at its deadline may finish, and is not tried again after it', () => {
  const { market, nodes, place } = aMarketWith(2)
  const good = place({ deadline: market.now + 3 * MINUTE }), bad = place({ deadline: market.now + 3 * MINUTE })
  const orders = nodes.flatMap((node) => market.dispatched(node.id))
  expect(orders.map((order) => order.job_id).sort()).toEqual([good, bad].sort())
  market.pass(4 * MINUTE)
  for (const order of orders) market.report(order, order.job_id === good ? {} : { cause: 'driver_failed' })
  expect([market.job(good)?.state, market.job(bad)]).toMatchObject(['completed', { state: 'failed', cause: 'driver_failed', cost: 0n }])
})

test('a job of which a part still waits at the deadline ends; what ran of it is paid for', () => {
  const { market, nodes, place } = aMarketWith(1)
  const id = place({ tasks: [{}, {}], deadline: market.now + 3 * MINUTE })
  const [order] = nodes.flatMap((node) => market.dispatched(node.id))
  market.pass(3 * MINUTE - 1)
  market.act({ kind: 'status', node: nodes[0]?.id as never, session: order?.session ?? 0, message: { type: 'job_status', job_id: id, attempt_id: order?.attempt_id as never, fence: order?.fence ?? 0, status: 'running' } })
  expect(market.job(id)?.state).toBe('running')
  market.pass(1)
  expect(market.sentTo(nodes[0]?.id as never)).toMatchObject([{ type: 'cancel', attempt_id: order?.attempt_id }])
  market.report(order as NonNullable<typeof order>, { runMs: 3 * MINUTE, cause: 'buyer_cancelled' })
  expect(market.job(id)).toMatchObject({ state: 'expired', cause: 'queue_timeout', tasksDone: 0 })
  expect(market.job(id)?.cost).toBeGreaterThan(0n)
})

test('a deadline that is over, or nearer than the work takes, is refused at once, and says so', () => {
  const { market, submit } = aMarketWith(1)
  expect(submit({ deadline: market.now })).toMatchObject({ refusal: 'impossible_request', detail: { reason: 'the deadline is over' } })
  expect(submit({ deadline: market.now + MINUTE })).toMatchObject({ refusal: 'impossible_request', detail: { reason: 'the deadline comes sooner than the work is expected to take' } })
})

test('spread: no two tasks on one node, with one owner, in one region at a time; the rest waits until one is over', () => {
  for (const [spread, placed] of [[undefined, 4], ['node', 3], ['owner', 2], ['region', 1]] as const) {
    const market = aMarket()
    market.fund(buyer, credits(100))
    const ann = aUser('ann'), ben = aUser('ben')
    const nodes = [market.join('a', { owner: ann }), market.join('b', { owner: ann }), market.join('c', { owner: ben })]
    for (const node of nodes) node.connect()
    market.submit(buyer, aSpec({ tasks: [{}, {}, {}, {}], placement: { spread } }), { cap: credits(4) })
    const orders = nodes.flatMap((node) => market.dispatched(node.id))
    expect(orders, String(spread)).toHaveLength(placed)
    if (placed === 4) continue
    expect(new Set(orders.map((order) => order.terms.node)).size, String(spread)).toBe(placed)
    market.report(orders[0] as NonNullable<typeof orders[0]>)
    expect(nodes.flatMap((node) => market.dispatched(node.id)), String(spread)).toHaveLength(1)
  }
})
