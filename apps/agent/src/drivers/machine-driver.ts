// What the drivers of level `vm` have in common, whichever program runs the machine (qemu.ts, firecracker.ts): the image it boots, templates, the disk with
// the job's files, the line to the program inside, who is to blame for an end, checkpoints, canaries.
//
// A machine takes seconds to start, so one is started ahead, once for each size, and its memory kept as a template; every attempt wakes a copy of it. Copies
// are alike to the last bit: what each is told first is new chance for its kernel's generator and the time of day.
//
// The line is read by machine-channel.ts as a stranger's. Once the program has ended its files come over it, one after the other; the disk itself is never looked
// at from outside. What the machine says is never the seller's fault: if it breaks the rules after the program began, the program did that.
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Duplex, Readable } from 'node:stream'
import type { Level } from '@lumaris/protocol'
import { IMAGE_FILES, findImages } from '../images/build-images.ts'
import type { ImageManifest } from '../images/build-images.ts'
import { argvOf } from './bwrap.ts'
import { bringImage, takeImage } from './checkpoint-image.ts'
import type { Restore } from './checkpoint-image.ts'
import type { Departure, ExitReport, Guest, IsolationDriver, ProbeReport, Sandbox, SandboxLimits, SandboxSpec } from './driver.ts'
import { machineCanaries } from './machine-canaries.ts'
import { GONE, openChannel } from './machine-channel.ts'
import type { Channel } from './machine-channel.ts'
import { probeWith, runToEnd } from './probe.ts'
import { SAFE_PATH } from './stage.ts'
import type { Stage, Stages } from './stage.ts'
import { endedSandbox, supervise, unspeakable } from './supervise.ts'
import type { End, Verdict } from './supervise.ts'
import { DiskTooSmall, createWorkImage } from './work-disk.ts'

const MIB = 1024 * 1024
/** What the job's memory goes to besides the job: the program around the machine, its translated code, and the kernel and agent inside (see docs/isolation.md for what was measured). */
const OVERHEAD = 144 * MIB
const MEMORY_MIN = 192 * MIB
/** The smallest machine; the next ones are each twice as large. What a machine has and the job may not use costs nothing but page tables. */
const CLASS_MIN_MIB = 512
/** Of the machine: the program's own, one for each processor, and those that wait for its disk. */
const HOST_THREADS = 160
export const HOST_FILES = 512
/** For a machine to say what it has left when its time is over. */
const LAST_WORDS_MS = 1_000
/** For its files after the end of the program, and for each MiB that it may leave: a line in software moves 20 MiB a second on a quiet machine. */
const GIVE_MS = 30_000, GIVE_MS_PER_MIB = 500
const HOLD_MS = 20_000
/** For a machine from elsewhere to arrive, and to be taken over: longer than whoever sends it has, and than a market takes to come back. */
const GUEST_MS = 15 * 60_000
/** What a file system takes of a disk besides the job's bytes. */
const DISK_SPARE = 64 * MIB
const BLOCK = 64 * 1024, ZEROES = Buffer.alloc(BLOCK)
export const TAKE_MS = 120_000
/** The guest's nobody. */
const NOBODY = 65_534
/** In a template stands a disk of this size; the copy's own is smaller, and whoever runs the machine lets nothing beyond its end be read or written. */
export const TEMPLATE_DISK = 8 * 2 ** 40

export type Absent = { readonly reason: string; readonly hint: string }
export const hasMachines = process.platform === 'linux' && process.arch === 'x64', NO_MACHINES: Absent = { reason: 'machines are for Linux on x86-64', hint: 'use another driver here' }
/** What every machine stands on, whichever program runs it; or what is missing of it. */
export async function groundFor(stages: Stages, images: string): Promise<Absent | { readonly manifest: ImageManifest }> {
  if (!stages.dropsUser || stages.cgroups === null) return { reason: 'a machine needs a user id and a control group of its own: only root can give it those', hint: 'run the agent as root' }
  const found = await findImages(images)
  return 'reason' in found ? { reason: found.reason, hint: `lumaris images build --into ${images}` } : found
}
/** A machine that is about to be started. Its files lie in `inside`, which the program around it sees as its own. */
export type Plan = {
  readonly stage: Stage; readonly inside: string; readonly limits: SandboxLimits; readonly memoryMib: number; readonly vcpus: number
  /** Has a disk with the job's files; a template has none. */
  readonly disk: boolean
  /** A folder with the memory to wake from; null: it boots. */
  readonly from: string | null
  /** Or its memory comes from elsewhere, and it stands still then. */
  readonly arriving: boolean
}
export type Controls = {
  /** To the program inside. */
  readonly line: Duplex
  boot(): Promise<void>
  /** From its memory, until it runs. */
  wake(): Promise<void>
  halt(): Promise<void>
  goOn(): Promise<void>
  /** Its memory into files of this folder, named as in `stateFiles`. It stands still afterwards. */
  take(into: string, bytesMax: number): Promise<void>
  /** Elsewhere while it runs; `hold` makes the line silent. It stands still afterwards, and runs when this rejects. */
  leave?(to: Departure, hold: () => Promise<void>): Promise<void>
  /** Of a machine that is arriving. */
  arrive?(): Promise<{ memory(piece: Buffer): Promise<void>; /** All of it is there. */ complete(): Promise<void> }>
  quit(): void
}
/** The program that runs machines. */
export type Hypervisor = {
  readonly id: 'qemu' | 'firecracker'
  readonly stateFiles: readonly string[]
  /** How many processors it can give. */
  vcpus(available: number): number
  /** Below the machine's own directory. */
  readonly inside: string
  /** That directory may lie on a file system of its own. */
  readonly inVault: boolean
  /** Its machines can go elsewhere while they run. */
  readonly live: boolean
  /** Who can restore what this takes; the size of a machine follows from its job. */
  maker(): string
  /** Ways to run a machine, best first; the first that works is kept. */
  readonly ways: readonly { readonly name: string; readonly bootMs: number; use(): void }[]
  evidence(): Readonly<Record<string, string>>
  plan(plan: Plan): Promise<{ readonly launcher: { readonly program: string; readonly args: readonly string[] }; readonly feeds: readonly Buffer[]; readonly sockets: number; /** `said`: the program's own words, at an end with it. */ open(sockets: readonly Duplex[], said: readonly Readable[]): Controls }>
}
export type MachineDriverOptions = { readonly scratch: string; readonly stages: Stages; readonly manifest: ImageManifest; readonly hypervisor: Hypervisor }
type Launching = Omit<Plan, 'inside' | 'vcpus' | 'arriving'> & { readonly dir: string; readonly into: () => string; readonly stdin?: Uint8Array | undefined; readonly arriving?: boolean }
type Machine = { readonly sandbox: Sandbox; readonly channel: Channel; readonly controls: Controls; /** The program's words, the machine's console with them. */ readonly said: () => string; begun(): void; timeBegins(ms: number): void }

/** Directories below `scratch`, open to be walked through by the machine's user id, and nothing else. */
function layScratch(scratch: string): { readonly runs: string; readonly templates: string } {
  const runs = join(scratch, 'run'), templates = join(scratch, 'templates')
  mkdirSync(scratch, { recursive: true, mode: 0o711 })
  rmSync(templates, { recursive: true, force: true }) // an earlier agent's
  for (const dir of [runs, templates]) mkdirSync(dir, { recursive: true, mode: 0o711 })
  return { runs, templates }
}

export function createMachineDriver({ scratch, stages, manifest, hypervisor }: MachineDriverOptions): IsolationDriver {
  const { id, stateFiles } = hypervisor
  const { runs, templates } = layScratch(scratch)
  const vcpus = hypervisor.vcpus(availableParallelism())
  // Until the probe has found a better one: the one that works everywhere.
  let way = hypervisor.ways.at(-1) as Hypervisor['ways'][number], made = 0
  way.use()
  const level: Level = 'vm'

  const maker = (): string => `${hypervisor.maker()}, image ${imageHash(manifest)}, ${vcpus} processors`
  /** What is in `inside` the machine sees. It is ours: the program around it may write its disk, and make nothing beside it. */
  const newDir = (below = runs): string => {
    const dir = join(below, `job-${process.pid}-${made++}`)
    let path = dir
    mkdirSync(path, { mode: 0o711 })
    for (const name of hypervisor.inside.split('/')) { path = join(path, name); mkdirSync(path); chmodSync(path, 0o711) }
    return dir
  }
  const insideOf = (dir: string): string => join(dir, hypervisor.inside)

  const launch = async ({ dir, into, stdin, arriving = false, ...how }: Launching): Promise<Machine> => {
    const { stage, limits } = how
    const plan = await hypervisor.plan({ ...how, arriving, inside: insideOf(dir), vcpus }).catch(async (error: Error) => { await stage.cleanUp(); await stage.cgroup?.remove(); throw error })
    let machine: Omit<Machine, 'sandbox'> | null = null, said = '', isBegun = false, starved = false, giving: NodeJS.Timeout | null = null
    const sandbox = supervise({
      ...plan.launcher, env: { PATH: SAFE_PATH }, cwd: '/', limits, cgroup: stage.cgroup, feeds: plan.feeds, stdin, disk: stage.disk,
      through: {
        sockets: plan.sockets,
        open({ sockets, said: own, endAs, timeIsUp, timeBegins }) {
          for (const stream of own) { stream.on('data', (chunk: Buffer) => { if (said.length < 4_000) said += chunk.toString('latin1') }); stream.on('error', () => undefined /* its end is told elsewhere */) }
          const controls = plan.open(sockets, own)
          const channel = openChannel(controls.line, {
            into, bytesMax: limits.diskBytes,
            broke: (why) => endAs(isBegun ? { cause: 'exit', code: 134, detail: `the machine of the job broke its rules: it ${why}` } : { cause: 'driver', detail: `the machine ${why}` }),
            tooLarge: () => endAs({ cause: 'disk', detail: `its files take more than ${limits.diskBytes} bytes, or are too many; none was kept` }),
            ended() { timeIsUp(); giving = setTimeout(() => endAs({ cause: 'exit', code: 134, detail: 'the machine of the job did not give out its files in time' }), GIVE_MS + (limits.diskBytes / MIB) * GIVE_MS_PER_MIB) },
            done() { controls.quit() },
          })
          machine = { channel, controls, said: () => said, begun() { isBegun = true }, timeBegins }
          return { ...channel, lastWords: async () => { channel.endProgram(); await within(LAST_WORDS_MS, sandbox.exit) } }
        },
      },
      explain: (end) => explain(end, (machine as Machine).channel, { isBegun, starved, said, limits }),
      async cleanUp() {
        starved = stage.cgroup?.ranOutOfMemory() ?? false
        if (giving) clearTimeout(giving)
        return stage.cleanUp()
      },
    })
    // Without a process there is no line; supervise has said why.
    if (machine === null) { const { detail } = await sandbox.exit; throw new Error(detail ?? `${id} could not be started`) }
    const opened = machine as Omit<Machine, 'sandbox'>
    return { ...opened, sandbox }
  }

  const known = new Map<string, Promise<string>>()
  const templateFor = (memoryMib: number): Promise<string> => {
    const name = `${way.name}-${memoryMib}`
    let making = known.get(name)
    if (!making) { making = makeTemplate(memoryMib, name); known.set(name, making); making.catch(() => known.delete(name)) }
    return making
  }
  /** Starts a machine, waits until its agent is up, and keeps its memory. */
  async function makeTemplate(memoryMib: number, name: string): Promise<string> {
    const limits: SandboxLimits = { cpuMillis: vcpus * 1000, memoryBytes: memoryMib * MIB + 512 * MIB, pids: HOST_THREADS, diskBytes: MIB, outputBytes: MIB, wallMs: way.bootMs, openFiles: HOST_FILES }
    let dir = ''
    const stage = await stages.open({ attemptId: 'template', runtime: 'native', command: ['-'], env: {}, workDir: scratch, limits }, limits, async () => { dir = newDir(); return noDisk(dir) })
    const folder = join(templates, name), fresh = `${folder}.fresh`
    let machine: Machine | null = null
    try {
      const into = join(dir, 'into')
      mkdirSync(into, { mode: 0o700 })
      machine = await launch({ stage, dir, limits, memoryMib, disk: false, from: null, into: () => into })
      machine.sandbox.stdout.resume(); machine.sandbox.stderr.resume()
      await machine.controls.boot()
      await machine.channel.ready
      mkdirSync(fresh, { mode: 0o700 })
      await machine.controls.take(fresh, limits.memoryBytes)
      for (const file of stateFiles) {
        if (!lstatSync(join(fresh, file)).isFile()) throw new Error('its memory is no file')
        // Nobody's who runs a machine: an owner could open it for writing again.
        chownSync(join(fresh, file), 0, 0); chmodSync(join(fresh, file), 0o444)
      }
      chmodSync(fresh, 0o711)
      renameSync(fresh, folder)
      return folder
    } catch (error) {
      await machine?.sandbox.kill('it did not start')
      const end = await machine?.sandbox.exit, { message } = error as Error
      const all = machine?.said().trim() ?? '', words = /Kernel panic[^\r\n]*/.exec(all)?.[0] ?? (message === GONE ? all.split('\n').at(-1) : '')
      throw new Error(`no machine could be started with ${way.name}: ${words || (end?.cause === 'wall' ? `it was not up within ${way.bootMs} ms` : message)}`, { cause: error })
    } finally {
      await machine?.sandbox.kill('its memory is kept')
      rmSync(fresh, { recursive: true, force: true })
    }
  }

  /** What no machine is started for, and whose fault that is. */
  const obstacleOf = (job: SandboxSpec): Verdict | null => {
    if (job.runtime === 'javascript') throw new Error(`the ${id} driver runs programs of its image and Python, not JavaScript`)
    if (job.network || job.egress) throw new Error(`a machine of the ${id} driver has no network to be joined to`)
    if (job.vault !== undefined && !hypervisor.inVault) throw new Error(`the ${id} driver has no encrypted scratch`)
    return unspeakable(job) ?? (job.limits.memoryBytes < MEMORY_MIN ? { cause: 'memory', detail: `a machine of its own needs ${MEMORY_MIN} bytes of memory at least` } : null)
  }
  const hostLimits = (limits: SandboxLimits): SandboxLimits => ({ ...limits, pids: HOST_THREADS, openFiles: HOST_FILES })

  const start = async (job: SandboxSpec, restore?: Restore): Promise<Sandbox> => {
    const obstacle = obstacleOf(job)
    if (obstacle) return endedSandbox(obstacle)
    const { limits } = job
    const memoryMib = classOf(limits), template = restore ? null : await templateFor(memoryMib)
    let dir = ''
    const opened = await stages.open(job, hostLimits(limits), async () => {
      dir = newDir(job.vault)
      const disk = join(insideOf(dir), 'disk')
      try { if (!restore) await createWorkImage({ workDir: job.workDir, image: disk, bytes: limits.diskBytes, uid: NOBODY }) } catch (error) { rmSync(dir, { recursive: true, force: true }); throw error }
      return imageDisk(dir, disk)
    }).catch((error: Error) => error)
    if (opened instanceof DiskTooSmall) return endedSandbox({ cause: 'disk', detail: opened.message })
    if (opened instanceof Error) throw opened
    const stage = opened, uid = stage.uid as number, disk = join(insideOf(dir), 'disk'), taken = join(dir, 'taken')
    try {
      if (restore) {
        await bringImage(restore, taken, uid)
        renameSync(join(taken, 'disk'), disk)
      }
      chownSync(disk, uid, uid); chmodSync(disk, 0o600)
    } catch (error) { await stage.cleanUp(); await stage.cgroup?.remove(); throw error }
    const machine = await launch({ stage, dir, limits, memoryMib, disk: true, from: template ?? taken, into: () => job.workDir, stdin: restore ? undefined : job.stdin })
    return handsOf(machine, job, dir, async (wake) => {
      await machine.controls.wake()
      machine.begun()
      wake()
      if (restore) machine.channel.release()
      else machine.channel.start(orderOf(job, vcpus))
    })
  }

  /** A machine that another one becomes. Its disk is a file of the same size, which fills as it comes. */
  const receive = async (job: SandboxSpec, from: { readonly maker: string; readonly diskBytes: number }): Promise<Guest> => {
    const here = maker(), obstacle = obstacleOf(job), { limits } = job
    if (from.maker !== here) throw new Error(`it runs in ${from.maker}, and can go on only in that; here is ${here}`)
    if (obstacle) throw new Error(obstacle.detail)
    if (!Number.isSafeInteger(from.diskBytes) || from.diskBytes % 512 !== 0 || from.diskBytes < 512 || from.diskBytes > 2 * limits.diskBytes + DISK_SPARE) throw new Error(`its disk of ${from.diskBytes} bytes is not one of a job that reserved ${limits.diskBytes}`)
    let dir = ''
    const stage = await stages.open(job, hostLimits(limits), async () => { dir = newDir(job.vault); return imageDisk(dir, join(insideOf(dir), 'disk')) })
    const uid = stage.uid as number, path = join(insideOf(dir), 'disk')
    const disk = await open(path, 'wx+', 0o600).catch(async (error: Error) => { await stage.cleanUp(); await stage.cgroup?.remove(); throw error })
    let workDir = job.workDir, takenOver = false
    const written = new Set<number>()
    try {
      await disk.truncate(from.diskBytes)
      await disk.chown(uid, uid)
      const machine = await launch({ stage, dir, limits, memoryMib: classOf(limits), disk: true, from: null, arriving: true, into: () => workDir })
      machine.timeBegins(GUEST_MS)
      const { exit } = machine.sandbox, { controls } = machine
      const drop = async (): Promise<void> => { if (takenOver) return; await machine.sandbox.kill('nobody wants it here'); await exit; await disk.close() }
      if (!controls.arrive) throw new Error(`the driver ${id} receives no machines`)
      const coming = await controls.arrive().catch(async (error: Error) => { await drop(); throw error })
      const isInside = (at: number, length: number): void => { if (!(at >= 0 && length >= 0 && at + length <= from.diskBytes)) throw new Error('a piece of its disk lies beyond the end of that') }
      return {
        memory: (piece) => coming.memory(piece),
        async write(at, data) {
          isInside(at, data.length)
          for (let block = Math.floor(at / BLOCK); block * BLOCK < at + data.length; block++) written.add(block)
          await disk.write(data, 0, data.length, at)
        },
        async zero(at, length) {
          isInside(at, length)
          // What was never written is a hole, and stays one.
          for (const block of written) {
            const first = Math.max(at, block * BLOCK), end = Math.min(at + length, (block + 1) * BLOCK)
            if (first < end) await disk.write(ZEROES, 0, end - first, first)
          }
        },
        complete: () => coming.complete(),
        async take(order) {
          await disk.close()
          workDir = order.workDir
          takenOver = true
          machine.timeBegins(order.limits.wallMs)
          return handsOf(machine, order, dir, async (wake) => {
            await controls.goOn()
            machine.begun()
            wake()
            machine.channel.release()
          })
        },
        drop,
      }
    } catch (error) { await disk.close().catch(() => undefined /* it is closed */); throw error }
  }

  /** A machine that begins to run, as its job's sandbox. */
  const handsOf = (machine: Machine, job: SandboxSpec, dir: string, begin: (wake: () => void) => Promise<void>): Sandbox => {
    const { sandbox, channel, controls } = machine, { limits } = job, disk = join(insideOf(dir), 'disk')
    let ended = false, lost: string | null = null, unwoken: string | null = null, isHeld = false
    void sandbox.exit.then(() => { ended = true })
    const wake = (): void => channel.wake(randomBytes(64), Date.now())
    // Who wants a machine to stand still waits until it has woken.
    const awake = begin(wake).catch(async (error: Error) => {
      if (error.message === GONE) return // and explain says how
      unwoken = `the machine could not be woken: ${error.message}`
      await sandbox.kill(unwoken)
    })
    const resume = async (): Promise<void> => {
      if (ended) return
      await sandbox.resume()
      await controls.goOn().catch(() => undefined /* it has ended */)
      wake() // its clock stood still too
      if (isHeld) { isHeld = false; channel.release() }
    }
    const exit = sandbox.exit.then((end): ExitReport => (lost !== null ? { ...end, cause: 'driver', detail: lost } : end.cause === 'killed' && end.detail === unwoken ? { ...end, cause: 'driver' } : end))
    const hands = {
      ...sandbox, resume, exit,
      dir: null, // in the machine
      async pause() { if (ended) return; await awake; await controls.halt().catch(() => undefined /* it has ended */); await sandbox.pause() },
    }
    const going = controls.leave === undefined ? {} : {
      async leave(to: Departure) {
        if (ended) throw new Error('it has ended')
        await awake
        await to.begin(statSync(disk).size)
        try { await controls.leave?.(to, async () => { isHeld = true; await within(HOLD_MS, Promise.race([channel.hold(), sandbox.exit.then(() => { throw new Error(GONE) })])) }) } catch (error) {
          if (isHeld) { isHeld = false; wake(); channel.release() }
          throw error
        }
      },
    }
    // A checkpoint would leave the vault in clear.
    return job.vault !== undefined ? { ...hands, ...going } : {
      ...hands, ...going,
      async checkpoint(into) {
        if (ended) throw new Error('its memory could not be taken: it has ended')
        await awake
        await resume()
        const kept = join(runs, `${dir.slice(runs.length + 1)}-image`)
        try {
          mkdirSync(kept, { mode: 0o700 })
          try {
            await within(HOLD_MS, channel.hold())
            await controls.take(kept, limits.memoryBytes * 2 + 64 * MIB)
          } catch (error) {
            lost = `its memory could not be taken: ${(error as Error).message}`
            await sandbox.kill(lost)
            throw new Error(lost, { cause: error })
          }
          renameSync(disk, join(kept, 'disk'))
          await sandbox.kill('its memory was taken, to go on elsewhere')
          const files = await takeImage(kept, { entriesMax: stateFiles.length + 1 }, into, ({ path }) => copySparse(join(kept, path), join(into, path)))
          if (files.length !== stateFiles.length + 1) throw new Error('its memory could not be taken: a file of it is none')
          return { driver: id, maker: maker(), files }
        } finally { await rm(kept, { recursive: true, force: true }) }
      },
    }
  }

  const driver: IsolationDriver = {
    id, level, ...(hypervisor.live ? { receive: (job, from) => receive({ ...job, command: argvOf(job) }, from) } : {}),
    async prepare(job) {
      if (job.limits.memoryBytes >= MEMORY_MIN) try { await templateFor(classOf(job.limits)) } catch (error) { return { cause: 'driver', detail: (error as Error).message } }
      return null
    },
    start: (job) => start({ ...job, command: argvOf(job) }),
    async restore(job, from, checkpoint) {
      const here = maker()
      if (checkpoint.driver !== id || checkpoint.maker !== here) throw new Error(`this checkpoint was taken by ${checkpoint.maker}, and can be restored only by that; here is ${here}`)
      return start({ ...job, command: argvOf(job) }, { from, checkpoint })
    },
    async reap() {
      const found = await stages.reap()
      const left = readdirSync(runs)
      for (const name of left) await rm(join(runs, name), { recursive: true, force: true })
      return Math.max(found, left.length)
    },
    async close() { await rm(templates, { recursive: true, force: true }) },
    async probe(wanted): Promise<ProbeReport> {
      const none = { cpu: 'none', memory: 'none', pids: 'none', disk: 'none', net: 'none', wall: 'none', output: 'none' } as const
      const tried: Record<string, string> = {}
      for (const one of hypervisor.ways) {
        way = one
        way.use()
        const from = performance.now()
        try { await templateFor(CLASS_MIN_MIB) } catch (error) { tried[one.name] = (error as Error).message; continue }
        tried['boot'] = `${Math.round(performance.now() - from)} ms from nothing to a template`
        const canaries = machineCanaries()
        const report = await probeWith({ driver, level, runtimes: ['native', 'python'], kept: { memory: true, cpu: true, disk: true }, manyProcesses: true, egress: wanted?.egress && 'a machine has one line to the agent, and no network', ...canaries, run: (job) => runToEnd({ start: (canary) => start({ ...canary, runtime: 'native' }) }, job) })
        // It may start and not wake: seen with a KVM that is itself software.
        if (!report.usable && one !== hypervisor.ways.at(-1)) { tried[one.name] = `no machine could be woken with ${one.name}: ${report.reason}`; continue }
        return { ...report, ...(report.usable ? { memory: maker(), ...(hypervisor.live ? { live: true } : {}) } : {}), evidence: { ...report.evidence, ...hypervisor.evidence(), ...tried, image: imageHash(manifest) } }
      }
      return { usable: false, level, reason: Object.values(tried).join('; '), evidence: tried, limits: none, runtimes: [] }
    },
  }
  return driver
}

const imageHash = (manifest: ImageManifest): string => createHash('sha256').update(JSON.stringify([manifest.kernel.sha256, manifest.initrd.sha256, manifest.root.sha256])).digest('hex').slice(0, 16)
/** The smallest machine that has room for what the job may use inside. */
function classOf({ memoryBytes }: SandboxLimits): number {
  let mib = CLASS_MIN_MIB
  while (mib * MIB < memoryBytes - OVERHEAD + 64 * MIB) mib *= 2
  return mib
}

function orderOf({ command, env, limits }: SandboxSpec, vcpus: number): object {
  return {
    argv: command, env: { PATH: SAFE_PATH, HOME: '/work', TMPDIR: '/tmp', LANG: 'C.UTF-8', ...env },
    memoryBytes: limits.memoryBytes - OVERHEAD, pids: limits.pids, openFiles: limits.openFiles, cpus: Math.max(1, Math.min(vcpus, Math.ceil(limits.cpuMillis / 1000))),
  }
}

const tooMuch = (memoryBytes: number): Verdict => ({ cause: 'memory', detail: `it used more than ${memoryBytes} bytes of memory, its machine's own part included` })
function explain({ code, signal, stderrHead }: End, channel: Channel, { isBegun, starved, said, limits }: { isBegun: boolean; starved: boolean; said: string; limits: SandboxLimits }): Verdict | null {
  const end = channel.end(), unstarted = channel.unstarted()
  if (unstarted) return unstarted.errno === 'E2BIG' ? { cause: 'exit', code: 126, detail: 'the arguments and the environment are too long for this machine' } : { cause: 'exit', code: unstarted.errno === 'ENOENT' ? 127 : 126, detail: `the program could not be started: ${unstarted.says}` }
  if (end && channel.complete()) return end.starved && end.code === 137 ? tooMuch(limits.memoryBytes) : { cause: 'exit', code: end.code }
  if (starved) return tooMuch(limits.memoryBytes)
  // The machine is the job's: were its end the seller's fault, whoever finds a way to crash one would compute for nothing.
  if (isBegun) return { cause: 'exit', code: code === null || code === 0 ? 134 : code, detail: 'the machine of the job ended before its program did' }
  return { cause: 'driver', detail: (said || stderrHead).trim().split('\n').at(-1) || `the machine could not be woken (${signal ?? code})` }
}

const noDisk = (dir: string) => ({ dir, limited: true, used: () => 0, async finish() { await rm(dir, { recursive: true, force: true }); return true } })
/** The job's disk as a file: what it takes is what of the file has been written. */
function imageDisk(dir: string, image: string) {
  let fixed: number | null = null
  const taken = (): number => { try { return statSync(image).blocks * 512 } catch { return 0 /* taken away meanwhile */ } }
  return { dir, limited: true, used: () => { fixed ??= taken(); return Math.max(0, taken() - fixed) }, async finish() { await rm(dir, { recursive: true, force: true }); return true } }
}

export async function within<T>(ms: number, what: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => reject(new Error(`it took more than ${ms} ms`)), ms) })
  try { return await Promise.race([what, late]) } finally { clearTimeout(timer) }
}
const copySparse = (from: string, to: string): Promise<void> => new Promise((resolve, reject) => { execFile('cp', ['--sparse=always', '--', from, to], { env: { PATH: SAFE_PATH } }, (error) => (error ? reject(error) : resolve())) })
export const cpuName = (): string => /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown'

/** Why KVM is not even tried: null when it is. A processor without the extensions may still show a /dev/kvm, which then cannot run an ordinary kernel. */
export function kvmSuspect(): string | null {
  if (!existsSync('/dev/kvm')) return 'there is no /dev/kvm'
  return /^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8')) ? null : 'the processor does not show the extensions that /dev/kvm needs'
}
/** The image where the machine's user id can walk to: the agent's own directory is closed to it, so hard links or copies of three files stand in the open. */
export async function reachableImage(images: string, scratch: string): Promise<string> {
  const place = join(scratch, 'image')
  mkdirSync(scratch, { recursive: true, mode: 0o711 })
  rmSync(place, { recursive: true, force: true })
  mkdirSync(place, { mode: 0o711 })
  for (const file of Object.values(IMAGE_FILES)) await new Promise<void>((resolve, reject) => { execFile('/bin/sh', ['-c', 'ln -- "$1" "$2" 2>/dev/null || cp --reflink=auto -- "$1" "$2"', 'sh', join(realpathSync(images), file), join(place, file)], { env: { PATH: SAFE_PATH } }, (error) => (error ? reject(error) : resolve())) })
  return place
}
