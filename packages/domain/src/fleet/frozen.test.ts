import { expect, test } from 'vitest'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import { FROZEN_MAX_MS, NO_USAGE, canonical } from '@lumaris/protocol'
import type { JobDispatch, Tick } from '@lumaris/protocol'
import { isRefusal } from '@lumaris/protocol'

const buyer = aUser('buyer'), LIMIT = 100_000
function aRunningJob() {
  const market = aMarket()
  market.fund(buyer, credits(100))
  const node = market.join('north')
  node.connect()
  const said = market.submit(buyer, aSpec({ limits: { runMs: LIMIT } }))
  if (isRefusal(said)) throw new Error(said.refusal)
  const [order] = market.dispatched(node.id) as [JobDispatch]
  const session = market.state.nodes.get(node.id)!.session
  const say = (status: 'accepted' | 'running') => market.act({ kind: 'status', node: node.id, session, message: { type: 'job_status', job_id: order.job_id, attempt_id: order.attempt_id, fence: order.fence, status } })
  say('accepted'); say('running')
  let prev = sha256(canonical(order.terms)), seq = 0, beat = 100
  const pass = (ms: number, runMs: number | null) => {
    market.now += ms
    if (runMs !== null) {
      const tick: Tick = { attempt: order.attempt_id, seq: ++seq, prev: prev as Tick['prev'], at: market.now, usage: { ...NO_USAGE, runMs }, final: false }
      prev = sha256(canonical(tick))
      market.act({ kind: 'tick', node: node.id, session, tick, hash: prev })
    }
    market.act({ kind: 'heartbeat', node: node.id, session, message: { type: 'availability_update', node_id: node.id, heartbeat: ++beat, status: 'paused', cpu_available: 0, mem_available: 0, attempts: [{ attempt_id: order.attempt_id, fence: order.fence, state: 'running' }] } })
    market.act({ kind: 'clock' })
    return market.attempt(order.attempt_id)!
  }
  return { market, order, pass, overrun: market.state.settings.overrunMs }
}

test('a meter that stands still is an owner at the machine, not a node that lost control; for a while', () => {
  const { pass, overrun } = aRunningJob()
  let attempt = pass(15_000, 15_000)
  for (let at = 30_000; at < LIMIT + overrun + FROZEN_MAX_MS - 15_000; at += 15_000) attempt = pass(15_000, 15_000)
  expect(attempt.state).toBe('running')
  for (let i = 0; i < 4; i++) attempt = pass(15_000, 15_000)
  expect(attempt).toMatchObject({ state: 'ended', cause: 'driver_failed' })
})
test('a meter that goes on past the limit is a node that lost control, as ever; so is one that never spoke', () => {
  for (const speaks of [true, false]) {
    const { pass, overrun } = aRunningJob()
    let attempt = pass(15_000, speaks ? 15_000 : null)
    for (let at = 30_000; at <= LIMIT + overrun + 15_000; at += 15_000) attempt = pass(15_000, speaks ? at : null)
    expect(attempt).toMatchObject({ state: 'ended', cause: 'driver_failed' })
  }
})
