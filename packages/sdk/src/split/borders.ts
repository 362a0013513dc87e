// Where records end, found in bytes as they pass. No I/O, and no decoding: quote, delimiter and newline are ASCII, and in UTF-8 no byte of a longer
// character looks like ASCII, so that borders are right in any language, and also in text that is no UTF-8 at all.
export type RecordKind = 'lines' | 'csv' | 'jsonl'
export type BorderOptions = { /** CSV: between fields; one ASCII character. */ readonly delimiter?: string | undefined }
export type Borders = {
  /** Tells the offset behind each record that ends in these bytes, which follow those of the call before. */
  scan(bytes: Uint8Array, ends: (offset: number) => void): void
  /** Where a quoted field began that is still open; null when the bytes so far can end here. */
  openQuote(): number | null
}
const QUOTE = 0x22, NEWLINE = 0x0a, CR = 0x0d
const BOM = [0xef, 0xbb, 0xbf]

export const bordersOf = (kind: RecordKind, options: BorderOptions = {}): Borders => (kind === 'csv' ? csvBorders(options.delimiter ?? ',') : lineBorders())

/** A line ends behind its \n; \r\n ends there too. A JSON text has no newline inside, so JSON lines are lines. */
function lineBorders(): Borders {
  let base = 0
  return {
    scan(bytes, ends) {
      for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) ends(base + at + 1)
      base += bytes.length
    },
    openQuote: () => null,
  }
}

const START = 0, PLAIN = 1, QUOTED = 2, QUOTE_IN_QUOTED = 3
/**
 * RFC 4180: a quote opens a field only as its first byte, and is doubled inside. A quote within a plain field is a byte like any other: with quotes
 * merely counted, a single `5" pipe` would swallow the rest of the file. Behind a closing quote anything up to the delimiter is taken as it is.
 */
function csvBorders(delimiter: string): Borders {
  const comma = delimiter.charCodeAt(0)
  if (delimiter.length !== 1 || comma > 0x7e || comma === QUOTE || comma === NEWLINE || comma === CR) throw new RangeError(`the delimiter is one ASCII character, not ${JSON.stringify(delimiter)}`)
  let base = 0, state = START, opened = 0
  return {
    scan(bytes, ends) {
      for (let at = 0; at < bytes.length; at++) {
        const byte = bytes[at]
        if (state === QUOTED) {
          // Most bytes of a quoted field are none of ours: on to the next quote.
          const quote = byte === QUOTE ? at : bytes.indexOf(QUOTE, at)
          if (quote < 0) break
          at = quote
          state = QUOTE_IN_QUOTED
        } else if (byte === NEWLINE) { state = START; ends(base + at + 1) } else if (byte === comma) state = START
        else if (byte === QUOTE && (state === START || state === QUOTE_IN_QUOTED)) {
          if (state === START) opened = base + at
          state = QUOTED
        } else if (!(base + at < 3 && byte === BOM[base + at] && state === START)) state = PLAIN
      }
      base += bytes.length
    },
    openQuote: () => (state === QUOTED ? opened : null),
  }
}

/** Offset of the first byte that is not UTF-8, or null so far. */
export function utf8Check(): { scan(bytes: Uint8Array): void; at(ended: boolean): number | null } {
  let bad: number | null = null, base = 0, needs = 0, begin = 0, low = 0x80, high = 0xbf
  return {
    scan(bytes) {
      if (bad !== null) return
      for (let at = 0; at < bytes.length; at++) {
        const byte = bytes[at] as number
        if (needs === 0) {
          if (byte < 0x80) continue
          begin = base + at
          low = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80
          high = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf
          needs = byte >= 0xc2 && byte <= 0xdf ? 1 : byte >= 0xe0 && byte <= 0xef ? 2 : byte >= 0xf0 && byte <= 0xf4 ? 3 : -1
          if (needs < 0) { bad = begin; return }
        } else {
          if (byte < low || byte > high) { bad = begin; return }
          low = 0x80
          high = 0xbf
          needs--
        }
      }
      base += bytes.length
    },
    at: (ended) => bad ?? (ended && needs > 0 ? begin : null),
  }
}
