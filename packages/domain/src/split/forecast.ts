// How quick the nodes of a job are at it, from its own tasks that ended; where a node has shown nothing at this job, from what the market knows of it. Pure.
import type { DurationMs, Instant, NodeId } from '@lumaris/protocol'
import { UNSEEN_PACE, paceOf, seenPace } from './chunk.ts'
import type { Pace } from './chunk.ts'

/** What was seen at one job. `waitMs`: from offers to starts, all together. */
export type JobPace = { readonly all: Pace; readonly nodes: ReadonlyMap<NodeId, Pace>; readonly waitMs: DurationMs }
type Run = { readonly node: NodeId; readonly offeredAt: Instant; readonly startedAt: Instant | null; readonly endedAt: Instant | null; readonly usage?: { readonly runMs: DurationMs } }

/** What its node has metered counts where it is more than the market saw: start and end may come in one frame, behind a wire that was cut. The map grows in place: a job of ten thousand tasks would copy it ten thousand times. */
export function seenRun(pace: JobPace | undefined, { node, offeredAt, startedAt, endedAt, usage }: Run, work: number): JobPace {
  const nodes = (pace?.nodes ?? new Map()) as Map<NodeId, Pace>, from = startedAt ?? offeredAt, ms = Math.max(1, (endedAt ?? from) - from, usage?.runMs ?? 0)
  nodes.set(node, seenPace(nodes.get(node) ?? UNSEEN_PACE, work, ms))
  return { all: seenPace(pace?.all ?? UNSEEN_PACE, work, ms), nodes, waitMs: (pace?.waitMs ?? 0) + Math.max(0, from - offeredAt) }
}

/** Where nothing was seen yet: the mean task in the time its buyer expects of it. */
export type Expected = { readonly work: number; readonly ms: DurationMs }
export type JobForecast = {
  /** From an offer to a start. */
  readonly overheadMs: DurationMs
  /** Work in a millisecond; null when nothing is known. */
  readonly paceOn: (node: NodeId) => number | null
  /** Of all nodes together. */
  readonly mean: number | null
}
/** `factorOf`: how many times the reference time the node takes for such work, as the market believes. */
export function forecastOf(pace: JobPace | undefined, expected: Expected | null, factorOf: (node: NodeId) => number): JobForecast {
  const all = pace?.all ?? UNSEEN_PACE, seen = all.work > 0 && all.ms > 0
  if (!seen && !expected) return { overheadMs: 0, mean: null, paceOn: () => null }
  let factor = 1
  if (seen && pace) { factor = 0; for (const [node, { ms }] of pace.nodes) factor += (ms / all.ms) * factorOf(node) }
  const mean = seen ? all.work / all.ms : (expected as Expected).work / (expected as Expected).ms
  return {
    overheadMs: all.chunks === 0 ? 0 : (pace as JobPace).waitMs / all.chunks, mean,
    paceOn: (node) => paceOf(pace?.nodes.get(node) ?? UNSEEN_PACE, { work: (mean * factor) / factorOf(node), ms: 1, chunks: 1 }),
  }
}
