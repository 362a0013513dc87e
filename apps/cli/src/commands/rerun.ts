import type { Command } from 'commander'
import { newJobId } from '@lumaris/sdk'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { exitCodeOf, failureJson, renderFailure } from '../failures.ts'
import { parseAmount } from '../parse.ts'
import { creditsOf } from '../ui/money.ts'

export function define(command: Command, withContext: WithContext): void {
  command.argument('<job...>', 'ids of jobs')
    .option('--cap <credits>', 'the most each may cost (what it was the first time)', parseAmount)
    .addHelpText('before', 'Examples:\n  lumaris rerun job_01jcd3k8w9e5r7t2y4u6p8a0sd\n  lumaris rerun $(lumaris jobs --state failed -q)\n')
    .addHelpText('after', '\nThe same request, files and cap; the cap is held at once. Prints the ids of the new jobs. What is refused is told, and the others run all the same.')
    .action(withContext(rerun))
}

async function rerun(context: Context, jobs: string[], { cap }: { cap?: bigint }): Promise<void> {
  const client = await context.client(), { signal, stop } = context.interruptible(), json = context.flags.json === true || context.flags.jsonLines === true
  let held = 0n, made = 0
  try {
    for (const job of new Set(jobs)) {
      const id = newJobId()
      try {
        const again = await client.rerun(job, { id, key: id, cap, signal })
        held += BigInt(again.cap)
        made++
        await context.write(json ? `${JSON.stringify({ job, again: again.id, cap: again.cap })}\n` : `${again.id}\n`)
      } catch (error) {
        if (signal.aborted) throw error
        // The first reason is the one that the exit code tells.
        context.exitCode ||= exitCodeOf(error)
        if (json) await context.write(`${JSON.stringify({ job, refused: failureJson(error) })}\n`)
        else context.note(`${job} does not run again\n${renderFailure(error, { colours: context.errorColours }).trimEnd()}`)
      }
    }
  } finally { stop() }
  if (!context.flags.quiet && !json && jobs.length > 1) context.note(`${made} of ${new Set(jobs).size} run again; at most ${creditsOf(held)} are held for them`)
}
