import { expect, test } from 'vitest'
import { virtualChance } from '../../packages/testkit/src/virtual-chance.ts'
import { QUANTA, optimum, play } from './play.ts'
import type { As, Job, Policy, Zone } from './play.ts'
import { firmOnly, greedy, interruptibleOnly, ours, uniformProgress } from './policies.ts'

const chance = virtualChance(42, 'deadline')
const zoneOf = (steps: number): Zone => ({ name: 'z', gapMs: 200_000, up: Uint8Array.from({ length: steps }, () => (chance.happens(0.55) ? 1 : 0)) })
const CHOICES: readonly As[] = ['none', 'interruptible', 'firm']

test.each([1, 0])('the optimum is the cheapest of all ways there are (a checkpoint every %i quanta)', (saveEvery) => {
  const STEPS = 6
  for (let i = 0; i < 40; i++) {
    const zone = zoneOf(STEPS), job: Job = { start: 0, steps: STEPS, work: chance.between(1, 9), change: chance.between(0, 4), saveEvery, firmPrice: 3 }
    let best = Infinity
    for (let way = 0; way < 3 ** STEPS; way++) {
      const played = play(zone, job, { name: 'way', choose: ({ now }) => CHOICES[Math.floor(way / 3 ** now) % 3] as As })
      if (played.met) best = Math.min(best, played.cost)
    }
    expect(optimum(zone, job)).toBe(best)
  }
})

test('no policy is cheaper than the optimum when it meets its deadline; those with a safety net always do, when firm work alone could', () => {
  for (let i = 0; i < 60; i++) {
    const steps = chance.between(20, 60), zone = zoneOf(steps), change = chance.between(0, 4), saveEvery = chance.happens(0.7) ? chance.between(1, 6) : 0
    const job: Job = { start: 0, steps, work: chance.between(10, steps * QUANTA - change - 2 * QUANTA), change, saveEvery, firmPrice: 3 }, least = optimum(zone, job)
    for (const make of [ours, uniformProgress, greedy, firmOnly, interruptibleOnly]) {
      const policy: Policy = make(), played = play(zone, job, policy)
      if (played.met) expect(played.cost, policy.name).toBeGreaterThanOrEqual(least)
      if (make === ours || make === greedy || make === firmOnly) expect(played.met, `${policy.name} ${i}`).toBe(true)
    }
  }
})
