import type { Command } from 'commander'
import { Option } from 'commander'
import { RevenueBy } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { addSpan, spanOf } from '../span-options.ts'
import type { SpanOptions } from '../span-options.ts'
import { amountOf, creditsOf } from '../ui/money.ts'

export function define(command: Command, withContext: WithContext): void {
  addSpan(command).addOption(new Option('--by <what>', 'what a line is').choices(RevenueBy.options).default('day')).option('--csv', 'as CSV, for spreadsheets')
    .addHelpText('before', 'Examples:\n  lumaris --as admin revenue --by region --json\n  lumaris --as admin revenue --since 90d --by template --csv > revenue.csv\n').action(withContext(revenue))
}

async function revenue(context: Context, options: SpanOptions & { by: RevenueBy; csv?: boolean }): Promise<void> {
  const client = await context.client(), query = { ...spanOf(options, context.io.now()), by: options.by }
  if (options.csv) { for await (const piece of client.operatorFile('revenue', query)) await context.write(piece); return }
  const found = await client.api.getRevenue({ query })
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  const { total, due, others } = found
  await context.showTable(`Revenue by ${found.by}`, [...found.lines, ...(others ? [{ ...others, key: 'others' }] : [])], [
    { title: found.by, value: (line) => line.key ?? (found.by === 'template' ? '(none)' : '(of no region)'), shrinks: true }, { title: 'settled', value: (line) => line.settled, right: true },
    { title: 'volume', value: (line) => amountOf(line.volume), right: true }, { title: 'fees', value: (line) => amountOf(line.fees), right: true }, { title: 'reversed', value: (line) => amountOf(line.reversed), right: true }, { title: 'came back of caps', value: (line) => amountOf(line.returned), right: true },
  ], 'Nothing was settled in this time.')
  await context.showThing(found, [
    ['volume', creditsOf(total.volume)], ['fees', `${creditsOf(total.fees)}${found.takeBasisPoints === undefined ? '' : ` (${found.takeBasisPoints / 100} % of it)`}`], ['reversed', total.reversed === '0' ? undefined : `${creditsOf(total.reversed)}, of it fees ${creditsOf(total.feesReversed)}`], ['came back of caps', creditsOf(total.returned)],
    ['due to sellers now', `${creditsOf(due.cleared)} cleared, ${creditsOf(due.pending)} in the dispute window, ${creditsOf(due.onTheWay)} on its way`],
  ])
}
