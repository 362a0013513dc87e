// `lumaris template`, and `lumaris run --template`, against a real market.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startMarket } from '../../../tests/start-market.ts'
import type { TestMarket } from '../../../tests/start-market.ts'
import { aShell } from './test-cli.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 1 }) })
afterAll(() => market.stop())
const TRAIN = { parameters: { word: { choices: ['small', 'big'] }, rate: { type: 'number', default: '0.1' } }, files: ['data.txt'], spec: { name: 'train {{word}}', command: ['fake:print', '{{word}} at {{rate}}; ', ';', 'fake:cat', 'data.txt'] } }
function shell(file: unknown = TRAIN) {
  const world = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer })
  writeFileSync(join(world.cwd, 't.json'), JSON.stringify(file))
  writeFileSync(join(world.cwd, 'data.txt'), 'data')
  return world
}

test('saved with its files, listed, shown, run from elsewhere with values, removed', async () => {
  const { cli } = shell()
  expect(await cli(['template', 'save', 'train', 't.json'])).toMatchObject({ code: 0, stdout: expect.stringContaining('word (small|big), rate=0.1 (number)') })
  expect((await cli(['template', 'list'])).stdout).toMatch(/^train\tword \(small\|big\), rate=0\.1 \(number\)\tfake:print/)
  expect(JSON.parse((await cli(['template', 'show', 'train'])).stdout)).toMatchObject({ name: 'train', parameters: { rate: { type: 'number', default: '0.1' } }, spec: { inputs: [{ path: 'data.txt', size: 4 }] } })
  const elsewhere = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer })
  expect(await elsewhere.cli(['run', '--template', 'train', '--set', 'word=big'])).toMatchObject({ code: 0, stdout: 'big at 0.1; data' })
  expect(await elsewhere.cli(['run', '--template', 'train', '--set', 'word=small', '--set', 'rate=2', '--cpus', '0.5'])).toMatchObject({ code: 0, stdout: 'small at 2; data' })
  expect((await cli(['jobs', '--json'])).stdout).toContain('"name": "train small"')
  expect((await cli(['template', 'remove', 'train'])).code).toBe(0)
  expect(await cli(['run', '--template', 'train'])).toMatchObject({ code: 3, stderr: expect.stringContaining('hint:') })
  expect(await cli(['template', 'remove', 'train'])).toMatchObject({ code: 3 })
})
test('saving again replaces it', async () => {
  const { cli, cwd } = shell()
  await cli(['template', 'save', 'again', 't.json'])
  writeFileSync(join(cwd, 't.json'), JSON.stringify({ spec: { command: ['fake:print', 'other'] } }))
  await cli(['template', 'save', 'again', 't.json'])
  expect((await cli(['run', '--template', 'again'])).stdout).toBe('other')
})
test.each([
  [[], 'word is missing'], [['--set', 'word=huge'], 'word must be one of small, big'], [['--set', 'word=big', '--set', 'rate=fast'], 'rate must be a number'], [['--set', 'word=big', '--set', 'speed=1'], 'there is no parameter speed'], [['--set', 'word=big', '--set', 'word=small'], 'word is set twice'],
  [['--set', 'word=big', '--', 'echo'], 'has a program already'],
])('run --template refused with %j: exit code 2, the parameter by name, and nothing submitted', async (args, says) => {
  const { cli } = shell()
  await cli(['template', 'save', 'strict', 't.json'])
  const before = (await cli(['jobs', '-q'])).stdout, ran = await cli(['run', '--template', 'strict', ...args])
  expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining(says)])
  expect(ran.stderr).toContain('hint:')
  expect((await cli(['jobs', '-q'])).stdout).toBe(before)
})
test.each([
  [{ spec: { command: ['{{x}}'] } }, 1, '{{x}} stands in the job'], [{ parameters: { x: {} }, spec: { command: ['y'] } }, 1, 'the parameter x is used nowhere'], [{ spec: { command: [] } }, 2, '/spec/command'], [{ parameters: {} }, 2, 'has no spec'], [{ spec: { command: ['x'] }, files: ['gone'] }, 2, 'There is no file gone'],
])('%j is not saved', async (file, code, says) => expect(await shell(file).cli(['template', 'save', 'bad', 't.json'])).toMatchObject({ code, stderr: expect.stringContaining(says) }))
test('a name that is none, and --set without a template', async () => {
  const { cli } = shell()
  expect((await cli(['template', 'save', '../x', 't.json'])).code).not.toBe(0)
  expect(await cli(['run', '--set', 'a=b', '--', 'echo'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--set is for --template') })
})
