// File systems in files. To make an empty one takes `mke2fs` about ten milliseconds of a quiet machine, a start of a job perhaps thirty; all empty ones of a
// size are alike, and little stands in them. So what stands there is kept, and written again where the next one is wanted.
import { execFile } from 'node:child_process'
import { open, rm } from 'node:fs/promises'

const MIB = 1024 * 1024
/** Larger ones are made anew each time: to look through one for what stands in it takes a second for every few gigabytes. */
const LOOKED_MAX = 1280 * MIB
/** Of one, and of how many: sizes of jobs are few. */
const KEPT_MAX = 2 * MIB, SIZES_MAX = 32
const PIECE = 4 * MIB, BLOCK = 4096
const TOOLS = { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' }

export type DiskShape = { readonly kib: number; readonly inodes: number; /** Whose its root directory is. */ readonly uid: number }
type Part = { readonly at: number; readonly bytes: Buffer }
const kept = new Map<string, readonly Part[]>()

/** With the files of `source` in it; empty without. */
export const makeDisk = (image: string, { kib, inodes, uid }: DiskShape, source?: string): Promise<void> => new Promise((resolve, reject) => {
  const args = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-N', String(inodes), '-E', `root_owner=${uid}:${uid},lazy_itable_init=1`, ...(source === undefined ? [] : ['-d', source]), image, `${kib}k`]
  execFile('mke2fs', args, { env: TOOLS }, (error, _out, says) => { if (error) reject(new Error(says.trim().split('\n').pop() || error.message)); else resolve() })
})

/** An empty one, where nothing is yet. */
export async function makeEmptyDisk(image: string, shape: DiskShape): Promise<void> {
  const name = `${shape.kib} ${shape.inodes} ${shape.uid}`, known = kept.get(name)
  if (!known) {
    await makeDisk(image, shape)
    if (shape.kib * 1024 > LOOKED_MAX) return
    const found = await partsOf(image)
    if (kept.size >= SIZES_MAX) kept.delete(kept.keys().next().value as string)
    if (found) kept.set(name, found)
    return
  }
  const file = await open(image, 'wx', 0o600)
  try {
    for (const { at, bytes } of known) await file.write(bytes, 0, bytes.length, at)
    await file.truncate(shape.kib * 1024)
  } catch (error) { await rm(image, { force: true }); throw error } finally { await file.close() }
}

/** What is not zero, block by block; null when that is too much to keep. */
async function partsOf(image: string): Promise<Part[] | null> {
  const parts: Part[] = [], file = await open(image, 'r'), piece = Buffer.allocUnsafe(PIECE), none = Buffer.alloc(BLOCK)
  let total = 0
  try {
    for (let from = 0; ; from += PIECE) {
      const { bytesRead } = await file.read(piece, 0, PIECE, from)
      if (bytesRead === 0) return parts
      for (let at = 0; at < bytesRead;) {
        let end = at
        while (end < bytesRead && !(piece.subarray(end, Math.min(end + BLOCK, bytesRead)).equals(none.subarray(0, Math.min(BLOCK, bytesRead - end))))) end += BLOCK
        if (end > at) { const bytes = Buffer.from(piece.subarray(at, Math.min(end, bytesRead))); total += bytes.length; parts.push({ at: from + at, bytes }) }
        at = end + BLOCK
      }
      if (total > KEPT_MAX) return null
    }
  } finally { await file.close() }
}
