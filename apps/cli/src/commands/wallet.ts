import type { Command } from 'commander'
import type { Entry, Wallet } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { parseAmount, parseCount } from '../parse.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import { agoText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.option('--history', 'every movement, newest first').option('--csv', 'every movement as CSV, for spreadsheets').option('-n, --limit <count>', 'so many movements at most', parseCount, 50)
    .addHelpText('before', 'Examples:\n  lumaris wallet\n  lumaris wallet --history -n 200 --json=lines\n  lumaris wallet --csv > movements.csv\n').action(withContext(wallet))
  const auto = command.command('auto-topup').summary('add credits by itself when the wallet is low').description('add credits by itself when the wallet is low')
  auto.option('--below <credits>', 'when less than so much is available', parseAmount).option('--add <credits>', 'add so much', parseAmount).option('--monthly-most <credits>', 'and at most so much in a calendar month (UTC)', parseAmount).option('--off', 'no more')
    .addHelpText('before', 'Examples:\n  lumaris wallet auto-topup\n  lumaris wallet auto-topup --below 5 --add 20 --monthly-most 100\n  lumaris wallet auto-topup --off\n').action(withContext(autoTopup))
}

type AutoOptions = { below?: bigint; add?: bigint; monthlyMost?: bigint; off?: boolean }
async function autoTopup(context: Context, { below, add, monthlyMost, off }: AutoOptions): Promise<void> {
  const { api } = await context.client(), { io, flags } = context, some = below !== undefined || add !== undefined || monthlyMost !== undefined
  if (off) await api.stopAutoTopup()
  else if (some) {
    const { rule } = await api.getAutoTopup(), body = { below: below?.toString() ?? rule?.below, add: add?.toString() ?? rule?.add, monthlyMost: monthlyMost?.toString() ?? rule?.monthlyMost }
    if (body.below === undefined || body.add === undefined || body.monthlyMost === undefined) throw new CliError('It is off: all three are needed', 'Say --below, --add and --monthly-most.', EXIT.usage)
    await api.setAutoTopup({ body: { below: body.below, add: body.add, monthlyMost: body.monthlyMost } })
  }
  const found = await api.getAutoTopup()
  await context.showThing(found, [['tops up', found.rule ? `by ${creditsOf(found.rule.add)} when less than ${creditsOf(found.rule.below)} are available` : 'off'], ['this month', found.rule ? `${creditsOf(found.addedThisMonth)} of at most ${creditsOf(found.rule.monthlyMost)}` : creditsOf(found.addedThisMonth)]])
  if (flags.json || flags.jsonLines || found.runs.length === 0) return
  await context.showTable('Lately', found.runs, [
    { title: 'when', value: (run) => stamp(run.at), shown: (run) => agoText(run.at, io.now()) }, { title: 'available', value: (run) => amountOf(BigInt(run.available)), right: true }, { title: 'what', value: (run) => ({ added: `${creditsOf(run.amount)} added`, limit: 'nothing: the most of the month was reached', refused: `nothing: ${run.refused ?? 'refused'}` })[run.outcome] },
  ], '')
}

async function wallet(context: Context, options: { history?: boolean; csv?: boolean; limit: number }): Promise<void> {
  const client = await context.client(), now = context.io.now()
  if (options.csv) { for await (const piece of client.csv('entries')) await context.write(piece); return }
  if (!options.history) { const found = await client.wallet(); return context.showThing(found, walletFacts(found)) }
  async function* some(): AsyncGenerator<Entry> {
    let left = options.limit
    if (left === 0) return
    for await (const entry of client.entries()) { yield entry; if (--left === 0) return }
  }
  await context.showList(some(), [
    { title: 'when', value: (entry) => stamp(entry.at), shown: (entry) => agoText(entry.at, now) },
    { title: 'what', value: (entry) => entry.kind },
    { title: 'credits', value: (entry) => amountOf(entry.postings.reduce((sum, posting) => sum + BigInt(posting.amount), 0n)), right: true },
    { title: 'from', value: (entry) => entry.postings.map((posting) => posting.from).join(' '), shrinks: true },
    { title: 'to', value: (entry) => entry.postings.map((posting) => posting.to).join(' '), shrinks: true },
    { title: 'job', value: (entry) => entry.job }, { title: 'why', value: (entry) => entry.because?.reason ?? entry.because?.cause ?? entry.because?.state, shrinks: true },
  ], (entry) => entry.id, 'No money has moved yet.')
}

export const walletFacts = (found: Wallet): readonly (readonly [string, string | undefined])[] => [
  ['available', creditsOf(found.available)], ['held for jobs', creditsOf(found.held)], ['spent', creditsOf(found.spent)],
  ['earned, in dispute window', found.pending === '0' ? undefined : creditsOf(found.pending)], ['earned', found.earned === '0' ? undefined : creditsOf(found.earned)],
]
