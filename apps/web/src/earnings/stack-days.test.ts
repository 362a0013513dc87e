import { expect, test } from 'vitest'
import type { NodesEarnings } from '@lumaris/protocol'
import { OTHERS, stacked, sumOf } from './stack-days.ts'

const DAY = 86_400_000
const node = (name: string, ...days: [string, string][]) => ({ node: `nod_${name}`, name, cleared: '0', pending: '0', days: days.map(([day, earned]) => ({ day, earned })) }) as NodesEarnings['nodes'][number]
test('every day from the first to today, with a part for each node', () => {
  const found = stacked({ since: 10 * DAY, nodes: [node('a', ['1970-01-11', '5'], ['1970-01-13', '2']), node('b', ['1970-01-11', '7'])] }, 12 * DAY + 1)
  expect(found).toEqual({ names: ['a', 'b'], most: 12n, days: [{ day: '1970-01-11', parts: [5n, 7n] }, { day: '1970-01-12', parts: [0n, 0n] }, { day: '1970-01-13', parts: [2n, 0n] }] })
})
test('past five nodes the rest is one, and nothing is lost', () => {
  const nodes = Array.from({ length: 8 }, (_, i) => node(`n${i}`, ['1970-01-11', String(i + 1)]))
  const { names, days } = stacked({ since: 10 * DAY, nodes }, 10 * DAY)
  expect(names).toEqual(['n0', 'n1', 'n2', 'n3', 'n4', OTHERS])
  expect(days[0]?.parts.reduce((sum, part) => sum + part, 0n)).toBe(nodes.reduce((sum, one) => sum + sumOf(one.days), 0n))
})
test('nothing earned divides by nothing', () => { expect(stacked({ since: 0, nodes: [] }, 0)).toEqual({ names: [], most: 1n, days: [{ day: '1970-01-01', parts: [] }] }) })
