// What running there is expected to cost, in one currency: its price, what its failures cost, what crowding costs, and what it makes unusable for the work
// that comes next. The last two are worth less than a price difference that a buyer would notice: they tell equals apart, and near-equals when room is scarce.
import type { NeedClass } from './classes.ts'
import { CPU_HOUR, DISK_GIB_HOUR, FREE_CPU, GPU_HOUR, MEMORY_GIB_HOUR, START, HOT } from './nodes.ts'
import type { NodeColumns } from './nodes.ts'
import { HARDWARE_MAX } from './named.ts'
import { DEVICES_MAX } from './view.ts'
import type { Policy, Terms } from './view.ts'
import { lossSteps, takeTightest, V_UNIT } from './value.ts'
import type { FragmentationValue } from './value.ts'

/** One step of loss in units of 1/128 000: whole numbers, so that a free core more or less can tell nodes apart after the steps did not. */
export const STEP = 128_000
/** The fuller node wins a tie: two steps for eight free devices, one for 128 free cores. */
const PER_FREE_GPU_MILLI = 32, PER_FREE_CPU_MILLI = 1

export const priceOn = (nodes: NodeColumns, node: number, likely: NeedClass['likely']): number =>
  Math.round((nodes.hot[node * HOT + START] as number) + (nodes.hot[node * HOT + CPU_HOUR] as number) * likely.cpu + (nodes.hot[node * HOT + MEMORY_GIB_HOUR] as number) * likely.memory
    + (nodes.hot[node * HOT + DISK_GIB_HOUR] as number) * likely.disk + (nodes.hot[node * HOT + GPU_HOUR] as number) * likely.gpu)

export const worstOn = (nodes: NodeColumns, node: number, need: NeedClass): number =>
  Math.round((nodes.hot[node * HOT + START] as number) + (nodes.hot[node * HOT + CPU_HOUR] as number) * need.worst.cpu + (nodes.hot[node * HOT + MEMORY_GIB_HOUR] as number) * need.worst.memory
    + (nodes.hot[node * HOT + DISK_GIB_HOUR] as number) * need.worst.disk + (nodes.hot[node * HOT + GPU_HOUR] as number) * need.worst.gpu + (nodes.outGib[node] as number) * need.outGib)

/** Rises with the square of how full the region is: on an empty market nothing is worth saving. */
export const scarcityOf = (used: number, offered: number, policy: Policy): number => {
  const share = offered <= 0 ? 0 : Math.min(1, Math.max(0, used / offered))
  return policy.scarcityFloor + (1 - policy.scarcityFloor) * share * share
}

/** Fragmentation of a node with GPUs after taking the work, in 1/128 000 steps; `picked` tells on which device a share of one goes. */
export class GpuFragmentation {
  readonly #nodes: NodeColumns
  value: FragmentationValue
  readonly #before = new Int32Array(DEVICES_MAX)
  readonly #after = new Int32Array(DEVICES_MAX)
  /** Free thousandths of the device that the last call chose for a share; the caller finds a device that has just so much. */
  picked = 0

  constructor(nodes: NodeColumns, value: FragmentationValue) { this.#nodes = nodes; this.value = value }

  /** Thousandths of each hardware that typical work asks for by name (named.ts); room.ts keeps it. */
  named: Int32Array = new Int32Array(HARDWARE_MAX)
  /** In the same units: what is taken of hardware that others name. */
  takes(hardware: number, need: NeedClass['need']): number { return (this.named[hardware] as number) * need.gpus * need.gpuMillis }

  valueNow(hardware: number, node: number): number {
    this.#nodes.sorted(node, this.#before)
    return this.value.value(hardware, Math.max(0, this.#nodes.hot[node * HOT + FREE_CPU] as number), this.#before)
  }
  units(hardware: number, node: number, need: NeedClass['need']): number {
    const nodes = this.#nodes, before = this.#before, after = this.#after
    nodes.sorted(node, before)
    const cpu = (nodes.hot[node * HOT + FREE_CPU] as number) - need.cpuMillis, now = nodes.value[node] as number
    let idle = 0
    for (let d = 0; d < DEVICES_MAX; d++) idle += before[d] as number
    const room = PER_FREE_GPU_MILLI * (idle - need.gpus * need.gpuMillis) + PER_FREE_CPU_MILLI * cpu
    if (need.gpus === 0) return STEP * lossSteps((this.value.value(hardware, cpu, before) - now) / V_UNIT) + room
    if (need.gpus > 1 || need.gpuMillis === 1000) {
      takeTightest(before, after, need.gpus, need.gpuMillis)
      return STEP * lossSteps((this.value.value(hardware, cpu, after) - now) / V_UNIT) + room
    }
    // A share: every device that differs is tried, the fullest first, and only a whole step less moves it to an emptier one.
    let least = Infinity, tried = -1
    for (let d = 0; d < DEVICES_MAX; d++) {
      const free = before[d] as number
      if (free < need.gpuMillis || free === tried) continue
      tried = free
      let at = d
      for (let i = 0; i < DEVICES_MAX; i++) after[i] = before[i] as number
      for (; at > 0 && (after[at - 1] as number) > free - need.gpuMillis; at--) after[at] = after[at - 1] as number
      after[at] = free - need.gpuMillis
      const steps = lossSteps((this.value.value(hardware, cpu, after) - now) / V_UNIT)
      if (steps < least) { least = steps; this.picked = free }
    }
    return STEP * least + room
  }
}

// On a node without GPUs both are shares of the price. Spread while room is plenty; when it is scarce, fill up, and keep processors and memory in step,
// because one without the other is of no use.
export const loadOf = (price: number, freeCpu: number, scarcity: number, policy: Policy): number => Math.round(price * policy.loadShare * (1 - freeCpu) * (1 - scarcity))
export const strandedOf = (price: number, freeCpu: number, freeMemory: number, scarcity: number, policy: Policy): number =>
  price * policy.shadow * scarcity * (Math.abs(freeCpu - freeMemory) + (freeCpu + freeMemory) / 4)
export const termsOf = (price: number, risk: number, load: number, fragmentation: number): Terms => ({ price, risk, load, fragmentation, total: price + risk + load + fragmentation })
