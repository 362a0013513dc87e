// The short way between two agents: one TCP port for all attempts of an agent. Whoever connects learns a nonce and has said nothing yet; the one line he
// may then say names two attempts and proves the key of that pair over both nonces. Until that holds, nothing else of his is read, few may try at a time,
// and not for long.
//
//   listener → mark, nonce          (who dials says nothing to a service that does not begin with the mark: an address is a stranger's word)
//   dialler  → to, from, nonce, proof over all of it
//   listener → proof over the same, with its own key
//   then both: [length][sealed packet] …
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, connect, isIP, BlockList } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { MeshAddress } from '@lumaris/protocol'
import { OVERHEAD, proof } from './cipher.ts'
import type { PairKeys } from './cipher.ts'
import { PACKET_MAX, createFrames, writeFrame } from './frames.ts'

const MARK = Buffer.from('lumaris-mesh-1\r\n'), NONCE = 32, ID = 30, PROOF = 32
const HELLO = MARK.length + NONCE, WORD = ID + ID + NONCE + PROOF
const HANDSHAKE_MS = 5_000, CONNECT_MS = 3_000
/** Of all, and of one address: who connects and proves nothing keeps nobody else out for long. */
const OPENING_MAX = 128, OPENING_PER_HOST = 16
/** Of sealed packets that may wait for one peer; above it new ones are lost, as on any network. */
export const QUEUE_MAX = 8 * 1024 * 1024

export type Direct = { send(sealed: readonly Buffer[]): boolean; readonly heardAt: number; close(): void }
export type DirectEvents = { readonly onSealed: (sealed: Buffer) => boolean; readonly onOpen: (direct: Direct) => void; readonly onClose: (direct: Direct) => void }
/** Answers for one attempt: the keys of the pair with that other attempt, and who takes its packets; null for a stranger. */
export type Door = (from: string) => { readonly keys: PairKeys; readonly events: DirectEvents } | null
export type MeshListener = { readonly addresses: readonly MeshAddress[]; open(attemptId: string, door: Door): () => void; readonly refused: number; close(): Promise<void> }

const idBytes = (id: string): Buffer => { const bytes = Buffer.alloc(ID); bytes.write(id, 'latin1'); return bytes }
const idText = (bytes: Buffer): string => bytes.toString('latin1').replace(/\0+$/, '')

export type ListenerOptions = { readonly host?: string; readonly port: number; /** What to tell the others; else every address of this machine that leads out of it. */ readonly advertise?: readonly MeshAddress[] }
export async function openMeshListener({ host, port, advertise }: ListenerOptions): Promise<MeshListener> {
  const doors = new Map<string, Door>(), sockets = new Set<Socket>(), opening = new Map<Socket, string>()
  let refused = 0
  const server = createServer({ noDelay: true }, (socket) => {
    const remote = socket.remoteAddress ?? ''
    if (opening.size >= OPENING_MAX || [...opening.values()].filter((one) => one === remote).length >= OPENING_PER_HOST) { socket.destroy(); return }
    sockets.add(socket)
    opening.set(socket, remote)
    const late = setTimeout(() => { refused++; socket.destroy() }, HANDSHAKE_MS)
    const settled = (): void => { clearTimeout(late); opening.delete(socket) }
    socket.on('close', () => { settled(); sockets.delete(socket) })
    socket.on('error', () => socket.destroy())
    const nonce = randomBytes(NONCE)
    socket.write(Buffer.concat([MARK, nonce]))
    readExactly(socket, WORD, (word) => {
      const said = word.subarray(0, WORD - PROOF), from = idText(word.subarray(ID, 2 * ID))
      const known = doors.get(idText(word.subarray(0, ID)))?.(from)
      if (!known || !timingSafeEqual(proof(known.keys.provePeer, 'dial', nonce, said), word.subarray(WORD - PROOF))) { refused++; socket.destroy(); return }
      settled()
      socket.write(proof(known.keys.proveSelf, 'answer', nonce, said))
      carry(socket, known.events)
    })
  })
  await new Promise<void>((resolve, reject) => { server.once('error', reject); server.listen({ port, ...(host === undefined ? {} : { host }) }, () => { server.off('error', reject); resolve() }) })
  const bound = (server.address() as AddressInfo).port
  const own = host !== undefined && host !== '0.0.0.0' && host !== '::' ? [{ host, port: bound }]
    : Object.values(networkInterfaces()).flatMap((all) => all ?? []).filter((one) => !one.internal && !/^fe80:/i.test(one.address)).map((one) => ({ host: one.address, port: bound }))
  return {
    addresses: (advertise ?? own).slice(0, 8),
    open(attemptId, door) { doors.set(attemptId, door); return () => { if (doors.get(attemptId) === door) doors.delete(attemptId) } },
    get refused() { return refused },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

// A stranger chose the address: this machine's own services and a cloud's metadata are nobody's peer. A private network may be one that both are in.
const NEVER = new BlockList()
for (const [net, bits] of [['0.0.0.0', 8], ['127.0.0.0', 8], ['169.254.0.0', 16], ['224.0.0.0', 4], ['240.0.0.0', 4]] as const) NEVER.addSubnet(net, bits, 'ipv4')
for (const [net, bits] of [['::', 127], ['fe80::', 10], ['ff00::', 8], ['fd00:ec2::254', 128]] as const) NEVER.addSubnet(net, bits, 'ipv6')
/** Only addresses, never names: what a name means can change between the look and the call. */
export function mayDial(host: string): boolean {
  const family = isIP(host)
  if (family === 4) return !NEVER.check(host, 'ipv4')
  return family === 6 && !NEVER.check(host, 'ipv6') // an IPv4 address in IPv6's dress is looked at as what it is
}

export type Dial = { readonly address: MeshAddress; readonly from: string; readonly to: string; readonly keys: PairKeys; readonly events: DirectEvents }
/** True when the other side has proved itself; false when nobody, or somebody else, was there. */
export function dial({ address, from, to, keys, events }: Dial, until: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (until.aborted) { resolve(false); return }
    const socket = connect({ host: address.host, port: address.port, noDelay: true })
    let late = setTimeout(() => socket.destroy(), CONNECT_MS)
    const stop = (): void => { socket.destroy() }
    until.addEventListener('abort', stop, { once: true })
    socket.on('connect', () => { clearTimeout(late); late = setTimeout(stop, HANDSHAKE_MS) })
    socket.on('error', stop)
    socket.on('close', () => { clearTimeout(late); until.removeEventListener('abort', stop); resolve(false) })
    readExactly(socket, HELLO, (hello) => {
      if (!hello.subarray(0, MARK.length).equals(MARK)) { socket.destroy(); return }
      const nonce = hello.subarray(MARK.length), said = Buffer.concat([idBytes(to), idBytes(from), randomBytes(NONCE)])
      socket.write(Buffer.concat([said, proof(keys.proveSelf, 'dial', nonce, said)]))
      readExactly(socket, PROOF, (answer) => {
        if (!timingSafeEqual(proof(keys.provePeer, 'answer', nonce, said), answer)) { socket.destroy(); return }
        clearTimeout(late)
        carry(socket, events)
        resolve(true)
      })
    })
  })
}

/** Nothing beyond the bytes that were asked for is taken from the socket's queue. */
function readExactly(socket: Socket, size: number, then: (bytes: Buffer) => void): void {
  const look = (): void => {
    if (socket.readableLength < size && !socket.readableEnded) return
    const bytes = socket.read(size) as Buffer | null
    if (bytes === null) return
    socket.off('readable', look)
    if (bytes.length === size) then(bytes)
    else socket.destroy()
  }
  socket.on('readable', look)
  look()
}

function carry(socket: Socket, events: DirectEvents): void {
  let heardAt = performance.now()
  const direct: Direct = {
    send(sealed) {
      if (socket.destroyed || socket.writableLength > QUEUE_MAX) return false
      writeFrame(socket, sealed)
      return true
    },
    get heardAt() { return heardAt },
    close: () => { socket.destroy() },
  }
  // TCP brings every byte or none: a packet that does not open here was changed by somebody on the way, and so may be what follows.
  const frames = createFrames(PACKET_MAX + OVERHEAD, (sealed) => { if (events.onSealed(sealed)) heardAt = performance.now(); else socket.destroy() })
  socket.on('close', () => events.onClose(direct))
  socket.on('data', (chunk: Buffer) => { if (!socket.destroyed && !frames.push(chunk)) socket.destroy() })
  socket.resume()
  events.onOpen(direct)
}
