import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { clean } from '../ui/clean.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import { clockText } from '../ui/plan.ts'
import { durationText } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.argument('<job>', 'its id').addHelpText('before', 'Examples:\n  lumaris explain job_01jcd3k8w9e5r7t2y4u6p8a0sd\n').action(withContext(explain))
}

async function explain(context: Context, id: string): Promise<void> {
  const found = await (await context.client()).explain(id)
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  const { bold, dim } = context.colours
  const lines = [bold(clean(found.summary))]
  for (const task of found.plan ?? []) lines.push(`  task ${task.task}: ${task.as} since ${clockText(task.since)}, because ${task.says}${task.until === undefined ? '' : `; until ${clockText(task.until)}`}; firm from ${clockText(task.noReturnAt)} at the latest`)
  for (const { attempt, nodeName, decision, resumes } of found.placed) {
    const refused = Object.entries(decision.refused).map(([reason, count]) => `${count} × ${reason.replaceAll('_', ' ')}`).join(', ')
    lines.push('', `${clean(nodeName)} ${dim(attempt)}`, ...(resumes ? [`  went on from checkpoint ${resumes.number} of ${resumes.attempt}`] : []),
      ...(decision.copyOf ? [`  a second try beside ${decision.copyOf.attempt}, which had run for ${durationText(decision.copyOf.ranMs)}; ${durationText(decision.copyOf.foreseenMs)} were foreseen`] : []),
      `  expected cost ${creditsOf(decision.terms.total)}: price ${amountOf(decision.terms.price)}, risk ${amountOf(decision.terms.risk)}, load ${amountOf(decision.terms.load)}${decision.terms.fragmentation === undefined ? '' : `, idle GPUs made unusable ${amountOf(decision.terms.fragmentation)}`}`,
      `  ${decision.candidates} node${decision.candidates === 1 ? '' : 's'} could take it${decision.runnerUp ? `; the next best at ${creditsOf(decision.runnerUp.total)}` : ''}${refused ? `; refused: ${refused}` : ''}`)
  }
  if (found.waiting) {
    lines.push('', bold(`${found.waiting.tasks} task${found.waiting.tasks === 1 ? '' : 's'} waiting`))
    for (const node of found.waiting.nodes) lines.push(`  ${clean(node.says)}`)
    if (found.waiting.changes.length > 0) lines.push('', bold('What would help'))
    for (const { change, nodes, startsInMs, likely } of found.waiting.changes) {
      const start = startsInMs === undefined ? '' : startsInMs === 0 ? ', at once' : `, in about ${durationText(startsInMs)}`
      lines.push(`  ${clean(change)} ${dim(`(${nodes} node${nodes === 1 ? '' : 's'}${start}, about ${creditsOf(likely)})`)}`)
    }
  }
  await context.write(`${lines.join('\n')}\n`)
}
