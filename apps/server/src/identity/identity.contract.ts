// Accounts, sessions and keys as callers see them. Run by identity.db.test.ts on both databases.
import { expect, test } from 'vitest'
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { isRefusal } from '@lumaris/protocol'
import type { NewKey, Refusal, Scope, Tokens, User } from '@lumaris/protocol'
import type { Database, Statement } from '../database/database.ts'
import type { UserPrincipal } from '../http/policy.ts'
import { createIds } from '../ids.ts'
import { createIdentity } from './identity.ts'

const CHEAP = { memoryKib: 64, passes: 1 }
const ANN = { email: 'Ann@Example.org', password: 'a long password of ann', name: 'Ann', roles: ['buyer'] as const }
const ALL: Scope[] = ['jobs:read', 'jobs:write', 'wallet:read', 'wallet:write', 'nodes:read', 'nodes:write', 'keys:write']
const HOME = '10.0.0.1', AWAY = '10.9.9.9'
const SECOND = 1_000, DAY = 86_400_000

const fine = <Answer>(answer: Answer | Refusal): Answer => { if (isRefusal(answer)) throw new Error(`refused: ${answer.refusal}`); return answer }
const refusalOf = async (answer: unknown): Promise<string | null> => { const it = await answer; return isRefusal(it) ? it.refusal : null }

export function identityContract(name: string, fresh: () => Promise<Database>): void {
  const setup = async (passwordCost = CHEAP) => {
    const db = await fresh()
    const clock = { now: 1_700_000_000_000 }
    let questions = 0
    const writes: Statement[] = []
    // Counts what reaches the tables; all of it does.
    // `holdNext` keeps back the next answer to a question like this, taken from the tables as they were when it was asked.
    let held: { like: string; until: Promise<void>; taken: () => void } | null = null
    const holdNext = (like: string): { taken: Promise<void>; release: () => void } => {
      const taken = Promise.withResolvers<void>(), until = Promise.withResolvers<void>()
      held = { like, until: until.promise, taken: taken.resolve }
      return { taken: taken.promise, release: until.resolve }
    }
    const query: Database['query'] = async (sql, params) => {
      questions++
      const mine = held && sql.includes(held.like) ? held : null
      if (mine) held = null
      const rows = await db.query<never>(sql, params)
      mine?.taken()
      await mine?.until
      return rows
    }
    const watched: Database = { ...db, query, transact: (statements) => { writes.push(...statements); return db.transact(statements) } }
    const now = () => clock.now
    const tokenKey = generateKeyPairSync('ed25519').privateKey, master = randomBytes(32)
    const secrets = { tokenKey, derive: (purpose: string) => createHash('sha256').update(master).update(purpose).digest() }
    const start = (cost = passwordCost) => createIdentity({ db: watched, ids: createIds(now, randomBytes), now, random: randomBytes, secrets, passwordCost: cost })
    const identity = start()
    const ann = fine<User>(await identity.register(ANN))
    const me: UserPrincipal = { kind: 'user', userId: ann.id, roles: ['buyer'], scopes: 'all' }
    return {
      db, clock, identity, ann, me, start, writes, holdNext, questions: () => questions,
      login: async () => fine<Tokens>(await identity.login(ANN, HOME)),
      key: async (more: { scopes?: Scope[]; expiresInMs?: number } = {}) => fine<NewKey>(await identity.createKey(me, { label: 'ci', scopes: ['jobs:read'], ...more })),
    }
  }

  test(`${name}: an account is made once per address, however it is spelled`, async () => {
    const { db, identity, ann } = await setup()
    expect(ann).toMatchObject({ email: 'ann@example.org', name: 'Ann', roles: ['buyer'] })
    expect(await refusalOf(identity.register({ ...ANN, email: ' ANN@example.ORG ' }))).toBe('email_taken')
    expect(await refusalOf(identity.register({ ...ANN, email: 'bob@example.org', password: 'password12' }))).toBe('weak_password')
    const both = await Promise.all([1, 2].map(() => refusalOf(identity.register({ ...ANN, email: 'twice@example.org' }))))
    expect(new Set(both)).toEqual(new Set(['email_taken', null]))
    expect(await identity.byEmail('ANN@EXAMPLE.ORG')).toEqual(ann)
    expect(await identity.user(ann.id)).toEqual(ann)
    await db.close()
  })

  test(`${name}: nothing that is stored opens anything: no password, token or key in clear`, async () => {
    const { db, login, key } = await setup()
    const { accessToken, refreshToken } = await login()
    const { secret } = await key()
    const stored = JSON.stringify([await db.query('SELECT * FROM users'), await db.query('SELECT * FROM sessions'), await db.query('SELECT * FROM api_keys')])
    for (const clear of [ANN.password, accessToken, refreshToken, refreshToken.split('_')[2] as string, secret, secret.slice(22, 65)]) expect(stored).not.toContain(clear)
    await db.close()
  })

  test(`${name}: signing in gives tokens that say who one is`, async () => {
    const { db, identity, ann, login } = await setup()
    const tokens = await login()
    expect(tokens).toMatchObject({ user: ann.id, expiresInMs: 600_000 })
    expect(await identity.authenticate(tokens.accessToken)).toEqual({ kind: 'user', userId: ann.id, roles: ['buyer'], scopes: 'all', sessionId: expect.stringMatching(/^ses_/) as string, provedAt: expect.any(Number) as number })
    await db.close()
  })

  test(`${name}: a wrong password and an unknown account are the same no, until guessing has to wait`, async () => {
    const { db, identity, clock } = await setup()
    for (const email of [ANN.email, 'nobody@example.org']) {
      const tries = []
      for (let i = 0; i < 6; i++) tries.push(await identity.login({ email, password: 'a guess' }, `10.1.1.${email.length}`))
      expect(tries.map((answer) => isRefusal(answer) && answer.refusal)).toEqual([...Array<string>(5).fill('invalid_credentials'), 'too_many_attempts'])
      expect(tries[5]).toMatchObject({ detail: { retryAfterMs: SECOND } })
    }
    expect(await refusalOf(identity.login(ANN, AWAY)), 'the right one has to wait as well').toBe('too_many_attempts')
    clock.now += SECOND
    expect(await refusalOf(identity.login(ANN, AWAY))).toBeNull()
    await db.close()
  })

  test(`${name}: signing in often and rightly never has to wait`, async () => {
    const { db, identity } = await setup()
    for (let i = 0; i < 25; i++) expect(await refusalOf(identity.login(ANN, HOME))).toBeNull()
    await db.close()
  })

  test(`${name}: a password stored at an older cost is stored anew at the next sign-in`, async () => {
    const { db, login, start } = await setup({ memoryKib: 32, passes: 1 })
    await login()
    const later = start({ memoryKib: 64, passes: 2 })
    for (let i = 0; i < 2; i++) fine(await later.login(ANN, HOME))
    const [row] = await db.query<{ password: string }>('SELECT password FROM users')
    expect(row?.password).toMatch(/^\$argon2id\$v=19\$m=64,t=2,p=1\$/)
    await db.close()
  })

  test(`${name}: each refresh gives the next token and makes the one before void`, async () => {
    const { db, identity, clock, login } = await setup()
    let { refreshToken } = await login()
    const seen = new Set([refreshToken])
    for (let i = 0; i < 5; i++) {
      clock.now += DAY
      const tokens = fine<Tokens>(await identity.refresh(refreshToken, HOME))
      expect(await refusalOf(identity.authenticate(tokens.accessToken))).toBeNull()
      seen.add(refreshToken = tokens.refreshToken)
    }
    expect(seen.size).toBe(6)
    await db.close()
  })

  test(`${name}: a refresh whose answer was lost, and two tabs at once, get the same next token, and it works`, async () => {
    const { db, identity, clock, login } = await setup()
    const { refreshToken } = await login()
    const tabs = await Promise.all([1, 2, 3].map(async () => fine<Tokens>(await identity.refresh(refreshToken, HOME)).refreshToken))
    clock.now += 10 * SECOND
    tabs.push(fine<Tokens>(await identity.refresh(refreshToken, HOME)).refreshToken)
    expect(new Set(tabs).size).toBe(1)
    expect(await refusalOf(identity.refresh(tabs[0] as string, HOME))).toBeNull()
    await db.close()
  })

  test.each<[string, (clock: { now: number }) => string]>([['after the grace', (clock) => { clock.now += 10 * SECOND + 1; return HOME }], ['within it, from elsewhere', () => AWAY]])(`${name}: an old token %s ends the session for both who hold one`, async (_when, how) => {
    const { db, identity, clock, login } = await setup()
    const stolen = (await login()).refreshToken
    const mine = fine<Tokens>(await identity.refresh(stolen, HOME))
    expect(await refusalOf(identity.authenticate(mine.accessToken))).toBeNull()
    expect(await refusalOf(identity.refresh(stolen, how(clock)))).toBe('token_revoked')
    expect(await refusalOf(identity.refresh(mine.refreshToken, HOME))).toBe('token_revoked')
    expect(await refusalOf(identity.authenticate(mine.accessToken))).toBe('token_revoked')
    await db.close()
  })

  test(`${name}: so does one from long before, even at once; a made-up one ends nothing`, async () => {
    const { db, identity, login } = await setup()
    const first = (await login()).refreshToken
    const second = fine<Tokens>(await identity.refresh(first, HOME)).refreshToken
    const third = fine<Tokens>(await identity.refresh(second, HOME)).refreshToken
    const parts = first.split('_')
    for (const forged of ['', 'rft_', first.slice(0, -1), `rft_${parts[1]}_${'A'.repeat(43)}_${'A'.repeat(22)}`, `rft_${parts[1]}_${'A'.repeat(43)}_${parts[3]}`]) expect(await refusalOf(identity.refresh(forged, AWAY))).toBe('invalid_credentials')
    expect(await refusalOf(identity.refresh(third, HOME))).toBeNull()
    expect(await refusalOf(identity.refresh(first, HOME))).toBe('token_revoked')
    expect(await refusalOf(identity.refresh(third, HOME))).toBe('token_revoked')
    await db.close()
  })

  test(`${name}: a session ends after thirty days without use, and after ninety in any case`, async () => {
    const { db, identity, clock, login } = await setup()
    const idle = (await login()).refreshToken
    let used = (await login()).refreshToken
    clock.now += 30 * DAY - 1
    used = fine<Tokens>(await identity.refresh(used)).refreshToken
    clock.now += 1
    expect(await refusalOf(identity.refresh(idle))).toBe('token_expired')
    clock.now += 29 * DAY
    used = fine<Tokens>(await identity.refresh(used)).refreshToken
    clock.now += 29 * DAY
    used = fine<Tokens>(await identity.refresh(used)).refreshToken
    clock.now += 2 * DAY
    expect(await refusalOf(identity.refresh(used))).toBe('token_expired')
    await db.close()
  })

  test(`${name}: signing out ends this session at once, and no other`, async () => {
    const { db, identity, login } = await setup()
    const [here, there] = [await login(), await login()]
    const who = await identity.authenticate(here.accessToken) as UserPrincipal
    await identity.authenticate(there.accessToken)
    await identity.logout(who)
    expect(await refusalOf(identity.authenticate(here.accessToken))).toBe('token_revoked')
    expect(await refusalOf(identity.refresh(here.refreshToken))).toBe('token_revoked')
    expect(await refusalOf(identity.authenticate(there.accessToken))).toBeNull()
    await db.close()
  })

  test(`${name}: an access token ends after ten minutes, though its holder was seen a moment ago`, async () => {
    const { db, identity, clock, login } = await setup()
    const { accessToken } = await login()
    clock.now += 600_000 - SECOND
    expect(await refusalOf(identity.authenticate(accessToken))).toBeNull()
    clock.now += SECOND
    expect(await refusalOf(identity.authenticate(accessToken))).toBe('token_expired')
    await db.close()
  })

  test(`${name}: a key opens what its scopes say, and its secret is shown once`, async () => {
    const { db, identity, ann, key } = await setup()
    const made = await key({ scopes: ['jobs:read', 'jobs:write'] })
    expect(made.secret).toMatch(/^lum_live_[0-9a-z]{12}_[A-Za-z0-9_-]{43}[0-9a-z]{6}$/)
    expect(await identity.authenticate(made.secret)).toEqual({ kind: 'user', userId: ann.id, roles: ['buyer'], scopes: ['jobs:read', 'jobs:write'], keyId: made.id })
    const [listed] = await identity.listKeys(ann.id)
    expect(listed).toMatchObject({ id: made.id, label: 'ci', scopes: ['jobs:read', 'jobs:write'], prefix: made.secret.slice(0, 21) })
    expect(JSON.stringify(listed)).not.toContain(made.secret.slice(22, 65))
    await db.close()
  })

  test(`${name}: a key that is mistyped, made up, or only near is nobody's; the first kind without a question to the tables`, async () => {
    const { db, identity, key, questions } = await setup()
    const keys = await Promise.all([key(), key(), key()]) // of one millisecond: their short ids are the same
    expect(new Set(keys.map((one) => one.secret.slice(0, 21))).size).toBe(1)
    for (const one of keys) expect(await identity.authenticate(one.secret)).toMatchObject({ keyId: one.id })
    const secret = keys[0].secret, before = questions()
    for (const wrong of ['lum_', secret.slice(0, -1), `${secret}x`, secret.replace(/.(?=.{20}$)/, (letter) => (letter === 'a' ? 'b' : 'a')), secret.toUpperCase(), ` ${secret}`]) expect(await refusalOf(identity.authenticate(wrong))).toBe('unauthenticated')
    expect(questions()).toBe(before)
    await db.close()
  })

  test(`${name}: nobody gives a key more than he has`, async () => {
    const { db, identity, me, key } = await setup()
    expect(await identity.createKey(me, { label: 'x', scopes: ['jobs:read', 'admin'] })).toEqual({ refusal: 'scope_not_allowed', detail: { scopes: ['admin'] } })
    const small = await identity.authenticate((await key({ scopes: ['keys:write', 'jobs:read'] })).secret) as UserPrincipal
    expect(await refusalOf(identity.createKey(small, { label: 'x', scopes: ['jobs:read'] }))).toBeNull()
    expect(await refusalOf(identity.createKey(small, { label: 'x', scopes: ['wallet:write'] }))).toBe('scope_not_allowed')
    expect(await refusalOf(identity.createKey({ ...me, roles: ['admin'] }, { label: 'x', scopes: [...ALL, 'admin'] }))).toBeNull()
    await db.close()
  })

  test(`${name}: a key ends when it should, though its holder was seen a moment ago`, async () => {
    const { db, identity, clock, key } = await setup()
    const { secret } = await key({ expiresInMs: 60 * SECOND })
    clock.now += 59 * SECOND
    expect(await refusalOf(identity.authenticate(secret))).toBeNull()
    clock.now += SECOND
    expect(await refusalOf(identity.authenticate(secret))).toBe('key_expired')
    await db.close()
  })

  test(`${name}: a revoked key is shut out here at once, and elsewhere within five seconds; only its owner revokes it`, async () => {
    const { db, identity, ann, clock, key, start } = await setup()
    const made = await key()
    const elsewhere = start()
    for (const one of [identity, elsewhere]) expect(await refusalOf(one.authenticate(made.secret))).toBeNull()
    const bob = fine<User>(await identity.register({ ...ANN, email: 'bob@example.org' }))
    expect(await identity.revokeKey(bob.id, made.id)).toBe(false)
    expect(await refusalOf(identity.authenticate(made.secret))).toBeNull()
    expect(await identity.revokeKey(ann.id, made.id)).toBe(true)
    expect(await refusalOf(identity.authenticate(made.secret))).toBe('key_revoked')
    clock.now += 5 * SECOND
    expect(await refusalOf(elsewhere.authenticate(made.secret))).toBe('key_revoked')
    expect((await identity.listKeys(ann.id))[0]?.revokedAt).toBe(clock.now - 5 * SECOND)
    await db.close()
  })

  test(`${name}: a request that is under way while its key is revoked does not bring it back`, async () => {
    const { db, identity, ann, key, holdNext } = await setup()
    const { id, secret } = await key()
    const held = holdNext('FROM api_keys k JOIN users')
    const before = Promise.resolve(identity.authenticate(secret))
    await held.taken
    await identity.revokeKey(ann.id, id)
    expect(await refusalOf(identity.authenticate(secret)), 'asked after the revocation: not answered with what was asked before').toBe('key_revoked')
    held.release()
    expect(await refusalOf(before)).toBeNull()
    expect(await refusalOf(identity.authenticate(secret)), 'what came back late was not kept').toBe('key_revoked')
    await db.close()
  })

  test(`${name}: roles that were taken away are gone at once, from tokens that still name them too`, async () => {
    const { db, identity, ann, login, key } = await setup()
    const tokens = [(await login()).accessToken, (await key()).secret]
    await identity.setRoles(ann.id, ['buyer', 'seller'])
    for (const token of tokens) expect(await identity.authenticate(token)).toMatchObject({ roles: ['buyer', 'seller'] })
    await identity.setRoles(ann.id, ['seller'])
    for (const token of tokens) expect(await identity.authenticate(token)).toMatchObject({ roles: ['seller'] })
    await db.close()
  })

  test(`${name}: who was seen just now costs no question and no waiting; a crowd with one token costs one`, async () => {
    const { db, identity, key, questions } = await setup()
    const { secret } = await key()
    const before = questions()
    await Promise.all(Array.from({ length: 50 }, async () => identity.authenticate(secret)))
    expect(questions()).toBe(before + 1)
    expect(identity.authenticate(secret)).not.toBeInstanceOf(Promise)
    expect(questions()).toBe(before + 1)
    await db.close()
  })

  test(`${name}: the last use of all keys is written once a minute, not per request`, async () => {
    const { db, identity, ann, clock, key, writes } = await setup()
    const keys = [await key(), await key()]
    const written = () => writes.filter((one) => one.sql.includes('last_used_at = ')).length
    for (let second = 0; second < 150; second++) {
      for (const one of keys) await identity.authenticate(one.secret)
      clock.now += SECOND
    }
    expect(written()).toBe(3)
    await identity.flush()
    expect((await identity.listKeys(ann.id)).map((one) => one.lastUsedAt)).toEqual([clock.now - SECOND, clock.now - SECOND])
    await db.close()
  })
}
