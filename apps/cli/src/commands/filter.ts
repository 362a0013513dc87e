import type { Command } from 'commander'
import { Option } from 'commander'
import { JobState } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { asIs } from '../parse.ts'
import { agoText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris filter save nightly-failed --state failed --search nightly\n  lumaris jobs --filter nightly-failed\n')
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  sub('save', 'keep a filter under a name; one that is there is replaced').argument('<name>', 'to find it by').addOption(new Option('-s, --state <state>', 'jobs in this state').choices(JobState.options)).option('--search <text>', 'with this in their name or id', asIs)
    .action(withContext(async (context: Context, name: string, { state, search }: { state?: JobState; search?: string }) => {
      const saved = await (await context.client()).api.putFilter({ params: { filter: name }, body: { state, q: search } })
      await context.showThing(saved, [['filter', saved.name], ['state', saved.state], ['words', saved.q]])
    }))
  sub('list', 'my filters').action(withContext(async (context: Context) => context.showList((await (await context.client()).api.listFilters()).data, [
    { title: 'filter', value: (one) => one.name }, { title: 'state', value: (one) => one.state ?? 'all' }, { title: 'words', value: (one) => one.q ?? '', shrinks: true }, { title: 'saved', value: (one) => stamp(one.savedAt), shown: (one) => agoText(one.savedAt, context.io.now()) },
  ], (one) => one.name, 'No filters. The first one: lumaris filter save NAME --state failed')))
  sub('remove', 'forget a filter').argument('<name>', 'which').action(withContext(async (context: Context, name: string) => { await (await context.client()).api.removeFilter({ params: { filter: name } }); context.note('Removed.') }))
}
