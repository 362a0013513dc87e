// Webhooks against a real receiver on this machine: what is sent, in which order, what happens when it fails, and what is refused.
import { createHmac } from 'node:crypto'
import type { Webhook } from '@lumaris/protocol'
import { startHookReceiver } from '@lumaris/testkit'
import type { HookReceiver, Told } from '@lumaris/testkit'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { JobId } from '@lumaris/protocol'
import { aShell } from '../../apps/cli/src/test-cli.ts'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 1, server: { webhooks: { loopback: true, timeoutMs: 1_000 } } }) })
afterAll(async () => { await market?.stop() })

async function receiver(): Promise<HookReceiver> { const one = await startHookReceiver(); onTestFinished(() => one.stop()); return one }
async function hook(url: string, events: string[]): Promise<Webhook & { secret: string }> {
  const made = await market.call(market.buyer, 'POST', '/v1/webhooks', { url, events })
  expect(made.status).toBe(201)
  onTestFinished(async () => { await market.call(market.buyer, 'DELETE', `/v1/webhooks/${made.body.id}`) })
  return made.body
}
const deliveries = async (id: string) => (await market.call(market.buyer, 'GET', `/v1/webhooks/${id}/deliveries`)).body.data as { id: string; type: string; state: string; tries: number; status?: number; problem?: string }[]
const stateOf = async (id: string): Promise<Webhook> => ((await market.call(market.buyer, 'GET', '/v1/webhooks')).body.data as Webhook[]).find((one) => one.id === id) as Webhook
const typesOf = (told: readonly Told[]): string[] => told.map((one) => (JSON.parse(one.body) as { type: string }).type)
/** What is due is due at once: the waits between tries are not this test's business. */
const dueNow = (id: string) => market.app.db.transact([{ sql: 'UPDATE deliveries SET next_at = 0 WHERE webhook = $1', params: [id] }]).then(() => market.app.webhooks.outbox.kick())

test('each line of a job’s history comes in its order, signed; its secret is shown once and kept sealed', async () => {
  const there = await receiver(), { id, secret } = await hook(`${there.url}/in`, ['job.submitted', 'job.running', 'job.settled', 'job.ended'])
  const { body: job } = await market.submit({ name: 'told', command: ['fake:print', 'x'] })
  await market.ended(job.id as JobId)
  await expect.poll(() => typesOf(there.told).length).toBe(4)
  expect(typesOf(there.told)).toEqual(['job.submitted', 'job.running', 'job.settled', 'job.ended'])
  for (const { headers, body, path } of there.told) {
    expect(path).toBe('/in')
    const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(`${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`).digest('base64')}`)
    expect(Math.abs(Number(headers['webhook-timestamp']) * 1000 - Date.now())).toBeLessThan(60_000)
    expect(JSON.parse(body)).toMatchObject({ timestamp: expect.stringMatching(/^\d{4}-.*Z$/), data: { job: job.id, name: 'told' } })
  }
  expect(JSON.parse((there.told.at(-1) as Told).body)).toMatchObject({ data: { type: 'ended', state: 'completed' } })
  expect(new Set(there.told.map((one) => one.headers['webhook-id'])).size).toBe(4)
  await expect.poll(async () => (await deliveries(id)).every((one) => one.state === 'delivered' && one.status === 204)).toBe(true)
  expect(await stateOf(id)).toMatchObject({ waiting: 0, lastDeliveredAt: expect.any(Number) })
  expect(JSON.stringify([await market.app.db.query('SELECT * FROM webhooks'), (await market.call(market.buyer, 'GET', '/v1/webhooks')).body])).not.toContain(secret.replace('whsec_', ''))
})
test('only what was asked for, and only of one’s own jobs', async () => {
  const there = await receiver()
  await hook(there.url, ['job.ended'])
  const bob = await market.app.identity.register({ email: 'bob@test', password: 'a long password of bob', name: 'bob', roles: ['buyer'] })
  if ('refusal' in bob) throw new Error(bob.refusal)
  await market.app.engine.act({ kind: 'topup', user: bob.id, amount: 1_000_000_000n, provider: 'demo', key: 'bob', bodyHash: 'bob' })
  const key = await market.app.identity.createKey({ kind: 'user', userId: bob.id, roles: ['buyer'], scopes: 'all' }, { label: 'x', scopes: ['jobs:read', 'jobs:write'] })
  if ('refusal' in key) throw new Error(key.refusal)
  const theirs = (await market.call(key.secret, 'POST', '/v1/jobs', { spec: { command: ['fake:exit', '0'] } })).body, mine = (await market.submit({ command: ['fake:exit', '0'] })).body
  await expect.poll(async () => (await market.call(key.secret, 'GET', `/v1/jobs/${theirs.id}`)).body.state).toBe('completed')
  await market.ended(mine.id)
  await expect.poll(() => there.told.length).toBeGreaterThan(0)
  expect(there.told.map((one) => (JSON.parse(one.body) as { data: { job: string } }).data.job)).toEqual([mine.id])
})
test('a standing request that is met is told once', async () => {
  const there = await receiver(), { id } = await hook(there.url, ['standing.met'])
  const { body } = await market.call(market.buyer, 'POST', '/v1/standing-requests', { spec: { command: ['x'], resources: { cpuMillis: 500 } } })
  await expect.poll(() => there.told.length).toBe(1)
  expect(JSON.parse((there.told[0] as Told).body)).toMatchObject({ type: 'standing.met', data: { standing: body.id, found: 1 } })
  await expect.poll(async () => (await deliveries(id)).map((one) => one.state)).toEqual(['delivered'])
})
test('what fails is tried again under the same id, and nothing of the same job overtakes it', async () => {
  const there = await receiver(), { id } = await hook(there.url, ['job.submitted', 'job.ended'])
  there.answerWith(500)
  const slow = (await market.submit({ command: ['fake:exit', '0'] })).body
  await market.ended(slow.id)
  await expect.poll(() => there.told.length).toBe(1)
  await expect.poll(async () => (await deliveries(id)).map((one) => [one.state, one.tries, one.status])).toEqual([['waiting', 0, undefined], ['waiting', 1, 500]])
  there.answerWith(200)
  await dueNow(id)
  await expect.poll(() => there.told.length).toBe(3)
  expect(typesOf(there.told)).toEqual(['job.submitted', 'job.submitted', 'job.ended'])
  expect(there.told[0]?.headers['webhook-id']).toBe(there.told[1]?.headers['webhook-id'])
})
test('one that never answers does not hold up another', async () => {
  const stuck = await receiver(), quick = await receiver()
  stuck.answerWith(() => { /* nothing */ })
  const { id } = await hook(stuck.url, ['job.ended'])
  await hook(quick.url, ['job.ended'])
  const jobs = await Promise.all(Array.from({ length: 6 }, () => market.submit({ command: ['fake:exit', '0'] })))
  for (const { body } of jobs) await market.ended(body.id)
  await expect.poll(() => quick.told.length).toBe(6)
  await expect.poll(async () => (await deliveries(id)).filter((one) => one.problem === 'it did not answer in time').length).toBeGreaterThan(0)
})
test('a redirect is not followed, and what stands behind an address is not read', async () => {
  const elsewhere = await receiver(), there = await receiver(), { id } = await hook(there.url, ['job.ended'])
  there.answerWith((response) => { response.writeHead(302, { location: `${elsewhere.url}/secret` }).end('x'.repeat(1_000_000)) })
  await market.call(market.buyer, 'POST', `/v1/webhooks/${id}/test`)
  await expect.poll(async () => (await deliveries(id))[0]).toMatchObject({ type: 'ping', state: 'waiting', tries: 1, status: 302, problem: 'it answered with a redirect, which is not followed' })
  there.answerWith((response) => { response.writeHead(200, { 'x-large': 'x'.repeat(100_000) }).end() })
  await dueNow(id)
  await expect.poll(async () => (await deliveries(id))[0]).toMatchObject({ tries: 2, problem: 'its answer is too large' })
  // An answer that never ends is no reason to wait: its head is enough.
  there.answerWith((response) => { response.writeHead(200); response.write('x') })
  await dueNow(id)
  await expect.poll(async () => (await deliveries(id))[0]).toMatchObject({ state: 'delivered', tries: 3 })
  expect(elsewhere.told).toEqual([])
})
test('after a day it is given up and the webhook is off, with a notice; it can be turned on and the message sent again', async () => {
  const there = await receiver(), { id } = await hook(there.url, ['job.ended'])
  there.answerWith(503)
  const { body: ping } = await market.call(market.buyer, 'POST', `/v1/webhooks/${id}/test`)
  await expect.poll(async () => (await deliveries(id))[0]?.tries).toBe(1)
  await market.app.db.transact([{ sql: 'UPDATE deliveries SET first_try_at = first_try_at - 86400000 WHERE webhook = $1', params: [id] }])
  await dueNow(id)
  await expect.poll(() => stateOf(id)).toMatchObject({ disabledAt: expect.any(Number), disabledBecause: 'A message could not be delivered for a day: it answered 503.' })
  expect((await deliveries(id))[0]).toMatchObject({ state: 'failed' })
  expect((await market.call(market.buyer, 'POST', `/v1/webhooks/${id}/deliveries/${ping.id}/resend`)).body.code).toBe('webhook_disabled')
  const before = (await market.submit({ command: ['fake:exit', '0'] })).body
  await market.ended(before.id)
  there.answerWith(200)
  expect((await market.call(market.buyer, 'POST', `/v1/webhooks/${id}/enable`)).body).not.toHaveProperty('disabledAt')
  expect((await market.call(market.buyer, 'POST', `/v1/webhooks/${id}/deliveries/${ping.id}/resend`)).status).toBe(200)
  await expect.poll(async () => (await deliveries(id)).map((one) => [one.id, one.state])).toEqual([[ping.id, 'delivered']])
  there.answerWith(410)
  await market.call(market.buyer, 'POST', `/v1/webhooks/${id}/test`)
  await expect.poll(() => stateOf(id)).toMatchObject({ disabledBecause: 'The address said that it is gone (410).' })
})
test('addresses that are not for users are refused in words; so is one webhook too many', async () => {
  for (const [url, reason] of [['http://hooks.example/', /https/], ['https://169.254.169.254/', /public internet/], ['https://u:p@hooks.example/', /user name/], ['what', /not an address/]] as const) {
    expect((await market.call(market.buyer, 'POST', '/v1/webhooks', { url })).body).toMatchObject({ code: 'webhook_url_not_allowed', detail: { reason: expect.stringMatching(reason) } })
  }
  expect((await market.call(market.buyer, 'POST', '/v1/webhooks', { url: 'https://hooks.example/', events: ['job.exploded'] })).body.code).toBe('invalid_request')
  const closed = await startMarket()
  try {
    expect((await closed.call(closed.buyer, 'POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/' })).body.code).toBe('webhook_url_not_allowed')
    const made = await Promise.all(Array.from({ length: 22 }, () => closed.call(closed.buyer, 'POST', '/v1/webhooks', { url: 'https://hooks.example/' })))
    expect(made.filter((one) => one.status === 201)).toHaveLength(20)
    expect(made.find((one) => one.status !== 201)?.body).toMatchObject({ code: 'webhook_limit', detail: { most: 20 } })
  } finally { await closed.stop() }
})
test('the command line: add, list, test, deliveries, remove', async () => {
  const there = await receiver(), { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer })
  const added = await cli(['webhook', 'add', there.url, '--event', 'job.ended', '--event', 'standing.met'])
  expect(added.code).toBe(0)
  const id = /whk_[0-9a-z]{26}/.exec(added.stdout)?.[0] ?? ''
  expect(added.stdout).toMatch(/whsec_[A-Za-z0-9+/=]{44}/)
  expect((await cli(['webhook', 'list', '-q'])).stdout).toContain(id)
  expect((await cli(['webhook', 'test', id])).code).toBe(0)
  await expect.poll(() => typesOf(there.told)).toEqual(['ping'])
  await expect.poll(async () => (await cli(['webhook', 'deliveries', id])).stdout).toMatch(/ping\t\S+\tdelivered\t1\t/)
  expect((await cli(['webhook', 'add', 'http://example.org/'])).stderr).toContain('it must begin with https://')
  expect((await cli(['webhook', 'remove', id])).code).toBe(0)
  expect((await cli(['webhook', 'test', id])).code).toBe(3)
})
