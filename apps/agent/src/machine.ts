// How the whole machine is, read for each heartbeat: what the market may know of it, and no more (packages/protocol/src/machine.ts).
import { createHash } from 'node:crypto'
import { availableParallelism, freemem, totalmem } from 'node:os'
import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import type { MachineNow } from '@lumaris/protocol'
import { createLoadMeter } from './owner/load.ts'
import { readCelsius } from './owner/power.ts'

export type MachinePorts = { readonly roots: { readonly proc: string; readonly sys: string }; readonly dataDir: string; readonly now: () => number; /** CPU time of all sandboxes so far. */ readonly jobsMs: () => number }
export interface Machine { read(): MachineNow }

export function createMachine({ roots, dataDir, now, jobsMs }: MachinePorts): Machine {
  const load = createLoadMeter(roots.proc, jobsMs)
  load.read()
  const hashBytesS = hashRate()
  let before = { at: now(), ...trafficOf(roots) }
  return { read() {
    const { cpuPercent, jobsPercent } = load.read(), memory = memoryOf(roots.proc), disk = diskOf(dataDir), celsius = readCelsius(roots.sys)
    const traffic = { at: now(), ...trafficOf(roots) }, seconds = (traffic.at - before.at) / 1000
    // An interface that went away takes its count with it: less than before is no traffic, and not known.
    const rate = (name: 'in' | 'out'): number | null => (seconds > 0 && traffic[name] !== null && before[name] !== null && traffic[name] >= before[name] ? Math.round((traffic[name] - before[name]) / seconds) : null)
    const inRate = rate('in'), outRate = rate('out')
    if (seconds > 0) before = traffic
    return {
      cores: availableParallelism(), memory_bytes: memory.all, cpu_percent: cpuPercent, jobs_cpu_percent: Math.min(cpuPercent, jobsPercent), memory_percent: percent(memory.used, memory.all),
      ...(disk ? { disk_bytes: disk.all, disk_percent: percent(disk.used, disk.all) } : {}), ...(inRate === null ? {} : { in_bytes_s: inRate }), ...(outRate === null ? {} : { out_bytes_s: outRate }), ...(celsius === null ? {} : { celsius }), hash_bytes_s: hashBytesS,
    }
  } }
}
/** SHA-256 on one core, the best of a few rounds of some milliseconds: once in a process, so that it takes nothing from jobs. */
let measured: number | null = null
function hashRate(): number {
  if (measured !== null) return measured
  const block = Buffer.alloc(1 << 20)
  for (let round = 0; round < 5; round++) {
    const began = performance.now(), hash = createHash('sha256')
    for (let i = 0; i < 8; i++) hash.update(block)
    hash.digest()
    measured = Math.max(measured ?? 0, Math.round((8 * block.length * 1000) / (performance.now() - began)))
  }
  return measured ?? 0
}
const percent = (part: number, of: number): number => (of > 0 ? Math.min(100, Math.max(0, Math.round((part / of) * 1000) / 10)) : 0)

/** What programs could still get counts as free, also where files are cached in it. */
export function memoryOf(proc: string): { used: number; all: number } {
  let text = ''
  try { text = readFileSync(join(proc, 'meminfo'), 'utf8') } catch { /* not Linux */ }
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024
  const all = kib('MemTotal') || totalmem()
  return { all, used: all - (kib('MemAvailable') || freemem()) }
}
/** As `df` counts: what is kept for root is neither used nor free. */
function diskOf(dir: string): { used: number; all: number } | null {
  try { const { bsize, blocks, bfree, bavail } = statfsSync(dir); return { used: (blocks - bfree) * bsize, all: (blocks - bfree + bavail) * bsize } } catch { return null /* it went away: the journal says so */ }
}
/** Bytes of all interfaces with hardware behind them, since the machine started; where there are none (in a container), of all but the loopback. Null: not Linux. */
function trafficOf({ proc, sys }: MachinePorts['roots']): { in: number | null; out: number | null } {
  let text: string
  try { text = readFileSync(join(proc, 'net/dev'), 'utf8') } catch { return { in: null, out: null } }
  const all = [...text.matchAll(/^\s*([^\s:]+):\s*(.*)$/gm)].flatMap(([, name = '', counts = '']) => { const of = counts.split(/\s+/).map(Number); return name === 'lo' ? [] : [{ name, in: of[0] ?? 0, out: of[8] ?? 0 }] })
  const hard = all.filter(({ name }) => existsSync(join(sys, 'class/net', name, 'device'))), counted = hard.length > 0 ? hard : all
  return counted.length === 0 ? { in: null, out: null } : { in: counted.reduce((sum, one) => sum + one.in, 0), out: counted.reduce((sum, one) => sum + one.out, 0) }
}
