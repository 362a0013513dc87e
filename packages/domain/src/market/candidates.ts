// The nodes as one class of slots sees them: why not, or at what score. Slots of a class ask the same question again and again, and between two of
// them only a few nodes have changed; so the answers are kept, and asked again only for nodes that were named as changed since (a row, a load, a link or a
// record is another one). All of it lies in columns: what counts of a node whoever asks (its room, what is believed of it) once, and per class a total and a
// reason for each node, with the best of every sixty-four. So a placement costs a short look at what changed, and a pass over a sixty-fourth of the nodes.
//
// `look` says the same of one node, slowly, from the rows alone; a property test holds the two together.
import { NO_REASONS } from '@lumaris/protocol'
import type { DriverOffer, Instant, NodeId, NoReason } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import { EMPTY_CAPACITY } from '../state.ts'
import type { MarketState } from '../state.ts'
import { completionNow } from '../fleet/profile/learn.ts'
import { outlookOf } from '../fleet/profile/presence.ts'
import type { Outlook } from '../fleet/profile/survival.ts'
import { busyReason, closedReason, driverNow, isAboveCap, isPaused, neverReason, personalReason, ratesOf, sheetFor } from './filter.ts'
import type { Rates } from './filter.ts'
import type { Choice } from './offer.ts'
import type { Requirement } from './requirement.ts'
import { scoreOf, totalOf } from './score.ts'
import type { Refusals, Score } from './score.ts'

export type Seen = { readonly node: NodeRow; readonly driver: DriverOffer | null; readonly score: Score | null; readonly no: keyof Refusals | null }
/** Nodes that are not for everybody just now: those that claims stand on, and which of them may be taken all the same. */
export type Kept = { readonly nodes: Iterable<NodeId>; readonly mayTake: (node: NodeRow) => boolean }

/** Beliefs fade and forecasts move with time, slowly: within this everything is asked again, a little of it at each question. */
const KEPT_MS = 60_000
/** Answers kept at once, over all classes: ten bytes each, a quarter of a gigabyte. Beyond it the class that was asked longest ago is forgotten. */
const ANSWERS_MAX = 26_000_000
/** Nodes that are compared by the best of them. */
const BLOCK = 64, BLOCK_BITS = 6
/** How often what looks best is asked once more, because it is worse by now than it was when it was kept. */
const LOOKS_MAX = 8

const FIRM = {}
/** Reasons as numbers; nought is none. */
const TAKES = 0, ABSENT = NO_REASONS.length + 1
const CODES = new Map<NoReason, number>(NO_REASONS.map((reason, i) => [reason, i + 1]))
const codeOf = (reason: NoReason | null): number => (reason === null ? TAKES : (CODES.get(reason) as number))
const PAUSED = codeOf('matching_paused'), CPU_BUSY = codeOf('cpu_busy'), MEMORY_BUSY = codeOf('memory_busy'), DISK_BUSY = codeOf('disk_busy'), GPU_BUSY = codeOf('gpu_busy')

type Class = {
  /** Changes it knows of, counted from the first of all. */ upTo: number
  /** Nodes before this one were asked again since the others; and up to when that is even. */ turn: number; turnedAt: Instant
  size: number
  /** Infinite where it cannot go. */ total: Float64Array
  no: Uint8Array
  /** What stands against a node as long as its row is what it is. */ never: Uint8Array
  readonly counts: Int32Array; /** Nodes that could take it if they were empty. */ able: number
  /** Of every block: its best, -1 for none; and whether that must be looked for. */ lead: Int32Array; leadTotal: Float64Array; stale: Uint8Array
}

export class Candidates {
  #classes = new Map<string, Class>()
  #places = new Map<NodeId, number>()
  #ids: NodeId[] = []
  /** Places of nodes that changed, doubled, and one more where the row did; `#forgotten` changes before them are gone. */
  #changes: number[] = []
  #forgotten = 0
  // What counts of a node whoever asks, and when it was looked up; never: -1.
  #known = new Float64Array(0)
  #rows: (NodeRow | undefined)[] = []
  /** Why it takes nothing from anybody; nought: it does. */
  #closed = new Uint8Array(0)
  #cpu = new Float64Array(0)
  #memory = new Float64Array(0)
  #disk = new Float64Array(0)
  #gpus = new Float64Array(0)
  #share = new Float64Array(0)
  #completion = new Float64Array(0)
  #outlook: (Outlook | null)[] = []
  /** Of firm work. */
  #rates: Rates[] = []

  /** To be called for every change of what a decision reads of a node; `row`: of its row too. */
  changed(node: NodeId, row = false): void {
    let place = this.#places.get(node)
    if (place === undefined) {
      place = this.#places.size
      this.#places.set(node, place)
      this.#ids.push(node)
      if (place >= this.#known.length) this.#grow(Math.max(64, 2 * place))
    }
    this.#known[place] = -1
    this.#changes.push(2 * place + (row ? 1 : 0))
    // Who is so far behind asks everybody again. Half of them goes at a time: those who are asked often are never behind.
    if (this.#changes.length > 2_000 + 4 * this.#places.size) { const gone = this.#changes.length >> 1; this.#forgotten += gone; this.#changes = this.#changes.slice(gone) }
  }
  #grow(size: number): void {
    const larger = (old: Float64Array) => { const all = new Float64Array(size); all.set(old); return all }
    this.#known = larger(this.#known); this.#cpu = larger(this.#cpu); this.#memory = larger(this.#memory); this.#disk = larger(this.#disk)
    this.#gpus = larger(this.#gpus); this.#share = larger(this.#share); this.#completion = larger(this.#completion)
    const closed = new Uint8Array(size)
    closed.set(this.#closed)
    this.#closed = closed
  }

  /** The cheapest node in expectation that may take it; ties go to the smaller id, so that a replay decides the same. Null: none. */
  cheapest(state: MarketState, key: string, need: Requirement, now: Instant, kept: Kept | null = null): Choice | null {
    const one = this.#class(state, key, need, now), barred: { readonly place: number; readonly total: number }[] = []
    for (const id of kept?.nodes ?? []) {
      const place = this.#places.get(id) as number
      if (one.no[place] !== TAKES || kept?.mayTake(this.#rows[place] as NodeRow)) continue
      barred.push({ place, total: one.total[place] as number })
      this.#put(one, place, Infinity)
    }
    const found = this.#best(state, one, need, now, barred.length)
    for (const { place, total } of barred) this.#put(one, place, total)
    return found
  }
  /** Is there a node that could take it if it were empty? */
  couldGo(state: MarketState, key: string, need: Requirement, now: Instant): boolean { return this.#class(state, key, need, now).able > 0 }

  /** All answers, as `look` would say them: for tests. */
  of(state: MarketState, key: string, need: Requirement, now: Instant): readonly Seen[] {
    const one = this.#class(state, key, need, now)
    return [...state.nodes.values()].map((node): Seen => {
      const place = this.#places.get(node.id) as number, no = NO_REASONS[(one.no[place] as number) - 1] ?? null, seen = look(state, node, need, now)
      return no !== null || seen.score === null ? { node, driver: null, score: null, no } : { node, driver: seen.driver, score: { ...seen.score, total: one.total[place] as number }, no: null }
    })
  }

  #best(state: MarketState, one: Class, need: Requirement, now: Instant, barred: number): Choice | null {
    for (let looks = 0; ; looks++) {
      const place = this.#lead(one, -1)
      if (place < 0) return null
      // The row as it is now: a new session is no other answer, and must be the one that is offered to.
      const node = state.nodes.get(this.#ids[place] as NodeId) as NodeRow, score = scoreOf(state, node, need, now)
      // What is left of the node's worth may have changed with the market around it.
      if (score.total !== one.total[place] && looks < LOOKS_MAX) { this.#put(one, place, score.total); continue }
      const second = this.#lead(one, place), runner = second < 0 ? null : (this.#rows[second] as NodeRow)
      const refused: Refusals = {}
      for (const [i, reason] of NO_REASONS.entries()) { const count = one.counts[i + 1] as number; if (count > 0) refused[reason] = count }
      if (barred > 0) refused.kept_for_overdue = (refused.kept_for_overdue ?? 0) + barred
      return {
        node, driver: driverNow(state, node, need) as DriverOffer, score, candidates: (one.counts[TAKES] as number) - barred, refused,
        runnerUp: runner && { node: runner.id, score: scoreOf(state, runner, need, now) },
      }
    }
  }

  /** The best place, or the best but `without`; -1: none. */
  #lead(one: Class, without: number): number {
    let best = -1, bestTotal = Infinity
    const { lead, leadTotal, stale } = one, spared = without < 0 ? -1 : without >> BLOCK_BITS
    for (let block = 0, blocks = (one.size + BLOCK - 1) >> BLOCK_BITS; block < blocks; block++) {
      if (stale[block] === 1) { lead[block] = this.#leadOf(one, block, -1); leadTotal[block] = (lead[block] as number) < 0 ? Infinity : (one.total[lead[block] as number] as number); stale[block] = 0 }
      let place = lead[block] as number, total = leadTotal[block] as number
      if (block === spared) { place = this.#leadOf(one, block, without); total = place < 0 ? Infinity : (one.total[place] as number) }
      if (place >= 0 && (total < bestTotal || (total === bestTotal && this.#isBefore(place, best)))) { best = place; bestTotal = total }
    }
    return best
  }
  #leadOf({ total, size }: Class, block: number, without: number): number {
    let best = -1, bestTotal = Infinity
    for (let place = block << BLOCK_BITS, end = Math.min(size, place + BLOCK); place < end; place++) {
      const mine = total[place] as number
      if (place !== without && (mine < bestTotal || (mine === bestTotal && mine < Infinity && this.#isBefore(place, best)))) { best = place; bestTotal = mine }
    }
    return best
  }
  #isBefore(place: number, other: number): boolean { return other < 0 || (this.#ids[place] as NodeId) < (this.#ids[other] as NodeId) }

  /** The class with everything that it should know by now. */
  #class(state: MarketState, key: string, need: Requirement, now: Instant): Class {
    const newest = this.#forgotten + this.#changes.length, nodes = this.#places.size
    let one = this.#classes.get(key)
    if (one && (one.upTo < this.#forgotten || now - one.turnedAt >= KEPT_MS || now < one.turnedAt)) one = this.#afresh(one, state, need, now)
    else if (!one) {
      for (const oldest of this.#classes.keys()) { if ((this.#classes.size + 1) * nodes <= ANSWERS_MAX) { break } this.#classes.delete(oldest) }
      one = this.#afresh(newClass(), state, need, now)
    } else {
      fit(one, nodes)
      // The whole round in KEPT_MS: so many are due as the time since then makes.
      const due = Math.floor((nodes * (now - one.turnedAt)) / KEPT_MS)
      for (let i = 0; i < due; i++) { if (one.turn >= nodes) { one.turn = 0 } this.#ask(one, state, one.turn++, need, now, false) }
      if (due > 0) one.turnedAt += (due * KEPT_MS) / nodes
      for (let i = one.upTo - this.#forgotten; i < this.#changes.length; i++) { const change = this.#changes[i] as number; this.#ask(one, state, change >> 1, need, now, (change & 1) === 1) }
    }
    one.upTo = newest
    // Who was asked last stands last.
    this.#classes.delete(key)
    this.#classes.set(key, one)
    return one
  }
  #afresh(one: Class, state: MarketState, need: Requirement, now: Instant): Class {
    fit(one, this.#places.size)
    for (let place = 0; place < one.size; place++) this.#ask(one, state, place, need, now, true)
    one.turn = 0
    one.turnedAt = now
    return one
  }

  /** `look`, for a node as its columns have it. */
  #ask(one: Class, state: MarketState, place: number, need: Requirement, now: Instant, row: boolean): void {
    if (!row && one.never[place] !== TAKES) return
    const known = this.#known[place] as number
    if (known < 0 || now - known >= KEPT_MS || now < known) this.#learn(state, place, now)
    const node = this.#rows[place]
    if (!node) return
    if (row) {
      const before = one.never[place], after = codeOf(neverReason(node, need) ?? (isAboveCap(node, need) ? 'price' : null))
      if (before === TAKES && after !== TAKES) one.able--
      if (before !== TAKES && after === TAKES) one.able++
      one.never[place] = after
      if (after !== TAKES) { this.#say(one, place, after, Infinity); return }
    }
    const { resources } = need.spec
    const no = this.#closed[place] !== TAKES ? (this.#closed[place] as number) : isPaused(state, node, need) ? PAUSED : (this.#cpu[place] as number) < resources.cpuMillis ? CPU_BUSY : (this.#memory[place] as number) < resources.memoryBytes ? MEMORY_BUSY
      : (this.#disk[place] as number) < resources.diskBytes ? DISK_BUSY : (this.#gpus[place] as number) < resources.gpus ? GPU_BUSY : codeOf(personalReason(state, node, need, now))
    this.#say(one, place, no, no === TAKES ? totalOf(state, node, need, { completion: this.#completion[place] as number, outlook: this.#outlook[place] as Outlook | null, rates: need.spec.interruptible ? ratesOf(sheetFor(node, need.spec)) : (this.#rates[place] as Rates), share: this.#share[place] as number }) : Infinity)
  }
  #learn(state: MarketState, place: number, now: Instant): void {
    const id = this.#ids[place] as NodeId, node = state.nodes.get(id)
    this.#rows[place] = node
    this.#known[place] = now
    if (!node) return
    const used = state.reserved.get(id) ?? EMPTY_CAPACITY, { capacity } = node
    this.#closed[place] = codeOf(closedReason(state, node))
    this.#cpu[place] = capacity.cpuMillis - used.cpuMillis
    this.#memory[place] = capacity.memoryBytes - used.memoryBytes
    this.#disk[place] = capacity.diskBytes - used.diskBytes
    this.#gpus[place] = capacity.gpus - used.gpus
    this.#share[place] = capacity.cpuMillis === 0 ? 0 : used.cpuMillis / capacity.cpuMillis
    this.#completion[place] = completionNow(state, node, now)
    this.#outlook[place] = outlookOf(state, id, now)
    this.#rates[place] = ratesOf(sheetFor(node, FIRM))
  }
  #say(one: Class, place: number, no: number, total: number): void {
    const before = one.no[place] as number
    if (before !== no) { one.counts[before] = (one.counts[before] as number) - 1; one.counts[no] = (one.counts[no] as number) + 1; one.no[place] = no }
    this.#put(one, place, total)
  }
  #put(one: Class, place: number, total: number): void {
    const before = one.total[place] as number
    if (before === total) return
    one.total[place] = total
    const block = place >> BLOCK_BITS
    if (one.stale[block] === 1) return
    if (one.lead[block] === place) { if (total > before) { one.stale[block] = 1 } else { one.leadTotal[block] = total } return }
    const least = one.leadTotal[block] as number
    if (total < least || (total === least && total < Infinity && this.#isBefore(place, one.lead[block] as number))) { one.lead[block] = place; one.leadTotal[block] = total }
  }
}

const newClass = (): Class => ({
  upTo: 0, turn: 0, turnedAt: 0, size: 0, total: new Float64Array(0), no: new Uint8Array(0), never: new Uint8Array(0), counts: new Int32Array(ABSENT + 1), able: 0,
  lead: new Int32Array(0), leadTotal: new Float64Array(0), stale: new Uint8Array(0),
})
/** Place for so many nodes; new ones are absent until they are asked. */
function fit(one: Class, size: number): void {
  if (size > one.total.length) {
    const room = one.size === 0 ? size : Math.ceil(size * 1.25), blocks = (room + BLOCK - 1) >> BLOCK_BITS
    const total = new Float64Array(room).fill(Infinity), no = new Uint8Array(room).fill(ABSENT), never = new Uint8Array(room).fill(ABSENT), lead = new Int32Array(blocks).fill(-1), leadTotal = new Float64Array(blocks).fill(Infinity), stale = new Uint8Array(blocks)
    total.set(one.total); no.set(one.no); never.set(one.never); lead.set(one.lead); leadTotal.set(one.leadTotal); stale.set(one.stale)
    Object.assign(one, { total, no, never, lead, leadTotal, stale })
  }
  one.size = size
}

export function look(state: MarketState, node: NodeRow, need: Requirement, now: Instant): Seen {
  const not = (no: keyof Refusals): Seen => ({ node, driver: null, score: null, no })
  const reason = neverReason(node, need) ?? (isAboveCap(node, need) ? 'price' : null) ?? busyReason(state, node, need, now)
  return reason ? not(reason) : { node, driver: driverNow(state, node, need) as DriverOffer, score: scoreOf(state, node, need, now), no: null }
}
export const lookAfresh = (state: MarketState, need: Requirement, now: Instant): Seen[] => [...state.nodes.values()].map((node) => look(state, node, need, now))
