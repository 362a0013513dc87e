// A job that its buyer holds back: nothing more of it starts, what runs may finish, and its time to find a node stands still.
import { expect, test } from 'vitest'
import type { JobDispatch, JobId, JobSpecInput } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { Submitted } from './submit.ts'

const MINUTE = 60_000, buyer = aUser('ann')
function setup() {
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12, retryBackoffMs: 1_000 } })
  market.fund(buyer, credits(100))
  const node = market.join('one', { cpuMillis: 1000 })
  node.connect()
  const made = (more: Partial<JobSpecInput> = {}): JobId => (market.submit(buyer, aSpec({ limits: { runMs: 5 * MINUTE, queueMs: 10 * MINUTE }, ...more }), { cap: credits(10) }) as Submitted).job.id
  return { market, node, made, orders: (): JobDispatch[] => market.dispatched(node.id), pause: (job: JobId, paused = true) => market.act({ kind: 'pause', job, paused }) }
}

test('what runs finishes, the rest waits until it is let go on, and others are served meanwhile', () => {
  const { market, made, orders, pause } = setup()
  const held = made({ tasks: [{}, {}] }), other = made(), [first] = orders()
  expect(pause(held)).toMatchObject({ state: 'running', paused: true })
  market.report(first as JobDispatch)
  const [second] = orders()
  expect(second?.job_id).toBe(other)
  market.report(second as JobDispatch)
  market.pass(3 * MINUTE)
  expect([orders(), market.job(held)]).toEqual([[], expect.objectContaining({ state: 'running', tasksDone: 1, paused: true })])
  expect(pause(held, false)).not.toHaveProperty('paused')
  const [third] = orders()
  expect(third?.job_id).toBe(held)
  market.report(third as JobDispatch)
  expect(market.job(held)?.state).toBe('completed')
})

test('its time to find a node stands still, and counts from when it goes on; its deadline does not wait', () => {
  const { market, made, pause } = setup()
  const filler = made({ limits: { runMs: 5 * 60 * MINUTE } }), held = made(), late = made({ deadline: market.now + 30 * MINUTE })
  pause(held); pause(late)
  market.pass(29 * MINUTE)
  expect([market.job(held)?.state, market.job(late)?.state]).toEqual(['queued', 'queued'])
  market.pass(2 * MINUTE)
  expect(market.job(late)?.state).toBe('expired')
  pause(held, false)
  market.pass(9 * MINUTE)
  expect(market.job(held)?.state).toBe('queued')
  market.pass(2 * MINUTE)
  expect([market.job(held)?.state, market.job(filler)?.state]).toEqual(['expired', 'running'])
})

test('a part that is lost while the job is held waits with the others; concessions are not made; interruptible work is not sold', () => {
  const { market, node, made, orders, pause } = setup()
  const held = made({ fallback: [{ afterMs: MINUTE, regions: null }] }), [order] = orders(), cheap = made({ interruptible: {} })
  pause(held); pause(cheap)
  market.act({ kind: 'status', node: node.id, session: (order as JobDispatch).session, message: { type: 'job_status', job_id: held, attempt_id: (order as JobDispatch).attempt_id, fence: 1, status: 'stopped', cause: 'seller_reclaimed' } })
  market.pass(5 * MINUTE)
  expect([orders(), market.job(held)?.rung]).toEqual([[], 0])
  pause(held, false)
  expect(orders()).toHaveLength(1)
  market.pass(61_000)
  expect(market.job(held)?.rung).toBe(0) // all of it runs: nothing to concede
})

test('one that waits for its parents may be held and let go on before they complete, or after', () => {
  const { market, made, orders, pause } = setup()
  const parent = made(), soon = made({ after: [{ job: parent }] }), later = made({ after: [{ job: parent }] }), [order] = orders()
  pause(soon); pause(soon, false); pause(later)
  expect(orders()).toEqual([])
  market.report(order as JobDispatch)
  const [second] = orders()
  expect(second?.job_id).toBe(soon)
  market.report(second as JobDispatch)
  expect(orders()).toEqual([])
  pause(later, false)
  expect(orders().map((one) => one.job_id)).toEqual([later])
})

test('twice is once; a job that has ended, or is being cancelled, cannot be held', () => {
  const { market, made, orders, pause } = setup()
  const id = made(), version = () => market.job(id)?.version
  pause(id)
  const after = version()
  pause(id)
  expect(version()).toBe(after)
  const [order] = orders()
  market.act({ kind: 'cancel', job: id })
  expect(pause(id, false)).toMatchObject({ refusal: 'job_ended' })
  market.report(order as JobDispatch)
  expect(pause(id)).toMatchObject({ refusal: 'job_ended' })
  expect(pause('job_00000000000000000000000000' as JobId)).toMatchObject({ refusal: 'not_found' })
})
