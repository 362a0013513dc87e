// What a seller is shown of each node: what it earned, by day, on both databases; and what counted against it, with what to do.
import { expect, test } from 'vitest'
import type { JobId, NodeExplanation, NodesEarnings } from '@lumaris/protocol'
import { releaseOnce } from '@lumaris/server'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'
import { PATIENT, onEachDatabase } from './each-database.ts'

const earnedOn = (market: TestMarket, key: string | undefined): Promise<NodesEarnings> => market.call(key ?? '', 'GET', '/v1/earnings/nodes?days=7').then(({ body }) => body as NodesEarnings)
const sum = (amounts: readonly string[]): bigint => amounts.reduce((total, one) => total + BigInt(one), 0n)

async function earns(market: TestMarket): Promise<void> {
  const [ada, bo] = market.demo.sellers
  // Ada has two nodes, Bo one; what needs six cores fits on Bo's alone, and what needs less is cheaper with Ada.
  const north = await market.join('north', { seller: 0, cpuHour: 1, cpuMillis: 4_000 }), south = await market.join('south', { seller: 0, cpuHour: 1, cpuMillis: 500 }), west = await market.join('west', { seller: 1, cpuHour: 10 })
  for (const cpuMillis of [4_000, 4_000, 500, 6_000]) { const { status, body } = await market.submit({ command: ['fake:sleep', '120'], resources: { cpuMillis } }); expect(status).toBe(201); await market.ended(body.id as JobId) }
  const wallet = (await market.call(ada?.key ?? '', 'GET', '/v1/wallet')).body
  const found = await earnedOn(market, ada?.key)
  expect(sum(found.nodes.map((node) => node.pending))).toBe(BigInt(wallet.pending))
  expect(sum(found.nodes.flatMap((node) => node.days.map((day) => day.earned)))).toBe(BigInt(wallet.pending))
  const jobs = (await market.call(market.buyer, 'GET', '/v1/jobs?limit=50')).body.data as { id: string }[]
  const attempts = (await Promise.all(jobs.map(async ({ id }) => (await market.call(market.buyer, 'GET', `/v1/jobs/${id}/attempts`)).body.data as { node: string; usage: { runMs: number } }[]))).flat()
  for (const one of found.nodes) expect(one.days.reduce((ran, day) => ran + day.ranMs, 0), one.name).toBe(attempts.filter(({ node }) => node === one.node).reduce((ran, { usage }) => ran + usage.runMs, 0))
  expect(found.nodes.length).toBeGreaterThan(0)
  expect(found.nodes.every((node) => [north.nodeId, south.nodeId].includes(node.node))).toBe(true)
  const others = (await earnedOn(market, bo?.key)).nodes
  expect(others.map((node) => [node.node, node.name])).toEqual([[west.nodeId, 'west']])
  expect(sum(others.map((node) => node.pending))).toBe(BigInt((await market.call(bo?.key ?? '', 'GET', '/v1/wallet')).body.pending))
  const before = sum(found.nodes.map((node) => node.pending))
  await expect.poll(async () => { await releaseOnce(market.app, -60_000); return sum((await earnedOn(market, ada?.key)).nodes.map((node) => node.cleared)) }, { timeout: 60_000 }).toBe(before)
  expect(sum((await earnedOn(market, ada?.key)).nodes.map((node) => node.pending))).toBe(0n)
}
onEachDatabase('what each node earned is what its seller has, pending and then cleared, and nobody else sees it', 60_000, earns)

test('what counted against a node stands there with what to do, once each; what it gave back in time does not', { timeout: 300_000 }, async () => {
  const market = await startMarket({ server: PATIENT }), key = market.demo.sellers[0]?.key ?? ''
  try {
    const node = await market.join('north', { seller: 0 })
    const faults = async () => ((await market.call(key, 'GET', `/v1/nodes/${node.nodeId}/explain`)).body as NodeExplanation).faults
    await market.ended((await market.submit({ command: ['fake:exit', '3'] })).body.id as JobId)
    expect(await faults()).toBe(undefined)
    await market.ended((await market.submit({ command: ['fake:fail-driver'], limits: { retries: 1 } })).body.id as JobId)
    const seen = await faults()
    expect(seen?.map((one) => one.cause)).toEqual(['driver_failed', 'driver_failed'])
    expect(seen?.[0]).toMatchObject({ says: 'the isolation driver failed on the node', whatToDo: expect.stringContaining('self-test') })
    // Stopped in good time, it hands back what runs: that is no fault.
    const job = (await market.submit({ command: ['fake:hang'] })).body.id as JobId
    await expect.poll(async () => (await market.call(market.buyer, 'GET', `/v1/jobs/${job}`)).body.state).toBe('running')
    await node.stop()
    await expect.poll(async () => (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/attempts`)).body.data.at(-1)?.cause).toBe('seller_reclaimed')
    expect((await faults())?.length).toBe(2)
  } finally { await market.stop() }
})
