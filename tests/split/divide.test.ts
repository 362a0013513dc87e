// Maps that are cut while they run, through the whole market: real server, real agents over their sockets.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient, isLumarisError, verifyReceipt } from '@lumaris/sdk'
import type { MapOptions, MapPart, MapRun } from '@lumaris/sdk'
import type { Attempt, Task } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'
import { aPlace, sha } from './places.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 3 }) })
afterAll(() => market.stop())
const client = () => createClient({ url: market.url, token: market.buyer })
const table = Buffer.from(`id,word\n${Array.from({ length: 20_000 }, (_one, i) => `${i},"word\n${i % 7}"\r\n`).join('')}`)
/** A machine that has other things to do looks silent for 0.6 s now and then, and all three agents with it. */
const PATIENT = { limits: { retries: 20 } }
const catMap = (more: Partial<MapOptions> = {}): Promise<MapRun> => client().map({ input: { by: 'csv', source: table, extension: '.csv' }, command: ['fake:cat'], merge: { kind: 'csv' }, ...PATIENT, ...more })
const attemptsOf = async (map: MapRun): Promise<Attempt[]> => (await market.call(market.buyer, 'GET', `/v1/jobs/${map.job.id}/attempts?limit=200`)).body.data
async function tasksOf(map: MapRun, job = map.job.id): Promise<Task[]> { const all: Task[] = []; for await (const task of client().tasks(job)) if (task.state !== 'joined') all.push(task); return all.toSorted((a, b) => a.range!.from - b.range!.from) }
async function partsOf(map: MapRun): Promise<MapPart[]> { const parts: MapPart[] = []; for await (const part of map) parts.push(part); return parts.toSorted((a, b) => a.part - b.part) }
const whole = (ranges: readonly { from: number; to: number }[]): boolean => ranges.every(({ from, to }, i) => to > from && from === (i === 0 ? 'id,word\n'.length : ranges[i - 1]!.to)) && ranges.at(-1)?.to === table.length

test('the client sends one task with the points where it may be cut; the market cuts it as nodes come; merged in the order of the input it is the input, and each receipt names its range', async () => {
  const map = await catMap(), target = aPlace(), merged = await map.merge(target)
  expect([merged.sha256, readFileSync(target).equals(table)]).toEqual([sha(table), true])
  expect(map.job.spec).toMatchObject({ divide: { targetMs: 60_000 }, tasks: [{ inputs: [{ pieces: expect.any(Array) }] }] })
  const tasks = await tasksOf(map), job = await client().job(map.job.id), attempts = await attemptsOf(map)
  expect(tasks.length).toBeGreaterThan(5)
  expect(whole(tasks.map(({ range }) => range!))).toBe(true)
  // In the order of the input, not of the numbers that tasks were given as they were cut.
  const parts = await partsOf(map)
  expect(parts.map(({ part, range }) => [part, range])).toEqual(tasks.map(({ range }) => [range!.from, range]))
  expect(map.parts).toBe(tasks.length)
  let first = ''
  for await (const bytes of parts[3]!.bytes()) first += Buffer.from(bytes).toString()
  expect(first).toBe(`id,word\n${table.subarray(parts[3]!.range!.from, parts[3]!.range!.to).toString()}`)
  expect(job).toMatchObject({ state: 'completed', tasks: { total: tasks.length, done: tasks.length } })
  expect(BigInt(job.cost) + BigInt(job.refunded)).toBe(BigInt(job.cap))
  // Those whose results count: what was lost on the way has no tick, and so nothing that hangs on its terms.
  const counted = attempts.filter(({ state }) => state === 'valid').slice(0, 3)
  expect(counted).toHaveLength(3)
  for (const attempt of counted) {
    const receipt = await client().receipt(attempt.id), verdict = await verifyReceipt(receipt)
    expect(verdict.checks.filter(({ ok, name }) => !ok && name !== 'sealed')).toEqual([])
    expect(receipt.terms.range).toEqual(attempt.range)
    const lied = await verifyReceipt({ ...receipt, terms: { ...receipt.terms, range: { from: 0, to: table.length } } })
    expect(lied.checks.find(({ name }) => name === 'terms')?.ok).toBe(false)
  }
})
const printed = async (input: MapOptions['input'], command: string[], more: Partial<MapOptions> = {}): Promise<{ map: MapRun; text: string }> => {
  const target = aPlace(), map = await client().map({ input, command, divide: true, ...PATIENT, ...more })
  await map.merge(target)
  return { map, text: readFileSync(target, 'utf8') }
}
/** Told to the programs, all parts in order. */
const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '')
test('a list, a range, the points of a grid and files of a folder are cut while they run: several in a part, merged in their order, each once', async () => {
  const items = Array.from({ length: 900 }, (_one, i) => `item-${i}`), list = await printed({ by: 'list', items }, ['echo', '{}'])
  expect(wordsOf(list.text)).toEqual(items)
  const parts = await tasksOf(list.map)
  expect([parts.length > 5, parts.length < 450, parts[0]!.range!.from, parts.at(-1)!.range!.to]).toEqual([true, true, 0, 900])
  expect(Math.max(...parts.map(({ range }) => range!.to - range!.from))).toBeLessThanOrEqual(200)
  expect(await client().job(list.map.job.id)).toMatchObject({ state: 'completed', tasks: { total: parts.length, done: parts.length }, spec: { divide: {}, tasks: [{ args: ['{}'] }] } })
  // By default, unlike a list: each program is told where its part begins and ends in any case.
  const range = await client().map({ input: { by: 'range', range: '5..4999..2' }, command: ['echo', '{from}', '{to}'] }), target = aPlace()
  await range.merge(target)
  let next = 5
  for (const line of readFileSync(target, 'utf8').trim().split('\n')) { const [from, to] = line.split(' ').map(Number); expect(from).toBe(next); expect(to).toBeGreaterThanOrEqual(from!); next = to! + 2 }
  expect(next).toBe(5001)
  expect((await tasksOf(range)).length).toBeGreaterThan(3)
  expect(wordsOf((await printed({ by: 'grid', axes: ['lr=0.1,0.2', 'seed=1..60'] }, ['echo'])).text)).toEqual(['0.1', '0.2'].flatMap((lr) => Array.from({ length: 60 }, (_one, i) => `lr=${lr},seed=${i + 1}`)))
  const files = Array.from({ length: 120 }, (_one, i) => { const source = Buffer.from(i % 11 === 3 ? '' : `file ${i}\n`.repeat(1 + (i % 5))); return { path: `in/${String(i).padStart(3, '0')}`, source, size: source.length } })
  const folder = await client().map({ input: { by: 'files', files }, command: ['fake:cat'], merge: { kind: 'concat' } }), made = aPlace()
  await folder.merge(made)
  expect(readFileSync(made).equals(Buffer.concat(files.map(({ source }) => source)))).toBe(true)
  expect([folder.job.spec.divide !== undefined, (await tasksOf(folder)).length > 3]).toEqual([true, true])
})
test('items that failed are repeated, and only they; a command with room for one item at a time is not cut, and says why', async () => {
  const items = Array.from({ length: 60 }, (_one, i) => `i${i}`)
  const map = await client().map({ input: { by: 'list', items }, command: ['fake:exit-if', 'LUMARIS_TASK', '2', '7', ';', 'echo'], divide: { most: 8 }, onFailure: 'finish' }), parts = await partsOf(map), failed = parts.find(({ state }) => state === 'failed')!
  expect(await map.missing()).toEqual([failed.part])
  const again = (await map.retry())!
  expect(again.spec.tasks).toEqual([{ args: ['{}'], items: { kind: 'list', from: failed.range!.from, values: items.slice(failed.range!.from, failed.range!.to) } }])
  const target = aPlace()
  await map.merge(target)
  expect(wordsOf(readFileSync(target, 'utf8'))).toEqual(items)
  const prepared = (more: Partial<MapOptions> & Pick<MapOptions, 'input' | 'command'>) => client().prepareMap(more).then(({ spec }) => (spec.divide ? 'cut' : 'planned'), (error: Error) => error.message)
  expect(await prepared({ input: { by: 'list', items }, command: ['echo'] })).toBe('planned')
  expect(await prepared({ input: { by: 'grid', axes: ['a=1,2'] }, command: ['echo'] })).toBe('planned')
  for (const [input, command] of [[{ by: 'list', items }, ['x', '--seed={}']], [{ by: 'grid', axes: ['lr=1,2'] }, ['x', '{lr}']]] as const) expect(await prepared({ input, command: [...command], divide: true })).toContain('one item at a time')
  expect(await prepared({ input: { by: 'list', items: Array.from({ length: 500 }, String) }, command: ['x'], divide: { most: 2 } })).toContain('It takes at least 3 parts')
  expect(await prepared({ input: { by: 'list', items: [] }, command: ['x'], divide: true })).toContain('nothing in the list')
  expect(await prepared({ input: { by: 'files', files: [] }, command: ['x'] })).toContain('no files')
})
test('what was planned in far too many parts is joined while it runs, and put together again it is all there, each once', async () => {
  const items = Array.from({ length: 600 }, (_one, i) => `item-${i}`), target = aPlace()
  const job = await client().submit({
    command: ['fake:sleep', '10', ';', 'echo'], outputs: [], stdout: 'result', ...PATIENT, map: { merge: { kind: 'lines' }, result: 'result' }, divide: { most: 250 },
    tasks: Array.from({ length: 200 }, (_one, i) => ({ args: ['{}'], items: { kind: 'list', from: 3 * i, values: items.slice(3 * i, 3 * i + 3) } })),
  })
  const map = await client().openMap(job.id)
  await map.merge(target)
  expect(wordsOf(readFileSync(target, 'utf8'))).toEqual(items)
  const parts = await tasksOf(map), { tasks, state } = await client().job(job.id)
  expect([state, tasks.total, tasks.done]).toEqual(['completed', parts.length, parts.length])
  expect(parts.length).toBeLessThan(150)
  expect((await partsOf(map)).map(({ state: one }) => one)).toEqual(parts.map(() => 'done'))
})
test('ranges of bytes too; with a number of parts, or divide off, all parts are planned before', async () => {
  const source = new Uint8Array(300_000).map((_one, i) => (i * 7919) % 251), target = aPlace()
  const map = await client().map({ input: { by: 'bytes', source, recordBytes: 100 }, command: ['fake:cat'], merge: { kind: 'concat' }, divide: { targetMs: 5000, most: 7 } })
  expect((await map.merge(target)).sha256).toBe(sha(Buffer.from(source)))
  expect(map.job.spec.divide).toEqual({ targetMs: 5000, most: 7 })
  expect((await tasksOf(map)).every(({ range }) => range!.from % 100 === 0)).toBe(true)
  for (const more of [{ chunks: 3 }, { divide: false }] satisfies Partial<MapOptions>[]) expect((await client().prepareMap({ input: { by: 'bytes', source }, command: ['fake:cat'], ...more })).spec.divide).toBeUndefined()
  await expect(client().prepareMap({ input: { by: 'bytes', source }, command: ['fake:cat'], divide: true, chunks: 3 })).rejects.toMatchObject({ code: 'cannot_split' })
})
test('a map whose parts stay apart is cut while it runs too: each part says its range, together they are the input, and only what is missing is repeated', async () => {
  const map = await catMap({ merge: { kind: 'none' }, divide: { most: 6 }, command: ['fake:exit-if', 'LUMARIS_TASK', '2', '7', ';', 'fake:cat'], onFailure: 'finish' })
  expect((await client().prepareMap({ input: { by: 'csv', source: table }, command: ['fake:cat'], merge: { kind: 'none' } })).spec.divide).toEqual({ most: expect.any(Number) })
  const [missing] = await map.missing()
  expect(await map.retry()).not.toBeNull()
  expect(await map.missing()).toEqual([])
  const parts = (await partsOf(map)).filter(({ state }) => state === 'done')
  expect(parts.map(({ part }) => part)).toContain(missing)
  expect(whole(parts.map(({ range }) => range!))).toBe(true)
  const all: Buffer[] = []
  for (const part of parts) { let text = ''; for await (const bytes of part.bytes()) text += Buffer.from(bytes).toString(); expect(text.startsWith('id,word\n')).toBe(true); all.push(Buffer.from(text.slice('id,word\n'.length))) }
  expect(Buffer.concat(all).toString()).toBe(table.subarray('id,word\n'.length).toString())
})
test('a part that fails is a range that is missing: it alone is repeated, cut anew, by whoever knows the first id; then the merge has every byte once', async () => {
  const map = await catMap({ divide: { most: 3 }, command: ['fake:exit-if', 'LUMARIS_TASK', '2', '7', ';', 'fake:cat'], onFailure: 'finish', cap: 2_000_000n })
  const parts = await partsOf(map), failed = parts.find(({ state }) => state === 'failed')!
  expect(parts.map(({ state }) => state).toSorted()).toEqual(['done', 'done', 'failed'])
  expect(await map.missing()).toEqual([failed.part])
  await expect(map.merge(aPlace())).rejects.toSatisfy((error) => isLumarisError(error, 'parts_failed'))
  const other = await client().openMap(map.job.id), again = (await other.retry())!
  expect(again.spec.tasks.map(({ inputs }) => ({ from: inputs![0]!.from, to: inputs![0]!.to }))).toEqual([failed.range])
  expect(again.spec.divide?.most).toBeLessThanOrEqual(3)
  expect(BigInt(again.cap)).toBeLessThanOrEqual(2_000_000n - BigInt((await client().job(map.job.id)).cost))
  const target = aPlace()
  expect((await map.merge(target)).sha256).toBe(sha(table))
  expect(whole((await partsOf(map)).map(({ range }) => range!))).toBe(true)
  expect(await map.retry()).toBeNull()
})
test.each([
  ['a record longer than all the others together', 'lines', `${'x'.repeat(400_000)}\n${'y\n'.repeat(5000)}`], ['bytes that are no UTF-8, and no newline at the end', 'lines', Buffer.concat([Buffer.from('a\n'.repeat(20_000)), Buffer.from([0xff, 0xfe, 0x0a, 0xc3]), Buffer.from('b')])],
  ['a header and one record', 'csv', 'id\n1\n'], ['one byte', 'bytes', 'x'], ['three hundred thousand empty records', 'lines', '\n'.repeat(300_000)],
] as const)('cut while it runs and put together again: %s', async (_what, by, text) => {
  const source = Buffer.from(text), target = aPlace(), map = await client().map({ input: { by, source }, command: ['fake:cat'], ...PATIENT, merge: { kind: by === 'csv' ? 'csv' : 'concat' } })
  expect([map.job.spec.divide === undefined, (await map.merge(target)).sha256]).toEqual([false, sha(source)])
})
test('copies of each part, and reducing in the order of the input', async () => {
  const twice = await catMap({ copies: 2, divide: { most: 6 } })
  expect((await twice.merge(aPlace())).sha256).toBe(sha(table))
  const attempts = await attemptsOf(twice), tasks = await tasksOf(twice)
  for (const { id, range } of tasks) expect(attempts.filter((one) => one.task === id && one.state === 'valid').map((one) => one.range)).toEqual([range, range])
  const lines = Buffer.from(Array.from({ length: 5000 }, (_one, i) => `${i}\n`).join('')), target = aPlace()
  const map = await client().map({ input: { by: 'lines', source: lines }, command: ['fake:cat'], merge: { kind: 'reduce', command: ['fake:cat'], fanIn: 3 } })
  await map.merge(target)
  expect(readFileSync(target).equals(lines)).toBe(true)
})
