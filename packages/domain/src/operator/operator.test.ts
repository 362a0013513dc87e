import { expect, test } from 'vitest'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { IncidentId, Role, UserId } from '@lumaris/protocol'
import type { Submitted } from '../job/submit.ts'
import type { ActionRow, IncidentRow } from '../rows.ts'

const ann = aUser('ann'), bob = aUser('bob'), buyer = aUser('buyer'), seller = aUser('seller of north')
function setup() {
  const market = aMarket()
  for (const [id, roles] of [[ann, ['admin']], [bob, ['admin']], [buyer, ['buyer']], [seller, ['seller']]] as [UserId, Role[]][]) market.state.people.set(id, { id, roles, suspended: null })
  const actions = (): ActionRow[] => market.log.flatMap((change) => (change.kind === 'action' ? [change.row] : []))
  const suspend = (user: UserId, by = ann) => market.act({ kind: 'suspend', by, user, reason: 'to be looked at' })
  const unsuspend = (user: UserId) => market.act({ kind: 'unsuspend', by: ann, user, reason: 'all is well' })
  const roles = (user: UserId, given: Role[], by = ann) => market.act({ kind: 'roles', by, user, roles: given, reason: 'as agreed' })
  return { market, actions, suspend, unsuspend, roles }
}

test('a suspended buyer submits nothing until the suspension ends; each leaves a line with before and after', () => {
  const { market, suspend, unsuspend, actions } = setup()
  market.fund(buyer, credits(10))
  market.join('north').connect()
  expect(suspend(buyer)).toMatchObject({ suspended: { by: ann, reason: 'to be looked at' } })
  expect(market.submit(buyer, aSpec())).toMatchObject({ refusal: 'account_suspended' })
  expect(suspend(buyer)).toMatchObject({ refusal: 'not_in_this_state' })
  unsuspend(buyer)
  expect(market.submit(buyer, aSpec())).toMatchObject({ replayed: false })
  expect(unsuspend(buyer)).toMatchObject({ refusal: 'not_in_this_state' })
  expect(actions()).toMatchObject([{ action: 'user.suspend', subject: buyer, before: { suspended: false }, after: { suspended: true } }, { action: 'user.unsuspend', before: { suspended: true }, after: { suspended: false } }])
})

test('the nodes of a suspended seller get nothing new; what runs ends and is paid; what waited is placed when the suspension ends', () => {
  const { market, suspend, unsuspend } = setup()
  market.fund(buyer, credits(10))
  const node = market.join('north')
  node.connect()
  market.submit(buyer, aSpec())
  const [order] = market.dispatched(node.id)
  suspend(seller)
  const second = (market.submit(buyer, aSpec()) as Submitted).job.id
  expect(market.dispatched(node.id)).toEqual([])
  expect(market.job(second)?.state).toBe('queued')
  market.now += 5_000
  market.report(order!, { runMs: 5_000 })
  expect(market.attempt(order!.attempt_id)).toMatchObject({ state: 'valid' })
  expect(market.attempt(order!.attempt_id)?.billed).toBeGreaterThan(0n)
  unsuspend(seller)
  expect(market.dispatched(node.id).map(({ job_id }) => job_id)).toEqual([second])
})

test('the last admin who can sign in is neither suspended nor robbed of the role, in whatever order it is tried', () => {
  const { suspend, roles } = setup()
  expect(suspend(ann, ann)).toMatchObject({ refusal: 'own_account' })
  expect(suspend(bob)).toMatchObject({ suspended: { by: ann } })
  expect(roles(ann, ['buyer'])).toMatchObject({ refusal: 'last_admin' }) // bob has the role, and cannot sign in
  expect(suspend(ann, bob)).toMatchObject({ refusal: 'last_admin' })
  expect(roles(buyer, ['buyer', 'admin'])).toMatchObject({ roles: ['buyer', 'admin'] })
  expect(roles(ann, ['buyer'])).toMatchObject({ roles: ['buyer'] })
  expect(roles(aUser('nobody'), ['buyer'])).toMatchObject({ refusal: 'not_found' })
})

test('an incident is opened, told more about, and resolved; what was said stays', () => {
  const { market, actions } = setup()
  const opened = market.act({ kind: 'openIncident', by: ann, title: 'Slow', severity: 'minor', text: 'Jobs wait', regions: ['local'], nodes: [] }) as IncidentRow
  market.now += 1_000
  expect(market.act({ kind: 'updateIncident', by: bob, id: opened.id, text: 'It is the disk', severity: 'major' })).toMatchObject({ severity: 'major', state: 'open' })
  const over = market.act({ kind: 'resolveIncident', by: ann, id: opened.id, text: 'A new disk' }) as IncidentRow
  expect(over).toMatchObject({ state: 'resolved', resolvedAt: market.now })
  expect(over.updates.map(({ text, severity }) => [text, severity])).toEqual([['Jobs wait', 'minor'], ['It is the disk', 'major'], ['A new disk', 'major']])
  expect(market.act({ kind: 'updateIncident', by: ann, id: opened.id, text: 'more', severity: null })).toMatchObject({ refusal: 'not_found' })
  expect(market.act({ kind: 'resolveIncident', by: ann, id: 'inc_none' as IncidentId, text: 'x' })).toMatchObject({ refusal: 'not_found' })
  expect(actions().map(({ action }) => action)).toEqual(['incident.open', 'incident.update', 'incident.resolve'])
})

test('what an admin does to a stranger’s node or job leaves a line; what owners do does not', () => {
  const { market, actions } = setup()
  market.fund(buyer, credits(10))
  const node = market.join('north')
  node.connect()
  const { id } = (market.submit(buyer, aSpec()) as Submitted).job
  market.act({ kind: 'will', node: node.id, will: 'paused' })
  market.act({ kind: 'will', node: node.id, will: 'open', admin: { by: ann, reason: 'it was paused by mistake' } })
  market.act({ kind: 'cancel', job: id, admin: { by: ann, reason: 'it mines coins' } })
  expect(actions()).toMatchObject([{ action: 'node.resume', by: ann, subject: node.id, before: { will: 'paused' } }, { action: 'job.cancel', subject: id }])
})
