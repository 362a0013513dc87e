// Programs of an OCI image, run by Docker or Podman: own process, network, mount, ipc and host-name space, control groups, a user id of its own and no
// capability, our system-call filter, a root file system that nobody can write, and a work directory with a size of its own. What an image asks for
// beside its files is not granted: its user, its entry point, its volumes (they would be directories of the seller's disk without a limit), its health
// checks. The engine's socket is never inside.
import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs'
import { Readable } from 'node:stream'
import { join, posix } from 'node:path'
import type { Container } from 'dockerode'
import type { Level } from '@lumaris/protocol'
import { runContainer } from './container-run.ts'
import { openEngine } from './container-engine.ts'
import type { Engine, NoEngine } from './container-engine.ts'
import { createWithCards } from './container-gpus.ts'
import type { ContainerRuntime } from './container-runtimes.ts'
import { ImageFailed, ImageRefused, REGISTRIES, createImages } from './container-images.ts'
import type { HeldImage, Images, PullProgress } from './container-images.ts'
import { createGpuPool, wrongDevices } from '../gpus/hand-out.ts'
import type { HeldGpus } from '../gpus/hand-out.ts'
import { findGpus, kindOf } from '../gpus/find-gpus.ts'
import type { FoundGpus } from '../gpus/find-gpus.ts'
import { containerSeccomp } from './container-seccomp.ts'
import { NO_EGRESS, NO_NETWORK } from './driver.ts'
import type { IsolationDriver, ProbeReport, Sandbox, SandboxSpec } from './driver.ts'
import { probeWith, runToEnd } from './probe.ts'
import { reachable } from './stage.ts'
import type { Stage, Stages } from './stage.ts'
import { endedSandbox, unspeakable } from './supervise.ts'
import type { Verdict } from './supervise.ts'
import { DiskTooSmall } from './work-disk.ts'

const MIB = 1024 * 1024
const TMP_BYTES = 64 * MIB, SHM_BYTES = 16 * MIB
/** Places that an engine or an image would make writable without a limit; nobody needs much of them. All of it counts as the job's memory. */
const SMALL_BYTES = MIB
/** More volumes than this belong to no image that wants to be run by others. */
const VOLUMES_MAX = 32
/** Mounted for the canaries: they are written for the Node that runs the agent, and an image with nothing in it knows no libraries. */
const SYSTEM = ['/usr', '/bin', '/lib', '/lib64']
const OWNER = 'lumaris.owner'
/** gVisor counts the job's processes itself; its group counts threads of the machine, several for each. */
const hostThreads = (pids: number): number => 512 + pids * 6

export type ContainerOptions = { readonly engine: Engine; readonly images: Images; readonly stages: Stages; readonly scratch: string; /** Whose containers are whose, on one engine. */ readonly owner: string; /** The cards of this machine. */ readonly cards?: FoundGpus }
/** What a seller may set. */
export type ContainerSettings = {
  /** The engine's socket; null: never the seller's own engine. */
  readonly socket?: string | null
  readonly runtime?: ContainerRuntime
  readonly registries?: readonly string[]; readonly registryAuth?: string; readonly imageCacheBytes?: number
  readonly progress?: (progress: PullProgress) => void
  /** Which cards to hand out where there are several kinds: `nvidia-h200`, or of a divided one `nvidia-h200/1g.18gb`. */
  readonly gpuKind?: string
  /** Looks for the cards of this machine; null: hands out none. */
  readonly findGpus?: (() => Promise<FoundGpus>) | null
}
/** Engine, image cache and driver; or why there is none, and the command that would change it. */
export async function createContainers({ dataDir, runDir, stages, owner, ...set }: ContainerSettings & { readonly dataDir: string; readonly runDir: string; readonly stages: Stages; readonly owner: string }): Promise<{ driver: IsolationDriver; images: Images; engine: Engine } | NoEngine> {
  if (!stages.dropsUser) return { reason: 'containers need an agent that runs as root on Linux, to give each job a user of its own', hint: 'run the agent as root' }
  const registries = set.registries ?? REGISTRIES
  const engine = await openEngine({ dataDir, runDir, owner, insecure: registries.filter(isLoopback), ...(set.socket === undefined ? {} : { socket: set.socket }), ...(set.runtime ? { runtime: set.runtime } : {}) })
  if ('reason' in engine) return engine
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const images = createImages({ engine, indexFile: join(dataDir, 'images.json'), registries, ...(set.registryAuth === undefined ? {} : { authFile: set.registryAuth }), ...(set.imageCacheBytes === undefined ? {} : { bytesMax: set.imageCacheBytes }), ...(set.progress ? { progress: set.progress } : {}) })
  const driver = createContainerDriver({ engine, images, stages, scratch: `${runDir}-driver`, owner, cards: givesCards(engine) && set.findGpus !== null ? await (set.findGpus?.() ?? findGpus(undefined, set.gpuKind)) : { gpus: [], problems: [] } })
  if (driver) return { driver, images, engine }
  await engine.close()
  return { reason: `system calls of ${process.arch} cannot be filtered here`, hint: 'use a machine with x86-64 or arm64' }
}
/** Podman carries CDI files out, and shows what is in a container before its program starts; Docker shows nothing before, and gVisor does not pass cards on. */
const givesCards = ({ kind, runtime }: Engine): boolean => kind === 'podman' && runtime !== 'runsc'
/** Docker takes the same hosts for trusted. */
const isLoopback = (registry: string): boolean => /^(127\.\d+\.\d+\.\d+|localhost)(:\d+)?$/.test(registry)

/** Seen before anything of the job has run: it costs nobody anything. */
class WrongDevices extends Error { override readonly name = 'WrongDevices' }

type Inside = { readonly image: string; readonly volumes: readonly string[]; readonly argv: readonly string[]; readonly searchPath: string; readonly binds?: Readonly<Record<string, string>>; readonly release: () => void }

/** Null where each sandbox cannot have a user id of its own, or system calls cannot be filtered. */
export function createContainerDriver({ engine, images, stages, scratch, owner, cards }: ContainerOptions): IsolationDriver | null {
  const profile = containerSeccomp()
  if (!stages.dropsUser || !profile) return null
  const { docker } = engine
  const gvisor = engine.runtime === 'runsc'
  const level: Level = gvisor ? 'kernel' : 'namespace'
  mkdirSync(scratch, { recursive: true, mode: 0o711 })
  const seccompFile = join(scratch, 'seccomp.json')
  writeFileSync(seccompFile, JSON.stringify(profile))
  // Docker takes the profile itself, Podman the name of a file.
  const seccomp = `seccomp=${engine.kind === 'podman' ? seccompFile : JSON.stringify(profile)}`
  // A way out is made before the program starts. Only podman has something of the container by then; and gVisor under an engine has a network of its own.
  const noEgress = engine.kind !== 'podman' ? 'Docker makes a container’s network when its program starts: too late for a way out; podman makes it before' : gvisor ? 'gVisor under an engine has none; the driver gvisor has' : null
  const egressFile = join(scratch, 'seccomp-egress.json')
  writeFileSync(egressFile, JSON.stringify(containerSeccomp(process.arch, { network: true })))

  const pool = createGpuPool(givesCards(engine) ? (cards?.gpus ?? []) : [])

  async function run(job: SandboxSpec, { image, volumes, argv, searchPath, binds = {}, release }: Inside): Promise<Sandbox> {
    const { limits } = job
    const held: HeldGpus | null = pool.take(job.gpus ?? 0)
    if (!held) { release(); return endedSandbox({ cause: 'driver', detail: pool.gpus.length === 0 ? 'this node hands out no graphics cards' : `${job.gpus} graphics cards are wanted, and ${pool.free} are free` }) }
    const opened = await stages.open({ ...job, gpus: 0 }).catch((error: Error) => error)
    if (opened instanceof Error) { release(); held.release(); if (opened instanceof DiskTooSmall) return endedSandbox({ cause: 'disk', detail: opened.message }); throw opened }
    const stage: Stage = opened
    await stage.cgroup?.remove() // the engine makes its own
    let container: Container | null = null
    const cleanUp = async (): Promise<Verdict | null> => {
      try { await container?.remove({ force: true, v: true }).catch((error: Error & { statusCode?: number }) => { if (error.statusCode !== 404) throw error }) } finally { release() }
      // Only what is surely gone gives its cards back.
      held.release()
      return stage.cleanUp()
    }
    try {
      const small = `rw,nosuid,nodev,size=${SMALL_BYTES},mode=1777`
      const order = {
        Image: image, Entrypoint: [...argv], Cmd: [], User: `${stage.uid}:${stage.uid}`, WorkingDir: '/work', Hostname: 'job', Env: Object.entries({ HOME: '/work', TMPDIR: '/tmp', ...job.env }).map(([name, value]) => `${name}=${value}`),
        AttachStdout: true, AttachStderr: true, AttachStdin: job.stdin !== undefined, OpenStdin: job.stdin !== undefined, StdinOnce: job.stdin !== undefined, Labels: { [OWNER]: owner, 'lumaris.attempt': job.attemptId }, Healthcheck: { Test: ['NONE'] },
        HostConfig: {
          NetworkMode: 'none', IpcMode: 'private', CgroupnsMode: 'private', ReadonlyRootfs: true, CapDrop: ['ALL'], Privileged: false, SecurityOpt: ['no-new-privileges', job.egress ? `seccomp=${egressFile}` : seccomp], RestartPolicy: { Name: 'no' },
          Memory: limits.memoryBytes, MemorySwap: limits.memoryBytes, NanoCpus: Math.max(10_000_000, limits.cpuMillis * 1_000_000), PidsLimit: gvisor ? hostThreads(limits.pids) : limits.pids, ShmSize: SHM_BYTES, LogConfig: { Type: 'none' },
          // All of them are named: podman raises what is not named to what it would like, and fails where the machine does not allow that.
          Ulimits: Object.entries({ nofile: limits.openFiles, core: 0, nproc: gvisor ? limits.pids : 4096 + limits.pids, memlock: 65_536 }).map(([Name, value]) => ({ Name, Soft: value, Hard: value })),
          Tmpfs: { ...Object.fromEntries([...volumes, '/run', '/var/tmp'].map((path) => [path, small])), '/tmp': `rw,nosuid,nodev,size=${TMP_BYTES},mode=1777` },
          Binds: [`${stage.disk.dir}:/work:rw`, ...Object.entries(binds).map(([outside, path]) => `${outside}:${path}:ro`)], ...(engine.cgroupParent === null ? {} : { CgroupParent: engine.cgroupParent }), ...(engine.runtime && !engine.own ? { Runtime: engine.runtime } : {}),
        },
      }
      container = held.gpus.length === 0 ? await docker.createContainer(order) : docker.getContainer(await createWithCards(engine.socket, order, job.egress ? egressFile : seccompFile, held.gpus.map(({ cdi }) => cdi)))
      const stream = await engine.attach(container.id, job.stdin !== undefined)
      return await runContainer({ container, stream, limits, disk: stage.disk, stdin: job.stdin, cleanUp, ...(pool.gpus.length === 0 && !job.egress ? {} : { async ready(pid: number) { if (job.egress) { if (pid === 0) throw new Error('the engine made no network before the start'); await job.egress.attach(pid) } if (pool.gpus.length === 0) return; if (pid === 0) { if (held.gpus.length > 0) throw new Error('the engine does not show what the container sees'); return } const wrong = wrongDevices(`/proc/${pid}/root`, held.gpus, [...pool.gpus, ...(cards?.others ?? [])]); if (wrong !== null) throw new WrongDevices(wrong) } }) })
    } catch (error) {
      const says = (error as Error).message
      const verdict = error instanceof WrongDevices ? { cause: 'driver' as const, detail: says } : (container && await searchFor(container, argv[0] ?? '', job.env['PATH'] ?? searchPath)) ?? notStarted(says, argv[0] ?? '')
      await cleanUp().catch((failed: Error) => { throw new Error(`${says}; and what was set up for it could not be taken down: ${failed.message}`) })
      return endedSandbox(verdict)
    }
  }

  /** The image as far as it can be had; else whose fault that is. */
  async function imageOf(job: SandboxSpec, stop?: AbortSignal): Promise<HeldImage | Verdict> {
    if (job.image === undefined) return { cause: 'image', detail: 'the order names no image' }
    try {
      const held = await images.hold(job.image, stop)
      const odd = held.volumes.find((path) => !isPlace(path))
      if (odd === undefined && held.volumes.length <= VOLUMES_MAX) return { ...held, volumes: held.volumes.filter((path) => !OWN_PLACES.includes(path)) }
      held.release()
      return { cause: 'image', detail: `the image ${job.image} ${odd === undefined ? `wants ${held.volumes.length} volumes; at most ${VOLUMES_MAX} are given` : `wants a volume at ${odd.slice(0, 200)}, where none can be`}` }
    } catch (error) {
      if (error instanceof ImageRefused) return { cause: 'image', detail: error.message }
      if (error instanceof ImageFailed) return { cause: 'driver', detail: error.message }
      throw error
    }
  }

  /** A container with all the cards at once, made by this very engine. Null when it sees them; else what is wrong. */
  async function tryCards(image: string): Promise<string | null> {
    const workDir = mkdtempSync(join(scratch, 'cards-')), outside = reachable(process.execPath, scratch, stages)
    try {
      const binds = { [outside]: '/canary-node', ...Object.fromEntries(SYSTEM.map((path) => [path, path])) }
      const { end, out } = await runToEnd({ start: (job) => run(job, { image, volumes: [], argv: ['/canary-node', '-p', '"hello"'], searchPath: '', binds, release: () => undefined }) }, { attemptId: 'probe_cards', runtime: 'container', command: ['-'], env: {}, workDir, gpus: pool.gpus.length, limits: { cpuMillis: 1000, memoryBytes: 256 * MIB, pids: 64, diskBytes: 8 * MIB, outputBytes: MIB, wallMs: 30_000, openFiles: 256 } })
      return out.trim() === 'hello' ? null : (end.detail ?? 'a container with graphics cards does not start')
    } finally { rmSync(workDir, { recursive: true, force: true }) }
  }

  const driver: IsolationDriver = {
    id: 'container', level,
    async prepare(job, stop) {
      const held = await imageOf(job, stop)
      if ('cause' in held) return held
      held.release() // the youngest in the cache: it is not the next to go
      return null
    },
    async start(job) {
      if (job.runtime !== 'container') throw new Error('the container driver runs programs of images, not of the machine')
      const unsaid = unspeakable(job) ?? tooLong(job)
      if (unsaid) return endedSandbox(unsaid)
      if (job.network) return endedSandbox({ cause: 'driver', detail: NO_NETWORK })
      if (job.egress && noEgress !== null) return endedSandbox({ cause: 'driver', detail: NO_EGRESS })
      const held = await imageOf(job)
      if ('cause' in held) return endedSandbox(held)
      return run(job, { image: held.id, volumes: held.volumes, argv: job.command, searchPath: held.searchPath, release: () => held.release() })
    },
    async reap() {
      await engine.ready()
      const left = await docker.listContainers({ all: true, filters: { label: [`${OWNER}=${owner}`] } })
      for (const { Id, State } of left) {
        const container = docker.getContainer(Id)
        if (State === 'paused') await container.unpause().catch(() => undefined /* it has ended */)
        await container.remove({ force: true, v: true }).catch((error: Error & { statusCode?: number }) => { if (error.statusCode !== 404) throw error })
      }
      return left.length + await stages.reap()
    },
    close: () => engine.close(),
    async probe(wanted): Promise<ProbeReport> {
      const node = '/canary-node', outside = reachable(process.execPath, scratch, stages)
      let image: string | null = null
      try {
        await engine.ready()
        image = await importEmpty(engine, owner)
        const canary = image
        const kept = engine.kind === 'docker' || engine.cgroupParent !== null
        const report = await probeWith({
          driver, level, runtimes: ['container'], kept: { memory: kept, cpu: kept, disk: stages.limitsDisk }, manyProcesses: true, egress: wanted?.egress && (noEgress ?? true),
          run: (job) => runToEnd({ start: (one) => run(one, { image: canary, volumes: [], argv: [node, ...one.command], searchPath: '', binds: { [outside]: node, ...Object.fromEntries(SYSTEM.map((path) => [path, path])) }, release: () => undefined }) }, job),
        })
        const cardless = report.usable && pool.gpus.length > 0 ? await tryCards(canary) : null
        if (report.usable && pool.gpus.length > 0 && cardless === null) driver.gpus = pool.gpus
        return { ...report, evidence: { ...report.evidence, ...(pool.gpus.length > 0 ? { gpus: cardless ?? `${pool.gpus.length} × ${pool.gpus[0] && kindOf(pool.gpus[0])}` } : {}), engine: `${engine.kind} ${engine.version}${engine.own ? ', the agent’s own' : ` at ${engine.socket}`}${engine.runtime ? `, ${engine.runtime}` : ''}` } }
      } catch (error) {
        return { usable: false, level, reason: (error as Error).message, evidence: {}, limits: { cpu: 'none', memory: 'none', pids: 'none', disk: 'none', net: 'none', wall: 'none', output: 'none' }, runtimes: [] }
      } finally {
        if (image !== null) await docker.getImage(image).remove({ force: true }).catch(() => undefined /* the next probe makes another */)
        if (outside !== process.execPath) rmSync(outside, { force: true })
      }
    },
  }
  return driver
}

/** What the kernel takes of a program's words: one of them, and all together, a quarter of the usual stack. A runtime fails on more in words of its own. */
const WORD_BYTES_MAX = 131_072, WORDS_BYTES_MAX = 2 * MIB - 64 * 1024
function tooLong(job: SandboxSpec): Verdict | null {
  const sizes = [...job.command, ...Object.entries(job.env).map(([name, value]) => `${name}=${value}`)].map((word) => Buffer.byteLength(word) + 1)
  return Math.max(...sizes) > WORD_BYTES_MAX || sizes.reduce((sum, size) => sum + size + 8, 0) > WORDS_BYTES_MAX ? { cause: 'exit', code: 126, detail: 'the arguments and the environment are too long for this machine' } : null
}

/** What is mounted for every job; an image's own volume of the same place gives way. */
const OWN_PLACES = ['/work', '/tmp', '/run', '/var/tmp', '/dev/shm']
/** Spelled in one way only, and neither the whole nor a part of what the engine mounts: a volume that we do not mount over is a directory of the seller's disk. */
const isPlace = (path: string): boolean => OWN_PLACES.includes(path) || (/^(\/[^/:,\0]+)+$/.test(path) && path.length <= 200 && !/\/\.{1,2}(\/|$)/.test(path) && !/^\/(proc|sys|dev)(\/|$)/.test(path))

/**
 * Whose fault is it that it did not start? Engines tell it in words, and the buyer's own are among them; so first they are asked whether the program is
 * there and may be executed. Null: it is, or nobody knows.
 */
async function searchFor(container: Container, program: string, searchPath: string): Promise<Verdict | null> {
  const name = program.slice(0, 200)
  let there = false
  for (const path of program.includes('/') ? [posix.resolve('/work', program)] : searchPath.split(':').map((dir) => posix.join('/', dir, program))) {
    let mode: number
    try {
      const { headers } = await container.infoArchive({ path }) as { headers: Record<string, string> }
      mode = (JSON.parse(Buffer.from(headers['x-docker-container-path-stat'] ?? '', 'base64').toString('utf8')) as { mode: number }).mode
    } catch (error) { if ((error as { statusCode?: number }).statusCode === 404) continue; return null /* the engine does not say */ }
    there = true
    // As Go tells modes: the highest bit is a directory.
    if (mode < 2 ** 31 && (mode & 0o111) !== 0) return null
  }
  return there ? { cause: 'exit', code: 126, detail: `the program ${name} cannot be executed in the image` } : { cause: 'exit', code: 127, detail: `the program ${name} is not in the image` }
}

/** The program is there. What else speaks of executing it is the order's own too, because all else that was handed over is ours, and was seen to work by the probe. */
function notStarted(says: string, program: string): Verdict {
  const name = program.slice(0, 200), words = says.slice(Math.max(0, says.lastIndexOf(program)))
  if (/\bexec/.test(says) && /no such file|not found/i.test(words)) return { cause: 'exit', code: 127, detail: `the program ${name}, or what it needs to start, is not in the image` }
  if (/\bexec/.test(says) && /permission denied|exec format|is a directory|not a directory|too many levels|name too long|invalid argument/i.test(words)) return { cause: 'exit', code: 126, detail: `the program ${name} cannot be executed in the image` }
  return { cause: 'driver', detail: `the container could not be started: ${says.slice(0, 500)}` }
}

/** An image with nothing but the directories that the canaries need to be mounted on. */
async function importEmpty(engine: Engine, owner: string): Promise<string> {
  const places = [...SYSTEM, '/tmp', '/work', '/run', '/var', '/var/tmp', '/proc', '/sys', '/dev', '/etc'].map((path) => `${path.slice(1)}/`)
  const stream = await engine.docker.importImage(Readable.from([tarOf(places)]), { repo: 'lumaris-probe', tag: owner })
  let says = ''
  for await (const chunk of stream) says = (says + String(chunk)).slice(-4_000)
  const id = /sha256:[0-9a-f]{64}/.exec(says)?.[0]
  if (id === undefined) throw new Error(`the engine does not take an image for the probe: ${says.trim().slice(0, 300)}`)
  return id
}
function tarOf(directories: readonly string[]): Buffer {
  const header = (name: string): Buffer => {
    const block = Buffer.alloc(512)
    const put = (text: string, at: number): void => { block.write(text, at, 'latin1') }
    put(name, 0); put('0000755\0', 100); put('0000000\0', 108); put('0000000\0', 116); put('00000000000\0', 124); put('00000000000\0', 136); put('        ', 148); put('5', 156); put('ustar\x0000', 257)
    put(`${block.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148)
    return block
  }
  return Buffer.concat([...directories.map(header), Buffer.alloc(1024)])
}
