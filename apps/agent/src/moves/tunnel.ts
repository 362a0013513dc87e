// One stream of frames between two agents, in order and whole, for a machine that goes from one to the other: over the ways that the ranks of a gang have
// (mesh/direct.ts, else the market's relay), sealed as theirs (mesh/cipher.ts). Those may lose packets; here each has a number, a missing one ends the tunnel,
// and who sends waits for room at the other end, so that no queue on the way is ever full. Whoever sends chooses the way once: one way keeps the order.
import type { AttemptId, MeshAddress } from '@lumaris/protocol'
import type { Log } from '../log.ts'
import { PACKET, PING, createChannel, pairKeys } from '../mesh/cipher.ts'
import type { MeshKeys } from '../mesh/cipher.ts'
import { dial, mayDial } from '../mesh/direct.ts'
import type { Direct, DirectEvents, MeshListener } from '../mesh/direct.ts'
import { openRelayClient } from '../mesh/relay-client.ts'

/** Under way: less than the relay keeps for one rank when it is full of them. */
const WINDOW = 2 * 1024 * 1024, ACK_EVERY = 256 * 1024
export const FRAME_MAX = 60 * 1024
/** A straight way is waited for this long, any way for that long; a tunnel on which nothing comes is over. */
const DIRECT_MS = 1_500, OPEN_MS = 15_000, PING_MS = 1_000, SILENT_MS = 15_000
const HEAD = 5, ACK = 'A'.charCodeAt(0), BYE = 'X'.charCodeAt(0)

export type TunnelOptions = {
  readonly attempt: AttemptId; readonly rank: 0 | 1; readonly keys: MeshKeys; readonly peer: { readonly public_key: string; readonly addresses: readonly MeshAddress[] }
  readonly server: string; readonly token: () => string; readonly listener: MeshListener | null; readonly log: Log
  /** Told one after the other; the next one waits until it has resolved. */
  readonly onFrame: (kind: string, data: Buffer) => void | Promise<void>
  readonly mayDial?: (host: string) => boolean
}
export type Tunnel = {
  /** At most FRAME_MAX. Resolves when it is on its way and there is room for more. */
  send(kind: string, data: Buffer): Promise<void>
  /** Rejects when the tunnel is over, whyever. */
  readonly broken: Promise<never>
  readonly way: 'direct' | 'relay' | null
  close(why?: string): void
}
export class TunnelBroken extends Error { override readonly name = 'TunnelBroken' }

export function openTunnel(options: TunnelOptions): Tunnel {
  const { attempt, rank, peer, listener, onFrame } = options, other = rank === 0 ? 1 : 0
  const keys = pairKeys({ rank, attemptId: attempt, keys: options.keys }, { rank: other, attempt_id: attempt, public_key: peer.public_key, addresses: [] })
  const channel = createChannel(keys), over = new AbortController(), broken = Promise.withResolvers<never>(), open = Promise.withResolvers<void>()
  broken.promise.catch(() => undefined /* whoever waits for something is told */)
  let way: Direct | 'relay' | null = null, sent = 0, heard = 0, sentBytes = 0, takenBytes = 0, gotBytes = 0, saidBytes = 0, waiting = 0, heardAt = performance.now()
  let room = Promise.withResolvers<void>(), working: Promise<void> = Promise.resolve()
  const directs = new Set<Direct>()

  const close = (why = 'it was closed'): void => {
    if (over.signal.aborted) return
    // The other side need not find out by silence.
    if (way !== null) put(BYE, Buffer.from(why.slice(0, 500)))
    if (over.signal.aborted) return
    over.abort()
    clearInterval(timer)
    clearTimeout(straight)
    clearTimeout(late)
    shut?.()
    for (const direct of directs) direct.close()
    relay.close()
    broken.reject(new TunnelBroken(`the way between the two agents is over: ${why}`))
  }
  const choose = (made: Direct | 'relay'): void => { if (way === null && !over.signal.aborted) { way = made; open.resolve() } }
  const transmit = (sealed: readonly Buffer[]): void => {
    const isGone = way === null || !(way === 'relay' ? relay.send(other, sealed) : way.send(sealed))
    if (isGone) { way = null; close('nothing can be sent any more') }
  }
  const put = (kind: number, data: Buffer): void => {
    const packet = Buffer.allocUnsafe(HEAD + data.length)
    packet.writeUInt32BE(sent++ >>> 0, 0)
    packet[4] = kind
    data.copy(packet, HEAD)
    transmit(channel.seal(PACKET, packet))
  }
  function received(sealed: Buffer, from: Direct | 'relay'): boolean {
    const opened = channel.open(sealed)
    if (!opened) return false // forged: as if it had not come
    heardAt = performance.now()
    if (rank === 1) choose(from) // answers go the way the questions come
    if (opened.kind !== PACKET) return true
    const { packet } = opened
    if (packet.length < HEAD || packet.readUInt32BE(0) !== heard++ >>> 0) { close('a piece was lost'); return true }
    const kind = packet[4] as number, data = packet.subarray(HEAD)
    if (kind === ACK) {
      if (data.length === 8) takenBytes = Math.max(takenBytes, Number(data.readBigUInt64BE(0)))
      room.resolve()
      room = Promise.withResolvers()
      return true
    }
    if (kind === BYE) { way = null; void working.then(() => close(`the other side says: ${data.toString('utf8')}`)); return true }
    waiting += data.length
    if (waiting > 2 * WINDOW) { close('more came than there was room for'); return true }
    working = working.then(async () => {
      if (over.signal.aborted) return
      await onFrame(String.fromCharCode(kind), data)
      waiting -= data.length
      gotBytes += data.length
      if (gotBytes - saidBytes < ACK_EVERY || over.signal.aborted) return
      saidBytes = gotBytes
      const count = Buffer.alloc(8)
      count.writeBigUInt64BE(BigInt(gotBytes))
      put(ACK, count)
    }).catch((error: unknown) => close((error as Error).message))
    return true
  }

  const events = (): DirectEvents => {
    let mine: Direct | null = null
    return {
      onSealed: (sealed) => mine !== null && received(sealed, mine),
      onOpen(direct) { if (over.signal.aborted) { direct.close(); return } mine = direct; directs.add(direct); if (rank === 0) choose(direct) },
      onClose(direct) { directs.delete(direct); if (way === direct) close('the connection ended') },
    }
  }
  const relay = openRelayClient({
    server: options.server, token: options.token, attemptId: attempt, log: options.log,
    onFrame(from, sealed) { if (from === other) received(sealed, 'relay') },
    onChange() { if (way === 'relay' && !relay.isOpen) close('the relay was lost') },
  })
  const shut = listener?.open(attempt, (from) => (from === attempt && !over.signal.aborted ? { keys, events: events() } : null))
  const mayCall = options.mayDial ?? mayDial, addresses = listener ? peer.addresses.filter((one) => mayCall(one.host)) : []
  void (async () => { for (const address of addresses) if (directs.size === 0 && !over.signal.aborted) await dial({ address, from: attempt, to: attempt, keys, events: events() }, over.signal) })()
  const straight = setTimeout(() => { isPatient = false; look() }, addresses.length > 0 ? DIRECT_MS : 0), late = setTimeout(() => { if (way === null) close('neither agent reached the other') }, OPEN_MS)
  let isPatient = true
  const look = (): void => {
    if (rank === 0 && way === null && !isPatient && relay.isOpen) choose('relay')
    if (performance.now() - heardAt > SILENT_MS) close('nothing was heard any more')
    else if (way !== null) transmit(channel.seal(PING, Buffer.alloc(0)))
  }
  const timer = setInterval(look, PING_MS / 10)

  return {
    broken: broken.promise,
    get way() { return way === null ? null : way === 'relay' ? 'relay' : 'direct' },
    async send(kind, data) {
      await Promise.race([open.promise, broken.promise])
      while (sentBytes - takenBytes > WINDOW) await Promise.race([room.promise, broken.promise])
      if (over.signal.aborted) return broken.promise
      sentBytes += data.length
      put(kind.charCodeAt(0), data)
    },
    close,
  }
}
