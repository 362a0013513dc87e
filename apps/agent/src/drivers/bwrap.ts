// Native programs behind Linux namespaces: bubblewrap with an own user, process, network, mount, ipc and host-name space, a control group, a
// system-call filter, and only the system directories of the machine, read-only.
//
// The agent may run as root, the job never does: one user id for each running sandbox is taken on BEFORE bubblewrap starts. (Started as root,
// bubblewrap's `--uid` maps to the real root, and files that only root may open stay readable: a test holds that door shut.) The environment of
// bubblewrap itself is visible inside as /proc/1/environ, so it is given nothing but a PATH.
import { spawnSync } from 'node:child_process'
import { accessSync, chmodSync, constants, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Level, Runtime } from '@lumaris/protocol'
import { createCgroups } from './cgroup.ts'
import type { Cgroups } from './cgroup.ts'
import type { IsolationDriver, ProbeReport, Sandbox, SandboxSpec } from './driver.ts'
import { probeWith } from './probe.ts'
import { seccompFilter } from './seccomp.ts'
import { supervise } from './supervise.ts'
import { canLimitDisk, createWorkDisk, reapWorkDisks } from './work-disk.ts'

/** User ids of sandboxes, one each: nobody on a usual machine has them, and two jobs at once never share one. */
const UID_FIRST = 61_000, UID_COUNT = 1_000
const TMP_BYTES = 64 * 1024 * 1024, SHM_BYTES = 16 * 1024 * 1024
/** Of the machine, read-only: programs and libraries, and of /etc only what they need to start. Never /root, /home, /var, /run or /etc itself. */
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']
const ETC = ['ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'alternatives', 'ssl/certs', 'localtime', 'timezone', 'mime.types', 'python3', 'python3.11']
const PATH = '/usr/local/bin:/usr/bin:/bin'

const inPath = (name: string): string | null => (process.env['PATH'] ?? PATH).split(delimiter).concat('/usr/bin', '/usr/sbin').map((dir) => join(dir, name)).find((file) => { try { accessSync(file, constants.X_OK); return true } catch { return false /* not in this directory */ } }) ?? null

export type BwrapOptions = {
  readonly scratch: string; readonly owner: string
  /** A directory with a whole root file system instead of the machine's own. */
  readonly rootfs?: string
}
/** How to start a program behind the wall: shared by the native driver and by deno, which goes inside it for a second wall. */
export type Wall = { start(job: SandboxSpec, inside: { argv: readonly string[]; /** Seen inside, read-only: path outside → path inside. */ binds?: Readonly<Record<string, string>>; env: Readonly<Record<string, string>> }): Sandbox; reap(): Promise<number>; readonly limitsDisk: boolean; readonly cgroups: Cgroups | null }

export function createWall(options: BwrapOptions): Wall | null {
  const bwrap = inPath('bwrap'), setpriv = inPath('setpriv')
  const isRoot = process.getuid?.() === 0
  if (process.platform !== 'linux' || !bwrap || (isRoot && !setpriv)) return null
  const filter = seccompFilter()
  if (!filter) return null
  const cgroups = createCgroups(options.owner)
  mkdirSync(options.scratch, { recursive: true, mode: 0o711 })
  // The way down to the mounts must be open to the job's user id, and nothing else in it.
  const disks = join(options.scratch, 'disks')
  const limitsDisk = canLimitDisk(options.scratch)
  const etc = syntheticEtc(options.scratch)
  const used = new Set<number>()
  let made = 0

  return {
    limitsDisk, cgroups,
    start(job, inside) {
      const uid = isRoot ? takeUid(used) : null
      const id = `${job.attemptId.replace(/[^a-zA-Z0-9_]/g, '')}-${made++}`
      const disk = createWorkDisk({ workDir: job.workDir, scratch: disks, id, bytes: job.limits.diskBytes, uid, limit: limitsDisk })
      const cgroup = cgroups?.create(id, job.limits) ?? null
      const cleanUp = async (): Promise<void> => { try { await disk.finish() } finally { if (uid !== null) used.delete(uid) } }
      const argv = [
        bwrap, '--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', ...(existsSync('/proc/self/ns/cgroup') ? ['--unshare-cgroup'] : []), '--die-with-parent', '--new-session',
        '--uid', '65534', '--gid', '65534', '--hostname', 'job', ...(options.rootfs ? ['--ro-bind', options.rootfs, '/'] : systemBinds(etc)), '--proc', '/proc', '--dev', '/dev',
        '--perms', '1777', '--size', String(SHM_BYTES), '--tmpfs', '/dev/shm', '--remount-ro', '/dev', '--perms', '1777', '--size', String(TMP_BYTES), '--tmpfs', '/tmp',
        ...Object.entries(inside.binds ?? {}).flatMap(([outside, path]) => ['--ro-bind', outside, path]), '--bind', disk.dir, '/work', '--chdir', '/work', '--clearenv',
        ...Object.entries({ PATH, HOME: '/work', TMPDIR: '/tmp', LANG: 'C.UTF-8', ...inside.env }).flatMap(([name, value]) => ['--setenv', name, value]), '--cap-drop', 'ALL', '--disable-userns', '--seccomp', '3', '--', ...inside.argv,
      ]
      const drop = uid === null ? [] : [setpriv as string, `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--no-new-privs']
      // A shell of ours joins the group and sets what only a process can set for itself, then becomes the job; no word of the buyer's is in its text.
      const join_ = (cgroup?.joinFiles ?? []).map((file) => `echo $$ > '${file}'`).join(' && ')
      const fileBlocks = Math.ceil(job.limits.diskBytes / 512)
      const script = `${join_ ? `${join_} && ` : ''}ulimit -c 0 && ulimit -n ${job.limits.openFiles} && ulimit -f ${fileBlocks} ${cgroup ? '' : `&& ulimit -v ${Math.ceil(job.limits.memoryBytes / 1024)} `}&& exec "$@"`
      return supervise({
        program: '/bin/sh', args: ['-c', script, 'sh', ...drop, ...argv], env: { PATH }, cwd: '/', limits: job.limits, cgroup, extra: filter, stdin: job.stdin, diskUsed: () => disk.used(), watchDisk: !disk.limited, cleanUp,
        isDriverFailure: (code, said) => code !== 0 && /^(bwrap|setpriv): /.test(said) && !said.startsWith('bwrap: execvp '),
      })
    },
    async reap() { return (await cgroups?.reap() ?? 0) + reapWorkDisks(disks) },
  }

  function systemBinds(etcDir: string): string[] {
    const links = SYSTEM.filter((path) => existsSync(path)).flatMap((path) => ['--ro-bind', path, path])
    return [...links, '--ro-bind', etcDir, '/etc', ...ETC.filter((name) => existsSync(`/etc/${name}`) && existsSync(join(etcDir, name))).flatMap((name) => ['--ro-bind', `/etc/${name}`, `/etc/${name}`]), '--dir', '/work']
  }
}

function takeUid(used: Set<number>): number {
  for (let i = 0; i < UID_COUNT; i++) if (!used.has(UID_FIRST + i)) { used.add(UID_FIRST + i); return UID_FIRST + i }
  throw new Error(`${UID_COUNT} sandboxes run already`)
}

/** An /etc with nobody in it. Mount points for the few things of the real one stand ready. */
function syntheticEtc(scratch: string): string {
  const dir = mkdtempSync(join(scratch, 'etc-'))
  chmodSync(dir, 0o755)
  writeFileSync(join(dir, 'passwd'), 'nobody:x:65534:65534:nobody:/work:/bin/sh\n')
  writeFileSync(join(dir, 'group'), 'nogroup:x:65534:\n')
  writeFileSync(join(dir, 'hosts'), '127.0.0.1 localhost job\n')
  writeFileSync(join(dir, 'nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files\n')
  for (const name of ETC) {
    if (!existsSync(`/etc/${name}`)) continue
    const isDir = spawnSync('test', ['-d', `/etc/${name}`]).status === 0
    mkdirSync(join(dir, name, ...(isDir ? [] : ['..'])), { recursive: true })
    if (!isDir) writeFileSync(join(dir, name), '')
  }
  return dir
}

/** Which runtimes the machine itself has, beside plain programs. */
function runtimesHere(): Runtime[] {
  const runtimes: Runtime[] = ['native']
  if (existsSync('/usr/bin/python3')) runtimes.push('python')
  return runtimes
}

/** `python main.py` and `main.py` both run Python; for native the command is taken as it is. */
function argvOf(job: SandboxSpec): string[] {
  const [first = '', ...rest] = job.command
  if (job.runtime !== 'python') return [...job.command]
  return /^python(3(\.\d+)?)?$/.test(first) ? ['/usr/bin/python3', ...rest] : ['/usr/bin/python3', first, ...rest]
}

export function createBwrapDriver(wall: Wall): IsolationDriver {
  const level: Level = 'namespace'
  const driver: IsolationDriver = {
    id: 'bwrap', level,
    start: async (job) => wall.start(job, { argv: argvOf(job), env: job.env }),
    reap: () => wall.reap(),
    probe: (): Promise<ProbeReport> => probeWith(driver, { level, runtimes: runtimesHere(), wanted: { cpu: wall.cgroups !== null, disk: wall.limitsDisk, pids: wall.cgroups !== null, memoryHard: wall.cgroups !== null }, language: 'shell' }),
  }
  return driver
}
