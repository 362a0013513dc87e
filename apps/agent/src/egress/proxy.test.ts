// The proxy, attacked from where a sandbox would speak to it. All hosts are servers of this test on loopback; which of them may be reached is said to the
// proxy by the test, and names are resolved by the test.
import { afterEach, expect, test } from 'vitest'
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createEgressProxy } from './proxy.ts'
import type { EgressLimits, EgressOptions, EgressProxy } from './proxy.ts'

const ends: (() => unknown)[] = []
afterEach(async () => { for (const end of ends.splice(0).reverse()) await end() })
const listen = async (server: Server): Promise<number> => { server.listen(0, '127.0.0.1'); await once(server, 'listening'); return (server.address() as AddressInfo).port }
const tcp = async (take: (socket: Socket) => void): Promise<number> => {
  const sockets = new Set<Socket>(), server = createServer({ allowHalfOpen: true }, (socket) => { sockets.add(socket); socket.on('error', () => undefined); take(socket) })
  ends.push(() => { for (const socket of sockets) socket.destroy(); server.close() })
  return listen(server)
}
type Seen = { method: string | undefined; url: string | undefined; raw: string[]; body: string }
async function webHost(): Promise<{ port: number; seen: Seen[] }> {
  const seen: Seen[] = []
  const server = createHttp((request: IncomingMessage, reply) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => { body += text }).on('end', () => { seen.push({ method: request.method, url: request.url, raw: request.rawHeaders, body }); reply.setHeader('X-Theirs', 'yes'); reply.end('hello') })
  })
  ends.push(() => { server.close(); server.closeAllConnections() })
  return { port: await listen(server), seen }
}
type Rig = { proxy: EgressProxy; port: number; asked: string[] }
async function rig({ rules, open = [], limits = {}, names = {}, resolve }: { rules: [string, number][]; /** Ports of loopback that stand for the internet. */ open?: number[]; limits?: Partial<EgressLimits>; names?: Record<string, string[]>; resolve?: EgressOptions['resolve'] }): Promise<Rig> {
  const asked: string[] = []
  const proxy = createEgressProxy({
    rules: rules.map(([host, port]) => ({ host, port })), limits, reachable: (address, port) => address === '127.0.0.1' && open.includes(port),
    resolve: resolve ?? (async (host) => { asked.push(host); return names[host] ?? ['127.0.0.1'] }),
  })
  const door = createServer()
  const port = await listen(door)
  proxy.serve(door)
  ends.push(() => proxy.close())
  return { proxy, port, asked }
}
/** Sends it, and reads until the other side has ended or the text is there. */
function say(port: number, words: string | Buffer, until?: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    let said = ''
    socket.setEncoding('latin1').on('data', (text: string) => { said += text; if (until !== undefined && said.includes(until)) { socket.destroy(); resolve(said) } })
    socket.on('error', () => undefined).on('end', () => socket.end()).on('close', () => resolve(said))
    socket.write(words)
  })
}
const CONNECT = (to: string): string => `CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`
/** A SOCKS greeting, and the request after it. */
const HELLO = Buffer.from([5, 1, 0])
const socks = (host: string, port: number, { command = 1, kind = 3 } = {}): Buffer => { const name = Buffer.from(host, 'latin1'); return Buffer.concat([HELLO, Buffer.from([5, command, 0, kind, name.length]), name, Buffer.from([port >> 8, port & 255])]) }
/** What was answered to the request, and what came after that; null: the greeting was not taken. */
const answered = (said: string): { reply: number | null; rest: string } => (said.startsWith('\x05\x00') ? { reply: said.length >= 12 ? said.charCodeAt(3) : null, rest: said.slice(12) } : { reply: null, rest: '' })
const statusOf = (said: string): number => Number(said.split(' ')[1] ?? 0)

test('CONNECT carries bytes both ways to a host on the list, until both have said all; all of them are counted', async () => {
  const echo = await tcp((socket) => socket.pipe(socket))
  const { proxy, port, asked } = await rig({ rules: [['ok.example', echo]], open: [echo] })
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  let said = ''
  socket.setEncoding('latin1').on('data', (text: string) => { said += text })
  socket.write(`${CONNECT(`OK.example:${echo}`)}early`) // what comes with the head belongs to the tunnel
  await expect.poll(() => said).toContain('early')
  socket.end('x'.repeat(100_000))
  await once(socket, 'close')
  expect(said.split('\r\n\r\n')[1]).toHaveLength(100_005)
  await expect.poll(() => proxy.meter()).toEqual({ inBytes: 100_005, outBytes: 100_005, connections: 1, refused: 0 })
  expect(asked).toEqual(['ok.example'])
})
test('what is not on the list, in whatever spelling, is refused and nothing is looked up', async () => {
  let hits = 0
  const victim = await tcp((socket) => { hits++; socket.destroy() })
  const { proxy, port, asked } = await rig({ rules: [['ok.example', victim], ['*.wild.example', victim]], open: [victim] })
  const targets = ['other.example', 'sub.ok.example', 'ok.example.', 'ok.example.evil.example', 'wild.example', 'a.b.wild.example', '.wild.example', 'user@ok.example', 'user:pw@ok.example', '[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '127.0.0.1', '127.1', '0', '2130706433', '0x7f000001', '0x7f.0.0.1',
    '0177.0.0.1', '127.0.0.1.', 'localhost', 'LOCALHOST', 'ok.example%00', 'ok%2eexample', 'ok.example:80@127.0.0.1', 'ok.example#', 'ok.example/', 'http://ok.example', 'xn--ok-xka.example', 'o\u0138.example', '*.wild.example', '']
  for (const target of targets) expect([400, 403], target).toContain(statusOf(await say(port, Buffer.from(CONNECT(`${target}:${victim}`), 'utf8'))))
  for (const target of ['ok.example', 'ok.example:', 'ok.example:1', `ok.example:0${victim}`, `ok.example:${victim}:1`, 'ok.example:70000', 'ok.example:-1']) expect([400, 403], target).toContain(statusOf(await say(port, CONNECT(target))))
  expect({ hits, asked, ...proxy.meter() }).toEqual({ hits: 0, asked: [], inBytes: 0, outBytes: 0, connections: 0, refused: targets.length + 7 })
  expect(await say(port, CONNECT(`other.example:${victim}`))).toContain('other.example:' + String(victim) + ' is not among the hosts that this job named')
})
test('a listed name that resolves to where nobody may go is refused as one that does not resolve at all', async () => {
  let hits = 0
  const victim = await tcp((socket) => { hits++; socket.destroy() })
  const inside = ['127.0.0.1', '::1', '10.0.0.1', '100.64.0.1', '169.254.169.254', '192.168.0.1', '0.0.0.0', '::', '::ffff:127.0.0.1', '64:ff9b::7f00:1', 'fd00:ec2::254', 'fe80::1', 'ff02::1', '2002:7f00:1::', 'localhost', '0x7f.1', '']
  const door = createServer(), port = await listen(door)
  // As in an agent: no word of the test's about what may be reached.
  const proxy = createEgressProxy({ rules: inside.map((_, i) => ({ host: `n${i}.example`, port: victim })), resolve: async (host) => [inside[Number(/\d+/.exec(host)?.[0])] ?? ''] })
  ends.push(() => proxy.close())
  proxy.serve(door)
  const said = await Promise.all(inside.map((_, i) => say(port, CONNECT(`n${i}.example:${victim}`))))
  for (const [i, one] of said.entries()) expect(one, inside[i]).toMatch(/^HTTP\/1.1 502 [^]*\r\n\r\nlumaris: n\d+\.example has no address that can be reached from here\n$/)
  expect({ hits, connections: proxy.meter().connections }).toEqual({ hits: 0, connections: 0 })
  const nowhere = await rig({ rules: [['n0.example', victim]], resolve: async () => { throw new Error('ENOTFOUND of the owner’s name server') } })
  expect(await say(nowhere.port, CONNECT(`n0.example:${victim}`))).toBe(said[0])
})
test('a name that changes its address between check and connection gains nothing: it is asked once, and the checked address is the one', async () => {
  let hits = 0
  const host = await tcp((socket) => socket.end('public')), victim = await tcp((socket) => { hits++; socket.end('inside') })
  const answers = [['127.0.0.1'], ['127.0.0.2'], ['127.0.0.2']]
  let asked = 0
  const { port } = await rig({ rules: [['turns.example', host], ['turns.example', victim]], open: [host], resolve: async () => answers[asked++] ?? [] })
  expect(await say(port, CONNECT(`turns.example:${host}`))).toMatch(/\r\n\r\npublic$/)
  expect(asked).toBe(1)
  expect(statusOf(await say(port, CONNECT(`turns.example:${victim}`)))).toBe(502)
  expect(hits).toBe(0)
  // Good and bad ones together: only the good ones are tried.
  const mixed = await rig({ rules: [['mixed.example', host]], open: [host], names: { 'mixed.example': ['10.0.0.1', '::1', '127.0.0.1'] } })
  expect(await say(mixed.port, CONNECT(`mixed.example:${host}`))).toMatch(/\r\n\r\npublic$/)
})
test('a plain request is written anew: its host is the one that was checked, and nothing of this connection passes', async () => {
  const { port: host, seen } = await webHost(), { port } = await rig({ rules: [['ok.example', host]], open: [host] })
  const said = await say(port, `GET http://ok.example:${host}/path?q=1 HTTP/1.1\r\nHost: evil.example\r\nhost: other.example\r\nProxy-Authorization: Basic c2VjcmV0\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nUpgrade: websocket\r\nTE: trailers\r\nX-Kept: a\r\nX-Kept: b\r\n\r\n`)
  expect(said).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*X-Theirs: yes\r\n[^]*Connection: close\r\n[^]*\r\nhello$/)
  expect(seen).toEqual([{ method: 'GET', url: '/path?q=1', raw: ['Host', `ok.example:${host}`, 'Connection', 'close', 'X-Kept', 'a', 'X-Kept', 'b'], body: '' }])
  expect(await say(port, `POST http://ok.example:${host} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody`)).toContain('hello')
  expect(await say(port, `POST http://OK.example:${host}?x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`)).toContain('hello')
  expect(seen.slice(1).map(({ url, body }) => [url, body])).toEqual([['/', 'body'], ['/?x', 'abc']])
})
test('smuggling: whatever two ends could read differently is refused, and there is no second request in a connection', async () => {
  const { port: host, seen } = await webHost(), { port } = await rig({ rules: [['ok.example', host]], open: [host] }), to = `http://ok.example:${host}/`
  const secret = `GET http://ok.example:${host}/second HTTP/1.1\r\nHost: x\r\n\r\n`
  const refused = [
    `POST ${to} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${secret}`, `POST ${to} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef`,
    `POST ${to} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${secret}`, `POST ${to} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, `POST ${to} HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nabcde`,
    `POST ${to} HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nabcde`, `GET ${to} HTTP/1.1\nHost: x\n\n`, `GET ${to} HTTP/1.1\r\nHost: x\r\nX: a\r\n b: c\r\nY\x00: d\r\n\r\n`, `GET ${to} HTTP/1.1 \r\nHost: x\r\n\r\n`, `GET ${to}\x01 HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET /relative HTTP/1.1\r\nHost: ok.example:${host}\r\n\r\n`, `GET https://ok.example:${host}/ HTTP/1.1\r\nHost: x\r\n\r\n`, `GET http://ok.example:${host}@other.example/ HTTP/1.1\r\nHost: x\r\n\r\n`, `GET http://u@ok.example:${host}/ HTTP/1.1\r\nHost: x\r\n\r\n`, `GET http://ok.example\\@other.example:${host}/ HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET http:///${host} HTTP/1.1\r\nHost: x\r\n\r\n`, `GET http://[::1]:${host}/ HTTP/1.1\r\nHost: x\r\n\r\n`, `GET http://127.0.0.1:${host}/ HTTP/1.1\r\nHost: ok.example\r\n\r\n`, `GET http://ok.example.:${host}/ HTTP/1.1\r\nHost: x\r\n\r\n`, `GET ftp://ok.example:${host}/ HTTP/1.1\r\nHost: x\r\n\r\n`, `* HTTP/1.1\r\n\r\n`, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    `GET ${to} HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`,
  ]
  for (const words of refused) {
    const before = seen.length, said = await say(port, Buffer.from(words, 'latin1'))
    expect([0, 400, 403, 431], JSON.stringify(words.slice(0, 200))).toContain(statusOf(said))
    expect(seen.slice(before).map(({ url }) => url), JSON.stringify(words.slice(0, 200))).toEqual([])
  }
  // Pipelined: the first may be answered or not, the second is never asked.
  await say(port, `GET ${to}first HTTP/1.1\r\nHost: x\r\n\r\n${secret}`)
  await say(port, `GET ${to}first HTTP/1.1\r\nHost: x\r\n\r\nCONNECT ok.example:${host} HTTP/1.1\r\n\r\n`)
  expect(seen.filter(({ url }) => url !== '/first')).toEqual([])
})
test('an answer that is no HTTP, says two lengths, or switches protocols, ends as an error and harms nobody', async () => {
  const words = ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nraw', 'SSH-2.0-x\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'HTTP/1.1 200 OK\r\nX: \x01\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 200 \x01\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort', '']
  let turn = 0
  const host = await tcp((socket) => { socket.once('data', () => socket.end(Buffer.from(words[turn] as string, 'latin1'))) })
  const { port } = await rig({ rules: [['ok.example', host]], open: [host] })
  for (turn = 0; turn < words.length; turn++) expect(await say(port, `GET http://ok.example:${host}/ HTTP/1.1\r\nHost: x\r\n\r\n`), words[turn]).not.toMatch(/ 101 |raw|SSH|short.+/)
  turn = 5
  expect(await say(port, `GET http://ok.example:${host}/ HTTP/1.1\r\nHost: x\r\n\r\n`)).toContain('short')
})
test('so many connections and no more; room comes back when one ends', async () => {
  const host = await tcp(() => undefined)
  const { proxy, port } = await rig({ rules: [['ok.example', host]], open: [host], limits: { connections: 8, halfMs: 200 } })
  const held = await Promise.all(Array.from({ length: 8 }, async () => { const socket = connect(port, '127.0.0.1').on('error', () => undefined); socket.write(CONNECT(`ok.example:${host}`)); await once(socket, 'data'); return socket }))
  for (let i = 0; i < 50; i++) expect(await say(port, CONNECT(`ok.example:${host}`))).toBe('')
  expect(proxy.meter()).toMatchObject({ connections: 8, refused: 50 })
  held[0]?.destroy()
  await expect.poll(() => say(port, CONNECT(`ok.example:${host}`), '200')).toContain('200')
  for (const socket of held) socket.destroy()
})
test('so many new ones in a second and no more: the others wait, and are served', async () => {
  const { proxy, port } = await rig({ rules: [['ok.example', 1]], limits: { perSecond: 20 } })
  const from = performance.now()
  for (let i = 0; i < 40; i++) expect(statusOf(await say(port, CONNECT('other.example:1')))).toBe(403)
  expect(performance.now() - from).toBeGreaterThan(900) // twenty at once, and then one each 50 ms
  expect(proxy.meter().refused).toBe(40)
  const waits = Array.from({ length: 10 }, () => say(port, CONNECT('other.example:1')))
  await proxy.close()
  expect((await Promise.all(waits)).filter((said) => said !== '').length).toBeLessThan(10) // who waits is ended too
})
test('so many bytes and no more, in both directions together, over all connections', async () => {
  const host = await tcp((socket) => { const pour = (): void => { while (socket.writable && socket.write('x'.repeat(65_536))); socket.once('drain', pour) }; pour() })
  const { proxy, port } = await rig({ rules: [['ok.example', host]], open: [host], limits: { bytes: 5_000_000 } })
  const both = await Promise.all([say(port, CONNECT(`ok.example:${host}`)), say(port, CONNECT(`ok.example:${host}`))])
  expect(both.join('').length).toBeLessThan(5_000_000 + 200)
  const { inBytes, outBytes } = proxy.meter()
  expect(inBytes + outBytes).toBeGreaterThan(5_000_000)
  expect(inBytes + outBytes).toBeLessThan(5_000_000 + 8 * 65_536) // what was on its way
  expect(await say(port, CONNECT(`ok.example:${host}`))).toContain('the most that this node carries for one try')
})
test('whoever says nothing, too slowly, or waits for a silent name server or peer, is ended', async () => {
  const host = await tcp(() => undefined)
  const { port } = await rig({ rules: [['ok.example', host], ['silent.example', host]], open: [host], limits: { headMs: 300, resolveMs: 300 }, resolve: (name) => (name === 'silent.example' ? new Promise(() => undefined) : Promise.resolve(['127.0.0.1'])) })
  expect(await say(port, '')).toBe('')
  const slow = connect(port, '127.0.0.1').on('error', () => undefined)
  slow.write('GET http://ok.example/')
  const drip = setInterval(() => slow.write('a'), 50)
  await new Promise((resolve) => slow.once('close', resolve))
  clearInterval(drip)
  expect(statusOf(await say(port, CONNECT(`silent.example:${host}`)))).toBe(502)
  const idle = await rig({ rules: [['ok.example', host]], open: [host], limits: { idleMs: 400 } })
  expect(statusOf(await say(idle.port, CONNECT(`ok.example:${host}`)))).toBe(200) // and then it is ended: `say` waits for that
})
test('a flood that nobody reads stays where it comes from', async () => {
  let poured = 0
  const host = await tcp((socket) => { const pour = (): void => { while (socket.writable) { poured += 65_536; if (!socket.write('x'.repeat(65_536))) break } socket.once('drain', pour) }; pour() })
  const { port } = await rig({ rules: [['ok.example', host]], open: [host] })
  const deaf = connect(port, '127.0.0.1').on('error', () => undefined)
  deaf.pause().write(CONNECT(`ok.example:${host}`))
  let before = -1
  await expect.poll(() => { const stands = poured === before && poured > 0; before = poured; return stands }, { interval: 300, timeout: 60_000 }).toBe(true)
  expect(poured).toBeLessThan(64 * 1024 * 1024) // buffers of the kernel, four times over
  deaf.destroy()
})
test('closed, it ends what runs, takes nothing more, and its listener is gone', async () => {
  const host = await tcp(() => undefined), { proxy, port } = await rig({ rules: [['ok.example', host]], open: [host] })
  const open = say(port, CONNECT(`ok.example:${host}`)), idle = say(port, '')
  await expect.poll(() => proxy.meter().connections).toBe(1)
  await proxy.close()
  expect(statusOf(await open)).toBe(200)
  expect(await idle).toBe('')
  expect(await say(port, CONNECT(`ok.example:${host}`))).toBe('')
  const late = createServer()
  await listen(late)
  proxy.serve(late)
  expect(late.listening).toBe(false)
})

test('SOCKS5 carries bytes both ways to a host on the list, at the same door, however its words are cut; all of them are counted', async () => {
  const echo = await tcp((socket) => socket.pipe(socket))
  const { proxy, port, asked } = await rig({ rules: [['ok.example', echo]], open: [echo] })
  const words = Buffer.concat([socks('OK.example', echo), Buffer.from('early')])
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true }).setNoDelay(true)
  let said = ''
  socket.setEncoding('latin1').on('data', (text: string) => { said += text })
  for (const byte of words) await new Promise<void>((resolve) => { socket.write(Buffer.from([byte]), () => setImmediate(resolve)) })
  await expect.poll(() => answered(said)).toEqual({ reply: 0, rest: 'early' })
  socket.end('x'.repeat(100_000))
  await once(socket, 'close')
  expect(answered(said).rest).toHaveLength(100_005)
  await expect.poll(() => proxy.meter()).toEqual({ inBytes: 100_005, outBytes: 100_005, connections: 1, refused: 0 })
  expect(asked).toEqual(['ok.example'])
  expect(answered(await say(port, words, 'early')).rest).toBe('early') // all at once
})
test('SOCKS5: what is not on the list, any address, UDP, connections from outside and passwords are refused, and nothing is looked up', async () => {
  let hits = 0
  const victim = await tcp((socket) => { hits++; socket.destroy() })
  const { proxy, port, asked } = await rig({ rules: [['ok.example', victim], ['*.wild.example', victim]], open: [victim] })
  const hosts = ['other.example', 'sub.ok.example', 'ok.example.', 'wild.example', 'a.b.wild.example', 'user@ok.example', '127.0.0.1', '127.1', '0', '2130706433', '0x7f000001', '[::1]', '::1', 'localhost', 'ok.example%00', 'ok.example\0', 'ok.example\0.evil.example', `ok.example:${victim}`, 'ok.example#', 'http://ok.example', 'o\xe9.example', ' ok.example', '', 'x'.repeat(255)]
  for (const host of hosts) expect(answered(await say(port, socks(host, victim))).reply, host).toBe(2)
  for (const wrong of [victim + 1, 0, 25]) expect(answered(await say(port, socks('ok.example', wrong))).reply, String(wrong)).toBe(2)
  const four = Buffer.concat([HELLO, Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, victim >> 8, victim & 255])]), six = Buffer.concat([HELLO, Buffer.from([5, 1, 0, 4]), Buffer.alloc(15), Buffer.from([1, victim >> 8, victim & 255])])
  for (const address of [four, six]) expect(answered(await say(port, address)).reply).toBe(8)
  for (const command of [0, 2, 3, 4, 255]) expect(answered(await say(port, socks('ok.example', victim, { command }))).reply, String(command)).toBe(7)
  const odd = [socks('ok.example', victim, { kind: 2 }), Buffer.concat([HELLO, Buffer.from([4, 1, 0, 3, 1, 97, 0, 80])]), Buffer.concat([HELLO, Buffer.from([5, 1, 7, 3, 1, 97, 0, 80])]), Buffer.concat([HELLO, Buffer.from(CONNECT(`ok.example:${victim}`))])]
  for (const words of odd) expect(answered(await say(port, words)).reply).toBe(1)
  // A password, or something else that we do not know; and the version before, which is no HTTP either.
  for (const methods of [[2], [1, 2], []]) expect(await say(port, Buffer.from([5, methods.length, ...methods, 5, 1, 0]))).toBe('\x05\xff')
  expect(statusOf(await say(port, Buffer.from([4, 1, victim >> 8, victim & 255, 127, 0, 0, 1, 0])))).toBe(400)
  expect({ hits, asked, connections: proxy.meter().connections, refused: proxy.meter().refused }).toEqual({ hits: 0, asked: [], connections: 0, refused: hosts.length + 3 + 2 + 5 + odd.length + 3 + 1 })
})
test('SOCKS5: a name that leads inside is as unreachable as one that leads nowhere, and bounds are those of all', async () => {
  let hits = 0
  const victim = await tcp((socket) => { hits++; socket.destroy() }), host = await tcp(() => undefined)
  const inside = await rig({ rules: [['in.example', victim], ['none.example', victim]], names: { 'in.example': ['10.0.0.1', '169.254.169.254', '::1', '127.0.0.1'], 'none.example': [] } })
  expect([await say(inside.port, socks('in.example', victim)), await say(inside.port, socks('none.example', victim))].map((said) => answered(said).reply)).toEqual([4, 4])
  expect(hits).toBe(0)
  const { proxy, port } = await rig({ rules: [['ok.example', host]], open: [host], limits: { connections: 3, halfMs: 200, headMs: 300, bytes: 1000 } })
  const held = await Promise.all(Array.from({ length: 3 }, async () => { const socket = connect(port, '127.0.0.1').on('error', () => undefined); socket.write(socks('ok.example', host)); await expect.poll(() => socket.bytesRead).toBe(12); return socket }))
  expect(await say(port, socks('ok.example', host))).toBe('')
  for (const socket of held) socket.destroy()
  // Half a greeting, half a request: ended when a head must have been there.
  await expect.poll(() => say(port, socks('ok.example', host).subarray(0, -1))).toBe('\x05\x00')
  expect(await say(port, Buffer.from([5, 9, 0]))).toBe('')
  const heavy = connect(port, '127.0.0.1').on('error', () => undefined)
  heavy.write(Buffer.concat([socks('ok.example', host), Buffer.alloc(5000)]))
  await expect.poll(() => proxy.meter().outBytes).toBeGreaterThan(1000)
  expect(answered(await say(port, socks('ok.example', host))).reply).toBe(2)
  heavy.destroy()
})
