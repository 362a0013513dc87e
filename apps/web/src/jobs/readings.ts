import type { Receipt } from '@lumaris/protocol'

export type Reading = { readonly atMs: number; /** Share of one core since the reading before. */ readonly cpu: number; readonly memoryPeakBytes: number }
/** Totals that only grow become what happened between two of them. */
export function readingsOf(ticks: Receipt['ticks']): Reading[] {
  let before = { runMs: 0, cpuMs: 0 }
  return ticks.flatMap(({ tick: { usage } }) => {
    const ms = usage.runMs - before.runMs, cpuMs = usage.cpuMs - before.cpuMs
    if (ms <= 0) return []
    before = usage
    return [{ atMs: usage.runMs, cpu: cpuMs / ms, memoryPeakBytes: usage.memoryPeakBytes }]
  })
}
