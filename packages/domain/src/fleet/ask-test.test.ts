import { expect, test } from 'vitest'
import { aMarket, aSpec, aUser } from '@lumaris/testkit'
import { SELF_TEST_EVERY_MS, SELF_TEST_VALID_MS } from '@lumaris/protocol'

function setup() {
  const market = aMarket(), node = market.join('north')
  let beats = 0
  const beat = (self_test_number?: number) => market.act({
    kind: 'heartbeat', node: node.id, session: node.row().session,
    message: { type: 'availability_update', node_id: node.id, cpu_available: 4000, mem_available: 1, status: 'ready', heartbeat: ++beats, attempts: [], ...(self_test_number === undefined ? {} : { self_test_number }) },
  })
  const ask = () => market.act({ kind: 'askTest', node: node.id })
  const told = () => market.sentTo(node.id).flatMap((message) => (message.type === 'self_test' ? [message.number] : []))
  return { market, node, beat, ask, told }
}
test('a self-test is said at once and again until a heartbeat has its number; a new one after a minute', () => {
  const { market, node, beat, ask, told } = setup()
  node.connect()
  beat(0)
  expect(ask()).toMatchObject({ test: { number: 1 } })
  expect(told()).toEqual([1])
  beat(0)
  expect(told()).toEqual([1])
  beat(1)
  expect(told()).toEqual([])
  expect(ask()).toMatchObject({ refusal: 'self_test_too_soon', detail: { againInMs: SELF_TEST_EVERY_MS } })
  market.now += SELF_TEST_EVERY_MS
  expect(ask()).toMatchObject({ test: { number: 2 } })
  expect(told()).toEqual([2])
})
test('who is not there hears it with its first heartbeat, unless nobody waits for it any more; an agent that takes none is not told again', () => {
  const { market, node, beat, ask, told } = setup()
  ask()
  expect(told()).toEqual([])
  node.connect()
  beat()
  expect(told()).toEqual([])
  beat(0)
  expect(told()).toEqual([1])
  market.now += SELF_TEST_VALID_MS
  beat(0)
  expect(told()).toEqual([])
})
test('a node is removed when nothing runs there, once and for good: its agent is sent away, and the place of a job holds it', () => {
  const { market, node } = setup()
  node.connect()
  const buyer = aUser('buyer')
  market.fund(buyer, 1_000_000_000n)
  market.submit(buyer, aSpec())
  expect(market.state.attemptsByNode.get(node.id)?.size).toBe(1)
  expect(market.act({ kind: 'retire', node: node.id })).toMatchObject({ refusal: 'node_has_work', detail: { running: 1, possible: ['drain'] } })
  expect(node.row().will).toBe('open')
  const idle = market.join('south')
  idle.connect()
  expect(market.act({ kind: 'retire', node: idle.id })).toMatchObject({ will: 'retired' })
  expect(market.effects.filter((one) => one.kind === 'cut')).toMatchObject([{ node: idle.id, code: 'node_retired' }])
  expect(market.act({ kind: 'retire', node: idle.id })).toMatchObject({ will: 'retired' })
  expect(idle.connect('boot-south-2')).toMatchObject({ refusal: 'node_retired' })
  for (const will of ['open', 'paused', 'draining'] as const) expect(market.act({ kind: 'will', node: idle.id, will })).toMatchObject({ refusal: 'not_in_this_state' })
  expect(market.act({ kind: 'askTest', node: idle.id })).toMatchObject({ refusal: 'not_in_this_state' })
  expect(market.effects.flatMap((one) => (one.kind === 'noted' && one.node === idle.id ? [one.event.what] : []))).toEqual(['joined', 'started', 'retired'])
})
