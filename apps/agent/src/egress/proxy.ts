// The way out of one sandbox: an HTTP proxy that speaks with the listed hosts and nobody else. CONNECT carries anything (TLS above all); requests
// with a whole address (`GET http://…`) are read, and written anew with only what belongs to them. For programs that know no HTTP proxies it is a SOCKS5
// proxy as well, at the same port: its first byte is one that no request begins with.
//
//   connection → one request → on the list? → its name resolved here → addresses that may be reached → connected to one of these, by number
//
// Nothing between check and connection can be exchanged, because the name is not looked at again. One request for each connection: there is no second
// one in which two ends could disagree about where the first one stops.
import { createServer, request as requestOf } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { EgressRule } from '@lumaris/protocol'
import { mayReach } from './addresses.ts'
import { addressesOf } from './resolve.ts'
import { isListed, targetOf } from './hosts.ts'
import type { Target } from './hosts.ts'
import { VERSION, greetingIn, methodOf, replyOf, requestIn } from './socks.ts'

export type EgressLimits = {
  /** At once, of one attempt: more wait for nothing, they are closed. */
  readonly connections: number
  /** New ones in a second; more wait for their turn, as part of the number above. What a job makes the agent do is not on its bill. */
  readonly perSecond: number
  /** In both directions together, of one attempt. What is over it ends every connection, and there are no new ones. */
  readonly bytes: number
  /** From the first byte of a connection to the end of its request's head. */
  readonly headMs: number
  /** To resolve a name; to connect to one address. */
  readonly resolveMs: number; readonly connectMs: number
  /** A connection on which nothing moves in either direction. */
  readonly idleMs: number
  /** The same when one end has said all: most often it is gone, and its other half would take up room. */
  readonly halfMs: number
}
const EGRESS_LIMITS: EgressLimits = { connections: 64, perSecond: 200, bytes: 10 * 1024 ** 3, headMs: 10_000, resolveMs: 10_000, connectMs: 10_000, idleMs: 300_000, halfMs: 30_000 }
export type EgressMeter = { readonly inBytes: number; readonly outBytes: number; readonly connections: number; readonly refused: number }
export type EgressOptions = {
  readonly rules: readonly EgressRule[]; readonly limits?: Partial<EgressLimits>
  /** Which addresses connections may end at, in place of the public internet: for tests, whose hosts are on loopback. */
  readonly reachable?: (address: string, port: number) => boolean
  /** All addresses of a name, in place of the machine's name servers: for tests. */
  readonly resolve?: (host: string) => Promise<readonly string[]>
}
export type EgressProxy = {
  /** Takes the connections of this listener; it is closed with the proxy. */
  serve(door: Server): void
  meter(): EgressMeter
  /** Ends every connection. */
  close(): Promise<void>
}

/** Addresses tried, one after the other. */
const TRIES_MAX = 4
/** Of a request's head. */
const HEAD_BYTES_MAX = 16 * 1024
/** Belong to one connection and not to the message; the rest of what must not pass is written anew. */
const HOP = new Set(['connection', 'proxy-connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'proxy-authorization', 'proxy-authenticate', 'expect', 'host', 'content-length'])

class No extends Error {
  override readonly name = 'No'
  readonly status: number
  constructor(status: number, says: string) { super(says); this.status = status }
}
const NOT_LISTED = (what: string): No => new No(403, `${what.slice(0, 300)} is not among the hosts that this job named (network.egress)`)
const UNREACHABLE = ({ host }: Target): No => new No(502, `${host} has no address that can be reached from here`)

export function createEgressProxy({ rules, limits: set = {}, reachable = (address) => mayReach(address), resolve }: EgressOptions): EgressProxy {
  const limits = { ...EGRESS_LIMITS, ...set }
  const clients = new Set<Socket>(), outside = new Set<Socket>(), doors = new Set<Server>()
  const gone = new AbortController()
  let inBytes = 0, outBytes = 0, connections = 0, refused = 0
  const meter = (): EgressMeter => {
    let read = inBytes, written = outBytes
    for (const socket of outside) { read += socket.bytesRead; written += socket.bytesWritten }
    return { inBytes: read, outBytes: written, connections, refused }
  }
  const overdrawn = (): boolean => { const now = meter(); return now.inBytes + now.outBytes > limits.bytes }
  const check = (): void => { if (overdrawn()) for (const socket of [...outside, ...clients]) socket.destroy() }

  /** A connection to where the target really is: its addresses are looked at before, and one of these very addresses is connected to. */
  async function reach(target: Target): Promise<Socket> {
    const late = Promise.withResolvers<never>(), timer = setTimeout(() => late.reject(UNREACHABLE(target)), limits.resolveMs)
    let found: readonly string[]
    try { found = await Promise.race([resolve ? resolve(target.host) : addressesOf(target.host, limits.resolveMs), late.promise]) } catch { throw UNREACHABLE(target) } finally { clearTimeout(timer) }
    // The same answer for a name that is nowhere and for one that is inside: jobs learn no names of the owner's network.
    for (const address of found.filter((one) => reachable(one, target.port)).slice(0, TRIES_MAX)) {
      if (gone.signal.aborted) break
      const socket = await open(address, target.port)
      if (socket) return socket
    }
    throw UNREACHABLE(target)
  }
  const open = (host: string, port: number): Promise<Socket | null> => new Promise((done) => {
    const socket = connect({ host, port, allowHalfOpen: true })
    const late = setTimeout(() => socket.destroy(), limits.connectMs)
    outside.add(socket)
    socket.on('error', () => undefined) // 'close' follows
    socket.once('close', () => { clearTimeout(late); outside.delete(socket); inBytes += socket.bytesRead; outBytes += socket.bytesWritten; done(null) })
    socket.once('connect', () => {
      clearTimeout(late)
      connections++
      socket.setNoDelay(true).setTimeout(limits.idleMs, () => socket.destroy())
      done(socket)
    })
  })

  function listed(text: string, usualPort?: number): Target {
    const target = targetOf(text, usualPort)
    if (!target || !isListed(rules, target)) throw NOT_LISTED(text)
    if (overdrawn()) throw new No(403, `this job has moved ${limits.bytes} bytes, the most that this node carries for one try`)
    return target
  }
  const answer = (error: unknown): { status: number; body: string } => {
    const no = error instanceof No ? error : new No(400, 'that request cannot be passed on')
    refused++
    return { status: no.status, body: `lumaris: ${no.message.replaceAll(/[^\x20-\x7e]/g, '?')}\n` }
  }

  async function tunnel(request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    let far: Socket | null = null
    try {
      far = await reach(listed(request.url ?? ''))
      if (client.destroyed) { far.destroy(); return }
    } catch (error) {
      const { status, body } = answer(error)
      client.end(`HTTP/1.1 ${status} ${status === 502 ? 'Bad Gateway' : 'Forbidden'}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`)
      return
    }
    client.write('HTTP/1.1 200 Connection established\r\n\r\n')
    if (head.length > 0) far.write(head)
    join(client, far)
  }
  /** Until both ends have said all; slow readers slow writers down. */
  function join(client: Socket, far: Socket): void {
    for (const socket of [client, far]) socket.on('data', check)
    client.pipe(far)
    far.pipe(client)
    for (const [one, other] of [[client, far], [far, client]] as const) {
      one.once('end', () => { for (const each of [one, other]) each.setTimeout(Math.min(limits.halfMs, limits.idleMs)) })
      one.once('close', () => other.destroy())
    }
  }

  /** SOCKS: a greeting, a request, and then bytes both ways. What comes with the request belongs to the tunnel. */
  function socks(client: Socket): void {
    let kept: Buffer = Buffer.alloc(0), greeted = false
    const refuse = (says: Buffer): void => { refused++; client.off('data', take).off('end', quit).end(says).resume().setTimeout(limits.halfMs) }
    const quit = (): void => { client.destroy() }
    const take = (chunk: Buffer): void => {
      kept = Buffer.concat([kept, chunk])
      if (!greeted) {
        const greeting = greetingIn(kept)
        if (!greeting) return
        if (!greeting.takes) return refuse(methodOf(false))
        greeted = true
        kept = kept.subarray(greeting.size)
        client.write(methodOf(true))
      }
      const request = requestIn(kept)
      if (!request) return
      if ('refused' in request) return refuse(replyOf(request.refused))
      asked.add(client)
      client.off('data', take).off('end', quit).pause()
      void (async () => {
        let far: Socket
        try { far = await reach(listed(request.target)) } catch (error) { return refuse(replyOf(error instanceof No && error.status === 502 ? 'unreachable' : 'refused')) }
        if (client.destroyed) { far.destroy(); return }
        client.write(replyOf('granted'))
        if (kept.length > request.size) far.write(kept.subarray(request.size))
        join(client, far)
      })().catch(quit)
    }
    client.on('data', take).once('end', quit)
  }

  async function forward(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    try {
      const [, authority = '', path = ''] = /^http:\/\/([^/?#]*)([/?][^#]*)?$/i.exec(request.url ?? '') ?? []
      const target = listed(authority, 80)
      const far = await reach(target)
      if (reply.destroyed) { far.destroy(); return }
      reply.once('close', () => far.destroy())
      const named = new Set((request.headers.connection ?? '').toLowerCase().split(',').map((name) => name.trim()))
      // With any `agent`, false too, Node would connect by itself; should it ever, then to a name that is nowhere.
      const out = requestOf({ host: 'nowhere.invalid', method: request.method, path: path.startsWith('?') ? `/${path}` : path || '/', createConnection: () => far, setHost: false, insecureHTTPParser: false, maxHeaderSize: HEAD_BYTES_MAX })
      const failed = (): void => { far.destroy(); refuse(reply, new No(502, `${target.host} gave no answer that can be passed on`)) }
      out.on('error', failed).on('upgrade', failed)
      out.setHeader('Host', target.port === 80 ? target.host : `${target.host}:${target.port}`)
      out.setHeader('Connection', 'close')
      for (const [name, value] of pairsOf(request.rawHeaders)) if (!HOP.has(name.toLowerCase()) && !named.has(name.toLowerCase())) out.appendHeader(name, value)
      const size = request.headers['content-length']
      if (size !== undefined) out.setHeader('Content-Length', size)
      out.on('response', (response) => { try { passOn(response, reply) } catch { reply.destroy() /* words that no head can have */ } })
      request.on('data', check).on('error', () => undefined) // its end is told by the reply's
      if (size !== undefined || request.headers['transfer-encoding'] !== undefined) request.pipe(out)
      else out.end()
    } catch (error) { refuse(reply, error) }
  }
  function passOn(response: IncomingMessage, reply: ServerResponse): void {
    const theirs = new Set((response.headers.connection ?? '').toLowerCase().split(',').map((name) => name.trim()))
    reply.shouldKeepAlive = false
    for (const [name, value] of pairsOf(response.rawHeaders)) if ((!HOP.has(name.toLowerCase()) || name.toLowerCase() === 'content-length') && !theirs.has(name.toLowerCase())) reply.appendHeader(name, value)
    reply.writeHead(response.statusCode ?? 502, response.statusMessage)
    response.on('data', check).on('error', () => reply.destroy()).on('close', () => { if (!response.complete) reply.destroy() })
    response.pipe(reply)
  }
  function refuse(reply: ServerResponse, error: unknown): void {
    const { status, body } = answer(error)
    if (reply.headersSent || reply.destroyed) { reply.destroy(); return }
    reply.writeHead(status, { 'content-type': 'text/plain', 'content-length': body.length, connection: 'close' })
    reply.end(body)
  }

  const http = createServer({ maxHeaderSize: HEAD_BYTES_MAX, insecureHTTPParser: false, requireHostHeader: false })
  const asked = new WeakSet<Duplex>()
  /** The first and only request of its connection. */
  const first = (socket: Duplex): boolean => { if (asked.has(socket)) { socket.destroy(); return false } asked.add(socket); return true }
  http.on('request', (request, reply) => { if (first(request.socket)) forward(request, reply).catch(() => reply.destroy()) })
  http.on('connect', (request, socket, head: Buffer) => { if (first(socket)) tunnel(request, socket as Socket, head).catch(() => socket.destroy()) })
  http.on('clientError', (_error, socket) => { refused++; if (socket.writable && !asked.has(socket)) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'); else socket.destroy() })

  /** Which of the two it speaks is told by its first byte. */
  function begin(client: Socket): void {
    const look = (): void => {
      const chunk = client.read() as Buffer | null
      if (chunk === null) { if (client.readableEnded) client.destroy(); return }
      client.off('readable', look).off('end', look).unshift(chunk)
      if (chunk[0] === VERSION) socks(client)
      else http.emit('connection', client)
    }
    client.on('readable', look).once('end', look)
  }

  let turn = -Infinity
  function take(client: Socket): void {
    if (gone.signal.aborted || clients.size >= limits.connections) { refused++; client.destroy(); return }
    clients.add(client)
    const head = setTimeout(() => { if (!asked.has(client)) client.destroy() }, limits.headMs)
    client.on('error', () => undefined) // 'close' follows
    client.once('close', () => { clearTimeout(head); clients.delete(client) })
    client.setTimeout(limits.idleMs, () => client.destroy())
    const now = performance.now()
    turn = Math.max(turn, now - 1000) + 1000 / limits.perSecond
    if (turn <= now) { begin(client); return }
    const waiting = setTimeout(() => begin(client), turn - now)
    client.once('close', () => clearTimeout(waiting))
  }

  return {
    serve(door) {
      if (gone.signal.aborted) { door.close(); return }
      doors.add(door)
      // Who has said all may still be answered.
      ;(door as Server & { allowHalfOpen: boolean }).allowHalfOpen = true
      door.on('connection', take)
    },
    meter,
    async close() {
      gone.abort()
      for (const socket of [...clients, ...outside]) socket.destroy()
      await Promise.all([...doors].map((door) => new Promise<void>((done) => { doors.delete(door); door.close(() => done()) })))
    },
  }
}

function* pairsOf(raw: readonly string[]): Generator<readonly [string, string]> {
  for (let i = 0; i + 1 < raw.length; i += 2) yield [raw[i] as string, raw[i + 1] as string]
}
