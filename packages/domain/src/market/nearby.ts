// What the same job would cost, and how many nodes could take it, if one thing were asked for differently. Each figure is the estimate of that very request; nothing is
// interpolated, and a change that helps neither the price nor the number of nodes is not told.
import { LEVELS, MIB, isRefusal } from '@lumaris/protocol'
import type { Instant, JobSpec, Micros, QuoteChange } from '@lumaris/protocol'
import type { MarketState } from '../state.ts'
import { attemptCapOf, capOf, contradiction, estimate } from './quote.ts'
import type { Estimate } from './quote.ts'

type What = QuoteChange['what']
export type Nearby = { readonly what: What; readonly from: QuoteChange['from']; readonly to: QuoteChange['to']; readonly found: Estimate; readonly cap: Micros }

/** Questions to nodes that one answer may cost the market: some twenty milliseconds. In a market so large that the job's own estimate takes a good part of it, fewer changes are looked at. */
const QUESTIONS_MAX = 60_000
/** A price that is lower by less is not worth another request, and one more node of many is no help. */
const CHEAPER = 97n, MORE_NODES = 1.25
const CPU_LEAST = 50, MEMORY_LEAST = 16 * MIB, DISK_LEAST = MIB

type Change = Pick<Nearby, 'what' | 'from' | 'to'> & { readonly spec: JobSpec }
/** Those that people ask for first, first. */
function changes(spec: JobSpec): Change[] {
  const { resources, placement } = spec, all: Change[] = []
  const ask = (what: What, from: Nearby['from'], to: Nearby['to'], more: Partial<JobSpec>): void => { all.push({ what, from, to, spec: { ...spec, ...more } }) }
  const halve = (what: 'memoryBytes' | 'cpuMillis' | 'diskBytes', least: number, unit: number): void => {
    for (const part of [2, 4]) { const to = Math.ceil(resources[what] / part / unit) * unit; if (to >= least && to < resources[what]) ask(what, resources[what], to, { resources: { ...resources, [what]: to } }) }
  }
  const without = (what: 'regions' | 'minTrust' | 'maxAttemptCost', from: string): void => { const { [what]: _left, ...rest } = placement; ask(what, from, null, { placement: rest }) }
  halve('memoryBytes', MEMORY_LEAST, MIB)
  if (!spec.interruptible && !spec.plan) { const { displace: _place, ...rest } = spec; all.push({ what: 'interruptible', from: 'firm', to: 'interruptible', spec: { ...rest, interruptible: {} } }) }
  if (placement.regions) without('regions', placement.regions.join(', '))
  const weaker = LEVELS[LEVELS.indexOf(placement.minLevel) - 1]
  if (weaker) ask('minLevel', placement.minLevel, weaker, { placement: { ...placement, minLevel: weaker } })
  halve('cpuMillis', CPU_LEAST, CPU_LEAST)
  if (placement.minTrust) without('minTrust', placement.minTrust)
  if (resources.gpus > 1) ask('gpus', resources.gpus, Math.ceil(resources.gpus / 2), { resources: { ...resources, gpus: Math.ceil(resources.gpus / 2) } })
  if (resources.gpuModels) { const { gpuModels, ...rest } = resources; ask('gpuModels', gpuModels.join(', '), null, { resources: rest }) }
  halve('diskBytes', DISK_LEAST, MIB)
  if (placement.maxAttemptCost !== undefined) without('maxAttemptCost', placement.maxAttemptCost)
  return all
}

/** The best of each kind that helps, cheapest first. Of a job with a plan nothing: its price is a forecast of another kind. */
export function nearby(state: MarketState, spec: JobSpec, now: Instant, cap: Micros | null): { base: Estimate; cap: Micros; changes: Nearby[] } {
  const most = (one: JobSpec): Micros | null => { const share = cap === null ? null : attemptCapOf(one, cap); return isRefusal(share) ? null : share }
  const base = estimate(state, spec, now, most(spec)), found = new Map<What, Nearby>()
  for (const { spec: one, ...change } of spec.plan ? [] : changes(spec).slice(0, Math.max(2, Math.floor(QUESTIONS_MAX / Math.max(1, state.nodes.size))))) {
    if (contradiction(one, now)) continue
    const next = estimate(state, one, now, most(one)), before = found.get(change.what)
    const helps = next.nodes > 0 && (base.nodes === 0 || next.p50 * 100n <= base.p50 * CHEAPER || next.nodes >= base.nodes * MORE_NODES)
    // Of two changes of one kind the smaller one, unless the larger helps more.
    if (helps && (!before || next.p50 * 100n <= before.found.p50 * CHEAPER || next.nodes >= before.found.nodes * MORE_NODES)) found.set(change.what, { ...change, found: next, cap: capOf(one, next.attemptCap) })
  }
  return { base, cap: capOf(spec, base.attemptCap), changes: [...found.values()].toSorted((a, b) => (a.found.p50 < b.found.p50 ? -1 : a.found.p50 > b.found.p50 ? 1 : b.found.nodes - a.found.nodes)) }
}
