// The network between the ranks of a gang, as one rank sees it:
//
//   sandbox → interface (tun.ts) → whose packet is it? → sealed for that rank (cipher.ts) → straight to its agent (direct.ts), else over the relay → …
//
// Each packet is let through for what it is, not for the way it came: from this rank's address to a rank's out, from that rank's address to this one's in.
// Nothing is routed: there is no way from here to the machine, its network, or a rank of another gang. Full queues lose packets, as any network does.
import { gangAddress, rankHosts } from '@lumaris/protocol'
import type { GangPlace, MeshAddress, MeshOffer, MeshPeer } from '@lumaris/protocol'
import type { SandboxNetwork } from '../drivers/driver.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { PACKET, PING, createChannel, makeMeshKeys, pairKeys } from './cipher.ts'
import type { Channel, PairKeys } from './cipher.ts'
import { dial, mayDial } from './direct.ts'
import type { Direct, DirectEvents, MeshListener } from './direct.ts'
import { ranksOf } from './frames.ts'
import { openRelayClient } from './relay-client.ts'
import type { RelayClient } from './relay-client.ts'
import { openTun } from './tun.ts'
import type { Tun } from './tun.ts'

/** Large, because each packet has a price on its way through three processes; see docs/adr/0016-the-network-of-a-gang.md for what was measured. */
export const MESH_MTU = 61_440
/** A straight way on which nothing comes for so long is given up, and the relay taken. */
const PING_MS = 1_000, SILENT_MS = 4_000
const REDIAL_MS_MIN = 1_000, REDIAL_MS_MAX = 60_000
/** A sandbox starts without its peers rather than never. */
const READY_MS = 5_000
/** Both may dial at once; a third connection of a peer replaces its oldest. */
const DIRECTS_MAX = 2

export type MeshOptions = {
  readonly attemptId: string
  /** The market's address and the session's token, for the relay. */
  readonly server: string; readonly token: () => string
  /** Where others may connect to this agent; null: nobody may, and it dials nobody either. */
  readonly listener: MeshListener | null
  readonly scratch: string; readonly log?: Log
  /** The sandbox's interface went away by itself. */
  readonly onLost?: (why: string) => void
  readonly mtu?: number; readonly tunDevice?: string
  /** Tests dial 127.0.0.1. */
  readonly mayDial?: (host: string) => boolean
}
export type PeerStats = { readonly rank: number; readonly way: 'direct' | 'relay' | 'none'; readonly bytesIn: number; readonly bytesOut: number; readonly packetsIn: number; readonly packetsOut: number; readonly packetsDirect: number; readonly packetsRelayed: number; readonly dropped: number }
export type MeshStats = {
  readonly bytesIn: number; readonly bytesOut: number; readonly packetsIn: number; readonly packetsOut: number
  /** Full queues, or no way. */
  readonly dropped: number
  /** Changed, replayed, or of somebody who is no peer. */
  readonly forged: number
  /** A peer's, from or to an address that is not the one it may have. */
  readonly foreign: number
  /** The sandbox's own, to or from nobody of the gang: the kernel's looking for routers, too. */
  readonly stray: number
  readonly peers: readonly PeerStats[]
}
export interface Mesh {
  readonly place: GangPlace
  /** Resolves when every peer can be reached, or after a while. */
  readonly ready: Promise<void>
  /** Gives the network namespace of that process its interface. Once; with a pid whose namespace is the machine's own it throws. */
  attach(pid: number): Promise<void>
  stats(): MeshStats
  /** The helper's, for whoever counts processes; null before `attach` and after the end. */
  readonly helperPid: number | null
  close(): Promise<void>
}
export type PreparedMesh = { readonly offer: MeshOffer; join(place: GangPlace, peers: readonly MeshPeer[]): Mesh; /** Also where it was never joined. */ close(): Promise<void> }

export function prepareMesh(options: MeshOptions): PreparedMesh {
  const keys = makeMeshKeys()
  let mesh: Mesh | null = null, closed = false
  return {
    offer: { public_key: keys.publicKey, addresses: [...(options.listener?.addresses ?? [])] },
    join(place, peers) {
      if (mesh || closed) throw new Error('this attempt has joined its gang already')
      const self = peers.find((one) => one.rank === place.rank)
      if (peers.length !== place.size || new Set(peers.map((one) => one.rank)).size !== place.size || peers.some((one) => one.rank >= place.size)) throw new Error('these are not all the ranks of the gang')
      if (self?.attempt_id !== options.attemptId || self.public_key !== keys.publicKey) throw new Error('this attempt is not in its gang')
      return (mesh = join(options, place, peers.filter((one) => one !== self).map((peer) => ({ peer, keys: pairKeys({ rank: place.rank, attemptId: options.attemptId, keys }, peer) }))))
    },
    async close() { closed = true; await mesh?.close() },
  }
}

/** What a driver needs to give a sandbox this network: besides the interface, names for the ranks. */
export const networkOf = (mesh: Mesh): SandboxNetwork => ({
  attach: (pid) => mesh.attach(pid), hostname: `rank-${mesh.place.rank}`, hosts: rankHosts(mesh.place.size),
})

type Peer = { readonly rank: number; readonly attemptId: string; readonly addresses: readonly MeshAddress[]; readonly keys: PairKeys; readonly channel: Channel; readonly directs: Direct[]; readonly events: DirectEvents; redialAt: number; redialMs: number; dialling: boolean; count: { -readonly [Name in Exclude<keyof PeerStats, 'rank' | 'way'>]: PeerStats[Name] } }

function join(options: MeshOptions, place: GangPlace, others: readonly { peer: MeshPeer; keys: PairKeys }[]): Mesh {
  const log = options.log ?? silent, { attemptId, listener } = options
  const peers = new Map<number, Peer>(), leaving = new AbortController(), ready = Promise.withResolvers<void>()
  let tun: Tun | null = null, attaching: Promise<Tun> | null = null, forged = 0, foreign = 0, stray = 0
  const wayOf = (peer: Peer): PeerStats['way'] => (peer.directs.length > 0 ? 'direct' : relay.isOpen ? 'relay' : 'none')
  const changed = (): void => { if ([...peers.values()].every((peer) => wayOf(peer) !== 'none')) ready.resolve() }

  function received(peer: Peer, sealed: Buffer, straight: boolean): boolean {
    const opened = peer.channel.open(sealed)
    if (!opened) { forged++; return false }
    if (opened.kind !== PACKET) return true
    const ranks = ranksOf(opened.packet)
    if (ranks?.from !== peer.rank || ranks.to !== place.rank) { foreign++; return true }
    const { count } = peer
    if (!tun?.write(opened.packet)) { count.dropped++; return true }
    count.packetsIn++; count.bytesIn += opened.packet.length
    if (straight) count.packetsDirect++; else count.packetsRelayed++
    return true
  }
  function fromSandbox(packet: Buffer): void {
    const ranks = ranksOf(packet), peer = ranks?.from === place.rank ? peers.get(ranks.to) : undefined
    if (!peer) { stray++; return }
    const { count } = peer, way = wayOf(peer)
    if (way === 'none') { count.dropped++; return }
    const sealed = peer.channel.seal(PACKET, packet)
    const sent = way === 'direct' ? (peer.directs[0] as Direct).send(sealed) : relay.send(peer.rank, sealed)
    if (!sent) { count.dropped++; return }
    count.packetsOut++; count.bytesOut += packet.length
    if (way === 'direct') count.packetsDirect++; else count.packetsRelayed++
  }

  for (const { peer: { rank, attempt_id, addresses }, keys } of others) {
    const peer: Peer = {
      rank, attemptId: attempt_id, addresses, keys, channel: createChannel(keys), directs: [], redialAt: 0, redialMs: REDIAL_MS_MIN, dialling: false,
      count: { bytesIn: 0, bytesOut: 0, packetsIn: 0, packetsOut: 0, packetsDirect: 0, packetsRelayed: 0, dropped: 0 },
      events: {
        onSealed: (sealed) => received(peer, sealed, true),
        onOpen(direct) {
          if (leaving.signal.aborted) { direct.close(); return }
          peer.directs.push(direct)
          if (peer.directs.length > DIRECTS_MAX) peer.directs[0]?.close()
          peer.redialMs = REDIAL_MS_MIN
          changed()
        },
        onClose(direct) { const at = peer.directs.indexOf(direct); if (at >= 0) peer.directs.splice(at, 1) },
      },
    }
    peers.set(rank, peer)
  }
  const byAttempt = new Map([...peers.values()].map((peer) => [peer.attemptId, peer]))
  const relay: RelayClient = openRelayClient({
    server: options.server, token: options.token, attemptId, log, onChange: () => { changed() },
    onFrame(rank, sealed) { const peer = peers.get(rank); if (peer) received(peer, sealed, false); else forged++ },
  })
  const shut = listener?.open(attemptId, (from) => { const peer = byAttempt.get(from); return peer && !leaving.signal.aborted ? { keys: peer.keys, events: peer.events } : null })

  async function tryDirect(peer: Peer): Promise<void> {
    peer.dialling = true
    for (const address of peer.addresses.filter((one) => (options.mayDial ?? mayDial)(one.host))) {
      if (peer.directs.length > 0 || leaving.signal.aborted) break
      if (await dial({ address, from: attemptId, to: peer.attemptId, keys: peer.keys, events: peer.events }, leaving.signal)) break
    }
    peer.dialling = false
    peer.redialAt = performance.now() + peer.redialMs
    peer.redialMs = Math.min(peer.redialMs * 2, REDIAL_MS_MAX)
  }
  const look = (): void => {
    for (const peer of peers.values()) {
      // What is closed leaves the list later, when its socket says so.
      for (const direct of peer.directs) {
        if (performance.now() - direct.heardAt > SILENT_MS) direct.close()
        else direct.send(peer.channel.seal(PING, Buffer.alloc(0)))
      }
      if (listener && peer.directs.length === 0 && !peer.dialling && performance.now() >= peer.redialAt) void tryDirect(peer)
    }
  }
  look()
  const timer = setInterval(look, PING_MS), patience = setTimeout(ready.resolve, READY_MS)

  return {
    place, ready: ready.promise,
    async attach(pid) {
      if (attaching || leaving.signal.aborted) throw new Error('this mesh has its sandbox already, or has ended')
      attaching = openTun({
        pid, address: gangAddress(place.rank), mtu: options.mtu ?? MESH_MTU, scratch: options.scratch, ...(options.tunDevice === undefined ? {} : { device: options.tunDevice }), onPacket: fromSandbox,
        onLost(why) { tun = null; log.warn({ attempt: attemptId, why }, "the interface of a gang's rank went away"); options.onLost?.(why) },
      })
      const made = await attaching
      if (leaving.signal.aborted) { await made.close(); throw new Error('the mesh has ended') }
      tun = made
      await ready.promise
    },
    stats() {
      const all = [...peers.values()].map((peer): PeerStats => ({ rank: peer.rank, way: wayOf(peer), ...peer.count }))
      const sum = (name: keyof Peer['count']): number => all.reduce((total, one) => total + one[name], 0)
      return { bytesIn: sum('bytesIn'), bytesOut: sum('bytesOut'), packetsIn: sum('packetsIn'), packetsOut: sum('packetsOut'), dropped: sum('dropped'), forged, foreign, stray, peers: all }
    },
    get helperPid() { return tun?.pid ?? null },
    async close() {
      leaving.abort()
      clearInterval(timer)
      clearTimeout(patience)
      ready.resolve()
      shut?.()
      for (const peer of peers.values()) for (const direct of peer.directs) direct.close()
      relay.close()
      const made = tun ?? await attaching?.catch(() => null /* it was never there */) ?? null
      tun = null
      await made?.close()
    },
  }
}
