// What a program printed, read as values: rows of CSV, or JSON as lines, as one array, or as one value. Streaming; one value at a time is held.
import { LumarisError } from '../errors.ts'
import { bordersOf } from './borders.ts'

export class MergeError extends LumarisError {
  constructor(message: string) { super('cannot_merge', message) }
}
type Bytes = AsyncIterable<Uint8Array> | Iterable<Uint8Array>
/** One value larger than this is no row of a table. */
const VALUE_MAX = 64 * 1024 * 1024

/** Slices as told by `cut`, which is called with each piece and says the ends, as absolute offsets. */
async function* slices(source: Bytes, scan: (bytes: Uint8Array, ends: (offset: number) => void) => void): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array[] = [], heldBytes = 0, base = 0
  for await (const bytes of source) {
    const ends: number[] = []
    scan(bytes, (offset) => ends.push(offset))
    let done = 0
    for (const end of ends) {
      const part = bytes.subarray(done, end - base)
      yield held.length === 0 ? part : joined([...held, part])
      held = []
      heldBytes = 0
      done = end - base
    }
    if (done < bytes.length) { held.push(bytes.slice(done)); heldBytes += bytes.length - done }
    if (heldBytes > VALUE_MAX) throw new MergeError(`a single value is longer than ${VALUE_MAX} bytes`)
    base += bytes.length
  }
  if (heldBytes > 0) yield joined(held)
}
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) { all.set(part, at); at += part.length }
  return all
}

/** Records with their line ends, as bytes. */
export const recordsOf = (source: Bytes, kind: 'lines' | 'csv', delimiter?: string): AsyncGenerator<Uint8Array, void, undefined> => {
  const borders = bordersOf(kind, { delimiter })
  return slices(source, (bytes, ends) => borders.scan(bytes, ends))
}

const decoder = new TextDecoder('utf-8', { fatal: true })
export function textOf(bytes: Uint8Array): string {
  try { return decoder.decode(bytes) } catch { throw new MergeError('it is not UTF-8') }
}

/** The fields of one record. */
export function fieldsOf(record: string, delimiter = ','): string[] {
  const text = record.replace(/\r?\n$/, ''), fields: string[] = []
  for (let at = 0; ;) {
    let field = ''
    if (text[at] === '"') {
      for (at++; ;) {
        const quote = text.indexOf('"', at)
        if (quote < 0) throw new MergeError('a quoted field never ends')
        field += text.slice(at, quote)
        at = quote + 1
        if (text[at] !== '"') break
        field += '"'
        at++
      }
    }
    const next = text.indexOf(delimiter, at), end = next < 0 ? text.length : next
    fields.push(field + text.slice(at, end))
    if (next < 0) return fields
    at = end + 1
  }
}
export const csvField = (text: string, delimiter = ','): string => (/["\r\n]/.test(text) || text.includes(delimiter) ? `"${text.replaceAll('"', '""')}"` : text)

const SPACE = new Set([0x20, 0x09, 0x0a, 0x0d])
/**
 * The texts of the values of a JSON document: the elements of an array, or else the values that stand one after the other, as in JSON lines. Each is
 * cut out by depth alone, so that none is parsed that nobody asks for; whoever parses them finds what is wrong inside.
 */
export async function* jsonTexts(source: Bytes): AsyncGenerator<string, void, undefined> {
  let depth = 0, inText = false, escaped = false, array: boolean | null = null, over = false, base = 0, needs = false, any = false
  const cut = (bytes: Uint8Array, ends: (offset: number) => void): void => {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number
      if (inText) {
        if (escaped) escaped = false
        else if (byte === 0x5c) escaped = true
        else if (byte === 0x22) inText = false
        continue
      }
      if (array === null) {
        if (SPACE.has(byte) || (base + i < 3 && (byte === 0xef || byte === 0xbb || byte === 0xbf))) continue
        array = byte === 0x5b
        if (array) { ends(base + i + 1); continue }
      } else if (over && !SPACE.has(byte)) throw new MergeError('something follows the end of its array')
      if (byte === 0x22) inText = true
      else if (byte === 0x5b || byte === 0x7b) depth++
      else if (byte === 0x5d || byte === 0x7d) {
        if (depth === 0) { if (!array || byte !== 0x5d) throw new MergeError('a bracket closes nothing'); over = true; ends(base + i); ends(base + i + 1) } else if (--depth === 0 && !array) ends(base + i + 1)
      } else if (depth === 0 && byte === (array ? 0x2c : 0x0a)) { ends(base + i); ends(base + i + 1) }
    }
    base += bytes.length
  }
  for await (const slice of slices(source, cut)) {
    const text = textOf(slice).replace(/^\ufeff/, '').trim()
    if (text === '' || (text === '[' && array && !any)) continue
    if (array && (text === ',' || text === ']')) {
      if (needs || (text === ',' && !any)) throw new MergeError('a comma has no value before or behind it')
      needs = text === ','
      continue
    }
    any = true
    needs = false
    yield text
  }
  if (array && !over) throw new MergeError('its array never ends')
  if (depth > 0 || inText) throw new MergeError('it breaks off within a value')
}
/** A number as it was written: as a double, the 17th digit of a sum would be lost. */
export class JsonNumber {
  readonly source: string
  constructor(source: string) { this.source = source }
  toJSON(): unknown { return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(this.source) }
}
type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown
const asWritten: Reviver = (_key, value, context) => (typeof value === 'number' ? new JsonNumber(context?.source ?? String(value)) : value)
export function parseJson(text: string): unknown {
  try { return JSON.parse(text, asWritten) } catch (error) { throw new MergeError(`it is not JSON: ${(error as Error).message}`) }
}
