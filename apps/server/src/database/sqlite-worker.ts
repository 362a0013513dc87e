// The thread that owns the SQLite file. `node:sqlite` is synchronous, and a commit waits for the disk: here neither sockets nor decisions do.
// One instance writes, a second one (readOnly) answers questions; WAL lets them work side by side.
import { parentPort, workerData } from 'node:worker_threads'
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import type { SqlValue, Statement } from './database.ts'

export type WorkerStart = { readonly file: string; readonly readOnly: boolean }
export type Request = { readonly id: number } & ({ readonly kind: 'transact'; readonly statements: readonly Statement[] } | { readonly kind: 'query'; readonly sql: string; readonly params: readonly SqlValue[] } | { readonly kind: 'close' })
export type Response = { readonly id: number; readonly rows?: unknown[]; readonly error?: { message: string; code: number; stale: boolean } }

const { file, readOnly } = workerData as WorkerStart
const port = parentPort
if (!port) throw new Error('sqlite-worker runs as a worker thread')

const open = (): DatabaseSync => {
  const db = new DatabaseSync(file, { readOnly, enableForeignKeyConstraints: true, timeout: 5_000 })
  if (readOnly) return db
  // EXCLUSIVE would shut the reader out too; the adapter's lock file keeps other processes away. FULL: a commit is on the disk when it returns.
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4000;')
  return db
}

let db: DatabaseSync
try { db = open(); port.postMessage({ id: 0 } satisfies Response) } catch (error) {
  port.postMessage({ id: 0, error: plain(error) } satisfies Response)
  process.exit(0)
}

/** Prepared statements, by their text: the engine's are a few dozen. */
const STATEMENTS_MAX = 500
const prepared = new Map<string, StatementSync>()
function prepare(sql: string): StatementSync {
  let statement = prepared.get(sql)
  if (!statement) {
    if (prepared.size >= STATEMENTS_MAX) prepared.clear()
    // $1 is a name to SQLite; ?1 is a place, which is what the callers mean.
    statement = db.prepare(sql.replace(/\$(\d+)/g, '?$1'))
    prepared.set(sql, statement)
  }
  return statement
}

class Stale extends Error {}
function transact(statements: readonly Statement[]): void {
  const many = statements.length > 1 || statements.some((statement) => statement.expectRows !== undefined || statement.rows)
  if (many) db.exec('BEGIN IMMEDIATE')
  try {
    for (const { sql, params, rows, expectRows } of statements) {
      const statement = prepare(sql)
      let changes = 0
      if (rows) for (const row of rows) changes += Number(statement.run(...row).changes)
      else changes = Number(statement.run(...(params as SqlValue[])).changes)
      if (expectRows !== undefined && changes !== expectRows) throw new Stale(`touched ${changes} rows, not ${expectRows}: ${sql.slice(0, 120)}`)
    }
    if (many) db.exec('COMMIT')
  } catch (error) {
    if (many && db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

function plain(error: unknown): NonNullable<Response['error']> {
  const { message, errcode } = error as { message: string; errcode?: number }
  return { message, code: errcode ?? 0, stale: error instanceof Stale }
}

port.on('message', (request: Request) => {
  try {
    if (request.kind === 'transact') { transact(request.statements); port.postMessage({ id: request.id } satisfies Response) }
    else if (request.kind === 'query') port.postMessage({ id: request.id, rows: prepare(request.sql).all(...request.params) } satisfies Response)
    else { prepared.clear(); db.close(); port.postMessage({ id: request.id } satisfies Response); port.close() }
  } catch (error) { port.postMessage({ id: request.id, error: plain(error) } satisfies Response) }
})
