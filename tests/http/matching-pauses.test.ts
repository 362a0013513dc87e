// Operators let nothing new start: by hand over the interface, told to everybody, there after a restart and at a replica that takes over; nothing is lost.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createLog, startServer } from '@lumaris/server'
import type { JobId } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 1 }) })
afterAll(async () => { await market?.stop() })

const admin = () => market.demo.admin.key
const pause = (scope: object = {}) => market.call(admin(), 'POST', '/v1/admin/matching-pauses', { scope, says: 'A flaw is looked at.', reason: 'a report of last night' })
const resume = (id: string) => market.call(admin(), 'POST', `/v1/admin/matching-pauses/${id}/end`, { reason: 'it is mended' })
const explained = async (job: string) => (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/explain`)).body
const queue = async () => (await market.call(admin(), 'GET', '/v1/admin/queue')).body

test('new work waits and says why, everybody reads it, running work ends, and what waited goes on by itself', async () => {
  const running = (await market.submit({ command: ['fake:sleep', '1500'] }, { cap: '1000000' })).body
  await expect.poll(async () => (await market.call(market.buyer, 'GET', `/v1/jobs/${running.id}`)).body.state).toBe('running')
  const quote = (await market.call(market.buyer, 'POST', '/v1/quotes', { spec: { command: ['fake:exit', '0'] } })).body
  const made = await pause()
  expect([made.status, made.body]).toMatchObject([201, { scope: {}, says: 'A flaw is looked at.', reason: 'a report of last night', by: market.demo.admin.id }])
  await expect.poll(async () => (await market.call(null, 'GET', '/v1/market')).body.paused).toEqual({ matching: [{ id: made.body.id, scope: {}, says: 'A flaw is looked at.', since: made.body.since }] })
  // The quote binds: what was agreed is held, and waits.
  const job = (await market.submit({ command: ['fake:exit', '0'] }, { quote: quote.id })).body
  expect(job).toMatchObject({ state: 'queued', cap: quote.cap })
  expect((await market.ended(running.id as JobId)).state).toBe('completed')
  expect(await explained(job.id)).toMatchObject({ paused: { id: made.body.id }, summary: 'Operators let nothing new start of the whole market: A flaw is looked at. It keeps its place in the queue and its hold, and its time to find a node stands still; what runs goes on.' })
  await expect.poll(async () => (await queue()).reasons).toMatchObject([{ reason: 'matching_paused', waiting: 1 }])
  expect((await market.call(market.buyer, 'GET', `/v1/jobs/${job.id}/attempts`)).body.data).toEqual([])
  expect((await resume(made.body.id)).body).toMatchObject({ id: made.body.id })
  expect((await market.ended(job.id as JobId)).state).toBe('completed')
  expect((await resume(made.body.id)).body.code).toBe('not_found')
  await expect.poll(async () => (await market.call(null, 'GET', '/v1/market')).body.paused).toBeUndefined()
  expect((await market.call(admin(), 'GET', `/v1/admin/actions?subject=${made.body.id}`)).body.data).toMatchObject([{ action: 'matching.resume', reason: 'it is mended', request: expect.stringMatching(/^req_/) }, { action: 'matching.pause', reason: 'a report of last night', from: '127.0.0.1' }])
})

test('a class alone: others are served, and a quote says how many nodes are held back', async () => {
  const gpus = (await pause({ gpus: true })).body, far = (await pause({ regions: ['far'], levels: ['namespace'] })).body
  expect((await market.call(admin(), 'GET', '/v1/admin/matching-pauses')).body.data.map(({ id }: { id: string }) => id)).toEqual([gpus.id, far.id])
  expect((await market.ended((await market.submit({ command: ['fake:exit', '0'] }, { cap: '1000000' })).body.id as JobId)).state).toBe('completed')
  const waits = (await market.submit({ command: ['fake:exit', '0'], resources: { gpus: 1 } }, { cap: '1000000' })).body
  expect(await explained(waits.id)).toMatchObject({ paused: { id: gpus.id } })
  for (const one of [gpus, far]) await resume(one.id)
  expect(await explained(waits.id)).not.toHaveProperty('paused')
  await market.call(market.buyer, 'POST', `/v1/jobs/${waits.id}/cancel`, {})
})

test.each<[object, string]>([[{ says: '', reason: 'because' }, '/says'], [{ says: 'It is so.', reason: 'x' }, '/reason'], [{ says: 'a\u202eb', reason: 'because' }, '/says'], [{ says: 'It is so.', reason: 'because', scope: { regions: [] } }, '/scope/regions'], [{ says: 'It is so.', reason: 'because', scope: { levels: ['moat'] } }, '/scope/levels/0'], [{ says: 'It is so.', reason: 'because', scope: { gpus: false } }, '/scope/gpus'], [{ says: 'It is so.', reason: 'because', scope: { nodes: ['x'] } }, '/scope']])('what is no pause is refused beside its name, and nothing is held back: %j', async (body, pointer) => {
  const answer = await market.call(admin(), 'POST', '/v1/admin/matching-pauses', body)
  expect([answer.status, answer.body.code, answer.body.errors?.[0]?.pointer]).toEqual([400, 'invalid_request', pointer])
  expect((await market.call(admin(), 'GET', '/v1/admin/matching-pauses')).body.data).toEqual([])
})

test('a restart finds it: nothing starts before it is ended', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'operators-pause-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const start = () => startServer({ dataDir: dir, host: '127.0.0.1', port: 0, log: createLog('silent', 'test') })
  const one = await start()
  const row = await one.app.engine.act({ kind: 'pauseMatching', by: market.demo.admin.id, scope: { regions: ['eu'] }, says: 'A flaw is looked at.', reason: 'a report' })
  expect(row).toMatchObject({ endedAt: null })
  await one.stop()
  const two = await start()
  onTestFinished(() => two.stop())
  expect(two.app.engine.state.pauses).toEqual([row])
  expect(await (await fetch(`${two.url}/v1/market`)).json()).toMatchObject({ paused: { matching: [{ scope: { regions: ['eu'] } }] } })
})
