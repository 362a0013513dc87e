// How much of what is left the next node gets, so that all end together though they are not equally quick, and some of them never end. Pure; work is in any unit.
//
// Factoring with measured speeds: a round is half of what is left, shared out by speed, so that a chunk takes the same time on every node and that time halves
// from round to round. A node that nobody has seen at this work gets a small chunk first: guessed wrong by ten, a full one would outlast everything else.
import type { DurationMs } from '@lumaris/protocol'

/** What was seen of a node at this job. */
export type Pace = { readonly work: number; readonly ms: DurationMs; readonly chunks: number }
export const UNSEEN_PACE: Pace = { work: 0, ms: 0, chunks: 0 }
export const seenPace = (pace: Pace, work: number, ms: DurationMs): Pace => ({ work: pace.work + work, ms: pace.ms + ms, chunks: pace.chunks + 1 })

/** So long a run of the mean speed stands behind every forecast, so that one odd chunk does not make a node fast or slow. */
const PRIOR_MS = 5_000
/** Work in a millisecond, between what the node has shown and what all have. */
export const paceOf = (node: Pace, all: Pace): number | null => (all.ms === 0 || all.work === 0 ? null : (node.work + (all.work / all.ms) * PRIOR_MS) / (node.ms + PRIOR_MS))

export type ChunkSettings = {
  /** What dispatching a chunk costs, whatever is in it. */
  readonly overheadMs: DurationMs
  /** Chances of losing a chunk, per millisecond of its run. */
  readonly hazardPerMs: number
  /** How long a chunk should last, where somebody says so. */
  readonly targetMs?: DurationMs | undefined
  /** Until the result is wanted, where it is. */
  readonly slackMs?: DurationMs | undefined
}
/** Of a chunk at least twenty times its overhead, so that overhead stays below 5 %. */
const OVERHEADS = 20
const USUAL_LEAST_MS = 120_000
const DIVISOR = 2

/**
 * How long a chunk should take: not so short that dispatching it is a cost, not so long that losing it is one. Young's square root balances the two as it does for
 * checkpoints: what is lost with a chunk is half of it, as often as its length.
 */
export function chunkBounds({ overheadMs, hazardPerMs, targetMs, slackMs }: ChunkSettings): { readonly leastMs: DurationMs; readonly mostMs: DurationMs } {
  const leastMs = Math.min(OVERHEADS * overheadMs, targetMs ?? Number.POSITIVE_INFINITY)
  const young = hazardPerMs > 0 ? Math.sqrt((2 * overheadMs) / hazardPerMs) : Number.POSITIVE_INFINITY
  return { leastMs, mostMs: Math.max(leastMs, Math.min(targetMs ?? Math.max(USUAL_LEAST_MS, young), slackMs === undefined ? Number.POSITIVE_INFINITY : slackMs / 4)) }
}

export type ChunkQuestion = {
  readonly left: number; readonly node: Pace; readonly all: Pace; readonly nodes: number
  /** Work in a millisecond of all nodes that work on it, together; null until any was measured. */
  readonly fleet: number | null
  readonly settings: ChunkSettings
  /** The least that can be cut off: a record, a file. */
  readonly grain: number
}
/** A first chunk is this part of an even share of a round. */
const PROBE = 32

export function nextChunk({ left, node, all, nodes, fleet, settings, grain }: ChunkQuestion): number {
  const whole = (work: number): number => { const size = Math.max(grain, Math.round(work / grain) * grain); return left - size < grain ? left : Math.min(left, size) }
  const pace = paceOf(node, all), { leastMs, mostMs } = chunkBounds(settings)
  if (pace === null || fleet === null) return whole(left / (DIVISOR * nodes * PROBE))
  // Not measured itself: it may be the slowest of all, so it gets as little as is worth its dispatch.
  if (node.chunks === 0) return whole(Math.min(pace * leastMs, left / (DIVISOR * nodes)) / 4)
  const roundMs = left / (DIVISOR * fleet)
  return whole(pace * Math.max(leastMs, Math.min(mostMs, roundMs)))
}
