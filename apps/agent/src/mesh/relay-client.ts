// The long way: over the market's relay, which an agent reaches from behind anything. Opened again whenever it breaks, for as long as the mesh lives.
import WebSocket from 'ws'
import { RELAY_FRAME_MAX, RELAY_PATH } from '@lumaris/protocol'
import type { Log } from '../log.ts'
import { QUEUE_MAX } from './direct.ts'

const RETRY_MS_MIN = 250, RETRY_MS_MAX = 5_000, HANDSHAKE_MS = 10_000
/** The relay is asked for a sign of life this often, and is given up after two without one. */
const PING_MS = 5_000

export type RelayClientOptions = {
  /** The market's address, as the agent has it. */
  readonly server: string
  /** Of the session; a new one counts from the next time the relay is opened. */
  readonly token: () => string
  readonly attemptId: string; readonly log: Log
  readonly onFrame: (rank: number, sealed: Buffer) => void; readonly onChange: () => void
}
export type RelayClient = { readonly isOpen: boolean; send(rank: number, sealed: readonly Buffer[]): boolean; close(): void }

export function openRelayClient({ server, token, attemptId, log, onFrame, onChange }: RelayClientOptions): RelayClient {
  const url = new URL(`${RELAY_PATH}${attemptId}`, server)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  let socket: WebSocket | null = null, timer: NodeJS.Timeout | null = null, retryMs = RETRY_MS_MIN, closed = false, alive = true
  const heads = new Map<number, Buffer>()

  function open(): void {
    timer = null
    const made = new WebSocket(url, { headers: { authorization: `Bearer ${token()}` }, perMessageDeflate: false, handshakeTimeout: HANDSHAKE_MS, maxPayload: RELAY_FRAME_MAX, followRedirects: false })
    socket = made
    let ping: NodeJS.Timeout | null = null
    made.on('open', () => {
      retryMs = RETRY_MS_MIN
      alive = true
      ping = setInterval(() => { if (!alive) made.terminate(); else { alive = false; made.ping() } }, PING_MS)
      onChange()
    })
    made.on('pong', () => { alive = true })
    made.on('message', (data, isBinary) => {
      alive = true
      const frame = data as Buffer
      if (isBinary && frame.length > 1) onFrame(frame[0] as number, frame.subarray(1))
    })
    made.on('error', (error) => { log.debug({ attempt: attemptId, error: error.message }, 'the relay was not reached') })
    made.on('close', () => {
      if (ping) clearInterval(ping)
      if (socket !== made || closed) return
      socket = null
      onChange()
      timer = setTimeout(open, retryMs)
      retryMs = Math.min(retryMs * 2, RETRY_MS_MAX)
    })
  }
  open()
  return {
    get isOpen() { return socket?.readyState === WebSocket.OPEN },
    send(rank, sealed) {
      if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > QUEUE_MAX) return false
      let head = heads.get(rank)
      if (!head) heads.set(rank, head = Buffer.of(rank))
      socket.send(Buffer.concat([head, ...sealed]), { binary: true })
      return true
    },
    close() { closed = true; if (timer) clearTimeout(timer); if (socket?.readyState === WebSocket.OPEN) socket.close(1000); else socket?.terminate() },
  }
}
