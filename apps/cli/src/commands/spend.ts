import type { Command } from 'commander'
import { Option } from 'commander'
import { SpendBy } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { parseCount } from '../parse.ts'
import { amountOf, creditsOf } from '../ui/money.ts'

export function define(command: Command, withContext: WithContext): void {
  command.option('-d, --days <count>', 'of the last so many days (UTC), today with them', parseCount, 30).addOption(new Option('--by <what>', 'what a line is: a day, a name of jobs, or the template they were made from').choices(SpendBy.options).default('day')).option('--csv', 'as CSV, for spreadsheets')
    .addHelpText('before', 'Examples:\n  lumaris spend\n  lumaris spend --by template --days 90\n  lumaris spend --by name --csv > spent.csv\n').action(withContext(spend))
}

type Line = { readonly key: string; readonly cost: string; readonly jobs?: number }
async function spend(context: Context, { days, by, csv }: { days: number; by: SpendBy; csv?: boolean }): Promise<void> {
  const client = await context.client()
  if (csv) { for await (const piece of client.csv('spend', { days, by })) await context.write(piece); return }
  const found = await client.api.getSpend({ query: { days } }), { month } = found
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  const lines: Line[] = by === 'day' ? found.days.map(({ day, ...line }) => ({ key: day, ...line })) : by === 'name' ? found.names.map(({ name, ...line }) => ({ key: name ?? '(none)', ...line })) : found.templates.map(({ template, ...line }) => ({ key: template ?? '(none)', ...line }))
  const rest = lines.reduce((left, { cost }) => left - BigInt(cost), BigInt(found.total))
  await context.showTable(`Spent by ${by}`, rest > 0n ? [...lines, { key: 'others', cost: rest.toString() }] : lines, [{ title: by, value: (line) => line.key, shrinks: true }, { title: 'credits', value: (line) => amountOf(line.cost), right: true }, { title: 'jobs', value: (line) => line.jobs, right: true }], 'Nothing was billed in this time.')
  await context.showThing(found, [['in this time', creditsOf(found.total)], ['this month', month && `${creditsOf(month.spent)}${month.budget === undefined ? '' : ` of a budget of ${creditsOf(month.budget)}`}`], ['at its end, as it goes', month?.forecast === undefined ? undefined : `about ${creditsOf(month.forecast)}`]])
}
