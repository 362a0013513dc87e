import { isRefusal, refuse } from '@lumaris/protocol'
import type { Refusal, Standing, StandingId } from '@lumaris/protocol'
import type { StandingRow } from '@lumaris/domain'
import type { App } from '../app.ts'
import { listStanding, readStanding } from '../store/read.ts'
import { given } from '../store/views.ts'
import type { Handlers } from './server.ts'
import { actingOn, isAdmin, owns } from './policy.ts'
import type { Principal } from './policy.ts'
import { sendEvents, wantsStream } from './sse.ts'
import type { ServerEvent } from './sse.ts'

type Names = 'createStanding' | 'listStanding' | 'getStanding' | 'standingEvents' | 'dropStanding'

async function mine(app: App, who: Principal, id: StandingId): Promise<StandingRow | Refusal> {
  const row = await readStanding(app.db, id)
  return row && who.kind === 'user' && owns(who, row.buyer) ? row : refuse('not_found')
}

export function standingHandlers(app: App): Pick<Handlers, Names> {
  return {
    createStanding: async ({ body, who }) => {
      const row = await app.engine.act({ kind: 'standing', buyer: who.userId, spec: body.spec, attemptCap: body.attemptCap === undefined ? null : BigInt(body.attemptCap), nodes: body.nodes, validMs: body.validMs })
      return isRefusal(row) ? row : viewStanding(row)
    },
    listStanding: async ({ query, who }) => listStanding(app.db, isAdmin(who) ? null : who.userId, query.limit, query.cursor, viewStanding),
    getStanding: async ({ params, who }) => {
      const row = await mine(app, who, params.standing)
      return isRefusal(row) ? row : viewStanding(row)
    },
    standingEvents: async ({ params, who, request, reply }) => {
      const row = await mine(app, who, params.standing)
      if (isRefusal(row)) return row
      if (!wantsStream(request)) { await reply.header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(viewStanding(row))); return null }
      await sendEvents(app.log, request, reply, (signal) => untilOver(app, params.standing, signal))
      return null
    },
    dropStanding: async (call) => {
      const row = await mine(app, call.who, call.params.standing)
      if (isRefusal(row)) return row
      const as = actingOn(call, row.buyer, app.now())
      if (isRefusal(as)) return as
      if (row.state !== 'open') return undefined // it is over: there is nothing to take back
      return (await app.engine.act({ kind: 'dropStanding', id: row.id, ...as })) ?? undefined
    },
  }
}

/** One event: the request as it is when it is over. Subscribed before the tables are asked, so that nothing falls between. */
async function* untilOver(app: App, id: StandingId, signal: AbortSignal): AsyncIterable<readonly ServerEvent[]> {
  let over: StandingRow | null = null, wake: (() => void) | null = null
  const unsubscribe = app.hub.subscribe(id, (row) => { over = row as StandingRow; wake?.() })
  signal.addEventListener('abort', () => wake?.())
  try {
    const now = await readStanding(app.db, id)
    if (now && now.state !== 'open') over = now
    if (!over && !signal.aborted) await new Promise<void>((resolve) => { wake = resolve; if (over) resolve() })
    if (over) yield [{ id, event: 'standing', data: viewStanding(over) }]
  } finally { unsubscribe() }
}

const viewStanding = ({ attemptCap, metAt, found, ...row }: StandingRow): Standing => ({ ...row, ...given('attemptCap', attemptCap), ...given('metAt', metAt), ...given('found', found) })
