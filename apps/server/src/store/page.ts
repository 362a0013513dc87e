// What questions to the tables share: a page of an answer, and a list as a parameter.
import type { Database } from '../database/database.ts'

export type PageOf<Item> = { readonly data: Item[]; readonly nextCursor: string | null }
/** One row more than asked for tells whether there is a next page. */
export function page<Row, Item>(rows: Row[], limit: number, view: (row: Row) => Item, cursorOf: (row: Row) => string): PageOf<Item> {
  const shown = rows.slice(0, limit)
  return { data: shown.map(view), nextCursor: rows.length > limit ? cursorOf(shown.at(-1) as Row) : null }
}

/** The strings of a JSON array, the first parameter, as a list for IN. */
export const among = (db: Database): string => (db.dialect === 'sqlite' ? '(SELECT value FROM json_each($1))' : '(SELECT value FROM json_array_elements_text($1::json))')
