import { z } from 'zod'
import { AttemptId, Instant, JobId, NodeId, UserId } from './ids.ts'
import { Cause } from './causes.ts'
import { Reputation } from './node.ts'

// What the market has come to believe of a node, how that went, what lowered it, and how its owner may say that one of those endings should not count.

export const AspectName = z.enum(['completion', 'correctness', 'timeliness']).meta({ id: 'AspectName' })
export const AppealState = z.enum(['open', 'accepted', 'refused']).meta({ id: 'AppealState' })
export type AppealState = z.infer<typeof AppealState>
/** Of one ending, once. Accepted, what the ending weighs is taken out of the belief by a new entry of the record; nothing of what happened is removed. */
export const Appeal = z.object({ state: AppealState, at: Instant, text: z.string(), decidedAt: Instant.optional(), /** What the admin says who decided. */ reason: z.string().optional() }).meta({ id: 'Appeal' })
export type Appeal = z.infer<typeof Appeal>
export const OpenAppeal = z.strictObject({ /** Why it should not count. Admins read it. */ text: z.string().trim().min(3).max(1000) }).meta({ id: 'OpenAppeal' })

/** An ending that lowered what is believed of a node. */
export const NodeFault = z.object({
  attempt: AttemptId, job: JobId, node: NodeId, at: Instant, cause: Cause, /** What of the belief it lowered. */ aspects: z.array(AspectName).min(1), says: z.string(), whatToDo: z.string(),
  /** How much of it still counts: 1 when it is new, half after 30 days or 200 newer endings, 0 when it was taken out. */
  weight: z.number(), appeal: Appeal.optional(),
}).meta({ id: 'NodeFault' })
export type NodeFault = z.infer<typeof NodeFault>

export const NodeReputation = z.object({
  node: NodeId, name: z.string(), at: Instant, reputation: Reputation,
  /** Share of the last 24 hours (or since it joined) in which it was there. */
  up: z.number().optional(),
  /** How long work takes there beside what its buyers said: 0.9 is quicker. From so many runs. */
  speed: z.object({ factor: z.number(), runs: z.number().int() }).optional(),
  /** The lower bounds as they stood at the end of each day (UTC) with an ending, the last 90 of them, oldest first. */
  trend: z.array(z.object({ day: z.string().regex(/^\d{4}-\d{2}-\d{2}$/), completion: z.number(), correctness: z.number(), timeliness: z.number() })),
  /** The last ones, newest first. */
  faults: z.array(NodeFault),
  /** What it takes to be believed more, computed by the very rule; if nothing goes wrong meanwhile. */
  recovery: z.array(z.object({ goal: z.enum(['alert', 'known', 'trusted']), aspect: AspectName, endings: z.number().int(), says: z.string() })),
}).meta({ id: 'NodeReputation' })
export type NodeReputation = z.infer<typeof NodeReputation>

/** An appeal as admins see it. */
export const AppealCase = z.object({ fault: NodeFault, appeal: Appeal, owner: UserId, ownerName: z.string(), nodeName: z.string(), /** As it stands, and as it would if this ending did not count. */ completion: z.object({ now: z.number(), without: z.number() }).optional(), correctness: z.object({ now: z.number(), without: z.number() }).optional() }).meta({ id: 'AppealCase' })
export type AppealCase = z.infer<typeof AppealCase>
