// Statements of accounts outside in the command line: handed in, and what they and the books do not agree on. Whoever runs it every night sees by the exit code whether to look.
import { readFile, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Command } from 'commander'
import { Option } from 'commander'
import { DecimalMark, MISMATCHES, MismatchKind, STATEMENT_CHARS_MAX } from '@lumaris/protocol'
import type { Mismatch, ReconciliationFigures, Statement, StatementLineId } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs, parseCount } from '../parse.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import { agoText, stamp } from '../ui/time.ts'

type Why = { reason: string }
export function defineReconcile(sub: (name: string, summary: string) => Command, withReason: (one: Command) => Command, withContext: WithContext): void {
  const ofAccount = (one: Command): Command => one.option('--of <account>', 'the account outside, as the ledger names it', asIs, 'bank')
  ofAccount(sub('reconcile', 'hand in a statement of a bank or a payment processor, and compare the books with it; exits with 6 when something does not agree').argument('<file>', 'CSV or JSON lines, or - for standard input: date, reference, amount (credits), perhaps direction and id'))
    .option('--dry-run', 'only say what was read and how the books would stand; nothing is kept').addOption(new Option('--decimal <mark>', 'what stands before the decimals, where it could be meant otherwise').choices(DecimalMark.options))
    .option('--from <day>', 'the first day that it tells of, such as 2027-01-01 (without it: that of its lines)', asIs).option('--to <day>', 'the last day', asIs).option('--reason <text>', 'why; it stands in the log for ever', asIs).action(withContext(reconcile))
  sub('mismatches', 'what the books and the statements do not agree on, oldest first; exits with 6 when there is any').option('--of <account>', 'only of this account outside', asIs).addOption(new Option('--kind <kind>', 'only these').choices(MismatchKind.options)).option('--settled', 'those that were settled by hand').option('--csv', 'as CSV, for spreadsheets')
    .action(withContext(async (context: Context, { of: account, kind, settled, csv }: { of?: string; kind?: MismatchKind; settled?: boolean; csv?: boolean }) => {
      const client = await context.client(), query = { account, kind, state: settled ? 'settled' : 'open' } as const
      if (csv) { for await (const piece of client.operatorFile('mismatches', query)) await context.write(piece); return }
      let count = 0
      async function* counted(): AsyncGenerator<Mismatch> { for await (const one of client.mismatches(query)) { count++; yield one } }
      await context.showList(counted(), columnsAt(context.io.now()), (one) => one.line?.id ?? one.entry?.entry ?? '', settled ? 'Nothing was settled by hand.' : 'The books and the statements agree.')
      if (count > 0 && !settled) context.exitCode = EXIT.conflict
    }))
  ofAccount(withReason(sub('link', 'say that a line of a statement is an entry of the ledger; nothing in the ledger changes').argument('<line>', 'its id: lumaris admin mismatches').argument('<entry>', 'its name, such as deposit:RF18')))
    .action(withContext(async (context: Context, line: string, entry: string, { of: account, reason }: Why & { of: string }) => { const one = await (await context.client()).api.linkLine({ body: { account, line: line as StatementLineId, entry, reason } }); await context.showThing(one, [['settlement', one.id], ['how', one.how], ['reason', one.reason]]) }))
  ofAccount(withReason(sub('set-aside', 'say that a mismatch needs nothing done').addOption(new Option('--kind <kind>', 'what it is').choices(MismatchKind.options).makeOptionMandatory()))).option('--line <line>', 'its line', asIs).option('--entry <entry>', 'its entry', asIs)
    .action(withContext(async (context: Context, { of: account, kind, line, entry, reason }: Why & { of: string; kind: MismatchKind; line?: string; entry?: string }) => { const one = await (await context.client()).api.setMismatchAside({ body: { account, kind, ...(line === undefined ? {} : { line: line as StatementLineId }), ...(entry === undefined ? {} : { entry }), reason } }); await context.showThing(one, [['settlement', one.id], ['how', one.how], ['reason', one.reason]]) }))
  withReason(sub('reopen', 'take back a link, or what was set aside').argument('<settlement>', 'its id: lumaris admin mismatches --settled --json')).action(withContext(async (context: Context, settlement: string, { reason }: Why) => { await (await context.client()).api.reopenMismatch({ params: { settlement }, body: { reason } }); await context.showThing({ settlement, reopened: true }, [['settlement', settlement], ['state', 'open again']]) }))
  sub('statements', 'statements that were handed in, newest first').option('-n, --limit <count>', 'so many at most', parseCount, 50).action(withContext(async (context: Context, { limit }: { limit: number }) => {
    const { data } = await (await context.client()).api.listStatements({ query: { limit: Math.min(200, limit) } }), now = context.io.now()
    await context.showList(data, [{ title: 'statement', value: (one) => one.id }, { title: 'account', value: (one) => one.account }, { title: 'days', value: (one) => `${one.from} to ${one.to}` }, { title: 'lines', value: (one) => one.lines, right: true }, { title: 'known before', value: (one) => one.known, right: true }, { title: 'in', value: (one) => amountOf(one.in), right: true }, { title: 'out', value: (one) => amountOf(one.out), right: true }, { title: 'when', value: (one) => stamp(one.at), shown: (one) => agoText(one.at, now) }, { title: 'by', value: (one) => one.byName }, { title: 'state', value: (one) => (one.withdrawn ? 'withdrawn' : 'kept') }, { title: 'file', value: (one) => one.name, shrinks: true }], (one) => one.id, 'None was handed in.')
  }))
  withReason(sub('withdraw-statement', 'it was the wrong one: its lines count no more').argument('<statement>', 'its id: lumaris admin statements')).action(withContext(async (context: Context, statement: string, { reason }: Why) => showStatement(context, await (await context.client()).api.withdrawStatement({ params: { statement }, body: { reason } }))))
}

const openOf = ({ open }: ReconciliationFigures): number => Object.values(open).reduce((sum, count) => sum + count, 0)
const figures = (of: ReconciliationFigures): (readonly [string, string | number])[] => [['agree', of.matched], ...MismatchKind.options.map((kind) => [MISMATCHES[kind].name.toLowerCase(), of.open[kind]] as const), ['settled by hand', of.settled], ['booked on days that no statement tells of', of.awaiting]]
const showStatement = (context: Context, one: Statement): Promise<void> => context.showThing(one, [['statement', one.id], ['account', one.account], ['days', `${one.from} to ${one.to}`], ['lines', `${one.lines}, ${one.known} known before`], ['came in', creditsOf(one.in)], ['went out', creditsOf(one.out)], ['state', one.withdrawn ? 'withdrawn' : 'kept']])
const columnsAt = (now: number) => [
  { title: 'what', value: (one: Mismatch) => MISMATCHES[one.kind].name }, { title: 'since', value: (one: Mismatch) => stamp(one.since), shown: (one: Mismatch) => agoText(one.since, now) }, { title: 'reference', value: (one: Mismatch) => one.line?.reference ?? one.entry?.references[0], shrinks: true },
  { title: 'statement', value: (one: Mismatch) => (one.line ? amountOf(one.line.amount) : undefined), right: true }, { title: 'books', value: (one: Mismatch) => (one.entry ? amountOf(one.entry.amount) : undefined), right: true },
  { title: 'line', value: (one: Mismatch) => one.line?.id }, { title: 'entry', value: (one: Mismatch) => one.entry?.entry, shrinks: true }, { title: 'may be', value: (one: Mismatch) => one.suggestions.map(({ line, entry }) => entry?.entry ?? line?.id ?? '').join(' '), shrinks: true }, { title: 'settled', value: (one: Mismatch) => (one.settled ? `${one.settled.how}: ${one.settled.reason}` : undefined), shrinks: true },
]

async function reconcile(context: Context, file: string, { dryRun, of: account, decimal, from, to, reason }: { dryRun?: boolean; of: string; decimal?: DecimalMark; from?: string; to?: string; reason?: string }): Promise<void> {
  if (!dryRun && reason === undefined) throw new CliError('--reason is needed: a statement that is kept stands in the log for ever', 'Such as: --reason \'statement of November\'; or look first, with --dry-run.', EXIT.usage)
  const body = { account, text: await textOf(context, file), ...(decimal === undefined ? {} : { decimal }), ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }, client = await context.client(), isJson = context.flags.json === true || context.flags.jsonLines === true
  if (dryRun) {
    const found = await client.api.previewStatement({ body })
    if (openOf(found.would) > 0) context.exitCode = EXIT.conflict
    await context.showThing(found, [['account', found.account], ['days', `${found.from} to ${found.to}`], ['lines', `${found.lines}, ${found.known} known before`], ['came in', creditsOf(found.in)], ['went out', creditsOf(found.out)], ['not read', found.ignored.join(', ')], ...figures(found.would), ['kept', 'nothing: --dry-run']])
    return
  }
  const statement = await client.api.handInStatement({ body: { ...body, reason: reason ?? '', ...(file === '-' ? {} : { name: basename(file).slice(0, 200) }) } }, { timeoutMs: 120_000 })
  const stands = (await client.api.getReconciliation()).accounts.find((one) => one.account === account), open: Mismatch[] = []
  for await (const one of client.mismatches({ account })) open.push(one)
  if (open.length > 0) context.exitCode = EXIT.conflict
  if (isJson) return context.showThing({ statement, account: stands, open }, [])
  await showStatement(context, statement)
  if (stands) await context.showThing(stands, figures(stands))
  await context.showTable('What does not agree', open, columnsAt(context.io.now()), 'Everything agrees.')
}
async function textOf(context: Context, file: string): Promise<string> {
  const tooLarge = (): never => { throw new CliError(`${file} is larger than a statement may be`, `At most ${STATEMENT_CHARS_MAX.toLocaleString('en')} characters: hand it in in parts, a month at a time.`, EXIT.usage) }
  let bytes: Uint8Array
  if (file === '-') {
    const pieces: Uint8Array[] = []
    let size = 0
    for await (const piece of context.io.stdin) { const one = typeof piece === 'string' ? Buffer.from(piece) : piece as Uint8Array; pieces.push(one); size += one.length; if (size > STATEMENT_CHARS_MAX * 4) tooLarge() }
    bytes = Buffer.concat(pieces)
  } else try {
    if ((await stat(file)).size > STATEMENT_CHARS_MAX * 4) tooLarge()
    bytes = await readFile(file)
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw new CliError(`Cannot read ${file}: ${(cause as Error).message}`, 'Give a file that your bank or payment processor has made, as CSV.', EXIT.usage, cause)
  }
  try { return new TextDecoder('utf-8', { fatal: true }).decode(bytes) } catch (cause) { throw new CliError(`${file} is not text in UTF-8`, 'Save it as CSV in UTF-8.', EXIT.usage, cause) }
}
