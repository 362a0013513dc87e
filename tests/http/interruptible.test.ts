// Interruptible work on a real market: real server and tables, a real agent that is told to stop. Its seller is paid, its buyer is not billed for the lost try.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Attempt, Entry, Job } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket(); await market.join('only', { seller: 0, cpuMillis: 1000, cpuHour: 3600, spotPercent: 50 }) })
afterAll(() => market.stop())
const attemptsOf = async (job: string): Promise<Attempt[]> => (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/attempts`)).body.data
const jobOf = async (job: string): Promise<Job> => (await market.call(market.buyer, 'GET', `/v1/jobs/${job}`)).body

test('firm work takes its place, both end well, and the books say who paid whom', async () => {
  const one = { resources: { cpuMillis: 1000 }, limits: { runMs: 30_000 } }
  const victim = (await market.submit({ ...one, command: ['fake:sleep', '1500'], interruptible: {} })).body.id as string
  await expect.poll(async () => (await attemptsOf(victim))[0]?.state).toBe('running')
  expect((await attemptsOf(victim))[0]?.prices.cpuHour).toBe('1800000000')
  const winner = (await market.submit({ ...one, command: ['fake:print', 'firm'], displace: '5000000' })).body.id as Job['id']
  expect(await market.ended(winner)).toMatchObject({ state: 'completed' })
  expect(await market.ended(victim as Job['id'])).toMatchObject({ state: 'completed' })
  const tries = await attemptsOf(victim), lost = tries.find(({ cause }) => cause === 'preempted')
  expect(tries.map(({ cause }) => cause)).toEqual(['preempted', 'succeeded'])
  expect(lost).toMatchObject({ state: 'ended', billed: '0' })
  const [paid, victims] = [await jobOf(winner), await jobOf(victim)]
  const [own] = await attemptsOf(winner)
  expect(BigInt(paid.displaced ?? 0)).toBeGreaterThan(0n)
  expect(BigInt(paid.cost)).toBe(BigInt(own?.billed ?? 0) + BigInt(paid.displaced ?? 0))
  expect(victims.cost).toBe(tries.find(({ cause }) => cause === 'succeeded')?.billed)
  const entries = (await market.call(market.demo.sellers[0]?.key ?? '', 'GET', '/v1/entries')).body.data as Entry[]
  const entry = entries.find(({ kind }) => kind === 'displace')
  expect(entry).toMatchObject({ id: `displace:${lost?.id ?? ''}`, job: winner, attempt: lost?.id })
  expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, sum: '0', problems: [] })
})
