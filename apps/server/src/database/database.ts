// What the rest of the server knows of a database: transactions of statements, and questions. Two adapters keep the same promises, shown by one
// contract suite. SQL is written with $1, $2, … for both. Integers that can pass 2^53 (money) leave through CAST(… AS TEXT).

export type SqlValue = string | number | bigint | null | Uint8Array
export type Statement = {
  readonly sql: string; readonly params: readonly SqlValue[]
  /** Rows it must touch; otherwise the whole transaction is rolled back as `stale`. */
  readonly expectRows?: number
}
export type Database = {
  readonly dialect: 'sqlite' | 'postgres'
  /** All or nothing, and durable when it resolves. */
  transact(statements: readonly Statement[]): Promise<void>
  /** Reads what is committed; runs beside a transaction that is under way. */
  query<Row>(sql: string, params?: readonly SqlValue[]): Promise<Row[]>
  close(): Promise<void>
}

/**
 * `refused`: a constraint or trigger said no, nothing was applied. `stale`: expectRows was not met, nothing was applied. `full`: no room, nothing
 * was applied. `unavailable`: not reached, nothing was applied. `unknown`: it may have been applied. The others are about opening.
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
