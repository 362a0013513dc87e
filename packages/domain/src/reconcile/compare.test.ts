import { expect, test } from 'vitest'
import { DAY_MS, compareBooks } from './compare.ts'
import type { BookEntry, OutsideLine } from './compare.ts'

const line = (id: string, reference: string, amount: bigint, day = 1): OutsideLine => ({ id, day: day * DAY_MS, reference, amount })
const entry = (name: string, reference: string, amount: bigint, day = 1, more: Partial<BookEntry> = {}): BookEntry => ({ entry: name, at: day * DAY_MS + 5, references: [reference], amount, ...more })
const compare = (lines: OutsideLine[], entries: BookEntry[], more: { links?: { line: string; entry: string }[]; to?: number } = {}) => {
  const found = compareBooks({ lines, entries, covered: [{ from: 0, to: (more.to ?? 9) * DAY_MS }], links: more.links ?? [] })
  return { matched: found.matched.map((one) => `${one.line.id}=${one.entry.entry}`), open: found.mismatches.map((one) => `${one.kind} ${one.line?.id ?? '-'} ${one.entry?.entry ?? '-'}${one.beside === undefined ? '' : ` beside ${one.beside}`}${one.suggestions.map((other) => ` ?${other.line?.id ?? other.entry?.entry}`).join('')}`), awaiting: found.awaiting.length, reversed: found.reversed.length }
}

test.each([
  ['the same reference, as the bank writes it', [line('a', 'rf18 5390', 5n)], [entry('x', 'RF18-5390'.replace('-', ''), 5n)], { matched: ['a=x'], open: [] }],
  ['another amount', [line('a', 'A', 4n)], [entry('x', 'A', 5n)], { matched: [], open: ['amount_differs a x'] }],
  ['the right amount is taken first, whichever came first', [line('a', 'A', 4n), line('b', 'A', 5n)], [entry('x', 'A', 5n)], { matched: ['b=x'], open: ['twice a - beside x'] }],
  ['paid twice', [line('a', 'A', 5n), line('b', 'A', 5n, 2)], [entry('x', 'A', 5n)], { matched: ['a=x'], open: ['twice b - beside x'] }],
  ['booked twice', [line('a', 'A', 5n)], [entry('x', 'A', 5n), entry('y', 'A', 5n, 2)], { matched: ['a=x'], open: ['twice - y beside a'] }],
  ['in and out under one reference are two things', [line('a', 'A', -5n)], [entry('x', 'A', 5n)], { matched: [], open: ['not_in_books a -', 'not_on_statement - x'] }],
  ['without a reference nothing is matched, and what it may be is said', [line('a', '', 5n)], [entry('x', 'A', 5n, 3), entry('y', 'B', 5n, 1), entry('z', 'C', 5n, 6)], { matched: [], open: ['not_in_books a - ?y ?x', 'not_on_statement - y ?a', 'not_on_statement - x ?a', 'not_on_statement - z'] }],
  ['a payout goes by the provider’s number, or by its own', [line('a', 'pay_1', -5n)], [entry('x', 'demo-1', -5n, 1, { references: ['demo-1', 'pay_1'] })], { matched: ['a=x'], open: [] }],
] as const)('%s', (_name, lines, entries, expected) => { expect(compare([...lines], [...entries])).toMatchObject(expected) })

test('what is booked on days that no statement tells of is awaited; a line may come before its day', () => {
  expect(compare([line('a', 'B', 5n)], [entry('x', 'A', 5n, 2), entry('y', 'B', 5n, 3)], { to: 1 })).toEqual({ matched: ['a=y'], open: [], awaiting: 1, reversed: 0 })
  // The last day is told of to its end.
  expect(compare([], [entry('x', 'A', 5n, 1)], { to: 1 })).toMatchObject({ open: ['not_on_statement - x'], awaiting: 0 })
})
test('a link by hand goes before references, and what is not there any more is passed over', () => {
  expect(compare([line('a', 'A', 4n), line('b', 'A', 5n)], [entry('x', 'A', 5n)], { links: [{ line: 'a', entry: 'x' }, { line: 'gone', entry: 'x' }, { line: 'b', entry: 'x' }] })).toMatchObject({ matched: ['a=x'], open: ['twice b - beside x'] })
})
test('an entry and its reversal undo each other, unless the statement shows that the money went back', () => {
  const booked = [entry('deposit:A', 'A', 5n), entry('reversal:deposit:A', 'A', -5n, 2, { reverses: 'deposit:A' })]
  expect(compare([], booked)).toEqual({ matched: [], open: [], awaiting: 0, reversed: 2 })
  expect(compare([line('a', 'A', 5n)], booked)).toMatchObject({ open: ['not_in_books a -'], reversed: 2 }) // the money is there, and is nobody's now
  expect(compare([line('a', 'A', 5n), line('b', 'A', -5n, 3)], booked)).toMatchObject({ matched: ['a=deposit:A', 'b=reversal:deposit:A'], open: [], reversed: 0 })
  expect(compare([line('a', 'other', 5n)], booked, { links: [{ line: 'a', entry: 'deposit:A' }] })).toMatchObject({ matched: ['a=deposit:A'], open: ['not_on_statement - reversal:deposit:A'] })
})
