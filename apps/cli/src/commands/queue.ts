import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { asIs, parseCount } from '../parse.ts'
import { agoText, durationText, stamp } from '../ui/time.ts'
import { jobFacts } from './job.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris --as admin queue\n  lumaris --as admin queue dead\n  lumaris --as admin queue retry msg_01jcd3k8w9e5r7t2y4u6p8a0sd --reason \'their address is back\'\n  lumaris --as admin queue retry job_01jcd3k8w9e5r7t2y4u6p8a0sd --reason \'a switch was broken\'\n').action(withContext(queue))
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  sub('dead', 'messages and jobs that were given up, newest first').option('-n, --limit <count>', 'so many of each at most', parseCount, 20).action(withContext(dead))
  sub('retry', 'send a message again that was given up, or try such a job again').argument('<id>', 'of the message or of the job').requiredOption('--reason <text>', 'why; it stands in the log for ever', asIs)
    .action(withContext(async (context: Context, id: string, { reason }: { reason: string }) => {
      const { api } = await context.client()
      if (id.startsWith('job_')) { const job = await api.retryJob({ params: { job: id }, body: { reason } }); await context.showThing(job, jobFacts(job)); return }
      const one = await api.retryDelivery({ params: { delivery: id }, body: { reason } })
      await context.showThing(one, [['delivery', one.id], ['state', one.state], ['type', one.type]])
    }))
}

async function queue(context: Context): Promise<void> {
  const found = await (await context.client()).api.getQueue(), now = context.io.now()
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  const { waiting, dead: given } = found
  await context.showThing(found, [
    ['in line for a node', waiting.inLine], ['for the next sale', waiting.forSale], ['after a failure', waiting.afterFailure], ['held by their buyers', waiting.held], ['after other jobs', waiting.afterOthers], ['given up', `${given.deliveries} messages, ${given.jobs} jobs`],
    ['looked at', found.looked ? `the first ${found.looked.slots} slots, of ${found.looked.jobs} of ${found.looked.ofJobs} jobs` : undefined],
  ])
  await context.write('\n')
  await context.showTable('Waits for', found.ages, [{ title: 'up to', value: (one) => (one.upToMs === null ? 'longer' : durationText(one.upToMs)) }, { title: 'waiting', value: (one) => one.waiting, right: true }], '')
  await context.showTable(`Why${found.asked.nodes < found.asked.of ? ` (${found.asked.nodes} of ${found.asked.of} nodes were asked)` : ''}`, found.reasons, [{ title: 'waiting', value: (one) => one.waiting, right: true }, { title: 'because', value: (one) => one.says, shrinks: true }], 'Nobody waits.')
  await context.showTable('Classes', found.classes, [
    { title: 'asks for', value: (one) => one.need, shrinks: true }, { title: 'waiting', value: (one) => one.waiting, right: true }, { title: 'buyers', value: (one) => one.buyers, right: true }, { title: 'longest', value: (one) => stamp(one.oldestAt), shown: (one) => agoText(one.oldestAt, now) },
    { title: 'nodes say', value: (one) => one.reasons?.map(({ nodes, says }) => `${nodes} × it ${says}`).join('; '), shrinks: true }, { title: 'first', value: (one) => one.job },
  ], 'Nobody waits.')
}

async function dead(context: Context, { limit }: { limit: number }): Promise<void> {
  const { api } = await context.client(), query = { limit: Math.min(200, limit) }, now = context.io.now()
  const deliveries = (await api.listDeadDeliveries({ query })).data, jobs = (await api.listDeadJobs({ query })).data
  if (context.flags.json || context.flags.jsonLines) return context.showThing({ deliveries, jobs }, [])
  await context.showTable('Messages', deliveries, [
    { title: 'delivery', value: (one) => one.id }, { title: 'type', value: (one) => one.type }, { title: 'of', value: (one) => one.subject }, { title: 'tries', value: (one) => one.tries, right: true }, { title: 'last', value: (one) => stamp(one.lastTryAt), shown: (one) => agoText(one.lastTryAt, now) }, { title: 'problem', value: (one) => one.problem, shrinks: true }, { title: 'webhook', value: (one) => (one.off ? 'turned off' : 'on') },
  ], 'None.')
  await context.showTable('Jobs', jobs, [
    { title: 'job', value: (one) => one.job }, { title: 'name', value: (one) => one.name, shrinks: true }, { title: 'tasks', value: (one) => one.tasksFailed, right: true }, { title: 'ended', value: (one) => stamp(one.endedAt), shown: (one) => agoText(one.endedAt, now) }, { title: 'because', value: (one) => one.says, shrinks: true }, { title: 'buyer', value: (one) => one.buyer }, { title: 'tried again as', value: (one) => one.retriedAs },
  ], 'None.')
}
