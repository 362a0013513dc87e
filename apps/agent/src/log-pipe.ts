// What a job prints, on its way to the market: cut into pieces that are neither many nor late. A piece goes when 32 KiB are there, or 50 ms
// after its first byte, or when the stream ends. When the market cannot take more, reading stops, and a program that prints on has to wait.
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'

const PIECE_BYTES = 32 * 1024
/** One piece in base64 stays far below the socket's largest frame. */
const PIECE_BYTES_MAX = 64 * 1024
const PIECE_MS = 50

export type LogPipe = {
  /** Resolves when the stream has ended and its last piece is handed over. */
  readonly done: Promise<void>
  readonly bytes: () => number
  /** SHA-256 of all of it, once done. */
  readonly digest: () => string
  readonly over: () => boolean
  /** It waits until more can go out. */
  readonly blocked: () => boolean
  /** Reads no further: what is left in the stream is dropped. */
  cut(): void
}
export type PipeOptions = {
  readonly say: (offset: number, data: Buffer) => void
  /** Null: go on. A promise: wait for it. */
  readonly room: () => Promise<void> | null
  /** What goes out instead of what came in; with null, at the end, what was kept back. */
  readonly cover?: ((bytes: Buffer | null) => Buffer) | undefined
}
export const SHA256_OF_NOTHING = createHash('sha256').digest('hex')
const NOTHING: LogPipe = { done: Promise.resolve(), bytes: () => 0, digest: () => SHA256_OF_NOTHING, over: () => true, blocked: () => false, cut: () => undefined }

export function pipeLog(stream: Readable, options: PipeOptions): LogPipe {
  if (stream.readableEnded) return NOTHING
  const hash = createHash('sha256')
  const { promise: done, resolve } = Promise.withResolvers<void>()
  let held: Buffer[] = [], heldBytes = 0, said = 0, digest = ''
  let timer: NodeJS.Timeout | null = null
  let over = false, blocked = false

  function flush(): void {
    if (timer) { clearTimeout(timer); timer = null }
    if (heldBytes === 0) return
    const bytes = held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held)
    held = []
    heldBytes = 0
    for (let at = 0; at < bytes.length; at += PIECE_BYTES_MAX) {
      const piece = bytes.subarray(at, at + PIECE_BYTES_MAX)
      options.say(said, piece)
      said += piece.length
    }
    const room = over ? null : options.room()
    if (!room || blocked) return
    stream.pause()
    blocked = true
    void room.then(() => { blocked = false; stream.resume() })
  }
  function take(bytes: Buffer): void {
    hash.update(bytes)
    held.push(bytes)
    heldBytes += bytes.length
  }
  function end(): void {
    if (over) return
    over = true
    const rest = options.cover?.(null)
    if (rest && rest.length > 0) take(rest)
    flush()
    digest = hash.digest('hex')
    resolve()
  }
  stream.on('data', (chunk: Buffer | string) => {
    if (over) return
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk, shown = options.cover ? options.cover(bytes) : bytes
    if (shown.length === 0) return
    take(shown)
    if (heldBytes >= PIECE_BYTES) flush()
    else timer ??= setTimeout(flush, PIECE_MS)
  })
  // A pipe that breaks has said all it will say; the driver's report tells why.
  stream.once('end', end).once('close', end).once('error', end)
  return { done, bytes: () => said + heldBytes, digest: () => digest, over: () => over, blocked: () => blocked, cut() { end(); stream.destroy() } }
}
