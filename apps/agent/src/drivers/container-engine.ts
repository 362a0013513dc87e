// The engine that runs containers: Docker or Podman over its API socket. The seller's own is used where there is one; else, as root with podman
// installed, the agent runs a `podman system service` of its own: socket, storage, locks and configuration below its own directories, so that nothing
// of it meets the machine's podman. That service ends with the agent (the kernel sees to it), its containers do not: reap() finds them by their label.
import type Docker from 'dockerode'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { ContainerRuntime } from './container-runtimes.ts'
import { inPath } from './stage.ts'

/** An engine that does not say its version within this is not there: a socket of a service that hangs must not hold up the agent's start. */
const ANSWER_MS = 3_000
/** A service of our own: its first start makes its database, 0.4 s here. */
const START_MS = 15_000
const TOOLS = '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin'

export type EngineOptions = {
  /** For the own service: configuration and images, kept; and socket and state, made anew. */
  readonly dataDir: string; readonly runDir: string; readonly owner: string
  /** This socket and no other; null: never somebody else's engine. */
  readonly socket?: string | null
  readonly runtime?: ContainerRuntime
  /** Registries that are asked without TLS. */
  readonly insecure: readonly string[]
}
export type Engine = {
  readonly docker: Docker; readonly socket: string; readonly kind: 'docker' | 'podman'; readonly version: string; readonly own: boolean
  readonly runtime: ContainerRuntime | null
  /** Where its images lie, if that is on this machine. */
  readonly rootDir: string | null
  /** The group above those of its containers, when it takes a path for that (and not a systemd slice). */
  readonly cgroupParent: string | null
  /** Starts the own service again if it has ended. */
  ready(): Promise<void>
  attach(id: string, withStdin: boolean): Promise<Duplex>
  close(): Promise<void>
}
/** Why there is none, and the one command that would change it. */
export type NoEngine = { readonly reason: string; readonly hint: string }
export const INSTALL = 'apt-get install -y --no-install-recommends podman runc'

/** The sockets that a seller's engine has, in the order in which they are asked. */
export function engineSockets(env: NodeJS.ProcessEnv = process.env): string[] {
  const named = /^unix:\/\/(\/.+)$/.exec(env['DOCKER_HOST'] ?? '')?.[1], session = env['XDG_RUNTIME_DIR']
  return [...new Set([...(named === undefined ? [] : [named]), '/run/docker.sock', '/var/run/docker.sock', '/run/podman/podman.sock', ...(session ? [join(session, 'docker.sock'), join(session, 'podman/podman.sock')] : [])])].filter((path) => { try { return statSync(path).isSocket() } catch { return false /* not here */ } })
}

/** 13 MiB of memory, which an agent without an engine does not spend. */
const dockerClient = async (): Promise<typeof Docker> => (await import('dockerode')).default

export async function openEngine(options: EngineOptions): Promise<Engine | NoEngine> {
  const sockets = options.socket === null ? [] : options.socket === undefined ? engineSockets() : [options.socket]
  let silent = ''
  for (const socket of sockets) {
    const engine = await connect(socket, options, null).catch((error: Error) => { silent = `the engine at ${socket} does not answer (${error.message})`; return null })
    if (engine) return engine
  }
  if (options.socket) return { reason: silent, hint: `systemctl start ${options.socket.includes('podman') ? 'podman.socket' : 'docker'}` }
  const podman = inPath('podman')
  if (process.platform !== 'linux') return { reason: silent || 'no Docker or Podman answers here', hint: 'start Docker Desktop or a podman machine' }
  if (!podman) return { reason: silent || 'neither Docker nor Podman is installed', hint: INSTALL }
  const runtime = options.runtime ?? (['runc', 'crun'] as const).find((name) => inPath(name) !== null)
  if (runtime === undefined || !inPath(runtime)) return { reason: `podman is installed, but ${runtime ?? 'no runtime (runc or crun)'} is not`, hint: runtime === 'runsc' ? 'install gVisor: see gvisor.dev/docs/user_guide/install' : `apt-get install -y ${runtime ?? 'runc'}` }
  if (process.getuid?.() !== 0) return { reason: 'a podman of the agent’s own needs root', hint: 'sudo systemctl enable --now podman.socket, or run the agent as root' }
  return startOwn(options, podman, runtime)
}

async function connect(socket: string, options: EngineOptions, own: Service | null): Promise<Engine> {
  const Docker = await dockerClient(), asking = new Docker({ socketPath: socket, timeout: ANSWER_MS })
  const version = await asking.version(), info = await asking.info()
  const podman = version.Components?.find(({ Name }) => Name === 'Podman Engine')
  const kind = podman ? 'podman' as const : 'docker' as const
  const rootDir = info.DockerRootDir && existsSync(info.DockerRootDir) ? info.DockerRootDir : null
  const cgroupParent = info.CgroupDriver === 'cgroupfs' ? `/lumaris-${options.owner}-containers` : null
  return {
    docker: new Docker({ socketPath: socket }), socket, kind, version: podman?.Version ?? version.Version, own: own !== null, runtime: own?.runtime ?? options.runtime ?? null, rootDir, cgroupParent,
    async ready() { await own?.ready() },
    attach: (id, withStdin) => attach(socket, id, withStdin),
    async close() { await own?.stop(); if (cgroupParent !== null) await removeGroups(cgroupParent) },
  }
}

/**
 * dockerode sends its options along as the body of an attach request, and podman hands that body to the job as its first input. So this one request
 * is made here.
 */
function attach(socketPath: string, id: string, withStdin: boolean): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const query = `stream=1&stdout=1&stderr=1${withStdin ? '&stdin=1' : ''}`
    const asked = request({ socketPath, method: 'POST', path: `/containers/${id}/attach?${query}`, headers: { Connection: 'Upgrade', Upgrade: 'tcp', 'Content-Length': 0 } })
    asked.on('upgrade', (_response, stream, head) => { if (head.length > 0) stream.unshift(head); resolve(stream) })
    asked.on('response', (response) => {
      let says = ''
      response.setEncoding('utf8').on('data', (text: string) => { if (says.length < 4_000) says += text }).on('end', () => reject(new Error(messageOf(says))))
    })
    asked.on('error', reject).end()
  })
}
const messageOf = (body: string): string => { try { return (JSON.parse(body) as { message?: string }).message ?? body } catch { return body /* plain text */ } }

type Service = { readonly runtime: ContainerRuntime; ready(): Promise<void>; stop(): Promise<void> }

async function startOwn(options: EngineOptions, podman: string, runtime: ContainerRuntime): Promise<Engine | NoEngine> {
  const { dataDir, runDir } = options, socket = join(runDir, 'engine.sock')
  const at = (name: string): string => join(dataDir, name)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  mkdirSync(runDir, { recursive: true, mode: 0o700 })
  // Locks in files: the other kind is one block of shared memory for all podmans of the machine.
  writeFileSync(at('containers.conf'), `[containers]\nlog_driver = "none"\nno_hosts = true\nenable_keyring = true\n[network]\nnetwork_config_dir = "${at('networks')}"\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\nlock_type = "file"\nruntime = "${runtime}"\nvolume_path = "${at('volumes')}"\n[engine.runtimes]\n${runtimeLines(runtime, at('runsc-without-network'))}`)
  writeFileSync(at('storage.conf'), `[storage]\ndriver = "overlay"\ngraphroot = "${at('storage')}"\nrunroot = "${join(runDir, 'run')}"\n`)
  writeFileSync(at('registries.conf'), `unqualified-search-registries = []\nshort-name-mode = "disabled"\n${options.insecure.map((location) => `[[registry]]\nlocation = "${location}"\ninsecure = true\n`).join('')}`)
  // Nothing is said about signatures: what an image is, its digest says.
  mkdirSync(at('.config/containers'), { recursive: true })
  writeFileSync(at('.config/containers/policy.json'), '{ "default": [{ "type": "insecureAcceptAnything" }] }\n')
  const env = { PATH: TOOLS, HOME: dataDir, TMPDIR: dataDir, CONTAINERS_CONF: at('containers.conf'), CONTAINERS_STORAGE_CONF: at('storage.conf'), CONTAINERS_REGISTRIES_CONF: at('registries.conf'), REGISTRY_AUTH_FILE: at('no-auth.json') }
  // Told otherwise, it mounts its storage onto itself, and a killed agent would leave that mount.
  const args = ['--storage-opt', 'overlay.skip_mount_home=true', '--root', at('storage'), '--runroot', join(runDir, 'run'), '--tmpdir', join(runDir, 'libpod'), 'system', 'service', '--time', '0', `unix://${socket}`]
  const setpriv = inPath('setpriv')
  let child: ChildProcess | null = null, says = '', starting: Promise<void> | null = null

  const start = async (): Promise<void> => {
    rmSync(socket, { force: true })
    says = ''
    const started = setpriv ? spawn(setpriv, ['--pdeathsig', 'KILL', podman, ...args], { env, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] }) : spawn(podman, args, { env, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] })
    child = started
    started.stderr?.setEncoding('utf8').on('data', (text: string) => { says = (says + text).slice(-2_000) })
    started.on('error', (error) => { says = error.message }).on('exit', () => { if (child === started) child = null })
    const Docker = await dockerClient(), asking = new Docker({ socketPath: socket, timeout: ANSWER_MS })
    for (const end = performance.now() + START_MS; ;) {
      if (await asking.version().then(() => true, () => false /* not yet */)) return
      if (child === null || performance.now() > end) { started.kill('SIGKILL'); throw new Error(says.trim().split('\n').pop() || 'it does not answer') }
      await delay(20)
    }
  }
  const service: Service = {
    runtime,
    async ready() { if (child === null) await (starting ??= start().finally(() => { starting = null })) },
    async stop() {
      const running = child
      if (!running) return
      const gone = new Promise<void>((resolve) => running.once('exit', () => resolve()))
      running.kill('SIGTERM')
      const late = setTimeout(() => running.kill('SIGKILL'), ANSWER_MS)
      await gone
      clearTimeout(late)
      rmSync(runDir, { recursive: true, force: true })
    },
  }
  try { await service.ready(); return await connect(socket, options, service) } catch (error) {
    await service.stop()
    return { reason: `podman is installed, but its service does not start: ${(error as Error).message}`, hint: 'podman info' }
  }
}

/** gVisor 2022 knows its network from its command line only, and podman gives it none. */
function runtimeLines(runtime: ContainerRuntime, wrapper: string): string {
  if (runtime !== 'runsc') return `${runtime} = ["${inPath(runtime)}"]\n`
  writeFileSync(wrapper, `#!/bin/sh\nexec ${inPath('runsc')} --network=none "$@"\n`, { mode: 0o755 })
  return `runsc = ["${wrapper}"]\n`
}

/** The group above the containers' in every hierarchy, once they are gone: engines leave it. */
async function removeGroups(path: string): Promise<void> {
  const root = '/sys/fs/cgroup'
  if (!existsSync(root)) return
  for (const dir of [root, ...readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => join(root, name))].map((base) => join(base, path)).filter((one) => existsSync(one))) {
    // conmon stays a moment longer than its container.
    for (let tries = 0; tries < 200 && existsSync(dir); tries++) if (!removeTree(dir)) await delay(10)
  }
}
function removeTree(dir: string): boolean {
  try {
    for (const entry of readdirSync(dir, { withFileTypes: true })) if (entry.isDirectory()) removeTree(join(dir, entry.name))
    rmdirSync(dir)
    return true
  } catch { return false /* still in use */ }
}

export type Group = { readonly cpuMs: number; readonly memoryBytes: number; readonly memoryPeakBytes: number; readonly outOfMemory: boolean }
/**
 * Reads the control groups that the engine made for a container's first process; null when they are gone or not to be found. A process that has just
 * ended is in the machine's own group: the container's has its id in its name.
 */
export function groupOf(pid: number, id: string): (() => Group | null) | null {
  let lines: string[]
  try { lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n') } catch { return null /* it has ended */ }
  const pathOf = (controller: string): string | undefined => lines.map((line) => /^\d+:([^:]*):(.*)$/.exec(line)).find((match) => match?.[1]?.split(',').includes(controller) && match[2]?.includes(id))?.[2]
  const number = (file: string): number => Number(readFileSync(file, 'utf8').trim())
  const field = (file: string, name: string): number => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? 0)
  const memory = pathOf('memory'), cpuacct = pathOf('cpuacct'), unified = pathOf('')
  if (memory !== undefined && cpuacct !== undefined) {
    const mem = join('/sys/fs/cgroup/memory', memory), cpu = join('/sys/fs/cgroup/cpuacct', cpuacct)
    return () => { try { return { cpuMs: number(join(cpu, 'cpuacct.usage')) / 1e6, memoryBytes: number(join(mem, 'memory.usage_in_bytes')), memoryPeakBytes: number(join(mem, 'memory.max_usage_in_bytes')), outOfMemory: field(join(mem, 'memory.oom_control'), 'oom_kill') > 0 } } catch { return null /* gone with its last process */ } }
  }
  if (unified === undefined) return null
  const dir = join('/sys/fs/cgroup', unified)
  let peak = 0
  return () => {
    try {
      const now = number(join(dir, 'memory.current'))
      peak = Math.max(peak, now, existsSync(join(dir, 'memory.peak')) ? number(join(dir, 'memory.peak')) : 0) // memory.peak came with Linux 5.19
      return { cpuMs: field(join(dir, 'cpu.stat'), 'usage_usec') / 1000, memoryBytes: now, memoryPeakBytes: peak, outOfMemory: field(join(dir, 'memory.events'), 'oom_kill') > 0 }
    } catch { return null /* as above */ }
  }
}
