// A statement of an account outside, as its bank writes it: CSV (RFC 4180, with commas, semicolons or tabs) or JSON lines. What could be meant in two ways is refused with its line and
// what to change, and never guessed: a wrong amount here would send somebody looking for money that was never there.
import { MICROS_PER_CREDIT, STATEMENT_LINES_MAX, parseCredits } from '@lumaris/protocol'
import type { DecimalMark, Instant, Micros } from '@lumaris/protocol'
import { DAY_MS, plainReference } from './compare.ts'

export type ReadLine = { /** In the file. */ readonly at: number; readonly day: Instant; readonly reference: string; readonly amount: Micros; readonly own: string | null; /** What it is known by when it is handed in again. */ readonly key: string }
export type StatementProblem = { readonly line: number; readonly says: string }
export type ReadStatement = { readonly format: 'csv' | 'jsonl'; readonly separator: string | null; readonly ignored: readonly string[]; readonly lines: readonly ReadLine[]; readonly from: Instant; readonly to: Instant }
export type NotRead = { readonly problems: readonly StatementProblem[]; /** Of which so many are told. */ readonly of: number }
export type ReadOptions = { readonly decimal?: DecimalMark | undefined; /** The days that it tells of; absent: those of its lines. */ readonly from?: string | undefined; readonly to?: string | undefined; /** The present: no statement tells of what is to come. */ readonly now: Instant }

const PROBLEMS_TOLD = 20, REFERENCE_MAX = 200, OWN_MAX = 100, COLUMNS_MAX = 100
/** Wider than any market's: 10^12 credits. */
const AMOUNT_MAX = 1_000_000_000_000n * MICROS_PER_CREDIT
/** How banks call them; of several the first one named here counts. */
const NAMES = {
  date: ['date', 'booking date', 'booked', 'booked on', 'posting date', 'posted', 'posted on', 'transaction date', 'day', 'value date', 'created', 'created utc', 'available on'],
  reference: ['reference', 'ref', 'payment reference', 'end to end id', 'end to end reference', 'e2e id', 'remittance information', 'remittance', 'purpose', 'description', 'details', 'memo', 'narrative'],
  amount: ['amount', 'amount credits', 'credits', 'value', 'net', 'sum'],
  in: ['in', 'paid in', 'money in', 'received', 'deposit', 'deposits', 'credit', 'credit amount'],
  out: ['out', 'paid out', 'money out', 'sent', 'withdrawal', 'withdrawals', 'debit', 'debit amount'],
  direction: ['direction', 'credit debit', 'debit credit', 'credit debit indicator', 'cr dr', 'dr cr', 'indicator', 'sign'],
  own: ['id', 'line id', 'line', 'transaction id', 'transaction', 'bank id', 'bank reference', 'entry id'],
} as const
type Field = keyof typeof NAMES
const FIELDS = Object.keys(NAMES) as Field[]
const IN = new Set(['in', 'credit', 'cr', 'c', 'crdt', '+', 'received', 'incoming']), OUT = new Set(['out', 'debit', 'dr', 'd', 'dbit', '-', 'sent', 'outgoing'])
const plainName = (name: string): string => name.trim().toLowerCase().replace(/[^a-z0-9+]+/g, ' ').trim()
const quote = (text: string): string => `"${text.length > 40 ? `${text.slice(0, 40)}…` : text}"`

export function readStatement(text: string, options: ReadOptions): ReadStatement | NotRead {
  const plain = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text, problems: StatementProblem[] = []
  const bad = notText(plain)
  if (bad) return { problems: [bad], of: 1 }
  const isJson = /^\s*\{/.test(plain), rows = isJson ? jsonRows(plain) : csvRows(plain)
  if ('problems' in rows) return rows
  const lines: ReadLine[] = [], seen = new Map<string, number>(), byOwn = new Map<string, ReadLine>()
  let count = 0
  const tell = (line: number, says: string): void => { count++; if (problems.length < PROBLEMS_TOLD) problems.push({ line, says }) }
  for (const { at, cells } of rows.rows) {
    if (typeof cells === 'string') { tell(at, cells); continue }
    const read = readLine(cells, options.decimal, rows.separator)
    if (typeof read === 'string') { tell(at, read); continue }
    const what = `${read.day} ${plainReference(read.reference)} ${read.amount}`
    if (read.own !== null) {
      // Handed in twice in one file: once.
      const before = byOwn.get(read.own)
      if (before && `${before.day} ${plainReference(before.reference)} ${before.amount}` !== what) tell(at, `the id ${quote(read.own)} stands in line ${before.at} too, with something else: an id is of one line`)
      if (before) continue
    }
    const nth = (seen.get(what) ?? 0) + 1
    seen.set(what, nth)
    const line: ReadLine = { at, ...read, key: read.own === null ? `nth ${what} ${nth}` : `id ${read.own}` }
    if (read.own !== null) byOwn.set(read.own, line)
    lines.push(line)
    if (lines.length > STATEMENT_LINES_MAX) return { problems: [{ line: at, says: `more than ${STATEMENT_LINES_MAX} lines: hand it in in parts, a month at a time` }], of: 1 }
  }
  const period = count > 0 ? null : periodOf(lines, options, tell)
  return count > 0 || !period ? { problems, of: count } : { format: isJson ? 'jsonl' : 'csv', separator: rows.separator, ignored: rows.ignored, lines, ...period }
}

function periodOf(lines: readonly ReadLine[], { from, to, now }: ReadOptions, tell: (line: number, says: string) => void): { from: Instant; to: Instant } | null {
  const said = (text: string | undefined, name: string): Instant | null | undefined => { if (text === undefined) return undefined; const day = readDay(text); if (typeof day === 'number') return day; tell(1, `${name}: ${day}`); return null }
  const first = said(from, 'the first day'), last = said(to, 'the last day')
  if (first === null || last === null) return null
  if (lines.length === 0 && (first === undefined || last === undefined)) { tell(1, 'there is no line in it: say its first and last day, if nothing came and nothing went'); return null }
  const period = { from: first ?? lines.reduce((least, { day }) => Math.min(least, day), Infinity), to: last ?? lines.reduce((most, { day }) => Math.max(most, day), 0) }
  if (period.from > period.to) { tell(1, 'its last day comes before its first'); return null }
  // Somewhere on earth it may be tomorrow.
  if (period.to > now + DAY_MS) tell(lines.find(({ day }) => day === period.to)?.at ?? 1, 'a statement tells of days that are over: this one is to come')
  for (const { at, day } of lines) if (day < period.from || day > period.to) tell(at, 'its day lies outside of the first and the last day that were said')
  return period
}

/** What no text has: another encoding, or no text at all. */
function notText(text: string): StatementProblem | null {
  const at = text.search(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffd]/)
  if (at < 0) return null
  return { line: text.slice(0, at).split('\n').length, says: text[at] === '\ufffd' ? 'its letters are not UTF-8: save it as CSV in UTF-8' : text[at] === '\u0000' ? 'this is no text, or text in UTF-16: save it as CSV in UTF-8' : 'a control character: this is no statement' }
}

type Cells = ReadonlyMap<Field, string>
type Row = { readonly at: number; /** Or what is wrong. */ readonly cells: Cells | string }
type Rows = { readonly rows: Iterable<Row>; readonly separator: string | null; readonly ignored: readonly string[] }

function jsonRows(text: string): Rows | NotRead {
  const ignored = new Set<string>()
  function* rows(): Generator<Row> {
    for (const [i, line] of text.split(/\r?\n/).entries()) {
      if (line.trim() === '') continue
      const at = i + 1
      let value: unknown
      try { value = JSON.parse(line) } catch { yield { at, cells: 'this is no JSON: each line is one object' }; continue }
      if (typeof value !== 'object' || value === null || Array.isArray(value)) { yield { at, cells: 'this is no object: each line is one, such as {"date":"2027-01-31","reference":"RF18","amount":"12.50"}' }; continue }
      const named = Object.entries(value).filter(([, one]) => one !== null)
      const columns = columnsOf(named.map(([name]) => name))
      if (typeof columns === 'string') { yield { at, cells: columns }; continue }
      for (const [j, [name]] of named.entries()) if (![...columns.values()].includes(j) && ignored.size < COLUMNS_MAX) ignored.add(name.slice(0, 40))
      const cells = new Map<Field, string>()
      let wrong: string | null = null
      for (const [field, j] of columns) {
        const one: unknown = named[j]?.[1]
        if (typeof one === 'string') cells.set(field, one)
        else if (field === 'own' && Number.isSafeInteger(one)) cells.set(field, String(one))
        else wrong = `${named[j]?.[0] ?? field} must be a string${field === 'amount' || field === 'in' || field === 'out' ? ', such as "12.50": numbers lose digits' : ''}`
      }
      yield { at, cells: wrong ?? cells }
    }
  }
  // Read whole, for the names that were not read.
  const all = [...rows()]
  return { rows: all, separator: null, ignored: [...ignored] }
}

function csvRows(text: string): Rows | NotRead {
  const tried = [',', ';', '\t'].map((separator) => { const head = headOf(text, separator); return { separator, head, columns: head === null ? 'the first line must name the columns' : head.wrong ?? columnsOf(head.cells) } })
  const found = tried.find(({ columns }) => typeof columns !== 'string')
  if (!found?.head || typeof found.columns === 'string') { const best = tried.toSorted((a, b) => (b.head?.cells.length ?? 0) - (a.head?.cells.length ?? 0))[0]; return { problems: [{ line: best?.head?.at ?? 1, says: typeof best?.columns === 'string' ? best.columns : 'the first line must name the columns' }], of: 1 } }
  const { separator, head, columns } = found, width = head.cells.length, used = new Set(columns.values())
  function* rows(): Generator<Row> {
    let isHead = true
    for (const { at, cells, wrong } of records(text, separator)) {
      if (wrong) { yield { at, cells: wrong }; return }
      if (cells.every((cell) => cell.trim() === '')) continue
      if (isHead) { isHead = false; continue }
      if (cells.length !== width) { yield { at, cells: `it has ${cells.length} cell${cells.length === 1 ? '' : 's'}, and the first line names ${width} columns: put quotes around a cell that has a ${separator === '\t' ? 'tab' : separator} in it` }; continue }
      yield { at, cells: new Map([...columns].map(([field, i]) => [field, cells[i] ?? ''])) }
    }
  }
  return { rows: rows(), separator, ignored: head.cells.filter((name, i) => !used.has(i) && name.trim() !== '').map((name) => name.trim().slice(0, 40)) }
}
function headOf(text: string, separator: string): { at: number; cells: readonly string[]; wrong?: string } | null {
  for (const record of records(text, separator)) if (record.wrong || record.cells.some((cell) => cell.trim() !== '')) return record
  return null
}

/** Which column is what; or what is missing. */
function columnsOf(names: readonly string[]): Map<Field, number> | string {
  if (names.length > COLUMNS_MAX) return `it names ${names.length} columns: at most ${COLUMNS_MAX}`
  const plain = names.map(plainName), columns = new Map<Field, number>()
  for (const field of FIELDS) for (const name of NAMES[field]) {
    const i = plain.indexOf(name)
    if (i < 0) continue
    if (plain.includes(name, i + 1)) return `two columns are called ${quote(names[i] ?? name)}: leave one out`
    columns.set(field, i)
    break
  }
  // One column of amounts says it all; those of in and out are balances or sums then.
  if (columns.has('amount')) { columns.delete('in'); columns.delete('out') }
  const missing = [...(columns.has('date') ? [] : ['a day (date, booking date, posted)']), ...(columns.has('reference') ? [] : ['a reference (reference, ref, description)']), ...(columns.has('amount') || (columns.has('in') && columns.has('out')) ? [] : ['an amount (amount; or paid in and paid out)'])]
  return missing.length === 0 ? columns : `no column is ${missing.join(', none is ')}: name the columns in the first line`
}

/** RFC 4180: cells, by the line that they begin in. `wrong`: the rest cannot be read. */
function* records(text: string, separator: string): Generator<{ at: number; cells: string[]; wrong?: string }> {
  let line = 1, at = 1, cells: string[] = [], i = 0
  while (i < text.length) {
    let cell: string
    if (text[i] === '"') {
      const began = line
      let from = i + 1, whole = ''
      for (;;) {
        const end = text.indexOf('"', from)
        if (end < 0) { yield { at: began, cells, wrong: 'a quote is opened here and never closed' }; return }
        whole += text.slice(from, end)
        if (text[end + 1] !== '"') { i = end + 1; break }
        whole += '"'
        from = end + 2
      }
      for (let next = whole.indexOf('\n'); next >= 0; next = whole.indexOf('\n', next + 1)) line++
      cell = whole
      const after = text[i]
      if (after !== undefined && after !== separator && after !== '\n' && after !== '\r') { yield { at: line, cells, wrong: 'something stands behind a closing quote: a quote inside of a cell is written twice' }; return }
    } else {
      let end = i
      while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r' && text[end] !== '"') end++
      if (text[end] === '"') { yield { at: line, cells, wrong: 'a quote in the middle of a cell: put the whole cell into quotes, and write this one twice' }; return }
      cell = text.slice(i, end)
      i = end
    }
    cells.push(cell)
    if (text[i] === separator) { i++; if (i === text.length) cells.push(''); continue }
    if (text[i] === '\r' && text[i + 1] === '\n') i++
    i++
    yield { at, cells }
    cells = []
    line++
    at = line
  }
  if (cells.length > 0) yield { at, cells }
}

function readLine(cells: Cells, decimal: DecimalMark | undefined, separator: string | null): Omit<ReadLine, 'at' | 'key'> | string {
  const day = readDay((cells.get('date') ?? '').trim())
  if (typeof day === 'string') return day
  const reference = (cells.get('reference') ?? '').trim().replace(/\s+/g, ' '), own = (cells.get('own') ?? '').trim().replace(/\s+/g, ' ')
  if (reference.length > REFERENCE_MAX) return `its reference has ${reference.length} characters: at most ${REFERENCE_MAX}`
  if (own.length > OWN_MAX) return `its id has ${own.length} characters: at most ${OWN_MAX}`
  const amount = cells.has('amount') ? oneAmount(cells, decimal, separator) : inOrOut(cells, decimal, separator)
  return typeof amount === 'string' ? amount : { day, reference, amount, own: own === '' ? null : own }
}
function oneAmount(cells: Cells, decimal: DecimalMark | undefined, separator: string | null): Micros | string {
  const amount = readAmount((cells.get('amount') ?? '').trim(), decimal, separator), direction = (cells.get('direction') ?? '').trim().toLowerCase()
  if (typeof amount === 'string' || !cells.has('direction')) return amount
  if (!IN.has(direction) && !OUT.has(direction)) return direction === '' ? 'it does not say in which direction: in or out' : `${quote(direction)} is no direction: in or out (credit, debit)`
  if (amount < 0n && IN.has(direction)) return 'its amount is below zero, and its direction is in: which of them holds?'
  return OUT.has(direction) && amount > 0n ? -amount : amount
}
function inOrOut(cells: Cells, decimal: DecimalMark | undefined, separator: string | null): Micros | string {
  const came = (cells.get('in') ?? '').trim(), went = (cells.get('out') ?? '').trim()
  // Some fill the other one with a zero.
  const isNothing = (text: string): boolean => text === '' || /^0*(?:[.,]0*)?$/.test(text)
  if (isNothing(came) === isNothing(went)) return isNothing(came) ? 'nothing came in and nothing went out: leave this line out' : 'it came in and went out in one line: make two of it'
  const amount = readAmount(isNothing(went) ? came : went, decimal, separator)
  return typeof amount === 'string' ? amount : isNothing(went) ? amount : amount < 0n ? amount : -amount
}

/** `12`, `-12.50`, `1,234.50`; with a decimal comma `12,50`, `1.234,50`. */
function readAmount(said: string, decimal: DecimalMark | undefined, separator: string | null): Micros | string {
  const text = said.replace(/^[\u2212\u2013]/, '-'), mark = decimal === 'comma' ? ',' : '.', other = decimal === 'comma' ? '.' : ','
  if (text === '') return 'it has no amount'
  const [, sign, digits] = /^([+-]?)([0-9.,]+)$/.exec(text) ?? []
  if (digits === undefined) return `${quote(said)} is no amount: only digits and a ${decimal === 'comma' ? 'comma' : 'point'}, such as ${decimal === 'comma' ? '12,50' : '12.50'}; no sign of a currency`
  const grouped = new RegExp(`^[0-9]{1,3}(?:\\${other}[0-9]{3})+\\${mark}[0-9]+$`).test(digits)
  if (digits.includes(other) && !grouped) return decimal === 'comma' ? `${quote(said)} has a point, and the decimals of this file stand behind a comma` : `${quote(said)} has a comma: a thousand, or a part of one? Write a point before the decimals and nothing between thousands, or say that the decimals of this file stand behind a comma`
  if (decimal === undefined && separator === ';' && /^[0-9]{1,3}\.[0-9]{3}$/.test(digits)) return `${quote(said)} could be a thousand, or a part of one: say what stands before the decimals in this file`
  const amount = parseCredits((grouped ? digits.replaceAll(other, '') : digits).replace(mark, '.'))
  if (amount === null || amount > AMOUNT_MAX) return `${quote(said)} is no amount: at most 12 digits, and 6 behind the ${decimal === 'comma' ? 'comma' : 'point'}`
  if (amount === 0n) return 'an amount of zero moves nothing: leave this line out'
  return sign === '-' ? -amount : amount
}

const YEAR_MIN = 2000, YEAR_MAX = 2200
/** `2027-01-31`, also with a time behind it, which may say how far it is from UTC; `20270131`; `31.01.2027`. Midnight of the day, UTC. */
export function readDay(text: string): Instant | string {
  const [, year, month, day, hour, minute, zone] = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::\d\d(?:\.\d{1,9})?)?\s?(Z|UTC|[+-]\d\d:?\d\d)?)?$/i.exec(text) ?? /^(\d{4})(\d\d)(\d\d)$/.exec(text) ?? []
  const [, dotDay, dotMonth, dotYear] = /^(\d{1,2})\.(\d{1,2})\.(\d{4})$/.exec(text) ?? []
  if (/^\d{1,4}[/-]\d{1,2}[/-]\d{1,4}$/.test(text) && year === undefined) return `${quote(text)} could be two days: write it as 2027-01-31`
  const y = Number(year ?? dotYear), m = Number(month ?? dotMonth), d = Number(day ?? dotDay)
  if (text === '') return 'it has no day'
  if (!(y >= YEAR_MIN && y <= YEAR_MAX) || m < 1 || m > 12 || d < 1 || d > daysOf(y, m) || Number(hour ?? 0) > 23 || Number(minute ?? 0) > 59) return `${quote(text)} is no day: write it as 2027-01-31`
  const midnight = Date.UTC(y, m - 1, d), [, sign, hours, minutes] = /^([+-])(\d\d):?(\d\d)$/.exec(zone ?? '') ?? []
  if (sign === undefined) return midnight
  const at = midnight + Number(hour) * 3_600_000 + Number(minute) * 60_000 - (sign === '-' ? -1 : 1) * (Number(hours) * 3_600_000 + Number(minutes) * 60_000)
  return at - (at % DAY_MS)
}
const daysOf = (year: number, month: number): number => (month === 2 ? ((year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31)
