import { refuse } from '@lumaris/protocol'
import type { ActionId } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { marketQueue } from '../live/market-queue.ts'
import { statementsFor } from '../store/persist.ts'
import { listDeadDeliveries, listDeadJobs, readDelivery } from '../store/read-dead.ts'
import type { Handlers } from './server.ts'

type Names = 'getQueue' | 'listDeadDeliveries' | 'retryDelivery' | 'listDeadJobs'

export function queueHandlers(app: App): Pick<Handlers, Names> {
  const { db, webhooks } = app
  return {
    getQueue: () => marketQueue(app),
    listDeadDeliveries: ({ query }) => listDeadDeliveries(db, query.limit, query.cursor),
    listDeadJobs: ({ query }) => listDeadJobs(db, query.limit, query.cursor),
    retryDelivery: async ({ params, body, who }) => {
      const found = await readDelivery(db, params.delivery)
      if (!found) return refuse('not_found')
      if (found.state !== 'failed') return refuse('not_in_this_state', { state: found.state })
      // The outbox is the server's own and knows no turns; the line in the log stands in its transaction.
      const action = { id: app.ids.make('act') as ActionId, at: app.now(), by: who.userId, action: 'delivery.retry', subject: found.id, reason: body.reason, before: { state: 'failed', tries: found.tries }, after: { state: 'waiting' } } as const
      return webhooks.resend(found.webhook, found.id, statementsFor([{ kind: 'action', row: action }], db.dialect))
    },
  }
}
