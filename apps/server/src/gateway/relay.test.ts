import { expect, onTestFinished, test } from 'vitest'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import WebSocket from 'ws'
import { RELAY_FRAME_MAX, RELAY_PATH } from '@lumaris/protocol'
import type { NodeId } from '@lumaris/protocol'
import { createRelay } from './relay.ts'
import type { Membership, RelayPorts } from './relay.ts'

/** A busy machine takes its time. */
const soon = <T>(look: () => T) => expect.poll(look, { timeout: 60_000 })
const attempt = (letter: string): string => `att_${letter.repeat(26)}`
/** Nodes a, b, c with the ranks 0, 1, 2 of one gang, x and y with the ranks 0 and 1 of another; each node's token is its name. */
async function setup(more: Partial<RelayPorts> = {}) {
  const members = new Map<string, Membership & { node: string }>('abc'.split('').map((name, rank) => [attempt(name), { node: name, gang: 'one', rank }]))
  for (const [rank, name] of 'xy'.split('').entries()) members.set(attempt(name), { node: name, gang: 'two', rank })
  const relay = createRelay({
    authenticate: (token) => ('abcxy'.includes(token) ? { node: token as NodeId } : null),
    membership: (node, id) => { const found = members.get(id); return found?.node === node ? found : null }, ...more,
  })
  const http = createServer()
  http.on('upgrade', (request, socket, head) => { if (relay.takes(request)) relay.upgrade(request, socket, head); else socket.destroy() })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(async () => { await relay.close(); http.closeAllConnections(); await new Promise<void>((resolve) => { http.close(() => resolve()) }) })
  const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}${RELAY_PATH}`
  const connect = (token: string | null, id: string) => new WebSocket(url + id, { headers: token === null ? {} : { authorization: `Bearer ${token}` }, perMessageDeflate: false })
  const open = async (name: string) => {
    const socket = connect(name, attempt(name)), heard: string[] = []
    socket.on('message', (data) => heard.push((data as Buffer).toString('latin1')))
    await once(socket, 'open')
    return { socket, heard, send: (rank: number, text: string) => socket.send(Buffer.concat([Buffer.of(rank), Buffer.from(text)])) }
  }
  const refusedWith = (token: string | null, id: string) => new Promise<number>((resolve) => { const socket = connect(token, id); socket.on('unexpected-response', (_, reply) => { resolve(reply.statusCode ?? 0); socket.terminate() }); socket.on('open', () => resolve(101)); socket.on('error', () => undefined) })
  const closed = async (socket: WebSocket): Promise<number> => (await once(socket, 'close') as [number])[0]
  return { relay, members, open, refusedWith, closed }
}

test('a frame comes to the rank it is for, with the rank it is from, and to nobody else', async () => {
  const { open, relay } = await setup()
  const [a, b, c, x, y] = await Promise.all('abcxy'.split('').map(open)) as [Awaited<ReturnType<typeof open>>, ...Awaited<ReturnType<typeof open>>[]]
  a.send(1, 'to b'); a.send(2, 'to c'); b?.send(0, 'to a'); x?.send(1, 'to y')
  await soon(() => [a, b, c, x, y].map((one) => one?.heard)).toEqual([['\x01to a'], ['\x00to b'], ['\x00to c'], [], ['\x00to y']])
  expect(relay.stats()).toMatchObject({ connections: 5, frames: 4, dropped: 0 })
})
test('for a rank that is not there, oneself, or no rank at all, a frame is lost and counted', async () => {
  const { open, relay } = await setup()
  const a = await open('a')
  a.send(1, 'not yet here'); a.send(0, 'to oneself'); a.send(3, 'beyond the gang'); a.send(255, 'far beyond'); a.socket.send(Buffer.of(1)); a.socket.send(Buffer.alloc(0))
  await soon(() => relay.stats().dropped).toBe(6)
})
test('without a token, with a stolen attempt id, with one that is none: no', async () => {
  const { refusedWith, members, relay } = await setup()
  expect(await refusedWith(null, attempt('a'))).toBe(401)
  expect(await refusedWith('stranger', attempt('a'))).toBe(401)
  expect(await refusedWith('x', attempt('a'))).toBe(403) // a node of another gang
  expect(await refusedWith('b', attempt('a'))).toBe(403) // a node of the same gang
  expect(await refusedWith('a', attempt('z'))).toBe(403)
  expect(await refusedWith('a', 'no-id')).toBe(403)
  members.delete(attempt('a'))
  expect(await refusedWith('a', attempt('a'))).toBe(403) // it has ended
  expect(relay.stats()).toMatchObject({ refused: 7, connections: 0 })
})
test('words instead of frames, and frames larger than any packet, end the socket', async () => {
  const { open, closed } = await setup()
  const a = await open('a'), b = await open('b')
  a.socket.send('text')
  expect(await closed(a.socket)).toBe(1003)
  b.socket.send(Buffer.alloc(RELAY_FRAME_MAX + 1))
  expect(await closed(b.socket)).toBe(1009)
})
test('when an attempt ends its socket does too, at the next look; the others stay', async () => {
  const { open, closed, relay, members } = await setup({ sweepMs: 20 })
  const [b, c] = await Promise.all([open('b'), open('c')])
  members.delete(attempt('b'))
  expect(await closed(b.socket)).toBe(1000)
  expect(c.socket.readyState).toBe(WebSocket.OPEN)
  await soon(() => relay.stats().connections).toBe(1)
})
test('an attempt that moved to a new run of its gang leaves the old one', async () => {
  const { open, closed, members } = await setup({ sweepMs: 20 })
  const a = await open('a')
  members.set(attempt('a'), { node: 'a', gang: 'one again', rank: 0 })
  expect(await closed(a.socket)).toBe(1000)
})
test('an agent that comes again takes its own seat, and nobody hears twice', async () => {
  const { open, closed, relay } = await setup()
  const first = await open('a'), gone = closed(first.socket), second = await open('a'), b = await open('b')
  await gone
  b.send(0, 'hello')
  await soon(() => second.heard).toEqual(['\x01hello'])
  expect(first.heard).toEqual([])
  expect(relay.stats().connections).toBe(2)
})
test('a rank that does not read loses its own packets and slows nobody down', async () => {
  const { open, relay } = await setup({ queueMax: 1024 * 1024 })
  const [a, b, c] = await Promise.all([open('a'), open('b'), open('c')])
  b.socket.pause()
  for (let i = 0; i < 600; i++) a.send(1, 'x'.repeat(60_000))
  a.send(2, 'still here')
  await soon(() => c.heard).toEqual(['\x00still here'])
  expect(relay.stats().dropped).toBeGreaterThan(300)
  b.socket.resume()
  await soon(() => b.heard.length).toBe(relay.stats().frames - 1)
})
test('who sends more than his share is read more slowly, and loses nothing by it', async () => {
  const { open, relay } = await setup({ bytesPerSecond: 2_000_000, burstBytes: 100_000 })
  const [a, b] = await Promise.all([open('a'), open('b')])
  const from = performance.now()
  for (let i = 0; i < 20; i++) a.send(1, 'x'.repeat(50_000))
  await soon(() => b.heard.length).toBe(20)
  // 900 kB beyond the burst at 2 MB/s; the last frame is paid for after it has passed.
  expect(performance.now() - from).toBeGreaterThan(350)
  expect(relay.stats()).toMatchObject({ dropped: 0 })
  expect(relay.stats().held).toBeGreaterThan(0)
})
test('beyond its number of seats the relay has none, but for who sits already', async () => {
  const { open, refusedWith } = await setup({ connectionsMax: 2 })
  await open('a'); await open('b')
  expect(await refusedWith('c', attempt('c'))).toBe(503)
  expect(await refusedWith('a', attempt('a'))).toBe(101)
})
