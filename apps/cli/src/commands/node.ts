import type { Command } from 'commander'
import { setTimeout as delay } from 'node:timers/promises'
import { Option } from 'commander'
import { DriverId, LEVELS, NODE_EVENTS, NodePolicy, OPEN_POLICY, PRICE_NAMES, SELF_TEST_VALID_MS } from '@lumaris/protocol'
import type { Node } from '@lumaris/protocol'
import type { Client } from '@lumaris/sdk'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { askLine } from '../ask.ts'
import { addPriceOptions, pricesOf } from '../price-options.ts'
import type { PriceOptions } from '../price-options.ts'
import { REASON, asIs, collect } from '../parse.ts'
import { clean } from '../ui/clean.ts'
import { creditsOf } from '../ui/money.ts'
import { agoText, durationText, sizeText, stamp } from '../ui/time.ts'
import { nodes, withAll } from './nodes.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris node show my-laptop\n  lumaris node pause my-laptop\n  lumaris node activity my-laptop\n  lumaris node self-test my-laptop\n  lumaris node explain my-laptop\n  lumaris node price my-laptop --cpu-hour 0.02 --memory-gib-hour 0.004\n  lumaris node policy my-laptop --image docker.io/library --no-gangs --refuse-tag scraping\n')
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary).argument('<node>', 'its name or id')
  withAll(command.command('list').summary('my nodes, as: lumaris nodes').description('My nodes, as: lumaris nodes')).action(withContext(nodes))
  sub('show', 'what it has, and what it did').action(withContext(async (context: Context, name: string) => { const client = await context.client(); return show(context, await findNode(client, name)) }))
  for (const [name, summary, call] of [['pause', 'no new work; what runs goes on', 'pauseNode'], ['drain', 'no new work; what can be moved goes elsewhere, the rest runs to its end', 'drainNode'], ['resume', 'take work again', 'resumeNode']] as const) {
    sub(name, summary).option(...REASON).action(withContext(async (context: Context, node: string, { reason }: { reason?: string }) => { const client = await context.client(); return show(context, await client.api[call]({ params: { node: (await findNode(client, node)).id }, body: { reason } })) }))
  }
  sub('activity', 'what runs there and earns, and what happened to it').action(withContext(activity))
  sub('self-test', 'let its agent test the machine again, when nothing runs there; says what it found').option('--no-wait', 'only ask for it').action(withContext(selfTest))
  sub('remove', 'out of the market for good, when nothing runs there; earnings and history stay').option('--yes', 'do not ask for its name').action(withContext(remove))
  sub('explain', 'why it was not chosen in the last 100 placements').action(withContext(explain))
  sub('reputation', 'what is believed of it, what lowered that, and how it recovers').action(withContext(reputation))
  command.command('appeal').summary('say why an ending should not count against a node of mine; once for each').description('Say why an ending should not count against a node of mine. One appeal is looked at for each.').argument('<attempt>', 'its id, as lumaris node reputation shows it').requiredOption('--because <text>', 'why; admins read it', asIs).action(withContext(appeal))
  sub('policy', 'show or set what it takes of what it could run; those not named stay').option('--open', 'take all of it again, but for what else is named')
    .addOption(new Option('--driver <driver>', 'only these ways to isolate (repeatable)').choices(DriverId.options).argParser(collect(asIs))).addOption(new Option('--min-level <level>', 'only behind walls at least so strong').choices(LEVELS))
    .option('--image <name>', 'images only from this registry or repository, or of this digest: docker.io/library, sha256:… (repeatable)', collect(asIs)).option('--no-images', 'no images at all')
    .option('--gangs', 'take gangs').option('--no-gangs', 'take none').option('--egress', 'take work that connects to hosts it names').option('--no-egress', 'take none').option('--gpus', 'take work for its GPUs').option('--no-gpus', 'take none')
    .option('--refuse-tag <word>', 'no work that its buyer has given this tag (repeatable)', collect(asIs)).action(withContext(policy))
  addPriceOptions(sub('price', 'set prices, in credits; those not named stay').option(...REASON)).action(withContext(price))
}

async function activity(context: Context, name: string): Promise<void> {
  const client = await context.client(), found = await client.api.nodeActivity({ params: { node: (await findNode(client, name)).id } })
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  await context.showTable('Runs now', found.work, [
    { title: 'program', value: (work) => clean(work.program), shrinks: true }, { title: 'state', value: (work) => work.state, state: true }, { title: 'driver', value: (work) => work.driver }, { title: 'job', value: (work) => work.job },
    { title: 'ran', value: (work) => durationText(work.runMs), right: true }, { title: 'at most', value: (work) => durationText(work.leftMs), right: true }, { title: 'per hour', value: (work) => creditsOf(work.perHour), right: true }, { title: 'so far', value: (work) => creditsOf(work.earning), right: true },
  ], 'Nothing runs there.')
  await context.showTable('What happened', found.events, [
    { title: 'when', value: (event) => stamp(event.at), shown: (event) => agoText(event.at, context.io.now()) }, { title: 'what', value: (event) => NODE_EVENTS[event.what] }, { title: 'more', value: (event) => clean(event.detail ?? ''), shrinks: true },
  ], 'Nothing since the market was started.')
}

const TEST_LOOK_MS = 500
async function selfTest(context: Context, name: string, options: { wait: boolean }): Promise<void> {
  const client = await context.client(), node = await findNode(client, name), { id } = node
  let test = await client.api.testNode({ params: { node: id } })
  const number = test.asked?.number ?? 0, until = performance.now() + SELF_TEST_VALID_MS
  if (!options.wait) { context.note('Asked. Its agent tests when nothing runs there.'); return context.showThing(test, [['asked', stamp(test.asked?.at)]]) }
  context.note(node.connected ? `Asked ${clean(node.name)}.${node.running > 0 ? ' It tests when what runs there has ended.' : ''}` : `${clean(node.name)} is not connected; its agent hears it when it is back.`)
  const over = (): boolean => test.said !== null && test.said.number >= number && (test.said.state === 'done' || test.said.state === 'given_up')
  const { signal, stop } = context.interruptible()
  try {
    while (!over()) {
      if (performance.now() > until) throw new CliError('Its agent has not tested in time', 'Work may run there all the time, or its agent is older than this. See: lumaris node show.', EXIT.timeout)
      await delay(TEST_LOOK_MS, undefined, { signal });
      ({ test } = await client.api.nodeActivity({ params: { node: id } }, { signal }))
    }
  } finally { stop() }
  if (test.said?.state === 'given_up') throw new CliError('Work ran there all the time, so it was not tested', 'Drain the node first: lumaris node drain.', EXIT.conflict)
  const lines = test.said?.lines ?? []
  if (context.flags.json || context.flags.jsonLines) await context.showThing(test, [])
  else for (const { check, ok, says } of lines) await context.write(`${ok ? context.colours.green('PASSED') : context.colours.red('FAILED')}  ${clean(check)}: ${clean(says)}\n`)
  if (lines.some((line) => !line.ok)) context.exitCode = EXIT.failed
}

async function remove(context: Context, name: string, options: { yes?: true }): Promise<void> {
  const client = await context.client(), node = await findNode(client, name)
  if (!options.yes) {
    const typed = await askLine(context.io, `This cannot be taken back: its agent is sent away; its earnings and history stay.\nName of the node: `, 'Give --yes.')
    if (typed !== node.name) throw new CliError('That is another name; nothing was removed', `Its name is ${clean(node.name)}.`, EXIT.usage)
  }
  await client.api.removeNode({ params: { node: node.id } })
  context.note(`${clean(node.name)} is out of the market.`)
  await context.showThing({ removed: node.id }, [['removed', node.id]])
}

async function price(context: Context, name: string, { reason, ...options }: PriceOptions & { reason?: string }): Promise<void> {
  const asked = pricesOf(options)
  if (Object.keys(asked).length === 0) throw new CliError('No price was named', 'Such as: lumaris node price my-laptop --cpu-hour 0.02', EXIT.usage)
  const client = await context.client()
  const node = await findNode(client, name)
  await show(context, await client.api.priceNode({ params: { node: node.id }, body: { ...node.prices, ...asked, reason } }))
}

const share = (value: number): string => `${Math.round(value * 1000) / 10} %`
async function reputation(context: Context, name: string): Promise<void> {
  const client = await context.client(), node = await findNode(client, name), found = await client.api.getNodeReputation({ params: { node: node.id } })
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  const { bold, dim } = context.colours, { completion, correctness, timeliness } = found.reputation
  const lines = [bold(clean(found.name)), `  ends its work   at least ${share(completion.lower)}`, `  results hold    at least ${share(correctness.lower)}`, `  in time         at least ${share(timeliness.lower)}`]
  if (found.up !== undefined) lines.push(`  there           ${share(found.up)} of the last day`)
  if (found.speed) lines.push(`  time it takes   ${found.speed.factor.toFixed(2)} × what was said ${dim(`(${found.speed.runs} runs)`)}`)
  for (const one of found.recovery) lines.push('', clean(one.says))
  if (found.faults.length > 0) lines.push('', bold('What lowered it'))
  for (const one of found.faults) lines.push(`  ${stamp(one.at)}  ${one.attempt}  ${clean(one.says)} ${dim(`counts ${share(one.weight)}${one.appeal ? `; appeal ${one.appeal.state}${one.appeal.reason === undefined ? '' : `: ${clean(one.appeal.reason)}`}` : ''}`)}`)
  await context.write(`${lines.join('\n')}\n`)
}
async function appeal(context: Context, attempt: string, { because }: { because: string }): Promise<void> {
  const fault = await (await context.client()).api.appealFault({ params: { attempt }, body: { text: because } })
  await context.showThing(fault, [['attempt', fault.attempt], ['appeal', fault.appeal?.state], ['because', fault.appeal && clean(fault.appeal.text)]])
}

type PolicyOptions = { open?: boolean; driver?: string[]; minLevel?: string; image?: string[]; images?: boolean; gangs?: boolean; egress?: boolean; gpus?: boolean; refuseTag?: string[] }
async function policy(context: Context, name: string, { open, driver, image, images, refuseTag, ...rest }: PolicyOptions): Promise<void> {
  const client = await context.client(), node = await findNode(client, name)
  const asked = { ...rest, drivers: driver, images: image ?? (images === false ? [] : undefined), refusedTags: refuseTag }, named = Object.entries(asked).filter(([, value]) => value !== undefined)
  if (named.length === 0 && !open) return showPolicy(context, node)
  const parsed = NodePolicy.safeParse({ ...(open ? OPEN_POLICY : node.policy), ...Object.fromEntries(named) })
  if (!parsed.success) throw new CliError(`${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`, 'See: lumaris node policy --help', EXIT.usage)
  await showPolicy(context, await client.api.setNodePolicy({ params: { node: node.id }, body: parsed.data }))
}
function showPolicy(context: Context, { name, drivers, policy: { minLevel, images, gangs, egress, gpus, refusedTags, ...only } = OPEN_POLICY }: Node): Promise<void> {
  const taken = (yes: boolean): string => (yes ? 'taken' : 'not taken')
  return context.showThing({ name, ...only, minLevel, images, gangs, egress, gpus, refusedTags }, [
    ['node', name], ['drivers', only.drivers ? `only ${only.drivers.join(', ')}` : `any that it offers: ${drivers.map(({ id }) => id).join(', ') || 'none'}`], ['walls', minLevel ? `at least ${minLevel}` : 'any'],
    ['images', images === undefined ? 'any' : images.length === 0 ? 'none' : `only ${images.join(', ')}`], ['gangs', taken(gangs)], ['connections', taken(egress)], ['GPU work', taken(gpus)], ['tags refused', refusedTags.join(', ') || 'none'],
  ])
}

async function explain(context: Context, name: string): Promise<void> {
  const client = await context.client()
  const found = await client.explainNode((await findNode(client, name)).id)
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  const { bold, dim } = context.colours
  const lines = [bold(clean(found.summary))]
  for (const { count, alone, says } of found.reasons) lines.push(`  ${String(count).padStart(3)} × ${clean(says)} ${dim(alone === count ? '(nothing else stood against it)' : alone === 0 ? '(always with something else)' : `(${alone} × nothing else)`)}`)
  for (const one of found.forfeits ?? []) lines.push('', clean(one))
  if (found.medianGapPercent !== undefined) lines.push('', `Where only the price decided, it was ${found.medianGapPercent} % above the winner (the middle one).`)
  await context.write(`${lines.join('\n')}\n`)
}

/** By id, or by a name that only one of my nodes has. */
export async function findNode(client: Client, name: string): Promise<Node> {
  if (/^nod_[0-9a-z]{26}$/.test(name)) return client.api.getNode({ params: { node: name } })
  const found: Node[] = []
  for await (const node of client.nodes()) if (node.name === name && node.state !== 'retired') found.push(node)
  if (found.length > 1) throw new CliError(`${found.length} nodes are called ${clean(name)}`, `Give the id: ${found.map((node) => node.id).join(' or ')}.`, EXIT.usage)
  if (!found[0]) throw new CliError(`No node of yours is called ${clean(name)}`, 'lumaris nodes lists them.', EXIT.notFound)
  return found[0]
}

const show = (context: Context, node: Node): Promise<void> => context.showThing(node, [
  ['node', node.id], ['name', node.name], ['state', node.state], ['region', node.region], ['drivers', node.drivers.map((driver) => `${driver.id} (${driver.level})`).join(', ')],
  ['lets jobs out', node.drivers.filter((driver) => driver.egress).map((driver) => driver.id).join(', ') || undefined],
  ['cores', `${node.reserved.cpuMillis / 1000} of ${node.capacity.cpuMillis / 1000} in use`], ['memory', `${sizeText(node.reserved.memoryBytes)} of ${sizeText(node.capacity.memoryBytes)} in use`],
  ['disk', sizeText(node.capacity.diskBytes)], ['gpus', node.capacity.gpus ? [node.capacity.gpus, node.capacity.gpuModel, node.capacity.gpuProfile].filter(Boolean).join(' ') : undefined], ['running', node.running], ['ended well', node.succeeded], ['its own failures', node.failed], ['reliability', `${(node.reliability * 100).toFixed(1)} %`],
  ...PRICE_NAMES.filter((what) => node.prices[what] !== '0').map((what) => [`price ${what}`, creditsOf(node.prices[what])] as const),
  ['interruptible work', node.prices.spotPercent === undefined ? 'not taken' : `from ${node.prices.spotPercent} % of these`],
  ['agent', node.agentVersion], ['last seen', stamp(node.lastSeenAt)], ['joined', stamp(node.enrolledAt)], ['by an admin', node.admin && `${node.admin.action}, ${stamp(node.admin.at)}: ${clean(node.admin.reason)}`],
])
