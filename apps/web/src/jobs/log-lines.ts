// Bytes of two streams, in the order of arrival, become lines. A line goes on where its stream left off; the page keeps the latest ones only.
import type { LogPiece, LogStream } from '@lumaris/sdk'
import { visible } from '../ui/format.ts'

/** Which line: where it begins among the bytes of its stream. That stays true however the bytes came, and whichever lines are kept. */
export type Place = { readonly stream: LogStream; readonly offset: number }
export type Line = Place & { readonly number: number; readonly at: number; text: string }
/** Lines in the page; older ones are in the download. */
export const LINES_MAX = 10_000
/** A line without an end does not grow for ever. */
const LINE_MAX = 20_000
const NEWLINE = 10

/** The line of these at this place, also when the place is in its middle; lines are in order within their stream. */
export const lineAt = (lines: readonly Line[], { stream, offset }: Place): Line | undefined => lines.findLast((line) => line.stream === stream && line.offset <= offset)

export class LogLines {
  lines: Line[] = []
  /** Lines that came, also those that are not kept any more. */
  count = 0
  /** What was asked for has come: no byte before it is missing. */
  get isThere(): boolean { return this.#hold !== null && this.#upTo[this.#hold.stream] > this.#hold.offset }
  /** It kept what was asked for, and so not what came later. */
  isFull = false
  readonly #hold: Place | null
  readonly #upTo: Record<LogStream, number> = { stdout: 0, stderr: 0 }
  readonly #open: Record<LogStream, Line | null> = { stdout: null, stderr: null }
  readonly #decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() }

  /** With a place, the lines around it stay; else the latest. */
  constructor(hold: Place | null = null) { this.#hold = hold }

  add(piece: LogPiece): void {
    const parts = this.#decoders[piece.stream].decode(piece.bytes, { stream: true }).split('\n')
    let from = 0
    for (const [i, part] of parts.entries()) {
      const last = i === parts.length - 1
      const open = this.#open[piece.stream]
      if (open) open.text = (open.text + visible(part)).slice(0, LINE_MAX)
      else if (!last || part !== '') {
        const line: Line = { number: ++this.count, stream: piece.stream, offset: piece.offset + from, at: piece.at, text: visible(part).slice(0, LINE_MAX) }
        if (!this.isFull) this.lines.push(line)
        this.#open[piece.stream] = line
      }
      // No letter of several bytes holds the byte of a new line: bytes and text are cut at the same places.
      if (!last) { this.#open[piece.stream] = null; from = piece.bytes.indexOf(NEWLINE, from) + 1 }
    }
    this.#upTo[piece.stream] = piece.offset + piece.bytes.length
    if (this.lines.length > LINES_MAX) this.#cut()
  }
  #cut(): void {
    // As much before what was asked for as after it.
    const held = this.#hold && this.isThere ? lineAt(this.lines, this.#hold) : undefined
    this.isFull = held !== undefined && this.lines.indexOf(held) < this.lines.length - LINES_MAX / 2
    this.lines = this.isFull ? this.lines.slice(0, LINES_MAX) : this.lines.slice(-LINES_MAX)
  }
}
