// What lies around a request: each figure is that of a real quote for that very change, and waits are those that were measured.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { JobSpec } from '@lumaris/protocol'
import type { QuoteAround, QuoteChange } from '@lumaris/protocol'
import { aShell } from '../../apps/cli/src/test-cli.ts'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

const GIB = 1024 ** 3
let market: TestMarket
beforeAll(async () => {
  market = await startMarket()
  // Sixteen GiB and eight cores each; one of them takes interruptible work, at two fifths of its price.
  await market.join('a', { cpuHour: 1 })
  await market.join('b', { cpuHour: 2, spotPercent: 40 })
  await market.join('c', { cpuHour: 3, cpuMillis: 2000 })
})
afterAll(() => market.stop())
const around = async (spec: object, more: object = {}): Promise<QuoteAround> => (await market.call(market.buyer, 'POST', '/v1/quotes/around', { spec, ...more })).body
const quote = async (spec: object, more: object = {}) => (await market.call(market.buyer, 'POST', '/v1/quotes', { spec, ...more })).body
/** The request as the change has it, written without the market's help. */
function changed(bare: object, { what, to }: QuoteChange): object {
  const spec = JobSpec.parse(bare), { placement, resources } = spec
  if (what === 'interruptible') return { ...spec, interruptible: {} }
  if (what in resources) return { ...spec, resources: { ...resources, [what]: to ?? undefined } }
  return { ...spec, placement: { ...placement, [what]: to ?? undefined } }
}

test.each([
  ['memory and cores', { command: ['x'], resources: { memoryBytes: 12 * GIB, cpuMillis: 6000 } }], ['a bound on one try', { command: ['x'], placement: { maxAttemptCost: '100' } }], ['trust and a region', { command: ['x'], placement: { minTrust: 'known', regions: ['elsewhere', 'unknown'] } }],
  ['many tasks with copies', { command: ['x'], tasks: [{}, {}, {}], copies: 2, resources: { cpuMillis: 4000 } }],
])('each change is what a quote for it says: %s', async (_name, spec) => {
  const found = await around(spec), now = await quote(spec)
  expect(found).toMatchObject({ p50: now.p50, cap: now.cap, nodes: now.nodes, nodesFree: now.nodesFree })
  expect(found.changes.length).toBeGreaterThan(0)
  for (const change of found.changes) {
    const { p50, cap, nodes, nodesFree } = await quote(changed(spec, change))
    expect({ p50, cap, nodes, nodesFree }, JSON.stringify(change)).toEqual({ p50: change.p50, cap: change.cap, nodes: change.nodes, nodesFree: change.nodesFree })
    expect(BigInt(p50) < BigInt(now.p50) || nodes > now.nodes, JSON.stringify(change)).toBe(true)
  }
})
test('six cores are what two of three have; fewer bring the third', async () => {
  const { changes } = await around({ command: ['x'], resources: { cpuMillis: 6000 } })
  expect(changes.find(({ what }) => what === 'cpuMillis')).toMatchObject({ from: 6000, to: 1500, nodes: 3 })
  expect(changes.find(({ what }) => what === 'interruptible')).toMatchObject({ from: 'firm', to: 'interruptible', nodes: 1 })
})
test('under a budget as well; with a plan nothing; what contradicts itself is refused as a quote is', async () => {
  const spec = { command: ['x'], resources: { cpuMillis: 6000 } }, cap = '400000'
  const found = await around(spec, { cap })
  for (const change of found.changes) { const { nodes, cap: most } = await quote(changed(spec, change), { cap }); expect([nodes, most]).toEqual([change.nodes, change.cap]) }
  expect((await around({ command: ['x'], plan: 'deadline', deadline: Date.now() + 86_400_000, expectedMs: 60_000 })).changes).toEqual([])
  expect(await around({ command: ['x'], interruptible: {}, displace: '5' })).toMatchObject({ code: 'impossible_request' })
})
test('nothing that would contradict itself, and nothing that does not help', async () => {
  for (const { what } of (await around({ command: ['x'], tasks: [{}, {}], gang: true })).changes) expect(what).not.toBe('interruptible')
  expect((await around({ command: ['x'], resources: { cpuMillis: 50, memoryBytes: 16 * 1024 ** 2, diskBytes: 1024 ** 2 } })).changes.every(({ what }) => what === 'interruptible')).toBe(true)
})
test('waits are told when five like it began, and of like jobs only', async () => {
  const wait = async (spec: object) => (await around(spec)).wait
  expect(await wait({ command: ['x'] })).toBeUndefined()
  for (let i = 0; i < 5; i++) {
    expect(await wait({ command: ['x'] })).toBeUndefined()
    const { body } = await market.submit({ command: ['fake:exit', '0'], tasks: [{}, {}] })
    await market.ended(body.id)
  }
  const told = await wait({ command: ['x'] })
  expect(told?.starts).toBe(5)
  expect(told?.p50Ms).toBeGreaterThanOrEqual(0)
  expect(told?.p90Ms).toBeLessThan(10_000)
  expect(await wait({ command: ['x'], placement: { minLevel: 'vm' } })).toBeUndefined()
  expect(await wait({ command: ['x'], interruptible: {} })).toBeUndefined()
})
test('the command line tells them beside the price', async () => {
  const { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer }), { code, stdout } = await cli(['quote', '--cpus', '6', '--memory', '12GiB', '--', 'x'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/cheaper, or more nodes\s.*--cpus 1.5 instead of 6: −75 %, 3 nodes instead of 2/)
  expect(stdout).toMatch(/--interruptible: −\d+ %, 1 node instead of 2/)
  expect(stdout).toMatch(/market’s part\s+\d+(\.\d+)? %, in the price/)
  expect(stdout).toMatch(/waited\s+.*of 5 like it/)
  expect(JSON.parse((await cli(['quote', '--json', '--cpus', '6', '--', 'x'])).stdout)).toMatchObject({ id: expect.stringMatching(/^quo_/), around: { changes: expect.any(Array) } })
})
