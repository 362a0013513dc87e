// `npm run bench:split`: one job over a hundred nodes of unequal speed that fail, shared out in several ways, in virtual time; and a gigabyte over four real agents.
//   node tools/run.mjs bench/split/main.ts [--quick] [--seeds N] [--no-virtual] [--no-real] [--world PART OF ITS NAME] [--bytes N] [--out FILE.json]
// Exit code 1 when a part broke or a merged result was wrong; a missed target is a figure, no failure.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { runLine, table } from '../figures.ts'
import { describeCommit, describeMachine } from '../peers/report.ts'
import { equalSplit, measured, planned, plannedMap, selfScheduling, staticPartitions } from './policies.ts'
import { wholeMarket } from './whole-market.ts'
import { real } from './real.ts'
import { simulate } from './simulate.ts'
import type { Failures, MakePolicy, Outcome, WorldOptions } from './simulate.ts'

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, virtual: { type: 'boolean', default: true }, real: { type: 'boolean', default: true }, bytes: { type: 'string', default: String(1024 ** 3) }, seeds: { type: 'string' }, world: { type: 'string', default: '' }, out: { type: 'string' } }, allowNegative: true })
const SEEDS = Number(values.seeds ?? (values.quick ? 10 : 100)), NODES = 100, SPREAD = 10, SHARE = 0.05
const POLICIES: readonly [name: string, make: MakePolicy][] = [
  ['equal split: a chunk for each node', equalSplit], ['static partitions, 10 per node (as Bacalhau: numbered, bound at the start)', staticPartitions(10)], ['equal chunks in one queue, 10 per node', selfScheduling(10)],
  ['factoring by halves (Hummel 1992)', planned(2, 32)], ['planned by eighths, without copies (`--no-divide --speculate 0`)', planned(8, 64)], ['planned by eighths, copies of what is late (`--no-divide`)', plannedMap(0.05)], ['**`lumaris map` as it is**: cut while it runs, copies of what is late', wholeMarket({ speculate: 0.05 })], ['cut while it runs, without copies (`--speculate 0`)', wholeMarket({ speculate: 0 })], ['measured speeds', measured({ copies: false })], ['measured speeds and copies of what is late', measured({ copies: true })],
]
/** Nobody should plan like this; who did paid for it with a start each. */
const TINY = 8192
const TINY_POLICIES: typeof POLICIES = [
  [`the ${TINY} parts as they are (before they were joined)`, wholeMarket({ speculate: 0.05, planned: { parts: TINY, apart: true } })], [`**the ${TINY} parts, joined where they are too small**`, wholeMarket({ speculate: 0.05, planned: { parts: TINY, apart: false } })],
  ['the same input in one task, cut while it runs (`lumaris map` as it is)', wholeMarket({ speculate: 0.05 })],
]
const WORLDS: readonly [name: string, failures: Failures, idealMs: number, policies?: typeof POLICIES][] = [
  ['nothing fails, ideal 1 h', 'none', 3_600_000], ['5 % of nodes die without a word, ideal 1 h', 'nodes', 3_600_000], ['5 % of attempts fail, ideal 1 h', 'attempts', 3_600_000], ['5 % of nodes become 20 times slower, ideal 1 h', 'slow', 3_600_000],
  ['5 % of nodes die without a word, ideal 10 min', 'nodes', 600_000], ['5 % of attempts fail, ideal 10 min', 'attempts', 600_000],
  [`tiny records, planned in ${TINY} parts, nothing fails, ideal 2 min`, 'none', 120_000, TINY_POLICIES], [`tiny records, planned in ${TINY} parts, 5 % of nodes die without a word, ideal 2 min`, 'nodes', 120_000, TINY_POLICIES],
]
const sorted = (list: readonly number[]): number[] => list.toSorted((a, b) => a - b)
const at = (list: readonly number[], share: number): number => list[Math.min(list.length - 1, Math.floor(share * list.length))] as number

/** How wrong the time left was that the market would have shown, at a quarter, half and three quarters of the way: as a share of the whole. */
function etaErrors({ said, makespan }: Outcome, idealMs: number): number[] {
  const end = makespan * idealMs
  return [0.25, 0.5, 0.75].flatMap((share) => { const one = said.find(({ at: when }) => when >= share * end); return one ? [Math.abs((one.leftMs ?? 0) - (end - one.at)) / end] : [] })
}

const machine = describeMachine(), commit = describeCommit(), began = new Date().toISOString()
let text = `# Splitting one job over many nodes

\`npm run bench:split -- --seeds ${SEEDS}\`. ${runLine(began, commit, machine)}${values.quick ? '; **shortened run, no results**' : ''}.

## In virtual time

${NODES} nodes, speeds log-uniform over a spread of ${SPREAD}, runs of one node vary by ±5 %, dispatching a chunk costs 1 s, a silent node is given up after 60 s; ${SEEDS} seeds, the same worlds for every policy.
Makespan as a multiple of the ideal (work ÷ sum of speeds, as if nothing failed); wasted: share of all node seconds in runs that did not count. In each cell: median (95th percentile). Targets: makespan ≤ 1.2, wasted ≤ 8 %.

`
const results: unknown[] = []
let broke = false
for (const [title, failures, idealMs, policies = POLICIES] of values.virtual ? WORLDS.filter(([name]) => name.includes(values.world)) : []) {
  process.stderr.write(`split: ${title}\n`)
  const rows: (string | number)[][] = []
  for (const [name, make] of policies) {
    const makespans: number[] = [], wastes: number[] = [], overheads: number[] = [], copies: number[] = [], etas: number[] = []
    let chunks = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      const world: WorldOptions = { seed, nodes: NODES, spread: SPREAD, idealMs, overheadMs: 1000, failures, share: SHARE, lostMs: 60_000, noise: 0.05 }, outcome = simulate(make, world)
      makespans.push(outcome.makespan)
      wastes.push(outcome.wasted * 100)
      overheads.push(outcome.overhead * 100)
      copies.push(outcome.copies)
      chunks += outcome.chunks / SEEDS
      if (outcome.said.length > 0) etas.push(...etaErrors(outcome, idealMs).map((error) => error * 100))
    }
    const [m, w, o, e] = [makespans, wastes, overheads, etas].map(sorted) as [number[], number[], number[], number[]]
    results.push({ world: title, policy: name, makespan: { median: at(m, 0.5), p95: at(m, 0.95), worst: at(m, 1) }, wastedPercent: { median: at(w, 0.5), p95: at(w, 0.95) }, overheadPercent: at(o, 0.5), chunks, copies: copies.reduce((sum, one) => sum + one, 0) / SEEDS, ...(e.length > 0 ? { etaErrorPercent: { median: at(e, 0.5), p90: at(e, 0.9) } } : {}) })
    const met = at(m, 0.95) <= 1.2 && at(w, 0.95) <= 8
    rows.push([name, `${at(m, 0.5).toFixed(3)} (${at(m, 0.95).toFixed(3)})`, `${at(w, 0.5).toFixed(1)} % (${at(w, 0.95).toFixed(1)} %)`, `${at(o, 0.5).toFixed(1)} %`, Math.round(chunks), (copies.reduce((sum, one) => sum + one, 0) / SEEDS).toFixed(1), e.length > 0 ? `${at(e, 0.5).toFixed(1)} % (${at(e, 0.9).toFixed(1)} %)` : '', met ? 'met' : 'missed'])
  }
  text += `**${title}**\n\n${table(['policy', 'makespan', 'wasted', 'overhead', 'chunks', 'copies', 'error of the time left (9 in 10)', 'targets'], rows)}\n`
}
text += `The rows “cut while it runs”, and those of parts that are planned too small, are whole markets (\`bench/split/whole-market.ts\`): the job is submitted as \`lumaris map\` submits it, and matched, cut, copied and settled by the domain's own turns, on made-up machines. The others are policies; the two
of planned sizes decide copies by the functions that the market's clock calls. “Measured speeds” is \`packages/domain/src/split/chunk.ts\` as it was before it came into the market: any number of parts, cut anywhere, by a clock that sees every start and end at once.
The error of the time left is that of what \`GET /v1/jobs/{job}\` shows (\`packages/domain/src/split/time-left.ts\`), asked at a quarter, half and three quarters of the way, as a share of the whole.

`
if (values.real) {
  try {
    const { report, right, figures } = await real({ bytes: values.quick ? 16 * 1024 ** 2 : Number(values.bytes), tell: (line) => process.stderr.write(`split: ${line}\n`) })
    text += report
    results.push(figures)
    if (!right) broke = true
  } catch (error) { broke = true; process.stderr.write(`error: ${(error as Error).stack ?? String(error)}\n`); text += `The real run broke: ${(error as Error).message}\n` }
}
process.stdout.write(text)
const out = resolve(values.out ?? join(import.meta.dirname, '..', '..', '.lumaris', 'bench', 'split.json'))
mkdirSync(dirname(out), { recursive: true })
writeFileSync(out, `${JSON.stringify({ what: 'split', at: began, commit, machine, quick: values.quick, results }, null, 2)}\n`)
process.exit(broke ? 1 : 0)
