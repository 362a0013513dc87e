import { expect, test } from 'vitest'
import { randomBytes } from 'node:crypto'
import { COST, createPasswords, isWeak } from './passwords.ts'

const CHEAP = { memoryKib: 64, passes: 1 }

test('a password is known again, and no other', async () => {
  const passwords = createPasswords(randomBytes, CHEAP)
  const stored = await passwords.hash('größer als 普通 🚀') as string
  expect(await passwords.verify(stored, 'größer als 普通 🚀')).toBe(true)
  expect(await passwords.verify(stored, 'gro\u0308ßer als 普通 🚀'), 'the same letters, typed on another machine').toBe(true)
  expect(await passwords.verify(stored, 'größer als 普通')).toBe(false)
  expect(await passwords.verify(stored, '')).toBe(false)
  expect(await passwords.verify(null, 'größer als 普通 🚀')).toBe(false)
})

test('what is stored is argon2id in its usual text form, salted anew each time', async () => {
  const passwords = createPasswords(randomBytes, CHEAP)
  const stored = await Promise.all([passwords.hash('one and the same'), passwords.hash('one and the same')])
  for (const one of stored) expect(one).toMatch(/^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  expect(stored[0]).not.toBe(stored[1])
})

test('it agrees with the reference implementation', async () => {
  // From the test suite of phc-winner-argon2: argon2id, version 19, t=2, m=2^16, p=1.
  const theirs = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  expect(await createPasswords(randomBytes).verify(theirs, 'password')).toBe(true)
})

test('a password stored at another cost is still known, and said to be outdated', async () => {
  const old = await createPasswords(randomBytes, { memoryKib: 32, passes: 2 }).hash('kept from before') as string
  const passwords = createPasswords(randomBytes, CHEAP)
  expect(await passwords.verify(old, 'kept from before')).toBe(true)
  expect(passwords.isOutdated(old)).toBe(true)
  expect(passwords.isOutdated(await passwords.hash('kept from before') as string)).toBe(false)
})

test('an account that does not exist costs the same work: one hash at our cost', async () => {
  const passwords = createPasswords(randomBytes, { memoryKib: 8_192, passes: 3 })
  const stored = await passwords.hash('the right password') as string
  const cpu = async (who: string | null): Promise<number> => {
    const before = process.cpuUsage()
    for (let i = 0; i < 8; i++) await passwords.verify(who, 'a wrong password')
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
  const [known, unknown] = [await cpu(stored), await cpu(null)]
  expect(unknown / known).toBeGreaterThan(0.5) // without the work it is below a hundredth
})

test('more at once than can wait are told to come back, and those who wait are served', async () => {
  const passwords = createPasswords(randomBytes, CHEAP)
  const answers = await Promise.all(Array.from({ length: 60 }, () => passwords.hash('many at one time')))
  const refused = answers.filter((answer) => typeof answer !== 'string')
  expect(refused.length).toBe(60 - 2 - 50)
  expect(refused[0]).toMatchObject({ refusal: 'overloaded' })
  expect(await passwords.hash('and afterwards')).toMatch(/^\$argon2id/)
})

test('the cost in use is the one we promise', () => { expect(COST).toEqual({ memoryKib: 65_536, passes: 3 }) })

test.each(['short1!', 'aaaaaaaaaaaa', 'abababababab', 'password123', 'Passw0rd!!!', '1234567890', '0987654321', 'Qwertyuiop1', '!!letmein!!!!', 'administrator', 'bob.smith2026'])('%s is weak', (password) => {
  expect(isWeak(password, 'bob.smith@example.org')).toBe(true)
})
test.each(['correct horse battery', 'x9#kLm2!pQ', 'passwordless entry', '8315972046', 'bob.smith likes tea'])('%s is not', (password) => {
  expect(isWeak(password, 'bob.smith@example.org')).toBe(false)
})
