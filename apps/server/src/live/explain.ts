// Why here, why waiting, and what would help. Placed attempts tell what was decided and kept; waiting work is asked about now.
import { EMPTY_CAPACITY, busyReason, isTerminal, neverReason, requirementOf, worstCost } from '@lumaris/domain'
import type { AttemptRow, JobRow, NodeRow } from '@lumaris/domain'
import type { Explanation, JobSpec, NoReason } from '@lumaris/protocol'
import { GIB, formatCredits } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { listAttempts } from '../store/read.ts'

const SAYS: Record<NoReason, string> = {
  not_online: 'is not online, or takes no work now', driver: 'offers none of the drivers asked for', level: 'cannot isolate strongly enough', runtime: 'cannot run this runtime',
  cpu: 'has too few cores', memory: 'has too little memory', disk: 'has too little disk', gpu: 'has too few GPUs', cpu_busy: 'has its cores in use', memory_busy: 'has its memory in use',
  disk_busy: 'has its disk in use', gpu_busy: 'has its GPUs in use', region: 'is in another region', label: 'lacks a label asked for', price: 'could cost more than the cap allows',
  same_owner_as_copy: 'belongs to the owner of another copy', failed_here: 'failed this work before',
}

/** Attempts told one by one; a job of thousands shows its first ones. */
const PLACED_MAX = 100

export async function explain(app: App, job: JobRow): Promise<Explanation> {
  const { state } = app.engine
  const attempts = (await listAttempts(app.db, job.id, PLACED_MAX, undefined)).data
  const placed = attempts.map((row: AttemptRow) => ({ attempt: row.id, node: row.node, nodeName: state.nodes.get(row.node)?.name ?? '', decision: row.decision }))
  const waits = !isTerminal(job.state) && job.tasksTotal - job.tasksDone - job.tasksFailed - job.tasksRunning
  if (!waits) return { job: job.id, state: job.state, placed, summary: summaryOf(job, placed.length) }
  const nodes = [...state.nodes.values()].flatMap((node) => { const reason = reasonOf(app, job, node); return reason ? [{ node: node.id, name: node.name, reason, says: `${node.name} ${SAYS[reason]}` }] : [] })
  const changes = changesThatHelp(app, job)
  const summary = nodes.length === 0 && state.nodes.size > 0 ? 'It is next in line.' : state.nodes.size === 0 ? 'No node has joined this market yet.' : `None of ${state.nodes.size} nodes can take it now.`
  return { job: job.id, state: job.state, placed, summary, waiting: { tasks: waits, nodes: nodes.slice(0, 200), changes } }
}

function reasonOf(app: App, job: JobRow, node: NodeRow): NoReason | null {
  const need = requirementOf(job, undefined, [])
  return neverReason(node, need) ?? (worstCost(node, need) > job.attemptCap ? 'price' : busyReason(app.engine.state, node, need))
}

function summaryOf(job: JobRow, attempts: number): string {
  if (job.state === 'running') return `It runs; ${attempts} attempts so far.`
  return `It ended: ${job.state}${job.cause ? ` (${job.cause})` : ''}, for ${formatCredits(job.cost)} of at most ${formatCredits(job.cap)} credits.`
}

/** Single changes to the request, and on how many nodes it could then run. Only those that help more than leaving it as it is. */
function changesThatHelp(app: App, job: JobRow): { change: string; nodes: number }[] {
  const { state } = app.engine
  const able = (spec: JobSpec, cap: bigint): number => {
    const need = { ...requirementOf(job, undefined, []), spec, attemptCap: cap }
    return [...state.nodes.values()].filter((node) => node.presence === 'online' && node.will === 'open' && neverReason(node, need) === null && worstCost(node, need) <= cap).length
  }
  const now = able(job.spec, job.attemptCap)
  const online = [...state.nodes.values()].filter((node) => node.presence === 'online' && node.will === 'open')
  const most = online.reduce((best, node) => ({
    cpuMillis: Math.max(best.cpuMillis, node.capacity.cpuMillis), memoryBytes: Math.max(best.memoryBytes, node.capacity.memoryBytes), diskBytes: Math.max(best.diskBytes, node.capacity.diskBytes), gpus: Math.max(best.gpus, node.capacity.gpus),
  }), EMPTY_CAPACITY)
  const { spec } = job
  const tries: [string, JobSpec, bigint][] = [
    [`ask for ${most.cpuMillis / 1000} cores instead of ${spec.resources.cpuMillis / 1000}`, { ...spec, resources: { ...spec.resources, cpuMillis: Math.min(spec.resources.cpuMillis, most.cpuMillis) } }, job.attemptCap],
    [`ask for ${(most.memoryBytes / GIB).toFixed(1)} GiB of memory instead of ${(spec.resources.memoryBytes / GIB).toFixed(1)}`, { ...spec, resources: { ...spec.resources, memoryBytes: Math.min(spec.resources.memoryBytes, most.memoryBytes) } }, job.attemptCap],
    [`ask for ${(most.diskBytes / GIB).toFixed(1)} GiB of disk instead of ${(spec.resources.diskBytes / GIB).toFixed(1)}`, { ...spec, resources: { ...spec.resources, diskBytes: Math.min(spec.resources.diskBytes, most.diskBytes) } }, job.attemptCap],
    ['accept any region', withPlacement(spec, { regions: undefined }), job.attemptCap], ['ask for no labels', withPlacement(spec, { labels: {} }), job.attemptCap],
    ['accept any driver and isolation level', withPlacement(spec, { drivers: undefined, minLevel: 'language' }), job.attemptCap],
    ['raise the cap: see a new quote', withPlacement(spec, { maxAttemptCost: undefined }), 2n ** 62n],
  ]
  return tries.map(([change, other, cap]) => ({ change, nodes: able(other, cap) })).filter((one) => one.nodes > now)
}
type Loose = { [Key in keyof JobSpec['placement']]?: JobSpec['placement'][Key] | undefined }
function withPlacement(spec: JobSpec, change: Loose): JobSpec {
  const placement = { ...spec.placement, ...change }
  for (const key of Object.keys(placement) as (keyof typeof placement)[]) if (placement[key] === undefined) delete placement[key]
  return { ...spec, placement: placement as JobSpec['placement'] }
}
