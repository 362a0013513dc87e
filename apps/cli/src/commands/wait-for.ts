import type { Command } from 'commander'
import type { Standing } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { REASON, asIs, parseAmount, parseCount, parseDuration } from '../parse.ts'
import { addSpecOptions, specOf } from '../spec-options.ts'
import type { SpecOptions } from '../spec-options.ts'
import { agoText, stamp } from '../ui/time.ts'

type WaitOptions = SpecOptions & { nodes?: number; for?: number; attemptCap?: bigint; detach?: boolean; list?: boolean; drop?: string; reason?: string }

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris wait-for --gpus 4 --gpu-model nvidia-h200 && lumaris run --gpus 4 --gpu-model nvidia-h200 -- ./train\n  lumaris wait-for --cpus 64 --nodes 3 --detach\n  lumaris wait-for --list\n')
  addSpecOptions(command)
    .option('--nodes <count>', 'so many nodes with room at once (1)', parseCount).option('--for <duration>', 'give up after (7d)', parseDuration).option('--attempt-cap <credits>', 'the most one attempt may cost', parseAmount)
    .option('--detach', 'leave the request standing and return').option('--list', 'show standing requests').option('--drop <request>', 'take a standing request back', asIs).option(...REASON)
    .action(withContext(waitFor))
}

async function waitFor(context: Context, words: string[], options: WaitOptions): Promise<void> {
  const client = await context.client()
  if (options.drop !== undefined) { await client.api.dropStanding({ params: { standing: options.drop }, body: { reason: options.reason } }); return context.note(`${options.drop} is taken back`) }
  if (options.list) return list(context, client.standing())
  // What would run plays no part in where there is room for it.
  const { spec } = await specOf(context, words.length > 0 || options.spec !== undefined ? words : ['true'], { ...options, auto: false })
  const made = await client.api.createStanding({ body: {
    spec, ...(options.nodes === undefined ? {} : { nodes: options.nodes }), ...(options.for === undefined ? {} : { validMs: options.for }), ...(options.attemptCap === undefined ? {} : { attemptCap: options.attemptCap.toString() }),
  } })
  if (options.detach) return show(context, made)
  if (made.state === 'open') context.note(`Waiting for room; the request ${made.id} stands until ${stamp(made.expiresAt)}, also without this command`)
  const { signal, stop } = context.interruptible()
  try {
    const over = made.state === 'open' ? await client.standingOver(made.id, { signal }) : made
    if (over.state !== 'met') throw new CliError('No such nodes appeared in time', 'lumaris explain of a waiting job says what would help.', EXIT.failed)
    await show(context, over)
  } finally { stop() }
}

const show = (context: Context, one: Standing): Promise<void> => context.showThing(one, [['request', one.id], ['state', one.state], ['nodes with room', one.found], ['since', one.metAt === undefined ? undefined : stamp(one.metAt)], ['until', stamp(one.expiresAt)]])
const list = (context: Context, all: AsyncIterable<Standing>): Promise<void> => context.showList(all, [
  { title: 'request', value: (one) => one.id }, { title: 'state', value: (one) => one.state, state: true }, { title: 'nodes', value: (one) => one.nodes, right: true }, { title: 'found', value: (one) => one.found, right: true },
  { title: 'made', value: (one) => stamp(one.createdAt), shown: (one) => agoText(one.createdAt, context.io.now()) }, { title: 'until', value: (one) => stamp(one.expiresAt) }, { title: 'buyer', value: (one) => one.buyer },
], (one) => one.id, 'No standing requests.')
