import { isRefusal, refuse } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { checkLedger, listEntries, readEarnings, readWallet } from '../store/read.ts'
import type { Handlers } from './server.ts'

type Names = 'getWallet' | 'listEntries' | 'createTopup' | 'checkLedger' | 'nodeEarnings'

export function moneyHandlers(app: App): Pick<Handlers, Names> {
  return {
    getWallet: ({ who }) => readWallet(app.db, who.userId),
    listEntries: ({ query, who }) => listEntries(app.db, who.userId, query.limit, query.cursor),
    createTopup: async ({ body, who, text, idempotencyKey, reply, request }) => {
      // Without a key each request is a top-up of its own: the request's id names it.
      const answer = await app.engine.act({ kind: 'topup', user: who.userId, amount: BigInt(body.amount), provider: body.provider, key: idempotencyKey ?? String(request.id), bodyHash: app.hash(text) })
      if (isRefusal(answer)) return answer
      if (answer.replayed) void reply.header('idempotency-replayed', 'true')
      return readWallet(app.db, who.userId)
    },
    nodeEarnings: async ({ query, who }) => (who.kind === 'agent' ? { node: who.node, ...await readEarnings(app.db, who.node, query.since), at: app.now() } : refuse('forbidden')),
    checkLedger: () => checkLedger(app.db),
  }
}
