// A command of the buyer's as referee, on a real market: real server and tables, real agents of eight owners that write what they are told to write.
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isRefusal } from '@lumaris/protocol'
import type { Attempt, JobSpecInput, Results } from '@lumaris/protocol'
import { createClient, verifyReceipt } from '@lumaris/sdk'
import { QUICK, startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
let keys: string[] = []
/** What the nth run of a job's program makes of the text that it is to write, whichever node it is on. */
let spellings: readonly string[] = [], written = 0
beforeAll(async () => {
  // Nobody is called lost here, however slow the machine is.
  market = await startMarket({ server: { settings: { ...QUICK, suspectMs: 60_000, lostMs: 120_000, offerMs: 60_000 } } })
  keys = market.demo.sellers.map(({ key }) => key)
  for (const name of ['dee', 'eve', 'fay', 'gus', 'hal']) {
    const made = await market.app.identity.register({ email: `${name}@example.org`, name, password: 'a long password for a test', roles: ['seller'] })
    if (isRefusal(made)) throw new Error(made.refusal)
    const key = await market.app.identity.createKey({ kind: 'user', userId: made.id, roles: ['seller'], scopes: 'all' }, { label: 'test', scopes: ['nodes:read', 'nodes:write', 'wallet:read'] })
    if (isRefusal(key)) throw new Error(key.refusal)
    keys.push(key.secret)
  }
  for (const [i, key] of keys.entries()) await market.join(`node-${i}`, { key, cpuHour: 36 + i, writes: (_path, text) => spellings[written++] ?? text })
})
afterAll(() => market.stop())
const forfeits = async (): Promise<string[]> => { const all: string[] = []; for (const key of keys) all.push(...((await market.call(key, 'GET', '/v1/earnings')).body.forfeits as { attempt: string }[]).map(({ attempt }) => attempt)); return all }

const SAME = { kind: 'command', command: ['fake:sleep', '20', ';', 'fake:compare', 'one/out', 'other/out', '3'] } satisfies JobSpecInput['compare']
async function run(more: Partial<JobSpecInput>, how: readonly string[] = []) {
  spellings = how
  written = 0
  const { status, body } = await market.submit({ command: ['fake:sleep', '20', ';', 'fake:write', 'out', 'Right'], limits: { runMs: 5000 }, ...more })
  expect([status, body.detail]).toEqual([expect.toSatisfy((code: number) => code < 300), undefined])
  const job = await market.ended(body.id), all = (await market.call(market.buyer, 'GET', `/v1/jobs/${body.id}/attempts`)).body.data as Attempt[]
  // An offer that a busy agent does not take up in time is made to another: it says nothing.
  const tries = all.filter(({ state }) => state !== 'ended')
  return { job, copies: tries.filter(({ referee }) => !referee), referees: tries.filter(({ referee }) => referee), tries }
}
const sum = (tries: readonly Attempt[]): bigint => tries.reduce((total, { billed }) => total + BigInt(billed ?? '0'), 0n)

test('two spellings are shown to the command on a third owner’s node; it is paid within the cap, has a receipt, and leaves nothing among the results', async () => {
  const { job, copies, referees, tries } = await run({ copies: 2, compare: SAME }, ['RIGHT'])
  expect([job.state, copies.map(({ state }) => state), referees.length]).toEqual(['completed', ['valid', 'valid'], 1])
  const [referee] = referees as [Attempt]
  expect(referee).toMatchObject({ state: 'valid', exitCode: 0, files: [], referee: { of: expect.any(String), with: expect.any(String) } })
  expect(new Set([referee.referee?.of, referee.referee?.with])).toEqual(new Set(copies.map(({ id }) => id)))
  expect(new Set(tries.map(({ node }) => node)).size).toBe(3)
  expect(BigInt(referee.billed ?? '0')).toBeGreaterThan(0n)
  expect([sum(tries).toString(), sum(tries) <= BigInt(job.cap)]).toEqual([job.cost, true])
  const results = (await market.call(market.buyer, 'GET', `/v1/jobs/${job.id}/results`)).body as Results
  expect(results.tasks.map(({ files }) => files.map(({ path }) => path))).toEqual([['out']])
  const client = createClient({ url: market.url, token: market.buyer })
  await expect.poll(async () => (await verifyReceipt(await client.receipt(referee.id))).checks.filter(({ ok }) => !ok)).toEqual([])
  expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, sum: '0', problems: [] })
})

test('a lie is set apart by two runs and outvoted by three: unpaid, and nobody else is', async () => {
  const { job, copies, referees } = await run({ copies: 3, compare: SAME }, ['a lie', 'RIGHT'])
  const lie = copies.find(({ resultDigest, state }) => resultDigest !== undefined && state === 'invalid')
  expect([job.state, lie?.state, lie?.cause, lie?.billed]).toEqual(['completed', 'invalid', 'wrong_result', undefined])
  expect(copies.filter(({ state }) => state === 'valid')).toHaveLength(3)
  const noes = referees.filter(({ exitCode }) => exitCode === 3), about = Map.groupBy(noes, ({ referee }) => `${referee?.of} ${referee?.with}`)
  expect(noes.length).toBeGreaterThan(0)
  for (const all of about.values()) expect(new Set(all.map(({ node }) => node)).size).toBe(2)
  expect(referees.filter(({ node }) => copies.some((copy) => copy.node === node))).toEqual([])
  expect(await forfeits()).toContain(lie?.id)
})

for (const [what, command, runMs] of [['breaks', ['fake:exit', '1'], 60_000], ['hangs', ['fake:hang'], 1000], ['says nonsense', ['fake:exit', '200'], 60_000]] as const) {
  test(`a command that ${what} fails the job by a cause of its own, after two owners’ runs; who delivered is paid and not blamed`, async () => {
    const before = await forfeits()
    const { job, copies, referees } = await run({ copies: 2, compare: { kind: 'command', command: [...command], runMs } }, ['RIGHT'])
    expect([job.state, job.cause, copies.map(({ state }) => state), new Set(referees.map(({ node }) => node)).size]).toEqual(['failed', 'referee_failed', ['valid', 'valid'], 2])
    for (const { billed } of copies) expect(BigInt(billed ?? '0')).toBeGreaterThan(0n)
    if (what === 'hangs') for (const { cause } of referees) expect(cause).toBe('buyer_limit')
    expect(await forfeits()).toEqual(before)
    expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, sum: '0', problems: [] })
  })
}

test('whether one result is right: the program’s input lies beside it, and one copy is enough', async () => {
  const text = new TextEncoder().encode('right'), hash = createHash('sha256').update(text).digest('hex')
  expect((await market.call(market.buyer, 'PUT', `/v1/blobs/${hash}`, text, { 'upload-length': String(text.length) })).status).toBe(201)
  const { job, copies, referees } = await run({ assurance: '1e-2', inputs: [{ path: 'in', blob: hash, size: text.length }], outputs: ['out'], compare: { kind: 'command', command: ['fake:compare', 'result/out', 'input/in', '3'], says: 'right' } })
  // Two words beside a newcomer's; a third where one of them is of an owner that was found wrong above.
  expect([job.state, copies.length, new Set(referees.map(({ exitCode }) => exitCode)), referees.length]).toEqual(['completed', 1, new Set([0]), expect.toSatisfy((count: number) => count === 2 || count === 3)])
})

test('what cannot be is refused with what to change', async () => {
  expect((await market.submit({ command: ['true'], copies: 2, compare: { ...SAME, says: 'right' } })).body).toMatchObject({ code: 'impossible_request', detail: { reason: expect.stringContaining('name an assurance') } })
  const missing = { path: 'same.py', blob: 'f'.repeat(64), size: 3 }
  expect((await market.submit({ command: ['true'], copies: 2, compare: { ...SAME, inputs: [missing] } })).body).toMatchObject({ code: 'blob_missing', detail: { blobs: [missing.blob] } })
  for (const compare of [{ ...SAME, command: [] }, { ...SAME, runMs: 1 }, { ...SAME, says: 'maybe' }, { kind: 'image', mean: 300 }, { kind: 'image', largest: -1 }]) expect([compare, (await market.submit({ command: ['true'], copies: 2, compare: compare as never })).status]).toEqual([compare, 400])
})
