// Walks a directory that a stranger's program could fill with anything, and names the plain files in it. Nothing is followed: no symbolic link, no
// second name of a file elsewhere (a hard link), no device or pipe; each file is opened without following and looked at again through the open
// handle, so that what was checked is what is read.
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, open, readdir } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'

export type OutputFile = { readonly path: string; readonly size: number; readonly sha256: string; open(from?: number): Promise<Readable> }
/** A program may leave millions of names; so many are looked at, and then the walk ends. */
const ENTRIES_MAX = 200_000
const DEPTH_MAX = 64
const NAME = /^[^\u0000-\u001f\u007f\\]+$/

export async function* collectOutputs(root: string): AsyncIterable<OutputFile> {
  let left = ENTRIES_MAX
  async function* walk(below: string, depth: number): AsyncIterable<OutputFile> {
    const names = (await readdir(join(root, below))).sort()
    for (const name of names) {
      if (left-- <= 0) return
      const path = below === '' ? name : `${below}/${name}`
      if (!NAME.test(name) || Buffer.byteLength(path) > 512) continue // it could not be named on the wire
      const seen = await lstat(join(root, path)).catch(gone)
      if (!seen) continue
      if (seen.isDirectory() && depth < DEPTH_MAX) yield* walk(path, depth + 1)
      if (!seen.isFile() || seen.nlink > 1) continue
      const file = await hashed(join(root, path))
      if (file) yield { path, ...file, open: (from = 0) => reopen(join(root, path), from) }
    }
  }
  yield* walk('', 0)
}

const gone = (error: NodeJS.ErrnoException): null => { if (error.code === 'ENOENT') return null; throw error }

/** Null when it is not (or no longer) a plain file with one name. */
async function openPlain(file: string): Promise<FileHandle | null> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error: NodeJS.ErrnoException) => { if (['ENOENT', 'ELOOP', 'ENXIO', 'EACCES'].includes(error.code ?? '')) return null; throw error })
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

async function reopen(file: string, from: number): Promise<Readable> {
  const handle = await openPlain(file)
  return handle ? handle.createReadStream({ start: from, autoClose: true }) : Readable.from([])
}
