// The hours of a week as a grid of cells, and in words. The market's page of a node and the screen on the machine itself both draw it with this; the
// latter is served as it stands here, without its types, so this file imports nothing that runs.
import type { Day } from './owner.ts'

export type Week = Readonly<Record<Day, readonly string[]>>
export type Cell = boolean | 'mixed'
export const DAY_NAMES: Readonly<Record<Day, string>> = { mon: 'Monday', tue: 'Tuesday', wed: 'Wednesday', thu: 'Thursday', fri: 'Friday', sat: 'Saturday', sun: 'Sunday' }
export const WEEK = Object.keys(DAY_NAMES) as Day[]
const ALL_DAY = '00:00-24:00'
export const always = (): Week => weekOf(() => [ALL_DAY])
export const never = (): Week => weekOf(() => [])
const weekOf = (of: (day: Day) => readonly string[]): Week => Object.fromEntries(WEEK.map((day) => [day, of(day)])) as unknown as Week

/** To be sent, or changed by whoever has it. */
export const copyOf = (week: Week): Record<Day, string[]> => Object.fromEntries(WEEK.map((day) => [day, [...week[day]]])) as Record<Day, string[]>

const RANGE = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))$/
/** What cannot be read as a range is none: an agent may say what it likes. */
function minutesOf(range: string): readonly [from: number, to: number] | null {
  const match = RANGE.exec(range)
  if (!match) return null
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = match.slice(1).filter((part) => part !== undefined).map(Number)
  const from = fromHour * 60 + fromMinute, to = toHour * 60 + toMinute
  return from < to ? [from, to] : null
}
const two = (value: number): string => String(value).padStart(2, '0')

/** Each hour of a day: open, closed, or partly open, where somebody has written minutes by hand. */
export function cellsOf(ranges: readonly string[]): Cell[] {
  const open = Array.from({ length: 24 }, () => 0)
  for (const range of ranges) {
    const [from, to] = minutesOf(range) ?? [0, 0]
    for (let hour = 0; hour < 24; hour++) open[hour] = (open[hour] ?? 0) + Math.max(0, Math.min(to, (hour + 1) * 60) - Math.max(from, hour * 60))
  }
  return open.map((minutes) => (minutes >= 60 ? true : minutes > 0 ? 'mixed' : false))
}
function rangesOf(open: readonly boolean[]): string[] {
  const ranges: string[] = []
  for (let hour = 0; hour < 24; hour++) {
    if (!open[hour]) continue
    let end = hour
    while (end < 24 && open[end]) end++
    ranges.push(`${two(hour)}:00-${two(end)}:00`)
    hour = end
  }
  return ranges
}
/** One hour opened or closed. Hours of that day which were partly open are whole from then on. */
export function paint(week: Week, day: Day, hour: number, open: boolean): Week {
  const now = cellsOf(week[day])
  return now[hour] === open ? week : { ...week, [day]: rangesOf(now.map((cell, i) => (i === hour ? open : cell !== false))) }
}
/** A whole day: closed where all of it was open, else opened. */
export const flipDay = (week: Week, day: Day): Week => ({ ...week, [day]: cellsOf(week[day]).every((cell) => cell === true) ? [] : [ALL_DAY] })

export type At = { readonly day: Day; readonly hour: number }
const STEPS: Readonly<Record<string, readonly [days: number, hours: number]>> = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -24], End: [0, 24] }
/** Where a key leads from a cell; null: it is none of the grid's. `turned`: days lie beside each other, hours below each other. */
export function step({ day, hour }: At, key: string, turned = false): At | null {
  const found = STEPS[key]
  if (!found) return null
  const [days, hours] = turned && key.startsWith('Arrow') ? [found[1], found[0]] : found
  return { day: WEEK[Math.min(6, Math.max(0, WEEK.indexOf(day) + days))] as Day, hour: Math.min(23, Math.max(0, hour + hours)) }
}
export const cellLabel = (day: Day, hour: number): string => `${DAY_NAMES[day]} ${two(hour)}:00 to ${two(hour + 1)}:00`

/** `Weekdays 22:00–07:00; Sat all day`: a night is one range, from its evening, and days that are alike are one. */
export function hoursText(week: Week): string {
  const nights = joinNights(week)
  const groups: { days: Day[]; text: string }[] = []
  for (const day of WEEK) {
    const text = nights[day].length === 1 && nights[day][0] === ALL_DAY ? 'all day' : nights[day].map((range) => range.replace('-', '–')).join(' and ')
    if (text === '') continue
    const known = groups.find((group) => group.text === text)
    if (known) known.days.push(day)
    else groups.push({ days: [day], text })
  }
  if (groups.length === 0) return 'never'
  if (groups.length === 1 && groups[0]?.days.length === 7) return groups[0].text === 'all day' ? 'at all hours' : `every day ${groups[0].text}`
  return groups.map(({ days, text }) => `${daysText(days)} ${text}`).join('; ')
}
/** What ends at midnight and goes on for less than half of the next day belongs to its evening. */
function joinNights(week: Week): Record<Day, string[]> {
  const made = Object.fromEntries(WEEK.map((day) => [day, week[day].filter((range) => minutesOf(range) !== null)])) as Record<Day, string[]>
  const rest = Object.fromEntries(WEEK.map((day) => [day, [...made[day]]])) as Record<Day, string[]>
  for (const [i, day] of WEEK.entries()) {
    const next = WEEK[(i + 1) % 7] as Day
    const evening = made[day].find((range) => range.endsWith('-24:00') && range !== ALL_DAY), morning = made[next].find((range) => range.startsWith('00:00-') && range <= '00:00-12:00')
    if (evening === undefined || morning === undefined) continue
    rest[day] = rest[day].map((range) => (range === evening ? `${evening.slice(0, 5)}-${morning.slice(6)}` : range))
    rest[next] = rest[next].filter((range) => range !== morning)
  }
  return rest
}
function daysText(days: readonly Day[]): string {
  const at = days.map((day) => WEEK.indexOf(day)), is = (...wanted: number[]): boolean => at.join() === wanted.join()
  if (is(0, 1, 2, 3, 4)) return 'weekdays'
  if (is(5, 6)) return 'weekends'
  const short = (index: number): string => DAY_NAMES[WEEK[index] as Day].slice(0, 3)
  const parts: string[] = []
  for (let i = 0; i < at.length;) {
    let end = i
    while (at[end + 1] === (at[end] ?? 0) + 1) end++
    parts.push(end - i >= 2 ? `${short(at[i] ?? 0)}–${short(at[end] ?? 0)}` : at.slice(i, end + 1).map(short).join(', '))
    i = end + 1
  }
  return parts.join(', ')
}

/** "Weekdays 22:00–07:00, up to 4 of 8 cores". */
export function settingsText(week: Week | null, { cpuPercent, cores }: { readonly cpuPercent: number; readonly cores: number | null }, fullCpuMillis: number): string {
  const hours = week === null ? 'at all hours' : hoursText(week)
  const most = Math.min(Math.floor((fullCpuMillis * cpuPercent) / 100), cores === null ? Infinity : Math.floor(cores * 1000)) / 1000, full = fullCpuMillis / 1000
  return `${hours.slice(0, 1).toUpperCase()}${hours.slice(1)}, ${most === full ? `all ${full} cores` : `up to ${most} of ${full} cores`}`
}
