// Where the ranks of a gang meet when they cannot reach one another: an agent opens a socket for one attempt of its node, and what it sends is handed to
// the socket of another rank of the same gang, with the sender's rank in front, which this process writes and nobody can choose. It is sealed between
// the two (apps/agent/src/mesh/cipher.ts): what passes here says how much, when and between whom, and no more.
//
// Nothing is kept for a rank that is not there or does not read: packets are lost, as on any network, so one rank never slows another one down. Who
// sends more than his share is not read for a while, which he feels as a full socket.
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { AttemptId, RELAY_FRAME_MAX, RELAY_PATH } from '@lumaris/protocol'
import type { NodeId } from '@lumaris/protocol'
import { bearerOf } from '../identity/authenticate.ts'

/** Sealed packets that may wait for one rank: more than the kernel's largest receive window, so that TCP inside stops by itself before one is lost (a lost one halved what passed). */
const QUEUE_MAX = 8 * 1024 * 1024
/** For all ranks together: with many of them, each has its part of this. */
const QUEUES_MAX = 1024 * 1024 * 1024
/** Of one rank: what it may send, and how much of that at once. A gigabit a second: no single gang takes the whole machine's network. */
const BYTES_PER_SECOND = 128 * 1024 * 1024, BURST_BYTES = 32 * 1024 * 1024
const CONNECTIONS_MAX = 1_024
/** So long after an attempt has ended its socket may live. */
const SWEEP_MS = 2_000
/** A socket that says nothing, not even that it is alive, for two of these is closed. */
const PING_MS = 15_000

export type Membership = { /** The gang as it runs now: another one when all its ranks start anew. */ readonly gang: string; readonly rank: number }
export type RelayPorts = {
  /** Whose bearer token that is; the gateway's own. */
  readonly authenticate: (token: string) => { readonly node: NodeId } | null
  /** The attempt's place, if it is live, of a gang, and on that node; else null. */
  readonly membership: (node: NodeId, attempt: AttemptId) => Membership | null
  readonly queueMax?: number; readonly bytesPerSecond?: number; readonly burstBytes?: number; readonly connectionsMax?: number; readonly sweepMs?: number
  /** Tests look at what passes. */
  readonly tap?: (frame: Buffer) => void
}
export type RelayStats = { readonly connections: number; readonly frames: number; readonly bytes: number; /** Nobody there, or its queue full. */ readonly dropped: number; readonly refused: number; readonly held: number }
export type Relay = {
  /** Whether an upgrade is for the relay. */
  takes(request: IncomingMessage): boolean
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  stats(): RelayStats
  close(): Promise<void>
}
type Seat = { readonly socket: WebSocket; readonly node: NodeId; readonly attempt: AttemptId; readonly gang: string; readonly rank: number; tokens: number; at: number; alive: boolean; resume: NodeJS.Timeout | null }

/** A machine that moves while it runs has two: that of the node it leaves, and that of the one it goes to. */
const seatOf = (node: NodeId, attempt: AttemptId): string => `${node} ${attempt}`

export function createRelay(ports: RelayPorts): Relay {
  const { queueMax = QUEUE_MAX, bytesPerSecond = BYTES_PER_SECOND, burstBytes = BURST_BYTES, connectionsMax = CONNECTIONS_MAX, sweepMs = SWEEP_MS } = ports
  const server = new WebSocketServer({ noServer: true, maxPayload: RELAY_FRAME_MAX, perMessageDeflate: false })
  const gangs = new Map<string, Map<number, Seat>>(), seats = new Map<string, Seat>()
  let frames = 0, bytes = 0, dropped = 0, refused = 0, held = 0

  function sit(socket: WebSocket, node: NodeId, attempt: AttemptId, { gang, rank }: Membership): void {
    const seat: Seat = { socket, node, attempt, gang, rank, tokens: burstBytes, at: performance.now(), alive: true, resume: null }
    const ranks = gangs.get(gang) ?? new Map<number, Seat>()
    gangs.set(gang, ranks)
    // The same agent again: its old socket is dead, or it would not be here.
    seats.get(seatOf(node, attempt))?.socket.terminate()
    ranks.set(rank, seat)
    seats.set(seatOf(node, attempt), seat)
    const ping = setInterval(() => { if (!seat.alive) socket.terminate(); else { seat.alive = false; socket.ping() } }, PING_MS)
    socket.on('pong', () => { seat.alive = true })
    socket.on('error', () => socket.terminate())
    socket.on('message', (data, isBinary) => {
      seat.alive = true
      if (!isBinary) { socket.close(1003, 'frames are binary'); return }
      pass(seat, data as Buffer)
      throttle(seat, (data as Buffer).length)
    })
    socket.on('close', () => {
      clearInterval(ping)
      if (seat.resume) clearTimeout(seat.resume)
      if (ranks.get(rank) === seat) ranks.delete(rank)
      if (ranks.size === 0 && gangs.get(gang) === ranks) gangs.delete(gang)
      if (seats.get(seatOf(node, attempt)) === seat) seats.delete(seatOf(node, attempt))
    })
  }

  function pass(from: Seat, frame: Buffer): void {
    const to = frame.length > 1 ? gangs.get(from.gang)?.get(frame[0] as number) : undefined
    if (!to || to === from || to.socket.readyState !== to.socket.OPEN || to.socket.bufferedAmount > Math.min(queueMax, QUEUES_MAX / seats.size)) { dropped++; return }
    frames++
    bytes += frame.length
    // The frame is this message's own memory, and is not looked at again.
    frame[0] = from.rank
    ports.tap?.(frame)
    to.socket.send(frame, { binary: true })
  }

  /** A bucket of bytes that fills again; when it is empty, the socket is not read until there is something in it. */
  function throttle(seat: Seat, size: number): void {
    const now = performance.now()
    seat.tokens = Math.min(burstBytes, seat.tokens + (now - seat.at) / 1000 * bytesPerSecond) - size
    seat.at = now
    if (seat.tokens >= 0 || seat.resume) return
    held++
    seat.socket.pause()
    seat.resume = setTimeout(() => { seat.resume = null; seat.socket.resume() }, Math.ceil(-seat.tokens / bytesPerSecond * 1000))
  }

  const leave = (seat: Seat): void => { if (seat.resume) { clearTimeout(seat.resume); seat.resume = null; seat.socket.resume() } seat.socket.close(1000, 'the attempt has ended') }
  const sweep = setInterval(() => {
    for (const seat of seats.values()) { const now = ports.membership(seat.node, seat.attempt); if (now?.gang !== seat.gang || now.rank !== seat.rank) leave(seat) }
  }, sweepMs)
  function refuse(socket: Duplex, status: string): void {
    refused++
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  }

  return {
    takes: (request) => request.url?.startsWith(RELAY_PATH) ?? false,
    upgrade(request, socket, head) {
      const token = bearerOf(request.headers.authorization)
      const agent = token === null ? null : ports.authenticate(token)
      if (!agent) { refuse(socket, '401 Unauthorized'); return }
      const attempt = AttemptId.safeParse(request.url?.slice(RELAY_PATH.length))
      const member = attempt.success ? ports.membership(agent.node, attempt.data) : null
      // One answer for an attempt that is not there, has ended, or is somebody else's.
      if (!attempt.success || !member) { refuse(socket, '403 Forbidden'); return }
      if (seats.size >= connectionsMax && !seats.has(seatOf(agent.node, attempt.data))) { refuse(socket, '503 Service Unavailable'); return }
      server.handleUpgrade(request, socket, head, (opened) => sit(opened, agent.node, attempt.data, member))
    },
    stats: () => ({ connections: seats.size, frames, bytes, dropped, refused, held }),
    async close() {
      clearInterval(sweep)
      for (const socket of server.clients) socket.terminate()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
