// What endings teach, on a whole market: who is trusted, who is chosen, and what a node is expected to take.
import { expect, test } from 'vitest'
import { GIB } from '@lumaris/protocol'
import type { JobDispatch, JobSpecInput } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { Submitted } from '../../job/submit.ts'
import { reputationNow, speedOf } from './learn.ts'

const buyer = aUser('buyer'), PATIENT = { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 }
function marketOf(prices: Record<string, number>) {
  const market = aMarket({ settings: PATIENT })
  market.fund(buyer, credits(100_000))
  const nodes = Object.fromEntries(Object.entries(prices).map(([name, cpuHour]) => { const node = market.join(name, { cpuHour, cpuMillis: 64_000, memoryBytes: 500 * GIB }); node.connect(); return [name, node] as const }))
  const submit = (more: Partial<JobSpecInput> = {}) => (market.submit(buyer, aSpec(more), { cap: credits(50) }) as Submitted).job.id
  const orders = (): JobDispatch[] => Object.values(nodes).flatMap((node) => market.dispatched(node.id))
  /** One job, where the market places it, with this end. */
  const run = (end: Parameters<typeof market.report>[1] = {}, more: Partial<JobSpecInput> = {}): string => {
    submit(more)
    const [order] = orders() as [JobDispatch]
    market.now += end.runMs ?? 1000
    market.report(order, end)
    return Object.entries(nodes).find(([, node]) => node.id === order.terms.node)![0]
  }
  return { market, nodes, submit, orders, run, believed: (name: string) => reputationNow(market.state, nodes[name]!.row(), market.now) }
}

test('a node is believed what it has shown: the lower bound climbs with what ends well, and falls with what it breaks', () => {
  const { run, believed } = marketOf({ one: 1 })
  const start = believed('one').completion
  expect(start).toMatchObject({ evidence: 0 })
  for (let i = 0; i < 30; i++) run()
  const good = believed('one').completion
  expect(good.evidence).toBeGreaterThan(25)
  expect(good.lower).toBeGreaterThan(start.lower)
  for (let i = 0; i < 5; i++) run({ cause: 'driver_failed' }, { limits: { retries: 0 } })
  expect(believed('one').completion.lower).toBeLessThan(good.lower)
  expect(believed('one').completion.mean).toBeLessThan(good.mean)
})
test('the buyer’s own failing program says nothing against the node', () => {
  const { run, believed, market, nodes } = marketOf({ one: 1 })
  for (let i = 0; i < 5; i++) run({ exitCode: 3 })
  expect(believed('one').completion.mean).toBeGreaterThan(10 / 11)
  expect(market.state.profiles.get(nodes['one']!.id)).toMatchObject({ succeeded: 5, failed: 0 })
})
test('a wrong result counts against correctness, not against completion', () => {
  const { market, nodes, submit, orders, believed } = marketOf({ a: 1, b: 1.01, c: 1.02 })
  submit({ copies: 2 })
  const first = orders(), liar = first[0] as JobDispatch
  market.now += 1000
  market.report(liar, { digest: 'f'.repeat(64) })
  market.report(first[1] as JobDispatch)
  for (const order of orders()) market.report(order)
  const name = Object.entries(nodes).find(([, node]) => node.id === liar.terms.node)![0]
  expect(believed(name).correctness.mean).toBeLessThan(10 / 11)
  expect(believed(name).completion.evidence).toBe(0)
})
test('who breaks work costs more in expectation: the dearer node is chosen once the cheaper one has shown what it is', () => {
  const { market, nodes, run } = marketOf({ cheap: 1, dear: 1.2 })
  expect(run()).toBe('cheap')
  market.act({ kind: 'will', node: nodes['dear']!.id, will: 'paused' })
  for (let i = 0; i < 5; i++) expect(run({ cause: 'driver_failed' }, { limits: { retries: 0 } })).toBe('cheap')
  market.act({ kind: 'will', node: nodes['dear']!.id, will: 'open' })
  expect(run()).toBe('dear')
})
test('a buyer who insists on trust waits until somebody has earned it', () => {
  const { market, run, submit } = marketOf({ one: 1 })
  const waits = submit({ placement: { minTrust: 'known' } })
  expect(market.job(waits)?.state).toBe('queued')
  for (let i = 0; i < 60; i++) run()
  expect(market.job(waits)?.state).not.toBe('queued')
})
test('how long work of a kind takes is learned per node, and prices the choice', () => {
  const { market, nodes, run } = marketOf({ quick: 1.5, slow: 1 })
  const work = { expectedMs: 100_000, command: ['train'], limits: { runMs: 600_000 } }
  // Cheaper by the hour, and takes twice as long as the buyer says; each is tried while the other is closed.
  for (const [name, other, runMs] of [['slow', 'quick', 200_000], ['quick', 'slow', 100_000]] as const) {
    market.act({ kind: 'will', node: nodes[other]!.id, will: 'paused' })
    for (let i = 0; i < 6; i++) expect(run({ runMs }, work)).toBe(name)
    market.act({ kind: 'will', node: nodes[other]!.id, will: 'open' })
  }
  const forecast = (name: string) => speedOf(market.state, nodes[name]!.row(), aSpec(work))
  expect(forecast('slow').factor).toBeGreaterThan(1.5)
  expect(forecast('slow').factor).toBeGreaterThan(forecast('quick').factor)
  expect(run({ runMs: 100_000 }, work)).toBe('quick')
})
test('a node that comes and goes is passed over for one that stays, at the same price', () => {
  const market = aMarket({ settings: { offerMs: 1e12 } })
  market.fund(buyer, credits(1000))
  const steady = market.join('steady', { cpuHour: 1.01 }), flighty = market.join('flighty', { cpuHour: 1 })
  steady.connect()
  let beats = 0
  for (let quarter = 0; quarter < 4 * 24 * 3; quarter++) {
    const up = quarter % 4 < 3 // forty-five minutes there, fifteen away
    if (up && quarter % 4 === 0) flighty.connect(`boot-number-${quarter}`)
    for (let i = 0; i < 45; i++) {
      for (const [node, is] of [[steady, true], [flighty, up]] as const) if (is) market.act({ kind: 'heartbeat', node: node.id, session: node.row().session, message: { type: 'availability_update', node_id: node.id, cpu_available: 4, mem_available: 1, status: 'ready', heartbeat: ++beats, attempts: [] } })
      market.now += 20_000
      market.act({ kind: 'clock' })
    }
  }
  flighty.connect('boot-number-last')
  steady.connect()
  const long = (market.submit(buyer, aSpec({ expectedMs: 2 * 3_600_000, limits: { runMs: 4 * 3_600_000 } }), { cap: credits(50) }) as Submitted).job.id
  const [attempt] = market.state.jobs.get(long)!.attempts
  expect(attempt!.node).toBe(steady.id)
  expect(attempt!.decision.completes).toBeGreaterThan(0.5)
  expect(BigInt(attempt!.decision.runnerUp!.total)).toBeGreaterThan(BigInt(attempt!.decision.terms.total))
})
