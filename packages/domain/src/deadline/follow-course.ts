// A job with a plan is looked at when something of it ends, and when its advice says: its slots become firm, or interruptible again, in the very turn, and the matching of that turn places them
// as what they are then. What runs is never cut: it stores a checkpoint and ends, as for a move, and goes on from there.
//
// The money: the cap of an attempt covers the whole firm way on the cheapest node that could take it (too-tight.ts), and an interruptible hour never costs more than a firm one there
// (`hourMax`). So whatever was spent on the way, what is left pays for the rest of it, firm; prices that rise meanwhile are the one thing it does not cover.
import type { Instant, JobId } from '@lumaris/protocol'
import type { AttemptRow, SlotRow, TaskRow } from '../rows.ts'
import type { LiveJob, MarketState, RoomSeen } from '../state.ts'
import { liveJob, putAttempt, putTask, record } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { hourlyOf, sheetOf, spotSheet } from '../billing/price.ts'
import { holdsNode, isTerminal } from '../job/lifecycle.ts'
import { tellToLeave } from '../job/move-job.ts'
import { pauseOf } from '../operator/pause-matching.ts'
import { isHeld, queuedSince } from '../job/waiting.ts'
import { look } from '../market/candidates.ts'
import { requirementOf } from '../market/requirement.ts'
import { advise, noReturnAt } from './course.ts'
import type { Advice, As, Course, Seen } from './course.ts'
import { courseOver, firmWayOf, patienceOf, roundsOf } from './firm-way.ts'

/** Nodes come and go, and with them the time that the firm way takes. */
const LOOK_MAX_MS = 600_000

const isPlanned = ({ row }: LiveJob): boolean => row.spec.plan !== undefined && !isTerminal(row.state) && !row.cancelling && !isHeld(row)

/** A timer's hint: what was looked at since is not due yet. */
export function lookAtPlan(turn: Turn, id: JobId): void {
  const live = turn.state.jobs.get(id)
  if (live && (live.planAt ?? 0) <= turn.now) followCourse(turn, id)
}

export function followCourse(turn: Turn, id: JobId): void {
  const { state, now } = turn, live = state.jobs.get(id)
  if (!live || !isPlanned(live)) return
  const course = courseOf(state, live, now), rooms = roomsOf(state, live, now, (live.roomSeen ??= new Map()))
  let next = now + LOOK_MAX_MS
  for (const task of Array.from(live.tasks)) {
    const slot = task.slots[0]
    if (slot && task.state !== 'waiting' && (slot.state === 'pending' || slot.state === 'assigned')) next = Math.min(next, follow(turn, live, course, rooms, task, slot))
  }
  const at = Math.max(next, now + 1)
  if (live.planAt !== undefined && live.planAt > now && live.planAt <= at) return
  live.planAt = at
  state.timers.push(at, { kind: 'plan', id, task: 0, slot: 0 })
}

/** Where nobody could take it just now, nothing is known of rounds. */
export function courseOf(state: MarketState, live: LiveJob, now: Instant): Course {
  const { spec, tasksTotal, tasksDone, tasksFailed } = live.row, way = firmWayOf(state, live, now)
  return courseOver(way, spec, state.settings, queuedSince(live.row), way.seats === 0 ? 1 : roundsOf(way, Math.max(1, tasksTotal - tasksDone - tasksFailed)))
}

const running = (state: MarketState, slot: SlotRow): AttemptRow | null => { const row = slot.attempt ? state.attempts.get(slot.attempt) : undefined; return row && holdsNode(row.state) ? row : null }
function seen(state: MarketState, live: LiveJob, task: TaskRow, slot: SlotRow, now: Instant, rooms: Rooms): Seen & { readonly attempt: AttemptRow | null; /** Since when it is that. */ readonly since: Instant } {
  const attempt = running(state, slot), { slowness } = firmWayOf(state, live, now), before = attempt?.resumes?.runMs ?? 0
  const kept = slot.kept?.runMs ?? 0, as: As = attempt?.as ?? (slot.firm ? 'firm' : 'interruptible')
  return {
    now, attempt, as, since: (as === 'firm' ? attempt?.offeredAt : undefined) ?? slot.firm?.at ?? queuedSince(live.row), runs: attempt !== null,
    doneMs: (attempt ? before + attempt.usage.runMs : kept) * slowness, savedMs: Math.max(kept, attempt?.saved ? before + attempt.saved.runMs : 0) * slowness,
    awaySince: attempt ? now : rooms.awaySince(task.index), room: () => rooms.since(task.index, slot),
  }
}
type Rooms = { readonly since: (task: number, slot: SlotRow) => Instant | null; /** When its last try ended. */ readonly awaySince: (task: number) => Instant }
/** Slots that are asked about one by one in one look, each at all nodes; those beyond get the answer of one that has not begun. */
const ASKED_MAX = 20
/** Tasks that have not begun all ask for the same. Since when there is room is known from look to look, as long as these follow one another, and noted where `noted` may be written; a new writer begins again. */
function roomsOf(state: MarketState, live: LiveJob, now: Instant, noted?: Map<number, RoomSeen>): Rooms {
  const keptMs = 2 * patienceOf(state.settings)
  let plain: boolean | null = null, asked = 0, ends: Map<number, Instant> | null = null
  const ask = (slot: SlotRow): boolean => {
    if ((slot.kept || slot.failedOn.length > 0 || slot.move) && ++asked <= ASKED_MAX) return hasRoom(state, live, slot, now)
    const { kept: _kept, move: _move, ...bare } = slot
    return (plain ??= hasRoom(state, live, { ...bare, failedOn: [] }, now))
  }
  return {
    since: (task, slot) => {
      if (!ask(slot)) { noted?.delete(task); return null }
      const before = live.roomSeen?.get(task), since = before && now >= before.at && now - before.at <= keptMs ? before.since : now
      noted?.set(task, { since, at: now })
      return since
    },
    awaySince: (task) => {
      if (!ends) { ends = new Map(); for (const one of live.attempts) if (one.endedAt !== null) ends.set(one.task, Math.max(one.endedAt, ends.get(one.task) ?? 0)) }
      return Math.max(queuedSince(live.row), ends.get(task) ?? 0)
    },
  }
}
/** Room that it would be sold: at no more than a firm hour costs on the cheapest node. */
function hasRoom(state: MarketState, live: LiveJob, slot: SlotRow, now: Instant): boolean {
  const { firm: _firm, ...bare } = slot, need = requirementOf(live.row, bare, []), { leastHour } = firmWayOf(state, live, now)
  for (const node of state.nodes.values()) if (!need.avoid.includes(node.id) && (leastHour === null || hourlyOf(spotSheet(sheetOf(node)), need.spec.resources) <= leastHour) && look(state, node, need, now).no === null) return true
  return false
}

/** Makes the slot what it should be, and says when to look again. */
function follow(turn: Turn, live: LiveJob, course: Course, rooms: Rooms, task: TaskRow, slot: SlotRow): Instant {
  const { state, now } = turn, here = seen(state, live, task, slot, now, rooms), { attempt } = here, advice = advise(course, here)
  if (advice.as === here.as) return advice.until ?? (advice.as === 'firm' && here.runs && course.resumable ? now + course.patienceMs : Infinity)
  if (attempt) {
    if (attempt.stays && advice.as === 'interruptible') return Infinity
    // Not before it runs, and not twice: it is on its way already, or must make place. Nor while nothing could start: it goes on as it is.
    if (pauseOf(state, live.row) || attempt.state !== 'running' || attempt.moving || attempt.displaced || !course.resumable) return now + course.patienceMs
  }
  const { firm: _before, ...bare } = slot
  putTask(turn, { ...task, slots: task.slots.with(0, advice.as === 'firm' ? { ...bare, firm: { at: now, why: advice.why } } : bare) })
  // Asked again, because its node could not store anything the first time, it is no news.
  if (advice.as !== 'firm' || !slot.firm) record(turn, live.row.id, { type: 'plan', state: `${advice.as}: ${advice.why}`, task: task.index })
  if (!attempt) return Infinity
  tellToLeave(turn, putAttempt(turn, { ...attempt, moving: { to: null, kind: 'files', at: now, as: advice.as } }))
  return now + course.patienceMs
}

export type Planned = Advice & { readonly task: number; readonly noReturnAt: Instant; readonly since: Instant }
/** For who asks: what each open task is now, why, and when that changes; of many, the first. */
export function planOf(state: MarketState, live: LiveJob, now: Instant, most = 100): Planned[] {
  if (!isPlanned(live)) return []
  const course = courseOf(state, live, now), rooms = roomsOf(state, live, now)
  return live.tasks.filter(({ state: is, slots }) => is !== 'waiting' && (slots[0]?.state === 'pending' || slots[0]?.state === 'assigned')).slice(0, most).map((task): Planned => {
    const slot = task.slots[0] as SlotRow, here = seen(state, live, task, slot, now, rooms), advice = advise(course, here), same = advice.as === here.as
    return { task: task.index, as: here.as, why: here.as === 'firm' && slot.firm ? slot.firm.why : advice.why, until: same ? advice.until : now, since: here.since, noReturnAt: noReturnAt(course, here.savedMs) }
  })
}

/** What kept it from ending in time, as far as its rows tell: of the task that is open, or that ended last. */
export function whyLate(turn: Turn, live: LiveJob): string {
  const { expectedMs, deadline = 0 } = live.row.spec, before = (at: Instant): string => { const s = Math.round((deadline - at) / 1000); return s >= 0 ? `${s} s before its deadline` : `${-s} s after its deadline` }
  const endOf = (task: TaskRow): Instant => (task.state === 'queued' || task.state === 'running' ? Infinity : Math.max(0, ...live.attempts.flatMap((attempt) => (attempt.task === task.index && attempt.endedAt !== null ? [attempt.endedAt] : []))))
  const late = live.tasks.reduce((last, task) => (endOf(task) > endOf(last) ? task : last)), slot = late.slots[0], tries = live.attempts.filter(({ task }) => task === late.index), last = tries.at(-1)
  const lost = tries.filter(({ cause }) => cause !== null && cause !== 'succeeded' && cause !== 'moved')
  return [
    slot?.firm ? `firm ${before(slot.firm.at)} (${slot.firm.why})` : 'it was never firm',
    slot?.state === 'pending' && slot.firm ? 'no node that it could pay had room for it then' : last ? `its last try began ${before(last.startedAt ?? last.offeredAt)} and ran ${(last.resumes?.runMs ?? 0) + last.usage.runMs} of the ${expectedMs} ms expected` : 'it never ran',
    ...(lost.length > 0 ? [`${lost.length} of its tries were lost (the last: ${lost.at(-1)?.cause})`] : []),
  ].join('; ')
}

/** Whether it was in time is part of its history. */
export function closeCourse(turn: Turn, id: JobId): void {
  const { row } = liveJob(turn, id)
  if (row.spec.plan === undefined || row.state !== 'completed') return
  record(turn, id, { type: 'plan', state: turn.now <= (row.spec.deadline ?? Infinity) ? 'in time' : `late: ${whyLate(turn, liveJob(turn, id))}` })
}
