// What a placement makes of a node's idle GPUs, for the work that comes next: the two-step value of market/placement/value.ts, at the market's own prices. What
// is typical is learned from what was placed lately; a market that has placed nothing with GPUs knows nothing yet, and the term is zero.
import type { Resources } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import { freeOn } from '../state.ts'
import type { MarketState } from '../state.ts'
import { FragmentationValue, V_UNIT, lossSteps, takeTightest } from './placement/value.ts'
import { scarcityOf } from './placement/score.ts'
import { DEVICES_MAX, DEVICE_MILLIS, POLICY } from './placement/view.ts'
import type { Typical } from './placement/view.ts'
import { expectedMs } from './filter.ts'
import type { Requirement } from './requirement.ts'

/** Placements that count as lately; and after how many the value is made anew. */
const LATELY = 1_000, RENEW_EVERY = 100
const HOUR_MS = 3_600_000
/** Sizes that are told apart: value.ts knows 64 of them, and buyers may ask for a thousand. */
const SIZE_STEP = 20
const sizeOf = (share: number): number => Math.max(1, Math.min(PART_MAX, Math.floor(share / SIZE_STEP) * SIZE_STEP))
/** A partition is never taken for a whole card, however large it is. */
const PART_MAX = DEVICE_MILLIS - 1
/** A step of loss is 40 milli-GPUs (value.ts). */
const GPUS_PER_STEP = 0.04

/** What work asks for, by how often. Not stored: a new writer learns it again. */
export class Demand {
  #last: string[] = []
  #next = 0
  #counts = new Map<string, { readonly typical: Omit<Typical, 'share'>; count: number }>()
  #models = new Map<string, number>()
  #sinceRenewed = 0
  #value: FragmentationValue | null = null
  #withGpus = 0

  saw({ cpuMillis, gpus, gpuModels, gpuShare }: Resources): void {
    const key = `${cpuMillis}.${gpus}.${gpuShare === undefined ? '' : sizeOf(gpuShare)}.${gpuModels?.join() ?? ''}`
    this.#forget(this.#last[this.#next])
    this.#last[this.#next] = key
    this.#next = (this.#next + 1) % LATELY
    const known = this.#counts.get(key)
    if (known) known.count++
    else this.#counts.set(key, { typical: { cpuMillis, gpus, gpuMillis: gpuShare === undefined ? DEVICE_MILLIS : sizeOf(gpuShare), hardware: (gpuModels ?? []).reduce((mask, model) => mask | (1 << this.hardwareOf(model)), 0) }, count: 1 })
    if (gpus > 0) this.#withGpus++
    if (!known || ++this.#sinceRenewed >= RENEW_EVERY) this.#value = null
  }
  #forget(key: string | undefined): void {
    const old = key === undefined ? undefined : this.#counts.get(key)
    if (!old) return
    if (old.typical.gpus > 0) this.#withGpus--
    if (--old.count === 0) this.#counts.delete(key as string)
  }

  /** GPU models by number, below 31; what comes after that counts as one. */
  hardwareOf(model: string | undefined): number {
    if (model === undefined) return 0
    let number = this.#models.get(model)
    if (number === undefined) { number = Math.min(30, this.#models.size + 1); this.#models.set(model, number) }
    return number
  }
  /** Null while no work with GPUs has been seen lately. */
  get value(): FragmentationValue | null {
    if (this.#withGpus === 0) return null
    if (!this.#value) {
      this.#value = new FragmentationValue([...this.#counts.values()].map(({ typical, count }) => ({ ...typical, share: count })), false)
      this.#sinceRenewed = 0
    }
    return this.#value
  }
}

const before = new Int32Array(DEVICES_MAX), after = new Int32Array(DEVICES_MAX)
/** Micro-credits that idle GPUs of this node lose in worth to the work that comes next, for as long as this work runs; below zero when it takes what nobody else could use. */
export function fragmentationOf(state: MarketState, node: NodeRow, { spec }: Requirement): number {
  const { capacity } = node, { resources } = spec
  if (capacity.gpus === 0 || capacity.gpus > DEVICES_MAX) return 0
  const { value } = state.demand
  if (!value) return 0
  const { gpus: free, cpuMillis: cpu } = freeOn(state, node)
  if (free <= 0 && resources.gpus === 0) return 0
  const device = capacity.gpuShare === undefined ? DEVICE_MILLIS : Math.min(PART_MAX, capacity.gpuShare)
  for (let d = 0; d < DEVICES_MAX; d++) before[d] = d >= DEVICES_MAX - free ? device : 0
  const hardware = state.demand.hardwareOf(capacity.gpuModel), now = value.value(hardware, Math.max(0, cpu), before)
  if (resources.gpus > 0) { if (!takeTightest(before, after, resources.gpus, device)) return 0 } else after.set(before)
  const steps = lossSteps((value.value(hardware, Math.max(0, cpu - resources.cpuMillis), after) - now) / V_UNIT)
  const scarcity = scarcityOf(state.gpusInUse, state.offered[2] ?? 0, POLICY)
  return Math.round(steps * GPUS_PER_STEP * POLICY.shadow * scarcity * Number(node.prices.gpuHour) * (expectedMs(spec) / HOUR_MS))
}
