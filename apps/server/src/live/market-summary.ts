// The market in figures, for whoever asks. Read from memory; kept for a moment, because anybody may ask and a large market takes a while to sum up.
import { feeNow, settingsNow } from '@lumaris/domain'
import { LEVELS } from '@lumaris/protocol'
import type { Capacity, Level, MarketSummary } from '@lumaris/protocol'
import { takesWork } from '@lumaris/domain'
import type { MarketState, NodeRow } from '@lumaris/domain'
import type { App } from '../app.ts'

const KEPT_MS = 1_000
const kept = new WeakMap<App, MarketSummary>()

export function marketSummary(app: App): MarketSummary {
  const before = kept.get(app), at = app.now()
  if (before && at >= before.at && at - before.at < KEPT_MS) return before
  const fresh = summed(app, at)
  kept.set(app, fresh)
  return fresh
}

function summed(app: App, at: number): MarketSummary {
  const { state } = app.engine
  const offered: Capacity = { cpuMillis: 0, memoryBytes: 0, diskBytes: 0, gpus: 0 }, free = { ...offered }
  const groups = new Map<string, { region: string; level: Level; nodes: NodeRow[] }>()
  let joined = 0, online = 0
  for (const node of state.nodes.values()) {
    if (node.will === 'retired' || node.will === 'banned') continue
    joined++
    const level = LEVELS.findLast((one) => node.drivers.some((driver) => driver.level === one))
    if (node.presence !== 'online' || !takesWork(node) || !level || state.suspended.has(node.owner)) continue
    online++
    const used = state.reserved.get(node.id)
    for (const what of ['cpuMillis', 'memoryBytes', 'diskBytes', 'gpus'] as const) {
      offered[what] += node.capacity[what]
      free[what] += Math.max(0, node.capacity[what] - (used?.[what] ?? 0))
    }
    const key = `${level} ${node.region}`, group = groups.get(key) ?? { region: node.region, level, nodes: [] }
    group.nodes.push(node)
    groups.set(key, group)
  }
  const prices = [...groups.values()].map(({ region, level, nodes }) => {
    const withGpus = nodes.filter((node) => node.capacity.gpus > 0)
    return { region, level, nodes: nodes.length, cpuHour: spread(nodes, 'cpuHour'), memoryGibHour: spread(nodes, 'memoryGibHour'), ...(withGpus.length > 0 ? { gpuHour: spread(withGpus, 'gpuHour') } : {}) }
  }).toSorted((a, b) => LEVELS.indexOf(b.level) - LEVELS.indexOf(a.level) || (a.region < b.region ? -1 : 1))
  return { at, agents: { version: app.version, oldest: settingsNow(state).agentVersionMin }, nodes: { online, joined }, offered, free, attempts: { live: state.attempts.size }, jobs: { live: state.jobs.size }, feeBasisPoints: feeNow(state), ...pausedOf(state), prices }
}

/** What its operators have paused, with what they say of it. */
function pausedOf(state: MarketState): Pick<MarketSummary, 'paused'> {
  const { newJobsPaused, signUpsPaused } = settingsNow(state), matching = state.pauses.map(({ id, scope, says, since }) => ({ id, scope, says, since }))
  return newJobsPaused || signUpsPaused || matching.length > 0 ? { paused: { ...(newJobsPaused ? { newJobs: newJobsPaused } : {}), ...(signUpsPaused ? { signUps: signUpsPaused } : {}), ...(matching.length > 0 ? { matching } : {}) } } : {}
}

function spread(nodes: readonly NodeRow[], what: 'cpuHour' | 'memoryGibHour' | 'gpuHour'): { least: string; median: string; most: string } {
  const sorted = nodes.map((node) => BigInt(node.prices[what])).toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const at = (index: number): string => String(sorted[index] ?? 0n)
  return { least: at(0), median: at(Math.floor((sorted.length - 1) / 2)), most: at(sorted.length - 1) }
}
