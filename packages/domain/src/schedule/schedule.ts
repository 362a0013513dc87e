// Schedules: a job at the times of a cron. The moment that was fired and the job that it made are one commit, so whatever crashes, a moment makes one job or
// none; and the job's id follows from schedule and moment under the market's secret key: a replay makes the same id, and nobody can take it beforehand.
import { FIRINGS_MAX, SCHEDULES_MAX, account, digestText, isRefusal, timeText } from '@lumaris/protocol'
import type { Firing, Instant, JobId, JobSpec, Micros, Refusal, ScheduleId, UserId } from '@lumaris/protocol'
import { invariant } from '../invariant.ts'
import type { By, JobRow, ScheduleRow } from '../rows.ts'
import { internSpec } from '../state.ts'
import { emit, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { adminWord, recordAction } from '../operator/record-action.ts'
import type { AsAdmin } from '../operator/record-action.ts'
import { submit } from '../job/submit.ts'
import { attemptCapOf } from '../market/quote.ts'
import { contradiction } from '../market/quote.ts'
import { isTimeZone, newestFiring, nextFiring, parseCron } from './cron.ts'
import type { Cron } from './cron.ts'

export type CreateScheduleCommand = {
  readonly kind: 'createSchedule'; readonly buyer: UserId; readonly key: string | null; readonly bodyHash: string
  readonly name: string | null; readonly cron: string; readonly timeZone: string; readonly spec: JobSpec; readonly cap: Micros; readonly budget: Micros | null; readonly overlap: ScheduleRow['overlap']; readonly by?: By
}
export type ChangeScheduleCommand = { readonly kind: 'changeSchedule'; readonly id: ScheduleId; readonly to: ScheduleRow['state']; /** An admin who is not its buyer. */ readonly admin?: AsAdmin }

/** Jobs of one schedule at a time, where they may overlap. */
const RUNNING_MAX = 100
/** Between a moment whose buyer's balance is not in memory and the next look. */
const AGAIN_MS = 1_000

export function createSchedule(turn: Turn, command: CreateScheduleCommand): ScheduleRow | Refusal {
  const { state } = turn, { key, spec, buyer, cap, budget, timeZone } = command
  const used = key === null ? undefined : state.keys.get(key)
  if (used) return used.bodyHash === command.bodyHash ? state.schedules.get(used.subject as ScheduleId) ?? refused('not_found') : refused('idempotency_conflict')
  const no = (reason: string): Refusal => refused('impossible_request', { reason })
  const cron = parseCron(command.cron)
  if (typeof cron === 'string') return no(cron)
  if (!isTimeZone(timeZone)) return no(`there is no time zone ${timeZone}: name one such as Europe/Berlin`)
  const nextAt = nextFiring(cron, timeZone, turn.now)
  if (nextAt === null) return no(`${command.cron} never comes: no month has such a day`)
  if (spec.after || spec.map || spec.deadline !== undefined) return no(`a job that is made again and again cannot have ${spec.after ? 'after' : spec.map ? 'map' : 'deadline'}: it would mean the same job, or the same moment, each time`)
  if (spec.secrets) return no('a job that is made again and again cannot have secrets: their values are wiped with each job, and nobody is there to send them again')
  const wrong = contradiction(spec, turn.now) ?? attemptCapOf(spec, cap)
  if (isRefusal(wrong)) return wrong
  if (budget !== null && budget < cap) return no('the budget does not cover one firing: raise it, or lower the cap')
  let mine = 0
  for (const row of state.schedules.values()) if (row.buyer === buyer) mine++
  if (mine >= SCHEDULES_MAX) return refused('queue_full', { max: SCHEDULES_MAX })
  const row: ScheduleRow = {
    id: turn.id('sch') as ScheduleId, buyer, name: command.name, cron: command.cron, timeZone, spec: internSpec(state, spec), cap: cap.toString(), budget: budget === null ? null : budget.toString(), overlap: command.overlap,
    state: 'active', createdAt: turn.now, nextAt, committed: '0', running: [], firings: [], ...(command.by ? { by: command.by } : {}),
  }
  if (key !== null) emit(turn, { kind: 'key', row: { id: key, bodyHash: command.bodyHash, subject: row.id, at: turn.now } })
  emit(turn, { kind: 'schedule', row })
  return row
}

/** What was missed while it was paused is not made up for. */
const ACTION = { active: 'schedule.resume', paused: 'schedule.pause', removed: 'schedule.remove' } as const
export function changeSchedule(turn: Turn, { id, to, admin }: ChangeScheduleCommand): ScheduleRow | Refusal {
  const row = turn.state.schedules.get(id)
  if (!row) return refused('not_found')
  if (row.state === to) return row
  const { admin: _, ...rest } = row, action = ACTION[to]
  if (admin) recordAction(turn, { ...admin, action, subject: id, before: { state: row.state }, after: { state: to } })
  const changed: ScheduleRow = { ...rest, state: to, nextAt: to === 'active' ? nextFiring(cronOf(row), row.timeZone, turn.now) : null, ...adminWord(turn, action, admin) }
  emit(turn, { kind: 'schedule', row: changed })
  return changed
}

/** Called by its timer. Of several moments that were missed the newest fires, once. */
export function fireSchedule(turn: Turn, id: ScheduleId): void {
  const row = turn.state.schedules.get(id)
  if (!row || row.state !== 'active' || row.nextAt === null || row.nextAt > turn.now) return
  const balance = account.available(row.buyer)
  if (!turn.state.accounts.has(balance)) { turn.state.accountsWanted.add(balance); turn.state.timers.push(turn.now + AGAIN_MS, { kind: 'schedule', id, task: 0, slot: 0 }); return }
  const cron = cronOf(row), due = newestFiring(cron, row.timeZone, row.nextAt, turn.now)
  const firing = fire(turn, row, due)
  emit(turn, { kind: 'schedule', row: {
    ...row, nextAt: nextFiring(cron, row.timeZone, Math.max(due, turn.now)), firings: [firing, ...row.firings].slice(0, FIRINGS_MAX),
    ...(firing.job ? { running: [...row.running, firing.job], committed: (BigInt(row.committed) + BigInt(row.cap)).toString() } : {}),
  } })
}

function fire(turn: Turn, row: ScheduleRow, due: Instant): Firing {
  const said = { due, at: turn.now }
  if (row.overlap === 'skip' && row.running.length > 0) return { ...said, outcome: 'skipped', detail: `${row.running[0]} has not ended` }
  if (row.running.length >= RUNNING_MAX) return { ...said, outcome: 'refused', refused: 'queue_full', detail: `${RUNNING_MAX} of its jobs have not ended` }
  if (row.budget !== null && BigInt(row.committed) + BigInt(row.cap) > BigInt(row.budget)) return { ...said, outcome: 'refused', refused: 'budget_used_up', detail: `${row.committed} of ${row.budget} are spent or held` }
  const id = firingId(turn, row.id, due)
  const made = submit(turn, { kind: 'submit', buyer: row.buyer, id, key: null, bodyHash: turn.hash(id), spec: row.spec, specHash: '', quote: null, cap: BigInt(row.cap), noWait: false, schedule: row.id, ...(row.by ? { by: row.by } : {}) })
  return isRefusal(made) ? { ...said, outcome: 'refused', refused: made.refusal, ...(made.detail ? { detail: JSON.stringify(made.detail).slice(0, 300) } : {}) } : { ...said, outcome: 'submitted', job: id }
}

/** A job of it has ended: what it was held for and did not cost may be spent again. */
export function scheduleJobEnded(turn: Turn, job: JobRow): void {
  const row = job.schedule ? turn.state.schedules.get(job.schedule) : undefined
  if (!row?.running.includes(job.id)) return
  emit(turn, { kind: 'schedule', row: {
    ...row, running: row.running.filter((id) => id !== job.id), committed: (BigInt(row.committed) - BigInt(row.cap) + job.cost).toString(),
    firings: row.firings.map((firing) => (firing.job === job.id ? { ...firing, state: job.state, cost: job.cost.toString() } : firing)),
  } })
}

function cronOf(row: ScheduleRow): Cron {
  const cron = parseCron(row.cron)
  invariant(typeof cron !== 'string', `schedule ${row.id} has a cron that is none`)
  return cron
}

const firingId = (turn: Turn, schedule: ScheduleId, due: Instant): JobId => `job_${timeText(due)}${digestText(turn.keyed(`firing ${schedule} ${due}`))}` as JobId
