import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Command } from 'commander'
import { checkLedgerFile } from '@lumaris/sdk'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs, parseDuration } from '../parse.ts'
import { addSpan, spanOf } from '../span-options.ts'
import type { SpanOptions } from '../span-options.ts'
import { clean } from '../ui/clean.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import { agoText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris --as admin ledger show\n  lumaris --as admin ledger holds --older 2d\n  lumaris --as admin ledger export --from 2027-01-01 > ledger.jsonl\n  lumaris ledger check ledger.jsonl --platform-key KEY\n')
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  sub('show', 'the trial balance: what each class of accounts holds, and whether all of it holds').action(withContext(show))
  sub('holds', 'what is held for jobs that have not ended, oldest first').option('--older <duration>', 'only what is held for longer', parseDuration, 86_400_000).action(withContext(holds))
  sub('accounts', 'accounts of a class that hold something').argument('<class>', 'such as seller:pending, as ledger show names it').action(withContext(accounts))
  addSpan(sub('export', 'the entries as JSON lines, chained and signed by the market, to standard output (without --from or --since: all of them)')).action(withContext(exportAll))
  sub('check', 'check such a file, without the market').argument('<file>', 'a file, or - for standard input').option('--platform-key <key>', 'the key of the market, known from elsewhere (receipts name it)', asIs).action(withContext(check))
}

async function show(context: Context): Promise<void> {
  const found = await (await context.client()).api.checkLedger()
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  await context.showTable('Trial balance', found.classes, [
    { title: 'accounts', value: (one) => one.class }, { title: 'how many', value: (one) => one.accounts, right: true }, { title: 'went out', value: (one) => amountOf(one.out), right: true }, { title: 'came in', value: (one) => amountOf(one.in), right: true }, { title: 'holds', value: (one) => amountOf(one.balance), right: true },
  ], 'No money has moved yet.')
  await context.showThing(found, [['sum of all', creditsOf(found.sum)], ['postings', found.postings], ['balances', found.balanced ? 'yes: every check holds' : 'NO'], ...found.problems.map((problem) => ['problem', problem] as const)])
  if (!found.balanced) context.exitCode = EXIT.failed
}

async function holds(context: Context, { older }: { older: number }): Promise<void> {
  const now = context.io.now()
  await context.showList((await context.client()).holds(older), [
    { title: 'job', value: (one) => one.job }, { title: 'name', value: (one) => one.name, shrinks: true }, { title: 'state', value: (one) => one.state, state: true }, { title: 'since', value: (one) => stamp(one.since), shown: (one) => agoText(one.since, now) },
    { title: 'held', value: (one) => amountOf(one.held), right: true }, { title: 'cap', value: (one) => amountOf(one.cap), right: true }, { title: 'buyer', value: (one) => one.buyer },
  ], (one) => one.job, 'Nothing is held for that long.')
}

async function accounts(context: Context, of: string): Promise<void> {
  await context.showList((await context.client()).ledgerAccounts(of), [{ title: 'account', value: (one) => one.account }, { title: 'holds', value: (one) => amountOf(one.balance), right: true }], (one) => one.account, 'None of them holds anything.')
}

async function exportAll(context: Context, options: SpanOptions): Promise<void> {
  for await (const piece of (await context.client()).operatorFile('ledger', { from: 0, ...spanOf(options, context.io.now()) })) await context.write(piece)
}

async function check(context: Context, file: string, options: { platformKey?: string }): Promise<void> {
  const verdict = await checkLedgerFile(await linesOf(context, file), options)
  if (!verdict.ok) context.exitCode = EXIT.failed
  if (context.flags.json || context.flags.jsonLines) return context.showThing(verdict, [])
  for (const { line, says } of verdict.problems) await context.write(`${context.colours.red('FAILED')}  line ${line}: ${clean(says)}\n`)
  if (verdict.more) await context.write('        … and more that is not told.\n')
  await context.showThing(verdict, [
    ['entries', `${verdict.entries}, ${verdict.postings} postings, ${verdict.seals} seals`], ['from', verdict.from === null ? undefined : stamp(verdict.from)], ['until', verdict.to === null ? undefined : stamp(verdict.to)], ['signed by', `${verdict.platformKey ?? ''}${options.platformKey === undefined ? ' (as the file says itself: give --platform-key)' : ''}`],
    ...verdict.closing.map((one) => [`${one.class} holds`, creditsOf(one.balance)] as const),
  ])
  await context.write(verdict.ok ? context.colours.bold('The ledger file is right.\n') : context.colours.red('The ledger file is not right.\n'))
}
async function linesOf(context: Context, file: string): Promise<AsyncIterable<string>> {
  if (file === '-') return createInterface({ input: context.io.stdin, crlfDelay: Infinity })
  // Opened first: of a file that is not there the reader of lines would never tell.
  try { await (await open(file)).close() } catch (cause) { throw new CliError(`Cannot read ${file}: ${(cause as Error).message}`, 'Make one with: lumaris --as admin ledger export > ledger.jsonl', EXIT.usage, cause) }
  return createInterface({ input: createReadStream(file), crlfDelay: Infinity })
}
