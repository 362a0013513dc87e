// Inside a buyer: short and narrow work first, and whoever waits grows shorter. Ageing has no ceiling, so nobody is overtaken for ever; the overdue
// lane (bound.ts) makes of that a promise with a number.
//
// The key is  expected x limit x width x priority^2 / (1 + wait / AGEING_MS)^8,  the square of the one measured, so that no root is needed: only
// products and quotients, which give the same bits everywhere. The expectation orders, the limit holds it down to earth: by the expectation alone,
// one wrong guess sends a long job ahead of everybody.
export type Sized = {
  /** What it may take, and what we think it will. */
  readonly limitMs: number; readonly expectedMs: number
  /** Its share of the pool, or its processors: any measure, as long as it is the same for all. */
  readonly width: number
  /** 1 is first, 10 is last: 10 waits as if it were ten times as long as 1. A weight, not a rank: the last one is served too. */
  readonly priority: number
}

const HOUR_MS = 3_600_000
export const AGEING_MS = 24 * HOUR_MS
/** Work of middle priority is overdue after so long, and one and a half times its limit: who asks for days can wait for hours. */
export const OVERDUE_AFTER_MS = 30 * HOUR_MS
export const OVERDUE_PER_LIMIT = 1.5
const MIDDLE = 5

export function ageingKey({ limitMs, expectedMs, width, priority }: Sized, waitedMs: number): number {
  const aged = 1 + Math.max(0, waitedMs) / AGEING_MS, squared = aged * aged, fourth = squared * squared
  return (expectedMs * limitMs * width * priority * priority) / (fourth * fourth)
}

/** How long it waits, from when it is entitled to run, until it is overdue. */
export const patienceMs = ({ limitMs, priority }: Pick<Sized, 'limitMs' | 'priority'>): number => (OVERDUE_AFTER_MS * priority) / MIDDLE + OVERDUE_PER_LIMIT * limitMs

/** Expectations within an eighth of each other are one kind, so that a class has few lines however many guesses there are. */
export function kindOf({ expectedMs, limitMs, priority }: Pick<Sized, 'expectedMs' | 'limitMs' | 'priority'>): { readonly kind: string; readonly expectedMs: number } {
  const whole = Math.max(1, Math.min(Math.ceil(expectedMs), limitMs, 2 ** 52))
  // The highest bit and the three after it, upwards: counted by halving, because logarithms may differ between machines.
  let step = 1
  while (whole / step >= 16) step *= 2
  const rounded = Math.ceil(whole / step) * step
  return { kind: `${rounded}|${limitMs}|${priority}`, expectedMs: rounded }
}
