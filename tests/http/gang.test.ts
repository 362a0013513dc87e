// Gangs through the whole market: real server, real agents, without packets between the ranks (those: tests/gang).
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Attempt, JobId } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket(); for (const [i, cpuHour] of [1, 2, 3].entries()) await market.join(`rank-${i}`, { gang: true, cpuMillis: 1000, cpuHour }) })
afterAll(() => market?.stop())
const gang = (command: string[], ranks = 3, more: object = {}) => ({ gang: true as const, command, tasks: Array.from({ length: ranks }, () => ({})), limits: { runMs: 60_000 }, ...more })
const attemptsOf = async (id: JobId): Promise<Attempt[]> => (await market.call(market.buyer, 'GET', `/v1/jobs/${id}/attempts`)).body.data
const text = async (attempt: string): Promise<string> => {
  const { body } = await market.call(market.buyer, 'GET', `/v1/attempts/${attempt}/logs`)
  return (body.data as { data: string }[]).map(({ data }) => Buffer.from(data, 'base64').toString()).join('')
}

test('every rank knows who it is, they run at once on three nodes, and each is paid', async () => {
  const { body, status } = await market.submit(gang(['fake:env', 'RANK', ';', 'fake:print', ' of ', ';', 'fake:env', 'WORLD_SIZE', ';', 'fake:print', ': ', ';', 'fake:env', 'LUMARIS_PEERS', ';', 'fake:sleep', '300']))
  expect(status).toBe(201)
  const job = await market.ended(body.id)
  expect(job).toMatchObject({ state: 'completed', tasks: { done: 3 } })
  const attempts = await attemptsOf(job.id)
  expect(new Set(attempts.map((attempt) => attempt.node)).size).toBe(3)
  expect(Math.max(...attempts.map((attempt) => attempt.startedAt ?? 0))).toBeLessThan(Math.min(...attempts.map((attempt) => attempt.endedAt ?? 0)))
  for (const attempt of attempts) {
    expect(await text(attempt.id)).toBe(`${attempt.task.split('.').at(-1)} of 3: 10.99.0.1,10.99.0.2,10.99.0.3`)
    expect(BigInt(attempt.billed ?? 0)).toBeGreaterThan(0n)
  }
  expect(JSON.stringify(attempts)).not.toContain('public_key')
})

test('a gang that has no room is told how many seats there are; when a rank is lost, all begin again without being billed', async () => {
  const { id } = (await market.submit(gang(['fake:hang']))).body
  await expect.poll(async () => (await attemptsOf(id)).filter((attempt) => attempt.state === 'running').length).toBe(3)
  const waiting = (await market.submit(gang(['fake:exit', '0'], 2))).body
  expect((await market.call(market.buyer, 'GET', `/v1/jobs/${waiting.id}/explain`)).body.summary).toBe('Its 2 ranks start together, and there are seats for 0 of them now.')
  const lost = (await attemptsOf(id))[1] as Attempt
  const agent = market.agents.find(({ nodeId }) => nodeId === lost.node)
  await agent?.stop()
  market.agents.splice(market.agents.indexOf(agent as never), 1)
  // Two nodes are left: the smaller gang runs, the larger one waits for a third.
  expect(await market.ended(waiting.id)).toMatchObject({ state: 'completed' })
  const tries = await attemptsOf(id)
  expect(tries.map((attempt) => [attempt.node === lost.node ? 'lost' : 'other', attempt.cause, attempt.billed ?? '0'])).toEqual(expect.arrayContaining([['other', 'peer_lost', '0'], ['lost', 'seller_reclaimed', '0']]))
  expect(tries).toHaveLength(3)
  await market.join('late', { gang: true, cpuMillis: 1000 })
  await expect.poll(async () => (await attemptsOf(id)).filter((attempt) => attempt.state === 'running' && attempt.fence === 2).length).toBe(3)
  await market.call(market.buyer, 'POST', `/v1/jobs/${id}/cancel`)
  expect(await market.ended(id)).toMatchObject({ state: 'cancelled' })
})

test('what cannot be a gang is refused, with what to change', async () => {
  const { status, body } = await market.submit(gang(['x'], 1))
  expect([status, body.code, body.detail]).toEqual([422, 'impossible_request', { reason: expect.stringContaining('2 to 64 ranks') }])
})
