// A password that is changed, and one that is forgotten: by a link that a real mail server takes. The same on both databases.
import { Secret, TOTP } from 'otpauth'
import { postgresMissing, startMailbox, startPostgres } from '@lumaris/testkit'
import type { Mail, Mailbox } from '@lumaris/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startMarket } from '../start-market.ts'
import type { Answer, TestMarket } from '../start-market.ts'

const MINUTE = 60_000, PUBLIC = 'https://market.example', OLD = 'seven green bottles', NEW = 'six blue bottles, and one red'
type Room = { readonly market: TestMarket; readonly box: Mailbox; readonly clock: { later: number }; readonly call: TestMarket['call']; readonly email: string; readonly signIn: (password: string, code?: string) => Promise<Answer>; readonly mails: () => Mail[]; readonly links: () => string[]; readonly subjects: () => string[] }
type House = Pick<Room, 'market' | 'box' | 'clock'> & { readonly close: () => Promise<void> }

async function open(databaseUrl?: string, mail = true): Promise<House> {
  const box = await startMailbox(), clock = { later: 0 }
  const market = await startMarket({ server: { settings: {}, databaseUrl, now: () => Date.now() + clock.later, ...(mail ? { mail: { smtpUrl: box.url, from: 'Lumaris <alerts@market.example>', publicUrl: PUBLIC, timeoutMs: 2_000 } } : {}) } })
  return { market, box, clock, close: async () => { await market.stop(); await box.stop() } }
}
let people = 0
/** Somebody of his own, in a market that all share. */
async function someone({ market, box, clock }: House): Promise<Room> {
  const email = `ann-${++people}@people.example`, mails = () => box.mails.filter(({ to }) => to[0] === email)
  clock.later += MINUTE // no rate of sign-ups
  expect((await market.call(null, 'POST', '/v1/users', { email, password: OLD, name: 'Ann' })).status).toBe(201)
  return {
    market, box, clock, email, mails, call: market.call, signIn: (password, code) => market.call(null, 'POST', '/v1/sessions', { email, password, ...(code === undefined ? {} : { code }) }),
    links: () => mails().flatMap((one) => codeIn(one) ?? []), subjects: () => mails().map(({ headers }) => headers['subject']?.[0] ?? ''),
  }
}
const codeIn = (mail: Mail | undefined): string | undefined => /^https:\/\/market\.example\/reset-password#([\w-]{43})$/m.exec(mail?.text ?? '')?.[1]
const forgotten = (room: Room, email = room.email): Promise<Answer> => room.call(null, 'POST', '/v1/password-resets', { email })
const use = (room: Room, code: string | undefined, password = NEW): Promise<Answer> => room.call(null, 'POST', '/v1/password-resets/use', { code, password })
async function turnOnSecondFactor(room: Room, token: string): Promise<TOTP> {
  const { body } = await room.call(token, 'POST', '/v1/users/me/second-factor', { password: OLD }), app = new TOTP({ secret: Secret.fromBase32(body.secret) })
  expect((await room.call(token, 'POST', '/v1/users/me/second-factor/confirm', { code: app.generate({ timestamp: Date.now() + room.clock.later }) })).status).toBe(200)
  return app
}

const missing = postgresMissing(), postgres = missing ? null : startPostgres()
afterAll(async () => { await (await postgres)?.stop() })
const BOTH = [['SQLite', async () => undefined], ['PostgreSQL', async () => (await postgres)?.createDatabase()]] as const

describe.each(BOTH)('on %s', (name, databaseUrl) => {
  const isMissing = name === 'PostgreSQL' && Boolean(missing), here = test.skipIf(isMissing)
  let house: House | undefined
  beforeAll(async () => { if (!isMissing) house = await open(await databaseUrl()) })
  afterAll(() => house?.close())
  const newcomer = (): Promise<Room> => someone(house as House)

  here('changed by who knows it: every other session ends, keys and this session go on', async () => {
    const room = await newcomer(), { call, signIn } = room
    const mine = (await signIn(OLD)).body, other = (await signIn(OLD)).body, key = (await call(mine.accessToken, 'POST', '/v1/keys', { label: 'ci', scopes: ['jobs:read'] })).body.secret
    const change = (body: object, token: string = mine.accessToken): Promise<Answer> => call(token, 'POST', '/v1/users/me/password', { password: OLD, next: NEW, ...body })
    expect((await change({ password: 'a wrong one' })).body).toMatchObject({ code: 'invalid_credentials' })
    expect((await change({ next: 'short' })).body).toMatchObject({ code: 'weak_password' })
    expect((await change({ next: 'password12' })).body).toMatchObject({ code: 'weak_password' })
    expect((await change({}, key)).body).toMatchObject({ code: 'session_needed' })
    expect((await signIn(OLD)).status).toBe(201)
    // What a program still waits for, and was approved with the old one, comes to nothing.
    const device = (await call(null, 'POST', '/v1/device-logins', { client: 'a program' })).body
    expect((await call(mine.accessToken, 'POST', '/v1/device-logins/decide', { userCode: device.userCode, approve: true })).status).toBe(204)
    expect((await change({})).body).toEqual({ ended: 2 })
    expect((await call(null, 'POST', '/v1/device-logins/token', { deviceCode: device.deviceCode })).body).toMatchObject({ code: 'access_denied' })
    expect((await call(mine.accessToken, 'GET', '/v1/users/me')).status).toBe(200)
    expect((await call(null, 'POST', '/v1/sessions/refresh', { refreshToken: mine.refreshToken })).status).toBe(200)
    expect((await call(other.accessToken, 'GET', '/v1/users/me')).status).toBe(401)
    expect((await call(null, 'POST', '/v1/sessions/refresh', { refreshToken: other.refreshToken })).body).toMatchObject({ code: 'token_revoked' })
    expect((await call(key, 'GET', '/v1/jobs')).status).toBe(200)
    expect((await signIn(OLD)).body).toMatchObject({ code: 'invalid_credentials' })
    expect((await signIn(NEW)).status).toBe(201)
    expect(room.mails()).toEqual([]) // nobody has shown that this address is read
  })

  here('two changes at once: one holds, and the other is told', async () => {
    const room = await newcomer(), { accessToken } = (await room.signIn(OLD)).body, wishes = ['the first of two wishes', 'the second of two wishes']
    const answers = await Promise.all(wishes.map((next) => room.call(accessToken, 'POST', '/v1/users/me/password', { password: OLD, next })))
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 401])
    const held = wishes[answers.findIndex(({ status }) => status === 200)] as string
    expect((await room.signIn(held)).status).toBe(201)
  })

  here('with a second factor both are asked for, and the code is used up', async () => {
    const room = await newcomer(), { accessToken } = (await room.signIn(OLD)).body, app = await turnOnSecondFactor(room, accessToken)
    room.clock.later += 2 * MINUTE
    const change = (more: object): Promise<Answer> => room.call(accessToken, 'POST', '/v1/users/me/password', { password: OLD, next: NEW, ...more })
    expect((await change({})).body).toMatchObject({ code: 'second_factor_needed' })
    expect((await change({ code: '000000' })).body).toMatchObject({ code: 'second_factor_wrong' })
    const code = app.generate({ timestamp: Date.now() + room.clock.later })
    expect((await change({ code })).status).toBe(200)
    expect((await room.signIn(NEW, code)).body).toMatchObject({ code: 'second_factor_wrong' })
  })

  here('forgotten: a link in a mail sets a new one, once; all sessions end, and the second factor stays', async () => {
    const room = await newcomer(), { call, mails } = room, { accessToken, refreshToken } = (await room.signIn(OLD)).body, app = await turnOnSecondFactor(room, accessToken)
    expect((await forgotten(room, room.email.toUpperCase())).body).toEqual({ validMs: 30 * MINUTE })
    await expect.poll(() => mails().length).toBe(1)
    expect(mails()[0]).toMatchObject({ to: [room.email], headers: { subject: ['Set a new password'] } })
    expect(mails()[0]?.headers['list-unsubscribe']).toBeUndefined()
    const code = codeIn(mails()[0])
    // Of the code only its hash is kept, and what is in the mail is gone with it.
    await expect.poll(() => room.market.app.db.query('SELECT state, sealed FROM mails WHERE address = $1', [room.email])).toEqual([{ state: 'sent', sealed: null }])
    expect(JSON.stringify(await room.market.app.db.query('SELECT * FROM password_resets'))).not.toContain(code)
    expect((await use(room, 'x'.repeat(43))).body).toMatchObject({ code: 'reset_invalid' })
    expect((await use(room, code, 'short')).body).toMatchObject({ code: 'weak_password' })
    expect((await call(accessToken, 'GET', '/v1/users/me')).status).toBe(200)
    // Pressed twice at once, it is set once.
    const both = await Promise.all([use(room, code), use(room, code)])
    expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 410])
    expect((await call(accessToken, 'GET', '/v1/users/me')).status).toBe(401)
    expect((await call(null, 'POST', '/v1/sessions/refresh', { refreshToken })).body).toMatchObject({ code: 'token_revoked' })
    room.clock.later += 2 * MINUTE
    expect((await room.signIn(OLD)).body).toMatchObject({ code: 'invalid_credentials' })
    expect((await room.signIn(NEW)).body).toMatchObject({ code: 'second_factor_needed' })
    expect((await room.signIn(NEW, app.generate({ timestamp: Date.now() + room.clock.later }))).status).toBe(201)
    await expect.poll(() => room.subjects()).toEqual(['Set a new password', 'Your password was changed'])
    expect(mails()[1]).toMatchObject({ text: expect.stringContaining(`${PUBLIC}/forgot-password`) })
  })

  here('asked for by others: an address without an account gets nothing and the same answer; three links are open at most, each good, and none after half an hour', async () => {
    const room = await newcomer()
    const known = await forgotten(room), unknown = await forgotten(room, 'nobody@people.example')
    expect([unknown.status, unknown.body]).toEqual([known.status, known.body])
    for (let i = 0; i < 5; i++) expect((await forgotten(room)).status).toBe(202)
    await expect.poll(() => room.links().length).toBe(3)
    room.clock.later += 31 * MINUTE
    expect((await use(room, room.links()[0])).body).toMatchObject({ code: 'reset_invalid' })
    await forgotten(room)
    await expect.poll(() => room.links().length).toBe(4)
    await forgotten(room)
    await expect.poll(() => room.links().length).toBe(5)
    expect(room.box.mails.flatMap(({ to }) => to)).not.toContain('nobody@people.example')
    // The older of two that are open is as good; then the newer one is not.
    expect((await use(room, room.links()[3])).status).toBe(200)
    expect((await use(room, room.links()[4], 'one more password')).body).toMatchObject({ code: 'reset_invalid' })
    expect((await room.signIn(NEW)).status).toBe(201)
  })

  here('guesses of others do not keep the owner out once a link was used', async () => {
    const room = await newcomer()
    for (let i = 0; i < 12; i++) { room.clock.later += 3 * MINUTE; expect((await room.signIn('a guess')).body).toMatchObject({ code: 'invalid_credentials' }) }
    expect((await room.signIn(OLD)).body).toMatchObject({ code: 'too_many_attempts' })
    await forgotten(room)
    await expect.poll(() => room.links().length).toBe(1)
    expect((await use(room, room.links()[0])).body).toEqual({ ended: 0 })
    expect((await room.signIn(NEW)).status).toBe(201)
  })

  here('who has shown that he reads the address is told of a change; and mails about passwords come also to who wants no alerts', async () => {
    const room = await newcomer(), { box, call, mails } = room, { accessToken } = (await room.signIn(OLD)).body
    expect((await call(accessToken, 'POST', '/v1/alerts/mail/code')).status).toBe(202)
    await expect.poll(() => mails().length).toBe(1)
    expect((await call(accessToken, 'POST', '/v1/alerts/mail/prove', { code: /^\d{4} \d{4}$/m.exec(mails()[0]?.text ?? '')?.[0] })).status).toBe(200)
    expect((await call(accessToken, 'PUT', '/v1/alerts/mail', { on: false })).body).toMatchObject({ on: false })
    expect((await call(accessToken, 'POST', '/v1/users/me/password', { password: OLD, next: NEW })).status).toBe(200)
    await expect.poll(() => room.subjects()[1]).toBe('Your password was changed')
    expect((await call(accessToken, 'GET', '/v1/alerts/mail')).body).toMatchObject({ on: false, proved: true, waiting: 0 })
    // The address is gone for good: alerts by mail say so, and a link that cannot be delivered is nobody's problem twice.
    box.answerWith((step) => (step === 'rcpt' ? { code: 550, says: '5.1.1 no such user' } : null))
    await forgotten(room)
    await expect.poll(async () => (await room.market.app.db.query<{ state: string }>("SELECT state FROM mails WHERE kind = 'reset' AND address = $1", [room.email]))[0]?.state).toBe('failed')
    expect(await room.market.app.db.query("SELECT sealed FROM mails WHERE kind = 'reset' AND address = $1", [room.email])).toEqual([{ sealed: null }])
    box.answerWith(() => null)
  })
})

test('a market without a mail server says so; a password is changed there all the same', async () => {
  const house = await open(undefined, false), room = await someone(house), { accessToken } = (await room.signIn(OLD)).body
  expect((await forgotten(room)).body).toMatchObject({ code: 'reset_by_operator' })
  expect((await room.call(accessToken, 'POST', '/v1/users/me/password', { password: OLD, next: NEW })).body).toEqual({ ended: 0 })
  expect((await room.signIn(NEW)).status).toBe(201)
  await house.close()
})
