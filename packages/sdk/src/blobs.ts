// Files as blobs, named by the SHA-256 of their content. Uploads go up in pieces and go on where the server says it is; downloads go on by Range.
// What comes down is hashed on the way and handed out as true only when the hash is the name.
import { LumarisError, unreachable } from './errors.ts'
import { createHasher, nodeModule } from './hash.ts'
import type { Transport } from './transport.ts'

/** Small enough that a lost connection costs little and progress moves; large enough that a piece is mostly bytes. */
const PIECE_BYTES = 16 * 1024 * 1024
/** For a piece to go up: 16 MiB at some 60 KiB/s. */
const PIECE_MS = 300_000

export type Uploaded = { readonly blob: string; readonly size: number; /** False when the server had it already. */ readonly sent: boolean }
export type Progress = (done: number, total: number) => void
export type TransferOptions = { readonly signal?: AbortSignal | undefined; readonly onProgress?: Progress | undefined }
/** Bytes, a Blob or File of a browser, or the path of a file (Node only). */
export type UploadSource = Uint8Array | Blob | string
/** Where a download goes: a path (Node only; an existing file is refused unless `overwrite`), or a stream. */
export type DownloadTarget = string | WritableStream<Uint8Array>

const pathOf = (blob: string): string => `/v1/blobs/${encodeURIComponent(blob)}`

export async function upload(transport: Transport, source: UploadSource, options: TransferOptions & { readonly pieceBytes?: number; /** Its SHA-256, where it is known already: a wrong one is refused by the server. */ readonly sha256?: string } = {}): Promise<Uploaded> {
  const bytes = await asBlob(source)
  const blob = options.sha256 ?? (await hashOf(bytes, options.signal))
  const size = bytes.size
  const there = await offsetOf(transport, blob, options.signal)
  if (there === 'whole') { options.onProgress?.(size, size); return { blob, size, sent: false } }
  let offset: number = there, failures = 0
  do {
    options.onProgress?.(offset, size)
    const piece = bytes.slice(offset, Math.min(size, offset + (options.pieceBytes ?? PIECE_BYTES)))
    try {
      const said = await transport.send({
        method: 'PUT', path: pathOf(blob), body: piece, signal: options.signal, safe: false, timeoutMs: PIECE_MS,
        headers: { 'content-type': 'application/octet-stream', 'upload-offset': String(offset), 'upload-length': String(size) },
      }, async (response) => { await response.body?.cancel(); return response.headers.get('upload-offset') })
      const at = said === null ? await offsetOf(transport, blob, options.signal) : Number(said)
      const next: number = at === 'whole' ? size : at
      if (next > offset) failures = 0
      else if (size > 0) throw new LumarisError('bad_reply', 'The upload does not move')
      offset = next
    } catch (error) {
      options.signal?.throwIfAborted()
      // Not by counting what we sent: only the server knows what has arrived. It also says so when we were wrong about it.
      if (!(error instanceof LumarisError && (error.retry || error.code === 'blob_offset_mismatch')) || ++failures >= transport.retry.attempts) throw error
      const ms = transport.backoff(failures, error)
      if (ms > transport.retry.patienceMs) throw error
      await transport.retry.wait(ms, options.signal)
      const at = await offsetOf(transport, blob, options.signal)
      offset = at === 'whole' ? size : at
      if (at === 'whole') break
    }
  } while (offset < size)
  options.onProgress?.(size, size)
  return { blob, size, sent: true }
}

/** How much of it the server has. */
const offsetOf = (transport: Transport, blob: string, signal: AbortSignal | undefined): Promise<number | 'whole'> =>
  transport.send({ method: 'HEAD', path: pathOf(blob), signal, safe: true, alsoFine: [404] }, async (response) => {
    if (response.ok) return 'whole'
    const header = response.headers.get('upload-offset')
    return header !== null && /^\d{1,15}$/.test(header) ? Number(header) : 0
  })

export async function asBlob(source: UploadSource): Promise<Blob> {
  if (typeof source !== 'string') return source instanceof Blob ? source : new Blob([source as Uint8Array<ArrayBuffer>])
  const fs = nodeModule<typeof import('node:fs')>('node:fs')
  if (!fs) throw new TypeError('a path can be uploaded by Node only; give a File')
  // Read piece by piece, and refused by Node if the file changes meanwhile.
  return fs.openAsBlob(source)
}

async function hashOf(bytes: Blob, signal: AbortSignal | undefined): Promise<string> {
  const hasher = createHasher()
  const reader = bytes.stream().getReader()
  for (;;) {
    signal?.throwIfAborted()
    const { done, value } = await reader.read()
    if (done) return hasher.hex()
    hasher.add(value)
  }
}

/** The bytes of a blob as they come. The last step throws `blob_corrupt` when they were not the ones asked for, so keep nothing before the end. */
export async function* readBlob(transport: Transport, blob: string, options: TransferOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const hasher = createHasher()
  let at = 0, total: number | null = null, failures = 0
  for (;;) {
    try {
      const response = await transport.open({ method: 'GET', path: pathOf(blob), signal: options.signal, safe: true, headers: at > 0 ? { range: `bytes=${at}-` } : {} })
      const reply = sizesOf(response)
      // Whoever ignores Range sends everything again: what we have is passed over.
      let skip = at - reply.from
      total ??= reply.total
      if (skip < 0 || (reply.total !== null && total !== reply.total)) throw new LumarisError('bad_reply', 'The server sent another part of the blob than was asked for')
      for await (const chunk of bodyOf(transport, response, options.signal)) {
        const fresh = skip >= chunk.length ? null : skip > 0 ? chunk.subarray(skip) : chunk
        skip = Math.max(0, skip - chunk.length)
        if (!fresh) continue
        failures = 0
        hasher.add(fresh)
        at += fresh.length
        options.onProgress?.(at, total ?? at)
        yield fresh
      }
      if (total === null || at >= total) break
    } catch (error) {
      options.signal?.throwIfAborted()
      if (!(error instanceof LumarisError && error.retry)) throw error
      if (++failures >= transport.retry.attempts) throw error
      await transport.retry.wait(Math.min(transport.backoff(failures, error), transport.retry.patienceMs), options.signal)
      continue
    }
    if (++failures >= transport.retry.attempts) throw new LumarisError('stream_lost', 'The download broke off again and again', { retry: true })
  }
  const found = await hasher.hex()
  if (found !== blob) throw new LumarisError('blob_corrupt', `The server sent other bytes than those of ${blob}`, { detail: { found } })
}

function sizesOf(response: Response): { from: number; total: number | null } {
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '')
  if (response.status === 206 && range) return { from: Number(range[1]), total: Number(range[2]) }
  const length = response.headers.get('content-length')
  return { from: 0, total: length === null ? null : Number(length) }
}

/** What a reply brings, in pieces as they come. */
export async function* bodyOf(transport: Transport, response: Response, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  if (!response.body) return
  const reader = (response.body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => { signal?.throwIfAborted(); throw unreachable(transport.origin, error) })
      if (done) return
      yield value
    }
  } finally {
    // Leaving early ends the connection; one that has ended or broken has nothing left to cancel.
    await reader.cancel().catch(() => undefined)
  }
}

export async function download(transport: Transport, blob: string, target: DownloadTarget, options: TransferOptions & { readonly overwrite?: boolean | undefined } = {}): Promise<void> {
  if (typeof target === 'string') return downloadFile(transport, blob, target, options)
  const writer = target.getWriter()
  try {
    for await (const chunk of readBlob(transport, blob, options)) { await writer.ready; await writer.write(chunk) }
    await writer.close()
  } catch (error) {
    await writer.abort(error).catch(() => undefined) // the first error is the one to tell
    throw error
  }
}

/** Beside its place first, then moved there whole and checked: nobody ever sees half a file under the right name. */
async function downloadFile(transport: Transport, blob: string, path: string, options: TransferOptions & { readonly overwrite?: boolean | undefined }): Promise<void> {
  const fs = nodeModule<typeof import('node:fs/promises')>('node:fs/promises')
  if (!fs) throw new TypeError('only Node downloads to a path; give a WritableStream')
  const part = `${path}.${globalThis.crypto.randomUUID().slice(0, 8)}.part`
  const file = await fs.open(part, 'wx', 0o644)
  try {
    try {
      for await (const chunk of readBlob(transport, blob, options)) {
        for (let from = 0; from < chunk.length;) from += (await file.write(chunk, from)).bytesWritten
      }
    } finally { await file.close() }
    if (options.overwrite) await fs.rename(part, path)
    // `link` refuses an existing name in one step, where a look beforehand could be overtaken.
    else await fs.link(part, path).catch((error: NodeJS.ErrnoException) => { throw error.code === 'EEXIST' ? new LumarisError('file_exists', `${path} exists already`, { cause: error }) : error })
  } finally { await fs.rm(part, { force: true }) }
}
