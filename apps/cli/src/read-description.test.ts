import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import type { Context } from './context.ts'
import { CliError } from './failures.ts'
import { readDescription } from './read-description.ts'

const EXAMPLES = join(import.meta.dirname, '..', '..', '..', 'examples', 'pipeline')
/** A file of this name with this text; '-' is standard input. */
async function read(text: string, name = 'it.yaml'): Promise<unknown> {
  const cwd = mkdtempSync(join(tmpdir(), 'lumaris-cli-'))
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }))
  if (name !== '-') writeFileSync(join(cwd, name), text)
  return readDescription({ io: { cwd, stdin: Readable.from([text]) } } as unknown as Context, name, 'the hint')
}
const refused = (text: string, name?: string): Promise<string> => read(text, name).then(() => 'read', (error: unknown) => { if (!(error instanceof CliError) || error.exitCode !== 2 || error.hint === '') throw error; return error.message })

test('the examples in YAML say what those in JSON say', async () => {
  for (const name of ['pipeline', 'template']) expect(await read(readFileSync(join(EXAMPLES, `${name}.yaml`), 'utf8'))).toEqual(JSON.parse(readFileSync(join(EXAMPLES, `${name}.json`), 'utf8')))
})
test('words are words and numbers are numbers, as the core schema of YAML 1.2 has them; texts over several lines, aliases of whole values', async () => {
  expect(await read('a: yes\nb: on\nc: no\nd: true\ne: ~\nf: 0o17\ng: 1_000\nh: 2026-11-21\ni: 12:30:45\nj: "5"\nk: 1.5e3\nl: 010\nm: !!str 5\n')).toEqual({ a: 'yes', b: 'on', c: 'no', d: true, e: null, f: 15, g: '1_000', h: '2026-11-21', i: '12:30:45', j: '5', k: 1500, l: 10, m: '5' })
  expect(await read('a: |\n  one\n  two\nb: &x [1, { c: d }]\ne: [*x, *x]\n')).toEqual({ a: 'one\ntwo\n', b: [1, { c: 'd' }], e: [[1, { c: 'd' }], [1, { c: 'd' }]] })
})
test('by the ending of the name; standard input by how it begins', async () => {
  expect(await read('{"a": [1]}', 'it.json')).toEqual({ a: [1] })
  expect(await read(' \n{"a": 1}', '-')).toEqual({ a: 1 })
  expect(await read('a: 1\n', '-')).toEqual({ a: 1 })
  expect(await read('a: 1\n', 'Jobfile')).toEqual({ a: 1 })
  expect(await refused('a: 1', 'it.json')).toMatch(/^it\.json is not JSON: /)
  expect(await refused('{a: 1,,}', 'it.YML')).toMatch(/^it\.YML, line 1, column 7: /)
  expect(await readDescription({ io: { cwd: '/' } } as unknown as Context, 'nowhere.yaml', 'the hint').catch((error: unknown) => (error as CliError).message)).toMatch(/^Cannot read nowhere\.yaml: ENOENT/)
})
test.each([
  ['steps:\n  - name: a\n   command: [x]\n', /^it\.yaml, line 3, column \d+: /], ['a: 1\nb: 2\na: 3\n', 'it.yaml, line 3, column 1: Map keys must be unique'], ['a:\n\t- b\n', /line 2, column \d: Tabs are not allowed/], ['a: [1, 2\n', /^it\.yaml, line \d, column \d+: /],
  ['a: 1\nb: !!binary aGk=\n', /^it\.yaml, line 2, column \d+: Unresolved tag/], ['a: !run x\n', /line 1, column 4: Unresolved tag: !run/],
  ['a: &x { b: 1 }\nc:\n  <<: *x\n', 'it.yaml, line 3, column 3: merge keys (<<) are not read'], ['a: 1\n---\nb: 2\n', /line 2, column 1: a second document begins here/], ['%YAML 1.1\n---\na: yes\n', 'it.yaml, line 1, column 1: YAML 1.1 is not read'],
  ['command: {{text}}\n', /^it\.yaml, line 1, column \d+: With stringKeys, all keys must be strings/], ['a: .inf\n', 'it.yaml, line 1, column 4: Infinity is no number that can be sent as it is'], ['cap: 12345678901234567890\n', /line 1, column 6: 12345678901234567000 is no number/],
  ['a: *nowhere\n', /nowhere/], ['a: &x [*x]\n', 'it.yaml: an alias stands for something that it is a part of'],
] as const)('%j is refused, with its place and what to do', async (text, says) => {
  const told = await refused(text)
  if (typeof says === 'string') expect(told).toBe(says)
  else expect(told).toMatch(says)
})
test('what would fill the memory or the stack is refused: aliases of aliases, a hundred thousand brackets, a file that no request could carry', async () => {
  const bomb = ['a0: &a0 [x,x,x,x,x,x,x,x,x,x]', ...Array.from({ length: 4 }, (_one, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join()}]`)].join('\n')
  expect(await refused(bomb)).toContain('Excessive alias count')
  for (const deep of ['['.repeat(50_000) + ']'.repeat(50_000), '- '.repeat(50_000), '{a: '.repeat(20_000), Array.from({ length: 300 }, (_one, i) => `${' '.repeat(i)}a:`).join('\n')]) expect(await refused(deep)).toMatch(/^it\.yaml, line \d+, column \d+: it is nested more than 100 deep$/)
  expect(await refused(`# ${'x'.repeat(17 * 1024 * 1024)}`)).toBe('it.yaml is longer than 16 MiB')
})
