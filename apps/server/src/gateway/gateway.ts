// The agents' sockets. A socket proves whose it is (challenge, signed hello), the engine opens or resumes its session, and from then on a link
// carries numbered messages both ways. What an agent says is confirmed when the engine's commit is through; so whatever this process forgets in
// a crash, the agent still holds and says again.
import { WebSocketServer } from 'ws'
import type { RawData, WebSocket } from 'ws'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { AGENT_FRAME_BYTES_MAX, CHECKPOINT_MANIFEST_BYTES_MAX, CheckpointManifest, FromAgent, Hello, MemoryManifest, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN, canonical, helloText, isRefusal, memoryText, merkleRoot, refuse, sealText } from '@lumaris/protocol'
import type { AttemptId, FromAgent as Message, HandshakeToAgent, JobEvent, NodeId, Refusal, RefusalCode, ResultFile, Saved, ToAgent } from '@lumaris/protocol'
import { createLink } from '@lumaris/link'
import type { Link } from '@lumaris/link'
import { isLive, settingsNow } from '@lumaris/domain'
import type { Effect } from '@lumaris/domain'
import type { Compared } from '../compare/comparator.ts'
import type { App } from '../app.ts'
import { signText, verifyText } from '../signatures.ts'
import { blockOf, callerOf, listOf } from './address-block.ts'

/** From the challenge to a signed hello: a round trip, and a slow machine's signature. */
const HELLO_MS = 5_000
/** Bytes that may wait for a node that does not read: then it is cut off, and comes back when it can. */
const BACKLOG_MAX = 8 * 1024 * 1024
const OPENING_MAX = 1_000

type Peer = {
  readonly node: NodeId; readonly session: number; readonly publicKey: string; readonly streamId: string; readonly link: Link<ToAgent>
  socket: WebSocket | null
  /** Received and not yet confirmed, in order; confirmations are cumulative, so one waits for those before it. */
  readonly open: { seq: number; done: boolean }[]
  /** Messages are being looked at outside of the engine: those behind them wait, one after the other, so that the engine hears all in their order. */
  before: Promise<unknown> | null
  /** Set by whoever handles a message: until then it is not before the engine. */
  looking: Promise<unknown> | null
}

export type Gateway = {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  authenticate(token: string): { node: NodeId; session: number } | null
  release(effects: readonly Effect[]): void
  dropAll(): void
  close(): Promise<void>
  readonly connected: number
  /** The sessions' HTTP tokens, so that a test can call as an agent. No route leads here. */
  tokensForTest(): string[]
}

export function createGateway(app: App, trustProxy?: string): Gateway {
  const trusted = trustProxy === undefined ? null : listOf(trustProxy)
  const server = new WebSocketServer({ noServer: true, maxPayload: AGENT_FRAME_BYTES_MAX, perMessageDeflate: false })
  const peers = new Map<NodeId, Peer>()
  const tokens = new Map<string, { node: NodeId; session: number }>()
  let opening = 0
  const send = (socket: WebSocket, message: HandshakeToAgent): void => socket.send(JSON.stringify(message))

  function refuseSocket(socket: WebSocket, refusal: Refusal): void {
    send(socket, { type: 'refused', code: refusal.refusal, ...(refusal.detail ? { detail: refusal.detail } : {}) })
    socket.close(1008, refusal.refusal)
  }

  function greet(socket: WebSocket, block: string | undefined): void {
    const nonce = app.random(32).toString('base64url')
    let late: NodeJS.Timeout | null = setTimeout(() => socket.close(1008, 'no hello in time'), HELLO_MS)
    opening++
    const settled = () => { if (late) { clearTimeout(late); late = null; opening-- } }
    socket.on('close', settled)
    socket.on('error', () => socket.terminate())
    socket.once('message', (data) => {
      settled()
      void open(socket, nonce, String(data as Buffer), block).catch((error: unknown) => { app.log.error({ err: error }, 'opening a session broke'); socket.close(1011) })
    })
    send(socket, { type: 'challenge', nonce, protocol: PROTOCOL_VERSION, protocol_min: PROTOCOL_VERSION_MIN })
  }

  async function open(socket: WebSocket, nonce: string, text: string, block: string | undefined): Promise<void> {
    let said: unknown
    try { said = JSON.parse(text) } catch { return refuseSocket(socket, refuse('malformed_json')) }
    const version = (said as { protocol?: unknown } | null)?.protocol
    if (typeof version === 'number' && (version < PROTOCOL_VERSION_MIN || version > PROTOCOL_VERSION)) return refuseSocket(socket, refuse('protocol_version', { spoken: version, from: PROTOCOL_VERSION_MIN, to: PROTOCOL_VERSION }))
    const parsed = Hello.safeParse(said)
    if (!parsed.success) return refuseSocket(socket, refuse('invalid_request', { problem: parsed.error.issues[0]?.message ?? '' }))
    const hello = parsed.data
    const node = app.engine.state.nodes.get(hello.node_id)
    if (!node || hello.nonce !== nonce || !verifyText(node.publicKey, helloText(hello), hello.signature)) return refuseSocket(socket, refuse('bad_signature'))
    const welcome = await app.engine.act({ kind: 'hello', hello, block })
    if (isRefusal(welcome)) return refuseSocket(socket, welcome)
    app.readings.greeted(node.id, hello)
    if (socket.readyState !== socket.OPEN) { void app.engine.act({ kind: 'disconnected', node: node.id, session: welcome.node.session }); return }
    const old = peers.get(node.id)
    const resumes = old && old.session === welcome.node.session && old.streamId === hello.stream_id
    old?.socket?.terminate()
    const peer: Peer = resumes ? old : newPeer(node.id, welcome.node.session, node.publicKey)
    peer.socket = socket
    peers.set(node.id, peer)
    const token = app.random(32).toString('base64url')
    for (const [other, owner] of tokens) if (owner.node === node.id && owner.session !== peer.session) tokens.delete(other)
    tokens.set(token, { node: node.id, session: peer.session })
    send(socket, {
      type: 'welcome', session: peer.session, lease_gen: welcome.node.leaseGen, stream_id: peer.streamId, last_seen: resumes ? (peer.link.received ?? 0) : 0, heartbeat_ms: app.settings.heartbeatMs,
      attempts: [...welcome.orders], http_token: token, platform_key: app.platformKey, agents: { version: app.version, oldest: settingsNow(app.engine.state).agentVersionMin },
    })
    app.log.info({ node: node.id, session: peer.session, resumed: resumes ?? false }, 'agent connected')
    socket.on('message', (data: RawData, isBinary: boolean) => {
      const problem = isBinary ? 'malformed' : peer.link.receive(String(data as Buffer))
      if (problem) { app.log.warn({ node: peer.node, problem }, 'an agent broke the link protocol'); socket.close(1002, problem) }
    })
    socket.on('close', () => {
      tokens.delete(token)
      if (peer.socket !== socket) return
      peer.socket = null
      peer.link.detach()
      void app.engine.act({ kind: 'disconnected', node: peer.node, session: peer.session })
    })
    peer.link.attach((frame) => {
      socket.send(frame)
      if (socket.bufferedAmount > BACKLOG_MAX) socket.terminate()
    }, resumes ? hello.last_seen : null)
  }

  function newPeer(node: NodeId, session: number, publicKey: string): Peer {
    const link: Link<ToAgent> = createLink<ToAgent, Message>({
      parse: (value) => { const message = FromAgent.safeParse(value); return message.success ? message.data : null },
      onMessage: (message, seq) => take(peer, message, seq),
      onPending: () => setImmediate(() => link.flush()),
    })
    const peer: Peer = { node, session, publicKey, link, streamId: app.random(12).toString('base64url'), socket: null, open: [], before: null, looking: null }
    return peer
  }

  function take(peer: Peer, message: Message, seq: number): void {
    const entry = { seq, done: false }
    peer.open.push(entry)
    const done = (answer?: unknown) => {
      // Not through: nothing is confirmed, the socket is closed, and the agent says it all again to whoever comes next.
      if (isRefusal(answer) && (answer.refusal === 'unavailable' || answer.refusal === 'overloaded')) { peer.socket?.close(1013, answer.refusal); return }
      entry.done = true
      let last = 0
      while (peer.open[0]?.done) last = (peer.open.shift() as { seq: number }).seq
      if (last > 0) peer.link.confirm(last)
    }
    const failed = (error: unknown) => { app.log.error({ err: error, node: peer.node, type: message.type }, 'a message from an agent broke'); peer.socket?.close(1011) }
    const begin = (): Promise<unknown> | null => {
      peer.looking = null
      handle(peer, message).then(done, failed)
      return peer.looking
    }
    const last = peer.before ? peer.before.then(begin) : begin()
    peer.before = last
    void last?.then(() => { if (peer.before === last) peer.before = null })
  }
  /** What is decided of a message waits for `looked`; and so does, behind it, whatever comes next. */
  function after<Seen>(peer: Peer, looked: Promise<Seen>, decide: (seen: Seen) => Promise<unknown>): Promise<unknown> {
    const decided = looked.then(decide)
    peer.looking = looked.then(() => undefined, () => undefined) // asked for second, so it comes second: the engine has heard of it by then
    return decided
  }

  function handle(peer: Peer, message: Message): Promise<unknown> {
    const { node, session } = peer
    switch (message.type) {
      case 'availability_update': app.readings.heard(node, message); return app.engine.act({ kind: 'heartbeat', node, session, message })
      case 'tick': {
        if (app.hash(canonical(message.tick)) !== message.hash) return Promise.reject(new Error('a tick does not have its hash'))
        return app.engine.act({ kind: 'tick', node, session, tick: message.tick, hash: message.hash })
      }
      case 'checkpoint': return takeCheckpoint(peer, message)
      case 'checkpoint_failed': app.log.info({ node, attempt: message.attempt_id, detail: message.detail }, 'an attempt could not leave its node'); return app.engine.act({ kind: 'moveFailed', node, session, message })
      case 'live_ready': return app.engine.act({ kind: 'live', node, session, message })
      case 'receive_failed': app.log.info({ node, attempt: message.attempt_id, detail: message.detail }, 'a node could not receive an attempt that runs elsewhere'); return app.engine.act({ kind: 'live', node, session, message })
      case 'job_status': return takeStatus(peer, message)
      case 'seal': return takeSeal(peer, message)
      case 'log': return takeLog(peer, message)
      case 'bye': app.log.info({ node, reason: message.reason }, 'agent says bye'); return Promise.resolve()
      case 'pause': return Promise.resolve() // said with every heartbeat, in its status
    }
  }

  /** Counts only when every file of it is here; else it is a tick like others. */
  function takeCheckpoint(peer: Peer, message: Extract<Message, { type: 'checkpoint' }>): Promise<unknown> {
    const { node, session } = peer, { tick, hash } = message
    if (app.hash(canonical(tick)) !== hash) return Promise.reject(new Error('a checkpoint does not have the hash of its tick'))
    // What goes from node to node while it runs is stored nowhere.
    const looked = tick.checkpoint?.kind === 'live' ? Promise.resolve(true) : tick.checkpoint ? isStored(app, peer, message.attempt_id, tick.checkpoint) : Promise.resolve(false)
    return after(peer, looked, (stored) => (stored ? app.engine.act({ kind: 'checkpoint', node, session, message }) : app.engine.act({ kind: 'tick', node, session, tick, hash })))
  }

  function takeStatus(peer: Peer, message: Extract<Message, { type: 'job_status' }>): Promise<unknown> {
    const { node, session } = peer
    if (message.final && app.hash(canonical(message.final.tick)) !== message.final.hash) return Promise.reject(new Error('a final tick does not have its hash'))
    const over = message.status === 'succeeded' || message.status === 'failed' || message.status === 'stopped'
    return over ? takeEnd(peer, message) : app.engine.act({ kind: 'status', node, session, message })
  }

  function takeEnd(peer: Peer, message: Extract<Message, { type: 'job_status' }>): Promise<unknown> {
    const { node, session } = peer, { files = [] } = message
    // Whoever hears that it has ended must find all of its output: what was said before the end is in the file before the end is told.
    const looked = app.logs.settled(message.attempt_id).then(() => (files.length > 0 ? lookAt(peer, message, files) : { stored: true, compared: null }))
    return after(peer, looked, async ({ stored, compared }) => {
      // A result whose bytes are not here is none: the node may not claim what nobody can fetch.
      const said = stored ? message : { ...message, status: 'failed' as const, cause: 'driver_failed' as const, detail: 'result files were not stored', files: [] }
      try {
        const answer = await app.engine.act({ kind: 'status', node, session, message: said, alike: compared?.alike })
        await app.logs.close(message.attempt_id)
        return answer
      } finally { compared?.leave() }
    })
  }
  async function lookAt({ node }: Peer, message: Extract<Message, { type: 'job_status' }>, files: readonly ResultFile[]): Promise<{ stored: boolean; compared: Compared | null }> {
    const stored = await allStored(app, files)
    // Whoever speaks of somebody else's attempt is not heard, and nobody waits while its files are read.
    const attempt = app.engine.state.attempts.get(message.attempt_id), isTheirs = attempt?.node === node && attempt.fence === message.fence && isLive(attempt.state) && attempt.state !== 'reported'
    return { stored, compared: stored && isTheirs ? await app.comparator.enter(message.attempt_id, message.exit_code ?? null, files) : null }
  }
  function takeSeal(peer: Peer, message: Extract<Message, { type: 'seal' }>): Promise<unknown> {
    const { seal, leaves } = message
    const hashes = leaves.map((leaf) => leaf.hash)
    if (seal.node !== peer.node || seal.session !== peer.session || seal.count !== leaves.length || merkleRoot(app.hash, hashes) !== seal.root) return Promise.reject(new Error('a seal does not fit its leaves'))
    const text = sealText(seal)
    if (!verifyText(peer.publicKey, text, seal.signature)) return Promise.reject(new Error('a seal is not signed by its node'))
    return app.engine.act({ kind: 'seal', row: {
      node: peer.node, session: peer.session, number: seal.number, root: seal.root, signature: seal.signature, countersignature: signText(app.countersignKey, text),
      leaves: leaves.map((leaf) => ({ attempt: leaf.attempt_id, seq: leaf.seq, hash: leaf.hash })), at: app.now(),
    } })
  }

  /** Output of an attempt: only from the node that runs it, and only while it does. */
  async function takeLog(peer: Peer, message: Extract<Message, { type: 'log' }>): Promise<unknown> {
    const attempt = app.engine.state.attempts.get(message.attempt_id)
    if (!attempt || attempt.node !== peer.node || attempt.fence !== message.fence) return undefined
    await app.logs.append(message.attempt_id, message.stream, message.offset, Buffer.from(message.data, 'base64'), message.at)
    return undefined
  }

  /** What counts against its reputation is kept for its seller to see; what it gives back in time, or does not take, counts for nothing. */
  function noteFault({ node, attempt, cause, at }: JobEvent): void {
    if (node !== undefined && attempt !== undefined && (cause === 'seller_offline' || cause === 'driver_failed' || cause === 'wrong_result')) app.readings.faulted(node, { at, attempt, cause })
  }

  return {
    upgrade(request, socket, head) {
      if (opening >= OPENING_MAX) { socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\r\n'); return }
      server.handleUpgrade(request, socket, head, (opened) => greet(opened, blockOf(callerOf(request, trusted))))
    },
    authenticate: (token) => tokens.get(token) ?? null,
    release(effects) {
      for (const effect of effects) {
        if (effect.kind === 'event') { noteFault(effect.event); app.hub.publish(effect.event.job, effect.event); app.hub.publish(effect.buyer, effect.event) }
        else if (effect.kind === 'standing') app.hub.publish(effect.row.id, effect.row)
        else if (effect.kind === 'noted') app.readings.noted(effect.node, effect.event)
        else if (effect.kind === 'alert') continue // the inbox and webhooks have it from the tables
        else {
          const peer = peers.get(effect.node)
          if (!peer || peer.session !== effect.session) continue
          if (effect.kind === 'cut') { if (peer.socket) refuseSocket(peer.socket, refuse(effect.code as RefusalCode)) }
          // Too much unconfirmed: the node does not keep up, and heartbeats will repair what it misses.
          else {
            const message = effect.message.type === 'job_dispatch' ? app.jobSecrets.give(effect.message, app.engine.state.jobs.get(effect.message.job_id)?.row) : effect.message
            if (message && peer.link.send(message) === null) peer.socket?.terminate()
          }
        }
      }
    },
    dropAll() {
      for (const peer of peers.values()) { const { socket } = peer; peer.socket = null; peer.link.detach(); socket?.close(1012, 'the market is being loaded') }
      peers.clear()
      tokens.clear()
    },
    async close() {
      for (const peer of peers.values()) peer.socket?.terminate()
      for (const socket of server.clients) socket.terminate()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
    tokensForTest: () => [...tokens.keys()],
    get connected() { let count = 0; for (const peer of peers.values()) if (peer.socket) count++; return count },
  }
}

/** A list that can be read, and each of its files in its full size; of a memory, signed by the node that says it. */
async function isStored(app: App, { node, publicKey }: Pick<Peer, 'node' | 'publicKey'>, attempt: AttemptId, { kind, manifest, manifestSize, size }: Saved): Promise<boolean> {
  const blob = await app.blobs.stat(manifest)
  if (blob?.size !== manifestSize || blob.size > CHECKPOINT_MANIFEST_BYTES_MAX) return false
  const chunks: Buffer[] = []
  for await (const chunk of app.blobs.read(manifest)) chunks.push(chunk as Buffer)
  let said: unknown
  try { said = JSON.parse(Buffer.concat(chunks).toString()) } catch { return false /* it is no list */ }
  let files: readonly { readonly blob: string; readonly size: number }[]
  if (kind === 'memory') {
    const list = MemoryManifest.safeParse(said)
    if (!list.success || list.data.attempt !== attempt || list.data.node !== node || !verifyText(publicKey, memoryText(list.data), list.data.signature)) return false
    files = list.data.chunks
  } else {
    const list = CheckpointManifest.safeParse(said)
    if (!list.success) return false
    files = list.data.files
  }
  if (files.reduce((sum, file) => sum + file.size, 0) !== size) return false
  for (const file of files) if ((await app.blobs.stat(file.blob))?.size !== file.size) return false
  return true
}
/** Each in the size that is said of it: what is said decides whether it is read into memory. */
async function allStored(app: App, files: readonly ResultFile[]): Promise<boolean> {
  for (const { blob, size } of files) if ((await app.blobs.stat(blob))?.size !== size) return false
  return true
}
