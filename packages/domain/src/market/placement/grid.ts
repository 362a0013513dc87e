// Pools of nodes alike in region, hardware, traits and price, each a grid of 16 × 64 cells: free memory (or free GPUs) × free processors. Bitmaps say
// which cells hold somebody, lists run through the columns, so a node moves in a few steps and a search touches only cells that may fit.
import { COARSE, FINE, priceBand, roundDown, roundUp } from './levels.ts'
import { NEXT, HOT } from './nodes.ts'
import type { NodeColumns } from './nodes.ts'
import type { NodeView, Prices } from './view.ts'

export type Pool = {
  readonly index: number
  readonly region: number; readonly hardware: number; readonly traits: number; readonly gpu: boolean
  nodes: number
  readonly heads: Int32Array
  /** Rows that hold somebody, and in each row the cells that do: two words of 32. */
  rows: number
  readonly cells: Uint32Array
  /** No node of the pool is cheaper, or fails less: only ever lowered, so every bound made of it holds. */
  least: Prices & { readonly riskPpm: number }
  mostGpuHour: number
  /** Classes that found no place here. Only a node of this pool that gains room for one of them wakes it. */
  readonly blocked: number[]
}

/** What a piece of ordinary work costs on it, its failures included: nodes of one band cost nearly the same. */
const priceIndex = (view: NodeView): number => {
  const { cpuHour, memoryGibHour, gpuHour } = view.prices
  return Math.round((view.gpus > 0 ? gpuHour + 8 * cpuHour + 32 * memoryGibHour : 4 * cpuHour + 16 * memoryGibHour) * (1 + view.riskPpm / 1_000_000))
}

export class Pools {
  readonly all: Pool[] = []
  readonly #byKey = new Map<string, Pool>()
  /** Grows when a pool is made or a bound falls: orders made of bounds are stale then. */
  shape = 0

  /** The pool of a node, its bounds widened to hold it. */
  of(view: NodeView): Pool {
    const key = `${view.region} ${view.hardware} ${view.traits} ${view.gpus > 0 ? 1 : 0} ${priceBand(priceIndex(view))}`
    const { prices } = view
    let pool = this.#byKey.get(key)
    if (!pool) {
      pool = {
        index: this.all.length, region: view.region, hardware: view.hardware, traits: view.traits, gpu: view.gpus > 0, nodes: 0,
        heads: new Int32Array(COARSE * FINE).fill(-1), rows: 0, cells: new Uint32Array(COARSE * 2),
        least: floorOf(prices, view.riskPpm), mostGpuHour: roundUp(prices.gpuHour), blocked: [],
      }
      this.all.push(pool)
      this.#byKey.set(key, pool)
      this.shape++
      return pool
    }
    const { least } = pool
    if (prices.start < least.start || prices.cpuHour < least.cpuHour || prices.memoryGibHour < least.memoryGibHour || prices.diskGibHour < least.diskGibHour || prices.gpuHour < least.gpuHour
      || view.riskPpm < least.riskPpm || prices.gpuHour > pool.mostGpuHour) {
      const low = floorOf(prices, view.riskPpm)
      pool.least = {
        start: Math.min(least.start, low.start), cpuHour: Math.min(least.cpuHour, low.cpuHour), memoryGibHour: Math.min(least.memoryGibHour, low.memoryGibHour),
        diskGibHour: Math.min(least.diskGibHour, low.diskGibHour), gpuHour: Math.min(least.gpuHour, low.gpuHour), outGib: 0, riskPpm: Math.min(least.riskPpm, low.riskPpm),
      }
      pool.mostGpuHour = Math.max(pool.mostGpuHour, roundUp(prices.gpuHour))
      this.shape++
    }
    return pool
  }
}
const floorOf = (prices: Prices, riskPpm: number): Pool['least'] => ({
  start: roundDown(prices.start), cpuHour: roundDown(prices.cpuHour), memoryGibHour: roundDown(prices.memoryGibHour), diskGibHour: roundDown(prices.diskGibHour),
  gpuHour: roundDown(prices.gpuHour), outGib: 0, riskPpm: roundDown(riskPpm),
})

export function enter(pool: Pool, nodes: NodeColumns, node: number, cell: number): void {
  const head = pool.heads[cell] as number
  nodes.cell[node] = cell
  nodes.hot[node * HOT + NEXT] = head
  nodes.previous[node] = -1
  if (head >= 0) nodes.previous[head] = node
  else {
    const row = cell >> 6
    pool.rows |= 1 << row
    pool.cells[row * 2 + ((cell >> 5) & 1)] = (pool.cells[row * 2 + ((cell >> 5) & 1)] as number) | (1 << (cell & 31))
  }
  pool.heads[cell] = node
  pool.nodes++
}
export function leave(pool: Pool, nodes: NodeColumns, node: number): void {
  const cell = nodes.cell[node] as number, next = nodes.hot[node * HOT + NEXT] as number, previous = nodes.previous[node] as number
  if (next >= 0) nodes.previous[next] = previous
  if (previous >= 0) nodes.hot[previous * HOT + NEXT] = next
  else {
    pool.heads[cell] = next
    if (next < 0) {
      const row = cell >> 6, word = row * 2 + ((cell >> 5) & 1)
      pool.cells[word] = (pool.cells[word] as number) & ~(1 << (cell & 31))
      if (pool.cells[row * 2] === 0 && pool.cells[row * 2 + 1] === 0) pool.rows &= ~(1 << row)
    }
  }
  nodes.cell[node] = -1
  pool.nodes--
}

/** The first cell that holds somebody at or after `cell`, in rows and columns not below `row` and `column`; -1: none. */
export function cellFrom(pool: Pool, cell: number, column: number): number {
  let row = cell >> 6, from = Math.max(cell & 63, column)
  for (;;) {
    const rows = pool.rows & (-1 << row)
    if (rows === 0 || row >= COARSE) return -1
    const found = 31 - Math.clz32(rows & -rows)
    if (found !== row) { row = found; from = column }
    if (from < 32) {
      const low = (pool.cells[row * 2] as number) & (-1 << from)
      if (low !== 0) return row * FINE + 31 - Math.clz32(low & -low)
      from = 32
    }
    if (from < 64) {
      const high = (pool.cells[row * 2 + 1] as number) & (-1 << (from - 32))
      if (high !== 0) return row * FINE + 63 - Math.clz32(high & -high)
    }
    row++
    from = column
    if (row >= COARSE) return -1
  }
}
/** The last cell that holds somebody at or before `cell`, in columns not below `column`; -1: none. */
export function cellBefore(pool: Pool, cell: number, column: number): number {
  if (cell < 0) return -1
  let row = cell >> 6, to = cell & 63
  for (;;) {
    const rows = pool.rows & (2 ** (row + 1) - 1)
    if (rows === 0) return -1
    const found = 31 - Math.clz32(rows)
    if (found !== row) { row = found; to = 63 }
    let cells = to >= 32 ? (pool.cells[row * 2 + 1] as number) & (0xffff_ffff >>> (63 - to)) : 0
    if (cells !== 0) { const at = 63 - Math.clz32(cells); if (at >= column) return row * FINE + at } else {
      cells = (pool.cells[row * 2] as number) & (to >= 31 ? -1 : (1 << (to + 1)) - 1)
      if (cells !== 0) { const at = 31 - Math.clz32(cells); if (at >= column) return row * FINE + at }
    }
    if (row === 0) return -1
    row--
    to = 63
  }
}
