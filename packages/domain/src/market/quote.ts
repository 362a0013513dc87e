// What will it cost, at most and probably, when could it start, and on how many nodes. A quote binds: the cap it names is the most that will
// ever be billed, and only nodes that cannot exceed the attempt's cap are taken.
import { GANG_MAX, PART_ITEMS_MAX, QUOTE_VALID_MS, REFEREE_PLACES, copiesMax, divisibleOf, isRefusal, itemsProblem, leastInputBytes, leastTaskBytes, partsMax, partsNeeded, rangeOfTask, refereeOf } from '@lumaris/protocol'
import type { Instant, JobSpec, Micros, NoReason, QuoteId, Refusal, UserId } from '@lumaris/protocol'
import type { NodeRow, QuoteRow } from '../rows.ts'
import { freeOn } from '../state.ts'
import type { MarketState } from '../state.ts'
import { emit, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { busyReason, costsOn, neverReason, seatsOn, worstCost } from './filter.ts'
import { needBefore } from './requirement.ts'
import type { Requirement } from './requirement.ts'
import { feeNow } from '../operator/settings.ts'
import { hourlyOf, priceOf, sheetOf } from '../billing/price.ts'
import { planQuote } from '../deadline/plan-quote.ts'
import { planConflict, tooTight } from '../deadline/too-tight.ts'
import { roomOn } from './place-gang.ts'
import { startsInMs } from './start-time.ts'
import { expectedCopies } from '../assurance/enough.ts'
import { recordOf } from '../assurance/records.ts'
import { copySlotsMax, refereesMax } from '../assurance/referee.ts'

export type QuoteCommand = { readonly kind: 'quote'; readonly buyer: UserId; readonly spec: JobSpec; readonly specHash: string; /** A budget. */ readonly cap?: Micros | null }

/** Seats a task can come to have, and so be paid for: its copies, and the extra ones when they disagree; or as many as its bound may take; and those of the command that compares them. */
export const slotsMax = (spec: Pick<JobSpec, 'copies' | 'assurance' | 'compare'>): number => copySlotsMax(spec) + refereesMax(spec)
/** Seats of all its tasks, and of the copies of what is late. */
export const seatsMax = (spec: JobSpec): number => slotsMax(spec) * partsMax(spec) + copiesMax(spec)
/** The most a job can cost: every seat of every task at the cap of one attempt. Attempts that fail through no fault of the buyer cost nothing. */
export const capOf = (spec: JobSpec, attemptCap: Micros): Micros => (attemptCap + BigInt(spec.displace ?? 0)) * BigInt(seatsMax(spec))

/** Each seat's share of the cap, less what it may spend on a place; refused where that is nothing. */
export function attemptCapOf(spec: JobSpec, cap: Micros): Micros | Refusal {
  const seats = BigInt(seatsMax(spec)), displace = BigInt(spec.displace ?? 0), attemptCap = cap / seats - displace
  return attemptCap < 0n || (attemptCap === 0n && cap > 0n) ? refused('cap_too_low', { seats: seats.toString(), cap: cap.toString(), ...(displace > 0n ? { displace: displace.toString() } : {}) }) : attemptCap
}

/** So many of the cheapest nodes are kept in reach of a quote: enough that one going offline does not strand the job. */
const NODES_IN_REACH = 10

export type Estimate = { p50: Micros; p90: Micros; attemptCap: Micros; nodes: number; nodesFree: number; refused: Partial<Record<NoReason, number>> }

type Priced = { worst: Micros; likely: Micros; free: boolean; owner: UserId }
const byLikely = (a: Priced, b: Priced): number => (a.likely < b.likely ? -1 : a.likely > b.likely ? 1 : 0)
const priced = (node: NodeRow, need: Requirement, free: boolean): Priced =>
  ({ worst: need.spec.interruptible ? dearestOf(node, need) : costsOn(node, need).worst, likely: costsOn(node, need).likely, free, owner: node.owner })
/** Interruptible work pays what its sale comes to, up to its bid, and never more than firm work. */
function dearestOf(node: NodeRow, { spec }: Requirement): Micros {
  const prices = sheetOf(node), posted = priceOf(prices, spec.resources, { runMs: spec.limits.runMs, outBytes: spec.resources.diskBytes }), hourly = hourlyOf(prices, spec.resources), bid = spec.interruptible?.bidHour
  return bid === undefined || BigInt(bid) >= hourly ? posted : ceil(posted * BigInt(bid), hourly)
}
const ceil = (part: Micros, whole: Micros): Micros => (part + whole - 1n) / whole

/** `most`: what an attempt may cost, where that is given. */
export function estimate(state: MarketState, spec: JobSpec, now: Instant, most: Micros | null = null): Estimate {
  const need = needBefore(spec, 0n)
  const refusedBy: Partial<Record<NoReason, number>> = {}
  const fits: Priced[] = [], able: NodeRow[] = []
  for (const node of state.nodes.values()) {
    const never = node.presence === 'online' || node.presence === 'suspect' ? neverReason(node, need) : 'not_online'
    const reason = never ?? (most !== null && worstCost(node, need) > most ? 'price' : null)
    if (reason) { refusedBy[reason] = (refusedBy[reason] ?? 0) + 1; continue }
    const busy = busyReason(state, node, need, now)
    if (busy) refusedBy[busy] = (refusedBy[busy] ?? 0) + 1
    fits.push(priced(node, need, busy === null))
    able.push(node)
  }
  fits.sort(byLikely)
  const ranks = spec.gang ? spec.tasks.length : 1
  const seats = (room: (node: NodeRow) => number): boolean => !spec.gang || roomOn(able, need, ranks, room) === ranks
  const fitsAll = seats((node) => seatsOn(node.capacity, need)), freeForAll = fitsAll && seats((node) => (busyReason(state, node, need, now) ? 0 : seatsOn(freeOn(state, node), need)))
  if (!fitsAll && able.length > 0) refusedBy.gang_room = able.length
  // When nobody can run it, the same request at everybody's prices still tells what it may cost: so it can wait for a node under a fair cap.
  const reach = (fits.length > 0 ? fits : [...state.nodes.values()].filter((node) => node.will !== 'retired' && node.will !== 'banned').map((node) => priced(node, need, false)).sort(byLikely)).slice(0, Math.max(NODES_IN_REACH, ranks))
  const copies = spec.assurance ? expectedCopies([...new Set(reach.map(({ owner }) => owner))].map((owner) => recordOf(state, owner)), spec.assurance) : { mean: spec.copies, most: spec.copies + copiesMax(spec) / partsMax(spec) }
  const likely = (share: number, each: number): Micros => (reach.length === 0 ? 0n : ((reach[Math.min(reach.length - 1, Math.floor(share * reach.length))] as Priced).likely * BigInt(partsMax(spec)) * BigInt(Math.ceil(each * 1000))) / 1000n)
  const attemptCap = most ?? reach.reduce((dearest, fit) => (fit.worst > dearest ? fit.worst : dearest), 0n)
  return { p50: likely(0.5, copies.mean), p90: likely(0.9, copies.most), attemptCap, nodes: fitsAll ? fits.length : 0, nodesFree: freeForAll ? fits.filter((fit) => fit.free).length : 0, refused: refusedBy }
}

/** Asks of a job that no machine could ever meet, whatever joins. */
export function contradiction(spec: JobSpec, now: Instant): Refusal | null {
  const paths = spec.tasks.flatMap((task) => [...(task.inputs ?? [])].map((file) => file.path))
  const shared = new Set<string>()
  for (const file of spec.inputs) {
    if (shared.has(file.path)) return refused('impossible_request', { reason: `two inputs have the path ${file.path}` })
    shared.add(file.path)
  }
  const clash = paths.find((path) => shared.has(path))
  if (clash) return refused('impossible_request', { reason: `a task and the job both have an input at ${clash}` })
  const bytes = spec.inputs.reduce((sum, file) => sum + leastInputBytes(file), 0) + spec.tasks.reduce((most, task) => Math.max(most, leastTaskBytes(task)), 0)
  if (bytes > spec.resources.diskBytes) return refused('impossible_request', { reason: 'the inputs are larger than the disk asked for', inputBytes: bytes, diskBytes: spec.resources.diskBytes })
  const own = spec.secrets?.find((name) => /^LUMARIS_/i.test(name)), twiceSet = spec.secrets?.find((name) => Object.hasOwn(spec.env, name) || spec.tasks.some((task) => task.env && Object.hasOwn(task.env, name)))
  if (own !== undefined) return refused('impossible_request', { reason: `the variable ${own} is the market's own: give the secret another name` })
  if (twiceSet !== undefined) return refused('impossible_request', { reason: `the variable ${twiceSet} is a secret, and stands among env too: leave out one of them` })
  const { resources, placement } = spec
  if ((spec.runtime === 'container') !== (spec.image !== undefined)) return refused('impossible_request', { reason: spec.image === undefined ? 'the runtime container needs an image: name one by its digest' : `an image is named, but the runtime is ${spec.runtime}: ask for the runtime container` })
  if (resources.gpus === 0 && (resources.gpuModels || resources.gpuMemoryBytes !== undefined || resources.gpuShare !== undefined)) return refused('impossible_request', { reason: 'a model, share or memory of GPUs is asked for, but no GPU: ask for at least one' })
  if (placement.residency && placement.regions && !placement.regions.some((region) => placement.residency?.includes(region))) return refused('impossible_request', { reason: 'none of the regions asked for is one where the data may lie' })
  if (spec.deadline !== undefined && spec.deadline < now + (spec.expectedMs ?? 0)) {
    return refused('impossible_request', { reason: spec.deadline <= now ? 'the deadline is over' : 'the deadline comes sooner than the work is expected to take', deadline: spec.deadline, now, ...(spec.expectedMs === undefined ? {} : { expectedMs: spec.expectedMs }) })
  }
  if (spec.interruptible && spec.displace !== undefined) return refused('impossible_request', { reason: 'interruptible work cannot take the place of other interruptible work: leave out displace, or interruptible' })
  if (spec.assurance && spec.copies > 1) return refused('impossible_request', { reason: 'with assurance the market chooses how many copies there are: leave out copies, or assurance' })
  if (spec.compare && spec.copies === 1 && !spec.assurance) return refused('impossible_request', { reason: 'there is nothing to compare with one copy: ask for copies or assurance, or leave out compare' })
  if (spec.tasks.some((task) => task.known) && (!spec.assurance || (spec.compare && spec.compare.kind !== 'bytes'))) return refused('impossible_request', { reason: 'known results are compared byte by byte, with those of jobs with assurance: leave out known, or name an assurance and no other way to compare' })
  const unasked = refereeConflict(spec)
  if (unasked) return refused('impossible_request', { reason: unasked })
  const twice = spec.speculate ? copiesConflict(spec) : null
  if (twice) return refused('impossible_request', { reason: twice })
  const planless = spec.plan ? planConflict(spec) : null
  if (planless) return refused('impossible_request', { reason: planless })
  const uncut = divideConflict(spec)
  if (uncut) return refused('impossible_request', { reason: uncut })
  if (spec.gang) {
    const wrong = gangConflict(spec)
    if (wrong) return refused('impossible_request', { reason: wrong })
  }
  if (spec.checkpoint) {
    if (spec.placement.encryptedScratch) return refused('impossible_request', { reason: 'the copies that become a checkpoint lie outside of the encrypted scratch for a moment: leave out checkpoint, or encryptedScratch' })
    if (spec.copies > 1 || spec.assurance) return refused('impossible_request', { reason: 'copies are compared because they are independent, and one that goes on from a checkpoint of somebody else is not: leave out checkpoint, or copies and assurance' })
    if (spec.stdout !== undefined) return refused('impossible_request', { reason: 'what was printed before an interruption would be missing from the file that standard output becomes: with checkpoint leave out stdout, and write to a file that is among its paths' })
  }
  const torn = (placement.where ?? []).find((term) => term.op === 'absent' && (placement.labels[term.label] !== undefined || placement.where?.some((other) => other.label === term.label && other.op !== 'absent' && other.op !== 'not_in')))
  if (torn) return refused('impossible_request', { reason: `the label ${torn.label} is asked for, and asked to be absent` })
  return null
}

function copiesConflict({ copies, assurance, gang, interruptible, disconnect, checkpoint }: JobSpec): string | null {
  if (copies > 1 || assurance) return 'a task that is run by several nodes anyway gets no copy when it is late: leave out speculate, or copies and assurance'
  if (gang) return 'ranks of a gang have no copies: leave out speculate, or gang'
  if (checkpoint) return 'what a late try has kept would be paid for and thrown away when its copy wins: leave out speculate, or checkpoint'
  if (interruptible) return 'interruptible work waits for the next sale of room, so a copy of it is no help when it is late: leave out speculate, or interruptible'
  return disconnect === 'exclusive' ? 'exclusive work never runs twice at one time: leave out speculate, or disconnect' : null
}

function refereeConflict(spec: JobSpec): string | null {
  const referee = refereeOf(spec), paths = new Set<string>()
  if (!referee) return null
  if (referee.says === 'right' && !spec.assurance) return 'a command that says whether one result is right is asked as often as a bound needs it: name an assurance instead of copies, or let it compare two (says: same)'
  for (const { path, pieces } of referee.inputs) {
    if (pieces) return `the input ${path} of the command that compares has pieces: give it one hash`
    if (paths.has(path)) return `two inputs of the command that compares have the path ${path}`
    if (REFEREE_PLACES.some((place) => path === place || path.startsWith(`${place}/`))) return `the command that compares finds the results at ${REFEREE_PLACES.join(', ')}: give its input ${path} another name`
    paths.add(path)
  }
  return referee.inputs.reduce((sum, file) => sum + leastInputBytes(file), 0) > spec.resources.diskBytes ? 'the inputs of the command that compares are larger than the disk asked for' : null
}

function divideConflict({ divide, tasks, inputs, gang, interruptible, expectedMs: named }: JobSpec): string | null {
  const pieces = tasks.map((task) => (task.inputs ?? []).filter((file) => file.pieces).length + (task.items ? 1 : 0))
  if (inputs.some((file) => file.pieces) || (!divide && pieces.some((count) => count > 0))) return 'an input has pieces, or a task items, and nothing says that it may be cut: give it one hash, or name divide; an input of all tasks is never cut'
  if (!divide) return null
  for (const task of tasks) { const wrong = itemsProblem(task); if (wrong) return wrong }
  if (pieces.some((count) => count !== 1)) return 'each task of a job that may be cut has one input with pieces, or items: name them, or leave out divide'
  if (tasks.length > divide.most) return `there are ${tasks.length} tasks already, more than the ${divide.most} that there may come to be`
  const needed = tasks.reduce((sum, task, index) => { const whole = divisibleOf(tasks, index), range = rangeOfTask(task); return sum + (whole && range ? partsNeeded(whole, range) : 1) }, 0)
  if (needed > divide.most) return `a node is told at most ${PART_ITEMS_MAX} items, so there come to be ${needed} parts, more than the ${divide.most} of divide.most`
  if (gang) return 'ranks of a gang are what they are: leave out divide, or gang'
  if (tasks.some((task) => task.known)) return 'a result that is known is that of a whole task: leave out divide, or known'
  if (interruptible) return 'room is sold to interruptible work every half minute, one part of a task at a time: plan its parts and leave out divide, or leave out interruptible'
  return named === undefined ? null : 'how long a part lasts is chosen when it is cut: name divide.targetMs, and leave out expectedMs'
}

function gangConflict({ tasks, runtime, copies, assurance, interruptible, displace, onFailure, disconnect, checkpoint }: JobSpec): string | null {
  if (tasks.length < 2 || tasks.length > GANG_MAX) return `a gang has 2 to ${GANG_MAX} ranks, one for each task, and this job has ${tasks.length}`
  if (runtime !== 'native' && runtime !== 'container') return `a gang runs programs that use its network, and those of the runtime ${runtime} have none: ask for the runtime native`
  if (copies > 1 || assurance) return 'ranks of a gang have no copies: leave out copies and assurance'
  if (interruptible || displace !== undefined) return 'a gang neither gives up its place nor takes one: leave out interruptible and displace'
  if (onFailure === 'finish') return 'a gang ends with the first rank that fails: leave out onFailure'
  if (checkpoint) return 'a checkpoint of one rank is of no use without those of the others at the same moment: leave out checkpoint'
  return disconnect === 'wait' ? 'ranks that run cannot wait for one that is cut off: leave out disconnect, or ask for exclusive' : null
}

function soonest(turn: Turn, spec: JobSpec): { startsInMs?: number } {
  const need = needBefore(spec, 0n)
  let best: number | null = null
  for (const node of turn.state.nodes.values()) {
    const at = neverReason(node, need) === null ? startsInMs(turn.state, node, need, turn.now) : null
    if (at !== null && (best === null || at < best)) best = at
  }
  return best === null ? {} : { startsInMs: best }
}

export function quote(turn: Turn, command: QuoteCommand): QuoteRow | Refusal {
  const wrong = contradiction(command.spec, turn.now)
  if (wrong) return wrong
  const { cap: budget = null } = command, asked = budget === null ? null : attemptCapOf(command.spec, budget)
  if (isRefusal(asked)) return asked
  const tight = command.spec.plan ? tooTight(turn.state, command.spec, asked, turn.now) : null
  if (tight) return tight
  const found = estimate(turn.state, command.spec, turn.now, asked), plan = command.spec.plan ? planQuote(turn.state, command.spec, found.attemptCap, turn.now) : null
  const cap = capOf(command.spec, found.attemptCap)
  const row: QuoteRow = {
    id: turn.id('quo') as QuoteId, buyer: command.buyer, specHash: command.specHash as QuoteRow['specHash'], p50: plan?.likely ?? found.p50.toString(), p90: found.p90.toString(), cap: cap.toString(),
    attemptCap: found.attemptCap.toString(), nodes: found.nodes, nodesFree: found.nodesFree, refused: found.refused, feeBasisPoints: feeNow(turn.state), validUntil: turn.now + QUOTE_VALID_MS,
    ...(plan ? { plan } : {}),
    // While others wait, when it would be their turn is not known well enough to be said.
    ...(found.nodesFree > 0 ? { startsInMs: 0 } : turn.state.queue.size === 0 && !command.spec.gang ? soonest(turn, command.spec) : {}),
  }
  emit(turn, { kind: 'quote', row })
  return row
}
