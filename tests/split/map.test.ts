// client.map against a whole market: split, run, merge; what fails, what is repeated, and who may go on with it.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient, isLumarisError } from '@lumaris/sdk'
import type { MapOptions, MapPart, MapRun } from '@lumaris/sdk'
import type { Job } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'
import { aPlace, sha } from './places.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 3 }) })
afterAll(() => market.stop())
const client = (key = market.buyer) => createClient({ url: market.url, token: key })
const text = (rows: number): string => `id,word\n${Array.from({ length: rows }, (_one, i) => `${i},"word\n${i % 7}"\r\n`).join('')}`
async function partsOf(map: MapRun): Promise<MapPart[]> {
  const parts: MapPart[] = []
  for await (const part of map) parts.push(part)
  return parts.toSorted((a, b) => a.part - b.part)
}
const rejected = (work: Promise<unknown>) => work.then(() => 'nothing', (error: unknown) => { if (isLumarisError(error)) return error.code; throw error })
const catMap = (more: Partial<MapOptions> & Pick<MapOptions, 'input'>) => client().map({ command: ['fake:cat'], ...more })

test('CSV by records: every part has the header, and merged as CSV it is the input again', async () => {
  const source = Buffer.from(text(5000)), target = aPlace()
  const map = await catMap({ input: { by: 'csv', source, extension: '.csv' }, chunks: 12, merge: { kind: 'csv' }, resources: { cpuMillis: 4000 } })
  const parts = await partsOf(map)
  expect(parts.map((part) => [part.part, part.state])).toEqual(Array.from({ length: 12 }, (_one, i) => [i, 'done']))
  expect(new Set(parts.map((part) => part.attempt?.nodeName)).size).toBeGreaterThan(1)
  let first = ''
  for await (const bytes of (parts[5] as MapPart).bytes()) first += Buffer.from(bytes).toString()
  expect(first).toMatch(/^id,word\n\d+,"word\n\d"\r\n/)
  const merged = await map.merge(target)
  expect([merged.sha256, merged.size]).toEqual([sha(source), source.length])
  expect(readFileSync(target).equals(source)).toBe(true)
  // What came out is kept with the job, once.
  expect((await client().job(map.job.id)).merged).toEqual({ sha256: sha(source), size: source.length })
  await map.merge(target, { overwrite: true })
  expect(await rejected(client().api.recordMerged({ params: { job: map.job.id }, body: { sha256: '0'.repeat(64), size: 1 } }))).toBe('merged_otherwise')
  // One blob, however many parts: a chunk is a range of it.
  expect(new Set(map.job.spec.tasks.map((task) => task.inputs?.[0]?.blob))).toEqual(new Set([sha(source)]))
})
test('ranges of bytes, put together, are the input; a list, a range and a grid make arguments', async () => {
  const source = new Uint8Array(300_000).map((_one, i) => (i * 7919) % 251), target = aPlace()
  const map = await catMap({ input: { by: 'bytes', source }, chunkSize: 70_000, merge: { kind: 'concat' } })
  expect(map.parts).toBe(5)
  expect((await map.merge(target)).sha256).toBe(sha(Buffer.from(source)))
  const printed = async (input: MapOptions['input'], command: string[]): Promise<string> => { const out = aPlace(), one = await client().map({ input, command, divide: false }); await one.merge(out); return readFileSync(out, 'utf8') }
  expect(await printed({ by: 'list', items: ['a', 'b c', '{}'] }, ['echo'])).toBe('a\nb c\n{}\n')
  expect(await printed({ by: 'range', range: '1..4' }, ['echo', '{from}', 'to', '{to}'])).toBe('1 to 1\n2 to 2\n3 to 3\n4 to 4\n')
  expect(await printed({ by: 'grid', axes: ['lr=0.1,0.2', 'seed=1..2'] }, ['echo'])).toBe('--lr=0.1 --seed=1\n--lr=0.1 --seed=2\n--lr=0.2 --seed=1\n--lr=0.2 --seed=2\n')
  const files = ['x', 'y', 'z'].map((name) => ({ path: `in/${name}`, source: Buffer.from(`${name}\n`), size: 2 }))
  expect(await printed({ by: 'files', files }, ['fake:cat'])).toBe('x\ny\nz\n')
})
test('a reduce command runs as jobs of its own, in rounds, over neighbours in their order, and its result is the market’s to keep', async () => {
  const target = aPlace(), levels: [number, number][] = []
  const map = await client().map({ input: { by: 'list', items: Array.from({ length: 10 }, (_one, i) => `item ${i}`) }, command: ['echo'], merge: { kind: 'reduce', command: ['fake:cat'], fanIn: 3 } })
  const merged = await map.merge(target, { onJob: (job, level) => levels.push([level, job.spec.tasks.length]) })
  expect(readFileSync(target, 'utf8')).toBe(Array.from({ length: 10 }, (_one, i) => `item ${i}\n`).join(''))
  expect(levels).toEqual([[0, 4], [1, 2], [2, 1]])
  expect(merged.sha256).toBe(sha(readFileSync(target)))
  // Asked again, by another client that knows only the id: the same jobs, and nothing is paid twice.
  const cost = await map.cost(), again = aPlace(), seen: string[] = []
  const other = await client().openMap(map.job.id)
  expect((await other.merge(again, { onJob: (job) => seen.push(job.state) })).sha256).toBe(merged.sha256)
  expect(seen).toEqual(['completed', 'completed', 'completed'])
  expect(await other.cost()).toBe(cost)
})
test('two clients who reduce one map at the same time get the same jobs', async () => {
  const map = await client().map({ input: { by: 'range', range: '1..6' }, command: ['echo'], merge: { kind: 'reduce', command: ['fake:cat'], fanIn: 2 } })
  const ids: string[][] = [[], []]
  const both = await Promise.all(ids.map(async (list) => (await client().openMap(map.job.id)).merge(aPlace(), { onJob: (job) => list.push(job.id) })))
  expect(both[0]?.sha256).toBe(both[1]?.sha256)
  expect(ids[0]).toEqual(ids[1])
})

test('a part that fails: fail fast stops the rest; else the others finish, and only the failed ones are repeated', async () => {
  // The fake shell: a part says in its own arguments how it ends.
  const items = ['0', '7', '0', '9']
  const fast = await client().map({ input: { by: 'list', items }, command: ['fake:exit'] })
  const stopped = await partsOf(fast)
  expect(stopped).toHaveLength(4)
  expect(stopped.some((part) => part.state === 'failed' && part.cause === 'buyer_exit')).toBe(true)
  const map = await client().map({ input: { by: 'list', items }, command: ['fake:exit'], onFailure: 'finish', cap: 1_000_000n })
  expect((await partsOf(map)).map((part) => part.state)).toEqual(['done', 'failed', 'done', 'failed'])
  expect(await map.missing()).toEqual([1, 3])
  expect(await rejected(map.merge(aPlace()))).toBe('parts_failed')
  const again = await map.retry() as Job
  expect(again.spec.map).toMatchObject({ of: map.job.id, parts: [1, 3] })
  expect(BigInt(again.cap)).toBeLessThanOrEqual(1_000_000n - BigInt((await client().job(map.job.id)).cost))
  // Repeated by somebody else at the same time: the same job.
  expect((await client().openMap(again.id).then((one) => one.jobs())).map((job) => job.id)).toEqual([map.job.id, again.id])
  expect(await map.missing()).toEqual([1, 3]) // they fail again, as they must
})
test('a repeated part fills its place, and the merge has every part once', async () => {
  // Fails as the second task of a job; in the job that repeats it, it is the first.
  const map = await client().map({ input: { by: 'list', items: ['a', 'b', 'c'] }, command: ['fake:exit-if', 'LUMARIS_TASK', '1', '7', ';', 'echo'], onFailure: 'finish' })
  expect((await partsOf(map)).map((part) => part.state)).toEqual(['done', 'failed', 'done'])
  await map.retry()
  const target = aPlace()
  await map.merge(target)
  expect(readFileSync(target, 'utf8')).toBe('a\nb\nc\n')
  expect((await partsOf(map)).map((part) => part.state)).toEqual(['done', 'done', 'done'])
  expect(await map.retry()).toBeNull()
})
test('a reducer that fails or never ends is a typed failure; it runs again only when asked', async () => {
  const reducing = (command: string[], limits = {}) => client().map({ input: { by: 'range', range: '1..3' }, command: ['echo'], merge: { kind: 'reduce', command }, limits })
  const failing = await reducing(['fake:exit', '3', ';', 'fake:cat'])
  expect(await rejected(failing.merge(aPlace()))).toBe('reduce_failed')
  const jobs: string[] = []
  for (const again of [false, true, false]) expect(await rejected(failing.merge(aPlace(), { again, onJob: (job) => jobs.push(job.id) }))).toBe('reduce_failed')
  expect([jobs[0] === jobs[1], jobs[1] === jobs[2]]).toEqual([false, true])
  expect(await rejected((await reducing(['fake:hang', ';', 'fake:cat'], { runMs: 1000 })).merge(aPlace()))).toBe('reduce_failed')
})
test('a part that leaves no result, and a map that is none', async () => {
  expect(await rejected((await client().map({ input: { by: 'range', range: '1..2' }, command: ['echo'], result: 'out.csv' })).merge(aPlace()))).toBe('cannot_merge')
  const plain = await client().run({ command: ['echo', 'x'] })
  expect(await rejected(client().openMap(plain.job.id))).toBe('not_a_map')
  expect(await rejected(client().openMap(`job_${'0'.repeat(26)}`))).toBe('not_found')
  const map = await client().map({ input: { by: 'range', range: '1..2' }, command: ['echo'] })
  expect(await rejected(client(market.demo.admin.key).openMap(map.job.id).then(() => client(market.demo.sellers[0]?.key).openMap(map.job.id)))).toBe('not_found')
})
test.each([
  ['an empty input', { by: 'csv', source: Buffer.from('') }], ['a header only', { by: 'csv', source: Buffer.from('a,b\n') }], ['an open quote', { by: 'csv', source: Buffer.from('a\n"b') }], ['no items', { by: 'list', items: [] }], ['no range', { by: 'range', range: 'x' }],
] as const)('%s: refused before anything is sent or spent', async (_what, input) => {
  const before = (await market.call(market.buyer, 'GET', '/v1/jobs?limit=1')).body.data[0]?.id as string | undefined
  expect(await rejected(catMap({ input }))).toBe('cannot_split')
  expect((await market.call(market.buyer, 'GET', '/v1/jobs?limit=1')).body.data[0]?.id).toBe(before)
})
test('a record that is larger than the disk of a part is refused by the market, with both sizes', async () => {
  const source = Buffer.from(`h\n${'x'.repeat(3 * 2 ** 20)}\ny\n`)
  const refused = await catMap({ input: { by: 'csv', source }, chunks: 2, resources: { diskBytes: 2 ** 20 } }).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'impossible_request', detail: { diskBytes: 2 ** 20 } })
})
test('a cap is for all of it: what the parts have cost is no longer there for reducing', async () => {
  const map = await client().map({ input: { by: 'range', range: '1..3' }, command: ['echo'], merge: { kind: 'reduce', command: ['fake:cat'] }, cap: 900_000n })
  const jobs: Job[] = []
  await map.merge(aPlace(), { onJob: (job) => jobs.push(job) })
  expect(BigInt((jobs[0] as Job).cap)).toBeLessThanOrEqual(900_000n - BigInt((await client().job(map.job.id)).cost))
  expect(await map.cost()).toBeLessThanOrEqual(900_000n)
})
test('the books balance after all of it', async () => expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, sum: '0' }))
