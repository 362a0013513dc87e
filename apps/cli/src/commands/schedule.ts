// `lumaris schedule`: a job at the times of a cron, decided by the market's clock; nothing here has to keep running.
import type { Command } from 'commander'
import { Option } from 'commander'
import type { Firing, Schedule } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { uploadInputs } from '../inputs.ts'
import { REASON, asIs, parseAmount } from '../parse.ts'
import { addSpecOptions, specOf, withInputs } from '../spec-options.ts'
import type { SpecOptions } from '../spec-options.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import { stamp } from '../ui/time.ts'

type AddOptions = SpecOptions & { cron: string; timeZone?: string; cap?: bigint; budget?: bigint; overlap?: 'skip' | 'allow' }

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', `Examples:
  lumaris schedule add --cron '0 3 * * *' --time-zone Europe/Berlin --runtime python -- python3 nightly.py
  lumaris schedule add --cron @hourly --spec job.json --cap 0.5 --budget 20
  lumaris schedule list
  lumaris schedule pause sch_01jcd3k8w9e5r7t2y4u6p8a0sd
`)
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  addSpecOptions(sub('add', 'a new schedule'))
    .addOption(new Option('--cron <times>', 'minute, hour, day of the month, month, weekday; or @hourly, @daily, @weekly, @monthly').argParser(asIs).makeOptionMandatory())
    .option('--time-zone <zone>', 'whose clock that is, such as Europe/Berlin (this machine’s)', asIs)
    .option('--cap <credits>', 'the most one firing may cost (what the market estimates now)', parseAmount)
    .option('--budget <credits>', 'the most all firings together may cost', parseAmount)
    .addOption(new Option('--overlap <rule>', 'while the last one runs: leave a firing out (skip), or run beside it').choices(['skip', 'allow']))
    .addHelpText('after', '\nWhat was missed while the market stood still is made up for once, by the newest. Where clocks change: a time that a day does not have comes when the clock has jumped, one that it has twice comes the first time.')
    .action(withContext(add))
  sub('list', 'my schedules, and what became of the last firing').action(withContext(list))
  sub('show', 'a schedule and its last firings').argument('<schedule>', 'its id').action(withContext(async (context: Context, id: string) => show(context, await (await context.client()).api.getSchedule({ params: { schedule: id } }))))
  sub('pause', 'no more firings until it is resumed').argument('<schedule>', 'its id').option(...REASON).action(withContext(async (context: Context, id: string, { reason }: { reason?: string }) => show(context, await (await context.client()).api.pauseSchedule({ params: { schedule: id }, body: { reason } }))))
  sub('resume', 'fire again, from the next moment on').argument('<schedule>', 'its id').option(...REASON).action(withContext(async (context: Context, id: string, { reason }: { reason?: string }) => show(context, await (await context.client()).api.resumeSchedule({ params: { schedule: id }, body: { reason } }))))
  sub('remove', 'end it; jobs that it made go on').argument('<schedule>', 'its id').option(...REASON).action(withContext(async (context: Context, id: string, { reason }: { reason?: string }) => { await (await context.client()).api.removeSchedule({ params: { schedule: id }, body: { reason } }); context.note('Removed.') }))
}

async function add(context: Context, words: string[], options: AddOptions): Promise<void> {
  const { spec: local, files, refereeFiles } = await specOf(context, words, options)
  const client = await context.client(), progress = context.progress(), { signal, stop } = context.interruptible()
  try {
    const spec = withInputs(local, await uploadInputs(client, files, { progress, signal }), await uploadInputs(client, refereeFiles, { progress, signal }))
    progress.phase('Asking the price')
    let cap = options.cap
    if (cap === undefined) {
      const quote = await client.quote(spec, { signal })
      if (quote.nodes === 0) throw new CliError('No node that is there could run it, so nothing says what it may cost', 'Name the most one firing may cost: --cap.', EXIT.failed)
      cap = BigInt(quote.cap)
    }
    const made = await client.api.createSchedule({ body: {
      spec, cron: options.cron, timeZone: options.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone, cap: cap.toString(), ...(spec.name === undefined ? {} : { name: spec.name }),
      ...(options.budget === undefined ? {} : { budget: options.budget.toString() }), ...(options.overlap === undefined ? {} : { overlap: options.overlap }),
    } }, { signal, key: globalThis.crypto.randomUUID() })
    progress.clear()
    if (context.flags.quiet) return await context.write(`${made.id}\n`)
    await show(context, made)
  } finally { progress.stop(); stop() }
}

const becameOf = (firing: Firing | undefined): string => (firing === undefined ? '' : firing.outcome === 'refused' ? `refused: ${(firing.refused ?? '').replaceAll('_', ' ')}` : firing.outcome === 'skipped' ? 'skipped' : firing.state ?? 'running')
const local = (at: number | undefined, timeZone: string): string => (at === undefined ? '' : `${new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' }).format(at)} ${timeZone}`)

const list = async (context: Context): Promise<void> => context.showList((await context.client()).schedules(), [
  { title: 'schedule', value: (one) => one.id }, { title: 'state', value: (one) => one.state, state: true }, { title: 'times', value: (one) => one.cron },
  { title: 'next', value: (one) => stamp(one.nextAt), shown: (one) => local(one.nextAt, one.timeZone) }, { title: 'job', value: (one) => one.name ?? one.spec.command.join(' '), shrinks: true },
  { title: 'last', value: (one) => becameOf(one.firings[0]), shrinks: true }, { title: 'spent and held', value: (one) => amountOf(one.committed), right: true }, { title: 'budget', value: (one) => (one.budget === undefined ? '' : amountOf(one.budget)), right: true }, { title: 'buyer', value: (one) => one.buyer },
], (one) => one.id, 'No schedules.')

async function show(context: Context, one: Schedule): Promise<void> {
  await context.showThing(one, [
    ['schedule', one.id], ['state', one.state], ['name', one.name], ['times', `${one.cron} (${one.timeZone})`], ['next', local(one.nextAt, one.timeZone)], ['command', one.spec.command.join(' ')], ['each at most', creditsOf(one.cap)], ['by an admin', one.admin && `${one.admin.action}: ${one.admin.reason}`],
    ['all at most', one.budget === undefined ? undefined : creditsOf(one.budget)], ['spent and held', creditsOf(one.committed)], ['while one runs', one.overlap === 'skip' ? 'the next is left out' : 'the next runs beside it'],
  ])
  if (context.flags.json || context.flags.jsonLines || context.flags.quiet || one.firings.length === 0) return
  await context.showTable('\nLast firings', one.firings, [
    { title: 'due', value: (firing) => stamp(firing.due), shown: (firing) => local(firing.due, one.timeZone) }, { title: 'outcome', value: (firing) => becameOf(firing), state: true }, { title: 'job', value: (firing) => firing.job },
    { title: 'cost', value: (firing) => (firing.cost === undefined ? '' : amountOf(firing.cost)), right: true }, { title: 'why', value: (firing) => firing.detail, shrinks: true },
  ], '')
}
