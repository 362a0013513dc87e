import { createHash } from 'node:crypto'
import { createAgentState } from '@lumaris/domain'
import type { AgentInput, JournalRecord } from '@lumaris/domain'
import { aJobId, aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { JobDispatch } from '@lumaris/protocol'
import { expect, test } from 'vitest'
import type { Journal } from './journal.ts'
import { createRunner } from './runner.ts'

const hash = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Orders as a market makes them, the agent that got them, and a journal whose flushes finish by hand. */
function setup(jobs: number) {
  const market = aMarket()
  const buyer = aUser()
  market.fund(buyer, credits(100))
  const node = market.join('north', { cpuMillis: 100_000, memoryBytes: 2 ** 40 })
  node.connect()
  for (let i = 0; i < jobs; i++) market.submit(buyer, aSpec(), { id: aJobId(`job ${i}`) })
  const orders = market.dispatched(node.id)
  expect(orders).toHaveLength(jobs)
  const state = createAgentState(node.id, { cpuMillis: 100_000, memoryBytes: 2 ** 40, diskBytes: 2 ** 40, gpus: 0 })
  Object.assign(state, { session: orders[0]?.session, leaseFrom: 0, connected: true })
  const events: string[] = []
  const flushes: (() => void)[] = []
  const journal: Journal & { trouble: string | null } = {
    trouble: null, bytes: 0, close: () => Promise.resolve(),
    append(records) {
      for (const record of records) events.push(`write ${told(record)}`)
      return new Promise((resolve) => { flushes.push(() => { events.push('flushed'); resolve() }) })
    },
  }
  let now = 0
  const runner = createRunner({
    state, journal, ports: () => ({ now, wall: now, hash }), broken: (error) => { throw error },
    act: (output) => events.push(output.kind === 'send' ? `send ${output.message.type === 'job_status' ? output.message.status : output.message.type}` : output.kind),
  })
  const settled = () => new Promise((resolve) => { setImmediate(resolve) })
  return { state, orders, events, flushes, journal, runner, settled, at: (ms: number) => { now = ms } }
}
const told = (record: JournalRecord): string => record.type
const dispatch = (message: JobDispatch): AgentInput => ({ kind: 'message', message })
const end = { cause: 'succeeded' as const, exitCode: 0, files: [], resultDigest: hash('x'), detail: null, usage: { runMs: 1, cpuMs: 1, memoryPeakBytes: 1, diskBytes: 0, outBytes: 0 } }

test('an order is on the disk before it is accepted or started', async () => {
  const { orders, events, flushes, runner, settled } = setup(1)
  runner.input(dispatch(orders[0] as JobDispatch))
  await settled()
  expect(events).toEqual(['write accept'])
  flushes.shift()?.()
  await settled()
  expect(events).toEqual(['write accept', 'flushed', 'send accepted', 'start'])
})

test('orders that come while the disk is busy share the next flush, and keep their order', async () => {
  const { orders, events, flushes, runner, settled } = setup(4)
  for (const order of orders) runner.input(dispatch(order))
  await settled()
  expect(events.splice(0)).toEqual(['write accept'])
  flushes.shift()?.()
  await settled()
  expect(events.splice(0)).toEqual(['flushed', 'send accepted', 'start', 'write accept', 'write accept', 'write accept'])
  flushes.shift()?.()
  await settled()
  expect(events).toEqual(['flushed', 'send accepted', 'start', 'send accepted', 'start', 'send accepted', 'start'])
})

test('a seal is sent before the disk says that it was', async () => {
  const { orders, events, flushes, runner, settled, state, at } = setup(1)
  const order = orders[0] as JobDispatch
  const flush = async () => { while (flushes.length > 0) { flushes.shift()?.(); await settled() } }
  runner.input(dispatch(order))
  await flush()
  runner.input({ kind: 'started', attempt: order.attempt_id })
  await flush()
  events.length = 0
  at(10_000)
  runner.input({ kind: 'ended', attempt: order.attempt_id, end })
  await flush()
  expect(events).toEqual(['write result', 'flushed', 'send succeeded', 'seal', 'write sealed', 'flushed'])
  expect(state.unsealed).toEqual([])
})

test('what jobs print keeps its place between the words of the core', async () => {
  const { orders, events, flushes, runner, settled } = setup(1)
  const order = orders[0] as JobDispatch
  runner.input(dispatch(order))
  flushes.shift()?.()
  await settled()
  events.length = 0
  runner.input({ kind: 'started', attempt: order.attempt_id })
  runner.say({ type: 'log', attempt_id: order.attempt_id, fence: order.fence, stream: 'stdout', offset: 0, data: '', at: 0 })
  runner.input({ kind: 'ended', attempt: order.attempt_id, end })
  flushes.shift()?.()
  await settled()
  flushes.shift()?.()
  await settled()
  expect(events.filter((event) => event.startsWith('send'))).toEqual(['send running', 'send log', 'send succeeded'])
})

test('while the disk refuses, heartbeats and the ticks of what runs go on, and nothing else is said', async () => {
  const { orders, events, flushes, journal, runner, settled, at } = setup(2)
  const [one, two] = orders as [JobDispatch, JobDispatch]
  const flush = async () => { while (flushes.length > 0) { flushes.shift()?.(); await settled() } }
  runner.input(dispatch(one))
  await flush()
  runner.input({ kind: 'started', attempt: one.attempt_id })
  await flush()
  events.length = 0
  journal.trouble = 'the disk is full'
  runner.input(dispatch(two))
  await settled()
  at(20_000)
  runner.input({ kind: 'clock' })
  await settled()
  // (The seal over the tick waits: the record of it must follow it.)
  expect(events).toEqual(['write accept', 'send tick', 'send availability_update'])
})

test('a tick does not overtake what was said before about its attempt, nor a heartbeat the tick', async () => {
  const { orders, events, flushes, journal, runner, settled, at } = setup(1)
  const order = orders[0] as JobDispatch
  runner.input(dispatch(order))
  flushes.shift()?.()
  await settled()
  journal.trouble = 'the disk is full'
  runner.input({ kind: 'started', attempt: order.attempt_id })
  await settled()
  events.length = 0
  at(20_000)
  runner.input({ kind: 'clock' })
  await settled()
  expect(events).toEqual([])
  journal.trouble = null
  while (flushes.length > 0) { flushes.shift()?.(); await settled() }
  expect(events.filter((event) => event.startsWith('send'))).toEqual(['send running', 'send tick', 'send availability_update'])
})
