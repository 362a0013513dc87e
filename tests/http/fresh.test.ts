// What admins change asks for a sign-in that is not long ago, whatever the page does: routes, jobs and nodes of others, and what would make a way around it.
import { Secret, TOTP } from 'otpauth'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { routes } from '@lumaris/protocol'
import type { JobId, Role, Route, RouteName } from '@lumaris/protocol'
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
/** One of each that an admin may change although it is somebody else's, by who makes it. */
async function things(token: string, agent: string) {
  const { body: job } = await market.call(token, 'POST', '/v1/jobs', { cap: '1000', spec: { command: ['x'], resources: { cpuMillis: 900_000 } } })
  const { body: schedule } = await market.call(token, 'POST', '/v1/schedules', { cron: '0 0 29 2 *', cap: '1000', spec: { command: ['x'] } })
  const { body: standing } = await market.call(token, 'POST', '/v1/standing-requests', { spec: { command: ['x'], resources: { cpuMillis: 900_000 } } })
  return { job: job.id as string, schedule: schedule.id as string, standing: standing.id as string, node: agent }
}
test('what is somebody else’s: an admin has signed in lately and says why; one’s own is asked nothing', async () => {
  const cat = await person('cat', ['admin', 'buyer', 'seller'])
  const agent = await market.join('north', { seller: 0 })
  await market.call(cat.token, 'POST', '/v1/topups', { amount: '5000000' }, { 'idempotency-key': 'cat' })
  const theirs = await things(market.demo.buyer.key, agent.nodeId), mine = await things(cat.token, agent.nodeId)
  const routesFor = (Object.values(routes) as Route[]).filter((route) => route.fresh === 'for-others')
  // Whatever changes one of these is among them: a new route that forgets it is found here. Merging is the buyer's own word, and a machine's settings, and what it takes, its seller's: no admin may.
  expect((Object.values(routes) as Route[]).filter((route) => route.method !== 'GET' && route.owner && ['job', 'node', 'schedule', 'standing'].includes(route.owner) && route.fresh !== 'for-others').map(({ id }) => id)).toEqual(['recordMerged', 'askNodeSettings', 'setNodePolicy', 'testNode', 'removeNode'])
  const at = (route: Route, of: Record<string, string>): string => route.path.replace(/:([a-z]+)/g, (_all, name: string) => of[name] ?? '')
  const body = (route: Route): object => (route.id === 'priceNode' ? { cpuHour: '1' } : {})
  later += 16 * MINUTE
  await cat.renew()
  for (const route of routesFor) expect(await code(cat.token, route.method, at(route, theirs), { ...body(route), reason: 'a test' }), route.id).toBe('fresh_sign_in_needed')
  expect(await code(cat.token, 'PUT', `/v1/jobs/${theirs.job}/merged`, { sha256: '0'.repeat(64), size: 1 })).toBe('not_found')
  for (const [path, to] of [[`/v1/schedules/${mine.schedule}`, 'pause'], [`/v1/schedules/${mine.schedule}`, 'resume'], [`/v1/jobs/${mine.job}`, 'cancel']]) expect(await code(cat.token, 'POST', `${path}/${to}`), to).toBe('done')
  expect(await code(cat.token, 'DELETE', `/v1/schedules/${mine.schedule}`)).toBe('done')
  expect(await code(cat.token, 'DELETE', `/v1/standing-requests/${mine.standing}`)).toBe('done')
  expect(market.app.engine.state.jobs.get(theirs.job as JobId)?.row.cancelling ?? false).toBe(false)

  expect(await code(cat.token, 'POST', '/v1/sessions/prove', { password: PASSWORD })).toBe('done')
  for (const route of routesFor) expect(await code(cat.token, route.method, at(route, theirs), body(route)), route.id).toBe('reason_needed')
  for (const reason of ['', 'x', 'a\u0000b']) expect(await code(cat.token, 'POST', `/v1/jobs/${theirs.job}/pause`, { reason }), JSON.stringify(reason)).toBe('invalid_request')
  const act = (name: RouteName, more: object = {}): Promise<string> => code(cat.token, routes[name].method, at(routes[name], theirs), { reason: `why ${name}`, ...more })
  for (const name of ['pauseNode', 'resumeNode', 'drainNode', 'pauseSchedule', 'resumeSchedule', 'removeSchedule', 'dropStanding', 'pauseJob', 'resumeJob', 'cancelJob'] as const) expect(await act(name), name).toBe('done')
  expect(await act('priceNode', { cpuHour: '7' })).toBe('done')
  // It stands in the log with the request that asked for it, and its owner is told.
  const log = (await market.call(market.demo.admin.key, 'GET', `/v1/admin/actions?by=${cat.id}`)).body.data as { action: string; reason: string; request: string; from: string }[]
  expect(log.map(({ action, reason }) => [action, reason])).toEqual([['node.price', 'why priceNode'], ['job.cancel', 'why cancelJob'], ['job.resume', 'why resumeJob'], ['job.pause', 'why pauseJob'], ['standing.drop', 'why dropStanding'], ['schedule.remove', 'why removeSchedule'], ['schedule.resume', 'why resumeSchedule'], ['schedule.pause', 'why pauseSchedule'], ['node.drain', 'why drainNode'], ['node.resume', 'why resumeNode'], ['node.pause', 'why pauseNode']])
  for (const { request, from } of log) { expect(request).toMatch(/^req_/); expect(from).toMatch(/127\.0\.0\.1|::1/) }
  const events = (await market.call(market.demo.buyer.key, 'GET', `/v1/jobs/${theirs.job}/events`)).body as { type: string; reason?: string }[]
  expect(events.filter(({ reason }) => reason !== undefined).map(({ type, reason }) => [type, reason])).toEqual([['paused', 'why pauseJob'], ['resumed', 'why resumeJob'], ['cancelling', 'why cancelJob']])
  const seller = market.demo.sellers[0]?.key ?? ''
  expect((await market.call(seller, 'GET', `/v1/nodes/${agent.nodeId}`)).body.admin).toMatchObject({ action: 'node.price', reason: 'why priceNode' })
  expect(await code(seller, 'POST', `/v1/nodes/${agent.nodeId}/resume`)).toBe('done')
  expect((await market.call(seller, 'GET', `/v1/nodes/${agent.nodeId}`)).body.admin).toBeUndefined()
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
