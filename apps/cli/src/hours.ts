// Hours as people type them: `mon-fri 22:00-07:00; sat,sun all`. A night belongs to the day it begins on, and is kept as two ranges, one on each day.
import { InvalidArgumentError } from 'commander'
import { DAYS } from '@lumaris/protocol'
import type { Day, Hours } from '@lumaris/protocol'

type Week = Hours['week']
const CLOCK = /^([01]?\d|2[0-4])(?::([0-5]\d))?$/
const no = (text: string): never => { throw new InvalidArgumentError(`"${text}" are not hours. Write them such as "mon-fri 22:00-07:00; sat,sun all", or always.`) }

/** Null: at all hours. */
export function parseHours(text: string): Week | null {
  if (text.trim().toLowerCase() === 'always') return null
  const week = Object.fromEntries(DAYS.map((day) => [day, [] as [number, number][]])) as Record<Day, [number, number][]>
  for (const part of text.toLowerCase().split(';')) {
    const [, days = '', hours = ''] = /^\s*([a-z,\s-]+?)\s+(all|[\d:,\s-]+)\s*$/.exec(part) ?? no(text)
    for (const day of daysOf(days, text)) for (const range of hours === 'all' ? ['0-24'] : hours.split(',')) {
      const [from = -1, to = -1] = range.split('-').map((one) => { const [, hour, minute = '0'] = CLOCK.exec(one.trim()) ?? no(text); return Number(hour) * 60 + Number(minute) })
      if (from < 0 || to < 0 || to > 1440 || from >= 1440 || from === to || range.split('-').length !== 2) no(text)
      if (from < to) week[day].push([from, to])
      else { week[day].push([from, 1440]); if (to > 0) week[DAYS[(DAYS.indexOf(day) + 1) % 7] as Day].push([0, to]) }
    }
  }
  return Object.fromEntries(DAYS.map((day) => [day, joined(week[day]).map(([from, to]) => `${clock(from)}-${clock(to)}`)])) as Week
}
function daysOf(text: string, whole: string): Day[] {
  return text.split(',').flatMap((part) => {
    const [first = '', last = first, ...more] = part.trim().split('-').map((name) => name.trim().slice(0, 3))
    const from = DAYS.indexOf(first as Day), to = DAYS.indexOf(last as Day)
    if (from < 0 || to < 0 || more.length > 0) no(whole)
    return Array.from({ length: ((to - from + 7) % 7) + 1 }, (_, i) => DAYS[(from + i) % 7] as Day)
  })
}
function joined(ranges: readonly [number, number][]): [number, number][] {
  const out: [number, number][] = []
  for (const [from, to] of [...ranges].sort(([a], [b]) => a - b)) { const last = out.at(-1); if (last && from <= last[1]) last[1] = Math.max(last[1], to); else out.push([from, to]) }
  return out
}
const clock = (minute: number): string => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`

export const hoursText = (hours: Hours | null): string => (hours === null ? 'always' : `${DAYS.filter((day) => hours.week[day].length > 0).map((day) => `${day} ${hours.week[day].join(', ')}`).join('; ') || 'never'} (${hours.timeZone})`)
