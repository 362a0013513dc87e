import { test, expect } from 'vitest'
import fc from 'fast-check'
import { FairShares, dominantCost } from './fair.ts'

/** Serves those that have work, one job at a time, lowest mark first; answers the cost that each was given. */
function serve(costs: Record<string, () => number>, weights: Record<string, number>, jobs: number): Map<string, number> {
  const shares = new FairShares(), given = new Map<string, number>()
  for (const id of Object.keys(costs)) { shares.weigh(id, weights[id] ?? 1); shares.join(shares.buyer(id), 0); given.set(id, 0) }
  for (let i = 0; i < jobs; i++) {
    const next = Object.keys(costs).map((id) => shares.buyer(id)).sort((a, b) => a.finish - b.finish || (a.id < b.id ? -1 : 1))[0]
    if (!next) break
    const cost = costs[next.id]?.() ?? 0
    shares.charge(next, cost)
    given.set(next.id, (given.get(next.id) ?? 0) + cost)
  }
  return given
}

test('two that always have work are given the same, within one job of each', () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), fc.integer({ min: 1, max: 9 }), fc.nat(300), (a, b, weight, jobs) => {
    let i = 0, j = 0
    const given = serve({ a: () => a[i++ % a.length] as number, b: () => b[j++ % b.length] as number }, { a: weight }, jobs)
    expect(Math.abs((given.get('a') ?? 0) / weight - (given.get('b') ?? 0))).toBeLessThanOrEqual(Math.max(...a) / weight + Math.max(...b) + 1e-9)
  }))
})

test('the textbook: 9 processors and 18 GB, tasks of <1, 4> and of <3, 1>, are shared three to two', () => {
  const total = [9, 18], tasks = { a: [1, 4], b: [3, 1] }
  const free = [...total], count = { a: 0, b: 0 }, shares = new FairShares()
  for (const id of ['a', 'b'] as const) shares.join(shares.buyer(id), 0)
  for (;;) {
    const fitting = (['a', 'b'] as const).filter((id) => tasks[id].every((need, r) => need <= (free[r] as number)))
    const id = fitting.sort((x, y) => shares.buyer(x).finish - shares.buyer(y).finish)[0]
    if (!id) break
    count[id]++
    tasks[id].forEach((need, r) => { free[r] = (free[r] as number) - need })
    shares.charge(shares.buyer(id), dominantCost(tasks[id], total, 1))
  }
  expect(count).toEqual({ a: 3, b: 2 })
})

test('idling earns no credit: who comes back starts at the clock', () => {
  const shares = new FairShares(), busy = shares.buyer('busy'), late = shares.buyer('late')
  shares.join(busy, 0)
  for (let i = 0; i < 10; i++) shares.charge(busy, 5)
  expect(late.finish).toBe(0)
  shares.join(late, 0)
  expect(late.finish).toBe(shares.clock)
  expect(shares.clock).toBe(45)
})

test('a flood is entitled later and later, and nobody else is; once it has drained, it is as before', () => {
  const shares = new FairShares(), flood = shares.buyer('flood'), light = shares.buyer('light')
  const add = (buyer: typeof flood, since: number) => { const at = shares.entitle(buyer, since, 1); shares.join(buyer, 10); return at }
  expect(add(light, 0)).toBe(0)
  expect(Array.from({ length: 4 }, () => add(flood, 0))).toEqual([0, 20, 40, 60])
  for (let i = 0; i < 3; i++) shares.leave(flood, 10)
  expect(add(flood, 5)).toBe(60)
  shares.leave(light, 10)
  expect(add(light, 5)).toBe(5)
  for (let i = 0; i < 2; i++) shares.leave(flood, 10)
  expect(add(shares.buyer('flood'), 7)).toBe(7)
})

test('what was charged too much comes back in full while there is work waiting, and never to who comes back from idling', () => {
  const shares = new FairShares(), a = shares.buyer('a'), b = shares.buyer('b')
  shares.join(a, 0); shares.join(b, 0)
  shares.charge(a, 10); shares.charge(b, 10)
  shares.charge(a, 10)
  shares.correct('a', -14)
  expect(a.finish).toBe(6)
  expect(shares.clock).toBe(10)
  shares.correct('a', 2)
  expect(a.finish).toBe(8)
  shares.leave(a, 0)
  const again = shares.buyer('a')
  shares.join(again, 0)
  expect(again.finish).toBe(10)
})

test('a refund to who is forgotten remembers nobody', () => {
  const shares = new FairShares()
  shares.correct('gone', -5)
  expect(shares.size).toBe(0)
})

test('a job costs its scarcest resource, whichever that is', () => {
  expect(dominantCost([1, 4], [10, 8], 100)).toBe(50)
  expect(dominantCost([4, 1], [5, 8], 100)).toBe(80)
  expect(dominantCost([4, 1], [0, 8], 8)).toBe(1)
})
