import { test, expect } from 'vitest'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { JobDispatch, JobId } from '@lumaris/protocol'
import { isRefusal } from '@lumaris/protocol'
import type { Submitted } from './job/submit.ts'

const buyer = aUser('buyer')
const jobOf = (submitted: unknown): JobId => (submitted as Submitted).job.id

test('a job walks from submit to a paid receipt: hold, offer, result, settlement, refund', () => {
  const market = aMarket()
  market.fund(buyer, credits(10))
  const node = market.join('north', { cpuHour: 3.6 })
  node.connect()
  const job = jobOf(market.submit(buyer, aSpec({ limits: { runMs: 100_000 } })))
  // 1 core for at most 100 s at 3.6 credits an hour: 0.1 credits held.
  expect(market.job(job)).toMatchObject({ state: 'running', cap: credits(0.1), attemptCap: credits(0.1) })
  expect(market.state.accounts.get(`buyer:${buyer}:available`)).toBe(credits(9.9))
  const [order] = market.dispatched(node.id) as [JobDispatch]
  expect(order.payload).toEqual({ command: 'echo', args: ['hello'] })
  market.now += 20_000
  market.report(order, { runMs: 20_000 })
  expect(market.job(job)).toMatchObject({ state: 'completed', cost: credits(0.02), refunded: credits(0.08), tasksDone: 1, exitCode: 0 })
  expect(market.state.accounts.get(`buyer:${buyer}:available`)).toBe(credits(9.98))
  expect(market.attempt(order.attempt_id)).toMatchObject({ state: 'valid', billed: credits(0.02), fee: credits(0.001) })
  expect(market.state.profiles.get(node.id)).toMatchObject({ succeeded: 1, failed: 0 })
})

test('a meter that claims more time than the market saw is cut to what was seen', () => {
  const market = aMarket()
  market.fund(buyer, credits(10))
  const node = market.join('north', { cpuHour: 3.6 })
  node.connect()
  const job = jobOf(market.submit(buyer, aSpec({ limits: { runMs: 100_000 } })))
  const [order] = market.dispatched(node.id) as [JobDispatch]
  market.now += 5_000
  market.report(order, { runMs: 90_000 })
  expect(market.job(job)).toMatchObject({ state: 'completed', cost: credits(0.005) })
})

test('a program that fails is a result: it is paid for, and the job fails with its exit code', () => {
  const market = aMarket()
  market.fund(buyer, credits(10))
  const node = market.join('north')
  node.connect()
  const job = jobOf(market.submit(buyer, aSpec()))
  const [order] = market.dispatched(node.id) as [JobDispatch]
  market.now += 1000
  market.report(order, { exitCode: 7 })
  expect(market.job(job)).toMatchObject({ state: 'failed', cause: 'buyer_exit', exitCode: 7 })
  expect(market.job(job)?.cost).toBeGreaterThan(0n)
})

test('a silent node is lost: nothing is billed, the job runs again elsewhere, and the late result is evidence only', () => {
  const market = aMarket()
  market.fund(buyer, credits(10))
  const north = market.join('north', { cpuHour: 1 }), south = market.join('south', { cpuHour: 2 })
  north.connect(); south.connect()
  const job = jobOf(market.submit(buyer, aSpec()))
  const [order] = market.dispatched(north.id) as [JobDispatch]
  market.act({ kind: 'status', node: north.id, session: 1, message: { type: 'job_status', job_id: job, attempt_id: order.attempt_id, fence: 1, status: 'running' } })
  let again: JobDispatch | undefined
  for (let beat = 1; beat <= 8 && !again; beat++) {
    market.pass(10_000)
    market.act({ kind: 'heartbeat', node: south.id, session: 1, message: { type: 'availability_update', node_id: south.id, cpu_available: 4, mem_available: 8192, status: 'ready', heartbeat: beat, attempts: [] } })
    again = market.dispatched(south.id)[0]
  }
  expect(market.attempt(order.attempt_id)).toMatchObject({ state: 'ended', cause: 'seller_offline', billed: null })
  expect(north.row()).toMatchObject({ presence: 'lost', leaseGen: 1 })
  expect(market.state.profiles.get(north.id)).toMatchObject({ succeeded: 0, failed: 1 })
  expect(again?.fence).toBe(2)
  market.report(order)
  expect(market.attempt(order.attempt_id)).toMatchObject({ state: 'ended', billed: null, evidence: expect.any(String) })
  market.now += 1000
  market.report(again as JobDispatch)
  expect(market.job(job)).toMatchObject({ state: 'completed' })
  expect(market.attempt((again as JobDispatch).attempt_id)?.billed).toBeGreaterThan(0n)
})

test('not enough credits is refused with what is needed and what is there', () => {
  const market = aMarket()
  market.fund(buyer, 5n)
  market.join('north').connect()
  expect(market.submit(buyer, aSpec())).toMatchObject({ refusal: 'insufficient_funds', detail: { available: '5' } })
  expect(market.state.jobs.size).toBe(0)
})

test('two copies must agree; the one that differs is not paid and a third decides', () => {
  const market = aMarket()
  market.fund(buyer, credits(10))
  const nodes = ['a', 'b', 'c'].map((name) => market.join(name))
  for (const node of nodes) node.connect()
  const job = jobOf(market.submit(buyer, aSpec({ copies: 2 })))
  const orders = nodes.flatMap((node) => market.dispatched(node.id))
  expect(orders).toHaveLength(2)
  market.now += 1000
  market.report(orders[0] as JobDispatch, { digest: 'a'.repeat(64) })
  market.report(orders[1] as JobDispatch, { digest: 'b'.repeat(64) })
  const [third] = nodes.flatMap((node) => market.dispatched(node.id)) as [JobDispatch]
  expect(third).toBeDefined()
  market.now += 1000
  market.report(third, { digest: 'b'.repeat(64) })
  expect(market.job(job)).toMatchObject({ state: 'completed' })
  expect(market.attempt(orders[0]!.attempt_id)).toMatchObject({ state: 'invalid', cause: 'wrong_result', billed: null })
  expect(market.attempt(orders[1]!.attempt_id)).toMatchObject({ state: 'valid' })
})

test('cancelling bills what ran up to the last reading and gives the rest back', () => {
  const market = aMarket()
  market.fund(buyer, credits(10))
  const node = market.join('north')
  node.connect()
  const job = jobOf(market.submit(buyer, aSpec({ tasks: [{}, {}, {}, {}, {}, {}] })))
  market.act({ kind: 'cancel', job })
  expect(market.job(job)).toMatchObject({ state: 'cancelled', cost: 0n })
  expect(market.state.accounts.get(`buyer:${buyer}:available`)).toBe(credits(10))
  expect(market.act({ kind: 'cancel', job })).toMatchObject({ refusal: 'job_ended' })
  expect(market.state.slotsByBuyer.size).toBe(0)
})

test('the same id with the same body is the same job; with another body it is refused', () => {
  const market = aMarket()
  market.fund(buyer, credits(10))
  market.join('north').connect()
  const first = market.submit(buyer, aSpec(), { key: 'k' }) as Submitted
  const second = market.submit(buyer, aSpec(), { key: 'k' }) as Submitted
  expect(second).toMatchObject({ replayed: true, job: { id: first.job.id } })
  expect(isRefusal(market.submit(buyer, aSpec({ command: ['other'] }), { key: 'k' }))).toBe(true)
  expect(market.state.jobs.size).toBe(1)
})

test('a job that finishes what it can: a failed task does not stop the others, and the job fails with the first cause when all have ended', () => {
  const market = aMarket()
  market.fund(buyer, credits(10))
  const node = market.join('north')
  node.connect()
  const job = jobOf(market.submit(buyer, aSpec({ tasks: [{}, {}, {}], onFailure: 'finish' })))
  const [first, second, third] = market.dispatched(node.id) as [JobDispatch, JobDispatch, JobDispatch]
  market.now += 1000
  market.report(second, { exitCode: 7 })
  expect(market.job(job)).toMatchObject({ state: 'running', tasksFailed: 1, tasksRunning: 2, cancelling: false })
  expect(market.sentTo(node.id).filter((message) => message.type === 'cancel')).toEqual([])
  market.report(first)
  market.report(third, { exitCode: 8 })
  expect(market.job(job)).toMatchObject({ state: 'failed', cause: 'buyer_exit', exitCode: 7, tasksDone: 1, tasksFailed: 2 })
  const row = market.job(job)
  expect((row?.cost ?? 0n) + (row?.refunded ?? 0n)).toBe(row?.cap)
})
test('a job that finishes what it can is cancelled like any other', () => {
  const market = aMarket()
  market.fund(buyer, credits(10))
  const node = market.join('north')
  node.connect()
  const job = jobOf(market.submit(buyer, aSpec({ tasks: [{}, {}], onFailure: 'finish' })))
  const [first] = market.dispatched(node.id) as [JobDispatch]
  market.now += 1000
  market.report(first, { exitCode: 7 })
  market.act({ kind: 'cancel', job })
  market.pass(60_000)
  expect(market.job(job)).toMatchObject({ state: 'cancelled', cause: 'buyer_cancelled' })
})
