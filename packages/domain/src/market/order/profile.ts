// What is free from now on: steps in time, one number per resource in each. A machine of processors has one resource, a pool has its totals of
// processor, memory and GPU. Running work is taken from now to its limit, a reservation from its start to its start plus limit; what ends early is
// given back. Whole numbers only: taking and giving back must leave exactly what was there before.
//
// A pool's totals are a necessary condition and no sufficient one: two halves of two nodes are no whole node. Who places on nodes asks them as well.
import { invariant } from '../../invariant.ts'

export type Amounts = readonly number[]
export type Demand = { readonly amounts: Amounts; /** The longest it may run: promises are made with this, never with a prediction. */ readonly limitMs: number }

export class Profile {
  readonly total: Amounts
  #times: number[]
  #free: number[][]

  constructor(total: Amounts, now = 0) {
    this.total = total
    this.#times = [now]
    this.#free = [[...total]]
  }

  get now(): number { return this.#times[0] as number }
  get steps(): number { return this.#times.length }

  /** When something becomes free or is taken, after `from`. */
  changes(from: number): readonly number[] { return this.#times.filter((time) => time > from) }

  take(from: number, to: number, amounts: Amounts): void { this.#change(from, to, amounts, -1) }
  give(from: number, to: number, amounts: Amounts): void { this.#change(from, to, amounts, 1) }

  free(at: number): Amounts { return this.#free[this.#stepAt(at)] as number[] }

  /** May it run from `from`, for its whole length? */
  fits(from: number, { amounts, limitMs }: Demand): boolean {
    for (let i = this.#stepAt(from); i < this.#times.length && (this.#times[i] as number) < from + limitMs; i++) if (!this.#room(i, amounts)) return false
    return true
  }

  /** The first time from `from` on at which it may run for its whole length. Infinity when it never can. */
  earliest(from: number, { amounts, limitMs }: Demand): number {
    let start = Math.max(from, this.now)
    for (let i = this.#stepAt(start); i < this.#times.length && (this.#times[i] as number) < start + limitMs; i++) {
      if (!this.#room(i, amounts)) start = this.#times[i + 1] ?? Infinity
    }
    return start
  }

  /** Forgets the past. */
  advance(now: number): void {
    const step = this.#stepAt(now)
    if (step > 0) { this.#times.splice(0, step); this.#free.splice(0, step) }
    this.#times[0] = Math.max(now, this.now)
  }

  #room(step: number, amounts: Amounts): boolean {
    const free = this.#free[step] as number[]
    for (let r = 0; r < amounts.length; r++) if ((free[r] as number) < (amounts[r] as number)) return false
    return true
  }

  #change(from: number, to: number, amounts: Amounts, sign: 1 | -1): void {
    if (to <= Math.max(from, this.now)) return
    const first = this.#cut(Math.max(from, this.now)), end = to === Infinity ? this.#times.length : this.#cut(to)
    for (let i = first; i < end; i++) {
      const free = this.#free[i] as number[]
      for (let r = 0; r < amounts.length; r++) {
        const left = (free[r] as number) + sign * (amounts[r] as number)
        invariant(left >= 0 && left <= (this.total[r] as number), `profile: ${left} of ${this.total[r]} would be free`)
        free[r] = left
      }
    }
    this.#join(end)
    this.#join(first)
  }

  /** The last step that begins at or before `time`. */
  #stepAt(time: number): number {
    let low = 0, high = this.#times.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#times[middle] as number) <= time) low = middle
      else high = middle - 1
    }
    return low
  }

  #cut(time: number): number {
    const at = this.#stepAt(time)
    if (this.#times[at] === time) return at
    this.#times.splice(at + 1, 0, time)
    this.#free.splice(at + 1, 0, [...(this.#free[at] as number[])])
    return at + 1
  }

  /** A step equal to the one before it goes: the profile stays as long as the running work, not as its history. */
  #join(at: number): void {
    if (at <= 0 || at >= this.#times.length) return
    const before = this.#free[at - 1] as number[], here = this.#free[at] as number[]
    for (let r = 0; r < here.length; r++) if (before[r] !== here[r]) return
    this.#times.splice(at, 1)
    this.#free.splice(at, 1)
  }
}
