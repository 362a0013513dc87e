// SQLite for one process: two worker threads (one writes, one reads) behind the Database interface, and a lock that frees itself when the
// process dies, however it dies.
import { Worker } from 'node:worker_threads'
import { DatabaseSync } from 'node:sqlite'
import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseError } from './database.ts'
import type { Database, DatabaseErrorKind, SqlValue } from './database.ts'
import type { Failure, Request, Response, WorkerStart } from './sqlite-worker.ts'

/** Files up to this size are checked whole at opening (about a second); larger ones only where SQLite looks by itself. */
const CHECK_BYTES_MAX = 256 * 1024 * 1024

// Primary result codes of SQLite (sqlite.org/rescode.html); extended codes carry them in their low byte. What is not listed (constraints, triggers,
// bad SQL, and errors that are none of SQLite's) refuses. An I/O error counts by when it came: see errorOf.
const IOERR = 10
const KINDS: Record<number, DatabaseErrorKind> = { 5: 'locked', 6: 'locked', 7: 'unavailable', 8: 'readonly', 9: 'unavailable', [IOERR]: 'unavailable', 11: 'damaged', 13: 'full', 14: 'readonly', 15: 'locked', 26: 'damaged' }
const kindOf = (code: number): DatabaseErrorKind => KINDS[code & 0xff] ?? 'refused'

export async function openSqlite(file: string): Promise<Database> {
  const lock = prepareDirectory(file)
  const threads: Thread[] = []
  let closing: Promise<void> | null = null
  const close = (): Promise<void> => (closing ??= (async () => {
    for (const thread of threads.toReversed()) await thread.close() // the writer last: it folds the WAL into the file
    lock.close()
  })())
  try {
    const writer = await startWorker({ file, readOnly: false }, file)
    threads.push(writer)
    const reader = await startWorker({ file, readOnly: true }, file)
    threads.push(reader)
    return {
      dialect: 'sqlite',
      transact: async (statements) => { await writer.ask({ kind: 'transact', statements }) },
      query: async <Row>(sql: string, params: readonly SqlValue[] = []) => (await reader.ask({ kind: 'query', sql, params })) as Row[],
      close,
    }
  } catch (error) { await close(); throw error }
}

/** Makes the directory, takes its lock, and looks at the file before any thread opens it: here every failure gets its own sentence. */
function prepareDirectory(file: string): DatabaseSync {
  const dir = dirname(file)
  try { mkdirSync(dir, { recursive: true, mode: 0o700 }); accessSync(dir, constants.W_OK) } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw new DatabaseError('full', `no room left to make ${dir}: free some space`, { cause: error })
    throw new DatabaseError('readonly', `cannot write to ${dir}: choose another data directory, or change who may write to this one`, { cause: error })
  }
  const lockFile = join(dir, 'lock')
  let lock: DatabaseSync | undefined
  try {
    // A lock of the operating system, by way of SQLite: Node has no flock, and a pid in a file survives its process. It belongs to the whole
    // process, which would lose it by opening and closing the lock file in any other way.
    lock = new DatabaseSync(lockFile, { timeout: 0 })
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    lock?.close()
    const kind = kindOf((error as { errcode?: number }).errcode ?? 0)
    if (kind === 'locked') throw new DatabaseError('locked', `another Lumaris server is running with ${dir} (it holds ${lockFile}): stop it, or start this one with another data directory`, { cause: error })
    throw new DatabaseError(kind === 'full' ? 'full' : 'readonly', `cannot make the lock file ${lockFile}: ${(error as Error).message}`, { cause: error })
  }
  try { if (existsSync(file) && statSync(file).size > 0) check(file) } catch (error) { lock.close(); throw error }
  return lock
}

function check(file: string): void {
  try {
    const db = new DatabaseSync(file, { timeout: 0 })
    try {
      const rows = statSync(file).size <= CHECK_BYTES_MAX ? db.prepare('PRAGMA quick_check(1)').all() : db.prepare('SELECT count(*) AS quick_check FROM sqlite_schema').all().map(() => ({ quick_check: 'ok' }))
      const said = (rows[0] as { quick_check: string } | undefined)?.quick_check
      if (said !== 'ok') throw new DatabaseError('damaged', damaged(file, String(said)))
    } finally { db.close() }
  } catch (error) {
    if (error instanceof DatabaseError) throw error
    const kind = kindOf((error as { errcode?: number }).errcode ?? 0)
    if (kind === 'locked') throw new DatabaseError('locked', `the database file ${file} is locked by another program: close it and start again`, { cause: error })
    if (kind === 'readonly') throw new DatabaseError('readonly', `the database file ${file} cannot be written: change who may write to it`, { cause: error })
    throw new DatabaseError('damaged', damaged(file, (error as Error).message), { cause: error })
  }
}
const damaged = (file: string, said: string): string => `the database file ${file} is damaged (${said}): nothing was changed; restore it from a backup, or move it away to start an empty market`

type Asked = Request extends infer R ? (R extends { id: number } ? Omit<R, 'id'> : never) : never
type Thread = { ask(request: Asked): Promise<unknown[]>; close(): Promise<void> }
async function startWorker(start: WorkerStart, file: string): Promise<Thread> {
  const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData: start, execArgv: ['--disable-warning=ExperimentalWarning'] })
  const waiting = new Map<number, { resolve: (rows: unknown[]) => void; reject: (error: Error) => void }>()
  let next = 1
  let dead: Error | null = null
  const fail = (error: Error) => { dead ??= error; for (const one of waiting.values()) one.reject(error); waiting.clear() }
  const ask = (request: Asked): Promise<unknown[]> => new Promise((resolve, reject) => {
    if (dead) return reject(dead)
    const id = next++
    waiting.set(id, { resolve, reject })
    worker.postMessage({ ...request, id } satisfies Request)
  })
  const opened = new Promise<unknown[]>((resolve, reject) => waiting.set(0, { resolve, reject }))
  worker.on('message', ({ id, rows, error }: Response) => {
    const one = waiting.get(id)
    waiting.delete(id)
    if (error) one?.reject(errorOf(error, file))
    else one?.resolve(rows ?? [])
  })
  worker.on('error', (error) => fail(new DatabaseError('unknown', `the database thread broke: ${(error as Error).message}`, { cause: error })))
  const ended = new Promise<void>((resolve) => worker.on('exit', () => { fail(new DatabaseError('unavailable', 'the database is closed')); resolve() }))
  await opened
  return { ask, close: async () => { await ask({ kind: 'close' }).catch(() => undefined); await ended } } // a thread that broke is closed already
}

function errorOf(error: Failure, file: string): DatabaseError {
  if (error.stale) return new DatabaseError('stale', error.message)
  const kind = (error.code & 0xff) === IOERR && error.committing ? 'unknown' : kindOf(error.code)
  if (kind === 'full') return new DatabaseError('full', `no room left for ${file}: nothing was changed; free some space`)
  if (kind === 'damaged') return new DatabaseError('damaged', damaged(file, error.message))
  return new DatabaseError(kind, error.message)
}
