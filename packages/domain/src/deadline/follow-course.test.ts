// Jobs with a plan in the market: when they are firm, that they go on from what they stored, what they cost, and what is refused.
import { expect, test } from 'vitest'
import type { FromAgent, JobDispatch, JobId, JobSpecInput, Saved, ToAgent } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import { createAgentState } from '../agent/state.ts'
import type { AgentInput } from '../agent/state.ts'
import { stepAgent } from '../agent/step.ts'
import type { Submitted } from '../job/submit.ts'
import { planOf } from './follow-course.ts'

const MINUTE = 60_000, HOUR = 60 * MINUTE
const buyer = aUser('buyer'), firm = aUser('firm'), ann = aUser('ann')
const SETTINGS = { feeBasisPoints: 0, suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12, retryBackoffMs: 0 }
const SAVED = { checkpoint: { paths: ['state'], everyMs: MINUTE } }

/** Nodes of one core at one credit an hour, half of that for interruptible work. */
function aMarketOf(nodes: number, spotPercent: number | null = 50) {
  const market = aMarket({ settings: SETTINGS })
  for (const user of [buyer, firm]) market.fund(user, credits(1000))
  const joined = Array.from({ length: nodes }, (_, i) => { const node = market.join(`n${i}`, { owner: ann, cpuMillis: 1000, ...(spotPercent === null ? {} : { spotPercent }) }); node.connect(); return node })
  const plan = (more: Partial<JobSpecInput> = {}, cap: bigint | null = null) => market.submit(buyer, aSpec({ plan: 'deadline', limits: { runMs: 90 * MINUTE }, expectedMs: HOUR, deadline: market.now + 3 * HOUR, ...more }), { cap })
  const place = (more: Partial<JobSpecInput> = {}): JobId => (plan(more) as Submitted).job.id
  const other = (more: Partial<JobSpecInput>) => (market.submit(firm, aSpec({ limits: { runMs: 5 * HOUR }, ...more }), { cap: credits(20) }) as Submitted).job.id
  const orders = (): JobDispatch[] => joined.flatMap((node) => market.dispatched(node.id))
  const only = (): JobDispatch => { const [order, ...more] = orders(); expect(more).toEqual([]); return order as JobDispatch }
  const told = (id: JobId): string[] => market.log.flatMap((change) => (change.kind === 'event' && change.row.job === id && change.row.type === 'plan' ? [change.row.state] : []))
  const asOf = (order: JobDispatch) => market.attempt(order.attempt_id)?.as
  const standing = (id: JobId) => planOf(market.state, market.state.jobs.get(id) as never, market.now)
  return { market, nodes: joined, plan, place, other, orders, only, told, asOf, standing }
}

/** An agent's own core that runs this order; what it says is heard at once. */
function running({ market }: Pick<ReturnType<typeof aMarketOf>, 'market'>, order: JobDispatch) {
  const agent = createAgentState(order.terms.node, { cpuMillis: 1e6, memoryBytes: 2 ** 50, diskBytes: 2 ** 50, gpus: 0 })
  agent.session = order.session; agent.leaseFrom = market.now; agent.leaseGen = order.lease_gen
  const node = order.terms.node, session = order.session, id = order.attempt_id
  const hear = (message: FromAgent): void => {
    if (message.type === 'job_status') market.act({ kind: 'status', node, session, message })
    if (message.type === 'tick') market.act({ kind: 'tick', node, session, tick: message.tick, hash: message.hash })
    if (message.type === 'checkpoint') market.act({ kind: 'checkpoint', node, session, message })
  }
  const step = (input: AgentInput): void => { for (const out of stepAgent(agent, input, { now: market.now, wall: market.now, hash: sha256 })) if (out.kind === 'send') hear(out.message) }
  step({ kind: 'message', message: order satisfies ToAgent })
  step({ kind: 'started', attempt: id })
  return {
    save: (number: number, runMs: number) => step({ kind: 'saved', attempt: id, saved: { number, kind: 'files', runMs, manifest: sha256(`list ${number}`) as Saved['manifest'], manifestSize: 50, size: 10 } }),
    end: (cause: 'succeeded' | 'seller_reclaimed' | 'moved' | 'preempted', runMs: number) => step({ kind: 'ended', attempt: id, end: { cause: cause as 'succeeded', exitCode: cause === 'succeeded' ? 0 : null, usage: { runMs, cpuMs: runMs, memoryPeakBytes: 1, diskBytes: 0, outBytes: 0 }, files: [], resultDigest: cause === 'succeeded' ? sha256('result') : null, detail: null } }),
  }
}

test('with time it is sold room like interruptible work, at its price, and ends there', () => {
  const world = aMarketOf(1), { market, place, only, told, asOf } = world, id = place()
  const order = only(), agent = running(world, order)
  expect(asOf(order)).toBe('interruptible')
  market.pass(HOUR)
  agent.end('succeeded', HOUR)
  expect(market.job(id)).toMatchObject({ state: 'completed', cost: credits(0.5) })
  expect(told(id)).toEqual(['in time'])
})

test('no room for interruptible work: it waits for some, is firm when that was away for too long, in that very turn, and says so', () => {
  const world = aMarketOf(1, null), { market, place, only, told, asOf, standing } = world
  const id = place(SAVED), until = standing(id)[0]?.until as number
  expect(standing(id)[0]).toMatchObject({ as: 'interruptible', why: 'on_course' })
  market.pass(until - market.now - 1)
  expect(world.orders()).toEqual([])
  market.pass(2)
  const order = only()
  expect(asOf(order)).toBe('firm')
  expect(told(id)).toEqual(['firm: behind'])
  expect(standing(id)[0]).toMatchObject({ as: 'firm', why: 'behind' })
})

test('without slack it is firm from the start, in the turn it is submitted', () => {
  const world = aMarketOf(1), { market, place, only, told, asOf } = world
  const id = place({ ...SAVED, deadline: market.now + HOUR + MINUTE })
  expect(asOf(only())).toBe('firm')
  expect(told(id)).toEqual(['firm: no_return'])
})

test('no return: what runs as interruptible stores a checkpoint, ends, and goes on firm from there, perhaps where it was', () => {
  const world = aMarketOf(1), { market, place, only, told, asOf, standing } = world, id = place({ ...SAVED, deadline: market.now + 2 * HOUR })
  market.pass(30_000)
  const first = only(), agent = running(world, first), last = standing(id)[0]?.noReturnAt as number
  expect(last).toBe(1_000_000 + HOUR - 2 * MINUTE)
  market.pass(last - market.now - 1)
  expect(market.attempt(first.attempt_id)?.moving).toBeUndefined()
  market.pass(2)
  expect(told(id)).toEqual(['firm: no_return'])
  expect(market.sentTo(first.terms.node)).toMatchObject([{ type: 'checkpoint', attempt_id: first.attempt_id, kind: 'files' }])
  agent.save(1, 50 * MINUTE)
  agent.end('moved', 51 * MINUTE)
  const second = only(), rest = running(world, second)
  expect([asOf(second), second.terms.node, second.resume?.number]).toEqual(['firm', first.terms.node, 1])
  expect(market.state.spot.size).toBe(0)
  market.pass(10 * MINUTE)
  rest.end('succeeded', 10 * MINUTE)
  // Fifty minutes at half price, ten at the whole one.
  expect(market.job(id)).toMatchObject({ state: 'completed', cost: (credits(0.5) * 50n) / 60n + credits(1) / 6n })
  expect(told(id).at(-1)).toBe('in time')
})

test('a checkpoint that is stored moves the last moment; one that is not does not', () => {
  const world = aMarketOf(1), { market, place, only, standing } = world, id = place({ ...SAVED, deadline: market.now + 2 * HOUR })
  market.pass(30_000)
  const agent = running(world, only()), before = standing(id)[0]?.noReturnAt as number
  market.pass(10 * MINUTE)
  agent.save(1, 10 * MINUTE)
  expect(standing(id)[0]?.noReturnAt).toBe(before + 10 * MINUTE)
  market.pass(before - market.now + 1)
  expect(standing(id)[0]).toMatchObject({ as: 'interruptible', why: 'cheap_room', until: before + 10 * MINUTE })
})

test('taken off for firm work after its last moment it is firm at once, and nobody can take its place again', () => {
  const world = aMarketOf(2), { market, place, other, only, told, asOf } = world
  other({ resources: { cpuMillis: 1000 } })
  world.orders()
  const id = place({ ...SAVED, deadline: market.now + 2 * HOUR })
  market.pass(30_000)
  const first = only(), agent = running(world, first)
  market.pass(30 * MINUTE)
  other({ displace: String(credits(5)) })
  expect(market.attempt(first.attempt_id)?.displaced).toBeDefined()
  market.pass(45 * MINUTE) // its node answers late, and the room is kept for another
  agent.end('preempted', 30 * MINUTE)
  expect(told(id)).toEqual(['firm: no_return'])
  expect(market.job(id)?.state).toBe('queued')
  const running2 = [...market.state.attempts.values()].filter((row) => row.as === 'firm')
  expect(running2).toEqual([])
  expect(asOf(first)).toBe('interruptible')
})

test('what its seller takes back is firm in that very turn, when there is no time to wait for room by then; and only the rest of it must still fit', () => {
  const world = aMarketOf(1), { market, place, only, told, asOf } = world, id = place({ ...SAVED, deadline: market.now + 2 * HOUR }), agent = running(world, only())
  market.pass(57 * MINUTE)
  agent.end('seller_reclaimed', 40 * MINUTE)
  expect(told(id)).toEqual(['firm: behind'])
  market.pass(1)
  const second = only(), other = running(world, second)
  expect(asOf(second)).toBe('firm')
  market.pass(10 * MINUTE)
  other.save(1, 10 * MINUTE)
  market.pass(25 * MINUTE)
  other.end('seller_reclaimed', 35 * MINUTE)
  // Twenty-eight minutes are left, and fifty more are needed: no node is expected to be done. With a checkpoint of forty it would be.
  market.pass(1)
  expect(world.orders()).toEqual([])
  const late = aMarketOf(2), job = late.place({ ...SAVED, deadline: late.market.now + 2 * HOUR }), first = running(late, late.only())
  late.market.pass(40 * MINUTE)
  first.save(1, 40 * MINUTE)
  late.market.pass(58 * MINUTE)
  expect(late.told(job)).toEqual(['firm: no_return'])
  first.end('seller_reclaimed', 90 * MINUTE)
  late.market.pass(1)
  expect(late.asOf(late.only())).toBe('firm')
})

test('for how long it waits for room is counted from when it lost its place', () => {
  const world = aMarketOf(1), { market, place, only, told, standing } = world, id = place({ ...SAVED, deadline: market.now + 2 * HOUR }), agent = running(world, only())
  market.pass(40 * MINUTE)
  agent.end('seller_reclaimed', 40 * MINUTE)
  const until = standing(id)[0]?.until as number
  expect([told(id), standing(id)[0]?.why]).toEqual([[], 'on_course'])
  expect(until).toBeGreaterThan(market.now + 5 * MINUTE)
  market.pass(until - market.now - 1)
  expect(told(id)).toEqual([])
  market.pass(1)
  expect(told(id)).toEqual(['firm: behind'])
})

test('as firm work it cannot be displaced', () => {
  const world = aMarketOf(1), { market, place, other, only } = world
  place({ ...SAVED, deadline: market.now + HOUR + MINUTE })
  const order = only()
  running(world, order)
  market.pass(10 * MINUTE)
  other({ displace: String(credits(5)) })
  expect(market.attempt(order.attempt_id)?.displaced).toBeUndefined()
})

test('firm to catch up, it goes back to cheap room that has been there a while, when its slack allows it', () => {
  const world = aMarketOf(1, null), { market, nodes, place, only, told, asOf } = world, id = place({ ...SAVED, deadline: market.now + 4 * HOUR, limits: { runMs: 3 * HOUR }, expectedMs: 2 * HOUR })
  market.pass(80 * MINUTE)
  const first = only(), agent = running(world, first)
  expect(asOf(first)).toBe('firm')
  market.pass(10 * MINUTE)
  expect(told(id)).toEqual(['firm: behind'])
  const second = market.join('late', { owner: ann, cpuMillis: 1000, spotPercent: 50 })
  second.connect()
  nodes.push(second)
  // Two hours of work, and some twenty minutes to spare: two minutes are not long enough, three are. It looks every minute.
  for (let look = 1; look <= 4; look++) {
    expect(told(id)).toEqual(['firm: behind'])
    market.pass(MINUTE)
  }
  expect(told(id)).toEqual(['firm: behind', 'interruptible: cheap_room'])
  agent.save(1, 12 * MINUTE)
  agent.end('moved', 12 * MINUTE)
  market.pass(30_000)
  const order = only()
  expect([asOf(order), order.terms.node, order.resume?.number]).toEqual(['interruptible', second.id, 1])
})

test('without checkpoints a try is interruptible only while a whole firm one still fits behind it', () => {
  const world = aMarketOf(1, null), { market, place, only, told, asOf } = world, id = place()
  market.pass(3 * HOUR - 2 * (HOUR + 2 * MINUTE) - 1)
  expect(world.orders()).toEqual([])
  market.pass(1)
  expect([asOf(only()), told(id)]).toEqual(['firm', ['firm: no_second_try']])
})

test('tasks that do not all fit at once are firm a round earlier', () => {
  const world = aMarketOf(2, null), { market, place, told } = world, id = place({ tasks: [{}, {}, {}, {}], deadline: market.now + 4 * HOUR })
  market.pass(4 * HOUR - HOUR - 2 * (HOUR + 2 * MINUTE))
  expect(told(id)).toEqual(Array.from({ length: 4 }, () => 'firm: no_second_try'))
  expect(world.orders()).toHaveLength(2)
})

test('an interruptible hour never costs more than a firm one on the cheapest node, so what is left always pays for the firm way', () => {
  const world = aMarketOf(1, 100), { market, place } = world
  const dear = market.join('dear', { cpuHour: 3, cpuMillis: 1000, spotPercent: 90 })
  dear.connect()
  const ids = [place(SAVED), place(SAVED)]
  market.pass(30_000)
  expect(market.dispatched(dear.id)).toEqual([])
  expect(world.orders()).toHaveLength(1)
  expect(ids.map((id) => market.job(id)?.state).toSorted((a, b) => (String(a) < String(b) ? -1 : 1))).toEqual(['queued', 'running'])
  // What it cannot buy is no room: it does not wait for it, and there is firm room within its cap.
  market.pass(108 * MINUTE)
  expect(ids.flatMap(world.told)).toEqual(['firm: behind'])
  expect(market.dispatched(dear.id).map(world.asOf)).toEqual(['firm'])
})

test('it waits as long as its plan says, whatever its time to find a node', () => {
  const world = aMarketOf(1, null), { market, place, told } = world, id = place({ ...SAVED, limits: { runMs: 90 * MINUTE, queueMs: 60_000 } })
  market.pass(90 * MINUTE)
  expect(market.job(id)?.state).toBe('queued')
  expect(told(id)).toEqual([])
  market.pass(18 * MINUTE)
  expect(told(id)).toEqual(['firm: behind'])
})

test('what was done in time, and what was not and why, stands in its history', () => {
  const world = aMarketOf(1, null), { market, place, other } = world
  other({ resources: { cpuMillis: 1000 } })
  const id = place(SAVED)
  market.pass(107 * MINUTE)
  market.pass(73 * MINUTE)
  expect(market.job(id)).toMatchObject({ state: 'expired', cause: 'queue_timeout', cost: 0n })
  expect(market.job(id)?.detail).toMatch(/^firm \d+ s before its deadline \(behind\); no node that it could pay had room for it then$/)
})

test('what ends too late says what it took; what is asked twice to store something is told once', () => {
  const world = aMarketOf(1), { market, place, only, told } = world, id = place({ ...SAVED, limits: { runMs: 3 * HOUR }, deadline: market.now + 2 * HOUR }), order = only(), agent = running(world, order)
  market.pass(59 * MINUTE)
  market.act({ kind: 'moveFailed', node: order.terms.node, session: order.session, message: { attempt_id: order.attempt_id, fence: order.fence, detail: 'no disk' } })
  market.pass(MINUTE)
  expect(market.attempt(order.attempt_id)?.moving?.as).toBe('firm')
  expect(told(id)).toEqual(['firm: no_return'])
  market.pass(71 * MINUTE)
  agent.end('succeeded', 85 * MINUTE)
  expect(told(id).slice(1)).toEqual([expect.stringMatching(/^late: firm \d+ s before its deadline \(no_return\); its last try began 7200 s before its deadline and ran 5100000 of the 3600000 ms expected$/)])
})

test('a restart changes nothing: who was firm stands in the firm line, who was not waits for a sale', async () => {
  const { createState, apply } = await import('../state.ts')
  const world = aMarketOf(1, null), { market, place, other } = world
  other({ resources: { cpuMillis: 1000 } })
  const late = place({ ...SAVED, deadline: market.now + HOUR + MINUTE }), early = place(SAVED)
  const again = createState({ ...market.state.settings })
  for (const change of market.log) apply(again, change)
  expect([...again.spot.values()].map(({ job }) => job)).toEqual([early])
  expect([...market.state.spot.values()].map(({ job }) => job)).toEqual([early])
  expect(again.jobs.get(late)?.tasks[0]?.slots[0]?.firm).toMatchObject({ why: 'no_return' })
})

test.each<[string, Partial<JobSpecInput>, RegExp]>([
  ['a deadline', { deadline: undefined }, /name deadline/], ['how long it runs', { expectedMs: undefined }, /name expectedMs/], ['a limit', { limits: { runMs: 30 * MINUTE } }, /raise limits.runMs/],
  ['one way only', { interruptible: {} }, /leave out interruptible/], ['no copies', { copies: 2 }, /leave out plan, or copies/], ['no assurance', { assurance: '1e-2' }, /leave out plan, or copies/],
  ['no speculation', { speculate: 0.1 }, /leave out speculate/], ['no gang', { gang: true, tasks: [{}, {}] }, /leave out plan, or gang/], ['no waiting', { disconnect: 'wait' }, /leave out disconnect/],
])('a plan asks for %s', (_, more, reason) => {
  expect(aMarketOf(1).plan(more)).toMatchObject({ refusal: 'impossible_request', detail: { reason: expect.stringMatching(reason) } })
})

test('a deadline too near even for firm nodes, and a budget below the cheapest firm way, are refused with what would do', () => {
  const { market, plan } = aMarketOf(2)
  expect(plan({ tasks: [{}, {}, {}], deadline: market.now + 90 * MINUTE })).toMatchObject({ refusal: 'impossible_request', detail: { earliest: market.now + 2 * HOUR, reason: expect.stringContaining('2 rounds') } })
  expect(plan({}, credits(1))).toMatchObject({ refusal: 'cap_too_low', detail: { needed: credits(1.5).toString() } })
  expect(plan({}, credits(1.5))).toMatchObject({ job: { cap: credits(1.5) } })
})
