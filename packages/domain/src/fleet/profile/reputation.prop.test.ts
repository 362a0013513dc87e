import { expect, test } from 'vitest'
import fc from 'fast-check'
import type { Cause, NodeId } from '@lumaris/protocol'
import { CAUSES } from '@lumaris/protocol'
import { ASPECTS, FORGET_ENDINGS, FORGET_MS, lowerBound, newCohort, newReputation, recordCohort, recordEnding, reputationOf, verdictOf } from './reputation.ts'
import type { Ending, ReputationRow } from './reputation.ts'

const node = 'nod_00000000000000000000000001' as NodeId
const causes = Object.keys(CAUSES) as Cause[]
const ending = fc.record({ cause: fc.constantFrom(...causes), agreed: fc.constantFrom(true, false, null), onTime: fc.constantFrom(true, false, null) })
const well: Ending = { cause: 'succeeded', agreed: true, onTime: true }
const ill: Ending = { cause: 'driver_failed', agreed: null, onTime: null }
const after = (endings: readonly Ending[], stepMs = 1_000): ReputationRow =>
  endings.reduce((row, one, i) => recordEnding(row, verdictOf(one), (i + 1) * stepMs), newReputation(node, 'k'))

test('what the buyer or the market caused says nothing about the node', () => {
  for (const cause of ['buyer_cancelled', 'input_unavailable', 'preempted', 'platform_fault', 'funds_exhausted', 'queue_timeout'] as const) {
    expect(verdictOf({ cause, agreed: true, onTime: false })).toEqual({ completion: null, correctness: null, timeliness: null })
  }
})
test('a program that ends badly was still run to its end; a wrong result is held against correctness alone', () => {
  expect(verdictOf({ cause: 'buyer_exit', agreed: null, onTime: true })).toEqual({ completion: true, correctness: null, timeliness: true })
  expect(verdictOf({ cause: 'wrong_result', agreed: false, onTime: true })).toEqual({ completion: null, correctness: false, timeliness: null })
  expect(verdictOf({ cause: 'seller_reclaimed', agreed: null, onTime: true })).toEqual({ completion: false, correctness: null, timeliness: null })
})

test('every belief is a chance, its bound lies below it, and rows survive being written as JSON', () => {
  fc.assert(fc.property(fc.array(fc.tuple(ending, fc.nat(40 * 86_400_000)), { maxLength: 60 }), (endings) => {
    let row = newReputation(node, 'k'), cohort = newCohort('k'), now = 0
    for (const [one, later] of endings) {
      now += later
      row = recordEnding(row, verdictOf(one), now)
      cohort = recordCohort(cohort, verdictOf(one), now)
    }
    expect(JSON.parse(JSON.stringify(row))).toEqual(row)
    expect(JSON.parse(JSON.stringify(cohort))).toEqual(cohort)
    const seen = reputationOf(row, cohort, now)
    for (const aspect of ASPECTS) {
      const { mean, variance, lower, evidence } = seen[aspect]
      expect(lower).toBeGreaterThanOrEqual(0)
      expect(lower).toBeLessThan(mean)
      expect(mean).toBeLessThanOrEqual(1)
      expect(variance).toBeGreaterThanOrEqual(0)
      expect(evidence).toBeLessThan(FORGET_ENDINGS / Math.LN2 + 1) // 200 newer endings halve it, so it cannot grow past 1/(1 − 2^(−1/200))
    }
  }))
})

test('one more good ending never lowers a belief, one more bad one never raises it', () => {
  fc.assert(fc.property(fc.array(ending, { maxLength: 30 }), (endings) => {
    const row = after(endings), now = 60_000
    const before = reputationOf(row, null, now).completion
    expect(reputationOf(recordEnding(row, verdictOf(well), now), null, now).completion.lower).toBeGreaterThanOrEqual(before.lower - 0.004) // an older tally fades by 0.35 %
    expect(reputationOf(recordEnding(row, verdictOf(ill), now), null, now).completion.lower).toBeLessThan(before.lower)
  }))
})

test('a newcomer stands lower than a node that has shown the same, and is not shut out', () => {
  const newcomer = reputationOf(newReputation(node, 'k'), null, 0).completion
  const old = reputationOf(after(Array.from({ length: 100 }, (_, i) => (i % 11 === 0 ? ill : well))), null, 100_000).completion
  expect(Math.abs(newcomer.mean - old.mean)).toBeLessThan(0.02)
  expect(newcomer.lower).toBeLessThan(old.lower)
  expect(newcomer.lower).toBeGreaterThan(0.6)
})

test('a good cohort lifts its newcomers, and a node that is unlike its cohort is believed after some dozens of endings', () => {
  let cohort = newCohort('k')
  for (let i = 0; i < 500; i++) cohort = recordCohort(cohort, verdictOf(well), i)
  const newcomer = reputationOf(newReputation(node, 'k'), cohort, 500).completion
  expect(newcomer.mean).toBeGreaterThan(0.99)
  expect(reputationOf(after(Array.from({ length: 40 }, () => ill)), cohort, 40_000).completion.mean).toBeLessThan(0.25)
})

test('two hundred newer endings halve what was before, so evidence cannot grow without end', () => {
  const long = reputationOf(after(Array.from({ length: 5_000 }, () => well), 1), null, 5_000)
  expect(long.completion.evidence).toBeCloseTo(1 / (1 - 2 ** (-1 / FORGET_ENDINGS)), 0)
})
test('thirty days halve the evidence, and a clock set back changes nothing', () => {
  const row = after(Array.from({ length: 10 }, () => well))
  const now = reputationOf(row, null, 10_000), later = reputationOf(row, null, 10_000 + FORGET_MS)
  expect(later.completion.evidence / now.completion.evidence).toBeCloseTo(0.5, 10)
  expect(reputationOf(row, null, 0)).toEqual(now)
})

// 5 % quantiles of Beta(share × total, (1 − share) × total), by four million draws each.
test.each([[10 / 11, 10, 0.732], [0.95, 20, 0.854], [0.95, 100, 0.910], [0.99, 100, 0.970], [0.5, 20, 0.320], [0.99, 200, 0.976]])('the bound of %d in %d is near its quantile %d', (share, total, quantile) => {
  const bound = lowerBound(share, total)
  expect(bound).toBeGreaterThan(quantile - 0.08)
  expect(bound).toBeLessThan(quantile + 0.01) // stricter where little was seen, never laxer by more than a hundredth
})
