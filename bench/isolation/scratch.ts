// What encrypted scratch costs: the work directory of a job as the agent makes it, with a vault around it and without, in rotation in one run.
//   node tools/run.mjs bench/isolation/scratch.ts [--rounds N]
//
//   open         until the work directory stands, with one input of 1 MiB in it
//   write        256 MiB in pieces of 1 MiB, and a flush to the disk
//   small        2000 files of 4 KiB, and a flush to the disk
//   close        until results are home (here: 8 MiB), and all is gone
import { spawnSync } from 'node:child_process'
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createVaults } from '../../apps/agent/src/drivers/vault.ts'
import type { Vault } from '../../apps/agent/src/drivers/vault.ts'
import { createWorkDisk, vaultBytes } from '../../apps/agent/src/drivers/work-disk.ts'
import { median } from '../figures.ts'
import { describeCommit, describeMachine } from '../peers/report.ts'

const MIB = 1024 * 1024, DISK = 512 * MIB, PIECES = 256, FILES = 2000
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' } } })
const home = mkdtempSync(join(tmpdir(), 'lumaris-bench-scratch-'))
const vaults = await createVaults({ dir: join(home, 'vaults') })
if ('reason' in vaults) throw new Error(vaults.reason)
const { cores, cpu, memoryGiB, kernel, node, loadAverage, syncsPerSecond } = describeMachine()
type Figures = { open: number[]; write: number[]; small: number[]; close: number[] }
const ways = { plain: { open: [], write: [], small: [], close: [] } as Figures, encrypted: { open: [], write: [], small: [], close: [] } as Figures }
// Nothing that a cheap compression could make smaller.
const piece = Buffer.from(Array.from({ length: MIB }, () => Math.floor(Math.random() * 256))), small = piece.subarray(0, 4096)

async function round(way: keyof typeof ways, id: string): Promise<Record<keyof Figures, number>> {
  const times = { open: 0, write: 0, small: 0, close: 0 }
  const timed = async <T>(what: keyof Figures, act: () => T | Promise<T>): Promise<T> => { const from = performance.now(); try { return await act() } finally { times[what] += performance.now() - from } }
  const plainDir = join(home, `${id}-plain`)
  let vault: Vault | null = null
  const disk = await timed('open', async () => {
    if (way === 'encrypted' && 'open' in vaults) vault = await vaults.open(id, vaultBytes(DISK, 0))
    const workDir = vault ? join(vault.dir, 'files') : plainDir
    mkdirSync(workDir)
    writeFileSync(join(workDir, 'input'), piece)
    return createWorkDisk({ workDir, scratch: join(home, 'disks'), id, bytes: DISK, uid: 61_000, limit: true, vault: vault?.dir })
  })
  const flush = (): void => { const dir = openSync(disk.dir, 'r'); fsyncSync(dir); closeSync(dir); if (spawnSync('sync', ['-f', disk.dir]).status !== 0) throw new Error('no flush') }
  await timed('write', () => { const file = openSync(join(disk.dir, 'large'), 'w'); for (let i = 0; i < PIECES; i++) writeSync(file, piece); fsyncSync(file); closeSync(file) })
  rmSync(join(disk.dir, 'large'))
  flush()
  await timed('small', () => { for (let i = 0; i < FILES; i++) writeFileSync(join(disk.dir, `f${i}`), small); flush() })
  await timed('close', async () => { await disk.finish(); await vault?.close() })
  rmSync(plainDir, { recursive: true, force: true })
  return times
}
try {
  for (let i = 0; i <= Number(values.rounds); i++) for (const way of ['plain', 'encrypted'] as const) {
    const times = await round(way, `${way}${i}`)
    if (i > 0) for (const [name, ms] of Object.entries(times)) ways[way][name as keyof Figures].push(ms) // the first round is not counted
  }
} finally { rmSync(home, { recursive: true, force: true }) }
const rate = (ms: number): string => `${Math.round((PIECES / ms) * 1000)} MiB/s`, files = (ms: number): string => `${Math.round((FILES / ms) * 1000)} files/s`
process.stdout.write(`${describeCommit()}, medians of ${values.rounds}, in rotation. ${cores} cores (${cpu}), ${memoryGiB} GiB, Linux ${kernel}, Node ${node}, ${syncsPerSecond} synced writes/s, load average ${loadAverage.toFixed(1)} before the run.\n\n| scratch | open, ms | write | small files | close, ms |\n|---|---|---|---|---|\n`)
for (const [way, { open, write, small: little, close }] of Object.entries(ways)) process.stdout.write(`| ${way} | ${Math.round(median(open))} | ${rate(median(write))} | ${files(median(little))} | ${Math.round(median(close))} |\n`)
