// How often one may ask. Other tests have it turned off; here it is on, with small figures.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient } from '@lumaris/sdk'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

const LONG = 3_600_000
let market: TestMarket
beforeAll(async () => {
  market = await startMarket({ server: { rates: { caller: { max: 12, perMs: LONG }, address: { max: 20, perMs: LONG }, signIn: { max: 3, perMs: LONG }, quote: { max: 2, perMs: LONG } }, trustProxy: '127.0.0.1' } })
})
afterAll(async () => { await market?.stop() })
const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address })
const LOGIN = { email: 'nobody@test', password: 'a guess' }

test('over the limit: a code of the closed list, when to come back, and how much is left before it comes to that', async () => {
  const first = await market.call(null, 'POST', '/v1/sessions', LOGIN, from('203.0.113.1'))
  expect([first.status, first.headers.get('ratelimit-limit'), first.headers.get('ratelimit-remaining')]).toEqual([401, '3', '2'])
  for (let i = 0; i < 2; i++) expect((await market.call(null, 'POST', '/v1/sessions', LOGIN, from('203.0.113.1'))).status).toBe(401)
  const no = await market.call(null, 'POST', '/v1/sessions', LOGIN, from('203.0.113.1'))
  expect(no.status).toBe(429)
  expect(no.headers.get('content-type')).toContain('problem+json')
  expect(no.body).toMatchObject({ code: 'rate_limited', retry: true, requestId: expect.stringMatching(/^req_/), detail: { retryAfterMs: expect.any(Number) } })
  expect(Number(no.headers.get('retry-after'))).toBeGreaterThan(3_000)
  expect(no.headers.get('ratelimit-remaining')).toBe('0')
  // Another address is another caller, and a token does not make one out of the same.
  expect((await market.call(null, 'POST', '/v1/sessions', LOGIN, from('203.0.113.2'))).status).toBe(401)
  expect((await market.call(market.buyer, 'POST', '/v1/sessions', LOGIN, from('203.0.113.1'))).status).toBe(429)
  expect((await market.call(null, 'POST', '/v1/browser-sessions', LOGIN, from('203.0.113.1'))).status).toBe(429)
})
test('one IPv6 network is one caller', async () => {
  const guess = (i: number, address: string) => market.call(null, 'POST', '/v1/sessions', { ...LOGIN, email: `nobody${i}@test` }, from(address))
  for (let i = 1; i <= 3; i++) expect((await guess(i, `2001:db8:1:2::${i}`)).status).toBe(401)
  expect((await guess(4, '2001:db8:1:2:ffff::9')).body.code).toBe('rate_limited')
  expect((await guess(5, '2001:db8:1:3::9')).status).toBe(401)
})
test('a user is counted as one over keys and addresses; a token that is no good counts for its address', async () => {
  const key = market.demo.sellers[0]?.key ?? '', second = (await market.call(key, 'POST', '/v1/keys', { label: 'two', scopes: ['nodes:read'] }, from('203.0.113.10'))).body.secret as string
  for (let i = 0; i < 11; i++) expect((await market.call(i % 2 ? key : second, 'GET', '/v1/nodes', undefined, from(`203.0.113.${20 + i}`))).status).toBe(200)
  expect((await market.call(second, 'GET', '/v1/nodes', undefined, from('203.0.113.40'))).status).toBe(429)
  for (let i = 0; i < 20; i++) expect((await market.call(`lum_live_nonsense${i}`, 'GET', '/v1/wallet', undefined, from('203.0.113.50'))).status).toBe(401)
  expect((await market.call('lum_live_nonsense', 'GET', '/v1/wallet', undefined, from('203.0.113.50'))).status).toBe(429)
})
test('quotes have a rate of their own', async () => {
  const spec = { command: ['fake:exit', '0'] }
  for (let i = 0; i < 2; i++) expect((await market.call(market.buyer, 'POST', '/v1/quotes', { spec })).status).not.toBe(429)
  expect((await market.call(market.buyer, 'POST', '/v1/quotes', { spec })).status).toBe(429)
  expect((await market.call(market.buyer, 'GET', '/v1/wallet')).status).toBe(200)
})
test('whoever watches over the server is not counted, and neither are agents’ sockets', async () => {
  for (let i = 0; i < 30; i++) expect((await market.call(null, 'GET', '/healthz', undefined, from('203.0.113.60'))).status).toBe(200)
  const agent = await market.join('north', { seller: 1 })
  await expect.poll(() => market.app.gateway.connected).toBe(1)
  // Its heartbeats come ten times a second: far more than a caller may ask here.
  const seen = (): number => market.app.engine.state.links.get(agent.nodeId as never)?.lastSeen ?? 0, before = seen()
  await expect.poll(seen).toBeGreaterThan(before + 2_000)
})
test('without a proxy that is known, nobody says for himself where he comes from', async () => {
  const bare = await startMarket({ server: { rates: { signIn: { max: 2, perMs: LONG } } } })
  try {
    for (let i = 0; i < 2; i++) expect((await bare.call(null, 'POST', '/v1/sessions', LOGIN, from(`203.0.113.${i}`))).status).toBe(401)
    expect((await bare.call(null, 'POST', '/v1/sessions', LOGIN, from('203.0.113.99'))).status).toBe(429)
    // The client waits no longer than it has patience, and says how long it would be.
    await expect(createClient({ url: bare.url }).api.login({ body: LOGIN })).rejects.toMatchObject({ code: 'rate_limited', status: 429, retryAfterMs: expect.any(Number) })
  } finally { await bare.stop() }
})
