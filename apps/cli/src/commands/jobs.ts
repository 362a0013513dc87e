import type { Command } from 'commander'
import { Option } from 'commander'
import { JobState } from '@lumaris/protocol'
import type { Job, NodeId, UserId } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs, parseCount } from '../parse.ts'
import { amountOf } from '../ui/money.ts'
import { agoText, durationText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command
    .addOption(new Option('-s, --state <state>', 'only those in this state').choices(JobState.options))
    .option('-n, --limit <count>', 'so many at most', parseCount, 50)
    .option('--search <text>', 'only those with this in their name or id', asIs)
    .option('--filter <name>', 'only those that a saved filter lets through (lumaris filter list)', asIs)
    .option('--id <id>', 'only those whose id begins like this', asIs)
    .option('--of-buyer <user>', 'for admins: only those of this buyer', asIs)
    .option('--on-node <node>', 'only those with an attempt on this node', asIs)
    .option('--of-image <digest>', 'only those that run an image of this digest (sha256:…)', asIs)
    .option('--csv', 'all of them as CSV, for spreadsheets')
    .addHelpText('before', 'Examples:\n  lumaris jobs\n  lumaris jobs --state running -q\n  lumaris jobs -n 1000 --json=lines\n  lumaris jobs --csv > jobs.csv\n  lumaris jobs --filter nightly-failed\n')
    .action(withContext(jobs))
}

async function jobs(context: Context, options: { state?: JobState; csv?: boolean; limit: number; search?: string; filter?: string; id?: string; ofBuyer?: UserId; onNode?: NodeId; ofImage?: string }): Promise<void> {
  const client = await context.client(), now = context.io.now()
  const saved = options.filter === undefined ? undefined : (await client.api.listFilters()).data.find(({ name }) => name === options.filter)
  if (options.filter !== undefined && !saved) throw new CliError(`There is no filter ${options.filter}`, 'lumaris filter list shows them.', EXIT.notFound)
  const state = options.state ?? saved?.state, of = { state, id: options.id, buyer: options.ofBuyer, node: options.onNode, image: options.ofImage }, wanted = (options.search ?? saved?.q ?? '').toLowerCase()
  if (options.csv && wanted !== '') throw new CliError('CSV is of all jobs, or of those in one state', 'Leave out --search, and use a filter without words.', EXIT.usage)
  if (options.csv) { for await (const piece of client.csv('jobs', of)) await context.write(piece); return }
  async function* some(): AsyncGenerator<Job> {
    let left = options.limit
    if (left === 0) return
    for await (const job of client.jobs({ ...of, limit: wanted === '' ? Math.min(left, 200) : 200 })) {
      if (!job.id.includes(wanted) && !(job.spec.name ?? job.spec.command.join(' ')).toLowerCase().includes(wanted)) continue
      yield job
      if (--left === 0) return
    }
  }
  await context.showList(some(), [
    { title: 'job', value: (job) => job.id },
    { title: 'state', value: (job) => job.state, state: true },
    { title: 'name', value: (job) => job.spec.name ?? job.spec.command.join(' '), shrinks: true },
    { title: 'tasks', value: (job) => `${job.tasks.done}/${job.tasks.total}`, right: true },
    { title: 'cost', value: (job) => amountOf(job.cost), right: true },
    { title: 'took', value: (job) => (job.startedAt === undefined ? '' : (job.endedAt ?? now) - job.startedAt), shown: (job) => (job.startedAt === undefined ? '' : durationText((job.endedAt ?? now) - job.startedAt)), right: true },
    { title: 'created', value: (job) => stamp(job.createdAt), shown: (job) => agoText(job.createdAt, now) },
  ], (job) => job.id, 'No jobs yet. The first one: lumaris run -- echo hello')
}
