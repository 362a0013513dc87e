// Work that is sold what firm work leaves, and firm work that takes its place: who runs, who pays, who is paid, on a whole market.
import { expect, test } from 'vitest'
import { PriceSheet } from '@lumaris/protocol'
import type { JobDispatch, JobId, JobSpecInput, NodeId } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { Submitted } from '../job/submit.ts'
import { forgetJob } from '../state.ts'

const MINUTE = 60_000
const SETTINGS = { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12, feeBasisPoints: 1_000, retryBackoffMs: 0 }
const spot = aUser('spot'), firm = aUser('firm'), ann = aUser('ann')
const HOUR = { runMs: 60 * MINUTE }

/** Nodes of one core at one credit an hour. */
function aMarketOf(...percents: (number | undefined)[]) {
  const market = aMarket({ settings: SETTINGS })
  for (const user of [spot, firm]) market.fund(user, credits(1000))
  const nodes = percents.map((spotPercent, i) => { const node = market.join(`n${i}`, { owner: ann, cpuMillis: 1000, ...(spotPercent === undefined ? {} : { spotPercent }) }); node.connect(); return node })
  const submit = (buyer: typeof spot, more: Partial<JobSpecInput>, cap = credits(10)) => market.submit(buyer, aSpec({ limits: HOUR, ...more }), { cap })
  const place = (...args: Parameters<typeof submit>): JobId => (submit(...args) as Submitted).job.id
  const orders = (): JobDispatch[] => nodes.flatMap((node) => market.dispatched(node.id))
  const start = (order: JobDispatch) => market.act({ kind: 'status', node: order.terms.node, session: order.session, message: { type: 'job_status', job_id: order.job_id, attempt_id: order.attempt_id, fence: order.fence, status: 'running' } })
  const balance = (name: string) => market.log.reduce((sum, change) => (change.kind === 'entry' ? change.row.postings.reduce((all, { from, to, amount }) => all + (to === name ? amount : 0n) - (from === name ? amount : 0n), sum) : sum), 0n)
  return { market, nodes, submit, place, orders, start, balance }
}
/** Interruptible work that has run for five minutes, and firm work that takes its place. */
function aPlaceTaken() {
  const all = aMarketOf(50), { market, place, orders, start } = all
  const victim = place(spot, { interruptible: {} }), running = first(orders())
  start(running)
  market.pass(5 * MINUTE)
  return { ...all, victim, running, winner: place(firm, { displace: String(credits(1)) }, credits(12)) }
}
const first = <Item>(items: readonly Item[]): Item => { expect(items).toHaveLength(1); return items[0] as Item }

test('interruptible work runs only where it is taken, at the sellers’ lower price when it is alone, and its bill is made of that', () => {
  const { market, place, orders } = aMarketOf(undefined, 40)
  const id = place(spot, { interruptible: {} })
  const order = first(orders())
  expect([order.terms.node, order.prices.cpuHour]).toEqual([market.state.attempts.get(order.attempt_id)?.node, '400000'])
  market.pass(30 * MINUTE)
  market.report(order, { runMs: 30 * MINUTE })
  expect(market.job(id)).toMatchObject({ state: 'completed', cost: credits(0.2) })
})

test('a bid below every ask waits, and is told so; it is placed when a seller comes down', () => {
  const { market, nodes, place, orders } = aMarketOf(40)
  const id = place(spot, { interruptible: { bidHour: '300000' } })
  market.pass(10 * MINUTE)
  expect([market.job(id)?.state, orders()]).toEqual(['queued', []])
  market.act({ kind: 'price', node: nodes[0]?.id as NodeId, prices: PriceSheet.parse({ ...nodes[0]?.row().prices, spotPercent: 25 }) })
  market.pass(30_000)
  expect(first(orders()).prices.cpuHour).toBe('250000')
})

test('when many bid for less room, the highest bids get it, and all pay one price that none of them is above', () => {
  const { market, place, orders } = aMarketOf(...Array.from({ length: 8 }, () => 10))
  const filler = first([place(firm, {})])
  const [order] = orders()
  expect(order?.job_id).toBe(filler)
  // The first bid comes alone and is sold at once; the rest meet in the next sale.
  const alone = place(spot, { interruptible: { bidHour: '900000' } })
  const bids = [500_000, 450_000, 600_000, 200_000, 550_000, 150_000, 700_000, 650_000].map((bidHour) => [bidHour, place(spot, { interruptible: { bidHour: String(bidHour) } })] as const)
  orders()
  market.pass(30_000)
  expect(market.job(alone)?.state).toBe('running')
  const won = orders()
  expect(won.map(({ job_id: id }) => bids.find(([, job]) => job === id)?.[0] ?? 0).sort((a, b) => a - b)).toEqual([450_000, 500_000, 550_000, 600_000, 650_000, 700_000])
  expect(new Set(won.map(({ prices }) => prices.cpuHour)).size).toBe(1)
  const price = Number(won[0]?.prices.cpuHour)
  expect(price).toBeGreaterThan(200_000 - 1)
  expect(price).toBeLessThan(450_000 + 1)
})

test('firm work takes the place of interruptible work after its first minute, and pays its seller; its own buyer pays nothing for that try, and it runs again', () => {
  const { market, place, orders, start, balance } = aMarketOf(50)
  const victim = place(spot, { interruptible: {} }), running = first(orders())
  start(running)
  market.pass(30_000)
  const winner = place(firm, { displace: String(credits(1)) }, credits(12))
  expect(market.sentTo(running.terms.node)).toEqual([]) // not within its first minute
  market.pass(30_000)
  expect(market.sentTo(running.terms.node)).toMatchObject([{ type: 'cancel', attempt_id: running.attempt_id, reason: 'preempted' }])
  market.pass(2_000)
  market.report(running, { runMs: 62_000, cause: 'preempted' })
  const order = first(orders())
  expect(order.job_id).toBe(winner)
  const paid = (credits(0.5) * 62n) / 3600n
  expect(market.job(victim)).toMatchObject({ state: 'queued', cost: 0n })
  expect(market.job(winner)).toMatchObject({ state: 'running', cost: paid, displaced: paid })
  expect(balance(`seller:${ann}:pending`)).toBe(paid - paid / 10n)
  expect(market.attempt(running.attempt_id)).toMatchObject({ state: 'ended', cause: 'preempted', billed: paid })
  start(order)
  market.pass(10 * MINUTE)
  market.report(order, { runMs: 10 * MINUTE })
  expect(market.job(winner)).toMatchObject({ state: 'completed', cost: paid + credits(1) / 6n, refunded: credits(12) - paid - credits(1) / 6n })
  market.pass(30_000)
  expect(first(orders()).job_id).toBe(victim)
})

test('without `displace`, or for less than it has cost, firm work waits', () => {
  const { market, place, orders, start } = aMarketOf(50)
  place(spot, { interruptible: {} })
  const running = first(orders())
  start(running)
  market.pass(40 * MINUTE)
  place(firm, {})
  place(firm, { displace: String(credits(0.3)) }, credits(10))
  expect(market.sentTo(running.terms.node)).toEqual([])
  market.pass(MINUTE)
  expect(market.sentTo(running.terms.node)).toEqual([])
})

test('firm work is never taken off', () => {
  const { market, place, orders, start } = aMarketOf(50)
  place(firm, {})
  const running = first(orders())
  start(running)
  market.pass(10 * MINUTE)
  place(firm, { displace: String(credits(9)) }, credits(20))
  market.pass(10 * MINUTE)
  expect(market.sentTo(running.terms.node)).toEqual([])
})

test('work that ends by itself while it is asked to go is a result like any other, and nothing is owed for its place', () => {
  const { market, victim, running, winner } = aPlaceTaken()
  market.sentTo(running.terms.node)
  market.report(running, { runMs: 5 * MINUTE })
  expect(market.job(victim)).toMatchObject({ state: 'completed', cost: credits(0.5) / 12n })
  expect(market.job(winner)).toMatchObject({ state: 'running', cost: 0n, displaced: 0n })
})

test('an attempt that gave its place up with a result may end long after the job that wanted the place is gone', () => {
  const market = aMarket({ settings: SETTINGS })
  for (const user of [spot, firm]) market.fund(user, credits(1000))
  const nodes = [market.join('a', { cpuMillis: 1000, spotPercent: 50 }), market.join('b', { cpuMillis: 1000, spotPercent: 50 })]
  for (const node of nodes) node.connect()
  const twice = (market.submit(spot, aSpec({ limits: HOUR, interruptible: {}, copies: 2 }), { cap: credits(10) }) as Submitted).job.id
  const orders = nodes.flatMap((node) => market.dispatched(node.id))
  expect(orders).toHaveLength(2)
  for (const order of orders) market.act({ kind: 'status', node: order.terms.node, session: order.session, message: { type: 'job_status', job_id: order.job_id, attempt_id: order.attempt_id, fence: order.fence, status: 'running' } })
  market.pass(5 * MINUTE)
  const winner = (market.submit(firm, aSpec({ limits: HOUR, displace: String(credits(1)) }), { cap: credits(12) }) as Submitted).job.id
  const told = orders.find((order) => market.attempt(order.attempt_id)?.displaced) as JobDispatch
  market.report(told, { runMs: 5 * MINUTE })
  market.report(first(nodes.flatMap((node) => market.dispatched(node.id))))
  expect([market.job(winner)?.state, market.attempt(told.attempt_id)?.state]).toEqual(['completed', 'reported'])
  forgetJob(market.state, winner)
  market.act({ kind: 'cancel', job: twice })
  expect(market.attempt(told.attempt_id)).toMatchObject({ state: 'ended', cause: 'buyer_cancelled' })
})

test('a job that is cancelled while a place is made for it still pays for that place, and only then ends', () => {
  const { market, running, winner, balance } = aPlaceTaken()
  market.act({ kind: 'cancel', job: winner })
  expect(market.job(winner)).toMatchObject({ state: 'queued', cancelling: true })
  market.report(running, { runMs: 5 * MINUTE, cause: 'preempted' })
  const paid = credits(0.5) / 12n
  expect(market.job(winner)).toMatchObject({ state: 'cancelled', cost: paid, refunded: credits(12) - paid })
  expect(balance(`seller:${ann}:pending`)).toBe(paid - paid / 10n)
})

test('what a node says it ran beyond what was agreed when the place was taken is not paid', () => {
  const { market, place, orders, start } = aMarketOf(50)
  place(spot, { interruptible: {} })
  const running = first(orders())
  market.pass(10 * MINUTE) // it says late that it runs
  start(running)
  market.pass(2 * MINUTE)
  const winner = place(firm, { displace: String(credits(1)) }, credits(12))
  market.report(running, { runMs: 12 * MINUTE, cause: 'preempted' })
  expect(market.job(winner)?.displaced).toBe((credits(0.5) * BigInt(2 * MINUTE + market.state.settings.cancelMs)) / 3_600_000n)
})

test('a node that never answers is given up after its notice, and is paid for what it had told', () => {
  const { market, running, winner } = aPlaceTaken()
  market.pass(market.state.settings.cancelMs)
  expect(market.attempt(running.attempt_id)).toMatchObject({ state: 'ended', cause: 'preempted', billed: 0n })
  expect(market.job(winner)).toMatchObject({ state: 'running', displaced: 0n })
})

test('what is kept for one is not taken by another that comes meanwhile', () => {
  const { market, place, running, winner } = aPlaceTaken()
  const other = place(aUser('firm'), { priority: 1, expectedMs: 1000, limits: { runMs: 1000 } })
  market.report(running, { runMs: 5 * MINUTE, cause: 'preempted' })
  expect([market.job(winner)?.state, market.job(other)?.state]).toEqual(['running', 'queued'])
})

test('a place that is not wanted any more goes to who waited meanwhile', () => {
  const { market, place, running, winner } = aPlaceTaken()
  const other = place(firm, {})
  market.report(running, { runMs: 5 * MINUTE, cause: 'preempted' })
  expect([market.job(winner)?.state, market.job(other)?.state]).toEqual(['running', 'queued'])
  const second = aPlaceTaken(), waits = second.place(firm, {})
  second.market.act({ kind: 'cancel', job: second.winner })
  second.market.report(second.running, { runMs: 5 * MINUTE, cause: 'preempted' })
  expect([second.market.job(second.winner)?.state, second.market.job(waits)?.state]).toEqual(['cancelled', 'running'])
})

test('a place that is half made and not wanted any more is free at once for who waited beside it', () => {
  const market = aMarket({ settings: SETTINGS })
  for (const user of [spot, firm]) market.fund(user, credits(1000))
  const node = market.join('two', { cpuMillis: 2000, spotPercent: 50 })
  node.connect()
  const submit = (user: typeof spot, cpuMillis: number, more: Partial<JobSpecInput>) => (market.submit(user, aSpec({ limits: HOUR, resources: { cpuMillis }, ...more }), { cap: credits(20) }) as Submitted).job.id
  submit(spot, 1000, { interruptible: {}, tasks: [{}, {}] })
  const running = market.dispatched(node.id)
  expect(running).toHaveLength(2)
  for (const order of running) market.act({ kind: 'status', node: node.id, session: order.session, message: { type: 'job_status', job_id: order.job_id, attempt_id: order.attempt_id, fence: order.fence, status: 'running' } })
  market.pass(5 * MINUTE)
  const winner = submit(firm, 2000, { displace: String(credits(5)) }), small = submit(firm, 500, {})
  market.report(running[0] as JobDispatch, { runMs: 5 * MINUTE, cause: 'preempted' })
  expect(market.job(small)?.state).toBe('queued') // the first half is kept
  market.act({ kind: 'cancel', job: winner })
  expect(market.job(small)?.state).toBe('running')
})

test('interruptible work that wants to displace contradicts itself; a cap must leave something beside what displacing may cost', () => {
  const { submit } = aMarketOf(50)
  expect(submit(spot, { interruptible: {}, displace: '1' })).toMatchObject({ refusal: 'impossible_request' })
  expect(submit(firm, { displace: String(credits(10)) })).toMatchObject({ refusal: 'cap_too_low', detail: { displace: '10000000' } })
})

test('a quote for interruptible work expects the sellers’ lower prices, and is capped by the bid', () => {
  const { market } = aMarketOf(50)
  const quoteFor = (more: Partial<JobSpecInput>) => { const spec = aSpec({ limits: HOUR, expectedMs: 60 * MINUTE, ...more }); return market.act({ kind: 'quote', buyer: spot, spec, specHash: 'x' }) }
  expect(quoteFor({})).toMatchObject({ p50: '1000000', cap: '1000000' })
  expect(quoteFor({ interruptible: {} })).toMatchObject({ p50: '500000', cap: '1000000' })
  expect(quoteFor({ interruptible: { bidHour: '600000' } })).toMatchObject({ p50: '500000', cap: '600000' })
  expect(quoteFor({ displace: '70' })).toMatchObject({ p50: '1000000', cap: '1000070' })
})
