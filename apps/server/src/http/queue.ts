import { isRefusal, refuse } from '@lumaris/protocol'
import type { ActionId, AdminMatchingPause } from '@lumaris/protocol'
import type { MatchingPauseRow } from '@lumaris/domain'
import type { App } from '../app.ts'
import { marketQueue } from '../live/market-queue.ts'
import { statementsFor } from '../store/persist.ts'
import { listDeadDeliveries, listDeadJobs, readDelivery } from '../store/read-dead.ts'
import type { Handlers } from './server.ts'
import { asked } from './policy.ts'

type Names = 'getQueue' | 'listMatchingPauses' | 'pauseMatching' | 'resumeMatching' | 'listDeadDeliveries' | 'retryDelivery' | 'listDeadJobs'

export function queueHandlers(app: App): Pick<Handlers, Names> {
  const { db, engine, webhooks } = app
  return {
    getQueue: () => marketQueue(app),
    listMatchingPauses: async () => ({ data: engine.state.pauses.map(viewPause), nextCursor: null }),
    pauseMatching: async ({ body, who, request }) => { const row = await engine.act({ kind: 'pauseMatching', by: who.userId, ...body, ...asked(request) }); return isRefusal(row) ? row : viewPause(row) },
    resumeMatching: async ({ params, body, who, request }) => { const row = await engine.act({ kind: 'resumeMatching', by: who.userId, id: params.pause, reason: body.reason, ...asked(request) }); return isRefusal(row) ? row : viewPause(row) },
    listDeadDeliveries: ({ query }) => listDeadDeliveries(db, query.limit, query.cursor),
    listDeadJobs: ({ query }) => listDeadJobs(db, query.limit, query.cursor),
    retryDelivery: async ({ params, body, who, request }) => {
      const found = await readDelivery(db, params.delivery)
      if (!found) return refuse('not_found')
      if (found.state !== 'failed') return refuse('not_in_this_state', { state: found.state })
      // The outbox is the server's own and knows no turns; the line in the log stands in its transaction.
      const action = { id: app.ids.make('act') as ActionId, at: app.now(), by: who.userId, action: 'delivery.retry', subject: found.id, reason: body.reason, before: { state: 'failed', tries: found.tries }, after: { state: 'waiting' }, ...asked(request).asked } as const
      return webhooks.resend(found.webhook, found.id, statementsFor([{ kind: 'action', row: action }], db.dialect))
    },
  }
}
const viewPause = ({ endedAt: _over, ...row }: MatchingPauseRow): AdminMatchingPause => row
