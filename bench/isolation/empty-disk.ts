// What the kept copy of an empty file system saves: made by mke2fs, as before, and written from the copy, in turn in one run; and a job's whole work directory.
//   node tools/run.mjs bench/isolation/empty-disk.ts [--rounds N]
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeDisk, makeEmptyDisk } from '../../apps/agent/src/drivers/empty-disk.ts'
import { createWorkDisk } from '../../apps/agent/src/drivers/work-disk.ts'
import { describeMachine } from '../peers/report.ts'

const MIB = 1024 * 1024
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '25' } } })
const home = mkdtempSync(join(tmpdir(), 'lumaris-bench-disk-'))
const { cores, cpu, kernel, loadAverage } = describeMachine()
// The two sizes of a benchmark's job and of one that says nothing; inputs as one script.
const SIZES = { '16 MiB': { bytes: 16 * MIB, kib: 24_000, inodes: 2048 }, '512 MiB': { bytes: 512 * MIB, kib: 572_000, inodes: 65_536 } } as const
const times = new Map<string, number[]>()
const timed = async (what: string, act: () => Promise<unknown>): Promise<void> => { const from = performance.now(); await act(); const took = performance.now() - from; times.set(what, [...times.get(what) ?? [], took]) }
const image = join(home, 'image'), inputs = join(home, 'inputs')
mkdirSync(inputs)
writeFileSync(join(inputs, 'main.py'), 'print(1)\n'.repeat(100))
try {
  for (let round = -1; round < Number(values.rounds); round++) {
    for (const [size, { bytes, kib, inodes }] of Object.entries(SIZES)) {
      const shape = { kib, inodes, uid: 0 }
      await timed(`${size}, empty: mke2fs`, () => makeDisk(image, shape)); rmSync(image)
      await timed(`${size}, empty: kept copy`, () => makeEmptyDisk(image, shape)); rmSync(image)
      await timed(`${size}, one input: mke2fs`, () => makeDisk(image, shape, inputs)); rmSync(image)
      let disk: Awaited<ReturnType<typeof createWorkDisk>> | null = null
      await timed(`${size}, one input: the work directory, mounted`, async () => { disk = await createWorkDisk({ workDir: inputs, scratch: join(home, 'disks'), id: `d${round + 1}`, bytes, uid: 61_000, limit: true }) })
      await timed(`${size}, one input: taken down, results home`, async () => disk?.finish())
    }
    if (round === -1) times.clear() // caches are warm, and the copy is kept
  }
} finally { rmSync(home, { recursive: true, force: true }) }
const sorted = (of: readonly number[]): number[] => [...of].sort((a, b) => a - b)
process.stdout.write([
  `Medians of ${values.rounds}, in rotation. ${cores} cores (${cpu}), Linux ${/^\d+\.\d+/.exec(kernel)?.[0] ?? ''}, load average ${loadAverage.toFixed(1)} before the run.`, '', '| | median, ms | lowest, ms |', '|---|---|---|',
  ...[...times].map(([what, of]) => `| ${what} | ${(sorted(of)[of.length >> 1] ?? Number.NaN).toFixed(1)} | ${(sorted(of)[0] ?? Number.NaN).toFixed(1)} |`), '',
].join('\n'))
