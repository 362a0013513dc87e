// Trace files: text, packed with gzip or not, found below the folder that --traces names. Rows are checked as they are read: a broken one stops the run
// and says which file, which row and why, because a figure from a half-read trace is worse than none.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

export class TraceError extends Error { override readonly name = 'TraceError' }
export type TraceFile = { readonly file: string; readonly sha256: string; readonly lines: readonly string[] }

/** `name` with or without .gz. The hash is that of the unpacked text, so that packing it anew changes nothing. */
export function readTrace(folder: string, name: string): TraceFile {
  const path = [join(folder, name), join(folder, `${name}.gz`)].find((one) => existsSync(one))
  if (path === undefined) throw new TraceError(`${join(folder, name)} (or .gz) is not there: give the folder of the traces with --traces`)
  const bytes = readFileSync(path)
  let text: Buffer
  try { text = path.endsWith('.gz') ? gunzipSync(bytes) : bytes } catch (error) { throw new TraceError(`${path}: cannot be unpacked (${(error as Error).message})`, { cause: error }) }
  return { file: name, sha256: createHash('sha256').update(text).digest('hex'), lines: text.toString('utf8').split(/\r?\n/).filter((line, i, all) => line !== '' || i < all.length - 1) }
}

/** Comma-separated rows by the names of the header. Quotes are not used by any of the traces, and are refused rather than misread. */
export function readTable(folder: string, name: string, columns: readonly string[]): { readonly trace: TraceFile; readonly rows: readonly (readonly string[])[] } {
  const trace = readTrace(folder, name)
  const header = (trace.lines[0] ?? '').split(',')
  const places = columns.map((column) => header.indexOf(column))
  const missing = columns.filter((_, i) => (places[i] as number) < 0)
  if (missing.length > 0) throw new TraceError(`${name}: row 1 has no column ${missing.join(', ')}`)
  const rows = trace.lines.slice(1).filter((line) => line !== '').map((line, i) => {
    const cells = line.split(',')
    if (cells.length !== header.length || line.includes('"')) throw new TraceError(`${name}: row ${i + 2} has ${cells.length} cells, not ${header.length}`)
    return places.map((place) => cells[place] as string)
  })
  return { trace, rows }
}

/** A number of the trace, or a complaint that says where. */
export function cell(file: string, row: number, column: string, text: string | undefined, min = -Infinity): number {
  const value = text === undefined || text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isFinite(value) || value < min) throw new TraceError(`${file}: row ${row}, ${column}: "${text ?? ''}" is not a number${min > -Infinity ? ` of at least ${min}` : ''}`)
  return value
}
