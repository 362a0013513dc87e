// Work with an error bound on a real market: real server and tables, three real agents of three sellers.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Attempt } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket(); for (const seller of [0, 1, 2]) await market.join(`node-${seller}`, { seller }) })
afterAll(() => market.stop())
const attemptsOf = async (job: string): Promise<Attempt[]> => (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/attempts`)).body.data

test('of newcomers three are asked, one after the other; they agree, and each is paid', async () => {
  const { status, body } = await market.submit({ command: ['fake:print', 'the same'], assurance: '1e-2' })
  expect(status).toBeLessThan(300)
  expect(await market.ended(body.id)).toMatchObject({ state: 'completed', spec: { assurance: '1e-2' } })
  const tries = (await attemptsOf(body.id)).toSorted((a, b) => a.offeredAt - b.offeredAt)
  expect(tries.map(({ state, slot }) => [state, slot.split('.')[2]])).toEqual([['valid', '0'], ['valid', '1'], ['valid', '2']])
  expect(new Set(tries.map(({ node }) => node)).size).toBe(3)
  tries.slice(1).forEach((one, i) => expect(one.offeredAt).toBeGreaterThanOrEqual(tries[i]?.endedAt ?? Infinity))
  expect(tries.every(({ billed }) => billed !== undefined)).toBe(true)
  expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, sum: '0', problems: [] })
})

test('with copies as well it is refused with what to change', async () => {
  expect((await market.submit({ command: ['fake:print', 'x'], assurance: '1e-2', copies: 2 })).body).toMatchObject({ code: 'impossible_request', detail: { reason: expect.stringContaining('leave out copies, or assurance') } })
})
