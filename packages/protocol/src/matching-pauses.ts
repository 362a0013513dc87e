import { z } from 'zod'
import { Instant, MatchingPauseId, UserId } from './ids.ts'
import { Reason, plain } from './incident.ts'
import { Level } from './job-spec.ts'

// Operators let nothing new start: in the whole market, or in a class of it. What runs goes on, what waits keeps its place and its hold.

/** All that is named must hold, and nothing named is the whole market: `{ regions: ['eu'], gpus: true }` is work with GPUs in that region. */
export const MatchingScope = z.strictObject({
  regions: z.array(z.string().min(1).max(40)).min(1).max(50).optional(), /** Of the drivers that would run it. */ levels: z.array(Level).min(1).max(4).optional(), /** Work that asks for GPUs. */ gpus: z.literal(true).optional(),
}).meta({ id: 'MatchingScope' })
export type MatchingScope = z.infer<typeof MatchingScope>
export const PauseMatching = z.strictObject({ scope: MatchingScope.default({}), /** What everybody reads: buyers beside work that waits, and all on a banner. */ says: plain(3, 300), reason: Reason }).meta({ id: 'PauseMatching' })
/** As everybody may see it. */
export const MatchingPause = z.object({ id: MatchingPauseId, scope: MatchingScope, says: z.string(), since: Instant }).meta({ id: 'MatchingPause' })
export type MatchingPause = z.infer<typeof MatchingPause>
export const AdminMatchingPause = MatchingPause.extend({ by: UserId, reason: z.string() }).meta({ id: 'AdminMatchingPause' })
export type AdminMatchingPause = z.infer<typeof AdminMatchingPause>
/** At one time. */
export const MATCHING_PAUSES_MAX = 20

/** As people read it: `the whole market`, `work with GPUs in region eu`. */
export function matchingScopeText({ regions, levels, gpus }: MatchingScope): string {
  const or = (list: readonly string[]): string => list.join(' or ')
  const what = gpus ? 'work with GPUs' : 'all work', how = levels ? ` behind isolation of level ${or(levels)}` : '', where = regions ? ` in region ${or(regions)}` : ''
  return gpus || levels || regions ? `${what}${how}${where}` : 'the whole market'
}
