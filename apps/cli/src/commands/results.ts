import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../failures.ts'
import { placesOf, saveResults } from '../outputs.ts'
import { asIs } from '../parse.ts'
import { clean } from '../ui/clean.ts'
import { sizeText } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.argument('<job>', 'its id')
    .option('-l, --list', 'only say which files there are')
    .option('--output <folder>', 'where they go', asIs, '.')
    .option('--overwrite', 'replace files that are there already')
    .addHelpText('before', 'Examples:\n  lumaris results job_01jcd3k8w9e5r7t2y4u6p8a0sd --output results\n  lumaris results job_01jcd3k8w9e5r7t2y4u6p8a0sd --list\n')
    .action(withContext(results))
}

async function results(context: Context, id: string, options: { list?: boolean; output: string; overwrite?: boolean }): Promise<void> {
  const client = await context.client()
  const found = await client.results(id)
  if (options.list) {
    return context.showList(placesOf(found), [
      { title: 'file', value: (file) => file.place, shrinks: true }, { title: 'task', value: (file) => file.task, right: true },
      { title: 'size', value: (file) => file.size, shown: (file) => sizeText(file.size), right: true }, { title: 'blob', value: (file) => file.blob, shrinks: true },
    ], (file) => file.place, 'The job has left no files.')
  }
  const job = await client.job(id)
  const { signal, stop } = context.interruptible()
  const progress = context.progress()
  try {
    const saved = await saveResults(client, found, { directory: resolve(context.io.cwd, options.output), overwrite: options.overwrite === true, patterns: [...job.spec.outputs, ...(job.spec.stdout === undefined ? [] : [job.spec.stdout])], inputs: job.spec.inputs, progress, signal })
    if (context.flags.json || context.flags.jsonLines) await context.write(`${JSON.stringify(saved)}\n`)
    else for (const place of [...saved.saved, ...saved.same]) await context.write(`${clean(place)}\n`)
    for (const { path, why } of saved.left) context.note(`${context.errorColours.yellow('not saved')} ${clean(path)}: ${why}`)
    if (saved.left.some((one) => one.conflict)) { context.note('hint: add --overwrite, or --output another folder'); context.exitCode = EXIT.conflict }
  } finally { progress.stop(); stop() }
}
