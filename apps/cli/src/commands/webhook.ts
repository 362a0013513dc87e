import type { Command } from 'commander'
import { Option } from 'commander'
import { WebhookEvent } from '@lumaris/protocol'
import type { Delivery } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { asIs, collect, parseCount } from '../parse.ts'
import { agoText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris webhook add https://ci.example.org/lumaris --event job.ended --event standing.met\n  lumaris webhook list\n  lumaris webhook test whk_01jcd3k8w9e5r7t2y4u6p8a0sd\n  lumaris webhook deliveries whk_01jcd3k8w9e5r7t2y4u6p8a0sd\n')
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  sub('add', 'a new webhook; the secret of its signatures is shown once').argument('<url>', 'an https address')
    .addOption(new Option('--event <event>', 'what to tell (repeatable; job.ended)').choices(WebhookEvent.options).argParser(collect(asIs)))
    .action(withContext(add))
  sub('list', 'my webhooks').action(withContext(list))
  sub('test', 'send a ping').argument('<webhook>', 'its id').action(withContext(test))
  sub('enable', 'turn one on again').argument('<webhook>', 'its id').action(withContext(enable))
  sub('deliveries', 'what was sent, and what became of it').argument('<webhook>', 'its id').option('-n, --limit <count>', 'so many at most', parseCount, 20).action(withContext(deliveries))
  sub('resend', 'send a message again, under the same id').argument('<webhook>', 'its id').argument('<delivery>', 'the message’s id').action(withContext(resend))
  sub('remove', 'remove one, and what still waits for it').argument('<webhook>', 'its id').action(withContext(remove))
}

async function add(context: Context, url: string, options: { event?: string[] }): Promise<void> {
  const hook = await (await context.client()).api.createWebhook({ body: { url, ...(options.event ? { events: options.event as WebhookEvent[] } : {}) } })
  if (context.flags.quiet) return context.write(`${hook.secret}\n`)
  await context.showThing(hook, [['webhook', hook.id], ['address', hook.url], ['events', hook.events.join(', ')], ['secret', hook.secret]])
  context.note('Keep the secret now: it is not shown again. With it you check that a message is from this market (Standard Webhooks).')
}

async function list(context: Context): Promise<void> {
  const { data } = await (await context.client()).api.listWebhooks(), now = context.io.now()
  await context.showList(data, [
    { title: 'webhook', value: (hook) => hook.id }, { title: 'address', value: (hook) => hook.url, shrinks: true }, { title: 'events', value: (hook) => hook.events.join(' '), shrinks: true }, { title: 'waiting', value: (hook) => hook.waiting, right: true },
    { title: 'delivered', value: (hook) => stamp(hook.lastDeliveredAt), shown: (hook) => agoText(hook.lastDeliveredAt, now) || 'never' }, { title: 'state', value: (hook) => (hook.disabledAt === undefined ? 'on' : 'off'), state: true }, { title: 'because', value: (hook) => hook.disabledBecause, shrinks: true },
  ], (hook) => hook.id, 'No webhooks.')
}

async function test(context: Context, webhook: string): Promise<void> {
  await showDelivery(context, await (await context.client()).api.testWebhook({ params: { webhook } }))
  context.note(`What became of it: lumaris webhook deliveries ${webhook}`)
}
async function resend(context: Context, webhook: string, delivery: string): Promise<void> {
  await showDelivery(context, await (await context.client()).api.resendDelivery({ params: { webhook, delivery } }))
}
const showDelivery = (context: Context, one: Delivery): Promise<void> => context.showThing(one, [['message', one.id], ['event', one.type], ['state', one.state]])

async function enable(context: Context, webhook: string): Promise<void> {
  await (await context.client()).api.enableWebhook({ params: { webhook } })
  context.note('It is on, and told what happens from now on.')
}
async function deliveries(context: Context, webhook: string, options: { limit: number }): Promise<void> {
  const { data } = await (await context.client()).api.listDeliveries({ params: { webhook }, query: { limit: Math.max(1, Math.min(200, options.limit)) } }), now = context.io.now()
  await context.showList(data, [
    { title: 'message', value: (one) => one.id }, { title: 'event', value: (one) => one.type }, { title: 'about', value: (one) => one.subject, shrinks: true }, { title: 'state', value: (one) => one.state, state: true }, { title: 'tries', value: (one) => one.tries, right: true },
    { title: 'made', value: (one) => stamp(one.createdAt), shown: (one) => agoText(one.createdAt, now) }, { title: 'answer', value: (one) => one.status, right: true }, { title: 'problem', value: (one) => one.problem, shrinks: true },
  ], (one) => one.id, 'Nothing was sent yet.')
}
async function remove(context: Context, webhook: string): Promise<void> {
  await (await context.client()).api.removeWebhook({ params: { webhook } })
  context.note('Removed.')
}
