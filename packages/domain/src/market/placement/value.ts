// What is lost of a node's idle GPUs: F is the part that typical work, drawn at random, could not use; V looks one step further, at F after such work
// has been placed. (F is the measure of FGD, USENIX ATC'23; the step further is ours, and won 187 of 190 paired runs against it, bench/matching/packing.ts.)
// All of it is whole numbers: shares are hundred-thousandths, so F, V and every sum on the way stay below 2^53 and no order of adding matters.
import { DEVICES_MAX, DEVICE_MILLIS } from './view.ts'
import type { Typical } from './view.ts'

export const SHARES = 100_000
/** V is a tenth of F and nine tenths of F one step on. On openb's default list, seeds 1 to 6: 95.74 % with it; 95.62 to 95.68 % with none of F, a twentieth, two and three tenths. */
export const NOW = 1, NEXT = 9
/** V of one idle milli-GPU that nobody could use. */
export const V_UNIT = SHARES * SHARES * (NOW + NEXT)

/** Entries; then the memo starts anew: a bound of 7 MB on what can be computed again. */
const MEMO_MAX = 1 << 17
const KEYS = 5

/** Shares as hundred-thousandths. A rounding error of the sum goes to the largest. */
export function sharesOf(typical: readonly Typical[]): number[] {
  const sum = typical.reduce((total, one) => total + one.share, 0)
  const weights = typical.map((one) => Math.round((one.share / sum) * SHARES))
  const largest = weights.indexOf(Math.max(...weights))
  if (largest >= 0) weights[largest] = (weights[largest] as number) + SHARES - weights.reduce((total, one) => total + one, 0)
  return weights
}

type Kind = { readonly cpu: number; readonly need: number; readonly milli: number; readonly of: number; readonly weight: number; readonly usable: boolean }

/** Devices are given ascending in eight places; places without a device hold zero, and a zero is no loss to anybody. */
export class FragmentationValue {
  readonly #typical: readonly Typical[]
  readonly #divisible: boolean
  readonly #weights: readonly number[]
  #kinds: (readonly Kind[])[] = []
  #millis: number[] = []
  #steps: Int32Array
  #used = 0
  #size = 1 << 12
  #keys = new Int32Array(this.#size * KEYS)
  #values = new Float64Array(this.#size).fill(-1)
  readonly #low = new Float64Array(64)
  readonly #count = new Int32Array(64)
  readonly #after = new Int32Array(DEVICES_MAX)

  /** `divisible`: what work leaves of a device serves others. Where it is not, a device is taken whole, whatever was asked of it. */
  constructor(typical: readonly Typical[], divisible = true) {
    this.#typical = typical
    this.#divisible = divisible
    this.#weights = sharesOf(typical)
    this.#millis = [...new Set(typical.filter((one) => one.gpus > 0).map((one) => one.gpuMillis))].sort((a, b) => a - b)
    if (this.#millis.length > 64) throw new RangeError('more than 64 sizes of GPU shares in the typical work')
    // V changes with the processors only where one or two pieces of typical work begin to fit: states between two such steps share one entry.
    const steps = new Set<number>()
    for (const one of typical) { steps.add(one.cpuMillis); for (const other of typical) steps.add(one.cpuMillis + other.cpuMillis) }
    this.#steps = Int32Array.from([...steps].sort((a, b) => a - b))
  }
  get entries(): number { return this.#used }

  value(hardware: number, cpu: number, devices: Int32Array): number {
    const idle = total(devices)
    if (idle === 0 || this.#typical.length === 0) return 0
    const step = this.#stepOf(cpu)
    const a = (hardware << 24) | step
    const b = (devices[0] as number) | ((devices[1] as number) << 16), c = (devices[2] as number) | ((devices[3] as number) << 16)
    const d = (devices[4] as number) | ((devices[5] as number) << 16), e = (devices[6] as number) | ((devices[7] as number) << 16)
    let at = this.#slot(a, b, c, d, e)
    const known = this.#values[at] as number
    if (known >= 0) return known
    const value = this.#compute(hardware, cpu, devices, idle)
    if (this.#used * 2 >= this.#size) { this.#grow(); at = this.#slot(a, b, c, d, e) }
    const key = at * KEYS
    this.#keys[key] = a; this.#keys[key + 1] = b; this.#keys[key + 2] = c; this.#keys[key + 3] = d; this.#keys[key + 4] = e
    this.#values[at] = value
    this.#used++
    return value
  }

  #stepOf(cpu: number): number {
    let low = 0, high = this.#steps.length
    while (low < high) { const middle = (low + high) >> 1; if ((this.#steps[middle] as number) <= cpu) low = middle + 1; else high = middle }
    return low
  }
  #slot(a: number, b: number, c: number, d: number, e: number): number {
    let hash = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ b
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35) ^ c
    hash = Math.imul(hash ^ (hash >>> 13), 0x27d4eb2f) ^ d
    hash = Math.imul(hash ^ (hash >>> 16), 0x165667b1) ^ e
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
    hash ^= hash >>> 13
    const mask = this.#size - 1, keys = this.#keys
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      if ((this.#values[at] as number) < 0) return at
      const key = at * KEYS
      if (keys[key] === a && keys[key + 1] === b && keys[key + 2] === c && keys[key + 3] === d && keys[key + 4] === e) return at
    }
  }
  #grow(): void {
    const keys = this.#keys, values = this.#values, keep = this.#used < MEMO_MAX
    if (keep) this.#size *= 2
    this.#keys = new Int32Array(this.#size * KEYS)
    this.#values = new Float64Array(this.#size).fill(-1)
    if (!keep) { this.#used = 0; return }
    for (let at = 0; at < values.length; at++) {
      if ((values[at] as number) < 0) continue
      const from = at * KEYS, to = this.#slot(keys[from] as number, keys[from + 1] as number, keys[from + 2] as number, keys[from + 3] as number, keys[from + 4] as number)
      for (let i = 0; i < KEYS; i++) this.#keys[to * KEYS + i] = keys[from + i] as number
      this.#values[to] = values[at] as number
    }
  }

  #kindsOf(hardware: number): readonly Kind[] {
    const known = this.#kinds[hardware]
    if (known) return known
    const kinds = this.#typical.map((one, i) => ({
      cpu: one.cpuMillis, need: one.gpus, milli: one.gpuMillis, of: this.#millis.indexOf(one.gpuMillis), weight: this.#weights[i] as number,
      usable: one.gpus > 0 && (one.hardware === 0 || (one.hardware & (1 << hardware)) !== 0),
    }))
    this.#kinds[hardware] = kinds
    return kinds
  }
  #compute(hardware: number, cpu: number, devices: Int32Array, idle: number): number {
    const kinds = this.#kindsOf(hardware)
    const now = this.#lost(kinds, cpu, devices, idle)
    const after = this.#after
    let next = 0
    for (const kind of kinds) {
      if (kind.need === 0) { next += kind.weight * (cpu >= kind.cpu ? this.#lost(kinds, cpu - kind.cpu, devices, idle) : now); continue }
      if (!kind.usable || cpu < kind.cpu || !(this.#divisible ? takeTightest : takeWhole)(devices, after, kind.need, kind.milli)) { next += kind.weight * now; continue }
      next += kind.weight * this.#lost(kinds, cpu - kind.cpu, after, this.#divisible ? idle - kind.need * kind.milli : total(after))
    }
    return NOW * SHARES * now + NEXT * next
  }
  /** F: idle milli-GPUs times hundred-thousandths of the work that cannot use them. */
  #lost(kinds: readonly Kind[], cpu: number, devices: Int32Array, idle: number): number {
    const millis = this.#millis, low = this.#low, count = this.#count
    let at = 0, below = 0
    for (let i = 0; i < millis.length; i++) {
      while (at < DEVICES_MAX && (devices[at] as number) < (millis[i] as number)) below += devices[at++] as number
      low[i] = below
      count[i] = DEVICES_MAX - at
    }
    let lost = 0
    for (const kind of kinds) lost += kind.weight * (kind.usable && cpu >= kind.cpu && (count[kind.of] as number) >= kind.need ? (low[kind.of] as number) : idle)
    return lost
  }
}

const total = (devices: Int32Array): number => {
  let sum = 0
  for (let d = 0; d < DEVICES_MAX; d++) sum += devices[d] as number
  return sum
}

/** `from`, ascending, less `milli` on the `need` fullest devices that have it; ascending again in `to`. False: they do not have it. */
export function takeTightest(from: Int32Array, to: Int32Array, need: number, milli: number): boolean {
  let first = 0
  while (first < DEVICES_MAX && (from[first] as number) < milli) first++
  if (DEVICES_MAX - first < need) return false
  // What is left of the taken devices is ascending, and so is the rest: merge the two.
  let taken = first, at = 0
  const end = first + need
  let rest = 0
  while (at < DEVICES_MAX) {
    if (rest === first) rest = end
    const left = taken < end ? (from[taken] as number) - milli : DEVICE_MILLIS + 1
    const other = rest < DEVICES_MAX ? (from[rest] as number) : DEVICE_MILLIS + 1
    if (left <= other && taken < end) { to[at++] = left; taken++ } else { to[at++] = other; rest++ }
  }
  return true
}

/** The same where devices are not divided: nothing is left of those that were taken. */
export function takeWhole(from: Int32Array, to: Int32Array, need: number, milli: number): boolean {
  let first = 0
  while (first < DEVICES_MAX && (from[first] as number) < milli) first++
  if (DEVICES_MAX - first < need) return false
  to.fill(0, 0, need)
  for (let d = 0; d < DEVICES_MAX - need; d++) to[d + need] = from[d < first ? d : d + need] as number
  return true
}

/** Where 100 × sigmoid(x / 1000) passes the next whole number above 50, in milli-GPUs: a table, because no two machines need agree on Math.exp. */
const SIGMOID = [
  40.005, 80.043, 120.144, 160.343, 200.671, 241.162, 281.851, 322.773, 363.965, 405.465, 447.312, 489.548, 532.217, 575.364, 619.039, 663.294, 708.185, 753.772, 800.119,
  847.298, 895.384, 944.462, 994.623, 1045.969, 1098.612, 1152.68, 1208.311, 1265.666, 1324.925, 1386.294, 1450.01, 1516.347, 1585.627, 1658.228, 1734.601, 1815.29, 1900.959,
  1992.43, 2090.741, 2197.225, 2313.635, 2442.347, 2586.689, 2751.535, 2944.439, 3178.054, 3476.099, 3891.82, 4595.12,
]
/**
 * Whole steps of loss, from -49 to 50: what V grew by, squeezed. Steps as coarse as these make many nodes equal, and then the fuller and the first node
 * wins. Half as coarse, or twice, packs 0.3 points worse on openb's default list.
 */
export function lossSteps(grewMilli: number): number {
  let low = 0, high = SIGMOID.length
  const size = Math.abs(grewMilli)
  while (low < high) { const middle = (low + high) >> 1; if ((SIGMOID[middle] as number) <= size) low = middle + 1; else high = middle }
  // Scores are cut off downwards: a gain must reach the next step, a loss has it at once.
  return grewMilli <= 0 ? 0 - low : low + 1
}
