// Jobs that come after others, on a real market: real server and tables, a real agent that fetches what the parents left.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Job, JobId, JobSpecInput } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 1 }) })
afterAll(async () => {
  expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, problems: [] })
  await market.stop()
})
const made = async (spec: JobSpecInput): Promise<JobId> => { const { status, body } = await market.submit(spec); expect(status, JSON.stringify(body)).toBe(201); return body.id }
const printed = async (job: JobId): Promise<string> => {
  const { tasks } = (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/results`)).body
  return (await market.call(market.buyer, 'GET', `/v1/blobs/${tasks[0].files.find((file: { path: string }) => file.path === 'out').blob}`)).body
}
const leaves = (text: string): JobSpecInput => ({ command: ['fake:write', 'part/a.txt', text, ';', 'fake:sleep', '150'] })

test('a child waits, is explained, and then reads what its parents wrote, each in its place', async () => {
  const [one, two] = [await made(leaves('first ')), await made(leaves('second'))]
  const child = await made({ command: ['fake:cat', 'x/part/a.txt', 'y/part/a.txt'], stdout: 'out', after: [{ job: one, inputs: [{ from: 'part/*', to: 'x' }] }, { job: two, inputs: [{ from: '**', to: 'y' }] }] })
  const before = (await market.call(market.buyer, 'GET', `/v1/jobs/${child}`)).body as Job
  expect(before).toMatchObject({ state: 'queued', waitsFor: expect.arrayContaining([two]) })
  expect((await market.call(market.buyer, 'GET', `/v1/jobs/${child}/tasks`)).body.data[0]).toMatchObject({ state: 'waiting' })
  expect((await market.call(market.buyer, 'GET', `/v1/jobs/${child}/explain`)).body.summary).toMatch(/^It comes after .* not completed yet: /)
  const ended = await market.ended(child)
  expect(ended).toMatchObject({ state: 'completed' })
  expect(ended.waitsFor).toBeUndefined()
  expect(await printed(child)).toBe('first second')
  const [attempt] = (await market.call(market.buyer, 'GET', `/v1/jobs/${child}/attempts`)).body.data
  for (const parent of [one, two]) expect(attempt.offeredAt).toBeGreaterThanOrEqual((await market.ended(parent)).endedAt ?? Infinity)
  const events = (await market.call(market.buyer, 'GET', `/v1/jobs/${child}/events`)).body
  expect(events.map((event: { type: string }) => event.type).slice(0, 2)).toEqual(['submitted', 'ready'])
})
test('parents that ended long ago, and have left memory: their results at once', async () => {
  const parent = await made(leaves('old'))
  await market.ended(parent)
  await expect.poll(() => market.app.engine.state.jobs.has(parent)).toBe(false)
  const child = await made({ command: ['fake:cat', 'part/a.txt'], stdout: 'out', after: [{ job: parent, inputs: [{ from: 'part/a.txt' }] }] })
  expect(await market.ended(child)).toMatchObject({ state: 'completed' })
  expect(await printed(child)).toBe('old')
  expect((await market.submit({ command: ['x'], after: [{ job: parent, inputs: [{ from: 'nothing' }] }] })).body).toMatchObject({ code: 'parent_files', detail: { job: parent, reason: expect.stringContaining('matches nothing') } })
})
test('the whole chain ends with a parent that fails, and costs what the parent cost', async () => {
  const { available } = (await market.call(market.buyer, 'GET', '/v1/wallet')).body
  const parent = await made({ command: ['fake:sleep', '100', ';', 'fake:exit', '3'] })
  const child = await made({ command: ['x'], after: [{ job: parent }] }), grandchild = await made({ command: ['x'], after: [{ job: child }] })
  expect(await market.ended(grandchild)).toMatchObject({ state: 'failed', cause: 'parent_failed', cost: '0', detail: `${child} ended as failed` })
  expect(await market.ended(child)).toMatchObject({ state: 'failed', cause: 'parent_failed', cost: '0', detail: `${parent} ended as failed` })
  expect((await market.call(market.buyer, 'GET', `/v1/jobs/${child}/explain`)).body.summary).toContain(`parent_failed: ${parent} ended as failed`)
  expect(BigInt(available) - BigInt((await market.call(market.buyer, 'GET', '/v1/wallet')).body.available)).toBe(BigInt((await market.ended(parent)).cost))
  expect((await market.submit({ command: ['x'], after: [{ job: parent }] })).body).toMatchObject({ code: 'parent_failed', status: 409, detail: { job: parent, state: 'failed' } })
})
test('somebody else’s job, one that is none, itself, and a result that is not stored any more', async () => {
  const parent = await made(leaves('mine alone'))
  await market.ended(parent)
  const bob = await market.app.identity.register({ email: 'bob@after', password: 'a long password of bob', name: 'bob', roles: ['buyer'] })
  if ('refusal' in bob) throw new Error(bob.refusal)
  const key = await market.app.identity.createKey({ kind: 'user', userId: bob.id, roles: ['buyer'], scopes: 'all' }, { label: 'test', scopes: ['jobs:read', 'jobs:write', 'wallet:write'] })
  if ('refusal' in key) throw new Error(key.refusal)
  await market.call(key.secret, 'POST', '/v1/topups', { amount: '5000000' }, { 'idempotency-key': 'bob' })
  const strange = await market.call(key.secret, 'POST', '/v1/jobs', { spec: { command: ['x'], after: [{ job: parent, inputs: [{ from: '**' }] }] } })
  const absent = await market.call(key.secret, 'POST', '/v1/jobs', { spec: { command: ['x'], after: [{ job: `job_${'0'.repeat(26)}`, inputs: [{ from: '**' }] }] } })
  expect(strange.body).toMatchObject({ code: 'parent_not_found', status: 422, detail: { job: parent } })
  expect({ ...absent.body, requestId: '', detail: {} }).toEqual({ ...strange.body, requestId: '', detail: {} })
  const id = `job_${'1'.repeat(26)}`
  expect((await market.submit({ command: ['x'], after: [{ job: id }] }, { id })).body).toMatchObject({ code: 'parent_cycle' })
  const { blob } = (await market.call(market.buyer, 'GET', `/v1/jobs/${parent}/results`)).body.tasks[0].files[0]
  const stat = await market.app.blobs.stat(blob)
  expect(stat).not.toBeNull()
  rmSync(join(market.dir, 'server', 'blobs'), { recursive: true })
  expect((await market.submit({ command: ['x'], after: [{ job: parent, inputs: [{ from: '**' }] }] })).body).toMatchObject({ code: 'parent_files', detail: { reason: expect.stringContaining('not stored any more') } })
})
test.each([[[{ job: 'x' }]], [[]], [Array.from({ length: 51 }, () => ({ job: `job_${'0'.repeat(26)}` }))], [[{ job: `job_${'0'.repeat(26)}`, inputs: [{ from: 'a', to: '../b' }] }]], [[{ job: `job_${'0'.repeat(26)}`, inputs: [] }]]])('after that does not fit its schema: %j', async (after) => {
  expect((await market.submit({ command: ['x'], after: after as never })).body).toMatchObject({ code: 'invalid_request' })
})
