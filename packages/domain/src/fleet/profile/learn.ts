// What an ending teaches: about its node, about nodes like it, and about how long such work takes. Written with the very change that ends the attempt, so
// that nobody's record depends on a process that is gone.
import { lookAtCompletion } from '../../alerts/raise.ts'
import type { Instant } from '@lumaris/protocol'
import type { AttemptRow, NodeLesson, NodeRow } from '../../rows.ts'
import type { MarketState } from '../../state.ts'
import { effect, emit, liveJob } from '../../turn.ts'
import type { Turn } from '../../turn.ts'
import { ASPECTS, completionOf, newCohort, newReputation, recordCohort, recordEnding, reputationOf, verdictOf } from './reputation.ts'
import type { Ending, Reputation } from './reputation.ts'
import { UNSEEN, forecastSpeed, learnSpeed } from './speed.ts'
import type { SpeedForecast } from './speed.ts'

/** On time: within a quarter more than the buyer said it would take. */
const LATE = 1.25
/** Cells of speed that are kept; a market of odd programs stops learning about new ones rather than grow. */
const CELLS_MAX = 10_000

export const hardwareOf = (node: Pick<NodeRow, 'capacity' | 'labels'>): string => node.labels['hardware'] ?? (node.capacity.gpuProfile === undefined ? node.capacity.gpuModel : `${node.capacity.gpuModel ?? ''} ${node.capacity.gpuProfile}`) ?? 'cpu'
const cohortOf = (node: NodeRow): string => `${hardwareOf(node)}|${node.region}|${node.owner}`
/** Programs of one name under one runtime are taken for work of one kind: its first two words, the interpreter's and the script's. */
export const jobClassOf = ({ runtime, command }: { readonly runtime: string; readonly command: readonly string[] }): string => `${runtime}|${command.slice(0, 2).join(' ').slice(0, 80)}`
const cellKey = (hardware: string, job: string | null): string => `${hardware}|${job ?? ''}`

export const profileOf = (state: MarketState, node: NodeRow): NodeLesson =>
  state.profiles.get(node.id) ?? { what: 'node', key: node.id, succeeded: 0, failed: 0, reputation: newReputation(node.id, cohortOf(node)), speed: UNSEEN }
export function reputationNow(state: MarketState, node: NodeRow, now: Instant): Reputation {
  const { reputation } = profileOf(state, node)
  return reputationOf(reputation, state.cohorts.get(reputation.cohort)?.row ?? null, now)
}
/** Only the mean chance that it ends what it takes: what every score asks. */
export function completionNow(state: MarketState, node: NodeRow, now: Instant): number {
  const { reputation } = profileOf(state, node)
  return completionOf(reputation, state.cohorts.get(reputation.cohort)?.row ?? null, now)
}
export function speedOf(state: MarketState, node: NodeRow, work: Parameters<typeof jobClassOf>[0]): SpeedForecast {
  const hardware = hardwareOf(node), job = jobClassOf(work)
  return forecastSpeed({ ...cellsOf(state, hardware, job), node: { node: node.id, ratio: profileOf(state, node).speed } })
}
/** Of the node itself, beside what is usual for its kind: how long work takes there of what its buyers said, and from how many runs. */
export function speedNow(state: MarketState, node: NodeRow): { readonly factor: number; readonly runs: number } {
  const hardware = hardwareOf(node), { speed } = profileOf(state, node)
  return { factor: forecastSpeed({ ...cellsOf(state, hardware, ''), node: { node: node.id, ratio: speed } }).factor, runs: speed.runs }
}
const cellsOf = (state: MarketState, hardware: string, job: string) => ({
  hardware: state.speeds.get(cellKey(hardware, null))?.row ?? { hardware, job: null, ratio: UNSEEN }, cell: state.speeds.get(cellKey(hardware, job))?.row ?? { hardware, job, ratio: UNSEEN },
})

/** `agreed`: whether copies agreed with its result; null when there was nothing to compare with. */
export function learn(turn: Turn, attempt: AttemptRow, agreed: boolean | null): void {
  const { state, now } = turn, node = state.nodes.get(attempt.node)
  if (!node || attempt.cause === null) return
  // How long a referee takes says nothing of the work.
  const { spec } = liveJob(turn, attempt.job).row, expectedMs = attempt.referee ? undefined : spec.expectedMs
  const { runMs } = attempt.usage
  const ending: Ending = { cause: attempt.cause, agreed, onTime: expectedMs === undefined || runMs === 0 ? null : runMs <= expectedMs * LATE }
  const verdict = verdictOf(ending)
  const well = verdict.completion === true && verdict.correctness !== false
  if (!well && verdict.completion !== false && verdict.correctness !== false) return // it says nothing about the node
  const old = profileOf(state, node)
  const run = well && expectedMs !== undefined ? { meteredMs: runMs, referenceMs: expectedMs } : null
  const cells = cellsOf(state, hardwareOf(node), jobClassOf(spec))
  const speed = run && learnSpeed({ ...cells, node: { node: node.id, ratio: old.speed } }, run)
  emit(turn, { kind: 'lesson', row: {
    ...old, succeeded: old.succeeded + (well ? 1 : 0), failed: old.failed + (well ? 0 : 1), reputation: recordEnding(old.reputation, verdict, now), speed: speed ? speed.node.ratio : old.speed,
  } })
  const lowered = ASPECTS.filter((aspect) => verdict[aspect] === false), { tallies } = profileOf(state, node).reputation
  if (lowered.length > 0) emit(turn, { kind: 'fault', row: { attempt: attempt.id, job: attempt.job, node: node.id, owner: node.owner, at: now, cause: attempt.cause, aspects: lowered, seen: Object.fromEntries(lowered.map((aspect) => [aspect, tallies[aspect].seen ?? 0])), appeal: null } })
  // What ends badly is told with the end itself.
  if (well && lowered.length > 0) effect(turn, { kind: 'noted', node: node.id, event: { at: now, what: 'late', attempt: attempt.id } })
  if (!well) lookAtCompletion(turn, node, reputationNow(state, node, now).completion)
  const cohort = state.cohorts.get(old.reputation.cohort)?.row ?? newCohort(old.reputation.cohort)
  emit(turn, { kind: 'lesson', row: { what: 'cohort', key: cohort.cohort, row: recordCohort(cohort, verdict, now) } })
  noteDay(turn, node)
  if (!speed) return
  for (const row of [speed.hardware, speed.cell]) {
    const key = cellKey(row.hardware, row.job)
    if (state.speeds.has(key) || state.speeds.size < CELLS_MAX) emit(turn, { kind: 'lesson', row: { what: 'speed', key, row } })
  }
}

const DAY_MS = 86_400_000
const part = (share: number): number => Math.round(share * 10_000) / 10_000
/** For its owner, who looks at how it went. */
export function noteDay(turn: Turn, node: NodeRow): void {
  const { completion, correctness, timeliness } = reputationNow(turn.state, node, turn.now)
  emit(turn, { kind: 'reputationDay', row: { node: node.id, day: Math.floor(turn.now / DAY_MS), completion: part(completion.lower), correctness: part(correctness.lower), timeliness: part(timeliness.lower) } })
}

/** How much a buyer may insist on, by what was shown: lower bounds, so that who has shown little has little. */
export const TRUST = { known: { completion: 0.8, correctness: 0 }, trusted: { completion: 0.95, correctness: 0.85 } } as const
export function isTrusted(state: MarketState, node: NodeRow, asked: keyof typeof TRUST, now: Instant): boolean {
  const { completion, correctness } = reputationNow(state, node, now)
  return completion.lower >= TRUST[asked].completion && correctness.lower >= TRUST[asked].correctness
}

