// A market on a real port, for tests of the agent: HTTP for blobs and enrolment, the socket with the real link, and behind it the real core,
// which follows the metering chain and refuses what does not fit. It commits at once and keeps everything in memory.
import { createPublicKey, verify } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { createLink } from '@lumaris/link'
import type { Link } from '@lumaris/link'
import { EnrolNode, FromAgent, Hello, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN, helloText, isRefusal, merkleRoot, sealText } from '@lumaris/protocol'
import type { AttemptId, JobId, JobSpecInput, NodeId, RefusalCode, ToAgent } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import { createHash } from 'node:crypto'

type Joined = { socket: WebSocket; link: Link<ToAgent>; session: number }
type Stream = { id: string; link: Link<ToAgent> }
export type Fault = { readonly match: (request: IncomingMessage) => boolean; times: number; act(request: IncomingMessage, reply: ServerResponse): void }

export async function startTinyMarket() {
  const market = aMarket()
  const buyer = aUser('buyer')
  market.fund(buyer, credits(1000))
  const blobs = new Map<string, Buffer>()
  const parts = new Map<string, Buffer>()
  const keys = new Map<string, string>()
  const joined = new Map<NodeId, Joined>()
  const streams = new Map<NodeId, Stream>()
  const received: FromAgent[] = []
  const requests: string[] = []
  /** What was asked for by Range. */
  const ranges: string[] = []
  const faults: Fault[] = []
  const seals: Extract<FromAgent, { type: 'seal' }>[] = []
  const events = new EventEmitter<{ changed: [] }>()
  events.setMaxListeners(0)
  /** Nothing that agents say is heard, as when a commit hangs. */
  const deaf = { is: false }
  const refuseWith: { code: RefusalCode | null } = { code: null }
  const began = performance.now()
  let streamsMade = 0

  const act: typeof market.act = (command) => {
    market.now = 1_000_000 + Math.floor(performance.now() - began)
    const answer = market.act(command)
    for (const effect of market.effects.splice(0)) {
      if (effect.kind !== 'send') continue
      const there = joined.get(effect.node)
      if (there?.session === effect.session) there.link.send(effect.message)
    }
    events.emit('changed')
    return answer
  }

  const server = createServer((request, reply) => {
    requests.push(`${request.method} ${request.url}`)
    if (request.headers.range) ranges.push(request.headers.range)
    const fault = faults.find((one) => one.times > 0 && one.match(request))
    if (fault) { fault.times--; fault.act(request, reply); return }
    answer(request, reply).catch((error: unknown) => { if (!reply.headersSent) reply.writeHead(500); reply.end(String(error)) })
  })
  async function answer(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const url = request.url ?? ''
    if (request.method === 'POST' && url === '/v1/nodes') {
      const body = EnrolNode.parse(JSON.parse((await read(request)).toString()))
      if (!signed(body.publicKey, `lumaris-enrol:${body.token}`, body.proof)) { reply.writeHead(401).end(); return }
      const row = act({ kind: 'enrol', tokenHash: sha256(body.token), body })
      if (isRefusal(row)) {
        reply.writeHead(401, { 'content-type': 'application/problem+json' })
        reply.end(JSON.stringify({ type: 'x', title: 'The join token is wrong, used or expired', status: 401, code: row.refusal, hint: 'Make a new one.', retry: false, requestId: 'r' }))
        return
      }
      keys.set(row.id, body.publicKey)
      reply.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ id: row.id, name: row.name }))
      return
    }
    const sha = /^\/v1\/blobs\/([0-9a-f]{64})$/.exec(url)?.[1]
    if (sha === undefined) { reply.writeHead(404).end(); return }
    if (!request.headers.authorization?.startsWith('Bearer session-')) { reply.writeHead(401).end(); return }
    const blob = blobs.get(sha)
    if (request.method === 'HEAD') { if (blob) reply.writeHead(200).end(); else reply.writeHead(404, { 'upload-offset': String(parts.get(sha)?.length ?? 0) }).end(); return }
    if (request.method === 'GET') {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
      if (!blob) reply.writeHead(404).end()
      else if (from === undefined) reply.writeHead(200).end(blob)
      else reply.writeHead(206, { 'content-range': `bytes ${from}-${to}/${blob.length}` }).end(blob.subarray(Number(from), Number(to) + 1))
      return
    }
    const had = parts.get(sha) ?? Buffer.alloc(0)
    if (Number(request.headers['upload-offset']) !== had.length) { reply.writeHead(409).end(); return }
    let bytes = had
    try { for await (const chunk of request) { bytes = Buffer.concat([bytes, chunk as Buffer]); parts.set(sha, bytes) } } catch { return /* the agent went away; what came is kept */ }
    if (bytes.length < Number(request.headers['upload-length'])) { reply.writeHead(409).end(); return }
    parts.delete(sha)
    if (createHash('sha256').update(bytes).digest('hex') !== sha) { reply.writeHead(422).end(); return }
    blobs.set(sha, bytes)
    reply.writeHead(201).end()
    events.emit('changed')
  }

  const sockets = new WebSocketServer({ server, path: '/v1/agent', perMessageDeflate: false })
  sockets.on('connection', (socket) => {
    const nonce = `nonce-${Math.random()}`
    let node: NodeId | null = null
    const say = (value: unknown): void => socket.send(JSON.stringify(value))
    say({ type: 'challenge', nonce, protocol: PROTOCOL_VERSION, protocol_min: PROTOCOL_VERSION_MIN })
    socket.on('message', (data: Buffer) => {
      if (deaf.is) return
      if (node) {
        const problem = joined.get(node)?.link.receive(data.toString())
        if (problem) socket.close(4000, problem)
        return
      }
      const hello = Hello.parse(JSON.parse(data.toString()))
      if (!signed(keys.get(hello.node_id) ?? '', helloText({ ...hello, nonce }), hello.signature)) return say({ type: 'refused', code: 'bad_signature' })
      if (refuseWith.code) return say({ type: 'refused', code: refuseWith.code })
      // As at the server: what the matching after the hello sends goes through the link, behind the welcome.
      const { session, bootId } = market.state.nodes.get(hello.node_id) ?? {}
      const resumed = bootId === hello.boot_id
      let stream = streams.get(hello.node_id)
      const known = stream !== undefined && stream.id === hello.stream_id
      if (!stream || !known) stream = newStream(hello.node_id)
      joined.set(hello.node_id, { socket, link: stream.link, session: (session ?? 0) + (resumed ? 0 : 1) })
      const welcomed = act({ kind: 'hello', hello })
      if (isRefusal(welcomed)) { joined.delete(hello.node_id); return say({ type: 'refused', code: welcomed.refusal }) }
      node = hello.node_id
      say({
        type: 'welcome', session: welcomed.node.session, lease_gen: welcomed.node.leaseGen, stream_id: stream.id, last_seen: stream.link.received ?? 0, heartbeat_ms: 10_000, attempts: welcomed.orders,
        http_token: `session-${welcomed.node.session}`, platform_key: 'x',
      })
      stream.link.attach((frame) => socket.send(frame), known ? hello.last_seen : null)
      events.emit('changed')
    })
    socket.on('close', () => {
      if (!node || joined.get(node)?.socket !== socket) return
      const there = joined.get(node) as Joined
      there.link.detach()
      joined.delete(node)
      act({ kind: 'disconnected', node, session: there.session })
    })
  })

  function newStream(node: NodeId): Stream {
    const link: Link<ToAgent> = createLink<ToAgent, FromAgent>({
      onPending: () => setImmediate(() => link.flush()),
      parse: (value) => FromAgent.parse(value),
      onMessage(message, seq) { hear(node, message); link.confirm(seq) },
    })
    const stream = { id: `stream-${++streamsMade}`, link }
    streams.set(node, stream)
    return stream
  }

  function hear(node: NodeId, message: FromAgent): void {
    received.push(message)
    const session = joined.get(node)?.session ?? 0
    switch (message.type) {
      case 'availability_update': act({ kind: 'heartbeat', node, session, message }); break
      case 'job_status': act({ kind: 'status', node, session, message }); break
      case 'tick': act({ kind: 'tick', node, session, tick: message.tick, hash: message.hash }); break
      case 'checkpoint': act({ kind: 'checkpoint', node, session, message }); break
      case 'checkpoint_failed': act({ kind: 'moveFailed', node, session, message }); break
      case 'seal': {
        const { seal, leaves } = message
        if (merkleRoot(sha256, leaves.map((leaf) => leaf.hash)) !== seal.root || !signed(keys.get(node) ?? '', sealText(seal), seal.signature)) throw new Error('a seal that does not fit')
        seals.push(message)
      }
    }
    events.emit('changed')
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    url, market, buyer, blobs, parts, received, requests, ranges, seals, faults, refuseWith, deaf, joined, events, act,
    token(name: string): string {
      const token = `token-for-${name}`.padEnd(24, '-')
      act({ kind: 'enrolment', owner: aUser(`seller of ${name}`), tokenHash: sha256(token), name })
      return token
    },
    put(text: string) {
      const bytes = Buffer.from(text), blob = createHash('sha256').update(bytes).digest('hex')
      blobs.set(blob, bytes)
      return { blob, size: bytes.length }
    },
    submit(spec: JobSpecInput): JobId {
      const full = aSpec(spec)
      const said = act({ kind: 'submit', buyer, id: null, key: null, bodyHash: '', spec: full, specHash: '', quote: null, cap: null, noWait: false })
      if (isRefusal(said)) throw new Error(said.refusal)
      return said.job.id
    },
    attemptOf: (job: JobId) => [...market.state.attempts.values()].filter((one) => one.job === job).at(-1),
    statusesOf: (attempt: AttemptId | undefined) => received.flatMap((message) => (message.type === 'job_status' && message.attempt_id === attempt ? [message] : [])),
    logOf: (attempt: AttemptId | undefined, stream: 'stdout' | 'stderr' = 'stdout') =>
      Buffer.concat(received.flatMap((message) => (message.type === 'log' && message.attempt_id === attempt && message.stream === stream ? [Buffer.from(message.data, 'base64')] : []))).toString(),
    /** What the check gives, as soon as it gives something. */
    until<T>(check: () => T): Promise<NonNullable<T>> {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          try {
            const found = check()
            if (found === null || found === undefined || found === false) return
            events.off('changed', look)
            resolve(found)
          } catch (error) { events.off('changed', look); reject(error as Error) }
        }
        events.on('changed', look)
        look()
      })
    },
    /** Breaks every socket without a word, as a cable does. */
    cut() { for (const { socket } of joined.values()) socket.terminate() },
    /** Forgets all links, as a restart does. */
    forgetLinks() { streams.clear() },
    async close() {
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
export type TinyMarket = Awaited<ReturnType<typeof startTinyMarket>>

function signed(publicKey: string, text: string, signature: string): boolean {
  if (publicKey === '') return false
  return verify(null, Buffer.from(text), createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' }), Buffer.from(signature, 'base64url'))
}
async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
