// Parts of a GPU: who may be given which, at what price, and never one to two.
import { expect, test } from 'vitest'
import { GIB, PriceSheet } from '@lumaris/protocol'
import type { JobSpecInput } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import { Demand } from './fragmentation.ts'
import { estimate } from './quote.ts'
import { lookAfresh } from './candidates.ts'
import { changesThatHelp } from './relax.ts'
import type { Requirement } from './requirement.ts'
import { hourlyOf, priceOf, sheetOf } from '../billing/price.ts'

const buyer = aUser('buyer'), HOUR = 3_600_000
const SEVENTH = { gpus: 7, gpuModel: 'nvidia-h200', gpuShare: 142, gpuMemoryBytes: 18 * GIB }
const CARDS = { gpus: 8, gpuModel: 'nvidia-h200', gpuMemoryBytes: 141 * GIB }
function aMarketOf(nodes: Record<string, Parameters<ReturnType<typeof aMarket>['join']>[1]>, gpuHours: Record<string, string> = {}) {
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 } })
  market.fund(buyer, credits(1_000_000))
  const joined = Object.fromEntries(Object.entries(nodes).map(([name, more]) => {
    const node = market.join(name, { cpuMillis: 64_000, memoryBytes: 512 * GIB, ...more })
    node.connect()
    market.act({ kind: 'price', node: node.id, prices: PriceSheet.parse({ gpuHour: gpuHours[name] ?? '1000000', spotPercent: 50 }) })
    return [name, node]
  }))
  /** Where it was put, with the order; null: it waits. */
  const place = (resources: NonNullable<JobSpecInput['resources']>, more: Partial<JobSpecInput> = {}) => {
    market.submit(buyer, aSpec({ ...more, resources }), { cap: credits(10_000) })
    const [found, second] = Object.entries(joined).flatMap(([name, node]) => market.dispatched(node.id).map((order) => ({ name, order })))
    expect(second).toBeUndefined()
    return found ?? null
  }
  return { market, nodes: joined, place, of: (name: string) => joined[name] as NonNullable<(typeof joined)[string]> }
}
const needOf = (resources: NonNullable<JobSpecInput['resources']>): Requirement => ({ spec: aSpec({ resources }), attemptCap: 2n ** 62n, job: '' as Requirement['job'], avoid: [], owners: [] })

test.each<[string, NonNullable<JobSpecInput['resources']>, string, string | null]>([
  ['who asks for a whole card', { gpus: 1 }, 'parts', 'gpu_share'], ['who asks for a whole card of much memory', { gpus: 1, gpuMemoryBytes: 18 * GIB }, 'parts', 'gpu_share'],
  ['who asks for as much as a part has', { gpus: 1, gpuShare: 142 }, 'parts', null], ['who asks for less', { gpus: 2, gpuShare: 1 }, 'parts', null], ['who asks for more', { gpus: 1, gpuShare: 143 }, 'parts', 'gpu_share'],
  ['who asks by memory alone', { gpus: 1, gpuShare: 1, gpuMemoryBytes: 18 * GIB }, 'parts', null], ['who needs more memory', { gpus: 1, gpuShare: 1, gpuMemoryBytes: 19 * GIB }, 'parts', 'gpu_memory'],
  ['who asks for a model', { gpus: 1, gpuShare: 1, gpuModels: ['nvidia-h200'] }, 'parts', null], ['who asks for another', { gpus: 1, gpuShare: 1, gpuModels: ['nvidia-l4'] }, 'parts', 'gpu_model'],
  ['who asks for no GPU', { gpus: 0 }, 'parts', null], ['a part may be a whole card', { gpus: 1, gpuShare: 1000 }, 'cards', null], ['a whole card is one', { gpus: 1 }, 'cards', null],
])('%s: %j on %s is %s', (_name, resources, name, no) => {
  const { market } = aMarketOf({ [name]: name === 'parts' ? SEVENTH : CARDS })
  expect(lookAfresh(market.state, needOf(resources), market.now)[0]?.no).toBe(no)
})

test('each partition is given once, and the eighth job waits for one', () => {
  const { market, place, of } = aMarketOf({ parts: SEVENTH })
  const orders = Array.from({ length: 7 }, () => place({ gpus: 1, gpuShare: 100 }))
  expect(orders.every((one) => one?.name === 'parts')).toBe(true)
  expect(place({ gpus: 1, gpuShare: 100 })).toBeNull()
  expect(market.state.gpusInUse).toBe(7 * 142)
  market.report(orders[3]!.order)
  expect([market.state.gpusInUse, market.state.queue.size, market.dispatched(of('parts').id)]).toEqual([7 * 142, 0, [expect.objectContaining({ type: 'job_dispatch' })]])
})

test('a partition costs its share of what the seller asks for a card; a card in its place costs a card', () => {
  const { place, of } = aMarketOf({ parts: SEVENTH, cards: CARDS }, { parts: '1000007', cards: '1000000' })
  const part = place({ gpus: 1, gpuShare: 142 })!
  expect([part.name, part.order.terms.prices.gpuHour]).toEqual(['parts', '142000'])
  expect(priceOf(part.order.prices, part.order.resources, { runMs: HOUR, outBytes: 0 })).toBe(142_000n)
  // Only the card has so much memory.
  const card = place({ gpus: 1, gpuShare: 142, gpuMemoryBytes: 100 * GIB })!
  expect([card.name, card.order.terms.prices.gpuHour]).toEqual(['cards', '1000000'])
  // Interruptible work as well: half of the share.
  expect(hourlyOf(sheetOf(of('parts').row()), aSpec({ resources: { gpus: 2, gpuShare: 1 } }).resources)).toBe(284_000n)
})

test('a part of a dear card is passed by for a whole one that is cheaper still', () => {
  const { place } = aMarketOf({ parts: SEVENTH, cards: CARDS }, { parts: '8000000', cards: '1000000' })
  expect(place({ gpus: 1, gpuShare: 100 })?.name).toBe('cards')
})

test('a quote is made of the parts that would serve it', () => {
  const { market } = aMarketOf({ parts: SEVENTH })
  const spec = aSpec({ resources: { gpus: 1, gpuShare: 142 }, limits: { runMs: HOUR }, expectedMs: HOUR })
  expect(estimate(market.state, spec, market.now)).toMatchObject({ p50: 142_000n, attemptCap: 142_000n, nodes: 1, nodesFree: 1 })
  expect(estimate(market.state, aSpec({ resources: { gpus: 1 } }), market.now)).toMatchObject({ nodes: 0, refused: { gpu_share: 1 } })
})

test('interruptible work buys a part at the floor of its share', () => {
  const { market, place } = aMarketOf({ parts: SEVENTH })
  place({ gpus: 1, gpuShare: 142 }, { interruptible: { bidHour: '70999' } })
  market.now += 40_000; market.act({ kind: 'clock' })
  expect([...market.state.attempts.values()]).toHaveLength(0)
  market.submit(buyer, aSpec({ resources: { gpus: 1, gpuShare: 142 }, interruptible: { bidHour: '71000' } }), { cap: credits(100) })
  market.now += 40_000; market.act({ kind: 'clock' })
  expect([...market.state.attempts.values()].map(({ prices }) => prices.gpuHour)).toEqual(['71000'])
})

test('who asks for whole cards is told that a part would be there', () => {
  const { market } = aMarketOf({ parts: SEVENTH })
  expect(changesThatHelp(market.state, needOf({ gpus: 1 }), market.now)).toMatchObject([{ steps: [{ reason: 'gpu_share', from: 1000, to: 142 }], nodes: 1 }])
})

test('a share without a GPU is refused', () => {
  const { market } = aMarketOf({ parts: SEVENTH })
  expect(market.submit(buyer, aSpec({ resources: { gpuShare: 142 } }), { cap: credits(1) })).toMatchObject({ refusal: 'impossible_request' })
})

test('where both cost the same, a part is taken, and whole cards are left to who needs them', () => {
  // A card is cheaper by as much as it is larger, so that the prices of the two are equal.
  const { place } = aMarketOf({ acards: { ...CARDS, gpus: 4 }, parts: { ...SEVENTH, gpuShare: 100 } }, { acards: '1000000', parts: '10000000' })
  for (let i = 0; i < 3; i++) place({ gpus: 1 })
  expect(place({ gpus: 1, gpuShare: 100 })?.name).toBe('parts')
})

test('a thousand sizes of parts are as few to the score as it can tell apart', () => {
  const demand = new Demand()
  for (let share = 1; share <= 999; share++) demand.saw(aSpec({ resources: { gpus: 1, gpuShare: share } }).resources)
  expect(demand.value?.value(0, 64_000, Int32Array.from([0, 0, 0, 0, 0, 0, 500, 500]))).toBeGreaterThan(0)
})

test('when a node is divided anew, what is in use is counted by the parts there are now', () => {
  const { market, nodes, place } = aMarketOf({ parts: SEVENTH })
  place({ gpus: 1, gpuShare: 100 })
  const row = nodes['parts']!.row()
  expect([market.state.gpusInUse, market.state.offered[2]]).toEqual([142, 7 * 142])
  market.act({ kind: 'hello', hello: { type: 'hello', protocol: 1, node_id: row.id, boot_id: row.bootId, agent_version: '0.1.0', nonce: 'n', signature: 'x'.repeat(86), capacity: { ...row.capacity, gpuShare: 285, gpus: 3 }, drivers: row.drivers, attempts: [] } as never })
  expect(market.state.offered[2]).toBe(3 * 285)
  expect([0, 285]).toContain(market.state.gpusInUse)
})
