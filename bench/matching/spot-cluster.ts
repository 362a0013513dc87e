// A cluster in which firm work may take the place of interruptible work: nodes, jobs, two queues, and events in the order of time. What a policy decides is who must go;
// everything else is the same for all of them.
import type { Capacity } from '@lumaris/protocol'
import { Heap } from '../../packages/domain/src/heap.ts'

export type Job = { readonly id: number; readonly spot: boolean; readonly at: number; readonly needs: Capacity; readonly workS: number; readonly microsPerHour: number; /** Saves by itself this often, and on notice; null: never. */ readonly savesEveryS: number | null }
export type Run = { readonly job: Job; readonly node: Node; readonly from: number; readonly doneBefore: number; leaving: boolean }
export type Node = { readonly index: number; readonly size: Capacity; readonly free: Capacity; readonly runs: Set<Run> }
/** Names the runs to end on one node, so that the job fits there; null: let it wait. */
export type Preempt = (job: Job, nodes: readonly Node[], now: number, evictions: (job: Job) => number) => { readonly node: Node; readonly victims: readonly Run[] } | null
export type Outcome = {
  firmStarted: number; firmWaits: number[]; spotWaits: number[]; spotEnded: number; evictions: number; lostGpuS: number; spotLeft: number
}
export type Policy = {
  readonly preempt: Preempt | null
  /** May this spot job start, with so much GPU free in all? Asked before each start; `firmUse` is told at every change. */
  readonly maySpotStart?: (free: number, needs: number) => boolean
  readonly firmUse?: (gpus: number, now: number) => void
  /** Where an evicted job waits: first of all (as it came first), or by the work it has had, least first, which lets short jobs pass. */
  readonly requeue: 'first' | 'least served'
}
/** Notice before the end, the same for every policy; firm work starts when it is over. */
export const GRACE_S = 30
/** Waiting jobs looked at per event and queue, so that a long queue costs no more than this. */
const LOOKED_AT = 100
const KINDS = ['cpuMillis', 'memoryBytes', 'gpus'] as const

export const fits = (needs: Capacity, free: Capacity): boolean => KINDS.every((kind) => needs[kind] <= free[kind])
export const freeOf = (node: Node, without: readonly Run[]): Capacity => {
  const free = { ...node.free }
  for (const { job } of without) for (const kind of KINDS) free[kind] += job.needs[kind]
  return free
}
/** Work done by now, and how much of it is saved. */
export const doneS = (run: Run, now: number): number => run.doneBefore + Math.max(0, now - run.from)
export const savedS = (run: Run, now: number): number => {
  const { savesEveryS } = run.job
  return savesEveryS === null ? 0 : run.doneBefore + Math.floor(Math.max(0, now - run.from) / savesEveryS) * savesEveryS
}

type Event = { readonly kind: 'arrives'; readonly job: Job } | { readonly kind: 'ends'; readonly run: Run } | { readonly kind: 'leaves'; readonly run: Run } | { readonly kind: 'starts'; readonly job: Job; readonly node: Node }

/** Plays the jobs through; counts what came after `fromS`. Ends when the last job has arrived: who still waits then is counted as waiting until then. */
export function play(sizes: readonly Capacity[], jobs: readonly Job[], policy: Policy, fromS: number): Outcome {
  const { preempt } = policy
  const nodes = sizes.map((size, index): Node => ({ index, size, free: { ...size }, runs: new Set() }))
  const events = new Heap<Event>(), ended = new Set<Run>()
  let now = 0
  const firm: Job[] = [], spot: Job[] = []
  const evicted = new Map<number, number>(), done = new Map<number, number>(), waiting = new Map<number, number>(), waited = new Map<number, number>(), attained = new Map<number, number>()
  const outcome: Outcome = { firmStarted: 0, firmWaits: [], spotWaits: [], spotEnded: 0, evictions: 0, lostGpuS: 0, spotLeft: 0 }
  for (const job of jobs) events.push(job.at, { kind: 'arrives', job })
  let free = sizes.reduce((sum, { gpus }) => sum + gpus, 0), firmUse = 0
  const take = (node: Node, needs: Capacity, sign: 1 | -1): void => {
    free += sign * needs.gpus
    for (const kind of KINDS) {
      node.free[kind] += sign * needs[kind]
      if (node.free[kind] < 0 || node.free[kind] > node.size[kind]) throw new Error(`node ${node.index} has ${node.free[kind]} of ${node.size[kind]} ${kind} free`)
    }
  }
  /** The node it leaves least on, by its scarcest kind: the same for everyone. */
  const tightest = (needs: Capacity): Node | null => {
    let best: Node | null = null, least = Infinity
    for (const node of nodes) {
      if (!fits(needs, node.free)) continue
      const left = (node.free.gpus - needs.gpus) / node.size.gpus + (node.free.cpuMillis - needs.cpuMillis) / node.size.cpuMillis
      if (left < least) { best = node; least = left }
    }
    return best
  }
  const start = (job: Job, node: Node, now: number): void => {
    const run: Run = { job, node, from: now, doneBefore: done.get(job.id) ?? 0, leaving: false }
    node.runs.add(run)
    waited.set(job.id, (waited.get(job.id) ?? 0) + now - (waiting.get(job.id) as number))
    waiting.delete(job.id)
    if (!job.spot && job.at >= fromS) { outcome.firmStarted++; outcome.firmWaits.push(now - job.at) }
    if (!job.spot) policy.firmUse?.((firmUse += job.needs.gpus), now)
    events.push(now + job.workS - run.doneBefore, { kind: 'ends', run })
  }
  const stop = (run: Run): void => {
    ended.add(run)
    run.node.runs.delete(run)
    take(run.node, run.job.needs, 1)
    if (!run.job.spot) policy.firmUse?.((firmUse -= run.job.needs.gpus), now)
  }
  const served = (job: Job): number => attained.get(job.id) ?? 0
  const serve = (queue: Job[], now: number): void => {
    const failed: Capacity[] = []
    for (let i = 0, looked = 0; i < queue.length && looked < LOOKED_AT; looked++) {
      const job = queue[i] as Job
      // Who needs at least what another could not get just now cannot get it either.
      if (failed.some((needs) => fits(needs, job.needs))) { i++; continue }
      const node = job.spot && policy.maySpotStart?.(free, job.needs.gpus) === false ? null : tightest(job.needs)
      if (node) { queue.splice(i, 1); take(node, job.needs, -1); start(job, node, now); continue }
      const plan = job.spot || !preempt ? null : preempt(job, nodes, now, ({ id }) => evicted.get(id) ?? 0)
      if (plan) {
        queue.splice(i, 1)
        for (const run of plan.victims) {
          if (!run.job.spot || run.leaving) throw new Error('a firm job, or one that leaves already, was chosen')
          run.leaving = true
          events.push(now + GRACE_S, { kind: 'leaves', run })
        }
        events.push(now + GRACE_S, { kind: 'starts', job, node: plan.node })
        promised.set(plan.node, [...(promised.get(plan.node) ?? []), job.needs])
        hold(plan.node)
        continue
      }
      failed.push(job.needs)
      i++
    }
  }
  // Room that is being freed for a firm job is not there for anybody else: what is free now goes to it at once, the rest when its victims have left.
  const promised = new Map<Node, Capacity[]>(), held = new Map<Capacity, Capacity>()
  const hold = (node: Node): void => {
    for (const needs of promised.get(node) ?? []) {
      const has = held.get(needs) ?? { cpuMillis: 0, memoryBytes: 0, diskBytes: 0, gpus: 0 }
      const more = { cpuMillis: Math.min(node.free.cpuMillis, needs.cpuMillis - has.cpuMillis), memoryBytes: Math.min(node.free.memoryBytes, needs.memoryBytes - has.memoryBytes), diskBytes: 0, gpus: Math.min(node.free.gpus, needs.gpus - has.gpus) }
      take(node, more, -1)
      held.set(needs, { cpuMillis: has.cpuMillis + more.cpuMillis, memoryBytes: has.memoryBytes + more.memoryBytes, diskBytes: 0, gpus: has.gpus + more.gpus })
    }
  }
  for (let left = jobs.length; left > 0;) {
    now = events.peekKey() as number
    const event = events.pop() as Event
    if (event.kind === 'arrives') {
      left--
      waiting.set(event.job.id, now)
      if (!event.job.spot) firm.push(event.job)
      else { const behind = policy.requeue === 'first' ? -1 : spot.findIndex((other) => served(other) > 0); spot.splice(behind < 0 ? spot.length : behind, 0, event.job) }
    } else if (event.kind === 'starts') {
      if (!fits(event.job.needs, held.get(event.job.needs) as Capacity)) throw new Error('room that was promised is not there')
      held.delete(event.job.needs)
      promised.set(event.node, (promised.get(event.node) ?? []).filter((needs) => needs !== event.job.needs))
      start(event.job, event.node, now)
    } else if (!ended.has(event.run)) {
      const { run } = event
      stop(run)
      hold(run.node)
      if (event.kind === 'ends') {
        if (run.job.spot && run.job.at >= fromS) { outcome.spotEnded++; outcome.spotWaits.push(waited.get(run.job.id) as number) }
      } else {
        const kept = run.job.savesEveryS === null ? 0 : doneS(run, now) // on notice it saves what it has
        done.set(run.job.id, kept)
        evicted.set(run.job.id, (evicted.get(run.job.id) ?? 0) + 1)
        if (now >= fromS) { outcome.evictions++; outcome.lostGpuS += (doneS(run, now) - kept) * run.job.needs.gpus / 1000 }
        waiting.set(run.job.id, now)
        attained.set(run.job.id, served(run.job) + now - run.from)
        const behind = policy.requeue === 'first' ? 0 : spot.findIndex((other) => served(other) > served(run.job))
        spot.splice(behind < 0 ? spot.length : behind, 0, run.job)
      }
    }
    if (events.peekKey() === now) continue // everything of one moment first
    serve(firm, now)
    serve(spot, now)
  }
  for (const job of spot) if (job.at >= fromS) { outcome.spotLeft++; outcome.spotWaits.push((waited.get(job.id) ?? 0) + now - (waiting.get(job.id) as number)) }
  return outcome
}
