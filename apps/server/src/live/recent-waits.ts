// How long jobs waited until a node was found, of the last day: for who asks what it will be like. In memory, and written down now and then (kept-memory.ts). Like jobs are those that
// ask for graphics cards or not, for the same wall, served in the same way.
import type { JobSpec, JobId, MarketOverview, QuoteAround } from '@lumaris/protocol'

const KEPT = 200, DAY_MS = 86_400_000
/** Fewer are chance. */
export const STARTS_LEAST = 5

export type RecentWaits = { note(job: JobId, spec: JobSpec, ms: number): void; of(spec: JobSpec): QuoteAround['wait']; /** Of all jobs. */ all(): MarketOverview['waits']; kept(): KeptWaits; recall(kept: KeptWaits): void }
type Start = { readonly job: JobId; readonly at: number; readonly ms: number }
export type KeptWaits = ReadonlyMap<string, readonly Start[]>
export function createRecentWaits(now: () => number): RecentWaits {
  const classes = new Map<string, Start[]>()
  return {
    kept: () => classes,
    recall(kept) { for (const [key, list] of kept) classes.set(key, [...list]) },
    note(job, spec, ms) {
      const key = classOf(spec), list = classes.get(key) ?? []
      // The parts of a job that begin in one turn are one start.
      if (list.slice(-64).some((one) => one.job === job)) return
      list.push({ job, at: now(), ms })
      if (list.length > KEPT) list.shift()
      classes.set(key, list)
    },
    of(spec) {
      const ms = lately(classes.get(classOf(spec)) ?? [], now())
      return ms.length < STARTS_LEAST ? undefined : { starts: ms.length, p50Ms: at(ms, 0.5), p90Ms: at(ms, 0.9) }
    },
    all() {
      const ms = lately([...classes.values()].flat(), now())
      return ms.length < STARTS_LEAST ? undefined : { starts: ms.length, p50Ms: at(ms, 0.5), p90Ms: at(ms, 0.9), p99Ms: at(ms, 0.99) }
    },
  }
}
const lately = (list: readonly { readonly at: number; readonly ms: number }[], now: number): number[] => list.filter((one) => one.at >= now - DAY_MS).map((one) => one.ms).toSorted((a, b) => a - b)
const at = (ms: readonly number[], share: number): number => ms[Math.min(ms.length - 1, Math.floor(share * ms.length))] as number
const classOf = (spec: JobSpec): string => `${spec.resources.gpus > 0} ${spec.placement.minLevel} ${spec.plan ?? (spec.interruptible ? 'interruptible' : 'firm')} ${spec.gang ?? false}`
