import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readDay, readStatement } from './read-statement.ts'
import type { ReadOptions } from './read-statement.ts'

const NOW = Date.UTC(2027, 1, 15), DAY = Date.UTC(2027, 0, 31)
const read = (text: string, more: Partial<ReadOptions> = {}) => readStatement(text, { now: NOW, ...more })
const linesOf = (text: string, more: Partial<ReadOptions> = {}) => { const found = read(text, more); if ('problems' in found) throw new Error(JSON.stringify(found.problems)); return found.lines.map(({ day, reference, amount, own }) => [new Date(day).toISOString().slice(0, 10), reference, amount, ...(own === null ? [] : [own])]) }
const problemsOf = (text: string, more: Partial<ReadOptions> = {}) => { const found = read(text, more); return 'problems' in found ? found.problems.map(({ line, says }) => `${line}: ${says}`) : [] }
const ONE = ['2027-01-31', 'RF18', 12_500_000n]

test.each([
  ['commas', 'date,reference,amount\n2027-01-31,RF18,12.50\n'],
  ['semicolons, another order, CRLF, a BOM, other names', '\ufeffAmount;Booking_Date;Payment-Reference;Balance\r\n12.50;31.01.2027;RF18;900.00\r\n'],
  ['tabs', 'day\tref\tamount\n20270131\tRF18\t+12.5'],
  ['quotes (RFC 4180), and empty lines', '"Date","Reference","Amount"\n\n"2027-01-31","RF18","12.50"\n,,\n'],
  ['a direction', 'date,reference,amount,direction\n2027-01-31,RF18,12.50,Credit\n'],
  ['two columns of amounts', 'date,description,paid out,paid in\n2027-01-31,RF18,,12.50\n'],
  ['two columns, one of zeros', 'date,description,debit,credit\n2027-01-31,RF18,0.00,12.50\n'],
  ['thousands that can mean one thing only', 'date;reference;amount\n2027-01-31;RF18;12.50'],
  ['a decimal comma that was said', 'date;reference;amount\n2027-01-31;RF18;12,50', { decimal: 'comma' }],
  ['JSON lines', '{"date":"2027-01-31","reference":"RF18","amount":"12.50"}\n\n'],
  ['JSON lines with other names and a time', ' {"posted":"2027-01-31T23:59:59Z","ref":"RF18","amount":"12.50","direction":"in","fee":3}'],
] as [string, string, Partial<ReadOptions>?][])('a statement with %s', (_name, text, more) => { expect(linesOf(text, more)).toEqual([ONE]) })

test('amounts: signs, directions, thousands, and a comma when it was said', () => {
  const amounts = (list: string[], more: Partial<ReadOptions> = {}) => linesOf(`date,reference,amount\n${list.map((one) => `2027-01-31,r,"${one}"`).join('\n')}`, more).map(([, , amount]) => amount)
  expect(amounts(['-12.50', '\u221212.50', '1,234.50', '1234567.000001', '0.000001', '+3'])).toEqual([-12_500_000n, -12_500_000n, 1_234_500_000n, 1_234_567_000_001n, 1n, 3_000_000n])
  expect(amounts(['-12,50', '1.234,50', '1234', '0,000001'], { decimal: 'comma' })).toEqual([-12_500_000n, 1_234_500_000n, 1_234_000_000n, 1n])
  expect(linesOf('date,reference,amount,dr/cr\n2027-01-31,r,5,DR\n2027-01-31,r,-5,out\n2027-01-31,r,5,in').map(([, , amount]) => amount)).toEqual([-5_000_000n, -5_000_000n, 5_000_000n])
  expect(linesOf('date,reference,money in,money out\n2027-01-31,r,,5\n2027-01-31,r,,-5').map(([, , amount]) => amount)).toEqual([-5_000_000n, -5_000_000n])
})
test.each([
  ['12,50', /2: "12,50" has a comma: a thousand, or a part of one\?/], ['1,234', /2: "1,234" has a comma/], ['1.234,50', /has a comma/], ['€12.50', /no sign of a currency/], ['12.50 EUR', /no sign of a currency/], ['(12.50)', /is no amount/], ['12.5e3', /is no amount/], ['', /it has no amount/], ['0.00', /an amount of zero moves nothing/], ['12.0000001', /6 behind the point/], ['1234567890123', /at most 12 digits/], ['1,23,456.00', /has a comma/], ['=1+1', /is no amount/], ['--5', /is no amount/],
])('the amount %s is refused with its line, and not guessed', (amount, says) => {
  const problems = problemsOf(`date,reference,amount\n2027-01-31,r,"${amount}"\n2027-01-31,r,5`)
  expect(problems).toHaveLength(1)
  expect(problems[0]).toMatch(says)
})
test('between semicolons a point before three digits could be a thousand: it is asked for', () => {
  expect(problemsOf('date;reference;amount\n2027-01-31;r;1.234')[0]).toMatch(/could be a thousand, or a part of one: say what stands before the decimals/)
  expect(linesOf('date;reference;amount\n2027-01-31;r;1.234', { decimal: 'point' })).toEqual([['2027-01-31', 'r', 1_234_000n]])
  expect(problemsOf('date;reference;amount\n2027-01-31;r;12.50', { decimal: 'comma' })[0]).toMatch(/has a point, and the decimals of this file stand behind a comma/)
})
test.each([
  ['', /1: the first line must name the columns/], ['\n\n', /the first line must name/], ['hello', /no column is a day .*, none is a reference .*, none is an amount/], ['date,amount\n2027-01-31,5', /no column is a reference/], ['date,reference,amount,amount\n', /1: two columns are called "amount"/],
  ['date,reference,amount\n2027-01-31,r', /2: it has 2 cells, and the first line names 3 columns/], ['date,reference,amount\n2027-01-31,r,12,50', /2: it has 4 cells, and the first line names 3 columns/], ['date,reference,amount\n2027-01-31,"r,5', /2: a quote is opened here and never closed/], ['date,reference,amount\n2027-01-31,"r"x,5', /2: something stands behind a closing quote/], ['date,reference,amount\n2027-01-31,r"x",5', /2: a quote in the middle of a cell/],
  ['date,reference,amount\n"two\nlines",r,5', /2: "two\nlines" is no day/], ['date,reference,amount\n2027-01-31,"two\nlines",5\n\nx,r,5', /5: "x" is no day/],
  ['date,reference,amount\n01/02/2027,r,5', /2: "01\/02\/2027" could be two days/], ['date,reference,amount\n2027-02-29,r,5', /is no day/], ['date,reference,amount\n1999-12-31,r,5', /is no day/], ['date,reference,amount\n,r,5', /it has no day/], ['date,reference,amount\n2027-02-17,r,5', /2: a statement tells of days that are over/],
  ['date,reference,amount,direction\n2027-01-31,r,5,sideways', /2: "sideways" is no direction/], ['date,reference,amount,direction\n2027-01-31,r,5,', /in which direction/], ['date,reference,amount,direction\n2027-01-31,r,-5,in', /below zero, and its direction is in/],
  ['date,reference,in,out\n2027-01-31,r,5,5', /came in and went out/], ['date,reference,in,out\n2027-01-31,r,,', /nothing came in/], [`date,reference,amount\n2027-01-31,${'r'.repeat(201)},5`, /its reference has 201 characters/],
  ['date,reference,amount,id\n2027-01-31,r,5,a\n2027-01-31,r,6,a', /3: the id "a" stands in line 2 too, with something else/], ['date,reference,amount\n', /there is no line in it: say its first and last day/],
  ['date,ref\u0000', /1: this is no text, or text in UTF-16/], ['date,reference,amount\n2027-01-31,M\ufffdller,5', /2: its letters are not UTF-8/], ['\u0089PNG\u001a', /control character/], ['{"date":', /1: this is no JSON/], ['{}\n[1]', /2: this is no object/], ['{"date":"2027-01-31","reference":"r","amount":5}', /amount must be a string, such as "12.50": numbers lose digits/], ['{"date":"2027-01-31","reference":{},"amount":"5"}', /reference must be a string/], ['{"__proto__":{"amount":"5"},"date":"2027-01-31","reference":"r"}', /none is an amount|no column is an amount/],
] as [string, RegExp][])('%j is refused, and it is said where and why', (text, says) => { expect(problemsOf(text).join('\n')).toMatch(says) })

test('all that is wrong is told, up to twenty, with how much it is', () => {
  const found = read(`date,reference,amount\n${'x,r,5\n'.repeat(30)}`)
  expect(found).toMatchObject({ of: 30 })
  expect('problems' in found && found.problems.length).toBe(20)
  expect(problemsOf(`date,reference,amount\n${'2027-01-31,r,5\n'.repeat(20_001)}`)).toEqual(['20002: more than 20000 lines: hand it in in parts, a month at a time'])
})
test('the days that it tells of: those of its lines, or those that were said, which its lines lie in', () => {
  const text = 'date,reference,amount\n2027-01-31,r,5\n2027-01-05,r,5'
  expect(read(text)).toMatchObject({ from: Date.UTC(2027, 0, 5), to: DAY })
  expect(read(text, { from: '2027-01-01', to: '2027-01-31' })).toMatchObject({ from: Date.UTC(2027, 0, 1), to: DAY })
  expect(read('date,reference,amount\n', { from: '2027-01-01', to: '2027-01-31' })).toMatchObject({ lines: [] })
  expect(problemsOf(text, { from: '2027-01-06' })).toEqual(['3: its day lies outside of the first and the last day that were said'])
  expect(problemsOf(text, { to: '2027-01-04' })).toEqual(['1: its last day comes before its first'])
  expect(problemsOf(text, { to: '2027-12-31' })[0]).toMatch(/days that are over/)
})
test('lines are known by their own ids, or as the n-th of their kind; one that is twice in a file under one id counts once', () => {
  const keys = (text: string) => { const found = read(text); return 'problems' in found ? found.problems : found.lines.map(({ key }) => key) }
  const two = keys('date,reference,amount\n2027-01-31,rf 18,5\n2027-01-31,RF18,5.00\n2027-01-31,RF18,6') as string[]
  expect(new Set(two).size).toBe(3)
  expect(keys('ref;date;amount\nRF18;31.01.2027;5')).toEqual([two[0]]) // the same, from another export
  expect(keys('date,reference,amount,id\n2027-01-31,r,5,a\n2027-01-31,r,5,a\n2027-01-31,r,5,b')).toHaveLength(2)
})
test('a day with a time belongs to its day in UTC', () => {
  expect(readDay('2027-02-01T00:30:00+01:00')).toBe(DAY)
  expect(readDay('2027-01-30T23:30:00.123-05:00')).toBe(DAY)
  expect(readDay('2027-01-31 12:00')).toBe(DAY)
  expect(readDay('2028-02-29')).toBe(Date.UTC(2028, 1, 29))
})

test('whatever is handed in: it is read or refused with a line of it, and nothing else comes of it', () => {
  const piece = fc.oneof(fc.constantFrom('date,reference,amount\n', '"', ',', ';', '\n', '\r\n', '2027-01-31', '5', '-', '{', '"date":"2027-01-31"', '\ufeff', '""', '=cmd', '\u0000'), fc.string({ unit: 'binary', maxLength: 5 }))
  fc.assert(fc.property(fc.array(piece, { maxLength: 30 }).map((parts) => parts.join('')), fc.boolean(), (text, headed) => {
    const whole = headed ? `date,reference,amount\n${text}` : text, found = read(whole), lines = whole.split(/\r\n|\r|\n/).length
    if ('problems' in found) { expect(found.problems.length).toBeGreaterThan(0); for (const { line, says } of found.problems) { expect(says).not.toBe(''); expect(line >= 1 && line <= lines).toBe(true) } } else for (const line of found.lines) { expect(line.amount).not.toBe(0n); expect(line.day % 86_400_000).toBe(0) }
  }), { numRuns: 3_000 })
})
test('what is written by the rules is read back to the digit', () => {
  const cell = (text: string, separator: string): string => (/["\n\r]/.test(text) || text.includes(separator) || text.trim() !== text ? `"${text.replaceAll('"', '""')}"` : text)
  const row = fc.record({ day: fc.integer({ min: 0, max: 700 }).map((n) => Date.UTC(2025, 0, 1) + n * 86_400_000), reference: fc.string({ maxLength: 20 }).filter((text) => !/[\u0000-\u001f\u007f\ufffd\ufeff]/.test(text)).map((text) => text.trim().replace(/\s+/g, ' ')), amount: fc.bigInt({ min: -999_999_999_999_999_999n, max: 999_999_999_999_999_999n }).filter((one) => one !== 0n) })
  fc.assert(fc.property(fc.array(row, { minLength: 1, maxLength: 8 }), fc.constantFrom(',', ';', '\t'), fc.constantFrom('\n', '\r\n'), (rows, separator, end) => {
    const text = [['date', 'reference', 'amount'], ...rows.map(({ day, reference, amount }) => { const size = (amount < 0n ? -amount : amount).toString().padStart(7, '0'); return [new Date(day).toISOString().slice(0, 10), reference, `${amount < 0n ? '-' : ''}${size.slice(0, -6)}.${size.slice(-6)}`] })].map((cells) => cells.map((one) => cell(one, separator)).join(separator)).join(end)
    const found = read(text)
    expect('lines' in found && found.lines.map(({ day, reference, amount }) => ({ day, reference, amount }))).toEqual(rows)
  }))
})
