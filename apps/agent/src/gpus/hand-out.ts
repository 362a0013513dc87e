// Cards, or partitions of cards, are given to one attempt each, whole. Who holds which is known to the agent alone and forgotten with it: before a new one gives any away, it has
// ended what an earlier one left running.
import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Gpu } from './find-gpus.ts'

export type HeldGpus = { readonly gpus: readonly Gpu[]; release(): void }
export type GpuPool = {
  readonly gpus: readonly Gpu[]
  readonly free: number
  /** Null: so many are not free. */
  take(count: number): HeldGpus | null
}
export function createGpuPool(gpus: readonly Gpu[]): GpuPool {
  const taken = new Set<Gpu>()
  return {
    gpus, get free() { return gpus.length - taken.size },
    take(count) {
      const mine = gpus.filter((gpu) => !taken.has(gpu)).slice(0, count)
      if (mine.length < count) return null
      for (const gpu of mine) taken.add(gpu)
      let held = true
      return { gpus: mine, release() { if (held) for (const gpu of mine) taken.delete(gpu); held = false } }
    },
  }
}

/** Mounted by the engine itself, with nothing of the machine in it. */
const ENGINES_OWN = new Set(['pts', 'mqueue', 'shm'])
const DEPTH_MAX = 4
/** Major and minor number: what a device is, whatever it is called. */
const numbers = (path: string): number | null => { try { const stat = statSync(path); return stat.isCharacterDevice() || stat.isBlockDevice() ? stat.rdev : null } catch { return null /* not there */ } }
function devicesBelow(dir: string, depth = 0): { path: string; rdev: number }[] {
  if (depth > DEPTH_MAX || !existsSync(dir)) return []
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name), stat = lstatSync(path)
    if (stat.isDirectory()) return depth === 0 && ENGINES_OWN.has(name) ? [] : devicesBelow(path, depth + 1)
    return stat.isCharacterDevice() || stat.isBlockDevice() ? [{ path, rdev: stat.rdev }] : []
  })
}

/**
 * Null when whoever stands in `root` sees the cards it was given and none of the others; else what is wrong. Asked of a sandbox that is made and has not
 * begun: an engine may accept a wish for a device and forget it.
 */
export function wrongDevices(root: string, given: readonly Gpu[], all: readonly Gpu[]): string | null {
  for (const { cdi } of given) {
    for (const { path, hostPath } of [...cdi.own, ...cdi.shared]) if (numbers(join(root, path)) === null || numbers(join(root, path)) !== numbers(hostPath)) return `the container does not see ${path} of ${cdi.name}`
    const lost = cdi.mounts.find((path) => !existsSync(join(root, path)))
    if (lost !== undefined) return `the container does not see ${lost} of ${cdi.name}`
  }
  // A partition's entry names its card, and so do those of its neighbours: what belongs to what was given is no sign of another.
  const mine = new Set(given.flatMap(({ cdi }) => [...cdi.own, ...cdi.shared].map(({ hostPath }) => numbers(hostPath)))), others = new Map<number, string>()
  for (const { node, part, cdi } of all.filter((gpu) => !given.includes(gpu))) for (const path of [node, ...(part?.nodes ?? [])]) { const rdev = numbers(path); if (rdev !== null && !mine.has(rdev)) others.set(rdev, cdi.name) }
  const seen = devicesBelow(join(root, 'dev')).find(({ rdev }) => others.has(rdev))
  return seen ? `the container sees ${others.get(seen.rdev)}, which was not given to it` : null
}
