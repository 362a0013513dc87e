// The hard filters: may this node take this work at all? The answer is a reason or null, the first that applies, cheapest test first.
// `…_busy` reasons pass with time, the others do not.
import { GIB, LEVELS, isImageAllowed } from '@lumaris/protocol'
import type { DriverOffer, Instant, JobSpec, LabelTerm, NoReason, PriceSheet, Resources } from '@lumaris/protocol'
import type { MatchingPauseRow, NodeRow } from '../rows.ts'
import { freeOn } from '../state.ts'
import type { MarketState } from '../state.ts'
import type { Requirement } from './requirement.ts'
import { hourlyOf, priceOf, sheetOf, spotSheet } from '../billing/price.ts'
import { isTrusted, speedOf } from '../fleet/profile/learn.ts'
import { mayServe } from '../assurance/enough.ts'
import { recordOf } from '../assurance/records.ts'
import { takesWork } from '../fleet/takes-work.ts'
import { bars } from '../operator/pause-matching.ts'
import { isTooOld } from '../operator/settings.ts'

export const strength = (level: DriverOffer['level']): number => LEVELS.indexOf(level)

/** The driver of the node that will do: the weakest that is strong enough, because walls cost start time. Null: and why. */
export function pickDriver(node: NodeRow, need: Requirement, pauses: readonly MatchingPauseRow[] = []): DriverOffer | NoReason {
  let best: DriverOffer | undefined
  let reason: NoReason = 'driver'
  const { placement, runtime } = need.spec, memory = need.kept?.memory
  for (const driver of node.drivers) {
    if (placement.drivers && !placement.drivers.includes(driver.id)) continue
    if (memory && (driver.id !== memory.driver || driver.memory !== memory.maker)) continue
    if (!driver.runtimes.includes(runtime)) { if (reason === 'driver') reason = 'runtime'; continue }
    if (need.spec.gang && driver.gang !== true) { reason = 'gang'; continue }
    if (strength(driver.level) < strength(placement.minLevel)) { reason = 'level'; continue }
    if (placement.encryptedScratch && !driver.encryptedScratch) { reason = 'scratch'; continue }
    if (need.spec.network && !driver.egress) { reason = 'egress'; continue }
    if (need.spec.resources.gpus > 0 && driver.gpus === false) { reason = 'gpu'; continue }
    // Last: only what would do is refused by its owner.
    const against = driverRefused(node, driver)
    if (against) { if (reason === 'driver' || reason === 'runtime') reason = against; continue }
    if (pauses.length > 0 && bars(pauses, node, driver, need.spec)) { reason = 'matching_paused'; continue }
    if (!best || strength(driver.level) < strength(best.level)) best = driver
  }
  return best ?? reason
}
/** As operators let it work just now. */
export const driverNow = (state: MarketState, node: NodeRow, need: Requirement): DriverOffer | NoReason => pickDriver(node, need, state.pauses)
/** It could take it, but for what operators have paused. */
export const isPaused = (state: MarketState, node: NodeRow, need: Requirement): boolean => state.pauses.length > 0 && driverNow(state, node, need) === 'matching_paused'

export const driverRefused = ({ policy }: NodeRow, { id, level }: DriverOffer): NoReason | null =>
  (policy?.drivers && !policy.drivers.includes(id) ? 'owner_driver' : policy?.minLevel && strength(level) < strength(policy.minLevel) ? 'owner_level' : null)

/** The prices that count for it: for interruptible work, those it can be had at. */
export const sheetFor = (node: Pick<NodeRow, 'prices' | 'capacity'>, spec: Pick<JobSpec, 'interruptible'>): PriceSheet => (spec.interruptible ? spotSheet(sheetOf(node)) : sheetOf(node))

/**
 * What an attempt costs on a node at worst (its whole time limit, and all the output it may write) and in expectation. The same question is asked
 * of every node for every slot, so the last answers are kept with the price sheet and the resources they follow from: both are shared objects that
 * never change (a new price is a new sheet, specs are interned).
 */
export type Costs = { readonly runMs: number; readonly expectedMs: number; readonly worst: bigint; readonly likely: bigint }
const known = new WeakMap<PriceSheet, Map<Resources, Costs>>()
/** Of one sheet: as many sheets as nodes, times as many shapes as classes, would be more than a market's memory. */
const COSTS_KEPT = 16
export function costsOn(node: NodeRow, need: Requirement): Costs {
  const { resources, limits } = need.spec
  const sheet = sheetFor(node, need.spec)
  let perSheet = known.get(sheet)
  if (!perSheet) known.set(sheet, (perSheet = new Map()))
  const expected = expectedMs(need.spec)
  const kept = perSheet.get(resources)
  if (kept && kept.runMs === limits.runMs && kept.expectedMs === expected) return kept
  const costs: Costs = {
    runMs: limits.runMs, expectedMs: expected, worst: priceOf(sheet, resources, { runMs: limits.runMs, outBytes: resources.diskBytes }), likely: priceOf(sheet, resources, { runMs: expected, outBytes: 0 }),
  }
  if (perSheet.size >= COSTS_KEPT) perSheet.clear()
  perSheet.set(resources, costs)
  return costs
}
export const worstCost = (node: NodeRow, need: Requirement): bigint => costsOn(node, need).worst
/** Is it dearer there than its cap, at worst? In plain numbers where they leave no doubt. */
export function isAboveCap(node: NodeRow, need: Requirement): boolean {
  const { resources, limits } = need.spec, rates = ratesOf(sheetFor(node, need.spec)), cap = Number(need.attemptCap)
  const about = rates.start + hourAbout(rates, resources) * (limits.runMs / HOUR_MS) + (rates.outGib * resources.diskBytes) / GIB
  return about < cap * (1 - DOUBT) - 1 ? false : worstCost(node, need) > need.attemptCap
}
const HOUR_MS = 3_600_000
/** Many times what sums of a few such numbers can be wrong by. */
const DOUBT = 1e-9

/** A price sheet as plain numbers, in micro-credits: for scores, which only compare. */
export type Rates = { readonly start: number; readonly cpuHour: number; readonly memoryGibHour: number; readonly gpuHour: number; readonly diskGibHour: number; readonly outGib: number }
const rated = new WeakMap<PriceSheet, Rates>()
export function ratesOf(sheet: PriceSheet): Rates {
  let rates = rated.get(sheet)
  if (!rates) rated.set(sheet, (rates = { start: Number(sheet.start), cpuHour: Number(sheet.cpuHour), memoryGibHour: Number(sheet.memoryGibHour), gpuHour: Number(sheet.gpuHour), diskGibHour: Number(sheet.diskGibHour), outGib: Number(sheet.outGib) }))
  return rates
}
export const hourAbout = (rates: Rates, { cpuMillis, memoryBytes, gpus, diskBytes }: Resources): number =>
  (rates.cpuHour * cpuMillis) / 1000 + (rates.memoryGibHour * memoryBytes) / GIB + rates.gpuHour * gpus + (rates.diskGibHour * diskBytes) / GIB
/** What so long a run is expected to cost, start fee included: `priceOf`, to the micro-credit for all that people pay. */
export const likelyAbout = (rates: Rates, { resources }: Pick<JobSpec, 'resources'>, ms: number): number =>
  Math.min(Math.floor(rates.start + hourAbout(rates, resources) * (ms / HOUR_MS) + ROUNDING), Number.MAX_SAFE_INTEGER / 8)
/** A sum that is whole may come out a hair below itself. */
const ROUNDING = 1e-6

/** Without a hint, a job is expected to use a fifth of its time limit: limits are guesses upwards. What is cut to last a time is expected to last so long. */
export const expectedMs = (spec: Pick<JobSpec, 'expectedMs' | 'limits' | 'divide'>): number => spec.expectedMs ?? Math.min(spec.divide?.targetMs ?? Infinity, Math.ceil(spec.limits.runMs / 5))

type Test = readonly [reason: NoReason, stands: (node: NodeRow, spec: JobSpec) => boolean]
/** What can stand against a node besides its drivers, cheapest first. Each test says whether it does. */
const TESTS: readonly Test[] = [
  ['cpu', ({ capacity }, { resources }) => capacity.cpuMillis < resources.cpuMillis],
  ['memory', ({ capacity }, { resources }) => capacity.memoryBytes < resources.memoryBytes],
  ['disk', ({ capacity }, { resources }) => capacity.diskBytes < resources.diskBytes],
  ['gpu', ({ capacity }, { resources }) => capacity.gpus < resources.gpus],
  ['gpu_model', ({ capacity }, { resources }) => resources.gpuModels !== undefined && !resources.gpuModels.includes(capacity.gpuModel ?? '')],
  // A partition serves who asked for one; whole cards serve everybody.
  ['gpu_share', ({ capacity: { gpuShare } }, { resources }) => resources.gpus > 0 && gpuShare !== undefined && (resources.gpuShare === undefined || gpuShare < resources.gpuShare)],
  ['gpu_memory', ({ capacity }, { resources }) => resources.gpuMemoryBytes !== undefined && (capacity.gpuMemoryBytes ?? 0) < resources.gpuMemoryBytes],
  ['residency', ({ region }, { placement }) => placement.residency !== undefined && !placement.residency.includes(region)],
  ['region', ({ region }, { placement }) => placement.regions !== undefined && !placement.regions.includes(region)],
  ['label', ({ labels }, { placement }) => !fits(labels, placement)],
  ['owner_image', ({ policy }, { image }) => policy?.images !== undefined && image !== undefined && !isImageAllowed(image, policy.images)],
  ['owner_gang', ({ policy }, { gang }) => policy?.gangs === false && gang === true],
  ['owner_egress', ({ policy }, { network }) => policy?.egress === false && network !== undefined],
  ['owner_gpu', ({ policy }, { resources }) => policy?.gpus === false && resources.gpus > 0],
  ['owner_tag', ({ policy }, { tags }) => policy !== undefined && tags !== undefined && policy.refusedTags.some((tag) => tags.includes(tag))],
  ['no_spot', ({ prices }, { interruptible }) => interruptible !== undefined && prices.spotPercent === undefined],
  ['bid', (node, { interruptible, resources }) => interruptible?.bidHour !== undefined && hourlyOf(spotSheet(sheetOf(node)), resources) > BigInt(interruptible.bidHour)],
]

/** Why this node can never run it, however free it is; null when it can. */
export function neverReason(node: NodeRow, need: Requirement): NoReason | null {
  if (node.will === 'retired' || node.will === 'banned') return 'not_online'
  const driver = pickDriver(node, need)
  if (typeof driver === 'string') return driver
  for (const [reason, stands] of TESTS) if (stands(node, need.spec)) return reason
  return overPriced(node, need) ? 'price' : null
}
/** All that stands against it, whatever runs there just now; here the attempt's cap counts too. Empty: it could take it. */
export function obstacles(node: NodeRow, need: Requirement): NoReason[] {
  const all = TESTS.filter(([, stands]) => stands(node, need.spec)).map(([reason]) => reason)
  const driver = pickDriver(node, need)
  if (typeof driver === 'string') all.unshift(driver)
  if (overPriced(node, need) || isAboveCap(node, need)) all.push('price')
  return all
}
const overPriced = (node: NodeRow, need: Requirement): boolean => { const most = need.spec.placement.maxAttemptCost; return most !== undefined && worstCost(node, need) > BigInt(most) }
const fits = (labels: NodeRow['labels'], { labels: wanted, where }: JobSpec['placement']): boolean => {
  for (const label in wanted) if (labels[label] !== wanted[label]) return false
  return where === undefined || where.every((term) => holds(term, labels[term.label]))
}

function holds(term: LabelTerm, value: string | undefined): boolean {
  switch (term.op) {
    case 'in': return value !== undefined && term.values.includes(value)
    case 'not_in': return value === undefined || !term.values.includes(value)
    case 'exists': return value !== undefined
    case 'absent': return value === undefined
    case 'at_least': return value !== undefined && value.trim() !== '' && Number(value) >= term.value
    case 'at_most': return value !== undefined && value.trim() !== '' && Number(value) <= term.value
  }
}

/** Why not right now. Called after `neverReason` said null. */
export function busyReason(state: MarketState, node: NodeRow, need: Requirement, now: Instant): NoReason | null {
  const closed = closedReason(state, node)
  if (closed) return closed
  if (isPaused(state, node, need)) return 'matching_paused'
  return roomReason(state, node, need) ?? personalReason(state, node, need, now)
}
export function closedReason(state: MarketState, node: NodeRow): 'not_online' | 'agent_too_old' | null {
  const link = state.links.get(node.id)
  if (node.presence !== 'online' || !takesWork(node) || link?.connected !== true || !link.accepting || state.suspended.has(node.owner)) return 'not_online'
  return isTooOld(state, node.agentVersion) ? 'agent_too_old' : null
}
export const isOpen = (state: MarketState, node: NodeRow): boolean => closedReason(state, node) === null
/** How many of it so much room takes at one time. */
export function seatsOn(room: Pick<Resources, 'cpuMillis' | 'memoryBytes' | 'diskBytes' | 'gpus'>, { spec: { resources } }: Pick<Requirement, 'spec'>): number {
  const { cpuMillis, memoryBytes, diskBytes, gpus } = resources
  return Math.max(0, Math.floor(Math.min(room.cpuMillis / cpuMillis, room.memoryBytes / memoryBytes, room.diskBytes / diskBytes, gpus > 0 ? room.gpus / gpus : Infinity)))
}
function roomReason(state: MarketState, node: NodeRow, need: Requirement): NoReason | null {
  const { resources } = need.spec
  const free = freeOn(state, node)
  if (free.cpuMillis < resources.cpuMillis) return 'cpu_busy'
  if (free.memoryBytes < resources.memoryBytes) return 'memory_busy'
  if (free.diskBytes < resources.diskBytes) return 'disk_busy'
  return free.gpus < resources.gpus ? 'gpu_busy' : null
}
/** What stands against it however empty it is, and may pass: what it has shown, who it belongs to, how late it is. */
export function personalReason(state: MarketState, node: NodeRow, need: Requirement, now: Instant): NoReason | null {
  const { minTrust } = need.spec.placement
  if (minTrust && !isTrusted(state, node, minTrust, now)) return 'trust'
  if (need.spec.assurance && !mayServe(recordOf(state, node.owner), need.spec.assurance)) return 'trust'
  if (state.guards.distinctOwners && need.owners.includes(node.owner)) return 'same_owner_as_copy'
  if (state.guards.distinctOwners && need.beside?.some((other) => isKin(node, other))) return 'same_network_as_copy'
  if (need.move && now < need.move.until && (node.id === need.move.from || (need.move.to !== null && node.id !== need.move.to))) return 'moved_away'
  if (need.near?.some((other) => isNear(node, other, need.spec.placement.spread))) return 'spread'
  return isLate(state, node, need, now) ? 'deadline' : null
}
/** Nodes enrolled from one block of addresses within so long are one batch, wherever they are connected from later. */
const BATCH_MS = 24 * 3_600_000
/** Perhaps one person's, under two names: in one block of addresses now, or enrolled from one block in one batch. */
export const isKin = (one: NodeRow, other: NodeRow): boolean =>
  (one.block !== undefined && one.block === other.block) || (one.enrolledFrom !== undefined && one.enrolledFrom === other.enrolledFrom && Math.abs(one.enrolledAt - other.enrolledAt) <= BATCH_MS)
export const isNear = (one: NodeRow, other: NodeRow, spread: JobSpec['placement']['spread']): boolean =>
  one.id === other.id || (spread === 'owner' && one.owner === other.owner) || (spread === 'region' && one.region === other.region)
/** Begun now, it is not expected to be over by its deadline. */
export function isLate(state: MarketState, node: NodeRow, { spec }: Requirement, now: Instant): boolean {
  if (spec.deadline === undefined) return false
  const factor = spec.expectedMs === undefined ? 1 : speedOf(state, node, spec).factor
  return now + Math.ceil(expectedMs(spec) * factor) > spec.deadline
}
