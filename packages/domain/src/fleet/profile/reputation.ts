// How far a node can be trusted, as three separate beliefs: that it ends what it takes (completion), that its results are right (correctness), and that it
// is on time (timeliness). Each is a Beta distribution: what was seen well and ill, faded with time and with newer work, on top of what is usual for
// nodes like it (its cohort). A number mixed from the three would let a quick liar look like a slow honest node, so there is none.
//
// People are shown, and gates ask for, the lower bound: a newcomer starts low by having shown little, not by having been judged.
import type { Cause, Instant, NodeId } from '@lumaris/protocol'
import { CAUSES } from '@lumaris/protocol'
import { halved } from './powers.ts'

/** Weights of what was seen well and ill, as they counted at `at`. Plain numbers: a row of the store. */
export type Tally = { readonly well: number; readonly ill: number; readonly at: Instant; /** How many were ever counted; older rows have not counted. */ readonly seen?: number }
export type Aspect = 'completion' | 'correctness' | 'timeliness'
export const ASPECTS: readonly Aspect[] = ['completion', 'correctness', 'timeliness']
export type ReputationRow = { readonly node: NodeId; readonly cohort: string; readonly tallies: Readonly<Record<Aspect, Tally>> }
/** What is usual for nodes of one hardware class, region and operator. */
export type CohortRow = { readonly cohort: string; readonly tallies: Readonly<Record<Aspect, Tally>> }

const DAY_MS = 86_400_000
/** Evidence counts half after 30 days, or after 200 newer endings, whichever comes first: a node that changed hands is not trusted for last year's work. */
export const FORGET_MS = 30 * DAY_MS, FORGET_ENDINGS = 200
/** A cohort is remembered longer than any node in it: half after 90 days, and however much newer work there is. */
export const COHORT_FORGET_MS = 90 * DAY_MS
/** The cohort speaks with the voice of ten endings: enough to place a newcomer, outvoted after a day of work. */
export const PRIOR_STRENGTH = 10
/** What is believed of a cohort nobody has seen: ten of eleven end well, as the first score of the market assumed. */
const UNSEEN: Readonly<Record<Aspect, number>> = { completion: 10 / 11, correctness: 10 / 11, timeliness: 10 / 11 }
const COHORT_STRENGTH = 11
/** One-sided 95 %: the belief is at least the bound with this confidence. */
const Z = 1.6448536269514722

/** What an ending says about each aspect; null where it says nothing. */
export type Verdict = Readonly<Record<Aspect, boolean | null>>
export type Ending = {
  readonly cause: Cause
  /** Whether independent copies agreed with its result; null when there was nothing to compare with. */
  readonly agreed: boolean | null
  /** Whether it ended within the time it was expected to take; null when nothing was promised. */
  readonly onTime: boolean | null
}

/** Only what the node caused counts: a cancelled job, a missing input and the market's own faults say nothing about it. */
export function verdictOf(ending: Ending): Verdict {
  const { bears } = CAUSES[ending.cause]
  if (bears === 'platform' || ending.cause === 'buyer_cancelled' || ending.cause === 'input_unavailable' || ending.cause === 'funds_exhausted') {
    return { completion: null, correctness: null, timeliness: null }
  }
  // A wrong result was brought to its end: it counts against correctness alone, and heavily enough there.
  if (ending.cause === 'wrong_result') return { completion: null, correctness: false, timeliness: null }
  const ended = bears === 'buyer'
  return { completion: ended, correctness: ended ? ending.agreed : null, timeliness: ended ? ending.onTime : null }
}

const EMPTY: Tally = { well: 0, ill: 0, at: 0 }
const none = (): Record<Aspect, Tally> => ({ completion: EMPTY, correctness: EMPTY, timeliness: EMPTY })
export const newReputation = (node: NodeId, cohort: string): ReputationRow => ({ node, cohort, tallies: none() })
export const newCohort = (cohort: string): CohortRow => ({ cohort, tallies: none() })

/** A clock that was set back forgets nothing and invents nothing: time only moves a tally forward. */
function faded(tally: Tally, now: Instant, halfLifeMs: number): Tally {
  if (now <= tally.at) return tally
  const left = halved((now - tally.at) / halfLifeMs)
  return { ...tally, well: tally.well * left, ill: tally.ill * left, at: now }
}

function counted(tallies: Readonly<Record<Aspect, Tally>>, verdict: Verdict, now: Instant, halfLifeMs: number, perEnding: number): Record<Aspect, Tally> {
  const next = { ...tallies }
  for (const aspect of ASPECTS) {
    const said = verdict[aspect]
    if (said === null) continue
    const old = faded(tallies[aspect], now, halfLifeMs)
    next[aspect] = { well: old.well * perEnding + (said ? 1 : 0), ill: old.ill * perEnding + (said ? 0 : 1), at: old.at, seen: (old.seen ?? 0) + 1 }
  }
  return next
}

const PER_ENDING = halved(1 / FORGET_ENDINGS)
export const recordEnding = (row: ReputationRow, verdict: Verdict, now: Instant): ReputationRow =>
  ({ ...row, tallies: counted(row.tallies, verdict, now, FORGET_MS, PER_ENDING) })
export const recordCohort = (row: CohortRow, verdict: Verdict, now: Instant): CohortRow =>
  ({ ...row, tallies: counted(row.tallies, verdict, now, COHORT_FORGET_MS, 1) })

/** An ending that was counted as bad: which aspects, when, and how many had been counted of each by then. */
type Counted = { readonly aspects: readonly Aspect[]; readonly at: Instant; readonly seen: Readonly<Partial<Record<Aspect, number>>> }
/** What it weighs by now of the 1 that it weighed: faded by time and by newer endings, as the tally has faded. */
export const weightOf = (tally: Tally, { at, seen }: Pick<Counted, 'at' | 'seen'>, aspect: Aspect, now: Instant): number =>
  halved(Math.max(0, (tally.seen ?? 0) - (seen[aspect] ?? 0)) / FORGET_ENDINGS) * halved(Math.max(0, Math.max(now, tally.at) - at) / FORGET_MS)
const lighter = (tally: Tally, weight: number): Tally => ({ ...tally, ill: Math.max(0, tally.ill - weight) })
/** The row without what that ending weighs; what it made newer endings weigh more stays. */
export function forgiveEnding(row: ReputationRow, ending: Counted, now: Instant): ReputationRow {
  const tallies = { ...row.tallies }
  for (const aspect of ending.aspects) tallies[aspect] = lighter(faded(row.tallies[aspect], now, FORGET_MS), weightOf(row.tallies[aspect], ending, aspect, now))
  return { ...row, tallies }
}
export function forgiveCohort(row: CohortRow, ending: Counted, now: Instant): CohortRow {
  const tallies = { ...row.tallies }
  for (const aspect of ending.aspects) tallies[aspect] = lighter(faded(row.tallies[aspect], now, COHORT_FORGET_MS), halved(Math.max(0, Math.max(now, row.tallies[aspect].at) - ending.at) / COHORT_FORGET_MS))
  return { ...row, tallies }
}

/** So many more endings that go well, and none that does not, until it is believed so far; null: not within `most`. */
export function endingsUntil(row: ReputationRow, cohort: CohortRow | null, { aspect, of, least }: { readonly aspect: Aspect; readonly of: 'mean' | 'lower'; readonly least: number }, now: Instant, most = 1_000): number | null {
  const prior = usual(cohort, aspect, now)
  let tally = faded(row.tallies[aspect], now, FORGET_MS)
  for (let endings = 0; endings <= most; endings++) {
    if (believe(tally, prior)[of] >= least) return endings
    tally = { ...tally, well: tally.well * PER_ENDING + 1, ill: tally.ill * PER_ENDING }
  }
  return null
}

/** `mean` and `variance` are for expected costs, `lower` for people and gates; `evidence` is how many endings it rests on, after forgetting. */
export type Belief = { readonly mean: number; readonly variance: number; readonly lower: number; readonly evidence: number }
export type Reputation = Readonly<Record<Aspect, Belief>>

function usual(cohort: CohortRow | null, aspect: Aspect, now: Instant): number {
  if (!cohort) return UNSEEN[aspect]
  const { well, ill } = faded(cohort.tallies[aspect], now, COHORT_FORGET_MS)
  return (well + COHORT_STRENGTH * UNSEEN[aspect]) / (well + ill + COHORT_STRENGTH)
}

const meanOf = ({ well, ill }: Tally, prior: number): number => (well + PRIOR_STRENGTH * prior) / (well + ill + PRIOR_STRENGTH)
function believe(tally: Tally, prior: number): Belief {
  const evidence = tally.well + tally.ill, total = evidence + PRIOR_STRENGTH, mean = meanOf(tally, prior)
  return { mean, variance: (mean * (1 - mean)) / (total + 1), lower: lowerBound(mean, total), evidence }
}

/**
 * Wilson's lower bound (1927) for a share seen in `total` trials. It stands in for the 5 % quantile of the Beta distribution because it is closed and needs
 * nothing but a square root, which every machine computes alike.
 */
export function lowerBound(share: number, total: number): number {
  const square = (Z * Z) / total
  return Math.max(0, (share + square / 2 - Z * Math.sqrt((share * (1 - share)) / total + square / (4 * total))) / (1 + square))
}

/** What is believed of a node now. Reading changes nothing: rows are written when something ends. */
export function reputationOf(row: ReputationRow, cohort: CohortRow | null, now: Instant): Reputation {
  const about = (aspect: Aspect): Belief => believe(faded(row.tallies[aspect], now, FORGET_MS), usual(cohort, aspect, now))
  return { completion: about('completion'), correctness: about('correctness'), timeliness: about('timeliness') }
}
/** Of all that, the mean of completion alone. */
export const completionOf = (row: ReputationRow, cohort: CohortRow | null, now: Instant): number => meanOf(faded(row.tallies.completion, now, FORGET_MS), usual(cohort, 'completion', now))
