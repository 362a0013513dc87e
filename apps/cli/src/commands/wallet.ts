import type { Command } from 'commander'
import type { Entry, Wallet } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { parseCount } from '../parse.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import { agoText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.option('--history', 'every movement, newest first').option('--csv', 'every movement as CSV, for spreadsheets').option('-n, --limit <count>', 'so many movements at most', parseCount, 50)
    .addHelpText('before', 'Examples:\n  lumaris wallet\n  lumaris wallet --history -n 200 --json=lines\n  lumaris wallet --csv > movements.csv\n').action(withContext(wallet))
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
    { title: 'job', value: (entry) => entry.job },
  ], (entry) => entry.id, 'No money has moved yet.')
}

export const walletFacts = (found: Wallet): readonly (readonly [string, string | undefined])[] => [
  ['available', creditsOf(found.available)], ['held for jobs', creditsOf(found.held)], ['spent', creditsOf(found.spent)],
  ['earned, in dispute window', found.pending === '0' ? undefined : creditsOf(found.pending)], ['earned', found.earned === '0' ? undefined : creditsOf(found.earned)],
]
