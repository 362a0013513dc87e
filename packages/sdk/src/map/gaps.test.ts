import { expect, test } from 'vitest'
import { gapsOf } from './map.ts'

test('what is missing between ranges, and that two of them share a byte is an error, never a merge', () => {
  const whole = { from: 10, to: 100 }
  expect(gapsOf(whole, [])).toEqual([whole])
  expect(gapsOf(whole, [{ from: 10, to: 40 }, { from: 40, to: 100 }])).toEqual([])
  expect(gapsOf(whole, [{ from: 20, to: 40 }, { from: 60, to: 90 }])).toEqual([{ from: 10, to: 20 }, { from: 40, to: 60 }, { from: 90, to: 100 }])
  for (const ranges of [[{ from: 10, to: 40 }, { from: 39, to: 100 }], [{ from: 10, to: 40 }, { from: 10, to: 40 }], [{ from: 0, to: 40 }], [{ from: 50, to: 101 }]]) expect(() => gapsOf(whole, ranges)).toThrow('Two results are of the same part')
})
