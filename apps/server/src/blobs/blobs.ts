// Bytes, named by their SHA-256. An upload grows as a part file and can be taken up again where it stopped; when its last byte is there it is
// hashed, flushed and moved into place in one step, so a blob is either whole and true or not there.
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, constants } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAll } from '../write-all.ts'
import { pipeline } from 'node:stream/promises'
import { Writable } from 'node:stream'
import type { Readable } from 'node:stream'
import { refuse } from '@lumaris/protocol'
import type { Refusal } from '@lumaris/protocol'

const NAME = /^[0-9a-f]{64}$/

export type BlobStore = {
  stat(sha256: string): Promise<{ size: number } | null>
  /** How much of an upload has arrived. */
  uploaded(sha256: string): Promise<number>
  /** Adds to an upload; whole is true when it is complete and in place. Reads the source to its end or until it breaks; what came is kept. */
  append(sha256: string, size: number, offset: number, source: Readable): Promise<{ offset: number; whole: boolean } | Refusal>
  /** Stores all that comes, of whatever name and size it turns out to be; with a name, only if it is that. A source that breaks leaves nothing, and its error is thrown. */
  keep(source: Readable, expected?: string): Promise<{ sha256: string; size: number } | Refusal>
  read(sha256: string, range?: { start: number; end: number }): Readable
  /** Removes part files not touched since; returns how many. */
  sweep(olderThanMs: number, nowMs: number): Promise<number>
}

export async function createBlobStore(options: { dir: string; maxBytes: number }): Promise<BlobStore> {
  const parts = join(options.dir, 'parts')
  await mkdir(parts, { recursive: true, mode: 0o700 })
  const check = (sha256: string): string => { if (!NAME.test(sha256)) throw new RangeError('not a SHA-256'); return sha256 }
  const fileOf = (sha256: string): string => join(options.dir, check(sha256).slice(0, 2), sha256)
  const partOf = (sha256: string): string => join(parts, check(sha256))
  /** Uploads under way: two at once of one blob would write over each other. */
  const busy = new Set<string>()

  const statBlob = async (sha256: string) => stat(fileOf(sha256)).then(({ size }) => ({ size }), absent)
  const uploaded = async (sha256: string): Promise<number> => (await stat(partOf(sha256)).catch(absent))?.size ?? 0

  async function append(sha256: string, size: number, offset: number, source: Readable): Promise<{ offset: number; whole: boolean } | Refusal> {
    if (size > options.maxBytes) return refuse('blob_too_large', { maxBytes: options.maxBytes })
    const there = await statBlob(sha256)
    if (there) { source.resume(); return there.size === size ? { offset: size, whole: true } : refuse('blob_size_mismatch', { size: there.size }) }
    const has = await uploaded(sha256)
    if (busy.has(sha256) || has !== offset) return refuse('blob_offset_mismatch', { offset: has, busy: busy.has(sha256) })
    busy.add(sha256)
    try {
      const full = await receive(partOf(sha256), offset, size, source)
      if (full) return full
      const now = await uploaded(sha256)
      if (now < size) return { offset: now, whole: false }
      if ((await hashOf(partOf(sha256))) !== sha256) { await rm(partOf(sha256)); return refuse('blob_hash_mismatch') }
      await mkdir(join(fileOf(sha256), '..'), { recursive: true })
      await rename(partOf(sha256), fileOf(sha256))
      await syncDirectory(join(fileOf(sha256), '..'))
      return { offset: size, whole: true }
    } finally { busy.delete(sha256) }
  }

  async function keep(source: Readable, expected?: string): Promise<{ sha256: string; size: number } | Refusal> {
    const file = join(parts, `kept-${randomUUID()}`), handle = await open(file, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600), hash = createHash('sha256')
    let at = 0, moved = false
    try {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        hash.update(chunk)
        await writeAll(handle, chunk, at)
        at += chunk.length
        if (at > options.maxBytes) return refuse('blob_too_large', { maxBytes: options.maxBytes })
      }
      await handle.datasync()
      const sha256 = hash.digest('hex')
      if (expected !== undefined && expected !== sha256) return refuse('blob_hash_mismatch', { sha256 })
      if (!(await statBlob(sha256))) {
        await mkdir(join(fileOf(sha256), '..'), { recursive: true })
        await rename(file, fileOf(sha256))
        moved = true
        await syncDirectory(join(fileOf(sha256), '..'))
      }
      return { sha256, size: at }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return refuse('storage_full')
      throw error
    } finally {
      await handle.close()
      if (!moved) await rm(file, { force: true })
    }
  }

  return {
    stat: statBlob, uploaded, append, keep,
    read: (sha256, range) => createReadStream(fileOf(sha256), range ? { start: range.start, end: range.end } : {}),
    async sweep(olderThanMs, nowMs) {
      let swept = 0
      for (const name of await readdir(parts)) {
        const file = join(parts, name)
        if (!busy.has(name) && nowMs - ((await stat(file).catch(absent))?.mtimeMs ?? nowMs) > olderThanMs) { await rm(file, { force: true }); swept++ }
      }
      return swept
    },
  }
}

const absent = (error: NodeJS.ErrnoException): null => { if (error.code === 'ENOENT') return null; throw error }

/** Writes what comes, from the offset on, never past the announced size. A source that breaks leaves what has arrived; a full disk is a no. */
async function receive(file: string, offset: number, size: number, source: Readable): Promise<Refusal | null> {
  const handle = await open(file, constants.O_CREAT | constants.O_WRONLY, 0o600)
  let at = offset
  let problem: Refusal | null = null
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (at + chunk.length > size) { problem = refuse('blob_size_mismatch', { size }); return done(new Error('more bytes than announced')) }
      writeAll(handle, chunk, at).then(() => { at += chunk.length; done() }, done)
    },
  })
  try { await pipeline(source, sink) } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') problem = refuse('storage_full')
    else if (!problem && !isCut(error)) throw error
  } finally {
    // A write that failed half-way may have left bytes nobody counted.
    await handle.truncate(at).catch(() => undefined)
    await handle.datasync().catch((error: NodeJS.ErrnoException) => { if (error.code === 'ENOSPC') problem = refuse('storage_full'); else throw error })
    await handle.close()
  }
  if (problem && (problem as Refusal).refusal === 'blob_size_mismatch') await rm(file, { force: true })
  return problem
}
/** The sender went away: the upload goes on another time. */
const isCut = (error: unknown): boolean => ['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE', 'ECONNABORTED', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '') || (error as Error).message === 'aborted'

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try { await handle.sync() } finally { await handle.close() }
}
