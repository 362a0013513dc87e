// Merges that follow the order of the parts: what each part adds, given the little that must be remembered of those before it. Pure streams.
import { bordersOf } from './borders.ts'
import { MergeError, joined, jsonTexts, parseJson, textOf } from './values.ts'

export type OrderedKind = 'concat' | 'lines' | 'csv' | 'json'
/** Small and plain, because it is written down after every part. */
export type Memory = { /** CSV: the header that all parts share. */ readonly header?: string | undefined; /** Whether something was written. */ readonly any: boolean; /** Whether it ended with a newline. */ readonly closed: boolean }
export const NOTHING: Memory = { any: false, closed: true }

const NEWLINE = 0x0a
const HEADER_MAX = 1024 * 1024
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Writes what the part adds; returns what to remember. */
export async function addPart(kind: OrderedKind, source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, before: Memory, write: (bytes: Uint8Array) => Promise<void>, delimiter?: string): Promise<Memory> {
  let { any, closed, header } = before
  const put = async (bytes: Uint8Array): Promise<void> => {
    if (bytes.length === 0) return
    await write(bytes)
    any = true
    closed = bytes.at(-1) === NEWLINE
  }
  /** A last line without its newline must not run into the first of the next part. */
  const close = async (): Promise<void> => { if (!closed) await put(Uint8Array.of(NEWLINE)) }
  if (kind === 'json') {
    for await (const text of jsonTexts(source)) { parseJson(text); await put(bytesOf(`${any ? ',' : '['}\n${text}`)) }
    return { any, closed }
  }
  if (kind === 'csv') {
    // Only the first record is looked at: what follows it is passed on as it is.
    const borders = bordersOf('csv', { delimiter }), held: Uint8Array[] = []
    let heldBytes = 0, past = false
    const head = async (record: Uint8Array): Promise<void> => {
      past = true
      const name = textOf(record).replace(/^\ufeff/, '').replace(/\r?\n$/, '')
      if (header !== undefined && name !== header) throw new MergeError(`its header is "${name.slice(0, 200)}", and that of the parts before it "${header.slice(0, 200)}"`)
      await close()
      if (header === undefined) { header = name; await put(record) }
    }
    for await (const bytes of source) {
      if (past) { await put(bytes); continue }
      let end = -1
      borders.scan(bytes, (offset) => { if (end < 0) end = offset - heldBytes })
      held.push(bytes.slice(0, end < 0 ? bytes.length : end))
      heldBytes += bytes.length
      if (end < 0 && heldBytes > HEADER_MAX) throw new MergeError(`its first record is longer than ${HEADER_MAX} bytes`)
      if (end >= 0) { await head(joined(held)); await put(bytes.subarray(end)) }
    }
    if (!past && heldBytes > 0) await head(joined(held))
    return { any, closed, header }
  }
  let begun = false
  for await (const bytes of source) {
    if (kind === 'lines' && !begun && bytes.length > 0) { begun = true; await close() }
    await put(bytes)
  }
  return { any, closed }
}
/** What stands behind the last part. */
export const ending = (kind: OrderedKind, memory: Memory): Uint8Array => bytesOf(kind === 'json' ? (memory.any ? '\n]\n' : '[]\n') : '')
