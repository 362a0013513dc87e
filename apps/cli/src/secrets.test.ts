// `--secret`, against a real market: the value comes from the shell or a file, never from the command line.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startMarket } from '../../../tests/start-market.ts'
import type { TestMarket } from '../../../tests/start-market.ts'
import { aShell } from './test-cli.ts'

const VALUE = 'a long value of a secret'
let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 1 }) })
afterAll(() => market.stop())
const shell = (more: Record<string, string> = {}) => aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer, ...more })
const ENDS_WITH = (code: string) => ['--', 'fake:exit-if', 'TOKEN', VALUE, code]

test('from the variable of the same name, or from a file without its last line break', async () => {
  expect((await shell({ TOKEN: VALUE }).cli(['run', '--secret', 'TOKEN', ...ENDS_WITH('41')])).code).toBe(41)
  const { cli, cwd } = shell()
  writeFileSync(join(cwd, 'token.txt'), `${VALUE}\n`)
  expect((await cli(['run', '--secret', 'TOKEN=@token.txt', ...ENDS_WITH('42')])).code).toBe(42)
  const listed = (await cli(['jobs', '--json'])).stdout
  expect(listed).toContain('"secrets"')
  expect(listed.match(/"TOKEN"/g)?.length).toBeGreaterThan(1)
  expect((await cli(['submit', '--wait', '--secret', 'TOKEN=@token.txt', ...ENDS_WITH('42')])).code).toBe(9)
  expect((await cli(['quote', '--secret', 'TOKEN=@token.txt', '--', 'fake:print', 'x'])).code).toBe(0)
})
test.each([
  [['--secret', `TOKEN=${VALUE}`], 'stands in the command line'], [['--secret', 'TOKEN'], 'no variable TOKEN'], [['--secret', 'TOKEN=@nowhere.txt'], 'nowhere.txt cannot be read'], [['--secret', 'TO KEN=@job.json'], 'cannot be the name'],
  [['--spec', 'job.json'], 'asks for the secret TOKEN'],
])('refused with %j, in words that say what to do, and without the value', async (args, says) => {
  const { cli, cwd } = shell()
  writeFileSync(join(cwd, 'job.json'), JSON.stringify({ command: ['fake:print', 'x'], secrets: ['TOKEN'] }))
  const ran = await cli(['submit', ...args, '--', 'fake:print', 'x'])
  expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining(says)])
  expect(ran.stderr).not.toContain(VALUE)
  expect(ran.stderr).toContain('hint:')
})
test('a job that asks for a secret is not given whatever variable of this shell has its name', async () => {
  const { cli, cwd } = shell({ TOKEN: VALUE })
  writeFileSync(join(cwd, 'job.json'), JSON.stringify({ command: ['fake:print', 'x'], secrets: ['TOKEN'] }))
  expect(await cli(['run', '--spec', 'job.json'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--secret TOKEN') })
})
