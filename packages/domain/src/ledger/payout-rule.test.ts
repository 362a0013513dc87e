// A rule pays out once for each of its moments, whatever is asked, lost or loaded again.
import { expect, test } from 'vitest'
import { DAYS, account } from '@lumaris/protocol'
import type { PayoutId, PayoutRule } from '@lumaris/protocol'
import { aMarket, aUser } from '@lumaris/testkit'
import { nextWeekly } from './payout-rule.ts'

const seller = aUser('seller'), DAY = 86_400_000
const weekly = (day: (typeof DAYS)[number]): PayoutRule => ({ when: { kind: 'weekly', day }, provider: 'demo', destination: 'x' })
const above = (amount: string): PayoutRule => ({ when: { kind: 'cleared', amount }, provider: 'demo', destination: 'x' })
function setup(cleared: bigint | null) {
  const market = aMarket({ settings: { payoutMinMicros: 10n } })
  market.now = Date.UTC(2026, 10, 18, 12) // a Wednesday
  const clear = (amount: bigint) => market.state.accounts.set(account.earned(seller), (market.state.accounts.get(account.earned(seller)) ?? 0n) + amount)
  if (cleared !== null) clear(cleared)
  return {
    market, clear, set: (rule: PayoutRule) => market.act({ kind: 'setPayoutRule', user: seller, rule }), rule: () => market.state.payoutRules.get(seller),
    made: () => market.log.flatMap((change) => (change.kind === 'payout' && change.row.state === 'requested' ? [change.row.amount] : [])),
  }
}

test('the next such day begins at midnight UTC, and is never now', () => {
  for (const [day, after, next] of [['mon', '2026-11-18T12:00Z', '2026-11-23T00:00Z'], ['wed', '2026-11-18T12:00Z', '2026-11-25T00:00Z'], ['thu', '2026-11-18T23:59:59.999Z', '2026-11-19T00:00Z'], ['wed', '2026-11-18T00:00Z', '2026-11-25T00:00Z'], ['tue', '2026-11-18T12:00Z', '2026-11-24T00:00Z'], ['thu', '2027-12-31T00:00Z', '2028-01-06T00:00Z']] as const)
    expect([day, new Date(nextWeekly(day, Date.parse(after))).toISOString()]).toEqual([day, new Date(next).toISOString()])
  for (let at = 0, i = 0; i < 400; i++, at += 7_777_777_777) for (const day of DAYS) {
    const next = nextWeekly(day, at)
    expect(next % DAY === 0 && next > at && next - at <= 7 * DAY && new Date(next).toLocaleDateString('en', { weekday: 'short', timeZone: 'UTC' }).toLowerCase() === day).toBe(true)
  }
})

test('each week all that has cleared, once, also when the day is noticed late and twice over', () => {
  const { market, set, rule, made, clear } = setup(500n)
  expect(set(weekly('fri'))).toMatchObject({ state: 'active', nextAt: Date.UTC(2026, 10, 20) })
  market.pass(DAY)
  expect(made()).toEqual([])
  market.pass(DAY)
  market.pass(1)
  expect(made()).toEqual([500n])
  expect(rule()).toMatchObject({ nextAt: Date.UTC(2026, 10, 27), last: { due: Date.UTC(2026, 10, 20), amount: '500' } })
  clear(7n)
  market.pass(7 * DAY) // too little: the day passes, and is told
  expect(made()).toEqual([500n])
  expect(rule()?.last).toMatchObject({ payout: null, amount: '7' })
  clear(100n)
  market.pass(21 * DAY) // nobody was there for weeks: one payout, and the next Friday from now on
  expect(made()).toEqual([500n, 107n])
  expect(rule()?.nextAt).toBe(nextWeekly('fri', market.now))
})

test('as soon as enough has cleared, and not a bit before; what has cleared is fetched when nobody knows it', () => {
  const { market, set, made, clear } = setup(null)
  set(above('300'))
  market.pass(1_000)
  expect(market.state.accountsWanted.has(account.earned(seller))).toBe(true)
  clear(299n)
  market.pass(1_000)
  expect(made()).toEqual([])
  clear(1n)
  market.pass(1_000)
  market.pass(1_000)
  expect(made()).toEqual([300n])
  expect(market.state.accounts.get(account.earned(seller))).toBe(0n)
})

test('a payout that comes back stops its rule and says what to do; set anew it goes on', () => {
  const { market, set, rule, made } = setup(500n)
  set(above('300'))
  market.pass(1_000)
  const [payout] = [...market.state.payouts.values()]
  market.act({ kind: 'payoutStep', id: payout?.id as PayoutId, event: 'send' })
  market.act({ kind: 'payoutStep', id: payout?.id as PayoutId, event: 'fail', reason: 'the account is closed' })
  market.pass(60_000)
  expect([made(), rule()]).toMatchObject([[500n], { state: 'stopped', reason: 'the account is closed', nextAt: null }])
  expect(market.log.flatMap((change) => (change.kind === 'alert' ? [change.row.says] : []))).toEqual([expect.stringContaining('The rule that asked for it is stopped')])
  set({ ...above('300'), destination: 'another' })
  market.pass(1_000)
  expect(made()).toEqual([500n, 500n])
  // One that somebody asked for stops no rule.
  const [second] = [...market.state.payouts.values()]
  market.act({ kind: 'payoutStep', id: second?.id as PayoutId, event: 'pay', reference: 'r' })
  market.state.accounts.set(account.earned(seller), 50n)
  const asked = market.act({ kind: 'payout', user: seller, amount: 20n, provider: 'demo', destination: 'closed', key: 'k', bodyHash: 'x' }) as { id: PayoutId }
  market.act({ kind: 'payoutStep', id: asked.id, event: 'fail' })
  expect(rule()?.state).toBe('active')
})

test('nobody who is suspended is paid, and what cannot be is refused; taken back it pays no more', () => {
  const { market, set, made } = setup(500n)
  expect(set(above('9'))).toMatchObject({ refusal: 'amount_not_allowed', detail: { min: '10' } })
  set(above('300'))
  market.state.suspended.add(seller)
  market.pass(1_000)
  expect([made(), set(above('400'))]).toMatchObject([[], { refusal: 'account_suspended' }])
  market.state.suspended.delete(seller)
  market.act({ kind: 'dropPayoutRule', user: seller })
  market.pass(60_000)
  expect([made(), market.state.payoutRules.size, market.act({ kind: 'dropPayoutRule', user: seller })]).toEqual([[], 0, null])
})
