// What this machine has to offer, and how busy it is. A container's own bounds count where there are some: Node knows them for CPU and memory.
import { availableParallelism, cpus, totalmem } from 'node:os'
import { statfs } from 'node:fs/promises'
import type { Capacity } from '@lumaris/protocol'
import { MIB } from '@lumaris/protocol'

/** Left to the machine and its owner unless the seller says otherwise: an eighth of the memory, a tenth of the free disk. */
const MEMORY_SHARE = 7 / 8
const DISK_SHARE = 9 / 10

/** `given` is the seller's word: more than the machine has is cut to what it has. */
export async function findCapacity(dataDir: string, given: Partial<Capacity> = {}): Promise<Capacity> {
  const cpuMillis = availableParallelism() * 1000
  const bound = process.constrainedMemory()
  const memory = bound > 0 && bound < totalmem() ? bound : totalmem()
  const disk = await statfs(dataDir)
  const free = disk.bavail * disk.bsize
  return {
    cpuMillis: Math.min(given.cpuMillis ?? cpuMillis, cpuMillis),
    memoryBytes: Math.min(given.memoryBytes ?? wholeMib(memory * MEMORY_SHARE), memory),
    diskBytes: Math.min(given.diskBytes ?? wholeMib(free * DISK_SHARE), free),
    // Never guessed: a graphics card is offered only by its owner's word.
    gpus: given.gpus ?? 0, ...(given.gpuModel === undefined ? {} : { gpuModel: given.gpuModel }), ...(given.gpuMemoryBytes === undefined ? {} : { gpuMemoryBytes: given.gpuMemoryBytes }),
  }
}
const wholeMib = (bytes: number): number => Math.floor(bytes / MIB) * MIB

/** The share of all cores that was busy since the last call, 0 to 100. */
export function createLoadMeter(): () => number {
  let last = times()
  return () => {
    const now = times()
    const busy = now.busy - last.busy, all = now.all - last.all
    if (all <= 0) return 0
    last = now
    return Math.min(100, Math.max(0, Math.round((busy / all) * 1000) / 10))
  }
}
function times(): { busy: number; all: number } {
  let busy = 0, all = 0
  for (const { times: { user, nice, sys, irq, idle } } of cpus()) {
    busy += user + nice + sys + irq
    all += user + nice + sys + irq + idle
  }
  return { busy, all }
}
