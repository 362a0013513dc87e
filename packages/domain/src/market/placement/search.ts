// The best node for a class of need. Pools are visited by their bound, cheapest first, until the next cannot hold a better one. In a small market that is
// exact. In a large one so many candidates are scored and no more: in each pool the tightest cells that fit, a few nodes of each, and, where
// spreading pays, some from the emptiest end. A search that finds nothing is always complete, so "no place" is never a guess.
import type { NeedClass } from './classes.ts'
import { cellBefore, cellFrom } from './grid.ts'
import type { Pool } from './grid.ts'
import { CPU, FREE_CPU, FREE_MEMORY, GPU_HOUR, HOT, MEMORY, NEXT, RISK_PPM, devicesAt } from './nodes.ts'
import type { Room } from './room.ts'
import { loadOf, priceOn, STEP, strandedOf, termsOf } from './score.ts'
import { COARSE, FINE } from './levels.ts'
import { DEVICES_MAX, DEVICE_MILLIS, REASONS } from './view.ts'
import type { Decision, Reason, Refused } from './view.ts'

/** Of one pool, so that several pools of like price are compared; of one cell, so that unlike states are. */
const PER_POOL = 4, PER_CELL = 1
/** Nodes asked in one pool, scored or not: at a million nodes each is a walk to main memory. */
const LOOKS_PER_POOL = 12
/** So many pools whose cheapest node cannot be expected to win, and a search in a large market ends. */
const OUTBID = 8
const AVOIDED = REASONS.indexOf('avoided'), OWNER = REASONS.indexOf('owner')
/** Nodes of a cell that may turn out not to fit before the walk goes on to the next cell; only when nothing was found are all of them asked. */
const MISSES_PER_CELL = 4

export const NOBODY: readonly number[] = []

export class Search {
  readonly #room: Room
  readonly #refused = new Int32Array(REASONS.length)
  #candidates = 0
  /** Candidates that were not outbid by their price alone: what a search in a large market is limited by. */
  #scored = 0
  #node = -1
  #price = 0; #risk = 0; #load = 0; #fragmentation = 0; #total = Infinity
  #second = -1; #secondTotal = Infinity
  #personal = false
  #skipped = false
  #looks = 0
  #lastRow = COARSE - 1
  #loose = false

  constructor(room: Room) { this.#room = room }

  #clear(): void {
    this.#refused.fill(0)
    this.#candidates = this.#scored = 0
    this.#node = this.#second = -1
    this.#total = this.#secondTotal = Infinity
  }

  /** Every node asked, no pool skipped: what `best` is measured against. */
  scan(need: NeedClass): Decision | null {
    const { nodes, pools } = this.#room
    this.#clear()
    this.#room.refresh()
    for (let node = 0; node < nodes.top; node++) {
      if ((nodes.cell[node] as number) < 0) continue
      const pool = pools.all[nodes.pool[node] as number] as Pool
      if (need.admits(pool.region, pool.hardware, pool.traits, pool.gpu)) this.#consider(node, pool, need, this.#room.scarcity(pool), Infinity, NOBODY, NOBODY)
    }
    return this.#node < 0 ? null : this.#decision(need)
  }

  best(need: NeedClass, avoid: readonly number[], owners: readonly number[]): Decision | null {
    const { policy, nodes, pools } = this.#room
    this.#clear()
    need.refresh(pools)
    this.#room.refresh()
    const all = nodes.open <= policy.lookAllBelow
    if (all || need.need.gpus > 0) this.#visit(need, avoid, owners, all, 'every')
    else {
      this.#visit(need, avoid, owners, false, 'spare')
      this.#visit(need, avoid, owners, false, 'gpu')
    }
    need.asleep = this.#node < 0 && need.exhausted
    return this.#node < 0 ? null : this.#decision(need)
  }

  /**
   * Pools in the order of their guess, until nothing better can be expected. In a large market, work without GPUs looks first at nodes that have no GPU left
   * (`spare`) or never had: any other is made worth less by it, often by more than its price, and what was found there bounds the search among the rest (`gpu`).
   */
  #visit(need: NeedClass, avoid: readonly number[], owners: readonly number[], all: boolean, part: 'every' | 'spare' | 'gpu'): void {
    const { policy } = this.#room
    const look = part !== 'gpu' ? policy.look : 4 * policy.look
    let outbid = 0
    for (let rank = need.nextOpen(0); rank >= 0; rank = need.nextOpen(rank + 1)) {
      const pool = need.order[rank] as Pool
      if (part !== 'every') {
        if ((need.floors[rank] as number) > this.#total) { if (++outbid >= OUTBID) { break } else continue }
        if (pool.gpu ? part === 'spare' && (pool.rows & 1) === 0 : part === 'gpu') continue
      }
      const before = this.#candidates, scored = this.#scored, scarcity = this.#room.scarcity(pool)
      const back = pool.gpu ? (all ? 50 : need.steps * scarcity) * need.stepPrice * Math.max(1, pool.mostGpuHour) : 0
      if ((need.floors[rank] as number) - back > this.#total) { if (!all && ++outbid >= OUTBID) { break } else continue }
      this.#personal = false
      this.#loose = part === 'gpu'
      this.#lastRow = part === 'spare' && pool.gpu ? 0 : COARSE - 1
      if (all) this.#walk(pool, need, scarcity, back, avoid, owners, Infinity, false)
      else {
        const most = Math.min(PER_POOL, look - this.#scored)
        if (most <= 0) break
        this.#walk(pool, need, scarcity, back, avoid, owners, most, true)
        if (this.#candidates === before && this.#skipped) this.#walk(pool, need, scarcity, back, avoid, owners, 1, false)
      }
      // A node refused for this slot alone says nothing about the class, nor do the rows of a pool that were left out.
      if (this.#candidates === before) { if (!this.#personal && this.#lastRow > 0) need.shut(rank) }
      // Some fit, and none came near: the pools after it are dearer still.
      else if (!all && this.#scored === scored && ++outbid >= OUTBID) break
    }
  }

  #walk(pool: Pool, need: NeedClass, scarcity: number, back: number, avoid: readonly number[], owners: readonly number[], most: number, sample: boolean): void {
    const end = this.#scored + most
    // Work without GPUs harms idle GPUs least where processors abound: among those it begins at the emptiest end.
    const tight = !sample ? end : !pool.gpu ? this.#scored + (most >> 1) : this.#loose ? this.#scored : end
    const row = pool.gpu ? need.row.gpu : need.row.memory, { column } = need
    this.#skipped = false
    this.#looks = sample ? LOOKS_PER_POOL : Infinity
    let cell = cellFrom(pool, row * FINE, column), last = -1
    for (; cell >= 0 && cell >> 6 <= this.#lastRow && this.#scored < tight && this.#looks >= 0; cell = cell + 1 < COARSE * FINE ? cellFrom(pool, cell + 1, column) : -1) {
      last = cell
      this.#ask(pool, need, cell, scarcity, back, avoid, owners, sample ? Math.min(PER_CELL, tight - this.#scored) : Infinity, sample ? MISSES_PER_CELL : Infinity)
    }
    if (tight === end || cell < 0) return
    for (cell = cellBefore(pool, COARSE * FINE - 1, column); cell > last && this.#scored < end && this.#looks >= 0; cell = cellBefore(pool, cell - 1, column)) {
      this.#ask(pool, need, cell, scarcity, back, avoid, owners, Math.min(PER_CELL, end - this.#scored), MISSES_PER_CELL)
    }
  }
  /** Asks the nodes of a cell until so many are scored, so many refuse, or the walk through this pool has asked enough. */
  #ask(pool: Pool, need: NeedClass, cell: number, scarcity: number, back: number, avoid: readonly number[], owners: readonly number[], most: number, misses: number): void {
    const { hot } = this.#room.nodes
    for (let node = pool.heads[cell] as number; node >= 0; node = hot[node * HOT + NEXT] as number) {
      if (--this.#looks < 0) { this.#skipped = true; return }
      if (this.#consider(node, pool, need, scarcity, back, avoid, owners)) { if (--most <= 0) { return } } else if (--misses <= 0) { this.#skipped = true; return }
    }
  }

  #consider(node: number, pool: Pool, need: NeedClass, scarcity: number, back: number, avoid: readonly number[], owners: readonly number[]): boolean {
    const room = this.#room, { nodes, policy } = room
    const reason = room.refuses(node, need)
    if (reason >= 0) { this.#no(reason); return false }
    if (avoid.length > 0 && avoid.includes(node)) { this.#personal = true; this.#no(AVOIDED); return false }
    if (owners.length > 0 && owners.includes(nodes.owner[node] as number)) { this.#personal = true; this.#no(OWNER); return false }
    this.#candidates++
    const price = priceOn(nodes, node, need.likely), risk = Math.round((price * (nodes.hot[node * HOT + RISK_PPM] as number)) / 1_000_000)
    if (price + risk - back > this.#total) return false
    this.#scored++
    let load = 0, fragmentation: number
    if (pool.gpu) fragmentation = (need.stepPrice * Math.max(1, nodes.hot[node * HOT + GPU_HOUR] as number) * scarcity * (this.#units(node, pool, need) + room.fragmentation.takes(pool.hardware, need.need))) / STEP
    else {
      const cpu = ((nodes.hot[node * HOT + FREE_CPU] as number) - need.need.cpuMillis) / Math.max(1, nodes.hot[node * HOT + CPU] as number)
      const memory = ((nodes.hot[node * HOT + FREE_MEMORY] as number) - need.need.memoryMib) / Math.max(1, nodes.hot[node * HOT + MEMORY] as number)
      load = loadOf(price, cpu, scarcity, policy)
      fragmentation = strandedOf(price, cpu, memory, scarcity, policy)
    }
    const total = price + risk + load + fragmentation
    if (total < this.#total || (total === this.#total && node < this.#node)) {
      this.#second = this.#node; this.#secondTotal = this.#total
      this.#node = node
      this.#price = price; this.#risk = risk; this.#load = load; this.#fragmentation = fragmentation; this.#total = total
    } else if (node !== this.#node && (total < this.#secondTotal || (total === this.#secondTotal && node < this.#second))) { this.#second = node; this.#secondTotal = total }
    return true
  }
  /** In a market that is scored whole, a node that has not changed since this class last looked keeps its fragmentation. */
  #units(node: number, pool: Pool, need: NeedClass): number {
    const { nodes, policy, fragmentation } = this.#room
    if (nodes.size > 2 * policy.lookAllBelow) return fragmentation.units(pool.hardware, node, need.need)
    const { kept } = need
    if (kept.at.length < nodes.size) { kept.steps = new Float64Array(nodes.size); kept.at = new Uint32Array(nodes.size) }
    if (kept.at[node] === nodes.version[node]) return kept.steps[node] as number
    const units = fragmentation.units(pool.hardware, node, need.need)
    kept.at[node] = nodes.version[node] as number
    kept.steps[node] = units
    return units
  }
  #no(reason: number): void { this.#refused[reason] = (this.#refused[reason] as number) + 1 }

  #decision(need: NeedClass): Decision {
    const refused: Refused = {}
    for (let i = 0; i < REASONS.length; i++) if (this.#refused[i] !== 0) refused[REASONS[i] as Reason] = this.#refused[i] as number
    return {
      node: this.#node, devices: this.#devices(this.#node, need), terms: termsOf(this.#price, this.#risk, this.#load, this.#fragmentation),
      runnerUp: this.#second < 0 ? null : { node: this.#second, total: this.#secondTotal }, candidates: this.#candidates, refused,
    }
  }
  #devices(node: number, { need }: NeedClass): number {
    const { nodes, fragmentation, pools } = this.#room
    if (need.gpus === 0) return 0
    if (need.gpus > 1 || need.gpuMillis === DEVICE_MILLIS) return nodes.pickDevices(node, need.gpus, need.gpuMillis)
    fragmentation.units((pools.all[nodes.pool[node] as number] as Pool).hardware, node, need)
    for (let d = 0; d < DEVICES_MAX; d++) if (nodes.devices[devicesAt(node) + d] === fragmentation.picked) return 1 << d
    return 0
  }
}
