// The simulator by hand: `npm run sim -- --seed 42`. Prints what broke, the last lines about it, and the command that plays it again.
//
//   --seed N            one seed, with its trace        --seeds N --from M   many, in two processes
//   --hours H           hours of storm (2)              --steps N            stop a seed after so many events
//   --mutate GUARD,…    without these guards            --json FILE          all outcomes as JSON
//   --machines N --buyers N                             --survivors          many seeds without a guard: stop at the first that is caught
//   --divided           all jobs are cut while they run
import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { simulate } from './simulate.ts'
import type { Outcome } from './simulate.ts'
import { SEEN, SEEN_DIVIDED } from './seen.ts'
import type { Seen } from './seen.ts'
import { GUARD_NAMES } from './world.ts'
import type { GuardName, Options } from './world.ts'

/** Rare branches need so many seeds before their absence says something. */
const SEEN_NEEDS_SEEDS = 100
const PROCESSES = 2

export type Summary = { readonly outcomes: readonly Outcome[]; readonly seen: Readonly<Record<Seen, number>>; readonly never: readonly Seen[]; readonly wallMs: number }

export function summarise(outcomes: readonly Outcome[], wallMs: number): Summary {
  const seen = Object.fromEntries([...SEEN, ...SEEN_DIVIDED].map((what) => [what, outcomes.reduce((sum, outcome) => sum + (outcome.seen[what] ?? 0), 0)])) as Record<Seen, number>
  return { outcomes: outcomes.toSorted((a, b) => a.seed - b.seed), seen, never: outcomes.length >= SEEN_NEEDS_SEEDS ? SEEN.filter((what) => seen[what] === 0) : [], wallMs }
}

/** Seeds `from`, `from` + 1, … in two processes; each takes the next one when it is free. Stops early when `until` says so. */
export async function simulateMany(options: Omit<Options, 'seed'> & { from: number; seeds: number }, until: (outcome: Outcome) => boolean = () => false): Promise<Summary> {
  const startedAt = performance.now(), outcomes: Outcome[] = []
  let next = options.from, stop = false
  const { from, seeds, ...rest } = options
  await Promise.all(Array.from({ length: Math.min(PROCESSES, seeds) }, () => new Promise<void>((resolve, reject) => {
    const worker = fork(fileURLToPath(import.meta.url), [], { env: { ...process.env, LUMARIS_SIM_WORKER: '1' }, execArgv: [] })
    const give = () => { if (stop || next >= from + seeds) worker.disconnect(); else worker.send({ ...rest, seed: next++ }) }
    worker.on('message', (outcome: Outcome) => {
      outcomes.push(outcome)
      if (until(outcome)) stop = true
      if (process.stdout.isTTY) process.stdout.write(`\r${outcomes.length}/${seeds} seeds, ${outcomes.filter((one) => one.violation).length} violations `)
      give()
    })
    worker.on('error', reject)
    worker.on('exit', (code) => { if (code) reject(new Error(`a worker of the simulator ended with ${code}`)); else resolve() })
    give()
  })))
  if (process.stdout.isTTY) process.stdout.write('\r')
  return summarise(outcomes, performance.now() - startedAt)
}

function report(outcome: Outcome, command: string): void {
  if (!outcome.violation) return
  process.stdout.write(`\nseed ${outcome.seed}: ${outcome.violation.message}\n${outcome.violation.trace.join('\n')}\nplay it again: ${command} --seed ${outcome.seed}\n`)
}

function reportAll(summary: Summary, hours: number): void {
  const { outcomes } = summary
  const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((total, outcome) => total + of(outcome), 0)
  process.stdout.write(`\n${outcomes.length} seeds of ${hours} h of storm: ${(sum((one) => one.simulatedMs) / 86_400_000).toFixed(1)} simulated days, ${sum((one) => one.steps).toLocaleString('en')} events, ${
    sum((one) => one.jobs).toLocaleString('en')} jobs, ${sum((one) => one.attempts).toLocaleString('en')} attempts, ${sum((one) => one.entries).toLocaleString('en')} entries, ${
    outcomes.filter((one) => one.violation).length} violations, ${(summary.wallMs / 1000).toFixed(1)} s\n`)
  for (const [what, count] of Object.entries(summary.seen)) process.stdout.write(`  ${count.toString().padStart(9)}  ${what}\n`)
  if (summary.never.length > 0) process.stdout.write(`never seen, so not tested: ${summary.never.join(', ')}\n`)
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: {
    seed: { type: 'string' }, seeds: { type: 'string' }, from: { type: 'string', default: '1' }, hours: { type: 'string', default: '2' }, steps: { type: 'string' }, mutate: { type: 'string' },
    json: { type: 'string' }, machines: { type: 'string' }, buyers: { type: 'string' }, survivors: { type: 'boolean', default: false }, divided: { type: 'boolean', default: false },
  } })
  const without = (values.mutate?.split(',') ?? []) as GuardName[]
  const unknown = without.filter((name) => !GUARD_NAMES.includes(name))
  if (unknown.length > 0) { process.stderr.write(`no such guard: ${unknown.join(', ')}; there are ${GUARD_NAMES.join(', ')}\n`); return 2 }
  const hours = Number(values.hours)
  const options = {
    hours, without, ...(values.divided ? { divided: true } : {}), ...(values.steps ? { stepsMax: Number(values.steps) } : {}), ...(values.machines ? { machines: Number(values.machines) } : {}), ...(values.buyers ? { buyers: Number(values.buyers) } : {}),
  }
  const more = (['hours', 'mutate', 'machines', 'buyers'] as const).flatMap((name) => (values[name] !== undefined && !(name === 'hours' && hours === 2) ? [`--${name} ${values[name]}`] : []))
  if (values.divided) more.push('--divided')
  const command = ['npm run sim --', ...more].join(' ')
  const startedAt = performance.now()
  const summary = values.seeds === undefined
    ? summarise([simulate({ ...options, seed: Number(values.seed ?? '1') })], performance.now() - startedAt)
    : await simulateMany({ ...options, from: Number(values.from), seeds: Number(values.seeds) }, (outcome) => values.survivors && outcome.violation !== null)
  const broken = summary.outcomes.filter((outcome) => outcome.violation !== null)
  for (const outcome of broken.slice(0, 3)) report(outcome, command)
  reportAll(values.divided ? { ...summary, never: [] } : summary, hours)
  if (broken.length > 0) process.stdout.write(`broken: ${broken.map((outcome) => `${outcome.seed} (${outcome.violation?.invariant})`).join(', ')}\n`)
  if (values.json) writeFileSync(values.json, JSON.stringify(summary, null, 1))
  // Where every job is of one kind, much is not met.
  return broken.length > 0 || (summary.never.length > 0 && !values.divided) ? 1 : 0
}

if (process.env.LUMARIS_SIM_WORKER === '1' && process.send) process.on('message', (options: Options) => process.send?.(simulate(options)))
else if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main()
