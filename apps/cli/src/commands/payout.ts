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
  command.addHelpText('before', 'Examples:\n  lumaris payout show\n  lumaris payout request 12.5 --to "my account"\n  lumaris payout list\n  lumaris payout rule --weekly mon --to "my account"\n  lumaris payout statement 2026 --csv > 2026.csv\n')
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  sub('show', 'what is pending, what has cleared, what was paid out').action(withContext(show))
  sub('request', 'pay out what has cleared').argument('<credits>', 'such as 10 or 0.5', parseAmount).requiredOption('--to <account>', 'where it goes, as the provider names it', asIs)
    .option('--key <key>', 'names this payout: said again with the same key, it happens once', asIs).action(withContext(request))
  sub('rule', 'show or set what is paid out without asking each time').addOption(new Option('--weekly <day>', 'all that has cleared, each week on this day, at 00:00 UTC').choices(DAYS).conflicts(['above', 'off']))
    .addOption(new Option('--above <credits>', 'all that has cleared, as soon as it comes to so much').argParser(parseAmount).conflicts('off')).option('--to <account>', 'where it goes, as the provider names it', asIs).option('--off', 'only what I ask for').action(withContext(rule))
  sub('statement', 'earnings, fees and payouts of a calendar year, month by month: a statement, no tax form').argument('[year]', 'such as 2026; this one', parseCount).option('--csv', 'as CSV, to standard output').action(withContext(statement))
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

async function statement(context: Context, year: number | undefined, options: { csv?: boolean }): Promise<void> {
  const client = await context.client()
  if (options.csv) { for await (const piece of client.csv('statement', { year })) await context.write(piece); return }
  const found = await client.api.getStatement({ query: { year } })
  type Line = YearStatement['months'][number]
  const lines: Line[] = [...found.months, { month: String(found.year), ...found.total }], money = (amount: string): string => amountOf(BigInt(amount))
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  context.note(`${found.name || found.seller}, ${found.year}${found.open ? ' so far' : ''}: ${creditsOf(found.opening)} before, ${creditsOf(found.closing)} ${found.open ? 'now' : 'at its end'}. A statement, no tax form.`)
  await context.showTable(`Statement of ${found.year}`, lines, [
    { title: 'month', value: (one) => one.month }, { title: 'earned', value: (one) => money(one.gross), right: true }, { title: 'fees', value: (one) => money(one.fees), right: true }, { title: 'lost', value: (one) => money(one.lost), right: true }, { title: 'net', value: (one) => money(one.net), right: true },
    { title: 'cleared', value: (one) => money(one.cleared), right: true }, { title: 'paid out', value: (one) => money(one.paidOut), right: true }, { title: 'came back', value: (one) => money(one.cameBack), right: true }, { title: 'arrived', value: (one) => money(one.arrived), right: true },
  ], 'Nothing.')
}
