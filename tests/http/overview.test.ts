// What operators see at one look, what the server does by itself, what a node has shown, what accounts hold, and where somebody is signed in.
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BackgroundWork, MarketOverview, NodeEvidence, account, routes } from '@lumaris/protocol'
import type { JobId, Route } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket, later = 0
beforeAll(async () => { market = await startMarket({ server: { now: () => Date.now() + later, webhooks: { loopback: true } } }) })
afterAll(async () => { await market?.stop() })
const get = async (path: string) => { const answer = await market.call(market.demo.admin.key, 'GET', path); expect(answer.status, path).toBe(200); return answer.body }

test('the overview counts nodes and jobs by state, what was paid, and how it went', async () => {
  const node = await market.join('north', { seller: 0, cpuHour: 100 })
  const done = (await market.submit({ command: ['fake:sleep', '300'] })).body
  expect((await market.ended(done.id as JobId)).state).toBe('completed')
  const wrong = (await market.submit({ command: ['fake:sleep', '300', ';', 'fake:exit', '3'] })).body
  await market.ended(wrong.id as JobId)
  await market.submit({ command: ['x'], resources: { cpuMillis: 900_000 } }, { cap: '1000' })
  await expect.poll(async () => (await get('/v1/admin/overview')).money.settled).toBe(2)
  const now = MarketOverview.parse(await get('/v1/admin/overview'))
  expect(now.nodes).toEqual({ online: 1 })
  expect(now.jobs).toEqual({ queued: 1, running: 0, ended: { completed: 1, failed: 1 } })
  expect(now.newest.map((one) => [one.node, one.name, one.state])).toEqual([[node.nodeId, 'north', 'online']])
  expect([now.history.online.at(-1), now.history.running.at(-1), now.history.at.at(-1)]).toEqual([1, 0, now.at])
  const costs = await Promise.all([done.id, wrong.id].map(async (id) => BigInt((await get(`/v1/jobs/${id}`)).cost)))
  expect(now.money.volume).toBe(costs.reduce((sum, one) => sum + one, 0n).toString())
  expect(now.waits).toBeUndefined() // two starts are chance
  for (let i = 0; i < 4; i++) await market.ended((await market.submit({ command: ['fake:print', String(i)] })).body.id as JobId)
  expect((await get('/v1/admin/overview')).waits).toMatchObject({ starts: 6, p50Ms: expect.any(Number), p99Ms: expect.any(Number) })
})

test('background work says what ran, what waits and since when; a loop that fails, or stands still, is late', async () => {
  const loop = async (name: string) => (BackgroundWork.parse(await get('/v1/admin/background'))).loops.find((one) => one.name === name)
  await expect.poll(async () => (await loop('writer'))?.runs ?? 0).toBeGreaterThan(0)
  expect(await loop('writer')).toMatchObject({ failures: 0, late: false, everyMs: 250 })
  await expect.poll(async () => (await loop('payouts'))?.runs ?? 0).toBeGreaterThan(0)
  const found = BackgroundWork.parse(await get('/v1/admin/background')), waiting = Object.fromEntries(found.backlogs.map((one) => [one.what, one.waiting]))
  expect(found.loops.map(({ name }) => name).toSorted()).toEqual(['budgets', 'clearing', 'debts', 'deliveries', 'memory', 'payouts', 'settings', 'uploads', 'webhooks', 'writer']) // and 'mail', where there is a mail server
  expect(waiting).toEqual({ commands: 0, events: 0, messages: 0, mails: 0, clearing: 0, payouts: 0, debts: 0 })
  expect(found.commits.commits).toBeGreaterThan(0)
  // A message that cannot be delivered waits, with its age.
  const { body: hook } = await market.call(market.buyer, 'POST', '/v1/webhooks', { url: 'http://127.0.0.1:1/in' })
  await market.call(market.buyer, 'POST', `/v1/webhooks/${hook.id}/test`)
  const messages = async () => (await get('/v1/admin/background')).backlogs.find((one: { what: string }) => one.what === 'messages')
  await expect.poll(async () => (await messages()).waiting).toBe(1)
  expect((await messages()).oldestAt).toBeGreaterThan(Date.now() - 60_000)
  await market.app.background.pass('uploads', () => Promise.reject(new Error('the disk is gone')))
  expect(await loop('uploads')).toMatchObject({ failures: 1, problem: 'the disk is gone', late: true })
  await market.app.background.pass('uploads', () => Promise.resolve())
  expect(await loop('uploads')).toMatchObject({ failures: 1, late: false })
  later += 40 * 60_000 // ten minutes, three times, and more
  expect(await loop('deliveries')).toMatchObject({ late: true })
  expect(await loop('budgets')).toMatchObject({ late: false, everyMs: null }) // it runs when there is something to do
  later -= 40 * 60_000
})

test('what a node has shown: its key, its hello, its last heartbeat word for word, and its attempts', async () => {
  const [{ node }] = (await get('/v1/admin/overview')).newest as [{ node: string }]
  await expect.poll(async () => (await get(`/v1/admin/nodes/${node}/evidence`)).heartbeat).not.toBeNull()
  const shown = NodeEvidence.parse(await get(`/v1/admin/nodes/${node}/evidence`))
  const row = market.app.engine.state.nodes.get(node as never)
  expect(shown.key).toEqual({ publicKey: row?.publicKey, fingerprint: createHash('sha256').update(Buffer.from(row?.publicKey ?? '', 'base64url')).digest('hex') })
  expect(shown.hello).toMatchObject({ protocol: 1, boot: row?.bootId })
  expect(shown.heartbeat?.message).toMatchObject({ type: 'availability_update', node_id: node, status: expect.any(String), heartbeat: expect.any(Number) })
  expect(shown.attempts.map(({ state, cause, others }) => [state, cause, others])).toEqual(expect.arrayContaining([['valid', 'succeeded', 0], ['valid', 'buyer_exit', 0]]))
  expect(new Set(shown.attempts.map(({ attempt }) => attempt)).size).toBe(shown.attempts.length)
  expect((await market.call(market.demo.sellers[0]?.key ?? '', 'GET', `/v1/admin/nodes/${node}/evidence`)).status).toBe(403)
})

test('accounts of a class that hold something, and nothing of another class', async () => {
  const of = async (name: string) => (await get(`/v1/admin/accounts?class=${name}`)).data as { account: string; balance: string; class: string }[]
  const { classes } = await get('/v1/admin/ledger')
  for (const one of classes as { class: string; balance: string }[]) {
    const found = await of(one.class)
    expect(found.every((line) => line.class === one.class && line.balance !== '0'), one.class).toBe(true)
    expect(found.reduce((sum, line) => sum + BigInt(line.balance), 0n).toString(), one.class).toBe(one.balance)
  }
  expect((await of('escrow')).length).toBe(1)
  expect((await of('buyer:available')).map((line) => line.account)).toContain(account.available(market.demo.buyer.id as never))
})

test('sessions of a user one by one; one that is ended is over at once, with a line in the log; what is over is not ended twice', async () => {
  const user = await market.app.identity.register({ email: 'kay@test', password: 'seven green bottles', name: 'kay', roles: ['buyer'] })
  if ('refusal' in user) throw new Error(user.refusal)
  const enter = async () => (await market.call(null, 'POST', '/v1/sessions', { email: 'kay@test', password: 'seven green bottles' })).body.accessToken as string
  const first = await enter(), second = await enter()
  const { data } = await get(`/v1/admin/users/${user.id}/sessions`)
  expect(data).toHaveLength(2)
  const end = (session: string, body: object = { reason: 'a lost phone' }) => market.call(market.demo.admin.key, 'POST', `/v1/admin/users/${user.id}/sessions/${session}/end`, body)
  expect((await end(data[1].id, {})).body).toMatchObject({ code: 'invalid_request' })
  expect((await market.call(market.demo.admin.key, 'POST', `/v1/admin/users/${market.demo.buyer.id}/sessions/${data[1].id}/end`, { reason: 'of another' })).status).toBe(404)
  expect((await end(data[1].id)).status).toBe(204)
  expect((await market.call(first, 'GET', '/v1/users/me')).status).toBe(401)
  expect((await market.call(second, 'GET', '/v1/users/me')).status).toBe(200)
  expect((await end(data[1].id)).status).toBe(404)
  const log = (await get(`/v1/admin/actions?subject=${user.id}`)).data
  expect(log.map((one: { action: string; reason: string; before: object }) => [one.action, one.reason, one.before])).toEqual([['session.end', 'a lost phone', { session: data[1].id }]])
  expect((await get(`/v1/admin/users/${user.id}`)).limits).toEqual({ seats: { now: 0, most: 2_000_000 }, waiting: { now: 0, most: 10_000 }, requestsAMinute: null })
})

test('every write of an admin says why: the table of routes has none without a reason', async () => {
  const writes = (Object.values(routes) as Route[]).filter((route) => route.who === 'admin' && route.method !== 'GET'), nobodys = '0'.repeat(26)
  expect(writes.length).toBeGreaterThan(20)
  // A statement is looked at before it is kept: nothing is done, so there is nothing to give a reason for.
  const LOOKS = ['previewStatement']
  // What everybody is told of an incident is the reason, and stands in the log as such.
  const WORDS: Record<string, string> = { openIncident: '/text', updateIncident: '/text', resolveIncident: '/text' }
  for (const route of writes) {
    expect(route.fresh, route.id).toBe(true)
    const path = route.path.replace(':session', `ses_${nobodys}`).replace(/:([a-z]+)/g, (_all, name: string) => `${({ user: 'usr', node: 'nod', pause: 'hal', delivery: 'msg', attempt: 'att', reversal: 'rev', incident: 'inc', job: 'job', statement: 'stm', settlement: 'stl' } as Record<string, string>)[name]}_${nobodys}`)
    if (LOOKS.includes(route.id)) continue
    const { body } = await market.call(market.demo.admin.key, route.method, path, {})
    expect({ code: body.code, at: (body.errors ?? []).map((one: { pointer: string }) => one.pointer) }, route.id).toMatchObject({ code: 'invalid_request', at: expect.arrayContaining([WORDS[route.id] ?? '/reason']) })
  }
  const opened = (await market.call(market.demo.admin.key, 'POST', '/v1/admin/incidents', { title: 'A test', severity: 'minor', text: 'a switch is broken' })).body
  expect((await get(`/v1/admin/actions?subject=${opened.id}`)).data[0]).toMatchObject({ action: 'incident.open', reason: 'a switch is broken' })
})
