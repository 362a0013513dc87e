// PostgreSQL: one connection that writes, a small pool that reads. A transaction takes two round trips however many statements it has: BEGIN and
// all of them are sent without waiting for answers, the answers are looked at, then COMMIT. The writer never holds a transaction open over
// anything but its own statements, and gives up after some seconds on both ends, so that a paused server cannot keep the row that a successor
// needs. It connects again at its next use. Named statements need a session of their own: connect to PostgreSQL, not to a pooler in transaction mode.
import pg from 'pg'
import { DatabaseError, STATEMENTS_MAX, unpack } from './database.ts'
import type { Database, DatabaseErrorKind, SqlValue, Statement, TransactOptions } from './database.ts'

/** Pages and prefetches; more readers than cores of a small database server only queue there instead of here. */
const READERS = 4
/** A statement of the engine takes milliseconds. What takes this long stands behind a lock or a dying disk. */
const TIMEOUT_MS = 5_000
/** The largest read is the load at the start, page by page. */
const READ_TIMEOUT_MS = 30_000
/** The server ends what is too slow and says so. If not even that arrives for this much longer, the network is gone and the socket with it. */
const SILENCE_MS = 5_000

/** Shorter ones are for tests of what happens when they are over. */
type Limits = { readonly timeoutMs: number; readonly silenceMs: number }

export async function openPostgres(url: string, limits: Limits = { timeoutMs: TIMEOUT_MS, silenceMs: SILENCE_MS }): Promise<Database> {
  const readers = new pg.Pool({
    connectionString: url, max: READERS, connectionTimeoutMillis: TIMEOUT_MS, statement_timeout: READ_TIMEOUT_MS, query_timeout: READ_TIMEOUT_MS + SILENCE_MS,
    // A question that writes is a bug; SQLite's reader refuses it too.
    options: '-c default_transaction_read_only=on', keepAlive: true, types,
  })
  readers.on('error', () => undefined) // an idle connection that broke is replaced at its next use
  const writer = createWriter(url, limits)
  let closing: Promise<void> | null = null
  try { await readers.query('SELECT 1') } catch (error) {
    await readers.end()
    throw unreachable(error)
  }
  return {
    dialect: 'postgres',
    transact: writer.transact,
    query: async <Row>(sql: string, params: readonly SqlValue[] = []) => {
      try { return (await readers.query({ ...named(sql), values: [...params] })).rows as Row[] } catch (error) { throw errorOf(error, false) }
    },
    close: () => (closing ??= writer.close().then(() => readers.end())),
  }
}

function createWriter(url: string, limits: Limits) {
  let client: pg.Client | null = null
  let closed = false
  let tail: Promise<unknown> = Promise.resolve()
  const connect = async (): Promise<pg.Client> => {
    if (closed) throw new Error('the database is closed')
    if (client) return client
    const fresh = new pg.Client({
      connectionString: url, connectionTimeoutMillis: TIMEOUT_MS, pipeline: true, keepAlive: true, types,
      // The lock's time is over first, so that a row held by another is told apart from a slow disk.
      statement_timeout: limits.timeoutMs, lock_timeout: Math.ceil(limits.timeoutMs * 0.8), idle_in_transaction_session_timeout: limits.timeoutMs,
    })
    fresh.on('error', () => { if (client === fresh) client = null }) // a connection that ends without our goodbye says so here
    await fresh.connect()
    client = fresh
    return fresh
  }
  const drop = (broken: pg.Client): void => { if (client === broken) client = null; cut(broken) }

  const run = async (statements: readonly Statement[], longer?: number): Promise<void> => {
    let db: pg.Client
    try { db = await connect() } catch (error) { throw unreachable(error) }
    let committing = false
    const silence = setTimeout(() => cut(db), (longer ?? limits.timeoutMs) + limits.silenceMs)
    try {
      const begin = db.query(longer === undefined ? 'BEGIN' : `BEGIN; SET LOCAL statement_timeout = ${longer}; SET LOCAL lock_timeout = ${longer}`)
      const asked = statements.map(({ sql, params, packed }) => (packed ? unpack(packed) : [params]).map((values) => db.query({ ...named(sql), values: [...values] })))
      const answers = await Promise.allSettled([begin, ...asked.flat()])
      // After the first error the server refuses the rest of the transaction, so the first is the one that says why.
      const wrong = answers.find((answer) => answer.status === 'rejected')
      if (wrong) throw wrong.reason
      for (const [i, { sql, expectRows }] of statements.entries()) {
        if (expectRows === undefined) continue
        let touched = 0
        for (const answer of asked[i] ?? []) touched += (await answer).rowCount ?? 0
        if (touched !== expectRows) throw new DatabaseError('stale', `touched ${touched} rows, not ${expectRows}: ${sql.slice(0, 120)}`)
      }
      committing = true
      await db.query('COMMIT')
    } catch (error) {
      const wrong = errorOf(error, committing)
      if (wrong.kind === 'unknown' || wrong.kind === 'unavailable') drop(db)
      else await db.query('ROLLBACK').catch(() => drop(db)) // a connection that cannot even roll back is of no use; the server rolls back when it is gone
      throw wrong
    } finally { clearTimeout(silence) }
  }
  return {
    transact: (statements: readonly Statement[], options?: TransactOptions): Promise<void> => {
      const done = tail.then(() => run(statements, options?.timeoutMs))
      tail = done.catch(() => undefined) // the caller sees the error; the next transaction only waits for this one's end
      return done
    },
    close: async (): Promise<void> => { await tail; closed = true; await client?.end() },
  }
}

/** Without the goodbye of `end()`, which waits for a socket that may never answer. Queries under way are rejected at once. */
function cut(client: pg.Client): void {
  // pg's types leave the socket out; it has been public in pg itself since its first version.
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
}

// The same JavaScript values as from SQLite: a whole number is a number, and one that would lose digits is refused rather than rounded.
const INT8 = 20
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text' | 'binary') => (oid === INT8 && format !== 'binary' ? wholeNumber : pg.types.getTypeParser(oid, format))) as typeof pg.types.getTypeParser,
}
function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is too large for a JavaScript number: CAST it AS TEXT`)
  return value
}

// A named statement is parsed once per connection; the names only have to differ. Past the bound the text is parsed each time.
const names = new Map<string, string>()
function named(sql: string): { text: string; name?: string } {
  let name = names.get(sql)
  if (!name && names.size < STATEMENTS_MAX) { name = `s${names.size}`; names.set(sql, name) }
  return name ? { text: sql, name } : { text: sql }
}

const unreachable = (error: unknown): DatabaseError => new DatabaseError('unavailable', `cannot reach the database: ${said(error)}`, { cause: error })
/** Where a host has several addresses, Node gives one error per address, in an error without words. */
function said(error: unknown): string {
  const { message, errors } = error as { message: string; errors?: readonly Error[] }
  return message || (errors ?? []).map((one) => one.message).join('; ') || String(error)
}

// What the server says by SQLSTATE it has decided, and rolled back. First match wins; what is not listed is a refusal (constraints, triggers, bad SQL).
const KINDS: readonly (readonly [prefix: string, kind: DatabaseErrorKind])[] = [
  ['53100', 'full'], ['53', 'unavailable'], ['55P03', 'locked'], ['25006', 'readonly'], ['XX001', 'damaged'], ['XX002', 'damaged'],
  ['57014', 'unavailable'], ['25P03', 'unavailable'], ['40003', 'unknown'], ['40', 'unavailable'],
]
function errorOf(error: unknown, committing: boolean): DatabaseError {
  if (error instanceof DatabaseError) return error
  const { code } = error as { code?: string }
  // Class 08 and 57P (the server goes away) and lost sockets say nothing about what became of a COMMIT. 08P01 is a mistake of ours in a message.
  const answered = code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !code.startsWith('57P') && (!code.startsWith('08') || code === '08P01')
  if (answered) return new DatabaseError(KINDS.find(([prefix]) => code.startsWith(prefix))?.[1] ?? 'refused', `${said(error)} (${code})`, { cause: error })
  if (error instanceof RangeError) return new DatabaseError('refused', error.message, { cause: error })
  return new DatabaseError(committing ? 'unknown' : 'unavailable', `the database connection broke: ${said(error)}`, { cause: error })
}
