import type { Command } from 'commander'
import type { QuoteAround, QuoteChange } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { addPlanOptions, addSpecOptions, secretsOf, specOf, withPlan } from '../spec-options.ts'
import type { PlanOptions, SpecOptions } from '../spec-options.ts'
import { creditsOf } from '../ui/money.ts'
import { durationText, sizeText, stamp } from '../ui/time.ts'
import { planFacts } from '../ui/plan.ts'

export function define(command: Command, withContext: WithContext): void {
  addPlanOptions(addSpecOptions(command))
    .addHelpText('before', 'Examples:\n  lumaris quote --cpus 4 --memory 8GiB --time 1h -- ./crunch\n  lumaris quote --runtime python --expect 30s -- python3 analyse.py\n  lumaris quote --by 18:00 --for 12 --expect 3h --checkpoint state.bin -- ./train\n')
    .action(withContext(quote))
}

async function quote(context: Context, words: string[], options: SpecOptions & PlanOptions): Promise<void> {
  const { spec: bare } = await specOf(context, words, withPlan(options)), { spec } = secretsOf(context, bare, options.secret)
  const client = await context.client(), [quoted, around] = await Promise.all([client.quote(spec, { cap: options.for }), client.quoteAround(spec, { cap: options.for })]), { wait } = around
  await context.showThing({ ...quoted, around }, [
    ['quote', quoted.id], ['likely', creditsOf(quoted.p50)], ['nine of ten', `below ${creditsOf(quoted.p90)}`], ['at most', creditsOf(quoted.cap)],
    ['market’s part', quoted.feeBasisPoints === undefined ? null : `${quoted.feeBasisPoints / 100} %, in the price`],
    ...planFacts(quoted),
    ['nodes', `${quoted.nodesFree} free of ${quoted.nodes} that could run it`], ['starts', quoted.startsInMs === undefined ? 'when a node joins that can run it' : quoted.startsInMs === 0 ? 'now' : `in about ${durationText(quoted.startsInMs)}`],
    ['waited', wait && `${durationText(wait.p50Ms)}, nine of ten below ${durationText(wait.p90Ms)}: until a node was found, of ${wait.starts} like it`],
    ...around.changes.slice(0, CHANGES_SHOWN).map((change, i): [string, string] => [i === 0 ? 'cheaper, or more nodes' : '', changeText(around, change)]),
    ['refused', Object.entries(quoted.refused).map(([reason, count]) => `${count} × ${reason.replaceAll('_', ' ')}`).join(', ')], ['valid until', stamp(quoted.validUntil)],
  ])
}

const CHANGES_SHOWN = 3
/** As one would ask for it here, and what it does. */
function changeText(now: QuoteAround, { what, from, to, p50, nodes }: QuoteChange): string {
  const [less, was] = [Number(BigInt(now.p50) - BigInt(p50)), Number(now.p50)], saves = was > 0 && now.nodes > 0 && Math.round((less / was) * 100) !== 0 ? `${less > 0 ? '−' : '+'}${Math.abs(Math.round((less / was) * 100))} %` : null
  return `${asked(what, from, to)}: ${[saves, nodes === now.nodes ? null : `${nodes} node${nodes === 1 ? '' : 's'} instead of ${now.nodes}`].filter(Boolean).join(', ')}`
}
function asked(what: QuoteChange['what'], from: QuoteChange['from'], to: QuoteChange['to']): string {
  const option = { memoryBytes: '--memory', cpuMillis: '--cpus', diskBytes: '--disk', gpus: '--gpus', gpuModels: '--gpu-model', minLevel: '--level', regions: '--region', minTrust: '--trust', maxAttemptCost: 'placement.maxAttemptCost', interruptible: '--interruptible' }[what]
  const say = (value: string | number): string => (what === 'memoryBytes' || what === 'diskBytes' ? sizeText(Number(value)).replace(/\.0(?= )| /g, '') : what === 'cpuMillis' ? String(Number(value) / 1000) : String(value))
  return what === 'interruptible' ? option : to === null ? `without ${option} ${say(from)}` : `${option} ${say(to)} instead of ${say(from)}`
}
