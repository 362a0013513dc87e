import { expect, test } from 'vitest'
import { createGuessGuard, networkOf } from './guess-guard.ts'

const setup = (max?: number) => {
  const clock = { now: 1_000_000 }
  const guard = createGuessGuard(() => clock.now, max)
  const fail = (account: string, address: string, times: number): void => { for (let i = 0; i < times; i++) { clock.now += guard.begin(account, address); guard.begin(account, address) } }
  return { clock, guard, fail }
}

test('the first tries are free, then each wait is twice the last, up to a quarter of an hour', () => {
  const { clock, guard } = setup()
  for (let i = 0; i < 5; i++) expect(guard.begin('ann', '1.1.1.1')).toBe(0)
  const waits: number[] = []
  for (let i = 0; i < 12; i++) {
    const wait = guard.begin('ann', '1.1.1.1')
    waits.push(wait)
    clock.now += wait - 1
    expect(guard.begin('ann', '1.1.1.1')).toBe(1)
    clock.now += 1
    expect(guard.begin('ann', '1.1.1.1')).toBe(0)
  }
  expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900].map((seconds) => seconds * 1000))
})

test('a thousand tries at once are not a thousand free ones', () => {
  const { guard } = setup()
  expect(Array.from({ length: 1_000 }, () => guard.begin('ann', '1.1.1.1')).filter((wait) => wait === 0).length).toBe(5)
})

test('one account is guarded against many addresses, and one address against many accounts', () => {
  const { guard } = setup()
  for (let i = 0; i < 5; i++) expect(guard.begin('ann', `1.1.1.${i}`)).toBe(0)
  expect(guard.begin('ann', '9.9.9.9')).toBeGreaterThan(0)
  for (let i = 0; i < 20; i++) expect(guard.begin(`user${i}`, '2.2.2.2')).toBe(0)
  expect(guard.begin('somebody else', '2.2.2.2')).toBeGreaterThan(0)
  expect(guard.begin('somebody else', '3.3.3.3')).toBe(0)
})

test('signing in makes the account fresh, and takes its own try off the address', () => {
  const { guard } = setup()
  for (let i = 0; i < 100; i++) {
    expect(guard.begin('ann', '1.1.1.1')).toBe(0)
    guard.succeeded('ann', '1.1.1.1')
  }
})

test('strangers who guess do not keep the owner out of where he has signed in before', () => {
  const { guard, fail } = setup()
  guard.begin('ann', '1.1.1.1')
  guard.succeeded('ann', '1.1.1.1')
  fail('ann', '6.6.6.6', 12)
  expect(guard.begin('ann', '7.7.7.7'), 'from anywhere new').toBeGreaterThan(0)
  expect(guard.begin('ann', '1.1.1.1'), 'from home').toBe(0)
  for (let i = 0; i < 4; i++) guard.begin('ann', '1.1.1.1')
  expect(guard.begin('ann', '1.1.1.1'), 'guesses from home count as well').toBeGreaterThan(0)
})

test('after an hour without a try all is forgotten', () => {
  const { clock, guard, fail } = setup()
  fail('ann', '1.1.1.1', 9)
  clock.now += 3_600_000
  for (let i = 0; i < 5; i++) expect(guard.begin('ann', '1.1.1.1')).toBe(0)
})

test('memory has a bound: what was not touched for the longest goes, and what was touched stays', () => {
  const { guard } = setup(4) // two accounts and their two addresses
  guard.begin('ann', '1.1.1.1')
  for (let i = 0; i < 5; i++) guard.begin('bob', '2.2.2.2')
  for (let i = 0; i < 4; i++) guard.begin('ann', '1.1.1.1')
  guard.begin('carl', '3.3.3.3')
  expect(guard.begin('ann', '9.9.9.9')).toBeGreaterThan(0)
  expect(guard.begin('bob', '9.9.9.9')).toBe(0)
})

test.each([['10.0.0.1', '10.0.0.1'], ['::ffff:10.0.0.1', '10.0.0.1'], ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'], ['2001:DB8:1:2::9', '2001:db8:1:2'], ['2001:db8::1', '2001:db8:0:0'], ['::1', '0:0:0:0'], ['fe80::', 'fe80:0:0:0']])('%s belongs to %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})
