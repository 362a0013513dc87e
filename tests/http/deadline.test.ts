// Jobs with a plan on a real market: real server and tables, real agents. They are firm when they must be, take along what they stored, and anybody may ask why.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Attempt, Job, JobEvent } from '@lumaris/protocol'
import { QUICK, startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
// A node that is slow to answer, on a busy machine, is not lost here: what is looked at is which way a job goes.
beforeAll(async () => { market = await startMarket({ server: { settings: { ...QUICK, suspectMs: 10_000, lostMs: 20_000, offerMs: 10_000 } } }); await market.join('only', { seller: 0, cpuMillis: 1000, cpuHour: 3600, spotPercent: 50 }) })
afterAll(() => market.stop())
const attemptsOf = async (job: string): Promise<Attempt[]> => (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/attempts`)).body.data
/** Until it runs; on a busy machine an offer may be refused before. */
const runs = (job: string) => expect.poll(async () => (await attemptsOf(job)).some(({ state }) => state === 'running')).toBe(true)
const planOf = async (job: string): Promise<string[]> => ((await market.call(market.buyer, 'GET', `/v1/jobs/${job}/events`)).body as JobEvent[]).flatMap(({ type, state }) => (type === 'plan' ? [state] : []))
const ONE = { plan: 'deadline' as const, resources: { cpuMillis: 1000 }, limits: { runMs: 30_000 } }

test('what runs as interruptible stores a checkpoint at its last moment and goes on firm on the same node, at the whole price', async () => {
  const { body } = await market.submit({ ...ONE, command: ['fake:write', 'state', 'half', ';', 'fake:exit-if', 'LUMARIS_CHECKPOINT', '1', '0', ';', 'fake:sleep', '20000'], checkpoint: { paths: ['state'], everyMs: 60_000 }, expectedMs: 4_000, deadline: Date.now() + 15_000 })
  const job = body.id as Job['id']
  await runs(job)
  const why = (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/explain`)).body
  expect(why.plan).toMatchObject([{ task: 0, as: 'interruptible', why: 'cheap_room', until: why.plan[0].noReturnAt }])
  expect(why.summary).toMatch(/It is interruptible now: there is cheap room, .* Firm from \S+Z at the latest\.$/)
  await expect.poll(async () => (await attemptsOf(job)).some(({ cause }) => cause === 'moved'), { timeout: 60_000 }).toBe(true)
  expect(await market.ended(job)).toMatchObject({ state: 'completed' })
  const tries = (await attemptsOf(job)).filter(({ cause }) => cause !== 'seller_refused')
  expect(tries.map(({ cause, prices }) => [cause, prices.cpuHour])).toEqual([['moved', '1800000000'], ['succeeded', '3600000000']])
  expect(tries[1]?.resumes).toMatchObject({ attempt: tries[0]?.id })
  expect(tries.reduce((sum, { billed }) => sum + BigInt(billed ?? 0), 0n)).toBe(BigInt((await market.call(market.buyer, 'GET', `/v1/jobs/${job}`)).body.cost))
  expect(await planOf(job)).toEqual(['firm: no_return', 'in time'])
  expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, sum: '0', problems: [] })
}, 300_000)

test('without checkpoints and without cheap room it is firm while a whole try still fits; until then explain says when that will be', async () => {
  const busy = (await market.submit({ command: ['fake:sleep', '3000'], resources: { cpuMillis: 1000 }, limits: { runMs: 30_000 } })).body.id as Job['id']
  await runs(busy)
  const { body } = await market.submit({ ...ONE, command: ['fake:print', 'x'], expectedMs: 500, deadline: Date.now() + 8_000 })
  const job = body.id as Job['id'], why = (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/explain`)).body
  expect(why.plan).toMatchObject([{ as: 'interruptible', why: 'on_course' }])
  expect(why.plan[0].noReturnAt - why.plan[0].until).toBe(1_500)
  expect(await market.ended(job)).toMatchObject({ state: 'completed' })
  expect((await planOf(job)).at(-1)).toBe('in time')
}, 300_000)

test('a deadline that nobody could keep is missed with its reason', async () => {
  const busy = (await market.submit({ command: ['fake:sleep', '4000'], resources: { cpuMillis: 1000 }, limits: { runMs: 30_000 } })).body.id as Job['id']
  await runs(busy)
  const job = (await market.submit({ ...ONE, command: ['fake:print', 'x'], expectedMs: 500, deadline: Date.now() + 1_500 })).body.id as Job['id']
  expect(await market.ended(job)).toMatchObject({ state: 'expired', detail: expect.stringMatching(/^firm \d+ s before its deadline \(.*\); no node that it could pay had room for it then$/) })
  await market.ended(busy)
}, 300_000)

test('a quote tells the chance before the start; too near and too little are refused with what would do', async () => {
  const spec = { ...ONE, command: ['true'], limits: { runMs: 3_600_000 }, expectedMs: 1_800_000, deadline: Date.now() + 7_200_000, checkpoint: { paths: ['state'] } }
  const quote = (more: object = {}, cap?: string) => market.call(market.buyer, 'POST', '/v1/quotes', { spec: { ...spec, ...more }, ...(cap === undefined ? {} : { cap }) })
  const { status, body } = await quote({}, '4000000000')
  expect([status, body.cap]).toEqual([201, '4000000000'])
  expect(body.plan.chance).toBeGreaterThan(0.5)
  expect(BigInt(body.plan.likely)).toBeLessThanOrEqual(BigInt(body.plan.firm))
  expect((await market.call(market.buyer, 'POST', '/v1/jobs', { spec: { ...spec, command: ['other'] }, quote: body.id })).body.code).toBe('quote_mismatch')
  expect(await quote({}, '1000000')).toMatchObject({ status: 422, body: { code: 'cap_too_low', detail: { needed: '3600000000' } } })
  expect(await quote({ deadline: Date.now() + 60_000 })).toMatchObject({ status: 422, body: { code: 'impossible_request' } })
  expect(await quote({ plan: 'soon' })).toMatchObject({ status: 400 })
})
