// Tables two ways: aligned, with headers and cut to the width of the screen, for people; tab-separated and whole, for programs.
import { clean } from './clean.ts'
import { stateColour } from './colours.ts'
import type { Colours } from './colours.ts'
import { pad, truncate, widthOf } from './width.ts'

export type Column<Row> = {
  readonly title: string
  /** For programs: the full value. */
  readonly value: (row: Row) => string | number | null | undefined
  /** For people, where that differs: `2 min ago` instead of a time stamp. */
  readonly shown?: (row: Row) => string
  readonly right?: boolean
  /** A word of a state machine: gets that state's colour. */
  readonly state?: boolean
  /** May be cut when the screen is narrow; the columns marked so share what is left. */
  readonly shrinks?: boolean
}
export type TableOptions = { readonly tty: boolean; readonly columns?: number | undefined; readonly headers?: boolean | undefined; readonly colours: Colours }

const GAP = '  ', NARROWEST = 6

export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], options: TableOptions): string {
  const text = (column: Column<Row>, row: Row): string => clean(options.tty && column.shown ? column.shown(row) : String(column.value(row) ?? ''))
  const cells = rows.map((row) => columns.map((column) => text(column, row)))
  if (!options.tty) return cells.map((row) => `${row.join('\t')}\n`).join('')

  const headers = options.headers === false ? [] : [columns.map((column) => column.title.toUpperCase())]
  const widths = columns.map((_column, i) => Math.max(...[...headers, ...cells].map((row) => widthOf(row[i] ?? '')), 0))
  shrink(columns, widths, (options.columns ?? 80) - GAP.length * (columns.length - 1))
  const line = (row: readonly string[], paint: (cell: string, i: number) => string): string =>
    columns.map((column, i) => paint(pad(truncate(row[i] ?? '', widths[i] ?? 0), widths[i] ?? 0, column.right), i)).join(GAP).trimEnd()
  const paintCell = (row: readonly string[]) => (cell: string, i: number): string => {
    const colour = columns[i]?.state ? stateColour(row[i] ?? '') : undefined
    return colour ? options.colours[colour](cell) : cell
  }
  return [...headers.map((row) => line(row, (cell) => options.colours.dim(cell))), ...cells.map((row) => line(row, paintCell(row)))].map((row) => `${row}\n`).join('')
}

/** Takes what is too much from the columns that may shrink, the widest first. */
function shrink(columns: readonly Column<never>[], widths: number[], room: number): void {
  let over = widths.reduce((sum, width) => sum + width, 0) - room
  while (over > 0) {
    const widest = widths.reduce((best, width, i) => (columns[i]?.shrinks && width > NARROWEST && width > (widths[best] ?? 0) ? i : best), -1)
    if (widest < 0) return
    widths[widest] = (widths[widest] ?? 0) - 1
    over--
  }
}

/** Names and values, one a line: a thing by itself. */
export function renderFacts(facts: readonly (readonly [string, string | number | null | undefined])[], options: TableOptions): string {
  const shown = facts.filter((fact): fact is readonly [string, string | number] => fact[1] !== undefined && fact[1] !== null && fact[1] !== '')
  if (!options.tty) return shown.map(([name, value]) => `${name}\t${clean(String(value))}\n`).join('')
  const width = Math.max(...shown.map(([name]) => name.length), 0)
  return shown.map(([name, value]) => {
    const text = clean(String(value)), colour = stateColour(text)
    return `${options.colours.dim(pad(name, width))}  ${name === 'state' && colour ? options.colours[colour](text) : text}\n`
  }).join('')
}
