// Output of attempts: one append-only file each, replayable from any record. A record is framed with its length and a checksum, so a torn tail
// (kill -9 in the middle of a write) is found and cut when the file is next opened. Appending is idempotent by byte offset: the agent says again
// what it does not know to have arrived, and only the new part is kept.
//
//   u32 length of what follows the checksum · u32 CRC-32 of it · u8 stream · f64 time · u48 offset in the stream · bytes
import { open, mkdir, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { EventEmitter } from 'node:events'
import { writeAll } from '../write-all.ts'

const FRAME = 8, HEAD = 1 + 8 + 6
const STREAMS = ['stdout', 'stderr'] as const
export type LogStream = (typeof STREAMS)[number]
/** `cursor` is the place after the record: go on from it. */
export type LogRecord = { readonly stream: LogStream; readonly offset: number; readonly data: Uint8Array; readonly atMs: number; readonly cursor: string }
/** Files held open at once; the least recently used one is closed. */
const OPEN_MAX = 256
/** One read of a replay. */
const CHUNK = 256 * 1024
const NAME = /^att_[0-9a-z]{26}$/

export type LogStore = {
  append(attempt: string, stream: LogStream, offset: number, data: Uint8Array, atMs: number): Promise<void>
  read(attempt: string, cursor: string | undefined, limit: number): Promise<{ records: LogRecord[]; nextCursor: string }>
  /** Everything from the cursor, then what comes, until the log is closed. */
  follow(attempt: string, cursor: string | undefined, signal: AbortSignal): AsyncIterable<LogRecord>
  /** Resolves when everything appended so far is in the file. */
  settled(attempt: string): Promise<void>
  /** No more will come: followers end when they have read all. */
  close(attempt: string): Promise<void>
  stop(): Promise<void>
}
type Log = { readonly handle: FileHandle; size: number; readonly next: Record<LogStream, number>; tail: Promise<void> }
export class LogGapError extends Error {}

export function createLogStore(options: { dir: string; maxBytesPerAttempt: number; isEnded: (attempt: string) => Promise<boolean> }): LogStore {
  const logs = new Map<string, Promise<Log>>()
  const news = new EventEmitter().setMaxListeners(0)
  const fileOf = (attempt: string): string => {
    if (!NAME.test(attempt)) throw new RangeError('not an attempt id')
    // A level of folders keeps each one small: the last characters are chance, the first ones time.
    return join(options.dir, attempt.slice(-2), `${attempt}.log`)
  }

  function hold(attempt: string): Promise<Log> {
    const held = logs.get(attempt)
    if (held) { logs.delete(attempt); logs.set(attempt, held); return held }
    const opened = openLog(fileOf(attempt))
    logs.set(attempt, opened)
    opened.catch(() => logs.delete(attempt))
    if (logs.size > OPEN_MAX) { const [oldest] = logs.keys(); if (oldest) void drop(oldest) }
    return opened
  }
  async function drop(attempt: string): Promise<void> {
    const held = logs.get(attempt)
    logs.delete(attempt)
    const log = await held?.catch(() => null)
    if (!log) return
    await log.tail
    await log.handle.close()
  }

  async function append(attempt: string, stream: LogStream, offset: number, data: Uint8Array, atMs: number): Promise<void> {
    const log = await hold(attempt)
    const write = async (): Promise<void> => {
      const next = log.next[stream]
      if (offset > next) throw new LogGapError(`${stream} goes on at ${next}, not at ${offset}`)
      const fresh = data.subarray(next - offset)
      if (offset + data.length <= next || fresh.length === 0) return
      if (log.size >= options.maxBytesPerAttempt) { log.next[stream] = next + fresh.length; return } // counted, not kept: the job's own output limit ends it soon after
      const frame = encode(stream, next, fresh, atMs)
      await writeAll(log.handle, frame, log.size)
      log.size += frame.length
      log.next[stream] = next + fresh.length // not before: what did not reach the disk is said again
      news.emit(attempt)
    }
    const done = log.tail.then(write)
    log.tail = done.catch(() => undefined) // whoever appends sees the error; the next append is tried all the same
    return done
  }

  async function read(attempt: string, cursor: string | undefined, limit: number): Promise<{ records: LogRecord[]; nextCursor: string }> {
    const from = place(cursor)
    const handle = await open(fileOf(attempt), 'r').catch((error: NodeJS.ErrnoException) => { if (error.code === 'ENOENT') return null; throw error })
    if (!handle) return { records: [], nextCursor: String(from) }
    try {
      const records: LogRecord[] = []
      let at = from, buffer = Buffer.alloc(0)
      while (records.length < limit) {
        const chunk = Buffer.alloc(CHUNK)
        const { bytesRead } = await handle.read(chunk, 0, CHUNK, at + buffer.length)
        if (bytesRead === 0) break
        buffer = Buffer.concat([buffer, chunk.subarray(0, bytesRead)])
        for (let record = decode(buffer, at); record && records.length < limit; record = decode(buffer, at)) {
          records.push(record)
          const size = Number(record.cursor) - at
          at += size
          buffer = buffer.subarray(size)
        }
      }
      return { records, nextCursor: String(at) }
    } finally { await handle.close() }
  }

  async function* follow(attempt: string, cursor: string | undefined, signal: AbortSignal): AsyncIterable<LogRecord> {
    let from = cursor
    let fresh = true
    let wake: (() => void) | null = null
    const onNews = () => { fresh = true; wake?.() }
    news.on(attempt, onNews)
    signal.addEventListener('abort', onNews)
    try {
      while (!signal.aborted) {
        fresh = false
        // Asked before reading: an end that comes in between is seen in the next round.
        const ended = await options.isEnded(attempt)
        const { records, nextCursor } = await read(attempt, from, 500)
        yield* records
        from = nextCursor
        if (records.length > 0) continue
        if (ended) return
        if (!fresh) await new Promise<void>((resolve) => { wake = resolve; if (fresh || signal.aborted) resolve() })
        wake = null
      }
    } finally { news.off(attempt, onNews); signal.removeEventListener('abort', onNews) }
  }

  return {
    append, read, follow,
    async settled(attempt) { await (await logs.get(attempt))?.tail },
    async close(attempt) {
      const held = logs.get(attempt)
      if (held) { const log = await held; await log.tail; await log.handle.datasync(); await drop(attempt) }
      news.emit(attempt)
    },
    async stop() { for (const attempt of logs.keys()) await drop(attempt) },
  }
}

const place = (cursor: string | undefined): number => (cursor !== undefined && /^[0-9]{1,15}$/.test(cursor) ? Number(cursor) : 0)

function encode(stream: LogStream, offset: number, data: Uint8Array, atMs: number): Buffer {
  const frame = Buffer.allocUnsafe(FRAME + HEAD + data.length)
  frame.writeUInt32LE(HEAD + data.length, 0)
  frame.writeUInt8(STREAMS.indexOf(stream), FRAME)
  frame.writeDoubleLE(atMs, FRAME + 1)
  frame.writeUIntLE(offset, FRAME + 9, 6)
  frame.set(data, FRAME + HEAD)
  frame.writeUInt32LE(crc32(frame.subarray(FRAME)), 4)
  return frame
}

/** The record at the front of the buffer, or null when it is not whole or not true. */
function decode(buffer: Buffer, at: number): LogRecord | null {
  if (buffer.length < FRAME + HEAD) return null
  const length = buffer.readUInt32LE(0)
  if (length < HEAD || buffer.length < FRAME + length) return null
  const body = buffer.subarray(FRAME, FRAME + length)
  if (crc32(body) !== buffer.readUInt32LE(4)) return null
  const stream = STREAMS[body.readUInt8(0)]
  return stream ? { stream, atMs: body.readDoubleLE(1), offset: body.readUIntLE(9, 6), data: body.subarray(HEAD), cursor: String(at + FRAME + length) } : null
}

async function openLog(file: string): Promise<Log> {
  await mkdir(join(file, '..'), { recursive: true })
  const handle = await open(file, (await stat(file).catch(() => null)) ? 'r+' : 'w+')
  const next: Record<LogStream, number> = { stdout: 0, stderr: 0 }
  let at = 0, buffer = Buffer.alloc(0)
  for (;;) {
    const chunk = Buffer.alloc(CHUNK)
    const { bytesRead } = await handle.read(chunk, 0, CHUNK, at + buffer.length)
    if (bytesRead === 0) break
    buffer = Buffer.concat([buffer, chunk.subarray(0, bytesRead)])
    for (let record = decode(buffer, at); record; record = decode(buffer, at)) {
      next[record.stream] = record.offset + record.data.length
      const size = Number(record.cursor) - at
      at += size
      buffer = buffer.subarray(size)
    }
  }
  if (buffer.length > 0) await handle.truncate(at) // torn by a crash: the agent still has it and says it again
  return { handle, size: at, next, tail: Promise.resolve() }
}
