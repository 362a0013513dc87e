// "Will it still be up after this long?", for one horizon: two ways of answering, averaged in log-odds.
//
//   tables   counts of "stayed" by age × share of the last day and age × times it left (the whole pool), age and share (its site), each shrunk to the pool's mean
//   line     logistic regression on what is seen now and on the node's own record, kept up to date one answer at a time
//
// The tables follow any shape but need many answers per cell; the line learns from few and bends for nobody. On the spot traces either alone misses a
// horizon (line: 12 h, tables: 1 h); together they hold at all three.
import type { DurationMs } from '@lumaris/protocol'
import type { Sight } from './uptime.ts'
import { FEATURES } from './uptime.ts'
import { chanceOf, logOdds } from './powers.ts'

/** A cell is believed as much as the pool's mean after two hours of watching a node in it; a node's own record after twenty answers. */
const CELL_STRENGTH_MS = 2 * 3_600_000, OWN_STRENGTH = 20
/** Four tables that say much the same: their log-odds are summed with this weight each (4 × 0.27 > 1, for they were shrunk). */
const TABLE_WEIGHT = 0.27
/** Share of the line in the answer. Skill of B4 at 1, 4 and 12 h: 0.120, 0.140, 0.128 with a half, 0.125, 0.146, 0.122 with three quarters. */
const LINE_SHARE = 0.6
/** Answers whose windows overlap say the same thing again: each of the four per horizon counts a quarter. */
const ANSWER_WEIGHT = 0.25
const SIZE = FEATURES + 1

export type Count = { seen: number; stayed: number }
/** One cell of a table, and the line of one horizon, as rows of the store. */
export type CellRow = { readonly horizon: number; readonly cell: string; readonly seen: number; readonly stayed: number }
export type LineRow = { readonly horizon: number; readonly weights: readonly number[]; readonly covariance: readonly number[] }
/** What was known when the question was asked; kept with the question, because learning from what is known later would be cheating. */
export type Asked = { readonly cells: readonly string[]; readonly x: readonly number[] }

/** The cells that a sight falls into: the same for all horizons, so they are named once. The last is the node's own record, which is no table but a feature of the line. */
export const cellsOf = (node: string, site: string, sight: Sight): string[] =>
  [`${sight.age}a${sight.share}s`, `${sight.age}a@${site}`, `${sight.age}a${sight.ends}e`, `${sight.share}s@${site}`, `node ${node}`]
const OWN = 4

export class Stays {
  readonly #counts = new Map<string, Count>()
  #weights: number[]
  #covariance: number[]

  readonly #strength: number

  /** `everyMs`: time between two questions about a node. */
  constructor(everyMs: DurationMs) {
    this.#strength = CELL_STRENGTH_MS / everyMs
    // The node's own record is believed at first; everything else begins at no influence, known to ±1.
    this.#weights = Array.from({ length: SIZE }, (_, i) => (i === SIZE - 1 ? 1 : 0))
    this.#covariance = Array.from({ length: SIZE * SIZE }, (_, i) => (i % (SIZE + 1) === 0 ? 1 : 0))
  }

  ask(cells: readonly string[], sight: Sight): Asked {
    return { cells, x: [...sight.features, logOdds(this.#share(cells[OWN] as string, OWN_STRENGTH))] }
  }

  /** Chance that it stays. */
  answer({ cells, x }: Asked): number {
    let odds = 0
    for (let i = 0; i < OWN; i++) odds += TABLE_WEIGHT * logOdds(this.#share(cells[i] as string, this.#strength))
    const { mean, variance } = this.#line(x)
    // A line that is not sure of itself is moved towards even odds (MacKay 1992: the logistic of a normal, approximately).
    return chanceOf(LINE_SHARE * (mean / Math.sqrt(1 + (Math.PI * variance) / 8)) + (1 - LINE_SHARE) * odds)
  }

  /** The answer came in: it stayed, or not. One step of the extended Kalman filter for the logistic model, plain counting for the tables. */
  learn({ cells, x }: Asked, stayed: boolean): void {
    const { mean, variance, spread } = this.#line(x)
    const p = chanceOf(mean), weight = ANSWER_WEIGHT * p * (1 - p), gain = 1 / (1 + weight * variance)
    const off = ANSWER_WEIGHT * ((stayed ? 1 : 0) - p) * gain
    this.#weights = this.#weights.map((w, i) => w + (spread[i] as number) * off)
    this.#covariance = this.#covariance.map((c, k) => c - (spread[Math.floor(k / SIZE)] as number) * (spread[k % SIZE] as number) * weight * gain)
    for (const cell of ['', ...cells]) {
      const count = this.#counts.get(cell)
      if (!count) this.#counts.set(cell, { seen: 1, stayed: stayed ? 1 : 0 })
      else { count.seen++; if (stayed) count.stayed++ }
    }
  }

  #share(cell: string, strength: number): number {
    const all = this.#counts.get(''), count = this.#counts.get(cell)
    const base = all ? (all.stayed + 1) / (all.seen + 2) : 0.5
    return count ? (count.stayed + strength * base) / (count.seen + strength) : base
  }

  #line(x: readonly number[]): { mean: number; variance: number; spread: number[] } {
    let mean = 0, variance = 0
    const spread: number[] = []
    for (let i = 0; i < SIZE; i++) {
      let sum = 0
      for (let k = 0; k < SIZE; k++) sum += (this.#covariance[i * SIZE + k] as number) * (x[k] as number)
      spread.push(sum)
      mean += (this.#weights[i] as number) * (x[i] as number)
      variance += sum * (x[i] as number)
    }
    return { mean: Math.max(-8, Math.min(8, mean)), variance: Math.max(0, variance), spread }
  }

  rows(horizon: number): { cells: CellRow[]; line: LineRow } {
    return { cells: [...this.#counts].map(([cell, count]) => ({ horizon, cell, ...count })), line: { horizon, weights: this.#weights, covariance: this.#covariance } }
  }
  static load(everyMs: DurationMs, cells: readonly CellRow[], line: LineRow | undefined): Stays {
    const stays = new Stays(everyMs)
    for (const { cell, seen, stayed } of cells) stays.#counts.set(cell, { seen, stayed })
    if (line) { stays.#weights = [...line.weights]; stays.#covariance = [...line.covariance] }
    return stays
  }
}
