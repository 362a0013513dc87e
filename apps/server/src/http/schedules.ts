import { isRefusal, refuse } from '@lumaris/protocol'
import type { Refusal, Schedule, ScheduleId } from '@lumaris/protocol'
import type { ScheduleRow } from '@lumaris/domain'
import type { App } from '../app.ts'
import { listSchedules, readSchedule } from '../store/read.ts'
import { given } from '../store/views.ts'
import { missingBlobs } from './jobs.ts'
import type { Handlers } from './server.ts'
import { actingOn, asked, byMember, isAdmin, owns } from './policy.ts'
import type { Acting, Principal } from './policy.ts'

type Names = 'createSchedule' | 'listSchedules' | 'getSchedule' | 'pauseSchedule' | 'resumeSchedule' | 'removeSchedule'

async function mine(app: App, who: Principal, id: ScheduleId): Promise<ScheduleRow | Refusal> {
  const row = await readSchedule(app.db, id)
  return row && row.state !== 'removed' && who.kind === 'user' && owns(who, row.buyer) ? row : refuse('not_found')
}

export function scheduleHandlers(app: App): Pick<Handlers, Names> {
  const change = async (call: Acting & { readonly params: { readonly schedule: ScheduleId } }, to: ScheduleRow['state']): Promise<Schedule | Refusal> => {
    const row = await mine(app, call.who, call.params.schedule)
    if (isRefusal(row)) return row
    const as = actingOn(call, row.buyer, app.now())
    if (isRefusal(as)) return as
    const changed = await app.engine.act({ kind: 'changeSchedule', id: row.id, to, ...as })
    return isRefusal(changed) ? changed : viewSchedule(changed)
  }
  return {
    createSchedule: async ({ body, who, text, idempotencyKey, request }) => {
      const missing = await missingBlobs(app, body.spec)
      if (missing) return missing
      const row = await app.engine.act({
        kind: 'createSchedule', buyer: who.userId, key: idempotencyKey ? `schedule:${who.userId}:${idempotencyKey}` : null, bodyHash: app.hash(text), name: body.name ?? null, cron: body.cron, timeZone: body.timeZone,
        spec: body.spec, cap: BigInt(body.cap), budget: body.budget === undefined ? null : BigInt(body.budget), overlap: body.overlap, ...byMember(who), ...asked(request, who),
      })
      return isRefusal(row) ? row : viewSchedule(row)
    },
    listSchedules: async ({ query, who }) => listSchedules(app.db, isAdmin(who) ? null : who.userId, query.limit, query.cursor, viewSchedule),
    getSchedule: async ({ params, who }) => {
      const row = await mine(app, who, params.schedule)
      return isRefusal(row) ? row : viewSchedule(row)
    },
    pauseSchedule: (call) => change(call, 'paused'),
    resumeSchedule: (call) => change(call, 'active'),
    removeSchedule: async (call) => {
      const changed = await change(call, 'removed')
      return isRefusal(changed) ? changed : undefined
    },
  }
}

const viewSchedule = ({ name, budget, nextAt, running, firings, by, ...row }: ScheduleRow): Schedule => ({ ...row, ...given('madeBy', by), ...given('name', name), ...given('budget', budget), ...given('nextAt', nextAt), running: [...running], firings: [...firings] })
