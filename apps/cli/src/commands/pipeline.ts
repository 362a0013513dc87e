// `lumaris pipeline`: steps from a file, one price for all of them, submitted parents first, and watched until the last has ended.
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { Job, JobEvent } from '@lumaris/protocol'
import type { Client, PipelineJob, PipelineRun } from '@lumaris/sdk'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { findInputs, uploadInputs } from '../inputs.ts'
import { saveResults } from '../outputs.ts'
import { asIs, parseAmount } from '../parse.ts'
import { readDescription } from '../read-description.ts'
import { clean } from '../ui/clean.ts'
import { stateColour } from '../ui/colours.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import type { Progress } from '../ui/progress.ts'
import { durationText } from '../ui/time.ts'

type PipelineCommandOptions = { cap?: bigint; resume?: string; detach?: boolean; output?: string; overwrite?: boolean }

export function define(command: Command, withContext: WithContext): void {
  command
    .argument('<file>', 'the steps, as JSON or YAML')
    .option('--cap <credits>', 'the most that all steps together may cost', parseAmount)
    .option('--resume <pipeline>', 'go on with one that was begun before: pip_…', asIs)
    .option('--detach', 'submit, print the id, and leave')
    .option('--output <folder>', 'fetch the files of the steps that no other needs, each into a folder of its name', asIs)
    .option('--overwrite', 'replace files that are there already')
    .addHelpText('before', `Examples:
  lumaris pipeline nightly.json
  lumaris pipeline nightly.json --cap 2 --output results
  lumaris pipeline nightly.json --resume pip_01jcd3k8w9e5r7t2y4u6p8a0sd

A file:
  { "name": "nightly", "steps": [
      { "name": "fetch", "runtime": "python", "files": ["fetch.py"], "command": ["python3", "fetch.py"] },
      { "name": "train", "needs": [{ "step": "fetch", "inputs": [{ "from": "*.csv", "to": "data" }] }], "command": ["./train", "data"] } ] }
or, in a file that ends in .yaml:
  name: nightly
  steps:
    - { name: fetch, runtime: python, files: [fetch.py], command: [python3, fetch.py] }
    - { name: train, needs: [{ step: fetch, inputs: [{ from: "*.csv", to: data }] }], command: [./train, data] }
`)
    .addHelpText('after', '\nA step is a job (as lumaris run --spec takes it) with a name. A need that is only a name is an order; with inputs it brings files along. Files lie beside the pipeline’s file.')
    .action(withContext(pipeline))
}

async function pipeline(context: Context, file: string, options: PipelineCommandOptions): Promise<void> {
  const path = resolve(context.io.cwd, file), value = await readDescription(context, file, 'See lumaris pipeline --help for what a file looks like.')
  const client = await context.client(), progress = context.progress(), { signal, stop } = context.interruptible()
  let run: PipelineRun
  try {
    run = await client.pipeline(value, {
      id: options.resume, cap: options.cap, signal,
      upload: (step) => uploadInputs(client, findInputs(step.files, [], { cwd: dirname(path), auto: false }), { progress, signal }),
      onPhase: (phase, step) => progress.phase(phase === 'asking' ? `Asking the price of ${step}` : `Submitting ${step}`),
    })
    const fresh = run.steps.filter((step) => !step.there), likely = fresh.reduce((sum, step) => sum + (step.likely ?? step.cap), 0n)
    progress.note(context.errorColours.dim(`${run.steps.length} step${run.steps.length === 1 ? '' : 's'}${fresh.length < run.steps.length ? `, ${run.steps.length - fresh.length} of them submitted before` : ''}; about ${amountOf(likely)}, at most ${creditsOf(run.cap)}`))
    progress.note(context.errorColours.dim(`${run.id}; should this end early: lumaris pipeline ${clean(file)} --resume ${run.id}`))
    await run.submit({ signal })
  } finally { stop(); progress.clear() }
  if (options.detach) return context.write(context.flags.json || context.flags.jsonLines ? `${JSON.stringify({ pipeline: run.id, steps: run.steps.map(({ name, job }) => ({ name, job })) })}\n` : `${run.id}\n`)
  const jobs = await follow(context, run, file, progress)
  if (options.output !== undefined) await save(context, client, run, jobs, options, progress)
  await finish(context, run, jobs)
}

/** A line that moves on a terminal, and one that stays for each step that begins or ends. */
async function follow(context: Context, run: PipelineRun, file: string, progress: Progress): Promise<Job[]> {
  const { flags, errorColours } = context, json = flags.json === true || flags.jsonLines === true
  const leaving = new AbortController(), { signal } = leaving
  const stopListening = context.io.onInterrupt(() => {
    if (signal.aborted) return context.io.exitNow(EXIT.interrupted)
    leaving.abort(new CliError('Left running', `Go on with it: lumaris pipeline ${file} --resume ${run.id}; or end a step, and all that come after it: lumaris cancel JOB`, EXIT.interrupted))
  })
  const states = new Map<string, string>(run.steps.map((step) => [step.name, step.needs.length > 0 ? 'waiting' : 'queued'])), widest = Math.max(...run.steps.map((step) => step.name.length))
  for (const name of run.dropped) {
    states.set(name, 'not run')
    if (json) await context.write(`${JSON.stringify({ type: 'step', step: name, state: 'not_run', cause: 'parent_failed' })}\n`)
    else progress.note(`${name.padEnd(widest)}  not run (parent failed)`)
  }
  let cost = 0n
  const tell = (): void => {
    const count = (state: string): string[] => [...states].flatMap(([name, now]) => (now === state ? [name] : []))
    const running = count('running'), waiting = count('waiting').length + count('queued').length
    progress.phase(`${states.size - running.length - waiting} of ${states.size} steps${running.length > 0 ? `, ${running.slice(0, 5).join(', ')} running` : ''}${waiting > 0 ? `, ${waiting} waiting` : ''} · ${amountOf(cost)} of at most ${creditsOf(run.cap)}`)
  }
  try {
    if (context.io.stderr.isTTY) tell()
    for await (const { step, event } of run.watch({ signal })) {
      if (event.type === 'settled' || event.type === 'displaced') cost += BigInt(event.amount ?? 0)
      const state = stateAfter(event)
      if (state !== null && state !== states.get(step.name)) {
        states.set(step.name, state)
        if (json) await context.write(`${JSON.stringify({ type: 'step', step: step.name, job: step.job, state, ...(event.cause && event.cause !== 'succeeded' ? { cause: event.cause } : {}) })}\n`)
        else if (event.type === 'ended') progress.note(`${step.name.padEnd(widest)}  ${painted(context, state)}${event.cause && event.cause !== 'succeeded' ? ` (${event.cause.replaceAll('_', ' ')})` : ''}  ${creditsOf(event.amount ?? '0')}  ${errorColours.dim(step.job)}`)
        else if (state === 'running' && !context.io.stderr.isTTY) progress.note(`${step.name.padEnd(widest)}  running${event.nodeName ? ` on ${clean(event.nodeName)}` : ''}`)
      }
      if (context.io.stderr.isTTY) tell()
    }
    return await run.jobs({ signal })
  } finally { stopListening(); progress.stop() }
}
const painted = (context: Context, state: string): string => { const colour = stateColour(state); return colour ? context.errorColours[colour](state) : state }
function stateAfter(event: JobEvent): string | null {
  switch (event.type) {
    case 'ended': return event.state
    case 'ready': return 'queued'
    case 'attempt': return event.state === 'running' ? 'running' : null
    default: return null
  }
}

async function save(context: Context, client: Client, run: PipelineRun, jobs: readonly Job[], options: PipelineCommandOptions, progress: Progress): Promise<void> {
  const needed = new Set(run.steps.flatMap((step) => step.needs))
  for (const step of run.steps) {
    const job = jobs.find((one) => one.id === step.job)
    if (needed.has(step.name) || job?.state !== 'completed') continue
    const directory = join(resolve(context.io.cwd, options.output ?? '.'), step.name)
    const { left } = await saveResults(client, await client.results(job.id), { directory, overwrite: options.overwrite === true, patterns: [...job.spec.outputs, ...(job.spec.stdout === undefined ? [] : [job.spec.stdout])], inputs: job.spec.inputs, progress })
    for (const { path, why, conflict } of left) { context.note(`${context.errorColours.yellow('not saved')} ${clean(`${directory}/${path}`)}: ${why}`); if (conflict) context.exitCode = EXIT.conflict }
  }
}

async function finish(context: Context, run: PipelineRun, jobs: readonly Job[]): Promise<void> {
  const cost = jobs.reduce((sum, job) => sum + BigInt(job.cost), 0n), bad = jobs.filter((job) => job.state !== 'completed')
  const began = Math.min(...jobs.map((job) => job.createdAt)), ended = Math.max(...jobs.map((job) => job.endedAt ?? 0))
  if (context.flags.json || context.flags.jsonLines) await context.write(`${JSON.stringify({ type: 'end', pipeline: run.id, state: bad.length === 0 ? 'completed' : 'failed', cost: cost.toString(), steps: run.steps.map((step) => { const job = jobs.find((one) => one.id === step.job); return job ? { step: step.name, job: job.id, state: job.state, ...(job.cause ? { cause: job.cause } : {}), cost: job.cost } : { step: step.name, state: 'not_run' } }) })}\n`)
  else if (!context.flags.quiet) context.note(`${bad.length === 0 ? context.errorColours.green('completed') : context.errorColours.red('failed')} ${jobs.length - bad.length} of ${run.steps.length} steps in ${durationText(ended - began)}; cost ${creditsOf(cost)} of at most ${amountOf(run.cap)}`)
  if (bad.length === 0) return
  // What failed by itself, not what only came after it.
  const first = bad.find((job) => job.cause !== 'parent_failed') ?? (bad[0] as Job), name = nameOf(run.steps, first)
  throw new CliError(`Step "${name}" ended as ${first.state}${first.cause ? ` (${first.cause.replaceAll('_', ' ')}${first.exitCode ? `, exit code ${first.exitCode}` : ''})` : ''}${first.detail ? `: ${first.detail}` : ''}`,
    `lumaris logs ${first.id} shows what it said; what comes after it did not run.`, first.state === 'cancelled' ? EXIT.interrupted : first.state === 'expired' ? EXIT.timeout : EXIT.jobFailed)
}
const nameOf = (steps: readonly PipelineJob[], job: Job): string => steps.find((step) => step.job === job.id)?.name ?? job.id
