import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { asIs } from '../parse.ts'
import { finishMap } from './map.ts'
import type { FinishOptions } from './map.ts'

export function define(command: Command, withContext: WithContext): void {
  command.argument('<job>', 'the id of a map')
    .option('--output <file>', 'where the merged result goes (merged, with a fitting ending)', asIs)
    .option('--overwrite', 'replace it if it is there already')
    .option('--detach', 'submit, print the id, and leave')
    .addHelpText('before', 'Examples:\n  lumaris retry job_01jcd3k8w9e5r7t2y4u6p8a0sd\n  lumaris retry job_01jcd3k8w9e5r7t2y4u6p8a0sd --output sums.csv\n')
    .addHelpText('after', '\nRepeats the parts that have no result, and no others; then merges. A reduce command that failed runs again too.')
    .action(withContext(retry))
}

async function retry(context: Context, id: string, options: FinishOptions & { detach?: boolean }): Promise<void> {
  const client = await context.client(), progress = context.progress()
  const run = await client.openMap(id)
  progress.phase('Looking for parts without a result')
  const { signal, stop } = context.interruptible()
  let job
  try { job = await run.retry({ signal }) } finally { stop(); progress.clear() }
  if (job) progress.note(context.errorColours.dim(`${job.id} repeats ${job.spec.tasks.length} of ${run.parts} parts`))
  if (options.detach) return context.write(`${job?.id ?? run.job.id}\n`)
  await finishMap(context, client, run, options, progress, true)
}
