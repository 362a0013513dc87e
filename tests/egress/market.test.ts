// Outgoing connections through the whole market: an owner who allows them, one who does not, and a job that names a host.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { join } from 'node:path'
import { startAgent } from '@lumaris/agent'
import { createClient, verifyReceipt } from '@lumaris/sdk'
import { GIB } from '@lumaris/protocol'
import type { Attempt, DriverOffer, Receipt } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'
import { NEEDS, configOf, lacks, startHost } from './rig.ts'
import type { Host } from './rig.ts'

const needs = lacks ?? NEEDS.bwrap
const TIMES = { heartbeatMs: 1_000, suspectMs: 10_000, lostMs: 20_000, offerMs: 10_000, resendMs: 1_000, cancelMs: 5_000, retryBackoffMs: 100 }

if (needs) test.skip(`egress through the market: ${needs}`, () => undefined)
else describe('egress through the market', () => {
  let market: TestMarket, host: Host
  const join_ = async (name: string, seller: number, egress: boolean): Promise<void> => {
    const { body } = await market.call(market.demo.sellers[seller]?.key ?? '', 'POST', '/v1/enrolments', { name })
    const agent = await startAgent({
      server: market.url, dataDir: join(market.dir, name), token: body.token, name, prices: { cpuHour: '1000000', outGib: '1000000' }, driverIds: ['bwrap'], stopMs: 3_000, settings: { heartbeatMs: 1_000, tickMs: 500, sealMs: 100 },
      capacity: { cpuMillis: 4000, memoryBytes: 4 * GIB, diskBytes: 10 * GIB, gpus: 0 }, ...(egress ? { egress: configOf({ 'data.example': ['127.0.0.1'] }, host.port) } : {}),
    })
    await agent.ready
    market.agents.push(agent)
  }
  beforeAll(async () => {
    market = await startMarket({ server: { settings: TIMES } })
    host = await startHost('x'.repeat(100_000))
    await join_('closed', 0, false)
  }, 300_000)
  afterAll(async () => { await market?.stop(); await host?.close() }, 60_000)
  const spec = () => ({
    command: ['/usr/bin/python3', '-c', `import urllib.request, time\nn = len(urllib.request.urlopen('http://data.example:${host.port}/').read())\nprint(n, flush=True)\ntime.sleep(1.5)\nprint(len(urllib.request.urlopen('http://data.example:${host.port}/').read()))`],
    outputs: [], resources: { memoryBytes: GIB / 4, diskBytes: GIB / 16 }, network: { egress: [{ host: 'data.example', port: host.port }] },
  })

  test('nobody offers it unasked: the job is refused, and told why', { timeout: 300_000 }, async () => {
    const nodes = (await market.call(market.demo.sellers[0]?.key ?? '', 'GET', '/v1/nodes')).body.data as { drivers: DriverOffer[] }[]
    expect(nodes[0]?.drivers.map(({ id, egress }) => ({ id, egress }))).toEqual([{ id: 'bwrap', egress: undefined }])
    const { status, body } = await market.submit(spec(), { noWait: true })
    expect({ status, code: body.code }).toMatchObject({ code: 'no_node_fits' })
    expect(JSON.stringify(body)).toContain('egress')
    const waiting = (await market.submit(spec(), { cap: '10000000' })).body
    const why = (await market.call(market.buyer, 'GET', `/v1/jobs/${waiting.id}/explain`)).body
    expect(why.waiting.nodes).toEqual([expect.objectContaining({ reason: 'egress', says: 'closed allows no outgoing connections for this work' })])
    expect(why.waiting.changes).toEqual([])
    await market.call(market.buyer, 'POST', `/v1/jobs/${waiting.id}/cancel`)
  })

  test('where the owner allows it, the job reaches its host; what moved is in every tick and in the receipt, and costs nothing', { timeout: 300_000 }, async () => {
    await join_('open', 1, true)
    const nodes = (await market.call(market.demo.sellers[1]?.key ?? '', 'GET', '/v1/nodes')).body.data as { drivers: DriverOffer[] }[]
    expect(nodes[0]?.drivers).toEqual([expect.objectContaining({ id: 'bwrap', egress: true })])
    const job = await market.ended((await market.submit(spec())).body.id)
    const [attempt, ...more] = (await market.call(market.buyer, 'GET', `/v1/jobs/${job.id}/attempts`)).body.data as Attempt[]
    expect(more).toEqual([])
    expect(job, JSON.stringify(attempt)).toMatchObject({ state: 'completed', exitCode: 0 })
    expect(attempt).toMatchObject({ nodeName: 'open', cause: 'succeeded' })
    expect(attempt?.usage.egressInBytes).toBeGreaterThan(200_000)
    expect(attempt?.usage.egressInBytes).toBeLessThan(201_000)
    expect(attempt?.usage.egressOutBytes).toBeGreaterThan(100)
    expect(attempt?.usage.outBytes).toBe('100000\n100000\n'.length)
    const client = createClient({ url: market.url, token: market.buyer }), fetched = () => client.receipt(attempt?.id as Attempt['id'])
    await expect.poll(async () => (await fetched()).ticks.at(-1)?.seal, { timeout: 60_000 }).toBeDefined()
    const receipt: Receipt = await fetched()
    const moved = receipt.ticks.map(({ tick }) => tick.usage.egressInBytes ?? 0)
    expect(moved.length).toBeGreaterThan(1)
    expect(moved).toEqual([...moved].sort((a, b) => a - b))
    expect(moved.at(-1)).toBe(attempt?.usage.egressInBytes)
    expect(moved.some((bytes) => bytes > 100_000 && bytes < 200_000)).toBe(true)
    const verdict = await verifyReceipt(receipt)
    expect(verdict.checks.filter(({ ok }) => !ok)).toEqual([])
    expect(verdict.computed).toBe(BigInt(receipt.bill?.amount ?? 0)) // from time and output alone
    const forged = structuredClone(receipt)
    forged.ticks[0] = { ...forged.ticks[0] as Receipt['ticks'][number], tick: { ...(forged.ticks[0] as Receipt['ticks'][number]).tick, usage: { ...(forged.ticks[0] as Receipt['ticks'][number]).tick.usage, egressInBytes: 10 ** 9 } } }
    expect((await verifyReceipt(forged)).ok).toBe(false)
  })

  test('a host that is not on the list stays away, and the job goes on', { timeout: 300_000 }, async () => {
    const command = ['/usr/bin/python3', '-c', `import urllib.request\ntry: urllib.request.urlopen('http://other.example:${host.port}/')\nexcept urllib.error.HTTPError as e: print(e.code, e.read().decode())`]
    const job = await market.ended((await market.submit({ ...spec(), command })).body.id)
    const [attempt] = (await market.call(market.buyer, 'GET', `/v1/jobs/${job.id}/attempts`)).body.data as Attempt[]
    const { data } = (await market.call(market.buyer, 'GET', `/v1/attempts/${attempt?.id}/logs`)).body as { data: { data: string }[] }
    expect(data.map((piece) => Buffer.from(piece.data, 'base64').toString()).join('')).toContain(`403 lumaris: other.example:${host.port} is not among the hosts that this job named`)
    expect(attempt?.usage).toMatchObject({ egressInBytes: 0, egressOutBytes: 0 })
  })
})
