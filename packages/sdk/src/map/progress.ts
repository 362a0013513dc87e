// How far a map is, from its events alone: parts, work per second, how long still, what it has cost. Pure: the time comes with the question.
import type { JobEvent } from '@lumaris/protocol'

export type MapProgress = {
  /** Of a map that is cut while it runs: those there are so far. */
  readonly parts: number; readonly done: number; readonly failed: number; readonly running: number
  /** Of the work's own unit: bytes of input where there are any, else parts. */
  readonly work: number; readonly workDone: number
  /** Work done in a millisecond, by all nodes together, over the time since the first part began. */
  readonly perMs: number | null
  /** How long still; null until a part is done. */
  readonly etaMs: number | null
  readonly cost: bigint
}
/** By attempt: a part that is late may be tried twice at one time. */
type Run = { readonly part: number; readonly node: string; readonly at: number }
type Speed = { work: number; ms: number }

/** `work[part]` is how much each part is; of a map that is cut while it runs, only how much all of it is: its parts are named by where they begin, and their events tell how much they are. */
export function createMapProgress(work: readonly number[] | { readonly total: number }) {
  const fixed = 'total' in work ? null : work, total = 'total' in work ? work.total : work.reduce((sum, one) => sum + one, 0), told = new Map<number, number>()
  const sizeOf = (part: number): number => (fixed ? fixed[part] : told.get(part)) ?? 0
  /** Of a part that was reported and not counted yet, all of its work has been done. */
  const running = new Map<string, Run>(), reported = new Set<number>(), done = new Set<number>(), failed = new Set<number>(), speeds = new Map<string, Speed>()
  let workDone = 0, cost = 0n, began: number | null = null
  const all: Speed = { work: 0, ms: 0 }

  function take(event: JobEvent, part: number | null): void {
    if (event.type === 'settled') { cost += BigInt(event.amount ?? '0'); return }
    if (part === null) return
    if (!fixed && event.range) {
      // Whoever repeats what failed may get less of it, or more.
      if (event.type === 'attempt' && event.state === 'running') for (const one of failed) if (one < event.range.to && event.range.from < one + sizeOf(one)) failed.delete(one)
      told.set(part, event.range.to - event.range.from)
    }
    if (event.type === 'attempt' && event.state === 'running') { began ??= event.at; running.set(event.attempt ?? '', { part, node: event.node ?? '', at: event.at }); failed.delete(part) }
    if (event.type === 'attempt' && event.state === 'reported') {
      const run = running.get(event.attempt ?? '')
      if (run) {
        const speed = speeds.get(run.node) ?? { work: 0, ms: 0 }
        for (const one of [speed, all]) { one.work += sizeOf(part); one.ms += Math.max(1, event.at - run.at) }
        speeds.set(run.node, speed)
      }
      running.delete(event.attempt ?? '')
      reported.add(part)
    }
    if (event.type === 'attempt' && event.state === 'ended') { running.delete(event.attempt ?? ''); reported.delete(part) }
    if (event.type === 'task') { reported.delete(part); for (const [id, run] of running) if (run.part === part) running.delete(id) } // a second try of it is being stopped
    if (event.type === 'task' && event.state === 'done' && !done.has(part)) { done.add(part); failed.delete(part); workDone += sizeOf(part) }
    if (event.type === 'task' && event.state === 'failed') { failed.add(part) }
  }

  /**
   * What is left, at the speed of those who work on it: each running part counts as far as its node must have come by now. A last part that takes longer than all
   * the rest is seen too: nothing ends before its slowest part.
   */
  function eta(now: number): number | null {
    if (all.work === 0 || all.ms === 0) return null
    let left = total - workDone, fleet = 0, slowest = 0
    for (const part of [...failed, ...reported]) left -= sizeOf(part)
    const nearest = new Map<number, { come: number; ms: number }>()
    for (const { part, node, at } of running.values()) {
      const size = sizeOf(part), seen = speeds.get(node)
      // Those who have shown nothing yet are not like those who were done first: had they been as quick, they would be done too.
      const speed = seen && seen.work > 0 ? seen.work / seen.ms : Math.min(all.work / all.ms, now > at ? size / (now - at) : Number.POSITIVE_INFINITY), come = Math.min(size * 0.95, speed * Math.max(0, now - at))
      fleet += speed
      // Of two tries, the one that is done first counts.
      const ms = (size - come) / speed, before = nearest.get(part)
      if (!before || ms < before.ms) nearest.set(part, { come, ms })
    }
    for (const { come, ms } of nearest.values()) { left -= come; slowest = Math.max(slowest, ms) }
    return Math.round(Math.max(slowest, left / (fleet || all.work / all.ms)))
  }

  return {
    take,
    at: (now: number): MapProgress => {
      const runs = new Set([...running.values()].map(({ part }) => part)).size, ended = done.size + failed.size
      const over = fixed ? ended === fixed.length : [...failed].reduce((sum, part) => sum + sizeOf(part), workDone) >= total
      return {
        parts: fixed?.length ?? (over ? ended : ended + Math.max(1, runs)), done: done.size, failed: failed.size, running: runs, work: total, workDone, cost,
        perMs: began === null || workDone === 0 || now <= began ? null : workDone / (now - began), etaMs: over ? 0 : eta(now),
      }
    },
  }
}
