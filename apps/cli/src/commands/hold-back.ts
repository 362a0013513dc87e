// `lumaris pause` and `lumaris resume` of a job: one command under two names.
import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import { REASON } from '../parse.ts'
import { jobFacts } from './job.ts'

export function define(command: Command, withContext: WithContext): void {
  const name = command.name() as 'pause' | 'resume'
  command.argument('<job>', 'its id').option(...REASON).addHelpText('before', `Examples:\n  lumaris ${name} job_01jcd3k8w9e5r7t2y4u6p8a0sd\n`).action(withContext(async (context, id: string, { reason }: { reason?: string }) => {
    const shown = await (await context.client())[name](id, { reason })
    await context.showThing(shown, jobFacts(shown))
  }))
}
