// Inside a buyer: short and narrow work first, and whoever waits grows shorter. Ageing has no ceiling, so nobody is overtaken for ever; the overdue
// lane makes of that a promise with a number (bound.ts). One set of figures for everything; bench/matching says what they were measured on.
export type Sized = {
  /** What it may take, and what we think it will. */
  readonly limitMs: number; readonly expectedMs: number
  /** Its share of the pool, above 0 and at most 1. */
  readonly width: number
  /** 1 is first, 10 is last: 10 waits as if it were ten times as long as 1. A weight, not a rank: the last one is served too. */
  readonly priority: number
}

const HOUR_MS = 3_600_000
const AGEING_MS = 36 * HOUR_MS
/** How long work of middle priority may wait beyond its buyer's backlog, if it is narrow and short. */
const PATIENCE_MS = 3 * HOUR_MS
/** Who asks for days can wait for hours. */
const PATIENCE_PER_LIMIT = 0.5
/** Nobody is overdue before that, however wide. */
const PATIENCE_LEAST_MS = 3 * HOUR_MS
/** Everyone waits while there is much to do: what was waiting already counts so many times before anything is overdue. */
export const BACKLOG_TIMES = 3
const MIDDLE = 5

/**
 * The square of  sqrt(expected x limit x width) x priority / (1 + wait / AGEING_MS)^2.5:  only products and quotients, which give the same bits
 * everywhere. The expectation orders and the limit holds it down to earth: by the expectation alone, one wrong guess sends a long job ahead of all.
 */
export function ageingKey({ limitMs, expectedMs, width, priority }: Sized, waitedMs: number): number {
  const aged = 1 + Math.max(0, waitedMs) / AGEING_MS, squared = aged * aged
  return (expectedMs * limitMs * width * priority * priority) / (squared * squared * aged)
}

/**
 * How long it waits until it is overdue. `entitledMs` is how long what waited before it keeps its buyer's share busy, BACKLOG_TIMES over. Wide work has
 * less patience: it is what backfilling starves, because the long and narrow start in every gap.
 */
export function patienceMs({ limitMs, width, priority }: Pick<Sized, 'limitMs' | 'width' | 'priority'>, entitledMs: number): number {
  const narrow = Math.sqrt(1 - Math.min(1, width))
  return PATIENCE_LEAST_MS + narrow * (entitledMs + (PATIENCE_MS * priority) / MIDDLE + PATIENCE_PER_LIMIT * limitMs)
}

/** Expectations are rounded up to half an octave, so that a class has few lines however many guesses there are. */
export function kindOf({ expectedMs, limitMs, priority }: Pick<Sized, 'expectedMs' | 'limitMs' | 'priority'>): { readonly kind: string; readonly expectedMs: number } {
  const whole = Math.max(1, Math.min(Math.ceil(expectedMs), limitMs, 2 ** 52))
  // The highest bit and the one after it, upwards: counted by halving, because logarithms may differ between machines.
  let step = 1
  while (whole / step >= 4) step *= 2
  const rounded = Math.ceil(whole / step) * step
  return { kind: `${rounded}|${limitMs}|${priority}`, expectedMs: rounded }
}
