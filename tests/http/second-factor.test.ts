// Second factor, sessions and device logins over HTTP and in the command line: who may, and that a key never becomes more than it is.
import { hostname, tmpdir } from 'node:os'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Secret, TOTP } from 'otpauth'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

const CLI = join(import.meta.dirname, '../../apps/cli/src/main.ts')
let market: TestMarket
beforeAll(async () => { market = await startMarket() })
afterAll(async () => { await market?.stop() })

async function person(name: string): Promise<{ email: string; password: string; token: string }> {
  const who = { email: `${name}@test`, password: 'seven green bottles' }
  expect((await market.call(null, 'POST', '/v1/users', { ...who, name })).status).toBe(201)
  return { ...who, token: (await market.call(null, 'POST', '/v1/sessions', who)).body.accessToken }
}
async function withFactor(name: string) {
  const who = await person(name)
  const { secret } = (await market.call(who.token, 'POST', '/v1/users/me/second-factor', { password: who.password })).body
  const app = new TOTP({ secret: Secret.fromBase32(secret) })
  const { recoveryCodes } = (await market.call(who.token, 'POST', '/v1/users/me/second-factor/confirm', { code: app.generate() })).body
  return { ...who, recoveryCodes: recoveryCodes as string[] }
}
/** The real program, with a home of its own. */
function lumaris(args: string[], stdin: string, onError: (text: string) => void = () => undefined): Promise<{ code: number | null; stderr: string; home: string }> {
  const home = mkdtempSync(join(tmpdir(), 'lumaris-login-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CLI, ...args], { env: { PATH: process.env['PATH'], HOME: home, LUMARIS_CHECKOUT: join(home, 'checkout') }, stdio: ['pipe', 'ignore', 'pipe'] })
  onTestFinished(() => { child.kill('SIGKILL') })
  child.stdin.end(stdin)
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text; onError(stderr) })
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr, home })))
}
const keptIn = (home: string): { identities: Record<string, { token: string; email: string }> } => JSON.parse(readFileSync(join(home, '.config/lumaris/profile.json'), 'utf8'))

test('pages and programs are asked for the code; the refusal says so', async () => {
  const { recoveryCodes, ...who } = await withFactor('ann'), { token: _token, ...login } = who
  for (const path of ['/v1/sessions', '/v1/browser-sessions']) {
    const headers = path === '/v1/sessions' ? {} : { origin: market.url }
    expect((await market.call(null, 'POST', path, login, headers)).body).toMatchObject({ code: 'second_factor_needed', status: 401 })
    expect((await market.call(null, 'POST', path, { ...login, code: '000000' }, headers)).body).toMatchObject({ code: 'second_factor_wrong', status: 401 })
    expect((await market.call(null, 'POST', path, { ...login, code: recoveryCodes.pop() }, headers)).status).toBe(201)
  }
})
test('a key, however much it may do, cannot touch what guards the account', async () => {
  const who = await person('bob')
  const { secret } = (await market.call(who.token, 'POST', '/v1/keys', { label: 'all', scopes: ['jobs:read', 'jobs:write', 'wallet:read', 'wallet:write', 'nodes:read', 'nodes:write', 'keys:write'] })).body
  const { body: asked } = await market.call(null, 'POST', '/v1/device-logins', { client: 'x' })
  for (const [method, path, body] of [['GET', '/v1/sessions'], ['POST', '/v1/sessions/end-others'], ['POST', '/v1/users/me/second-factor', { password: who.password }], ['POST', '/v1/users/me/second-factor/stop', { password: who.password, code: '123456' }], ['POST', '/v1/device-logins/decide', { userCode: asked.userCode, approve: true }]] as const) {
    expect((await market.call(secret, method, path, body)).body, path).toMatchObject({ code: 'session_needed', status: 403 })
  }
  expect((await market.call(null, 'POST', '/v1/device-logins/token', { deviceCode: asked.deviceCode })).body.code).toBe('authorization_pending')
})
test('nobody ends somebody else’s session', async () => {
  const cat = await person('cat'), dan = await person('dan')
  const [mine] = (await market.call(cat.token, 'GET', '/v1/sessions')).body.data
  expect(mine).toMatchObject({ current: true, address: '127.0.0.1' })
  expect((await market.call(dan.token, 'DELETE', `/v1/sessions/${mine.id}`)).body.code).toBe('not_found')
  expect((await market.call(cat.token, 'DELETE', `/v1/sessions/${mine.id}`)).status).toBe(204)
  expect((await market.call(cat.token, 'GET', '/v1/sessions')).status).toBe(401)
})
test('lumaris login with a second factor: the code is the second line', async () => {
  const who = await withFactor('eve')
  const without = await lumaris(['login', '--url', market.url, '--email', who.email], `${who.password}\n`)
  expect([without.code, without.stderr]).toEqual([4, expect.stringContaining('A code is needed too')])
  const { code, stderr, home } = await lumaris(['login', '--url', market.url, '--email', who.email], `${who.password}\n${who.recoveryCodes[0]}\n`)
  expect(stderr).not.toContain('error')
  expect(code).toBe(0)
  expect(keptIn(home).identities['default']).toMatchObject({ email: who.email, token: expect.stringMatching(/^lum_live_/) })
})
test('lumaris login --device: no password here; somebody who is signed in elsewhere says yes', async () => {
  const who = await person('fay')
  const decide = (approve: boolean) => {
    let done = false
    return (text: string): void => {
      const userCode = /approve this code: (\S+)\n/.exec(text)?.[1]
      if (!userCode || done) return
      done = true
      void market.call(who.token, 'POST', '/v1/device-logins/look', { userCode }).then(({ body }) => { expect(body.client).toContain(hostname().slice(0, 20)); return market.call(who.token, 'POST', '/v1/device-logins/decide', { userCode, approve }) })
    }
  }
  const yes = await lumaris(['login', '--device', '--url', market.url], '', decide(true))
  expect(yes.stderr).toContain(`Open ${market.url}/device?code=`)
  expect(yes.code).toBe(0)
  const { token } = keptIn(yes.home).identities['default'] ?? { token: '' }
  expect((await market.call(token, 'GET', '/v1/users/me')).body.email).toBe(who.email)
  const no = await lumaris(['login', '--device', '--url', market.url], '', decide(false))
  expect([no.code, no.stderr]).toEqual([5, expect.stringContaining('The sign-in was refused in the browser')])
})
