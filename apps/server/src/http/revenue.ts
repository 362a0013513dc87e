import { Readable } from 'node:stream'
import { isRefusal, refuse } from '@lumaris/protocol'
import type { Refusal, RevenueLine } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { exportLedger } from '../store/export-ledger.ts'
import { listHolds } from '../store/read-ledger.ts'
import { readRevenue } from '../store/read-revenue.ts'
import { credits, sendCsv } from './csv.ts'
import type { Handlers } from './server.ts'

type Names = 'getRevenue' | 'exportRevenue' | 'exportLedger' | 'listHolds'
const SPAN_MS = 30 * 86_400_000
type Asked = { from?: number | undefined; to?: number | undefined }

export function revenueHandlers(app: App): Pick<Handlers, Names> {
  const spanOf = ({ from, to = app.now() }: Asked): { from: number; to: number } | Refusal => {
    const span = { from: from ?? Math.max(0, to - SPAN_MS), to }
    return span.from <= span.to ? span : refuse('invalid_request', { reason: 'the span ends before it begins: from must not be after to', ...span })
  }
  const revenue = async (query: Asked & Pick<Parameters<typeof readRevenue>[1], 'by'>) => { const span = spanOf(query); return isRefusal(span) ? span : readRevenue(app.db, { ...span, by: query.by }) }
  return {
    getRevenue: ({ query }) => revenue(query),
    exportRevenue: async ({ query, reply }) => {
      const found = await revenue(query)
      if (isRefusal(found)) return found
      const row = ({ key, ...sums }: RevenueLine): (string | number)[] => [key ?? '', sums.settled, ...[sums.volume, sums.fees, sums.reversed, sums.feesReversed, sums.returned].map(credits)]
      return sendCsv(reply, `lumaris-revenue-by-${found.by}.csv`, [found.by, 'attempts settled', 'volume, credits', 'fees, credits', 'reversed, credits', 'of it fees, credits', 'came back of caps, credits'], async function* () {
        yield found.lines.map(row)
        if (found.others) yield [row({ key: 'others', ...found.others })]
      })
    },
    exportLedger: async ({ query, reply }) => {
      const span = spanOf(query)
      if (isRefusal(span)) return span
      // Nothing that is still to be committed may bear a time inside of the span; a turn from now on is committed behind all before it.
      const to = Math.min(span.to, app.now()), settled = await app.engine.act({ kind: 'clock' })
      if (isRefusal(settled)) return settled
      await reply.code(200).header('content-type', 'application/x-ndjson').header('content-disposition', 'attachment; filename="lumaris-ledger.jsonl"').header('cache-control', 'no-store').send(Readable.from(exportLedger(app.db, { from: Math.min(span.from, to), to }, { platformKey: app.platformKey, key: app.countersignKey })))
      return null
    },
    listHolds: ({ query }) => listHolds(app.db, app.now() - query.olderThanMs, query.limit, query.cursor),
  }
}
