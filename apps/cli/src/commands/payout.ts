import type { Command } from 'commander'
import type { Payout } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { asIs, parseAmount, parseCount } from '../parse.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import { agoText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris payout show\n  lumaris payout request 12.5 --to "my account"\n  lumaris payout list\n')
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  sub('show', 'what is pending, what has cleared, what was paid out').action(withContext(show))
  sub('request', 'pay out what has cleared').argument('<credits>', 'such as 10 or 0.5', parseAmount).requiredOption('--to <account>', 'where it goes, as the provider names it', asIs)
    .option('--key <key>', 'names this payout: said again with the same key, it happens once', asIs).action(withContext(request))
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
