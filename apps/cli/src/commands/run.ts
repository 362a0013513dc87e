// `lumaris run`: upload, submit, show the output as it comes, bring the files home, and end as the program ended.
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Command } from 'commander'
import type { Job, JobEvent, JobSpecInput, Quote } from '@lumaris/protocol'
import { isLumarisError, newJobId } from '@lumaris/sdk'
import type { Client, Followed } from '@lumaris/sdk'
import type { WithContext } from '../cli.ts'
import { canAsk } from '../context.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { uploadInputs } from '../inputs.ts'
import { saveResults } from '../outputs.ts'
import type { Saved } from '../outputs.ts'
import { asIs, parseAmount } from '../parse.ts'
import { addPlanOptions, addSpecOptions, secretsOf, specOf, withInputs, withPlan } from '../spec-options.ts'
import type { PlanOptions, SpecOptions } from '../spec-options.ts'
import { clean } from '../ui/clean.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import { planLine } from '../ui/plan.ts'
import type { Progress } from '../ui/progress.ts'
import { durationText } from '../ui/time.ts'

type RunOptions = SpecOptions & PlanOptions & { output: string; overwrite?: boolean; download: boolean; cap?: bigint; queue?: boolean }

export function define(command: Command, withContext: WithContext): void {
  addPlanOptions(addSpecOptions(command))
    .option('--output <folder>', 'where the files of the job go', asIs, '.')
    .option('--overwrite', 'replace files that are there already')
    .option('--no-download', 'leave the files on the market: lumaris results fetches them')
    .option('--cap <credits>', 'the most it may cost (what the market estimates)', parseAmount)
    .option('--queue', 'wait even if no node that is there could run it')
    .addHelpText('before', `Examples:
  lumaris run --runtime python -- python3 analyse.py data.csv      files that the command names go along
  lumaris run --cpus 2 --memory 512MiB --file data.csv -- ./crunch data.csv
  lumaris run --by 18:00 --for 12 --expect 3h --checkpoint state.bin -- ./train     cheap while there is time, firm when there is not
  lumaris run --runtime python --each 2012 --each 2013 -- python3 year.py     a task for each, side by side
`)
    .addHelpText('after', '\nThe program’s output goes to the same streams, unchanged. Ctrl-C asks whether to cancel the job or to leave it running.')
    .action(withContext(run))
}

async function run(context: Context, words: string[], options: RunOptions): Promise<void> {
  const { spec: bare, files, refereeFiles } = await specOf(context, words, withPlan(options)), { spec: local, secrets } = secretsOf(context, bare, options.secret)
  const client = await context.client()
  const progress = context.progress()
  const before = context.interruptible()
  let spec: JobSpecInput, job: Job
  try {
    const inputs = await uploadInputs(client, files, { progress, signal: before.signal })
    spec = withInputs(local, inputs, await uploadInputs(client, refereeFiles, { progress, signal: before.signal }))
    job = await submit(context, client, spec, options, { progress, signal: before.signal, secrets })
  } finally { before.stop(); progress.clear() }

  const end = await follow(context, client, job, progress)
  if (end === 'detached') return
  const { job: ended, results } = await client.wait(job.id)
  let saved: Saved | null = null
  if (options.download && results) {
    saved = await saveResults(client, results, { directory: resolve(context.io.cwd, options.output), overwrite: options.overwrite === true, patterns: [...(spec.outputs ?? ['**']), ...(spec.stdout === undefined ? [] : [spec.stdout])], inputs: spec.inputs, progress })
  }
  await finish(context, ended, results, saved)
}

/** Asks the price first: what it says is shown, and a job that no node can run fails now instead of in a queue. */
async function submit(context: Context, client: Client, spec: JobSpecInput, options: RunOptions, more: { progress: Progress; signal: AbortSignal; secrets: Record<string, string> | undefined }): Promise<Job> {
  const { progress, signal, secrets } = more
  progress.phase('Asking the price')
  let quote: Quote | null = null
  try { quote = await client.quote(spec, { signal, cap: options.for }) } catch (error) {
    if (!(isLumarisError(error, 'no_node_fits') && options.queue)) throw error
  }
  if (quote && !context.flags.quiet) progress.note(context.errorColours.dim(`About ${amountOf(quote.p50)}, at most ${creditsOf(options.cap ?? quote.cap)}; ${quote.nodesFree} of ${quote.nodes} node${quote.nodes === 1 ? '' : 's'} free${planLine(quote)}`))
  progress.phase('Submitting')
  const id = newJobId()
  return client.submit(spec, { id, key: id, signal, secrets, noWait: options.queue !== true, ...(options.cap === undefined ? (quote ? { quote: quote.id } : { cap: options.for }) : { cap: options.cap }) })
}

/** Shows events as progress and output as output. Ctrl-C asks; without a terminal it cancels, as it would end a local program. */
async function follow(context: Context, client: Client, job: Job, progress: Progress): Promise<'ended' | 'detached'> {
  const { io, errorColours } = context
  const detach = new AbortController()
  let asking = false, interrupts = 0
  const cancel = (): void => {
    progress.note(errorColours.yellow('Cancelling…'))
    client.cancel(job.id).catch((error: unknown) => { if (!isLumarisError(error, 'job_ended')) progress.note(errorColours.red(`could not cancel: ${(error as Error).message}`)) })
  }
  const stopListening = io.onInterrupt(() => {
    interrupts++
    if (interrupts > 1 || asking) {
      io.stderr.write(`\nThe job goes on. Cancel it with: lumaris cancel ${job.id}\n`)
      return io.exitNow(EXIT.interrupted)
    }
    if (!canAsk(io)) return cancel()
    asking = true
    progress.clear()
    void ask(context, `\nThe job is running. [c]ancel it, [d]etach and leave it running, or Enter to go on? `).then((answer) => {
      asking = false
      interrupts = 0
      if (answer === 'c') cancel()
      else if (answer === 'd') detach.abort()
    })
  })
  const show = showing(context, progress)
  progress.phase('Looking for a node')
  try {
    const copies = job.spec.copies > 1 || job.spec.assurance ? { wants: (attempt: { slot: string }) => attempt.slot.endsWith('.0') } : {}
    for await (const news of client.followJob(job.id, { signal: detach.signal, ...copies })) await show(news)
    return 'ended'
  } catch (error) {
    if (!detach.signal.aborted) throw error
    context.note(`Left running. Follow it with: lumaris logs -f ${job.id}`)
    return 'detached'
  } finally { stopListening(); progress.clear() }
}

async function ask(context: Context, question: string): Promise<string> {
  const lines = createInterface({ input: context.io.stdin, output: context.io.stderr, terminal: false })
  try { return await new Promise<string>((resolve) => { lines.question(question, (answer) => resolve(answer.trim().toLowerCase().slice(0, 1))); lines.once('close', () => resolve('')) }) } finally { lines.close() }
}

function showing(context: Context, progress: Progress): (news: Followed) => Promise<void> {
  const { flags } = context
  const json = flags.json === true || flags.jsonLines === true
  const wrote = new Map<number, string>()
  /** Output of a task that was begun a second time is that of its last try: two at once could not be read. */
  const left = new Set<string>()
  return async (news) => {
    if (json) {
      const { kind } = news
      return context.write(`${JSON.stringify(kind === 'event' ? { type: 'event', event: news.event } : { type: 'log', task: news.task, attempt: news.attempt, stream: news.stream, data: Buffer.from(news.bytes).toString('base64') })}\n`)
    }
    if (news.kind === 'event') return phaseOf(news.event, progress)
    if (left.has(news.attempt)) return
    progress.clear()
    const before = wrote.get(news.task)
    if (before !== undefined && before !== news.attempt) left.add(before)
    if (before !== undefined && before !== news.attempt && !flags.quiet) context.note(context.errorColours.dim('[another node took over; the output begins again]'))
    wrote.set(news.task, news.attempt)
    await context.write(news.bytes, news.stream)
  }
}

function phaseOf(event: JobEvent, progress: Progress): void {
  const where = event.nodeName ? ` on ${clean(event.nodeName)}` : ''
  if (event.type === 'attempt' && event.state === 'offered') progress.phase(`Preparing${where}`)
  else if (event.type === 'attempt' && event.state === 'running') progress.phase(`Running${where}`)
  else if (event.type === 'attempt' && event.cause !== undefined && event.cause !== 'succeeded') progress.phase(`Attempt${where} ended: ${event.cause.replaceAll('_', ' ')}`)
  else if (event.type === 'copy') progress.phase(`Task ${event.task ?? 0} is late${where}: begun a second time elsewhere`)
  else if (event.type === 'fallback') progress.phase(`Looking for a node, with concessions (${event.state})`)
  else if (event.type === 'cancelling') progress.phase('Cancelling')
}

async function finish(context: Context, job: Job, results: unknown, saved: Saved | null): Promise<void> {
  const { flags, errorColours } = context
  context.exitCode = exitOf(job)
  if (flags.json || flags.jsonLines) await context.write(`${JSON.stringify({ type: 'end', job, results, files: saved })}\n`)
  else if (!flags.quiet) {
    for (const place of saved?.saved ?? []) context.note(`${errorColours.green('saved')} ${clean(place)}`)
    context.note(costLine(job))
  }
  for (const { path, why } of saved?.left ?? []) context.note(`${errorColours.yellow('not saved')} ${clean(path)}: ${why}`)
  if (job.state === 'failed' && job.exitCode === null) throw new CliError(`The job failed${job.cause ? `: ${job.cause.replaceAll('_', ' ')}` : ''}`, `lumaris job ${job.id} shows its attempts, lumaris explain ${job.id} what would help.`, EXIT.jobFailed)
  if (job.state === 'expired') throw new CliError('No node was found in time', `lumaris explain ${job.id} says what would help.`, EXIT.timeout)
  if (saved?.left.some((one) => one.conflict)) {
    context.note(`${errorColours.dim('hint:')} fetch them elsewhere: lumaris results ${job.id} --output FOLDER (or --overwrite)`)
    if (context.exitCode === EXIT.ok) context.exitCode = EXIT.conflict
  }
}

export function costLine(job: Job): string {
  const took = job.startedAt !== undefined && job.endedAt !== undefined ? ` in ${durationText(job.endedAt - job.startedAt)}` : ''
  const exit = job.exitCode !== null && job.exitCode !== 0 ? ` with exit code ${job.exitCode}` : ''
  return `${job.id} ${job.state}${exit}${took}; cost ${creditsOf(job.cost)}, ${amountOf(job.refunded)} of the cap of ${amountOf(job.cap)} came back`
}

/** The program's own exit code where there is one. */
function exitOf(job: Job): number {
  if (job.state === 'cancelled') return EXIT.interrupted
  if (job.exitCode !== null && (job.exitCode !== 0 || job.state === 'completed')) return job.exitCode & 255 || (job.exitCode === 0 ? 0 : EXIT.failed)
  return job.state === 'completed' ? EXIT.ok : EXIT.jobFailed
}
