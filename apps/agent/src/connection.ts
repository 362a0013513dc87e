// The socket to the market: opened again whenever it breaks, sooner at first and then more slowly, never all agents at once.
//
//   open → challenge → hello (signed) → welcome | refused → frames of the link → … → closed → wait → open
//
// The link outlives sockets: what the market has not confirmed goes again on the next one. When the market has lost its own memory of the link
// (it names another stream), a new link begins, with the unconfirmed words of the old one.
import { randomBytes } from 'node:crypto'
import WebSocket from 'ws'
import { createLink } from '@lumaris/link'
import type { Link } from '@lumaris/link'
import { AGENT_FRAME_BYTES_MAX, HandshakeToAgent, PROTOCOL_VERSION, REFUSALS, ToAgent, helloText } from '@lumaris/protocol'
import type { FromAgent, Hello, RefusalCode, Welcome } from '@lumaris/protocol'
import type { Clock } from './clock.ts'
import type { Identity } from './identity.ts'
import { saysOf } from './log.ts'
import type { Log } from './log.ts'

export type ConnectionPorts = {
  readonly server: string; readonly identity: Identity; readonly clock: Clock; readonly log: Log
  /** What there is to say about this node at this moment; the handshake adds the rest. */
  readonly describe: () => Pick<Hello, 'node_id' | 'agent_version' | 'capacity' | 'drivers' | 'attempts' | 'heartbeat' | 'paused'>
  readonly welcomed: (welcome: Welcome, helloSentAt: number) => void
  readonly message: (message: ToAgent) => void
  readonly disconnected: () => void
  /** The market will never have this process again; one sentence why. */
  readonly stop: (says: string) => void
  /** Something was confirmed. */
  readonly confirmed?: () => void
  /** No word for so long, and the socket counts as dead. */
  readonly silenceMs: () => number
  readonly chance?: () => number
}
export interface Connection {
  open(): void
  send(message: FromAgent): void
  /** Null: more output may be sent. A promise: when it may. */
  room(): Promise<void> | null
  /** A new hello, soon: this node has something else to say of itself, or somebody does not want to wait. */
  again(): void
  /** Cuts a socket on which nothing comes any more. */
  check(): void
  readonly connected: boolean
  /** When the market last spoke, on the clock; 0: not yet. */
  readonly heardAt: number
  readonly unconfirmed: number
  /** Says goodbye if it can, and closes for good. */
  close(reason: string | null): Promise<void>
}
/** Nothing that waiting would change. */
const STOPS: ReadonlySet<RefusalCode> = new Set(['stale_session', 'node_retired', 'protocol_version', 'agent_too_old', 'bad_signature'])
const RECONNECT_MS_MIN = 250
const RECONNECT_MS_MAX = 10_000
const HANDSHAKE_MS = 15_000
const CLOSE_MS = 2000
/** What jobs have printed and the market has not confirmed. Above it, jobs wait for the market. */
const OUTPUT_CHARS_MAX = 4 * 1024 * 1024
/** Words of the core are few (ticks, ends), and are never refused; only their memory bounds them. */
const UNCONFIRMED_MAX = 1_000_000

export function createConnection(ports: ConnectionPorts): Connection {
  const { log, clock } = ports
  const bootId = randomBytes(16).toString('hex')
  const url = new URL('/v1/agent', ports.server)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  let socket: WebSocket | null = null
  let link: Link<FromAgent> = newLink()
  let streamId: string | null = null
  let connected = false, closed = false, flushAsked = false, asked = false
  let timer: NodeJS.Timeout | null = null
  let reconnectMs = RECONNECT_MS_MIN
  let heardAt = 0, spokeAt = 0
  // A copy of what the link holds, in the same order: for a market that has forgotten the link, and to count output.
  let sent: FromAgent[] = []
  let sentHead = 0, outputChars = 0
  let room: PromiseWithResolvers<void> | null = null

  function newLink(): Link<FromAgent> {
    const made: Link<FromAgent> = createLink<FromAgent, unknown>({
      unconfirmedMax: UNCONFIRMED_MAX,
      onPending() {
        if (flushAsked) return
        flushAsked = true
        setImmediate(() => { flushAsked = false; link.flush() })
      },
      onMessage(value, seq) {
        const message = ToAgent.safeParse(value)
        // A newer market may have words that this agent does not know.
        if (message.success) ports.message(message.data)
        else log.warn({ type: (value as { type?: unknown } | null)?.type, why: message.error.issues[0]?.message }, 'a message of the market was not understood, and is ignored')
        made.confirm(seq)
      },
    })
    return made
  }

  /** Drops from the copy what the link has dropped. */
  function follow(): void {
    const before = sentHead
    for (let gone = sent.length - sentHead - link.unconfirmed; gone > 0; gone--) {
      const message = sent[sentHead++]
      if (message?.type === 'log') outputChars -= message.data.length
    }
    if (sentHead === before) return
    // Not with the welcome: a market that closes the socket over something in our queue would be asked again and again, as fast as we can.
    reconnectMs = RECONNECT_MS_MIN
    if (sentHead > 1024 && sentHead * 2 > sent.length) { sent = sent.slice(sentHead); sentHead = 0 }
    if (room && outputChars <= OUTPUT_CHARS_MAX / 2) { room.resolve(); room = null }
    ports.confirmed?.()
  }

  function connect(): void {
    timer = null
    if (closed) return
    const opened = new WebSocket(url, { perMessageDeflate: false, maxPayload: AGENT_FRAME_BYTES_MAX, handshakeTimeout: HANDSHAKE_MS })
    socket = opened
    let helloSentAt = 0
    let welcomed = false
    heardAt = clock.now()
    const patience = setTimeout(() => opened.terminate(), HANDSHAKE_MS)
    opened.on('message', (data: Buffer) => {
      if (socket !== opened) return
      heardAt = spokeAt = clock.now()
      const text = data.toString()
      if (welcomed) {
        // The market may also change its mind later: a newer start of this agent has come.
        const late = text.startsWith('{"type"') ? HandshakeToAgent.safeParse(tryJson(text)) : null
        if (late?.success && late.data.type === 'refused') return refused(late.data.code, opened)
        const problem = link.receive(text)
        follow()
        if (problem) { log.warn({ problem }, 'a frame of the market does not fit; connecting again'); opened.terminate() }
        return
      }
      const said = HandshakeToAgent.safeParse(tryJson(text))
      if (!said.success) { log.warn({}, 'the market begins with something else than a handshake'); opened.terminate(); return }
      switch (said.data.type) {
        case 'challenge': {
          const own = ports.describe()
          const hello: Hello = {
            type: 'hello', protocol: PROTOCOL_VERSION, ...own, boot_id: bootId, nonce: said.data.nonce, last_seen: link.received ?? 0, ...(streamId === null ? {} : { stream_id: streamId }),
            signature: ports.identity.sign(helloText({ nonce: said.data.nonce, node_id: own.node_id, boot_id: bootId })),
          }
          helloSentAt = clock.now()
          opened.send(JSON.stringify(hello))
          return
        }
        case 'refused': return refused(said.data.code, opened)
        case 'welcome': {
          welcomed = true
          clearTimeout(patience)
          join(said.data, (frame) => opened.send(frame))
          ports.welcomed(said.data, helloSentAt)
        }
      }
    })
    opened.on('error', (error) => log.debug({ error: saysOf(error) }, 'socket error')) // "close" follows
    opened.on('close', (code) => {
      clearTimeout(patience)
      if (socket === opened) lost(code)
    })
  }

  function join(welcome: Welcome, write: (frame: string) => void): void {
    const forgotten = streamId !== null && streamId !== welcome.stream_id
    if (forgotten) {
      // Old heartbeats say what ran then; the first new one says it all.
      const again = sent.slice(sentHead).filter((message) => message.type !== 'availability_update')
      link = newLink()
      sent = again
      sentHead = 0
      for (const message of again) link.send(message)
    }
    streamId = welcome.stream_id
    connected = true
    link.attach(write, forgotten ? null : welcome.last_seen)
    follow()
  }

  function lost(code: number): void {
    socket = null
    link.detach()
    const was = connected
    connected = false
    if (was) { if (asked) log.info({}, 'connecting again'); else log.warn({ code }, 'the connection to the market broke'); ports.disconnected() }
    asked = false
    if (closed || timer) return
    const waitMs = reconnectMs * (0.5 + (ports.chance ?? Math.random)() / 2)
    reconnectMs = Math.min(reconnectMs * 2, RECONNECT_MS_MAX)
    if (!was) log.info({ waitMs: Math.round(waitMs) }, 'the market cannot be reached yet')
    timer = setTimeout(connect, waitMs)
  }

  function refused(code: RefusalCode, from: WebSocket): void {
    const { title, hint } = REFUSALS[code]
    if (!STOPS.has(code)) {
      log.warn({ code }, `the market refuses for now: ${title}. ${hint}`)
      from.close()
      return
    }
    closed = true
    from.close()
    ports.stop(`The market refuses this agent: ${title}. ${hint}`)
  }

  return {
    open: connect,
    send(message) {
      if (closed) return
      link.send(message)
      sent.push(message)
      if (message.type === 'log') outputChars += message.data.length
    },
    room() {
      if (outputChars <= OUTPUT_CHARS_MAX) return null
      room ??= Promise.withResolvers<void>()
      return room.promise
    },
    again() {
      if (closed) return
      reconnectMs = RECONNECT_MS_MIN
      if (connected) { asked = true; socket?.terminate() }
      else if (timer) { clearTimeout(timer); connect() }
    },
    check() { if (socket && connected && clock.now() - heardAt > ports.silenceMs()) { log.warn({}, 'nothing is heard from the market; connecting again'); socket.terminate() } },
    get connected() { return connected },
    get heardAt() { return spokeAt },
    get unconfirmed() { return link.unconfirmed },
    async close(reason) {
      if (timer) clearTimeout(timer)
      timer = null
      if (reason !== null && connected && !closed) { link.send({ type: 'bye', reason }); link.flush() }
      closed = true
      room?.resolve()
      const last = socket
      if (!last || last.readyState === WebSocket.CLOSED) return
      await new Promise<void>((resolve) => {
        const cut = setTimeout(() => last.terminate(), CLOSE_MS)
        last.once('close', () => { clearTimeout(cut); resolve() })
        last.close(1000)
      })
    },
  }
}
const tryJson = (text: string): unknown => { try { return JSON.parse(text) } catch { return null /* the schema then says that it does not fit */ } }
