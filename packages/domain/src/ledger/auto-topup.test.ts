import { expect, test } from 'vitest'
import { account } from '@lumaris/protocol'
import type { UserId } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import { createState } from '../state.ts'
import { runTurn } from '../decide.ts'
import type { Submitted } from '../job/submit.ts'

const buyer = aUser('buyer'), FIRST = Date.parse('2026-06-01T00:00:00Z')
function setup(funds = 10) {
  const market = aMarket()
  market.now = FIRST
  market.fund(buyer, credits(funds))
  const wish = (below: number, add: number, most: number, user: UserId = buyer) => market.act({ kind: 'setAutoTopup', user, rule: { below: credits(below), add: credits(add), most: credits(most) } })
  const spend = (cap: number) => market.submit(buyer, aSpec({ resources: { cpuMillis: 900_000 } }), { cap: credits(cap), bodyHash: `${market.log.length}` }) as Submitted
  const has = () => Number(market.state.accounts.get(account.available(buyer)) ?? 0n) / 1e6
  const rule = () => market.state.autoTopups.get(account.available(buyer))
  return { market, wish, spend, has, rule, outcomes: () => rule()?.runs.map(({ outcome }) => outcome) ?? [], alerts: () => market.log.flatMap((change) => (change.kind === 'alert' ? [change.row] : [])), giveBack: (made: Submitted) => market.act({ kind: 'cancel', job: made.job.id }) }
}

test('what falls below the bound is topped up in the same turn, once for each fall; off unless it was asked for', () => {
  const { market, wish, spend, has, rule, outcomes } = setup()
  spend(8)
  expect([has(), rule()]).toEqual([2, undefined])
  wish(5, 4, 100)
  expect(has()).toBe(6) // it was below when the rule was made
  market.pass(60_000)
  expect(has()).toBe(6)
  spend(1)
  expect(has()).toBe(5) // at the bound is not below it
  spend(1)
  expect(has()).toBe(8)
  expect(outcomes()).toEqual(['added', 'added'])
  market.act({ kind: 'setAutoTopup', user: buyer, rule: null })
  spend(8)
  expect(has()).toBe(0)
})

test('one fall is one top-up, also where that is not enough: the next comes when it has been above the bound', () => {
  const { market, wish, spend, has, outcomes, giveBack } = setup()
  wish(5, 1, 100)
  const job = spend(9)
  wish(5, 1, 100) // said again: it is the same rule
  for (let i = 0; i < 5; i++) market.pass(60_000)
  expect([has(), outcomes()]).toEqual([2, ['added']])
  spend(1)
  expect(outcomes()).toEqual(['added']) // still the same fall
  giveBack(job)
  expect(has()).toBe(10)
  spend(8)
  expect([has(), outcomes()]).toEqual([3, ['added', 'added']])
})

test('never more than its limit in a month: its owner is told once, and the next month begins anew', () => {
  const { market, wish, spend, has, outcomes, alerts, giveBack } = setup()
  market.now = Date.parse('2026-06-30T23:59:30Z')
  wish(5, 4, 10)
  let jobs = [spend(6)]
  jobs.push(spend(4))
  expect([has(), outcomes()]).toEqual([8, ['added', 'added']])
  jobs.push(spend(4))
  expect([has(), outcomes()]).toEqual([4, ['limit', 'added', 'added']])
  expect(alerts()).toMatchObject([{ user: buyer, kind: 'topup_limit', subject: '2026-06', says: expect.stringMatching(/holds 4.00 credits, less than 5.00.*10.00 credits.*8.00 are used/) }])
  for (const job of jobs) giveBack(job)
  jobs = [spend(14)]
  expect([has(), outcomes()[0], alerts().length]).toEqual([4, 'limit', 1])
  market.pass(20_000)
  expect(outcomes()[0]).toBe('limit')
  market.pass(20_000)
  expect([has(), outcomes()[0]]).toEqual([8, 'added'])
})

test('who tops up by hand under any key takes nothing from it; a rule asks for what the market gives, and stops where an operator has turned it off', () => {
  const { market, wish, spend, has, outcomes, alerts } = setup()
  expect(wish(5, 0, 10)).toMatchObject({ refusal: 'amount_not_allowed', detail: { field: 'add' } })
  expect(wish(5, 4, 3)).toMatchObject({ refusal: 'amount_not_allowed', detail: { field: 'monthlyMost' } })
  expect(wish(0, 4, 8)).toMatchObject({ refusal: 'amount_not_allowed', detail: { field: 'below' } })
  wish(5, 4, 100)
  market.act({ kind: 'topup', user: buyer, amount: credits(1), provider: 'demo', key: 'auto-1', bodyHash: 'x' })
  spend(7)
  expect([has(), outcomes()]).toEqual([8, ['added']])
  market.act({ kind: 'changeSettings', by: aUser('admin'), reason: 'no more', version: 0, set: { topupMax: '0' } })
  spend(7)
  expect([has(), outcomes()]).toEqual([1, ['refused', 'added']])
  expect(alerts()).toMatchObject([{ kind: 'topup_limit' }])
  expect(wish(5, 4, 100)).toMatchObject({ refusal: 'topup_not_allowed' })
})

test('after a restart the rows alone say whether this fall was answered', () => {
  const { market, wish, spend, has } = setup()
  wish(5, 1, 100)
  spend(9)
  expect(has()).toBe(2)
  const again = (armed: boolean) => {
    const state = createState(market.state.settings), row = market.state.autoTopups.get(account.available(buyer))
    state.accounts.set(account.available(buyer), credits(2))
    const turn = (command: Parameters<typeof runTurn>[1]) => runTurn(state, command, { now: market.now, id: (prefix) => `${prefix}_${'0'.repeat(26)}`, hash: (text) => text, keyed: (text) => text }).turn.changes.map(({ kind }) => kind)
    state.autoTopups.set(account.available(buyer), { ...row!, armed })
    state.topupsDue.add(account.available(buyer))
    return [...turn([{ kind: 'clock' }]), ...turn([{ kind: 'clock' }])]
  }
  expect(again(false)).toEqual([])
  expect(again(true)).toEqual(['key', 'entry', 'autoTopup']) // the writer before fell between the turn and its commit
})
