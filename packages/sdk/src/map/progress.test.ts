import { expect, test } from 'vitest'
import type { JobEvent } from '@lumaris/protocol'
import { createMapProgress } from './progress.ts'

const event = (type: JobEvent['type'], state: string, at: number, more: object = {}): JobEvent => ({ job: 'job_x', version: 1, type, state, at, ...more }) as JobEvent
function aMap(work: number[]) {
  const progress = createMapProgress(work)
  return {
    at: progress.at,
    starts: (part: number, node: string, at: number) => progress.take(event('attempt', 'running', at, { node, attempt: `att ${part}` }), part),
    ends: (part: number, at: number, amount = '10') => { progress.take(event('attempt', 'reported', at, { attempt: `att ${part}` }), part); progress.take(event('settled', 'valid', at, { amount }), part); progress.take(event('task', 'done', at), part) },
    lost: (part: number, at: number) => progress.take(event('attempt', 'ended', at, { cause: 'seller_offline', attempt: `att ${part}` }), part),
    fails: (part: number, at: number) => { progress.take(event('attempt', 'reported', at, { attempt: `att ${part}` }), part); progress.take(event('task', 'failed', at), part) },
  }
}

test('parts, work, rate and cost are those of the events', () => {
  const map = aMap([100, 100, 200])
  map.starts(0, 'a', 1000)
  map.starts(1, 'b', 1000)
  expect(map.at(1500)).toMatchObject({ done: 0, running: 2, etaMs: null, perMs: null })
  map.ends(0, 2000)
  expect(map.at(2000)).toMatchObject({ done: 1, running: 1, workDone: 100, perMs: 0.1, cost: 10n })
})
test('the rest is estimated at the speed of the nodes that work on it', () => {
  const map = aMap([100, 100, 100, 100])
  map.starts(0, 'fast', 0)
  map.starts(1, 'slow', 0)
  map.ends(0, 100)
  map.starts(2, 'fast', 100)
  map.ends(1, 1000)
  map.ends(2, 200)
  map.starts(3, 'fast', 1000)
  expect(map.at(1000).etaMs).toBe(100)
  expect(map.at(1050).etaMs).toBe(50)
  // It should be over, and is not: little is left, but never nothing.
  expect(map.at(5000).etaMs).toBe(5)
  map.ends(3, 5000)
  expect(map.at(5000)).toMatchObject({ etaMs: 0, done: 4 })
})
test('a part that was reported is not work again until it counts', () => {
  const progress = createMapProgress([100, 100])
  progress.take(event('attempt', 'running', 0, { node: 'a' }), 0)
  progress.take(event('attempt', 'reported', 100), 0)
  expect(progress.at(100)).toMatchObject({ done: 0, etaMs: 100 })
})
test('nothing ends before its slowest part', () => {
  const map = aMap([10, 10, 1000])
  for (const [part, node] of [[0, 'a'], [1, 'b']] as const) { map.starts(part, node, 0); map.ends(part, 10) }
  map.starts(2, 'a', 10)
  expect(map.at(10).etaMs).toBe(1000)
})
test('a part that was lost with its node is work again, and one that failed is none', () => {
  const map = aMap([100, 100, 100])
  map.starts(0, 'a', 0)
  map.ends(0, 100)
  map.starts(1, 'a', 100)
  map.lost(1, 150)
  expect(map.at(200)).toMatchObject({ running: 0, etaMs: 200 })
  map.fails(1, 200)
  expect(map.at(200)).toMatchObject({ failed: 1, etaMs: 100 })
  map.starts(1, 'b', 300) // repeated by a later job
  expect(map.at(300)).toMatchObject({ failed: 0, running: 1 })
})
test('a part that is tried twice is one part; whichever try is lost, the other runs on, and the end of either ends both', () => {
  const progress = createMapProgress([100, 100])
  const say = (state: string, at: number, attempt: string, node: string, part = 1) => progress.take(event('attempt', state, at, { attempt, node }), part)
  say('running', 0, 'one', 'a', 0); say('reported', 100, 'one', 'a', 0); progress.take(event('task', 'done', 100), 0)
  say('running', 0, 'slow', 'b')
  say('running', 1000, 'copy', 'a')
  expect(progress.at(1000)).toMatchObject({ running: 1, etaMs: 50 })
  say('ended', 1050, 'copy', 'a')
  expect(progress.at(1050)).toMatchObject({ running: 1 })
  say('running', 1100, 'again', 'a')
  say('reported', 1200, 'again', 'a'); progress.take(event('task', 'done', 1200), 1)
  say('ended', 1300, 'slow', 'b')
  expect(progress.at(1300)).toMatchObject({ running: 0, done: 2, etaMs: 0 })
})
test('of a map that is cut while it runs, parts are named by where they begin, and how much they are is told with them; who repeats a part may get less of it', () => {
  const progress = createMapProgress({ total: 1000 }), range = (from: number, to: number) => ({ range: { from, to } })
  const starts = (from: number, to: number, at: number) => progress.take(event('attempt', 'running', at, { node: 'a', attempt: `att ${from}-${to}`, ...range(from, to) }), from)
  const ends = (from: number, to: number, at: number, state = 'done') => { progress.take(event('attempt', 'reported', at, { attempt: `att ${from}-${to}`, ...range(from, to) }), from); progress.take(event('task', state, at, range(from, to)), from) }
  starts(0, 100, 0)
  expect(progress.at(50)).toMatchObject({ parts: 1, done: 0, work: 1000, workDone: 0, etaMs: null })
  ends(0, 100, 100)
  starts(100, 600, 100)
  expect(progress.at(100)).toMatchObject({ parts: 2, done: 1, workDone: 100, perMs: 1, etaMs: 900 })
  ends(100, 600, 600, 'failed')
  starts(600, 1000, 600)
  ends(600, 1000, 1000)
  expect(progress.at(1000)).toMatchObject({ parts: 3, done: 2, failed: 1, workDone: 500, etaMs: 0 })
  // Repeated, and cut anew.
  starts(100, 300, 1100)
  expect(progress.at(1100)).toMatchObject({ failed: 0, running: 1 })
  ends(100, 300, 1300)
  expect(progress.at(1300).etaMs).toBeGreaterThan(0)
  starts(300, 600, 1300)
  ends(300, 600, 1600)
  expect(progress.at(1600)).toMatchObject({ parts: 4, done: 4, failed: 0, workDone: 1000, etaMs: 0 })
})
