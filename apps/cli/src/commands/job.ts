import type { Command } from 'commander'
import type { Attempt, Job } from '@lumaris/protocol'
import { CAUSES } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import { durationText, sizeText, stamp } from '../ui/time.ts'
import { renderTable } from '../ui/table.ts'

export function define(command: Command, withContext: WithContext): void {
  command.argument('<job>', 'its id').addHelpText('before', 'Examples:\n  lumaris job job_01jcd3k8w9e5r7t2y4u6p8a0sd\n').action(withContext(job))
}

async function job(context: Context, id: string): Promise<void> {
  const client = await context.client()
  const found = await client.job(id)
  const attempts: Attempt[] = []
  for await (const attempt of client.attempts(id)) attempts.push(attempt)
  await context.showThing({ ...found, attempts }, jobFacts(found))
  if (context.flags.json || context.flags.jsonLines || attempts.length === 0) return
  await context.write('\n')
  await context.write(renderTable<Attempt>([
    { title: 'attempt', value: (one) => one.id },
    { title: 'task', value: (one) => one.task.split('.')[1], right: true },
    { title: 'node', value: (one) => one.nodeName, shrinks: true },
    { title: 'state', value: (one) => one.state, state: true },
    { title: 'cause', value: (one) => one.cause },
    { title: 'exit', value: (one) => one.exitCode, right: true },
    { title: 'ran', value: (one) => one.usage.runMs, shown: (one) => durationText(one.usage.runMs), right: true },
    { title: 'memory', value: (one) => one.usage.memoryPeakBytes, shown: (one) => sizeText(one.usage.memoryPeakBytes), right: true },
    ...(attempts.some(({ usage }) => usage.egressInBytes !== undefined) ? [{ title: 'connections', value: ({ usage }: Attempt) => usage.egressInBytes, shown: ({ usage }: Attempt) => (usage.egressInBytes === undefined ? '' : `${sizeText(usage.egressInBytes)} in, ${sizeText(usage.egressOutBytes ?? 0)} out`) }] : []),
    { title: 'billed', value: (one) => (one.billed === undefined ? '' : amountOf(one.billed)), right: true },
  ], attempts, { tty: context.io.stdout.isTTY === true, columns: context.io.stdout.columns, headers: context.flags.headers, colours: context.colours }))
}

const compareText = (compare: NonNullable<Job['spec']['compare']>): string => compare.kind === 'command' ? `${compare.command.join(' ')}, which says whether ${compare.says === 'right' ? 'a result is right' : 'two are the same'}` : compare.kind === 'image' ? `pixels, off by ${compare.mean} of 255 in the mean and ${compare.largest} at most` : compare.kind + (compare.kind === 'bytes' || (compare.relative === 0 && compare.absolute === 0) ? '' : `, numbers within ${compare.relative} of the larger one${compare.absolute === 0 ? '' : ` and ${compare.absolute}`}`)
export const jobFacts = (one: Job): readonly (readonly [string, string | number | null | undefined])[] => [
  ['job', one.id], ['name', one.spec.name], ['state', one.paused && one.endedAt === undefined ? `${one.state}, paused` : one.state], ['why', one.cause && CAUSES[one.cause].says], ['detail', one.detail], ['waits for', one.waitsFor?.join(', ')], ['made by', one.schedule], ['tries again', one.retries], ['exit code', one.exitCode],
  ['command', one.spec.command.join(' ')], ['connects to', one.spec.network?.egress.map(({ host, port }) => `${host}:${port}`).join(' ')], ['tasks', one.tasks.total > 1 ? `${one.tasks.done} of ${one.tasks.total} done, ${one.tasks.running} running, ${one.tasks.failed} failed` : undefined],
  ['left', one.progress?.etaMs === undefined ? undefined : `about ${durationText(one.progress.etaMs)}`],
  ['done', one.progress && one.tasks.total > 1 ? `${Math.floor((100 * one.progress.done) / one.progress.total)} % of the work${one.progress.perSecond === undefined ? '' : `, ${one.progress.unit === 'bytes' ? `${sizeText(one.progress.perSecond)}/s` : `${(one.progress.perSecond * 60).toFixed(one.progress.perSecond < 1 / 6 ? 1 : 0)} ${one.progress.unit}/min`}`}` : undefined],
  ['begun twice', one.progress?.copies],
  ['wrong results, at most', one.spec.assurance && `${one.spec.assurance} of those accepted`],
  ['compared by', one.spec.compare && compareText(one.spec.compare)],
  ['cost', creditsOf(one.cost)], ['of it, for places taken', one.displaced === undefined ? undefined : creditsOf(one.displaced)], ['cap', creditsOf(one.cap)], ['came back', one.endedAt === undefined ? undefined : creditsOf(one.refunded)],
  ['merged', one.merged && `${one.merged.size} bytes, sha256 ${one.merged.sha256}`], ['created', stamp(one.createdAt)], ['started', stamp(one.startedAt)], ['ended', stamp(one.endedAt)],
]
