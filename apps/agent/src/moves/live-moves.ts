// Machines that go from one agent to another while they run. For each there is a tunnel (tunnel.ts), and what goes through it:
//
//   B what comes: driver, maker, size of its disk → G ready for it → M memory, D a piece of its disk, Z zeroes of it, as they come → E the end of it, and a key → R all of it is here
//
// Each agent shows with its node's own key that it is who the market says; the market names the other's. Until R nothing has changed but the disk of a machine
// that does not run. After R the machine is there twice and stands still; the market decides. Only an order of the market that brings the key takes it over: the
// key comes to the market from the one who left, and to here through the tunnel, so nobody else can have meant this machine.
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { canonical, liveText } from '@lumaris/protocol'
import type { AttemptId, DriverId, JobDispatch, LiveOffer, LivePeer, MemoryLock, NodeId, Receive, Saved, Sha256 } from '@lumaris/protocol'
import type { AgentInput } from '@lumaris/domain'
import type { Guest, IsolationDriver, Sandbox, SandboxSpec } from '../drivers/driver.ts'
import { removeTree } from '../files.ts'
import type { Identity } from '../identity.ts'
import { saysOf } from '../log.ts'
import type { Log } from '../log.ts'
import { isSignedBy } from '../memory.ts'
import { makeMeshKeys } from '../mesh/cipher.ts'
import type { MeshKeys } from '../mesh/cipher.ts'
import type { MeshListener } from '../mesh/direct.ts'
import { sha256 } from '../seal.ts'
import { FRAME_MAX, openTunnel } from './tunnel.ts'
import type { Tunnel } from './tunnel.ts'

/** What has come whole waits so long for the market's word: a market that was lost may be back by then. Its driver ends it a little later in any case. */
const GUEST_MS = 12 * 60_000
const OFFSET = 8

export type LivePorts = {
  readonly drivers: ReadonlyMap<DriverId, IsolationDriver>; readonly makerOf: (driver: DriverId) => string | undefined; readonly workDir: string
  readonly identity: Identity; readonly node: NodeId; readonly server: string; readonly token: () => string; readonly listener: () => Promise<MeshListener | null>; readonly log: Log
  readonly input: (input: AgentInput) => void
  /** Tests dial 127.0.0.1. */
  readonly mayDial?: (host: string) => boolean
}
export type Left = { readonly saved: Pick<Saved, 'manifest' | 'manifestSize' | 'size'>; readonly lock: MemoryLock; readonly way: 'direct' | 'relay' | null }
export interface LiveMoves {
  /** Says to the market how this agent is reached by whoever receives it. */
  readyToLeave(order: JobDispatch): Promise<void>
  /** Resolves when it is there as well, and stands still; when it rejects, it runs on here. */
  leave(order: JobDispatch, sandbox: Sandbox, peer: LivePeer, hooks: { readonly stood: () => void; readonly until: AbortSignal }): Promise<Left>
  receive(order: Receive): void
  /** The machine that this order goes on in, or why there is none. */
  claim(order: JobDispatch): Guest
  drop(attempt: AttemptId): Promise<void>
  /** The owner wants his machine: what is on its way stays where it is. */
  dropArriving(): Promise<void>
  close(): Promise<void>
}
type Arrival = { readonly keys: MeshKeys; readonly order: Receive; peer: LivePeer | null; tunnel: Tunnel | null; guest: Guest | null; key: string | null; readonly dir: string; timer: NodeJS.Timeout | null; over: boolean }

export function createLiveMoves(ports: LivePorts): LiveMoves {
  const { log } = ports, leaving = new Map<AttemptId, MeshKeys>(), arrivals = new Map<AttemptId, Arrival>()
  let made = 0
  const offerOf = async (attempt: AttemptId, keys: MeshKeys): Promise<LiveOffer> => ({ public_key: keys.publicKey, addresses: [...((await ports.listener())?.addresses ?? [])], signature: ports.identity.sign(liveText({ attempt, node: ports.node, key: keys.publicKey })) as LiveOffer['signature'] })
  const checked = (attempt: AttemptId, peer: LivePeer): LivePeer => {
    if (!isSignedBy(peer.nodeKey, liveText({ attempt, node: peer.node, key: peer.public_key }), peer.signature)) throw new Error('the other agent has not shown that it is the node which the market names')
    return peer
  }
  const tunnelOf = async (attempt: AttemptId, rank: 0 | 1, keys: MeshKeys, peer: LivePeer, onFrame: (kind: string, data: Buffer) => void | Promise<void>): Promise<Tunnel> =>
    openTunnel({ attempt, rank, keys, peer: checked(attempt, peer), server: ports.server, token: ports.token, listener: await ports.listener(), log, onFrame, ...(ports.mayDial ? { mayDial: ports.mayDial } : {}) })

  async function drop(attempt: AttemptId): Promise<void> {
    const arrival = arrivals.get(attempt)
    if (!arrival) return
    arrivals.delete(attempt)
    arrival.over = true
    if (arrival.timer) clearTimeout(arrival.timer)
    arrival.tunnel?.close('it is not wanted here any more')
    await arrival.guest?.drop()
    await removeTree(arrival.dir)
  }
  const dropping = new Set<Promise<void>>()
  const dropSoon = (attempt: AttemptId): void => {
    const over = drop(attempt).catch((error: unknown) => log.error({ attempt, error }, 'a machine that came and is not wanted could not be removed')).finally(() => dropping.delete(over))
    dropping.add(over)
  }
  /** Nothing comes of it. */
  function fail(attempt: AttemptId, fence: number, error: unknown): void {
    log.warn({ attempt, error: saysOf(error) }, 'a machine could not be received')
    ports.input({ kind: 'receiveFailed', attempt, fence, says: saysOf(error) })
    dropSoon(attempt)
  }

  async function letIn(arrival: Arrival, peer: LivePeer): Promise<void> {
    const { order } = arrival, id = order.attempt_id
    const begin = Promise.withResolvers<void>()
    arrival.tunnel = await tunnelOf(id, 1, arrival.keys, peer, async (kind, data) => {
      const { guest } = arrival
      if (arrival.over) return
      switch (kind) {
        case 'B': {
          const said = JSON.parse(data.toString()) as { maker: string; diskBytes: number }, driver = ports.drivers.get(order.driver)
          if (guest || !driver?.receive) throw new Error('it cannot begin here')
          await mkdir(arrival.dir, { mode: 0o700 })
          const made = await driver.receive(guestSpec(order, arrival.dir), said)
          if (arrival.over) { await made.drop(); return }
          arrival.guest = made
          begin.resolve()
          await arrival.tunnel?.send('G', Buffer.alloc(0))
          return
        }
        case 'M': return guest?.memory(data)
        case 'D': return guest?.write(Number(data.readBigUInt64BE(0)), data.subarray(OFFSET))
        case 'Z': return guest?.zero(Number(data.readBigUInt64BE(0)), Number(data.readBigUInt64BE(OFFSET)))
        case 'E': {
          if (!guest) throw new Error('it ended before it began')
          await guest.complete()
          arrival.key = data.toString('base64url')
          await arrival.tunnel?.send('R', Buffer.alloc(0))
          arrival.timer = setTimeout(() => dropSoon(id), GUEST_MS)
          log.info({ attempt: id, from: peer.node, way: arrival.tunnel?.way }, 'a machine came while it ran, and waits for the word of the market')
          return
        }
        default: throw new Error('something came that is no part of a machine')
      }
    })
    // Once all is here, it does not matter any more.
    arrival.tunnel.broken.catch((error: unknown) => { if (!arrival.over && arrival.key === null) fail(id, order.fence, error) })
    if (arrival.over) arrival.tunnel.close()
  }

  return {
    async readyToLeave(order) {
      const id = order.attempt_id, keys = leaving.get(id) ?? makeMeshKeys()
      leaving.set(id, keys)
      ports.input({ kind: 'liveReady', attempt: id, fence: order.fence, mesh: await offerOf(id, keys) })
    },
    async leave(order, sandbox, peer, { stood, until }) {
      const id = order.attempt_id, keys = leaving.get(id), maker = ports.makerOf(order.driver)
      if (!keys || !sandbox.leave || maker === undefined) throw new Error(`the driver ${order.driver} sends nothing elsewhere while it runs`)
      const go = Promise.withResolvers<void>(), all = Promise.withResolvers<void>(), key = randomBytes(32)
      const tunnel = await tunnelOf(id, 0, keys, peer, (kind) => { if (kind === 'G') go.resolve(); else if (kind === 'R') all.resolve() })
      const stop = new AbortController(), unless = <T>(what: Promise<T>): Promise<T> => Promise.race([what, tunnel.broken])
      tunnel.broken.catch((error: unknown) => stop.abort(error))
      let size = 0
      const send = (kind: string, data: Buffer): Promise<void> => { size += data.length; return tunnel.send(kind, data) }
      const offset = (...numbers: number[]): Buffer => { const bytes = Buffer.alloc(OFFSET * numbers.length); numbers.forEach((number, i) => bytes.writeBigUInt64BE(BigInt(number), i * OFFSET)); return bytes }
      try {
        await sandbox.leave({
          until: AbortSignal.any([until, stop.signal]), stood,
          async begin(diskBytes) { await send('B', Buffer.from(JSON.stringify({ maker, diskBytes }))); await unless(go.promise) },
          async memory(piece) { for (let at = 0; at < piece.length; at += FRAME_MAX) await send('M', piece.subarray(at, at + FRAME_MAX)) },
          async write(at, data) { const step = FRAME_MAX - OFFSET; for (let from = 0; from < data.length; from += step) await send('D', Buffer.concat([offset(at + from), data.subarray(from, from + step)])) },
          zero: (at, length) => send('Z', offset(at, length)),
        })
        await send('E', key)
        await unless(all.promise)
        const bare = { version: 1, attempt: id, node: ports.node, to: peer.node, driver: order.driver, maker, size }
        const text = canonical({ ...bare, signature: ports.identity.sign(`lumaris-left:${canonical(bare)}`) })
        return { saved: { manifest: sha256(text) as Sha256, manifestSize: 0, size }, lock: { driver: order.driver, maker, key: key.toString('base64url') }, way: tunnel.way }
      } finally {
        // Other keys for another try: what was read of this one says nothing about that.
        leaving.delete(id)
        tunnel.close()
      }
    },
    receive(order) {
      const id = order.attempt_id, { peer } = order, known = arrivals.get(id)
      void (async () => {
        if (!known) {
          if (peer) return // of a try that is over here
          if (!ports.drivers.get(order.driver)?.receive || ports.makerOf(order.driver) !== order.maker) throw new Error(`the driver ${order.driver} of this node receives nothing of ${order.maker || 'a kind that is not named'}`)
          const arrival: Arrival = { keys: makeMeshKeys(), order, peer: null, tunnel: null, guest: null, key: null, dir: join(ports.workDir, `${id}.guest${made++}`), timer: null, over: false }
          arrivals.set(id, arrival)
          await removeTree(arrival.dir)
          ports.input({ kind: 'liveReady', attempt: id, fence: order.fence, mesh: await offerOf(id, arrival.keys) })
        } else if (!peer) {
          if (known.peer === null) ports.input({ kind: 'liveReady', attempt: id, fence: order.fence, mesh: await offerOf(id, known.keys) })
        } else if (known.peer === null) { known.peer = peer; await letIn(known, peer) }
      })().catch((error: unknown) => fail(id, order.fence, error))
    },
    claim(order) {
      const lock = order.resume?.memory, arrival = lock && arrivals.get(lock.attempt)
      if (!lock || !arrival?.guest || arrival.key === null) throw new Error('the machine that was to go on here is not here')
      if (arrival.peer?.node !== lock.node || arrival.order.driver !== order.driver || !timingSafeEqual(Buffer.from(sha256(arrival.key)), Buffer.from(sha256(lock.key)))) throw new Error('the machine that came is not the one which the market means')
      const { guest } = arrival
      arrivals.delete(lock.attempt)
      if (arrival.timer) clearTimeout(arrival.timer)
      arrival.tunnel?.close('it is taken over')
      const clear = (): Promise<void> => removeTree(arrival.dir)
      return { ...guest, async take(spec) { const sandbox = await guest.take(spec); await clear(); return sandbox }, async drop() { await guest.drop(); await clear() } }
    },
    drop,
    async dropArriving() { await Promise.all([...arrivals].flatMap(([id, { key }]) => (key === null ? [drop(id)] : []))) },
    async close() { await Promise.all([...[...arrivals.keys()].map(drop), ...dropping]) },
  }
}

function guestSpec({ attempt_id, runtime, resources, limits }: Receive, workDir: string): SandboxSpec {
  return {
    attemptId: attempt_id, runtime, command: ['-'], env: {}, workDir,
    limits: { cpuMillis: resources.cpuMillis, memoryBytes: resources.memoryBytes, diskBytes: resources.diskBytes, pids: limits.processes, outputBytes: limits.outputBytes, wallMs: limits.runMs, openFiles: 1024 },
  }
}
