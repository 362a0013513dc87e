import type { Command } from 'commander'
import { Option } from 'commander'
import { AppealState, Level, Role, Severity, matchingScopeText } from '@lumaris/protocol'
import type { AdminMatchingPause, Incident, MatchingScope, Node, NodeId, NodeState, PersonDetail, Posting, Reversal, ReversalId } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs, collect, parseAmount, parseCores, parseCount, parseDuration, parseShare, parseSize } from '../parse.ts'
import { creditsOf } from '../ui/money.ts'
import { agoText, stamp } from '../ui/time.ts'
import { defineLooks } from './look.ts'
import { defineReconcile } from './reconcile.ts'

type Why = { reason: string }
export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', `Examples:
  lumaris --as admin admin users ann
  lumaris --as admin admin suspend usr_01jcd3k8w9e5r7t2y4u6p8a0sd --reason 'a stolen card'
  lumaris --as admin admin reverse settle:job_….0.0 --reason 'billed for our own fault'
  lumaris --as admin admin reconcile november.csv --reason 'statement of November'
  lumaris --as admin admin pause --region eu --says 'A switch is replaced.' --reason 'planned work'
  lumaris --as admin admin incident open 'Jobs wait' --severity major --text 'A switch is broken.'
`)
  const sub = (name: string, summary: string, of = command): Command => of.command(name).summary(summary).description(summary)
  const withReason = (one: Command): Command => one.requiredOption('--reason <text>', 'why; it stands in the log for ever', asIs)
  const limited = (one: Command): Command => one.option('-n, --limit <count>', 'so many at most', parseCount, 50)
  limited(sub('users', 'users, newest first').argument('[part]', 'a part of name or e-mail, or an id')).option('--suspended', 'only those who are suspended').action(withContext(users))
  sub('user', 'one user: roles, balances, jobs, nodes, sessions').argument('<user>', 'its id').action(withContext(async (context: Context, user: string) => showPerson(context, await (await context.client()).api.getPerson({ params: { user } }))))
  defineLooks(sub, withContext)
  defineReconcile(sub, withReason, withContext)
  for (const [name, summary, call] of [['suspend', 'no sign-in, no new jobs, no new work for their nodes', 'suspendUser'], ['unsuspend', 'end a suspension', 'unsuspendUser']] as const) {
    withReason(sub(name, summary).argument('<user>', 'its id')).action(withContext(async (context: Context, user: string, { reason }: Why) => showPerson(context, await (await context.client()).api[call]({ params: { user }, body: { reason } }))))
  }
  withReason(sub('roles', 'grant and revoke roles').argument('<user>', 'its id').addOption(new Option('--role <role>', 'one of the roles it has from now on (repeatable)').choices(Role.options).argParser(collect(asIs)).makeOptionMandatory()))
    .action(withContext(async (context: Context, user: string, { reason, role }: Why & { role: string[] }) => showPerson(context, await (await context.client()).api.setUserRoles({ params: { user }, body: { roles: [...new Set(role)] as Role[], reason } }))))
  withReason(sub('deposit', 'book money that came in outside of the market; one payment is booked once').argument('<user>', 'its id').argument('<credits>', 'such as 10 or 0.5', parseAmount).requiredOption('--reference <reference>', 'what the payment came in under', asIs))
    .action(withContext(async (context: Context, user: string, amount: bigint, { reference, reason }: Why & { reference: string }) => showPerson(context, await (await context.client()).api.bookDeposit({ params: { user }, body: { amount: amount.toString(), reference, reason } }))))
  withReason(sub('impersonate', 'a token that sees what a user sees for 15 minutes, and changes nothing; the user is shown it').argument('<user>', 'its id')).action(withContext(async (context: Context, user: string, { reason }: Why) => {
    const one = await (await context.client()).api.impersonateUser({ params: { user }, body: { reason } })
    await context.showThing(one, [['impersonation', one.id], ['token', one.token], ['until', stamp(one.expiresAt)], ['such as', 'LUMARIS_TOKEN=… lumaris jobs']])
  }))
  const nodes = limited(sub('nodes', 'nodes of the whole market')).argument('[part]', 'a part of its name, or its id')
  for (const [flag, says] of [['region', 'in this region'], ['agent', 'with this version of the agent'], ['state', 'in this state']] as const) nodes.option(`--${flag} <${flag}>`, `${says} (repeatable)`, collect(asIs), [])
  nodes.option('--least-completion <share>', 'that end at least this share of their work', parseShare).option('--most-completion <share>', 'that end at most this share of it', parseShare)
    .option('--free-cores <cores>', 'with so many cores free', parseCores).option('--free-memory <size>', 'with so much memory free', parseSize).action(withContext(findNodes))
  withReason(sub('cordon', 'no new work for a node, whatever its owner says').argument('<node>', 'its id')).option('--drain', 'empty it too: what can be moved goes elsewhere').option('--within <duration>', 'with --drain: what has not ended by then is ended', parseDuration)
    .action(withContext(async (context: Context, node: string, { reason, drain, within }: Why & { drain?: boolean; within?: number }) => {
      if (within !== undefined && !drain) throw new CliError('--within is for --drain', 'Such as: lumaris admin cordon NODE --drain --within 2h --reason …', EXIT.usage)
      await showNode(context, await (await context.client()).api.cordonNode({ params: { node }, body: { reason, ...(drain ? { drain: within === undefined ? {} : { withinMs: within } } : {}) } }))
    }))
  for (const [name, summary, call] of [['uncordon', 'let a node take work again', 'uncordonNode'], ['ban', 'out of the market now: what runs there goes elsewhere, and its agent is refused', 'banNode'], ['unban', 'end a ban', 'unbanNode']] as const) {
    withReason(sub(name, summary).argument('<node>', 'its id')).action(withContext(async (context: Context, node: string, { reason }: Why) => showNode(context, await (await context.client()).api[call]({ params: { node }, body: { reason } }))))
  }
  withReason(sub('pause', 'let nothing new start, in the whole market or a class of it; what runs goes on')).requiredOption('--says <text>', 'what everybody reads', asIs).option('--region <region>', 'only on nodes of this region (repeatable)', collect(asIs), [])
    .addOption(new Option('--level <level>', 'only behind isolation of this level (repeatable)').choices(Level.options).argParser(collect(asIs)).default([])).option('--gpus', 'only work that asks for GPUs')
    .action(withContext(async (context: Context, { reason, says, region, level, gpus }: Why & { says: string; region: string[]; level: string[]; gpus?: boolean }) => {
      const scope: MatchingScope = { ...(region.length > 0 ? { regions: region } : {}), ...(level.length > 0 ? { levels: level as Level[] } : {}), ...(gpus ? { gpus } : {}) }
      await showPause(context, await (await context.client()).api.pauseMatching({ body: { scope, says, reason } }))
    }))
  withReason(sub('resume', 'let work start again').argument('<pause>', 'its id: lumaris admin pauses')).action(withContext(async (context: Context, pause: string, { reason }: Why) => showPause(context, await (await context.client()).api.resumeMatching({ params: { pause }, body: { reason } }))))
  sub('pauses', 'what nothing new starts of just now').action(withContext(async (context: Context) => {
    const { data } = await (await context.client()).api.listMatchingPauses(), now = context.io.now()
    await context.showList(data, [{ title: 'pause', value: (one) => one.id }, { title: 'of', value: (one) => matchingScopeText(one.scope), shrinks: true }, { title: 'since', value: (one) => stamp(one.since), shown: (one) => agoText(one.since, now) }, { title: 'says', value: (one) => one.says, shrinks: true }, { title: 'why', value: (one) => one.reason, shrinks: true }], (one) => one.id, 'Nothing is paused.')
  }))
  limited(sub('appeals', 'what sellers say should not count against their nodes, oldest first')).addOption(new Option('--state <state>').choices(AppealState.options).default('open')).action(withContext(async (context: Context, { limit, state }: { limit: number; state: AppealState }) => {
    const { data } = await (await context.client()).api.listAppeals({ query: { limit: Math.min(200, limit), state } })
    await context.showTable('Appeals', data, [
      { title: 'attempt', value: (one) => one.fault.attempt }, { title: 'node', value: (one) => one.nodeName }, { title: 'of', value: (one) => one.ownerName }, { title: 'what', value: (one) => one.fault.says, shrinks: true }, { title: 'because', value: (one) => one.appeal.text, shrinks: true },
    ], 'No appeals.')
  }))
  const appeal = sub('appeal', 'decide on an appeal; its seller reads why')
  for (const [name, summary, call] of [['accept', 'it does not count: what it weighs is taken out of the record', 'acceptAppeal'], ['refuse', 'it counts', 'refuseAppeal']] as const) {
    withReason(sub(name, summary, appeal).argument('<attempt>', 'its id')).action(withContext(async (context: Context, attempt: string, { reason }: Why) => {
      const fault = await (await context.client()).api[call]({ params: { attempt }, body: { reason } })
      await context.showThing(fault, [['attempt', fault.attempt], ['appeal', fault.appeal?.state], ['reason', fault.appeal?.reason]])
    }))
  }
  limited(sub('reversals', 'proposed and decided reversals, newest first')).action(withContext(reversals))
  withReason(sub('reverse', 'propose to reverse an entry; another admin must approve').argument('<entry>', 'its name, as lumaris wallet --history --json shows it')).action(withContext(async (context: Context, entry: string, { reason }: Why) => showReversal(context, await (await context.client()).api.proposeReversal({ body: { entry, reason } }))))
  for (const [name, summary, call] of [['approve', 'approve a reversal that another admin proposed: the entry is made', 'approveReversal'], ['reject', 'reject a proposal, or take back one’s own', 'rejectReversal']] as const) {
    withReason(sub(name, summary).argument('<reversal>', 'its id')).action(withContext(async (context: Context, reversal: string, { reason }: Why) => showReversal(context, await (await context.client()).api[call]({ params: { reversal: reversal as ReversalId }, body: { reason } }))))
  }
  limited(sub('log', 'what admins did, newest first')).option('--subject <id>', 'only what was done to this', asIs).option('--export <format>', 'all of it, as csv or jsonl', asIs).action(withContext(log))
  const incident = sub('incident', 'tell everybody that something is wrong')
  const text = (one: Command): Command => one.requiredOption('--text <text>', 'what everybody reads', asIs)
  text(sub('open', 'open an incident', incident).argument('<title>').addOption(new Option('--severity <severity>').choices(Severity.options).default('minor')))
    .option('--region <region>', 'a region that it concerns (repeatable)', collect(asIs), []).option('--node <id>', 'a node that it concerns (repeatable)', collect(asIs), [])
    .action(withContext(async (context: Context, title: string, options: { severity: Severity; text: string; region: string[]; node: string[] }) => showIncident(context, await (await context.client()).api.openIncident({ body: { title, severity: options.severity, text: options.text, regions: options.region, nodes: options.node as NodeId[] } }))))
  text(sub('update', 'tell more about it', incident).argument('<incident>', 'its id')).action(withContext(async (context: Context, id: string, options: { text: string }) => showIncident(context, await (await context.client()).api.updateIncident({ params: { incident: id }, body: { text: options.text } }))))
  text(sub('resolve', 'it is over', incident).argument('<incident>', 'its id')).action(withContext(async (context: Context, id: string, options: { text: string }) => showIncident(context, await (await context.client()).api.resolveIncident({ params: { incident: id }, body: { text: options.text } }))))
  sub('list', 'all incidents, newest first; anybody may see them', incident).action(withContext(incidents))
}

async function users(context: Context, part: string | undefined, options: { limit: number; suspended?: boolean }): Promise<void> {
  const { data } = await (await context.client()).api.listPeople({ query: { q: part, limit: Math.min(200, options.limit), ...(options.suspended ? { suspended: 'yes' } : {}) } }), now = context.io.now()
  await context.showList(data, [
    { title: 'user', value: (one) => one.id }, { title: 'name', value: (one) => one.name, shrinks: true }, { title: 'e-mail', value: (one) => one.email, shrinks: true }, { title: 'roles', value: (one) => one.roles.join(' ') },
    { title: 'since', value: (one) => stamp(one.createdAt), shown: (one) => agoText(one.createdAt, now) }, { title: 'state', value: (one) => (one.suspended ? 'suspended' : 'active'), state: true },
  ], (one) => one.id, 'Nobody.')
}
const showPerson = (context: Context, one: PersonDetail): Promise<void> => context.showThing(one, [
  ['user', one.id], ['name', one.name], ['e-mail', one.email], ['roles', one.roles.join(', ')], ['state', one.suspended ? 'suspended' : 'active'], ['suspended because', one.suspended?.reason], ['since', stamp(one.createdAt)],
  ['available', creditsOf(one.wallet.available)], ['held for jobs', creditsOf(one.wallet.held)], ['spent', creditsOf(one.wallet.spent)], ['earned, in dispute window', creditsOf(one.wallet.pending)], ['cleared', creditsOf(one.wallet.earned)],
  ['jobs', `${one.jobs.all}, ${one.jobs.live} under way`], ['nodes', one.nodes.map((node) => node.name).join(', ')], ['open sessions', one.sessions], ['good keys', one.keys],
])

type NodeOptions = { limit: number; region: string[]; agent: string[]; state: string[]; leastCompletion?: number; mostCompletion?: number; freeCores?: number; freeMemory?: number }
async function findNodes(context: Context, part: string | undefined, options: NodeOptions): Promise<void> {
  const some = (list: string[]) => (list.length > 0 ? list : undefined)
  const { data } = await (await context.client()).api.findNodes({ query: { q: part, limit: Math.min(200, options.limit), region: some(options.region), version: some(options.agent), state: some(options.state) as NodeState[] | undefined, leastCompletion: options.leastCompletion, mostCompletion: options.mostCompletion, freeCpuMillis: options.freeCores, freeMemoryBytes: options.freeMemory } }), now = context.io.now()
  await context.showList(data, [
    { title: 'node', value: (one) => one.id }, { title: 'name', value: (one) => one.name, shrinks: true }, { title: 'state', value: (one) => one.state, state: true }, { title: 'region', value: (one) => one.region }, { title: 'agent', value: (one) => one.agentVersion },
    { title: 'cores free', value: (one) => `${(one.capacity.cpuMillis - one.reserved.cpuMillis) / 1000}/${one.capacity.cpuMillis / 1000}`, right: true }, { title: 'ends its work', value: (one) => `${(one.reliability * 100).toFixed(1)} %`, right: true }, { title: 'running', value: (one) => one.running, right: true },
    { title: 'seen', value: (one) => stamp(one.lastSeenAt), shown: (one) => agoText(one.lastSeenAt, now) }, { title: 'owner', value: (one) => one.owner },
  ], (one) => one.id, 'No node fits.')
}
const showNode = (context: Context, one: Node): Promise<void> => context.showThing(one, [['node', one.id], ['name', one.name], ['state', one.state], ['held back because', one.cordon?.reason], ['emptied by', one.cordon?.until === undefined ? undefined : stamp(one.cordon.until)], ['update its agent to', one.updateTo], ['running', one.running], ['owner', one.owner]])

const showPause = (context: Context, one: AdminMatchingPause): Promise<void> => context.showThing(one, [['pause', one.id], ['of', matchingScopeText(one.scope)], ['since', stamp(one.since)], ['says', one.says], ['why', one.reason]])
const moves = (postings: readonly Posting[]): string => postings.map(({ from, to, amount }) => `${creditsOf(amount)} ${from} → ${to}`).join('; ')
const showReversal = (context: Context, one: Reversal): Promise<void> => context.showThing(one, [['reversal', one.id], ['state', one.state], ['of', one.entry], ['moves', moves(one.postings)], ['reason', one.reason], ['proposed by', one.proposedBy], ['decided by', one.decidedBy], ['lapses', one.state === 'proposed' ? stamp(one.expiresAt) : undefined]])
async function reversals(context: Context, options: { limit: number }): Promise<void> {
  const { data } = await (await context.client()).api.listReversals({ query: { limit: Math.min(200, options.limit) } }), now = context.io.now()
  await context.showList(data, [
    { title: 'reversal', value: (one) => one.id }, { title: 'state', value: (one) => one.state, state: true }, { title: 'proposed', value: (one) => stamp(one.proposedAt), shown: (one) => agoText(one.proposedAt, now) }, { title: 'of', value: (one) => one.entry, shrinks: true }, { title: 'moves', value: (one) => moves(one.postings), shrinks: true }, { title: 'reason', value: (one) => one.reason, shrinks: true },
  ], (one) => one.id, 'Nothing was ever reversed.')
}

async function log(context: Context, options: { limit: number; subject?: string; export?: string }): Promise<void> {
  if (options.export !== undefined) {
    if (options.export !== 'csv' && options.export !== 'jsonl') throw new CliError(`"${options.export}" is no format`, 'Write csv or jsonl.', EXIT.usage)
    for await (const piece of (await context.client()).csv('actions', { format: options.export, subject: options.subject })) await context.write(piece)
    return
  }
  const { data } = await (await context.client()).api.listActions({ query: { limit: Math.min(200, options.limit), subject: options.subject } }), now = context.io.now()
  await context.showList(data, [
    { title: 'when', value: (one) => stamp(one.at), shown: (one) => agoText(one.at, now) }, { title: 'who', value: (one) => one.byName || one.by }, { title: 'what', value: (one) => one.action }, { title: 'to', value: (one) => one.subject, shrinks: true }, { title: 'why', value: (one) => one.reason, shrinks: true },
    { title: 'after', value: (one) => (one.after ? JSON.stringify(one.after) : ''), shrinks: true }, { title: 'from', value: (one) => one.from },
  ], (one) => one.id, 'No admin has done anything yet.')
}

const showIncident = (context: Context, one: Incident): Promise<void> => context.showThing(one, [['incident', one.id], ['state', one.state], ['title', one.title], ['severity', one.severity], ['regions', one.regions.join(', ')], ['nodes', one.nodes.join(', ')], ['opened', stamp(one.openedAt)], ['last word', one.updates.at(-1)?.text]])
async function incidents(context: Context): Promise<void> {
  const { data } = await (await context.client()).api.listIncidents({ query: { limit: 200 } }), now = context.io.now()
  await context.showList(data, [
    { title: 'incident', value: (one) => one.id }, { title: 'state', value: (one) => one.state, state: true }, { title: 'severity', value: (one) => one.severity }, { title: 'opened', value: (one) => stamp(one.openedAt), shown: (one) => agoText(one.openedAt, now) }, { title: 'title', value: (one) => one.title, shrinks: true }, { title: 'last word', value: (one) => one.updates.at(-1)?.text, shrinks: true },
  ], (one) => one.id, 'No incident.')
}
