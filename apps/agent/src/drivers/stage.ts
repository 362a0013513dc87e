// What a program needs around it before it starts, whichever wall it stands behind: a user id of its own, a working directory with a size, a control
// group, limits that a process sets for itself; and afterwards all of that taken down again. Shared by the drivers of one agent, so that no two
// sandboxes get the same user id.
import { execFile } from 'node:child_process'
import { accessSync, constants, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'
import { createCgroups } from './cgroup.ts'
import type { Cgroup, Cgroups } from './cgroup.ts'
import type { SandboxSpec } from './driver.ts'
import { diskLimit } from './supervise.ts'
import type { Verdict } from './supervise.ts'
import { reapVaults } from './vault.ts'
import { canLimitDisk, createWorkDisk, reapWorkDisks } from './work-disk.ts'
import type { WorkDisk } from './work-disk.ts'

/** User ids of sandboxes, one each. The range lies between those that systemd gives to homes and to services with a user of the day. */
const UID_FIRST = 61_000, UID_COUNT = 180
/** Compiled modules; Pyodide's are 12 MiB. */
const CACHE_BYTES = 32 * 1024 * 1024
/** Stacks of threads and spaces of V8 that count as data before they are used. */
const RESERVED_BYTES = 512 * 1024 * 1024

export type Stage = {
  readonly uid: number | null; readonly disk: WorkDisk; readonly cgroup: Cgroup | null
  /**
   * The program and arguments that become `argv` under the limits of the stage. What runs first is a shell of ours; no word of the buyer's is in its
   * text. It says `up` on `statusFd` when its own part is done, so that a failure of its own is never taken for the job's; what it becomes has that
   * descriptor only when it is bubblewrap, which goes on speaking there and keeps it from the job. `staysRoot` is for a program that takes on the
   * stage's user id itself, when it has built what only root can.
   */
  wrap(argv: readonly string[], statusFd: number, passOn: boolean, staysRoot?: boolean): { program: string; args: readonly string[] }
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
  /** `makeDisk`: another kind of disk for the job's files than a mounted one. */
  open(job: SandboxSpec, limits?: SandboxSpec['limits'], makeDisk?: MakeDisk): Promise<Stage>
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
  const used = new Set<number>()
  let made = 0

  return {
    dropsUser, limitsDisk, cgroups, vaultsDir,
    async open(job, limits = job.limits, makeDisk = ({ id, uid }) => createWorkDisk({ workDir: job.workDir, scratch: disks, id, bytes: limits.diskBytes, uid, limit: limitsDisk, vault: job.vault })) {
      if (job.gpus) throw new Error('graphics cards are given to containers only')
      const uid = dropsUser ? takeUid(used) : null
      const id = `${job.attemptId.replace(/[^a-zA-Z0-9_]/g, '').slice(0, 64)}-${process.pid}-${made++}`
      let disk: WorkDisk | null = null, cgroup: Cgroup | null = null
      const free = (): void => { if (uid !== null) used.delete(uid) }
      try {
        cgroup = cgroups?.create(id, limits) ?? null
        const woken = cgroup ? wake(cgroup) : null
        disk = await makeDisk({ id, uid })
        await woken
      } catch (error) {
        try { await disk?.finish(); await cgroup?.remove() } finally { free() }
        throw error
      }
      return {
        uid, disk, cgroup,
        wrap(argv, statusFd, passOn, staysRoot = false) {
          if (process.platform === 'win32') return { program: argv[0] as string, args: argv.slice(1) }
          // dash knows `-p` where others say `-u`; descriptors are never raised above what the agent itself may have.
          const lines = [...(cgroup?.joinFiles ?? []).map((file) => `echo $$ > '${file}'`), 'ulimit -c 0', `{ ulimit -n ${limits.openFiles} 2>/dev/null || :; }`,
            // Where only a watch limits the disk, one file at least has a bound; Deno's own cache lies elsewhere and must fit too.
            ...(disk?.limited ? [] : [`ulimit -f ${Math.ceil((limits.diskBytes + CACHE_BYTES) / 512)}`]),
            // Data, not address space: V8 and WebAssembly reserve far more addresses than they ever use. The watch keeps the limit itself; this stops what
            // grows faster than it looks, with room for what a runtime sets aside and never touches.
            ...(cgroup || process.platform !== 'linux' ? [] : [`ulimit -d ${Math.ceil((limits.memoryBytes + RESERVED_BYTES) / 1024)}`]),
            ...strays.filter((fd) => fd > statusFd).map((fd) => `exec ${fd}>&-`), `echo up >&${statusFd}`]
          const drop = uid === null || staysRoot ? [] : [setpriv as string, `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--no-new-privs']
          return { program: shell, args: [...(shell === '/bin/sh' ? [] : ['--norc', '--noprofile', '--posix']), '-c', `${lines.join(' && ')} && exec "$@"${passOn ? '' : ` ${statusFd}>&-`}`, 'sh', ...drop, ...argv] }
        },
        async cleanUp() { try { return (await (disk as WorkDisk).finish()) ? null : { cause: 'disk', detail: diskLimit(limits) } } finally { free() } },
      }
    },
    async reap() { return (await cgroups?.reap() ?? 0) + await reapWorkDisks(disks) + await reapVaults(vaultsDir) },
  }
}

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
