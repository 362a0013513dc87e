// Files that the market fetches by their address, attacked: what leads inside, by whatever way; what is too large, too slow, cut short or another file.
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createBlobStore } from '../../apps/server/src/blobs/blobs.ts'
import { fetchUrl, problemOfAddress } from '../../apps/server/src/blobs/fetch-url.ts'
import type { FetchRules } from '../../apps/server/src/blobs/fetch-url.ts'
import { aShell } from '../../apps/cli/src/test-cli.ts'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

const TEXT = 'a,b\n1,2\n', HASH = createHash('sha256').update(TEXT).digest('hex'), MAX = 200_000
const NAMES: Readonly<Record<string, string[]>> = { 'files.example': ['127.0.0.1'], 'inside.example': ['10.0.0.1'], 'mixed.example': ['127.0.0.1', '169.254.169.254'], 'clothes.example': ['::ffff:10.0.0.1'], 'nowhere.example': [] }
const resolve: NonNullable<FetchRules['resolve']> = (host, _options, done) => {
  const found = NAMES[host]
  if (found) done(null, found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })))
  else done(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), [])
}
const rules: FetchRules = { loopback: true, bytesMax: MAX, totalMs: 2_000, idleMs: 400, resolve }

let market: TestMarket, port = 0, asked: string[] = []
const server = createServer((request, response) => {
  const [path, query = ''] = (request.url ?? '').split('?')
  asked.push(`${path} ${request.headers['accept-encoding'] ?? ''} ${request.headers.authorization ?? ''}`)
  switch (path) {
    case '/data.csv': response.end(TEXT); return
    case '/to': response.writeHead(302, { location: decodeURIComponent(query) }).end(); return
    case '/round': response.writeHead(302, { location: '/round' }).end(); return
    case '/says-huge': response.writeHead(200, { 'content-length': String(10 ** 12) }).flushHeaders(); return
    case '/huge': { const more = (): void => { while (response.write(Buffer.alloc(16_384))); response.once('drain', more) }; more(); return }
    case '/silent': return
    case '/stops': response.write('half'); return
    case '/drips': { const timer = setInterval(() => response.write('.'), 100); response.on('close', () => clearInterval(timer)); return }
    case '/cut': response.writeHead(200, { 'content-length': '1000' }); response.write('half'); setImmediate(() => response.destroy()); return
    case '/packed': response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'); return
    default: response.writeHead(404).end('no')
  }
})
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  ;({ port } = server.address() as AddressInfo)
  market = await startMarket({ agents: 1, server: { fetches: rules } })
})
afterAll(async () => { await market.stop(); server.closeAllConnections(); server.close() })
const at = (path: string, host = '127.0.0.1'): string => `http://${host}:${port}${path}`
const get = async (url: string, more: object = {}) => (await market.call(market.buyer, 'POST', '/v1/blobs/fetch', { url, ...more })).body
const parts = (): string[] => readdirSync(join(market.dir, 'server', 'blobs', 'parts'))

test('the file becomes a blob by what it is; asked plainly, and through a redirect', async () => {
  asked = []
  expect(await get(at('/data.csv'))).toEqual({ blob: HASH, size: TEXT.length })
  expect(asked).toEqual(['/data.csv identity '])
  expect((await market.call(market.buyer, 'GET', `/v1/blobs/${HASH}`)).body).toBe(TEXT)
  expect(await get(at(`/to?${encodeURIComponent('/data.csv')}`, 'files.example'), { sha256: HASH })).toEqual({ blob: HASH, size: TEXT.length })
})
test('as an input of a job from the command line, under its own name or another one; with a hash that must hold', async () => {
  const { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer })
  expect(await cli(['run', '--input-url', at('/data.csv'), '--', 'fake:cat', 'data.csv'])).toMatchObject({ code: 0, stdout: TEXT })
  expect(await cli(['run', '--input-url', `other.csv=${at('/data.csv')}#sha256=${HASH}`, '--', 'fake:cat', 'other.csv'])).toMatchObject({ code: 0, stdout: TEXT })
  const wrong = await cli(['run', '--input-url', `${at('/data.csv')}#sha256=${'0'.repeat(64)}`, '--', 'fake:cat', 'data.csv'])
  expect([wrong.code === 0, wrong.stderr]).toEqual([false, expect.stringContaining('do not have the promised SHA-256')])
  for (const text of ['data.csv', 'ftp://x.example/a', 'https://x.example/', 'https://x.example/a#b', '../a=https://x.example/a']) expect((await cli(['run', '--input-url', text, '--', 'x'])).code, text).toBe(2)
})
test('what leads inside is refused and never asked: by address, by name, by redirect, in any spelling', async () => {
  asked = []
  const inside = ['http://10.0.0.1/', 'http://169.254.169.254/latest/meta-data/', 'http://192.168.0.1/', 'http://[::ffff:10.0.0.1]/', 'http://[fd00::1]/', 'http://0xa9.0xfe.0xa9.0xfe/', 'http://2852039166/', 'http://inside.example/', 'http://mixed.example/', 'http://clothes.example/', 'http://nowhere.example/']
  for (const url of inside) {
    expect(await get(url), url).toMatchObject({ code: 'url_not_allowed' })
    expect(await get(at(`/to?${encodeURIComponent(url)}`)), `redirect to ${url}`).toMatchObject({ code: 'url_not_allowed' })
  }
  for (const url of ['ftp://files.example/a', 'file:///etc/passwd', 'gopher://files.example/', 'data:text/plain,x', 'http://user:secret@files.example/', 'http://files.example:25/', 'http://files.example:22/', 'nonsense']) expect(await get(url), url).toMatchObject({ code: 'url_not_allowed', detail: { reason: expect.any(String) } })
  expect(asked.every((one) => one.startsWith('/to'))).toBe(true)
})
test('as it is started, not even this very machine: nor by redirect, nor by a name that stands for it', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-fetch-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const store = await createBlobStore({ dir, maxBytes: MAX }), outside: FetchRules = { ...rules, loopback: false }
  asked = []
  for (const host of ['127.0.0.1', 'localhost', 'a.localhost', '[::1]', '0.0.0.0', '127.1', '0x7f.1', '2130706433', '[::ffff:127.0.0.1]', 'files.example', 'mixed.example']) expect(await fetchUrl(store, { url: at('/data.csv', host) }, outside, 'test'), host).toMatchObject({ refusal: 'url_not_allowed' })
  expect(await fetchUrl(store, { url: at('/data.csv', hostname()) }, { loopback: false, totalMs: 2_000 }, 'test')).toMatchObject({ refusal: expect.stringMatching(/^url_not/) })
  expect(asked).toEqual([])
  expect(problemOfAddress(new URL('https://public.example/a'), outside)).toBeNull()
})
test('a ring of redirects ends', async () => {
  expect(await get(at('/round'))).toMatchObject({ code: 'url_not_fetched', detail: { reason: expect.stringContaining('more than 5 times') } })
})
test('too large: said before, or found on the way; nothing of it stays', async () => {
  expect(await get(at('/says-huge'))).toMatchObject({ code: 'blob_too_large', detail: { maxBytes: MAX } })
  expect(await get(at('/huge'))).toMatchObject({ code: 'blob_too_large' })
  expect(parts()).toEqual([])
})
test('too slow: no answer, a body that stops, a body that never ends; each ends in time', async () => {
  const began = performance.now()
  expect(await get(at('/silent'))).toMatchObject({ code: 'url_not_fetched', detail: { reason: 'it did not answer in time' } })
  expect(await get(at('/stops'))).toMatchObject({ code: 'url_not_fetched', detail: { reason: expect.stringContaining('too long') } })
  expect(await get(at('/drips'))).toMatchObject({ code: 'url_not_fetched', detail: { reason: expect.stringContaining('too long') } })
  expect(performance.now() - began).toBeLessThan(15_000)
  expect(parts()).toEqual([])
})
test('cut short, packed, another file, not there: in words; and nobody fetches more than three at a time', async () => {
  expect(await get(at('/cut'))).toMatchObject({ code: 'url_not_fetched', detail: { reason: 'the connection was cut' } })
  expect(await get(at('/packed'))).toMatchObject({ code: 'url_not_fetched' })
  expect(await get(at('/none'))).toMatchObject({ code: 'url_not_fetched', detail: { reason: 'it answered 404' } })
  expect(await get('http://unknown.example/')).toMatchObject({ code: 'url_not_fetched', detail: { reason: 'no such host' } })
  expect(await get(at('/data.csv'), { sha256: '0'.repeat(64) })).toMatchObject({ code: 'blob_hash_mismatch', detail: { sha256: HASH } })
  expect(await get(at('/data.csv'), { sha256: 'x' })).toMatchObject({ code: 'invalid_request' })
  const codes = (await Promise.all(Array.from({ length: 5 }, () => get(at('/silent'))))).map(({ code }) => code as string).toSorted()
  expect(codes).toEqual(['overloaded', 'overloaded', 'url_not_fetched', 'url_not_fetched', 'url_not_fetched'])
  expect(parts()).toEqual([])
})
