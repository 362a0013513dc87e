// Sum, least, greatest and count by key, over rows of CSV or JSON objects. Exact (decimals, not doubles) and in an order of its own (by key), so that
// the answer does not depend on how the input was cut. So many keys are held at once; more go to sorted runs on disk, which are merged at the end.
import { ZERO, add, compare, formatDecimal, parseDecimal } from './decimal.ts'
import type { Decimal } from './decimal.ts'
import { JsonNumber, MergeError, csvField, fieldsOf, jsonTexts, parseJson, recordsOf, textOf } from './values.ts'

export const TABLE_OPS = ['sum', 'min', 'max', 'count'] as const
export type TableOp = (typeof TABLE_OPS)[number]
/** Of one key (of JSON: the texts of its values): a number for each column; null where no row had one. */
export type Group = { readonly key: readonly string[]; values: (Decimal | null)[] }
export type Shape = { readonly format: 'csv' | 'json' | 'plain'; readonly columns: readonly string[] }
type Row = { readonly key: string[]; readonly cells: ReadonlyMap<string, Decimal> }
const COUNT = 'count', VALUE = 'value'

const better: Record<TableOp, (a: Decimal, b: Decimal) => Decimal> = { sum: add, count: add, min: (a, b) => (compare(b, a) < 0 ? b : a), max: (a, b) => (compare(b, a) > 0 ? b : a) }
/** Keys as one text that sorts as they do one by one, and is another for other keys, also where they hold the separator. */
export const keyText = (key: readonly string[]): string => key.map((part) => part.replaceAll('\u0000', '\u0000\u0001')).join('\u0000\u0000')
export const byKey = (a: Group, b: Group): number => { const left = keyText(a.key), right = keyText(b.key); return left < right ? -1 : left > right ? 1 : 0 }
export function combine(op: TableOp, a: Group, b: Group): Group {
  const values = Array.from({ length: Math.max(a.values.length, b.values.length) }, (_one, i) => {
    const left = a.values[i] ?? null, right = b.values[i] ?? null
    return left && right ? better[op](left, right) : (left ?? right)
  })
  return { key: a.key, values }
}

export function createTable(op: TableOp, keys: readonly string[]) {
  let format: Shape['format'] | null = null
  const columns: string[] = op === 'count' ? [COUNT] : []
  let groups = new Map<string, Group>()

  function take({ key, cells }: Row): void {
    const text = keyText(key)
    let group = groups.get(text)
    if (!group) groups.set(text, (group = { key, values: [] }))
    if (op === 'count') { group.values[0] = add(group.values[0] ?? ZERO, { units: 1n, scale: 0 }); return }
    for (const [name, value] of cells) {
      let at = columns.indexOf(name)
      if (at < 0) at = columns.push(name) - 1
      const old = group.values[at]
      group.values[at] = old ? better[op](old, value) : value
    }
  }
  const numberIn = (text: string, column: string, row: number): Decimal => {
    const value = parseDecimal(text)
    if (!value) throw new MergeError(`"${text.slice(0, 60)}" is not a number (row ${row}, column ${column}); name ${column} as a key, or leave it out`)
    return value
  }
  async function* csvRows(source: AsyncIterable<Uint8Array>): AsyncGenerator<Row, void, undefined> {
    let header: string[] | null = null, places: number[] = [], row = 0
    for await (const record of recordsOf(source, 'csv')) {
      const text = textOf(record).replace(/^\ufeff/, '')
      if (text.trim() === '') continue
      const fields = fieldsOf(text)
      if (!header) {
        header = fields
        places = keys.map((key) => fields.indexOf(key))
        const missing = keys.find((_key, i) => (places[i] as number) < 0)
        if (missing !== undefined) throw new MergeError(`it has no column ${missing}; its columns are ${fields.join(', ').slice(0, 200)}`)
        continue
      }
      row++
      if (fields.length !== header.length) throw new MergeError(`row ${row} has ${fields.length} fields, and the header ${header.length}`)
      const cells = new Map<string, Decimal>()
      if (op !== 'count') for (const [i, field] of fields.entries()) if (!places.includes(i) && field.trim() !== '') cells.set(header[i] as string, numberIn(field, header[i] as string, row))
      yield { key: places.map((place) => fields[place] as string), cells }
    }
  }
  async function* jsonRows(source: AsyncIterable<Uint8Array>): AsyncGenerator<Row, void, undefined> {
    let row = 0
    for await (const text of jsonTexts(source)) {
      row++
      const value = parseJson(text)
      if (value instanceof JsonNumber && keys.length === 0) { yield { key: [], cells: new Map([[VALUE, numberIn(text, VALUE, row)]]) }; continue }
      if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof JsonNumber) throw new MergeError(`value ${row} is not an object`)
      const fields = new Map(Object.entries(value)), cells = new Map<string, Decimal>()
      const key = keys.map((name) => { if (!fields.has(name)) throw new MergeError(`value ${row} has no ${name}`); return JSON.stringify(fields.get(name)) })
      if (op !== 'count') for (const [name, cell] of fields) if (!keys.includes(name) && cell !== null) cells.set(name, numberIn(cell instanceof JsonNumber ? cell.source : typeof cell === 'string' ? cell : JSON.stringify(cell), name, row))
      yield { key, cells }
    }
  }
  return {
    get size() { return groups.size },
    shape: (): Shape => ({ format: format ?? 'csv', columns }),
    /** Reads one part; `full` is called between rows, so that a table that has grown too large can be emptied. */
    async read(source: AsyncIterable<Uint8Array>, full: () => Promise<void>): Promise<void> {
      const { first, all } = await peek(source)
      if (first === null) return
      const looks = first === 0x7b || first === 0x5b ? 'json' : keys.length === 0 && op !== 'count' && /[-+.\d]/.test(String.fromCharCode(first)) ? 'plain' : 'csv'
      if (format !== null && looks !== format) throw new MergeError(`it is ${looks}, and the parts before it ${format}`)
      format = looks
      for await (const row of looks === 'csv' ? csvRows(all) : jsonRows(all)) { take(row); await full() }
    },
    /** All groups, by key; the table is empty then. */
    drain(): Group[] {
      const all = [...groups.values()].sort(byKey)
      groups = new Map()
      return all
    },
  }
}

/** The first byte that is no white space and no byte order mark, and the whole stream again. */
async function peek(source: AsyncIterable<Uint8Array>): Promise<{ first: number | null; all: AsyncIterable<Uint8Array> }> {
  const seen: Uint8Array[] = []
  const reader = source[Symbol.asyncIterator]()
  let first: number | null = null
  while (first === null) {
    const { done, value } = await reader.next()
    if (done) break
    seen.push(value)
    first = value.find((byte) => byte > 0x20 && byte !== 0xef && byte !== 0xbb && byte !== 0xbf) ?? null
  }
  return { first, all: (async function* () { yield* seen; for (let step = await reader.next(); !step.done; step = await reader.next()) yield step.value })() }
}

export function headText({ format, columns }: Shape, keys: readonly string[]): string {
  return format === 'csv' ? `${[...keys, ...columns].map((name) => csvField(name)).join(',')}\n` : ''
}
export function groupText({ format, columns }: Shape, keys: readonly string[], group: Group): string {
  const cells = columns.map((_name, i) => { const value = group.values[i]; return value ? formatDecimal(value) : null })
  if (format === 'plain') return `${cells[0] ?? ''}\n`
  if (format === 'csv') return `${[...group.key, ...cells.map((cell) => cell ?? '')].map((text) => csvField(text)).join(',')}\n`
  const parts = [...keys.map((name, i) => `${JSON.stringify(name)}:${group.key[i]}`), ...columns.flatMap((name, i) => (cells[i] === null ? [] : [`${JSON.stringify(name)}:${cells[i]}`]))]
  return `{${parts.join(',')}}\n`
}
