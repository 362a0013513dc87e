// What a program needs around it before it starts, whichever wall it stands behind: a user id of its own, a working directory with a size, a control
// group, limits that a process sets for itself; and afterwards all of that taken down again. Shared by the drivers of one agent, so that no two
// sandboxes get the same user id.
import { execFile } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { accessSync, constants, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { createCgroups } from './cgroup.ts'
import type { Cgroup, Cgroups } from './cgroup.ts'
import type { SandboxSpec } from './driver.ts'
import { createReadyStages } from './ready-stages.ts'
import type { Kind, Place, Ready, ReadyPorts, ReadyStages } from './ready-stages.ts'
import { diskLimit, spawnLauncher } from './supervise.ts'
import type { Ahead, Verdict } from './supervise.ts'
import { reapVaults } from './vault.ts'
import { canLimitDisk, canNarrow, createWorkDisk, dropBlank, fitBlank, inputsOf, makeBlank, narrow, reapWorkDisks, usualBytes } from './work-disk.ts'
import type { BlankDisk, Inputs, WorkDisk } from './work-disk.ts'

/** User ids of sandboxes, one each. The range lies between those that systemd gives to homes and to services with a user of the day. */
const UID_FIRST = 61_000, UID_COUNT = 180
/** Compiled modules; Pyodide's are 12 MiB. */
const CACHE_BYTES = 32 * 1024 * 1024
/** Stacks of threads and spaces of V8 that count as data before they are used. */
const RESERVED_BYTES = 512 * 1024 * 1024

type Launcher = { readonly program: string; readonly args: readonly string[]; readonly ahead?: Ahead }
/** Of a launcher that waits, its disk's share of the kernel's memory included; and of any that waits: how many threads it may start, how fast. */
const LAUNCHER_BYTES = 16 * 1024 * 1024, READY_PIDS = 96, READY_CPU_MILLIS = 1000
/** Longer commands may be more than the kernel takes: what says so is the ordinary start. */
const WORDS_MAX = 32 * 1024

export type Stage = {
  readonly uid: number | null; readonly disk: WorkDisk; readonly cgroup: Cgroup | null
  /**
   * The program and arguments that become `argv` under the limits of the stage. What runs first is a shell of ours; no word of the buyer's is in its
   * text. It says `up` on `statusFd` when its own part is done, so that a failure of its own is never taken for the job's; what it becomes has that
   * descriptor only when it is bubblewrap, which goes on speaking there and keeps it from the job. `staysRoot` is for a program that takes on the
   * stage's user id itself, when it has built what only root can.
   */
  wrap(argv: readonly string[], statusFd: number, passOn: boolean, staysRoot?: boolean): Launcher
  cleanUp(): Promise<Verdict | null>
}
export type MakeDisk = (place: { readonly id: string; readonly uid: number | null }) => Promise<WorkDisk>
export type Stages = {
  /** Root on Linux: each sandbox has a user id of its own. */
  readonly dropsUser: boolean
  readonly limitsDisk: boolean
  readonly cgroups: Cgroups | null
  /** Where encrypted scratch of attempts is made. */
  readonly vaultsDir: string
  /** `makeDisk`: another kind of disk for the job's files than a mounted one. `kind`: may be one that stands ready. */
  open(job: SandboxSpec, limits?: SandboxSpec['limits'], makeDisk?: MakeDisk, kind?: Kind | null): Promise<Stage>
  /** Of what stands ready for such a job: disks of a few sizes only, which are made smaller when one comes. */
  readyLimits(limits: Kind['limits']): Kind['limits']
  /** Stages whose launcher waits for the words it becomes; null where none can stand ready. The descriptors are those of `wrap`. */
  launcherKind(limits: Kind['limits'], statusFd: number): Kind | null
  /** The lines of the launcher, for what is started ahead with all its words. */
  begin(place: Place, limits: Kind['limits'], argv: readonly string[], statusFd: number, passOn: boolean): Launcher
  /** What stands ready ahead of orders: nothing until `keep` gives it room. */
  readonly ready: ReadyStages
  reap(): Promise<number>
}

export const SAFE_PATH = '/usr/local/bin:/usr/bin:/bin'
export const inPath = (name: string): string | null => (process.env['PATH'] ?? SAFE_PATH).split(delimiter).concat('/usr/bin', '/usr/sbin').map((dir) => join(dir, name)).find((file) => { try { accessSync(file, constants.X_OK); return true } catch { return false /* not in this directory */ } }) ?? null

export type StagesOptions = {
  readonly scratch: string; readonly owner: string
  /** False: do as where no control group and no file system can be made, so that this way is tested on machines where they can. */
  readonly kernelLimits?: boolean
}

export async function createStages(options: StagesOptions): Promise<Stages> {
  const setpriv = inPath('setpriv'), strays = straysHere()
  // dash closes descriptors of one digit only; and bash takes a socket on its standard input for a remote login, and would read ~/.bashrc.
  const shell = strays.some((fd) => fd > 9) ? inPath('bash') : '/bin/sh'
  if (!shell) throw new Error(`this process was started with open files (descriptor ${strays.join(', ')}) that a job would inherit, and there is no bash to close them`)
  const isRoot = process.getuid?.() === 0
  const dropsUser = process.platform === 'linux' && isRoot && setpriv !== null
  const cgroups = process.platform === 'linux' && options.kernelLimits !== false ? createCgroups(options.owner) : null
  // The way down to the mounts must be open to the job's user id, and nothing else in it.
  mkdirSync(options.scratch, { recursive: true, mode: 0o711 })
  const disks = join(options.scratch, 'disks'), vaultsDir = join(options.scratch, 'vaults')
  const limitsDisk = options.kernelLimits !== false && await canLimitDisk(options.scratch)
  const narrows = limitsDisk && cgroups !== null && await canNarrow(options.scratch)
  const used = new Set<number>()
  let made = 0
  const idOf = (name: string): string => `${name}-${process.pid}-${made++}`
  // It takes words with anything in them from a descriptor, which dash cannot.
  const bash = inPath('bash')
  const places: ReadyPorts = {
    async make(kind) {
      if (!cgroups || !limitsDisk) throw new Error('nothing can stand ready where the kernel keeps no limits')
      const uid = dropsUser ? takeUid(used) : null, id = idOf('ready')
      let cgroup: Cgroup | null = null
      try {
        cgroup = cgroups.create(id, { memoryBytes: kind.memoryBytes, pids: READY_PIDS, cpuMillis: READY_CPU_MILLIS })
        mkdirSync(disks, { recursive: true, mode: 0o711 })
        return { id, uid, cgroup, disk: await makeBlank({ image: join(disks, `${id}.img`), place: join(disks, id), bytes: kind.limits.diskBytes }) }
      } catch (error) { await cgroup?.remove(); if (uid !== null) used.delete(uid); throw error }
    },
    async drop({ uid, cgroup, disk }, child) {
      const running = child !== null && child.pid !== undefined && child.exitCode === null && child.signalCode === null
      const gone = running ? new Promise((resolve) => child.once('exit', resolve)) : null
      if (running) try { process.kill(-(child.pid as number), 'SIGKILL') } catch { /* it has ended already */ }
      cgroup.killAll()
      await gone
      for (const stream of child?.stdio ?? []) stream?.destroy()
      try { await cgroup.remove(); await dropBlank(disk) } finally { if (uid !== null) used.delete(uid) }
    },
  }
  const ready = createReadyStages(places)
  /** Joins the control group, sets what a process sets for itself, says that it is done. dash knows `-p` where others say `-u`; descriptors are never raised above what the agent itself may have. */
  const linesOf = ({ cgroup, watched, openFiles, statusFd, lastFd = statusFd }: { cgroup: Cgroup | null; /** Limits that no file system keeps, or no control group. */ watched?: { readonly disk: boolean; readonly limits: SandboxSpec['limits'] }; openFiles: number; statusFd: number; lastFd?: number }): string => [
    ...(cgroup?.joinFiles ?? []).map((file) => `echo $$ > '${file}'`), 'ulimit -c 0', `{ ulimit -n ${openFiles} 2>/dev/null || :; }`,
    // Where only a watch limits the disk, one file at least has a bound; Deno's own cache lies elsewhere and must fit too.
    ...(watched?.disk ? [`ulimit -f ${Math.ceil((watched.limits.diskBytes + CACHE_BYTES) / 512)}`] : []),
    // Data, not address space: V8 and WebAssembly reserve far more addresses than they ever use. The watch keeps the limit itself; this stops what
    // grows faster than it looks, with room for what a runtime sets aside and never touches.
    ...(!watched || cgroup || process.platform !== 'linux' ? [] : [`ulimit -d ${Math.ceil((watched.limits.memoryBytes + RESERVED_BYTES) / 1024)}`]),
    ...strays.filter((fd) => fd > lastFd).map((fd) => `exec ${fd}>&-`), `echo up >&${statusFd}`,
  ].join(' && ')
  const become = (statusFd: number, passOn: boolean): string => `exec "$@"${passOn ? '' : ` ${statusFd}>&-`}`
  const dropTo = (uid: number | null): string[] => (uid === null ? [] : [setpriv as string, `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--no-new-privs'])
  const started = (script: string, argv: readonly string[]): Launcher => ({ program: shell, args: [...(shell === '/bin/sh' ? [] : ['--norc', '--noprofile', '--posix']), '-c', script, 'sh', ...argv] })
  const workDisk = (job: SandboxSpec, limits: SandboxSpec['limits'], place: { id: string; uid: number | null }, more: { inputs?: Inputs; blank?: BlankDisk } = {}): Promise<WorkDisk> =>
    createWorkDisk({ workDir: job.workDir, scratch: disks, ...place, bytes: limits.diskBytes, limit: limitsDisk, vault: job.vault, ...more })
  const cleaner = (disk: WorkDisk, limits: SandboxSpec['limits'], free: () => void) => async (): Promise<Verdict | null> => { try { return (await disk.finish()) ? null : { cause: 'disk', detail: diskLimit(limits) } } finally { free() } }

  /** One that stood ready becomes this job's: its limits, its files. Null: it has taken more than the job may have. */
  async function taken({ place, child, said, kind }: Ready, job: SandboxSpec, limits: SandboxSpec['limits'], inputs: Inputs): Promise<Stage | null> {
    const { id, uid, cgroup } = place, free = (): void => { if (uid !== null) used.delete(uid) }
    try { cgroup.set(limits); if (place.disk.bytes > limits.diskBytes) narrow(place.disk, limits.diskBytes) } catch { await places.drop(place, child); return null }
    let disk: WorkDisk
    try {
      disk = await workDisk(job, limits, { id, uid }, { inputs, blank: place.disk })
    } catch (error) { await places.drop(place, child); throw error }
    return { uid, disk, cgroup, wrap: (argv) => ({ program: '', args: [], ahead: { child, said, words: kind.knows ? null : argv } }), cleanUp: cleaner(disk, limits, free) }
  }

  const readyLimits = ({ diskBytes, openFiles }: Kind['limits']): Kind['limits'] => ({ diskBytes: (narrows ? usualBytes(diskBytes) : undefined) ?? diskBytes, openFiles })
  return {
    dropsUser, limitsDisk, cgroups, vaultsDir, ready, readyLimits,
    launcherKind(of, statusFd) {
      if (!bash || !cgroups || !limitsDisk) return null
      const wordsFd = statusFd + 1, limits = readyLimits(of), { diskBytes, openFiles } = limits
      return {
        name: `launcher ${statusFd} ${diskBytes} ${openFiles}`, limits, memoryBytes: LAUNCHER_BYTES, knows: false,
        begin(place) {
          const script = `${linesOf({ cgroup: place.cgroup, openFiles, statusFd, lastFd: wordsFd })} && ${become(statusFd, true)}`
          // Its input ends without a word when the agent has ended; then so does it.
          const waits = `mapfile -d '' -t words <&${wordsFd} && exec ${wordsFd}<&- && [ \${#words[@]} -gt 0 ] && exec "\${words[@]}"`
          const child = spawnLauncher({ ...started(script, [...dropTo(place.uid), bash as string, '--norc', '--noprofile', '--posix', '-c', waits]), cwd: '/', env: { PATH: SAFE_PATH } }, wordsFd - 2)
          return { child, ready: saying(child, statusFd, 'up\n') }
        },
      }
    },
    begin: (place, { openFiles }, argv, statusFd, passOn) => started(`${linesOf({ cgroup: place.cgroup, openFiles, statusFd })} && ${become(statusFd, passOn)}`, [...dropTo(place.uid), ...argv]),
    async open(job, limits = job.limits, makeDisk, kind = null) {
      if (job.gpus) throw new Error('graphics cards are given to containers only')
      const inputs = makeDisk ? null : await inputsOf(job.workDir)
      if (kind && inputs && inputs.bytes <= limits.diskBytes && fitBlank(inputs) && job.vault === undefined && job.command.join(' ').length <= WORDS_MAX) {
        const found = ready.take(kind)
        const stage = found && await taken(found, job, limits, inputs)
        if (stage) return stage
      }
      const uid = dropsUser ? takeUid(used) : null
      const id = idOf(job.attemptId.replace(/[^a-zA-Z0-9_]/g, '').slice(0, 64))
      let disk: WorkDisk | null = null, cgroup: Cgroup | null = null
      const free = (): void => { if (uid !== null) used.delete(uid) }
      try {
        cgroup = cgroups?.create(id, limits) ?? null
        const woken = cgroup ? wake(cgroup) : null
        disk = await (makeDisk ? makeDisk({ id, uid }) : workDisk(job, limits, { id, uid }, { inputs: inputs as Inputs }))
        await woken
      } catch (error) {
        try { await disk?.finish(); await cgroup?.remove() } finally { free() }
        throw error
      }
      const watched = { disk: !disk.limited, limits }
      return {
        uid, disk, cgroup,
        wrap(argv, statusFd, passOn, staysRoot = false) {
          if (process.platform === 'win32') return { program: argv[0] as string, args: argv.slice(1) }
          return started(`${linesOf({ cgroup, watched, openFiles: limits.openFiles, statusFd })} && ${become(statusFd, passOn)}`, [...(staysRoot ? [] : dropTo(uid)), ...argv])
        },
        cleanUp: cleaner(disk, limits, free),
      }
    },
    async reap() {
      await ready.drain() // ours, and nobody's leftovers
      return (await cgroups?.reap() ?? 0) + await reapWorkDisks(disks) + await reapVaults(vaultsDir)
    },
  }
}

/** Until a child has said so on its descriptor; what it said is handed on, and it is not read further. */
export const saying = (child: ChildProcess, fd: number, word: string): Promise<string> => new Promise((resolve, reject) => {
  const from = child.stdio[fd] as Readable
  let said = ''
  const look = (chunk: Buffer): void => { said += chunk.toString('latin1'); if (said.includes(word)) { from.pause(); from.off('data', look); resolve(said) } }
  for (const stream of child.stdio) stream?.on('error', () => undefined) // its end is told by 'exit'
  child.once('error', reject)
  child.once('exit', () => reject(new Error('it ended before it was ready')))
  from.on('data', look)
})

/**
 * The first process to join a control group after a quiet while waits for the kernel (a grace period of its lock, about 8 ms here), the next ones do not. So a
 * process that does nothing else joins first, while the disk is being made.
 */
const wake = (cgroup: Cgroup): Promise<void> => new Promise((resolve) => { execFile('/bin/sh', ['-c', `echo $$ > '${cgroup.joinFiles[0]}'`], { env: {} }, () => resolve()) })

/** What whoever started the agent left open and did not mark as its own; Node hides only the first few of them from its children. */
function straysHere(): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc/self/fd').map(Number).filter((fd) => {
    if (fd <= 2) return false
    try { return (Number.parseInt(/^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0', 8) & O_CLOEXEC) === 0 } catch { return false /* it was the listing itself */ }
  })
}
const O_CLOEXEC = 0o2000000

function takeUid(used: Set<number>): number {
  for (let i = 0; i < UID_COUNT; i++) if (!used.has(UID_FIRST + i)) { used.add(UID_FIRST + i); return UID_FIRST + i }
  throw new Error(`${UID_COUNT} sandboxes run already`)
}

/**
 * The path itself if a job's user id may walk there, else a copy in the scratch directory. What npm put below somebody's home is usually closed. The
 * copy is named by the age and size of the original, so that an update is not missed.
 */
export function reachable(path: string, scratch: string, stages: Stages): string {
  let open = true
  for (let at = dirname(path); ; at = dirname(at)) { if ((statSync(at).mode & 0o001) === 0) open = false; if (at === dirname(at)) break }
  if (open || !stages.dropsUser) return path
  const { mtimeMs, size } = statSync(path)
  const copy = join(scratch, `${Math.floor(mtimeMs).toString(36)}-${size.toString(36)}-${basename(path)}`)
  if (!existsSync(copy)) { const fresh = `${copy}.${process.pid}`; cpSync(path, fresh, { recursive: true }); renameSync(fresh, copy) }
  return copy
}
