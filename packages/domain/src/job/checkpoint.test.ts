// What is kept of work that was interrupted: who goes on from where, and who is paid for what.
import { expect, test } from 'vitest'
import { isRefusal } from '@lumaris/protocol'
import type { FromAgent, JobDispatch, JobId, JobSpecInput, Saved, ToAgent } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import { createAgentState } from '../agent/state.ts'
import type { AgentInput } from '../agent/state.ts'
import { stepAgent } from '../agent/step.ts'
import type { Submitted } from './submit.ts'

const MINUTE = 60_000
const buyer = aUser('buyer'), ann = aUser('ann'), bob = aUser('bob')
const CHECKPOINT = { paths: ['state'], everyMs: MINUTE }

/** Two nodes of one core at one credit an hour, and a start fee that is not nothing. */
function aMarketOfTwo() {
  const market = aMarket({ settings: { feeBasisPoints: 1_000, retryBackoffMs: 0, suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 } })
  market.fund(buyer, credits(100))
  const nodes = [ann, bob].map((owner, i) => { const node = market.join(`n${i}`, { owner, cpuMillis: 1000 }); market.act({ kind: 'price', node: node.id, prices: { ...node.row().prices, start: '1000' } }); node.connect(); return node })
  const place = (more: Partial<JobSpecInput> = {}): JobId => (market.submit(buyer, aSpec({ limits: { runMs: 60 * MINUTE }, checkpoint: CHECKPOINT, ...more })) as Submitted).job.id
  const orders = (): JobDispatch[] => nodes.flatMap((node) => market.dispatched(node.id))
  const balance = (name: string) => market.log.reduce((sum, change) => (change.kind === 'entry' ? change.row.postings.reduce((all, { from, to, amount }) => all + (to === name ? amount : 0n) - (from === name ? amount : 0n), sum) : sum), 0n)
  return { market, nodes, place, orders, balance, only: (): JobDispatch => { const [order, ...more] = orders(); expect(more).toEqual([]); return order as JobDispatch } }
}
type Market = ReturnType<typeof aMarketOfTwo>['market']

/** An agent's own core that runs this order; what it says is heard at once. */
function running(market: Market, order: JobDispatch) {
  const agent = createAgentState(order.terms.node, { cpuMillis: 1e6, memoryBytes: 2 ** 50, diskBytes: 2 ** 50, gpus: 0 })
  agent.session = order.session; agent.leaseFrom = market.now; agent.leaseGen = order.lease_gen
  const said: FromAgent[] = [], node = order.terms.node, session = order.session, id = order.attempt_id
  const hear = (message: FromAgent): void => {
    if (message.type === 'job_status') market.act({ kind: 'status', node, session, message })
    if (message.type === 'tick') market.act({ kind: 'tick', node, session, tick: message.tick, hash: message.hash })
    if (message.type === 'checkpoint') market.act({ kind: 'checkpoint', node, session, message })
  }
  const step = (input: AgentInput): void => { for (const out of stepAgent(agent, input, { now: market.now, wall: market.now, hash: sha256 })) if (out.kind === 'send') { said.push(out.message); hear(out.message) } }
  const usage = (runMs: number) => ({ runMs, cpuMs: runMs, memoryPeakBytes: 1, diskBytes: 0, outBytes: 0 })
  step({ kind: 'message', message: order satisfies ToAgent })
  step({ kind: 'started', attempt: id })
  return {
    said, hear,
    step,
    save: (number: number, runMs: number, more: Partial<Saved> = {}) => step({ kind: 'saved', attempt: id, saved: { number, kind: 'files', runMs, manifest: sha256(`list ${number}`) as Saved['manifest'], manifestSize: 50, size: 10, ...more } }),
    usage: (runMs: number) => step({ kind: 'usage', attempt: id, usage: usage(runMs) }),
    end: (cause: 'succeeded' | 'seller_reclaimed' | 'driver_failed', runMs: number) => step({ kind: 'ended', attempt: id, end: { cause, exitCode: cause === 'succeeded' ? 0 : null, usage: usage(runMs), files: [], resultDigest: cause === 'succeeded' ? sha256('result') : null, detail: null } }),
  }
}

test('work that its seller takes back goes on elsewhere from its last checkpoint; what was kept is paid, the rest is not, and the start once', () => {
  const { market, place, only, balance } = aMarketOfTwo()
  const id = place(), first = only(), one = running(market, first)
  expect([first.checkpoint, first.resume, first.env['LUMARIS_CHECKPOINT']]).toEqual([CHECKPOINT, undefined, '0'])
  market.pass(10 * MINUTE)
  one.save(1, 6 * MINUTE)
  market.pass(10 * MINUTE)
  one.save(2, 12 * MINUTE)
  market.pass(10 * MINUTE)
  one.end('seller_reclaimed', 20 * MINUTE)
  expect(market.attempt(first.attempt_id)).toMatchObject({ state: 'ended', cause: 'seller_reclaimed', billed: credits(0.2), fee: credits(0.02) })
  expect(market.job(id)).toMatchObject({ state: 'queued', cost: credits(0.2) })
  market.pass(1)
  const second = only(), two = running(market, second)
  expect(second.resume).toMatchObject({ number: 2, manifest: sha256('list 2'), runMs: 12 * MINUTE })
  expect([second.env['LUMARIS_CHECKPOINT'], second.limits.runMs, BigInt(second.attempt_cap)]).toEqual(['2', 48 * MINUTE, BigInt(first.attempt_cap) - credits(0.2)])
  market.pass(48 * MINUTE)
  two.end('succeeded', 48 * MINUTE)
  const job = market.job(id)
  expect(job).toMatchObject({ state: 'completed', cost: credits(1) + 1_000n })
  expect((job?.cost ?? 0n) <= (job?.cap ?? 0n)).toBe(true)
  const sellers = { [first.terms.node]: credits(0.18), [second.terms.node]: credits(0.72) + 900n }
  for (const [node, amount] of Object.entries(sellers)) expect(balance(`seller:${market.state.nodes.get(node as JobDispatch['terms']['node'])?.owner}:pending`)).toBe(amount)
  expect(balance(`escrow:${id}`)).toBe(0n)
})

test('interrupted again and again, the parts and the end stay within the cap of one attempt, whoever is dearer', () => {
  for (const dearer of [0, 1]) {
    const { market, nodes, place, orders } = aMarketOfTwo()
    const node = nodes[dearer]
    if (node) market.act({ kind: 'price', node: node.id, prices: { ...node.row().prices, cpuHour: '3000000', outGib: '5000000' } })
    const id = place()
    let kept = 0
    for (let round = 1; market.job(id)?.state !== 'completed'; round++) {
      const [order] = orders()
      if (!order) throw new Error(`nobody takes it in round ${round}`)
      const agent = running(market, order)
      expect(order.limits.runMs).toBe(60 * MINUTE - kept)
      market.pass(9 * MINUTE)
      if (kept >= 45 * MINUTE) { agent.end('succeeded', 9 * MINUTE); continue }
      agent.save(round, 9 * MINUTE)
      kept += 9 * MINUTE
      agent.end('driver_failed', 9 * MINUTE)
      market.pass(1_000)
    }
    const job = market.job(id)
    expect((job?.cost ?? 0n) <= (job?.cap ?? -1n)).toBe(true)
    expect(market.state.jobs.get(id)?.tasks[0]?.slots[0]?.kept?.runMs).toBe(45 * MINUTE)
  }
})

test('a node that goes silent keeps what it had stored; what it says afterwards changes nothing', () => {
  const { market, place, orders, only } = aMarketOfTwo()
  market.state.links.forEach((link) => { link.lastSeen = 1e15 })
  const id = place(), first = only(), one = running(market, first)
  market.pass(5 * MINUTE)
  one.save(1, 4 * MINUTE)
  // It restarts: its agent does not know the attempt any more.
  market.act({ kind: 'heartbeat', node: first.terms.node, session: first.session, message: { type: 'availability_update', node_id: first.terms.node, cpu_available: 1, mem_available: 1, status: 'ready', heartbeat: 99, attempts: [] } })
  expect(market.attempt(first.attempt_id)).toMatchObject({ cause: 'seller_offline', billed: 66_666n })
  one.save(2, 5 * MINUTE)
  market.pass(2_000)
  const [second] = orders()
  expect(second?.resume).toMatchObject({ number: 1 })
  one.save(3, 5 * MINUTE)
  expect(market.state.jobs.get(id)?.tasks[0]?.slots[0]?.kept).toMatchObject({ attempt: first.attempt_id, fence: 1, saved: { number: 1 } })
  expect(market.attempt(second?.attempt_id as JobDispatch['attempt_id'])?.saved).toBeUndefined()
})

test('the same checkpoint said twice counts once', () => {
  const { market, place, only } = aMarketOfTwo()
  place()
  const order = only(), one = running(market, order)
  market.pass(MINUTE)
  one.save(1, MINUTE)
  const before = market.attempt(order.attempt_id)
  for (const message of one.said.slice()) one.hear(message)
  expect(market.attempt(order.attempt_id)).toEqual(before)
})

test('a checkpoint with an older number, or of more time than the meter says, ends the attempt at its seller’s cost', () => {
  for (const wrong of ['number', 'time'] as const) {
    const { market, place, only } = aMarketOfTwo()
    place()
    const order = only(), one = running(market, order)
    market.pass(5 * MINUTE)
    one.save(2, MINUTE)
    if (wrong === 'number') one.save(2, 2 * MINUTE)
    else { one.save(3, 3 * MINUTE); one.save(4, 2 * MINUTE) }
    expect(market.attempt(order.attempt_id)).toMatchObject({ state: 'ended', cause: 'driver_failed' })
  }
})

test('nobody is paid for a checkpoint that the buyer did not ask for, nor for time that the market did not see', () => {
  const { market, place, only, orders } = aMarketOfTwo()
  const id = place({ checkpoint: undefined }), order = only(), one = running(market, order)
  market.pass(5 * MINUTE)
  one.save(1, 5 * MINUTE)
  one.end('seller_reclaimed', 5 * MINUTE)
  expect(market.job(id)).toMatchObject({ cost: 0n })
  market.act({ kind: 'cancel', job: id })
  orders()
  const other = place(), next = only(), two = running(market, next)
  market.pass(MINUTE)
  two.save(1, 50 * MINUTE)
  two.end('seller_reclaimed', 50 * MINUTE)
  expect(market.job(other)?.cost).toBe(16_666n)
  market.pass(1)
  expect(only().limits.runMs).toBe(59 * MINUTE) // nor is it taken from who goes on
})

test('retries used up: what was kept is billed, all else comes back', () => {
  const { market, place, only, balance } = aMarketOfTwo()
  const id = place({ limits: { runMs: 60 * MINUTE, retries: 0 } }), one = running(market, only())
  market.pass(30 * MINUTE)
  one.save(1, 30 * MINUTE)
  one.end('driver_failed', 30 * MINUTE)
  const job = market.job(id)
  expect(job).toMatchObject({ state: 'failed', cost: credits(0.5) })
  expect(job?.refunded).toBe((job?.cap ?? 0n) - credits(0.5))
  expect(balance(`escrow:${id}`)).toBe(0n)
})

test('checkpoints do not go with copies, a bound on wrong results, or output that becomes a file; and the refusal says why', () => {
  const { market } = aMarketOfTwo()
  for (const more of [{ copies: 2 }, { assurance: '1e-2' as const }, { stdout: 'out.txt' as never }]) {
    const answer = market.submit(buyer, aSpec({ checkpoint: CHECKPOINT, ...more }))
    expect(answer).toMatchObject({ refusal: 'impossible_request', detail: { reason: expect.stringContaining('checkpoint') } })
    expect(isRefusal(answer)).toBe(true)
  }
})

test('a job is moved: its node is told, stores, and ends it; it goes on at the named node, and everything up to then is paid', () => {
  const { market, nodes, place, only, orders } = aMarketOfTwo()
  const id = place(), first = only(), one = running(market, first)
  const other = nodes.find((node) => node.id !== first.terms.node)
  market.pass(10 * MINUTE)
  expect(market.act({ kind: 'move', job: id, to: other?.id ?? null, task: null })).toMatchObject({ state: 'running' })
  expect(market.sentTo(first.terms.node)).toMatchObject([{ type: 'checkpoint', attempt_id: first.attempt_id, fence: 1, kind: 'files' }])
  expect(orders()).toEqual([]) // nothing runs there before it has ended here
  one.step({ kind: 'message', message: { type: 'checkpoint', attempt_id: first.attempt_id, fence: 1, kind: 'files' } })
  one.step({ kind: 'saved', attempt: first.attempt_id, leaves: true, saved: { number: 1, kind: 'files', runMs: 10 * MINUTE, manifest: sha256('list') as Saved['manifest'], manifestSize: 5, size: 10 } })
  one.end('driver_failed', 10 * MINUTE) // its end as the driver sees it; the core knows better
  expect(market.attempt(first.attempt_id)).toMatchObject({ state: 'ended', cause: 'moved', billed: 166_666n })
  const second = only()
  expect(second).toMatchObject({ terms: { node: other?.id }, fence: 2, resume: { number: 1 } })
  expect(market.state.jobs.get(id)?.tasks[0]).toMatchObject({ retries: 0 })
  expect(market.log.flatMap((change) => (change.kind === 'event' && change.row.type === 'moved' ? [change.row.state] : []))).toEqual(['asked'])
  running(market, second)
  expect(market.act({ kind: 'move', job: id, to: first.terms.node, task: null })).toMatchObject({ state: 'running' }) // and back at once
})

test('nobody can say that it was moved who was not asked, or who has stored nothing since', () => {
  for (const asked of [false, true]) {
    const { market, place, only } = aMarketOfTwo()
    const id = place(), order = only(), one = running(market, order)
    market.pass(MINUTE)
    one.save(1, MINUTE)
    market.pass(MINUTE)
    if (asked) market.act({ kind: 'move', job: id, to: null, task: null })
    one.hear({ type: 'job_status', job_id: order.job_id, attempt_id: order.attempt_id, fence: 1, status: 'stopped', cause: 'moved' })
    expect(market.attempt(order.attempt_id)).toMatchObject({ state: 'ended', cause: 'driver_failed' })
  }
})

test('what cannot be moved is refused with what to change, and nothing is told to anybody', () => {
  const { market, nodes, place, only, orders } = aMarketOfTwo()
  const no = (job: JobId, to: string | null, reason: string) => expect(market.act({ kind: 'move', job, to: to as never, task: null })).toMatchObject({ refusal: 'cannot_move', detail: { reason: expect.stringContaining(reason) } })
  const bare = place({ checkpoint: undefined }), order = only()
  expect(market.act({ kind: 'move', job: bare, to: null, task: null })).toMatchObject({ refusal: 'not_in_this_state' })
  running(market, order)
  no(bare, null, 'add checkpoint: { paths')
  const id = place(), first = only()
  running(market, first)
  no(id, first.terms.node, 'runs on that node already')
  no(id, 'nod_00000000000000000000000000', 'no such node')
  no(id, nodes.find((node) => node.id !== first.terms.node)?.id ?? '', 'cannot take it now') // the other job has it
  for (const node of nodes) if (node.id !== first.terms.node) market.act({ kind: 'will', node: node.id, will: 'paused' })
  no(id, null, 'no other node')
  market.act({ kind: 'cancel', job: id })
  expect(market.act({ kind: 'move', job: id, to: null, task: null })).toMatchObject({ refusal: 'job_ended' })
  expect(orders()).toEqual([])
  expect(market.log.some((change) => change.kind === 'event' && change.row.type === 'moved')).toBe(false)
})

test('a move that fails leaves the job where it is, and it can be asked for again', () => {
  const { market, place, only } = aMarketOfTwo()
  const id = place(), order = only(), one = running(market, order)
  const ask = () => { market.act({ kind: 'move', job: id, to: null, task: null }); market.sentTo(order.terms.node) }
  ask()
  market.act({ kind: 'moveFailed', node: order.terms.node, session: order.session, message: { attempt_id: order.attempt_id, fence: 1, detail: 'no room' } })
  expect(market.attempt(order.attempt_id)).toMatchObject({ state: 'running' })
  expect(market.attempt(order.attempt_id)?.moving).toBeUndefined()
  ask()
  expect(market.log.flatMap((change) => (change.kind === 'event' && change.row.type === 'moved' ? [change.row.state] : []))).toEqual(['asked', 'failed', 'asked'])
  one.end('succeeded', MINUTE)
  expect(market.job(id)).toMatchObject({ state: 'completed' })
})

test('the named node gone, the job waits a minute for it and then goes on wherever there is room', () => {
  const { market, nodes, place, only, orders } = aMarketOfTwo()
  const id = place(), first = only(), one = running(market, first), other = nodes.find((node) => node.id !== first.terms.node)
  market.act({ kind: 'move', job: id, to: other?.id ?? null, task: null })
  market.act({ kind: 'disconnected', node: other?.id as never, session: other?.row().session ?? 0 })
  one.step({ kind: 'message', message: { type: 'checkpoint', attempt_id: first.attempt_id, fence: 1, kind: 'files' } })
  market.pass(1_000)
  one.step({ kind: 'saved', attempt: first.attempt_id, leaves: true, saved: { number: 1, kind: 'files', runMs: 900, manifest: sha256('list') as Saved['manifest'], manifestSize: 5, size: 10 } })
  one.end('driver_failed', 1_000)
  orders()
  market.pass(59_000)
  expect(orders()).toEqual([])
  market.pass(1_500)
  expect(only()).toMatchObject({ terms: { node: first.terms.node }, resume: { number: 1 } })
})

test('a seller who drains a node: what can be moved is told to leave, what cannot runs on, and nothing new comes', () => {
  const { market, nodes, place, orders } = aMarketOfTwo()
  const id = place(), [first] = orders()
  if (!first) throw new Error('nobody takes it')
  running(market, first)
  expect(market.act({ kind: 'will', node: first.terms.node, will: 'draining' })).toMatchObject({ will: 'draining' })
  expect(market.sentTo(first.terms.node)).toMatchObject([{ type: 'checkpoint', attempt_id: first.attempt_id }])
  // Said again with the next heartbeat, as long as it runs.
  const beat = (heartbeat: number) => market.act({ kind: 'heartbeat', node: first.terms.node, session: first.session, message: { type: 'availability_update', node_id: first.terms.node, cpu_available: 1, mem_available: 1, status: 'busy', heartbeat, attempts: [{ attempt_id: first.attempt_id, fence: 1, state: 'running' }] } })
  beat(1)
  expect(market.sentTo(first.terms.node).map(({ type }) => type)).toEqual(['checkpoint', 'lease_renew'])
  expect(market.job(id)?.state).toBe('running')
  expect(nodes).toHaveLength(2)
})

test('work that makes place keeps its checkpoint: who takes the place pays for all of it, its buyer for nothing of that try', () => {
  const market = aMarket({ settings: { feeBasisPoints: 1_000, retryBackoffMs: 0, suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 } })
  const firm = aUser('firm')
  for (const user of [buyer, firm]) market.fund(user, credits(100))
  const node = market.join('n', { owner: ann, cpuMillis: 1000, spotPercent: 50 })
  node.connect()
  const id = (market.submit(buyer, aSpec({ limits: { runMs: 60 * MINUTE }, checkpoint: CHECKPOINT, interruptible: {} }), { cap: credits(10) }) as Submitted).job.id
  const [first] = market.dispatched(node.id)
  if (!first) throw new Error('it was not placed')
  const one = running(market, first)
  market.pass(10 * MINUTE)
  one.save(1, 8 * MINUTE)
  const winner = (market.submit(firm, aSpec({ limits: { runMs: 60 * MINUTE }, displace: String(credits(1)) }), { cap: credits(12) }) as Submitted).job.id
  one.step({ kind: 'message', message: { type: 'cancel', attempt_id: first.attempt_id, reason: 'preempted' } })
  one.end('driver_failed', 10 * MINUTE)
  expect(market.attempt(first.attempt_id)).toMatchObject({ cause: 'preempted', billed: 83_333n })
  expect([market.job(id)?.cost, market.job(winner)?.cost]).toEqual([0n, 83_333n])
  const [second] = market.dispatched(node.id)
  if (!second) throw new Error('the place was not taken')
  market.report(second, { runMs: 5 * MINUTE })
  market.pass(2 * MINUTE)
  const [third] = market.dispatched(node.id)
  expect(third).toMatchObject({ job_id: id, resume: { number: 1 }, limits: { runMs: 52 * MINUTE } })
  expect(BigInt(third?.attempt_cap ?? 0)).toBe(BigInt(first.attempt_cap))
})

test('what goes on from a checkpoint is not cut again: it goes on with the same part of its input', () => {
  const { market, place, orders } = aMarketOfTwo()
  const blob = sha256('input'), pieces = Array.from({ length: 1000 }, (_one, i) => ({ to: i + 1, hash: sha256(`piece ${i}`) }))
  const id = place({ tasks: [{ inputs: [{ path: 'part', blob, size: 1000, from: 0, to: 1000, pieces } as never] }], divide: { most: 250, targetMs: MINUTE }, limits: { runMs: 20 * MINUTE } }), [first, other] = orders() as [JobDispatch, JobDispatch]
  const one = running(market, first), two = running(market, other)
  market.pass(10 * MINUTE)
  one.save(1, 6 * MINUTE)
  two.end('succeeded', 10 * MINUTE)
  let others = orders().map((order) => running(market, order)), again: JobDispatch | undefined
  one.end('seller_reclaimed', 7 * MINUTE)
  for (let i = 0; i < 300 && !again; i++) {
    market.pass(MINUTE)
    for (const run of others) run.end('succeeded', MINUTE)
    const fresh = orders()
    again = fresh.find(({ task_id }) => task_id === first.task_id)
    others = fresh.filter((order) => order !== again).map((order) => running(market, order))
  }
  expect(again?.resume).toMatchObject({ number: 1 })
  expect(again?.terms.range).toEqual(first.terms.range)
  expect(first.terms.range!.to - first.terms.range!.from).toBeGreaterThan(1)
  void id
})
