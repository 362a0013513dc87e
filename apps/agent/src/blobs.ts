// Files travel over HTTP, named by their SHA-256: inputs in, results out. A broken connection is nothing special: fetching goes on after the last
// byte that came, an upload where the market says it stopped, for as long as somebody still wants the file.
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { ByteRange, InputPiece, Sha256 } from '@lumaris/protocol'
import { paced } from './pace.ts'
import type { Pace } from './pace.ts'
import { saysOf, silent } from './log.ts'
import type { Log } from './log.ts'

/** A range of a blob behind a header, and the SHA-256 of what they make; or of the header with each of the pieces that the range consists of. */
export type Part = { readonly header: ByteRange | undefined; readonly range: ByteRange; readonly check: { readonly sha256: string } | { readonly pieces: readonly InputPiece[] } }
/** What is in memory whole. */
export const storeBytes = (blobs: Blobs, name: Sha256, bytes: Buffer, until: AbortSignal): Promise<void> => blobs.store({ sha256: name, size: bytes.length, open: (from) => Readable.from([bytes.subarray(from)]) }, until)

export interface Blobs {
  /** Writes the blob, or a part of it, to a new file, and says its SHA-256. Throws BlobMissing when the market has no such blob, or not the promised one. */
  fetchTo(blob: { readonly sha256: Sha256; readonly size: number; readonly path: string; readonly part?: Part | undefined }, until: AbortSignal): Promise<string>
  /** Resolves when the market has all of it. Throws BlobRefused when it will never take it. */
  store(blob: { readonly sha256: Sha256; readonly size: number; open: (from: number) => Readable | Promise<Readable> }, until: AbortSignal): Promise<void>
}
export class BlobMissing extends Error { override readonly name = 'BlobMissing' }
export class BlobRefused extends Error { override readonly name = 'BlobRefused' }

const RETRY_MS_MIN = 250
const RETRY_MS_MAX = 10_000
/** As often as this, wrong bytes are taken for an accident on the way. */
const WRONG_BYTES_MAX = 5
/** An input may be a program. The directory around it is closed to everybody else. */
const INPUT_MODE = 0o755

export type BlobOptions = {
  readonly server: string; readonly token: () => string; readonly log?: Log
  /** Whether an input is still worth fetching: not after the lease has gone. */
  readonly worthIt?: () => boolean
  /** How fast what comes and what goes may be; absent: as it can. */
  readonly down?: Pace; readonly up?: Pace
}

export function createBlobs(options: BlobOptions): Blobs {
  const log = options.log ?? silent
  const urlOf = (sha256: string): URL => new URL(`/v1/blobs/${sha256}`, options.server)
  const authorised = (headers: Record<string, string> = {}): Record<string, string> => ({ authorization: `Bearer ${options.token()}`, ...headers })

  async function retried<T>(what: string, sha256: string, until: AbortSignal, attempt: () => Promise<T>, worthIt: () => boolean = () => true): Promise<T> {
    let wrong = 0
    for (let retryMs = RETRY_MS_MIN; ; retryMs = Math.min(retryMs * 2, RETRY_MS_MAX)) {
      try { return await attempt() } catch (error) {
        until.throwIfAborted()
        if (error instanceof WrongBytes && ++wrong >= WRONG_BYTES_MAX) throw new BlobMissing(`${what} failed ${wrong} times: ${error.message}`, { cause: error })
        if (error instanceof BlobMissing || error instanceof BlobRefused || error instanceof LocalFault || !worthIt()) throw error
        log.warn({ blob: sha256, error: whyOf(error), retryMs }, `${what} did not work yet`)
        await delay(retryMs, undefined, { signal: until })
      }
    }
  }

  /** Goes on after what `got` has. Wrong bytes are thrown away: which of them were wrong, nobody can say. */
  async function fetchOnce({ sha256, size, path, part }: Parameters<Blobs['fetchTo']>[0], got: Got, until: AbortSignal): Promise<string> {
    if (part && 'pieces' in part.check) got.pieces ??= piecesCheck(part, part.check.pieces)
    const file = await here(open(path, got.bytes === 0 ? 'w' : 'r+', INPUT_MODE))
    try {
      let before = 0
      for (const { from, to } of part ? [...(part.header ? [part.header] : []), part.range] : [{ from: 0, to: size }]) {
        const start = from + Math.max(0, got.bytes - before)
        if (start < to || (!part && size === 0)) await fetchRange(sha256, { from: start, to, whole: !part && start === 0 }, file, got, until)
        before += to - from
      }
      if (got.bytes !== before) throw new WrongBytes(`${got.bytes} of ${before} bytes arrived`)
      const hash = got.hash.copy().digest('hex')
      // Pieces were checked as they came.
      if (!got.pieces && hash !== (part && 'sha256' in part.check ? part.check.sha256 : sha256)) throw new OtherBytes('the bytes do not have the promised SHA-256')
      return hash
    } catch (error) {
      if (error instanceof OtherBytes) Object.assign(got, nothing())
      throw error
    } finally { await file.close() }
  }

  async function fetchRange(sha256: Sha256, { from, to, whole }: ByteRange & { whole: boolean }, file: FileHandle, got: Got, until: AbortSignal): Promise<void> {
    const reply = await fetch(urlOf(sha256), { headers: authorised(whole ? {} : { range: `bytes=${from}-${to - 1}` }), signal: until })
    const right = reply.status === 200 || (reply.status === 206 && !whole && reply.headers.get('content-range')?.startsWith(`bytes ${from}-`))
    if (!right || !reply.body) {
      await reply.body?.cancel()
      if (reply.status === 404 || reply.status === 410) throw new BlobMissing(`the market has no blob ${sha256}`)
      if (reply.status === 416) throw new BlobMissing(`the blob ${sha256} has no byte ${from}`)
      throw new Error(`the market answered ${reply.status}`)
    }
    // Whoever ignores Range sends everything: what lies before is passed over.
    let skip = reply.status === 206 ? 0 : from
    let left = to - from
    const body = reply.body as AsyncIterable<Uint8Array>
    for await (const chunk of options.down ? paced(body, options.down, until) : body) {
      const fresh = chunk.subarray(Math.min(skip, chunk.length))
      skip -= chunk.length - fresh.length
      if (fresh.length > left && whole) throw new BlobMissing(`the blob ${sha256} is larger than the ${to} bytes announced`)
      const bytes = fresh.subarray(0, left)
      for (let at = 0; at < bytes.length;) at += (await here(file.write(bytes, at, bytes.length - at, got.bytes + at))).bytesWritten
      got.hash.update(bytes)
      got.pieces?.(bytes)
      got.bytes += bytes.length
      left -= bytes.length
      if (left === 0 && !whole) return
    }
  }

  /** How much of it the market has; null: all. */
  async function offsetOf(sha256: string, size: number, until: AbortSignal): Promise<number | null> {
    const reply = await fetch(urlOf(sha256), { method: 'HEAD', headers: authorised(), signal: until })
    const said = reply.headers.get('upload-offset')
    const offset = said === null || !/^[0-9]{1,15}$/.test(said) ? null : Number(said)
    if (reply.ok) return offset === null || offset >= size ? null : offset
    if (reply.status === 404) return Math.min(offset ?? 0, size)
    throw new Error(`the market answered ${reply.status}`)
  }

  async function storeOnce({ sha256, size, open: read }: Parameters<Blobs['store']>[0], until: AbortSignal): Promise<void> {
    const offset = await offsetOf(sha256, size, until)
    if (offset === null) return
    const body = await read(offset), sent = options.up ? Readable.from(paced(body as AsyncIterable<Uint8Array>, options.up, until), { objectMode: false }) : body
    try {
      const request: RequestInit & { duplex: 'half' } = {
        method: 'PUT', signal: until, duplex: 'half', body: Readable.toWeb(sent) as NonNullable<RequestInit['body']>,
        headers: authorised({ 'content-type': 'application/octet-stream', 'upload-length': String(size), 'upload-offset': String(offset) }),
      }
      const reply = await fetch(urlOf(sha256), request)
      const says = await reply.text()
      if (reply.status === 200 || reply.status === 201) return
      if (reply.status === 202) throw new Error('only a part arrived')
      if (reply.status === 422) throw new WrongBytes(titleOf(says) ?? 'the market got other bytes')
      // Sending the same again cannot help; with everything else (another offset, no room, no session yet) it may.
      if (reply.status === 413) throw new BlobRefused(`the market does not take a result file: ${titleOf(says) ?? reply.status}`)
      throw new Error(`the market answered ${reply.status}`)
    } finally { sent.destroy(); body.destroy() }
  }

  return {
    fetchTo(blob, until) {
      const got = nothing()
      return retried('fetching an input', blob.sha256, until, () => fetchOnce(blob, got, until), options.worthIt)
    },
    store: (blob, until) => retried('storing a result file', blob.sha256, until, () => storeOnce(blob, until)),
  }
}

/** What has come of a file, over all tries. */
type Got = { bytes: number; hash: Hash; /** Takes what comes, in order. */ pieces: ((bytes: Uint8Array) => void) | undefined }
const nothing = (): Got => ({ bytes: 0, hash: createHash('sha256'), pieces: undefined })
class WrongBytes extends Error { override readonly name: string = 'WrongBytes' }
/** All of what came is thrown away. */
class OtherBytes extends WrongBytes { override readonly name = 'OtherBytes' }

/** Each piece has the hash of the header and itself, as if it had been cut alone: so the header is checked with every one of them. */
function piecesCheck({ header, range }: Part, pieces: readonly InputPiece[]): (bytes: Uint8Array) => void {
  const front = createHash('sha256')
  let inFront = header ? header.to - header.from : 0, at = range.from, next = 0, piece: Hash | null = null
  return (bytes) => {
    const taken = Math.min(inFront, bytes.length)
    if (taken > 0) { front.update(bytes.subarray(0, taken)); inFront -= taken }
    for (let done = taken; done < bytes.length;) {
      const { to, hash } = pieces[next] as InputPiece, part = bytes.subarray(done, done + to - at)
      piece ??= front.copy()
      piece.update(part)
      done += part.length
      at += part.length
      if (at < to) continue
      if (piece.digest('hex') !== hash) throw new OtherBytes(`the bytes up to ${to} do not have the promised SHA-256`)
      piece = null
      next++
    }
  }
}
/** This machine's own disk: nothing to retry, and not the buyer's doing. */
class LocalFault extends Error { override readonly name = 'LocalFault' }
const here = <T>(work: Promise<T>): Promise<T> => work.catch((error: unknown) => { throw new LocalFault(`an input cannot be written here: ${saysOf(error)}`, { cause: error }) })
/** fetch hides the reason in the cause. */
const whyOf = (error: unknown): string => (error instanceof Error && error.cause instanceof Error ? error.cause.message : saysOf(error))
const titleOf = (body: string): string | null => {
  try {
    const { title } = JSON.parse(body) as { title?: unknown }
    return typeof title === 'string' ? title : null
  } catch { return null /* not from us: the status must do */ }
}
