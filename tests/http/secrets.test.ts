// A job's secrets, attacked: whoever may look, wherever it lies, nobody finds a value again; and the attempt has it all the same.
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newJobId } from '@lumaris/sdk'
import { QUICK, startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

/** Known to programs of these tests, and so no secret. */
const TOLD = 'a value that a command names'
const VALUE = 'correct-horse-battery-staple-7431', OTHER = 'another value of a secret 8452'
let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 1, server: { webhooks: { loopback: true } } }) })
afterAll(() => market.stop())

const filesBelow = (dir: string): string[] => readdirSync(dir).flatMap((name) => { const path = join(dir, name); return statSync(path).isDirectory() ? filesBelow(path) : [path] })
/** Every file of the market and of its agents, journals of databases too. */
const filesWith = (text: string): string[] => filesBelow(market.dir).filter((path) => readFileSync(path).includes(text))
const logOf = async (job: string): Promise<string> => {
  const { data } = (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/attempts`)).body, logs = (await market.call(market.buyer, 'GET', `/v1/attempts/${data.at(-1).id}/logs`)).body.data as { data: string }[]
  return logs.map((one) => Buffer.from(one.data, 'base64').toString()).join('')
}
const KEEP = { command: ['fake:env', 'TOKEN', ';', 'fake:hang'], secrets: ['TOKEN', 'SHORT'], name: 'with a secret' }

test('the attempt has the values; its output has them covered, short ones aside', async () => {
  const { body: job } = await market.submit({ command: ['fake:env', 'TOKEN', ';', 'fake:env', 'SHORT', ';', 'fake:exit-if', 'TOKEN', TOLD, '7'], secrets: ['TOKEN', 'SHORT'] }, { secrets: { TOKEN: TOLD, SHORT: 'abc' } })
  expect(await market.ended(job.id)).toMatchObject({ state: 'failed', exitCode: 7 })
  expect(await logOf(job.id)).toContain('•••')
  expect(await logOf(job.id)).not.toContain(TOLD)
  expect(await logOf(job.id)).toContain('abc')
})

test('no reader finds it: owner, other buyer, admin, impersonation, key that reads, exports, events, webhooks, log of actions', async () => {
  const { call, demo, app } = market, { body: job } = await market.submit(KEEP, { secrets: { TOKEN: VALUE, SHORT: OTHER } })
  await expect.poll(async () => (await call(market.buyer, 'GET', `/v1/jobs/${job.id}`)).body.tasks.running, { timeout: 60_000 }).toBe(1)
  const bob = await app.identity.register({ email: 'bob@test', password: 'a long password of bob', name: 'bob', roles: ['buyer'] })
  if ('refusal' in bob) throw new Error(bob.refusal)
  const bobs = await app.identity.createKey({ kind: 'user', userId: bob.id, roles: ['buyer'], scopes: 'all' }, { label: 'test', scopes: ['jobs:read', 'jobs:write'] })
  if ('refusal' in bobs) throw new Error(bobs.refusal)
  const reads = (await call(market.buyer, 'POST', '/v1/keys', { label: 'read', scopes: ['jobs:read'] })).body.secret as string
  const looks = (await call(demo.admin.key, 'POST', `/v1/admin/users/${demo.buyer.id}/impersonate`, { reason: 'a test' })).body.token as string
  await call(demo.admin.key, 'POST', `/v1/jobs/${job.id}/pause`, { reason: 'a test' })
  const attempt = (await call(market.buyer, 'GET', `/v1/jobs/${job.id}/attempts`)).body.data[0].id as string
  const places = [`/v1/jobs/${job.id}`, '/v1/jobs', `/v1/jobs/${job.id}/attempts`, `/v1/jobs/${job.id}/tasks`, `/v1/jobs/${job.id}/events`, `/v1/jobs/${job.id}/explain`, `/v1/jobs/${job.id}/results`, `/v1/attempts/${attempt}`, `/v1/attempts/${attempt}/receipt`, `/v1/attempts/${attempt}/logs`, '/v1/exports/jobs', '/v1/exports/entries', '/v1/entries', '/v1/templates', '/v1/quotes', '/v1/admin/actions', '/v1/exports/actions', '/v1/admin/market', '/v1/admin/queue', '/v1/exports/ledger', `/v1/admin/users/${demo.buyer.id}`, '/metrics']
  let seen = 0
  for (const key of [market.buyer, bobs.secret, demo.admin.key, looks, reads, demo.sellers[0]?.key ?? '']) for (const place of places) {
    const { status, body } = await call(key, 'GET', place), text = typeof body === 'string' ? body : JSON.stringify(body)
    for (const value of [VALUE, OTHER, Buffer.from(VALUE).toString('base64').slice(4, 30), 'sealed']) expect(text, `${place} for ${key.slice(0, 12)}: ${status}`).not.toContain(value)
    if (status === 200) seen++
  }
  expect(seen).toBeGreaterThan(40)
  expect((await call(market.buyer, 'GET', `/v1/jobs/${job.id}`)).body.spec.secrets).toEqual(['TOKEN', 'SHORT'])
  // At rest: sealed in the market's files, and not in the agent's journal. Its hash is not there either.
  expect(filesWith(VALUE)).toEqual([])
  expect(filesWith(OTHER)).toEqual([])
  const sealed = app.engine.state.jobs.get(job.id)?.row.sealed as string
  expect(filesWith(sealed).length).toBeGreaterThan(0)
  // Another job's row cannot take it over.
  expect(() => app.jobSecrets.give({ secrets: ['TOKEN'], env: {} } as never, { id: newJobId() as never, sealed })).toThrow()
  await call(market.buyer, 'POST', `/v1/jobs/${job.id}/cancel`, {})
  await market.ended(job.id)
  const [row] = await app.db.query<{ doc: string }>('SELECT doc FROM jobs WHERE id = $1', [job.id])
  expect(row?.doc).not.toContain('sealed')
})

test('what tells one request from another says nothing about the values', async () => {
  const id = newJobId(), body = JSON.stringify({ id, cap: '1000000', spec: { command: ['fake:exit', '0'], secrets: ['TOKEN'] }, secrets: { TOKEN: VALUE } }), key = { 'idempotency-key': 'once' }
  const first = await market.call(market.buyer, 'POST', '/v1/jobs', body, key), again = await market.call(market.buyer, 'POST', '/v1/jobs', body, key)
  expect([first.status, again.body.id, again.headers.get('idempotency-replayed')]).toEqual([201, first.body.id, 'true'])
  expect((await market.call(market.buyer, 'POST', '/v1/jobs', body.replace(VALUE, OTHER), key)).body.code).toBe('idempotency_conflict')
  const guess = createHash('sha256').update(body).digest('hex')
  expect(filesWith(guess)).toEqual([])
  await market.ended(first.body.id)
  expect((await market.call(market.buyer, 'POST', '/v1/jobs', body, key)).body).toMatchObject({ id, state: 'completed' })
})

test('without an id of the caller: a key alone makes one job, and it runs', async () => {
  const body = { spec: { command: ['fake:exit-if', 'TOKEN', TOLD, '5'], secrets: ['TOKEN'] }, secrets: { TOKEN: TOLD } }, key = { 'idempotency-key': 'without-an-id' }
  const first = await market.call(market.buyer, 'POST', '/v1/jobs', body, key), again = await market.call(market.buyer, 'POST', '/v1/jobs', body, key)
  expect([first.status, again.body.id]).toEqual([201, first.body.id])
  expect(await market.ended(first.body.id)).toMatchObject({ exitCode: 5 })
})

test('refused in plain words: a value that is missing, or too much; a name twice, of the market, or with its value in the spec; schedules', async () => {
  const post = async (spec: object, more: object = {}, path = '/v1/jobs') => (await market.call(market.buyer, 'POST', path, { spec: { command: ['x'], ...spec }, ...more })).body
  expect(await post({ secrets: ['A', 'B'] }, { secrets: { A: 'x' } })).toMatchObject({ code: 'secrets_missing', detail: { secrets: ['B'] } })
  expect(await post({ secrets: ['A'] })).toMatchObject({ code: 'secrets_missing' })
  expect(await post({}, { secrets: { A: VALUE } })).toMatchObject({ code: 'impossible_request', detail: { reason: expect.stringContaining('secret A') } })
  expect(await post({ secrets: ['A'], env: { A: '1' } }, { secrets: { A: 'x' } })).toMatchObject({ code: 'impossible_request' })
  expect(await post({ secrets: ['A'], tasks: [{ env: { A: '1' } }] }, { secrets: { A: 'x' } })).toMatchObject({ code: 'impossible_request' })
  expect(await post({ secrets: ['LUMARIS_FENCE'] }, { secrets: { LUMARIS_FENCE: '9' } })).toMatchObject({ code: 'impossible_request' })
  for (const spec of [{ secrets: { A: 'x' } }, { secrets: ['A', 'A'] }, { secrets: ['A=B'] }, { secrets: [] }]) expect(await post(spec, { secrets: { A: VALUE } })).toMatchObject({ code: 'invalid_request' })
  for (const secrets of [{ A: '' }, { A: 'x'.repeat(8193) }, { A: 'a\0b' }, { A: 7 }]) { const said = await post({ secrets: ['A'] }, { secrets }); expect(said).toMatchObject({ code: 'invalid_request' }); expect(JSON.stringify(said)).not.toContain('xxxx') }
  expect(await post({ secrets: ['A'] }, { cron: '0 0 * * *', cap: '1000' }, '/v1/schedules')).toMatchObject({ code: 'impossible_request', detail: { reason: expect.stringContaining('secrets') } })
})

test('a try on another node has them again', async () => {
  const before = market
  const other = await startMarket({ server: { settings: { ...QUICK, retryBackoffMs: 20 } } })
  try {
    market = other
    const first = await other.join('first')
    const { body: job } = await other.submit({ command: ['fake:sleep', '400', ';', 'fake:exit-if', 'TOKEN', TOLD, '9'], secrets: ['TOKEN'] }, { secrets: { TOKEN: TOLD } })
    await expect.poll(async () => (await other.call(other.buyer, 'GET', `/v1/jobs/${job.id}`)).body.tasks.running, { timeout: 60_000 }).toBe(1)
    await first.stop()
    await other.join('second')
    expect(await other.ended(job.id)).toMatchObject({ exitCode: 9 })
    expect((await other.call(other.buyer, 'GET', `/v1/jobs/${job.id}/attempts`)).body.data.length).toBeGreaterThan(1)
  } finally { market = before; await other.stop() }
})
