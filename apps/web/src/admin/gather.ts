// Marks of a map that would lie on one another become one, at the place of the largest: each stays large enough to be hit (WCAG 2.5.8), however narrow the map is.
import type { Fleet } from '@lumaris/protocol'

export type Region = Fleet['regions'][number]
export type Spot = { readonly x: number; readonly y: number; readonly region: Region }
export type Mark = { readonly x: number; readonly y: number; readonly size: number; readonly nodes: number; readonly online: number; readonly regions: readonly Region[] }

const SIZE_MIN = 26, SIZE_MAX = 64
/** Its area says how many; the digits of a small one still fit. */
export const sizeOf = (nodes: number): number => Math.round(Math.min(SIZE_MAX, SIZE_MIN + 3 * (Math.sqrt(nodes) - 1)))

export function gather(spots: readonly Spot[]): Mark[] {
  let marks = spots.toSorted((a, b) => b.region.nodes - a.region.nodes || (a.region.region < b.region.region ? -1 : 1)).map(({ x, y, region }): Mark => ({ x, y, size: sizeOf(region.nodes), nodes: region.nodes, online: region.states.online ?? 0, regions: [region] }))
  // One that took in another has grown, and may touch a third.
  for (let i = 0; i < marks.length; i++) {
    const one = marks[i] as Mark, other = marks.findIndex((two, j) => j > i && Math.hypot(one.x - two.x, one.y - two.y) < (one.size + two.size) / 2 + 2)
    if (other < 0) continue
    const two = marks[other] as Mark, nodes = one.nodes + two.nodes
    marks = marks.toSpliced(other, 1).with(i, { ...one, size: sizeOf(nodes), nodes, online: one.online + two.online, regions: [...one.regions, ...two.regions] })
    i = -1
  }
  return marks
}
