// Programs in a machine of their own: QEMU with its own kernel, its own root file system that nobody can write, one disk with the job's files, and one serial
// line; no network device, nothing shared. By KVM where a machine was seen to start with it, else all in software (TCG). Level `vm`.
//
// A machine takes seconds to start, so one is started ahead, once for each size, and its memory kept as a template; every attempt wakes a copy of it. Copies
// are alike to the last bit: what each is told first is new chance for its kernel's generator and the time of day. The template is read
// through a descriptor that was opened for reading, so no copy can change what the next one will be.
//
// QEMU is not believed either. It takes on the stage's user id before bubblewrap starts, sees its own libraries, the image and one directory with the disk,
// speaks over two sockets it was born with, may open no others than local ones (our filter), start no programs (its own), and lives in the job's control group: the
// job's memory is the whole of it, QEMU's part included.
//
// The line is read by qemu-channel.ts as a stranger's. Once the program has ended its files come over it, one after the other; the disk itself is never looked
// at from outside. What the machine says is never the seller's fault: if it breaks the rules after the program began, the program did that.
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, chownSync, createWriteStream, existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Level } from '@lumaris/protocol'
import { IMAGE_FILES, findImages } from '../images/build-images.ts'
import type { ImageManifest } from '../images/build-images.ts'
import { argvOf } from './bwrap.ts'
import { collectOutputs } from './collect-outputs.ts'
import type { Checkpoint, IsolationDriver, ProbeReport, Sandbox, SandboxLimits, SandboxSpec } from './driver.ts'
import { bringImage } from './gvisor.ts'
import type { Restore } from './gvisor.ts'
import { probeWith, runToEnd } from './probe.ts'
import { machineCanaries } from './qemu-canaries.ts'
import { openChannel } from './qemu-channel.ts'
import type { Channel } from './qemu-channel.ts'
import { openMonitor } from './qemu-monitor.ts'
import type { Monitor } from './qemu-monitor.ts'
import { seccompFilter } from './seccomp.ts'
import { SAFE_PATH, inPath } from './stage.ts'
import type { Stage, Stages } from './stage.ts'
import { endedSandbox, supervise, unspeakable } from './supervise.ts'
import type { End, Verdict } from './supervise.ts'
import { DiskTooSmall, createWorkImage } from './work-disk.ts'

const MIB = 1024 * 1024
type Accelerator = 'kvm' | 'tcg'
/** Debian 12's; the words used here are older, but this is what was measured. */
const OLDEST = 7.2
/** Descriptors of bubblewrap (its filter, its options, its reports), then QEMU's: the line, the monitor, and the memory to wake from. */
const FILTER_FD = 3, OPTIONS_FD = 4, STATUS_FD = 5, LINE_FD = 6, MONITOR_FD = 7, STATE_FD = 9
/** Translated code of the software processor. More makes long programs faster, and is memory of the job's. */
const CODE_MIB = 32
/** What the job's memory goes to besides the job: QEMU, its translated code, and the kernel and agent inside (see docs/isolation.md for what was measured). */
const OVERHEAD = 144 * MIB
const MEMORY_MIN = 192 * MIB
/** The smallest machine; the next ones are each twice as large. What a machine has and the job may not use costs nothing but page tables. */
const CLASS_MIN_MIB = 512
const VCPUS_MAX = 16
/** Of the machine: QEMU's own, one for each processor, and those that wait for its disk. */
const HOST_THREADS = 160
const HOST_FILES = 512
/** A template's own start. With KVM it takes a second; a /dev/kvm that opens and cannot run a kernel shows itself by this. */
const BOOT_MS: Readonly<Record<Accelerator, number>> = { kvm: 6_000, tcg: 90_000 }
/** For a machine to say what it has left when its time is over. */
const LAST_WORDS_MS = 1_000
/** For its files after the end of the program, and for each MiB that it may leave: a line in software moves 20 MiB a second on a quiet machine. */
const GIVE_MS = 30_000, GIVE_MS_PER_MIB = 500
const HOLD_MS = 20_000, MIGRATE_MS = 120_000
/** The guest's nobody. */
const NOBODY = 65_534
/** In a template stands a disk of this size; the copy's own is smaller, and QEMU lets nothing beyond its end be read or written. */
const TEMPLATE_DISK = 8 * 2 ** 40

export type QemuOptions = {
  readonly scratch: string; readonly stages: Stages
  /** Where `lumaris images build` has put the image. */
  readonly images: string
  readonly qemu?: string
  /** What QEMU needs to see of this machine besides its libraries and the firmware, where it is installed in an unusual way. */
  readonly sees?: readonly string[]
  /** In the order in which they are tried. */
  readonly accelerators?: readonly Accelerator[]
}
type Absent = { readonly reason: string; readonly hint: string }
type MachineOptions = {
  readonly stage: Stage; readonly dir: string; readonly limits: SandboxLimits; readonly memoryMib: number; readonly disk: boolean; readonly state: string | null
  readonly into: string; readonly stdin?: Uint8Array | undefined; readonly cleanUp: () => Promise<Verdict | null>
}
type Machine = { readonly sandbox: Sandbox; readonly channel: Channel; readonly monitor: Monitor; /** QEMU's words, the machine's console with them. */ readonly said: () => string; begun(): void }

const ask = (program: string, ...args: string[]): Promise<string> => new Promise((resolve) => { execFile(program, args, { env: { PATH: SAFE_PATH }, timeout: 10_000 }, (_error, out, err) => resolve(`${out}${err}`)) })

/** The driver, or why there is none and the one command that would change it. */
export async function createQemuDriver(options: QemuOptions): Promise<IsolationDriver | Absent> {
  const { scratch, stages, images } = options
  const install = 'apt-get install -y qemu-system-x86 bubblewrap'
  if (process.platform !== 'linux' || process.arch !== 'x64') return { reason: 'machines are for Linux on x86-64', hint: 'use another driver here' }
  const qemu = options.qemu ?? inPath('qemu-system-x86_64'), bwrap = inPath('bwrap'), filter = seccompFilter()
  if (qemu === null || bwrap === null) return { reason: `${qemu === null ? 'QEMU' : 'bubblewrap'} is not installed`, hint: install }
  if (!stages.dropsUser || stages.cgroups === null) return { reason: 'a machine needs a user id and a control group of its own: only root can give it those', hint: 'run the agent as root' }
  const found = await findImages(images)
  if ('reason' in found) return { reason: found.reason, hint: `lumaris images build --into ${images}` }
  const version = /version (\d+\.\d+)[.\d]*/.exec(await ask(qemu, '--version')), release = version?.[0].slice('version '.length) ?? ''
  if (version === null || Number(version[1]) < OLDEST) return { reason: `QEMU ${release || 'of an unknown version'} is older than ${OLDEST}, the oldest that was measured`, hint: install }
  const { manifest } = found
  const runs = join(scratch, 'run'), templates = join(scratch, 'templates')
  mkdirSync(scratch, { recursive: true, mode: 0o711 })
  rmSync(templates, { recursive: true, force: true }) // an earlier agent's
  for (const dir of [runs, templates]) mkdirSync(dir, { recursive: true, mode: 0o711 })
  const image = await reachableImage(images, scratch)
  const libraries = [...await librariesOf(qemu), ...options.sees ?? []]
  const vcpus = Math.min(availableParallelism(), VCPUS_MAX)
  let accelerator: Accelerator = 'tcg', made = 0
  const level: Level = 'vm'

  const maker = (memoryMib: number): string => `qemu ${release} ${accelerator}${accelerator === 'kvm' ? ` ${cpuName()}` : ''}, image ${imageHash(manifest)}, ${memoryMib} MiB, ${vcpus} processors`
  /** What is in `machine` the machine sees. It is ours: QEMU may write its disk, and make nothing beside it. */
  const newDir = (): string => {
    const dir = join(runs, `job-${process.pid}-${made++}`)
    for (const path of [dir, join(dir, 'machine')]) { mkdirSync(path, { recursive: true }); chmodSync(path, 0o711) }
    return dir
  }

  const launch = async ({ stage, dir, limits, memoryMib, disk, state, into, stdin, cleanUp }: MachineOptions): Promise<Machine> => {
    const inside = join(dir, 'machine')
    if (accelerator === 'kvm') await ownKvm(join(inside, 'kvm'), stage.uid as number)
    const jail = [
      '--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', ...(existsSync('/proc/self/ns/cgroup') ? ['--unshare-cgroup'] : []), '--die-with-parent', '--new-session',
      '--uid', '65534', '--gid', '65534', '--hostname', 'machine', ...libraries.flatMap((path) => ['--ro-bind', path, path]), '--ro-bind', image, '/image', '--bind', inside, '/run', '--dev', '/dev',
      ...(accelerator === 'kvm' ? ['--dev-bind', join(inside, 'kvm'), '/dev/kvm'] : []), '--perms', '1777', '--size', String(MIB), '--tmpfs', '/dev/shm', '--remount-ro', '/dev', '--remount-ro', '/',
      '--chdir', '/', '--clearenv', '--setenv', 'PATH', SAFE_PATH, '--cap-drop', 'ALL', '--disable-userns',
    ]
    const launcher = stage.wrap([
      // The disk cannot be made larger from inside QEMU either.
      '/bin/sh', '-c', `ulimit -f ${Math.ceil((disk ? statSync(join(inside, 'disk')).size : 0) / 512)} && { test -z "$1" || exec ${STATE_FD}<"$1"; } && shift && exec "$@"`, 'sh', state ?? '',
      bwrap, '--seccomp', String(FILTER_FD), '--json-status-fd', String(STATUS_FD), '--args', String(OPTIONS_FD), '--', qemu, ...machineArgs({ accelerator, memoryMib, vcpus, disk, incoming: state !== null }),
    ], STATUS_FD, true)
    let machine: Omit<Machine, 'sandbox'> | null = null, said = '', isBegun = false, starved = false, giving: NodeJS.Timeout | null = null
    const sandbox = supervise({
      ...launcher, env: { PATH: SAFE_PATH }, cwd: '/', limits, cgroup: stage.cgroup, feeds: [filter as Buffer, Buffer.from(jail.map((word) => `${word}\0`).join(''))], stdin, disk: stage.disk,
      through: {
        sockets: 2,
        open({ sockets, said: own, endAs, timeIsUp }) {
          for (const stream of own) { stream.on('data', (chunk: Buffer) => { if (said.length < 4_000) said += chunk.toString('latin1') }); stream.on('error', () => undefined /* its end is told elsewhere */) }
          const monitor = openMonitor(sockets[1] as typeof sockets[0])
          const channel = openChannel(sockets[0] as typeof sockets[0], {
            into, bytesMax: limits.diskBytes,
            broke: (why) => endAs(isBegun ? { cause: 'exit', code: 134, detail: `the machine of the job broke its rules: it ${why}` } : { cause: 'driver', detail: `the machine ${why}` }),
            tooLarge: () => endAs({ cause: 'disk', detail: `its files take more than ${limits.diskBytes} bytes, or are too many; none was kept` }),
            ended() { timeIsUp(); giving = setTimeout(() => endAs({ cause: 'exit', code: 134, detail: 'the machine of the job did not give out its files in time' }), GIVE_MS + (limits.diskBytes / MIB) * GIVE_MS_PER_MIB) },
            done() { monitor.ask('quit').catch(() => undefined /* it has ended already */) },
          })
          machine = { channel, monitor, said: () => said, begun() { isBegun = true } }
          return { ...channel, lastWords: async () => { channel.endProgram(); await within(LAST_WORDS_MS, sandbox.exit) } }
        },
      },
      explain: (end) => explain(end, (machine as Machine).channel, { isBegun, starved, said, limits }),
      async cleanUp() {
        starved = stage.cgroup?.ranOutOfMemory() ?? false
        if (giving) clearTimeout(giving)
        return cleanUp()
      },
    })
    // Without a process there is no line; supervise has said why.
    if (machine === null) { const { detail } = await sandbox.exit; throw new Error(detail ?? 'QEMU could not be started') }
    const opened = machine as Omit<Machine, 'sandbox'>
    return { ...opened, sandbox }
  }

  /** Lets QEMU write its memory to a file of ours, over a socket in the machine's own directory. The machine stands still afterwards. */
  const takeMemory = async (machine: Machine, dir: string, uid: number, file: string, bytesMax: number): Promise<void> => {
    const socketPath = join(dir, 'machine', 'take'), { monitor } = machine
    let bytes = 0
    const bounded = new Transform({ transform(chunk: Buffer, _encoding, next) { bytes += chunk.length; next(bytes > bytesMax ? new Error(`its memory is more than ${bytesMax} bytes`) : null, chunk) } })
    const written = Promise.withResolvers<void>()
    const server = createServer((socket) => { server.close(); pipeline(socket, bounded, createWriteStream(file, { flags: 'wx', mode: 0o600 })).then(written.resolve, written.reject) })
    written.promise.catch(() => undefined /* as below */)
    await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(socketPath, () => resolve()) })
    try {
      chownSync(socketPath, uid, uid); chmodSync(socketPath, 0o600)
      await monitor.ask('migrate-set-capabilities', { capabilities: [{ capability: 'events', state: true }] })
      await monitor.ask('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 })
      await monitor.ask('stop')
      const over = monitor.next('MIGRATION', (data) => data?.status === 'completed' || data?.status === 'failed')
      await monitor.ask('migrate', { uri: 'unix:/run/take' })
      if ((await within(MIGRATE_MS, over))?.status !== 'completed') throw new Error('QEMU could not write the memory of the machine')
      await within(MIGRATE_MS, written.promise)
    } finally { server.close() }
  }

  const known = new Map<string, Promise<string>>()
  const templateFor = (memoryMib: number): Promise<string> => {
    const name = `${accelerator}-${memoryMib}`
    let making = known.get(name)
    if (!making) { making = makeTemplate(memoryMib, name); known.set(name, making); making.catch(() => known.delete(name)) }
    return making
  }
  /** Starts a machine, waits until its agent is up, and keeps its memory. */
  async function makeTemplate(memoryMib: number, name: string): Promise<string> {
    const limits: SandboxLimits = { cpuMillis: vcpus * 1000, memoryBytes: memoryMib * MIB + 512 * MIB, pids: HOST_THREADS, diskBytes: MIB, outputBytes: MIB, wallMs: BOOT_MS[accelerator], openFiles: HOST_FILES }
    let dir = ''
    const stage = await stages.open({ attemptId: 'template', runtime: 'native', command: ['-'], env: {}, workDir: scratch, limits }, limits, async () => { dir = newDir(); return noDisk(dir) })
    let machine: Machine | null = null
    try {
      const into = join(dir, 'into')
      mkdirSync(into, { mode: 0o700 })
      machine = await launch({ stage, dir, limits, memoryMib, disk: false, state: null, into, cleanUp: () => stage.cleanUp() })
      machine.sandbox.stdout.resume(); machine.sandbox.stderr.resume()
      await machine.channel.ready
      await machine.monitor.up
      const file = join(templates, name)
      await takeMemory(machine, dir, stage.uid as number, `${file}.fresh`, limits.memoryBytes)
      chmodSync(`${file}.fresh`, 0o444)
      renameSync(`${file}.fresh`, file)
      return file
    } catch (error) {
      await machine?.sandbox.kill('it did not start')
      const end = await machine?.sandbox.exit
      const all = machine?.said().trim() ?? '', words = /Kernel panic[^\r\n]*/.exec(all)?.[0] ?? all.split('\n').at(-1) ?? ''
      throw new Error(`no machine could be started with ${accelerator}: ${words || (end?.cause === 'wall' ? `it was not up within ${BOOT_MS[accelerator]} ms` : (error as Error).message)}`, { cause: error })
    } finally {
      await machine?.sandbox.kill('its memory is kept')
      rmSync(join(templates, `${name}.fresh`), { force: true })
    }
  }

  const start = async (job: SandboxSpec, restore?: Restore): Promise<Sandbox> => {
    if (job.runtime === 'javascript') throw new Error('the qemu driver runs programs of its image and Python, not JavaScript')
    if (job.network || job.egress) throw new Error('a machine of the qemu driver has no network to be joined to')
    const unsaid = unspeakable(job)
    if (unsaid) return endedSandbox(unsaid)
    const { limits } = job
    if (limits.memoryBytes < MEMORY_MIN) return endedSandbox({ cause: 'memory', detail: `a machine of its own needs ${MEMORY_MIN} bytes of memory at least` })
    const memoryMib = classOf(limits), template = restore ? null : await templateFor(memoryMib)
    let dir = ''
    const host = { ...limits, pids: HOST_THREADS, openFiles: HOST_FILES }
    const opened = await stages.open(job, host, async () => {
      dir = newDir()
      const disk = join(dir, 'machine', 'disk')
      try { if (!restore) await createWorkImage({ workDir: job.workDir, image: disk, bytes: limits.diskBytes, uid: NOBODY }) } catch (error) { rmSync(dir, { recursive: true, force: true }); throw error }
      return imageDisk(dir, disk)
    }).catch((error: Error) => error)
    if (opened instanceof DiskTooSmall) return endedSandbox({ cause: 'disk', detail: opened.message })
    if (opened instanceof Error) throw opened
    const stage = opened, uid = stage.uid as number, disk = join(dir, 'machine', 'disk'), taken = join(dir, 'taken')
    try {
      if (restore) {
        await bringImage(restore, taken, uid)
        renameSync(join(taken, 'disk'), disk)
      }
      chownSync(disk, uid, uid); chmodSync(disk, 0o600)
    } catch (error) { await stage.cleanUp(); await stage.cgroup?.remove(); throw error }
    const machine = await launch({ stage, dir, limits, memoryMib, disk: true, state: template ?? join(taken, 'memory'), into: job.workDir, stdin: restore ? undefined : job.stdin, cleanUp: () => stage.cleanUp() })
    const { sandbox, channel, monitor } = machine
    let ended = false, lost: string | null = null
    void sandbox.exit.then(() => { ended = true })
    const wake = (): void => channel.wake(randomBytes(64), Date.now())
    // Who wants a machine to stand still waits until it has woken.
    const awake = (async () => {
      await monitor.up
      await monitor.ask('migrate-set-capabilities', { capabilities: [{ capability: 'events', state: true }] })
      const over = monitor.next('MIGRATION', (data) => data?.status === 'completed' || data?.status === 'failed')
      await monitor.ask('migrate-incoming', { uri: `fd:${STATE_FD}` })
      if ((await over)?.status !== 'completed') throw new Error('it could not be woken')
      await monitor.ask('cont')
      machine.begun()
      wake()
      if (restore) channel.release()
      else channel.start(orderOf(job, vcpus))
    })().catch(() => undefined /* QEMU has ended, and explain says how */)
    const resume = async (): Promise<void> => {
      if (ended) return
      await sandbox.resume()
      await monitor.ask('cont').catch(() => undefined /* it has ended */)
      wake() // its clock stood still too
    }
    return {
      ...sandbox, resume,
      async pause() { if (ended) return; await awake; await monitor.ask('stop').catch(() => undefined /* it has ended */); await sandbox.pause() },
      async checkpoint(into) {
        if (ended) throw new Error('its memory could not be taken: it has ended')
        await awake
        await resume()
        try {
          await within(HOLD_MS, channel.hold())
          await takeMemory(machine, dir, uid, join(dir, 'memory'), limits.memoryBytes * 2 + 64 * MIB)
        } catch (error) {
          lost = `its memory could not be taken: ${(error as Error).message}`
          await sandbox.kill(lost)
          throw new Error(lost, { cause: error })
        }
        const kept = join(runs, `${dir.slice(runs.length + 1)}-image`)
        try {
          mkdirSync(kept, { mode: 0o700 })
          renameSync(join(dir, 'memory'), join(kept, 'memory'))
          renameSync(disk, join(kept, 'disk'))
          await sandbox.kill('its memory was taken, to go on elsewhere')
          const files: Checkpoint['files'][number][] = []
          for await (const file of collectOutputs(kept, { entriesMax: 2 })) {
            await copySparse(join(kept, file.path), join(into, file.path))
            files.push({ path: file.path, size: file.size, sha256: file.sha256 })
          }
          return { driver: 'qemu', maker: maker(memoryMib), files }
        } finally { await rm(kept, { recursive: true, force: true }) }
      },
      exit: sandbox.exit.then((end) => (lost === null ? end : { ...end, cause: 'driver', detail: lost })),
    }
  }

  const driver: IsolationDriver = {
    id: 'qemu', level,
    async prepare(job) {
      if (job.limits.memoryBytes >= MEMORY_MIN) try { await templateFor(classOf(job.limits)) } catch (error) { return { cause: 'driver', detail: (error as Error).message } }
      return null
    },
    start: (job) => start({ ...job, command: argvOf(job) }),
    async restore(job, from, checkpoint) {
      const here = maker(classOf(job.limits))
      if (checkpoint.driver !== 'qemu' || checkpoint.maker !== here) throw new Error(`this checkpoint was taken by ${checkpoint.maker}, and can be restored only by that; here is ${here}`)
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
      const kvm = kvmSuspect()
      for (const one of options.accelerators ?? (kvm === null ? ['kvm', 'tcg'] as const : ['tcg'] as const)) {
        accelerator = one
        const from = performance.now()
        try { await templateFor(CLASS_MIN_MIB) } catch (error) { tried[one] = (error as Error).message; continue }
        tried['boot'] = `${Math.round(performance.now() - from)} ms from nothing to a template`
        const canaries = machineCanaries()
        const report = await probeWith({ driver, level, runtimes: ['native', 'python'], kept: { memory: true, cpu: true, disk: true }, manyProcesses: true, egress: wanted?.egress && 'a machine has one line to the agent, and no network', ...canaries, run: (job) => runToEnd({ start: (canary) => start({ ...canary, runtime: 'native' }) }, job) })
        return { ...report, evidence: { ...report.evidence, ...(kvm === null ? {} : { kvm }), ...tried, qemu: `${release}, ${accelerator}`, image: imageHash(manifest) } }
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

function machineArgs({ accelerator, memoryMib, vcpus, disk, incoming }: { accelerator: Accelerator; memoryMib: number; vcpus: number; disk: boolean; incoming: boolean }): string[] {
  return [
    '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
    '-accel', accelerator === 'kvm' ? 'kvm' : `tcg,tb-size=${CODE_MIB}`, '-cpu', accelerator === 'kvm' ? 'host' : 'max', '-m', String(memoryMib), '-smp', String(vcpus), '-M', 'q35,sata=off,smbus=off,i8042=off,vmport=off,hpet=off',
    '-kernel', `/image/${IMAGE_FILES.kernel}`, '-initrd', `/image/${IMAGE_FILES.initrd}`,
    '-append', 'console=ttyS0 quiet reboot=t panic=-1 nokaslr mitigations=off nopti init_on_alloc=0 random.trust_cpu=on rcupdate.rcu_expedited=1 8250.nr_uarts=1 audit=0 cryptomgr.notests lsm=',
    '-blockdev', `driver=file,filename=/image/${IMAGE_FILES.root},node-name=root,read-only=on`, '-device', 'virtio-blk-pci,drive=root',
    // What the disk holds is worth nothing once QEMU is gone, so nobody waits for it to be written.
    '-blockdev', disk ? 'driver=file,filename=/run/disk,node-name=work,cache.no-flush=on' : `driver=null-co,node-name=work,size=${TEMPLATE_DISK},read-zeroes=on`, '-device', 'virtio-blk-pci,drive=work',
    '-chardev', `socket,id=line,fd=${LINE_FD}`, '-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=line,name=lumaris',
    '-chardev', `socket,id=monitor,fd=${MONITOR_FD}`, '-mon', 'chardev=monitor,mode=control', '-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console',
    ...(incoming ? ['-incoming', 'defer'] : []),
  ]
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

async function within<T>(ms: number, what: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => reject(new Error(`it took more than ${ms} ms`)), ms) })
  try { return await Promise.race([what, late]) } finally { clearTimeout(timer) }
}
const copySparse = (from: string, to: string): Promise<void> => new Promise((resolve, reject) => { execFile('cp', ['--sparse=always', '--', from, to], { env: { PATH: SAFE_PATH } }, (error) => (error ? reject(error) : resolve())) })
const cpuName = (): string => /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown'

/** Why KVM is not even tried: null when it is. A processor without the extensions may still show a /dev/kvm, which then cannot run an ordinary kernel. */
function kvmSuspect(): string | null {
  if (!existsSync('/dev/kvm')) return 'there is no /dev/kvm'
  return /^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8')) ? null : 'the processor does not show the extensions that /dev/kvm needs'
}
/** The device under the machine's own user id: where it belongs to a group, that user is not in it. */
async function ownKvm(path: string, uid: number): Promise<void> {
  const { rdev } = statSync('/dev/kvm')
  await ask('mknod', '-m', '0600', path, 'c', String(rdev >> 8), String(rdev & 255))
  chownSync(path, uid, uid)
}

/** QEMU's own files and nothing else of the machine: what the loader says it needs, and the firmware. */
async function librariesOf(qemu: string): Promise<string[]> {
  const modules = ['/usr/lib/x86_64-linux-gnu/qemu', '/usr/lib64/qemu'].find((path) => existsSync(path))
  const parts = modules === undefined ? [] : readdirSync(modules).filter((name) => /^accel-.*x86_64\.so$/.test(name)).map((name) => join(modules, name))
  const text = (await Promise.all([qemu, ...parts].map((file) => ask('ldd', file)))).join('\n')
  const libraries = [...text.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map((one) => one[1] as string)
  const data = ['/usr/share/qemu', '/usr/share/seabios'].filter((path) => existsSync(path))
  return [...new Set([qemu, ...parts, ...libraries, ...data])]
}

/** The image where the machine's user id can walk to: the agent's own directory is closed to it, so hard links or copies of three files stand in the open. */
async function reachableImage(images: string, scratch: string): Promise<string> {
  const place = join(scratch, 'image')
  rmSync(place, { recursive: true, force: true })
  mkdirSync(place, { mode: 0o711 })
  for (const file of Object.values(IMAGE_FILES)) await new Promise<void>((resolve, reject) => { execFile('/bin/sh', ['-c', 'ln -- "$1" "$2" 2>/dev/null || cp --reflink=auto -- "$1" "$2"', 'sh', join(realpathSync(images), file), join(place, file)], { env: { PATH: SAFE_PATH } }, (error) => (error ? reject(error) : resolve())) })
  return place
}
