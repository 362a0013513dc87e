// Walks a directory that a stranger's program could fill with anything, and names the plain files in it. Nothing is followed: no symbolic link, no
// second name of a file elsewhere (a hard link), no device or pipe; each file is opened without following and looked at again through the open
// handle, so that what was checked is what is read.
//
// Sizes are counted as a reader would meet them: a file with a hole of a terabyte takes no room on the disk, and would fill the one it is copied
// to. The drivers keep jobs below these bounds (`sizeBelow`); over them the walk refuses as a whole rather than leave something out silently.
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, open, opendir, readdir } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'

export type PlainFile = { readonly path: string; readonly size: number; /** Empty when it is no longer what it was. */ open(from?: number): Promise<Readable> }
export type OutputFile = PlainFile & { readonly sha256: string }
export type OutputBounds = { readonly bytesMax?: number; readonly entriesMax?: number }
/** A program may leave millions of names; to look at each costs the agent time and memory. A job with more than these has run into its disk limit. */
export const ENTRIES_MAX = 100_000
/** Nobody's result; it stops a walk over holes from reading zeros for days where no driver has counted before. */
const BYTES_MAX = 2 ** 40
const DEPTH_MAX = 64
const NAME = /^[^\p{Cc}\\]+$/u

export class OutputsRefused extends Error { override readonly name = 'OutputsRefused' }

/** Plain files below `root`, in the order of their names. */
export async function* plainFiles(root: string, bounds: OutputBounds = {}): AsyncIterable<PlainFile> {
  const bytesMax = bounds.bytesMax ?? BYTES_MAX, entriesMax = bounds.entriesMax ?? ENTRIES_MAX
  let entries = 0, bytes = 0
  async function* walk(below: string, depth: number): AsyncIterable<PlainFile> {
    const names = (await readdir(join(root, below)).catch(gone) ?? []).sort()
    for (const name of names) {
      if (++entries > entriesMax) throw new OutputsRefused(`more than ${entriesMax} files and directories`)
      const path = below === '' ? name : `${below}/${name}`
      if (!NAME.test(name) || Buffer.byteLength(path) > 512) continue // it could not be named on the wire
      const seen = await lstat(join(root, path)).catch(gone)
      if (!seen) continue
      if (seen.isDirectory() && depth < DEPTH_MAX) yield* walk(path, depth + 1)
      if (!seen.isFile() || seen.nlink > 1) continue
      bytes += seen.size
      if (bytes > bytesMax) throw new OutputsRefused(`more than ${bytesMax} bytes of files`)
      yield { path, size: seen.size, open: (from = 0) => reopen(join(root, path), from, seen.size) }
    }
  }
  yield* walk('', 0)
}

export async function* collectOutputs(root: string, bounds: OutputBounds = {}): AsyncIterable<OutputFile> {
  for await (const plain of plainFiles(root, bounds)) {
    const file = await hashed(join(root, plain.path))
    if (file) yield { path: plain.path, ...file, open: (from) => plain.open(from) }
  }
}

/** What lies below a directory, counted as the larger of what it takes and what it claims to be. Ends at `entriesMax`, and then says Infinity. */
export const sizeBelow = async (dir: string, entriesMax = ENTRIES_MAX): Promise<number> => (await measureBelow(dir, entriesMax)).bytes

/** The same, and how many files and directories. */
export async function measureBelow(dir: string, entriesMax = ENTRIES_MAX): Promise<{ bytes: number; entries: number }> {
  let bytes = 0, entries = 0
  const visit = async (path: string): Promise<void> => {
    const entriesOf = await opendir(path).catch(gone)
    if (!entriesOf) return
    for await (const entry of entriesOf) {
      if (++entries > entriesMax) { bytes = Infinity; return }
      const stat = await lstat(join(path, entry.name)).catch(gone)
      if (stat) bytes += Math.max(stat.blocks * 512, stat.isFile() ? stat.size : 0)
      if (entry.isDirectory()) await visit(join(path, entry.name))
      if (bytes === Infinity) return
    }
  }
  await visit(dir)
  return { bytes, entries }
}

const GONE = new Set(['ENOENT', 'ENOTDIR', 'EACCES'])
const gone = (error: NodeJS.ErrnoException): null => { if (GONE.has(error.code ?? '')) return null; throw error }

/** Null when it is not (or no longer) a plain file with one name. */
async function openPlain(file: string): Promise<FileHandle | null> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error: NodeJS.ErrnoException) => { if (['ELOOP', 'ENXIO', ...GONE].includes(error.code ?? '')) return null; throw error })
  if (!handle) return null
  const stat = await handle.stat()
  if (stat.isFile() && stat.nlink === 1) return handle
  await handle.close()
  return null
}

async function hashed(file: string): Promise<{ size: number; sha256: string } | null> {
  const handle = await openPlain(file)
  if (!handle) return null
  try {
    const hash = createHash('sha256')
    let size = 0
    for await (const chunk of handle.createReadStream({ autoClose: false })) { hash.update(chunk as Buffer); size += (chunk as Buffer).length }
    return { size, sha256: hash.digest('hex') }
  } finally { await handle.close() }
}

/** Not beyond the size that was counted. */
async function reopen(file: string, from: number, size: number): Promise<Readable> {
  const handle = from < size ? await openPlain(file) : null
  return handle ? handle.createReadStream({ start: from, end: size - 1, autoClose: true }) : Readable.from([])
}
