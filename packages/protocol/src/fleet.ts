import { z } from 'zod'
import { Reason } from './incident.ts'
import { NodeState } from './node.ts'

// The nodes of the whole market, as operators look for them and hold them back.

const Share = z.coerce.number().min(0).max(1)
const Names = z.string().min(1).max(2_000).transform((text) => text.split(',')).pipe(z.array(z.string().min(1).max(40)).max(50))
/** All that is named must hold. A list has commas between its names: any of them. */
export const NodeFilter = z.object({
  /** A part of its name, or its id. */ q: z.string().max(100).optional(),
  region: Names.optional(), version: Names.optional(), state: z.string().min(1).max(200).transform((text) => text.split(',')).pipe(z.array(NodeState).max(20)).optional(),
  /** Of the share of its work that it ends, with 95 % confidence: at least, at most. */ leastCompletion: Share.optional(), mostCompletion: Share.optional(),
  /** So much of it is free, whether or not it takes work now. */ freeCpuMillis: z.coerce.number().int().min(1).optional(), freeMemoryBytes: z.coerce.number().int().min(1).optional(), freeGpus: z.coerce.number().int().min(1).optional(),
})
export type NodeFilter = z.infer<typeof NodeFilter>

/** Regions of one map. A region is a word that a seller chooses, so there may be any number of them. */
export const FLEET_REGIONS_MAX = 500, FLEET_VERSIONS_MAX = 100
/** All nodes that a filter lets through, counted. */
export const Fleet = z.object({
  nodes: z.number().int(),
  /** The largest first. Where there are more than fit, `left` says how many regions and nodes are not told. */
  regions: z.array(z.object({ region: z.string(), nodes: z.number().int(), states: z.partialRecord(NodeState, z.number().int()), running: z.number().int(), cpuMillis: z.number().int(), freeCpuMillis: z.number().int() })),
  left: z.object({ regions: z.number().int(), nodes: z.number().int() }).optional(),
  /** Of their agents, the most used first. */
  versions: z.array(z.object({ version: z.string(), nodes: z.number().int() })),
}).meta({ id: 'Fleet' })
export type Fleet = z.infer<typeof Fleet>

/** A day, and at most a month: whoever needs longer does not need a deadline. */
const WithinMs = z.number().int().min(0).max(31 * 86_400_000)
export const CordonNode = z.strictObject({
  reason: Reason,
  /** Empty it too: what can be moved goes elsewhere; what has not ended within so many ms is ended then, unbilled but for what a checkpoint has kept. Without `withinMs` it may run to its end. */
  drain: z.strictObject({ withinMs: WithinMs.optional() }).optional(),
}).meta({ id: 'CordonNode' })
