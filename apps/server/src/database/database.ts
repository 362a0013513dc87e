// What the rest of the server knows of a database: transactions of statements, and questions. Two adapters keep the same promises, shown by one
// contract suite (database.contract.ts). How SQL is written so that both read it alike:
//   - places are $1, $2, …, and every one of them has a parameter;
//   - what can pass 2^53 (money, and sums of it) leaves as text, CAST(… AS TEXT): as a number it is refused, never rounded. A bigint goes in as it is;
//   - an integer column gives a number, a text column a string, a blob a Uint8Array; there are no booleans and no dates;
//   - many rows travel packed, a text per column. SQLite runs the statement once for each row; for PostgreSQL a column's text can also be a parameter
//     of its own, taken apart by string_to_array. Thousands of small values cost a thread or a driver more than the database itself: as texts, the
//     hand-over of a batch fell from 22 to 6 microseconds a job.

export type SqlValue = string | number | bigint | null | Uint8Array
export type Statement = {
  readonly sql: string; readonly params: readonly (SqlValue | readonly SqlValue[])[]
  /** The statement is run once for each of these rows, in place of `params`. */
  readonly packed?: Packed
  /** Rows it must touch, all runs together; otherwise the whole transaction is rolled back as `stale`. */
  readonly expectRows?: number
}

/** Rows as one text per column: cells stand between CELL_END, and NULL is a cell of its own. A number in a text is what an integer column makes of it. */
export type Packed = { readonly columns: readonly string[]; readonly rows: number }
export const CELL_END = '\x1f', NULL_CELL = '\x01'

/** `cells` gives the cells of one column. No cell may have CELL_END in it: JSON has none, names and ids are checked here, or rows would shift. */
export function packColumn(cells: readonly (string | number | bigint | null)[]): string {
  let text = ''
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i] as string | number | bigint | null
    if (typeof cell === 'string' && cell.includes(CELL_END)) throw new RangeError('a control character has no place in a column')
    text += `${i === 0 ? '' : CELL_END}${cell === null ? NULL_CELL : cell}`
  }
  return text
}
/** Row by row, as the rows of a statement. */
export function pack(rows: readonly (readonly (string | number | bigint | null)[])[]): Packed {
  return { columns: (rows[0] ?? []).map((_, i) => packColumn(rows.map((row) => row[i] ?? null))), rows: rows.length }
}
export function unpack({ columns, rows }: Packed): (string | null)[][] {
  const cells = columns.map((column) => column.split(CELL_END))
  if (rows === 0 || cells.some((column) => column.length !== rows)) throw new RangeError('the columns of a packed statement are not equally long')
  return Array.from({ length: rows }, (_, row) => cells.map((column) => (column[row] === NULL_CELL ? null : column[row] as string)))
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

/** True when every statement touched the rows that it expects; false when somebody was quicker, or there were none: then nothing was applied. */
export async function took(db: Pick<Database, 'transact'>, statements: readonly Statement[]): Promise<boolean> {
  try { await db.transact(statements); return true } catch (error) {
    if (error instanceof DatabaseError && error.kind === 'stale') return false
    throw error
  }
}
