// The live market in memory: what is queued, running or recently touched. The tables are the truth to restart from; this is what decisions
// read. `apply` is the only thing that changes it, and it knows nothing but Changes: load(persist(x)) is the same state again.
import type { AccountName, AttemptId, Capacity, EnrolmentId, Instant, JobId, JobSpec, Micros, IncidentId, InvitationId, NodeId, PayoutId, QuoteId, Resources, ReversalId, ScheduleId, SlotId, StandingId, TaskSpec, UserId } from '@lumaris/protocol'
import { CAUSES, MIB, account, isExternal, slotId, taskId } from '@lumaris/protocol'
import type { AlertSettingsRow, AttemptRow, AutoTopupRow, Change, EnrolmentRow, EntryRow, FaultRow, ForfeitRow, IncidentRow, InvitationRow, JobRow, KeyRow, LessonRow, MatchingPauseRow, MemberRow, NodeLesson, NodeRow, OwnerLesson, PayoutRow, PayoutRuleRow, PersonRow, QuoteRow, ReversalRow, ScheduleRow, SettingsRow, SlotRow, StandingRow, TaskRow } from './rows.ts'
import { holdsNode, isLive, isTerminal } from './job/lifecycle.ts'
import { isHeld, queuedSince } from './job/waiting.ts'
import { invariant } from './invariant.ts'
import { ALL_GUARDS } from './guards.ts'
import type { Guards } from './guards.ts'
import { Availability } from './fleet/profile/availability.ts'
import type { Outlook } from './fleet/profile/survival.ts'
import { FirmUse } from './market/spot/keep-free.ts'
import { Heap } from './heap.ts'
import { FairQueue } from './market/order/fair-queue.ts'
import { kindOf } from './market/order/key.ts'
import { Candidates } from './market/candidates.ts'
import { expectedMs } from './market/filter.ts'
import { Demand } from './market/fragmentation.ts'
import { classKeyOf } from './market/requirement.ts'
import type { Requirement } from './market/requirement.ts'
import { seenRun } from './split/forecast.ts'
import { waitsAt, workIn } from './split/pieces.ts'
import type { JobPace } from './split/forecast.ts'
import type { LateLook } from './job/copy-late.ts'
import { isInterruptible, waitsForSale } from './deadline/as.ts'
import type { SaleRecord } from './deadline/plan-quote.ts'
import type { FirmWay } from './deadline/firm-way.ts'
import { CLEAR_EVERY_MS } from './market/spot/clear.ts'

/** Times and bounds of a market. The defaults are DESIGN's; tests with real processes shorten the times, all by the same factor. */
export type MarketSettings = {
  readonly heartbeatMs: number; readonly suspectMs: number; readonly lostMs: number; readonly offerMs: number; readonly resendMs: number
  /** How long a cancelled attempt may take to send its last meter reading. */
  readonly cancelMs: number
  /** A `wait` job keeps its place on a lost node for so long. */
  readonly waitMs: number
  /** An attempt that should have ended by its own limit is given up so much later: fetching inputs, starting, storing results. */
  readonly overrunMs: number
  /** Going on elsewhere is reckoned to take so long, from losing a place to working in the next: noticing, stopping, starting, fetching and storing. */
  readonly changeMs: number
  /** Interruptible work that has just begun is left alone for so long, or it would only ever begin. */
  readonly sliceMs: number
  /** How often what firm work leaves is sold to interruptible work. */
  readonly spotEveryMs: number
  /** At most this part of a pool is kept free of interruptible work, for the firm work that comes next. */
  readonly headroomMost: number
  readonly retryBackoffMs: number; readonly retryBackoffMaxMs: number
  readonly feeBasisPoints: number
  /** Waiting and running slots of one buyer: one buyer cannot fill the market's memory. */
  readonly slotsPerBuyerMax: number
  readonly region: string
  readonly demoTopupMaxMicros: Micros | null
  /** The least that is paid out: below it, providers would cost more than they carry. */
  readonly payoutMinMicros: Micros
  /** How long a proposed reversal waits for a second admin. */
  readonly reversalMs: number
}
export const DEFAULT_SETTINGS: MarketSettings = {
  heartbeatMs: 10_000, suspectMs: 30_000, lostMs: 60_000, offerMs: 20_000, resendMs: 5_000, cancelMs: 15_000, waitMs: 6 * 3_600_000, overrunMs: 120_000, changeMs: 120_000, sliceMs: 60_000, spotEveryMs: CLEAR_EVERY_MS, headroomMost: 0.35,
  retryBackoffMs: 1_000, retryBackoffMaxMs: 60_000, feeBasisPoints: 500, slotsPerBuyerMax: 2_000_000, region: 'local', demoTopupMaxMicros: 1_000_000_000_000n, payoutMinMicros: 1_000_000n, reversalMs: 24 * 3_600_000,
}

/** Since when there has been cheap room, and when somebody looked last. */
export type RoomSeen = { readonly since: Instant; readonly at: Instant }
export type LiveJob = { row: JobRow; tasks: TaskRow[]; readonly attempts: AttemptRow[]; /** Slots not yet done or dropped. */ open: number; /** Work of its tasks that wait for a node; of jobs that are cut while they run. */ left: number; /** Of those: by where each begins, its number. */ waits?: Map<string, number>; /** How quick its nodes are at it, from tasks that ended well; of jobs of many tasks. */ pace?: JobPace; /** Nothing of it waits, and what is late is looked for now and then. */ look?: LateLook | undefined; /** Of a job with a plan: when it is looked at next, the firm way as it was a moment ago, and by task the cheap room that there was. */ planAt?: Instant; firmWay?: FirmWay; roomSeen?: Map<number, RoomSeen> }
/** What is known of a node's socket and heartbeats; not stored, so a new writer starts everyone with a full lease. */
export type NodeLink = { connected: boolean; /** The seller lets it take work just now. */ accepting: boolean; lastSeen: Instant; heartbeat: number }
/** A slot that waits: it counts only while it is still pending under this fence. */
export type Waiting = { readonly job: JobId; readonly task: number; readonly slot: number; readonly fence: number }
export const slotOf = ({ job, task, slot }: Waiting): SlotId => slotId(taskId(job, task), slot)
/** `total` is the score of the chosen node, in micro-credits. */
export type Decided = { readonly at: Instant; readonly need: Requirement; readonly node: NodeId; readonly total: number }
export type Timer = { readonly kind: 'offer' | 'overrun' | 'cancel' | 'queue' | 'backoff' | 'quote' | 'fallback' | 'schedule' | 'late' | 'plan' | 'wake' | 'drain' | 'topup'; readonly id: string; readonly task: number; readonly slot: number }

export type MarketState = {
  readonly settings: MarketSettings
  readonly guards: Guards
  readonly jobs: Map<JobId, LiveJob>
  readonly attempts: Map<AttemptId, AttemptRow>
  readonly nodes: Map<NodeId, NodeRow>
  readonly profiles: Map<NodeId, NodeLesson>
  readonly owners: Map<UserId, OwnerLesson>
  readonly cohorts: Map<string, Extract<LessonRow, { what: 'cohort' }>>
  readonly speeds: Map<string, Extract<LessonRow, { what: 'speed' }>>
  readonly quotes: Map<QuoteId, QuoteRow>
  readonly enrolments: Map<EnrolmentId, EnrolmentRow>
  /** Open ones; and when each was looked at last. */
  readonly standing: Map<StandingId, StandingRow>
  readonly standingLooks: Map<StandingId, Instant>
  /** All but those that were removed. */
  readonly schedules: Map<ScheduleId, ScheduleRow>
  readonly keys: Map<string, KeyRow>
  /** Balances that decisions read: buyers' available money, and what is pending for sellers. Escrows follow from their jobs' rows, the rest lives in the tables. */
  readonly accounts: Map<AccountName, Micros>
  /** Balances that a firing will read: to be fetched with the next batch. */
  readonly accountsWanted: Set<AccountName>
  /** Wallets that are topped up by themselves, by the account that is looked at; and those whose balance has moved since. */
  readonly autoTopups: Map<AccountName, AutoTopupRow>
  readonly topupsDue: Set<AccountName>
  /** What has not come to its end. */
  readonly payouts: Map<PayoutId, PayoutRow>
  /** Of sellers who have one. */
  readonly payoutRules: Map<UserId, PayoutRuleRow>
  readonly reversals: Map<ReversalId, ReversalRow>
  /** Debts for wrong results whose earnings are not found yet. */
  readonly forfeits: Map<AttemptId, ForfeitRow>
  readonly incidents: Map<IncidentId, IncidentRow>
  /** Attempts whose settlement was reversed, or whose earnings were forfeited: what they earned never clears. Few. */
  readonly takenBack: Set<AttemptId>
  readonly suspended: Set<UserId>
  /** Who works for an account, by account; and invitations that are open. */
  readonly members: Map<UserId, Map<UserId, MemberRow>>
  readonly invitations: Map<InvitationId, InvitationRow>
  /** The newest version of what operators may change; null: nobody has. */
  operating: SettingsRow | null
  /** Of those, what nothing new starts of just now. */
  pauses: readonly MatchingPauseRow[]
  /** Of who has set some. */
  readonly alertSettings: Map<UserId, AlertSettingsRow>
  /** When what was raised last, by its key; and when nodes were looked through for it. */
  readonly alerted: Map<string, Instant>
  alertsLookedAt: Instant
  /** Fetched for the commands of a turn: entries by name (null: there is none), and people whose roles matter. */
  readonly entries: Map<string, EntryRow | null>
  readonly people: Map<UserId, PersonRow>
  /** And endings that an appeal is about. */
  readonly faults: Map<AttemptId, FaultRow | null>
  /** With the entries: the debts that they have paid, by attempt. */
  readonly forfeited: Map<AttemptId, ForfeitRow>
  // Derived from the above; rebuilt by applying the rows.
  readonly attemptsByNode: Map<NodeId, Set<AttemptId>>
  readonly reserved: Map<NodeId, Capacity>
  readonly slotsByBuyer: Map<string, number>
  /** Who comes and goes: learned while this writer runs, kept now and then by the server (`availability.rows()`), loaded with the rest. */
  availability: Availability
  presenceAt: Instant
  readonly outlooks: Map<NodeId, { readonly at: Instant; readonly outlook: Outlook | null }>
  /** By job, those that come after it and wait. */
  readonly children: Map<JobId, Set<JobId>>
  readonly waitingByBuyer: Map<UserId, number>
  readonly queue: FairQueue<Waiting>
  /** Interruptible slots that wait for the next sale of room, by slot; and when the last one was. */
  readonly spot: Map<SlotId, Waiting>
  spotAt: Instant
  readonly sales: SaleRecord
  /** How firm use of each pool grows: so much room is not sold. Not stored. */
  readonly firm: FirmUse
  /** Places that are being made for firm slots, by slot: kept for them while what runs there ends. Not stored: after a restart they wait like others. */
  readonly displacing: Map<SlotId, { readonly waiting: Waiting; readonly node: NodeId; readonly until: Instant }>
  /** When sleepers are woken because interruptible work has had its first slice. */
  wakeAt: Instant
  /** By job, the attempts whose place it takes and which still hold it. */
  readonly displacedBy: Map<JobId, Set<AttemptId>>
  /** What all nodes together have, as `amountsOf` counts it. */
  offered: readonly number[]
  /** Thousandths of cards. */
  gpusInUse: number
  /** What was asked for lately: how much idle GPUs are worth depends on it. */
  readonly demand: Demand
  readonly candidates: Candidates
  /** The last placements, oldest first: for sellers who ask why they were not chosen. Not stored; a new writer starts with none. */
  readonly recent: Decided[]
  readonly timers: Heap<Timer>
  readonly links: Map<NodeId, NodeLink>
  /** Jobs that ended and may leave memory once their commit is through. */
  readonly ended: Set<JobId>
  /** No job with a larger id is in the tables without being in memory: ids are in the order of time, so a new job's seldom has to be looked up. */
  highestForgotten: string
  readonly shapes: Map<string, JobSpec['resources'] | JobSpec['limits'] | JobSpec['placement']>
}

export function createState(settings: MarketSettings = DEFAULT_SETTINGS, guards: Guards = ALL_GUARDS): MarketState {
  return {
    settings, guards, jobs: new Map(), attempts: new Map(), nodes: new Map(), profiles: new Map(), owners: new Map(), cohorts: new Map(), speeds: new Map(), quotes: new Map(), enrolments: new Map(), standing: new Map(), standingLooks: new Map(), schedules: new Map(), accountsWanted: new Set(), keys: new Map(),
    accounts: new Map(), autoTopups: new Map(), topupsDue: new Set(), payouts: new Map(), payoutRules: new Map(), reversals: new Map(), forfeits: new Map(), incidents: new Map(), takenBack: new Set(), suspended: new Set(), members: new Map(), invitations: new Map(), operating: null, pauses: [], alertSettings: new Map(), alerted: new Map(), alertsLookedAt: 0, entries: new Map(), people: new Map(), faults: new Map(), forfeited: new Map(), attemptsByNode: new Map(), reserved: new Map(), slotsByBuyer: new Map(), availability: new Availability(), presenceAt: 0, outlooks: new Map(), children: new Map(), waitingByBuyer: new Map(), queue: new FairQueue([0, 0, 0]), spot: new Map(), spotAt: 0, firm: new FirmUse(), sales: { asked: 0, served: 0, at: 0 }, displacing: new Map(), wakeAt: 0, displacedBy: new Map(), offered: [0, 0, 0], gpusInUse: 0, demand: new Demand(), candidates: new Candidates(), recent: [], timers: new Heap(), links: new Map(),
    ended: new Set(), highestForgotten: '', shapes: new Map(),
  }
}

export const EMPTY_CAPACITY: Capacity = { cpuMillis: 0, memoryBytes: 0, diskBytes: 0, gpus: 0 }
/** What is not reserved there; below zero for a while when a node comes back smaller than what runs on it. */
export function freeOn(state: MarketState, { id, capacity }: NodeRow): Capacity {
  const used = state.reserved.get(id) ?? EMPTY_CAPACITY
  return { cpuMillis: capacity.cpuMillis - used.cpuMillis, memoryBytes: capacity.memoryBytes - used.memoryBytes, diskBytes: capacity.diskBytes - used.diskBytes, gpus: capacity.gpus - used.gpus }
}
const plus = (a: Capacity, b: Resources, sign: 1 | -1): Capacity => ({
  cpuMillis: a.cpuMillis + sign * b.cpuMillis, memoryBytes: a.memoryBytes + sign * b.memoryBytes, diskBytes: a.diskBytes + sign * b.diskBytes, gpus: a.gpus + sign * b.gpus,
})

export function apply(state: MarketState, change: Change): void {
  switch (change.kind) {
    case 'job': return applyJob(state, change.row)
    case 'task': return applyTask(state, change.row)
    case 'attempt': return applyAttempt(state, change.row)
    case 'node': return applyNode(state, change.row)
    case 'lesson': return applyLesson(state, change.row)
    case 'quote': state.quotes.set(change.row.id, change.row); state.timers.push(change.row.validUntil, { kind: 'quote', id: change.row.id, task: 0, slot: 0 }); return
    case 'standing':
      if (change.row.state === 'open') state.standing.set(change.row.id, change.row)
      else { state.standing.delete(change.row.id); state.standingLooks.delete(change.row.id) }
      return
    case 'schedule': return applySchedule(state, change.row)
    case 'enrolment': state.enrolments.set(change.row.id, change.row); return
    case 'key': state.keys.set(change.row.id, change.row); return
    case 'entry': return applyEntry(state, change.row)
    case 'payout': keepWhile(state.payouts, change.row.id, change.row, change.row.state === 'requested' || change.row.state === 'sent'); return
    case 'payoutRule':
      keepWhile(state.payoutRules, change.row.user, change.row, change.row.state !== 'removed')
      if (change.row.state === 'active' && !state.accounts.has(account.earned(change.row.user))) state.accountsWanted.add(account.earned(change.row.user))
      return
    case 'reversal':
      keepWhile(state.reversals, change.row.id, change.row, change.row.state === 'proposed')
      if (change.row.state === 'done' && change.row.attempt) state.takenBack.add(change.row.attempt)
      return
    case 'forfeit':
      keepWhile(state.forfeits, change.row.attempt, change.row, change.row.state === 'due')
      for (const attempt of change.row.of) state.takenBack.add(attempt)
      return
    case 'fault': if (state.faults.has(change.row.attempt)) state.faults.set(change.row.attempt, change.row); return
    case 'incident': keepWhile(state.incidents, change.row.id, change.row, change.row.state === 'open'); return
    case 'alert': state.alerted.set(change.row.key, change.row.at); return
    case 'alertSettings': state.alertSettings.set(change.row.user, change.row); return
    case 'autoTopup': return applyAutoTopup(state, change.row)
    case 'member': return applyMember(state, change.row)
    case 'invitation': keepWhile(state.invitations, change.row.id, change.row, change.row.state === 'open'); return
    case 'settings': return applySettings(state, change.row)
    case 'person': return applyPerson(state, change.row)
    case 'event': case 'tick': case 'seal': case 'action': case 'memberAct': case 'impersonation': case 'reputationDay': return // history: nothing decides on it
  }
}

function applySettings(state: MarketState, row: SettingsRow): void {
  const before = state.operating
  state.operating = row
  if (before?.pauses === row.pauses && before?.values.agentVersionMin === row.values.agentVersionMin) return
  state.pauses = row.pauses?.filter(({ endedAt }) => endedAt === null) ?? []
  for (const node of state.nodes.keys()) state.candidates.changed(node)
  state.queue.wake()
}

function applySchedule(state: MarketState, row: ScheduleRow): void {
  const old = state.schedules.get(row.id)
  if (row.state === 'removed') { state.schedules.delete(row.id); return }
  state.schedules.set(row.id, row)
  if (row.nextAt === null) return
  if (row.nextAt !== old?.nextAt) state.timers.push(row.nextAt, { kind: 'schedule', id: row.id, task: 0, slot: 0 })
  const name = account.available(row.buyer)
  if (!state.accounts.has(name)) state.accountsWanted.add(name)
}

function applyJob(state: MarketState, row: JobRow): void {
  const live = state.jobs.get(row.id), old = live?.row
  if (!live) {
    state.jobs.set(row.id, { row, tasks: [], attempts: [], open: 0, left: 0 })
    armFallback(state, row)
    armQueue(state, row)
    armPlan(state, row)
  } else {
    const { row: before } = live
    live.row = row
    if (isHeld(before) && !isHeld(row)) { armFallback(state, row); armQueue(state, row); live.planAt = 0; armPlan(state, row) }
    if (row.rung !== before.rung) { armFallback(state, row); requeue(state, live) }
    else if (before.paused && !isHeld(row)) requeue(state, live) // its entries were dropped when their turn came
  }
  if (row.parents) watchParents(state, old, row)
  if (isTerminal(row.state)) state.ended.add(row.id)
  else if (row.spec.speculate && !row.cancelling && isAtTail(row)) watchLate(state, row.id)
}

/** Nothing of it waits any more, and something runs. */
export const isAtTail = ({ tasksTotal, tasksDone, tasksFailed, tasksRunning }: JobRow): boolean => tasksRunning > 0 && tasksDone + tasksFailed + tasksRunning === tasksTotal
function watchLate(state: MarketState, id: JobId): void {
  const live = state.jobs.get(id)
  if (!live || live.look) return
  live.look = { tasks: null, extra: 0, copies: 0 }
  state.timers.push(0, { kind: 'late', id, task: 0, slot: 0 })
}

const NONE: readonly JobId[] = []
/** What waits for its parents, or has a plan, has all the time there is, up to its deadline: the time to find a node counts from when the last of them has completed. */
function armQueue(state: MarketState, row: JobRow): void {
  const due = Math.min(isHeld(row) || row.spec.plan ? Infinity : queuedSince(row) + row.spec.limits.queueMs, row.spec.deadline ?? Infinity)
  if (!isTerminal(row.state) && due < Infinity) state.timers.push(due, { kind: 'queue', id: row.id, task: 0, slot: 0 })
}
/** At the next clock: what it is to be is decided by its rows, not here. */
function armPlan(state: MarketState, row: JobRow): void { if (row.spec.plan && !isTerminal(row.state)) state.timers.push(0, { kind: 'plan', id: row.id, task: 0, slot: 0 }) }
const awaited = (row: JobRow | undefined): readonly JobId[] => (!row?.parents || isTerminal(row.state) ? NONE : row.parents.left)
function watchParents(state: MarketState, old: JobRow | undefined, row: JobRow): void {
  const before = awaited(old), left = awaited(row)
  for (const parent of before) if (!left.includes(parent)) { const all = state.children.get(parent); if (all?.delete(row.id) && all.size === 0) state.children.delete(parent) }
  for (const parent of left) { const all = state.children.get(parent) ?? new Set(); all.add(row.id); state.children.set(parent, all) }
  const waits = (state.waitingByBuyer.get(row.buyer) ?? 0) + (left.length > 0 ? 1 : 0) - (before.length > 0 ? 1 : 0)
  if (waits > 0) state.waitingByBuyer.set(row.buyer, waits)
  else state.waitingByBuyer.delete(row.buyer)
}

function armFallback(state: MarketState, row: JobRow): void {
  const next = isTerminal(row.state) || isHeld(row) ? undefined : row.spec.fallback?.[row.rung]
  if (next) state.timers.push(queuedSince(row) + next.afterMs, { kind: 'fallback', id: row.id, task: row.rung, slot: 0 })
}
/** It asks for something else now, so what waits stands in another line; its entries in the old one count for nothing. One whose backoff is not over is put back by its timer. */
function requeue(state: MarketState, live: LiveJob): void {
  for (const task of live.tasks) task.slots.forEach((slot, i) => { if (slot.state === 'pending') queueSlot(state, live.row, task, i, queuedSince(live.row)) })
}

const slotOpen = (slot: SlotRow): boolean => slot.state !== 'done' && slot.state !== 'dropped'

function applyTask(state: MarketState, row: TaskRow): void {
  const live = state.jobs.get(row.job)
  invariant(live, `task of unknown job ${row.job}`)
  const old = live.tasks[row.index]
  // The first one makes an array of just its size: one that is written to grows to room for sixteen, for each of a million waiting jobs.
  if (row.index === 0 && live.tasks.length === 0 && live.row.tasksTotal === 1) live.tasks = [row]
  else live.tasks[row.index] = row
  live.left += workWaiting(row) - workWaiting(old)
  if (row.piece) noteWaiting(live, old, row)
  let grown = 0
  for (let i = 0; i < row.slots.length; i++) {
    const slot = row.slots[i] as SlotRow, before = old?.slots[i]
    grown += (slotOpen(slot) ? 1 : 0) - (before && slotOpen(before) ? 1 : 0)
    const waits = slot.state === 'pending' && row.state !== 'waiting' && !(before?.state === 'pending' && before.fence === slot.fence && old?.state !== 'waiting')
    if (waits) enqueue(state, live.row, row, i)
    else if (slot.state === 'pending' && slot.firm && !before?.firm) { state.spot.delete(slotId(taskId(row.job, row.index), i)); enqueue(state, live.row, row, i) }
  }
  if (grown !== 0) {
    live.open += grown
    const left = (state.slotsByBuyer.get(live.row.buyer) ?? 0) + grown
    if (left > 0) state.slotsByBuyer.set(live.row.buyer, left)
    else state.slotsByBuyer.delete(live.row.buyer)
  }
}

const workWaiting = (task: TaskRow | undefined): number => (task?.piece && task.state === 'queued' ? task.piece.to - task.piece.from : 0)
function noteWaiting(live: LiveJob, old: TaskRow | undefined, row: TaskRow): void {
  const waits = (live.waits ??= new Map())
  if (old?.piece && waits.get(waitsAt(old.piece)) === old.index) waits.delete(waitsAt(old.piece))
  if (row.piece && row.state === 'queued') waits.set(waitsAt(row.piece), row.index)
}

/** A slot that waits for a node stands in the queue or has an armed timer, always (I14). */
function enqueue(state: MarketState, job: JobRow, task: TaskRow, slot: number): void {
  const row = task.slots[slot] as SlotRow
  if (row.move) state.timers.push(row.move.until, { kind: 'wake', id: '', task: 0, slot: 0 })
  // Not compared with the job's own times: those were read on another writer's clock, which may have been ahead of ours.
  if (row.notBefore > 0) state.timers.push(row.notBefore, { kind: 'backoff', id: job.id, task: task.index, slot })
  else queueSlot(state, job, task, slot, queuedSince(job))
}
export function queueSlot(state: MarketState, job: JobRow, task: TaskRow, slot: number, since: Instant): void {
  const row = task.slots[slot] as SlotRow
  const { spec } = job
  const waiting: Waiting = { job: job.id, task: task.index, slot, fence: row.fence }
  if (waitsForSale(spec, row)) { state.spot.set(slotOf(waiting), waiting); return }
  // Rank 0 stands in line for its gang, which may have slept because this one was not ready yet.
  if (spec.gang && task.index > 0) return state.queue.wake()
  state.queue.add(classKeyOf(job, task, slot), waiting, {
    buyer: job.buyer, since, priority: spec.priority, expectedMs: expectedMs(spec), limitMs: spec.limits.runMs, amounts: amountsOf(spec.resources).map((amount) => (spec.gang ? amount * job.tasksTotal : amount)),
  })
}

function applyAttempt(state: MarketState, row: AttemptRow): void {
  const live = state.jobs.get(row.job)
  invariant(live, `attempt of unknown job ${row.job}`)
  const old = state.attempts.get(row.id)
  state.attempts.set(row.id, row)
  const at = old ? live.attempts.indexOf(old) : -1
  if (at >= 0) live.attempts[at] = row
  else live.attempts.push(row)
  const held = old !== undefined && holdsNode(old.state), holds = holdsNode(row.state)
  if (held !== holds) {
    reserve(state, row.node, live.row.spec.resources, holds ? 1 : -1)
    if (!isInterruptible(live.row.spec, row)) state.firm.hold(row.node, state.nodes.get(row.node), live.row.spec.resources, holds ? 1 : -1)
  }
  const aside = old ? reservedElsewhere(old) : null, setAside = reservedElsewhere(row)
  if (aside !== setAside) { if (aside) reserve(state, aside, live.row.spec.resources, -1); if (setAside) reserve(state, setAside, live.row.spec.resources, 1) }
  const onNode = state.attemptsByNode.get(row.node) ?? new Set()
  if (isLive(row.state)) { onNode.add(row.id); state.attemptsByNode.set(row.node, onNode) }
  else if (onNode.delete(row.id) && onNode.size === 0) state.attemptsByNode.delete(row.node)
  armAttempt(state, live, old, row)
  if (row.state === 'valid' && old?.state !== 'valid' && row.cause === 'succeeded' && !row.referee && (row.piece || live.row.tasksTotal > 1)) live.pace = seenRun(live.pace, row, workIn(live.row.spec, row.task, row.piece))
  if (row.displaced) watchDisplaced(state, row, row.displaced.by, holds)
  if (old && isLive(old.state) && !isLive(row.state)) settleShare(state, live.row, row)
}

function watchDisplaced(state: MarketState, row: AttemptRow, by: JobId, holds: boolean): void {
  const all = state.displacedBy.get(by) ?? new Set()
  if (holds) { all.add(row.id); state.displacedBy.set(by, all) }
  else if (all.delete(row.id) && all.size === 0) state.displacedBy.delete(by)
}

/** Its buyer was charged what it was expected to use of the market when it was placed; now with what it used. What the buyer does not bear is given back, but for what a checkpoint has kept. */
function settleShare(state: MarketState, { buyer, spec }: JobRow, row: AttemptRow): void {
  if (isInterruptible(spec, row)) return // it lives on what others leave, and is sold by bids, not by shares
  const charged = kindOf({ expectedMs: expectedMs(spec), limitMs: spec.limits.runMs, priority: spec.priority }).expectedMs
  const used = row.cause !== null && CAUSES[row.cause].bears === 'buyer' ? row.usage.runMs : (row.saved?.runMs ?? 0)
  const given = state.nodes.get(row.node)?.capacity.gpuShare ?? WHOLE, asked = spec.resources.gpuShare ?? WHOLE
  if (spec.resources.gpus === 0 || given === asked) return state.queue.correct(buyer, amountsOf(spec.resources), used - charged)
  // It was charged for the part that it asked for, and may have been given a larger one.
  state.queue.correct(buyer, amountsOf(spec.resources), -charged)
  state.queue.correct(buyer, amountsOf({ ...spec.resources, gpuShare: given }), used)
}

export function reserve(state: MarketState, node: NodeId, resources: Resources, sign: 1 | -1): void {
  state.gpusInUse += sign * resources.gpus * (state.nodes.get(node)?.capacity.gpuShare ?? WHOLE)
  state.reserved.set(node, plus(state.reserved.get(node) ?? EMPTY_CAPACITY, resources, sign))
  state.candidates.changed(node)
  if (sign < 0) state.queue.wake()
}

/** Where it goes while it runs, it has a place before it is there. */
export const reservedElsewhere = ({ state, moving }: AttemptRow): NodeId | null => (moving?.kind === 'live' && holdsNode(state) ? moving.to : null)

function armAttempt(state: MarketState, { row: job, tasks }: LiveJob, old: AttemptRow | undefined, row: AttemptRow): void {
  if (row.state === old?.state) return
  const timer = (kind: Timer['kind'], at: Instant) => state.timers.push(at, { kind, id: row.id, task: row.task, slot: row.slot })
  if (row.state === 'offered') timer('offer', row.offeredAt + state.settings.offerMs)
  // Met again after a restart: the timer that `stopAttempt` armed is gone with the old writer, so its grace is counted from the offer.
  const decided = tasks[row.task]?.state === 'done' || tasks[row.task]?.state === 'failed'
  if ((job.cancelling || decided || row.displaced) && row.state === 'running' && !old) timer('cancel', row.offeredAt + state.settings.cancelMs)
  if (row.state === 'accepted' || row.state === 'running') timer('overrun', (row.startedAt ?? row.offeredAt) + job.spec.limits.runMs + state.settings.overrunMs)
}

/** Thousandths of a card that is not a partition. */
const WHOLE = 1000
/** Processors, memory in MiB, thousandths of GPUs: what shares of the market are counted in. */
const amountsOf = ({ cpuMillis, memoryBytes, gpus, gpuShare = WHOLE }: Pick<Capacity, 'cpuMillis' | 'memoryBytes' | 'gpus' | 'gpuShare'>): number[] => [cpuMillis, Math.ceil(memoryBytes / MIB), gpus * gpuShare]
const NOTHING = [0, 0, 0]

/** In what a decision reads of the row itself: that it was seen again is no news. */
const isOther = (old: NodeRow | undefined, row: NodeRow): boolean =>
  !old || old.capacity !== row.capacity || old.prices !== row.prices || old.drivers !== row.drivers || old.policy !== row.policy || old.will !== row.will || old.cordon !== row.cordon || old.labels !== row.labels || old.region !== row.region || old.owner !== row.owner
function applyNode(state: MarketState, row: NodeRow): void {
  const old = state.nodes.get(row.id)
  state.nodes.set(row.id, row)
  // Its balance is read when the market is loaded; who has none then has earned nothing.
  if (!old && !state.accounts.has(account.pending(row.owner))) state.accounts.set(account.pending(row.owner), 0n)
  if (isOther(old, row)) state.candidates.changed(row.id, true)
  else if (old?.presence !== row.presence) state.candidates.changed(row.id)
  if (old?.capacity !== row.capacity || old.will !== row.will) {
    const counts = (node: NodeRow | undefined): number[] => (node && node.will !== 'retired' && node.will !== 'banned' ? amountsOf(node.capacity) : NOTHING)
    const before = counts(old), after = counts(row)
    state.offered = state.offered.map((all, i) => all - (before[i] as number) + (after[i] as number))
    state.queue.resize(state.offered)
    state.gpusInUse += (state.reserved.get(row.id)?.gpus ?? 0) * ((row.capacity.gpuShare ?? WHOLE) - (old?.capacity.gpuShare ?? WHOLE))
  }
  if (!state.links.has(row.id)) setLink(state, row.id, { connected: false, accepting: true, lastSeen: 0, heartbeat: 0 })
  if (!old || old.presence !== row.presence || old.will !== row.will || old.cordon !== row.cordon || old.prices !== row.prices || old.capacity !== row.capacity || old.drivers !== row.drivers || old.policy !== row.policy) state.queue.wake()
  if (row.cordon?.until !== undefined && row.cordon.until !== old?.cordon?.until) state.timers.push(row.cordon.until, { kind: 'drain', id: row.id, task: 0, slot: 0 })
}

/** What the market knows of a node's socket; nothing else may set it, because kept answers hang on it. */
export function setLink(state: MarketState, node: NodeId, link: NodeLink): void {
  const old = state.links.get(node)
  state.links.set(node, link)
  if (old?.connected !== link.connected || old.accepting !== link.accepting) state.candidates.changed(node)
}

function applyLesson(state: MarketState, row: LessonRow): void {
  switch (row.what) {
    case 'node': state.profiles.set(row.key, row); state.candidates.changed(row.key); return
    case 'owner':
      state.owners.set(row.key, row)
      for (const node of state.nodes.values()) if (node.owner === row.key) state.candidates.changed(node.id)
      state.queue.wake()
      return // what waits for owners who have shown something may have waited for this
    case 'cohort': state.cohorts.set(row.key, row); return
    case 'speed': state.speeds.set(row.key, row)
  }
}

function keepWhile<Key, Row>(rows: Map<Key, Row>, key: Key, row: Row, open: boolean): void {
  if (open) rows.set(key, row)
  else rows.delete(key)
}

/** Looked at in the turn that it is met in: a fall that a writer before has not answered is still one. */
function applyAutoTopup(state: MarketState, row: AutoTopupRow): void {
  const name = account.available(row.user)
  state.autoTopups.set(name, row)
  if (!row.on) return
  state.topupsDue.add(name)
  if (!state.accounts.has(name)) state.accountsWanted.add(name)
}

function applyMember(state: MarketState, row: MemberRow): void {
  const members = state.members.get(row.account) ?? new Map<UserId, MemberRow>()
  keepWhile(members, row.user, row, row.state === 'active')
  if (members.size > 0) state.members.set(row.account, members)
  else state.members.delete(row.account)
}

/** The nodes of a suspended owner get no new work; what waits may have waited for the end of a suspension. */
function applyPerson(state: MarketState, row: PersonRow): void {
  state.people.set(row.id, row)
  if (state.suspended.has(row.id) === (row.suspended !== null)) return
  if (row.suspended) state.suspended.add(row.id)
  else state.suspended.delete(row.id)
  for (const node of state.nodes.values()) if (node.owner === row.id) state.candidates.changed(node.id)
  state.queue.wake()
}

function applyEntry(state: MarketState, row: EntryRow): void {
  if (state.entries.has(row.id)) state.entries.set(row.id, row)
  for (const { from, to, amount } of row.postings) {
    move(state, from, -amount)
    move(state, to, amount)
  }
}
function move(state: MarketState, name: AccountName, by: Micros): void {
  if (state.autoTopups.has(name)) state.topupsDue.add(name)
  const balance = state.accounts.get(name)
  if (balance === undefined) return // not needed by any decision: the tables keep it
  invariant(balance + by >= 0n || isExternal(name), `account ${name} below zero`)
  state.accounts.set(name, balance + by)
}

/** Ended jobs leave memory; called between turns, for jobs whose last change is committed. */
export function forgetJob(state: MarketState, id: JobId): void {
  const live = state.jobs.get(id)
  if (!live) return
  for (const attempt of live.attempts) state.attempts.delete(attempt.id)
  state.jobs.delete(id)
  state.ended.delete(id)
  if (id > state.highestForgotten) state.highestForgotten = id
}

// A million queued jobs share a handful of shapes: the parts that decide on placement are kept once each. The bound keeps a market of odd
// requests from growing it without end; over it, specs simply keep their own parts.
const SHAPES_MAX = 10_000
const NO_INPUTS: JobSpec['inputs'] = [], NO_ENV: JobSpec['env'] = {}, ALL_OUTPUTS: JobSpec['outputs'] = ['**'], ONE_TASK: TaskSpec[] = [{}]

export function internSpec(state: MarketState, spec: JobSpec): JobSpec {
  const shared = <Part extends JobSpec['resources'] | JobSpec['limits'] | JobSpec['placement']>(part: Part): Part => {
    const key = JSON.stringify(part)
    const known = state.shapes.get(key)
    if (known) return known as Part // the key is the part's own text, so the type is the part's own
    if (state.shapes.size < SHAPES_MAX) state.shapes.set(key, part)
    return part
  }
  return {
    ...spec, resources: shared(spec.resources), limits: shared(spec.limits), placement: shared(spec.placement),
    inputs: spec.inputs.length === 0 ? NO_INPUTS : spec.inputs, env: Object.keys(spec.env).length === 0 ? NO_ENV : spec.env,
    outputs: spec.outputs.length === 1 && spec.outputs[0] === '**' ? ALL_OUTPUTS : spec.outputs,
    tasks: spec.tasks.length === 1 && Object.keys(spec.tasks[0] ?? {}).length === 0 ? ONE_TASK : spec.tasks,
  }
}
