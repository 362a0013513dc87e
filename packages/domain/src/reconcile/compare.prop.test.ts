import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DAY_MS, compareBooks, mismatchKey } from './compare.ts'
import type { BookEntry, Books, Compared, Days, OutsideLine } from './compare.ts'

// Few references, amounts and days, so that all of them meet.
const reference = fc.constantFrom('', 'RF18', 'rf 18', 'RF19', 'inv-7'), amount = fc.constantFrom(-5n, -3n, 3n, 5n), day = fc.integer({ min: 1, max: 9 }).map((n) => n * DAY_MS)
const linesOf = fc.array(fc.record({ day, reference, amount }), { maxLength: 12 }).map((list) => list.map((line, i): OutsideLine => ({ id: `l${i}`, ...line })))
const entriesOf = fc.array(fc.record({ at: day.map((at) => at + 7), references: fc.array(reference, { minLength: 1, maxLength: 2 }), amount, takesBack: fc.option(fc.nat({ max: 11 }), { nil: undefined, freq: 4 }) }), { maxLength: 12 }).map((list) => list.map(({ takesBack, ...entry }, i): BookEntry => {
  const first = takesBack !== undefined && takesBack < i ? list[takesBack] : undefined
  return first ? { entry: `e${i}`, at: entry.at, references: first.references, amount: -first.amount, reverses: `e${takesBack}` } : { entry: `e${i}`, ...entry }
}))
const books = fc.record({ lines: linesOf, entries: entriesOf, covered: fc.array(fc.record({ from: day, to: day }), { maxLength: 2 }), links: fc.array(fc.record({ line: fc.nat({ max: 12 }).map((i) => `l${i}`), entry: fc.nat({ max: 12 }).map((i) => `e${i}`) }), { maxLength: 2 }) })
const everything: Days[] = [{ from: 0, to: 100 * DAY_MS }]
const shape = ({ matched, mismatches, awaiting, reversed }: Compared): unknown => ({ matched: matched.map(({ line, entry, by }) => `${line.id} ${entry.entry} ${by}`).toSorted(), mismatches: mismatches.map((one) => [mismatchKey(one), one.beside, one.suggestions.map(({ line, entry }) => [line?.id, entry?.entry])]), awaiting: awaiting.map(({ entry }) => entry).toSorted(), reversed: reversed.map(({ entry }) => entry).toSorted() })

test('each line and each entry stands in one place, whatever is handed in', () => {
  fc.assert(fc.property(books, (all) => {
    const found = compareBooks(all)
    expect([...found.matched.map(({ line }) => line.id), ...found.mismatches.flatMap(({ line }) => (line ? [line.id] : []))].toSorted()).toEqual(all.lines.map(({ id }) => id).toSorted())
    expect([...found.matched.map(({ entry }) => entry.entry), ...found.mismatches.flatMap(({ entry }) => (entry ? [entry.entry] : [])), ...found.awaiting.map(({ entry }) => entry), ...found.reversed.map(({ entry }) => entry)].toSorted()).toEqual(all.entries.map(({ entry }) => entry).toSorted())
  }), { numRuns: 2_000 })
})
test('what is matched without a hand has the same reference and the same amount; what only looks alike is a suggestion', () => {
  const plain = (text: string): string => text.replaceAll(' ', '').toUpperCase()
  fc.assert(fc.property(books, (all) => {
    const found = compareBooks(all)
    for (const { line, entry, by } of found.matched) if (by === 'reference') { expect(line.amount).toBe(entry.amount); expect(line.reference).not.toBe(''); expect(entry.references.map(plain)).toContain(plain(line.reference)) } else expect(all.links).toContainEqual({ line: line.id, entry: entry.entry })
    for (const { line, entry, suggestions } of found.mismatches) for (const one of suggestions) {
      const there = line ?? one.line, booked = entry ?? one.entry
      expect(there?.amount).toBe(booked?.amount)
      expect(Math.abs((there?.day ?? 0) - (booked?.at ?? 0))).toBeLessThanOrEqual(3 * DAY_MS + 7)
    }
  }), { numRuns: 2_000 })
})
test('the order in which it is handed in changes nothing', () => {
  fc.assert(fc.property(books, fc.func(fc.integer()), (all, by) => {
    const shuffled: Books = { ...all, lines: all.lines.toSorted((a, b) => by(a.id) - by(b.id)), entries: all.entries.toSorted((a, b) => by(a.entry) - by(b.entry)) }
    expect(shape(compareBooks(shuffled))).toEqual(shape(compareBooks(all)))
  }))
})
test('a statement that says what the books say leaves nothing open', () => {
  fc.assert(fc.property(fc.uniqueArray(fc.record({ at: day, reference: fc.stringMatching(/^[a-z]{1,6}$/), amount }), { selector: ({ reference: one }) => one.toUpperCase() }), (list) => {
    const found = compareBooks({ lines: list.map((one, i) => ({ id: `l${i}`, day: one.at, reference: one.reference, amount: one.amount })), entries: list.map((one, i) => ({ entry: `e${i}`, at: one.at, references: [one.reference], amount: one.amount })), covered: everything, links: [] })
    expect([found.matched.length, found.mismatches, found.awaiting]).toEqual([list.length, [], []])
  }))
})
test('more days on statements only ever judge more entries: nothing that was matched changes', () => {
  fc.assert(fc.property(books, (all) => {
    const few = compareBooks(all), whole = compareBooks({ ...all, covered: everything })
    expect(whole.matched).toEqual(few.matched)
    expect(whole.awaiting).toEqual([])
    expect(whole.mismatches.length).toBe(few.mismatches.length + few.awaiting.length)
  }))
})
