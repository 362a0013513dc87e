// The nodes as columns: some hundred bytes each, and no object per node. A node's place is its id. What is free may be below zero for a while, when a
// node comes back smaller than what runs on it.
import { invariant } from '../../invariant.ts'
import { cpuLevel, FINE, gpuLevel, memoryLevel } from './levels.ts'
import { DEVICES_MAX, DEVICE_MILLIS } from './view.ts'
import type { NodeView } from './view.ts'

export const larger = <Column extends Int32Array | Uint32Array | Int16Array | Uint8Array | Float64Array>(column: Column, length: number): Column => {
  const grown = new (column.constructor as new (length: number) => Column)(length)
  grown.set(column)
  return grown
}

/**
 * What a search reads of a node lies in one line of the cache, 64 bytes: twelve numbers and eight devices. A million nodes are far more than any cache holds,
 * so each node looked at is a trip to main memory; as separate columns it was a dozen trips.
 */
export const HOT = 16
export const FREE_CPU = 0, FREE_MEMORY = 1, FREE_DISK = 2, CPU = 3, MEMORY = 4, START = 5, CPU_HOUR = 6, MEMORY_GIB_HOUR = 7, DISK_GIB_HOUR = 8, GPU_HOUR = 9, RISK_PPM = 10, NEXT = 11
/** Where the devices of a node begin, in 16-bit places. */
export const devicesAt = (node: number): number => node * (2 * HOT) + 24

export class NodeColumns {
  size = 0
  /** One above the largest id ever put. */
  top = 0
  count = 0
  open = 0
  hot = new Int32Array(0)
  /** Free thousandths of each device: the same memory as `hot`, seen in halves. */
  devices = new Int16Array(0)
  disk = new Int32Array(0)
  gpus = new Uint8Array(0)
  outGib = new Int32Array(0)
  owner = new Int32Array(0)
  /** The pool a node stands in, or would if it were open; -1: no such node. */
  pool = new Int32Array(0)
  /** Its cell in the pool's grid and its neighbours there; cell -1: in no list, because it is closed. */
  cell = new Int16Array(0); previous = new Int32Array(0)
  /** Grows with every change of what is free: what was computed of an older version is stale. */
  version = new Uint32Array(0)
  life = new Int32Array(0)
  /** V of a node with GPUs as it is now. */
  value = new Float64Array(0)

  reserve(length: number): void {
    if (length <= this.size) return
    const size = this.size
    this.size = Math.max(length, Math.min(2 * size, size + 262_144), 64)
    for (const name of ['disk', 'outGib', 'owner', 'previous', 'pool', 'life'] as const) this[name] = larger(this[name], this.size)
    this.version = larger(this.version, this.size)
    this.hot = larger(this.hot, this.size * HOT)
    this.devices = new Int16Array(this.hot.buffer)
    this.gpus = larger(this.gpus, this.size)
    this.cell = larger(this.cell, this.size)
    this.value = larger(this.value, this.size)
    this.pool.fill(-1, size)
    this.cell.fill(-1, size)
  }
  has(node: number): boolean { return node >= 0 && node < this.top && (this.pool[node] as number) >= 0 }

  /** Capacity and price as the view says; what is reserved stays reserved. */
  write(view: NodeView): void {
    const { id: node, prices } = view
    invariant(Number.isInteger(node) && node >= 0 && view.gpus >= 0 && view.gpus <= DEVICES_MAX, `node ${node} cannot be placed`)
    for (const [name, value] of Object.entries({ cpu: view.cpuMillis, memory: view.memoryMib, disk: view.diskMib })) invariant(Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff, `node ${node}: ${name} is ${value}`)
    for (const value of Object.values(prices)) invariant(Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff, `node ${node}: a price is ${value}`)
    this.reserve(node + 1)
    if (node >= this.top) this.top = node + 1
    const before = this.has(node)
    this.hot[node * HOT + FREE_CPU] = view.cpuMillis - (before ? (this.hot[node * HOT + CPU] as number) - (this.hot[node * HOT + FREE_CPU] as number) : 0)
    this.hot[node * HOT + FREE_MEMORY] = view.memoryMib - (before ? (this.hot[node * HOT + MEMORY] as number) - (this.hot[node * HOT + FREE_MEMORY] as number) : 0)
    this.hot[node * HOT + FREE_DISK] = view.diskMib - (before ? (this.disk[node] as number) - (this.hot[node * HOT + FREE_DISK] as number) : 0)
    for (let d = 0; d < DEVICES_MAX; d++) {
      const used = before ? (d < (this.gpus[node] as number) ? DEVICE_MILLIS : 0) - (this.devices[devicesAt(node) + d] as number) : 0
      this.devices[devicesAt(node) + d] = (d < view.gpus ? DEVICE_MILLIS : 0) - used
    }
    this.hot[node * HOT + CPU] = view.cpuMillis; this.hot[node * HOT + MEMORY] = view.memoryMib; this.disk[node] = view.diskMib; this.gpus[node] = view.gpus
    this.hot[node * HOT + START] = prices.start; this.hot[node * HOT + CPU_HOUR] = prices.cpuHour; this.hot[node * HOT + MEMORY_GIB_HOUR] = prices.memoryGibHour
    this.hot[node * HOT + DISK_GIB_HOUR] = prices.diskGibHour; this.hot[node * HOT + GPU_HOUR] = prices.gpuHour; this.outGib[node] = prices.outGib
    this.hot[node * HOT + RISK_PPM] = view.riskPpm; this.owner[node] = view.owner
    if (!before) this.life[node] = (this.life[node] as number) + 1
    this.version[node] = (this.version[node] as number) + 1
  }

  /** Thousandths in use, of devices or processors: what scarcity is made of. */
  used(node: number): number {
    if ((this.gpus[node] as number) === 0) return (this.hot[node * HOT + CPU] as number) - (this.hot[node * HOT + FREE_CPU] as number)
    let free = 0
    for (let d = 0; d < DEVICES_MAX; d++) free += this.devices[devicesAt(node) + d] as number
    return (this.gpus[node] as number) * DEVICE_MILLIS - free
  }
  offered(node: number): number { return (this.gpus[node] as number) === 0 ? (this.hot[node * HOT + CPU] as number) : (this.gpus[node] as number) * DEVICE_MILLIS }

  /** Free devices, ascending, none below zero, in eight places. */
  sorted(node: number, to: Int32Array): void {
    for (let d = 0; d < DEVICES_MAX; d++) {
      const free = Math.max(0, this.devices[devicesAt(node) + d] as number)
      let at = d
      while (at > 0 && (to[at - 1] as number) > free) { to[at] = to[at - 1] as number; at-- }
      to[at] = free
    }
  }

  /** Where it stands in a grid: GPU or memory level, then processors. */
  cellOf(node: number): number {
    const fine = cpuLevel(Math.max(0, this.hot[node * HOT + FREE_CPU] as number))
    if ((this.gpus[node] as number) === 0) return memoryLevel(Math.max(0, this.hot[node * HOT + FREE_MEMORY] as number)) * FINE + fine
    let whole = 0, largest = 0
    for (let d = 0; d < DEVICES_MAX; d++) {
      const free = this.devices[devicesAt(node) + d] as number
      if (free === DEVICE_MILLIS) whole++
      else if (free > largest) largest = free
    }
    return gpuLevel(whole, largest) * FINE + fine
  }

  /** The fullest devices that have it, the first of equals; 0 when there are not enough. */
  pickDevices(node: number, gpus: number, milli: number): number {
    const base = devicesAt(node)
    let mask = 0
    for (let taken = 0; taken < gpus; taken++) {
      let best = -1
      for (let d = 0; d < DEVICES_MAX; d++) {
        const free = this.devices[base + d] as number
        if ((mask & (1 << d)) === 0 && free >= milli && (best < 0 || free < (this.devices[base + best] as number))) best = d
      }
      if (best < 0) return 0
      mask |= 1 << best
    }
    return mask
  }
}
