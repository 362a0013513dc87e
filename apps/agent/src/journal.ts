// What the agent must not forget in a crash: which orders it took, and the results nobody has confirmed. Records are appended; a record
// counts once it is on the disk. Everybody who waits at the same time shares one flush. The file is written at a known place, so a write that
// failed half-way is simply written again there; until it succeeds, nobody who waits is answered, and so nothing is claimed.
import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { JournalRecord } from '@lumaris/domain'
import { MARK, frameOf, readJournal } from './journal-frames.ts'
import { createLiveRecords } from './journal-live.ts'
import { codeOf, saysOf, silent } from './log.ts'
import type { Log } from './log.ts'
import { syncDir } from './files.ts'

export interface Journal {
  /** The promise resolves when the records are on the disk; null: they are already. */
  append(records: readonly JournalRecord[]): Promise<void> | null
  /** Set while the disk refuses; its sentence. */
  readonly trouble: string | null
  readonly bytes: number
  close(): Promise<void>
}
/** The part of a file that the journal needs; tests order a full disk with one of their own. */
export interface JournalFile {
  write(bytes: Uint8Array, position: number): Promise<void>
  truncate(length: number): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}
export type JournalOptions = {
  readonly log?: Log
  /** The file is rewritten above this size, with what is still needed. */
  readonly compactBytes?: number
  readonly onTrouble?: (says: string | null) => void
  readonly openFile?: (path: string) => Promise<JournalFile>
  readonly wait?: (ms: number) => Promise<void>
}
/** About 2000 attempts; a rewrite then costs a few milliseconds. */
const COMPACT_BYTES = 8 * 1024 * 1024
const RETRY_MS_MIN = 500
const RETRY_MS_MAX = 10_000

export async function openJournal(path: string, options: JournalOptions = {}): Promise<{ journal: Journal; records: JournalRecord[] }> {
  const log = options.log ?? silent, openFile = options.openFile ?? openOnDisk, wait = options.wait ?? ((ms) => delay(ms, undefined, { ref: false }))
  await rm(`${path}.new`, { force: true })
  let bytes = await readFile(path).catch((error: unknown) => { if (codeOf(error) === 'ENOENT') return Buffer.alloc(0); throw error })
  let read = readJournal(bytes)
  if (read.damagedAt !== null) {
    const aside = `${path}.damaged-${Date.now()}`
    await rename(path, aside)
    log.error({ journal: path, aside, at: read.damagedAt }, 'the journal is damaged in the middle; it was set aside, and the agent starts without it: the market will run its unfinished work elsewhere')
    bytes = Buffer.alloc(0)
    read = readJournal(bytes)
  } else if (read.end < bytes.length) log.warn({ journal: path, cut: bytes.length - read.end }, 'the journal ended in the middle of a record, which was cut')

  const live = createLiveRecords()
  for (const record of read.records) live.add(record)
  let file = await openFile(path)
  let size = read.end
  if (size === 0) { await file.write(MARK, 0); size = MARK.length }
  await file.truncate(size)
  await file.sync()
  await syncDir(dirname(path))

  type Waiting = { readonly records: readonly JournalRecord[]; readonly done: () => void }
  let waiting: Waiting[] = []
  let flushing: Promise<void> | null = null
  let closed = false
  const closing = Promise.withResolvers<void>()
  let trouble: string | null = null
  let compactAt = options.compactBytes ?? COMPACT_BYTES

  async function flush(): Promise<void> {
    try {
      while (waiting.length > 0 && !closed) {
        const group = waiting
        waiting = []
        const frames = Buffer.concat(group.flatMap((one) => one.records.map(frameOf)))
        if (!(await persist(frames))) return
        size += frames.length
        for (const one of group) for (const record of one.records) live.add(record)
        for (const one of group) one.done()
        if (size > compactAt) await compact()
      }
    } finally { flushing = null } // in the same breath as the last look at `waiting`
  }

  /** True when it is on the disk; false when the journal was closed before that. */
  async function persist(frames: Buffer): Promise<boolean> {
    for (let retryMs = RETRY_MS_MIN; ; retryMs = Math.min(retryMs * 2, RETRY_MS_MAX)) {
      try {
        await file.write(frames, size)
        await file.sync()
        if (trouble !== null) { trouble = null; log.warn({ journal: path }, 'the journal can be written again'); options.onTrouble?.(null) }
        return true
      } catch (error) {
        if (trouble === null) {
          trouble = codeOf(error) === 'ENOSPC' ? 'the disk is full' : `the disk does not take the journal (${saysOf(error)})`
          log.error({ journal: path, error: saysOf(error) }, `${trouble}: no new work is taken, and no result is reported, until it can be written`)
          options.onTrouble?.(trouble)
        }
        await Promise.race([wait(retryMs), closing.promise])
        if (closed) return false
      }
    }
  }

  async function compact(): Promise<void> {
    const whole = Buffer.concat([MARK, ...live.list().map(frameOf)])
    let draft: JournalFile | null = null
    try {
      draft = await openFile(`${path}.new`)
      await draft.write(whole, 0)
      await draft.sync()
      await rename(`${path}.new`, path)
      await syncDir(dirname(path)).catch((error: unknown) => log.warn({ journal: path, error: saysOf(error) }, 'the new journal may not survive a power cut'))
    } catch (error) {
      log.warn({ journal: path, error: saysOf(error) }, 'the journal could not be rewritten; it goes on growing for now')
      await draft?.close()
      await rm(`${path}.new`, { force: true })
      compactAt = size * 2
      return
    }
    await file.close().catch((error: unknown) => log.warn({ journal: path, error: saysOf(error) }, 'the old journal did not close')) // it is no longer anybody's
    file = draft
    size = whole.length
    // What is needed may itself be large: wait until half of the file is not.
    compactAt = Math.max(options.compactBytes ?? COMPACT_BYTES, size * 2)
  }

  const journal: Journal = {
    append(records) {
      if (closed) return new Promise(() => undefined) // nothing is claimed any more
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.push({ records, done: resolve })
      flushing ??= flush()
      return promise
    },
    get trouble() { return trouble },
    get bytes() { return size },
    async close() {
      if (closed) return
      if (trouble === null) await flushing
      closed = true
      closing.resolve()
      await flushing
      await file.close()
    },
  }
  return { journal, records: read.records }
}

/** For benchmarks and simulations: keeps nothing, answers at once. */
export function memoryJournal(): Journal {
  return { append: () => null, trouble: null, bytes: 0, close: () => Promise.resolve() }
}

async function openOnDisk(path: string): Promise<JournalFile> {
  // Not append mode: a write that failed half-way is repeated at its place.
  const file = await open(path, 'r+').catch((error: unknown) => { if (codeOf(error) === 'ENOENT') return open(path, 'wx+', 0o600); throw error })
  return {
    async write(bytes, position) {
      for (let done = 0; done < bytes.length;) done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten
    },
    truncate: (length) => file.truncate(length),
    sync: () => file.datasync(),
    close: () => file.close(),
  }
}
