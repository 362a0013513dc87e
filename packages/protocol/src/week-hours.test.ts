import { expect, test } from 'vitest'
import { DAYS } from './owner.ts'
import { WEEK, always, cellsOf, copyOf, flipDay, hoursText, never, paint, settingsText, step } from './week-hours.ts'

const on = (days: readonly string[], ...ranges: string[]) => ({ ...copyOf(never()), ...Object.fromEntries(days.map((day) => [day, ranges])) })
test('the days are those of the settings', () => {
  expect(WEEK).toEqual(DAYS)
})
test('cells: whole hours, parts of them, and nothing of nonsense', () => {
  expect(cellsOf(['22:30-24:00', '00:00-01:00']).flatMap((cell, hour) => (cell === false ? [] : [[hour, cell]]))).toEqual([[0, true], [22, 'mixed'], [23, true]])
  expect(cellsOf(['00:00-24:00']).every((cell) => cell === true)).toBe(true)
  expect(cellsOf(['', 'a-b', '9', '20:00-08:00', '00:00-99:00', '-1:00-2:00', '24:00-24:00']).every((cell) => cell === false)).toBe(true)
})
test('painting an hour opens or closes it, and makes the partly open ones of that day whole', () => {
  const week = on(['mon'], '08:30-10:00')
  expect(paint(week, 'mon', 12, true).mon).toEqual(['08:00-10:00', '12:00-13:00'])
  expect(paint(week, 'mon', 9, false).mon).toEqual(['08:00-09:00'])
  expect(paint(week, 'mon', 9, true)).toBe(week)
  expect(flipDay(flipDay(week, 'mon'), 'mon').mon).toEqual([])
})
test('keys move one cell and stop at the edges; turned, they move as the grid lies', () => {
  const at = { day: 'mon', hour: 0 } as const
  expect([
    step(at, 'ArrowRight'),
    step(at, 'ArrowDown'),
    step(at, 'ArrowUp'),
    step(at, 'End'),
    step(at, 'ArrowRight', true),
    step(at, 'End', true),
    step(at, 'x'),
  ]).toEqual([{ day: 'mon', hour: 1 }, { day: 'tue', hour: 0 }, at, { day: 'mon', hour: 23 }, { day: 'tue', hour: 0 }, { day: 'mon', hour: 23 }, null])
})
const WORKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri']
test.each([
  [always(), 'at all hours'],
  [never(), 'never'],
  [{ ...on(['tue', 'wed', 'thu', 'fri'], '00:00-07:00', '22:00-24:00'), mon: ['22:00-24:00'], sat: ['00:00-07:00'] }, 'weekdays 22:00–07:00'],
  [on(['sat', 'sun'], '00:00-24:00'), 'weekends all day'],
  [on(WEEK, '00:00-07:00', '22:00-24:00'), 'every day 22:00–07:00'],
  [on([...WORKDAYS, 'sun'], '09:00-17:00'), 'Mon–Fri, Sun 09:00–17:00'],
  [{ ...on(['mon'], '22:00-24:00'), tue: ['00:00-18:00'] }, 'Mon 22:00–24:00; Tue 00:00–18:00'],
  [on(['mon'], '09:00-10:00', 'rubbish'), 'Mon 09:00–10:00'],
])('in words: %j', (week, words) => {
  expect(hoursText(week)).toBe(words)
})
test('a sentence about hours and cores', () => {
  expect(settingsText(null, { cpuPercent: 50, cores: null }, 8_000)).toBe('At all hours, up to 4 of 8 cores')
  expect(settingsText(always(), { cpuPercent: 100, cores: 2.5 }, 8_000)).toBe('At all hours, up to 2.5 of 8 cores')
  expect(settingsText(never(), { cpuPercent: 100, cores: 64 }, 8_000)).toBe('Never, all 8 cores')
})
