import { isRefusal, refuse } from '@lumaris/protocol'
import type { Payout } from '@lumaris/protocol'
import type { PayoutRow } from '@lumaris/domain'
import type { App } from '../app.ts'
import { listPayouts, readPayout, readSellerEarnings } from '../store/read-ledger.ts'
import { given } from '../store/views.ts'
import type { Handlers } from './server.ts'

type Names = 'getEarnings' | 'listPayouts' | 'requestPayout'

export function payoutHandlers(app: App): Pick<Handlers, Names> {
  return {
    getEarnings: async ({ who }) => ({ ...await readSellerEarnings(app.db, who.userId, app.disputeMs), disputeMs: app.disputeMs, minimum: app.settings.payoutMinMicros.toString(), providers: app.settings.demoTopupMaxMicros === null ? [] : ['demo'], at: app.now() }),
    listPayouts: ({ query, who }) => listPayouts(app.db, who.userId, query.limit, query.cursor, viewPayout),
    requestPayout: async ({ body, who, text, idempotencyKey, request, reply }) => {
      const answer = await app.engine.act({ kind: 'payout', user: who.userId, amount: BigInt(body.amount), provider: body.provider, destination: body.destination, key: idempotencyKey ?? String(request.id), bodyHash: app.hash(text) })
      if (isRefusal(answer)) return answer
      if (answer.replayed) void reply.header('idempotency-replayed', 'true')
      else app.payOutSoon()
      const row = await readPayout(app.db, answer.id)
      return row ? viewPayout(row) : refuse('not_found')
    },
  }
}
const viewPayout = ({ amount, sentAt, endedAt, reference, reason, ...row }: PayoutRow): Payout => ({ ...row, amount: amount.toString(), ...given('sentAt', sentAt), ...given('endedAt', endedAt), ...given('reference', reference), ...given('reason', reason) })
