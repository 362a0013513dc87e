import { expect, test } from 'vitest'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import { COMPLETION_DEFAULT, OFFLINE_DEFAULT_MS } from '@lumaris/protocol'
import type { AlertSettings, PayoutId } from '@lumaris/protocol'
import type { Submitted } from '../job/submit.ts'

const buyer = aUser('buyer'), seller = aUser('seller of north'), MINUTE = 60_000
function setup() {
  const market = aMarket({ settings: { offerMs: 1e9, retryBackoffMs: 0 } })
  market.fund(buyer, credits(100))
  const alerts = () => market.log.flatMap((change) => (change.kind === 'alert' ? [change.row] : []))
  const wish = (user: typeof buyer, more: Partial<AlertSettings>) => market.act({ kind: 'setAlerts', user, settings: { monthlyBudget: null, offlineMs: OFFLINE_DEFAULT_MS, completionBelow: COMPLETION_DEFAULT, ...more } })
  const spent = (amount: bigint, month = '2026-11') => market.act({ kind: 'spent', user: buyer, month, spent: amount })
  return { market, alerts, wish, spent }
}

test('each step of a month’s budget is told once, a step that was jumped over not at all; another month, and another budget, begin anew', () => {
  const { alerts, wish, spent } = setup()
  spent(1_000n)
  expect(alerts()).toEqual([]) // no budget
  wish(buyer, { monthlyBudget: '1000' })
  for (const amount of [0n, 499n, 500n, 501n, 799n, 999n, 1_000n, 2_000n]) spent(amount)
  expect(alerts().map(({ says }) => /^(The budget|\d+ %)/.exec(says)?.[1])).toEqual(['50 %', '80 %', 'The budget'])
  spent(900n, '2026-12')
  expect(alerts().at(-1)).toMatchObject({ user: buyer, kind: 'budget', subject: '2026-12', says: '80 % of the budget of 2026-12 are used: 0.0009 of 0.001 credits.' })
  spent(600n, '2026-12')
  expect(alerts()).toHaveLength(4) // it says less than was told already
  wish(buyer, { monthlyBudget: '3000' })
  spent(1_600n, '2026-12')
  expect(alerts().at(-1)?.says).toMatch(/^50 % of the budget of 2026-12/)
})

test('a node that falls silent is told of once for each silence, when it has lasted as long as its owner wants; or never', () => {
  const { market, alerts, wish } = setup()
  const node = market.join('north'), other = market.join('south')
  wish(aUser('seller of south'), { offlineMs: null })
  node.connect()
  other.connect()
  market.pass(2 * MINUTE)
  expect(alerts()).toEqual([])
  for (let i = 0; i < 20; i++) market.pass(MINUTE)
  expect(alerts()).toMatchObject([{ user: seller, kind: 'node_offline', subject: node.id, says: expect.stringMatching(/^north has not been heard of for 15 min/) }])
  node.connect('boot-north-2')
  market.pass(20 * MINUTE)
  market.pass(MINUTE)
  expect(alerts()).toHaveLength(2)
})

test('a node that ends its work badly is told of after five endings, and not with each one more', () => {
  const { market, alerts } = setup()
  const node = market.join('north')
  node.connect()
  const after: number[] = []
  for (let failed = 0; failed < 8; failed++) {
    const { job } = market.submit(buyer, aSpec({ name: String(failed) })) as Submitted
    const order = market.dispatched(node.id).find((one) => one.job_id === job.id)
    if (!order) throw new Error('it does not run')
    market.now += 1_000
    market.report(order, { runMs: 10, exitCode: 1, cause: 'driver_failed' })
    market.act({ kind: 'cancel', job: job.id })
    after.push(alerts().length)
  }
  expect(after).toEqual([0, 0, 0, 0, 1, 1, 1, 1])
  const told = alerts().filter(({ kind }) => kind === 'node_unreliable')
  expect(told).toHaveLength(1)
  expect(told[0]).toMatchObject({ user: seller, subject: node.id, says: expect.stringMatching(/^north is believed to end \d\d % of its work, less than 80 %/) })
})

test('a payout that comes back and an agent that is too old are told, the latter once for each bound', () => {
  const { market, alerts } = setup()
  const node = market.join('north')
  node.connect()
  market.state.accounts.set(`seller:${seller}:available`, credits(5))
  const { id } = market.act({ kind: 'payout', user: seller, amount: credits(5), provider: 'demo', destination: 'closed', key: 'p', bodyHash: 'x' }) as { id: PayoutId }
  market.act({ kind: 'payoutStep', id, event: 'send' })
  market.act({ kind: 'payoutStep', id, event: 'fail', reason: 'the account is closed' })
  expect(alerts()).toMatchObject([{ user: seller, kind: 'payout_failed', subject: id, says: 'A payout of 5.00 credits to closed came back: the account is closed. The money is available again.' }])
  const bound = (version: number, agentVersionMin: string): void => { market.act({ kind: 'changeSettings', by: aUser('ann'), reason: 'a hole', version, set: { agentVersionMin } }) }
  market.now += 1
  bound(0, '0.2.0')
  market.now += 1
  expect(node.connect('boot-north-5')).toMatchObject({ refusal: expect.any(String) })
  expect(alerts().filter(({ kind }) => kind === 'agent_too_old')).toMatchObject([{ user: seller, subject: node.id, says: expect.stringContaining('asks for 0.2.0 at least') }])
  market.now += 1
  bound(1, '0.3.0')
  expect(alerts().filter(({ kind }) => kind === 'agent_too_old')).toHaveLength(2)
})

test('an address that takes no mail is told of once for each time that mail was turned on', () => {
  const { market, alerts } = setup(), refused = (since: number, address = 'bo@example.org') => market.act({ kind: 'mailRefused', user: buyer, address, because: '550 no such user', since: since as never })
  refused(market.now)
  refused(market.now)
  expect(alerts()).toMatchObject([{ user: buyer, kind: 'mail_off', subject: 'bo@example.org', says: 'Alerts are not mailed to bo@example.org any more: 550 no such user. Prove the address again to turn it on.' }])
  const before = market.now
  market.pass(MINUTE)
  refused(before) // said again after a crash
  expect(alerts()).toHaveLength(1)
  refused(market.now)
  expect(alerts()).toHaveLength(2)
})
