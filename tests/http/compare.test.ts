// Copies compared as the buyer says, and what a lie costs, on a real market: real server and tables, real agents that write what they are told to write.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { account, isRefusal } from '@lumaris/protocol'
import type { Attempt, JobSpecInput, SellerEarnings } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
/** What each node makes of the text that it is to write: by job, so that one market serves all tests. */
let ways: Record<string, (text: string) => string> = {}
beforeAll(async () => {
  market = await startMarket({ server: { disputeMs: 3_600_000 } })
  // Four owners, because it takes three to outvote one.
  const made = await market.app.identity.register({ email: 'dee@example.org', name: 'dee', password: 'a long password for a test', roles: ['seller'] })
  if (isRefusal(made)) throw new Error(made.refusal)
  const key = await market.app.identity.createKey({ kind: 'user', userId: made.id, roles: ['seller'], scopes: 'all' }, { label: 'test', scopes: ['nodes:read', 'nodes:write'] })
  if (isRefusal(key)) throw new Error(key.refusal)
  const keys = [...market.demo.sellers.map((one) => one.key), key.secret]
  for (const [i, owner] of keys.entries()) await market.join(`node-${i}`, { key: owner, cpuHour: 36 + i, writes: (_path, text) => ways[`node-${i}`]?.(text) ?? text })
})
afterAll(() => market.stop())
const attemptsOf = async (job: string): Promise<Attempt[]> => (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/attempts`)).body.data
async function run(text: string, more: Partial<JobSpecInput>, how: typeof ways) {
  ways = how
  const { status, body } = await market.submit({ command: ['fake:sleep', '20', ';', 'fake:write', 'out.json', text], limits: { runMs: 5000 }, ...more })
  expect([status, body.detail]).toEqual([expect.toSatisfy((code: number) => code < 300), undefined])
  const job = await market.ended(body.id), tries = await attemptsOf(body.id)
  return { job, tries, states: Object.fromEntries(tries.map(({ nodeName, state }) => [nodeName, state])) }
}
const JSON_TEXT = '{"b":[1,2.50,1e3],"a":"x"}'
const spellings = { 'node-0': (text: string) => text, 'node-1': () => ' { "a" : "\\u0078", "b" : [ 1.0, 25e-1, 1000 ] }\n', 'node-2': () => '{"a":"x","b":[1,2.5,1000.0]}' }

test('JSON: three spellings of the same values agree; by their bytes they do not', async () => {
  const others = { ...spellings, 'node-3': () => '{"a":"x","b":[1000,2.5,1]}' }
  expect(await run(JSON_TEXT, { copies: 3, compare: { kind: 'json' } }, others)).toMatchObject({ job: { state: 'completed' }, states: { 'node-0': 'valid', 'node-1': 'valid', 'node-2': 'valid' } })
  expect(await run(JSON_TEXT, { copies: 2 }, others)).toMatchObject({ job: { state: 'failed', cause: 'wrong_result' } })
})

test('numbers within the tolerance agree, the other ones do not', async () => {
  const near = { 'node-0': () => 'loss 0.1234567\n', 'node-1': () => 'loss 0.1234568\n', 'node-2': () => 'loss 0.1234569\n', 'node-3': () => 'loss 0.1234566\n' }
  expect((await run('x', { copies: 3, compare: { kind: 'numbers', relative: 1e-5 } }, near)).job.state).toBe('completed')
  expect((await run('x', { copies: 2, compare: { kind: 'numbers', relative: 1e-8 } }, near)).job.state).toBe('failed')
})

test('a hostile result neither agrees with anything nor hurts the server; results that come at once find one another', async () => {
  for (const evil of ['['.repeat(300_000), `1e${'9'.repeat(300_000)}`, '{"__proto__":1}', '']) {
    const { job, tries } = await run(JSON_TEXT, { copies: 3, compare: { kind: 'json' } }, { ...spellings, 'node-0': () => evil, 'node-3': () => JSON_TEXT })
    expect([job.state, tries.filter(({ state }) => state === 'valid').map(({ nodeName }) => nodeName).toSorted()]).toEqual(['completed', ['node-1', 'node-2', 'node-3']])
    expect((await market.call(null, 'GET', '/healthz')).status).toBe(200)
  }
})

test('to compare with one copy is refused with what to change', async () => {
  expect((await market.submit({ command: ['true'], compare: { kind: 'json' } })).body).toMatchObject({ code: 'impossible_request', detail: { reason: expect.stringContaining('ask for copies or assurance') } })
  expect((await market.submit({ command: ['true'], copies: 3, compare: { kind: 'numbers', relative: 2 } as never })).status).toBe(400)
})

test('a lie that three have outvoted is unpaid, and takes the liar’s pending earnings; the liar is told why and what to do, and the books balance', async () => {
  const seller = market.demo.sellers[0]!, earnings = async (): Promise<SellerEarnings> => (await market.call(seller.key, 'GET', '/v1/earnings')).body
  await expect.poll(async () => (await earnings()).forfeits.some(({ state }) => state === 'due')).toBe(false) // of the tests before
  await run('the truth', { copies: 4 }, {})
  const before = await earnings()
  expect(BigInt(before.pending)).toBeGreaterThan(0n)
  const { states, tries } = await run('the truth', { copies: 3 }, { 'node-0': () => 'a lie' })
  expect(states['node-0']).toBe('invalid')
  const lie = tries.find(({ nodeName }) => nodeName === 'node-0')!
  await expect.poll(async () => (await earnings()).forfeits.find(({ attempt }) => attempt === lie.id)?.state).toBe('done')
  const after = await earnings(), mine = after.forfeits.find(({ attempt }) => attempt === lie.id)!
  expect(mine).toMatchObject({ job: lie.job, says: expect.stringContaining('agreed on another result'), whatToDo: expect.stringContaining(`forfeit:${lie.id}`), entry: `forfeit:${lie.id}` })
  expect(BigInt(mine.taken)).toBeGreaterThan(0n)
  expect(BigInt(before.pending) - BigInt(after.pending)).toBe(after.forfeits.filter(({ attempt }) => !before.forfeits.some((one) => one.attempt === attempt)).reduce((sum, { taken }) => sum + BigInt(taken), 0n))
  expect((await market.call(market.demo.admin.key, 'GET', `/v1/admin/entries?account=${account.insurance}`)).body.data.some(({ id }: { id: string }) => id === mine.entry)).toBe(true)
  expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, sum: '0', problems: [] })
  const node = (await market.call(seller.key, 'GET', '/v1/nodes')).body.data[0]
  expect((await market.call(seller.key, 'GET', `/v1/nodes/${node.id}/explain`)).body.forfeits[0]).toContain('agreed on another result')
  // Somebody else is told nothing of it.
  expect(((await market.call(market.demo.sellers[1]!.key, 'GET', '/v1/earnings')).body as SellerEarnings).forfeits).toEqual([])
})
