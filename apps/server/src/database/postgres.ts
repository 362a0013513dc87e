// PostgreSQL: one connection that writes, a small pool that reads. The writer never holds a transaction open over anything but its own
// statements, and gives up after five seconds, so that a paused server cannot keep the row that a successor needs.
import pg from 'pg'
import { DatabaseError } from './database.ts'
import type { Database, SqlValue, Statement } from './database.ts'

const READERS = 4
const TIMEOUT_MS = 5_000
const SETTINGS = `SET statement_timeout = ${TIMEOUT_MS}; SET lock_timeout = ${TIMEOUT_MS}; SET idle_in_transaction_session_timeout = ${TIMEOUT_MS}`

export async function openPostgres(url: string): Promise<Database> {
  const readers = new pg.Pool({ connectionString: url, max: READERS, connectionTimeoutMillis: TIMEOUT_MS })
  readers.on('error', () => undefined) // an idle connection that broke is replaced at its next use
  const writer = createWriter(url)
  try { await readers.query('SELECT 1') } catch (error) {
    await readers.end()
    throw new DatabaseError('unavailable', `cannot reach the database: ${(error as Error).message}`, { cause: error })
  }
  return {
    dialect: 'postgres',
    transact: writer.transact,
    query: async <Row>(sql: string, params: readonly SqlValue[] = []) => {
      try { return (await readers.query(sql, [...params])).rows as Row[] } catch (error) { throw errorOf(error, false) }
    },
    close: async () => { await writer.close(); await readers.end() },
  }
}

function createWriter(url: string) {
  let client: pg.Client | null = null
  let tail: Promise<unknown> = Promise.resolve()
  const connect = async (): Promise<pg.Client> => {
    if (client) return client
    const fresh = new pg.Client({ connectionString: url, connectionTimeoutMillis: TIMEOUT_MS })
    fresh.on('error', () => { if (client === fresh) client = null })
    fresh.on('end', () => { if (client === fresh) client = null })
    await fresh.connect()
    await fresh.query(SETTINGS)
    client = fresh
    return fresh
  }
  const drop = async (broken: pg.Client) => { if (client === broken) client = null; await broken.end().catch(() => undefined) } // it is being thrown away because it broke
  const run = async (statements: readonly Statement[]): Promise<void> => {
    let committing = false
    let db: pg.Client
    try { db = await connect() } catch (error) { throw new DatabaseError('unavailable', `cannot reach the database: ${(error as Error).message}`, { cause: error }) }
    try {
      await db.query('BEGIN')
      for (const { sql, params, expectRows } of statements) {
        const { rowCount } = await db.query({ name: nameOf(sql), text: sql, values: [...params] })
        if (expectRows !== undefined && rowCount !== expectRows) throw new DatabaseError('stale', `touched ${rowCount} rows, not ${expectRows}: ${sql.slice(0, 120)}`)
      }
      committing = true
      await db.query('COMMIT')
    } catch (error) {
      const wrong = errorOf(error, committing)
      if (wrong.kind === 'unknown' || wrong.kind === 'unavailable') await drop(db)
      else await db.query('ROLLBACK').catch(() => drop(db))
      throw wrong
    }
  }
  return {
    transact: (statements: readonly Statement[]): Promise<void> => {
      const done = tail.then(() => run(statements))
      tail = done.catch(() => undefined) // the caller sees the error; the next transaction only waits for this one's end
      return done
    },
    close: async () => { await tail; const open = client; client = null; await open?.end() },
  }
}

// A named statement is parsed by the server once; the names only have to differ.
const names = new Map<string, string>()
function nameOf(sql: string): string {
  let name = names.get(sql)
  if (!name) { name = `s${names.size}`; names.set(sql, name) }
  return name
}

function errorOf(error: unknown, committing: boolean): DatabaseError {
  if (error instanceof DatabaseError) return error
  const { code, message } = error as { code?: string; message: string }
  // A SQLSTATE comes from the server, which has then rolled back; class 57P and lost sockets come without one that says so.
  const answered = code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !code.startsWith('57P') && !code.startsWith('08')
  if (answered) return new DatabaseError(code.startsWith('53') ? 'full' : code.startsWith('25006') ? 'readonly' : 'refused', `${message} (${code})`, { cause: error })
  return new DatabaseError(committing ? 'unknown' : 'unavailable', `the database connection broke: ${message}`, { cause: error })
}
