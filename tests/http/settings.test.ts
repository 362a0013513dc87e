// What operators change while the market runs: who may, what holds from when on, that two do not overwrite one another, and that it is there after a restart.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createLog, startServer } from '@lumaris/server'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ server: { rates: { quote: { max: 1_000, perMs: 60_000 } } } }) })
afterAll(async () => { await market?.stop() })

const read = async () => (await market.call(market.demo.admin.key, 'GET', '/v1/admin/settings')).body as { version: number; values: Record<string, unknown>; defaults: Record<string, unknown>; changedBy?: string }
const set = async (values: object, version?: number) => market.call(market.demo.admin.key, 'PATCH', '/v1/admin/settings', { version: version ?? (await read()).version, set: values, reason: 'as agreed' })

test('read, changed, read again; each version is kept with who, why, before and after', async () => {
  expect(await read()).toMatchObject({ version: 0, values: { fee: 500, agentVersionMin: '0.0.0', newJobsPaused: '' } })
  expect((await set({ fee: 400, callerRate: 5_000 })).body).toMatchObject({ version: 1, values: { fee: 400, callerRate: 5_000 }, defaults: { fee: 500, callerRate: 6_000 }, changedBy: market.demo.admin.id })
  expect((await market.call(null, 'GET', '/v1/market')).body.feeBasisPoints).toBe(400)
  const late = await set({ fee: 100 }, 0)
  expect([late.status, late.body.code, late.body.detail.version]).toEqual([409, 'settings_changed', 1])
  expect((await set({ fee: null })).body).toMatchObject({ version: 2, values: { fee: 500 } })
  const { data } = (await market.call(market.demo.admin.key, 'GET', '/v1/admin/settings/versions?limit=1')).body, older = (await market.call(market.demo.admin.key, 'GET', '/v1/admin/settings/versions?limit=1&cursor=2')).body
  expect(data).toMatchObject([{ version: 2, by: market.demo.admin.id, reason: 'as agreed', changed: { fee: { before: 400, after: null } } }])
  expect(older).toMatchObject({ data: [{ version: 1, changed: { fee: { before: null, after: 400 }, callerRate: { before: null, after: 5_000 } } }], nextCursor: null })
  expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/actions?action=settings.change')).body.data).toMatchObject([{ subject: 'settings 2', before: { fee: 400 }, after: { fee: null } }, { subject: 'settings 1' }])
})

test('what is no value, no setting or no reason is refused beside its name, and nothing is changed', async () => {
  const before = await read(), call = (body: object) => market.call(market.demo.admin.key, 'PATCH', '/v1/admin/settings', { version: before.version, reason: 'a test', ...body })
  for (const [body, pointer] of [[{ set: { fee: 5_001 } }, '/set/fee'], [{ set: { fee: '400' } }, '/set/fee'], [{ set: { callerRate: 1 } }, '/set/callerRate'], [{ set: { agentVersionMin: '1' } }, '/set/agentVersionMin'], [{ set: { newJobsPaused: 'a\nb' } }, '/set/newJobsPaused'], [{ set: { lostMs: 1 } }, '/set'], [{ set: {} }, '/set'], [{ set: { fee: 1 }, reason: '' }, '/reason']] as const) {
    const answer = await call(body)
    expect([answer.status, answer.body.code, answer.body.errors?.[0]?.pointer], JSON.stringify(body)).toEqual([400, 'invalid_request', pointer])
  }
  expect(await read()).toEqual(before)
})

test('sign-ups and new jobs are paused with a sentence, which everybody may read; accounts that exist sign in', async () => {
  await set({ signUpsPaused: 'We are full until Monday.', newJobsPaused: 'A switch is replaced.' })
  const join = await market.call(null, 'POST', '/v1/users', { email: 'eve@test', password: 'seven green bottles', name: 'Eve' })
  expect([join.status, join.body.code, join.body.detail]).toEqual([403, 'sign_ups_paused', { says: 'We are full until Monday.' }])
  const job = await market.submit({ command: ['x'] }, { cap: '1000' })
  expect([job.status, job.body.code, job.body.detail]).toEqual([503, 'new_jobs_paused', { says: 'A switch is replaced.' }])
  await expect.poll(async () => (await market.call(null, 'GET', '/v1/market')).body.paused).toEqual({ newJobs: 'A switch is replaced.', signUps: 'We are full until Monday.' })
  await set({ signUpsPaused: '', newJobsPaused: null })
  expect((await market.call(null, 'POST', '/v1/users', { email: 'eve@test', password: 'seven green bottles', name: 'Eve' })).status).toBe(201)
})

test('a rate holds from the next request on', async () => {
  const ask = async (): Promise<number> => (await market.call(market.buyer, 'POST', '/v1/quotes', { spec: { command: ['x'] } })).status
  expect(await ask()).toBe(201)
  await set({ quoteRate: 10 })
  const answers: number[] = []
  for (let i = 0; i < 12; i++) answers.push(await ask())
  expect(answers.at(-1)).toBe(429)
  expect((await market.call(market.buyer, 'GET', '/v1/wallet')).status).toBe(200)
  await set({ quoteRate: null })
  expect(await ask()).toBe(201)
})

test('an agent that is too old is sent away with words that say what to do, and comes in again when it may', async () => {
  const agent = await market.join('north', { seller: 0 })
  await set({ agentVersionMin: '99.0.0' })
  expect(await agent.ended).toMatch(/^The market refuses this agent: This market asks for a newer agent\. Update it/)
  await set({ agentVersionMin: null })
  await market.join('south', { seller: 0 })
})

test('what was set is there after a restart', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-settings-')), config = { dataDir: dir, host: '127.0.0.1', port: 0, log: createLog('silent', 'test') }
  onTestFinished(() => { rmSync(dir, { recursive: true, force: true, maxRetries: 5 }) })
  const first = await startServer(config)
  await first.app.engine.act({ kind: 'changeSettings', by: market.demo.admin.id, reason: 'a test', version: 0, set: { fee: 123 } })
  await first.stop()
  const second = await startServer(config)
  expect(((await (await fetch(`${second.url}/v1/market`)).json()) as { feeBasisPoints: number }).feeBasisPoints).toBe(123)
  await second.stop()
})
