import type { Command } from 'commander'
import { newJobId } from '@lumaris/sdk'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../failures.ts'
import { uploadInputs } from '../inputs.ts'
import { asIs, parseAmount } from '../parse.ts'
import { addPlanOptions, addSpecOptions, secretsOf, specOf, withInputs, withPlan } from '../spec-options.ts'
import type { PlanOptions, SpecOptions } from '../spec-options.ts'
import { jobFacts } from './job.ts'
import { costLine } from './run.ts'

type SubmitOptions = SpecOptions & PlanOptions & { cap?: bigint; quote?: string; fit: boolean; wait?: boolean; idOnly?: boolean; id?: string }

export function define(command: Command, withContext: WithContext): void {
  addPlanOptions(addSpecOptions(command))
    .option('--cap <credits>', 'the most it may cost (what the market estimates)', parseAmount)
    .option('--quote <quote>', 'a quote made before, for exactly this job', asIs)
    .option('--no-fit', 'queue it even if no node that is there could run it')
    .option('--id <job>', 'an id of your own making: the same id is the same job', asIs)
    .option('--wait', 'until it has ended')
    .option('--id-only', 'print nothing but the id')
    .addHelpText('before', 'Examples:\n  lumaris submit --file data.csv -- ./crunch data.csv\n  lumaris submit --spec job.json --id-only\n  lumaris submit --wait --runtime python -- python3 analyse.py\n')
    .action(withContext(submit))
}

async function submit(context: Context, words: string[], options: SubmitOptions): Promise<void> {
  const { spec: local, files, refereeFiles } = await specOf(context, words, withPlan(options)), { spec, secrets } = secretsOf(context, local, options.secret)
  const client = await context.client(), progress = context.progress()
  const { signal, stop } = context.interruptible()
  try {
    const inputs = await uploadInputs(client, files, { progress, signal })
    progress.clear()
    const id = options.id ?? newJobId()
    let job = await client.submit(withInputs(spec, inputs, await uploadInputs(client, refereeFiles, { progress, signal })), { id, key: id, cap: options.cap ?? options.for, quote: options.quote, noWait: options.fit, secrets, signal })
    if (options.wait) {
      progress.phase('Waiting for the end of the job')
      ;({ job } = await client.wait(job.id, { signal }))
      progress.clear()
      if (!context.flags.quiet && !context.flags.json) context.note(costLine(job))
      if (job.state !== 'completed') context.exitCode = job.state === 'expired' ? EXIT.timeout : EXIT.jobFailed
    }
    if (options.idOnly || context.flags.quiet) await context.write(`${job.id}\n`)
    else await context.showThing(job, jobFacts(job))
  } finally { progress.stop(); stop() }
}
