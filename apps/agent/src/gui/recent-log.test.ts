import { expect, test } from 'vitest'
import type { Log } from '../log.ts'
import { tapLog } from './recent-log.ts'

test('how much is told and kept is as it was started, until the owner says otherwise, and then at once', () => {
  const told: string[] = [], to = Object.fromEntries((['debug', 'info', 'warn', 'error'] as const).map((level) => [level, (_fields: object, says: string) => told.push(`${level} ${says}`)])) as unknown as Log
  const tap = tapLog(to, () => 0, 'info')
  const all = (says: string): void => { for (const name of ['debug', 'info', 'warn', 'error'] as const) tap.log[name]({}, says) }
  const seen = (): number[] => [told.splice(0).length, tap.lines().length]
  all('1')
  expect(seen()).toEqual([3, 3])
  tap.level('error')
  all('2')
  expect(seen()).toEqual([1, 4])
  tap.level('debug')
  all('3')
  expect(seen()).toEqual([4, 8])
  tap.level(null)
  all('4')
  expect(seen()).toEqual([3, 11])
})
