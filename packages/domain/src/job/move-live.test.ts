// Work that goes from node to node while it runs: told to both, decided in one turn, paid when it was worth something.
import { expect, test } from 'vitest'
import type { JobDispatch, JobId, JobSpecInput, LiveOffer, NodeId, Saved, Tick, ToAgent } from '@lumaris/protocol'
import { MIB, canonical, NO_USAGE } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import type { Submitted } from './submit.ts'

const MINUTE = 60_000, buyer = aUser('buyer')
const mesh = (of: string): LiveOffer => ({ public_key: `${sha256(of).slice(0, 43)}=`, addresses: [], signature: 's'.repeat(86) as LiveOffer['signature'] })

function aMarketOf(makers: readonly string[], spec: Partial<JobSpecInput> = {}) {
  const market = aMarket({ settings: { feeBasisPoints: 1_000, retryBackoffMs: 0, suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 } })
  market.fund(buyer, credits(100))
  const nodes = makers.map((live, i) => { const node = market.join(`n${i}`, { owner: aUser(`owner${i}`), cpuMillis: 1000, live }); node.connect(); return node })
  const place = (): JobId => (market.submit(buyer, aSpec({ limits: { runMs: 60 * MINUTE }, ...spec })) as Submitted).job.id
  const told = (node: NodeId, type: ToAgent['type']) => market.sentTo(node).filter((one) => one.type === type)
  const first = (): JobDispatch => { const [order, ...more] = nodes.flatMap((node) => market.dispatched(node.id)); expect(more).toEqual([]); if (!order) throw new Error('nobody has it'); return order }
  const balance = (name: string) => market.log.reduce((sum, change) => (change.kind === 'entry' ? change.row.postings.reduce((all, { from, to, amount }) => all + (to === name ? amount : 0n) - (from === name ? amount : 0n), sum) : sum), 0n)
  /** What a node says of an order that it runs. */
  const says = (order: JobDispatch) => {
    const { terms: { node }, session, attempt_id: attempt, fence } = order
    let seq = 0, prev = sha256(canonical(order.terms)) as Tick['prev']
    const tick = (runMs: number, more: Partial<Tick> = {}): { tick: Tick; hash: Tick['prev'] } => {
      const made: Tick = { attempt, seq: ++seq, prev, at: market.now, usage: { ...NO_USAGE, runMs }, final: false, ...more }
      prev = sha256(canonical(made)) as Tick['prev']
      return { tick: made, hash: prev }
    }
    const status = (message: Partial<Extract<Parameters<typeof market.act>[0], { kind: 'status' }>['message']> & { status: 'running' | 'succeeded' | 'failed' | 'stopped' }) => market.act({ kind: 'status', node, session, message: { type: 'job_status', job_id: order.job_id, attempt_id: attempt, fence, ...message } })
    return {
      runs: () => status({ status: 'running' }),
      ends: (cause: 'succeeded' | 'driver_failed' | 'seller_reclaimed', runMs: number) => status({ status: cause === 'succeeded' ? 'succeeded' : 'failed', cause, exit_code: cause === 'succeeded' ? 0 : null, usage: { ...NO_USAGE, runMs }, files: [], ...(cause === 'succeeded' ? { result_digest: sha256('r') as never } : {}), final: tick(runMs, { final: true, exitCode: 0 }) }),
      ready: (of = node, session_ = session) => market.act({ kind: 'live', node: of, session: session_, message: { type: 'live_ready', attempt_id: attempt, fence, mesh: mesh(of) } }),
      cannot: (of: NodeId) => market.act({ kind: 'live', node: of, session: market.state.nodes.get(of)?.session ?? 0, message: { type: 'receive_failed', attempt_id: attempt, fence, detail: 'no room' } }),
      gone: (runMs: number, kind: Saved['kind'] = 'live') => {
        const saved: Saved = { number: (order.resume?.number ?? 0) + 1, kind, runMs, manifest: sha256(`${attempt} left`) as Saved['manifest'], manifestSize: 0, size: 10 }
        market.act({ kind: 'checkpoint', node, session, message: { type: 'checkpoint', attempt_id: attempt, fence, ...tick(runMs, { checkpoint: saved }), memory: { driver: 'fake', maker: 'm', key: 'k'.repeat(43) } } })
      },
    }
  }
  const session = (node: NodeId) => market.state.nodes.get(node)?.session ?? 0
  return { market, nodes, place, told, first, says, session, balance }
}
/** One runs for ten minutes, and is told to go to the other; both have said how they are reached. */
function onItsWay(spec: Partial<JobSpecInput> = {}) {
  const all = aMarketOf(['m', 'm'], spec), { market, nodes, says, session } = all
  const id = all.place(), order = all.first(), one = says(order), other = nodes.find(({ id: node }) => node !== order.terms.node)?.id as NodeId
  one.runs()
  market.pass(10 * MINUTE)
  expect(market.act({ kind: 'move', job: id, to: other, task: null })).toMatchObject({ state: 'running' })
  one.ready()
  one.ready(other, session(other))
  return { ...all, id, order, one, other }
}
const eventsOf = (market: ReturnType<typeof aMarketOf>['market']) => market.log.flatMap((change) => (change.kind === 'event' && change.row.type === 'moved' ? [change.row.state] : []))

test('both nodes are told of each other, and told to begin when both have said how they are reached', () => {
  const { market, nodes, place, first, says, session, told } = aMarketOf(['m', 'm', 'x'])
  const id = place(), order = first(), one = says(order), source = order.terms.node
  one.runs()
  market.pass(MINUTE)
  const [other, stranger] = [nodes.find((node) => node.id !== source && node.row().drivers[0]?.memory === nodes.find(({ id: n }) => n === source)?.row().drivers[0]?.memory)?.id, nodes.find((node) => node.row().drivers[0]?.memory === 'x')?.id] as [NodeId, NodeId]
  market.act({ kind: 'move', job: id, to: other, task: null })
  expect(told(other, 'receive')).toMatchObject([{ attempt_id: order.attempt_id, maker: 'm' }])
  expect(market.state.reserved.get(other)?.cpuMillis).toBe(1000)
  one.ready(stranger, session(stranger))
  one.ready()
  expect(told(source, 'checkpoint').some((said) => 'peer' in said)).toBe(false)
  one.ready(other, session(other))
  expect(told(source, 'checkpoint').at(-1)).toMatchObject({ kind: 'live', peer: { node: other, public_key: mesh(other).public_key } })
  expect(told(other, 'receive').at(-1)).toMatchObject({ peer: { node: source, public_key: mesh(source).public_key, nodeKey: market.state.nodes.get(source)?.publicKey } })
})

test('it goes on there in the very turn in which it ends here; its place was held, both are paid for their own time, and the cap holds', () => {
  const { market, id, order, one, other, says, place, balance } = onItsWay()
  place() // waits: one node has work, the other's place is held
  expect(market.dispatched(other)).toEqual([])
  one.gone(10 * MINUTE)
  expect(market.attempt(order.attempt_id)).toMatchObject({ state: 'ended', cause: 'moved', billed: null })
  expect(market.sentTo(order.terms.node).map((said) => said.type)).toContain('cancel')
  const next = market.dispatched(other).find(({ job_id }) => job_id === id) as JobDispatch
  expect(next).toMatchObject({ fence: 2, resume: { kind: 'live', memory: { attempt: order.attempt_id, node: order.terms.node, key: 'k'.repeat(43) } }, limits: { runMs: 50 * MINUTE } })
  expect(market.job(id)?.cost).toBe(0n)
  const two = says(next)
  two.runs()
  market.pass(20 * MINUTE)
  two.ends('succeeded', 20 * MINUTE)
  expect(market.job(id)).toMatchObject({ state: 'completed', cost: 499_999n }) // each part is rounded down
  for (const [node, part] of [[order.terms.node, 150_000n], [other, 300_000n]] as const) expect(balance(`seller:${market.state.nodes.get(node)?.owner}:pending`)).toBe(part)
})

test('lost with the node that had it last: nobody is paid, and it begins again with all its time', () => {
  const { market, nodes, id, order, one, other, says } = onItsWay()
  one.gone(10 * MINUTE)
  const two = says(market.dispatched(other)[0] as JobDispatch)
  two.runs()
  market.pass(MINUTE)
  two.ends('seller_reclaimed', MINUTE)
  expect(market.attempt(order.attempt_id)?.billed ?? 0n).toBe(0n)
  expect(market.job(id)).toMatchObject({ state: 'queued', cost: 0n })
  market.pass(2_000)
  const third = nodes.flatMap((node) => market.dispatched(node.id)).find(({ job_id }) => job_id === id)
  expect(third).toMatchObject({ fence: 3, limits: { runMs: 60 * MINUTE } })
  expect([third?.resume, third?.attempt_cap]).toEqual([undefined, order.attempt_cap])
})

test('handed on and on, all are paid when the last one ends it, and none when that one is lost', () => {
  for (const good of [true, false]) {
    const { market, id, order, one, other, says, session } = onItsWay()
    one.gone(10 * MINUTE)
    const second = market.dispatched(other)[0] as JobDispatch, two = says(second)
    two.runs()
    market.pass(5 * MINUTE)
    market.act({ kind: 'move', job: id, to: order.terms.node, task: null })
    two.ready()
    two.ready(order.terms.node, session(order.terms.node))
    two.gone(5 * MINUTE)
    const three = says(market.dispatched(order.terms.node).at(-1) as JobDispatch)
    three.runs()
    market.pass(5 * MINUTE)
    three.ends(good ? 'succeeded' : 'driver_failed', 5 * MINUTE)
    expect([market.attempt(order.attempt_id)?.billed ?? 0n, market.attempt(second.attempt_id)?.billed ?? 0n]).toEqual(good ? [166_666n, 83_333n] : [0n, 0n])
    expect(market.job(id)?.cost).toBe(good ? 166_666n + 83_333n + 83_333n : 0n)
  }
})

test('where its place is none any more it stays, and goes on here; and again, when it asks again', () => {
  const { market, id, order, one, other } = onItsWay()
  market.act({ kind: 'will', node: other, will: 'paused' })
  one.gone(10 * MINUTE)
  expect(market.attempt(order.attempt_id)).toMatchObject({ state: 'running' })
  expect(market.sentTo(order.terms.node).filter(({ type }) => type === 'stay')).toHaveLength(1)
  expect(market.sentTo(other).map(({ type }) => type)).toContain('receive_over')
  expect(eventsOf(market)).toEqual(['asked', 'failed'])
  expect([market.state.reserved.get(other)?.cpuMillis, market.attempt(order.attempt_id)?.saved]).toEqual([0, undefined])
  one.ends('succeeded', 11 * MINUTE)
  expect(market.job(id)).toMatchObject({ state: 'completed', cost: 166_666n })
})

test('what cannot leave while it runs leaves through the market’s store; its place there is not held then', () => {
  for (const who of ['source', 'target'] as const) {
    const { market, order, one, other } = onItsWay()
    market.sentTo(order.terms.node)
    if (who === 'target') one.cannot(other)
    else market.act({ kind: 'moveFailed', node: order.terms.node, session: order.session, message: { attempt_id: order.attempt_id, fence: 1, detail: 'no way', kind: 'live' } })
    expect(market.sentTo(order.terms.node)).toMatchObject([{ type: 'checkpoint', kind: 'memory' }])
    expect(market.attempt(order.attempt_id)).toMatchObject({ state: 'running', moving: { kind: 'memory', to: other } })
    expect(market.state.reserved.get(other)?.cpuMillis).toBe(0)
    // The other one's word comes late, of what was given up.
    market.act({ kind: 'moveFailed', node: order.terms.node, session: order.session, message: { attempt_id: order.attempt_id, fence: 1, detail: 'no way', kind: 'live' } })
    expect(market.attempt(order.attempt_id)?.moving?.kind).toBe('memory')
  }
})

test('an agent that never says how it is reached does not hold the other one’s place for ever', () => {
  const { market, nodes, place, first, says, told } = aMarketOf(['m', 'm'])
  const id = place(), order = first(), one = says(order), other = nodes.find(({ id: node }) => node !== order.terms.node)?.id as NodeId
  one.runs()
  market.act({ kind: 'move', job: id, to: other, task: null })
  one.ready()
  let heartbeat = 0
  const beat = () => market.act({ kind: 'heartbeat', node: order.terms.node, session: order.session, message: { type: 'availability_update', node_id: order.terms.node, cpu_available: 1, mem_available: 1, status: 'busy', heartbeat: ++heartbeat, attempts: [{ attempt_id: order.attempt_id, fence: 1, state: 'running' }] } })
  market.pass(29_000)
  beat()
  expect(market.state.reserved.get(other)?.cpuMillis).toBe(1000)
  told(order.terms.node, 'checkpoint')
  market.pass(2_000)
  beat()
  expect(market.state.reserved.get(other)?.cpuMillis).toBe(0)
  expect(told(order.terms.node, 'checkpoint')).toMatchObject([{ kind: 'memory' }])
})

test('a node that ends while it sends frees the place elsewhere, and the other is told that nothing comes', () => {
  const { market, order, one, other } = onItsWay()
  one.ends('driver_failed', 10 * MINUTE)
  expect(market.sentTo(other).map(({ type }) => type)).toContain('receive_over')
  expect(market.attempt(order.attempt_id)).toMatchObject({ state: 'ended', billed: null })
})

test('nobody can say that it has left who was not asked, or without naming a key', () => {
  const { market, id, order, one } = onItsWay()
  market.act({ kind: 'moveFailed', node: order.terms.node, session: order.session, message: { attempt_id: order.attempt_id, fence: 1, detail: 'no', kind: 'live' } })
  one.gone(10 * MINUTE)
  expect(market.attempt(order.attempt_id)).toMatchObject({ state: 'running' })
  expect(market.job(id)?.state).toBe('running')
})

/** One runs on the cheapest; the others are asked by the market alone. */
function chosenFrom(others: readonly { live: string; cpuHour: number; cpuMillis?: number }[], spec: Partial<JobSpecInput> = {}) {
  const all = aMarketOf(['m'], spec), { market, place, first, says } = all
  const id = place(), order = first(), one = says(order)
  one.runs()
  const nodes = others.map(({ live, cpuHour, cpuMillis = 1000 }, i) => { const node = market.join(`other${i}`, { owner: aUser(`other${i}`), cpuMillis, live, cpuHour }); node.connect(); return node.id })
  market.pass(MINUTE)
  return { ...all, id, order, one, others: nodes }
}
const WHERE = [{ live: 'x', cpuHour: 0.1 }, { live: 'm', cpuHour: 0.1, cpuMillis: 500 }, { live: 'm', cpuHour: 0.9 }, { live: 'm', cpuHour: 0.5 }] as const

test('without a name the market chooses who can receive it now, and of them the cheapest; when that way fails, any other node will do', () => {
  const { market, id, order, one, others, session } = chosenFrom(WHERE)
  market.act({ kind: 'move', job: id, to: null, task: null })
  expect(market.attempt(order.attempt_id)?.moving).toMatchObject({ kind: 'live', to: others[3], chosen: true })
  expect(market.state.reserved.get(others[3] as NodeId)?.cpuMillis).toBe(1000)
  one.cannot(others[3] as NodeId)
  expect(market.attempt(order.attempt_id)?.moving).toMatchObject({ kind: 'memory', to: null })
  market.act({ kind: 'will', node: others[3] as NodeId, will: 'paused' })
  market.act({ kind: 'moveFailed', node: order.terms.node, session: order.session, message: { attempt_id: order.attempt_id, fence: 1, detail: 'no' } })
  market.act({ kind: 'move', job: id, to: null, task: null })
  expect(market.attempt(order.attempt_id)?.moving?.to).toBe(others[2])
  one.ready()
  one.ready(others[2] as NodeId, session(others[2] as NodeId))
  one.gone(MINUTE)
  expect(market.dispatched(others[2] as NodeId)).toMatchObject([{ job_id: id, fence: 2, resume: { kind: 'live' } }])
})

test('lost on its way to the node that the market chose, it waits for no node in particular', () => {
  const { market, id, order, one, others } = chosenFrom(WHERE)
  market.act({ kind: 'move', job: id, to: null, task: null })
  one.ends('driver_failed', MINUTE)
  expect(market.state.jobs.get(id)?.tasks[0]?.slots[0]?.move).toMatchObject({ from: order.terms.node, to: null })
  expect(market.state.reserved.get(others[3] as NodeId)?.cpuMillis ?? 0).toBe(0)
})

test('a node that is emptied sends large ones while they run, and small ones through the store', () => {
  for (const [memoryBytes, kind] of [[512 * MIB, 'live'], [512 * MIB - 1, 'memory']] as const) {
    const { market, order } = chosenFrom(WHERE, { resources: { memoryBytes, cpuMillis: 1000, diskBytes: MIB } as JobSpecInput['resources'] })
    market.act({ kind: 'will', node: order.terms.node, will: 'draining' })
    expect(market.attempt(order.attempt_id)?.moving?.kind).toBe(kind)
  }
})

test('of two parts that move at once, one has the last place and the other goes through the store', () => {
  const market = aMarket({ settings: { feeBasisPoints: 1_000, retryBackoffMs: 0, suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 } })
  market.fund(buyer, credits(100))
  const node = market.join('n', { owner: aUser('owner'), cpuMillis: 2000, live: 'm' })
  node.connect()
  const job = (market.submit(buyer, aSpec({ limits: { runMs: 60 * MINUTE }, tasks: [{}, {}] as never })) as Submitted).job.id
  for (const { attempt_id, fence, job_id, session } of market.dispatched(node.id)) market.act({ kind: 'status', node: node.id, session, message: { type: 'job_status', job_id, attempt_id, fence, status: 'running' } })
  for (const name of ['a', 'b']) market.join(name, { owner: aUser(name), cpuMillis: 1000, live: name === 'a' ? 'm' : 'x' }).connect()
  market.act({ kind: 'move', job, to: null, task: null })
  expect([...market.state.attempts.values()].map(({ moving }) => moving?.kind ?? '').toSorted((a, b) => (a < b ? -1 : 1))).toEqual(['live', 'memory'])
})
