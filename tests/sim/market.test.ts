// The whole market under a seeded storm. Each run is the same every time; a seed that breaks prints the command that plays it again.
// The long runs and the table of mutations: docs/benchmarks/mutations.md.
import { expect, test } from 'vitest'
import { simulateMany } from './main.ts'
import { simulate } from './simulate.ts'
import { GUARD_NAMES } from './world.ts'
import type { GuardName } from './world.ts'

const SEEDS = 100
/** Two hours of storm with fewer machines and buyers than by hand, so that a hundred seeds fit into a minute of two cores. */
const SMALL = { hours: 2, machines: 5, buyers: 2 } as const

test(`${SEEDS} markets live through two hours of faults, keep every promise, and come to rest; every fault and rare branch was met`, { timeout: 300_000 }, async () => {
  const { outcomes, never } = await simulateMany({ ...SMALL, from: 1, seeds: SEEDS })
  const broken = outcomes.filter((outcome) => outcome.violation !== null)
  expect(broken.map(({ seed, violation }) => `npm run sim -- --seed ${seed} --machines ${SMALL.machines} --buyers ${SMALL.buyers}: ${violation?.message}\n${violation?.trace.join('\n')}`)).toEqual([])
  expect(outcomes).toHaveLength(SEEDS)
  expect(never).toEqual([])
})

test.for([1, 2, 3, 4, 5])('seed %i is the same market twice', { timeout: 60_000 }, (seed) => {
  const first = simulate({ ...SMALL, hours: 0.5, seed }), second = simulate({ ...SMALL, hours: 0.5, seed })
  expect(second.hash).toBe(first.hash)
  expect(second).toEqual(first)
})

/** Seeds known to catch the removal of a guard, in a full-size market of two hours; found with `npm run sim -- --mutate GUARD --seeds 1000 --survivors`. */
const CAUGHT: Partial<Record<GuardName, { readonly seed: number; readonly by: string }>> = {}
/** Second layers: hidden by another guard, which the table in docs/benchmarks/mutations.md names. */
const HIDDEN: readonly GuardName[] = []

test.for(Object.entries(CAUGHT) as [GuardName, { seed: number; by: string }][])('a market without %s breaks', { timeout: 60_000 }, ([guard, { seed, by }]) => {
  expect(simulate({ hours: 2, seed, without: [guard] }).violation?.invariant).toBe(by)
})

test('every guard is known to be caught, or known to be a second layer', () => {
  expect([...Object.keys(CAUGHT), ...HIDDEN].toSorted()).toEqual(GUARD_NAMES.toSorted())
})
