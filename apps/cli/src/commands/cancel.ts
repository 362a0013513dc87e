import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { REASON } from '../parse.ts'
import { jobFacts } from './job.ts'

export function define(command: Command, withContext: WithContext): void {
  command.argument('<job>', 'its id').option('--wait', 'until it has ended').option(...REASON).addHelpText('before', 'Examples:\n  lumaris cancel job_01jcd3k8w9e5r7t2y4u6p8a0sd\n').action(withContext(cancel))
}

async function cancel(context: Context, id: string, options: { wait?: boolean; reason?: string }): Promise<void> {
  const client = await context.client()
  const cancelled = await client.cancel(id, { reason: options.reason })
  const shown = options.wait ? (await client.wait(id)).job : cancelled
  await context.showThing(shown, jobFacts(shown))
}
