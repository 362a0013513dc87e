// When a schedule fires: the five fields of cron, on the local clock of a time zone. Not by a library: croner 11.0.1, the best kept one, leaves `*/10 2 * * *` out on the day
// when the clock jumps over those times (measured), and what runs inside of the one writer's turn must have a bound of its own. Here a search costs a look at each day of at
// most eight years, and asks the time zone only about days that match.
//
// Where clocks change, as cron has it since Vixie: a fixed time that a day does not have comes at once when the clock has jumped over it; one that a day has twice comes the first
// time; and what comes every hour (the hour is `*`) follows the clock as it runs, so it keeps its distance.
import type { Instant } from '@lumaris/protocol'

const MINUTE_MS = 60_000, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS
/** 29 February comes again after eight years at the latest. */
const DAYS_MAX = 8 * 366 + 2

export type Cron = { readonly minutes: readonly number[]; readonly hours: readonly number[]; readonly days: ReadonlySet<number>; readonly months: ReadonlySet<number>; readonly weekdays: ReadonlySet<number>; /** Day of month and weekday are both named: one of them is enough. */ readonly either: boolean; readonly everyHour: boolean }

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'], WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const SHORT: Readonly<Record<string, string>> = { '@hourly': '0 * * * *', '@daily': '0 0 * * *', '@midnight': '0 0 * * *', '@weekly': '0 0 * * 0', '@monthly': '0 0 1 * *', '@yearly': '0 0 1 1 *', '@annually': '0 0 1 1 *' }
type Field = { readonly name: string; readonly from: number; readonly to: number; readonly words?: readonly string[]; /** The number of the first word. */ readonly first?: number }
const FIELDS: readonly Field[] = [
  { name: 'minute', from: 0, to: 59 }, { name: 'hour', from: 0, to: 23 }, { name: 'day of the month', from: 1, to: 31 }, { name: 'month', from: 1, to: 12, words: MONTHS, first: 1 }, { name: 'weekday', from: 0, to: 7, words: WEEKDAYS, first: 0 },
]

/** What it says, or why it says nothing. */
export function parseCron(text: string): Cron | string {
  const fields = (SHORT[text.trim().toLowerCase()] ?? text.trim()).split(/\s+/)
  if (fields.length !== 5) return `"${text}" has ${fields.length} fields; a time of cron has five: minute, hour, day of the month, month, weekday`
  const sets: number[][] = []
  for (const [i, field] of FIELDS.entries()) {
    const set = parseField(fields[i] as string, field)
    if (typeof set === 'string') return set
    sets.push(set)
  }
  const [minutes, hours, days, months, weekdays] = sets as [number[], number[], number[], number[], number[]]
  return { minutes, hours, days: new Set(days), months: new Set(months), weekdays: new Set(weekdays.map((day) => day % 7)), either: !fields[2]?.startsWith('*') && !fields[4]?.startsWith('*'), everyHour: hours.length === 24 }
}

function parseField(text: string, field: Field): number[] | string {
  const wrong = (part: string): string => `"${part}" is no ${field.name}: numbers from ${field.from} to ${field.to}${field.words ? `, or ${field.words.slice(0, 2).join(', ')}, …` : ''}; lists a,b, ranges a-b and steps */n`
  const number = (part: string): number => {
    const word = field.words?.indexOf(part.toLowerCase()) ?? -1
    return word >= 0 ? word + (field.first ?? 0) : /^\d{1,2}$/.test(part) ? Number(part) : Number.NaN
  }
  const found = new Set<number>()
  for (const part of text.split(',')) {
    const [, range = '', step] = /^([^/]+)(?:\/(\d{1,2}))?$/.exec(part) ?? []
    const [a = '', b] = range.split('-')
    const from = range === '*' ? field.from : number(a)
    const to = range === '*' ? (field.name === 'weekday' ? 6 : field.to) : b === undefined ? (step === undefined ? from : field.to) : number(b)
    const every = step === undefined ? 1 : Number(step)
    if (range.split('-').length > 2 || !(from >= field.from && to <= field.to && from <= to) || every < 1) return wrong(part)
    for (let value = from; value <= to; value += every) found.add(value)
  }
  return [...found].sort((x, y) => x - y)
}

const clocks = new Map<string, Intl.DateTimeFormat>()
const clockOf = (timeZone: string): Intl.DateTimeFormat => {
  let clock = clocks.get(timeZone)
  if (!clock) {
    clock = new Intl.DateTimeFormat('en-GB', { timeZone, calendar: 'gregory', numberingSystem: 'latn', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
    if (clocks.size > 500) clocks.clear()
    clocks.set(timeZone, clock)
  }
  return clock
}
export function isTimeZone(timeZone: string): boolean { try { clockOf(timeZone); return true } catch { return false } } // it throws for what it does not know

type Day = { year: number; month: number; day: number }
function localParts(timeZone: string, at: Instant): Day & { hour: number; minute: number; second: number } {
  const parts = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 }
  for (const { type, value } of clockOf(timeZone).formatToParts(at)) if (type in parts) parts[type as keyof typeof parts] = Number(value)
  return parts
}
/** What the local clock shows there, written as if it were UTC, less the moment. */
function offsetAt(timeZone: string, at: Instant): number {
  const { year, month, day, hour, minute, second } = localParts(timeZone, at)
  return Date.UTC(year, month - 1, day, hour, minute, second) - (at - (at % 1000))
}

const leap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
const daysIn = (year: number, month: number): number => (month === 2 ? (leap(year) ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31)
function dayAfter({ year, month, day }: Day): Day {
  if (day < daysIn(year, month)) return { year, month, day: day + 1 }
  return month < 12 ? { year, month: month + 1, day: 1 } : { year: year + 1, month: 1, day: 1 }
}
function dayBefore({ year, month, day }: Day): Day {
  if (day > 1) return { year, month, day: day - 1 }
  return month > 1 ? { year, month: month - 1, day: daysIn(year, month - 1) } : { year: year - 1, month: 12, day: 31 }
}
/** The first of January 1970 was a Thursday. */
const weekdayOf = (midnight: number): number => (((midnight / DAY_MS + 4) % 7) + 7) % 7
function isDay(cron: Cron, { month, day }: Day, midnight: number): boolean {
  if (!cron.months.has(month)) return false
  const byDay = cron.days.has(day), byWeekday = cron.weekdays.has(weekdayOf(midnight))
  return cron.either ? byDay || byWeekday : byDay && byWeekday
}

/** The first moment after `after`; null when there is none, such as for 31 February. */
export function nextFiring(cron: Cron, timeZone: string, after: Instant): Instant | null {
  // From the day before: where the clock goes back over midnight, that day is not over yet.
  let date = dayBefore(localParts(timeZone, after))
  for (let i = 0; i < DAYS_MAX; i++, date = dayAfter(date)) {
    const midnight = Date.UTC(date.year, date.month - 1, date.day)
    if (!isDay(cron, date, midnight)) continue
    const at = firstOfDay(cron, timeZone, midnight, after)
    if (at !== null) return at
  }
  return null
}

function firstOfDay(cron: Cron, timeZone: string, midnight: number, after: Instant): Instant | null {
  // No clock is further from UTC than this: outside of it the day has not begun, or is over.
  const from = midnight - 15 * HOUR_MS, to = midnight + 39 * HOUR_MS
  if (to < after) return null
  const early = offsetAt(timeZone, from), late = offsetAt(timeZone, to)
  let best: Instant | null = null
  const take = (at: Instant): void => { if (at > after && (best === null || at < best)) best = at }
  const jump = early === late ? 0 : changeBetween(timeZone, from, to, early)
  for (const hour of cron.hours) for (const minute of cron.minutes) {
    const local = midnight + hour * HOUR_MS + minute * MINUTE_MS
    if (early === late) { if (local - early > after) return local - early; continue }
    const first = local - early < jump, second = local - late >= jump
    if (!first && !second) { if (!cron.everyHour) take(jump) } else {
      if (first) take(local - early)
      if (second && (!first || cron.everyHour)) take(local - late)
    }
  }
  return best
}
/** When the offset ceases to be `before`: clocks change at whole minutes. */
function changeBetween(timeZone: string, from: Instant, to: Instant, before: number): Instant {
  let low = Math.floor(from / MINUTE_MS), high = Math.ceil(to / MINUTE_MS)
  while (high - low > 1) { const middle = Math.floor((low + high) / 2); if (offsetAt(timeZone, middle * MINUTE_MS) === before) low = middle; else high = middle }
  return high * MINUTE_MS
}

/** The newest moment up to now, of a cron whose next one was due: found by halving, so a year of silence costs no more than an hour of it. */
export function newestFiring(cron: Cron, timeZone: string, due: Instant, now: Instant): Instant {
  let low = Math.floor(due / MINUTE_MS) - 1, high = Math.floor(now / MINUTE_MS) + 1
  while (high - low > 1) { const middle = Math.floor((low + high) / 2), next = nextFiring(cron, timeZone, middle * MINUTE_MS); if (next !== null && next <= now) low = middle; else high = middle }
  return nextFiring(cron, timeZone, low * MINUTE_MS) ?? due
}
