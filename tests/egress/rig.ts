// Every driver that gives a way out, on this machine, and hosts on loopback that stand for the internet.
import { createServer } from 'node:http'
import { createServer as createTcp } from 'node:net'
import type { AddressInfo } from 'node:net'
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { DriverId, EgressRule, Runtime } from '@lumaris/protocol'
import { busyboxFiles, pythonFiles, startRegistry } from '@lumaris/testkit'
import { createBwrapDriver, createWall } from '../../apps/agent/src/drivers/bwrap.ts'
import { createContainers } from '../../apps/agent/src/drivers/container.ts'
import { createDenoDriver, findDeno } from '../../apps/agent/src/drivers/deno.ts'
import type { ExitReport, IsolationDriver, Sandbox, SandboxEgress, SandboxNetwork } from '../../apps/agent/src/drivers/driver.ts'
import { createGvisorDriver } from '../../apps/agent/src/drivers/gvisor.ts'
import { createStages, inPath } from '../../apps/agent/src/drivers/stage.ts'
import { mayReach } from '../../apps/agent/src/egress/addresses.ts'
import { doorLacks } from '../../apps/agent/src/egress/door.ts'
import { openEgress } from '../../apps/agent/src/egress/egress.ts'
import type { AttemptEgress, EgressConfig } from '../../apps/agent/src/egress/egress.ts'

export const MIB = 1024 * 1024
const LIMITS = { cpuMillis: 2000, memoryBytes: 512 * MIB, pids: 64, diskBytes: 16 * MIB, outputBytes: MIB, wallMs: 60_000, openFiles: 256 }
const without = (name: string): string | null => (inPath(name) ? null : `${name} is not installed`)
/** Why one of them cannot be tried here, or null. */
export const NEEDS = {
  bwrap: without('bwrap'), gvisor: without('runsc') ?? without('ip'), container: without('podman') ?? without('runc'), deno: without('bwrap') ?? (findDeno() ? null : 'deno is not installed for this platform'),
} satisfies Partial<Record<DriverId, string | null>>
export type EgressDriver = keyof typeof NEEDS
export const lacks = doorLacks()?.reason ?? without('python3')

export type Rig = { readonly driver: IsolationDriver; readonly runtime: Runtime; /** Part of every path that it makes. */ readonly owner: string; close(): Promise<void> }
export async function startRig(id: EgressDriver): Promise<Rig> {
  const home = mkdtempSync(join(tmpdir(), `lumaris-egress-${id}-`)), owner = `egress${id}${process.pid}`, scratch = join(tmpdir(), `lumaris-${owner}`)
  const stages = await createStages({ scratch: join(scratch, 'stages'), owner }), wall = createWall({ scratch: join(scratch, 'wall'), stages })
  const close = async (driver: IsolationDriver | null): Promise<void> => { await driver?.reap(); await driver?.close?.(); await stages.reap(); for (const dir of [home, scratch]) rmSync(dir, { recursive: true, force: true }) }
  const rig = (driver: IsolationDriver | null, runtime: Runtime, end?: () => Promise<unknown>): Rig => { if (!driver) throw new Error(`${id} does not work here`); return { driver, runtime, owner, async close() { await close(driver); await end?.() } } }
  if (id === 'bwrap') return rig(wall && createBwrapDriver(wall), 'native')
  if (id === 'deno') return rig(createDenoDriver({ scratch: join(scratch, 'deno'), stages, wall }), 'javascript')
  if (id === 'gvisor') {
    const driver = await createGvisorDriver({ scratch: join(scratch, 'gvisor'), stages })
    await driver?.probe() // finds the platform that works here
    return rig(driver, 'native')
  }
  const registry = await startRegistry(), image = registry.add('tools', { layers: [busyboxFiles() ?? [], pythonFiles() ?? []], config: { Env: ['PATH=/usr/bin:/bin'] } })
  const opened = await createContainers({ dataDir: join(home, 'data'), runDir: join(scratch, 'engine'), stages, owner, socket: null, registries: [registry.host], findGpus: null })
  if ('reason' in opened) { await close(null); await registry.close(); throw new Error(opened.reason) }
  const { driver } = opened
  return rig({ ...driver, start: (job) => driver.start({ image, ...job }) }, 'container', () => registry.close())
}

export type Host = { readonly port: number; readonly hits: () => number; close(): Promise<void> }
/** Says its name to everybody. */
export async function startHost(says: string): Promise<Host> {
  let hits = 0
  const server = createServer((_request, reply) => { hits++; reply.end(says) })
  server.listen(0, '0.0.0.0')
  await new Promise((resolve) => { server.once('listening', resolve) })
  return { port: (server.address() as AddressInfo).port, hits: () => hits, close: () => new Promise((resolve) => { server.close(() => resolve()); server.closeAllConnections() }) }
}
/** Counts everybody who comes. */
export async function startVictim(host: string): Promise<Host | null> {
  let hits = 0
  const server = createTcp((socket) => { hits++; socket.destroy() })
  const up = await new Promise<boolean>((resolve) => { server.once('error', () => resolve(false)); server.listen(0, host, () => resolve(true)) })
  return up ? { port: (server.address() as AddressInfo).port, hits: () => hits, close: () => new Promise((resolve) => { server.close(() => resolve()) }) } : null
}

/** As in an agent, but names are the test's, and this one port of loopback stands for the internet. */
export const configOf = (names: Readonly<Record<string, readonly string[]>>, port: number): EgressConfig => ({
  resolve: async (host) => names[host] ?? [], reachable: (address, to) => mayReach(address) || (address === '127.0.0.1' && to === port),
})
export type Ran = { readonly end: ExitReport; readonly out: string; readonly err: string }
export type Running = { readonly sandbox: Sandbox; readonly egress: AttemptEgress | null; /** Its network namespace. */ readonly netns: () => string; readonly out: () => string; readonly done: Promise<Ran> }
export async function start({ driver, runtime }: Rig, command: string[], { rules, config = {}, files = {}, env = {}, door, network }: { rules?: readonly EgressRule[]; config?: EgressConfig; files?: Readonly<Record<string, string>>; env?: Readonly<Record<string, string>>; door?: SandboxEgress; network?: SandboxNetwork } = {}): Promise<Running> {
  const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-')), egress = rules ? openEgress(config, rules) : null
  for (const [path, text] of Object.entries(files)) { mkdirSync(dirname(join(workDir, path)), { recursive: true }); writeFileSync(join(workDir, path), text) }
  let netns = ''
  const inside = door ?? egress?.door
  const sandbox = await driver.start({ attemptId: 'att_egress', runtime, command, env: { ...egress?.env, ...env }, workDir, limits: LIMITS, ...(network ? { network } : {}), ...(inside ? { egress: { ...inside, attach(pid, options) { netns = readlinkSync(`/proc/${pid}/ns/net`); return inside.attach(pid, options) } } } : {}) })
  let out = '', err = ''
  sandbox.stdout.on('data', (chunk: Buffer) => { out += String(chunk) })
  sandbox.stderr.on('data', (chunk: Buffer) => { err += String(chunk) })
  const done = (async () => { const end = await sandbox.exit; await egress?.close(); rmSync(workDir, { recursive: true, force: true }); return { end, out, err } })()
  return { sandbox, egress, netns: () => netns, out: () => out, done }
}
