// Copies of what is late, through the whole market: real server, real agents; one of them is so slow that its part would never end.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient } from '@lumaris/sdk'
import type { MapRun } from '@lumaris/sdk'
import type { Attempt, JobEvent } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'
import { aPlace, sha } from './places.ts'

let market: TestMarket
beforeAll(async () => {
  market = await startMarket()
  for (const [i, name] of ['one', 'two', 'slow'].entries()) await market.join(name, { cpuMillis: 1000, cpuHour: 1 + i, ...(name === 'slow' ? { slowness: 10_000 } : {}) })
})
afterAll(() => market.stop())
const client = () => createClient({ url: market.url, token: market.buyer })
const source = Buffer.from(Array.from({ length: 4000 }, (_one, i) => `${i} ${'x'.repeat(i % 50)}\n`).join(''))
const begin = (speculate: number): Promise<MapRun> => client().map({ input: { by: 'lines', source }, chunks: 9, command: ['fake:sleep', '200', ';', 'fake:cat'], speculate, limits: { runMs: 600_000, outputBytes: 2 ** 20 } })
const attemptsOf = async (map: MapRun): Promise<Attempt[]> => (await market.call(market.buyer, 'GET', `/v1/jobs/${map.job.id}/attempts?limit=100`)).body.data

test('a part that one slow node holds up is begun again elsewhere: the map ends, byte for byte, nothing is doubled, one result of it is paid as such and the loser for its seconds', async () => {
  const map = await begin(0.2), target = aPlace(), events: JobEvent[] = []
  for await (const { event } of map.watch()) events.push(event)
  const merged = await map.merge(target)
  expect([merged.sha256, readFileSync(target).equals(source)]).toEqual([sha(source), true])
  const copied = events.filter((event) => event.type === 'copy')
  expect(copied).toMatchObject([{ state: 'late', nodeName: 'slow' }])
  const job = await client().job(map.job.id), attempts = await attemptsOf(map), part = attempts.filter((one) => one.task.endsWith(`.${copied[0]?.task}`))
  expect(job).toMatchObject({ state: 'completed', tasks: { done: 9 } })
  expect(attempts.filter((one) => one.state === 'valid')).toHaveLength(9)
  expect(events.filter((event) => event.type === 'task')).toHaveLength(9)
  expect(part).toHaveLength(2)
  const [loser, winner] = part.toSorted((a, b) => a.offeredAt - b.offeredAt) as [Attempt, Attempt]
  expect(loser).toMatchObject({ nodeName: 'slow', state: 'ended', cause: 'buyer_cancelled' })
  expect(winner).toMatchObject({ state: 'valid', decision: { copyOf: { attempt: loser.id } } })
  expect(winner.slot.endsWith('.1')).toBe(true)
  // The loser ran for most of the time and is paid for it; every slot once, and all of it is what the job cost.
  expect(BigInt(loser.billed ?? 0)).toBeGreaterThan(0n)
  expect(loser.usage.runMs).toBeLessThanOrEqual((loser.endedAt ?? 0) - loser.offeredAt)
  expect(new Set(attempts.filter((one) => BigInt(one.billed ?? 0) > 0n).map((one) => one.slot)).size).toBe(10)
  expect(attempts.reduce((sum, one) => sum + BigInt(one.billed ?? 0), 0n)).toBe(BigInt(job.cost))
  expect(BigInt(job.cost) + BigInt(job.refunded)).toBe(BigInt(job.cap))
  const { body } = await market.call(market.buyer, 'GET', `/v1/jobs/${map.job.id}/explain`)
  expect(body.summary).toMatch(/One of them is a copy of what was late: it had run for [\d.]+ s, and [\d.]+ s were foreseen\.$/)
  expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, sum: '0' })
})
test('without copies it waits for the slow node; meanwhile it says how far it is and how long it still takes', async () => {
  const map = await begin(0)
  await expect.poll(async () => (await client().job(map.job.id)).tasks.done, { timeout: 60_000 }).toBe(8)
  const since = Math.min(...(await attemptsOf(map)).filter((one) => one.nodeName === 'slow').map((one) => one.offeredAt))
  // As long again as it has taken: that the node is slow is seen only by waiting.
  await expect.poll(async () => (await client().job(map.job.id)).progress?.etaMs ?? 0, { timeout: 60_000 }).toBeGreaterThan(1000)
  const { progress, cost, cap } = await client().job(map.job.id)
  expect(progress).toMatchObject({ unit: 'bytes', total: source.length })
  expect(progress?.etaMs).toBeLessThanOrEqual(Date.now() - since)
  expect(progress?.done).toBeLessThan(source.length)
  expect(progress?.done).toBeGreaterThan(source.length / 2)
  expect(progress?.perSecond).toBeGreaterThan(0)
  expect(progress?.copies).toBeUndefined()
  expect(BigInt(cost)).toBeLessThan(BigInt(cap))
  await client().cancel(map.job.id)
  expect((await market.ended(map.job.id)).state).toBe('cancelled')
  expect((await client().job(map.job.id)).progress).toBeUndefined()
})
test('what cannot be copied is refused with what to leave out', async () => {
  const { status, body } = await market.submit({ command: ['echo'], speculate: 0.05, copies: 2 })
  expect([status, body.code]).toEqual([422, 'impossible_request'])
  expect(JSON.stringify(body)).toContain('leave out speculate, or copies and assurance')
})
