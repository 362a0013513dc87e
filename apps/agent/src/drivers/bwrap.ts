// Native programs behind Linux namespaces: bubblewrap with an own user, process, network, mount, ipc and host-name space, a control group, a
// system-call filter, and only the system directories of the machine, read-only.
//
// The agent may run as root, the job never does: one user id for each running sandbox is taken on BEFORE bubblewrap starts. (Started as root,
// bubblewrap's `--uid` maps to the real root, and files that only root may open stay readable: a test holds that door shut.) The environment of
// bubblewrap itself is visible inside as /proc/1/environ, so it is given nothing but a PATH; its options travel over a descriptor, because arguments
// can be read by every user of the machine, and the job's variables may be secrets. Whether the job was started at all is read from the
// descriptor on which bubblewrap reports: a line on stderr that looks like its complaint may be the job's own.
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import type { Level, Runtime } from '@lumaris/protocol'
import type { IsolationDriver, ProbeReport, Sandbox, SandboxLimits, SandboxNetwork, SandboxSpec } from './driver.ts'
import { probeWith, runToEnd } from './probe.ts'
import { seccompFilter } from './seccomp.ts'
import { USUAL } from './ready-stages.ts'
import type { Kind } from './ready-stages.ts'
import { SAFE_PATH, inPath, reachable, saying } from './stage.ts'
import type { Stages } from './stage.ts'
import { endedSandbox, spawnLauncher, supervise, unspeakable } from './supervise.ts'
import type { End, Verdict } from './supervise.ts'
import { DiskTooSmall } from './work-disk.ts'

export const TMP_BYTES = 64 * 1024 * 1024, SHM_BYTES = 16 * 1024 * 1024
/** Of the machine, read-only: programs and libraries, and of /etc only what they need to start. Never /root, /home, /var, /run or /etc itself. */
export const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']
const ETC = ['ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'alternatives', 'ssl/certs', 'localtime', 'timezone', 'mime.types']
/** Descriptors of bubblewrap: the system-call filter, its options, for a network or a way out the names in it, and then its reports. */
const FILTER_FD = 3, OPTIONS_FD = 4, HOSTS_FD = 5

export type WallOptions = {
  readonly scratch: string; readonly stages: Stages
  /** A directory with a whole root file system instead of the machine's own. */
  readonly rootfs?: string
}
export type Inside = {
  readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>>
  /** Seen inside, read-only: path outside → path inside. */
  readonly binds?: Readonly<Record<string, string>>
  /** In place of the job's, where the runtime itself needs more. */
  readonly limits?: SandboxLimits
  /** An end that has another meaning in this runtime. */
  readonly explain?: (end: End) => Verdict | null
  /** The same program, started before there was a job for it: taken when one waits, and told this order before its standard input. */
  readonly ahead?: { readonly kind: Kind; readonly order: Buffer }
}
/** A program behind the wall that waits for its job; it says this word on its standard output when it does. */
export type Waiting = Pick<Inside, 'argv' | 'env' | 'binds'> & { readonly name: string; readonly limits: Kind['limits']; readonly memoryBytes: number }
export const READY_WORD = 'ready\n'
/** How to start a program behind the wall: shared by the native driver and by deno, which goes inside it for a second wall. */
export type Wall = { readonly stages: Stages; readonly scratch: string; readonly rootfs: string | null; start(job: SandboxSpec, inside: Inside): Promise<Sandbox>; ahead(program: Waiting): Kind }

/** Null where bubblewrap is not installed or this machine's system calls are not known. Whether it works, its probe says. */
export function createWall({ scratch, stages, rootfs }: WallOptions): Wall | null {
  const bwrap = inPath('bwrap')
  const filter = seccompFilter(), networkFilter = seccompFilter(process.arch, { network: true })
  if (process.platform !== 'linux' || !bwrap || !filter || !networkFilter || (process.getuid?.() === 0 && !stages.dropsUser)) return null
  mkdirSync(scratch, { recursive: true, mode: 0o711 })
  const root = rootfs === undefined ? systemBinds(syntheticEtc(scratch)) : ['--ro-bind', rootfs, '/']
  const optionsOf = ({ binds = {}, env }: Pick<Inside, 'binds' | 'env'>, dir: string, hostname = 'job', joined = false): Buffer => Buffer.from([
    '--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', ...(existsSync('/proc/self/ns/cgroup') ? ['--unshare-cgroup'] : []), '--die-with-parent', '--new-session',
    '--uid', '65534', '--gid', '65534', '--hostname', hostname, ...root, ...(joined ? ['--perms', '0644', '--ro-bind-data', String(HOSTS_FD), '/etc/hosts'] : []), '--proc', '/proc', '--dev', '/dev',
    '--perms', '1777', '--size', String(SHM_BYTES), '--tmpfs', '/dev/shm', '--remount-ro', '/dev', '--perms', '1777', '--size', String(TMP_BYTES), '--tmpfs', '/tmp',
    ...Object.entries(binds).flatMap(([outside, path]) => ['--ro-bind', outside, path]), '--bind', dir, '/work', '--chdir', '/work', '--clearenv',
    ...Object.entries({ PATH: SAFE_PATH, HOME: '/work', TMPDIR: '/tmp', LANG: 'C.UTF-8', ...env }).flatMap(([name, value]) => ['--setenv', name, value]), '--cap-drop', 'ALL', '--disable-userns',
  ].map((word) => `${word}\0`).join(''))
  const bwrapFor = (statusFd: number, argv: readonly string[], before: readonly string[] = [], more: readonly string[] = []): string[] => [...before, bwrap, '--seccomp', String(FILTER_FD), '--json-status-fd', String(statusFd), ...more, '--args', String(OPTIONS_FD), '--', ...argv]

  return {
    stages, scratch, rootfs: rootfs ?? null,
    ahead: ({ name, limits, memoryBytes, argv, ...inside }) => ({
      name, limits, memoryBytes, knows: true,
      begin(place) {
        const child = spawnLauncher({ ...stages.begin(place, limits, bwrapFor(HOSTS_FD, argv), HOSTS_FD, true), cwd: '/', env: { PATH: SAFE_PATH } }, 3)
        const ready = saying(child, 1, READY_WORD).then(() => '') // what bubblewrap reports is left to whoever takes it
        for (const [fd, bytes] of [[FILTER_FD, filter], [OPTIONS_FD, optionsOf(inside, place.disk.place)]] as const) (child.stdio[fd] as Writable).end(bytes)
        return { child, ready }
      },
    }),
    async start(job, inside) {
      const unsaid = unspeakable(job)
      if (unsaid) return endedSandbox(unsaid)
      const limits = inside.limits ?? job.limits, { network, egress } = job, joined = network !== undefined || egress !== undefined, statusFd = joined ? HOSTS_FD + 1 : HOSTS_FD
      const kind = joined ? null : inside.ahead?.kind
      const opened = await stages.open(job, limits, undefined, kind ?? stages.launcherKind(limits, statusFd)).catch((error: Error) => error)
      if (opened instanceof DiskTooSmall) return endedSandbox({ cause: 'disk', detail: opened.message })
      if (opened instanceof Error) throw opened
      const stage = opened, options = optionsOf(inside, stage.disk.dir, network?.hostname, joined)
      // Until somebody has made its network, or a way out of it, bubblewrap waits on the descriptor on which it reports: it has its namespaces then, and nothing of the job's runs.
      const waiting = joined ? ['/bin/sh', '-c', `exec ${statusFd + 1}<&${statusFd} && exec "$@"`, 'sh'] : [], block = joined ? ['--block-fd', String(statusFd + 1)] : []
      const launcher = stage.wrap(bwrapFor(statusFd, [...(stage.cgroup || rootfs !== undefined ? [] : fewProcesses(limits.pids)), ...inside.argv], waiting, block), statusFd, true)
      const stdin = launcher.ahead?.words === null ? Buffer.concat([(inside.ahead as NonNullable<Inside['ahead']>).order, job.stdin ?? Buffer.alloc(0)]) : job.stdin
      return supervise({
        ...launcher, env: { PATH: SAFE_PATH }, cwd: '/', limits, cgroup: stage.cgroup, feeds: [joined ? networkFilter : filter, options, ...(joined ? [Buffer.from(hostsText(network))] : [])], stdin, disk: stage.disk,
        ...(joined ? { waits: { pid: childPid, async act(pid: number) { await network?.attach(pid); await egress?.attach(pid) } } } : {}),
        innerPid: childPid,
        explain: (end) => notStarted(end) ?? inside.explain?.(end) ?? null, cleanUp: () => stage.cleanUp(),
      })
    },
  }
}

/** Where no control group counts processes: the limit of the user id, which inside its own user namespace counts only this sandbox (Linux 5.14). */
const fewProcesses = (pids: number): string[] => ['/bin/sh', '-c', `if (ulimit -u ${pids}) 2>/dev/null; then ulimit -u ${pids}; else ulimit -p ${pids}; fi; exec "$@"`, 'sh']

/** Written in pieces: a number is whole when something follows it. */
const childPid = (status: string): number | null => Number(/"child-pid": (\d+)[,\s}]/.exec(status)?.[1]) || null
const hostsText = ({ hostname = 'job', hosts = {} }: Partial<SandboxNetwork> = {}): string => ['127.0.0.1 localhost', ...(hosts[hostname] === undefined ? [`127.0.0.1 ${hostname}`] : []), ...Object.entries(hosts).map(([name, address]) => `${address} ${name}`), ''].join('\n')

/** bubblewrap reports an exit code only when the job was started. Until then nothing of the job has run, and what is on stderr is not the job's. */
function notStarted({ code, signal, status, stderrHead }: End): Verdict | null {
  if (status.includes('"exit-code"')) return null
  const says = stderrHead.trim().split('\n')[0] ?? ''
  const missing = /^bwrap: execvp (.*)$/.exec(says)
  if (missing) return { cause: 'exit', code: 127, detail: `the program could not be started: ${missing[1]}` }
  return { cause: 'driver', detail: says || `the sandbox could not be set up (${signal ?? code})` }
}

function systemBinds(etc: string): string[] {
  const system = SYSTEM.filter((path) => existsSync(path)).flatMap((path) => ['--ro-bind', path, path])
  return [...system, '--ro-bind', etc, '/etc', ...etcNames().flatMap((name) => ['--ro-bind', `/etc/${name}`, `/etc/${name}`]), '--dir', '/work']
}
export const etcNames = (): string[] => [...ETC, ...readdirSync('/etc').filter((name) => /^python3(\.\d+)?$/.test(name))].filter((name) => existsSync(`/etc/${name}`))

/** An /etc with nobody in it. Mount points for the few things of the real one stand ready. */
export function syntheticEtc(scratch: string): string {
  const dir = join(scratch, 'etc')
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'passwd'), 'nobody:x:65534:65534:nobody:/work:/bin/sh\n')
  writeFileSync(join(dir, 'group'), 'nogroup:x:65534:\n')
  writeFileSync(join(dir, 'hosts'), '127.0.0.1 localhost job\n')
  writeFileSync(join(dir, 'nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files\n')
  for (const name of etcNames()) {
    const isDirectory = statSync(`/etc/${name}`).isDirectory()
    mkdirSync(join(dir, name, ...(isDirectory ? [] : ['..'])), { recursive: true })
    if (!isDirectory) writeFileSync(join(dir, name), '')
  }
  for (const name of ['', ...readdirSync(dir)]) chmodSync(join(dir, name), statSync(join(dir, name)).isDirectory() ? 0o755 : 0o644)
  return dir
}

/** Which runtimes there are, beside plain programs. */
export const runtimesIn = (rootfs: string | null): Runtime[] => ['native', ...(existsSync(join(rootfs ?? '/', 'usr/bin/python3')) ? ['python' as const] : [])]

/** `python main.py` and `main.py` both run Python; for native the command is taken as it is. */
export function argvOf(job: SandboxSpec): string[] {
  const [first = '', ...rest] = job.command
  if (job.runtime !== 'python') return [...job.command]
  return /^python(3(\.\d+)?)?$/.test(first) ? ['/usr/bin/python3', ...rest] : ['/usr/bin/python3', first, ...rest]
}

export function createBwrapDriver(wall: Wall): IsolationDriver {
  const { scratch } = wall
  const level: Level = 'namespace'
  const { stages } = wall
  const kept = stages.cgroups !== null
  const driver: IsolationDriver = {
    id: 'bwrap', level,
    async start(job) {
      if (job.runtime === 'javascript') throw new Error('the bwrap driver runs programs of the machine and Python, not JavaScript')
      return wall.start(job, { argv: argvOf(job), env: job.env })
    },
    reap: () => stages.reap(),
    keepReady(bytes) { const kept = stages.ready.keep(bytes); stages.ready.prime(stages.launcherKind(USUAL, HOSTS_FD)); return kept },
    async probe(wanted): Promise<ProbeReport> {
      // The canaries are written for the very Node that runs the agent, brought in for the probe: it can do all that they try.
      const node = '/tmp/canary-node', outside = reachable(process.execPath, scratch, stages)
      const report = await probeWith({
        driver, level, runtimes: runtimesIn(wall.rootfs), kept: { memory: kept, cpu: kept, disk: stages.limitsDisk }, manyProcesses: true, egress: wanted?.egress,
        run: (job) => runToEnd({ ...driver, start: (one) => wall.start(one, { argv: [node, ...one.command], env: one.env, binds: { [outside]: node } }) }, { ...job, command: ['canary.mjs'] }),
      })
      if (outside !== process.execPath) rmSync(outside, { force: true })
      if (!report.usable) return report
      const lacks = await (await import('../mesh/probe-gang.ts')).gangLacks(driver, join(scratch, 'mesh'))
      return { ...report, gang: lacks === null, evidence: { ...report.evidence, gang: lacks ?? 'a sandbox was given an interface of its own' } }
    },
  }
  return driver
}
