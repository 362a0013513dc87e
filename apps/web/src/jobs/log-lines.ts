// Bytes of two streams, in the order of arrival, become lines. A line goes on where its stream left off; the page keeps the latest ones only.
import type { LogPiece, LogStream } from '@lumaris/sdk'
import { visible } from '../ui/format.ts'

export type Line = { readonly number: number; readonly stream: LogStream; readonly at: number; text: string }
/** Lines in the page; older ones are in the download. */
export const LINES_MAX = 10_000
/** A line without an end does not grow for ever. */
const LINE_MAX = 20_000

export class LogLines {
  lines: Line[] = []
  /** Lines that came, also those that are not kept any more. */
  count = 0
  readonly #open: Record<LogStream, Line | null> = { stdout: null, stderr: null }
  readonly #decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() }

  add(piece: LogPiece): void {
    const parts = this.#decoders[piece.stream].decode(piece.bytes, { stream: true }).split('\n')
    for (const [i, part] of parts.entries()) {
      const last = i === parts.length - 1
      const open = this.#open[piece.stream]
      if (open) open.text = (open.text + visible(part)).slice(0, LINE_MAX)
      else if (!last || part !== '') {
        const line: Line = { number: ++this.count, stream: piece.stream, at: piece.at, text: visible(part).slice(0, LINE_MAX) }
        this.lines.push(line)
        this.#open[piece.stream] = line
      }
      if (!last) this.#open[piece.stream] = null
    }
    if (this.lines.length > LINES_MAX) this.lines = this.lines.slice(-LINES_MAX)
  }
}
