// `lumaris map`: split, run the parts where there is room, merge. The job's id is enough to go on from anywhere: `--resume`, and `lumaris retry` for what failed.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { Option } from 'commander'
import type { Job, JobSpecInput, MergeInput, ResultFile } from '@lumaris/protocol'
import { isInBytes, workOf } from '@lumaris/protocol'
import { createMapProgress, newJobId } from '@lumaris/sdk'
import type { Client, MapOptions, MapPart, MapRun } from '@lumaris/sdk'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { findInputs, uploadInputs } from '../inputs.ts'
import { BY, mapInputOf } from '../map-input.ts'
import type { InputOptions } from '../map-input.ts'
import { saveResults } from '../outputs.ts'
import { asIs, collect, parseAmount, parseCount, parseDuration, parseSize } from '../parse.ts'
import { addSpecOptions, specOf, withInputs } from '../spec-options.ts'
import type { SpecOptions } from '../spec-options.ts'
import { clean } from '../ui/clean.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import type { Progress } from '../ui/progress.ts'
import { durationText, sizeText } from '../ui/time.ts'
import { splitWords } from '../words.ts'

const MERGES = ['lines', 'concat', 'csv', 'json', 'sum', 'min', 'max', 'count', 'sort', 'none'] as const
type MapCommandOptions = SpecOptions & InputOptions & FinishOptions & {
  chunks?: number; chunkSize?: number; targetTime?: number; partsMax?: number; divide?: boolean; merge?: (typeof MERGES)[number]; key?: string[]; numeric?: boolean; reverse?: boolean; reduce?: string[]; fanIn?: number; result?: string; cap?: bigint; keepGoing?: boolean; resume?: string; detach?: boolean
}
export type FinishOptions = { output?: string; overwrite?: boolean }

export function define(command: Command, withContext: WithContext): void {
  addSpecOptions(command)
    .option('-i, --input <file>', 'what to split: a file, a folder, or a pattern in quotes', asIs)
    .addOption(new Option('--by <what>', 'how to cut the file: records are those of its format (by the ending of its name)').choices(BY))
    .option('--no-header', 'the first record of the CSV is one like the others')
    .option('--delimiter <character>', 'between the fields of the CSV (, or a tab for .tsv)', asIs)
    .option('--record-size <bytes>', 'with --by bytes: cut only at multiples of it', parseSize)
    .option('--item <item>', 'a part for this item (repeatable); with --target-time several items to a part, where {} is', collect(asIs))
    .option('--items <file>', 'a part for each line of a file', asIs)
    .option('--range <range>', 'parts of a range: 1..1000, or 0..100..5; {from} and {to} in the command', asIs)
    .option('--grid <axis>', 'a part for each combination: lr=0.1,0.01 or seed=1..5; {lr} in the command (repeatable); with --target-time several to a part, each a word such as lr=0.1,seed=1', collect(asIs))
    .option('--chunks <count>', 'so many parts, as equal as can be', parseCount)
    .option('--chunk-size <size>', 'parts of so many bytes, items or numbers (large ones first, smaller ones towards the end)', parseSize)
    .option('--target-time <time>', 'each part lasts about so long on the node that takes it: cut while it runs (1m)', parseDuration)
    .option('--parts-max <count>', 'so many parts at most, each with its share of the cap (24 for each node)', parseCount)
    .option('--no-divide', 'all parts are planned before anything runs, large ones first')
    .option('--result <file>', 'the file that the program leaves as its result (what it prints)', asIs)
    .addOption(new Option('--merge <how>', 'how the results become one').choices(MERGES))
    .option('-k, --key <column>', 'for sum, min, max and count: the columns that name a row (repeatable)', collect(asIs))
    .option('--numeric', 'for sort: by the number at the beginning of the line').option('--reverse', 'for sort: the greatest first')
    .option('--reduce <command>', 'a program that gets several results as files and prints one; runs on the market too', splitWords)
    .option('--fan-in <count>', 'how many results one run of it gets (16)', parseCount)
    .option('--output <file>', 'where the merged result goes (merged, with a fitting ending)', asIs)
    .option('--overwrite', 'replace it if it is there already')
    .option('--cap <credits>', 'the most that all of it may cost (what the market estimates)', parseAmount)
    .option('--keep-going', 'when a part fails for good, finish the others; lumaris retry repeats what failed')
    .option('--resume <job>', 'go on with a map that was begun before: wait, merge', asIs)
    .option('--detach', 'submit, print the id, and leave')
    .addHelpText('before', `Examples:
  lumaris map --input big.csv --by records --reduce 'python3 sum.py' -- python3 part.py
  lumaris map --input big.csv --merge sum --key year --cap 2 -- python3 part.py {}
  lumaris map --input 'photos/*.jpg' --result out.json --merge json -- ./tag
  lumaris map --grid lr=0.1,0.01 --grid seed=1..5 --merge none -- python3 train.py
  lumaris map --resume job_01jcd3k8w9e5r7t2y4u6p8a0sd
`)
    .addHelpText('after', '\nA part’s file (or its arguments) stands where the command has {}, or at its end. Ctrl-C leaves the map running.')
    .action(withContext(map))
}

async function map(context: Context, words: string[], options: MapCommandOptions): Promise<void> {
  const client = await context.client(), progress = context.progress()
  if (options.resume !== undefined) return finishMap(context, client, await client.openMap(options.resume), options, progress)
  if (options.each || options.out || options.spec !== undefined || options.template !== undefined) throw new CliError('--each, --out, --spec and --template are for lumaris run', 'See lumaris map --help: --item, --result, and the options of a job.', EXIT.usage)
  const input = mapInputOf(options, context.io.cwd), merge = mergeOf(options)
  mustBeFree(context, merge, options)
  const { spec: local, files, refereeFiles } = await specOf(context, words, options)
  const { signal, stop } = context.interruptible()
  let run: MapRun
  try {
    // What was named goes along to both programs; what a command itself names, to that one.
    const own = merge.kind === 'reduce' ? findInputs(options.file ?? [], merge.command, { cwd: context.io.cwd, auto: options.auto }) : []
    const inputs = await uploadInputs(client, files, { progress, signal })
    const reduceInputs = await uploadInputs(client, own, { progress, signal })
    const { command: _command, tasks: _tasks, outputs: _outputs, map: _map, stdout: _stdout, ...shared } = withInputs(local, inputs, await uploadInputs(client, refereeFiles, { progress, signal }))
    const request: MapOptions = {
      ...shared, ...speculating(shared), input, command: local.command, signal, merge: merge.kind === 'reduce' ? { ...merge, inputs: reduceInputs } : merge,
      ...(options.result === undefined ? {} : { result: options.result }), ...(options.chunks === undefined ? {} : { chunks: options.chunks }), ...(options.chunkSize === undefined ? {} : { chunkSize: options.chunkSize }),
      ...dividing(options), ...(options.cap === undefined ? {} : { cap: options.cap }), ...(options.keepGoing ? { onFailure: 'finish' } : {}),
      onPhase: (phase, done, total) => { progress.phase(phase === 'reading' ? 'Looking for the borders of records' : phase === 'uploading' ? 'Uploading the input' : 'Submitting'); if (phase !== 'submitting') progress.at(done, total) },
    }
    const { spec, ...about } = await client.prepareMap(request)
    if (about.notUtf8At !== null) progress.note(context.errorColours.yellow(`The input is not UTF-8 (byte ${about.notUtf8At}); its bytes go to the program as they are`))
    if (about.capped) progress.note(context.errorColours.yellow(`A job has at most 10000 parts: they are larger than asked for`))
    progress.phase('Asking the price')
    const quote = await client.quote(spec, { signal })
    const what = about.records === null ? (about.bytes === null ? '' : ` of ${sizeText(about.bytes)}`) : ` of ${about.records} records`
    progress.note(context.errorColours.dim(`${about.divided ? 'up to ' : ''}${about.parts} parts${what}; about ${amountOf(quote.p50)}, at most ${creditsOf(options.cap ?? quote.cap)}${merge.kind === 'reduce' && options.cap === undefined ? ' and the reducing' : ''}; ${quote.nodesFree} of ${quote.nodes} node${quote.nodes === 1 ? '' : 's'} free`))
    const id = newJobId()
    const job = await client.submit(spec, { id, key: id, signal, noWait: true, ...(options.cap === undefined ? { quote: quote.id } : { cap: options.cap }) })
    run = await client.openMap(job.id)
  } finally { stop(); progress.clear() }
  if (options.detach) return context.write(`${run.job.id}\n`)
  progress.note(context.errorColours.dim(`${run.job.id}; should this end early: lumaris map --resume ${run.job.id}`))
  return finishMap(context, client, run, options, progress)
}

/** Parts that are late are begun a second time, up to a twentieth of the work, unless somebody says otherwise or asks for what has no copies. */
const SPECULATE = 0.05
const speculating = ({ speculate, copies, assurance, gang, interruptible, plan, disconnect, checkpoint }: Partial<JobSpecInput>): { speculate?: number } =>
  (speculate !== undefined || (copies ?? 1) > 1 || assurance || gang || interruptible || plan || checkpoint || disconnect === 'exclusive' ? {} : { speculate: SPECULATE })

function dividing({ divide, targetTime, partsMax }: MapCommandOptions): Pick<MapOptions, 'divide'> {
  if (divide !== false) return targetTime === undefined && partsMax === undefined ? {} : { divide: { targetMs: targetTime, most: partsMax } }
  if (targetTime !== undefined || partsMax !== undefined) throw new CliError('--target-time and --parts-max are for parts that are cut while the map runs', 'Leave --no-divide out, or them.', EXIT.usage)
  return { divide: false }
}

function mergeOf(options: MapCommandOptions): MergeInput {
  const { merge, key, reduce } = options
  if (reduce && merge) throw new CliError('Merge in one way: --merge or --reduce', 'A reduce command prints the one result itself.', EXIT.usage)
  const tables: readonly string[] = ['sum', 'min', 'max', 'count']
  if (key && !(merge && tables.includes(merge))) throw new CliError('--key is for --merge sum, min, max or count', 'Name one of them, or leave --key out.', EXIT.usage)
  if (reduce) return { kind: 'reduce', command: reduce, ...(options.fanIn === undefined ? {} : { fanIn: options.fanIn }) }
  switch (merge) {
    case 'csv': return { kind: 'csv', ...(options.delimiter === undefined ? {} : { delimiter: options.delimiter === '\\t' ? '\t' : options.delimiter }) }
    case 'sum': case 'min': case 'max': case 'count': return { kind: merge, by: key ?? [] }
    case 'sort': return { kind: 'sort', ...(options.numeric ? { numeric: true } : {}), ...(options.reverse ? { reverse: true } : {}) }
    case undefined: return { kind: 'lines' }
    default: return { kind: merge }
  }
}

/** Where the result goes. */
function targetOf(context: Context, merge: MergeInput, options: FinishOptions): string {
  const name = merge.kind === 'none' ? 'parts' : merge.kind === 'csv' ? 'merged.csv' : merge.kind === 'json' ? 'merged.json' : 'merged.txt'
  return resolve(context.io.cwd, options.output ?? name)
}
/** Known before anything is spent. */
function mustBeFree(context: Context, merge: MergeInput, options: FinishOptions): void {
  const target = targetOf(context, merge, options)
  if (!options.overwrite && merge.kind !== 'none' && existsSync(target)) throw new CliError(`${target} exists already`, 'Move it away, choose another place with --output, or add --overwrite.', EXIT.conflict)
}

/** From a map that runs, or has run, to its merged result. Also what `--resume` and `retry` do. */
export async function finishMap(context: Context, client: Client, run: MapRun, options: FinishOptions, progress: Progress, again = false): Promise<void> {
  const { flags, errorColours } = context
  mustBeFree(context, run.plan.merge, options)
  const json = flags.json === true || flags.jsonLines === true
  const leaving = new AbortController()
  const stopListening = context.io.onInterrupt(() => {
    if (leaving.signal.aborted) return context.io.exitNow(EXIT.interrupted)
    leaving.abort(new CliError('Left running', `Go on with it: lumaris map --resume ${run.job.id}; or end it: lumaris cancel ${run.job.id}`, EXIT.interrupted))
  })
  const { signal } = leaving
  try {
    await follow(context, client, run, progress, json, signal)
    const missing = await run.missing({ signal })
    const cost = async (): Promise<string> => `cost ${creditsOf(await run.cost({ signal }))} of at most ${amountOf(run.plan.cap ?? (await capOf(run, signal)))}`
    if (missing.length > 0) {
      const last = (await run.jobs({ signal })).at(-1) as Job
      progress.clear()
      if (json) await context.write(`${JSON.stringify({ type: 'end', job: run.job.id, state: last.state, missing })}\n`)
      else if (!flags.quiet) context.note(await cost())
      throw new CliError(`${missing.length} of ${run.parts} parts have no result${last.cause ? ` (${last.cause.replaceAll('_', ' ')})` : ''}: ${missing.slice(0, 20).join(', ')}${missing.length > 20 ? ', …' : ''}`,
        `lumaris logs ${last.id} shows what they said; lumaris retry ${run.job.id} repeats just them.`, last.state === 'cancelled' ? EXIT.interrupted : last.state === 'expired' ? EXIT.timeout : EXIT.jobFailed)
    }
    const target = targetOf(context, run.plan.merge, options)
    if (run.plan.merge.kind === 'none') return await keepParts(context, client, run, target, options, progress, json, signal)
    progress.phase('Merging')
    const merged = await run.merge(target, { overwrite: options.overwrite, again, signal, onProgress: (done, total, what) => {
      if (what === 'reduce' || context.io.stderr.isTTY) progress.phase(what === 'reduce' ? `Reducing: ${done} of ${total} runs` : `Merging ${done} of ${total} parts`)
    } })
    progress.clear()
    if (json) await context.write(`${JSON.stringify({ type: 'end', job: run.job.id, state: 'completed', merged, cost: (await run.cost({ signal })).toString() })}\n`)
    else if (!flags.quiet) context.note(`${errorColours.green('merged')} ${run.parts} parts into ${clean(target)} (${sizeText(merged.size)}, sha256 ${merged.sha256}); ${await cost()}`)
  } finally { stopListening(); progress.stop() }
}
const capOf = async (run: MapRun, signal: AbortSignal): Promise<bigint> => (await run.jobs({ signal })).reduce((sum, job) => sum + BigInt(job.cap), 0n)

async function follow(context: Context, client: Client, run: MapRun, progress: Progress, json: boolean, signal: AbortSignal): Promise<void> {
  const divided = run.job.spec.divide !== undefined, work = workOf(run.job.spec.tasks), bytes = isInBytes(run.job.spec.tasks)
  const state = createMapProgress(divided ? { total: work.reduce((sum, one) => sum + one, 0) } : work), tty = context.io.stderr.isTTY === true
  const cap = run.plan.cap ?? run.job.cap
  let said = -1
  // The market knows more of its nodes than their events say (docs/benchmarks/split.md); where it cannot be asked, or knows nothing yet, the events have to do.
  let told: { readonly etaMs: number; readonly at: number } | null = null, current = run.job.id, asking = false
  const ask = async (): Promise<void> => {
    if (asking) return
    asking = true
    const found = await client.job(current).then((one) => one.progress?.etaMs, () => undefined)
    told = found === undefined ? null : { etaMs: found, at: context.io.now() }
    asking = false
  }
  const tell = (now: number): void => {
    const { done, failed, running, parts, perMs, etaMs: own, cost, work: all, workDone } = state.at(now), etaMs = own === 0 || told === null ? own : Math.max(0, told.etaMs - (context.io.now() - told.at))
    // On a terminal a line that moves; elsewhere one for each tenth, not one for each part.
    if (!tty) { const tenth = Math.floor((divided ? workDone / all : done / parts) * 10); if (tenth === said) return; said = tenth }
    const rate = perMs === null ? '' : bytes ? ` · ${sizeText(perMs * 1000)}/s` : ` · ${(perMs * 60_000).toFixed(perMs * 60_000 < 10 ? 1 : 0)} ${divided ? 'items' : 'parts'}/min`
    progress.phase(`${tty ? `${divided ? bar(workDone, all) : bar(done, parts)} ` : ''}${divided ? `${Math.floor((100 * workDone) / all)} % in ${done} parts` : `${done} of ${parts} parts`}${running > 0 ? `, ${running} running` : ''}${failed > 0 ? `, ${failed} failed` : ''}${rate}${etaMs === null || etaMs === 0 ? '' : ` · ${durationText(etaMs)} left`} · ${amountOf(cost)} of at most ${creditsOf(cap)}`)
  }
  // What is left is told anew also while nothing happens. The events carry the market's clock, so ours only counts on from the last one.
  let last = run.job.createdAt, seen = context.io.now()
  const timer = tty ? setInterval(() => tell(last + context.io.now() - seen), 500) : null, asks = tty ? setInterval(() => void ask(), ASK_MS) : null
  try {
    tell(last)
    for await (const { event, part, job } of run.watch({ signal })) {
      state.take(event, part)
      current = job.id
      last = event.at
      seen = context.io.now()
      if (json && part !== null && event.type === 'task') await context.write(`${JSON.stringify({ type: 'part', part, state: event.state, job: job.id, cause: event.cause })}\n`)
      tell(last)
    }
  } finally { if (timer) clearInterval(timer); if (asks) clearInterval(asks); progress.clear() }
}
const BAR = 20
/** How often the market is asked how long it still takes. */
const ASK_MS = 2_000
const bar = (done: number, total: number): string => { const filled = Math.floor((done / total) * BAR); return '█'.repeat(filled) + '░'.repeat(BAR - filled) }

/** Parts that stay apart, each in a folder of its own, named by its number over all jobs; of a map that is cut while it runs, by its place in the order of the input, which is known now that all are done. */
async function keepParts(context: Context, client: Client, run: MapRun, target: string, options: FinishOptions, progress: Progress, json: boolean, signal: AbortSignal): Promise<void> {
  const saved: string[] = [], left: string[] = []
  const parts: { part: MapPart; result: ResultFile }[] = [], kept: { directory: string; part: number; range?: MapPart['range']; job: string; task: number }[] = []
  for await (const part of run) if (part.result) parts.push({ part, result: part.result })
  for (const [i, { part, result }] of parts.toSorted((a, b) => a.part.part - b.part.part).entries()) {
    const directory = join(target, `part-${String(part.range ? i : part.part).padStart(5, '0')}`)
    kept.push({ directory, part: part.part, ...(part.range ? { range: part.range } : {}), job: part.job, task: part.task })
    const one = await saveResults(client, { job: run.job.id, tasks: [{ task: part.task, attempt: part.attempt?.id as never, exitCode: 0, files: [result] }] }, { directory, overwrite: options.overwrite === true, patterns: [run.plan.result], progress, signal })
    saved.push(...one.saved, ...one.same)
    for (const { path, why, conflict } of one.left) { left.push(path); progress.note(`${context.errorColours.yellow('not saved')} ${clean(`${directory}/${path}`)}: ${why}`); if (conflict) context.exitCode = EXIT.conflict }
  }
  progress.clear()
  if (json) await context.write(`${JSON.stringify({ type: 'end', job: run.job.id, state: 'completed', saved: saved.length, left: left.length, parts: kept })}\n`)
  else if (!context.flags.quiet) context.note(`${context.errorColours.green('saved')} ${saved.length} of ${run.parts} results below ${clean(target)}; cost ${creditsOf(await run.cost({ signal }))}`)
}
