// Who uses the processor: jobs, and everything else. Work that its owner started with `nice` gives way by itself and does not count as else.
import { cpus } from 'node:os'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export type Load = { readonly cpuPercent: number; readonly jobsPercent: number; /** Over the last seconds; a moment's work of a browser is no reason to stop. */ readonly otherPercent: number | null }
export interface LoadMeter { /** Once a second. */ read(): Load; readonly last: Load }
type Ticks = { readonly all: number; readonly busy: number; readonly nice: number; readonly ours: number; readonly agent: number }
const WINDOW = 5
/** Linux counts in hundredths of a second, on every machine of today. */
const TICK_MS = 10

/** `ours`: CPU time of all sandboxes so far, in ms. */
export function createLoadMeter(proc: string, ours: () => number, agentMs: () => number = ownMs): LoadMeter {
  const seen: Ticks[] = []
  let last: Load = { cpuPercent: 0, jobsPercent: 0, otherPercent: null }
  return {
    get last() { return last },
    read() {
      const now = { ...ticks(proc), ours: ours(), agent: agentMs() }
      const before = seen.at(-1), oldest = seen[0]
      seen.push(now)
      if (seen.length > WINDOW) seen.shift()
      if (!before || !oldest || now.all <= before.all) return last
      const share = (part: number, of: number): number => Math.round(Math.min(100, Math.max(0, (part / of) * 100)) * 10) / 10
      const since = now.all - before.all, whole = now.all - oldest.all
      const other = now.busy - oldest.busy - (now.nice - oldest.nice) - (now.ours - oldest.ours) - (now.agent - oldest.agent)
      last = { cpuPercent: share(now.busy - before.busy, since), jobsPercent: share(now.ours - before.ours, since), otherPercent: seen.length < WINDOW ? null : share(other, whole) }
      return last
    },
  }
}
const ownMs = (): number => { const { user, system } = process.cpuUsage(); return (user + system) / 1000 }

function ticks(proc: string): Omit<Ticks, 'ours' | 'agent'> {
  let line: string | undefined
  try { line = /^cpu .*$/m.exec(readFileSync(join(proc, 'stat'), 'utf8'))?.[0] } catch { /* not Linux: Node knows the same numbers */ }
  if (line === undefined) {
    let all = 0, busy = 0, low = 0
    for (const { times: { user, nice, sys, irq, idle } } of cpus()) { busy += user + nice + sys + irq; all += user + nice + sys + irq + idle; low += nice }
    return { all, busy, nice: low }
  }
  // user nice system idle iowait irq softirq steal; what guests take is in user already.
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = line.split(/\s+/).slice(1).map((part) => Number(part) * TICK_MS)
  const busy = user + nice + system + irq + softirq
  return { all: busy + idle + iowait + steal, busy, nice }
}
