import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { LumarisError } from '@lumaris/sdk'
import { COMMANDS } from './commands.ts'
import { CliError, exitCodeOf, renderFailure } from './failures.ts'
import { findSettings, profileFiles, writeProfile } from './profile.ts'
import { aFolder, aShell } from './test-cli.ts'
import { createColours } from './ui/colours.ts'

const ESCAPE = '\u001b'

test('the overview has examples first, every command, and the exit codes', async () => {
  const { code, stdout } = await aShell().cli(['--help'])
  expect(code).toBe(0)
  expect(stdout.startsWith('Examples:\n')).toBe(true)
  for (const { name, hidden } of COMMANDS) expect(stdout.includes(`\n  ${name} `)).toBe(hidden !== true)
  expect(stdout).toContain('7 not enough credits')
})
test.each(COMMANDS.filter((entry) => !entry.hidden).map((entry) => entry.name))('the help of %s begins with examples', async (name) => {
  const { code, stdout, stderr } = await aShell().cli([name, '--help'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout.startsWith(`Examples:\n  lumaris ${name}`) || stdout.startsWith('Examples:\n  source') || stdout.startsWith('Examples:\n  lumaris')).toBe(true)
  expect(stdout).toContain(`Usage: lumaris ${name}`)
})
test('no words at all is a question for help', async () => expect((await aShell().cli([])).stdout).toContain('Usage: lumaris'))
test('a mistyped command is answered with the near one', async () => {
  const { code, stdout, stderr } = await aShell().cli(['jbos'])
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain('Did you mean jobs?')
})
test('a value that does not fit is answered with one that would', async () => {
  const { code, stderr } = await aShell().cli(['run', '--memory', 'lots', '--', 'x'])
  expect(code).toBe(2)
  expect(stderr).toContain('"lots" is not a size. Write it such as 512MiB, 2GB or 1.5GiB.')
})
test('an image without its digest is answered with what it should be', async () => {
  const { code, stderr } = await aShell().cli(['run', '--image', 'busybox:latest', '--', 'sh'])
  expect(code).toBe(2)
  expect(stderr).toContain('image: an image with its registry and its digest, such as docker.io/library/python@sha256:…')
})
test('what comes after two dashes belongs to the program, options and all', async () => {
  const { stderr, code } = await aShell().cli(['run', '--url', 'http://127.0.0.1:1', '--', 'prog', '--json', '--memory', 'x'])
  expect(code).toBe(1)
  expect(stderr).toContain('Cannot reach')
  expect(stderr).not.toContain('not a size')
})
test('a failure as JSON is one document on stderr, and stdout stays empty', async () => {
  const { code, stdout, stderr } = await aShell().cli(['wallet', '--json', '--url', 'ftp://x'])
  expect([code, stdout]).toEqual([2, ''])
  expect(JSON.parse(stderr)).toMatchObject({ code: 'usage', title: '"ftp://x" is not an address of a market' })
})
test('the version is told without a market', async () => expect(await aShell().cli(['version', '--json'])).toMatchObject({ code: 0, stdout: expect.stringContaining('"lumaris": "0.1.0"') }))
test.each(['bash', 'zsh', 'fish'])('there is a completion script for %s', async (shell) => {
  const { code, stdout } = await aShell().cli(['completion', shell])
  expect(code).toBe(0)
  expect(stdout).toContain('lumaris complete --')
})
test.each([
  [['j'], 'jobs\tMy jobs, newest first\njob\tA job and its attempts\n'], [['node', 'pa'], 'pause\tno new work; what runs goes on\n'], [['run', '--runt'], '--runtime\twhat runs the program\n'],
  [['run', '--runtime', 'py'], 'python\twhat runs the program\n'], [['--color', 'al'], 'always\tcolours\n'], [['completion', 'z'], 'zsh\twhich shell\n'], [['run', '--', ''], ''],
])('after %o comes %o', async (words, offers) => expect(await aShell().cli(['complete', '--', ...words])).toEqual({ code: 0, stdout: offers, stderr: '' }))

test.each([['insufficient_funds', 402, 7], ['not_found', 404, 3], ['unauthenticated', 401, 4], ['scope_missing', 403, 5], ['job_ended', 409, 6], ['idempotency_conflict', 422, 6], ['invalid_request', 400, 2], ['internal', 500, 1], ['timed_out', undefined, 8]])(
  '%s ends with its own code', (code, status, exit) => expect(exitCodeOf(new LumarisError(code, 'no', { status }))).toBe(exit))
test('a failure is told in parts: what, why, what to do, which request', () => {
  const error = new LumarisError('insufficient_funds', 'Not enough credits', { status: 402, requestId: 'req_1', detail: { needed: '1500000', note: `${ESCAPE}[31mx` }, errors: [{ pointer: '/cap', message: 'too low' }] })
  expect(renderFailure(error, { colours: createColours(false) })).toBe('error: Not enough credits\n  /cap: too low\n  needed: 1.50 credits\n  note: x\nhint: Top up by the difference between needed and available, or lower the cap.\nrequest: req_1\n')
  expect(renderFailure(new CliError('No', 'Do this', 1), { colours: createColours(false) })).toBe('error: No\nhint: Do this\n')
})
test('a failure of this machine has a hint too', () => {
  expect(renderFailure(Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE' }), { colours: createColours(false) })).toBe('error: listen EADDRINUSE\nhint: Something listens there already: stop it, or choose another --port.\n')
})

function aProfile(where: 'checkout' | 'user', url: string, home = aFolder()) {
  const env = { HOME: home, LUMARIS_CHECKOUT: join(home, 'checkout') }
  writeProfile(profileFiles(env)[where], { current: 'me', identities: { me: { url, token: `${where} key` }, other: { url, token: 'other key' } } })
  return env
}
test('a profile is readable by its owner only', () => {
  const file = profileFiles(aProfile('user', 'http://a')).user
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(statSync(dirname(file)).mode & 0o777).toBe(0o700)
})
test('a flag comes before the environment, and that before the profile', () => {
  const env = aProfile('user', 'http://profile')
  expect(findSettings(env, {})).toMatchObject({ url: 'http://profile', token: 'user key' })
  expect(findSettings({ ...env, LUMARIS_URL: 'http://env', LUMARIS_TOKEN: 'env key' }, {})).toMatchObject({ url: 'http://env', token: 'env key' })
  expect(findSettings({ ...env, LUMARIS_URL: 'http://env', LUMARIS_TOKEN: 'env key' }, { url: 'http://flag' })).toMatchObject({ url: 'http://flag', token: 'env key' })
})
test('the profile of a checkout comes before that of the user', () => {
  const home = aFolder()
  aProfile('user', 'http://user', home)
  expect(findSettings(aProfile('checkout', 'http://checkout', home), {})).toMatchObject({ url: 'http://checkout', token: 'checkout key' })
})
test('a key is not sent to another market than its own', () => {
  const env = aProfile('user', 'http://mine')
  expect(findSettings(env, { url: 'http://theirs' }).token).toBeUndefined()
  expect(findSettings({ ...env, LUMARIS_URL: 'http://theirs' }, {}).token).toBeUndefined()
  expect(findSettings(env, { url: 'http://mine/' }).token).toBe('user key')
})
test('somebody else of the profile is asked for by name, and must be there', () => {
  const env = aProfile('user', 'http://mine')
  expect(findSettings({ ...env, LUMARIS_TOKEN: 'env key' }, { as: 'other' }).token).toBe('other key')
  expect(() => findSettings(env, { as: 'nobody' })).toThrow('There is nobody called "nobody"')
})
test('a profile in the working directory is not ours', async () => {
  const { cli, cwd } = aShell()
  mkdirSync(join(cwd, '.lumaris'))
  writeFileSync(join(cwd, '.lumaris', 'profile.json'), JSON.stringify({ current: 'x', identities: { x: { url: 'http://evil.invalid', token: 't' } } }))
  expect((await cli(['doctor', '--url', 'http://127.0.0.1:1'], { env: { LUMARIS_TOKEN: 'k' } })).stdout).not.toContain('evil')
  expect((await cli(['doctor'])).stdout).not.toContain('evil')
})
test('a damaged profile is named', () => {
  const env = aProfile('user', 'http://mine'), file = profileFiles(env).user
  writeFileSync(file, '{')
  expect(() => findSettings(env, {})).toThrow('is damaged')
  expect(readFileSync(file, 'utf8')).toBe('{')
})
