// A seller's word against an ending, over the interface: what is told, who may, and what an admin's decision does to the record.
import { expect, test } from 'vitest'
import type { JobId, NodeReputation } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'

test('a node fails work, its seller appeals, an admin decides; the record, the log and the seller say so', { timeout: 300_000 }, async () => {
  const market = await startMarket({})
  try {
    const { demo, call } = market, node = await market.join('north', { seller: 0 }), mine = demo.sellers[0]?.key ?? '', other = demo.sellers[1]?.key ?? ''
    await market.ended((await market.submit({ command: ['fake:exit', '0'] })).body.id as JobId)
    await market.ended((await market.submit({ command: ['fake:fail-driver'], limits: { retries: 1 } })).body.id as JobId)
    const look = async (key = mine) => (await call(key, 'GET', `/v1/nodes/${node.nodeId}/reputation`)).body as NodeReputation
    const before = await look(), [fault, second] = before.faults
    expect(before.faults.map(({ cause, aspects, appeal }) => ({ cause, aspects, appeal }))).toEqual([{ cause: 'driver_failed', aspects: ['completion'] }, { cause: 'driver_failed', aspects: ['completion'] }])
    expect(before.trend).toHaveLength(1)
    expect(before.recovery.find(({ goal }) => goal === 'known')).toMatchObject({ aspect: 'completion', says: expect.stringMatching(/^\d+ more attempts that end well, with no fault between, until it counts as known/) })
    const appeal = (attempt: string, key: string, text = 'The power was cut.') => call(key, 'POST', `/v1/attempts/${attempt}/appeal`, { text })
    expect((await appeal(fault!.attempt, other)).body.code).toBe('not_found')
    expect((await appeal(fault!.attempt, mine, ' x ')).body).toMatchObject({ code: 'invalid_request', errors: [{ pointer: '/text' }] })
    expect((await appeal(fault!.attempt, mine)).status).toBe(201)
    expect((await appeal(fault!.attempt, mine)).body).toMatchObject({ code: 'already_appealed', detail: { state: 'open' } })
    await appeal(second!.attempt, mine)
    const queue = (await call(demo.admin.key, 'GET', '/v1/admin/appeals')).body.data
    expect(queue).toMatchObject([{ nodeName: 'north', appeal: { text: 'The power was cut.' } }, {}])
    expect(queue[0].completion.without).toBeGreaterThan(queue[0].completion.now)
    const decide = (attempt: string, what: 'accept' | 'refuse', body: object = { reason: 'seen in the news' }) => call(demo.admin.key, 'POST', `/v1/admin/appeals/${attempt}/${what}`, body)
    expect((await decide(fault!.attempt, 'accept', {})).body.code).toBe('invalid_request')
    expect((await decide(fault!.attempt, 'accept')).body).toMatchObject({ weight: 0, appeal: { state: 'accepted', reason: 'seen in the news' } })
    expect((await decide(fault!.attempt, 'refuse')).body.code).toBe('not_in_this_state')
    await decide(second!.attempt, 'refuse', { reason: 'nobody else lost power' })
    const after = await look()
    expect(after.reputation.completion.mean).toBeGreaterThan(before.reputation.completion.mean)
    // About as good as foreseen; the fading of the seconds between is all that differs.
    expect(after.reputation.completion.lower).toBeCloseTo(queue[0].completion.without, 3)
    expect(after.faults.map((one) => one.appeal?.state)).toEqual(['accepted', 'refused'])
    expect((await call(mine, 'GET', `/v1/nodes/${node.nodeId}`)).body.failed).toBe(1)
    expect((await call(mine, 'GET', '/v1/alerts')).body.data.filter((one: { kind: string }) => one.kind === 'appeal_decided')).toHaveLength(2)
    expect((await call(demo.admin.key, 'GET', '/v1/admin/actions?action=appeal.accept')).body.data).toMatchObject([{ subject: fault!.attempt, reason: 'seen in the news' }])
    expect((await call(demo.admin.key, 'GET', '/v1/admin/appeals')).body.data).toEqual([])
  } finally { await market.stop() }
})
