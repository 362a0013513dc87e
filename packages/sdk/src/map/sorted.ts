// Sorted parts into one sorted whole: records are lines, compared as bytes (as `LC_ALL=C sort` does) or by the number at their beginning. Of equal ones that
// of the earlier part comes first, so that the answer does not depend on how the work was done.
import { compare as compareDecimals, parseDecimal } from '../split/decimal.ts'
import type { Decimal } from '../split/decimal.ts'
import { MergeError, joined, recordsOf } from '../split/values.ts'

export type SortOptions = { readonly numeric?: boolean | undefined; readonly reverse?: boolean | undefined }
/** As many parts as are read at one time: each is a connection. */
export const WIDTH = 32
const NEWLINE = 0x0a, CR = 0x0d

type Head = { readonly record: Uint8Array; readonly key: Uint8Array; readonly number: Decimal | null }
function bytesOrder(a: Uint8Array, b: Uint8Array): number {
  const most = Math.min(a.length, b.length)
  for (let i = 0; i < most; i++) if (a[i] !== b[i]) return (a[i] as number) - (b[i] as number)
  return a.length - b.length
}
/** Lines without a number at their beginning are as if they began with 0, as `sort -n` has it. */
const ZERO: Decimal = { units: 0n, scale: 0 }
function headOf(record: Uint8Array, options: SortOptions): Head {
  let end = record.length
  if (record[end - 1] === NEWLINE) end--
  if (record[end - 1] === CR) end--
  const key = record.subarray(0, end)
  const number = options.numeric ? (parseDecimal(/^\s*[+-]?\d*\.?\d*/.exec(new TextDecoder().decode(key.subarray(0, 100)))?.[0] ?? '') ?? ZERO) : null
  return { record: record.at(-1) === NEWLINE ? record : joined([record, Uint8Array.of(NEWLINE)]), key, number }
}
const order = (a: Head, b: Head, { reverse }: SortOptions): number => (reverse ? -1 : 1) * (a.number && b.number ? compareDecimals(a.number, b.number) : bytesOrder(a.key, b.key))

async function* checkedHeads(source: AsyncIterable<Uint8Array>, options: SortOptions, name: string): AsyncGenerator<Head, void, undefined> {
  let before: Head | null = null, line = 0
  for await (const record of recordsOf(source, 'lines')) {
    // It is held until its turn comes, and the piece it was cut from would be held with it.
    const head = headOf(record.slice(), options)
    line++
    if (before && order(before, head, options) > 0) throw new MergeError(`${name} is not sorted: its line ${line} belongs before line ${line - 1}; sort each part, or merge as lines`)
    before = head
    yield head
  }
}

export async function* mergeSorted(sources: readonly { readonly name: string; readonly bytes: AsyncIterable<Uint8Array> }[], options: SortOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const readers = sources.map(({ name, bytes }) => checkedHeads(bytes, options, name))
  try {
    const heads: (Head | null)[] = []
    for (const reader of readers) heads.push((await reader.next()).value ?? null)
    for (;;) {
      let least = -1
      for (let i = 0; i < heads.length; i++) {
        const head = heads[i]
        if (head && (least < 0 || order(head, heads[least] as Head, options) < 0)) least = i
      }
      if (least < 0) return
      yield (heads[least] as Head).record
      heads[least] = (await (readers[least] as AsyncGenerator<Head>).next()).value as Head | undefined ?? null
    }
  } finally { for (const reader of readers) await reader.return() }
}
