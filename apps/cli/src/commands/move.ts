import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { REASON, parseCount } from '../parse.ts'
import { jobFacts } from './job.ts'
import { findNode } from './node.ts'

export function define(command: Command, withContext: WithContext): void {
  command.argument('<job>', 'its id').option('--to <node>', 'where to: an id, or the name of a node of yours; else wherever there is room').option('--task <number>', 'one of its tasks, counted from 0; else all that run', parseCount).option(...REASON)
    .addHelpText('before', 'Examples:\n  lumaris move job_01jcd3k8w9e5r7t2y4u6p8a0sd\n  lumaris move job_01jcd3k8w9e5r7t2y4u6p8a0sd --to nod_01jcd3k8w9e5r7t2y4u6p8a0sd\n').action(withContext(move))
}

async function move(context: Context, id: string, options: { to?: string; task?: number; reason?: string }): Promise<void> {
  const client = await context.client()
  const to = options.to === undefined ? undefined : /^nod_[0-9a-z]{26}$/.test(options.to) ? options.to : (await findNode(client, options.to)).id
  const moving = await client.move(id, { ...(to === undefined ? {} : { to }), ...(options.task === undefined ? {} : { task: options.task }), reason: options.reason })
  await context.showThing(moving, jobFacts(moving))
}
