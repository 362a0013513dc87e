import type { Command } from 'commander'
import { Option } from 'commander'
import { DAYS } from '@lumaris/protocol'
import type { Day, Payout, StandingPayout, YearStatement } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs, parseAmount, parseCount } from '../parse.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import { agoText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris payout show\n  lumaris payout request 12.5 --to "my account"\n  lumaris payout list\n  lumaris payout rule --weekly mon --to "my account"\n  lumaris payout statement 2026 --html > 2026.html\n  lumaris payout tax --name "Sam Sell" --address "Long Street 1, 12345 Town" --country DE --not-in-business\n')
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  sub('show', 'what is pending, what has cleared, what was paid out').action(withContext(show))
  sub('request', 'pay out what has cleared').argument('<credits>', 'such as 10 or 0.5', parseAmount).requiredOption('--to <account>', 'where it goes, as the provider names it', asIs)
    .option('--key <key>', 'names this payout: said again with the same key, it happens once', asIs).action(withContext(request))
  sub('rule', 'show or set what is paid out without asking each time').addOption(new Option('--weekly <day>', 'all that has cleared, each week on this day, at 00:00 UTC').choices(DAYS).conflicts(['above', 'off']))
    .addOption(new Option('--above <credits>', 'all that has cleared, as soon as it comes to so much').argParser(parseAmount).conflicts('off')).option('--to <account>', 'where it goes, as the provider names it', asIs).option('--off', 'only what I ask for').action(withContext(rule))
  sub('statement', 'earnings, fees and payouts of a calendar year, month by month: a statement, no tax form').argument('[year]', 'such as 2026; this one', parseCount).option('--csv', 'as CSV, to standard output').option('--html', 'as a page by itself, to be kept').action(withContext(statement))
  sub('forecast', 'what my nodes may earn in the next 24 hours, from what they earned lately').action(withContext(forecast))
  sub('tax', 'show or set who I am to a tax office, as it stands on my statements').option('--name <name>', 'as in official papers', asIs).option('--address <address>', 'as on a letter, without the country', asIs).option('--country <code>', 'two letters, such as DE', (text) => text.toUpperCase())
    .addOption(new Option('--number <number>', 'the tax number: VAT, GST or whatever it is called').conflicts('notInBusiness')).option('--not-in-business', 'there is no tax number').addOption(new Option('--forget', 'take it all back').conflicts(['name', 'address', 'country', 'number', 'notInBusiness'])).action(withContext(tax))
  sub('list', 'my payouts, newest first').option('-n, --limit <count>', 'so many at most', parseCount, 50).action(withContext(list))
}

async function show(context: Context): Promise<void> {
  const found = await (await context.client()).api.getEarnings(), next = found.nextClearing
  await context.showThing(found, [
    ['in dispute window', creditsOf(found.pending)], ['next to clear', next && `${creditsOf(next.amount)}, ${stamp(next.at)}`], ['cleared', creditsOf(found.available)], ['on its way', creditsOf(found.onTheWay)], ['paid out', creditsOf(found.paid)],
    ...found.forfeits.slice(0, 5).map((one): [string, string] => [`forfeited ${stamp(one.at)}`, `${one.says} ${one.whatToDo}`]),
    ['least paid out', creditsOf(found.minimum)], ['providers', found.providers.join(', ') || 'none'],
  ])
}

async function request(context: Context, credits: bigint, options: { to: string; key?: string }): Promise<void> {
  const payout = await (await context.client()).api.requestPayout({ body: { amount: credits.toString(), destination: options.to } }, { key: options.key ?? crypto.randomUUID() })
  if (context.flags.quiet) return context.write(`${payout.id}\n`)
  await context.showThing(payout, [['payout', payout.id], ['state', payout.state], ['credits', creditsOf(payout.amount)], ['to', payout.destination]])
}

async function list(context: Context, options: { limit: number }): Promise<void> {
  const client = await context.client(), now = context.io.now()
  async function* some(): AsyncGenerator<Payout> {
    let left = options.limit, cursor: string | undefined
    while (left > 0) {
      const { data, nextCursor } = await client.api.listPayouts({ query: { limit: Math.min(200, left), cursor } })
      yield* data
      if (nextCursor === null) return
      left -= data.length
      cursor = nextCursor
    }
  }
  await context.showList(some(), [
    { title: 'payout', value: (one) => one.id }, { title: 'state', value: (one) => one.state, state: true }, { title: 'credits', value: (one) => amountOf(BigInt(one.amount)), right: true }, { title: 'asked for', value: (one) => stamp(one.requestedAt), shown: (one) => agoText(one.requestedAt, now) },
    { title: 'to', value: (one) => one.destination, shrinks: true }, { title: 'reference', value: (one) => one.reference ?? one.reason, shrinks: true },
  ], (one) => one.id, 'No payouts.')
}

async function rule(context: Context, options: { weekly?: Day; above?: bigint; to?: string; off?: boolean }): Promise<void> {
  const { api } = await context.client(), when = options.weekly ? { kind: 'weekly' as const, day: options.weekly } : options.above === undefined ? null : { kind: 'cleared' as const, amount: options.above.toString() }
  if (options.off) await api.dropPayoutRule()
  if (!when && options.to !== undefined) throw new CliError('--to goes with --weekly or --above', 'Such as: lumaris payout rule --weekly mon --to "my account"', EXIT.usage)
  if (when && options.to === undefined) throw new CliError('Nothing says where to', 'Name the account by --to.', EXIT.usage)
  const found: StandingPayout | null = when && options.to !== undefined ? await api.setPayoutRule({ body: { when, destination: options.to } }) : (await api.getPayoutRule()).rule
  if (!found) return context.showThing({ rule: null }, [['rule', 'none: only what is asked for is paid out']])
  const { rule: { when: due, destination }, state, reason, nextAt, last } = found
  await context.showThing(found, [
    ['rule', `all that has cleared, ${due.kind === 'weekly' ? `each ${due.day} at 00:00 UTC` : `as soon as it comes to ${creditsOf(due.amount)}`}`], ['to', destination], ['state', state], ['why', reason && `${reason}: set it anew with an account that takes money`], ['next', stamp(nextAt)],
    ['last', last && `${stamp(last.at)}: ${last.payout ? `${creditsOf(last.amount)}, ${last.payout}` : `nothing, ${creditsOf(last.amount)} had cleared`}`],
  ])
}

async function statement(context: Context, year: number | undefined, options: { csv?: boolean; html?: boolean }): Promise<void> {
  const client = await context.client()
  if (options.csv) { for await (const piece of client.csv('statement', { year })) await context.write(piece); return }
  const found = await client.api.getStatement({ query: { year } })
  if (options.html) return context.write((await import('@lumaris/sdk')).statementDocument(found, new URL(context.settings.url).host))
  type Line = YearStatement['months'][number]
  const lines: Line[] = [...found.months, { month: String(found.year), ...found.total }], money = (amount: string): string => amountOf(BigInt(amount))
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  context.note(`${found.name || found.seller}, ${found.year}${found.open ? ' so far' : ''}: ${creditsOf(found.opening)} before, ${creditsOf(found.closing)} ${found.open ? 'now' : 'at its end'}. A statement, no tax form.`)
  await context.showTable(`Statement of ${found.year}`, lines, [
    { title: 'month', value: (one) => one.month }, { title: 'earned', value: (one) => money(one.gross), right: true }, { title: 'fees', value: (one) => money(one.fees), right: true }, { title: 'lost', value: (one) => money(one.lost), right: true }, { title: 'net', value: (one) => money(one.net), right: true },
    { title: 'cleared', value: (one) => money(one.cleared), right: true }, { title: 'paid out', value: (one) => money(one.paidOut), right: true }, { title: 'came back', value: (one) => money(one.cameBack), right: true }, { title: 'arrived', value: (one) => money(one.arrived), right: true },
  ], 'Nothing.')
}

async function tax(context: Context, options: { name?: string; address?: string; country?: string; number?: string; notInBusiness?: true; forget?: true }): Promise<void> {
  const { api } = await context.client(), { name, address, country, number, notInBusiness, forget } = options
  if (forget) await api.dropTaxDetails()
  const before = (await api.getTaxDetails()).details, changes = [name, address, country, number, notInBusiness].some((one) => one !== undefined)
  const taxNumber = number ?? (notInBusiness ? null : before?.taxNumber), wanted = { name: name ?? before?.name, address: address ?? before?.address, country: country ?? before?.country, taxNumber }
  if (changes && Object.values(wanted).includes(undefined)) throw new CliError('Not all is said', 'The first time name all of it: --name, --address, --country, and --number or --not-in-business.', EXIT.usage)
  const found = changes ? await api.setTaxDetails({ body: wanted as Parameters<typeof api.setTaxDetails>[0]['body'] }) : before
  if (!found) return context.showThing({ details: null }, [['details', 'none: statements show the name of the account']])
  const { countryName, taxNumberText } = await import('@lumaris/sdk')
  await context.showThing(found, [['name', found.name], ['address', found.address.replaceAll('\n', ', ')], ['country', countryName(found.country)], ['business', taxNumberText(found.taxNumber)], ['since', stamp(found.setAt)]])
}

const NOTHING = { paused: 'takes no work now', away: 'is not there', little_work: 'too little work yet' } as const
async function forecast(context: Context): Promise<void> {
  const found = await (await context.client()).api.getEarningsForecast(), money = (amount: string | undefined): string | undefined => (amount === undefined ? undefined : amountOf(BigInt(amount)))
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  await context.showTable('The next 24 hours, in credits after the fee', found.nodes, [
    { title: 'node', value: (one) => one.name, shrinks: true }, { title: 'from', value: (one) => money(one.foreseen?.low), right: true }, { title: 'middle', value: (one) => money(one.foreseen?.middle), right: true }, { title: 'to', value: (one) => money(one.foreseen?.high), right: true },
    { title: 'why not', value: (one) => one.why && NOTHING[one.why] }, { title: 'rests on', value: (one) => `${one.jobs} ${one.jobs === 1 ? 'job' : 'jobs'} since ${stamp(one.since)}`, shrinks: true },
  ], 'No nodes.')
  context.note('Nobody promises it: four times of five it lies between, if jobs come by chance as they came, one by one and as large. No number before programs ran for 5 minutes, and it begins anew when a machine changes.')
}
