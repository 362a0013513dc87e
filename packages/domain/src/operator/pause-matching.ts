// Operators let nothing new start, in the whole market or in a class of it. A pause is one more reason why a node does not take work now (`matching_paused`, market/filter.ts),
// so every way to a new attempt asks it: matching, gangs, sales of room, places that were made, moves. What runs goes on; what waits keeps its place, its hold and its quote; and while
// nothing could take it, its time to find a node and its concessions stand still (`pausedMs`), but not its deadline. It stands in the newest version of the settings, so it survives
// restarts and a change of the writer, and is decided like everything else: what is decided after it sees it.
import { LEVELS, MATCHING_PAUSES_MAX, matchingScopeText } from '@lumaris/protocol'
import type { DriverOffer, Instant, JobSpec, MatchingPauseId, MatchingScope, Refusal, UserId } from '@lumaris/protocol'
import { wishesOf } from '../market/requirement.ts'
import type { JobRow, MatchingPauseRow, NodeRow, SettingsRow } from '../rows.ts'
import type { MarketState } from '../state.ts'
import { emit, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { recordAction } from './record-action.ts'

export type PauseMatchingCommand = { readonly kind: 'pauseMatching'; readonly by: UserId; readonly scope: MatchingScope; readonly says: string; readonly reason: string }
export type ResumeMatchingCommand = { readonly kind: 'resumeMatching'; readonly by: UserId; readonly id: MatchingPauseId; readonly reason: string }

/** Past ones are remembered as long as a job may wait for a node; of very many, the newest. */
const PAST_MS = 30 * 86_400_000, PAST_MAX = 100

export function pauseMatching(turn: Turn, { by, scope, says, reason }: PauseMatchingCommand): MatchingPauseRow | Refusal {
  const open = turn.state.pauses
  if (open.length >= MATCHING_PAUSES_MAX) return refused('queue_full', { max: MATCHING_PAUSES_MAX })
  const row: MatchingPauseRow = { id: turn.id('hal') as MatchingPauseId, scope, says, reason, by, since: turn.now, endedAt: null }
  put(turn, by, reason, row, 'matching.pause', null)
  return row
}
export function resumeMatching(turn: Turn, { by, id, reason }: ResumeMatchingCommand): MatchingPauseRow | Refusal {
  const before = turn.state.pauses.find((one) => one.id === id)
  if (!before) return refused('not_found')
  const row = { ...before, endedAt: turn.now }
  put(turn, by, reason, row, 'matching.resume', before)
  return row
}

const outline = ({ scope, says, endedAt }: MatchingPauseRow): Record<string, unknown> => ({ of: matchingScopeText(scope), says, state: endedAt === null ? 'paused' : 'over' })
function put(turn: Turn, by: UserId, reason: string, row: MatchingPauseRow, action: 'matching.pause' | 'matching.resume', before: MatchingPauseRow | null): void {
  const { operating } = turn.state, of = matchingScopeText(row.scope)
  const past = (operating?.pauses ?? []).filter(({ id, endedAt }) => id !== row.id && endedAt !== null && endedAt > turn.now - PAST_MS).slice(-PAST_MAX), open = turn.state.pauses.filter(({ id }) => id !== row.id)
  const settings: SettingsRow = { version: (operating?.version ?? 0) + 1, at: turn.now, by, reason, values: operating?.values ?? {}, changed: { [`matching of ${of}`]: { before: before ? before.says : null, after: row.endedAt === null ? row.says : null } }, pauses: [...past, ...open, row] }
  emit(turn, { kind: 'settings', row: settings })
  recordAction(turn, { by, action, subject: row.id, reason, before: before && outline(before), after: outline(row) })
}

type Asks = Pick<JobSpec, 'resources'>
/** Nothing new may start on this node with this driver. */
export const bars = (pauses: readonly MatchingPauseRow[], { region }: Pick<NodeRow, 'region'>, { level }: Pick<DriverOffer, 'level'>, { resources }: Asks): boolean =>
  pauses.some(({ scope }) => (!scope.regions || scope.regions.includes(region)) && (!scope.levels || scope.levels.includes(level)) && (!scope.gpus || resources.gpus > 0))

/** Whatever node it asks for, this pause stands against it. Several pauses that only together leave it nothing are not seen. */
const stills = ({ scope: { regions, levels, gpus } }: MatchingPauseRow, { resources, placement }: JobSpec): boolean => {
  const within = (where: readonly string[] | undefined): boolean => where !== undefined && where.every((region) => regions?.includes(region))
  return (!gpus || resources.gpus > 0) && (!regions || within(placement.regions) || within(placement.residency)) && (!levels || LEVELS.slice(LEVELS.indexOf(placement.minLevel)).every((level) => levels.includes(level)))
}
/** The pause because of which nothing of it can start, whatever joins. */
export const pauseOf = ({ pauses }: Pick<MarketState, 'pauses'>, job: Wishing): MatchingPauseRow | undefined => pauses.find((pause) => stills(pause, wishesOf(job)))
type Wishing = Pick<JobRow, 'spec' | 'rung'>

/** For how much of a span nothing of it could start because of pauses. */
export function pausedMs({ operating }: Pick<MarketState, 'operating'>, job: Wishing, from: Instant, to: Instant): number {
  let sum = 0, upTo = from
  // What it has conceded since it had not when it stood still.
  const wishes = Array.from({ length: job.rung + 1 }, (_one, rung) => wishesOf({ ...job, rung }))
  for (const { since, endedAt } of (operating?.pauses ?? []).filter((pause) => wishes.some((spec) => stills(pause, spec))).toSorted((a, b) => a.since - b.since)) {
    const start = Math.max(since, upTo), end = Math.min(endedAt ?? to, to)
    if (end > start) { sum += end - start; upTo = end }
  }
  return sum
}
