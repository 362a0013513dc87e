// The server's side of comparing: who stands for whom, in which order, and what happens when a comparison does not end.
import { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import type { AttemptId, Compare, ResultFile } from '@lumaris/protocol'
import type { AttemptRow, MarketState } from '@lumaris/domain'
import { createLog } from '../log.ts'
import { sha256Hex } from '../signatures.ts'
import { createComparator } from './comparator.ts'

function setup(compare: Compare | undefined, pairMs?: number) {
  const texts = new Map<string, string>(), reads: string[] = [], attempts: AttemptRow[] = []
  const jobs = new Map([['job', { row: { spec: { compare } }, attempts }]])
  const state = { attempts: { get: (id: string) => attempts.find((one) => one.id === id) }, jobs } as unknown as MarketState
  const comparator = createComparator({ state: () => state, log: createLog('silent', 'test'), blobs: { read: (blob) => { reads.push(blob); return Readable.from([Buffer.from(texts.get(blob) ?? '')]) } }, ...(pairMs === undefined ? {} : { pairMs }) })
  onTestFinished(() => comparator.close())
  const file = (text: string, path = 'out'): ResultFile => { const blob = sha256Hex(text) as ResultFile['blob']; texts.set(blob, text); return { path, blob, size: Buffer.byteLength(text) } }
  const report = (id: string, text: string, more: { task?: number; path?: string; exitCode?: number } = {}) => {
    const files = [file(text, more.path)]
    attempts.push({ id, job: 'job', task: more.task ?? 0, state: 'running', files, exitCode: more.exitCode ?? 0 } as unknown as AttemptRow)
    return comparator.enter(id as AttemptId, more.exitCode ?? 0, files)
  }
  const commit = (id: string, alike: string | undefined): void => { const at = attempts.findIndex((one) => one.id === id); attempts[at] = { ...attempts[at]!, state: 'reported', ...(alike === undefined ? {} : { alike }) } }
  /** Reported, compared and committed. */
  const settle = async (id: string, text: string, more?: Parameters<typeof report>[2]): Promise<string | undefined> => { const found = await report(id, text, more); commit(id, found?.alike); found?.leave(); return found?.alike }
  return { comparator, report, commit, settle, reads }
}
const JSON_RULE: Compare = { kind: 'json', absolute: 0, relative: 0 }

test('the first of those that are the same stands for all of them', async () => {
  const { settle } = setup(JSON_RULE)
  const first = await settle('a', '[1]'), other = await settle('b', '[2]')
  expect(other).not.toBe(first)
  expect(await settle('c', '[1.0]')).toBe(first)
  expect(await settle('d', ' [2]')).toBe(other)
  expect(await settle('e', '[1]', { task: 1 })).toBe(first) // by its own name: nobody of its task to compare with
})

test('another exit code, another path and one file more are another result', async () => {
  const { settle } = setup(JSON_RULE), first = await settle('a', '[1]')
  expect(await settle('b', '[1]', { exitCode: 1 })).not.toBe(first)
  expect(await settle('c', '[1]', { path: 'elsewhere' })).not.toBe(first)
})

test('two that come at once are looked at one after the other, until the first is committed', async () => {
  const { report, commit } = setup(JSON_RULE)
  const a = await report('a', '[1]'), b = report('b', '[1.0]')
  let done = false
  void b?.then(() => { done = true })
  await new Promise(setImmediate)
  expect(done).toBe(false)
  commit('a', a?.alike)
  a?.leave()
  expect((await b)?.alike).toBe(a?.alike)
})

test('a first one that is never committed is nobody’s example, and holds nobody up', async () => {
  const { report } = setup(JSON_RULE)
  const a = await report('a', '[1]')
  a?.leave() // its writer was replaced
  const b = await report('b', '[2]')
  expect(b?.alike).toBeDefined()
  expect(b?.alike).not.toBe(a?.alike)
})

test('what is compared by bytes is not read, and neither is what is too large', async () => {
  expect(setup(undefined).report('a', '[1]')).toBeNull()
  expect(setup({ kind: 'bytes' }).report('a', '[1]')).toBeNull()
  const { settle, reads } = setup(JSON_RULE), large = `[${' '.repeat(8 * 1024 * 1024)}]`
  expect(await settle('a', '[]')).toBeDefined()
  expect(await settle('b', large)).toBeUndefined()
  expect(reads).toEqual([])
})

test('a file that is larger than its node says is not read to its end, and is compared by its bytes', async () => {
  let sent = 0
  const endless = function* () { for (;;) { sent += 65_536; yield Buffer.alloc(65_536, '[') } }
  const attempts = [{ id: 'a', job: 'job', task: 0, state: 'reported', alike: 'x', exitCode: 0, files: [{ path: 'out', blob: 'b'.repeat(64), size: 2 }] }, { id: 'b', job: 'job', task: 0, state: 'running' }]
  const state = { attempts: { get: (id: string) => attempts.find((one) => one.id === id) }, jobs: new Map([['job', { row: { spec: { compare: JSON_RULE } }, attempts }]]) } as unknown as MarketState
  const comparator = createComparator({ state: () => state, log: createLog('silent', 'test'), blobs: { read: (blob) => (blob.startsWith('b') ? Readable.from([Buffer.from('[]')]) : Readable.from(endless())) } })
  onTestFinished(() => comparator.close())
  const found = await comparator.enter('b' as AttemptId, 0, [{ path: 'out' as ResultFile['path'], blob: 'c'.repeat(64) as ResultFile['blob'], size: 100 }])
  expect(found?.alike).toBeUndefined()
  expect(sent).toBeLessThan(10_000_000)
  found?.leave()
})

test('a comparison that does not end is ended, agrees with nothing, and the next one is heard', async () => {
  const slow = setup(JSON_RULE, 1)
  const first = await slow.settle('a', '[1]')
  expect(await slow.settle('b', '[1.0]')).not.toBe(first) // a thread does not even start in a millisecond
  const { settle } = setup(JSON_RULE), many = `[${'{"a":[[[1]]]},'.repeat(70_000)}1]`
  const one = await settle('a', many)
  expect(await settle('b', many.replaceAll(':', ' : '))).toBe(one)
  expect(await settle('c', '['.repeat(1_000_000))).not.toBe(one)
  expect(await settle('d', `${many} `)).toBe(one)
})
