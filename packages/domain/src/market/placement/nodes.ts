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

export class NodeColumns {
  size = 0
  /** One above the largest id ever put. */
  top = 0
  count = 0
  open = 0
  freeCpu = new Int32Array(0); freeMemory = new Int32Array(0); freeDisk = new Int32Array(0)
  cpu = new Int32Array(0); memory = new Int32Array(0); disk = new Int32Array(0)
  /** Free thousandths of each device, eight places a node. */
  devices = new Int16Array(0)
  gpus = new Uint8Array(0)
  start = new Uint32Array(0); cpuHour = new Uint32Array(0); memoryGibHour = new Uint32Array(0); diskGibHour = new Uint32Array(0); gpuHour = new Uint32Array(0); outGib = new Uint32Array(0)
  riskPpm = new Int32Array(0)
  owner = new Int32Array(0)
  /** The pool a node stands in, or would if it were open; -1: no such node. */
  pool = new Int32Array(0)
  /** Its cell in the pool's grid and its neighbours there; cell -1: in no list, because it is closed. */
  cell = new Int16Array(0); next = new Int32Array(0); previous = new Int32Array(0)
  /** Grows with every change of what is free: what was computed of an older version is stale. */
  version = new Uint32Array(0)
  life = new Int32Array(0)
  /** V of a node with GPUs as it is now. */
  value = new Float64Array(0)

  reserve(length: number): void {
    if (length <= this.size) return
    const size = this.size
    this.size = Math.max(length, Math.min(2 * size, size + 262_144), 64)
    for (const name of ['freeCpu', 'freeMemory', 'freeDisk', 'cpu', 'memory', 'disk', 'riskPpm', 'owner', 'next', 'previous', 'pool', 'life'] as const) this[name] = larger(this[name], this.size)
    for (const name of ['start', 'cpuHour', 'memoryGibHour', 'diskGibHour', 'gpuHour', 'outGib', 'version'] as const) this[name] = larger(this[name], this.size)
    this.devices = larger(this.devices, this.size * DEVICES_MAX)
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
    for (const value of Object.values(prices)) invariant(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, `node ${node}: a price is ${value}`)
    this.reserve(node + 1)
    if (node >= this.top) this.top = node + 1
    const before = this.has(node)
    this.freeCpu[node] = view.cpuMillis - (before ? (this.cpu[node] as number) - (this.freeCpu[node] as number) : 0)
    this.freeMemory[node] = view.memoryMib - (before ? (this.memory[node] as number) - (this.freeMemory[node] as number) : 0)
    this.freeDisk[node] = view.diskMib - (before ? (this.disk[node] as number) - (this.freeDisk[node] as number) : 0)
    for (let d = 0; d < DEVICES_MAX; d++) {
      const used = before ? (d < (this.gpus[node] as number) ? DEVICE_MILLIS : 0) - (this.devices[node * DEVICES_MAX + d] as number) : 0
      this.devices[node * DEVICES_MAX + d] = (d < view.gpus ? DEVICE_MILLIS : 0) - used
    }
    this.cpu[node] = view.cpuMillis; this.memory[node] = view.memoryMib; this.disk[node] = view.diskMib; this.gpus[node] = view.gpus
    this.start[node] = prices.start; this.cpuHour[node] = prices.cpuHour; this.memoryGibHour[node] = prices.memoryGibHour
    this.diskGibHour[node] = prices.diskGibHour; this.gpuHour[node] = prices.gpuHour; this.outGib[node] = prices.outGib
    this.riskPpm[node] = view.riskPpm; this.owner[node] = view.owner
    if (!before) this.life[node] = (this.life[node] as number) + 1
    this.version[node] = (this.version[node] as number) + 1
  }

  /** Thousandths in use, of devices or processors: what scarcity is made of. */
  used(node: number): number {
    if ((this.gpus[node] as number) === 0) return (this.cpu[node] as number) - (this.freeCpu[node] as number)
    let free = 0
    for (let d = 0; d < DEVICES_MAX; d++) free += this.devices[node * DEVICES_MAX + d] as number
    return (this.gpus[node] as number) * DEVICE_MILLIS - free
  }
  offered(node: number): number { return (this.gpus[node] as number) === 0 ? (this.cpu[node] as number) : (this.gpus[node] as number) * DEVICE_MILLIS }

  /** Free devices, ascending, none below zero, in eight places. */
  sorted(node: number, to: Int32Array): void {
    for (let d = 0; d < DEVICES_MAX; d++) {
      const free = Math.max(0, this.devices[node * DEVICES_MAX + d] as number)
      let at = d
      while (at > 0 && (to[at - 1] as number) > free) { to[at] = to[at - 1] as number; at-- }
      to[at] = free
    }
  }

  /** Where it stands in a grid: GPU or memory level, then processors. */
  cellOf(node: number): number {
    const fine = cpuLevel(Math.max(0, this.freeCpu[node] as number))
    if ((this.gpus[node] as number) === 0) return memoryLevel(Math.max(0, this.freeMemory[node] as number)) * FINE + fine
    let whole = 0, largest = 0
    for (let d = 0; d < DEVICES_MAX; d++) {
      const free = this.devices[node * DEVICES_MAX + d] as number
      if (free === DEVICE_MILLIS) whole++
      else if (free > largest) largest = free
    }
    return gpuLevel(whole, largest) * FINE + fine
  }

  /** The fullest devices that have it, the first of equals; 0 when there are not enough. */
  pickDevices(node: number, gpus: number, milli: number): number {
    const base = node * DEVICES_MAX
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
