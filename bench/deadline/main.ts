// `npm run bench:deadline`: jobs with a deadline on public spot traces, several policies and the least cost of who knows the future, in one run.
//   node tools/run.mjs bench/deadline/main.ts --traces DIR [--quick] [--out FILE.json]
// Prints Markdown, writes JSON. Exit code 1 when something broke; a missed target is a figure, no failure.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { virtualChance } from '../../packages/testkit/src/virtual-chance.ts'
import { percent, runLine, table, targetTable } from '../figures.ts'
import { describeCommit, describeMachine } from '../peers/report.ts'
import { readSpot } from '../matching/spot-zones.ts'
import { HASHES } from './inputs.ts'
import { QUANTA, optimum, play } from './play.ts'
import type { Job, Zone } from './play.ts'
import { firmOnly, greedy, interruptibleOnly, ours, uniformProgress } from './policies.ts'

const { values } = parseArgs({ options: { traces: { type: 'string' }, quick: { type: 'boolean', default: false }, out: { type: 'string' } } })
if (values.traces === undefined || !existsSync(values.traces)) { process.stderr.write('error: give the folder of the spot traces with --traces DIR (skypilot’s spot-traces below DIR/spot/skypilot)\n'); process.exit(2) }
const traces = resolve(values.traces), { quick } = values
const out = resolve(values.out ?? join(import.meta.dirname, '..', '..', '.lumaris', 'bench', 'deadline.json'))

const HOUR_MS = 3_600_000, MINUTE_MS = 60_000
/** The figures of the rule were chosen on evenly spaced starts in every second place; the starts below are drawn. Ten in a place are few: a row of forty runs has luck in it, so greedy is met on many more, for which there is no time to reckon the optimum. */
const SEED = 42, STARTS = quick ? 3 : 10, MANY_SEED = 7, MANY = quick ? 5 : 200
/** On AWS a V100 cost 3.06 a hour firm and 0.92 interruptible when the traces were taken. Changing over is billed, and yields nothing. */
const FIRM_PRICE = 3, CHANGE_MS = 6 * MINUTE_MS, SAVE_MS = 10 * MINUTE_MS
/** Traces with finer steps are read in steps of at least so much: there is room in one when there is all through it. */
const STEP_MS = 180_000
const MET = 0.99, OVER_OPTIMUM = 1.15

const BASE = 'spot/skypilot'
const SETS = [
  { name: 'single places', folders: ['availability/1-node/aws-02-15-2023', 'availability/1-node/aws-10-26-2022', 'preemption/1-node/aws-04-22-2023', 'preemption/1-node/aws-04-19-2023'], any: false },
  { name: 'places of larger requests', folders: ['availability/16-node/aws-08-27-2023', 'preemption/4-node/aws-08-03-2023'], any: false },
  { name: 'any place of a set', folders: ['availability/1-node/aws-02-15-2023', 'availability/1-node/aws-10-26-2022', 'preemption/1-node/aws-04-22-2023', 'preemption/1-node/aws-04-19-2023'], any: true },
] as const
const JOBS = [
  { hours: 4, times: 1.15, saves: true }, { hours: 4, times: 1.5, saves: true }, { hours: 4, times: 2.5, saves: true }, { hours: 12, times: 1.15, saves: true }, { hours: 12, times: 1.5, saves: true }, { hours: 12, times: 2.5, saves: true },
  { hours: 48, times: 1.15, saves: true }, { hours: 48, times: 1.5, saves: true },
  { hours: 1, times: 2.5, saves: false }, { hours: 4, times: 2.5, saves: false }, { hours: 4, times: 4, saves: false },
] as const
const POLICIES = [ours, uniformProgress, greedy, firmOnly, interruptibleOnly]

const files = new Map<string, string>(), missing: string[] = [], read = new Map<string, Zone[]>()
function zonesOf(folder: string, invert: boolean): Zone[] {
  const kept = read.get(`${folder} ${invert}`)
  if (kept) return kept
  if (!existsSync(join(traces, BASE, folder))) { if (!missing.includes(folder)) missing.push(folder); return [] }
  const set = readSpot(traces, join(BASE, folder), invert)
  for (const { file, sha256 } of set.inputs) files.set(file.slice(BASE.length + 1), sha256.slice(0, 16))
  const merge = Math.max(1, Math.ceil(STEP_MS / set.gapMs))
  const zones = set.places.map(({ name, up }) => ({ name: `${folder}/${name}`, gapMs: set.gapMs * merge, up: merge === 1 ? up : Uint8Array.from({ length: Math.floor(up.length / merge) }, (_, i) => (up.subarray(i * merge, (i + 1) * merge).every((one) => one === 1) ? 1 : 0)) }))
  read.set(`${folder} ${invert}`, zones)
  return zones
}
const anyOf = (zones: readonly Zone[]): Zone[] => zones.length === 0 ? [] : [{ ...(zones[0] as Zone), name: `any of ${zones.length}`, up: Uint8Array.from({ length: Math.min(...zones.map(({ up }) => up.length)) }, (_, i) => (zones.some(({ up }) => up[i] === 1) ? 1 : 0)) }]

type Tally = { met: number; cost: number; ratio: number; changes: number; worst: number }
type Row = { readonly set: string; readonly invert: boolean; readonly hours: number; readonly times: number; readonly saves: boolean; readonly runs: number; readonly skipped: number; readonly up: number; readonly optimum: number; readonly tallies: Readonly<Record<string, Tally>>; /** Lumaris over greedy, and of how many runs. */ readonly many: { readonly runs: number; readonly over: number } }
function measure(set: (typeof SETS)[number], spec: (typeof JOBS)[number], invert: boolean): Row | null {
  const zones = set.folders.flatMap((folder) => { const all = zonesOf(folder, invert); return set.any ? anyOf(all) : all })
  const tallies: Record<string, Tally> = {}
  let runs = 0, skipped = 0, best = 0, upSteps = 0, steps = 0, manyRuns = 0, manyOurs = 0, manyGreedy = 0
  for (const zone of zones) {
    const quantum = zone.gapMs / QUANTA, drawn = (seed: number) => virtualChance(seed, `${zone.name} ${spec.hours} ${spec.times} ${spec.saves}`), chance = drawn(SEED), more = drawn(MANY_SEED)
    const shape = { steps: Math.floor((spec.hours * spec.times * HOUR_MS) / zone.gapMs), work: Math.round((spec.hours * HOUR_MS) / quantum), change: Math.round(CHANGE_MS / quantum), saveEvery: spec.saves ? Math.max(1, Math.round(SAVE_MS / quantum)) : 0, firmPrice: FIRM_PRICE }
    if (zone.up.length - shape.steps < STARTS) { skipped++; continue }
    for (let i = 0; i < STARTS; i++) {
      const job: Job = { ...shape, start: chance.between(0, zone.up.length - shape.steps) }, least = optimum(zone, job) * quantum
      runs++
      best += least
      steps += job.steps
      for (let t = 0; t < job.steps; t++) upSteps += zone.up[job.start + t] as number
      for (const make of POLICIES) {
        const policy = make(), played = play(zone, job, policy), tally = (tallies[policy.name] ??= { met: 0, cost: 0, ratio: 0, changes: 0, worst: 0 }), ratio = (played.cost * quantum) / least
        tally.met += played.met ? 1 : 0
        tally.cost += played.cost * quantum
        tally.ratio += ratio
        tally.changes += played.changes
        tally.worst = Math.max(tally.worst, ratio)
      }
    }
    for (let i = 0; i < MANY; i++) {
      const job: Job = { ...shape, start: more.between(0, zone.up.length - shape.steps) }
      manyRuns++
      manyOurs += play(zone, job, ours()).cost * quantum
      manyGreedy += play(zone, job, greedy()).cost * quantum
    }
  }
  return runs === 0 ? null : { set: set.name, invert, ...spec, runs, skipped, up: upSteps / steps, optimum: best, tallies, many: { runs: manyRuns, over: manyOurs / manyGreedy } }
}

const machine = describeMachine(), commit = describeCommit(), at = new Date().toISOString()
process.stdout.write(`${runLine(at, commit, machine)}${quick ? ', shortened run: no results' : ''}.\n\n`)
const from = performance.now(), rows: Row[] = []
for (const invert of [false, true]) for (const set of SETS) {
  // Of larger requests the counts are read in one way only; the note in bench/matching/spot-zones.ts says why the others are read in both.
  if (invert && set.name === 'places of larger requests') continue
  for (const spec of JOBS) {
    process.stderr.write(`deadline: ${set.name}${invert ? ', read the other way round' : ''}: ${spec.hours} h\n`)
    const row = measure(set, spec, invert)
    if (row) rows.push(row)
  }
}
const wrong = [...files].filter(([file, sha]) => HASHES[file] !== sha).map(([file]) => file)
const absent = Object.keys(HASHES).filter((file) => !files.has(file))
for (const folder of missing) process.stdout.write(`Not there, and so not measured: ${folder}.\n`)
if (wrong.length > 0) process.stdout.write(`**Other contents than those that docs/benchmarks/deadline.md was made from**, so its figures do not compare: ${wrong.join(', ')}.\n`)
if (absent.length > 0) process.stdout.write(`Files that were missing: ${absent.join(', ')}.\n`)

const names = POLICIES.map((make) => make().name)
for (const saves of [true, false]) for (const invert of [false, true]) for (const set of SETS) {
  const mine = rows.filter((row) => row.saves === saves && row.set === set.name && row.invert === invert)
  if (mine.length === 0) continue
  const cells = (row: Row): string[] => names.map((name) => { const { cost, met } = row.tallies[name] as Tally; return `${(cost / row.optimum).toFixed(3)}${met === row.runs ? '' : ` (${percent(met / row.runs)})`}` })
  process.stdout.write(`**${set.name}${invert ? ', read the other way round' : ''}; ${saves ? 'a checkpoint every 10 min' : 'no checkpoints'}**: cost over the optimum’s (met in time)\n\n${table(['job', 'deadline', 'runs', 'room', ...names], mine.map((row) => [`${row.hours} h`, `${row.times}×`, row.runs, percent(row.up), ...cells(row)]))}\n`)
}
const sum = (name: string, of: (tally: Tally, row: Row) => number, over = rows): number => over.reduce((all, row) => all + of(row.tallies[name] as Tally, row), 0)
const runs = rows.reduce((all, row) => all + row.runs, 0), saving = rows.filter(({ saves }) => saves)
const overOf = (name: string, over: readonly Row[]): number => over.reduce((all, row) => all + (row.tallies[name] as Tally).cost / row.optimum, 0) / over.length
const met = sum('Lumaris', (tally) => tally.met) / runs
const dearer = rows.filter((row) => (row.tallies['Lumaris'] as Tally).cost > (row.tallies['greedy'] as Tally).cost * 1.0005)
const dearerOfMany = rows.filter(({ many }) => many.over > 1.0005), runsOfMany = rows.reduce((all, { many }) => all + many.runs, 0)
const far = saving.filter((row) => (row.tallies['Lumaris'] as Tally).cost > row.optimum * OVER_OPTIMUM)
const nameOf = (row: Row): string => `${row.set}${row.invert ? ' (other way round)' : ''} ${row.hours} h ${row.times}×${row.saves ? '' : ' without checkpoints'}`
const targets = [
  { what: 'met in time', must: '≥ 99 %', measured: `${percent(met)} of ${runs}`, met: met >= MET },
  { what: 'cost against greedy’s, each row', must: '≤', measured: dearer.length === 0 ? `at most equal in all ${rows.length}` : `above it in ${dearer.length} of ${rows.length}: ${dearer.map((row) => `${nameOf(row)} ${(((row.tallies['Lumaris'] as Tally).cost / (row.tallies['greedy'] as Tally).cost - 1) * 100).toFixed(1)} %`).join('; ')}`, met: dearer.length === 0 },
  { what: `the same, ${MANY} other starts in each place`, must: '≤', measured: dearerOfMany.length === 0 ? `at most equal in all ${rows.length} (${runsOfMany} runs)` : `above it in ${dearerOfMany.length} of ${rows.length} (${runsOfMany} runs): ${dearerOfMany.map((row) => `${nameOf(row)} ${((row.many.over - 1) * 100).toFixed(1)} %`).join('; ')}`, met: dearerOfMany.length === 0 },
  { what: 'cost over the optimum’s, with checkpoints, mean of rows', must: '≤ 1.15', measured: overOf('Lumaris', saving).toFixed(3), met: overOf('Lumaris', saving) <= OVER_OPTIMUM },
  { what: 'the same, each row', must: '≤ 1.15', measured: far.length === 0 ? 'all' : `above it in ${far.length} of ${saving.length}: ${far.map((row) => `${nameOf(row)} ${((row.tallies['Lumaris'] as Tally).cost / row.optimum).toFixed(3)}`).join('; ')}`, met: far.length === 0 },
]
process.stdout.write(`${targetTable(targets)}\n`)
process.stdout.write(`Mean over rows with checkpoints: ${names.slice(0, 4).map((name) => `${name} ${overOf(name, saving).toFixed(3)}`).join(', ')}. The dearest single run against its optimum: ${names.slice(0, 3).map((name) => `${name} ${Math.max(...saving.map((row) => (row.tallies[name] as Tally).worst)).toFixed(2)}`).join(', ')}. Lumaris over greedy, on the many starts: ${(rows.reduce((all, { many }) => all + many.over, 0) / rows.length).toFixed(3)}, at most ${Math.max(...rows.map(({ many }) => many.over)).toFixed(3)}. Changes over per run: ${names.slice(0, 3).map((name) => `${name} ${(sum(name, (tally) => tally.changes) / runs).toFixed(1)}`).join(', ')}.\n\n${files.size} input files; ${((performance.now() - from) / 1000).toFixed(0)} s.\n`)
mkdirSync(dirname(out), { recursive: true })
writeFileSync(out, `${JSON.stringify({ what: 'deadline', at, commit, machine, quick, seed: SEED, manySeed: MANY_SEED, rows, targets, files: Object.fromEntries(files), missing, wrong, absent }, null, 2)}\n`)
