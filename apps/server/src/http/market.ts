import type { App } from '../app.ts'
import { marketSummary } from '../live/market-summary.ts'
import { marketTable } from '../live/market-table.ts'
import { openapi } from './openapi.ts'
import { sendRefusal } from './problem.ts'
import { refuse } from '@lumaris/protocol'
import type { Handlers } from './server.ts'

type Names = 'marketTable' | 'marketSummary' | 'healthz' | 'readyz' | 'metrics' | 'openapi'

export function marketHandlers(app: App): Pick<Handlers, Names> {
  return {
    marketTable: async () => marketTable(app),
    marketSummary: async () => marketSummary(app),
    healthz: async () => ({ status: 'ok', version: app.version }),
    readyz: async ({ reply }) => {
      const reason = !app.engine.ready ? 'the market is being loaded' : await app.db.query('SELECT 1 AS one').then(() => undefined, () => 'the database does not answer')
      if (!reason) return { status: 'ready' }
      await sendRefusal(reply, refuse('unavailable', { reason }))
      return null
    },
    metrics: async ({ reply }) => {
      await reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8').send(await app.metrics.render())
      return null
    },
    openapi: async () => openapi(app.version),
  }
}
