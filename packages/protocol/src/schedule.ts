import { z } from 'zod'
import { Instant, JobId, ScheduleId, UserId } from './ids.ts'
import { Amount } from './money.ts'
import { JobSpec } from './job-spec.ts'
import { JobState } from './job.ts'
import { AdminWord } from './operator.ts'
import { REFUSAL_CODES } from './refusals.ts'

/** Schedules of one buyer at a time. */
export const SCHEDULES_MAX = 100
/** Firings that are kept with a schedule, newest first. */
export const FIRINGS_MAX = 20

const Overlap = z.enum(['skip', 'allow'])
export const CreateSchedule = z.strictObject({
  name: z.string().min(1).max(100).regex(/^[^\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]*$/, 'no control characters').optional(),
  /** Five fields: minute, hour, day of the month, month, weekday; or @hourly, @daily, @weekly, @monthly, @yearly. */
  cron: z.string().min(1).max(200),
  /** Of the IANA database, such as Europe/Berlin. */
  timeZone: z.string().min(1).max(60).default('UTC'),
  spec: JobSpec,
  /** The most one firing may cost; held when it fires. */
  cap: Amount,
  /** The most that all firings together may cost. */
  budget: Amount.optional(),
  /** While the job of an earlier firing has not ended: leave this one out, or run beside it. */
  overlap: Overlap.default('skip'),
}).meta({ id: 'CreateSchedule' })

/** What became of one moment. */
export const Firing = z.object({
  /** When it was due; of several that were missed while the market stood still, the newest. */
  due: Instant, at: Instant, outcome: z.enum(['submitted', 'skipped', 'refused']),
  job: JobId.optional(), /** Of a job that has ended. */ state: JobState.optional(), cost: Amount.optional(),
  /** Why it was refused. */
  refused: z.enum(REFUSAL_CODES).optional(), detail: z.string().optional(),
}).meta({ id: 'Firing' })
export type Firing = z.infer<typeof Firing>

export const Schedule = z.object({
  id: ScheduleId, buyer: UserId, name: z.string().optional(), cron: z.string(), timeZone: z.string(), spec: JobSpec, cap: Amount, budget: Amount.optional(), overlap: Overlap,
  state: z.enum(['active', 'paused', 'removed']), createdAt: Instant, admin: AdminWord.optional(), /** A member of the account made it: it fires as his, and not after he is gone. */ madeBy: z.object({ user: UserId, name: z.string() }).optional(),
  /** When it fires next. */
  nextAt: Instant.optional(),
  /** Caps of its jobs that have not ended, and what those that have did cost: what counts against the budget. */
  committed: Amount, running: z.array(JobId), /** Newest first. */ firings: z.array(Firing),
}).meta({ id: 'Schedule' })
export type Schedule = z.infer<typeof Schedule>
