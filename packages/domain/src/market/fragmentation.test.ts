import { expect, test } from 'vitest'
import { GIB, PriceSheet, Resources } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import { Demand } from './fragmentation.ts'

const buyer = aUser('buyer')
function aMarketOf(gpus: readonly number[]) {
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 } })
  market.fund(buyer, credits(10_000))
  const nodes = gpus.map((count, i) => {
    const node = market.join(`n${i}`, { cpuMillis: 32_000, memoryBytes: 256 * GIB, gpus: count, gpuModel: 'nvidia-a100' })
    node.connect()
    return node
  })
  const setPrice = (i: number, gpuHour: string) => market.act({ kind: 'price', node: (nodes[i] as (typeof nodes)[number]).id, prices: PriceSheet.parse({ cpuHour: '10000', gpuHour }) })
  nodes.forEach((_, i) => setPrice(i, '1000000'))
  const place = (count: number, more: { cpuMillis?: number } = {}) => {
    market.submit(buyer, aSpec({ resources: { gpus: count, ...more } }), { cap: credits(50) })
    const orders = nodes.flatMap((node, i) => market.dispatched(node.id).map((order) => ({ i, order })))
    expect(orders).toHaveLength(1)
    return orders[0] as (typeof orders)[number]
  }
  return { market, place, setPrice }
}

test('single GPUs are taken where a whole machine is broken already, so that the next whole one is there', () => {
  const { market, place, setPrice } = aMarketOf([4, 4, 4])
  // Four and one are asked for alike; cancelled at once, so that no node has shown more than another.
  for (let i = 0; i < 8; i++) for (const count of [4, 1]) market.act({ kind: 'cancel', job: place(count).order.job_id })
  // The last of them is cheaper for a moment, and has one GPU taken; then all cost the same again, and ties would go to the first.
  setPrice(2, '900000')
  expect(place(1).i).toBe(2)
  setPrice(2, '1000000')
  expect([place(1).i, place(1).i, place(1).i]).toEqual([2, 2, 2])
  expect([place(4).i, place(4).i]).toEqual([0, 1])
})

test('work without GPUs keeps off the processors that idle GPUs need, when it has the choice at one price', () => {
  const { market, place } = aMarketOf([8, 0])
  for (let i = 0; i < 20; i++) market.report(place(4, { cpuMillis: 16_000 }).order)
  expect([place(0, { cpuMillis: 8000 }).i, place(0, { cpuMillis: 8000 }).i]).toEqual([1, 1])
})

test('a market that has placed nothing with GPUs does not judge them, and forgets what was asked for long ago', () => {
  const demand = new Demand()
  expect(demand.value).toBeNull()
  demand.saw(Resources.parse({ gpus: 1 }))
  expect(demand.value).not.toBeNull()
  for (let i = 0; i < 1_000; i++) demand.saw(Resources.parse({}))
  expect(demand.value).toBeNull()
})
