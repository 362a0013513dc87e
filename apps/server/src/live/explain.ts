// Why here, why waiting, and what would help. Placed attempts tell what was decided and kept; waiting work is asked about now.
import { busyReason, changesThatHelp, gangRoom, isTerminal, neighbours, obstacles, pauseOf, planOf, requirementOf, waitsForParents, whyNot } from '@lumaris/domain'
import type { AttemptRow, JobRow, NodeRow, Step } from '@lumaris/domain'
import type { Cause, Explanation, NoReason, NodeExplanation, PlannedTask } from '@lumaris/protocol'
import { CAUSES, PLAN_WHYS, formatCredits, matchingScopeText } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { listAttempts } from '../store/read.ts'
import { readForfeits } from '../store/read-ledger.ts'
import { amountText } from './need-text.ts'

export const SAYS: Record<NoReason, string> = {
  not_online: 'is not online, or takes no work now', driver: 'offers none of the drivers asked for', level: 'cannot isolate strongly enough', runtime: 'cannot run this runtime',
  cpu: 'has too few cores', memory: 'has too little memory', disk: 'has too little disk', gpu: 'has too few GPUs', cpu_busy: 'has its cores in use', memory_busy: 'has its memory in use',
  disk_busy: 'has its disk in use', gpu_busy: 'has its GPUs in use', gpu_model: 'has other GPUs', gpu_share: 'has only parts of GPUs, which are smaller than what was asked for', gpu_memory: 'has GPUs with too little memory', region: 'is in another region', trust: 'has not shown enough to be trusted so far',
  residency: 'is where the data may not lie', label: 'does not have the labels asked for', price: 'could cost more than the cap allows',
  same_owner_as_copy: 'belongs to the owner of another copy', same_network_as_copy: 'is in one network with another copy, or was enrolled beside it', failed_here: 'failed this work before', kept_for_overdue: 'is kept for work that has waited longest', kept_for_firm: 'keeps its room free for firm work that comes next',
  no_spot: 'takes no interruptible work', bid: 'asks more for interruptible work than the bid', scratch: 'has no encrypted scratch for this work', egress: 'allows no outgoing connections for this work',
  deadline: 'is not expected to be done by the deadline', spread: 'is too near to another task of the job, which asks to be spread',
  agent_too_old: 'gets no new work: its agent is older than this market asks for',
  matching_paused: 'gets no new work just now: operators have paused that',
  owner_driver: 'is not to be used with this driver: the owner does not take such work', owner_level: 'is not to be used behind walls as weak as its drivers for this have: the owner does not take such work', owner_image: 'takes no images from there: the owner does not take them', owner_gang: 'takes no gangs: the owner does not take them',
  owner_egress: 'takes no work that wants to connect to anything: the owner does not take it', owner_gpu: 'takes no work for its GPUs: the owner does not take it', owner_tag: 'takes no work of this kind: the owner does not take what is tagged so',
  gang: 'cannot join the network of a gang', gang_room: 'has no room while the other ranks of the gang have', moved_away: 'is not where it is being moved to',
}

/** Attempts told one by one; a job of thousands shows its first ones. */
const PLACED_MAX = 100

export async function explain(app: App, job: JobRow): Promise<Explanation> {
  const live = app.engine.state.jobs.get(job.id), tasks = live && job.spec.plan ? planOf(app.engine.state, live, app.now(), PLACED_MAX) : []
  const told = await explainPlacement(app, job)
  if (tasks.length === 0) return told
  const plan = tasks.map(({ until, ...task }) => ({ ...task, says: PLAN_WHYS[task.why], ...(until === null ? {} : { until: Math.round(until) }), noReturnAt: Math.round(task.noReturnAt) }))
  return { ...told, plan, summary: `${told.summary} ${planText(plan)}` }
}

/** The first of its tasks speaks for those that stand as it does. */
function planText(tasks: readonly PlannedTask[]): string {
  const { as, says, until, noReturnAt } = tasks[0] as PlannedTask, alike = tasks.filter((task) => task.as === as).length
  const at = (time: number): string => new Date(time).toISOString().replace(/\.\d+Z$/, 'Z')
  const last = until !== undefined && until >= noReturnAt ? ` Firm from ${at(until)} at the latest.` : until === undefined ? '' : ` That holds until ${at(until)}, if nothing changes; firm from ${at(noReturnAt)} at the latest.`
  return `${tasks.length === 1 ? 'It is' : `${alike} of its ${tasks.length} open tasks are`} ${as} now: ${says}.${last}`
}

async function explainPlacement(app: App, job: JobRow): Promise<Explanation> {
  const { state } = app.engine
  const attempts = (await listAttempts(app.db, job.id, PLACED_MAX, undefined)).data
  const placed = attempts.map((row: AttemptRow) => ({ attempt: row.id, node: row.node, nodeName: state.nodes.get(row.node)?.name ?? '', decision: row.decision, ...(row.resumes ? { resumes: { attempt: row.resumes.attempt, number: row.resumes.saved.number } } : {}) }))
  const moved = attempts.filter((row) => row.cause === 'moved').length
  const waits = !isTerminal(job.state) && job.tasksTotal - job.tasksDone - job.tasksFailed - job.tasksRunning
  if (!waits) return { job: job.id, state: job.state, placed, summary: summaryOf(job, placed.length, moved) + copiesText(placed) }
  if (job.paused) return { job: job.id, state: job.state, placed, summary: 'It is paused: nothing more of it starts until it is let go on.' }
  if (waitsForParents(job)) return { job: job.id, state: job.state, placed, summary: `It comes after ${job.parents?.left.length === 1 ? 'a job' : `${job.parents?.left.length} jobs`} that ${job.parents?.left.length === 1 ? 'has' : 'have'} not completed yet: ${job.parents?.left.slice(0, 10).join(', ')}.` }
  const pause = pauseOf(state, job)
  if (pause) { const { id, scope, says, since } = pause; return { job: job.id, state: job.state, placed, paused: { id, scope, says, since }, summary: `Operators let nothing new start of ${matchingScopeText(scope)}: ${says} It keeps its place in the queue and its hold, and its time to find a node stands still; what runs goes on.` } }
  const live = state.jobs.get(job.id), waiting = live?.tasks.find((task) => task.slots.some((slot) => slot.state === 'pending'))
  const need = requirementOf(job, job.spec.plan ? waiting?.slots[0] : undefined, [], waiting ? neighbours(state, job, waiting) : [])
  const nodes = [...state.nodes.values()].flatMap((node) => { const reason = obstacles(node, need)[0] ?? busyReason(state, node, need, app.now()); return reason ? [{ node: node.id, name: node.name, reason, says: `${node.name} ${SAYS[reason]}` }] : [] })
  const changes = changesThatHelp(state, need, app.now()).map(({ steps, nodes: count, startsInMs, likely, attemptCap }) => ({
    change: steps.map(changeText).join(', and '), steps: [...steps], nodes: count, ...(startsInMs === null ? {} : { startsInMs }), likely: likely.toString(), attemptCap: attemptCap.toString(),
  }))
  const gang = live && job.spec.gang ? gangRoom(state, live, app.now()) : null
  const summary = gang && state.nodes.size > 0 ? (gang.seats < gang.ranks ? `Its ${gang.ranks} ranks start together, and there are seats for ${gang.seats} of them now.` : 'There are seats for all its ranks: it is next in line.') : live?.tasks.some((task) => task.slots.some((slot) => slot.state === 'pending' && (slot.move?.until ?? 0) > app.now())) ? 'It is being moved to another node.' : nodes.length === 0 && state.nodes.size > 0 ? 'It is next in line.' : state.nodes.size === 0 ? 'No node has joined this market yet.' : state.nodes.size === 1 ? 'The one node of this market cannot take it now.' : `None of ${state.nodes.size} nodes can take it now.`
  return { job: job.id, state: job.state, placed, summary, waiting: { tasks: waits, nodes: nodes.slice(0, 200), changes } }
}

/** Copies of what was late, as the decisions say: why they were begun. */
function copiesText(placed: Explanation['placed']): string {
  const first = placed.find(({ decision }) => decision.copyOf)?.decision.copyOf
  if (!first) return ''
  const count = placed.filter(({ decision }) => decision.copyOf).length, seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`
  return ` ${count === 1 ? 'One of them is a copy' : `${count} of them are copies`} of what was late: ${count === 1 ? 'it' : 'the first of those'} had run for ${seconds(first.ranMs)}, and ${seconds(first.foreseenMs)} were foreseen.`
}

function summaryOf(job: JobRow, attempts: number, moved: number): string {
  if (job.state === 'running') return `It runs; ${attempts} attempts so far${moved > 0 ? `, of which ${moved} moved on to another node` : ''}.`
  return `It ended: ${job.state}${job.cause ? ` (${job.cause}${job.detail ? `: ${job.detail}` : ''})` : ''}, for ${formatCredits(job.cost)} of at most ${formatCredits(job.cap)} credits.`
}

function changeText({ reason, from, to }: Step): string {
  switch (reason) {
    case 'cpu': return `ask for ${amountText('cpu', to)} instead of ${amountText('cpu', from)}`
    case 'memory': case 'disk': case 'gpu': case 'gpu_memory': return `ask for ${amountText(reason, to)} of ${reason === 'gpu_memory' ? 'GPU memory' : reason === 'gpu' ? 'GPUs' : reason} instead of ${amountText(reason, from)}`
    case 'gpu_model': return `accept a ${to} too, not only ${from}`
    case 'gpu_share': return Number(from) === 1000 ? `accept ${to} thousandths of a card in place of each` : `accept ${to} thousandths of a card instead of ${from}`
    case 'region': return `accept the region ${to} too, not only ${from}`
    case 'label': return `ask for no labels (now: ${from})`
    case 'level': return `accept the isolation level ${to} instead of ${from}`
    case 'driver': return `accept the driver ${to} too, not only ${from}`
    case 'price': return `let one attempt cost up to ${formatCredits(BigInt(to))} credits instead of ${formatCredits(BigInt(from))}`
    default: return `${reason}: ${to} instead of ${from}`
  }
}

/** For who looks after the machine. */
export const WHAT_TO_DO: Readonly<Partial<Record<Cause, string>>> = {
  seller_offline: 'It was silent for too long while work ran there. Keep the machine and its line up, or pause it before it is switched off: what is handed back in time counts against nobody.',
  driver_failed: 'What isolates work failed there. Run the self-test on the machine: lumaris agent gui, or lumaris doctor --node.',
  wrong_result: 'Independent nodes agreed on another result. Test its memory and processor before it takes more work: the same program must give the same result.',
}
export async function explainNode(app: App, node: NodeRow): Promise<NodeExplanation> {
  const forfeits = (await readForfeits(app.db, node.owner, 3)).map(({ says, whatToDo }) => `${says} ${whatToDo}`)
  const { decisions, chosen, reasons, medianGapPercent } = whyNot(app.engine.state, node, app.now())
  const often = reasons[0]
  const summary = decisions === 0 ? 'Nothing has been placed since this market was started.'
    : chosen === decisions ? `It was chosen in all of the last ${decisions} placements.`
      : `It was chosen in ${chosen} of the last ${decisions} placements.${often ? ` Most often against it, as it stands now: it ${saysOf(often.reason)} (${often.count}).` : ''}`
  const faults = app.readings.faults(node.id).map(({ at, cause }) => ({ at, cause, says: CAUSES[cause].says, whatToDo: WHAT_TO_DO[cause] ?? 'Its log says more.' }))
  return { node: node.id, name: node.name, ...(faults.length > 0 ? { faults } : {}), summary, decisions, chosen, reasons: reasons.map((one) => ({ ...one, says: `it ${saysOf(one.reason)}` })), ...(forfeits.length > 0 ? { forfeits } : {}), ...(medianGapPercent === null ? {} : { medianGapPercent }) }
}
const saysOf = (reason: NoReason | 'dearer'): string => (reason === 'dearer' ? 'was dearer in expectation than the node that was chosen' : SAYS[reason])
