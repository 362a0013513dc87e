// Programs on a kernel of their own: gVisor's `runsc` on an OCI bundle. System calls of the job are answered by the sentry, a kernel written in Go that
// runs as an ordinary process; the kernel of the machine sees only the few calls of the sentry, behind a filter. Level `kernel`.
//
// Who it is outside: the stage gives a user id of its own, taken on BEFORE runsc starts, as for bubblewrap; the sentry gets a second one. Started as root
// instead, runsc keeps its file server (the gofer) root over everything that is bound into the sandbox. This way sentry and gofer are two unprivileged
// users in namespaces of their own, and the sentry may not even open the job's files by itself. The job is called 0 inside, without any capability.
//
// `unshare` stands around it. First the user namespace: runsc's own way without root (`--rootless`) maps one id only, and cannot restore. Our agent, which
// is root, writes the map of two ids from outside, while the launcher waits. Then what runsc does not do when it is not root: a pid namespace (else the
// sentry would sit in the machine's, and so would its children after a kill), and a network namespace (runsc's control socket is an abstract one, which
// every user of the machine could at least connect to).
//
// runsc's own control groups are left alone (`--ignore-cgroups`): they need root over the hierarchy, which the user id is not; and ours are joined
// before anything of it runs. The group's process limit counts threads of the machine, of which the sentry takes several for each of the job's: it is only
// the outer wall, wide enough not to be met. The job's own count is kept by the sentry (RLIMIT_NPROC), exact and with a clean EAGAIN.
//
// A checkpoint is what the sentry knows: memory, processes, open files, what is in /tmp. Files of the work directory are brought home as after any end, so
// they must have a name; the other sandbox opens them again by it. Network there is none; standard input starts again with what the order gives.
import { chmodSync, chownSync, closeSync, constants, cpSync, existsSync, lstatSync, mkdirSync, openSync, readFileSync, readSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import { basename, dirname, join } from 'node:path'
import type { Level } from '@lumaris/protocol'
import { SHM_BYTES, SYSTEM, TMP_BYTES, argvOf, etcNames, runtimesIn, syntheticEtc } from './bwrap.ts'
import { bringImage, takeImage } from './checkpoint-image.ts'
import type { Restore } from './checkpoint-image.ts'
import { NO_NETWORK } from './driver.ts'
import { USUAL } from './ready-stages.ts'
import type { IsolationDriver, ProbeReport, Sandbox, SandboxSpec } from './driver.ts'
import { probeWith, runToEnd } from './probe.ts'
import { SAFE_PATH, inPath, reachable } from './stage.ts'
import type { Stage, Stages } from './stage.ts'
import { endedSandbox, supervise, unspeakable } from './supervise.ts'
import type { End, Verdict } from './supervise.ts'
import { DiskTooSmall } from './work-disk.ts'

/**
 * The oldest release this was measured on, Debian 12's. Older ones may lack what is relied on here: tmpfs with a size, RLIMIT_NPROC kept by the sentry,
 * host sockets and pipes closed by default. (Known of the floor itself: it answers EINVAL to AT_NO_AUTOMOUNT, so `ls` and `stat` of coreutils 9 fail
 * inside; 20240729 from backports does not.)
 */
const OLDEST = 20221219
/** Fastest first. `kvm` is not among them: a /dev/kvm that opens and cannot run a guest makes runsc hang. */
const PLATFORMS = ['systrap', 'ptrace'] as const
type Platform = (typeof PLATFORMS)[number]
/** runsc reports its own failures here, as JSON; the descriptor ends with it, and nothing inside the sandbox has it. */
const STATUS_FD = 3
/** Below this the sentry and the gofer alone (about 31 MiB together) leave a program nothing to start with. */
const MEMORY_MIN = 48 * 1024 * 1024
/** The sentry's own user id, beside the gofer's, which is the stage's (61 000 to 61 179): also where nobody else has any. */
const SENTRY_BELOW = 200
const NOBODY = 65_534
/** On the descriptor for reports: the user namespace is made, and waits for its ids. */
const WAITING = 'waiting'
/** Taking a gigabyte of memory at 20 MiB/s. */
const CHECKPOINT_MS = 60_000
/** Open files of the machine: the sentry and the gofer hold several for one of the job's. */
const HOST_FILES = 16_384
/** Threads of the machine: runsc itself (about 60), and for each process of the job a process of stubs and threads that wait in it. */
const hostThreads = (pids: number): number => 512 + pids * 6

export type GvisorOptions = {
  readonly scratch: string; readonly stages: Stages
  /** A directory with a whole root file system instead of the machine's own. */
  readonly rootfs?: string
  /** Another runsc than the one in PATH. */
  readonly runsc?: string
}
type Extra = { readonly binds?: Readonly<Record<string, string>>; readonly restore?: Restore }

const ask = (program: string, ...args: string[]): Promise<string> => new Promise((resolve) => { execFile(program, args, { env: { PATH: SAFE_PATH }, timeout: 10_000 }, (_error, out, err) => resolve(`${out}${err}`)) })

/** Null where runsc is not installed. Whether it works, the probe says. */
export async function createGvisorDriver({ scratch, stages, rootfs, runsc = inPath('runsc') ?? '' }: GvisorOptions): Promise<IsolationDriver | null> {
  if (process.platform !== 'linux' || !existsSync(runsc)) return null
  const [version, flags] = await Promise.all([ask(runsc, '--version'), ask(runsc, 'flags')])
  const release = Number(/(\d{8})/.exec(version)?.[1] ?? 0)
  const said = /-platform string\n(.*)/.exec(flags)?.[1] ?? ''
  const able = PLATFORMS.filter((name) => said.includes(name))
  const unshare = inPath('unshare')
  const lacking = release < OLDEST ? `runsc ${release || 'of an unknown version'} is older than ${OLDEST}, the oldest that was measured`
    : able.length === 0 ? 'this runsc knows neither the platform systrap nor ptrace'
    : unshare === null ? 'unshare (util-linux) is not installed'
    : process.getuid?.() === 0 && !stages.dropsUser ? 'setpriv (util-linux) is not installed'
    // Memory of the job is shared between the sentry and its stubs: a watch over processes would count it several times. And a limit on the size of
    // files, which stands in for a disk with a size, would hit the file that is the job's memory.
    : stages.cgroups === null ? 'no control group can be made: its memory could not be limited'
    : !stages.limitsDisk ? 'no disk with a size can be made: its files could not be limited'
    : null
  const nsenter = inPath('nsenter')
  // The sentry in a root of its own that is empty, whatever the release does by default.
  const walls = ['--ignore-cgroups', '--host-uds=none', ...(flags.includes('-directfs') ? ['--directfs=false'] : []), ...(flags.includes('-overlay2') ? ['--overlay2=none'] : [])]
  const runs = join(scratch, 'run')
  mkdirSync(runs, { recursive: true, mode: 0o711 })
  const root = rootfs === undefined ? machineRoot(scratch) : { path: rootfs, binds: {} }
  let platform: Platform = able[0] ?? 'ptrace', made = 0

  const maker = (): string => `runsc ${release} ${platform} ${process.arch}`

  const start = async (job: SandboxSpec, extra: Extra = {}): Promise<Sandbox> => {
    if (job.runtime === 'javascript') throw new Error('the gvisor driver runs programs of the machine and Python, not JavaScript')
    if (lacking !== null) throw new Error(lacking)
    if (job.network) return endedSandbox({ cause: 'driver', detail: NO_NETWORK })
    const unsaid = unspeakable(job)
    if (unsaid) return endedSandbox(unsaid)
    const { limits } = job
    if (limits.memoryBytes < MEMORY_MIN) return endedSandbox({ cause: 'memory', detail: `a sandbox of its own kernel needs ${MEMORY_MIN} bytes of memory at least` })
    const outer = { ...limits, pids: hostThreads(limits.pids), openFiles: HOST_FILES }
    const opened = await stages.open(job, outer, undefined, stages.launcherKind(outer, STATUS_FD)).catch((error: Error) => error)
    if (opened instanceof DiskTooSmall) return endedSandbox({ cause: 'disk', detail: opened.message })
    if (opened instanceof Error) throw opened
    const stage = opened, uid = stage.uid as number // lacking, had it none
    const id = `job-${process.pid}-${made++}`, dir = join(job.vault ?? runs, id), image = join(dir, 'image')
    const undo = async (): Promise<void> => { rmSync(dir, { recursive: true, force: true }); await stage.cleanUp(); await stage.cgroup?.remove() }
    try {
      writeBundle(dir, uid, specOf(job, stage, { root: root.path, binds: { ...root.binds, ...extra.binds } }))
      if (extra.restore) await bringImage(extra.restore, image, uid)
    } catch (error) { await undo(); throw error }
    // With a way out, sockets of the job are sockets of the machine's kernel: in the sentry's own namespace, where there is a loopback with the one door and nothing else.
    const { egress } = job
    const flagsOf = [...walls, `--network=${egress ? 'host' : 'none'}`, `--platform=${platform}`, `--root=${join(dir, 'state')}`, `--log-fd=${STATUS_FD}`, '--log-format=json', `--panic-log=${join(dir, 'panic')}`]
    const launcher = stage.wrap([
      unshare as string, '--user', ...(egress ? ['--net'] : []), '--keep-caps', '/bin/sh', '-c', `echo ${WAITING} >&${STATUS_FD} && read go <&${STATUS_FD} && exec "$@"`, 'sh',
      ...(job.vault === undefined ? [] : [inPath('setpriv') as string, '--pdeathsig', 'KILL']), unshare as string, ...(egress ? [] : ['--net']), '--pid', '--fork', '--kill-child', '--mount-proc',
      runsc, ...flagsOf, ...(extra.restore ? ['restore', `--image-path=${image}`] : ['run']), `--bundle=${dir}`, `--pid-file=${join(dir, 'pid')}`, id,
    ], STATUS_FD, true)
    let seen: Seen = { stood: false, panic: '', starved: false }, launched = 0, ended = false, lost: Verdict | null = null
    const sandbox = supervise({
      ...launcher, env: { PATH: SAFE_PATH }, cwd: '/', limits, cgroup: stage.cgroup, feeds: [], stdin: job.stdin, disk: stage.disk,
      waits: { pid: (status, child) => (status.split('\n').includes(WAITING) ? child : null), async act(pid) { launched = pid; for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${pid}/${map}`, `0 ${uid} 1\n${NOBODY} ${uid - SENTRY_BELOW} 1\n`); await egress?.attach(pid, { raise: true }) } },
      // The kernel ends whichever of the sandbox's processes it likes, and a sentry that lost one may wait for it for ever (seen with systrap).
      fatal: () => lost ?? (stage.cgroup?.ranOutOfMemory() ? tooMuch(limits.memoryBytes) : null),
      explain: (end) => lost ?? explain(end, seen, limits.memoryBytes),
      async cleanUp() {
        seen = { stood: existsSync(join(dir, 'pid')), panic: fileHead(join(dir, 'panic')), starved: stage.cgroup?.ranOutOfMemory() ?? false }
        try { return await stage.cleanUp() } finally { await rm(dir, { recursive: true, force: true }) }
      },
    })
    // A checkpoint would leave the vault in clear; and connections cannot be taken along.
    if (nsenter === null || job.vault !== undefined || egress) return sandbox
    void sandbox.exit.then(() => { ended = true })
    return {
      ...sandbox,
      async checkpoint(into) {
        if (ended) throw new Error('its memory could not be taken: it has ended')
        await sandbox.resume() // what stands still cannot be asked
        // Inside, runsc ends as soon as the sentry does, and everything in its pid namespace with it: also the one that says whether all was written. It sleeps meanwhile.
        const inner = childrenOf(launched), fresh = join(dir, 'taken') // not where it may have come from itself
        signal(inner, 'SIGSTOP')
        const at = (name: string): string => `/proc/${launched}/ns/${name}`
        const says = await done(nsenter, [`--user=${at('user')}`, `--net=${at('net')}`, `--mount=${at('mnt')}`, `--pid=${at('pid_for_children')}`, '--setuid=0', '--setgid=0',
          runsc, ...walls, '--network=none', `--root=${join(dir, 'state')}`, 'checkpoint', `--image-path=${fresh}`, id])
        const taken = join(runs, `${id}-image`)
        if (says === null) renameSync(fresh, taken)
        // A sentry that cannot save ends the job as if it had returned 0.
        else lost = { cause: 'driver', detail: `its memory could not be taken: ${says}` }
        signal(inner, 'SIGCONT')
        if (lost) { await sandbox.exit; throw new Error(lost.detail) }
        try {
          await sandbox.kill('its memory was taken, to go on elsewhere')
          if (!lstatSync(taken).isDirectory()) throw new Error('its memory could not be taken: where it should be is something else')
          return { driver: 'gvisor', maker: maker(), files: await takeImage(taken, { bytesMax: limits.memoryBytes * 2, entriesMax: 16 }, into) }
        } finally { await rm(taken, { recursive: true, force: true }) }
      },
    }
  }
  const level: Level = 'kernel'
  const driver: IsolationDriver = {
    id: 'gvisor', level,
    start: (job) => start({ ...job, command: argvOf(job) }),
    async restore(job, from, checkpoint) {
      if (checkpoint.driver !== 'gvisor' || checkpoint.maker !== maker()) throw new Error(`this checkpoint was taken by ${checkpoint.maker}, and can be restored only by that; here is ${maker()}`)
      return start({ ...job, command: argvOf(job) }, { restore: { from, checkpoint } })
    },
    keepReady(bytes) { const kept = stages.ready.keep(bytes); stages.ready.prime(stages.launcherKind({ ...USUAL, openFiles: HOST_FILES }, STATUS_FD)); return kept },
    async reap() {
      // First what runs, then the directories it wrote to.
      const found = await stages.reap()
      const left = readdirSync(runs)
      for (const name of left) await rm(join(runs, name), { recursive: true, force: true })
      return Math.max(found, left.length)
    },
    async probe(wanted): Promise<ProbeReport> {
      const none = { cpu: 'none', memory: 'none', pids: 'none', disk: 'none', net: 'none', wall: 'none', output: 'none' } as const
      if (lacking !== null) return { usable: false, level, reason: lacking, evidence: { version: String(release) }, limits: none, runtimes: [] }
      // The canaries are written for the very Node that runs the agent, brought in for the probe: it can do all that they try.
      const place = join(scratch, 'node')
      mkdirSync(place, { recursive: true, mode: 0o711 })
      const outside = reachable(process.execPath, place, stages)
      let report: ProbeReport | null = null
      for (const one of able) {
        platform = one
        report = await probeWith({
          driver, level, runtimes: runtimesIn(rootfs ?? null), kept: { memory: true, cpu: true, disk: true }, manyProcesses: true, egress: wanted?.egress && (inPath('ip') !== null || 'the program ip (iproute2) is not installed'),
          run: (job) => runToEnd({ start: (canary) => start({ ...canary, runtime: 'native', command: [`/opt/${basename(outside)}`, ...canary.command] }, { binds: { [dirname(outside)]: '/opt' } }) }, { ...job, command: ['canary.mjs'] }),
        })
        report = { ...report, evidence: { ...report.evidence, runsc: `${release}, platform ${platform}` } }
        if (report.usable) break
      }
      rmSync(place, { recursive: true, force: true })
      return { ...report as ProbeReport, ...(report?.usable && nsenter !== null ? { memory: maker() } : {}) }
    },
  }
  return driver
}

type Mount = { destination: string; type: string; source: string; options: string[] }
/** The OCI specification of one sandbox: no capability, no way to gain any, nothing writable but the job's directory and two small file systems in memory. */
function specOf(job: SandboxSpec, stage: Stage, { root, binds }: { root: string; binds: Readonly<Record<string, string>> }): object {
  const inMemory = (destination: string, bytes: number): Mount => ({ destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777', `size=${bytes}`] })
  const env = { PATH: SAFE_PATH, HOME: '/work', TMPDIR: '/tmp', LANG: 'C.UTF-8', ...job.env }
  const limit = (type: string, value: number): object => ({ type, hard: value, soft: value })
  const nothing: string[] = []
  return {
    ociVersion: '1.0.2', hostname: 'job', root: { path: root, readonly: true },
    process: {
      terminal: false, user: { uid: 0, gid: 0 }, args: job.command, env: Object.entries(env).map(([name, value]) => `${name}=${value}`), cwd: '/work', noNewPrivileges: true,
      capabilities: { bounding: nothing, effective: nothing, inheritable: nothing, permitted: nothing, ambient: nothing },
      // One for the main process is part of the count, as it is in a control group.
      rlimits: [limit('RLIMIT_NOFILE', job.limits.openFiles), limit('RLIMIT_NPROC', job.limits.pids), limit('RLIMIT_CORE', 0)],
    },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'nodev', 'noexec'] },
      ...Object.entries(binds).map(([source, destination]): Mount => ({ destination, type: 'bind', source, options: ['rbind', 'ro', 'nosuid', 'nodev'] })),
      inMemory('/tmp', TMP_BYTES), inMemory('/dev/shm', SHM_BYTES),
      { destination: '/work', type: 'bind', source: stage.disk.dir, options: ['rbind', 'rw', 'nosuid', 'nodev'] },
    ],
    linux: { namespaces: ['pid', ...(job.egress ? [] : ['network']), 'ipc', 'uts', 'mount'].map((type) => ({ type })) },
  }
}

/** The job's words and variables are in it: for the eyes of its own user id alone. */
function writeBundle(dir: string, uid: number, spec: object): void {
  mkdirSync(dir, { mode: 0o700 })
  mkdirSync(join(dir, 'state'), { mode: 0o700 })
  const config = join(dir, 'config.json')
  writeFileSync(config, JSON.stringify(spec), { mode: 0o600, flag: 'wx' })
  for (const path of [config, join(dir, 'state'), dir]) chownSync(path, uid, uid)
}

/** The sentry may print the whole of what it could not save; what was wrong stands at the end. */
const shortened = (text: string): string => (text.length <= 300 ? text : `${text.slice(0, 80)} … ${text.slice(-200)}`)
/** Null when it went well, else its first line. */
const done = (program: string, args: readonly string[]): Promise<string | null> => new Promise((resolve) => {
  execFile(program, args, { env: { PATH: SAFE_PATH }, timeout: CHECKPOINT_MS, killSignal: 'SIGKILL' }, (error, out, err) => resolve(error === null ? null : shortened(`${err}${out}`.trim().split('\n')[0] || error.message)))
})
const childrenOf = (pid: number): number[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((one) => { try { const stat = readFileSync(`/proc/${one}/stat`, 'utf8'); return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid } catch { return false /* it ended while we looked */ } })
const signal = (pids: readonly number[], name: NodeJS.Signals): void => { for (const pid of pids) try { process.kill(pid, name) } catch { /* it has ended already */ } }

/** Of the files beside the bundle, which only runsc writes: its pid, when the sandbox stands, and the last words of a sentry that dies of itself. And of the control group. */
type Seen = { readonly stood: boolean; readonly panic: string; readonly starved: boolean }

const tooMuch = (memoryBytes: number): Verdict => ({ cause: 'memory', detail: `it used more than ${memoryBytes} bytes of memory` })

/** What an end means, from what the job cannot reach: the descriptor on which our shell and then runsc report, and what was seen when it was over. */
function explain({ code, signal, status, stderrHead }: End, { stood, panic, starved }: Seen, memoryBytes: number): Verdict | null {
  const failed = messageIn(status)
  const outOfMemory = tooMuch(memoryBytes)
  if (!stood) return starved ? outOfMemory : { cause: 'driver', detail: failed ?? (stderrHead.trim().split('\n')[0] || `the sandbox could not be set up (${signal ?? code})`) }
  const unstarted = /^(?:running container: )?starting container: (.*)$/s.exec(failed ?? '')?.[1]
  if (unstarted !== undefined) {
    if (starved) return outOfMemory
    const reason = /creating process: (.*)$/s.exec(unstarted)?.[1]
    if (reason === undefined) return { cause: 'driver', detail: unstarted }
    return { cause: 'exit', code: /no such file|not found/i.test(reason) ? 127 : 126, detail: `the program could not be started: ${reason}` }
  }
  if (/^(panic|fatal error|runtime): /m.test(panic)) {
    if (starved) return outOfMemory
    if (/failed to create new OS thread|newosproc|resource temporarily unavailable/i.test(panic)) return { cause: 'pids', detail: 'it made more threads than its sandbox may have' }
    // The job ran, and only it was inside. Were this called the seller's fault, whoever finds a way to crash a sentry would compute for nothing.
    return { cause: 'exit', code: code ?? 134, detail: `the kernel of the sandbox crashed: ${panic.split('\n')[0]}` }
  }
  // It ran, and then runsc could not say how it ended: as above.
  if (failed !== null) return starved ? outOfMemory : { cause: 'exit', code: code ?? 137, detail: failed }
  return null
}
/** In a directory of the sandbox's own user id: what lies there under this name may be anything, and must neither lead elsewhere nor make us wait. */
function fileHead(path: string): string {
  let fd: number
  try { fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK) } catch { return '' /* runsc did not come so far */ }
  const bytes = Buffer.alloc(4_000)
  try { return bytes.toString('utf8', 0, readSync(fd, bytes)) } catch { return '' /* not a file */ } finally { closeSync(fd) }
}
/** The first line that is runsc's; before it stands the word of our own shell. */
function messageIn(status: string): string | null {
  for (const line of status.split('\n')) {
    if (!line.startsWith('{')) continue
    const text = /"msg":"((?:[^"\\]|\\.)*)/s.exec(line)?.[1]
    if (text === undefined) continue
    try { return JSON.parse(`"${text}"`) as string } catch { return text /* cut off at the limit of what is kept */ }
  }
  return null
}

/**
 * The machine's own system directories, read-only, below a root with nothing else in it. Each bind is one more connection to the gofer, so what is small is
 * copied once, when the agent starts: of /etc what programs need, and the links that most systems have in place of /bin and /lib.
 */
function machineRoot(scratch: string): { path: string; binds: Record<string, string> } {
  const path = join(scratch, 'root'), binds: Record<string, string> = {}
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  for (const outside of SYSTEM.filter((name) => existsSync(name))) {
    if (lstatSync(outside).isSymbolicLink()) { symlinkSync(readlinkSync(outside), join(path, outside)); continue }
    mkdirSync(join(path, outside))
    binds[outside] = outside
  }
  cpSync(syntheticEtc(scratch), join(path, 'etc'), { recursive: true })
  for (const name of etcNames()) {
    const copy = join(path, 'etc', name)
    rmSync(copy, { recursive: true, force: true }) // where bubblewrap would mount the real one stands an empty file
    cpSync(join('/etc', name), copy, { recursive: true, verbatimSymlinks: true })
  }
  writeFileSync(join(path, 'etc/passwd'), 'job:x:0:0:job:/work:/bin/sh\nnobody:x:65534:65534:nobody:/work:/bin/sh\n')
  writeFileSync(join(path, 'etc/group'), 'job:x:0:\nnogroup:x:65534:\n')
  for (const name of ['work', 'proc', 'dev', 'sys', 'tmp', 'opt']) mkdirSync(join(path, name))
  openUp(path)
  return { path, binds }
}
/** Readable for the job's user id, whatever the agent's umask. */
function openUp(path: string): void {
  const stat = lstatSync(path)
  if (stat.isSymbolicLink()) return
  chmodSync(path, stat.isDirectory() ? 0o755 : 0o644)
  if (stat.isDirectory()) for (const name of readdirSync(path)) openUp(join(path, name))
}
