// One pass over an input, as it is read: the SHA-256 of all of it (the name of its blob), the borders of its chunks, and the SHA-256 of each chunk
// as its program will see it. No file and no network here: bytes come in, a plan comes out. Memory does not grow with the input.
import type { ByteRange } from '@lumaris/protocol'
import { LumarisError } from '../errors.ts'
import { createHasher } from '../hash.ts'
import type { Hasher } from '../hash.ts'
import { bordersOf, utf8Check } from './borders.ts'
import type { BorderOptions, RecordKind } from './borders.ts'

export type Chunk = ByteRange & { readonly index: number; /** The bytes of the file that the program sees: header, then range. */ readonly bytes: number; /** Null where records are not counted: ranges of bytes. */ readonly records: number | null; readonly hash: string }
export type Plan = {
  readonly blob: string; readonly size: number; readonly header: ByteRange | null; readonly chunks: readonly Chunk[]; readonly records: number | null
  /** Bytes of the longest record. */
  readonly longest: number
  /** The first byte that is not UTF-8. Borders do not depend on it, and chunks are the input's own bytes; the program may care. */
  readonly notUtf8At: number | null
}
export type PlanOptions = BorderOptions & {
  readonly by: RecordKind | 'bytes'
  /** CSV: the first record names the columns; it stands in front of every chunk and is part of none. */
  readonly header?: boolean | undefined
  /** `bytes`: borders only at multiples of this. */
  readonly recordBytes?: number | undefined
  /** How large the chunks should be; each is as much longer as its last record needs. What is left when they are used up goes with the last one. */
  readonly sizes: readonly number[]
}

export type SplitProblem = 'empty' | 'header_only' | 'header_too_long' | 'open_quote' | 'utf16' | 'changed' | 'too_many' | 'bad_request'
/** The input cannot be split like this. Nothing was sent and nothing spent. */
export class SplitError extends LumarisError {
  readonly problem: SplitProblem
  constructor(problem: SplitProblem, message: string, hint: string) { super('cannot_split', message, { hint }); this.problem = problem }
}
const HEADER_MAX = 1024 * 1024

export async function planChunks(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: PlanOptions): Promise<Plan> {
  const wantsHeader = options.by === 'csv' && options.header !== false
  const borders = options.by === 'bytes' ? null : bordersOf(options.by, options), utf8 = options.by === 'bytes' ? null : utf8Check()
  const unit = Math.max(1, options.recordBytes ?? 1)
  const whole = createHasher(), chunks: Chunk[] = []
  let header: ByteRange | null = null, headerBytes: Uint8Array[] = [], hasher: Hasher | null = null
  let at = 0, from = 0, records = 0, all = 0, last = 0, longest = 0

  const begin = (): Hasher => {
    const fresh = createHasher()
    for (const part of headerBytes) fresh.add(part)
    return fresh
  }
  const close = async (to: number): Promise<void> => {
    chunks.push({ index: chunks.length, from, to, bytes: to - from + (header?.to ?? 0), records: borders ? records : null, hash: await (hasher ?? begin()).hex() })
    hasher = null
    from = to
    records = 0
  }

  for await (const bytes of source) {
    if (at === 0 && borders && ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff))) throw new SplitError('utf16', 'The input is UTF-16, where a newline is not one byte', 'Convert it first: iconv -f UTF-16 -t UTF-8')
    whole.add(bytes)
    utf8?.scan(bytes)
    // The borders of this piece first, then its bytes: a chunk may end, and the next begin, several times within one piece.
    const cuts: { to: number; records: number }[] = []
    let closed = chunks.length, start = from, counted = records
    const size = (): number => (closed < options.sizes.length - 1 ? (options.sizes[closed] as number) : Number.POSITIVE_INFINITY)
    if (borders) borders.scan(bytes, (end) => {
      longest = Math.max(longest, end - last)
      last = end
      if (wantsHeader && !header) { header = { from: 0, to: end }; start = end; return }
      counted++
      all++
      if (end - start >= size()) { cuts.push({ to: end, records: counted }); closed++; start = end; counted = 0 }
    })
    else for (let end = start + roundUp(size(), unit); end <= at + bytes.length; end = start + roundUp(size(), unit)) { cuts.push({ to: end, records: 0 }); closed++; start = end }

    let done = 0
    if (wantsHeader && from === 0) {
      const known = header as ByteRange | null // set by the scan above, which the compiler does not follow
      const until = known ? known.to - at : bytes.length
      headerBytes.push(bytes.slice(0, until))
      if (at + until > HEADER_MAX) throw new SplitError('header_too_long', `The first record is longer than ${HEADER_MAX} bytes`, 'Is it a header? Say --no-header, or --by lines where quotes mean nothing.')
      done = until
      if (known) from = known.to
    }
    for (const cut of cuts) {
      ;(hasher ??= begin()).add(bytes.subarray(done, cut.to - at))
      done = cut.to - at
      records = cut.records
      await close(cut.to)
    }
    records = counted
    if (done < bytes.length) (hasher ??= begin()).add(bytes.subarray(done))
    at += bytes.length
  }
  const open = borders?.openQuote() ?? null
  if (at === 0) throw new SplitError('empty', 'The input is empty', 'There is nothing to do, and nothing was spent.')
  if (open !== null) throw new SplitError('open_quote', `A quoted field that begins at byte ${open} never ends`, 'Repair the file, or split it --by lines, where quotes mean nothing.')
  if (at > last && borders && !(wantsHeader && !header)) { records++; all++; longest = Math.max(longest, at - last) } // the last record without a newline
  if (wantsHeader && (!header || (header as ByteRange).to === at)) throw new SplitError('header_only', 'The input has a header and no records', 'There is nothing to do, and nothing was spent. If its first line is a record: --no-header.')
  if (from < at) await close(at)
  return { blob: await whole.hex(), size: at, header, chunks: chunks.filter((chunk) => chunk.to > chunk.from), records: borders ? all : null, longest, notUtf8At: utf8?.at(true) ?? null }
}
const roundUp = (size: number, unit: number): number => Math.max(unit, Math.ceil(size / unit) * unit)
