// How large the chunks are. Pure: bytes, points of a grid or files, all that counts here is how much there is.
import { TASKS_MAX } from '@lumaris/protocol'

export type SizeOptions = {
  /** So many, as equal as can be. */
  readonly chunks?: number | undefined
  /** So much in each. */
  readonly chunkSize?: number | undefined
  /** How many run at the same time, for the schedule that gets smaller towards the end. */
  readonly workers?: number | undefined
  /** Chunks are not smaller than this, nor larger, unless a job could not have so many tasks. */
  readonly least?: number | undefined
  readonly largest?: number | undefined
  readonly most?: number | undefined
}
export type Sizes = { readonly sizes: readonly number[]; /** Asked for more chunks than a job has tasks: they became larger. */ readonly capped: boolean }

/** Under this, a chunk is mostly its own dispatch, whatever the program does with it. */
const LEAST_BYTES = 64 * 1024

/** The first `total % n` are one larger. */
export function equal(total: number, n: number): number[] {
  const count = Math.max(1, Math.min(n, total)), size = Math.floor(total / count), rest = total % count
  return Array.from({ length: count }, (_one, i) => size + (i < rest ? 1 : 0))
}

export type FactoringOptions = { readonly workers: number; readonly least?: number | undefined; readonly most?: number | undefined; readonly divisor?: number | undefined }
/**
 * Each round hands out one part in so many of what remains. The literature has two, for workers that are alike. Nodes of a market are not: with a tenfold spread a
 * half leaves the slowest with a chunk of twice the ideal time, an eighth ends within a tenth of it (docs/benchmarks/split.md).
 */
export const DIVISOR = 8
/** The last chunks are this part of a worker's even share. */
export const TAIL = 64
/**
 * Factoring (Hummel, Schonberg and Flynn, 1992): rounds of one chunk per worker, each round a part of what remains, so that large chunks keep the
 * overhead low and small ones at the tail let everybody end together, without knowing anybody's speed.
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
  // Nothing here says how fast a node is or how long a byte takes.
  let least = Math.max(Math.min(total, options.least ?? LEAST_BYTES), Math.ceil(total / (TAIL * workers))), largest = Math.max(least, Math.min(total, options.largest ?? total))
  for (let capped = false; ; capped = true) {
    const sizes = factoring(total, { workers, least, most: largest })
    if (sizes.length <= most) return { sizes, capped }
    least *= 2
    largest *= 2
  }
}
