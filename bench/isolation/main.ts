// `npm run bench:isolation`: every driver that works here beside the tool it stands on, started by hand, round after round in one run.
//   node tools/run.mjs bench/isolation/main.ts [--rounds N] [--only bwrap,qemu] [--out FILE] [--table FILE]
//
//   first line   from the order (driver.start, or the spawn of the tool) to the first line of the program
//   end          from the kill to the report that everything is gone, files home and all
//   memory       what the control group charges while the program sleeps, less the same program without a wall
//   compute      time of the same loop without a wall, divided by the time inside: 1 is as fast as native
//   a call       microseconds of the cheapest system call
//   in budget    at most 10 ms or 15 % more than the tool; where a process or a machine is kept warm, at most the time in WARM_MS
//
// Each driver three times: taken from what stands ready, as for a job whose like was run before; `first`, with a disk of a size that no job had; and `cold`, where nothing stands ready. Nothing else runs meanwhile:
// before each start all that is to stand ready does.
import { setTimeout as sleep } from 'node:timers/promises'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { describeCommit, describeMachine } from '../peers/report.ts'
import { createSubjects } from './subjects.ts'
import type { Program, Running, Subject } from './subjects.ts'

const SLEEPERS: Record<'sh' | 'python' | 'javascript', Program> = {
  sh: { runtime: 'native', command: ['/bin/sh', '-c', 'echo up; exec sleep 600'] },
  python: { runtime: 'native', command: ['/usr/bin/python3', '-S', '-c', 'import time; print("up", flush=True); time.sleep(600)'] },
  javascript: { runtime: 'javascript', command: ['main.js'], files: { 'main.js': 'console.log("up"); setInterval(() => {}, 1e6)' } },
}
const PYTHON_CRUNCH = `
import time, os, json
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
a = time.perf_counter(); fib(23); b = time.perf_counter()
for _ in range(5000): os.getppid()
c = time.perf_counter()
print(json.dumps({'loopMs': (b - a) * 1e3, 'callUs': (c - b) / 5000 * 1e6}))`
const JAVASCRIPT_CRUNCH = 'const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2)); fib(20); const a = performance.now(); fib(31); const b = performance.now(); console.log(JSON.stringify({ loopMs: b - a, callUs: null }))'
const CRUNCHERS: Record<'python' | 'pyodide' | 'javascript', Program> = {
  python: { runtime: 'native', command: ['/usr/bin/python3', '-S', '-c', PYTHON_CRUNCH] },
  pyodide: { runtime: 'python', command: ['main.py'], files: { 'main.py': PYTHON_CRUNCH } },
  javascript: { runtime: 'javascript', command: ['main.js'], files: { 'main.js': JAVASCRIPT_CRUNCH } },
}
const PYODIDE_SLEEPER: Program = { runtime: 'python', command: ['main.py'], files: { 'main.py': 'import time; print("up", flush=True); time.sleep(600)' } }

/** To the first line, where what is slow was done before: a copy of a machine that was started, Python from a snapshot of its memory. */
const WARM_MS: Readonly<Record<string, number>> = { qemu: 250, 'deno, javascript': 5, 'deno inside bwrap, javascript': 5, 'deno first, javascript': 5, 'deno inside bwrap first, javascript': 5, 'deno inside bwrap first, python (Pyodide)': 400, 'deno inside bwrap, python (Pyodide)': 400, 'deno inside bwrap cold, python (Pyodide)': 400 }

type Row = { readonly name: string; readonly program: string; readonly driver: Subject; readonly tool: Subject | null; readonly sleeper: Program; readonly cruncher: Program | null; readonly bare: Subject | null; readonly bareCruncher: Program | null }
type Sample = { startMs: number; spawnedMs: number; endMs: number; memoryMib: number }
type Figures = { start: number[]; spawned: number[]; end: number[]; memory: number[]; loop: number[]; call: number[] }

const median = (values: readonly number[]): number => { const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b); return sorted.length === 0 ? Number.NaN : ((sorted[(sorted.length - 1) >> 1] as number) + (sorted[sorted.length >> 1] as number)) / 2 }
const firstLine = (running: Running): Promise<string> => new Promise((resolve, reject) => {
  let text = ''
  running.stdout.on('data', (chunk) => { text += String(chunk); const at = text.indexOf('\n'); if (at >= 0) resolve(text.slice(0, at)) })
  void running.end.then(({ says }) => reject(new Error(`it ended without a word: ${says}`)))
})
/** What is charged once it sleeps: two readings alike. */
async function steady(running: Running): Promise<number> {
  let last = -1
  for (let i = 0; i < 20; i++) { await sleep(25); const now = await running.memoryBytes(); if (Number.isNaN(now) || now === last) return now; last = now }
  return last
}
async function sample(subject: Subject, program: Program): Promise<Sample> {
  const from = performance.now()
  const running = await subject.start(program), spawned = performance.now()
  await firstLine(running)
  const up = performance.now(), memory = await steady(running), stopping = performance.now()
  await running.stop()
  return { startMs: up - from, spawnedMs: spawned - from, endMs: performance.now() - stopping, memoryMib: memory / 2 ** 20 }
}
async function countedMib(subject: Subject, program: Program): Promise<number> {
  if (!subject.startCounted) return Number.NaN
  const running = await subject.startCounted(program)
  await firstLine(running)
  const memory = await steady(running)
  await running.stop()
  return memory / 2 ** 20
}
async function crunch(subject: Subject, program: Program): Promise<{ loopMs: number; callUs: number | null }> {
  const running = await subject.start(program)
  const line = await firstLine(running)
  await running.end
  return JSON.parse(line) as { loopMs: number; callUs: number | null }
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' }, only: { type: 'string' }, out: { type: 'string' }, table: { type: 'string' } } })
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number of 1 or more')
const out = resolve(values.out ?? join(import.meta.dirname, '..', '..', '.lumaris', 'bench', 'isolation.json'))
const machine = describeMachine(), commit = describeCommit(), at = new Date().toISOString()
const { native, plainDeno, pairs, missing, settled, close } = await createSubjects(values.only === undefined ? undefined : (name) => (values.only ?? '').split(',').includes(name))
const rows: Row[] = []
for (const { driver, tool, speaks } of pairs) {
  if (values.only !== undefined && !values.only.split(',').includes(driver.name)) continue
  for (const language of speaks) {
    const isNative = !speaks.includes('javascript')
    if (language === 'sh') rows.push({ name: driver.name, program: 'sh', driver, tool, sleeper: SLEEPERS.sh, cruncher: null, bare: native, bareCruncher: null })
    if (language === 'python' && isNative) rows.push({ name: driver.name, program: 'python', driver, tool, sleeper: SLEEPERS.python, cruncher: CRUNCHERS.python, bare: native, bareCruncher: CRUNCHERS.python })
    // Pyodide has no tool that one would start by hand; its speed is told against the machine's own Python.
    if (language === 'python' && !isNative) rows.push({ name: driver.name, program: 'python (Pyodide)', driver, tool: null, sleeper: PYODIDE_SLEEPER, cruncher: CRUNCHERS.pyodide, bare: null, bareCruncher: null })
    if (language === 'javascript') rows.push({ name: driver.name, program: 'javascript', driver, tool, sleeper: SLEEPERS.javascript, cruncher: CRUNCHERS.javascript, bare: plainDeno, bareCruncher: CRUNCHERS.javascript })
  }
}

const figures = new Map<string, Figures>()
const into = (key: string): Figures => { let found = figures.get(key); if (!found) figures.set(key, (found = { start: [], spawned: [], end: [], memory: [], loop: [], call: [] })); return found }
const measureOne = async (key: string, subject: Subject, sleeper: Program, cruncher: Program | null, primed: boolean): Promise<void> => {
  // Drivers keep places for the last four kinds of job, and there are more rows than that: its like has run just before, as on a node that has work of this kind.
  if (primed) await sample(subject, sleeper)
  await settled()
  const found = into(key), one = await sample(subject, sleeper)
  found.start.push(one.startMs); found.spawned.push(one.spawnedMs); found.end.push(one.endMs)
  found.memory.push(subject.startCounted ? await countedMib(subject, sleeper) : one.memoryMib)
  if (cruncher) { const { loopMs, callUs } = await crunch(subject, cruncher); found.loop.push(loopMs); found.call.push(callUs ?? Number.NaN) }
}
const keyOf = (subject: Subject, program: string): string => `${subject.name}, ${program}`
try {
  for (let round = -1; round < rounds; round++) { // the first warms caches and is not counted
    process.stderr.write(`isolation: round ${round + 1} of ${rounds}\n`)
    const done = new Set<string>()
    const once = async (subject: Subject, program: string, sleeper: Program, cruncher: Program | null, primed = false): Promise<void> => {
      const key = keyOf(subject, program)
      if (done.has(key)) return
      done.add(key)
      await measureOne(key, subject, sleeper, cruncher, primed)
    }
    for (const row of rows) {
      if (row.bare) await once(row.bare, row.program, row.sleeper, row.bareCruncher)
      if (row.tool) await once(row.tool, row.program, row.sleeper, row.cruncher)
      await once(row.driver, row.program, row.sleeper, row.cruncher, true)
    }
    if (round === -1) figures.clear()
  }
} finally { await close() }

const lowest = (values: readonly number[]): number => (values.length === 0 ? Number.NaN : Math.min(...values))
/** The median, and the lowest. */
const both = (middle: number, least: number): string => (Number.isNaN(middle) ? '–' : `${middle.toFixed(middle < 20 ? 1 : 0)} (${least.toFixed(least < 20 ? 1 : 0)})`)
const digits = (value: number, count = 0): string => (Number.isNaN(value) ? '–' : value.toFixed(count))
type Line = { driver: string; program: string; version: string; startMs: number; lowestMs: number; preparedMs: number; toolMs: number; toolLowestMs: number; overheadMs: number; overheadShare: number; withinBudget: boolean | null; endMs: number; toolEndMs: number; memoryMib: number; toolMemoryMib: number; computeRatio: number; callUs: number; bareCallUs: number }
const nativePython = (): Figures => into(keyOf(native, 'python'))
const lines: Line[] = rows.map((row) => {
  const mine = into(keyOf(row.driver, row.program)), tool = row.tool ? into(keyOf(row.tool, row.program)) : null, bare = row.bare ? into(keyOf(row.bare, row.program)) : row.program.startsWith('python') ? nativePython() : null
  const startMs = median(mine.start), toolMs = tool ? median(tool.start) : Number.NaN, overheadMs = startMs - toolMs, bareMemory = row.bare ? median(into(keyOf(row.bare, row.program)).memory) : 0
  const warmMs = WARM_MS[`${row.name}, ${row.program}`] ?? WARM_MS[row.name]
  return {
    driver: row.name, program: row.program, version: row.driver.version, startMs, lowestMs: lowest(mine.start), preparedMs: median(mine.spawned), toolMs, toolLowestMs: lowest(tool?.start ?? []), overheadMs, overheadShare: overheadMs / toolMs, withinBudget: warmMs !== undefined ? startMs <= warmMs : tool ? overheadMs <= 10 || overheadMs / toolMs <= 0.15 : null,
    endMs: median(mine.end), toolEndMs: tool ? median(tool.end) : Number.NaN, memoryMib: median(mine.memory) - bareMemory, toolMemoryMib: tool ? median(tool.memory) - bareMemory : Number.NaN,
    computeRatio: bare && mine.loop.length > 0 ? median(bare.loop) / median(mine.loop) : Number.NaN, callUs: median(mine.call), bareCallUs: bare ? median(bare.call) : Number.NaN,
  }
})
const bares = [...new Set(rows.flatMap((row) => (row.bare ? [keyOf(row.bare, row.program)] : [])))]
const table = [
  `${at.slice(0, 10)}, commit ${commit}, medians of ${rounds}, one after the other in rotation. ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, Linux ${/^\d+\.\d+/.exec(machine.kernel)?.[0] ?? ''}, Node ${machine.node}, load average ${machine.loadAverage.toFixed(1)} before the run.`, '',
  '| driver | program | first line, ms (lowest) | until spawned | the tool by hand (lowest) | ours on top | in budget | end, ms | the tool\'s | memory, MiB | the tool\'s | compute | a call, µs |', '|---|---|---|---|---|---|---|---|---|---|---|---|---|',
  ...lines.map((line) => `| ${line.driver} (${line.version}) | ${line.program} | ${both(line.startMs, line.lowestMs)} | ${digits(line.preparedMs, 1)} | ${both(line.toolMs, line.toolLowestMs)} | ${Number.isNaN(line.overheadMs) ? '–' : `${digits(line.overheadMs)} (${digits(line.overheadShare * 100)} %)`} | ${line.withinBudget === null ? '–' : line.withinBudget ? 'yes' : 'no'} | ${digits(line.endMs)} | ${digits(line.toolEndMs)} | ${digits(line.memoryMib, 1)} | ${digits(line.toolMemoryMib, 1)} | ${Number.isNaN(line.computeRatio) ? '–' : `${digits(line.computeRatio, 2)} ×`} | ${digits(line.callUs, 1)} |`),
  '', `Without a wall: ${bares.map((key) => { const one = into(key); return `${key.replace('no wall at all, ', '')} ${digits(median(one.start))} ms to the first line, ${digits(median(one.end))} ms to the end${Number.isNaN(median(one.call)) ? '' : `, ${digits(median(one.call), 2)} µs a call`}` }).join('; ')}.`,
  ...(missing.length > 0 ? ['', `Not measured: ${missing.join('; ')}.`] : []), '',
].join('\n')
mkdirSync(dirname(out), { recursive: true })
writeFileSync(out, `${JSON.stringify({ what: 'isolation', at, commit, machine, rounds, lines, missing, figures: Object.fromEntries(figures) }, null, 2)}\n`)
if (values.table) writeFileSync(resolve(values.table), table)
process.stdout.write(table)
