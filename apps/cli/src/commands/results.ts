import { createWriteStream, existsSync, renameSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { placesOf } from '@lumaris/protocol'
import type { Client } from '@lumaris/sdk'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { saveResults } from '../outputs.ts'
import { asIs } from '../parse.ts'
import { clean } from '../ui/clean.ts'
import { sizeText } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.argument('<job>', 'its id')
    .option('-l, --list', 'only say which files there are')
    .option('--output <folder>', 'where they go', asIs, '.')
    .option('--zip <file>', 'all of them as one zip, under names that are safe to unpack; - for standard output', asIs)
    .option('--overwrite', 'replace files that are there already')
    .addHelpText('before', 'Examples:\n  lumaris results job_01jcd3k8w9e5r7t2y4u6p8a0sd --output results\n  lumaris results job_01jcd3k8w9e5r7t2y4u6p8a0sd --list\n  lumaris results job_01jcd3k8w9e5r7t2y4u6p8a0sd --zip results.zip\n')
    .action(withContext(results))
}

async function results(context: Context, id: string, options: { list?: boolean; output: string; zip?: string; overwrite?: boolean }): Promise<void> {
  const client = await context.client()
  if (options.zip !== undefined) return saveZip(context, client, id, options.zip, options.overwrite === true)
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

/** Beside its place first: what breaks off leaves nothing that looks whole. */
async function saveZip(context: Context, client: Client, id: string, file: string, overwrite: boolean): Promise<void> {
  const { signal, stop } = context.interruptible()
  try {
    if (file === '-') { for await (const piece of client.resultsZip(id, { signal })) await context.write(piece); return }
    const target = resolve(context.io.cwd, file), part = `${target}.${process.pid}.part`
    if (!overwrite && existsSync(target)) throw new CliError(`${file} is there already`, 'Add --overwrite, or name another file.', EXIT.conflict)
    const progress = context.progress()
    let done = 0
    async function* pieces(): AsyncGenerator<Uint8Array> { for await (const piece of client.resultsZip(id, { signal })) { done += piece.length; yield piece } }
    progress.phase(`Fetching ${file}`)
    try { await pipeline(pieces, createWriteStream(part, { flags: 'wx' })); renameSync(part, target) } finally { rmSync(part, { force: true }); progress.stop() }
    if (context.flags.json || context.flags.jsonLines) await context.write(`${JSON.stringify({ saved: file, size: done })}\n`)
    else await context.write(`${clean(file)}\n`)
  } finally { stop() }
}
