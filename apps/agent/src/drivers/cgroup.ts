// Control groups, version 1 and 2: limits that the kernel keeps. A group is made before the program starts and joined by the very process that
// becomes the program, so nothing runs outside of it. Where no group can be made (no root, no delegation), `createCgroups` gives null and the
// drivers say `soft`.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = '/sys/fs/cgroup'
const V1 = ['memory', 'pids', 'cpu', 'cpuacct', 'freezer'] as const
const CPU_PERIOD_US = 100_000
/** Removing a group waits for its last process to be gone from the kernel's books; it is a matter of milliseconds. */
const REMOVE_TRIES = 200, REMOVE_PAUSE_MS = 10

export type CgroupLimits = { readonly memoryBytes: number; readonly pids: number; readonly cpuMillis: number }
export type Cgroup = {
  /** Files into which a process writes its own pid to join. */
  readonly joinFiles: readonly string[]
  cpuMs(): number
  memoryBytes(): number
  memoryPeakBytes(): number
  /** The kernel has ended something in it for want of memory. */
  ranOutOfMemory(): boolean
  /** A fork was refused. */
  ranOutOfPids(): boolean
  freeze(frozen: boolean): void
  killAll(): void
  remove(): Promise<void>
}
export type Cgroups = { readonly version: 1 | 2; create(id: string, limits: CgroupLimits): Cgroup; /** Ends and removes groups of an earlier agent. */ reap(): Promise<number> }

const number = (file: string): number => { try { return Number(readFileSync(file, 'utf8').trim()) || 0 } catch { return 0 } } // gone with its group: nothing to count
const field = (file: string, name: string): number => { try { return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? 0) } catch { return 0 } }
const pidsIn = (dir: string): number[] => { try { return readFileSync(join(dir, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number) } catch { return [] } }

/** `owner` keeps two agents of one machine from touching each other's groups. */
export function createCgroups(owner: string): Cgroups | null {
  const parent = `lumaris-${owner}`
  try { return existsSync(join(ROOT, 'cgroup.controllers')) ? version2(parent) : version1(parent) } catch { return null } // not ours to make here: the drivers go without
}

function version1(parent: string): Cgroups {
  for (const controller of V1) mkdirSync(join(ROOT, controller, parent), { recursive: true })
  const dirs = (id: string): string[] => V1.map((controller) => join(ROOT, controller, parent, id))
  const make = (id: string, limits: CgroupLimits): Cgroup => {
    for (const dir of dirs(id)) mkdirSync(dir)
    const [memory, pids, cpu, cpuacct, freezer] = dirs(id) as [string, string, string, string, string]
    writeFileSync(join(memory, 'memory.limit_in_bytes'), String(limits.memoryBytes))
    // Swap is part of the limit where the kernel counts it.
    try { writeFileSync(join(memory, 'memory.memsw.limit_in_bytes'), String(limits.memoryBytes)) } catch { /* a kernel without swap accounting has no such file */ }
    writeFileSync(join(pids, 'pids.max'), String(limits.pids))
    writeFileSync(join(cpu, 'cpu.cfs_period_us'), String(CPU_PERIOD_US))
    writeFileSync(join(cpu, 'cpu.cfs_quota_us'), String(Math.max(1000, Math.round((CPU_PERIOD_US * limits.cpuMillis) / 1000))))
    return {
      joinFiles: dirs(id).map((dir) => join(dir, 'cgroup.procs')),
      cpuMs: () => number(join(cpuacct, 'cpuacct.usage')) / 1e6, memoryBytes: () => number(join(memory, 'memory.usage_in_bytes')), memoryPeakBytes: () => number(join(memory, 'memory.max_usage_in_bytes')),
      ranOutOfMemory: () => field(join(memory, 'memory.oom_control'), 'oom_kill') > 0, ranOutOfPids: () => field(join(pids, 'pids.events'), 'max') > 0,
      freeze: (frozen) => writeFileSync(join(freezer, 'freezer.state'), frozen ? 'FROZEN' : 'THAWED'),
      killAll: () => { killIn([memory]); try { writeFileSync(join(freezer, 'freezer.state'), 'THAWED') } catch { /* the group is gone already */ } },
      remove: () => removeAll(dirs(id)),
    }
  }
  return { version: 1, create: make, reap: async () => reapBelow(V1.map((controller) => join(ROOT, controller, parent))) }
}

function version2(parent: string): Cgroups {
  const base = join(ROOT, parent)
  mkdirSync(base, { recursive: true })
  for (const dir of [ROOT, base]) writeFileSync(join(dir, 'cgroup.subtree_control'), '+memory +pids +cpu')
  const make = (id: string, limits: CgroupLimits): Cgroup => {
    const dir = join(base, id)
    mkdirSync(dir)
    const set = (file: string, value: string): void => writeFileSync(join(dir, file), value)
    set('memory.max', String(limits.memoryBytes))
    try { set('memory.swap.max', '0') } catch { /* a kernel without swap has no such file */ }
    set('pids.max', String(limits.pids))
    set('cpu.max', `${Math.max(1000, Math.round((CPU_PERIOD_US * limits.cpuMillis) / 1000))} ${CPU_PERIOD_US}`)
    let peak = 0
    const usage = (): number => { const now = number(join(dir, 'memory.current')); peak = Math.max(peak, now); return now }
    return {
      joinFiles: [join(dir, 'cgroup.procs')], cpuMs: () => field(join(dir, 'cpu.stat'), 'usage_usec') / 1000, memoryBytes: usage,
      memoryPeakBytes: () => Math.max(number(join(dir, 'memory.peak')), usage(), peak), // memory.peak came with Linux 5.19
      ranOutOfMemory: () => field(join(dir, 'memory.events'), 'oom_kill') > 0, ranOutOfPids: () => field(join(dir, 'pids.events'), 'max') > 0,
      freeze: (frozen) => set('cgroup.freeze', frozen ? '1' : '0'), killAll: () => { try { set('cgroup.kill', '1') } catch { killIn([dir]) } }, remove: () => removeAll([dir]),
    }
  }
  return { version: 2, create: make, reap: async () => reapBelow([base]) }
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
        if (i >= REMOVE_TRIES) throw error
        killIn([dir])
        await new Promise((resolve) => setTimeout(resolve, REMOVE_PAUSE_MS))
      }
    }
  }
}

async function reapBelow(parents: readonly string[]): Promise<number> {
  const ids = new Set<string>()
  for (const parent of parents) for (const entry of readdirSync(parent, { withFileTypes: true })) if (entry.isDirectory()) ids.add(entry.name)
  for (const id of ids) {
    killIn(parents.map((parent) => join(parent, id)))
    await removeAll(parents.map((parent) => join(parent, id)))
  }
  return ids.size
}
