// How large the chunks are. Pure: bytes, points of a grid or files, all that counts here is how much there is.
import { TASKS_MAX } from '@lumaris/protocol'

export type SizeOptions = {
  /** So many, as equal as can be. */
  readonly chunks?: number | undefined
  /** So much in each. */
  readonly chunkSize?: number | undefined
  /** So long should one take, at `perMs` of the input in a millisecond. */
  readonly targetMs?: number | undefined
  readonly perMs?: number | undefined
  /** How many run at the same time, for the schedule that gets smaller towards the end. */
  readonly workers?: number | undefined
  readonly most?: number | undefined
}
export type Sizes = { readonly sizes: readonly number[]; /** Asked for more chunks than a job has tasks: they became larger. */ readonly capped: boolean }

/** What one of a job's tasks costs besides its work (placement, sandbox, reports), measured at 0.1 to 1 s: a chunk takes at least 20 times that. */
export const LEAST_MS = 20 * 250
/** Under this, a chunk is mostly its own dispatch, whatever the program does with it. */
const LEAST_BYTES = 64 * 1024

/** The first `total % n` are one larger. */
export function equal(total: number, n: number): number[] {
  const count = Math.max(1, Math.min(n, total)), size = Math.floor(total / count), rest = total % count
  return Array.from({ length: count }, (_one, i) => size + (i < rest ? 1 : 0))
}

export type FactoringOptions = { readonly workers: number; readonly least?: number | undefined; readonly most?: number | undefined; readonly divisor?: number | undefined }
/** Each round hands out one part in so many of what remains. */
export const DIVISOR = 2
/**
 * Factoring (Hummel, Schonberg and Flynn, 1992): rounds of one chunk per worker, each round half of what remains, so that large chunks keep the
 * overhead low and small ones at the tail let everybody end together, without knowing anybody's speed. A larger `divisor` hands out less per round,
 * for workers whose speeds are far apart.
 */
export function factoring(total: number, options: FactoringOptions): number[] {
  const workers = Math.max(1, Math.floor(options.workers)), least = Math.max(1, Math.floor(options.least ?? 1)), most = Math.max(least, Math.floor(options.most ?? total))
  const sizes: number[] = []
  for (let left = total; left > 0;) {
    const size = Math.min(most, Math.max(least, Math.ceil(left / ((options.divisor ?? DIVISOR) * workers))))
    for (let i = 0; i < workers && left > 0; i++) {
      // A crumb that would be smaller than allowed goes with the one before it.
      const taken = left < size + least ? left : size
      if (taken > most && left > most) { sizes.push(size); left -= size; continue }
      sizes.push(taken)
      left -= taken
    }
  }
  return sizes
}

/** The sizes that were asked for, as few as a job can have tasks. */
export function sizesOf(total: number, options: SizeOptions): Sizes {
  if (total <= 0) return { sizes: [], capped: false }
  const most = options.most ?? TASKS_MAX
  if (options.chunks !== undefined) return { sizes: equal(total, Math.min(options.chunks, most)), capped: options.chunks > most }
  if (options.chunkSize !== undefined) {
    const wanted = Math.ceil(total / Math.max(1, options.chunkSize)), count = Math.min(wanted, most)
    const size = wanted > most ? Math.ceil(total / count) : Math.max(1, options.chunkSize)
    return { sizes: Array.from({ length: Math.ceil(total / size) }, (_one, i) => Math.min(size, total - i * size)), capped: wanted > most }
  }
  const workers = options.workers ?? 1
  const rated = options.targetMs !== undefined && options.perMs !== undefined && options.perMs > 0
  let largest = rated ? Math.max(1, Math.round((options.targetMs as number) * (options.perMs as number))) : total
  // Without a rate nothing says how long a chunk takes: then the tail ends at a 32nd of a worker's share.
  let least = rated ? Math.max(1, Math.min(largest, Math.round(Math.min(LEAST_MS, (options.targetMs as number) / 4) * (options.perMs as number)))) : Math.max(Math.min(total, LEAST_BYTES), Math.ceil(total / (32 * workers)))
  for (let capped = false; ; capped = true) {
    const sizes = factoring(total, { workers, least, most: largest })
    if (sizes.length <= most) return { sizes, capped }
    least *= 2
    largest *= 2
  }
}

export type Sample = { readonly amount: number; readonly ms: number }
/**
 * How much is done in a millisecond, from trial runs. Two of different size tell the start of a program (an interpreter, its libraries) from its
 * work; one alone, or two that chance has turned round, cannot, and then the rate comes out low and the chunks small: the safe side.
 */
export function rateOf(samples: readonly Sample[]): number | null {
  const useful = samples.filter((one) => one.amount > 0 && one.ms > 0).toSorted((a, b) => a.amount - b.amount)
  const first = useful[0], last = useful.at(-1)
  if (!first || !last) return null
  const whole = last.amount / last.ms
  if (last.amount === first.amount || last.ms <= first.ms) return whole
  // A start that takes nearly all of both runs leaves a difference made of noise.
  return Math.min((last.amount - first.amount) / (last.ms - first.ms), 20 * whole)
}
