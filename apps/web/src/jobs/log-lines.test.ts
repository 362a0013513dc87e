import { expect, test } from 'vitest'
import type { LogPiece } from '@lumaris/sdk'
import { LINES_MAX, LogLines } from './log-lines.ts'

const piece = (text: string | Uint8Array, stream: LogPiece['stream'] = 'stdout'): LogPiece => ({ stream, offset: 0, at: 1, bytes: (typeof text === 'string' ? new TextEncoder().encode(text) : text) as Uint8Array<ArrayBuffer> })
const linesOf = (...pieces: LogPiece[]): LogLines => { const log = new LogLines(); for (const one of pieces) log.add(one); return log }

test('a line goes on in the next piece, each stream by itself', () => {
  const log = linesOf(piece('one\ntw'), piece('err', 'stderr'), piece('o\nthree\n'), piece('or\n', 'stderr'))
  expect(log.lines.map(({ stream, text }) => [stream, text])).toEqual([['stdout', 'one'], ['stdout', 'two'], ['stderr', 'error'], ['stdout', 'three']])
})
test('a letter of several bytes may be cut in two', () => {
  const bytes = new TextEncoder().encode('größe\n')
  expect(linesOf(piece(bytes.slice(0, 3)), piece(bytes.slice(3))).lines.map((line) => line.text)).toEqual(['größe'])
})
test('an empty line is a line; the end of a line is none', () => expect(linesOf(piece('a\n\nb\n')).lines.map((line) => line.text)).toEqual(['a', '', 'b']))
test('what steers a terminal, or turns writing around, is shown as signs', () => {
  expect(linesOf(piece('\u001b[31mred\u001b[0m \u202eevil\u0007\n')).lines[0]?.text).toBe('<U+001B>[31mred<U+001B>[0m <U+202E>evil<U+0007>')
})
test('only the latest lines are kept, with their numbers', () => {
  const log = linesOf(piece(Array.from({ length: LINES_MAX + 5 }, (_, i) => `${i}\n`).join('')))
  expect(log.lines).toHaveLength(LINES_MAX)
  expect(log.lines[0]).toMatchObject({ number: 6, text: '5' })
  expect(log.count).toBe(LINES_MAX + 5)
})
