// SQLite for one process: two worker threads (one writes, one reads) behind the Database interface, and a lock that frees itself when the
// process dies, however it dies.
import { Worker } from 'node:worker_threads'
import { DatabaseSync } from 'node:sqlite'
import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseError } from './database.ts'
import type { Database, DatabaseErrorKind, SqlValue } from './database.ts'
import type { Request, Response, WorkerStart } from './sqlite-worker.ts'

/** Files up to this size are checked whole at opening (about a second); larger ones only where SQLite looks by itself. */
const CHECK_BYTES_MAX = 256 * 1024 * 1024

// Primary result codes of SQLite (sqlite.org/rescode.html); extended codes carry them in their low byte.
const KINDS: Record<number, DatabaseErrorKind> = { 5: 'locked', 6: 'locked', 8: 'readonly', 10: 'unknown', 11: 'damaged', 13: 'full', 14: 'readonly', 19: 'refused', 26: 'damaged' }
const kindOf = (code: number): DatabaseErrorKind => KINDS[code & 0xff] ?? 'refused'

export async function openSqlite(file: string): Promise<Database> {
  const lock = prepareDirectory(file)
  try {
    const writer = await startWorker({ file, readOnly: false }, file)
    const reader = await startWorker({ file, readOnly: true }, file)
    return {
      dialect: 'sqlite',
      transact: async (statements) => { await writer.ask({ kind: 'transact', statements }) },
      query: async <Row>(sql: string, params: readonly SqlValue[] = []) => (await reader.ask({ kind: 'query', sql, params })) as Row[],
      close: async () => { await reader.close(); await writer.close(); lock.close() },
    }
  } catch (error) { lock.close(); throw error }
}

/** Makes the directory, takes its lock, and looks at the file before any thread opens it: here every failure gets its own sentence. */
function prepareDirectory(file: string): DatabaseSync {
  const dir = dirname(file)
  try { mkdirSync(dir, { recursive: true, mode: 0o700 }); accessSync(dir, constants.W_OK) } catch (error) {
    throw new DatabaseError('readonly', `cannot write to ${dir}: choose another data directory, or change who may write to this one`, { cause: error })
  }
  const lockFile = join(dir, 'lock')
  let lock: DatabaseSync | undefined
  try {
    // A lock of the operating system, by way of SQLite: Node has no flock, and a pid in a file survives its process.
    lock = new DatabaseSync(lockFile, { timeout: 0 })
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    lock?.close()
    const kind = kindOf((error as { errcode?: number }).errcode ?? 0)
    if (kind === 'locked') throw new DatabaseError('locked', `another Lumaris server is using ${dir}: stop it, or start this one with another data directory`, { cause: error })
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
async function startWorker(start: WorkerStart, file: string): Promise<{ ask(request: Asked): Promise<unknown[]>; close(): Promise<void> }> {
  const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData: start, execArgv: ['--disable-warning=ExperimentalWarning'] })
  const waiting = new Map<number, { resolve: (rows: unknown[]) => void; reject: (error: Error) => void }>()
  let next = 1
  let dead: Error | null = null
  const fail = (error: Error) => { dead = error; for (const one of waiting.values()) one.reject(error); waiting.clear() }
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
  worker.on('exit', () => fail(new DatabaseError('unavailable', 'the database is closed')))
  await opened
  return { ask, close: async () => { const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve())); await ask({ kind: 'close' }).catch(() => undefined); await ended } }
}

function errorOf(error: NonNullable<Response['error']>, file: string): DatabaseError {
  if (error.stale) return new DatabaseError('stale', error.message)
  const kind = kindOf(error.code)
  if (kind === 'full') return new DatabaseError('full', `no room left for ${file}: nothing was changed; free some space`)
  if (kind === 'damaged') return new DatabaseError('damaged', damaged(file, error.message))
  return new DatabaseError(kind, error.message)
}
