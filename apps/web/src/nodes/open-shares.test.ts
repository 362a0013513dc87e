import { expect, test } from 'vitest'
import { openShares } from './open-shares.ts'

test('whole hours, and parts of them', () => {
  expect(openShares(['22:30-24:00', '00:00-01:00']).map((share, hour) => [hour, share]).filter(([, share]) => share !== 0)).toEqual([[0, 1], [22, 0.5], [23, 1]])
  expect(openShares(['00:00-24:00'])).toEqual(Array.from({ length: 24 }, () => 1))
})
test('nonsense opens nothing', () => { expect(openShares(['', 'a-b', '9', '20:00-08:00', '00:00-99:00', '-1:00-2:00']).every((share) => share === 0)).toBe(true) })
