// A gang without a market: a real relay on a real HTTP server, and real sandboxes joined by the mesh, all on this machine.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { AttemptId, MeshPeer, NodeId } from '@lumaris/protocol'
import { chanceText, timeText } from '@lumaris/protocol'
import { createBwrapDriver, createWall } from '../../apps/agent/src/drivers/bwrap.ts'
import type { ExitReport, Sandbox, SandboxLimits } from '../../apps/agent/src/drivers/driver.ts'
import { createStages } from '../../apps/agent/src/drivers/stage.ts'
import { openMeshListener } from '../../apps/agent/src/mesh/direct.ts'
import type { MeshListener } from '../../apps/agent/src/mesh/direct.ts'
import { networkOf, prepareMesh } from '../../apps/agent/src/mesh/mesh.ts'
import type { Mesh, MeshOptions, PreparedMesh } from '../../apps/agent/src/mesh/mesh.ts'
import { TUN_DEVICE } from '../../apps/agent/src/mesh/tun.ts'
import { createRelay } from '../../apps/server/src/gateway/relay.ts'
import type { Membership, Relay, RelayPorts } from '../../apps/server/src/gateway/relay.ts'

export const MIB = 1024 * 1024
const LIMITS: SandboxLimits = { cpuMillis: 2000, memoryBytes: 768 * MIB, pids: 256, diskBytes: 256 * MIB, outputBytes: MIB, wallMs: 90_000, openFiles: 1024 }

const anId = <T extends string>(prefix: string): T => `${prefix}_${timeText(Date.now())}${chanceText(randomBytes(16))}` as T

/** The relay, and a table in place of the market's engine. */
export async function startRelay(more: Partial<RelayPorts> = {}) {
  const tokens = new Map<string, NodeId>(), members = new Map<AttemptId, Membership & { readonly node: NodeId }>()
  const passed: Buffer[] = []
  const relay: Relay = createRelay({
    authenticate: (token) => { const node = tokens.get(token); return node ? { node } : null },
    membership: (node, attempt) => { const found = members.get(attempt); return found?.node === node ? found : null }, ...more,
  })
  const http = createServer((_request, reply) => { reply.end('the market') })
  http.on('upgrade', (request, socket, head) => { if (relay.takes(request)) relay.upgrade(request, socket, head); else socket.destroy() })
  await new Promise<void>((resolve) => { http.listen(0, '127.0.0.1', resolve) })
  const port = (http.address() as AddressInfo).port
  return {
    relay, members, tokens, passed, port, url: `http://127.0.0.1:${port}`,
    /** A node with a token, and an attempt of it in that gang. */
    seat(gang: string, rank: number): { node: NodeId; token: string; attempt: AttemptId } {
      const node = anId<NodeId>('nod'), token = randomBytes(32).toString('base64url'), attempt = anId<AttemptId>('att')
      tokens.set(token, node)
      members.set(attempt, { node, gang, rank })
      return { node, token, attempt }
    },
    async close() { await relay.close(); http.closeAllConnections(); await new Promise<void>((resolve) => { http.close(() => resolve()) }) },
  }
}
export type Rig = Awaited<ReturnType<typeof startRelay>>

export type Rank = { readonly rank: number; readonly attempt: AttemptId; readonly token: string; readonly node: NodeId; readonly prepared: PreparedMesh; readonly peers: MeshPeer[]; mesh: Mesh; listener: MeshListener | null }
/** All ranks of a gang, joined; `direct`: each listens on a port of 127.0.0.1. */
export async function joinGang(rig: Rig, scratch: string, { size = 3, direct = false, gang = anId('job'), ...more }: { size?: number; direct?: boolean; gang?: string } & Partial<MeshOptions> = {}): Promise<Rank[]> {
  const seats = await Promise.all(Array.from({ length: size }, async (_, rank) => {
    const seat = rig.seat(gang, rank), listener = direct ? await openMeshListener({ host: '127.0.0.1', port: 0 }) : null
    return { ...seat, rank, listener, prepared: prepareMesh({ attemptId: seat.attempt, server: rig.url, token: () => seat.token, listener, scratch: join(scratch, 'mesh'), mayDial: () => true, ...more }) }
  }))
  const peers = seats.map(({ rank, attempt, prepared }): MeshPeer => ({ rank, attempt_id: attempt, ...prepared.offer }))
  return seats.map((seat) => ({ ...seat, peers, mesh: seat.prepared.join({ rank: seat.rank, size }, peers) }))
}
export async function leaveGang(ranks: readonly Rank[]): Promise<void> { for (const one of ranks) { await one.prepared.close(); await one.listener?.close() } }

export const needs: string | null = !existsSync('/usr/bin/bwrap') ? 'bubblewrap is not installed' : !existsSync('/usr/bin/python3') ? 'python3 is not installed' : !existsSync(TUN_DEVICE) ? `${TUN_DEVICE} is not here` : process.getuid?.() !== 0 ? 'not root here' : null

export async function startDriver(name: string) {
  const scratch = join(tmpdir(), `lumaris-gang-${name}-${process.pid}`)
  const stages = await createStages({ scratch: join(scratch, 'stages'), owner: `gang${name}${process.pid}` })
  const wall = createWall({ scratch: join(scratch, 'wall'), stages })
  if (!wall) throw new Error('bubblewrap does not work here')
  const driver = createBwrapDriver(wall)
  return { driver, scratch, async close() { await stages.reap(); rmSync(scratch, { recursive: true, force: true }) } }
}
export type Driver = Awaited<ReturnType<typeof startDriver>>

export type Running = { readonly sandbox: Sandbox; readonly done: Promise<{ end: ExitReport; out: string; err: string }>; readonly out: () => string }
/** One rank's program, in its sandbox with its network. */
export async function startRank({ driver }: Driver, rank: Rank, command: string[], { files = {}, env = {}, limits = {} }: { files?: Record<string, string>; env?: Record<string, string>; limits?: Partial<SandboxLimits> } = {}): Promise<Running> {
  const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
  for (const [path, text] of Object.entries(files)) { mkdirSync(dirname(join(workDir, path)), { recursive: true }); writeFileSync(join(workDir, path), text) }
  const sandbox = await driver.start({
    attemptId: rank.attempt, runtime: 'native', command, workDir, limits: { ...LIMITS, ...limits }, network: networkOf(rank.mesh),
    env: { RANK: String(rank.rank), WORLD_SIZE: String(rank.peers.length), MASTER_ADDR: 'rank-0', MASTER_PORT: '29500', ...env },
  })
  let out = '', err = ''
  sandbox.stdout.on('data', (chunk: Buffer) => { out += String(chunk) })
  sandbox.stderr.on('data', (chunk: Buffer) => { err += String(chunk) })
  const done = (async () => { const end = await sandbox.exit; rmSync(workDir, { recursive: true, force: true }); return { end, out, err } })()
  return { sandbox, done, out: () => out }
}
export const python = (script: string): string[] => ['/usr/bin/python3', '-c', script]
