import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { mergeToFile } from './merge-file.ts'
import { planChunks } from '../split/plan.ts'
import type { BuiltInMerge, MergeFileOptions } from './merge-file.ts'

const sha = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')
function aPlace(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lumaris-merge-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'out')
}
/** In pieces of a few bytes, as a slow connection would bring them. */
async function* slowly(bytes: Buffer, step: number): AsyncGenerator<Uint8Array> { for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step) }
async function merged(merge: BuiltInMerge, parts: readonly (string | Uint8Array)[], options: Partial<MergeFileOptions> & { step?: number; opened?: number[] } = {}): Promise<string> {
  const target = options.target ?? aPlace(), bytes = parts.map((part) => Buffer.from(part as string))
  const open = (part: number) => { options.opened?.push(part); return slowly(bytes[part] as Buffer, options.step ?? 7) }
  const { sha256, size } = await mergeToFile(merge, { parts: parts.length, hashes: bytes.map((part) => sha(part)), open }, { overwrite: true, ...options, target })
  const out = readFileSync(target)
  expect([sha(out), out.length]).toEqual([sha256, size])
  expect(existsSync(`${target}.merging`)).toBe(false)
  return out.toString()
}

test('concat: the bytes, one after the other', async () => expect(await merged({ kind: 'concat' }, ['a', '', 'b\n', 'c'])).toBe('ab\nc'))
test('lines: a last line without its newline does not run into the next part', async () => expect(await merged({ kind: 'lines' }, ['a', '', 'b\n', 'c'])).toBe('a\nb\nc'))
test('csv: one header, and the records of all', async () => {
  expect(await merged({ kind: 'csv' }, ['k,v\r\n"a\nb",1', 'k,v\n', '', 'k,v\nc,2\n'])).toBe('k,v\r\n"a\nb",1\nc,2\n')
  await expect(merged({ kind: 'csv' }, ['k,v\na,1\n', 'k,w\nb,2\n'])).rejects.toThrow('The result of part 1 cannot be merged: its header is "k,w", and that of the parts before it "k,v"')
})
test('json: arrays, single values and lines become one array', async () => {
  expect(JSON.parse(await merged({ kind: 'json' }, ['[1, {"a": "],[" }]', '', '{"b":\n 2}', '3\n4\n', '[]']))).toEqual([1, { a: '],[' }, { b: 2 }, 3, 4])
  expect(await merged({ kind: 'json' }, ['[]'])).toBe('[]\n')
  for (const bad of ['{"a":', '[1', '[1,]', '{} x', '[1] 2', '{a:1}']) await expect(merged({ kind: 'json' }, ['1', bad]), bad).rejects.toThrow('The result of part 1 cannot be merged')
})
test('tables: sum, least, greatest and count by key, exact and by key in order', async () => {
  const parts = ['k,x,y\nb,0.1,\na,2,1\n', 'k,x\nb,0.2\n"c,d",1e3\n']
  expect(await merged({ kind: 'sum', by: ['k'] }, parts)).toBe('k,x,y\na,2,1\nb,0.3,\n"c,d",1000,\n')
  expect(await merged({ kind: 'min', by: ['k'] }, parts)).toBe('k,x,y\na,2,1\nb,0.1,\n"c,d",1000,\n')
  expect(await merged({ kind: 'max', by: ['k'] }, parts)).toBe('k,x,y\na,2,1\nb,0.2,\n"c,d",1000,\n')
  expect(await merged({ kind: 'count', by: ['k'] }, parts)).toBe('k,count\na,1\nb,2\n"c,d",1\n')
  expect(await merged({ kind: 'sum', by: [] }, ['12\n', '0.5\n30'])).toBe('42.5\n')
})
test('tables of JSON: keys keep their type, and numbers their digits', async () => {
  expect(await merged({ kind: 'sum', by: ['year'] }, ['{"year":2012,"rain":9007199254740993}\n', '[{"year":"2012","rain":1},{"year":2012,"rain":0.1,"wet":null}]'])).toBe('{"year":"2012","rain":1}\n{"year":2012,"rain":9007199254740993.1}\n')
})
test.each([
  ['a column that is no number', { kind: 'sum', by: ['k'] }, ['k,x\na,one\n'], /part 0 .*"one" is not a number \(row 1, column x\)/], ['a key that is no column', { kind: 'sum', by: ['z'] }, ['k,x\na,1\n'], /no column z/],
  ['a row with a field too many', { kind: 'count', by: ['k'] }, ['k,x\na,1,2\n'], /row 1 has 3 fields/], ['CSV behind JSON', { kind: 'count', by: ['k'] }, ['{"k":1}\n', 'k\n1\n'], /part 1 .*it is csv/],
  ['text that is no UTF-8', { kind: 'count', by: ['k'] }, [new Uint8Array([0x6b, 0x0a, 0xff, 0x0a])], /not UTF-8/], ['parts out of order', { kind: 'sort' }, ['b\na\n'], /part 0 is not sorted: its line 2/],
] as const)('%s is told, with the part', async (_what, merge, parts, says) => { await expect(merged(merge as unknown as BuiltInMerge, parts)).rejects.toThrow(says) })
test('sorted parts: by bytes or by number, either way round, also more parts than are read at a time', async () => {
  expect(await merged({ kind: 'sort' }, ['a\nc', 'B\nb\n', ''])).toBe('B\na\nb\nc\n')
  expect(await merged({ kind: 'sort', numeric: true }, ['9 x\n10 y\n', '-1\n9.5\n'])).toBe('-1\n9 x\n9.5\n10 y\n')
  expect(await merged({ kind: 'sort', reverse: true }, ['c\na\n', 'b\n'])).toBe('c\nb\na\n')
  const many = Array.from({ length: 100 }, (_one, i) => `${String(i).padStart(4, '0')}\n${String(i + 1000)}\n`)
  expect(await merged({ kind: 'sort' }, many)).toBe(many.join('').split('\n').filter((line) => line).toSorted().map((line) => `${line}\n`).join(''))
})

const key = fc.constantFrom('a', 'b', 'a\u0000', '\u0000b', 'é', '"q"')
test('however the rows are cut into parts, and however few keys fit in memory, the table is the same', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.tuple(key, key, fc.integer()), { minLength: 1, maxLength: 40 }), fc.array(fc.nat(40), { maxLength: 5 }), fc.constantFrom('sum', 'min', 'max', 'count'), fc.integer({ min: 1, max: 5 }), async (rows, cuts, kind, keysMax) => {
    const text = rows.map(([k, l, v]) => `${JSON.stringify({ k, l, v })}\n`), places = [0, ...cuts.toSorted((a, b) => a - b), text.length]
    const parts = places.slice(1).map((to, i) => text.slice(places[i], to).join(''))
    const one = await merged({ kind, by: ['k', 'l'] }, [text.join('')])
    expect(await merged({ kind, by: ['k', 'l'] }, parts, { keysMax })).toBe(one)
    const expected = new Map<string, bigint[]>()
    for (const [k, l, v] of rows) { const name = JSON.stringify([k, l]); expected.set(name, [...(expected.get(name) ?? []), BigInt(v)]) }
    const fold = { sum: (a: bigint, b: bigint) => a + b, min: (a: bigint, b: bigint) => (b < a ? b : a), max: (a: bigint, b: bigint) => (b > a ? b : a), count: (a: bigint) => a }
    const found = one.trim().split('\n').map((line) => JSON.parse(line) as Record<string, string | number>)
    expect(found).toHaveLength(expected.size)
    for (const row of found) { const values = expected.get(JSON.stringify([row['k'], row['l']])) as bigint[]; expect(BigInt(row[kind === 'count' ? 'count' : 'v'] as number)).toBe(kind === 'count' ? BigInt(values.length) : values.reduce(fold[kind])) }
  }), { numRuns: 60 })
})
test('whatever the parts, sorting them one by one and merging is sorting the whole', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.array(fc.string({ unit: 'grapheme', maxLength: 5 }).map((one) => one.replaceAll(/[\r\n]/g, '')), { maxLength: 8 }), { minLength: 1, maxLength: 40 }), async (parts) => {
    const sorted = (lines: string[]) => lines.map((line) => Buffer.from(line)).toSorted((a, b) => a.compare(b)).map((line) => `${line.toString()}\n`).join('')
    expect(await merged({ kind: 'sort' }, parts.map(sorted))).toBe(sorted(parts.flat()))
  }), { numRuns: 40 })
})

test('a file that is there already stays, unless it is to be replaced', async () => {
  const target = aPlace()
  writeFileSync(target, 'mine')
  await expect(merged({ kind: 'concat' }, ['x'], { target, overwrite: false })).rejects.toMatchObject({ code: 'file_exists' })
  expect(readFileSync(target, 'utf8')).toBe('mine')
})
test('a connection that breaks in the middle: merging again goes on behind the last part that was kept, and nothing is there twice', async () => {
  const target = aPlace(), parts = Array.from({ length: 10 }, (_one, i) => Buffer.from(`part ${i}`.repeat(50)))
  const source = (breaksAt: number, opened: number[]) => ({ parts: 10, hashes: parts.map((part) => sha(part)), open: (part: number) => { opened.push(part); return (async function* () { yield* slowly(parts[part] as Buffer, 100); if (part === breaksAt) throw new Error('cut') })() } })
  const first: number[] = [], second: number[] = []
  await expect(mergeToFile({ kind: 'lines' }, source(6, first), { target, journalBytes: 1 })).rejects.toThrow('cut')
  expect(existsSync(target)).toBe(false)
  await mergeToFile({ kind: 'lines' }, source(-1, second), { target })
  expect([first, second]).toEqual([[0, 1, 2, 3, 4, 5, 6], [6, 7, 8, 9]])
  expect(readFileSync(target, 'utf8')).toBe(parts.map((part) => `${part.toString()}\n`).join('').slice(0, -1))
})
test('a journal of other results is not believed', async () => {
  const target = aPlace()
  const broken = (text: string) => ({ parts: 2, hashes: [text, 'x'], open: (part: number) => (async function* () { if (part === 1) throw new Error('cut'); yield Buffer.from(text) })() })
  await expect(mergeToFile({ kind: 'concat' }, broken('old'), { target, journalBytes: 1 })).rejects.toThrow('cut')
  expect(await merged({ kind: 'concat' }, ['new', '!'], { target })).toBe('new!')
})
test('two processes do not merge into one place; a mark left by one that died is no obstacle', async () => {
  const target = aPlace()
  const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1e6)'], { stdio: 'ignore' })
  onTestFinished(() => { child.kill('SIGKILL') })
  await expect(mergeToFile({ kind: 'concat' }, { parts: 1, hashes: ['x'], open: () => (async function* () { yield Buffer.from('x'); throw new Error('cut') })() }, { target })).rejects.toThrow('cut')
  writeFileSync(`${target}.merging/lock`, String(child.pid))
  await expect(merged({ kind: 'concat' }, ['x'], { target })).rejects.toThrow(`Process ${child.pid} is merging`)
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
  expect(await merged({ kind: 'concat' }, ['x'], { target })).toBe('x')
  expect(readdirSync(join(target, '..'))).toEqual(['out'])
})

test('what was split and not changed, merged, is the input again: CSV with its header, lines, bytes', async () => {
  const cell = fc.constantFrom('a', '', '1', '"x\ny"', '"q""q"', 'é日', '"\r\n,"', '5" pipe'), end = fc.constantFrom('\n', '\r\n')
  const record = fc.tuple(fc.array(cell, { minLength: 1, maxLength: 3 }), end).map(([cells, newline]) => cells.join(',') + newline)
  await fc.assert(fc.asyncProperty(record, fc.array(record, { minLength: 1, maxLength: 25 }), fc.constantFrom('', '\ufeff'), fc.boolean(), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 9 }), async (head, records, mark, cut, sizes, step) => {
    const text = mark + head + records.join(''), input = Buffer.from(cut ? text.replace(/\r?\n$/, '') : text)
    for (const [by, kind] of [['csv', 'csv'], ['lines', 'lines'], ['bytes', 'concat']] as const) {
      const { header, chunks } = await planChunks([input], { by, sizes }).catch((error: unknown) => { if ((error as { problem?: string }).problem === 'header_only') return { header: null, chunks: [] }; throw error })
      if (chunks.length === 0) continue
      const parts = chunks.map(({ from, to }) => Buffer.concat([header ? input.subarray(header.from, header.to) : Buffer.alloc(0), input.subarray(from, to)]))
      expect(await merged({ kind }, parts, { step })).toBe(input.toString())
    }
  }), { numRuns: 60 })
})
