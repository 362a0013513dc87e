import { expect, test } from 'vitest'
import { JobId, UserId } from '@lumaris/protocol'
import { randomBytes } from 'node:crypto'
import { createIds } from './ids.ts'

test('an id is what the protocol expects of one', () => {
  const ids = createIds(() => 1_700_000_000_000, randomBytes)
  expect(UserId.parse(ids.make('usr'))).toMatch(/^usr_/)
  expect(JobId.parse(ids.make('job'))).toMatch(/^job_/)
})

test('ids are in the order they were made: within a millisecond, across them, and when the clock steps back', () => {
  let now = 1_700_000_000_000
  const ids = createIds(() => now, randomBytes)
  const made: string[] = []
  for (let i = 0; i < 5_000; i++) {
    made.push(ids.make('job'))
    if (i % 7 === 0) now++
    if (i === 2_500) now -= 60_000
  }
  expect(made.toSorted()).toEqual(made)
  expect(new Set(made).size).toBe(made.length)
})

test('the next id goes on counting where all its last characters are full', () => {
  const ids = createIds(() => 1, (size) => new Uint8Array(size).fill(31, 1)) // the first character is 0, the rest are at their end
  const [first, second] = [ids.make('x'), ids.make('x')]
  expect([first.slice(-16), second.slice(-16)]).toEqual(['0zzzzzzzzzzzzzzz', '1000000000000000'])
})
