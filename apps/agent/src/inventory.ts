// What this machine has to offer. A container's own bounds count where there are some: Node knows them for CPU and memory.
import { availableParallelism, totalmem } from 'node:os'
import { statfs } from 'node:fs/promises'
import type { Capacity } from '@lumaris/protocol'
import { MIB } from '@lumaris/protocol'
import type { Card } from './gpus/find-gpus.ts'

/** Left to the machine and its owner unless the seller says otherwise: an eighth of the memory, a tenth of the free disk. */
const MEMORY_SHARE = 7 / 8
const DISK_SHARE = 9 / 10

/** `given` is the seller's word: more than the machine has is cut to what it has. Without `cards` nobody has looked for any, and the word stands. */
export async function findCapacity(dataDir: string, given: Partial<Capacity> = {}, cards?: readonly Pick<Card, 'model' | 'memoryBytes' | 'part'>[]): Promise<Capacity> {
  const cpuMillis = availableParallelism() * 1000
  const bound = process.constrainedMemory()
  const memory = bound > 0 && bound < totalmem() ? bound : totalmem()
  const disk = await statfs(dataDir)
  const free = disk.bavail * disk.bsize
  return {
    cpuMillis: Math.min(given.cpuMillis ?? cpuMillis, cpuMillis),
    memoryBytes: Math.min(given.memoryBytes ?? wholeMib(memory * MEMORY_SHARE), memory),
    diskBytes: Math.min(given.diskBytes ?? wholeMib(free * DISK_SHARE), free),
    ...gpusOf(given, cards),
  }
}
function gpusOf(given: Partial<Capacity>, cards: readonly Pick<Card, 'model' | 'memoryBytes' | 'part'>[] | undefined): Pick<Capacity, 'gpus' | 'gpuModel' | 'gpuMemoryBytes' | 'gpuShare' | 'gpuProfile'> {
  const gpus = cards ? Math.min(given.gpus ?? cards.length, cards.length) : (given.gpus ?? 0)
  // Of cards that differ in memory, what every one of them has.
  const sizes = (cards ?? []).map(({ memoryBytes }) => memoryBytes), least = sizes.includes(null) ? Infinity : Math.min(...(sizes as number[]))
  // Found, never said: that a part is kept apart is the hardware's word.
  const part = gpus > 0 ? cards?.[0]?.part : undefined
  const gpuModel = given.gpuModel ?? (gpus > 0 ? cards?.[0]?.model : undefined), gpuMemoryBytes = given.gpuMemoryBytes ?? (gpus > 0 && Number.isFinite(least) ? least : undefined)
  return { gpus, ...(gpuModel === undefined ? {} : { gpuModel }), ...(gpuMemoryBytes === undefined ? {} : { gpuMemoryBytes }), ...(part ? { gpuShare: part.share, gpuProfile: part.profile } : {}) }
}
const wholeMib = (bytes: number): number => Math.floor(bytes / MIB) * MIB
