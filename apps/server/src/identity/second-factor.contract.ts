// The second factor, sessions and device logins, on the tables themselves. Run by second-factor.db.test.ts on both databases.
import { expect, test } from 'vitest'
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'
import { isRefusal } from '@lumaris/protocol'
import type { NewSecondFactor, RecoveryCodes, Refusal, Tokens, User } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'
import { createIds } from '../ids.ts'
import { createIdentity } from './identity.ts'

const ANN = { email: 'ann@example.org', password: 'a long password of ann', name: 'Ann', roles: ['buyer'] as const }
const HOME = '10.0.0.1', STEP = 30_000, MINUTE = 60_000
const fine = <Answer>(answer: Answer | Refusal): Answer => { if (isRefusal(answer)) throw new Error(`refused: ${answer.refusal}`); return answer }
const refusalOf = async (answer: unknown): Promise<string | null> => { const it = await answer; return isRefusal(it) ? it.refusal : null }

export function secondFactorContract(name: string, fresh: () => Promise<Database>): void {
  const setup = async () => {
    const db = await fresh(), clock = { now: 1_700_000_000_000 }, now = () => clock.now, master = randomBytes(32)
    const secrets = { tokenKey: generateKeyPairSync('ed25519').privateKey, derive: (purpose: string) => createHash('sha256').update(master).update(purpose).digest() }
    const identity = createIdentity({ db, ids: createIds(now, randomBytes), now, random: randomBytes, secrets, passwordCost: { memoryKib: 64, passes: 1 } })
    const ann = fine<User>(await identity.register(ANN))
    return {
      db, clock, identity, ann, login: (code?: string, from = HOME) => identity.login({ ...ANN, code }, from),
      /** As an app does it: from the address alone. */
      enrol: async () => {
        const { secret, uri } = fine<NewSecondFactor>(await identity.startSecondFactor(ann.id, ANN.password, HOME))
        const label = decodeURIComponent(/^otpauth:\/\/totp\/([^?]+)\?/.exec(uri)?.[1] ?? '')
        expect(label).toBe('Lumaris:ann@example.org')
        expect(uri).toContain(`secret=${secret}`)
        const app = new TOTP({ issuer: 'Lumaris', label: ANN.email, secret: Secret.fromBase32(secret) })
        const code = (later = 0): string => app.generate({ timestamp: clock.now + later })
        const { recoveryCodes } = fine<RecoveryCodes>(await identity.confirmSecondFactor(ann.id, code(), HOME))
        return { secret, code, recoveryCodes }
      },
    }
  }

  test(`${name}: codes are those of RFC 6238`, () => {
    const app = new TOTP({ algorithm: 'SHA1', digits: 8, period: 30, secret: new Secret({ buffer: new Uint8Array(Buffer.from('12345678901234567890')).buffer }) })
    for (const [seconds, code] of [[59, '94287082'], [1111111109, '07081804'], [1234567890, '89005924'], [20000000000, '65353130']] as const) expect(app.generate({ timestamp: seconds * 1000 })).toBe(code)
  })
  test(`${name}: once confirmed, signing in needs a code; a code works once, also from the step before`, async () => {
    const { db, identity, ann, clock, login, enrol } = await setup()
    expect(await identity.secondFactor(ann.id)).toEqual({ on: false, recoveryCodesLeft: 0 })
    const { code } = await enrol()
    expect(await identity.secondFactor(ann.id)).toEqual({ on: true, since: clock.now, recoveryCodesLeft: 10 })
    expect(await refusalOf(login())).toBe('second_factor_needed')
    expect(await refusalOf(login(code()))).toBe('second_factor_wrong') // it was used to confirm
    clock.now += STEP
    const now = code()
    expect(await refusalOf(login(now))).toBeNull()
    expect(await refusalOf(login(now))).toBe('second_factor_wrong')
    expect(await refusalOf(login(code(-STEP)))).toBe('second_factor_wrong')
    clock.now += 3 * STEP
    expect(await refusalOf(login(code(-STEP))), 'a phone that is half a minute slow').toBeNull()
    clock.now += MINUTE
    expect(await refusalOf(login(code(3 * STEP)))).toBe('second_factor_wrong')
    await db.close()
  })
  test(`${name}: of two at once with one code, one gets in`, async () => {
    const { db, clock, login, enrol } = await setup()
    const { code, recoveryCodes } = await enrol()
    clock.now += STEP
    for (const one of [code(), recoveryCodes[0] as string]) expect((await Promise.all([1, 2].map(() => refusalOf(login(one))))).filter((no) => no === null)).toHaveLength(1)
    await db.close()
  })
  test(`${name}: a recovery code works once, however it is typed; new ones make the old ones void`, async () => {
    const { db, identity, ann, clock, login, enrol } = await setup()
    const { code, recoveryCodes } = await enrol()
    expect(new Set(recoveryCodes).size).toBe(10)
    expect(await refusalOf(login((recoveryCodes[0] as string).toUpperCase().replace('-', ' ')))).toBeNull()
    expect(await refusalOf(login(recoveryCodes[0]))).toBe('second_factor_wrong')
    expect((await identity.secondFactor(ann.id)).recoveryCodesLeft).toBe(9)
    clock.now += STEP
    const fresh_ = fine<RecoveryCodes>(await identity.renewRecoveryCodes(ann.id, { password: ANN.password, code: code() }, HOME)).recoveryCodes
    expect(await refusalOf(login(recoveryCodes[1]))).toBe('second_factor_wrong')
    expect(await refusalOf(login(fresh_[0]))).toBeNull()
    await db.close()
  })
  test(`${name}: nothing that is stored gives a code`, async () => {
    const { db, enrol } = await setup()
    const { secret, recoveryCodes } = await enrol()
    const stored = JSON.stringify([await db.query('SELECT * FROM second_factors'), await db.query('SELECT * FROM recovery_codes')])
    for (const clear of [secret, Buffer.from(Secret.fromBase32(secret).bytes).toString('base64url'), ...recoveryCodes, ...recoveryCodes.map((code) => code.replace('-', ''))]) expect(stored).not.toContain(clear)
    await db.close()
  })
  test(`${name}: guessing codes has to wait, like guessing passwords`, async () => {
    const { db, clock, login, enrol } = await setup()
    const { code } = await enrol()
    clock.now += STEP
    const guesses = []
    for (let i = 0; i < 7; i++) guesses.push(await refusalOf(login('000000', '10.9.9.9')))
    expect(guesses).toEqual([...Array<string>(5).fill('second_factor_wrong'), 'too_many_attempts', 'too_many_attempts'])
    expect(await refusalOf(login(code(), '10.9.9.9'))).toBe('too_many_attempts')
    await db.close()
  })
  test(`${name}: changes need the password, and turning it off a code as well`, async () => {
    const { db, identity, ann, clock, login, enrol } = await setup()
    expect(await refusalOf(identity.startSecondFactor(ann.id, 'a guess', HOME))).toBe('invalid_credentials')
    expect(await refusalOf(identity.confirmSecondFactor(ann.id, '000000', HOME))).toBe('second_factor_off')
    fine(await identity.startSecondFactor(ann.id, ANN.password, HOME))
    expect(await refusalOf(login()), 'begun is not on').toBeNull()
    expect(await refusalOf(identity.confirmSecondFactor(ann.id, '000000', HOME))).toBe('second_factor_wrong')
    const { code } = await enrol()
    clock.now += STEP
    expect(await refusalOf(identity.startSecondFactor(ann.id, ANN.password, HOME))).toBe('second_factor_on')
    expect(await refusalOf(identity.stopSecondFactor(ann.id, { password: 'a guess', code: code() }, HOME))).toBe('invalid_credentials')
    expect(await refusalOf(identity.stopSecondFactor(ann.id, { password: ANN.password, code: '000000' }, HOME))).toBe('second_factor_wrong')
    expect(await refusalOf(identity.stopSecondFactor(ann.id, { password: ANN.password, code: code() }, HOME))).toBeNull()
    expect(await refusalOf(login())).toBeNull()
    expect(await refusalOf(identity.stopSecondFactor(ann.id, { password: ANN.password, code: code() }, HOME))).toBe('second_factor_off')
    await db.close()
  })

  test(`${name}: sessions are listed with where they came from; one is ended, or all others`, async () => {
    const { db, identity, ann } = await setup()
    const [mine, other, third] = [fine<Tokens>(await identity.login(ANN, HOME, 'A browser')), fine<Tokens>(await identity.login(ANN, '10.0.0.2', 'x'.repeat(500))), fine<Tokens>(await identity.login(ANN, '10.0.0.3'))]
    const idOf = async (tokens: Tokens): Promise<string> => { const who = fine(await identity.authenticate(tokens.accessToken)); return who.sessionId ?? '' }
    const list = await identity.listSessions(ann.id, await idOf(mine))
    expect(list.map(({ current, address, client }) => [current, address, client?.length])).toEqual([[false, '10.0.0.3', undefined], [false, '10.0.0.2', 200], [true, HOME, 9]])
    expect(await identity.endSession('usr_someone' as User['id'], await idOf(third) as never)).toBe(false)
    expect(await identity.endSession(ann.id, await idOf(third) as never)).toBe(true)
    expect(await refusalOf(identity.authenticate(third.accessToken))).toBe('token_revoked')
    expect(await identity.endOtherSessions(ann.id, await idOf(mine))).toBe(1)
    expect(await refusalOf(identity.authenticate(other.accessToken))).toBe('token_revoked')
    expect(await refusalOf(identity.refresh(other.refreshToken, HOME))).toBe('token_revoked')
    expect(await refusalOf(identity.authenticate(mine.accessToken))).toBeNull()
    await db.close()
  })

  test(`${name}: a device is signed in once somebody approves it, and once only`, async () => {
    const { db, identity, ann, clock } = await setup()
    const asked = fine(await identity.startDeviceLogin('lumaris on box', '10.5.5.5'))
    expect(asked).toMatchObject({ userCode: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/), expiresInMs: 10 * MINUTE, intervalMs: 5_000 })
    expect(JSON.stringify(await db.query('SELECT * FROM device_logins'))).not.toMatch(new RegExp(`${asked.deviceCode}|${asked.userCode.replace('-', '')}`))
    expect(await refusalOf(identity.deviceToken(asked.deviceCode))).toBe('authorization_pending')
    expect(await identity.deviceToken(asked.deviceCode)).toMatchObject({ refusal: 'slow_down', detail: { retryAfterMs: 10_000 } })
    clock.now += 10_000
    expect(await identity.deviceToken(asked.deviceCode)).toMatchObject({ refusal: 'authorization_pending', detail: { retryAfterMs: 10_000 } })
    expect(fine(await identity.lookAtDevice(ann.id, asked.userCode.toLowerCase().replace('-', ' '), HOME))).toMatchObject({ client: 'lumaris on box', address: '10.5.5.5', userCode: asked.userCode })
    expect(await refusalOf(identity.decideDevice(ann.id, asked.userCode, true, HOME))).toBeNull()
    expect(await refusalOf(identity.decideDevice(ann.id, asked.userCode, false, HOME)), 'decided is decided').toBe('device_code_expired')
    const both = await Promise.all([1, 2].map(() => identity.deviceToken(asked.deviceCode)))
    expect(both.filter((one) => !isRefusal(one))).toHaveLength(1)
    const tokens = both.find((one) => !isRefusal(one)) as Tokens
    expect(fine(await identity.authenticate(tokens.accessToken))).toMatchObject({ userId: ann.id })
    expect((await identity.listSessions(ann.id, ''))[0]).toMatchObject({ address: '10.5.5.5', client: 'lumaris on box' })
    expect(await refusalOf(identity.deviceToken(asked.deviceCode))).toBe('device_code_expired')
    await db.close()
  })
  test(`${name}: a suspension holds for a device that was approved before it, too`, async () => {
    const { db, identity, ann } = await setup(), asked = fine(await identity.startDeviceLogin('lumaris on box', '10.5.5.5'))
    expect(await identity.decideDevice(ann.id, asked.userCode, true, HOME)).toBeNull()
    await db.transact([{ sql: "UPDATE users SET suspended = '{}' WHERE id = $1", params: [ann.id] }])
    expect(await refusalOf(identity.deviceToken(asked.deviceCode))).toBe('account_suspended')
    expect(await db.query('SELECT id FROM sessions')).toEqual([])
    await db.transact([{ sql: 'UPDATE users SET suspended = NULL WHERE id = $1', params: [ann.id] }])
    expect(await identity.deviceToken(asked.deviceCode)).toMatchObject({ user: ann.id })
  })

  test(`${name}: a device that is refused or too late gets nothing; user codes cannot be guessed at speed`, async () => {
    const { db, identity, ann, clock } = await setup()
    const refused = fine(await identity.startDeviceLogin('a', HOME)), late = fine(await identity.startDeviceLogin('b', HOME))
    await identity.decideDevice(ann.id, refused.userCode, false, HOME)
    expect(await refusalOf(identity.deviceToken(refused.deviceCode))).toBe('access_denied')
    expect(await refusalOf(identity.deviceToken('x'.repeat(43)))).toBe('device_code_expired')
    clock.now += 10 * MINUTE
    expect(await refusalOf(identity.decideDevice(ann.id, late.userCode, true, HOME))).toBe('device_code_expired')
    expect(await refusalOf(identity.deviceToken(late.deviceCode))).toBe('device_code_expired')
    const guesses = []
    for (let i = 0; i < 6; i++) guesses.push(await refusalOf(identity.lookAtDevice(ann.id, 'BCDF-GHJK', '10.8.8.8')))
    expect(guesses.slice(0, 3)).toEqual(Array(3).fill('device_code_expired'))
    expect(guesses.at(-1)).toBe('too_many_attempts')
    await db.close()
  })
}
