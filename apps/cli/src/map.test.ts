// `lumaris map` and `lumaris retry` against a real market; only the isolation driver is one that needs no sandbox.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JobId } from '@lumaris/protocol'
import { startMarket } from '../../../tests/start-market.ts'
import type { TestMarket } from '../../../tests/start-market.ts'
import { aShell } from './test-cli.ts'
import { splitWords } from './words.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 2 }) })
afterAll(() => market.stop())
const shell = () => aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer })
const rows = (count: number): string => `id,x\n${Array.from({ length: count }, (_one, i) => `${i},${i % 10}\n`).join('')}`
const idIn = (text: string): string => /job_[0-9a-z]{26}/.exec(text)?.[0] ?? ''

test('a file by its records, merged by key: quote, progress, cost and hash on stderr, nothing on stdout', async () => {
  const { cli, cwd } = shell()
  writeFileSync(join(cwd, 'big.csv'), rows(1000))
  const ran = await cli(['map', '--input', 'big.csv', '--by', 'records', '--chunks', '7', '--merge', 'count', '--key', 'x', '--output', 'sums.csv', '--', 'fake:cat'])
  expect([ran.code, ran.stdout]).toEqual([0, ''])
  expect(readFileSync(join(cwd, 'sums.csv'), 'utf8')).toBe(`x,count\n${Array.from({ length: 10 }, (_one, i) => `${i},100\n`).join('')}`)
  expect(ran.stderr).toMatch(/^7 parts of 1000 records; about [\d.]+, at most [\d.]+ credits; 2 of 2 nodes free$/m)
  expect(ran.stderr).toMatch(/^7 of 7 parts/m)
  expect(ran.stderr).toMatch(/^merged 7 parts into .*sums\.csv \(68 B, sha256 [0-9a-f]{64}\); cost [\d.]+ credits of at most [\d.]+$/m)
  expect(readdirSync(cwd).toSorted()).toEqual(['big.csv', 'sums.csv'])
})
test('a reduce command with a file of its own, and the map from its id alone in another folder', async () => {
  const { cli, cwd } = shell()
  writeFileSync(join(cwd, 'intro.txt'), 'sum:\n')
  const ran = await cli(['map', '--range', '1..5', '--chunk-size', '1', '--reduce', 'fake:cat intro.txt', '--fan-in', '5', '--', 'echo', '{from}'])
  expect(ran.code, ran.stderr).toBe(0)
  expect(readFileSync(join(cwd, 'merged.txt'), 'utf8')).toBe('sum:\n1\n2\n3\n4\n5\n')
  const other = shell()
  expect((await other.cli(['map', '--resume', idIn(ran.stderr), '--output', 'again.txt'])).code).toBe(0)
  expect(readFileSync(join(other.cwd, 'again.txt'), 'utf8')).toBe('sum:\n1\n2\n3\n4\n5\n')
})
test('on a terminal: a bar, rate, time left and cost under the cap', async () => {
  const { cli, cwd } = shell()
  writeFileSync(join(cwd, 'in.txt'), 'x\n'.repeat(50_000))
  let screen = ''
  const ran = await cli(['map', '--input', 'in.txt', '--chunks', '12', '--cap', '0.5', '--time', '1m', '--', 'fake:sleep', '150', ';', 'fake:cat'], { tty: true, columns: 160, onWrite: (text) => { screen += text } })
  expect(ran.code).toBe(0)
  expect(screen).toMatch(/█+░+ \d+ of 12 parts, \d+ running · [\d.]+ KiB\/s · [\d.]+ (ms|s) left · [\d.]+ of at most 0\.50 credits/)
  expect(readFileSync(join(cwd, 'merged.txt'), 'utf8')).toBe('x\n'.repeat(50_000))
})
test('what fails is told and listed; retry repeats just that, and merges', async () => {
  const { cli, cwd } = shell()
  const ran = await cli(['map', '--item', 'a', '--item', 'b', '--item', 'c', '--keep-going', '--', 'fake:exit-if', 'LUMARIS_TASK', '1', '7', ';', 'echo'])
  expect(ran.code).toBe(9)
  const id = idIn(ran.stderr)
  expect(ran.stderr).toContain('error: 1 of 3 parts have no result (buyer exit): 1')
  expect(ran.stderr).toContain(`lumaris retry ${id}`)
  expect((await cli(['map', '--resume', id])).code).toBe(9)
  const again = await cli(['retry', id])
  expect([again.code, again.stderr.includes(`repeats 1 of 3 parts`)]).toEqual([0, true])
  expect(readFileSync(join(cwd, 'merged.txt'), 'utf8')).toBe('a\nb\nc\n')
  expect((await cli(['retry', id, '--overwrite'])).code).toBe(0) // nothing to repeat: merged once more
})
test('results of parts are fetched like any other', async () => {
  const { cli, cwd } = shell()
  const id = idIn((await cli(['map', '--item', 'a', '--item', 'b', '--detach', '--', 'echo'])).stdout)
  await market.ended(id as JobId)
  expect((await cli(['results', id])).code).toBe(0)
  expect(readFileSync(join(cwd, 'task-1/result'), 'utf8')).toBe('b\n')
})
test('parts that stay apart are saved each in its folder', async () => {
  const { cli, cwd } = shell()
  expect((await cli(['map', '--grid', 'seed=1..2', '--merge', 'none', '--result', 'out', '--output', 'kept', '--', 'fake:write', 'out', '{seed}'])).code).toBe(0)
  expect(readFileSync(join(cwd, 'kept/part-00001/out'), 'utf8')).toBe('2')
})
test('parts that stay apart and are cut while they run are numbered in the order of the input, and the listing says what each is of it', async () => {
  const { cli, cwd } = shell(), text = rows(40_000)
  writeFileSync(join(cwd, 'big.csv'), text)
  const ran = await cli(['map', '--input', 'big.csv', '--by', 'records', '--parts-max', '12', '--merge', 'none', '--output', 'kept', '--json-lines', '--', 'fake:cat'])
  expect(ran.code, ran.stderr).toBe(0)
  const { parts } = JSON.parse(ran.stdout.trim().split('\n').at(-1) as string) as { parts: { directory: string; part: number; range: { from: number; to: number } }[] }
  expect(parts.length).toBeGreaterThan(3)
  expect(readdirSync(join(cwd, 'kept')).toSorted()).toEqual(parts.map((_part, i) => `part-${String(i).padStart(5, '0')}`))
  expect(parts.map(({ part, directory }) => [part, directory.slice(-10)])).toEqual(parts.map(({ range }, i) => [range.from, `part-${String(i).padStart(5, '0')}`]))
  for (const { directory, range } of parts) expect(readFileSync(join(directory, 'result'), 'utf8')).toBe(`id,x\n${text.slice(range.from, range.to)}`)
  expect(parts.map(({ directory }) => readFileSync(join(directory, 'result'), 'utf8').slice('id,x\n'.length)).join('')).toBe(text.slice('id,x\n'.length))
  // Fetched again from its id, also in another folder, they have the same names.
  const id = idIn(ran.stdout)
  expect((await cli(['map', '--resume', id, '--output', 'again'])).code).toBe(0)
  for (const { directory } of parts) expect(readFileSync(join(cwd, 'again', directory.slice(-10), 'result'))).toEqual(readFileSync(join(directory, 'result')))
})
test('files of a folder or a pattern', async () => {
  const { cli, cwd } = shell()
  mkdirSync(join(cwd, 'data/deep'), { recursive: true })
  for (const [name, text] of [['a.txt', '1\n'], ['b.csv', '2\n'], ['deep/c.txt', '3\n'], ['.hidden', '4\n']] as const) writeFileSync(join(cwd, 'data', name), text)
  const printed = async (input: string): Promise<string> => { expect((await cli(['map', '--input', input, '--overwrite', '--', 'fake:cat'])).code).toBe(0); return readFileSync(join(cwd, 'merged.txt'), 'utf8') }
  expect(await printed('data')).toBe('1\n2\n3\n')
  expect(await printed('data/*.txt')).toBe('1\n')
  expect(await printed('data/**')).toBe('1\n2\n3\n')
})
test('Ctrl-C leaves the map running, and says how to go on', async () => {
  const { cli, cwd } = shell()
  const ran = await cli(['map', '--item', 'x', '--', 'fake:sleep', '300', ';', 'echo'], { onWrite: (text, keys) => { if (text.includes('1 running') || text.includes('0 of 1 parts')) keys.interrupt() } })
  expect(ran.code).toBe(130)
  const [, id = ''] = /lumaris map --resume (job_\w+)/.exec(ran.stderr) ?? []
  expect((await cli(['map', '--resume', id])).code).toBe(0)
  expect(readFileSync(join(cwd, 'merged.txt'), 'utf8')).toBe('x\n')
})
test('as JSON: a line for each part, and the end with hash and cost', async () => {
  const { stdout } = await shell().cli(['map', '--json=lines', '--range', '1..3', '--', 'echo'])
  const lines = stdout.trim().split('\n').map((line) => JSON.parse(line) as { type: string; part?: number })
  expect(lines.filter((line) => line.type === 'part').map((line) => line.part).toSorted((a = 0, b = 0) => a - b)).toEqual([0, 1, 2])
  expect(lines.at(-1)).toMatchObject({ type: 'end', state: 'completed', merged: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }, cost: expect.stringMatching(/^\d+$/) })
})
test.each([
  [['--', 'echo'], 2, 'nothing to split'], [['--input', 'no.csv', '--', 'echo'], 2, 'There is no file no.csv'], [['--item', 'a', '--range', '1..2', '--', 'echo'], 2, 'Split one thing'], [['--item', 'a'], 2, 'no program to run'],
  [['--item', 'a', '--merge', 'lines', '--key', 'x', '--', 'echo'], 2, '--key is for'], [['--item', 'a', '--merge', 'sum', '--reduce', 'x', '--', 'echo'], 2, 'Merge in one way'], [['--item', 'a', '--reduce', 'a | b', '--', 'echo'], 2, 'none runs here'],
  [['--range', '1..5', '--cap', '0.01', '--', 'echo'], 1, 'No node is sure to run'],
  [['--range', '5..1', '--', 'echo'], 2, 'is not a range'], [['--input', 'empty', '--', 'fake:cat'], 2, 'The input is empty'], [['--input', 'head.csv', '--', 'fake:cat'], 2, 'a header and no records'], [['--input', 'empty', '--by', 'records', '--', 'fake:cat'], 2, 'Nothing says what the records'],
  [['--item', 'a', '--output', 'empty', '--', 'echo'], 6, 'exists already'], [['--resume', `job_${'0'.repeat(26)}`], 3, 'No such thing'],
])('%j: exit code %d, with what to do', async (args, code, says) => {
  const { cli, cwd } = shell()
  writeFileSync(join(cwd, 'empty'), '')
  writeFileSync(join(cwd, 'head.csv'), 'a,b\n')
  const ran = await cli(['map', ...args])
  expect([ran.code, ran.stderr]).toEqual([code, expect.stringContaining(says)])
  expect(ran.stderr).toContain('hint:')
})
test('a command in one argument, as words', () => {
  expect(splitWords(`python3 'my sum.py' "a \\" b" c\\ d ''`)).toEqual(['python3', 'my sum.py', 'a " b', 'c d', ''])
  for (const bad of ['a "b', '', '  ', 'a > b', 'echo $HOME', 'a; b']) expect(() => splitWords(bad), bad).toThrow()
})
test('late parts may be begun twice, up to a twentieth of the work unless told otherwise, and not where that is no help', async () => {
  const { cli } = shell()
  const specOf = async (...options: string[]) => { const ran = await cli(['map', '--range', '1..4', '--detach', ...options, '--', 'echo']); expect(ran.code, ran.stderr).toBe(0); return JSON.parse((await cli(['job', ran.stdout.trim(), '--json'])).stdout).spec.speculate }
  expect(await specOf()).toBe(0.05)
  expect(await specOf('--speculate', '0.25')).toBe(0.25)
  expect(await specOf('--speculate', '0')).toBe(0)
  expect(await specOf('--assurance', '1e-2')).toBeUndefined()
  const wrong = await cli(['map', '--range', '1..4', '--speculate', '5%', '--', 'echo'])
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('"5%" is not a share. Write it such as 0.05; at most 1.')])
})
test('lumaris job says of one that runs how far it is and how long it still takes', async () => {
  const { cli } = shell()
  const id = idIn((await cli(['submit', '--each', '10', '--each', '600000', '--', 'fake:sleep'])).stdout)
  await expect.poll(async () => (await market.call(market.buyer, 'GET', `/v1/jobs/${id}`)).body.tasks.done, { timeout: 60_000 }).toBe(1)
  const { stdout } = await cli(['job', id])
  expect(stdout).toMatch(/^left\s+about [\d.]+ \S+/m)
  expect(stdout).toMatch(/^done\s+50 % of the work, [\d.]+ tasks\/min$/m)
  expect((await cli(['cancel', id])).code).toBe(0)
})
test('an input that is not UTF-8 is told, and its bytes come back as they are', async () => {
  const { cli, cwd } = shell(), bytes = Buffer.concat([Buffer.from('good\n'.repeat(1000)), Buffer.from([0xff, 0x0a])])
  writeFileSync(join(cwd, 'in.txt'), bytes)
  const ran = await cli(['map', '--input', 'in.txt', '--by', 'lines', '--merge', 'concat', '--', 'fake:cat'])
  expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining('The input is not UTF-8 (byte 5000); its bytes go to the program as they are')])
  expect(readFileSync(join(cwd, 'merged.txt')).equals(bytes)).toBe(true)
})
test('a list is one item to a part; with a target time parts have several, and the points of a grid are words', async () => {
  const { cli, cwd } = shell(), items = Array.from({ length: 300 }, (_one, i) => `i${i}`), merged = () => readFileSync(join(cwd, 'merged.txt'), 'utf8').split(/\s+/).filter((word) => word !== '')
  writeFileSync(join(cwd, 'items.txt'), `${items.join('\n')}\n`)
  const ran = await cli(['map', '--items', 'items.txt', '--target-time', '5s', '--', 'echo', '{}'])
  expect([ran.code, ran.stderr]).toEqual([0, expect.stringMatching(/up to \d+ parts/)])
  expect(merged()).toEqual(items)
  expect(Number(/merged (\d+) parts/.exec(ran.stderr)?.[1])).toBeLessThan(300)
  expect((await cli(['map', '--grid', 'a=1,2', '--grid', 'b=1..40', '--parts-max', '30', '--overwrite', '--', 'echo'])).code).toBe(0)
  expect(merged()).toEqual([1, 2].flatMap((a) => Array.from({ length: 40 }, (_one, i) => `a=${a},b=${i + 1}`)))
  const one = await cli(['map', '--grid', 'a=1,2', '--target-time', '5s', '--overwrite', '--', 'echo', '{a}'])
  expect([one.code, one.stderr]).toEqual([2, expect.stringContaining('one item at a time')])
})
test('a file is cut while the map runs, as it was told; retry repeats what is missing of it; with --no-divide all parts are planned', async () => {
  const { cli, cwd } = shell(), lines = Array.from({ length: 3000 }, (_one, i) => `${i}\n`).join('')
  writeFileSync(join(cwd, 'in.txt'), lines)
  const specOf = async (id: string) => JSON.parse((await cli(['job', id, '--json'])).stdout).spec
  // The third part fails in the first job; the job that repeats it has two at most.
  const ran = await cli(['map', '--input', 'in.txt', '--by', 'lines', '--target-time', '5s', '--parts-max', '3', '--keep-going', '--', 'fake:exit-if', 'LUMARIS_TASK', '2', '7', ';', 'fake:cat'])
  expect([ran.code, ran.stderr]).toEqual([9, expect.stringContaining('1 of 3 parts have no result')])
  expect(ran.stderr).toMatch(/up to 3 parts of 3000 records/)
  const id = /--resume (job_\w+)/.exec(ran.stderr)?.[1] as string
  expect((await specOf(id)).divide).toEqual({ targetMs: 5000, most: 3 })
  const again = await cli(['retry', id])
  expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('repeats 1 of 3 parts')])
  expect(readFileSync(join(cwd, 'merged.txt'), 'utf8')).toBe(lines)
  const planned = await cli(['map', '--input', 'in.txt', '--by', 'lines', '--no-divide', '--overwrite', '--', 'fake:cat'])
  expect([planned.code, planned.stderr]).toEqual([0, expect.stringMatching(/^(?!.*up to \d+ parts)/s)])
  expect((await specOf(/--resume (job_\w+)/.exec(planned.stderr)?.[1] as string)).divide).toBeUndefined()
  const both = await cli(['map', '--input', 'in.txt', '--by', 'lines', '--no-divide', '--target-time', '5s', '--overwrite', '--', 'fake:cat'])
  expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('Leave --no-divide out')])
})
