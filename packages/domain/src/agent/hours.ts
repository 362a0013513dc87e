// The hours an owner has set, in the owner's own time zone: open or closed at a moment, and when that changes. Offsets of time zones change only at
// whole quarters of an hour (since 1972, everywhere), so the local clock is asked once per quarter and counted on from there.
import { DAYS } from '@lumaris/protocol'
import type { Day, Hours, Instant } from '@lumaris/protocol'

const MINUTE_MS = 60_000, QUARTER_MS = 15 * MINUTE_MS, DAY_MINUTES = 24 * 60
/** A week has every opening there is; a day more, for a week in which the clocks are put on. */
const AHEAD_MS = 8 * 86_400_000
export type Local = { readonly day: Day; readonly minute: number }
const clocks = new Map<string, Intl.DateTimeFormat>()

/** Weekday and minute of the day at a moment, there. */
export function localTime(timeZone: string, at: Instant): Local {
  let clock = clocks.get(timeZone)
  if (!clock) {
    if (clocks.size > 50) clocks.clear()
    clocks.set(timeZone, clock = new Intl.DateTimeFormat('en-GB', { timeZone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }))
  }
  let day: Day = 'mon', minute = 0
  for (const { type, value } of clock.formatToParts(at)) {
    if (type === 'weekday') day = DAYS.find((one) => one === value.toLowerCase()) ?? day
    else if (type === 'hour') minute += Number(value) * 60
    else if (type === 'minute') minute += Number(value)
  }
  return { day, minute }
}

const minuteOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3))
export const rangesOf = (hours: Hours, day: Day): (readonly [from: number, to: number])[] => hours.week[day].map((range) => [minuteOf(range.slice(0, 5)), minuteOf(range.slice(6))] as const)
const covers = (hours: Hours, { day, minute }: Local): boolean => rangesOf(hours, day).some(([from, to]) => minute >= from && minute < to)
export const isOpenAt = (hours: Hours, at: Instant): boolean => covers(hours, localTime(hours.timeZone, at))

/** The first moment after `at` that is open (or closed); null when there is none within a week. */
export function nextChange(hours: Hours, at: Instant, to: 'open' | 'closed'): Instant | null {
  for (let quarter = at - (at % QUARTER_MS); quarter < at + AHEAD_MS; quarter += QUARTER_MS) {
    const { day, minute } = localTime(hours.timeZone, quarter)
    for (let i = 0; i < 15; i++) {
      const moment = quarter + i * MINUTE_MS
      if (moment > at && covers(hours, { day, minute: (minute + i) % DAY_MINUTES }) === (to === 'open')) return moment
    }
  }
  return null
}

/** The next time the local clock shows this minute on another day than today: "until tomorrow 08:00". */
export function tomorrowAt(timeZone: string, at: Instant, minute: number): Instant {
  const today = localTime(timeZone, at).day
  for (let quarter = at - (at % QUARTER_MS) + QUARTER_MS; quarter < at + AHEAD_MS; quarter += QUARTER_MS) {
    const local = localTime(timeZone, quarter)
    // A minute that the day does not have, because the clocks are put on, comes at the next quarter.
    if (local.day !== today && local.minute + 15 > minute) return quarter + Math.max(0, minute - local.minute) * MINUTE_MS
  }
  return at + 86_400_000
}

/** When the local day began. */
export function dayStart(timeZone: string, at: Instant): Instant {
  const { day } = localTime(timeZone, at)
  let start = at - (at % QUARTER_MS)
  while (localTime(timeZone, start - 1).day === day) start -= QUARTER_MS
  return start
}
