// What a seller sees of a node beside its figures: what runs there and earns, what happened, a self-test that is asked for; and a node that is removed.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAgent } from '@lumaris/agent'
import { createLog, startServer } from '@lumaris/server'
import { createFakeDriver } from '@lumaris/testkit'
import { GIB, SELF_TEST_EVERY_MS } from '@lumaris/protocol'
import type { JobId, NodeActivity, NodeId } from '@lumaris/protocol'
import { QUICK_AGENT, startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket, ada: string
beforeAll(async () => { market = await startMarket({ server: { settings: {} } }); ada = market.demo.sellers[0]?.key ?? '' })
afterAll(async () => { await market?.stop() })
const activity = async (node: string, key = ada): Promise<NodeActivity> => (await market.call(key, 'GET', `/v1/nodes/${node}/activity`)).body
/** A busy machine connects again now and then. */
const steady = (events: NodeActivity['events']): string[] => events.map((one) => one.what).filter((what) => !['connected', 'disconnected', 'silent', 'back', 'lost'].includes(what))

test('what runs there: program without arguments, time left, rate and earnings; removal waits for its end, is its seller’s alone, and leaves what was earned', { timeout: 300_000 }, async () => {
  const node = await market.join('north', { seller: 0, cpuHour: 2 }), at = `/v1/nodes/${node.nodeId}`
  const job = (await market.submit({ command: ['fake:hang', 'a-secret-of-the-buyer'], resources: { cpuMillis: 2_000 }, limits: { runMs: 600_000 } })).body.id as JobId
  await expect.poll(async () => (await activity(node.nodeId)).work[0]?.state).toBe('running')
  const { work, events } = await activity(node.nodeId)
  expect(work).toMatchObject([{ job, program: 'fake:hang', driver: 'fake', cpuMillis: 2_000, perHour: '4000000' }])
  expect(work[0]?.leftMs).toBeGreaterThan(590_000)
  expect(JSON.stringify(work)).not.toContain('a-secret')
  expect(steady(events)).toEqual(['started', 'joined'])
  expect((await activity(node.nodeId, market.demo.admin.key)).work.length).toBe(1)
  const early = await market.call(ada, 'DELETE', at)
  expect([early.status, early.body.code, early.body.detail]).toEqual([409, 'node_has_work', { running: 1, possible: ['drain'] }])
  await market.call(ada, 'POST', `${at}/drain`)
  await market.call(market.buyer, 'POST', `/v1/jobs/${job}/cancel`)
  await market.ended(job)
  await expect.poll(async () => (await activity(node.nodeId)).work.length).toBe(0)
  const paid = (await market.call(ada, 'GET', '/v1/earnings/nodes?days=7')).body
  expect((await market.call(market.demo.admin.key, 'DELETE', at)).body.code).toBe('forbidden')
  expect((await market.call(market.demo.sellers[1]?.key ?? '', 'DELETE', at)).body.code).toBe('not_found')
  expect((await market.call(ada, 'DELETE', at)).body).toMatchObject({ id: node.nodeId, state: 'retired' })
  expect(await node.ended).toContain('retired')
  expect(steady((await activity(node.nodeId)).events)).toEqual(['retired', 'draining', 'started', 'joined'])
  expect((await market.call(ada, 'GET', '/v1/earnings/nodes?days=7')).body).toEqual(paid)
  expect((await market.call(ada, 'POST', `${at}/resume`)).body.code).toBe('not_in_this_state')
})

test('a self-test is asked by its seller, at most once a minute, and what was found is shown', { timeout: 300_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-activity-')), { body } = await market.call(ada, 'POST', '/v1/enrolments', { name: 'attic' })
  const agent = await startAgent({ server: market.url, dataDir: dir, token: body.token, name: 'attic', drivers: [createFakeDriver()], settings: QUICK_AGENT, capacity: { cpuMillis: 1_000, memoryBytes: GIB, diskBytes: GIB, gpus: 0 }, owner: { roots: { sys: dir, proc: '/proc', dev: dir, loginctl: join(dir, 'none') }, timeZone: 'UTC' } })
  try {
    await agent.ready
    const at = `/v1/nodes/${agent.nodeId}/self-test`
    expect((await market.call(market.demo.admin.key, 'POST', at)).body.code).toBe('forbidden')
    const asked = await market.call(ada, 'POST', at)
    expect([asked.status, asked.body.asked.number, asked.body.asked.againAt - asked.body.asked.at]).toEqual([202, 1, SELF_TEST_EVERY_MS])
    const again = await market.call(ada, 'POST', at)
    expect([again.status, again.body.code]).toEqual([429, 'self_test_too_soon'])
    await expect.poll(async () => (await activity(agent.nodeId)).test.said).toMatchObject({ number: 1, state: 'done', lines: [{ check: 'Market', ok: true }, { check: 'Disk', ok: true }, { check: 'Isolation by fake', ok: true }] })
    const loads = (await market.call(ada, 'GET', '/v1/node-loads')).body.data
    await expect.poll(async () => (await market.call(ada, 'GET', `/v1/nodes/${agent.nodeId}/readings`)).body.machine?.hashBytesS).toBeGreaterThan(1_000_000)
    expect(loads.map((one: { node: string }) => one.node)).toContain(agent.nodeId)
    expect((await market.call(market.demo.sellers[1]?.key ?? '', 'GET', '/v1/node-loads')).body.data).toEqual([])
  } finally { await agent.stop(); rmSync(dir, { recursive: true, force: true }) }
})

test('what happened is there after a restart', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-activity-')), node = `nod_${'1'.repeat(26)}` as NodeId, config = { dataDir: dir, host: '127.0.0.1', port: 0, log: createLog('silent', 'test') }
  const first = await startServer(config)
  first.app.readings.noted(node, { at: 5, what: 'joined' })
  await first.stop()
  const second = await startServer(config)
  try { expect(second.app.readings.events(node)).toEqual([{ at: 5, what: 'joined' }]) } finally { await second.stop(); rmSync(dir, { recursive: true, force: true, maxRetries: 5 }) }
})
