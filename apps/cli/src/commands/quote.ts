import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { addPlanOptions, addSpecOptions, secretsOf, specOf, withPlan } from '../spec-options.ts'
import type { PlanOptions, SpecOptions } from '../spec-options.ts'
import { creditsOf } from '../ui/money.ts'
import { durationText, stamp } from '../ui/time.ts'
import { planFacts } from '../ui/plan.ts'

export function define(command: Command, withContext: WithContext): void {
  addPlanOptions(addSpecOptions(command))
    .addHelpText('before', 'Examples:\n  lumaris quote --cpus 4 --memory 8GiB --time 1h -- ./crunch\n  lumaris quote --runtime python --expect 30s -- python3 analyse.py\n  lumaris quote --by 18:00 --for 12 --expect 3h --checkpoint state.bin -- ./train\n')
    .action(withContext(quote))
}

async function quote(context: Context, words: string[], options: SpecOptions & PlanOptions): Promise<void> {
  const { spec: bare } = await specOf(context, words, withPlan(options)), { spec } = secretsOf(context, bare, options.secret)
  const quoted = await (await context.client()).quote(spec, { cap: options.for })
  await context.showThing(quoted, [
    ['quote', quoted.id], ['likely', creditsOf(quoted.p50)], ['nine of ten', `below ${creditsOf(quoted.p90)}`], ['at most', creditsOf(quoted.cap)],
    ...planFacts(quoted),
    ['nodes', `${quoted.nodesFree} free of ${quoted.nodes} that could run it`], ['starts', quoted.startsInMs === undefined ? 'when a node joins that can run it' : quoted.startsInMs === 0 ? 'now' : `in about ${durationText(quoted.startsInMs)}`],
    ['refused', Object.entries(quoted.refused).map(([reason, count]) => `${count} × ${reason.replaceAll('_', ' ')}`).join(', ')], ['valid until', stamp(quoted.validUntil)],
  ])
}
