import { expect, test } from 'vitest'
import type { JobDispatch, NodeId } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { NodeRow } from '../../rows.ts'
import { WINDOW_MS } from './headroom.ts'
import { FirmUse } from './keep-free.ts'

const row = (id: string, cpuMillis: number, more: { region?: string; gpus?: number; gpuModel?: string } = {}) =>
  ({ id: id as NodeId, region: more.region ?? 'r', capacity: { cpuMillis, memoryBytes: 1, diskBytes: 1, gpus: more.gpus ?? 0, ...(more.gpuModel ? { gpuModel: more.gpuModel } : {}) } }) as NodeRow
const core = { cpuMillis: 1000, gpus: 0 }
/** Firm use of one node goes up and down by so many cores in every other window. */
function swinging(cores: number, node = row('a', 8000)) {
  const firm = new FirmUse()
  for (let i = 0; i < 8; i++) { for (let n = 0; n < cores; n++) { firm.hold(node.id, node, core, i % 2 === 0 ? 1 : -1) } firm.saw(i * WINDOW_MS) }
  return firm
}
const unitsOf = (firm: FirmUse, nodes: readonly NodeRow[], most: number, each = core): number => firm.sellable(nodes.map((node) => ({ node, free: node.capacity })), most).units(nodes[0] as NodeRow, each)

test('before anything is known all of a pool may be sold; then as much is kept as firm use swings by, and never more than a part', () => {
  const node = row('a', 8000)
  expect(unitsOf(new FirmUse(), [node], 0.5)).toBe(8)
  expect(unitsOf(swinging(0), [node], 0.5)).toBe(8)
  expect(unitsOf(swinging(2), [node], 0.5)).toBe(5)
  expect(unitsOf(swinging(2), [node], 0.25)).toBe(6)
  expect(unitsOf(swinging(2), [node], 0)).toBe(8)
})
test('other regions and other hardware are other pools', () => {
  expect(unitsOf(swinging(2), [row('b', 8000, { region: 'elsewhere' })], 0.5)).toBe(8)
  expect(unitsOf(swinging(2), [row('b', 8000, { gpus: 4, gpuModel: 'nvidia-l4' })], 0.5, { cpuMillis: 1000, gpus: 1 })).toBe(4)
})
test('what is kept is kept once, however many nodes a pool has, and what was sold is not there for the next', () => {
  const nodes = [row('a', 8000), row('b', 8000)], firm = swinging(2), sellable = firm.sellable(nodes.map((node) => ({ node, free: node.capacity })), 0.25)
  expect(nodes.map((node) => sellable.units(node, core))).toEqual([13, 13])
  sellable.take(nodes[0] as NodeRow, core, 8)
  expect(sellable.units(nodes[1] as NodeRow, core)).toBe(5)
})
test('a node that becomes another while work runs gives back where it took', () => {
  const firm = new FirmUse(), before = row('a', 8000), after = row('a', 8000, { gpus: 1, gpuModel: 'nvidia-l4' })
  firm.hold(before.id, before, core, 1)
  firm.hold(before.id, after, core, -1)
  firm.saw(WINDOW_MS)
  firm.hold(before.id, after, core, 1)
  firm.saw(2 * WINDOW_MS)
  // Taken from the new pool before it was given any, its use would have grown by a core.
  expect([unitsOf(firm, [before], 1), unitsOf(firm, [after], 1)]).toEqual([8, 8])
})
test('on a market: firm work that comes and goes leaves room that is not sold, and firm work is there at once', () => {
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 } }), firm = aUser('firm'), spot = aUser('spot')
  for (const user of [firm, spot]) market.fund(user, credits(1000))
  const node = market.join('n', { cpuMillis: 8000, spotPercent: 50 })
  node.connect()
  const submit = (buyer: typeof firm, more: object = {}) => market.submit(buyer, aSpec({ limits: { runMs: 3_600_000 }, ...more }), { cap: credits(10) })
  let running: JobDispatch[] = []
  for (let i = 0; i < 10; i++) {
    if (i % 2 === 0) { submit(firm); submit(firm); running = market.dispatched(node.id) } else for (const order of running) market.report(order)
    market.pass(WINDOW_MS)
  }
  for (let i = 0; i < 10; i++) submit(spot, { interruptible: {} })
  market.pass(30_000)
  // Of eight cores as much is kept as a third of them allows.
  expect(market.dispatched(node.id)).toHaveLength(5)
  submit(firm)
  submit(firm)
  expect(market.dispatched(node.id)).toHaveLength(2)
})
