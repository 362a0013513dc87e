// An admin sees what a user sees: reads as that user and nothing more, changes nothing whatever the route, for a quarter of an hour and no longer than he is an
// admin; and the user is shown all of it. Run on both databases.
import { expect, test } from 'vitest'
import { routes } from '@lumaris/protocol'
import type { Impersonation, Role, Route } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

const PASSWORD = 'seven green bottles', MINUTE = 60_000

export function impersonationContract(name: string, databaseUrl: () => Promise<string | undefined>): void {
  async function setup() {
    let later = 0
    const market: TestMarket = await startMarket({ server: { now: () => Date.now() + later, databaseUrl: await databaseUrl() } })
    const sign = async (email: string) => (await market.call(null, 'POST', '/v1/sessions', { email, password: PASSWORD })).body as { accessToken: string; refreshToken: string }
    const person = async (who: string, roles: Role[]) => {
      const user = await market.app.identity.register({ email: `${who}@test`, password: PASSWORD, name: who, roles })
      if ('refusal' in user) throw new Error(user.refusal)
      return { id: user.id, email: `${who}@test`, ...await sign(`${who}@test`) }
    }
    const ann = await person('ann', ['admin']), dan = await person('dan', ['buyer', 'seller', 'admin'])
    const look = async (token = ann.accessToken, at: string = dan.id) => market.call(token, 'POST', `/v1/admin/users/${at}/impersonate`, { reason: 'he cannot see his job' })
    const code = async (token: string, method: string, path: string, body?: unknown) => { const answer = await market.call(token, method, path, body); return answer.status < 300 ? 'done' : answer.body.code }
    return { market, ann, dan, person, sign, look, code, pass: (ms: number) => { later += ms } }
  }

  test(`${name}: whoever looks reads as that user, without powers of an admin, and changes nothing by any route there is`, async () => {
    const { market, ann, dan, look, code } = await setup()
    await market.call(dan.accessToken, 'POST', '/v1/topups', { amount: '5000000' }, { 'idempotency-key': 'dan' })
    const { body: job } = await market.call(dan.accessToken, 'POST', '/v1/jobs', { cap: '1000', spec: { command: ['x'], resources: { cpuMillis: 900_000 } } })
    const { status, body } = await look()
    expect([status, body.user, body.token]).toEqual([201, dan.id, expect.stringMatching(/^lum_view_/)])
    expect((await market.call(body.token, 'GET', '/v1/users/me')).body.id).toBe(dan.id)
    expect((await market.call(body.token, 'GET', '/v1/wallet')).body.available).toBe('4999000')
    expect((await market.call(body.token, 'GET', '/v1/jobs')).body.data.map(({ id }: { id: string }) => id)).toEqual([job.id])
    for (const path of ['/v1/admin/users', '/v1/admin/settings', '/v1/admin/ledger']) expect(await code(body.token, 'GET', path), path).toBe('forbidden')
    for (const path of ['/v1/sessions', '/v1/users/me/second-factor']) expect(await code(body.token, 'GET', path), path).toBe('session_needed')
    const ids: Record<string, string> = { job: job.id, user: dan.id, sha256: '0'.repeat(64) }
    const writes = (Object.values(routes) as Route[]).filter(({ method }) => method !== 'GET' && method !== 'HEAD')
    expect(writes.length).toBeGreaterThan(55)
    for (const route of writes) expect(await code(body.token, route.method, route.path.replace(/:([a-z0-9]+)/g, (_all, what: string) => ids[what] ?? 'x'), {}), route.id).toBe('read_only')
    expect((await market.call(dan.accessToken, 'GET', `/v1/jobs/${job.id}`)).body.state).toBe('queued')
    // Its user is shown who looked, why, and at what; and it stands in the log.
    const seen = async (): Promise<Impersonation[]> => (await market.call(dan.accessToken, 'GET', '/v1/users/me/impersonations')).body.data
    await expect.poll(async () => (await seen())[0]?.reads.map(({ route, count }) => `${route} ${count}`)).toEqual(expect.arrayContaining(['getWallet 1', 'listJobs 1', 'me 1']))
    expect(await seen()).toMatchObject([{ id: body.id, by: ann.id, byName: 'ann', reason: 'he cannot see his job' }])
    expect((await market.call(ann.accessToken, 'GET', '/v1/admin/actions?action=user.impersonate')).body.data).toMatchObject([{ subject: dan.id, by: ann.id, reason: 'he cannot see his job', request: expect.stringMatching(/^req_/), after: { impersonation: body.id } }])
    expect(JSON.stringify(await market.app.db.query('SELECT * FROM impersonations'))).not.toContain(body.token)
    await market.stop()
  })

  test(`${name}: it asks for a fresh sign-in, a reason and somebody else; it ends after a quarter of an hour, streams too`, async () => {
    const { market, ann, dan, look, code, pass } = await setup()
    expect(await code(ann.accessToken, 'POST', `/v1/admin/users/${dan.id}/impersonate`, {})).toBe('invalid_request')
    expect((await look(ann.accessToken, ann.id)).body.code).toBe('own_account')
    expect((await look(ann.accessToken, `usr_${'0'.repeat(26)}`)).body.code).toBe('not_found')
    const { token } = (await look()).body
    pass(15 * MINUTE - 1_500)
    const stream = await fetch(`${market.url}/v1/events`, { headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' } })
    expect(stream.status).toBe(200)
    await stream.text().catch(() => 'broken off') // it would never end by itself
    expect(await code(token, 'GET', '/v1/wallet')).toBe('token_expired')
    const renewed = (await market.call(null, 'POST', '/v1/sessions/refresh', { refreshToken: ann.refreshToken })).body
    expect((await look(renewed.accessToken)).body.code).toBe('fresh_sign_in_needed')
    await market.stop()
  })

  test(`${name}: it is over when the admin ends it, signs out, is suspended or is none any more`, async () => {
    const { market, ann, dan, person, look, code, sign } = await setup()
    const bob = await person('bob', ['admin'])
    const first = (await look()).body
    expect(await code(bob.accessToken, 'DELETE', `/v1/admin/impersonations/${first.id}`)).toBe('not_found')
    expect(await code(first.token, 'GET', '/v1/wallet')).toBe('done')
    expect(await code(ann.accessToken, 'DELETE', `/v1/admin/impersonations/${first.id}`)).toBe('done')
    expect(await code(first.token, 'GET', '/v1/wallet')).toBe('token_revoked')
    expect(await code(ann.accessToken, 'DELETE', `/v1/admin/impersonations/${first.id}`)).toBe('not_found')
    // Remembered for some seconds at most: these were never asked for before.
    const second = (await look()).body
    await market.call(ann.accessToken, 'DELETE', '/v1/sessions')
    expect(await code(second.token, 'GET', '/v1/wallet')).toBe('token_revoked')
    const third = (await look((await sign('ann@test')).accessToken)).body
    expect(await code(bob.accessToken, 'PUT', `/v1/admin/users/${ann.id}/roles`, { roles: ['buyer'], reason: 'a test' })).toBe('done')
    expect(await code(third.token, 'GET', '/v1/wallet')).toBe('token_revoked')
    const fourth = (await look(bob.accessToken)).body
    expect(await code(dan.accessToken, 'POST', `/v1/admin/users/${bob.id}/suspend`, { reason: 'a test' })).toBe('done')
    expect(await code(fourth.token, 'GET', '/v1/wallet')).toBe('token_revoked')
    expect(await code('lum_view_nonsense', 'GET', '/v1/wallet')).toBe('unauthenticated')
    await market.stop()
  })
}
