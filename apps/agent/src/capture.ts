// What a job prints, when it is to become a result file: to a file of the agent's, hashed on the way. The driver ends a job that prints more than it
// may, so the file has that bound. A disk that is slower than the program makes the program wait.
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import type { Readable } from 'node:stream'
import type { LogPipe } from './log-pipe.ts'

/** Like a log's pipe; `failed` says that the file could not be written. */
export type Capture = LogPipe & { readonly failed: () => boolean }

export function captureTo(path: string, stream: Readable): Capture {
  const hash = createHash('sha256'), file = createWriteStream(path, { flags: 'w', mode: 0o600 })
  const { promise: done, resolve } = Promise.withResolvers<void>()
  let bytes = 0, over = false, failed = false, blocked = false, digest = ''
  const end = (): void => {
    if (over) return
    over = true
    digest = hash.digest('hex')
    if (failed) resolve()
    else file.end()
  }
  if (stream.readableEnded) end()
  file.once('close', () => { resolve() })
  file.on('drain', () => { blocked = false; stream.resume() })
  file.once('error', () => { failed = true; blocked = false; resolve(); stream.resume() })
  if (!over) stream.on('data', (chunk: Buffer | string) => {
    if (over || failed) return // a program that prints on must not stand still over our broken disk
    const piece = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    hash.update(piece)
    bytes += piece.length
    if (!file.write(piece)) { blocked = true; stream.pause() }
  })
  if (!over) stream.once('end', end).once('close', end).once('error', end)
  return { done, bytes: () => bytes, digest: () => digest, over: () => over && (failed || file.closed), blocked: () => blocked, failed: () => failed, cut() { end(); stream.destroy() } }
}
