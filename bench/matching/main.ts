// `npm run bench:matching`: every part of the matching engine on real traces, its policies side by side with fixed seeds.
//   node tools/run.mjs bench/matching/main.ts --traces DIR [--only B1]... [--quick] [--out FILE.json]
// Parts whose traces are missing are named, with what they need, and left out. Exit code 1 when a part broke; a missed target is a figure, no failure.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { runLine, targetTable, titled } from '../figures.ts'
import { describeCommit, describeMachine } from '../peers/report.ts'
import { availability } from './availability.ts'
import { clearing } from './clearing.ts'
import { fairness } from './fairness.ts'
import { gangs } from './gangs.ts'
import { lostWork } from './lost-work.ts'
import { packing } from './packing.ts'
import type { Part, PartResult } from './part.ts'
import { path } from './path.ts'
import { preemption } from './preemption.ts'
import { queueing } from './queueing.ts'
import { scale } from './scale.ts'

const PARTS: readonly Part[] = [packing, queueing, fairness, availability, lostWork, preemption, gangs, scale, clearing, path]

const { values } = parseArgs({ options: { traces: { type: 'string' }, only: { type: 'string', multiple: true, default: [] }, quick: { type: 'boolean', default: false }, out: { type: 'string' } } })
const unknown = values.only.filter((id) => !PARTS.some((part) => part.id === id))
if (unknown.length > 0) { process.stderr.write(`error: no part is called ${unknown.join(', ')}; there are ${PARTS.map((part) => part.id).join(', ')}\n`); process.exit(2) }
const traces = values.traces === undefined ? null : resolve(values.traces)
if (traces !== null && !existsSync(traces)) { process.stderr.write(`error: ${traces} is not there: give the folder of the traces with --traces\n`); process.exit(2) }
const out = resolve(values.out ?? join(import.meta.dirname, '..', '..', '.lumaris', 'bench', 'matching.json'))

const shown = (result: PartResult, seconds: number): string => [
  `## ${result.id}: ${result.title}`, '', ...result.tables.map(({ title, columns, rows }) => titled(title, columns, rows)),
  `**Targets**\n\n${targetTable(result.targets)}`,
  ...result.notes.map((note) => `- ${note}`), '', `${result.inputs.length} input files; ${seconds.toFixed(0)} s.`, '',
].join('\n')

const machine = describeMachine(), commit = describeCommit(), at = new Date().toISOString()
const results: { result: PartResult; seconds: number }[] = [], left: { id: string; why: string }[] = []
let broke = false
process.stdout.write(`${runLine(at, commit, machine)}${values.quick ? ', shortened run: no results' : ''}.\n\n`)
for (const part of PARTS.filter(({ id }) => values.only.length === 0 || values.only.includes(id))) {
  const missing = part.needs.filter((need) => traces === null || ![need, `${need}.gz`].some((name) => existsSync(join(traces, name))))
  if (missing.length > 0) { left.push({ id: part.id, why: `needs ${missing.join(', ')} below the folder given with --traces` }); continue }
  process.stderr.write(`matching: ${part.id} ${part.title}\n`)
  const from = performance.now()
  try {
    const result = await part.run({ traces, quick: values.quick, progress: (line) => process.stderr.write(`matching: ${part.id}: ${line}\n`) })
    const seconds = (performance.now() - from) / 1000
    results.push({ result, seconds })
    process.stdout.write(`${shown(result, seconds)}\n`)
  } catch (error) {
    broke = true
    left.push({ id: part.id, why: `broke: ${(error as Error).message}` })
    process.stderr.write(`error: ${part.id}: ${(error as Error).message}\n`)
  }
}
for (const { id, why } of left) process.stdout.write(`${id} was not measured: ${why}\n`)
mkdirSync(dirname(out), { recursive: true })
writeFileSync(out, `${JSON.stringify({ what: 'matching', at, commit, machine, quick: values.quick, results, left }, null, 2)}\n`)
process.exit(broke ? 1 : 0)
