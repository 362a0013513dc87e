// Several people work for one account: each within his role, none a moment longer than he is let, and nobody by a way that was not meant for him. Run on both databases.
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { JobId } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

const PASSWORD = 'seven green bottles', DAY = 86_400_000
const WAITS = { command: ['x'], resources: { cpuMillis: 900_000 } }

export function membersContract(name: string, databaseUrl: () => Promise<string | undefined>): void {
  async function setup() {
    let later = 0
    const market: TestMarket = await startMarket({ server: { now: () => Date.now() + later, databaseUrl: await databaseUrl(), webhooks: { loopback: true } } })
    const sign = async (who: string) => (await market.call(null, 'POST', '/v1/sessions', { email: `${who}@test`, password: PASSWORD })).body as { accessToken: string; refreshToken: string }
    const person = async (who: string, roles: ('buyer' | 'seller' | 'admin')[] = ['buyer', 'seller']) => {
      const user = await market.app.identity.register({ email: `${who}@test`, password: PASSWORD, name: who, roles })
      if ('refusal' in user) throw new Error(user.refusal)
      return { id: user.id, email: `${who}@test`, token: (await sign(who)).accessToken }
    }
    const owner = await person('olga')
    await market.call(owner.token, 'POST', '/v1/topups', { amount: '10000000' })
    const invite = (token: string, email: string, role: string, more: object = {}) => market.call(token, 'POST', '/v1/members/invitations', { email, role, ...more })
    const accept = (token: string, code: string) => market.call(token, 'POST', '/v1/invitations/accept', { code })
    const act = async (token: string, account = owner.id) => (await market.call(token, 'POST', `/v1/accounts/${account}/act`)).body.accessToken as string
    const works = async (who: string, role: string, more: object = {}) => {
      const one = await person(who)
      expect((await accept(one.token, (await invite(owner.token, one.email, role, more)).body.code)).status).toBe(201)
      return { ...one, acts: await act(one.token) }
    }
    const code = async (token: string | null, method: string, path: string, body?: unknown) => { const answer = await market.call(token, method, path, body); return answer.status < 300 ? 'done' : answer.body.code }
    const submit = (token: string, cap = '1000') => market.call(token, 'POST', '/v1/jobs', { cap, spec: WAITS })
    return { market, owner, person, sign, invite, accept, act, works, code, submit, pass: (ms: number) => { later += ms } }
  }

  test(`${name}: who is invited looks, accepts once, and acts under his own name; the owner sees all of it`, async () => {
    const { market, owner, person, invite, accept, act, submit } = await setup()
    const ida = await person('ida'), { body: invited, status } = await invite(owner.token, 'IDA@test', 'submitter', { monthlyLimit: '2500' })
    expect([status, invited]).toEqual([201, expect.objectContaining({ email: 'ida@test', role: 'submitter', monthlyLimit: '2500', byName: 'olga', path: `/invitation#${invited.code}` })])
    expect(JSON.stringify(await market.app.db.query('SELECT * FROM invitations'))).not.toContain(invited.code)
    expect((await market.call(ida.token, 'GET', '/v1/alerts')).body.data).toMatchObject([{ kind: 'invited', says: expect.stringContaining('olga invites you') }])
    expect((await market.call(null, 'POST', '/v1/invitations/look', { code: invited.code })).body).toEqual({ email: 'ida@test', role: 'submitter', monthlyLimit: '2500', byName: 'olga', accountName: 'olga', expiresAt: invited.expiresAt })
    expect((await accept(ida.token, invited.code)).body).toMatchObject({ account: owner.id, name: 'olga', role: 'submitter', usedThisMonth: '0' })
    expect((await market.call(ida.token, 'GET', '/v1/accounts')).body.data).toMatchObject([{ account: owner.id, role: 'submitter' }])
    const acts = await act(ida.token)
    expect((await market.call(acts, 'GET', '/v1/users/me')).body).toMatchObject({ id: ida.id, name: 'ida', actingFor: { account: owner.id, name: 'olga', role: 'submitter' } })
    // The line stands in the commit of the act: nothing that comes after it can lose it.
    const { identity } = market.app, before = { ...identity }
    Object.assign(identity, { beginAct: () => Promise.reject(new Error('killed between the act and its line')) })
    const { body: job } = await submit(acts)
    expect(job).toMatchObject({ buyer: owner.id, submittedBy: { user: ida.id, name: 'ida' } })
    await market.call(acts, 'POST', `/v1/jobs/${job.id}/pause`)
    expect((await market.call(acts, 'POST', `/v1/jobs/${job.id}/cancel`)).status).toBe(200)
    const history = (await market.call(owner.token, 'GET', `/v1/jobs/${job.id}/events`)).body as { type: string; by?: string }[]
    expect(history.map(({ type, by }) => [type, by])).toEqual([['submitted', 'ida'], ['paused', 'ida'], ['cancelling', 'ida'], ['ended', undefined]])
    Object.assign(identity, before)
    expect((await market.call(owner.token, 'GET', '/v1/members/acts')).body.data).toMatchObject([{ route: 'cancelJob', by: ida.id, byName: 'ida', subject: job.id, request: expect.stringMatching(/^req_/) }, { route: 'pauseJob' }, { route: 'submitJob', subject: job.id }])
    expect((await market.call(owner.token, 'GET', '/v1/alerts')).body.data).toMatchObject([{ kind: 'member', says: 'ida (ida@test) works for your account as submitter now, invited by you.' }])
    expect((await market.call(ida.token, 'GET', '/v1/jobs')).body.data).toEqual([]) // it is not hers
    await market.stop()
  })

  test(`${name}: an invitation is for one address, once, for a week, and until it is taken back`, async () => {
    const { market, owner, person, invite, accept, code, pass } = await setup()
    const ida = await person('ida'), eve = await person('eve')
    const { body: first } = await invite(owner.token, 'ida@test', 'viewer')
    expect((await accept(eve.token, first.code)).body.code).toBe('invitation_for_another')
    expect((await accept(owner.token, first.code)).body.code).toBe('own_account')
    expect((await accept(eve.token, 'x'.repeat(43))).body.code).toBe('invitation_invalid')
    // Two at once: one of them.
    const both = await Promise.all([accept(ida.token, first.code), accept(ida.token, first.code)])
    expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 410])
    expect((await accept(ida.token, first.code)).body.code).toBe('invitation_invalid')
    expect((await invite(owner.token, 'ida@test', 'manager')).body.code).toBe('already_member')
    // An older link raises nobody, and who was removed does not come back by a used one.
    await market.call(owner.token, 'DELETE', `/v1/members/${ida.id}`)
    expect((await accept(ida.token, first.code)).body.code).toBe('invitation_invalid')
    const { body: second } = await invite(owner.token, 'ida@test', 'viewer')
    expect(await code(eve.token, 'DELETE', `/v1/members/invitations/${second.id}`)).toBe('not_found')
    expect(await code(owner.token, 'DELETE', `/v1/members/invitations/${second.id}`)).toBe('done')
    expect((await accept(ida.token, second.code)).body.code).toBe('invitation_invalid')
    const { body: third } = await invite(owner.token, 'ida@test', 'viewer')
    pass(8 * DAY)
    expect(await code(null, 'POST', '/v1/invitations/look', { code: third.code })).toBe('invitation_invalid')
    await market.stop()
  })

  test(`${name}: nobody raises himself, and a manager decides on no manager and no owner`, async () => {
    const { market, owner, works, code, invite } = await setup()
    const mia = await works('mia', 'manager'), max = await works('max', 'manager'), sam = await works('sam', 'submitter', { monthlyLimit: '1000' }), vic = await works('vic', 'viewer')
    for (const role of ['viewer', 'submitter', 'manager']) expect(await code(sam.acts, 'PUT', `/v1/members/${sam.id}`, { role })).toBe('scope_missing')
    for (const who of [vic, sam]) expect((await invite(who.acts, 'other@test', 'viewer')).body.code).toBe('scope_missing')
    expect(await code(mia.acts, 'PUT', `/v1/members/${mia.id}`, { role: 'manager' })).toBe('not_below_you')
    expect(await code(mia.acts, 'PUT', `/v1/members/${sam.id}`, { role: 'manager' })).toBe('not_below_you')
    expect(await code(mia.acts, 'PUT', `/v1/members/${max.id}`, { role: 'viewer' })).toBe('not_below_you')
    expect(await code(mia.acts, 'DELETE', `/v1/members/${max.id}`)).toBe('not_below_you')
    expect(await code(mia.acts, 'DELETE', `/v1/members/${owner.id}`)).toBe('not_found')
    expect((await invite(mia.acts, 'other@test', 'manager')).body.code).toBe('not_below_you')
    expect(await code(mia.acts, 'PUT', `/v1/members/${sam.id}`, { role: 'submitter', monthlyLimit: '2000' })).toBe('done')
    // With a key of less than he may himself, nobody gives more than the key has: neither an owner nor a manager.
    const { body: small } = await market.call(owner.token, 'POST', '/v1/keys', { label: 'small', scopes: ['keys:write', 'jobs:read'] })
    expect((await invite(small.secret, 'other@test', 'submitter')).body.code).toBe('scope_not_allowed')
    expect(await code(small.secret, 'PUT', `/v1/members/${vic.id}`, { role: 'manager' })).toBe('scope_not_allowed')
    expect(await code(mia.acts, 'POST', '/v1/keys', { label: 'x', scopes: ['wallet:write', 'nodes:write'] })).toBe('scope_not_allowed')
    expect(await code(mia.acts, 'POST', '/v1/keys', { label: 'x', scopes: ['admin'] })).toBe('scope_not_allowed')
    await market.stop()
  })

  test(`${name}: what is done outside of the engine has its line before it: none for what was refused, one that says so for what a dying market has not seen the end of`, async () => {
    const { market, owner, works, code } = await setup()
    const mia = await works('mia', 'manager'), { identity } = market.app, before = { ...identity }
    const lines = async () => ((await market.call(owner.token, 'GET', '/v1/members/acts')).body.data as { route: string; subject?: string; isOpen?: true }[]).map(({ route, subject, isOpen }) => [route, subject, isOpen])
    expect(await code(mia.acts, 'POST', '/v1/webhooks', { url: 'what' })).toBe('webhook_url_not_allowed')
    expect(await code(mia.acts, 'DELETE', '/v1/keys/key_00000000000000000000000000')).toBe('not_found')
    expect(await lines()).toEqual([])
    const { body: key } = await market.call(mia.acts, 'POST', '/v1/keys', { label: 'x', scopes: ['jobs:read'] })
    expect(await lines()).toEqual([['createKey', key.id, undefined]])
    // Killed after the act, before its end was noted.
    Object.assign(identity, { beginAct: async (act: Parameters<typeof before.beginAct>[0]) => ({ ...(await before.beginAct(act)), done: () => Promise.reject(new Error('killed')) }) })
    expect((await market.call(mia.acts, 'PUT', '/v1/filters/mine', { state: 'running' })).status).toBe(500)
    // Killed before it: without the line there is no act.
    Object.assign(identity, { beginAct: () => Promise.reject(new Error('killed')) })
    expect((await market.call(mia.acts, 'DELETE', `/v1/keys/${key.id}`)).status).toBe(500)
    Object.assign(identity, before)
    expect(await lines()).toEqual([['putFilter', 'mine', true], ['createKey', key.id, undefined]])
    expect((await market.call(mia.acts, 'GET', '/v1/keys')).body.data).toMatchObject([{ id: key.id }])
    await market.stop()
  })

  test(`${name}: what is the owner’s alone stays it: sessions, factor, top-up, payouts, nodes, his own keys; and no other account by its id`, async () => {
    const { market, owner, person, works, code, act } = await setup()
    const mia = await works('mia', 'manager'), eve = await person('eve')
    const { body: secret } = await market.call(owner.token, 'POST', '/v1/keys', { label: 'the owner’s', scopes: ['jobs:read'] })
    const alone: [string, string, unknown?][] = [['GET', '/v1/sessions'], ['POST', '/v1/sessions/end-others'], ['DELETE', '/v1/sessions'], ['POST', '/v1/sessions/prove', { password: PASSWORD }], ['GET', '/v1/users/me/second-factor'], ['POST', '/v1/users/me/second-factor', { password: PASSWORD }], ['POST', '/v1/device-logins/decide', { userCode: 'BCDFGHJK', approve: true }], ['POST', '/v1/topups', { amount: '5' }], ['POST', '/v1/payouts', { amount: '5', destination: 'x' }], ['GET', '/v1/users/me/impersonations'], ['GET', '/v1/accounts'], ['POST', `/v1/accounts/${owner.id}/act`], ['POST', '/v1/invitations/accept', { code: 'x'.repeat(43) }]]
    for (const [method, path, body] of alone) expect(await code(mia.acts, method, path, body), path).toBe('owner_only')
    for (const [method, path, body] of [['GET', '/v1/earnings'], ['GET', '/v1/payouts'], ['POST', '/v1/enrolments', {}], ['GET', '/v1/nodes']] as const) expect(await code(mia.acts, method, path, body), path).toMatch(/^(forbidden|scope_missing)$/)
    expect((await market.call(mia.acts, 'GET', '/v1/keys')).body.data).toEqual([])
    expect(await code(mia.acts, 'DELETE', `/v1/keys/${secret.id}`)).toBe('not_found')
    // By its id: an account that he does not work for, with his own token and with the one that acts.
    expect(await code(mia.token, 'POST', `/v1/accounts/${eve.id}/act`)).toBe('not_found')
    expect(await code(eve.token, 'POST', `/v1/accounts/${owner.id}/act`)).toBe('not_found')
    await market.call(eve.token, 'POST', '/v1/topups', { amount: '5000' })
    const { body: hers } = await market.call(eve.token, 'POST', '/v1/jobs', { cap: '1000', spec: WAITS })
    expect(await code(mia.acts, 'GET', `/v1/jobs/${hers.id}`)).toBe('not_found')
    // A token that was changed to name another account, or another person, is none.
    const [head, body, signature] = (await act(mia.token)).split('.') as [string, string, string]
    for (const change of [{ for: eve.id }, { sub: owner.id }, { for: undefined }]) expect(await code(`${head}.${Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), ...change })).toString('base64url')}.${signature}`, 'GET', '/v1/jobs')).toBe('unauthenticated')
    // An account of an admin makes no admin of who works for it.
    const boss = await person('boss', ['buyer', 'admin'])
    const { code: link } = (await market.call(boss.token, 'POST', '/v1/members/invitations', { email: mia.email, role: 'manager' })).body
    await market.call(mia.token, 'POST', '/v1/invitations/accept', { code: link })
    const forBoss = await act(mia.token, boss.id)
    for (const path of ['/v1/admin/users', '/v1/admin/settings']) expect(await code(forBoss, 'GET', path)).toBe('forbidden')
    expect((await market.call(forBoss, 'GET', '/v1/jobs')).body.data).toEqual([])
    await market.stop()
  })

  test(`${name}: who is removed does nothing more: not by his token, his keys, his webhooks, his invitations, nor a stream that is open`, async () => {
    const { market, owner, person, works, code, act, invite, accept, submit } = await setup()
    const mia = await works('mia', 'manager'), alt = await person('alt')
    const { body: made } = await market.call(mia.acts, 'POST', '/v1/keys', { label: 'ci', scopes: ['jobs:read', 'jobs:write', 'keys:write'] })
    const { body: child } = await market.call(made.secret, 'POST', '/v1/keys', { label: 'of the key', scopes: ['jobs:read'] })
    const { body: hook } = await market.call(mia.acts, 'POST', '/v1/webhooks', { url: 'https://127.0.0.1/in' })
    const { body: back } = await invite(mia.acts, alt.email, 'submitter')
    const { body: blob } = { body: createHash('sha256').update('x').digest('hex') }
    expect((await submit(made.secret)).body.submittedBy).toEqual({ user: mia.id, name: 'mia' })
    expect((await market.call(owner.token, 'GET', '/v1/keys')).body.data).toMatchObject([{ label: 'of the key', madeBy: { user: mia.id, name: 'mia' } }, { label: 'ci', madeBy: { name: 'mia' } }])
    const open = async (token: string) => {
      const response = await fetch(`${market.url}/v1/events`, { headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' } })
      expect(response.status).toBe(200)
      return response
    }
    const streams = [await open(mia.acts), await open(made.secret)], mine = await open(owner.token)
    expect(await code(owner.token, 'DELETE', `/v1/members/${mia.id}`)).toBe('done')
    for (const stream of streams) expect(await stream.text().then((text) => `ended: ${text}`, () => 'broken off')).toMatch(/^(broken off|ended: : hello\n\n)$/)
    for (const token of [mia.acts, made.secret, child.secret]) for (const [method, path, body] of [['GET', '/v1/jobs'], ['POST', '/v1/jobs', { cap: '1', spec: WAITS }], ['HEAD', `/v1/blobs/${blob}`], ['GET', '/v1/market'], ['POST', '/v1/keys', { label: 'x', scopes: ['jobs:read'] }]] as const) expect((await market.call(token, method, path, body)).status, path).toBe(401)
    expect(await code(mia.acts, 'GET', '/v1/jobs')).toBe('not_a_member')
    expect(await code(made.secret, 'GET', '/v1/jobs')).toBe('key_revoked')
    expect(await code(mia.token, 'POST', `/v1/accounts/${owner.id}/act`)).toBe('not_found')
    expect((await accept(alt.token, back.code)).body.code).toBe('invitation_invalid')
    expect((await market.call(owner.token, 'GET', '/v1/webhooks')).body.data).toMatchObject([{ id: hook.id, disabledAt: expect.any(Number) }])
    expect((await market.call(owner.token, 'GET', '/v1/keys')).body.data.map(({ revokedAt }: { revokedAt?: number }) => typeof revokedAt)).toEqual(['number', 'number'])
    // Invited anew, he gets a new beginning, and his old keys stay what they are.
    expect((await accept(mia.token, (await invite(owner.token, mia.email, 'manager')).body.code)).status).toBe(201)
    expect(await code(await act(mia.token), 'GET', '/v1/jobs')).toBe('done')
    expect(await code(made.secret, 'GET', '/v1/jobs')).toBe('key_revoked')
    // Others, and himself as himself, are not touched by it.
    expect(await code(mia.token, 'GET', '/v1/jobs')).toBe('done')
    await mine.body?.cancel()
    await market.stop()
  })

  test(`${name}: a lower role, a suspension of either, and a sign-out hold for the next request, whatever the token said`, async () => {
    const { market, owner, person, sign, works, act, code, submit, invite, accept } = await setup()
    const mia = await works('mia', 'manager'), admin = await person('ann', ['admin'])
    const { body: made } = await market.call(mia.acts, 'POST', '/v1/keys', { label: 'ci', scopes: ['jobs:read', 'jobs:write', 'keys:write'] })
    const { body: later } = await invite(mia.acts, 'late@test', 'viewer')
    expect((await submit(made.secret)).status).toBe(201)
    expect(await code(owner.token, 'PUT', `/v1/members/${mia.id}`, { role: 'viewer' })).toBe('done')
    for (const token of [mia.acts, made.secret]) { expect((await submit(token)).body.code).toBe('scope_missing'); expect(await code(token, 'GET', '/v1/keys')).toBe('scope_missing'); expect(await code(token, 'GET', '/v1/jobs')).toBe('done') }
    expect((await accept((await person('late')).token, later.code)).body.code).toBe('invitation_invalid')
    await market.call(owner.token, 'PUT', `/v1/members/${mia.id}`, { role: 'submitter' })
    expect((await submit(mia.acts)).status).toBe(201)
    for (const user of [mia.id, owner.id]) {
      const stream = await fetch(`${market.url}/v1/events`, { headers: { authorization: `Bearer ${mia.acts}`, accept: 'text/event-stream' } })
      await market.call(admin.token, 'POST', `/v1/admin/users/${user}/suspend`, { reason: 'a test' })
      await stream.text().catch(() => 'broken off')
      for (const token of [mia.acts, made.secret]) expect(await code(token, 'GET', '/v1/jobs')).toBe('account_suspended')
      await market.call(admin.token, 'POST', `/v1/admin/users/${user}/unsuspend`, { reason: 'a test' })
      expect(await code(mia.acts, 'GET', '/v1/jobs')).toBe('done')
    }
    // It hangs on the session, or the key, that it was made with.
    const again = await sign('mia'), acts = await act(again.accessToken)
    expect(await code(acts, 'GET', '/v1/jobs')).toBe('done')
    await market.call(again.accessToken, 'DELETE', '/v1/sessions')
    expect(await code(acts, 'GET', '/v1/jobs')).toBe('token_revoked')
    const { body: own } = await market.call(mia.token, 'POST', '/v1/keys', { label: 'mine', scopes: ['jobs:read'] }), byKey = await act(own.secret)
    expect([await code(byKey, 'GET', '/v1/jobs'), (await submit(byKey)).body.code]).toEqual(['done', 'scope_missing'])
    await market.call(mia.token, 'DELETE', `/v1/keys/${own.id}`)
    expect(await code(byKey, 'GET', '/v1/jobs')).toBe('token_revoked')
    // And whoever likes leaves by himself.
    expect(await code(mia.token, 'DELETE', `/v1/accounts/${owner.id}`)).toBe('done')
    expect(await code(mia.acts, 'GET', '/v1/jobs')).toBe('not_a_member')
    await market.stop()
  })

  test(`${name}: a submitter’s limit counts what is held and what was spent, all at once too, and gives back what a job did not cost`, async () => {
    const { market, owner, works, submit, code } = await setup()
    const sam = await works('sam', 'submitter', { monthlyLimit: '2500' })
    const many = await Promise.all(Array.from({ length: 5 }, () => submit(sam.acts)))
    expect(many.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 201, 402, 402, 402])
    expect(many.find(({ status }) => status === 402)?.body).toMatchObject({ code: 'member_limit', detail: expect.objectContaining({ left: '500', needed: '1000' }) })
    expect((await market.call(owner.token, 'GET', '/v1/members')).body.data).toMatchObject([{ user: sam.id, usedThisMonth: '2000', monthlyLimit: '2500' }])
    const job = many.find(({ status }) => status === 201)?.body.id as JobId
    await market.call(sam.acts, 'POST', `/v1/jobs/${job}/cancel`)
    await expect.poll(async () => (await market.call(owner.token, 'GET', '/v1/members')).body.data[0].usedThisMonth).toBe('1000')
    expect((await submit(sam.acts)).status).toBe(201)
    expect(await code(owner.token, 'PUT', `/v1/members/${sam.id}`, { role: 'viewer', monthlyLimit: '1' })).toBe('invalid_request')
    await market.stop()
  })
}
