// Firm work may take the place of interruptible work, when its buyer pays for what that work has cost so far (billing/pay-displaced.ts). Only work that agreed
// to it goes, after a first slice that it can count on, and with notice: it is told to stop, and has `cancelMs` to send its last reading. The place is kept
// for the slot it was made for until then.
import type { Capacity, DriverOffer, Instant, Micros } from '@lumaris/protocol'
import type { AttemptRow, JobRow } from '../rows.ts'
import { freeOn, slotOf } from '../state.ts'
import type { MarketState, Waiting } from '../state.ts'
import { liveAttempt, putAttempt } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { hourlyOf, priceOf } from '../billing/price.ts'
import { isInterruptible } from '../deadline/as.ts'
import { stopAttempt } from '../job/finish.ts'
import { restCap, restMs } from '../job/kept.ts'
import { holdsNode } from '../job/lifecycle.ts'
import { look } from './candidates.ts'
import type { Claims } from './claims.ts'
import { isOpen, isPaused, obstacles, personalReason } from './filter.ts'
import { offer } from './offer.ts'
import type { Requirement } from './requirement.ts'
import type { Score } from './score.ts'
import { chooseVictims } from './spot/preempt.ts'
import type { Candidate, Holder } from './spot/preempt.ts'
import { wantedOf } from './wanted.ts'
import { seatsMax } from './quote.ts'

/** What ending an attempt costs besides its bill, in micro-credits: without it, many small victims would look as cheap as one. */
const BOTHER_MICROS = 100

/** Looks for interruptible work whose place would do, and tells it to stop; the slot takes the place in a later turn. */
export function displace(turn: Turn, job: JobRow, waiting: Waiting, need: Requirement, claims: Claims): void {
  const { state, now } = turn
  if (job.spec.displace === undefined || state.displacing.has(slotOf(waiting))) return
  const budget = budgetOf(state, job)
  if (budget <= 0n) return
  const nodes = candidates(state, need, now, claims)
  const found = chooseVictims(amountsOf(need.spec.resources), nodes, { now, graceMs: state.settings.cancelMs, gainMicros: Number(budget), botherMicros: BOTHER_MICROS })
  if (!found) return askAgain(turn, nodes)
  const victims = found.victims.map(({ attempt }) => { const row = liveAttempt(turn, attempt); return { row, most: mostOf(state, row, now) } })
  if (victims.reduce((sum, { most }) => sum + most, 0n) > budget) return
  const until = now + state.settings.cancelMs + SPARE_MS
  state.displacing.set(slotOf(waiting), { waiting, node: found.node, until })
  claims.keep(found.node, now, need.spec.resources)
  for (const { row, most } of victims) {
    putAttempt(turn, { ...row, displaced: { by: job.id, most: most.toString() } })
    stopAttempt(turn, row.id, 'preempted')
  }
}
/** Some of it may only be too young: when the next slice is over, everybody who sleeps may ask once more. */
function askAgain({ state, now }: Turn, nodes: readonly Candidate[]): void {
  const young = nodes.flatMap(({ holders }) => holders.flatMap(({ interruptible, safeUntil }) => (interruptible && safeUntil > now ? [safeUntil] : [])))
  const soonest = young.reduce((least, over) => Math.min(least, over), Infinity)
  if (soonest === Infinity || (state.wakeAt > now && state.wakeAt <= soonest)) return
  state.wakeAt = soonest
  state.timers.push(soonest, { kind: 'wake', id: '', task: 0, slot: 0 })
}

/** The last reading may come with the very turn that gives the attempt up. */
const SPARE_MS = 2_000

/** Slots whose place is being made: placed there as soon as there is room, or the place is kept. Returns how many were placed. */
export function takePlaces(turn: Turn, claims: Claims): number {
  const { state } = turn, kept = state.displacing.size
  let placed = 0
  for (const [key, { waiting, node: id, until }] of state.displacing) {
    const wanted = wantedOf(turn, waiting), node = state.nodes.get(id)
    if (!wanted || !node) { state.displacing.delete(key); continue }
    const seen = look(state, node, wanted.need, turn.now)
    if (seen.no === null) {
      state.displacing.delete(key)
      offer(turn, wanted, waiting.slot, { node, driver: seen.driver as DriverOffer, score: seen.score as Score, candidates: 1, refused: {}, runnerUp: null })
      placed++
    } else if (turn.now >= until) state.displacing.delete(key)
    else claims.keep(id, turn.now, wanted.need.spec.resources)
  }
  // What was kept from others, and is not kept any more, may do for one of them.
  if (state.displacing.size < kept) state.queue.wake()
  return placed
}

/** What may still be promised: the whole of it, less what was paid, less what was promised to work that has not ended yet. */
export function budgetOf(state: MarketState, job: JobRow): Micros {
  let left = BigInt(job.spec.displace ?? 0) * BigInt(seatsMax(job.spec)) - job.displaced
  for (const id of state.displacedBy.get(job.id) ?? []) left -= BigInt(state.attempts.get(id)?.displaced?.most ?? 0)
  const each = BigInt(job.spec.displace ?? 0)
  return left < each ? left : each
}

function candidates(state: MarketState, need: Requirement, now: Instant, claims: Claims): Candidate[] {
  return [...state.nodes.values()].flatMap((node): Candidate[] => {
    if (node.prices.spotPercent === undefined || !isOpen(state, node) || need.avoid.includes(node.id) || obstacles(node, need).length > 0 || isPaused(state, node, need) || personalReason(state, node, need, now) !== null || claims.has(node.id)) return []
    const holders = [...(state.attemptsByNode.get(node.id) ?? [])].flatMap((id) => { const row = state.attempts.get(id); return row && holdsNode(row.state) ? [holderOf(state, row, now)] : [] })
    return holders.some(({ interruptible }) => interruptible) ? [{ node: node.id, free: freeOn(state, node), holders }] : []
  })
}

function holderOf(state: MarketState, row: AttemptRow, now: Instant): Holder {
  const job = (state.jobs.get(row.job) as { row: JobRow; attempts: AttemptRow[] })
  const { spec } = job.row, since = row.startedAt ?? row.offeredAt
  return {
    attempt: row.id, holds: amountsOf(spec.resources), interruptible: isInterruptible(spec, row) && row.displaced === undefined, safeUntil: since + state.settings.sliceMs, unsavedMs: Math.max(0, now - (row.saved?.at ?? since)), saveMs: null, restartMs: 0,
    endsInMs: null, microsPerHour: Number(hourlyOf(row.prices, spec.resources)),
    evictions: job.attempts.filter((other) => other.task === row.task && other.slot === row.slot && other.cause === 'preempted').length,
  }
}
/** The most it can come to until it has stopped: its time until the last reading is due, and what it has written so far. */
function mostOf(state: MarketState, row: AttemptRow, now: Instant): Micros {
  const { spec, attemptCap } = (state.jobs.get(row.job) as { row: JobRow }).row
  if (row.startedAt === null) return 0n
  const runMs = Math.min(now + state.settings.cancelMs - row.startedAt, restMs(spec, row.resumes))
  const most = priceOf(row.prices, spec.resources, { runMs: Math.max(0, runMs), outBytes: Math.min(row.usage.outBytes, spec.resources.diskBytes) })
  const cap = restCap(attemptCap, row.resumes)
  return most < cap ? most : cap
}
const amountsOf = ({ cpuMillis, memoryBytes, diskBytes, gpus }: Capacity): Capacity => ({ cpuMillis, memoryBytes, diskBytes, gpus })
