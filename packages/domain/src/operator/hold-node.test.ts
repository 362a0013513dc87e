import { expect, test } from 'vitest'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { Submitted } from '../job/submit.ts'
import type { ActionRow } from '../rows.ts'

const ann = aUser('ann'), buyer = aUser('buyer')
function setup() {
  const market = aMarket()
  market.fund(buyer, credits(100))
  const north = market.join('north'), south = market.join('south')
  north.connect()
  const actions = (): ActionRow[] => market.log.flatMap((change) => (change.kind === 'action' ? [change.row] : []))
  const cordon = (drain: { withinMs: number | null } | null = null) => market.act({ kind: 'cordon', by: ann, node: north.id, reason: 'its disk is failing', drain })
  const uncordon = () => market.act({ kind: 'uncordon', by: ann, node: north.id, reason: 'a new disk' })
  const submit = (more = {}) => (market.submit(buyer, aSpec({ expectedMs: 10_000, ...more })) as Submitted).job.id
  return { market, north, south, actions, cordon, uncordon, submit }
}

test('a cordoned node gets no new work, whatever its owner says, until the cordon is lifted; what runs goes on and is paid', () => {
  const { market, north, cordon, uncordon, submit, actions } = setup()
  submit()
  const [order] = market.dispatched(north.id)
  expect(cordon()).toMatchObject({ will: 'open', cordon: { by: ann, reason: 'its disk is failing' } })
  expect(cordon()).toMatchObject({ cordon: { by: ann } }) // said again: one line in the log
  const second = submit()
  market.act({ kind: 'will', node: north.id, will: 'paused' })
  market.act({ kind: 'will', node: north.id, will: 'open' })
  market.pass(1_000)
  expect(market.dispatched(north.id)).toEqual([])
  market.now += 5_000
  market.report(order!, { runMs: 5_000 })
  expect(market.attempt(order!.attempt_id)).toMatchObject({ state: 'valid' })
  expect(market.attempt(order!.attempt_id)?.billed).toBeGreaterThan(0n)
  expect(market.job(second)?.state).toBe('queued')
  expect(uncordon()).not.toHaveProperty('cordon')
  expect(market.dispatched(north.id).map(({ job_id }) => job_id)).toEqual([second])
  expect(uncordon()).toMatchObject({ refusal: 'not_in_this_state' })
  expect(actions()).toMatchObject([{ action: 'node.cordon', by: ann, subject: north.id, reason: 'its disk is failing', before: { cordon: null } }, { action: 'node.uncordon', after: { cordon: null } }])
})

test('at its deadline a drained node is emptied: what still runs goes elsewhere, nobody is billed for it and no record suffers', () => {
  const { market, north, south, cordon, submit } = setup()
  const job = submit()
  const [order] = market.dispatched(north.id)
  cordon({ withinMs: 60_000 })
  market.state.timers.keep((timer) => timer.kind === 'drain') // an offer that nobody takes up ends by itself long before
  market.now += 59_000
  for (const link of market.state.links.values()) Object.assign(link, { lastSeen: market.now })
  market.pass(0)
  expect(market.attempt(order!.attempt_id)?.state).toBe('offered')
  const before = market.state.profiles.get(north.id)
  south.connect()
  market.pass(1_000)
  expect(market.attempt(order!.attempt_id)).toMatchObject({ state: 'ended', cause: 'platform_fault', billed: null })
  expect(market.sentTo(north.id)).toContainEqual(expect.objectContaining({ type: 'cancel', attempt_id: order!.attempt_id, reason: 'platform_fault' }))
  expect(market.state.profiles.get(north.id)).toBe(before)
  market.pass(2_000)
  expect(market.dispatched(south.id).map(({ job_id }) => job_id)).toEqual([job])
})

test('a deadline that was taken back ends nothing, and a newer one holds', () => {
  const { market, north, cordon, uncordon, submit } = setup()
  submit()
  const [order] = market.dispatched(north.id)
  cordon({ withinMs: 5_000 })
  uncordon()
  cordon({ withinMs: 12_000 })
  market.state.timers.keep((timer) => timer.kind === 'drain')
  market.pass(6_000)
  expect(market.attempt(order!.attempt_id)?.state).toBe('offered')
  market.pass(6_000)
  expect(market.attempt(order!.attempt_id)?.state).toBe('ended')
})

test('a deadline of none ends what runs at once', () => {
  const { market, north, cordon, submit } = setup()
  submit()
  const [order] = market.dispatched(north.id)
  cordon({ withinMs: 0 })
  expect(market.attempt(order!.attempt_id)).toMatchObject({ state: 'ended', cause: 'platform_fault' })
})

test('a banned node is cut off, its work goes elsewhere, and it may not come back until the ban is lifted', () => {
  const { market, north, south, submit, cordon, actions } = setup()
  const job = submit()
  const [order] = market.dispatched(north.id)
  south.connect()
  expect(market.act({ kind: 'ban', by: ann, node: north.id, reason: 'it lies' })).toMatchObject({ will: 'banned' })
  expect(market.effects).toContainEqual({ kind: 'cut', node: north.id, session: 1, code: 'node_retired' })
  expect(market.attempt(order!.attempt_id)).toMatchObject({ state: 'ended', cause: 'platform_fault' })
  market.pass(2_000)
  expect(market.dispatched(south.id).map(({ job_id }) => job_id)).toEqual([job])
  expect(north.connect()).toMatchObject({ refusal: 'node_retired' })
  expect(market.act({ kind: 'will', node: north.id, will: 'open' })).toMatchObject({ refusal: 'not_in_this_state' }) // its owner may not
  expect(market.act({ kind: 'ban', by: ann, node: north.id, reason: 'it lies' })).toMatchObject({ refusal: 'not_in_this_state' })
  expect(cordon()).toMatchObject({ refusal: 'not_in_this_state', detail: { possible: ['unban'] } })
  expect(market.act({ kind: 'unban', by: ann, node: north.id, reason: 'it was another' })).toMatchObject({ will: 'open' })
  expect(market.act({ kind: 'unban', by: ann, node: north.id, reason: 'it was another' })).toMatchObject({ refusal: 'not_in_this_state' })
  market.act({ kind: 'disconnected', node: north.id, session: 1 })
  expect(north.connect('boot-north-2')).not.toHaveProperty('refusal')
  expect(actions().map(({ action }) => action)).toEqual(['node.ban', 'node.unban'])
})

test('what is not there is not found', () => {
  const { market } = setup(), node = `nod_${'0'.repeat(26)}` as never
  for (const command of [{ kind: 'cordon', drain: null }, { kind: 'uncordon' }, { kind: 'ban' }, { kind: 'unban' }] as const) expect(market.act({ ...command, by: ann, node, reason: 'none' })).toMatchObject({ refusal: 'not_found' })
})
