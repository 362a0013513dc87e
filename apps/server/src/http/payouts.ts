import { isRefusal, refuse } from '@lumaris/protocol'
import type { Payout, StandingPayout, YearStatement } from '@lumaris/protocol'
import type { PayoutRow, PayoutRuleRow } from '@lumaris/domain'
import type { App } from '../app.ts'
import { credits, sendCsv } from './csv.ts'
import { readStatement } from '../store/read-statement.ts'
import { listPayouts, readPayout, readPayoutRule, readSellerEarnings } from '../store/read-ledger.ts'
import { given } from '../store/views.ts'
import type { UserPrincipal } from './policy.ts'
import type { Handlers } from './server.ts'

type Names = 'getEarnings' | 'listPayouts' | 'requestPayout' | 'getPayoutRule' | 'setPayoutRule' | 'dropPayoutRule' | 'getStatement' | 'exportStatement' | 'getTaxDetails' | 'setTaxDetails' | 'dropTaxDetails'

export function payoutHandlers(app: App): Pick<Handlers, Names> {
  const thisYear = (): number => new Date(app.now()).getUTCFullYear()
  /** Members of an account are no sellers, so nobody but its owner is told where that is. */
  const statement = async (who: UserPrincipal, year: number | undefined): Promise<YearStatement> =>
    ({ ...await readStatement(app.db, who.userId, year ?? thisYear(), app.now()), ...given('taxDetails', await app.taxDetails.of(who.userId)) })
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
    getPayoutRule: async ({ who }) => { const row = await readPayoutRule(app.db, who.userId); return { rule: row && viewRule(row) } },
    setPayoutRule: async ({ body, who }) => { const row = await app.engine.act({ kind: 'setPayoutRule', user: who.userId, rule: body }); return isRefusal(row) ? row : viewRule(row) },
    dropPayoutRule: async ({ who }) => (await app.engine.act({ kind: 'dropPayoutRule', user: who.userId })) ?? undefined,
    getStatement: ({ query, who }) => statement(who, query.year),
    exportStatement: async ({ query, who, reply }) => {
      const found = await statement(who, query.year), { taxDetails: tax } = found
      const line = (month: string, { gross, fees, lost, net, cleared, paidOut, cameBack, arrived }: typeof found.total): (string | number)[] => [month, ...[gross, fees, lost, net, cleared, paidOut, cameBack, arrived].map(signed)]
      return sendCsv(reply, `lumaris-statement-${found.year}.csv`, ['month (UTC)', 'earned, credits', 'fees, credits', 'reversed or forfeited, credits', 'net, credits', 'cleared, credits', 'paid out, credits', 'came back, credits', 'arrived, credits'], async function* () {
        yield [...found.months.map(({ month, ...sums }) => line(month, sums)), line(String(found.year), found.total), ['opening balance', '', '', '', signed(found.opening)], ['closing balance', '', '', '', signed(found.closing)]]
        if (tax) yield [['name', tax.name], ['address', tax.address.replaceAll('\n', ', ')], ['country', tax.country], ['tax number', tax.taxNumber ?? 'not in business']]
      })
    },
    getTaxDetails: async ({ who }) => ({ details: await app.taxDetails.of(who.userId) }),
    setTaxDetails: ({ body, who }) => app.taxDetails.put(who.userId, body),
    dropTaxDetails: async ({ who }) => { await app.taxDetails.remove(who.userId); return undefined },
  }
}
const viewPayout = ({ amount, sentAt, endedAt, reference, reason, ...row }: PayoutRow): Payout => ({ ...row, amount: amount.toString(), ...given('sentAt', sentAt), ...given('endedAt', endedAt), ...given('reference', reference), ...given('reason', reason) })
/** Below zero as a number: a text that begins so would be taken for a formula. */
const signed = (amount: string): string | number => (amount.startsWith('-') ? -Number(credits(amount.slice(1))) : credits(amount))
const viewRule = ({ rule, state, setAt, nextAt, reason, last }: PayoutRuleRow): StandingPayout =>
  ({ rule, state: state === 'stopped' ? 'stopped' : 'active', setAt, ...given('nextAt', nextAt), ...given('reason', reason), ...(last ? { last: { at: last.at, amount: last.amount, ...given('payout', last.payout) } } : {}) })
