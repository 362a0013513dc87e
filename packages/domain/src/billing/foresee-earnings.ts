// What a node may earn next, if work comes as it came: jobs are pieces that come by chance, each as large as those before. The mean then grows with time, and
// what it may miss by follows from the squares of the pieces (a compound Poisson process), once for the time to come and once for how little the time before
// has shown. Tasks of one job count as one piece, because they come together; few pieces make the range wide, as they should.
import type { Micros } from '@lumaris/protocol'

/** Less work than this says nothing, and neither does less time, however many programs ran in it at once. */
export const FORESEE_FROM_MS = 5 * 60_000
/** Four times of five it lies between, of what is spread as a normal is. */
const SPREAD = 1.2816

export type EarningsBase = {
  /** After the fee, and the sum over jobs of its square, in micro-credits. */
  readonly earned: Micros; readonly squares: number
  /** Over so much time, in which programs ran for so long together. */
  readonly spanMs: number; readonly ranMs: number
}
/** Null: there is no base. `most`: all of the node, sold all the time. */
export function foreseeEarnings({ earned, squares, spanMs, ranMs }: EarningsBase, horizonMs: number, most: Micros): { readonly low: Micros; readonly middle: Micros; readonly high: Micros } | null {
  if (ranMs < FORESEE_FROM_MS || spanMs < FORESEE_FROM_MS || earned <= 0n) return null
  const middle = (earned * BigInt(Math.round(horizonMs))) / BigInt(Math.round(spanMs)), times = horizonMs / spanMs
  const misses = BigInt(Math.round(SPREAD * Math.sqrt(squares * times * (1 + times))))
  const low = middle > misses ? middle - misses : 0n, high = middle + misses
  // What starts cost may bring more than hours do.
  return { low, middle, high: high < most || middle > most ? high : most }
}
