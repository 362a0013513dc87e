// Each of these was found by the simulator (tests/sim); the seed is that of the run that showed it first. They stay as plain cases.
import { test, expect } from 'vitest'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import type { AttemptId, AvailabilityUpdate, JobDispatch, NodeId, Welcome } from '@lumaris/protocol'
import type { Submitted } from './job/submit.ts'
import { createAgentState, restoreAgent } from './agent/state.ts'
import type { AgentInput, AgentOutput, AgentState, JournalRecord } from './agent/state.ts'
import { stepAgent } from './agent/step.ts'

const buyer = aUser('buyer')
const beat = (node: NodeId, heartbeat: number, attempts: AvailabilityUpdate['attempts'] = []) =>
  ({ kind: 'heartbeat', node, session: 1, message: { type: 'availability_update', node_id: node, cpu_available: 4, mem_available: 8192, status: 'ready', heartbeat, attempts } }) as const
const running = (order: JobDispatch, session = order.session) =>
  ({ kind: 'status', node: order.terms.node, session, message: { type: 'job_status', job_id: order.job_id, attempt_id: order.attempt_id, fence: order.fence, status: 'running' } }) as const
function setup() {
  const market = aMarket()
  market.fund(buyer, credits(10))
  return market
}

test('a restart that loses two attempts of one job, the first of which fails the job, ends each of them once (seed 5)', () => {
  const market = setup(), node = market.join('north')
  node.connect()
  const { job } = market.submit(buyer, aSpec({ tasks: [{}, {}], limits: { retries: 0 } })) as Submitted
  expect(market.dispatched(node.id)).toHaveLength(2)
  market.act({ kind: 'disconnected', node: node.id, session: 1 })
  node.connect('boot-north-2')
  expect(market.job(job.id)).toMatchObject({ state: 'failed', cause: 'seller_offline' })
})

test('a silent node whose attempts fail their job ends each of them once (seed 5)', () => {
  const market = setup(), node = market.join('north')
  node.connect()
  const { job } = market.submit(buyer, aSpec({ tasks: [{}, {}], limits: { retries: 0 } })) as Submitted
  for (const order of market.dispatched(node.id)) market.act({ ...running(order), message: { ...running(order).message, status: 'accepted' } })
  market.pass(31_000)
  market.pass(31_000)
  expect(market.job(job.id)).toMatchObject({ state: 'failed' })
})

test('an exclusive slot whose offer got no answer waits until that offer cannot run any more (seed 6)', () => {
  const market = setup(), north = market.join('north'), south = market.join('south', { cpuHour: 2 })
  north.connect(); south.connect()
  market.submit(buyer, aSpec({ disconnect: 'exclusive' }))
  expect(market.dispatched(north.id)).toHaveLength(1)
  let heartbeat = 0, waitedMs = 0
  for (; waitedMs < 200_000 && market.dispatched(south.id).length === 0; waitedMs += 5_000) {
    market.pass(5_000)
    market.act(beat(south.id, ++heartbeat))
  }
  expect(waitedMs).toBeGreaterThanOrEqual(20_000 + 100_000)
  expect(waitedMs).toBeLessThan(160_000)
})

test('an exclusive slot waits when another start of the agent takes the node over: the first one may still run it (seed 3)', () => {
  const market = setup(), node = market.join('north')
  node.connect()
  market.submit(buyer, aSpec({ disconnect: 'exclusive' }))
  market.act(running(market.dispatched(node.id)[0] as JobDispatch))
  market.act({ kind: 'disconnected', node: node.id, session: 1 })
  node.connect('boot-north-2')
  market.pass(50_000)
  expect(market.dispatched(node.id)).toHaveLength(0)
})

test('a dispatch of an earlier connection is of an earlier lease generation (seed 2)', () => {
  const market = setup(), node = market.join('north')
  node.connect()
  market.submit(buyer, aSpec())
  const [first] = market.dispatched(node.id) as [JobDispatch]
  market.act({ kind: 'disconnected', node: node.id, session: 1 })
  node.connect()
  const [again] = market.dispatched(node.id) as [JobDispatch]
  expect(again).toMatchObject({ attempt_id: first.attempt_id, session: 1 })
  expect(again.lease_gen).toBeGreaterThan(first.lease_gen)
})

test('a job that has run and finds no node any more expires too, and its money goes back (seed 2)', () => {
  const market = setup(), node = market.join('north')
  node.connect()
  const { job } = market.submit(buyer, aSpec({ limits: { queueMs: 60_000 } })) as Submitted
  market.act(running(market.dispatched(node.id)[0] as JobDispatch))
  market.pass(31_000); market.pass(31_000) // the only node is lost
  expect(market.job(job.id)).toMatchObject({ state: 'queued' })
  market.pass(70_000)
  expect(market.job(job.id)).toMatchObject({ state: 'expired', cause: 'queue_timeout' })
  expect(market.state.accounts.get(`buyer:${buyer}:available`)).toBe(credits(10))
})

test('a heartbeat without a connection does not make the node reachable (seed 36)', () => {
  const market = setup(), node = market.join('north')
  node.connect()
  market.act({ kind: 'disconnected', node: node.id, session: 1 })
  market.act(beat(node.id, 1))
  market.submit(buyer, aSpec())
  expect(market.dispatched(node.id)).toHaveLength(0)
  node.connect()
  expect(market.dispatched(node.id)).toHaveLength(1)
})

test('a slot waits for its next try although the clock of the writer that made its job was ahead (seed 37 without leaseFromSend)', () => {
  const market = setup(), north = market.join('north'), south = market.join('south', { cpuHour: 2 })
  north.connect(); south.connect()
  market.submit(buyer, aSpec())
  expect(market.dispatched(north.id)).toHaveLength(1)
  market.now -= 20_000
  market.act({ kind: 'disconnected', node: north.id, session: 1 })
  north.connect('boot-north-2')
  market.pass(2_000)
  expect(market.dispatched(south.id)).toHaveLength(1)
})

/** An agent with a clock in hand; what it writes is kept. */
function anAgent(node: NodeId, journal: JournalRecord[]) {
  const state: AgentState = createAgentState(node, { cpuMillis: 4000, memoryBytes: 2 ** 33, diskBytes: 2 ** 40, gpus: 0 })
  restoreAgent(state, journal)
  return (input: AgentInput, now: number): AgentOutput[] => {
    const out = stepAgent(state, input, { now, wall: now, hash: sha256 })
    for (const output of out) if (output.kind === 'journal') journal.push(output.record)
    return out
  }
}
const welcome = (session: number, attempts: Welcome['attempts'] = []): AgentInput => ({ kind: 'welcome', helloSentAt: 0, welcome: {
  type: 'welcome', session, lease_gen: 0, stream_id: `s${session}`, last_seen: 0, heartbeat_ms: 10_000, attempts, http_token: '', platform_key: '',
} })
const usage = (runMs: number) => ({ runMs, cpuMs: runMs, memoryPeakBytes: 1, diskBytes: 0, outBytes: 0 })

test('a result that outlives its agent brings along the ticks that were lost with it, so its chain is whole and it is paid (seed 1)', () => {
  const market = setup(), node = market.join('north'), journal: JournalRecord[] = []
  node.connect()
  const { job } = market.submit(buyer, aSpec()) as Submitted
  const [order] = market.dispatched(node.id) as [JobDispatch]
  const attempt: AttemptId = order.attempt_id
  const first = anAgent(node.id, journal)
  // Nothing that this agent says after the dispatch reaches the market: not "running", not its ticks, not its result.
  first(welcome(1), 0)
  first({ kind: 'message', message: order }, 1)
  first({ kind: 'started', attempt }, 2)
  first({ kind: 'usage', attempt, usage: usage(16_000) }, 16_000)
  expect(first({ kind: 'clock' }, 16_000).some((output) => output.kind === 'send' && output.message.type === 'tick')).toBe(true)
  first({ kind: 'ended', attempt, end: { cause: 'succeeded', exitCode: 0, usage: usage(18_000), files: [], resultDigest: sha256('result'), detail: null } }, 18_000)
  market.now += 18_000
  market.act({ kind: 'disconnected', node: node.id, session: 1 })
  const welcomed = market.act({ kind: 'hello', hello: {
    type: 'hello', protocol: 1, node_id: node.id, boot_id: 'boot-north-2', agent_version: '0.1.0', nonce: 'n', signature: 'x'.repeat(86), capacity: node.row().capacity, drivers: [...node.row().drivers],
    attempts: [{ attempt_id: attempt, fence: order.fence, state: 'reported' }], last_seen: 0,
  } })
  expect(welcomed).toMatchObject({ orders: [{ action: 'send_result' }] })
  const second = anAgent(node.id, journal)
  for (const output of second(welcome(2, [{ attempt_id: attempt, action: 'send_result' }]), 20_000)) {
    if (output.kind !== 'send') continue
    const { message } = output
    if (message.type === 'tick') market.act({ kind: 'tick', node: node.id, session: 2, tick: message.tick, hash: message.hash })
    if (message.type === 'job_status') market.act({ kind: 'status', node: node.id, session: 2, message })
  }
  expect(market.attempt(attempt)).toMatchObject({ state: 'valid', tickSeq: 2 })
  expect(market.job(job.id)).toMatchObject({ state: 'completed' })
})
