import { afterEach, expect, test } from 'vitest'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LogGapError, createLogStore } from './log-segments.ts'
import type { LogRecord } from './log-segments.ts'

const ATTEMPT = `att_${'0'.repeat(26)}`
const dirs: string[] = []
afterEach(() => { for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true }) })
function setup(options: { dir?: string; maxBytes?: number } = {}) {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'lumaris-logs-'))
  if (!options.dir) dirs.push(dir)
  let over = false
  const store = createLogStore({ dir, maxBytesPerAttempt: options.maxBytes ?? 1_000_000, isEnded: async () => over })
  return { dir, store, file: join(dir, '00', `${ATTEMPT}.log`), end: async () => { over = true; await store.close(ATTEMPT) }, put: (text: string, offset: number, stream: 'stdout' | 'stderr' = 'stdout') => store.append(ATTEMPT, stream, offset, Buffer.from(text), 7) }
}
const textOf = (records: readonly LogRecord[], stream = 'stdout'): string => records.filter((record) => record.stream === stream).map((record) => Buffer.from(record.data).toString()).join('')

test('what was appended is read back, stream by stream, from any cursor', async () => {
  const { store, put } = setup()
  await put('one ', 0); await put('err', 0, 'stderr'); await put('two', 4)
  const all = await store.read(ATTEMPT, undefined, 100)
  expect([textOf(all.records), textOf(all.records, 'stderr')]).toEqual(['one two', 'err'])
  expect(textOf((await store.read(ATTEMPT, all.records[1]?.cursor, 100)).records)).toBe('two')
  expect((await store.read(ATTEMPT, all.nextCursor, 100)).records).toEqual([])
  await store.stop()
})
test('repeated and overlapping pieces add only what is new; a gap is refused with the place to go on', async () => {
  const { store, put } = setup()
  await put('abc', 0); await put('abc', 0); await put('bcde', 1)
  expect(textOf((await store.read(ATTEMPT, undefined, 100)).records)).toBe('abcde')
  await expect(put('z', 9)).rejects.toThrow(LogGapError)
  await expect(put('z', 9)).rejects.toThrow(/at 5/)
  await put('f', 5)
  expect(textOf((await store.read(ATTEMPT, undefined, 100)).records)).toBe('abcdef')
  await store.stop()
})
test('a tail torn by a crash is cut at the next opening, and the stream goes on where the whole records end', async () => {
  const first = setup()
  await first.put('whole', 0)
  await first.put('torn away', 5)
  await first.store.stop()
  const bytes = readFileSync(first.file)
  for (const cut of [1, 5, 12, 20]) {
    writeFileSync(first.file, bytes.subarray(0, bytes.length - cut))
    const again = setup({ dir: first.dir })
    await again.put('torn and said again', 5)
    expect(textOf((await again.store.read(ATTEMPT, undefined, 100)).records)).toBe('wholetorn and said again')
    await again.store.stop()
  }
  writeFileSync(first.file, bytes)
  appendFileSync(first.file, 'garbage that no writer made')
  const again = setup({ dir: first.dir })
  expect(textOf((await again.store.read(ATTEMPT, undefined, 100)).records)).toBe('wholetorn away')
  await again.put('!', 14)
  expect(textOf((await again.store.read(ATTEMPT, undefined, 100)).records)).toBe('wholetorn away!')
  await again.store.stop()
})
test('a follower gets what was there and what comes, without gap or double, and ends with the log', async () => {
  const { store, put, end } = setup()
  await put('0 ', 0)
  const seen: LogRecord[] = []
  const reading = (async () => { for await (const record of store.follow(ATTEMPT, undefined, new AbortController().signal)) seen.push(record) })()
  let offset = 2
  for (let n = 1; n < 50; n++) { await put(`${n} `, offset); offset += `${n} `.length }
  await end()
  await reading
  expect(textOf(seen)).toBe(Array.from({ length: 50 }, (_, n) => `${n} `).join(''))
  await store.stop()
})
test('over the bound the bytes are counted and not kept', async () => {
  const { store, put } = setup({ maxBytes: 50 })
  await put('x'.repeat(60), 0); await put('y'.repeat(60), 60)
  expect(textOf((await store.read(ATTEMPT, undefined, 100)).records)).toBe('x'.repeat(60))
  await store.stop()
})
test('a name that is no attempt never becomes a path', async () => {
  const { store } = setup()
  await expect(store.append('../../etc/passwd', 'stdout', 0, Buffer.from('x'), 0)).rejects.toThrow(RangeError)
  await expect(store.read('../x', undefined, 1)).rejects.toThrow(RangeError)
})
