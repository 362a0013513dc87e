import { expect, test } from 'vitest'
import type { LogPiece } from '@lumaris/sdk'
import { LINES_MAX, LogLines, lineAt } from './log-lines.ts'
import type { Place } from './log-lines.ts'

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

/** As a market would send it: each piece at its offset, cut anywhere. */
function sent(text: string, cuts: readonly number[], hold: Place | null = null): LogLines {
  const bytes = new TextEncoder().encode(text), log = new LogLines(hold)
  for (const [i, from] of [0, ...cuts].entries()) log.add({ stream: 'stdout', offset: from, at: 1, bytes: bytes.slice(from, cuts[i] ?? bytes.length) })
  return log
}
test('a line is where its first byte is, wherever the pieces were cut', () => {
  const text = 'one\n\ngröße\nlast'
  for (let cut = 1; cut < 17; cut++) {
    const places = sent(text, [cut]).lines.map(({ offset, text: line }) => [offset, line])
    // Where the cut is inside of the very first letter of a line, its begin is only known by what came of it: not here.
    expect(places).toEqual([[0, 'one'], [4, ''], [5, 'größe'], [13, 'last']])
  }
})
test('a place finds its line: its begin, its middle, and that of its stream', () => {
  const log = new LogLines()
  for (const [stream, offset, text] of [['stdout', 0, 'a\nbcd\n'], ['stderr', 0, 'x\n'], ['stdout', 6, 'e\n']] as const) log.add({ ...piece(text, stream), offset })
  expect([0, 2, 4, 6].map((offset) => lineAt(log.lines, { stream: 'stdout', offset })?.text)).toEqual(['a', 'bcd', 'bcd', 'e'])
  expect(lineAt(log.lines, { stream: 'stderr', offset: 1 })?.text).toBe('x')
})
test('around a line that was asked for, lines stay; what comes later is counted', () => {
  const lines = Array.from({ length: 3 * LINES_MAX }, (_, i) => `${String(i).padStart(5, '0')}\n`).join(''), cuts = Array.from({ length: 29 }, (_, i) => (i + 1) * 6_000), wanted = { stream: 'stdout' as const, offset: 6 * 12_345 }
  const log = sent(lines, cuts, wanted), [first, last] = [log.lines[0], log.lines.at(-1)]
  expect([log.lines.length, log.count, log.isFull, log.isThere]).toEqual([LINES_MAX, 3 * LINES_MAX, true, true])
  expect(lineAt(log.lines, wanted)?.text).toBe('12345')
  expect(Number(first?.text)).toBeLessThan(12_345 - 2_000)
  expect(Number(last?.text)).toBeGreaterThan(12_345 + 2_000)
  // One that has not come yet holds nothing back.
  const later = sent(lines, cuts, { stream: 'stdout', offset: 10_000_000 })
  expect([later.isThere, later.isFull, later.lines.at(-1)?.text]).toEqual([false, false, '29999'])
  expect(sent(lines, cuts, { stream: 'stderr', offset: 5 }).lines.at(-1)?.text).toBe('29999')
})
