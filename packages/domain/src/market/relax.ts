// What would have to be asked for differently. For every node, all that stands against it is collected; nodes with the same short list of obstacles
// make one suggestion: the smallest change to the request that brings in the nearest of them. A rule of residency is never suggested away.
import { LEVELS } from '@lumaris/protocol'
import type { Instant, JobSpec, Micros, NoReason } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import type { MarketState } from '../state.ts'
import { costsOn, driverRefused, obstacles, strength, worstCost } from './filter.ts'
import type { Requirement } from './requirement.ts'
import { startsInMs } from './start-time.ts'
import { takesWork } from '../fleet/takes-work.ts'

export type Step = { readonly reason: NoReason; readonly from: string | number; readonly to: string | number }
export type Suggestion = {
  readonly steps: readonly Step[]; /** Nodes that could run it then, free or not. */ readonly nodes: number
  /** Of the soonest of them; null when none frees by itself. */ readonly startsInMs: number | null
  /** Expected cost of one attempt, and its most, on the cheapest of them. */ readonly likely: Micros; readonly attemptCap: Micros
}

/** More than three changes at once are another job. */
const STEPS_MAX = 3
const SUGGESTIONS_MAX = 8
const isThere = (node: NodeRow): boolean => node.presence === 'online' && takesWork(node)

export function changesThatHelp(state: MarketState, need: Requirement, now: Instant): Suggestion[] {
  const groups = new Map<string, { readonly relaxed: Relaxed; readonly distance: number }>()
  for (const node of state.nodes.values()) {
    if (!isThere(node)) continue
    const against = obstacles(node, need)
    if (against.length === 0 || against.length > STEPS_MAX) continue
    const relaxed = relax(node, need, against)
    if (!relaxed) continue
    const key = against.join(), best = groups.get(key)
    const distance = relaxed.steps.reduce((sum, { from, to }) => sum + (typeof from === 'number' && typeof to === 'number' ? Math.abs(Math.log(Math.max(1, from) / Math.max(1, to))) : 1), 0)
    if (!best || distance < best.distance) groups.set(key, { relaxed, distance })
  }
  return [...groups.values()].map(({ relaxed }) => judge(state, relaxed, now))
    .sort((a, b) => a.steps.length - b.steps.length || b.nodes - a.nodes).slice(0, SUGGESTIONS_MAX)
}

type Relaxed = { readonly need: Requirement; readonly steps: readonly Step[] }

function judge(state: MarketState, { need, steps }: Relaxed, now: Instant): Suggestion {
  let nodes = 0, starts: number | null = null, cheapest: NodeRow | null = null
  for (const node of state.nodes.values()) {
    if (!isThere(node) || obstacles(node, need).length > 0) continue
    nodes++
    const at = startsInMs(state, node, need, now)
    if (at !== null && (starts === null || at < starts)) starts = at
    if (!cheapest || costsOn(node, need).likely < costsOn(cheapest, need).likely) cheapest = node
  }
  const costs = cheapest && costsOn(cheapest, need)
  return { steps, nodes, startsInMs: starts, likely: costs?.likely ?? 0n, attemptCap: costs?.worst ?? 0n }
}

/** The request as this node could take it; null when no change of the request could do that. */
function relax(node: NodeRow, need: Requirement, against: readonly NoReason[]): Relaxed | null {
  let spec: JobSpec = need.spec, attemptCap = need.attemptCap
  const steps: Step[] = []
  const { capacity } = node
  for (const reason of against) {
    const { resources, placement } = spec
    switch (reason) {
      case 'cpu': steps.push({ reason, from: resources.cpuMillis, to: capacity.cpuMillis }); spec = { ...spec, resources: { ...resources, cpuMillis: capacity.cpuMillis } }; break
      case 'memory': steps.push({ reason, from: resources.memoryBytes, to: capacity.memoryBytes }); spec = { ...spec, resources: { ...resources, memoryBytes: capacity.memoryBytes } }; break
      case 'disk': steps.push({ reason, from: resources.diskBytes, to: capacity.diskBytes }); spec = { ...spec, resources: { ...resources, diskBytes: capacity.diskBytes } }; break
      case 'gpu': steps.push({ reason, from: resources.gpus, to: capacity.gpus }); spec = { ...spec, resources: { ...resources, gpus: capacity.gpus } }; break
      case 'gpu_model': if (capacity.gpuModel === undefined) return null; steps.push({ reason, from: (resources.gpuModels ?? []).join(' or '), to: capacity.gpuModel }); spec = { ...spec, resources: { ...resources, gpuModels: [...(resources.gpuModels ?? []), capacity.gpuModel] } }; break
      case 'gpu_share': if (!capacity.gpuShare) return null; steps.push({ reason, from: resources.gpuShare ?? 1000, to: capacity.gpuShare }); spec = { ...spec, resources: { ...resources, gpuShare: capacity.gpuShare } }; break
      case 'gpu_memory': if (!capacity.gpuMemoryBytes) return null; steps.push({ reason, from: resources.gpuMemoryBytes ?? 0, to: capacity.gpuMemoryBytes }); spec = { ...spec, resources: { ...resources, gpuMemoryBytes: capacity.gpuMemoryBytes } }; break
      case 'region': steps.push({ reason, from: (placement.regions ?? []).join(' or '), to: node.region }); spec = { ...spec, placement: { ...placement, regions: [...(placement.regions ?? []), node.region] } }; break
      case 'label': {
        const { where: _, ...rest } = placement
        steps.push({ reason, from: [...Object.entries(placement.labels).map(([name, value]) => `${name}=${value}`), ...(placement.where ?? []).map((term) => `${term.label} ${term.op}`)].join(', '), to: 'none' })
        spec = { ...spec, placement: { ...rest, labels: {} } }
        break
      }
      case 'level': case 'driver': {
        const able = node.drivers.filter((driver) => !driverRefused(node, driver) && driver.runtimes.includes(spec.runtime) && (!placement.encryptedScratch || driver.encryptedScratch) && (!spec.network || driver.egress)).sort((a, b) => strength(b.level) - strength(a.level))[0]
        if (!able) return null
        const weaker = LEVELS[Math.min(strength(able.level), strength(placement.minLevel))] ?? placement.minLevel
        if (reason === 'level') steps.push({ reason, from: placement.minLevel, to: weaker })
        else steps.push({ reason, from: (placement.drivers ?? []).join(' or '), to: able.id })
        spec = { ...spec, placement: { ...placement, minLevel: weaker, ...(placement.drivers ? { drivers: [...new Set([...placement.drivers, able.id])] } : {}) } }
        break
      }
      case 'price': break // last, when all else is settled
      default: return null
    }
  }
  if (capacity.cpuMillis < 50 || spec.resources.memoryBytes <= 0 || spec.resources.diskBytes <= 0) return null
  const relaxed = { ...need, spec }
  const worst = worstCost(node, relaxed)
  const limit = spec.placement.maxAttemptCost === undefined ? attemptCap : [attemptCap, BigInt(spec.placement.maxAttemptCost)].reduce((a, b) => (a < b ? a : b))
  if (worst > limit) {
    steps.push({ reason: 'price', from: limit.toString(), to: worst.toString() })
    if (steps.length > STEPS_MAX) return null
    attemptCap = worst > attemptCap ? worst : attemptCap
    const { maxAttemptCost: _, ...placement } = spec.placement
    spec = { ...spec, placement }
  }
  const final = { ...need, spec, attemptCap }
  return obstacles(node, final).length === 0 ? { need: final, steps } : null
}
