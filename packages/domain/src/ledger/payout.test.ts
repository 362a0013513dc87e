import { expect, test } from 'vitest'
import { aMarket, aUser, credits } from '@lumaris/testkit'
import { account } from '@lumaris/protocol'
import type { PayoutId } from '@lumaris/protocol'
import type { PayoutRow } from '../rows.ts'
import type { MarketSettings } from '../state.ts'
import { PAYOUT } from './payout.ts'
import type { PayoutEventName } from './payout.ts'

const seller = aUser('seller')
function setup(settings: Partial<MarketSettings> = {}, cleared = credits(10)) {
  const market = aMarket({ settings })
  for (const name of [account.earned(seller), account.external('demo')]) market.state.accounts.set(name, 0n)
  market.state.accounts.set(account.earned(seller), cleared)
  const ask = (amount: bigint, more: { key?: string; bodyHash?: string } = {}) => market.act({ kind: 'payout', user: seller, amount, provider: 'demo', destination: 'my account', key: more.key ?? `k${market.log.length}`, bodyHash: more.bodyHash ?? 'body' })
  const step = (id: PayoutId, event: PayoutEventName) => { market.state.accounts.set(account.payout(id), market.state.accounts.get(account.payout(id)) ?? held(id)); return market.act({ kind: 'payoutStep', id, event }) }
  /** What entries have put into its account. */
  const held = (id: PayoutId): bigint => market.log.flatMap((change) => (change.kind === 'entry' ? change.row.postings : [])).reduce((sum, { from, to, amount }) => sum + (to === account.payout(id) ? amount : 0n) - (from === account.payout(id) ? amount : 0n), 0n)
  const balance = (name: string) => market.state.accounts.get(name)
  return { market, ask, step, held, balance }
}
const idOf = (answer: unknown): PayoutId => (answer as { id: PayoutId }).id

test('money is set aside when it is asked for, and leaves the books when it has arrived', () => {
  const { market, ask, step, held, balance } = setup()
  const id = idOf(ask(credits(4)))
  expect([balance(account.earned(seller)), held(id)]).toEqual([credits(6), credits(4)])
  expect(step(id, 'send')).toMatchObject({ state: 'sent', sentAt: market.now })
  expect([balance(account.earned(seller)), held(id)]).toEqual([credits(6), credits(4)])
  expect(step(id, 'pay')).toMatchObject({ state: 'paid', endedAt: market.now })
  expect([balance(account.earned(seller)), held(id), balance(account.external('demo'))]).toEqual([credits(6), 0n, credits(4)])
  expect(market.state.payouts.size).toBe(0)
})

test('what did not arrive comes back, whether it was sent or not', () => {
  for (const before of [[], ['send']] as const) {
    const { ask, step, held, balance } = setup()
    const id = idOf(ask(credits(4)))
    for (const event of before) step(id, event)
    expect(step(id, 'fail')).toMatchObject({ state: 'failed' })
    expect([balance(account.earned(seller)), held(id)]).toEqual([credits(10), 0n])
  }
})

test('every step that the table does not know is refused, and moves nothing', () => {
  const events = ['send', 'pay', 'fail'] as const
  for (const [way, state] of [[[], 'requested'], [['send'], 'sent'], [['send', 'pay'], 'paid'], [['send', 'fail'], 'failed']] as const) for (const event of events) {
    const { market, ask, step } = setup()
    const id = idOf(ask(credits(4)))
    for (const one of way) step(id, one)
    const before = market.log.length, answer = step(id, event)
    if (PAYOUT[state][event]) expect((answer as PayoutRow).state).toBe(PAYOUT[state][event])
    else { expect(answer).toMatchObject({ refusal: state === 'requested' || state === 'sent' ? 'not_in_this_state' : 'not_found' }); expect(market.log.length).toBe(before) }
  }
})

test('more than has cleared, less than the least, and too many at once are refused, with what would do', () => {
  const { market, ask } = setup()
  expect(ask(credits(11))).toEqual({ refusal: 'insufficient_earnings', detail: { asked: '11000000', available: '10000000' } })
  expect(ask(credits(0.5))).toMatchObject({ refusal: 'amount_not_allowed', detail: { min: '1000000' } })
  market.state.accounts.set(account.earned(seller), credits(100))
  for (let i = 0; i < 20; i++) expect(ask(credits(1))).toMatchObject({ replayed: false })
  expect(ask(credits(1))).toMatchObject({ refusal: 'queue_full' })
})

test('the same key is the same payout; with another body it is refused', () => {
  const { ask, balance } = setup()
  const id = idOf(ask(credits(4), { key: 'once' }))
  expect(ask(credits(4), { key: 'once' })).toEqual({ id, replayed: true })
  expect(ask(credits(5), { key: 'once', bodyHash: 'other' })).toMatchObject({ refusal: 'idempotency_conflict' })
  expect(balance(account.earned(seller))).toBe(credits(6))
})

test('where demo credits are off, nothing is paid out by it; to somebody who is suspended nothing new goes out', () => {
  expect(setup({ demoTopupMaxMicros: null }).ask(credits(4))).toMatchObject({ refusal: 'payout_not_allowed' })
  const { market, ask, step } = setup()
  const id = idOf(ask(credits(4)))
  market.state.suspended.add(seller)
  expect(ask(credits(4))).toMatchObject({ refusal: 'account_suspended' })
  expect(step(id, 'send')).toMatchObject({ refusal: 'account_suspended' })
  market.state.suspended.delete(seller)
  step(id, 'send')
  market.state.suspended.add(seller)
  expect(step(id, 'pay')).toMatchObject({ state: 'paid' }) // the provider has it
})
