// An ending that lowered a record, the word against it, and what an accepted appeal gives back: what the ending weighs by then, and nothing more.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AttemptId, UserId } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { FaultRow } from '../../rows.ts'
import { reputationNow } from './learn.ts'
import { ASPECTS, FORGET_MS, endingsUntil, forgiveEnding, newReputation, recordEnding, reputationOf, weightOf } from './reputation.ts'
import type { Verdict } from './reputation.ts'

const buyer = aUser('buyer'), admin = aUser('admin'), DAY = 86_400_000
function setup(ends: readonly ('well' | 'ill')[]) {
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 } }), north = market.join('north', { cpuMillis: 64_000 })
  north.connect()
  market.fund(buyer, credits(1000))
  const end = (how: 'well' | 'ill'): void => {
    market.submit(buyer, aSpec({ limits: { retries: 0 } }))
    const order = market.dispatched(north.id).at(-1)
    if (!order) throw new Error('nothing was dispatched')
    market.report(order, how === 'well' ? { runMs: 1000 } : { cause: 'driver_failed', exitCode: 1 })
  }
  for (const how of ends) end(how)
  const faults = (): FaultRow[] => [...new Map(market.log.flatMap((change) => (change.kind === 'fault' ? [[change.row.attempt, change.row] as const] : []))).values()]
  // As the server does for the commands of a turn.
  const known = (attempt: AttemptId): void => { market.state.faults.set(attempt, faults().find((row) => row.attempt === attempt) ?? null) }
  const appeal = (attempt: AttemptId, by: UserId) => { known(attempt); return market.act({ kind: 'appeal', attempt, by, text: 'the power was cut' }) }
  const decide = (attempt: AttemptId, accept: boolean, by = admin) => { known(attempt); return market.act({ kind: 'decideAppeal', attempt, accept, by, reason: 'looked at' }) }
  return { market, owner: north.row().owner, row: north.row, end, faults, appeal, decide, believed: () => reputationNow(market.state, north.row(), market.now).completion }
}

test('what ends badly by the node is told of once, with what it lowered; what ends well is not', () => {
  const { faults, market } = setup(['well', 'ill', 'well', 'ill'])
  expect(faults()).toMatchObject([{ cause: 'driver_failed', aspects: ['completion'], seen: { completion: 2 }, appeal: null }, { seen: { completion: 4 } }])
  const days = market.log.flatMap((change) => (change.kind === 'reputationDay' ? [change.row] : []))
  expect([days.length, new Set(days.map(({ day }) => day)).size]).toEqual([4, 1])
  expect((days[3]?.completion ?? 1)).toBeLessThan(days[2]?.completion ?? 0)
})

test('accepted, the record is what it were had that ending weighed nothing; the ending, and the word, stay', () => {
  const { faults, appeal, decide, owner, believed, market, row } = setup(['well', 'well', 'ill', 'well', 'well'])
  const [fault] = faults(), before = believed()
  expect(appeal(fault!.attempt, owner)).toMatchObject({ appeal: { state: 'open', text: 'the power was cut' } })
  expect(believed()).toEqual(before) // a word alone changes nothing
  expect(decide(fault!.attempt, true)).toMatchObject({ appeal: { state: 'accepted', by: admin } })
  const after = believed(), { tallies } = market.state.profiles.get(row().id)!.reputation
  expect(tallies.completion.ill).toBeCloseTo(0, 12)
  expect([after.mean > before.mean, after.lower > before.lower, after.evidence < before.evidence]).toEqual([true, true, true])
  expect([faults().length, market.state.profiles.get(row().id)?.failed, market.log.filter((change) => change.kind === 'action').length]).toEqual([1, 0, 1])
  expect(market.log.flatMap((change) => (change.kind === 'alert' ? [[change.row.user, change.row.kind]] : []))).toEqual([[owner, 'appeal_decided']])
})

test('refused, nothing moves; decided is decided; nobody appeals twice, against another’s, or decides on his own', () => {
  const { faults, appeal, decide, owner, believed } = setup(['well', 'ill', 'ill'])
  const [first, second] = faults().map(({ attempt }) => attempt), before = believed()
  expect(decide(first!, true)).toMatchObject({ refusal: 'not_found' }) // nobody has said a word against it
  expect(appeal(first!, buyer)).toMatchObject({ refusal: 'not_found' })
  expect(appeal('att_00000000000000000000009999' as AttemptId, owner)).toMatchObject({ refusal: 'not_found' })
  appeal(first!, owner)
  expect(appeal(first!, owner)).toMatchObject({ refusal: 'already_appealed', detail: { state: 'open' } })
  expect(decide(first!, true, owner)).toMatchObject({ refusal: 'own_account' })
  expect(decide(first!, false)).toMatchObject({ appeal: { state: 'refused', reason: 'looked at' } })
  expect(believed()).toEqual(before)
  expect(decide(first!, true)).toMatchObject({ refusal: 'not_in_this_state' })
  expect(appeal(first!, owner)).toMatchObject({ refusal: 'already_appealed', detail: { state: 'refused' } })
  appeal(second!, owner)
  decide(second!, true)
  expect(decide(second!, true)).toMatchObject({ refusal: 'not_in_this_state' })
})

const ending = fc.record({ well: fc.boolean(), afterMs: fc.integer({ min: 0, max: 20 * DAY }) })
const verdict = (well: boolean): Verdict => ({ completion: well, correctness: null, timeliness: null })
test('forgiving one of many takes away exactly what it weighs, however long ago and however many came since', () => {
  fc.assert(fc.property(fc.array(ending, { maxLength: 30 }), fc.array(ending, { maxLength: 60 }), fc.integer({ min: 0, max: 40 * DAY }), (earlier, later, waitMs) => {
    let row = newReputation('nod_x' as never, 'c'), now = 1_000
    // The same history in which that ending said nothing of what is bad: what came before it has faded as much.
    let without = row
    for (const { well, afterMs } of earlier) { now += afterMs; row = recordEnding(row, verdict(well), now); without = recordEnding(without, verdict(well), now) }
    row = recordEnding(row, verdict(false), now)
    const { completion } = recordEnding(without, verdict(false), now).tallies
    without = { ...without, tallies: { ...without.tallies, completion: { ...completion, ill: completion.ill - 1 } } }
    const fault = { aspects: ['completion'] as const, at: now, seen: { completion: row.tallies.completion.seen ?? 0 } }
    for (const { well, afterMs } of later) { now += afterMs; row = recordEnding(row, verdict(well), now); without = recordEnding(without, verdict(well), now) }
    now += waitMs
    const weight = weightOf(row.tallies.completion, fault, 'completion', now)
    expect(weight > 0 && weight <= 1).toBe(true)
    const forgiven = reputationOf(forgiveEnding(row, fault, now), null, now), should = reputationOf(without, null, now)
    for (const aspect of ASPECTS) { expect(forgiven[aspect].mean).toBeCloseTo(should[aspect].mean, 9); expect(forgiven[aspect].evidence).toBeCloseTo(should[aspect].evidence, 9) }
    expect(forgiven.completion.mean).toBeGreaterThanOrEqual(reputationOf(row, null, now).completion.mean)
  }), { numRuns: 200 })
  expect(weightOf({ well: 1, ill: 1, at: 0, seen: 1 }, { at: 0, seen: { completion: 1 } }, 'completion', FORGET_MS)).toBeCloseTo(0.5, 12)
})

test('so many more good endings are enough, and one fewer is not', () => {
  for (const [bad, least, of] of [[1, 0.8, 'lower'], [4, 0.8, 'lower'], [3, 0.95, 'lower'], [6, 0.8, 'mean']] as const) {
    let row = newReputation('nod_x' as never, 'c')
    for (let i = 0; i < bad; i++) row = recordEnding(row, verdict(false), 1_000)
    const endings = endingsUntil(row, null, { aspect: 'completion', of, least }, 1_000) ?? -1
    const after = (times: number): number => { let next = row; for (let i = 0; i < times; i++) next = recordEnding(next, verdict(true), 1_000); return reputationOf(next, null, 1_000).completion[of] }
    expect([endings > 0, after(endings) >= least, after(endings - 1) < least]).toEqual([true, true, true])
  }
  expect(endingsUntil(newReputation('nod_x' as never, 'c'), null, { aspect: 'completion', of: 'lower', least: 0.9999 }, 1_000)).toBe(null)
})
