import { z } from 'zod'
import { Instant } from './ids.ts'

/** What a task of a job with a plan is placed as. */
export const PlanAs = z.enum(['interruptible', 'firm']).meta({ id: 'PlanAs' })
export type PlanAs = z.infer<typeof PlanAs>

/** Why it is that: the words that its history has too. */
export const PLAN_WHYS = {
  on_course: 'there is time to wait for cheap room',
  cheap_room: 'there is cheap room, and it is kept as long as what is stored could still be done as firm work in time',
  behind: 'cheap room had been away too long for the slack that is left',
  catching_up: 'there is no cheap room, or it has not been there long enough to change over for it with the slack that is left',
  no_return: 'just enough time is left to do what is not stored yet as firm work',
  late_anyway: 'no time is left to do the rest in, as firm work either, so it stays where it is',
  no_second_try: 'without checkpoints, after another cheap try there would be no time for a firm one',
  long_overdue: 'its try has run longer than all of it was expected to, so beginning again would not be sooner',
} as const
export const PlanWhy = z.enum(Object.keys(PLAN_WHYS) as [keyof typeof PLAN_WHYS, ...(keyof typeof PLAN_WHYS)[]]).meta({ id: 'PlanWhy' })
export type PlanWhy = z.infer<typeof PlanWhy>

/** An open task of a job with a plan, as it stands. `until`: when that changes if nothing else does; absent: not by time alone. */
export const PlannedTask = z.object({ task: z.number().int(), as: PlanAs, why: PlanWhy, says: z.string(), since: Instant, until: Instant.optional(), noReturnAt: Instant }).meta({ id: 'PlannedTask' })
export type PlannedTask = z.infer<typeof PlannedTask>
