// The thread that owns the SQLite file. `node:sqlite` is synchronous, and a commit waits for the disk: here neither sockets nor decisions do.
// One instance writes, a second one (readOnly) answers questions; WAL lets them work side by side.
import { parentPort, workerData } from 'node:worker_threads'
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { STATEMENTS_MAX, unpack } from './database.ts'
import type { SqlValue, Statement } from './database.ts'

export type WorkerStart = { readonly file: string; readonly readOnly: boolean }
export type Request = { readonly id: number } & ({ readonly kind: 'transact'; readonly statements: readonly Statement[] } | { readonly kind: 'query'; readonly sql: string; readonly params: readonly SqlValue[] } | { readonly kind: 'close' })
export type Response = { readonly id: number; readonly rows?: unknown[]; readonly error?: Failure }
/** `code` is SQLite's (sqlite.org/rescode.html), 0 when the error is none of SQLite's. `committing`: it came from the COMMIT itself. */
export type Failure = { readonly message: string; readonly code: number; readonly stale: boolean; readonly committing: boolean }

const { file, readOnly } = workerData as WorkerStart
const port = parentPort
if (!port) throw new Error('sqlite-worker runs as a worker thread')

/** Nobody else should hold the file; a backup or a curious `sqlite3` may, for a moment. */
const BUSY_MS = 5_000
const open = (): DatabaseSync => {
  const db = new DatabaseSync(file, { readOnly, enableForeignKeyConstraints: true, timeout: BUSY_MS })
  if (readOnly) return db
  // EXCLUSIVE would shut the reader out too; the adapter's lock file keeps other processes away. FULL: a commit is on the disk when it returns.
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 16000;')
  return db
}

let db: DatabaseSync

/** Prepared statements, by their text, with the number of places they have. */
const prepared = new Map<string, { readonly statement: StatementSync; readonly places: number }>()
function prepare(sql: string): { statement: StatementSync; places: number } {
  let known = prepared.get(sql)
  if (!known) {
    if (prepared.size >= STATEMENTS_MAX) prepared.clear()
    let places = 0
    // $1 is a name to SQLite; ?1 is a place, which is what the callers mean. What stands in quotes is text.
    const text = sql.replace(/'[^']*'|\$(\d+)/g, (found, place?: string) => {
      if (place === undefined) return found
      places = Math.max(places, Number(place))
      return `?${place}`
    })
    known = { statement: db.prepare(text), places }
    prepared.set(sql, known)
  }
  return known
}
/** SQLite would take NULL for what is missing. */
function checked<Values extends readonly SqlValue[]>(values: Values, places: number, sql: string): Values {
  if (values.length !== places) throw new Error(`${values.length} parameters for ${places} places: ${sql.slice(0, 120)}`)
  return values
}
/** Values as they are meant: they came by message, so they are ours to change. */
function bind(params: readonly SqlValue[], places: number, sql: string): SqlValue[] {
  const values = checked(params as SqlValue[], places, sql)
  // node:sqlite binds every number as a double: as text that would be '5.0' where PostgreSQL says '5'.
  for (let i = 0; i < values.length; i++) if (Number.isSafeInteger(values[i])) values[i] = BigInt(values[i] as number)
  return values
}

class Stale extends Error {}
/** Whether what is being done now may still count after it failed. */
let committing = false
function transact(statements: readonly Statement[]): void {
  const many = statements.length > 1 || statements.some((statement) => statement.expectRows !== undefined || statement.packed)
  committing = !many
  if (many) db.exec('BEGIN IMMEDIATE')
  try {
    for (const { sql, params, packed, expectRows } of statements) {
      const { statement, places } = prepare(sql)
      let changes = 0
      if (packed) for (const row of unpack(packed)) changes += Number(statement.run(...checked(row, places, sql)).changes)
      else changes = Number(statement.run(...bind(params as SqlValue[], places, sql)).changes) // arrays within params are PostgreSQL's
      if (expectRows !== undefined && changes !== expectRows) throw new Stale(`touched ${changes} rows, not ${expectRows}: ${sql.slice(0, 120)}`)
    }
    committing = true
    if (many) db.exec('COMMIT')
  } catch (error) {
    if (many && db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

function plain(error: unknown): Failure {
  const { message, errcode } = error as { message: string; errcode?: number }
  return { message, code: errcode ?? 0, stale: error instanceof Stale, committing }
}
function query(sql: string, params: readonly SqlValue[]): unknown[] {
  const { statement, places } = prepare(sql)
  return statement.all(...bind(params, places, sql))
}

port.on('message', (request: Request) => {
  committing = false
  try {
    if (request.kind === 'transact') { transact(request.statements); port.postMessage({ id: request.id } satisfies Response) }
    else if (request.kind === 'query') port.postMessage({ id: request.id, rows: query(request.sql, request.params) } satisfies Response)
    else { prepared.clear(); db.close(); port.postMessage({ id: request.id } satisfies Response); port.close() }
  } catch (error) { port.postMessage({ id: request.id, error: plain(error) } satisfies Response) }
})

try {
  db = open()
  port.postMessage({ id: 0 } satisfies Response)
} catch (error) {
  port.postMessage({ id: 0, error: plain(error) } satisfies Response)
  port.close()
}
