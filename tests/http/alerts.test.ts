// What people are told without asking: raised by what happens, kept in an inbox, told to webhooks, and there after a restart. And what admins did, as a file.
import { startHookReceiver } from '@lumaris/testkit'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Alert, JobId } from '@lumaris/protocol'
import { aShell } from '../../apps/cli/src/test-cli.ts'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 1, server: { webhooks: { loopback: true } } }) })
afterAll(async () => { await market?.stop() })
const inbox = async (key: string): Promise<{ data: Alert[]; unread: number; nextCursor: string | null }> => (await market.call(key, 'GET', '/v1/alerts')).body

test('a budget is told when bills reach it, in the inbox and at a webhook; reading it is kept; it stands beside what was spent', async () => {
  const there = await startHookReceiver()
  onTestFinished(() => there.stop())
  expect((await market.call(market.buyer, 'POST', '/v1/webhooks', { url: there.url, events: ['alert.raised'] })).status).toBe(201)
  expect((await market.call(market.buyer, 'GET', '/v1/alerts/settings')).body).toEqual({ monthlyBudget: null, offlineMs: 900_000, completionBelow: 0.8 })
  expect((await market.call(market.buyer, 'PUT', '/v1/alerts/settings', { monthlyBudget: '1' })).body).toMatchObject({ monthlyBudget: '1' })
  const { body: job } = await market.submit({ command: ['fake:sleep', '150'] })
  await market.ended(job.id as JobId)
  await expect.poll(async () => (await inbox(market.buyer)).data.map(({ kind, says }) => [kind, says.slice(0, 13)])).toEqual([['budget', 'The budget of']])
  await expect.poll(() => there.told.map(({ body }) => JSON.parse(body) as { type: string; data: { kind: string; says: string } })).toMatchObject([{ type: 'alert.raised', data: { kind: 'budget', says: expect.stringContaining('Nothing is stopped by it') } }])
  const { data: [alert], unread } = await inbox(market.buyer)
  expect([unread, alert?.readAt]).toEqual([1, undefined])
  expect((await inbox(market.demo.sellers[0]?.key ?? '')).data).toEqual([])
  // Whoever knows its id reads nothing of somebody else's.
  await market.call(market.demo.admin.key, 'POST', '/v1/alerts/read', { upTo: alert?.id })
  expect((await inbox(market.buyer)).unread).toBe(1)
  expect((await market.call(market.buyer, 'POST', '/v1/alerts/read', { upTo: alert?.id })).status).toBe(204)
  expect(await inbox(market.buyer)).toMatchObject({ unread: 0, data: [{ readAt: expect.any(Number) }] })
  const { body: spend } = await market.call(market.buyer, 'GET', '/v1/spend'), { spent } = (await market.call(market.buyer, 'GET', '/v1/wallet')).body
  expect(spend.month).toMatchObject({ name: new Date().toISOString().slice(0, 7), spent, budget: '1' })
})

test('what is no wish is refused beside its name', async () => {
  for (const [body, pointer] of [[{ monthlyBudget: '-1' }, '/monthlyBudget'], [{ offlineMs: 1 }, '/offlineMs'], [{ completionBelow: 1 }, '/completionBelow'], [{ mail: 'a@b' }, '']] as const) expect((await market.call(market.buyer, 'PUT', '/v1/alerts/settings', body)).body, JSON.stringify(body)).toMatchObject({ code: 'invalid_request', errors: [{ pointer }] })
})

test('a seller has webhooks too, and hears of a node that is silent', async () => {
  const there = await startHookReceiver(), key = market.demo.sellers[1]?.key ?? ''
  onTestFinished(() => there.stop())
  expect((await market.call(key, 'POST', '/v1/webhooks', { url: there.url, events: ['alert.raised'] })).status).toBe(201)
  const agent = await market.join('quiet', { seller: 1 })
  const node = market.app.engine.state.nodes.get(agent.nodeId)
  // An hour ago as far as the market knows: nobody waits for it here.
  await agent.stop()
  await expect.poll(() => market.app.engine.state.nodes.get(agent.nodeId)?.presence).toBe('lost')
  const lost = market.app.engine.state.nodes.get(agent.nodeId)
  if (!lost || !node) throw new Error('the node is gone')
  market.app.engine.state.nodes.set(agent.nodeId, { ...lost, lastSeenAt: Date.now() - 3_600_000 })
  await expect.poll(async () => (await inbox(key)).data, { timeout: 60_000 }).toMatchObject([{ kind: 'node_offline', subject: agent.nodeId, says: expect.stringMatching(/^quiet has not been heard of for 1 h/) }])
  await expect.poll(() => there.told.length).toBe(1)
})

test('the command line lists, reads and sets', async () => {
  const { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer })
  expect((await cli(['alerts'])).stdout).toMatch(/\tbudget\tThe budget of /)
  const set = await cli(['alerts', 'set', '--budget', '50', '--offline', 'none', '--completion', '90'])
  expect(set.stderr).toBe('')
  expect(set.stdout).toMatch(/50\.00.*\n.*never told\n.*90 %/)
  expect((await cli(['alerts', 'set', '--budget', 'none'])).stdout).toMatch(/none\n.*never told\n.*90 %/)
  expect((await cli(['alerts', 'read'])).stderr).toContain('Nothing was new.')
  expect((await cli(['alerts', 'set', '--completion', '100'])).code).toBe(2)
})

test('what admins did goes out as CSV and as JSON lines: all of it, with the request and the address, and no formula', async () => {
  const admin = market.demo.admin.key
  for (let i = 0; i < 3; i++) await market.call(admin, 'PATCH', '/v1/admin/settings', { version: i, set: { fee: 400 + i }, reason: i === 0 ? '=HYPERLINK("http://evil.example")' : 'as agreed' })
  for (let i = 0; i < 510; i++) await market.app.engine.act({ kind: 'changeSettings', by: market.demo.admin.id, reason: 'many', version: i + 3, set: { fee: 100 + (i % 2) } })
  const csv = await market.call(admin, 'GET', '/v1/exports/actions'), lines = (csv.body as string).trimEnd().split('\r\n')
  expect([csv.headers.get('content-type'), lines[0], lines.length]).toEqual(['text/csv; charset=utf-8; header=present', 'action,when,who,name,what,to,reason,before,after,request,from', 514])
  expect(lines.at(-1)).toMatch(/,settings\.change,settings 1,"'=HYPERLINK\(""http:\/\/evil\.example""\)","\{""fee"":null\}","\{""fee"":400\}",req_[0-9a-z]+,(?:127\.0\.0\.1|::1|::ffff:127\.0\.0\.1)$/)
  const jsonl = await fetch(`${market.url}/v1/exports/actions?format=jsonl&subject=${encodeURIComponent('settings 2')}`, { headers: { authorization: `Bearer ${admin}` } })
  expect((await jsonl.text()).trimEnd().split('\n').map((line) => JSON.parse(line) as object)).toMatchObject([{ action: 'settings.change', before: { fee: 400 }, after: { fee: 401 }, reason: 'as agreed', request: expect.stringMatching(/^req_/), byName: 'operator' }])
  const { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: admin })
  expect((await cli(['admin', 'log', '--export', 'csv'])).stdout.trimEnd().split('\r\n')).toHaveLength(514)
  expect((await cli(['admin', 'log', '--export', 'xml'])).code).toBe(2)
})
