// A class is a need that was seen before, with what follows from it alone: its prices per unit, the pools it may look into, cheapest first, and which of
// them have been searched in vain. Slots of one class share all of this; a million of them cost one search.
import { cpuLevel, gpuLevel, memoryLevel } from './levels.ts'
import type { Pool, Pools } from './grid.ts'
import { lossSteps } from './value.ts'
import { DEVICE_MILLIS } from './view.ts'
import type { Need, Policy } from './view.ts'

const HOUR_MS = 3_600_000
/** Cores, GiB and devices, times hours: what the hourly prices are multiplied with. */
type Rates = { readonly cpu: number; readonly memory: number; readonly disk: number; readonly gpu: number }
const ratesOf = (need: Need, ms: number): Rates => {
  const hours = ms / HOUR_MS
  return { cpu: (need.cpuMillis / 1000) * hours, memory: (need.memoryMib / 1024) * hours, disk: (need.diskMib / 1024) * hours, gpu: ((need.gpus * need.gpuMillis) / DEVICE_MILLIS) * hours }
}

export class NeedClass {
  readonly index: number
  readonly need: Need
  readonly likely: Rates
  readonly worst: Rates
  readonly outGib: number
  readonly capped: boolean
  /** Micro-credits of one step of fragmentation, per micro-credit of the price of a GPU-hour: 40 milli-GPUs, for as long as the work runs. */
  readonly stepPrice: number
  /** Steps that filling what nobody else could use is likely to give back: no more than what the work itself takes up. */
  readonly steps: number
  readonly row: { readonly gpu: number; readonly memory: number }
  readonly column: number
  readonly #loadShare: number
  /** Pools by what they are likely to cost, and by index their rank, -1 for those that can never take it. */
  order: Pool[] = []
  floors = new Float64Array(0)
  #ranks = new Int32Array(0)
  /** Pools searched in vain, by index; and the others, as a bit by rank. */
  #shut = new Uint8Array(0)
  #shutCount = 0
  #open = new Uint32Array(0)
  #shape = -1
  /** Its last question found nothing, and nothing that happened since could change that. */
  asleep = false
  /** Scores of single nodes, for markets small enough to score all: fragmentation of a node as of a version of it. */
  readonly kept: { steps: Float64Array; at: Uint32Array } = { steps: new Float64Array(0), at: new Uint32Array(0) }

  constructor(index: number, need: Need, policy: Policy) {
    this.index = index
    this.need = need
    this.likely = ratesOf(need, need.expectedMs)
    this.worst = ratesOf(need, need.limitMs)
    this.outGib = need.outMib / 1024
    this.capped = need.maxCost !== Infinity
    this.steps = -lossSteps(-need.gpus * need.gpuMillis)
    this.#loadShare = policy.loadShare
    this.stepPrice = policy.shadow * 0.04 * (need.expectedMs / HOUR_MS)
    this.row = { gpu: need.gpus === 0 ? 0 : gpuLevel(need.gpuMillis === DEVICE_MILLIS ? need.gpus : 0, need.gpuMillis === DEVICE_MILLIS ? 0 : need.gpuMillis), memory: memoryLevel(need.memoryMib) }
    this.column = cpuLevel(need.cpuMillis)
  }

  /** Regions, hardware and traits: what no release of anything changes. */
  admits(region: number, hardware: number, traits: number, gpu: boolean): boolean {
    const { need } = this
    return (need.regions === 0 || (need.regions & (1 << region)) !== 0) && (need.hardware === 0 || (need.hardware & (1 << hardware)) !== 0)
      && (need.traits & traits) === need.traits && (gpu || need.gpus === 0)
  }
  /** Less than any node of the pool costs by price and risk: its cheapest in every part. */
  #floorOf({ least }: Pool): number {
    const { likely } = this
    const price = Math.round(least.start + least.cpuHour * likely.cpu + least.memoryGibHour * likely.memory + least.diskGibHour * likely.disk + least.gpuHour * likely.gpu)
    return price + Math.round((price * least.riskPpm) / 1_000_000)
  }

  /** Orders the pools anew when pools or bounds have changed; what was searched in vain stays so. */
  refresh(pools: Pools): void {
    if (this.#shape === pools.shape) return
    this.#shape = pools.shape
    const bounded = pools.all.filter((pool) => this.admits(pool.region, pool.hardware, pool.traits, pool.gpu)).map((pool) => {
      const floor = this.#floorOf(pool)
      // Nodes without GPUs charge for crowding as well: half of the most, as a guess. The guess orders, the floor proves.
      return { pool, floor, guess: pool.gpu ? floor : floor * (1 + this.#loadShare / 2) }
    })
    bounded.sort((a, b) => a.guess - b.guess || a.pool.index - b.pool.index)
    this.order = bounded.map((one) => one.pool)
    this.floors = Float64Array.from(bounded, (one) => one.floor)
    this.#ranks = new Int32Array(pools.all.length).fill(-1)
    this.#reserve(pools.all.length)
    this.#open = new Uint32Array((this.order.length + 31) >> 5)
    this.order.forEach((pool, rank) => {
      this.#ranks[pool.index] = rank
      if (this.#shut[pool.index] === 0) this.#open[rank >> 5] = (this.#open[rank >> 5] as number) | (1 << (rank & 31))
    })
  }
  #reserve(pools: number): void {
    if (this.#shut.length >= pools) return
    const grown = new Uint8Array(pools + 64)
    grown.set(this.#shut)
    this.#shut = grown
  }
  /** Every pool that it may look into was searched in vain. */
  get exhausted(): boolean { return this.#shutCount === this.order.length }
  /** The next rank at or after `rank` worth looking at; -1: none. */
  nextOpen(rank: number): number {
    for (let word = rank >> 5, from = rank & 31; word < this.#open.length; word++, from = 0) {
      const bits = (this.#open[word] as number) & (-1 << from)
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits & -bits)
    }
    return -1
  }
  shut(rank: number): void {
    this.#open[rank >> 5] = (this.#open[rank >> 5] as number) & ~(1 << (rank & 31))
    this.shutUnseen(this.order[rank] as Pool)
  }
  /** A pool made while the class slept, and of no use to it yet: it waits there too, though it has not been ordered. */
  shutUnseen(pool: Pool): void {
    this.#reserve(pool.index + 1)
    this.#shut[pool.index] = 1
    this.#shutCount++
    pool.blocked.push(this.index)
  }
  reopen(pool: Pool): void {
    this.#shut[pool.index] = 0
    this.#shutCount--
    const rank = this.#ranks[pool.index] ?? -1
    if (rank >= 0) this.#open[rank >> 5] = (this.#open[rank >> 5] as number) | (1 << (rank & 31))
  }
}

export const keyOf = (need: Need): string =>
  `${need.cpuMillis} ${need.memoryMib} ${need.diskMib} ${need.gpus} ${need.gpuMillis} ${need.regions} ${need.hardware} ${need.traits} ${need.expectedMs} ${need.limitMs} ${need.outMib} ${need.maxCost}`
