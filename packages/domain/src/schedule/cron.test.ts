import { expect, test } from 'vitest'
import fc from 'fast-check'
import { isTimeZone, newestFiring, nextFiring, parseCron } from './cron.ts'
import type { Cron } from './cron.ts'

const cron = (text: string): Cron => { const parsed = parseCron(text); if (typeof parsed === 'string') throw new Error(parsed); return parsed }
const BERLIN = 'Europe/Berlin'
function firings(text: string, timeZone: string, from: string, count: number): string[] {
  const all: string[] = []
  for (let at: number | null = Date.parse(from); at !== null && all.length < count; ) { at = nextFiring(cron(text), timeZone, at); if (at !== null) all.push(new Date(at).toISOString().slice(0, 16)) }
  return all
}

test.each([
  ['every day at three, in winter and in summer', '0 3 * * *', BERLIN, '2026-01-10T12:00Z', ['2026-01-11T02:00', '2026-01-12T02:00']], ['summer', '0 3 * * *', BERLIN, '2026-07-10T12:00Z', ['2026-07-11T01:00']],
  ['every quarter of an hour', '*/15 * * * *', 'UTC', '2026-01-10T12:07Z', ['2026-01-10T12:15', '2026-01-10T12:30', '2026-01-10T12:45', '2026-01-10T13:00']], ['a moment that fires is not after itself', '0 0 * * *', 'UTC', '2026-01-10T00:00Z', ['2026-01-11T00:00']],
  ['weekdays by name', '30 9 * * mon-fri', 'UTC', '2026-01-09T10:00Z', ['2026-01-12T09:30', '2026-01-13T09:30']], ['Sunday as 0 and as 7', '0 0 * * 7', 'UTC', '2026-01-10T00:00Z', ['2026-01-11T00:00']],
  ['day of the month or weekday, when both are named', '0 0 13 * 5', 'UTC', '2026-02-01T00:00Z', ['2026-02-06T00:00', '2026-02-13T00:00', '2026-02-20T00:00', '2026-02-27T00:00', '2026-03-06T00:00', '2026-03-13T00:00']],
  ['29 February, also over 2100', '0 0 29 2 *', 'UTC', '2096-03-01T00:00Z', ['2104-02-29T00:00']], ['the end of the year', '59 23 31 12 *', 'Asia/Tokyo', '2026-12-31T15:00Z', ['2027-12-31T14:59']], ['lists, ranges and steps', '5,10-14/2 8-18/5 1 jan,6 *', 'UTC', '2026-01-01T08:11Z', ['2026-01-01T08:12', '2026-01-01T08:14', '2026-01-01T13:05']],
  ['a short form', '@weekly', 'UTC', '2026-01-10T00:00Z', ['2026-01-11T00:00']], ['a zone of three quarters of an hour', '0 12 * * *', 'Asia/Kathmandu', '2026-01-10T00:00Z', ['2026-01-10T06:15']],
  // 29 March 2026, 02:00 → 03:00 there; 25 October, 03:00 → 02:00.
  ['a time that the day does not have comes when the clock has jumped', '30 2 * * *', BERLIN, '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-30T00:30']], ['and once, however many were jumped over', '*/10 2 * * *', BERLIN, '2026-03-29T00:00Z', ['2026-03-29T01:00', '2026-03-30T00:00']],
  ['a time that the day has twice comes the first time', '30 2 * * *', BERLIN, '2026-10-24T12:00Z', ['2026-10-25T00:30', '2026-10-26T01:30']], ['what comes every hour follows the clock as it runs', '30 * * * *', BERLIN, '2026-10-24T23:00Z', ['2026-10-24T23:30', '2026-10-25T00:30', '2026-10-25T01:30', '2026-10-25T02:30']],
  ['also where it jumps', '30 * * * *', BERLIN, '2026-03-29T00:00Z', ['2026-03-29T00:30', '2026-03-29T01:30']], ['half an hour of daylight saving', '15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T12:00Z', ['2026-10-03T15:30', '2026-10-04T15:15']],
  ['clocks that change at midnight', '15 0 * * *', 'America/Havana', '2026-03-07T12:00Z', ['2026-03-08T05:00', '2026-03-09T04:15']], ['a day that was left out', '0 12 30 12 *', 'Pacific/Apia', '2011-12-01T00:00Z', ['2011-12-30T10:00', '2012-12-29T22:00']],
] as const)('%s: %s in %s', (_what, text, timeZone, from, expected) => expect(firings(text, timeZone, from, expected.length)).toEqual(expected))

test.each(['0 0 31 2 *', '0 0 30 2 *', '0 0 31 4,6,9,11 *'])('%s never comes, and that is soon known', (text) => expect(nextFiring(cron(text), BERLIN, 0)).toBeNull())
test.each([['* * * *', 'has 4 fields'], ['', 'has 1 fields'], ['60 * * * *', '"60" is no minute'], ['* 24 * * *', 'is no hour'], ['* * 0 * *', 'is no day of the month'], ['* * * 13 *', 'is no month'], ['* * * * 8', 'is no weekday'], ['*/0 * * * *', 'is no minute'], ['5-1 * * * *', 'is no minute'], ['a * * * *', 'is no minute'], ['1-2-3 * * * *', 'is no minute'], ['* * * foo *', 'is no month'], ['1,,2 * * * *', 'is no minute'], ['-1 * * * *', 'is no minute'], ['@never', 'has 1 fields'], ['* * * * * *', 'has 6 fields'], ['1e1 * * * *', 'is no minute']])('%j is refused with what is wrong', (text, says) => expect(parseCron(text)).toContain(says))
test('time zones', () => expect([BERLIN, 'UTC', 'Europe/Atlantis', ''].map(isTimeZone)).toEqual([true, true, false, false]))

// Against a walk over every minute of real time that asks the local clock alone: it shares nothing with the search but the rule.
const ZONES = [BERLIN, 'UTC', 'America/New_York', 'Australia/Lord_Howe', 'America/Havana', 'Asia/Kolkata', 'America/St_Johns', 'Africa/Casablanca']
const field = (from: number, to: number) => fc.oneof(fc.constant('*'), fc.integer({ min: from, max: to }).map(String), fc.tuple(fc.integer({ min: from, max: to }), fc.integer({ min: from, max: to })).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`), fc.integer({ min: 1, max: to }).map((n) => `*/${n}`))
const CHANGES = ['2026-03-29T00:00Z', '2026-10-25T00:00Z', '2026-03-08T00:00Z', '2026-11-01T00:00Z', '2026-04-04T10:00Z', '2026-10-03T10:00Z', '2026-02-15T00:00Z', '2026-06-01T00:00Z'].map((text) => Date.parse(text))
test('whatever the fields, zone and moment: nothing fires that the local clock does not show, nothing is left out, and nothing comes twice', () => {
  fc.assert(fc.property(field(0, 59), field(0, 23), field(0, 6), fc.constantFrom(...ZONES), fc.constantFrom(...CHANGES), fc.integer({ min: -2160, max: 2160 }), (minute, hour, weekday, timeZone, change, shift) => {
    const rule = cron(`${minute} ${hour} * * ${weekday}`), from = change + shift * 60_000, to = from + 30 * 3_600_000
    const clock = new Intl.DateTimeFormat('en-GB', { timeZone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
    const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
    const shown = (at: number): { day: number; minutes: number } => { const parts = Object.fromEntries(clock.formatToParts(at).map(({ type, value }) => [type, value])); return { day: days.indexOf(parts['weekday'] as string), minutes: Number(parts['hour']) * 60 + Number(parts['minute']) } }
    const hits = (day: number, minutes: number): boolean => rule.weekdays.has(day) && rule.hours.includes(Math.floor(minutes / 60)) && rule.minutes.includes(minutes % 60)
    const expected: number[] = [], seen = new Set<string>()
    // A day earlier, so that what is shown for the second time is known as such.
    for (let at = from - 86_400_000, before = shown(at - 60_000); at <= to; at += 60_000) {
      const now = shown(at), moved = ((now.day - before.day + 7) % 7) * 1440 + now.minutes - before.minutes, again = seen.has(`${now.day} ${now.minutes}`)
      let fires = hits(now.day, now.minutes) && (rule.hours.length === 24 || !again)
      if (rule.hours.length < 24 && moved > 1 && moved < 720) for (let skipped = 1; skipped < moved; skipped++) { const minutes = before.minutes + skipped; if (hits((before.day + Math.floor(minutes / 1440)) % 7, minutes % 1440)) fires = true }
      if (fires && at > from) expected.push(at)
      seen.add(`${now.day} ${now.minutes}`)
      before = now
    }
    const got: number[] = []
    for (let at = nextFiring(rule, timeZone, from); at !== null && at <= to; at = nextFiring(rule, timeZone, at)) got.push(at)
    expect(got).toEqual(expected)
    if (got.length > 0) expect(newestFiring(rule, timeZone, got[0] as number, to)).toBe(got.at(-1))
  }), { numRuns: 100 })
}, 300_000)
