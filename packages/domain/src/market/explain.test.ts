// Who fits, what would help, and why not me: on small markets whose answers can be read off.
import { expect, test } from 'vitest'
import fc from 'fast-check'
import { GIB, JobSpec } from '@lumaris/protocol'
import type { JobSpecInput, LabelTerm, NoReason } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import { isRefusal } from '@lumaris/protocol'
import { lookAfresh } from './candidates.ts'
import { cheapest } from './match.ts'
import { apply } from '../state.ts'
import { neverReason, obstacles } from './filter.ts'
import { changesThatHelp } from './relax.ts'
import { requirementOf } from './requirement.ts'
import type { Requirement } from './requirement.ts'
import { startsInMs } from './start-time.ts'
import { whyNot } from './why-not.ts'
import type { Submitted } from '../job/submit.ts'

const buyer = aUser('buyer')
const needOf = (more: Partial<JobSpecInput>, attemptCap = credits(100)): Requirement => ({ spec: aSpec(more), attemptCap, job: '' as Requirement['job'], avoid: [], owners: [] })
type Joined = Parameters<ReturnType<typeof aMarket>['join']>[1]
function marketOf(nodes: Record<string, Joined>) {
  const market = aMarket()
  market.fund(buyer, credits(1000))
  const joined = Object.entries(nodes).map(([name, more]) => { const node = market.join(name, more); node.connect(); return [name, node] as const })
  return { market, nodes: Object.fromEntries(joined) as Record<string, (typeof joined)[number][1]> }
}

const LABELS = { zone: 'eu-1', 'disk.gbps': '2.5', fast: 'yes' }
test.each<[LabelTerm, boolean]>([
  [{ label: 'zone', op: 'in', values: ['eu-1', 'eu-2'] }, true], [{ label: 'zone', op: 'in', values: ['us-1'] }, false], [{ label: 'none', op: 'in', values: [''] }, false],
  [{ label: 'zone', op: 'not_in', values: ['us-1'] }, true], [{ label: 'zone', op: 'not_in', values: ['eu-1'] }, false], [{ label: 'none', op: 'not_in', values: ['x'] }, true],
  [{ label: 'fast', op: 'exists' }, true], [{ label: 'none', op: 'exists' }, false], [{ label: 'none', op: 'absent' }, true], [{ label: 'fast', op: 'absent' }, false],
  [{ label: 'disk.gbps', op: 'at_least', value: 2.5 }, true], [{ label: 'disk.gbps', op: 'at_least', value: 3 }, false], [{ label: 'disk.gbps', op: 'at_most', value: 2 }, false], [{ label: 'disk.gbps', op: 'at_most', value: 3 }, true],
  [{ label: 'zone', op: 'at_least', value: 0 }, false], [{ label: 'none', op: 'at_most', value: 9 }, false],
])('a label condition %j on a known node: %s', (term, fits) => {
  const { nodes } = marketOf({ north: { labels: LABELS } })
  expect(neverReason(nodes['north']!.row(), needOf({ placement: { where: [term] } }))).toBe(fits ? null : 'label')
})

test.each<[string, Partial<JobSpecInput>, NoReason[]]>([
  ['what fits', {}, []], ['a GPU', { resources: { gpus: 1 } }, ['gpu']], ['another model', { resources: { gpus: 1, gpuModels: ['nvidia-h200'] } }, ['gpu', 'gpu_model']],
  ['GPU memory', { resources: { gpus: 1, gpuMemoryBytes: 80 * GIB } }, ['gpu', 'gpu_memory']], ['another region', { placement: { regions: ['mars'] } }, ['region']],
  ['data that may not lie here', { placement: { residency: ['mars'] } }, ['residency']], ['everything at once', { resources: { cpuMillis: 900_000, memoryBytes: 900 * GIB }, placement: { labels: { a: 'b' } } }, ['cpu', 'memory', 'label']],
  ['a stronger wall', { placement: { minLevel: 'vm' } }, ['level']], ['encrypted scratch', { placement: { encryptedScratch: true } }, ['scratch']], ['hosts to connect to', { network: { egress: [{ host: 'data.example' }] } }, ['egress']],
])('all that stands against a node is told: %s', (_name, more, reasons) => {
  const { nodes } = marketOf({ north: {} })
  expect(obstacles(nodes['north']!.row(), needOf(more, 2n ** 62n))).toEqual(reasons)
  expect(neverReason(nodes['north']!.row(), needOf(more, 2n ** 62n))).toBe(reasons[0] ?? null)
})

test.each<[string, Partial<JobSpecInput>]>([
  ['a GPU model without a GPU', { resources: { gpuModels: ['nvidia-h200'] } }], ['regions where the data may not lie', { placement: { regions: ['eu'], residency: ['us'] } }],
  ['a label that is there and absent', { placement: { where: [{ label: 'a', op: 'exists' }, { label: 'a', op: 'absent' }] } }], ['a label with a value, and absent', { placement: { labels: { a: 'b' }, where: [{ label: 'a', op: 'absent' }] } }],
])('what no node could ever meet is refused at once, with the reason: %s', (_name, more) => {
  const { market } = marketOf({ north: {} })
  const answer = market.submit(buyer, aSpec(more), { cap: credits(1) })
  expect(isRefusal(answer) && answer.refusal).toBe('impossible_request')
})

test('what would help: the smallest change for the nearest node, fewest changes first, never a rule of residency', () => {
  const { market } = marketOf({ small: { memoryBytes: 8 * GIB, cpuHour: 1 }, large: { memoryBytes: 24 * GIB, cpuHour: 2 }, abroad: { memoryBytes: 64 * GIB, region: 'mars', cpuHour: 1 } })
  const need = needOf({ resources: { memoryBytes: 32 * GIB }, placement: { regions: ['local'] } })
  const found = changesThatHelp(market.state, need, market.now)
  expect(found.map(({ steps, nodes }) => [steps.map(({ reason, to }) => [reason, to]), nodes])).toEqual([[[['memory', 24 * GIB]], 1], [[['region', 'mars']], 1]])
  // Two minutes (a fifth of its limit) at two credits an hour, rounded down; and all of its ten minutes.
  expect(found[0]).toMatchObject({ startsInMs: 0, likely: 66_666n, attemptCap: 333_333n })
  const bound = needOf({ resources: { memoryBytes: 32 * GIB }, placement: { residency: ['local'] } })
  expect(changesThatHelp(market.state, bound, market.now).map(({ steps }) => steps.map(({ reason }) => reason))).toEqual([['memory']])
})

test('what would help when the cap is too low: the cap that the cheapest node needs', () => {
  const { market } = marketOf({ cheap: { cpuHour: 6 }, dear: { cpuHour: 60 } })
  const need = needOf({}, credits(0.5))
  expect(changesThatHelp(market.state, need, market.now)).toEqual([{ steps: [{ reason: 'price', from: '500000', to: '1000000' }], nodes: 1, startsInMs: 0, likely: credits(0.2), attemptCap: credits(1) }])
})

test('a full node says when enough of its work is expected to be over', () => {
  const { market, nodes } = marketOf({ north: { cpuMillis: 4000 } })
  market.submit(buyer, aSpec({ resources: { cpuMillis: 3000 }, expectedMs: 40_000 }))
  market.pass(10_000)
  market.submit(buyer, aSpec({ resources: { cpuMillis: 1000 }, expectedMs: 5_000 }))
  const row = nodes['north']!.row()
  expect(startsInMs(market.state, row, needOf({ resources: { cpuMillis: 1000 } }), market.now)).toBe(5_000)
  expect(startsInMs(market.state, row, needOf({ resources: { cpuMillis: 2000 } }), market.now)).toBe(30_000)
  expect(startsInMs(market.state, row, needOf({ resources: { cpuMillis: 9000 } }), market.now)).toBeNull()
  market.act({ kind: 'will', node: row.id, will: 'paused' })
  expect(startsInMs(market.state, nodes['north']!.row(), needOf({}), market.now)).toBeNull()
})

test('a seller learns why the node was not chosen: by price and by how much, by size, or not at all', () => {
  const { market, nodes } = marketOf({ cheap: { cpuHour: 1, cpuMillis: 64_000 }, dear: { cpuHour: 2 }, tiny: { cpuHour: 0.5, cpuMillis: 500 } })
  for (let i = 0; i < 4; i++) market.submit(buyer, aSpec())
  expect(whyNot(market.state, nodes['cheap']!.row(), market.now)).toEqual({ decisions: 4, chosen: 4, reasons: [], medianGapPercent: null })
  const dear = whyNot(market.state, nodes['dear']!.row(), market.now)
  expect(dear).toMatchObject({ decisions: 4, chosen: 0, reasons: [{ reason: 'dearer', count: 4, alone: 4 }] })
  expect(dear.medianGapPercent).toBeGreaterThan(95)
  expect(whyNot(market.state, nodes['tiny']!.row(), market.now).reasons).toEqual([{ reason: 'cpu', count: 4, alone: 4 }])
})

test('only so many placements are remembered', () => {
  const { market, nodes } = marketOf({ north: { cpuMillis: 1_000_000, memoryBytes: 2000 * GIB, diskBytes: 2000 * GIB } })
  for (let i = 0; i < 250; i++) market.submit(buyer, aSpec({ limits: { runMs: 1000 } }))
  expect(whyNot(market.state, nodes['north']!.row(), market.now).decisions).toBe(100)
  expect(market.state.recent.length).toBeLessThan(200)
})

test('answers kept for a class are the answers of asking everybody again, whatever happens to the nodes', () => {
  const step = fc.record({ what: fc.constantFrom('submit', 'report', 'pause', 'resume', 'price', 'leave', 'join'), which: fc.nat(5), size: fc.constantFrom(500, 1000, 3000) })
  fc.assert(fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
    const { market, nodes } = marketOf({ a: { cpuHour: 1 }, b: { cpuHour: 1.1 }, c: { cpuHour: 1.2, cpuMillis: 2000 } })
    const all = Object.values(nodes)
    for (const { what, which, size } of steps) {
      const node = all[which % all.length]!
      if (what === 'submit') market.submit(buyer, aSpec({ resources: { cpuMillis: size }, limits: { runMs: 1000 } }))
      if (what === 'report') { const order = market.dispatched(node.id)[0]; if (order) market.report(order) }
      if (what === 'pause' || what === 'resume') market.act({ kind: 'will', node: node.id, will: what === 'pause' ? 'paused' : 'open' })
      if (what === 'price') market.act({ kind: 'price', node: node.id, prices: { ...node.row().prices, cpuHour: String(size * 1000) } })
      if (what === 'leave') market.act({ kind: 'disconnected', node: node.id, session: node.row().session })
      if (what === 'join') { const fresh = market.join(`n${all.length}`); fresh.connect(); all.push(fresh) }
      const need = requirementOf({ ...(market.submit(buyer, JobSpec.parse({ command: ['x'], resources: { cpuMillis: size, memoryBytes: 900 * GIB } }), { cap: credits(9) }) as Submitted).job }, undefined, [])
      const asked = { ...need, spec: aSpec({ resources: { cpuMillis: size } }) }, { state, now } = market, key = `asked for ${size}`
      expect(state.candidates.of(state, key, asked, now)).toEqual(lookAfresh(state, asked, now))
      // And so is whom they choose, with some nodes kept from it and with none; what is kept from it is not remembered.
      const free = (odd: boolean) => (row: { id: string }): boolean => odd || Number.parseInt(row.id.slice(-1), 36) % 2 === 0
      for (const odd of [false, true]) expect(state.candidates.cheapest(state, key, asked, now, { nodes: state.nodes.keys(), mayTake: free(odd) })).toEqual(cheapest(lookAfresh(state, asked, now), [], free(odd)))
      expect(state.candidates.couldGo(state, key, asked, now)).toBe([...state.nodes.values()].some((row) => obstacles(row, asked).length === 0))
    }
  }), { numRuns: 40 })
})

test('who is chosen is chosen as it is now: a row that says nothing new to the answers is not an old one to the offer', () => {
  const { market, nodes } = marketOf({ north: {} }), { state, now } = market, asked = needOf({}), row = nodes['north']!.row()
  expect(state.candidates.cheapest(state, 'one', asked, now)?.node).toBe(row)
  apply(state, { kind: 'node', row: { ...row, session: 99 } })
  expect(state.candidates.cheapest(state, 'one', asked, now)?.node.session).toBe(99)
})
