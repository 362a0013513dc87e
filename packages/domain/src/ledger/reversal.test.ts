import { expect, test } from 'vitest'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import { account } from '@lumaris/protocol'
import type { AttemptId, JobDispatch, JobId, ReversalId } from '@lumaris/protocol'
import type { Submitted } from '../job/submit.ts'
import type { ActionRow, EntryRow, ReversalRow } from '../rows.ts'

const buyer = aUser('buyer'), seller = aUser('seller of north'), ann = aUser('ann'), bob = aUser('bob')

/** A market in which an attempt was paid for; the test does what the store does: it fetches what a command hangs on. */
function setup() {
  const market = aMarket()
  const accounts = [account.pending(seller), account.earned(seller), account.fee, account.external('demo')]
  for (const name of accounts) market.state.accounts.set(name, 0n)
  market.fund(buyer, credits(10))
  const node = market.join('north', { cpuHour: 3.6 })
  node.connect()
  const job = (market.submit(buyer, aSpec({ limits: { runMs: 100_000 } })) as Submitted).job.id
  const [order] = market.dispatched(node.id) as [JobDispatch]
  market.now += 20_000
  market.report(order, { runMs: 20_000 })
  const entries = (): EntryRow[] => market.log.flatMap((change) => (change.kind === 'entry' ? [change.row] : []))
  const fetch = (name: string): void => {
    market.state.entries.clear()
    const entry = entries().find(({ id }) => id === name) ?? null
    for (const one of [name, `reversal:${name}`, ...(entry?.attempt ? [`release:${entry.attempt}`] : [])]) market.state.entries.set(one, entries().find(({ id }) => id === one) ?? null)
  }
  const settle = `settle:${job}.0.0`
  const propose = (entry = settle, by = ann) => { fetch(entry); return market.act({ kind: 'proposeReversal', by, entry, reason: 'the bill was wrong' }) }
  const approve = (proposal: unknown, by = bob) => { const { id, entry } = proposal as ReversalRow; fetch(entry); return market.act({ kind: 'approveReversal', by, id, reason: 'looked at it' }) }
  const release = (attempt: AttemptId = order.attempt_id) => market.act({ kind: 'release', due: [{ attempt, seller, amount: credits(0.019) }] })
  const actions = (): ActionRow[] => market.log.flatMap((change) => (change.kind === 'action' ? [change.row] : []))
  const balance = (name: string) => market.state.accounts.get(name)
  const topup = (): string => entries().find(({ kind }) => kind === 'topup')?.id ?? ''
  return { market, job: job as JobId, settle, propose, approve, release, actions, balance, entries, topup, attempt: order.attempt_id }
}

test('one proposes, another approves, and what was paid for an attempt goes from seller and market back to the buyer', () => {
  const { market, propose, approve, balance, actions, entries, settle } = setup()
  expect([balance(account.pending(seller)), balance(account.fee)]).toEqual([credits(0.019), credits(0.001)])
  const proposal = propose()
  expect(proposal).toMatchObject({ state: 'proposed', proposedBy: ann, entry: settle })
  expect([balance(account.pending(seller)), balance(account.available(buyer))]).toEqual([credits(0.019), credits(9.98)]) // nothing has moved
  expect(approve(proposal)).toMatchObject({ state: 'done', decidedBy: bob })
  expect([balance(account.pending(seller)), balance(account.fee), balance(account.available(buyer))]).toEqual([0n, 0n, credits(10)])
  expect(entries().filter(({ kind }) => kind === 'reversal')).toHaveLength(1)
  expect(actions().map(({ action, by, reason }) => [action, by, reason])).toEqual([['reversal.propose', ann, 'the bill was wrong'], ['reversal.approve', bob, 'looked at it']])
  expect(market.state.reversals.size).toBe(0)
})

test('nobody approves what he proposed himself', () => {
  const { propose, approve, balance, actions } = setup()
  const proposal = propose()
  expect(approve(proposal, ann)).toEqual({ refusal: 'same_person', detail: { proposedBy: ann } })
  expect([balance(account.available(buyer)), actions().length]).toEqual([credits(9.98), 1])
  expect(approve(proposal, bob)).toMatchObject({ state: 'done' })
})

test('an entry is reversed once: not while a proposal waits, not after it was done', () => {
  const { propose, approve } = setup()
  const proposal = propose()
  expect(propose()).toMatchObject({ refusal: 'already_reversed', detail: { reversal: (proposal as ReversalRow).id } })
  approve(proposal)
  expect(approve(proposal)).toMatchObject({ refusal: 'not_found' }) // no longer among those that wait
  expect(propose()).toMatchObject({ refusal: 'already_reversed' })
})

test('what was reversed before it cleared never clears; what has cleared is taken from what has cleared', () => {
  const pending = setup()
  pending.approve(pending.propose())
  expect(pending.release()).toEqual({ ok: true, released: 0 })
  expect([pending.balance(account.pending(seller)), pending.balance(account.earned(seller))]).toEqual([0n, 0n])
  const cleared = setup()
  const proposal = cleared.propose() // proposed while it was pending, approved after
  cleared.release()
  expect(cleared.balance(account.earned(seller))).toBe(credits(0.019))
  expect(cleared.approve(proposal)).toMatchObject({ postings: [{ from: account.earned(seller) }, { from: account.fee }] })
  expect([cleared.balance(account.earned(seller)), cleared.balance(account.available(buyer))]).toEqual([0n, credits(10)])
})

test('what would take an account below zero is refused, and says which and by how much', () => {
  const { market, propose, approve, release, topup, balance } = setup()
  expect(propose(topup())).toEqual({ refusal: 'would_go_below_zero', detail: { account: account.available(buyer), balance: '9980000', needed: '10000000', lacks: '20000' } })
  const proposal = propose()
  release()
  market.state.accounts.set(account.earned(seller), 1n) // paid out meanwhile
  expect(approve(proposal)).toMatchObject({ refusal: 'would_go_below_zero', detail: { account: account.earned(seller), balance: '1', lacks: '18999' } })
  expect(balance(account.available(buyer))).toBe(credits(9.98))
  expect(market.state.reversals.size).toBe(1) // it waits on
})

test('holds, refunds, clearings, payouts and reversals are not reversed, and each says what to do instead', () => {
  const { propose, approve, release, job, attempt, settle } = setup()
  release()
  for (const entry of [`hold:${job}`, `refund:${job}`, `release:${attempt}`]) expect(propose(entry)).toMatchObject({ refusal: 'not_reversible', detail: { instead: expect.stringMatching(/\w/) } })
  expect(propose('settle:nothing')).toMatchObject({ refusal: 'not_found' })
  approve(propose())
  expect(propose(`reversal:${settle}`)).toMatchObject({ refusal: 'not_reversible' })
})

test('a proposal that nobody approves expires, and can be made again; one may be rejected, also by who made it', () => {
  const { market, propose, approve } = setup()
  const first = propose() as ReversalRow
  market.now = first.expiresAt
  expect(approve(first)).toMatchObject({ refusal: 'not_in_this_state', detail: { state: 'expired' } })
  market.pass(0)
  expect(market.state.reversals.size).toBe(0)
  const second = propose() as ReversalRow
  expect(market.act({ kind: 'rejectReversal', by: ann, id: second.id, reason: 'I was wrong' })).toMatchObject({ state: 'rejected' })
  expect(market.act({ kind: 'rejectReversal', by: bob, id: 'rev_none' as ReversalId, reason: 'x' })).toMatchObject({ refusal: 'not_found' })
  expect(approve(propose())).toMatchObject({ state: 'done' })
})
