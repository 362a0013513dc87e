import { expect, test } from 'vitest'
import { addUp, everyDay, shareOf, splitDays } from './spend-days.ts'

test('days without a bill are there as well, in their order', () => {
  const since = Date.parse('2026-02-27T00:00:00Z'), now = Date.parse('2026-03-02T13:00:00Z')
  expect(everyDay([{ day: '2026-02-28', cost: '5' }, { day: '2026-03-02', cost: '7' }], since, now)).toEqual([{ day: '2026-02-27', cost: 0n }, { day: '2026-02-28', cost: 5n }, { day: '2026-03-01', cost: 0n }, { day: '2026-03-02', cost: 7n }])
})
test('days are split into the lines that are told apart and what is left of each day; without a rest there are no others', () => {
  const since = Date.parse('2026-03-01T00:00:00Z'), now = Date.parse('2026-03-02T13:00:00Z'), days = [{ day: '2026-03-01', cost: '9' }, { day: '2026-03-02', cost: '4' }]
  const lines = [{ key: 'train', cost: '7', days: [{ day: '2026-03-01', cost: '5' }, { day: '2026-03-02', cost: '2' }] }, { key: null, cost: '4', days: [{ day: '2026-03-01', cost: '4' }] }, { key: 'small', cost: '2' }]
  expect(splitDays(lines, days, since, now)).toEqual({ keys: ['train', null], hasOthers: true, days: [{ day: '2026-03-01', cost: 9n, parts: [5n, 4n, 0n] }, { day: '2026-03-02', cost: 4n, parts: [2n, 0n, 2n] }] })
  expect(splitDays(lines.slice(0, 2), [{ day: '2026-03-01', cost: '9' }, { day: '2026-03-02', cost: '2' }], since, now)).toMatchObject({ hasOthers: false, days: [{ parts: [5n, 4n] }, { parts: [2n, 0n] }] })
})
test('a bar is a part of the largest, and a small one is still seen', () => {
  expect([shareOf(0n, 10n), shareOf(5n, 10n), shareOf(10n, 10n), shareOf(1n, 1_000_000n), shareOf(0n, 0n)]).toEqual([0, 0.5, 1, 0.01, 0])
})
test('days are added up since the first of a month, also over days without a bill; what was before does not count', () => {
  const since = Date.parse('2026-03-01T00:00:00Z'), now = Date.parse('2026-03-04T01:00:00Z')
  expect(addUp([{ day: '2026-02-28', cost: '100' }, { day: '2026-03-02', cost: '7' }, { day: '2026-03-04', cost: '5' }], since, now).map(({ day, sum }) => `${day} ${sum}`)).toEqual(['2026-03-01 0', '2026-03-02 7', '2026-03-03 7', '2026-03-04 12'])
})
