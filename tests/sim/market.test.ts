// The whole market under a seeded storm. Each run is the same every time; a seed that breaks prints the command that plays it again.
// All of them run in processes of their own, as Node itself runs them: in the test runner's, where every name of another module is a look-up, they took four times as long.
// The long runs and the table of mutations: docs/benchmarks/mutations.md.
import { expect, test } from 'vitest'
import { simulateMany } from './main.ts'
import { SEEN_DIVIDED } from './seen.ts'
import { GUARD_NAMES } from './world.ts'
import type { GuardName } from './world.ts'

const SEEDS = 100
/** Only there to end a hang: on two slow cores that had other work, a hundred seeds took more than five minutes. */
const HANGS_MS = 1_800_000
/** Two hours of storm with fewer machines and buyers than by hand, so that a hundred seeds fit into a few minutes of two cores. */
const SMALL = { hours: 2, machines: 5, buyers: 2 } as const

test(`${SEEDS} markets live through two hours of faults, keep every promise, and come to rest; every fault and rare branch was met`, { timeout: HANGS_MS }, async () => {
  const { outcomes, never } = await simulateMany({ ...SMALL, from: 1, seeds: SEEDS })
  const broken = outcomes.filter((outcome) => outcome.violation !== null)
  expect(broken.map(({ seed, violation }) => `npm run sim -- --seed ${seed} --machines ${SMALL.machines} --buyers ${SMALL.buyers}: ${violation?.message}\n${violation?.trace.join('\n')}`)).toEqual([])
  expect(outcomes).toHaveLength(SEEDS)
  expect(never).toEqual([])
})

/** Thousands of them, by hand: docs/benchmarks/split.md. */
test('a hundred short markets where every job is cut while it runs: at every commit the parts are the input, and what is merged has every byte once, paid once', { timeout: HANGS_MS }, async () => {
  const { outcomes, seen } = await simulateMany({ hours: 0.05, divided: true, from: 1, seeds: 100 })
  expect(outcomes.flatMap(({ seed, violation }) => (violation ? [`npm run sim -- --divided --hours 0.05 --seed ${seed}: ${violation.message}\n${violation.trace.join('\n')}`] : []))).toEqual([])
  for (const what of ['cut while it ran', 'cut into as many parts as may be', 'part cut anew', 'writer crash', 'agent crash', 'journal wiped', 'frame sent again', 'old message to market', 'late result kept as evidence', 'commit unknown, applied', 'copy won', ...SEEN_DIVIDED] as const) expect(seen[what], what).toBeGreaterThan(0)
})

test('five seeds are the same markets twice', { timeout: HANGS_MS }, async () => {
  const run = async () => (await simulateMany({ ...SMALL, hours: 0.5, from: 1, seeds: 5 })).outcomes
  const first = await run()
  expect(first.map(({ seed, steps }) => [seed, steps > 1_000])).toEqual([1, 2, 3, 4, 5].map((seed) => [seed, true]))
  expect(await run()).toEqual(first)
})

/**
 * Where the removal of a guard is caught, in a full-size market of two hours: `npm run sim -- --mutate GUARD --seeds 1000 --survivors`. A change of
 * the market moves the seeds, so the ones after it are tried as well.
 */
const CAUGHT: Partial<Record<GuardName, { readonly seed: number; readonly by: readonly string[] }>> = {
  resendOffers: { seed: 2, by: ['H3'] },
  idempotencyKey: { seed: 1, by: ['I15', 'I4'] },
  distinctOwners: { seed: 1, by: ['I13', 'I28'] },
  heartbeatOrder: { seed: 1, by: ['H2', 'I21'] },
  reconcileMissing: { seed: 1, by: ['I24'] },
  sessionBound: { seed: 1, by: ['I20', 'I21', 'I25'] },
  leaseGeneration: { seed: 1, by: ['I21', 'I25'] },
  tombstones: { seed: 9, by: ['I20', 'I21'] },
  selfStop: { seed: 1, by: ['I21'] },
  leaseFromSend: { seed: 154, by: ['I21'] },
  liveOnly: { seed: 1, by: ['bug'] },
  epochCheck: { seed: 1, by: ['I9b'] },
  rereadAfterUnknown: { seed: 1, by: ['I18', 'memory', 'rows', 'I3', 'I11', 'I14', 'I15', 'I16', 'bug'] },
  journalBeforeAccept: { seed: 1, by: ['I22'] },
  ackAfterCommit: { seed: 7, by: ['H1', 'L4', 'L5'] },
}
const SEEDS_TRIED = 60
/** Second layers: hidden by others, which the table in docs/benchmarks/mutations.md names. */
const HIDDEN: readonly GuardName[] = ['attemptFence']

test.for(Object.entries(CAUGHT) as [GuardName, { seed: number; by: readonly string[] }][])('a market without %s breaks', { timeout: HANGS_MS }, async ([guard, { seed, by }]) => {
  const { outcomes } = await simulateMany({ hours: 2, without: [guard], from: seed, seeds: SEEDS_TRIED }, ({ violation }) => violation !== null)
  // The first of them: another process may have found a later one meanwhile.
  expect(by).toContain(outcomes.find(({ violation }) => violation !== null)?.violation?.invariant)
})

test('every guard is known to be caught, or known to be a second layer', () => {
  expect([...Object.keys(CAUGHT), ...HIDDEN].toSorted()).toEqual(GUARD_NAMES.toSorted())
})
