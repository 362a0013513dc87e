import { expect, test } from 'vitest'
import { gather } from './gather.ts'
import type { Region } from './gather.ts'
import { placeOf } from './region-places.ts'

const region = (name: string, nodes: number, online = nodes): Region => ({ region: name, nodes, states: { online }, running: 0, cpuMillis: 0, freeCpuMillis: 0 })

test('no two marks touch, no node is lost, and the largest gives the place', () => {
  let seed = 7
  const draw = (most: number): number => { seed = (seed * 48271) % 2147483647; return seed % most }
  for (let round = 0; round < 200; round++) {
    const spots = Array.from({ length: 1 + draw(40) }, (_one, i) => ({ x: draw(300), y: draw(150), region: region(`r${i}`, 1 + draw(50)) })), marks = gather(spots)
    marks.forEach((one, i) => marks.slice(i + 1).forEach((two) => expect(Math.hypot(one.x - two.x, one.y - two.y)).toBeGreaterThanOrEqual((one.size + two.size) / 2)))
    expect(marks.reduce((sum, one) => sum + one.nodes, 0)).toBe(spots.reduce((sum, one) => sum + one.region.nodes, 0))
    expect(marks.flatMap((one) => one.regions)).toHaveLength(spots.length)
    for (const one of marks) expect(spots.some(({ x, y, region: { nodes } }) => x === one.x && y === one.y && nodes === Math.max(...one.regions.map((each) => each.nodes)))).toBe(true)
  }
})
test('a region whose name is not known has no place; a zone is where its region is', () => {
  expect(placeOf('eu-central-1')).toEqual([50.1, 8.7])
  expect(placeOf('eu-central-1a')).toEqual([50.1, 8.7])
  expect(placeOf('us-central1-b')).toEqual(placeOf('us-central1'))
  expect([placeOf('local'), placeOf('constructor'), placeOf(''), placeOf('__proto__')]).toEqual([null, null, null, null])
})
