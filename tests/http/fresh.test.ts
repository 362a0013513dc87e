// What admins change asks for a sign-in that is not long ago, whatever the page does: routes, jobs and nodes of others, and what would make a way around it.
import { Secret, TOTP } from 'otpauth'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { routes } from '@lumaris/protocol'
import type { JobId, Role, Route } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

const PASSWORD = 'seven green bottles', MINUTE = 60_000, NOBODYS = '0'.repeat(26)
let market: TestMarket, later = 0
beforeAll(async () => { market = await startMarket({ server: { now: () => Date.now() + later } }) })
afterAll(async () => { await market?.stop() })

/** Somebody whose session can be asked for when its access token has run out. */
async function person(name: string, roles: Role[]) {
  const user = await market.app.identity.register({ email: `${name}@test`, password: PASSWORD, name, roles })
  if ('refusal' in user) throw new Error(user.refusal)
  let tokens = (await market.call(null, 'POST', '/v1/sessions', { email: `${name}@test`, password: PASSWORD })).body as { accessToken: string; refreshToken: string }
  return {
    id: user.id, email: `${name}@test`,
    get token() { return tokens.accessToken },
    async renew() { tokens = (await market.call(null, 'POST', '/v1/sessions/refresh', { refreshToken: tokens.refreshToken })).body; expect(tokens.accessToken).toBeDefined() },
  }
}
const incident = { title: 'A test', severity: 'minor', text: 'a test' }
const code = async (who: string, method: string, path: string, body?: unknown) => { const answer = await market.call(who, method, path, body); return answer.status < 300 ? 'done' : answer.body.code }

test('an old sign-in changes nothing, and reads everything; the password makes it fresh, renewing does not', async () => {
  const ann = await person('ann', ['admin'])
  expect(await code(ann.token, 'POST', '/v1/admin/incidents', incident)).toBe('done')
  later += 16 * MINUTE
  await ann.renew()
  const fresh = (Object.values(routes) as Route[]).filter((route) => route.who === 'admin' && route.method !== 'GET')
  expect(fresh.length).toBeGreaterThan(8)
  for (const route of fresh) expect(await code(ann.token, route.method, route.path.replace(':user', ann.id).replace(/:([a-z]+)/g, (_all, name: string) => `${name.slice(0, 3)}_${NOBODYS}`), {}), route.id).toBe('fresh_sign_in_needed')
  expect(await code(ann.token, 'GET', '/v1/admin/users')).toBe('done')
  expect(await code(ann.token, 'POST', '/v1/sessions/prove', { password: 'a guess' })).toBe('invalid_credentials')
  expect(await code(ann.token, 'POST', '/v1/admin/incidents', incident)).toBe('fresh_sign_in_needed')
  expect(await code(ann.token, 'POST', '/v1/sessions/prove', { password: PASSWORD })).toBe('done')
  expect(await code(ann.token, 'POST', '/v1/admin/incidents', incident)).toBe('done')
})
test('where there is a second factor, its code is asked for too', async () => {
  const bea = await person('bea', ['admin'])
  const { secret } = (await market.call(bea.token, 'POST', '/v1/users/me/second-factor', { password: PASSWORD })).body, app = new TOTP({ secret: Secret.fromBase32(secret) })
  const { recoveryCodes } = (await market.call(bea.token, 'POST', '/v1/users/me/second-factor/confirm', { code: app.generate({ timestamp: Date.now() + later }) })).body
  later += 16 * MINUTE
  await bea.renew()
  expect(await code(bea.token, 'POST', '/v1/sessions/prove', { password: PASSWORD })).toBe('second_factor_needed')
  expect(await code(bea.token, 'POST', '/v1/sessions/prove', { password: PASSWORD, code: '000000' })).toBe('second_factor_wrong')
  expect(await code(bea.token, 'POST', '/v1/admin/incidents', incident)).toBe('fresh_sign_in_needed')
  expect(await code(bea.token, 'POST', '/v1/sessions/prove', { password: PASSWORD, code: recoveryCodes[0] })).toBe('done')
  expect(await code(bea.token, 'POST', '/v1/admin/incidents', incident)).toBe('done')
})
test('jobs and nodes of others; one’s own are asked nothing', async () => {
  const cat = await person('cat', ['admin', 'buyer'])
  const agent = await market.join('north', { seller: 0 })
  const { body: job } = await market.call(market.demo.buyer.key, 'POST', '/v1/jobs', { cap: '1000', spec: { command: ['x'], resources: { cpuMillis: 900_000 } } })
  await market.call(cat.token, 'POST', '/v1/topups', { amount: '5000000' }, { 'idempotency-key': 'cat' })
  const { body: mine } = await market.call(cat.token, 'POST', '/v1/jobs', { cap: '1000', spec: { command: ['x'], resources: { cpuMillis: 900_000 } } })
  later += 16 * MINUTE
  await cat.renew()
  for (const path of [`/v1/jobs/${job.id}/cancel`, `/v1/jobs/${job.id}/pause`, `/v1/jobs/${job.id}/resume`, `/v1/jobs/${job.id}/move`, `/v1/nodes/${agent.nodeId}/pause`, `/v1/nodes/${agent.nodeId}/drain`, `/v1/nodes/${agent.nodeId}/resume`]) expect(await code(cat.token, 'POST', path), path).toBe('fresh_sign_in_needed')
  expect(await code(cat.token, 'PUT', `/v1/nodes/${agent.nodeId}/prices`, { cpuHour: '1' })).toBe('fresh_sign_in_needed')
  expect(await code(cat.token, 'POST', `/v1/jobs/${mine.id}/cancel`)).toBe('done')
  expect(market.app.engine.state.jobs.get(job.id as JobId)?.row.cancelling ?? false).toBe(false)
})
test('no way around: neither a key that may run the market nor a program’s session comes of an old sign-in; a key cannot prove anything', async () => {
  const dan = await person('dan', ['admin'])
  const { body: key } = await market.call(dan.token, 'POST', '/v1/keys', { label: 'made while fresh', scopes: ['admin', 'keys:write'] })
  const { body: device } = await market.call(null, 'POST', '/v1/device-logins', { client: 'x' })
  later += 5 * MINUTE // the login still waits, and the token still holds
  expect(await code(dan.token, 'POST', '/v1/admin/incidents', incident)).toBe('done')
  later += 11 * MINUTE
  await dan.renew()
  const { body: again } = await market.call(null, 'POST', '/v1/device-logins', { client: 'y' })
  expect(await code(dan.token, 'POST', '/v1/device-logins/decide', { userCode: again.userCode, approve: true })).toBe('fresh_sign_in_needed')
  expect((await market.call(null, 'POST', '/v1/device-logins/token', { deviceCode: again.deviceCode })).body.code).toBe('authorization_pending')
  expect(await code(dan.token, 'POST', '/v1/device-logins/decide', { userCode: again.userCode, approve: false })).toBe('done')
  expect(device.userCode).not.toBe(again.userCode)
  expect(await code(dan.token, 'POST', '/v1/keys', { label: 'x', scopes: ['admin'] })).toBe('fresh_sign_in_needed')
  expect(await code(dan.token, 'POST', '/v1/keys', { label: 'x', scopes: ['nodes:read'] })).toBe('done')
  // The key shows itself with each request, and was made by somebody who had just shown who he is.
  expect(await code(key.secret, 'POST', '/v1/admin/incidents', incident)).toBe('done')
  expect(await code(key.secret, 'POST', '/v1/sessions/prove', { password: PASSWORD })).toBe('session_needed')
})
