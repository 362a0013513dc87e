// How the screens are served, and the sessions of pages: what a browser is told, and what it is refused.
import { readFileSync, readdirSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

const PERSON = { email: 'ann@test', password: 'seven green bottles' }
const DIST = join(import.meta.dirname, '../../apps/web/dist')
let market: TestMarket, bare: TestMarket
beforeAll(async () => { market = await startMarket(); await market.call(null, 'POST', '/v1/users', { ...PERSON, name: 'Ann' }); bare = await startMarket({ server: { webDir: join(DIST, 'not-there') } }) })
afterAll(async () => { await market?.stop(); await bare?.stop() })
const get = (path: string, headers: Record<string, string> = {}, from = market) => fetch(from.url + path, { headers: { accept: 'text/html', ...headers }, redirect: 'manual' })
/** As it is, without the tidying of addresses that fetch does. */
const raw = (path: string): Promise<number> => new Promise((resolve, reject) => { httpRequest(market.url, { path, headers: { accept: '*/*' } }, (response) => { response.resume(); resolve(response.statusCode ?? 0) }).on('error', reject).end() })

test('the page allows nothing from elsewhere, and no script in itself', async () => {
  const page = await get('/'), html = await page.text()
  const policy = new Map((page.headers.get('content-security-policy') ?? '').split('; ').map((line) => [line.split(' ')[0], line.split(' ').slice(1).join(' ')]))
  expect(policy.get('default-src')).toBe("'none'")
  expect(policy.get('script-src')).toBe("'self'")
  expect(policy.get('style-src')).toMatch(/^'self' 'nonce-[A-Za-z0-9+/=]{24}'$/)
  expect(policy.get('connect-src')).toBe("'self'")
  expect(policy.get('frame-ancestors')).toBe("'none'")
  expect(policy.get('base-uri')).toBe("'none'")
  expect(page.headers.get('x-content-type-options')).toBe('nosniff')
  expect(page.headers.get('cache-control')).toBe('no-store')
  expect([...html.matchAll(/<script(?![^>]*\bsrc=)/g)]).toEqual([])
  expect(html).not.toMatch(/\son[a-z]+=|javascript:|https?:\/\//)
  expect(html).not.toContain('__NONCE__')
  const other = (await (await get('/')).text()).match(/style-nonce" content="([^"]+)"/)?.[1]
  expect(other).toBeDefined()
  expect(html).not.toContain(other)
})
test('every address of a screen gives the page; files and the interface keep their own', async () => {
  for (const path of ['/', '/jobs', '/jobs/job_x?tab=logs', '/nodes/join', '/no/such/screen']) expect((await get(path)).status, path).toBe(200)
  expect((await get('/v1/no-such-route')).status).toBe(404)
  expect((await get('/v1/jobs')).headers.get('content-type')).toContain('problem+json')
  expect((await get('/jobs', { accept: 'application/json' })).status).toBe(404)
  expect((await get('/healthz')).headers.get('content-type')).toContain('json')
  expect((await fetch(`${market.url}/`, { method: 'POST', headers: { accept: 'text/html' } })).status).toBe(404)
})
test('files: kept for ever where their name changes with their bytes, compressed, and asked for again cheaply', async () => {
  const name = readdirSync(join(DIST, 'assets')).find((file) => /^index-.*\.js$/.test(file)) ?? ''
  const file = await get(`/assets/${name}`, { 'accept-encoding': 'gzip' })
  expect(file.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
  expect(file.headers.get('cache-control')).toContain('immutable')
  expect(file.headers.get('content-encoding')).toBe('gzip')
  expect(await file.text()).toBe(readFileSync(join(DIST, 'assets', name), 'utf8'))
  expect((await get('/icon.svg', { 'if-none-match': (await get('/icon.svg')).headers.get('etag') ?? '' })).status).toBe(304)
})
test('nothing outside of the folder has an address', async () => {
  for (const path of ['/../package.json', '/assets/../../package.json', '/%2e%2e/package.json', '/assets/%2e%2e%2f%2e%2e%2fpackage.json', '/..%5cpackage.json', '/.sources', '/assets/', '//etc/passwd', '/assets/none.js']) expect(await raw(path), path).toBe(404)
})
test('without a build the market works, and its front page says how to build', async () => {
  const page = await get('/', {}, bare)
  expect(page.status).toBe(503)
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(await page.text()).toContain('npm start')
  expect((await bare.call(bare.buyer, 'GET', '/v1/wallet')).status).toBe(200)
})
test('what must be there before the first page shows is at most 250 kB of JavaScript, compressed', async () => {
  const html = await (await get('/')).text()
  const front = readdirSync(join(DIST, 'assets')).filter((file) => /^(?:Front|useQuery|query)-.*\.js$/.test(file)).map((file) => `assets/${file}`)
  const names = new Set([...[...html.matchAll(/(?:src|href)="\/([^"]+\.js)"/g)].map((match) => match[1] as string), ...front])
  const bytes = [...names].reduce((sum, name) => sum + gzipSync(readFileSync(join(DIST, name)), { level: 9 }).length, 0)
  console.log(`first load: ${names.size} files, ${(bytes / 1000).toFixed(1)} kB of JavaScript, compressed`)
  expect(names.size).toBeGreaterThan(2)
  expect(bytes).toBeLessThanOrEqual(250_000)
})

// ── sessions of pages
const send = (method: string, path: string, headers: Record<string, string>, body?: unknown) => fetch(market.url + path, { method, headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...headers }, ...(body ? { body: JSON.stringify(body) } : {}) })
const own = (): Record<string, string> => ({ origin: market.url })
const cookieIn = (response: Response): string => /^([^;]+);/.exec(response.headers.getSetCookie()[0] ?? '')?.[1] ?? ''
async function open(): Promise<{ cookie: string; accessToken: string }> {
  const response = await send('POST', '/v1/browser-sessions', own(), PERSON)
  expect(response.status).toBe(201)
  return { cookie: cookieIn(response), accessToken: ((await response.json()) as { accessToken: string }).accessToken }
}
test('a page signs in: the refresh token is in a cookie that scripts and other sites do not get, and nowhere else', async () => {
  const response = await send('POST', '/v1/browser-sessions', own(), PERSON)
  expect(response.headers.getSetCookie()[0]).toMatch(/^lumaris_refresh=rft_[^;]+; Path=\/v1\/browser-sessions; HttpOnly; SameSite=Strict; Max-Age=2592000$/)
  expect(Object.keys((await response.json()) as object).toSorted()).toEqual(['accessToken', 'expiresInMs', 'user'])
  expect((await send('POST', '/v1/browser-sessions', own(), { ...PERSON, password: 'wrong' })).status).toBe(401)
})
test('over TLS the cookie goes over TLS only', async () => {
  const response = await send('POST', '/v1/browser-sessions', { origin: market.url.replace('http:', 'https:') }, PERSON)
  expect(response.headers.getSetCookie()[0]).toMatch(/; Secure$/)
})
test('the cookie renews the session, changes each time, and is good for nothing else', async () => {
  const { cookie } = await open()
  const renewed = await send('POST', '/v1/browser-sessions/renew', { ...own(), cookie })
  expect(renewed.status).toBe(200)
  expect(cookieIn(renewed)).not.toBe(cookie)
  expect((await send('GET', '/v1/users/me', { ...own(), cookie: cookieIn(renewed) })).status).toBe(401)
  expect((await send('POST', '/v1/browser-sessions/renew', own())).status).toBe(401)
  expect((await send('POST', '/v1/browser-sessions/renew', { ...own(), cookie: `lumaris_refresh=${'x'.repeat(60)}` })).headers.getSetCookie()[0]).toContain('Max-Age=0')
})
test('another site is refused, whatever it sends along; so is a cookie without the name of a site', async () => {
  const { cookie } = await open()
  for (const origin of ['https://evil.example', 'null', `${market.url}.evil.example`, market.url.replace('127.0.0.1', 'localhost')]) {
    for (const [method, path, body] of [['POST', '/v1/browser-sessions', PERSON], ['POST', '/v1/browser-sessions/renew', undefined], ['DELETE', '/v1/browser-sessions', undefined]] as const) {
      const answer = await send(method, path, { origin, cookie }, body)
      expect(answer.status, `${method} ${path} from ${origin}`).toBe(403)
      expect(((await answer.json()) as { code: string }).code).toBe('foreign_origin')
      expect(answer.headers.getSetCookie()).toEqual([])
    }
  }
  expect((await send('POST', '/v1/browser-sessions/renew', { cookie })).status).toBe(403)
  expect((await send('POST', '/v1/browser-sessions/renew', { ...own(), cookie })).status).toBe(200) // it was none of theirs to spoil
})
test('signing out ends the session for its tokens too', async () => {
  const { cookie, accessToken } = await open()
  const out = await send('DELETE', '/v1/browser-sessions', { ...own(), cookie })
  expect(out.status).toBe(204)
  expect(out.headers.getSetCookie()[0]).toMatch(/^lumaris_refresh=; .*Max-Age=0/)
  expect((await send('POST', '/v1/browser-sessions/renew', { ...own(), cookie })).status).toBe(401)
  expect((await send('GET', '/v1/users/me', { authorization: `Bearer ${accessToken}` })).status).toBe(401)
})
test('anybody may see the market in figures, and nobody by name', async () => {
  await market.join('summed', { cpuHour: 2 })
  await expect.poll(async () => (await market.call(null, 'GET', '/v1/market')).body).toMatchObject({ nodes: { online: 1, joined: 1 }, offered: { cpuMillis: 8000 }, prices: [{ level: 'namespace', nodes: 1, cpuHour: { least: '2000000', median: '2000000', most: '2000000' } }] })
  expect(JSON.stringify((await market.call(null, 'GET', '/v1/market')).body)).not.toMatch(/summed|nod_|usr_/)
})
