import { test, expect } from 'vitest'
import fc from 'fast-check'
import { FairQueue } from './fair-queue.ts'
import type { Answer, Lane, Standing } from './fair-queue.ts'
import { patienceMs } from './key.ts'

const MINUTE = 60_000, TOTAL = [100]
const standing = (over: Partial<Standing> = {}): Standing => ({ buyer: 'b', since: 0, priority: 5, expectedMs: MINUTE, limitMs: 5 * MINUTE, amounts: [1], ...over })

/** Serves with one answer for all, and tells who was asked. */
function ask(queue: FairQueue<string>, answer: Answer | ((item: string, lane: Lane) => Answer), now = 0, most = Infinity): string[] {
  const asked: string[] = []
  queue.serve((item, _, lane) => { asked.push(item); return typeof answer === 'string' ? answer : answer(item, lane) }, most, now)
  return asked
}

test('a class that found no room sleeps with everybody in it, and a million in it cost one question', () => {
  const queue = new FairQueue<string>(TOTAL)
  for (let i = 0; i < 1_000; i++) queue.add('big', `big${i}`, standing({ buyer: `b${i % 7}` }))
  queue.add('small', 'small', standing({ buyer: 'late' }))
  expect(ask(queue, (item) => (item === 'small' ? 'placed' : 'no_room'))).toHaveLength(2)
  expect(queue.awake).toBe(0)
  expect(ask(queue, 'placed')).toEqual([])
  queue.add('big', 'another', standing())
  expect(ask(queue, 'placed')).toEqual([])
  queue.wake((key) => key !== 'big')
  expect(ask(queue, 'placed')).toEqual([])
  queue.wake()
  expect(ask(queue, 'placed')).toHaveLength(1_001)
  expect([queue.size, queue.classes, queue.awake]).toEqual([0, 0, 0])
})

test('who is gone is dropped without a charge, and `most` ends the round', () => {
  const queue = new FairQueue<string>(TOTAL)
  for (const item of ['a', 'b', 'c', 'd']) queue.add('k', item, standing())
  expect(ask(queue, (item) => (item === 'a' ? 'gone' : 'placed'), 0, 2)).toEqual(['a', 'b', 'c'])
  expect(ask(queue, 'placed')).toEqual(['d'])
})

test('one buyer that sends a hundred times as much is served in turn with the others', () => {
  const queue = new FairQueue<string>(TOTAL)
  for (let i = 0; i < 100; i++) queue.add('k', `flood${i}`, standing({ buyer: 'flood' }))
  for (let i = 0; i < 3; i++) queue.add('k', `light${i}`, standing({ buyer: 'light' }))
  expect(ask(queue, 'placed', 0, 6).filter((item) => item.startsWith('light'))).toHaveLength(3)
})

test('within a buyer the short go first, priority is a weight, and waiting wins in the end', () => {
  const order = (now: number, ...jobs: [string, Partial<Standing>][]) => {
    const queue = new FairQueue<string>(TOTAL)
    for (const [item, over] of jobs) queue.add(item, item, standing(over))
    return ask(queue, 'placed', now)
  }
  const long = { expectedMs: 2 * MINUTE }
  expect(order(0, ['long', long], ['short', {}])).toEqual(['short', 'long'])
  expect(order(0, ['last', { priority: 10 }], ['first', { priority: 1 }])).toEqual(['first', 'last'])
  expect(order(0, ['short', { priority: 10 }], ['long', { expectedMs: 60 * MINUTE, limitMs: 90 * MINUTE, priority: 1 }])).toEqual(['short', 'long'])
  const later = 8 * 60 * MINUTE
  expect(order(later, ['short', { since: later }], ['long', long])).toEqual(['long', 'short'])
})

test('the overdue go before everybody, oldest due first, and are asked although their class sleeps', () => {
  const queue = new FairQueue<string>(TOTAL), patience = Math.ceil(patienceMs({ ...standing(), width: 0.01 }, 0))
  queue.add('old', 'old', standing({ buyer: 'x', since: 10 }))
  queue.add('older', 'older', standing({ buyer: 'y', since: 5 }))
  expect(ask(queue, 'no_room', patience + 4)).toHaveLength(2)
  queue.add('new', 'new', standing({ buyer: 'z', since: patience }))
  const lanes: string[] = []
  ask(queue, (item, lane) => { lanes.push(`${lane} ${item}`); return item === 'new' ? 'placed' : 'no_room' }, patience + 10)
  expect(lanes).toEqual(['overdue older', 'overdue old', 'ordinary new'])
  expect(ask(queue, 'placed', patience + 10)).toEqual(['older', 'old'])
  expect(queue.size).toBe(0)
})

test('what no node can take does not fill the lane of the overdue, and is asked again once woken', () => {
  const queue = new FairQueue<string>(TOTAL), late = 100 * 60 * MINUTE
  for (let i = 0; i < 30; i++) queue.add('gpu', `gpu${i}`, standing({ buyer: `g${i}`, since: i }))
  queue.add('cpu', 'cpu', standing({ since: 50 }))
  const answer = (item: string): Answer => (item === 'cpu' ? 'placed' : 'never')
  expect(ask(queue, answer, late)).toEqual(['gpu0', 'cpu'])
  expect(ask(queue, answer, late)).toEqual([])
  queue.wake()
  expect(ask(queue, answer, late)).toEqual(['gpu0'])
  queue.wake()
  expect(ask(queue, 'placed', late)).toHaveLength(30)
  expect([queue.size, queue.classes]).toEqual([0, 0])
})

test('what no node could take before it was overdue is not asked when it is, until it is woken', () => {
  const queue = new FairQueue<string>(TOTAL), late = 100 * 60 * MINUTE
  queue.add('gpu', 'gpu', standing())
  expect(ask(queue, 'never')).toEqual(['gpu'])
  expect(ask(queue, 'placed', late)).toEqual([])
  queue.wake()
  expect(ask(queue, 'placed', late)).toEqual(['gpu'])
})

test('who leaves the lane takes nobody\'s turn with it', () => {
  const queue = new FairQueue<string>(TOTAL), late = 100 * 60 * MINUTE
  for (const [i, item] of ['gpu0', 'gpu1', 'cpu'].entries()) queue.add(item.slice(0, 3), item, standing({ buyer: item, since: i }))
  expect(ask(queue, (item) => (item === 'gpu0' ? 'no_room' : item === 'gpu1' ? 'never' : 'placed'), late)).toEqual(['gpu0', 'gpu1', 'cpu'])
})

test('turns are right across classes, after charges and refunds alike', () => {
  const queue = new FairQueue<string>(TOTAL), costly = (minutes: number) => ({ expectedMs: minutes * MINUTE, limitMs: 100 * MINUTE })
  for (const [buyer, minutes] of [['a', 1], ['b', 48], ['c', 24]] as const) queue.add('first', buyer, standing({ buyer, ...costly(minutes) }))
  expect(ask(queue, 'placed')).toHaveLength(3)
  queue.add('x', 'a in x', standing({ buyer: 'a', ...costly(64) }))
  queue.add('y', 'a in y', standing({ buyer: 'a', ...costly(96) }))
  queue.add('y', 'b in y', standing({ buyer: 'b' }))
  queue.add('z', 'c in z', standing({ buyer: 'c' }))
  expect(ask(queue, 'placed', 0, 3)).toEqual(['a in x', 'c in z', 'b in y'])
  queue.add('y', 'b again', standing({ buyer: 'b', ...costly(50) }))
  queue.correct('a', [1], -60 * MINUTE)
  expect(ask(queue, 'placed')).toEqual(['a in y', 'b again'])
})

test('a shorter one that comes while its class sleeps is first when it is woken', () => {
  const queue = new FairQueue<string>(TOTAL)
  queue.add('k', 'long', standing({ expectedMs: 4 * MINUTE }))
  expect(ask(queue, 'no_room')).toEqual(['long'])
  queue.add('k', 'short', standing())
  queue.wake()
  expect(ask(queue, 'placed')).toEqual(['short', 'long'])
})

test('a second try keeps its place, even for a buyer with much waiting', () => {
  const queue = new FairQueue<string>(TOTAL)
  const at = queue.add('k', 'first', standing({ since: 3 }))
  for (let i = 0; i < 5; i++) queue.add('k', `more${i}`, standing({ since: 4 }))
  expect(ask(queue, 'placed', 10, 1)).toEqual(['first'])
  queue.add('k', 'first', standing({ since: 3, entitledAt: at }))
  expect(ask(queue, 'placed', 10, 1)).toEqual(['first'])
})

test('whatever is added, placed, dropped and woken: nobody is lost or served twice, none that sleeps is asked, and the same history decides the same', () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant('add' as const), kind: fc.nat(3), buyer: fc.nat(3), priority: fc.integer({ min: 1, max: 10 }), minutes: fc.integer({ min: 1, max: 3_000 }) }),
    fc.record({ type: fc.constant('serve' as const), full: fc.array(fc.nat(3)), never: fc.array(fc.nat(3), { maxLength: 1 }), gone: fc.nat(9), most: fc.integer({ min: 1, max: 5 }), hours: fc.nat(40) }),
    fc.record({ type: fc.constant('wake' as const), kind: fc.nat(3) }),
    fc.record({ type: fc.constant('correct' as const), buyer: fc.nat(3), more: fc.integer({ min: -100, max: 100 }) }),
  )
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const run = () => {
      const queue = new FairQueue<string>(TOTAL), waiting = new Map<string, string>(), asleep = new Set<string>(), log: string[] = []
      let now = 0
      const serve = (full: readonly number[], never: readonly number[], gone: number, most: number) => queue.serve((item, key, lane) => {
        log.push(`${item} ${lane}`)
        expect(waiting.get(item)).toBe(key)
        if (lane === 'ordinary') expect(asleep.has(key)).toBe(false)
        if (never.includes(Number(key))) { asleep.add(key); return 'never' }
        if (full.includes(Number(key))) { if (lane === 'ordinary') asleep.add(key); return 'no_room' }
        waiting.delete(item)
        if (![...waiting.values()].includes(key)) asleep.delete(key)
        return item.endsWith(String(gone)) ? 'gone' : 'placed'
      }, most, now)
      for (const [i, one] of steps.entries()) {
        if (one.type === 'add') {
          queue.add(String(one.kind), `j${i}`, standing({ buyer: `b${one.buyer}`, since: now, priority: one.priority, expectedMs: one.minutes * MINUTE, limitMs: 2 * one.minutes * MINUTE, amounts: [one.kind + 1] }))
          waiting.set(`j${i}`, String(one.kind))
        } else if (one.type === 'serve') { now += one.hours * 60 * MINUTE; serve(one.full, one.never, one.gone, one.most) }
        else if (one.type === 'wake') { queue.wake((key) => key === String(one.kind)); asleep.delete(String(one.kind)) }
        else queue.correct(`b${one.buyer}`, [10], one.more * MINUTE)
        expect(queue.size).toBe(waiting.size)
      }
      queue.wake(); asleep.clear()
      serve([], [], -1, Infinity)
      expect([waiting.size, queue.size, queue.classes, queue.awake]).toEqual([0, 0, 0, 0])
      return log
    }
    expect(run()).toEqual(run())
  }), { numRuns: 500 })
})
