// How much room interruptible work leaves free, so that firm work that comes next need not evict anybody. Room that is filled to the brim is evicted from with
// every firm arrival; a little that is kept free takes up its ups and downs, and costs interruptible work next to nothing.
//
// What is kept is how much firm use grew in windows like the last ones: mean + Z × deviation of its change over WINDOW_MS, both fading.
import type { DurationMs, Instant } from '@lumaris/protocol'
import { halved } from '../../fleet/profile/powers.ts'

/** A window is about what it takes to wait for interruptible work to end by itself. */
export const WINDOW_MS: DurationMs = 15 * 60_000
/** Changes count half after this long: a morning's ramp is known as one within the hour. */
const FADE_MS: DurationMs = 60 * 60_000
/** One-sided 95 % of a normal change. */
const Z = 1.645

/** Firm use of a pool in one kind (GPUs, or milli-cores), as a row: the use when the window began, and the fading sums of changes. */
export type HeadroomRow = { readonly pool: string; readonly from: Instant; readonly use: number; readonly weight: number; readonly sum: number; readonly squares: number }
export const newHeadroom = (pool: string, use: number, now: Instant): HeadroomRow => ({ pool, from: now, use, weight: 0, sum: 0, squares: 0 })

/** Says what firm work holds now; counts when a window is over. Windows nobody spoke in count as one of their length. */
export function sawFirm(row: HeadroomRow, use: number, now: Instant): HeadroomRow {
  const windows = (now - row.from) / WINDOW_MS
  if (windows < 1) return row
  const left = halved((now - row.from) / FADE_MS), change = (use - row.use) / windows
  return { ...row, from: now, use, weight: row.weight * left + 1, sum: row.sum * left + change, squares: row.squares * left + change * change }
}

/** Room to keep free of interruptible work. Nothing before anything is known: a pool without firm work needs no headroom. */
export function headroom(row: HeadroomRow): number {
  if (row.weight === 0) return 0
  const mean = row.sum / row.weight
  return Math.max(0, mean + Z * Math.sqrt(Math.max(0, row.squares / row.weight - mean * mean)))
}
/** May interruptible work of this size start, with so much free in its pool? */
export const maySpotStart = (row: HeadroomRow, free: number, needs: number): boolean => free - needs >= headroom(row)
