import { expect, test } from 'vitest'
import type { UserPrincipal } from '../http/policy.ts'
import { createKnownPrincipals } from './known-principals.ts'

const setup = (max?: number) => {
  const clock = { now: 1_000 }
  return { clock, known: createKnownPrincipals(() => clock.now, max) }
}
const who = (name: string): UserPrincipal => ({ kind: 'user', userId: `usr_${name}` as UserPrincipal['userId'], roles: ['buyer'], scopes: 'all', keyId: `key_${name}` })

test('is known for five seconds, or less where the token ends before', () => {
  const { clock, known } = setup()
  known.put('a', who('a'), Infinity, known.generation)
  known.put('b', who('b'), clock.now + 1_000, known.generation)
  clock.now += 999
  expect([known.get('a'), known.get('b')]).toEqual([who('a'), who('b')])
  clock.now += 1
  expect([known.get('a'), known.get('b')]).toEqual([who('a'), undefined])
  clock.now += 4_000
  expect(known.get('a')).toBeUndefined()
})

test('being used does not make it known for longer', () => {
  const { clock, known } = setup()
  known.put('a', who('a'), Infinity, known.generation)
  for (let i = 0; i < 4; i++) { clock.now += 1_000; expect(known.get('a')).toBeDefined() }
  clock.now += 1_000
  expect(known.get('a')).toBeUndefined()
})

test('when it is full, whoever was not seen for the longest goes', () => {
  const { known } = setup(3)
  for (const name of ['a', 'b', 'c']) known.put(name, who(name), Infinity, known.generation)
  known.get('a')
  known.put('d', who('d'), Infinity, known.generation)
  expect(['a', 'b', 'c', 'd'].filter((name) => known.get(name))).toEqual(['a', 'c', 'd'])
})

test('forgetting goes by key, session or user, and an answer that was asked for before it is not kept', () => {
  const { known } = setup()
  const asOf = known.generation
  known.put('a', who('a'), Infinity, asOf)
  known.put('b', who('b'), Infinity, asOf)
  known.forget('key_a')
  known.put('a', who('a'), Infinity, asOf)
  expect([known.get('a'), known.get('b')]).toEqual([undefined, who('b')])
  known.forget('usr_b')
  expect(known.get('b')).toBeUndefined()
})
