import { expect, test } from 'vitest'
import { addUp, daysCsv, everyDay, shareOf } from './spend-days.ts'

test('days without a bill are there as well, in their order', () => {
  const since = Date.parse('2026-02-27T00:00:00Z'), now = Date.parse('2026-03-02T13:00:00Z')
  expect(everyDay([{ day: '2026-02-28', cost: '5' }, { day: '2026-03-02', cost: '7' }], since, now)).toEqual([{ day: '2026-02-27', cost: 0n }, { day: '2026-02-28', cost: 5n }, { day: '2026-03-01', cost: 0n }, { day: '2026-03-02', cost: 7n }])
})
test('the days for a spreadsheet, those without a bill as well', () => {
  const since = Date.parse('2026-02-27T00:00:00Z'), now = Date.parse('2026-03-01T13:00:00Z')
  expect(daysCsv([{ day: '2026-02-28', cost: '1234567890', jobs: 3 }, { day: '2026-03-01', cost: '7', jobs: 1 }], since, now).split('\r\n')).toEqual(['day (UTC),credits,jobs', '2026-02-27,0.00,0', '2026-02-28,1234.56789,3', '2026-03-01,0.000007,1', ''])
})
test('a bar is a part of the largest, and a small one is still seen', () => {
  expect([shareOf(0n, 10n), shareOf(5n, 10n), shareOf(10n, 10n), shareOf(1n, 1_000_000n), shareOf(0n, 0n)]).toEqual([0, 0.5, 1, 0.01, 0])
})
test('days are added up since the first of a month, also over days without a bill; what was before does not count', () => {
  const since = Date.parse('2026-03-01T00:00:00Z'), now = Date.parse('2026-03-04T01:00:00Z')
  expect(addUp([{ day: '2026-02-28', cost: '100' }, { day: '2026-03-02', cost: '7' }, { day: '2026-03-04', cost: '5' }], since, now).map(({ day, sum }) => `${day} ${sum}`)).toEqual(['2026-03-01 0', '2026-03-02 7', '2026-03-03 7', '2026-03-04 12'])
})
