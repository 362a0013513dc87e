// How long jobs waited until a node was found, of the last day: for who asks what it will be like. In memory; a market that is started again begins anew. Like jobs are those that
// ask for graphics cards or not, for the same wall, served in the same way.
import type { JobSpec, JobId, QuoteAround } from '@lumaris/protocol'

const KEPT = 200, DAY_MS = 86_400_000
/** Fewer are chance. */
export const STARTS_LEAST = 5

export type RecentWaits = { note(job: JobId, spec: JobSpec, ms: number): void; of(spec: JobSpec): QuoteAround['wait'] }
export function createRecentWaits(now: () => number): RecentWaits {
  const classes = new Map<string, { job: JobId; at: number; ms: number }[]>()
  return {
    note(job, spec, ms) {
      const key = classOf(spec), list = classes.get(key) ?? []
      // The parts of a job that begin in one turn are one start.
      if (list.slice(-64).some((one) => one.job === job)) return
      list.push({ job, at: now(), ms })
      if (list.length > KEPT) list.shift()
      classes.set(key, list)
    },
    of(spec) {
      const from = now() - DAY_MS, ms = (classes.get(classOf(spec)) ?? []).filter(({ at }) => at >= from).map((one) => one.ms).toSorted((a, b) => a - b), at = (share: number): number => ms[Math.min(ms.length - 1, Math.floor(share * ms.length))] as number
      return ms.length < STARTS_LEAST ? undefined : { starts: ms.length, p50Ms: at(0.5), p90Ms: at(0.9) }
    },
  }
}
const classOf = (spec: JobSpec): string => `${spec.resources.gpus > 0} ${spec.placement.minLevel} ${spec.plan ?? (spec.interruptible ? 'interruptible' : 'firm')} ${spec.gang ?? false}`
