// Which earlier result of its task is this one the same as, in the buyer's sense? The domain reads no files: it is told a name that all results which are the
// same have in common, beside the result itself. Results of one task are looked at one after the other, until each is committed, so that the
// second of two that come at once finds the first.
import { createHash } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { canonical } from '@lumaris/protocol'
import type { AttemptId, Compare, ResultFile } from '@lumaris/protocol'
import type { AttemptRow, MarketState } from '@lumaris/domain'
import type { BlobStore } from '../blobs/blobs.ts'
import type { Log } from '../log.ts'
import type { Answer, Question } from './compare-worker.ts'
import { COMPARED_BYTES_MAX } from './same.ts'

/** For one pair of files. What is within the bounds takes well below a second; this ends what nobody foresaw. */
const PAIR_MS = 60_000
/** Of the thread's heap, in MiB. */
const HEAP_MB = 768

export type Compared = { /** Absent: by its bytes. */ readonly alike?: string; /** To be called when the result is committed, or will never be. */ readonly leave: () => void }
export type Comparator = {
  /** Null for work that is compared by its bytes. */
  enter(attempt: AttemptId, exitCode: number | null, files: readonly ResultFile[]): Promise<Compared> | null
  close(): Promise<void>
}
type Result = Pick<AttemptRow, 'exitCode' | 'files'>
type Ports = { readonly state: () => MarketState; readonly blobs: Pick<BlobStore, 'read'>; readonly log: Log; readonly pairMs?: number }

export function createComparator({ state, blobs, log, pairMs = PAIR_MS }: Ports): Comparator {
  const thread = createThread(log, pairMs)
  const last = new Map<string, Promise<void>>()

  /** What a node says of a file's size decides whether it is read; so no more than that is. */
  const bytesOf = async ({ blob, size }: ResultFile): Promise<Uint8Array> => {
    const chunks: Buffer[] = []
    let read = 0
    for await (const chunk of blobs.read(blob)) {
      if ((read += (chunk as Buffer).length) > size) throw new Error(`${blob} has more than the ${size} bytes that its node says`)
      chunks.push(chunk as Buffer)
    }
    return new Uint8Array(Buffer.concat(chunks))
  }
  async function areAlike(compare: Compare, mine: Result, theirs: Result): Promise<boolean> {
    const others = new Map(theirs.files.map((file) => [file.path, file]))
    if (mine.exitCode !== theirs.exitCode || mine.files.length !== theirs.files.length || mine.files.some(({ path }) => !others.has(path))) return false
    for (const file of mine.files) {
      const other = others.get(file.path) as ResultFile
      if (file.blob !== other.blob && !(await thread.ask(compare, await bytesOf(file), await bytesOf(other)))) return false
    }
    return true
  }
  async function look(id: AttemptId, mine: Result, compare: Compare): Promise<string | undefined> {
    const attempt = state().attempts.get(id)
    if (!attempt || mine.files.length === 0 || mine.files.reduce((sum, { size }) => sum + size, 0) > COMPARED_BYTES_MAX) return undefined
    const seen = new Set<string>()
    for (const other of state().jobs.get(attempt.job)?.attempts ?? []) {
      if (other.task !== attempt.task || other.id === id || other.alike === undefined || seen.has(other.alike) || !['reported', 'valid', 'invalid'].includes(other.state)) continue
      seen.add(other.alike) // the first of those that are the same stands for them
      if (await areAlike(compare, mine, other)) return other.alike
    }
    return createHash('sha256').update(canonical({ exitCode: mine.exitCode, files: mine.files.map(({ path, blob }) => `${blob} ${path}`).toSorted() })).digest('hex')
  }
  return {
    enter(id, exitCode, files) {
      const attempt = state().attempts.get(id), compare = attempt && state().jobs.get(attempt.job)?.row.spec.compare
      if (!attempt || !compare || compare.kind === 'bytes' || compare.kind === 'command') return null
      const task = `${attempt.job}.${attempt.task}`, { promise: left, resolve } = Promise.withResolvers<void>()
      const before = last.get(task), mine = (before ?? Promise.resolve()).then(() => left)
      last.set(task, mine)
      const leave = (): void => { resolve(); if (last.get(task) === mine) last.delete(task) }
      return (async () => {
        await before
        try { const alike = await look(id, { exitCode, files }, compare); return { ...(alike === undefined ? {} : { alike }), leave } } catch (error) {
          log.error({ err: error, attempt: id }, 'a result could not be compared; its bytes are')
          return { leave }
        }
      })()
    },
    close: () => thread.close(),
  }
}

/** One thread, one pair at a time; started when it is first needed, and anew when it was ended. */
function createThread(log: Log, pairMs: number) {
  let worker: Worker | null = null, next = 1, busy: Promise<unknown> = Promise.resolve()
  const start = (): Worker => {
    const made = new Worker(new URL('./compare-worker.ts', import.meta.url), { execArgv: ['--disable-warning=ExperimentalWarning'], resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: 64 } })
    made.unref()
    return made
  }
  const one = (question: Question): Promise<boolean> => new Promise((resolve) => {
    const asked = (worker ??= start())
    const done = (same: boolean): void => { clearTimeout(late); asked.off('message', heard).off('error', broke).off('exit', gone); resolve(same) }
    const end = (why: string): void => { log.warn({ why }, 'a comparison of results was given up'); if (worker === asked) worker = null; void asked.terminate(); done(false) }
    const heard = ({ id, same, why }: Answer): void => { if (id === question.id) { if (why) log.info({ why }, 'a result is compared by its bytes'); done(same) } }
    const broke = (error: Error): void => end(error.message)
    const gone = (): void => end('the thread ended')
    const late = setTimeout(() => end(`not done after ${pairMs} ms`), pairMs)
    asked.on('message', heard).on('error', broke).on('exit', gone)
    asked.postMessage(question)
  })
  return {
    ask(compare: Compare, first: Uint8Array, second: Uint8Array): Promise<boolean> {
      const answer = busy.then(() => one({ id: next++, compare, one: first, other: second }))
      busy = answer
      return answer
    },
    async close(): Promise<void> { await busy; await worker?.terminate(); worker = null },
  }
}
