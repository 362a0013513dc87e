// What the rest of the server knows of a database: transactions of statements, and questions. Two adapters keep the same promises, shown by one
// contract suite (database.contract.ts). How SQL is written so that both read it alike:
//   - places are $1, $2, …, and every one of them has a parameter;
//   - what can pass 2^53 (money, and sums of it) leaves as text, CAST(… AS TEXT): as a number it is refused, never rounded. A bigint goes in as it is;
//   - an integer column gives a number, a text column a string, a blob a Uint8Array; there are no booleans and no dates;
//   - many rows travel as `rows` (quickest on SQLite) or as one parameter per column: an array for unnest($1::text[]), on PostgreSQL only.

export type SqlValue = string | number | bigint | null | Uint8Array
export type Statement = {
  readonly sql: string; readonly params: readonly (SqlValue | readonly SqlValue[])[]
  /** The statement is run once for each of these, in place of `params`. */
  readonly rows?: readonly (readonly SqlValue[])[]
  /** Rows it must touch, all runs together; otherwise the whole transaction is rolled back as `stale`. */
  readonly expectRows?: number
}
export type TransactOptions = {
  /** Longer than the few seconds a statement has by itself, for migrations. SQLite has nobody to wait for, and does not look at it. */
  readonly timeoutMs?: number
}
export type Database = {
  readonly dialect: 'sqlite' | 'postgres'
  /** All or nothing, and durable when it resolves. */
  transact(statements: readonly Statement[], options?: TransactOptions): Promise<void>
  /** Reads what is committed; runs beside a transaction that is under way. It cannot write. */
  query<Row>(sql: string, params?: readonly SqlValue[]): Promise<Row[]>
  /** Lets what was asked before end, then closes. */
  close(): Promise<void>
}

/** Texts whose prepared statement is kept. The server has some dozens; those with a LIMIT in them come in as many as there are limits. */
export const STATEMENTS_MAX = 500

/**
 * `refused`: a constraint or trigger said no, nothing was applied. `stale`: expectRows was not met, nothing was applied. `full`: no room, nothing
 * was applied. `locked`, `unavailable`: not reached in time, nothing was applied. `unknown`: it may have been applied. The others are about opening.
 */
export type DatabaseErrorKind = 'refused' | 'stale' | 'full' | 'unknown' | 'unavailable' | 'damaged' | 'locked' | 'readonly' | 'newer'
export class DatabaseError extends Error {
  override name = 'DatabaseError'
  readonly kind: DatabaseErrorKind
  constructor(kind: DatabaseErrorKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}
