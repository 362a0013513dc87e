// Control groups, version 1 and 2: limits that the kernel keeps. A group is made before the program starts and joined by the very process that
// becomes the program, so nothing runs outside of it. Where no group can be made (no root, no delegation), `createCgroups` gives null and the
// drivers say `soft`.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const ROOT = '/sys/fs/cgroup'
const V1 = ['memory', 'pids', 'cpu', 'cpuacct', 'freezer'] as const
const CPU_PERIOD_US = 100_000
/** Removing a group waits for its last process to be gone from the kernel's books; freezing waits for its last one to stand still. Milliseconds, both. */
const TRIES = 500, PAUSE_MS = 5

export type CgroupLimits = { readonly memoryBytes: number; readonly pids: number; readonly cpuMillis: number }
export type Cgroup = {
  /** Files into which a process writes its own pid to join. */
  readonly joinFiles: readonly string[]
  /** Other limits than it was made with, before what they are for runs in it. */
  set(limits: CgroupLimits): void
  cpuMs(): number
  memoryBytes(): number
  memoryPeakBytes(): number
  /** The kernel has ended something in it for want of memory. */
  ranOutOfMemory(): boolean
  isEmpty(): boolean
  /** Resolves when it stands still (or is gone). */
  freeze(frozen: boolean): Promise<void>
  killAll(): void
  remove(): Promise<void>
}
export type Cgroups = { readonly version: 1 | 2; create(id: string, limits: CgroupLimits): Cgroup; /** Ends and removes groups of an earlier agent. */ reap(): Promise<number> }

const text = (file: string): string => { try { return readFileSync(file, 'utf8') } catch { return '' } } // gone with its group: nothing to read
const number = (file: string): number => Number(text(file).trim()) || 0
const field = (file: string, name: string): number => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text(file))?.[1] ?? 0)
const pidsIn = (dir: string): number[] => text(join(dir, 'cgroup.procs')).split('\n').filter(Boolean).map(Number)
const cpuQuotaUs = (cpuMillis: number): number => Math.max(1000, Math.round((CPU_PERIOD_US * cpuMillis) / 1000)) // the kernel takes no less than a millisecond

/** `owner` keeps two agents of one machine from touching each other's groups. `root` is for tests. */
export function createCgroups(owner: string, root = ROOT): Cgroups | null {
  const parent = `lumaris-${owner}`
  try { return existsSync(join(root, 'cgroup.controllers')) ? version2(root, parent) : version1(root, parent) } catch { return null /* not ours to make here: the drivers go without */ }
}

function version1(root: string, parent: string): Cgroups {
  if (V1.some((controller) => !existsSync(join(root, controller)))) throw new Error('a controller is not mounted')
  // On many machines cpu and cpuacct are two names of one hierarchy; so the same directory may be there already.
  const makeDir = (dir: string): void => { mkdirSync(dir, { recursive: true }) }
  for (const controller of V1) makeDir(join(root, controller, parent))
  const dirs = (id: string): string[] => V1.map((controller) => join(root, controller, parent, id))
  const make = (id: string, limits: CgroupLimits): Cgroup => {
    for (const dir of dirs(id)) makeDir(dir) // and its parent, which reap() takes away
    const [memory, pids, cpu, cpuacct, freezer] = dirs(id) as [string, string, string, string, string]
    const set = ({ memoryBytes, pids: most, cpuMillis }: CgroupLimits): void => {
      // Swap is part of the limit where the kernel counts it; and is never less than the other, whichever way both go.
      const swap = (): void => { try { writeFileSync(join(memory, 'memory.memsw.limit_in_bytes'), String(memoryBytes)) } catch { /* a kernel without swap accounting has no such file */ } }
      swap()
      writeFileSync(join(memory, 'memory.limit_in_bytes'), String(memoryBytes))
      swap()
      writeFileSync(join(pids, 'pids.max'), String(most))
      writeFileSync(join(cpu, 'cpu.cfs_quota_us'), String(cpuQuotaUs(cpuMillis)))
    }
    writeFileSync(join(cpu, 'cpu.cfs_period_us'), String(CPU_PERIOD_US))
    set(limits)
    const state = join(freezer, 'freezer.state')
    return {
      joinFiles: dirs(id).map((dir) => join(dir, 'cgroup.procs')), set,
      cpuMs: () => number(join(cpuacct, 'cpuacct.usage')) / 1e6, memoryBytes: () => number(join(memory, 'memory.usage_in_bytes')), memoryPeakBytes: () => number(join(memory, 'memory.max_usage_in_bytes')),
      ranOutOfMemory: () => field(join(memory, 'memory.oom_control'), 'oom_kill') > 0, isEmpty: () => pidsIn(memory).length === 0,
      // A process that is being made while the group freezes is seen only when the state is read again.
      freeze: (frozen) => settle(state, frozen ? 'FROZEN' : 'THAWED', () => text(state).trim() === (frozen ? 'FROZEN' : 'THAWED')),
      // What is frozen dies only when it thaws.
      killAll: () => { killIn([memory]); try { writeFileSync(state, 'THAWED') } catch { /* the group is gone already */ } },
      remove: () => removeAll(dirs(id)),
    }
  }
  return { version: 1, create: make, reap: async () => reapBelow(V1.map((controller) => join(root, controller, parent))) }
}

function version2(root: string, parent: string): Cgroups {
  let base = baseOf(root, parent)
  const make = (id: string, limits: CgroupLimits): Cgroup => {
    if (!existsSync(base)) base = baseOf(root, parent) // reap() took it away
    const dir = join(base, id)
    mkdirSync(dir)
    const write = (file: string, value: string): void => writeFileSync(join(dir, file), value)
    const set = ({ memoryBytes, pids, cpuMillis }: CgroupLimits): void => {
      write('memory.max', String(memoryBytes))
      write('pids.max', String(pids))
      write('cpu.max', `${cpuQuotaUs(cpuMillis)} ${CPU_PERIOD_US}`)
    }
    set(limits)
    try { write('memory.swap.max', '0') } catch { /* a kernel without swap has no such file */ }
    let peak = 0
    const usage = (): number => { const now = number(join(dir, 'memory.current')); peak = Math.max(peak, now); return now }
    return {
      joinFiles: [join(dir, 'cgroup.procs')], set, cpuMs: () => field(join(dir, 'cpu.stat'), 'usage_usec') / 1000, memoryBytes: usage,
      memoryPeakBytes: () => Math.max(number(join(dir, 'memory.peak')), usage(), peak), // memory.peak came with Linux 5.19
      ranOutOfMemory: () => field(join(dir, 'memory.events'), 'oom_kill') > 0, isEmpty: () => field(join(dir, 'cgroup.events'), 'populated') === 0,
      freeze: (frozen) => settle(join(dir, 'cgroup.freeze'), frozen ? '1' : '0', () => field(join(dir, 'cgroup.events'), 'frozen') === (frozen ? 1 : 0)),
      killAll: () => { try { write('cgroup.kill', '1') } catch { killIn([dir]) /* cgroup.kill came with Linux 5.14, or the group is gone */ } }, remove: () => removeAll([dir]),
    }
  }
  return { version: 2, create: make, reap: async () => reapBelow([base]) }
}

/** Below the root as root; else below the group that the agent was given (a systemd unit with Delegate=yes), out of which it moves itself first. */
function baseOf(root: string, parent: string): string {
  const own = /^0::(\/.*)$/m.exec(text('/proc/self/cgroup'))?.[1] ?? '/'
  for (const above of new Set([root, join(root, own)])) {
    try {
      const base = join(above, parent)
      mkdirSync(base, { recursive: true })
      if (above !== root) {
        // A group whose children have limits may hold no process itself.
        mkdirSync(join(above, 'agent'), { recursive: true })
        writeFileSync(join(above, 'agent', 'cgroup.procs'), String(process.pid))
      }
      for (const dir of [above, base]) writeFileSync(join(dir, 'cgroup.subtree_control'), '+memory +pids +cpu')
      return base
    } catch { /* not allowed there: the next place */ }
  }
  throw new Error('no place for control groups')
}

async function settle(file: string, value: string, isSo: () => boolean): Promise<void> {
  try { writeFileSync(file, value) } catch (error) { if ((error as NodeJS.ErrnoException).code === 'ENOENT') return; throw error }
  for (let i = 0; i < TRIES && existsSync(file) && !isSo(); i++) await delay(PAUSE_MS)
}

/** Again and again until nobody is left: a fork bomb makes new ones while the old ones are being ended. */
function killIn(dirs: readonly string[]): void {
  for (let round = 0; round < 100; round++) {
    const pids = dirs.flatMap(pidsIn)
    if (pids.length === 0) return
    for (const pid of pids) try { process.kill(pid, 'SIGKILL') } catch { /* it ended by itself in between */ }
  }
}

async function removeAll(dirs: readonly string[]): Promise<void> {
  for (const dir of dirs) {
    for (let i = 0; existsSync(dir); i++) {
      try { rmdirSync(dir) } catch (error) {
        if (i >= TRIES) throw error
        killIn([dir])
        await delay(PAUSE_MS)
      }
    }
  }
}

async function reapBelow(parents: readonly string[]): Promise<number> {
  const ids = new Set<string>()
  for (const parent of parents) if (existsSync(parent)) for (const entry of readdirSync(parent, { withFileTypes: true })) if (entry.isDirectory()) ids.add(entry.name)
  for (const id of ids) {
    const dirs = parents.map((parent) => join(parent, id))
    for (const dir of dirs) try { writeFileSync(join(dir, 'freezer.state'), 'THAWED') } catch { /* not the freezer's directory */ }
    killIn(dirs)
    await removeAll(dirs)
  }
  for (const parent of parents) try { rmdirSync(parent) } catch { /* not there, or one was made just now */ }
  return ids.size
}
