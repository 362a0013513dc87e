import { expect, test } from 'vitest'
import type { Attempt, Job } from '@lumaris/protocol'
import { agreedOn, phasesOf, roleOf } from './attempt-words.ts'

const attempt = (slot: number, more: Partial<Attempt> = {}): Attempt => ({ id: `att_${slot}`, task: 'job_a.0', slot: `job_a.0.${slot}`, node: `nod_${slot}`, state: 'running', decision: {}, ...more }) as unknown as Attempt
const job = (spec: object, more: Partial<Job> = {}): Job => ({ spec: { copies: 1, tasks: [], ...spec }, tasks: { total: 1 }, createdAt: 1_000, ...more }) as unknown as Job
const referee = { referee: { of: 'att_0' } } as unknown as Partial<Attempt>, late = { decision: { copyOf: { attempt: 'att_0' } } } as unknown as Partial<Attempt>
const roles = (attempts: readonly Attempt[], copies = 1): (string | null)[] => attempts.map((one) => roleOf(one, attempts, copies))

test('tries of one slot are no copies of one another', () => expect(roles([attempt(0), attempt(0)])).toEqual([null, null]))
test('copies are counted by their slots, also those that have not begun', () => {
  expect(roles([attempt(0), attempt(1), attempt(0)])).toEqual(['copy 1 of 2', 'copy 2 of 2', 'copy 1 of 2'])
  expect(roles([attempt(0)], 3)).toEqual(['copy 1 of 3'])
})
test('a referee and a second try of what is late are none', () => {
  expect(roles([attempt(0), attempt(1), attempt(2, referee)])).toEqual(['copy 1 of 2', 'copy 2 of 2', 'referee'])
  expect(roles([attempt(0), attempt(1, late), attempt(1)])).toEqual([null, 'speculative copy', 'speculative copy'])
})

test('nodes that agree are counted once each, and only where two or more were compared', () => {
  expect(agreedOn([attempt(0, { state: 'valid' }), attempt(1, { state: 'valid' }), attempt(2, { state: 'invalid' })])).toEqual({ same: 2, compared: 3 })
  expect(agreedOn([attempt(0, { state: 'valid' }), attempt(1, { state: 'ended' })])).toBeNull()
  expect(agreedOn([attempt(0, { state: 'valid' }), attempt(1, { state: 'valid', ...referee })])).toBeNull()
  expect(agreedOn([attempt(0, { state: 'reported' }), attempt(1, { state: 'reported' })])).toBeNull()
  expect(agreedOn([attempt(0, { state: 'invalid' }), attempt(1, { state: 'invalid' })])).toBeNull()
})

const shown = (...of: Parameters<typeof phasesOf>): string[] => phasesOf(...of).map(({ name, reached, ms }) => `${name}${reached ? '' : ' ahead'}${ms === null ? '' : ` ${ms}`}`)
test('a job that waits', () => expect(shown(job({}), [], 3_000)).toEqual(['Queued 2000', 'Matched ahead', 'Preparing ahead', 'Running ahead']))
test('a job that ran', () => {
  expect(shown(job({}, { endedAt: 9_000 }), [attempt(0, { offeredAt: 2_000, startedAt: 2_500, endedAt: 8_000, state: 'valid' })], 99_000)).toEqual(['Queued 1000', 'Matched', 'Preparing 500', 'Running 6500'])
})
test('one that is checked is verified from the first result of its last part on', () => {
  const first = attempt(0, { offeredAt: 2_000, startedAt: 3_000, endedAt: 5_000, state: 'reported' }), other = attempt(0, { ...first, task: 'job_a.1' as never, endedAt: 7_000 as never })
  expect(shown(job({ copies: 2 }), [first], 6_000)).toEqual(['Queued 1000', 'Matched', 'Preparing 1000', 'Running 2000', 'Verifying 1000'])
  expect(shown(job({ assurance: '1e-4' }, { tasks: { total: 2 } as never }), [first], 6_000)).toEqual(['Queued 1000', 'Matched', 'Preparing 1000', 'Running 3000', 'Verifying ahead'])
  expect(shown(job({ copies: 2 }, { tasks: { total: 2 } as never, endedAt: 9_000 as never }), [first, other], 99_000)).toEqual(['Queued 1000', 'Matched', 'Preparing 1000', 'Running 4000', 'Verifying 2000'])
  // What a referee says is no result, and of attempts that were not all read nothing is known.
  expect(shown(job({ copies: 2 }), [attempt(2, { ...referee, offeredAt: 2_000, startedAt: 3_000, endedAt: 4_000, state: 'valid' })], 6_000).at(-1)).toBe('Verifying ahead')
  expect(shown(job({ copies: 2 }), [first], 6_000, false).at(-1)).toBe('Verifying ahead')
})
