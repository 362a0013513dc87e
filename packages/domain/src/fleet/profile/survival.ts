// What follows from a node's outlook: will the work end there, how much of it is lost if not, and how often to save it.
import type { DurationMs } from '@lumaris/protocol'
import { exp, ln } from './powers.ts'

/** Chances that the node is still up, at growing times from now. Between two of them it leaves at a constant rate, after the last at that of the last stretch. */
export type Outlook = readonly { readonly afterMs: DurationMs; readonly stays: number }[]

/** Chances are held above this: what leaves for sure leaves at a very high rate, not at an infinite one. */
const LEAST = 1e-9
type Stretch = { readonly fromMs: DurationMs; readonly stays: number; readonly rate: number }
/** The outlook up to `ms` as stretches of constant rate, the last of which has no end. */
function stretches(outlook: Outlook, ms: DurationMs): Stretch[] {
  const found: Stretch[] = []
  let fromMs = 0, stays = 1
  for (const point of outlook) {
    if (fromMs > ms) break
    found.push({ fromMs, stays, rate: -ln(Math.max(LEAST, point.stays) / stays) / (point.afterMs - fromMs) })
    fromMs = point.afterMs
    stays = Math.max(LEAST, point.stays)
  }
  return found
}

/** S(t) of the outlook, from 1 at once to nearly 0. */
export function staysFor(outlook: Outlook, ms: DurationMs): number {
  const last = stretches(outlook, ms).at(-1)
  return last ? last.stays * exp(-last.rate * (ms - last.fromMs)) : 1
}

/** The time the node is expected to stay within the next `ms`: the area under S, exact for stretches of constant rate. */
function stayTime(outlook: Outlook, ms: DurationMs): number {
  let area = 0
  const parts = stretches(outlook, ms)
  parts.forEach(({ fromMs, stays, rate }, i) => {
    const long = Math.min(ms, parts[i + 1]?.fromMs ?? ms) - fromMs
    area += rate * long < 1e-6 ? stays * long : (stays * (1 - exp(-rate * long))) / rate // the difference of two near-equal numbers says nothing
  })
  return area
}

/**
 * Work expected to be lost, in milliseconds, by running `workMs` here. Without checkpoints everything done is lost when the node leaves:
 * ∫₀^W t·(−dS) = ∫₀^W S dt − W·S(W). With one every `everyMs`, half an interval on average.
 */
export function expectedLostMs(outlook: Outlook, workMs: DurationMs, everyMs: DurationMs | null = null): DurationMs {
  if (workMs <= 0) return 0
  const ends = staysFor(outlook, workMs)
  const all = Math.max(0, stayTime(outlook, workMs) - workMs * ends)
  return everyMs === null ? all : Math.min(all, ((1 - ends) * Math.min(everyMs, workMs)) / 2)
}

/** The mean time between two departures, at the rate seen over the next `ms`. */
export const meanStayMs = (outlook: Outlook, ms: DurationMs): DurationMs => ms / -ln(Math.max(1e-9, Math.min(1 - 1e-9, staysFor(outlook, ms))))

/**
 * How long to work between two checkpoints that cost `costMs` each: Daly's higher-order estimate (Future Generation Computer Systems 22, 2006, eq. 37),
 * √(2δM)·(1 + ⅓√(δ/2M) + ⅑·δ/2M) − δ, and M itself once a checkpoint costs more than twice the mean stay. Its first term is Young's (CACM 1974).
 */
export function checkpointEveryMs(outlook: Outlook, workMs: DurationMs, costMs: DurationMs): DurationMs {
  const mean = meanStayMs(outlook, workMs)
  if (costMs >= 2 * mean) return Math.max(1, Math.round(mean))
  const ratio = costMs / (2 * mean)
  return Math.max(1, Math.round(Math.sqrt(2 * costMs * mean) * (1 + Math.sqrt(ratio) / 3 + ratio / 9) - costMs))
}
