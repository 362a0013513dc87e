import { expect, test } from 'vitest'
import { SplitError, planChunks } from './plan.ts'
import type { PlanOptions } from './plan.ts'
import { fillCommand, gridPoints, groupFiles, listPoints, parseRange, rangePoints } from './params.ts'
import { sizesOf } from './sizes.ts'

const plan = (text: string | Uint8Array, options: Partial<PlanOptions> = {}) => planChunks([Buffer.from(text)], { by: 'csv', sizes: [5, 5], ...options })
const problem = (work: Promise<unknown>) => work.then(() => 'none', (error: unknown) => { if (error instanceof SplitError) return error.problem; throw error })

test.each([
  ['an empty input', '', {}, 'empty'], ['a header and nothing else', 'a,b\n', {}, 'header_only'], ['a header without its newline', 'a,b', {}, 'header_only'],
  ['a quote that never ends', 'a\n"b\nc\n', {}, 'open_quote'], ['UTF-16', new Uint8Array([0xff, 0xfe, 0x61, 0]), {}, 'utf16'], ['a first record of two megabytes', `${'x'.repeat(2 ** 21)}\ny\n`, {}, 'header_too_long'],
] as const)('%s is refused, with what to do', async (_what, text, options, expected) => {
  expect(await problem(plan(text, options))).toBe(expected)
  await plan(text, options).catch((error: unknown) => expect((error as SplitError).hint).not.toBe(''))
})
test('a header alone is one record when it is none', async () => expect((await plan('a,b\n', { header: false })).chunks).toHaveLength(1))
test('a record longer than a chunk is a chunk of its own length, and the plan says how long', async () => {
  const { chunks, longest } = await plan(`h\n1\n${'x'.repeat(1000)}\n2\n3\n`, { sizes: [4, 4, 4] })
  expect(chunks.map((chunk) => chunk.bytes)).toEqual([1005, 6])
  expect(longest).toBe(1001)
})
test('bytes that are not UTF-8 are told, and passed on as they are', async () => {
  const { notUtf8At, chunks } = await plan(new Uint8Array([0x61, 0x0a, 0xc3, 0x0a]), { by: 'lines', sizes: [1, 1] })
  expect([notUtf8At, chunks.length]).toEqual([2, 2])
})
test('another delimiter; and one that cannot be', async () => {
  expect((await plan('a;b\n"1;\n";2\n3;4\n', { delimiter: ';', sizes: [1, 1] })).chunks.map((chunk) => chunk.records)).toEqual([1, 1])
  await expect(plan('a\nb\n', { delimiter: '"' })).rejects.toThrow(RangeError)
})
test('ten million tiny records: the memory of a plan is that of its chunks', { timeout: 300_000 }, async () => {
  const piece = Buffer.from('1\n'.repeat(50_000))
  const source = (function* () { for (let i = 0; i < 200; i++) yield piece })()
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const { chunks, records } = await planChunks(source, { by: 'lines', sizes: Array.from({ length: 1000 }, () => 20_000) })
  expect([records, chunks.length]).toEqual([10_000_000, 1000])
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 2 ** 20)
})

test('a list: each item a task, in place of {} or at the end', () => {
  expect(fillCommand(['sh', '-c', 'x = {}'], listPoints(['a', 'b']))).toEqual({ command: ['sh', '-c', 'x = {}'], args: [['a'], ['b']] })
  expect(fillCommand(['run', '{}', '--out={}'], listPoints(['a', 'b']))).toEqual({ command: ['run'], args: [['a', '--out=a'], ['b', '--out=b']] })
  expect(fillCommand(['run', '{}', 'end'], listPoints(['a', 'b', 'c'], { chunkSize: 2 })).args).toEqual([['a', 'b', 'end'], ['c', 'end']])
  expect(() => fillCommand(['run', '--in={}'], listPoints(['a', 'b', 'c'], { chunkSize: 2 }))).toThrow(SplitError)
  expect(() => fillCommand(['{}'], listPoints(['a']))).toThrow(SplitError)
  expect(() => listPoints([])).toThrow(SplitError)
  expect(() => listPoints(Array.from({ length: 500 }, () => 'x'), { chunks: 1 })).toThrow(/at most|can take/)
})
test('a range: runs of it, both ends included', () => {
  expect(rangePoints('1..10', { chunks: 3 }).map((point) => point.all)).toEqual([['1', '4'], ['5', '7'], ['8', '10']])
  expect(fillCommand(['run', '--from={from}', '--to={to}'], rangePoints('0..100..5', { chunks: 2 })).args).toEqual([['--from=0', '--to=50'], ['--from=55', '--to=100']])
  expect(rangePoints('1..1000', { workers: 4 }).length).toBeGreaterThan(8)
  for (const bad of ['1', '5..1', '1..2..0', 'a..b', '1.5..2']) expect(() => parseRange(bad)).toThrow(SplitError)
})
test('a grid: every combination, the last name fastest', () => {
  expect(gridPoints(['lr=0.1,0.01', 'seed=1..2'], 100).map((point) => point.all)).toEqual([['--lr=0.1', '--seed=1'], ['--lr=0.1', '--seed=2'], ['--lr=0.01', '--seed=1'], ['--lr=0.01', '--seed=2']])
  expect(fillCommand(['run', '{lr}', '{other}'], gridPoints(['lr=1,2'], 100)).args).toEqual([['1', '{other}'], ['2', '{other}']])
  expect(() => gridPoints(['a=1..200', 'b=1..200'], 10_000)).toThrow(/40000 points/)
  expect(() => gridPoints(['a=1', 'a=2'], 10)).toThrow(SplitError)
  expect(() => gridPoints(['=1'], 10)).toThrow(SplitError)
})
test('files: neighbours together, by their sizes', () => {
  expect(groupFiles([1, 1, 1, 9, 1].map((size) => ({ size })), { chunks: 3 }).map((group) => group.map((file) => file.size))).toEqual([[1, 1, 1, 9], [1]])
  expect(() => groupFiles([], {})).toThrow(SplitError)
})
test('more chunks than a job has tasks: they become larger, and that is told', () => {
  expect(sizesOf(1e9, { chunkSize: 10 })).toMatchObject({ capped: true })
  expect(sizesOf(1e9, { chunks: 20_000 }).sizes).toHaveLength(10_000)
})
