// What a seller's nodes may earn next: nothing before five minutes of work, from what was earned since the machine is as it is, and on both databases.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startAgent } from '@lumaris/agent'
import type { RunningAgent } from '@lumaris/agent'
import { GIB } from '@lumaris/protocol'
import type { AttemptId, EarningsForecast, JobId } from '@lumaris/protocol'
import { createFakeDriver } from '@lumaris/testkit'
import { expect } from 'vitest'
import type { TestMarket } from '../start-market.ts'
import { onEachDatabase } from './each-database.ts'

const FIVE_MIN = 300_000
async function foresees(market: TestMarket): Promise<void> {
  const { demo, call } = market, key = demo.sellers[0]?.key ?? '', dir = mkdtempSync(join(tmpdir(), 'lumaris-forecast-')), { body } = await call(key, 'POST', '/v1/enrolments', { name: 'attic' })
  const start = async (cpuMillis: number): Promise<RunningAgent> => { const started = await startAgent({ server: market.url, dataDir: dir, token: body.token, name: 'attic', drivers: [createFakeDriver()], prices: { cpuHour: '36000000' }, capacity: { cpuMillis, memoryBytes: 8 * GIB, diskBytes: 8 * GIB, gpus: 0 } }); await started.ready; return started }
  const look = async (): Promise<EarningsForecast> => (await call(key, 'GET', '/v1/earnings/forecast')).body
  /** Its programs ran for so long, as far as the tables know: nobody waits five minutes for a test. */
  const ran = async (attempt: AttemptId, ms: number): Promise<void> => {
    const [row] = await market.app.db.query<{ doc: string }>('SELECT doc FROM attempts WHERE id = $1', [attempt]), doc = JSON.parse(row?.doc ?? '{}') as { usage: object }
    await market.app.db.transact([{ sql: 'UPDATE attempts SET doc = $2 WHERE id = $1', params: [attempt, JSON.stringify({ ...doc, usage: { ...doc.usage, runMs: ms } })] }])
  }
  /** As if it had been what it is for so long. */
  const aged = (ms: number): void => { const { nodes } = market.app.engine.state, node = nodes.get(agent.nodeId); if (node) nodes.set(node.id, { ...node, ...(node.changedAt === undefined ? { enrolledAt: Date.now() - ms } : { changedAt: Date.now() - ms }) }) }
  const work = async (): Promise<AttemptId> => { const { id } = (await market.submit({ command: ['fake:sleep', '120'] })).body; expect((await market.ended(id as JobId)).state).toBe('completed'); return (await call(market.buyer, 'GET', `/v1/jobs/${id}/attempts`)).body.data.at(-1).id }
  let agent = await start(4_000)
  try {
    expect(await look()).toMatchObject({ horizonMs: 86_400_000, leastRanMs: FIVE_MIN, nodes: [{ name: 'attic', why: 'little_work', from: 'joined', jobs: 0, ranMs: 0, earned: '0' }] })
    const first = await work(), second = await work()
    await ran(first, FIVE_MIN - 1)
    await ran(second, 0)
    const almost = await look()
    expect([almost.total, almost.nodes[0]?.why, almost.nodes[0]?.jobs, almost.nodes[0]?.ranMs]).toEqual([undefined, 'little_work', 2, FIVE_MIN - 1])
    await ran(second, 1)
    expect((await look()).nodes[0]?.why).toBe('little_work')
    aged(3_600_000)
    const found = await look(), [node] = found.nodes
    // What was earned is what the page of earnings says, and the middle is as much for a day as came in the time since it joined.
    const [sums] = (await call(key, 'GET', '/v1/earnings/nodes?days=7')).body.nodes
    expect(node?.earned).toBe(sums.pending)
    const expected = (Number(node?.earned) * found.horizonMs) / (found.at - (node?.since ?? 0))
    expect(Number(node?.foreseen?.middle)).toBeCloseTo(expected, -Math.log10(Math.max(2, expected / 1e6)))
    expect(BigInt(node?.foreseen?.low ?? -1)).toBeLessThanOrEqual(BigInt(node?.foreseen?.middle ?? -1))
    // Never more than four cores sold for a day at 36 credits, less five percent.
    expect(BigInt(node?.foreseen?.high ?? -1)).toBeLessThanOrEqual(4n * 24n * 36_000_000n * 95n / 100n)
    expect(found.total).toEqual(node?.foreseen)
    // Paused, it earns nothing; others' nodes are not told of.
    await call(key, 'POST', `/v1/nodes/${agent.nodeId}/pause`)
    expect(await look()).toMatchObject({ nodes: [{ why: 'paused' }] })
    expect((await look()).total).toBe(undefined)
    await call(key, 'POST', `/v1/nodes/${agent.nodeId}/resume`)
    expect((await look()).nodes[0]?.foreseen).toBeDefined()
    expect((await call(demo.sellers[1]?.key ?? '', 'GET', '/v1/earnings/forecast')).body.nodes).toEqual([])
    // Started again as it was it keeps its base; with other cores it begins anew.
    await agent.stop()
    agent = await start(4_000)
    expect((await look()).nodes[0]).toMatchObject({ from: 'joined', jobs: 2 })
    await agent.stop()
    agent = await start(2_000)
    expect((await look()).nodes).toMatchObject([{ why: 'little_work', from: 'changed', jobs: 0, ranMs: 0, earned: '0' }])
    await ran(await work(), FIVE_MIN)
    aged(FIVE_MIN)
    expect((await look()).nodes).toMatchObject([{ from: 'changed', jobs: 1, foreseen: { low: '0' } }])
  } finally {
    await agent.stop()
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  }
}
onEachDatabase('no number without five minutes of work; then one from what was earned since the machine is as it is', 120_000, foresees)
