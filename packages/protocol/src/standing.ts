import { z } from 'zod'
import { Instant, StandingId, UserId } from './ids.ts'
import { Amount } from './money.ts'
import { JobSpec } from './job-spec.ts'

/** Standing requests of one buyer at a time. */
export const STANDING_MAX = 100

export const CreateStanding = z.strictObject({
  spec: JobSpec,
  /** The most one attempt may cost; nodes that could cost more do not count. */
  attemptCap: Amount.optional(),
  /** So many nodes must have room at once. */
  nodes: z.number().int().min(1).max(1_000).default(1),
  validMs: z.number().int().min(60_000).max(30 * 86_400_000).default(7 * 86_400_000),
}).meta({ id: 'CreateStanding' })

/** A wish to be told when nodes with room for such a job appear. Nothing is held and nothing promised: whoever submits first has them. */
export const Standing = z.object({
  id: StandingId, buyer: UserId, spec: JobSpec, attemptCap: Amount.optional(), nodes: z.number().int(), createdAt: Instant, expiresAt: Instant,
  state: z.enum(['open', 'met', 'expired', 'dropped']), /** When it was met, and how many nodes there were. */ metAt: Instant.optional(), found: z.number().int().optional(),
}).meta({ id: 'Standing' })
export type Standing = z.infer<typeof Standing>
