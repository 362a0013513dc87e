// Firm work needs room that interruptible work holds: who must go? Only attempts that agreed to it (interruptible), past their guaranteed slice, and the
// fewest and cheapest: what is lost is the work since the last save and the restart, at the price it pays. Everyone gets notice first; who can save within it
// loses only the restart, and who ends within it loses nothing.
//
// A plan only: the caller ends the attempts (cause `preempted`), which pays their sellers as agreed and refunds what was not saved.
import type { AttemptId, Capacity, DurationMs, Instant, NodeId } from '@lumaris/protocol'

/** An attempt that holds room on a node. */
export type Holder = {
  readonly attempt: AttemptId; readonly holds: Capacity; readonly interruptible: boolean
  /** Not to be taken before: each start of interruptible work gets a slice it can count on, or short work would starve. */
  readonly safeUntil: Instant
  /** Work since the last save; time to save now (null: it cannot); time to start again elsewhere. */
  readonly unsavedMs: DurationMs; readonly saveMs: DurationMs | null; readonly restartMs: DurationMs
  /** How long it is expected to run on; null when nobody knows. */
  readonly endsInMs: DurationMs | null
  /** What an hour of it is worth, in micro-credits: the price it pays. A score only compares, so a plain number does. */
  readonly microsPerHour: number
  /** How often this work was taken off before. */
  readonly evictions: number
}
export type Candidate = { readonly node: NodeId; readonly free: Capacity; readonly holders: readonly Holder[] }
export type Victim = { readonly attempt: AttemptId; readonly endBy: Instant; readonly lossMicros: number }
export type Eviction = { readonly node: NodeId; readonly victims: readonly Victim[]; readonly lossMicros: number }
export type Terms = {
  readonly now: Instant
  /** Notice before the end. */
  readonly graceMs: DurationMs
  /** What having the room is worth to the firm work, in micro-credits; null: whatever it costs. */
  readonly gainMicros: number | null
  /** What each eviction costs besides lost work, in micro-credits: a queue, a search, inputs fetched again. Without it many small victims look as cheap as one. */
  readonly botherMicros: number
}

/** Nodes looked at, those that miss least first; attempts taken off at once. Bounds on the time of one decision. */
export const CANDIDATES_MAX = 16, VICTIMS_MAX = 8
/** The room must be worth this much more than what is lost: moving work for nothing is not free, and neither figure is exact. */
export const GAIN_OVER_LOSS = 1.2
/** Each time before makes the next one dearer by the whole loss, so that it meets somebody else. */
const PER_EVICTION = 1
const HOUR_MS = 3_600_000
const ROOMS = ['cpuMillis', 'memoryBytes', 'diskBytes', 'gpus'] as const

/** Micro-credits lost by taking it off with so much notice, and the bother. */
export function lossOf(holder: Holder, { graceMs, botherMicros }: Pick<Terms, 'graceMs' | 'botherMicros'>): number {
  if (holder.endsInMs !== null && holder.endsInMs <= graceMs) return 0
  const lostMs = holder.saveMs !== null && holder.saveMs <= graceMs ? 0 : holder.unsavedMs + graceMs
  return (((lostMs + holder.restartMs) / HOUR_MS) * holder.microsPerHour + botherMicros) * (1 + PER_EVICTION * holder.evictions)
}
export const mayEvict = (holder: Holder, now: Instant): boolean => holder.interruptible && holder.safeUntil <= now

const missing = (need: Capacity, room: Capacity): Capacity => ({
  cpuMillis: Math.max(0, need.cpuMillis - room.cpuMillis), memoryBytes: Math.max(0, need.memoryBytes - room.memoryBytes),
  diskBytes: Math.max(0, need.diskBytes - room.diskBytes), gpus: Math.max(0, need.gpus - room.gpus),
})
const plus = (a: Capacity, b: Capacity): Capacity => ({ cpuMillis: a.cpuMillis + b.cpuMillis, memoryBytes: a.memoryBytes + b.memoryBytes, diskBytes: a.diskBytes + b.diskBytes, gpus: a.gpus + b.gpus })
const fits = (need: Capacity, room: Capacity): boolean => ROOMS.every((kind) => need[kind] <= room[kind])
/** How much of the need is missing, in the kind that misses most: 0 fits, 1 has nothing. */
const dominant = (short: Capacity, need: Capacity): number => ROOMS.reduce((most, kind) => Math.max(most, need[kind] > 0 ? short[kind] / need[kind] : 0), 0)

/** The cheapest set of victims on one of the nodes, or null when none has room even so, or the room is not worth it. The order of what is passed does not matter. */
export function chooseVictims(need: Capacity, candidates: readonly Candidate[], terms: Terms): Eviction | null {
  const able = candidates.flatMap((candidate) => {
    const holders = candidate.holders.filter((holder) => mayEvict(holder, terms.now))
    if (!fits(need, holders.reduce((room, { holds }) => plus(room, holds), candidate.free))) return []
    return [{ node: candidate.node, free: candidate.free, holders, short: dominant(missing(need, candidate.free), need) }]
  }).toSorted((a, b) => a.short - b.short || (a.node < b.node ? -1 : 1))
  let best: Eviction | null = null
  for (const { node, free, holders } of able.slice(0, CANDIDATES_MAX)) {
    const victims = cheapest(need, free, holders, terms)
    if (victims === null) continue
    const lossMicros = victims.reduce((sum, holder) => sum + lossOf(holder, terms), 0)
    if (best && lossMicros >= best.lossMicros) continue
    best = { node, lossMicros, victims: victims.map((holder) => ({ attempt: holder.attempt, endBy: terms.now + terms.graceMs, lossMicros: lossOf(holder, terms) })) }
  }
  return best && (terms.gainMicros === null || terms.gainMicros > GAIN_OVER_LOSS * best.lossMicros) ? best : null
}

/** Greedily by loss per missing share that it frees, then whoever turns out to be superfluous stays; against the cheapest single one that would do. */
function cheapest(need: Capacity, free: Capacity, holders: readonly Holder[], terms: Terms): Holder[] | null {
  if (fits(need, free)) return []
  const loss = (holder: Holder): number => lossOf(holder, terms)
  const byLoss = (a: Holder, b: Holder): number => loss(a) - loss(b) || (a.attempt < b.attempt ? -1 : 1)
  const left = holders.toSorted(byLoss)
  const alone = left.find(({ holds }) => fits(need, plus(free, holds)))
  const taken: Holder[] = []
  for (let room = free; !fits(need, room);) {
    const short = missing(need, room)
    let best = -1, rate = Infinity
    left.forEach((holder, i) => {
      const frees = dominant(short, need) - dominant(missing(need, plus(room, holder.holds)), need)
      // Some room is missing in two kinds at once, and no single holder lessens the worst: then what it holds of the missing kinds counts a little.
      const worth = frees > 0 ? frees : 1e-6 * ROOMS.reduce((sum, kind) => sum + (short[kind] > 0 ? Math.min(1, holder.holds[kind] / short[kind]) : 0), 0)
      if (worth > 0 && (loss(holder) + 1) / worth < rate) { best = i; rate = (loss(holder) + 1) / worth }
    })
    if (best < 0) break
    const holder = left.splice(best, 1)[0] as Holder
    taken.push(holder)
    room = plus(room, holder.holds)
  }
  for (const holder of taken.toSorted((a, b) => byLoss(b, a))) {
    const without = taken.filter((other) => other !== holder)
    if (fits(need, without.reduce((room, { holds }) => plus(room, holds), free))) taken.splice(taken.indexOf(holder), 1)
  }
  const enough = taken.length <= VICTIMS_MAX && fits(need, taken.reduce((room, { holds }) => plus(room, holds), free))
  if (!enough) return alone ? [alone] : null
  return alone && loss(alone) <= taken.reduce((sum, holder) => sum + loss(holder), 0) ? [alone] : taken
}
