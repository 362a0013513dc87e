import { expect, test } from 'vitest'
import { createClock } from './clock.ts'

function setup() {
  // True times; the uptime is told in coarse steps, as by the system (whose 10 ms would hide a step backwards in the rhythm of reading).
  const time = { monotonic: 5000, slept: 1000, wall: 1_700_000_000_000 }
  const clock = createClock({ monotonicMs: () => time.monotonic, uptimeMs: () => Math.floor((time.monotonic + time.slept) / 7) * 7, wallMs: () => time.wall })
  const pass = (ms: number): void => { time.monotonic += ms; time.wall += ms }
  return { time, clock, pass, truth: () => time.monotonic + time.slept }
}

test('it is never behind the uptime, never backwards, and finer than it', () => {
  const { clock, pass, truth } = setup()
  let last = -Infinity
  const seen = new Set<number>()
  for (let i = 0; i < 20_000; i++) {
    pass(((i * 7919) % 13) * 0.3 + 0.1)
    const now = clock.now()
    expect(now).toBeGreaterThanOrEqual(last)
    expect(now).toBeGreaterThanOrEqual(Math.floor(truth() / 7) * 7 - 7)
    expect(now).toBeLessThanOrEqual(truth() + 1e-6)
    seen.add(Math.round((now - last) * 10))
    last = now
  }
  expect(seen.has(1)).toBe(true)
})

test('time asleep counts at the first look after waking up', () => {
  const { time, clock, pass } = setup()
  clock.now()
  pass(1)
  const before = clock.now()
  time.slept += 60_000
  time.wall += 60_000
  expect(clock.now() - before).toBeGreaterThanOrEqual(59_990)
})

test('a wall clock that is set by hand changes nothing', () => {
  const { time, clock, pass } = setup()
  pass(1000)
  const before = clock.now()
  time.wall -= 86_400_000
  expect(clock.now() - before).toBeLessThan(10)
  time.wall += 2 * 86_400_000
  expect(clock.now() - before).toBeLessThan(10)
})
