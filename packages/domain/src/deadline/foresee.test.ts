import { expect, test } from 'vitest'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { JobSpecInput } from '@lumaris/protocol'
import type { Course } from './course.ts'
import { foresee } from './foresee.ts'
import type { Belief } from './foresee.ts'
import { sawSale } from './plan-quote.ts'

const MINUTE = 60_000, HOUR = 60 * MINUTE
const course = (more: Partial<Course> = {}): Course => ({ from: 0, deadline: 6 * HOUR, workMs: 4 * HOUR, changeMs: 2 * MINUTE, patienceMs: MINUTE, saveMs: 5 * MINUTE, resumable: true, ...more })
const node = (more: Partial<Belief> = {}): Belief => ({ ends: 1, room: 1, cost: 100, ...more })
const of = (one: Course, interruptible: Belief | null, firm: Belief | null, every: number | null = 5 * MINUTE) => foresee(one, every, { interruptible, firm })

test('where nothing fails it ends in time, at the price of where it runs', () => {
  expect(of(course(), node({ cost: 30 }), node())).toEqual({ chance: 1, cost: 30 })
  expect(of(course(), node({ room: 0 }), node())).toEqual({ chance: 1, cost: 100 })
  expect(of(course(), null, node())).toEqual({ chance: 1, cost: 100 })
  expect(of(course(), null, null)).toEqual({ chance: 0, cost: 0 })
})

test('less room costs more, and what goes away keeps fewer deadlines; checkpoints and slack help', () => {
  const costs = [1, 0.6, 0.3, 0.1].map((room) => of(course(), node({ room, cost: 30 }), node()).cost)
  expect(costs.toSorted((a, b) => a - b)).toEqual(costs)
  const chances = [0.99, 0.7, 0.3, 0.05].map((ends) => of(course(), null, node({ ends })).chance)
  expect(chances.toSorted((a, b) => b - a)).toEqual(chances)
  expect(chances[0]).toBeGreaterThan(0.95)
  const flaky = node({ ends: 0.3 })
  expect(of(course(), flaky, flaky).chance).toBeGreaterThan(of(course({ resumable: false }), flaky, flaky, null).chance + 0.2)
  expect(of(course({ deadline: 12 * HOUR }), flaky, flaky).chance).toBeGreaterThan(of(course({ deadline: 4.3 * HOUR }), flaky, flaky).chance)
})

test('short work in a long window is lost no more often than it is tried', () => {
  const short = (hours: number) => of(course({ workMs: MINUTE, deadline: hours * HOUR, resumable: false }), null, node({ ends: 0.9 }), null).chance
  expect(short(1)).toBeGreaterThan(0.99)
  expect(short(24)).toBeGreaterThan(0.99)
})

test('the same question has the same answer', () => {
  const ask = () => of(course(), node({ ends: 0.5, room: 0.5, cost: 30 }), node({ ends: 0.7 }))
  expect(ask()).toEqual(ask())
})

test('sales of long ago count less', () => {
  const record = { asked: 0, served: 0, at: 0 }
  sawSale(record, 10, 10, 0)
  sawSale(record, 10, 0, 12 * HOUR)
  expect(record).toEqual({ asked: 15, served: 5, at: 12 * HOUR })
})

test('a quote says the chance, what it will probably cost, and until when it can be interruptible; a budget narrows it to what it pays for', () => {
  const buyer = aUser('buyer'), market = aMarket()
  for (const [name, cpuHour] of [['cheap', 1], ['dear', 4]] as const) market.join(name, { cpuHour, spotPercent: 50 }).connect()
  const quote = (more: Partial<JobSpecInput> = {}, cap: bigint | null = null) => market.act({ kind: 'quote', buyer, specHash: 'x', cap, spec: aSpec({ plan: 'deadline', limits: { runMs: 2 * HOUR }, expectedMs: HOUR, deadline: market.now + 4 * HOUR, checkpoint: { paths: ['state'] }, ...more }) })
  expect(quote()).toMatchObject({ nodes: 2, cap: credits(8).toString(), plan: { noReturnAt: market.now + 3 * HOUR - 2 * MINUTE, chance: expect.any(Number), firm: credits(2.5).toString() } })
  const tight = quote({}, credits(3))
  expect(tight).toMatchObject({ nodes: 1, cap: credits(3).toString(), refused: { price: 1 }, plan: { firm: credits(1).toString() } })
  if (!('plan' in tight) || !tight.plan) throw new Error('there is no plan')
  expect(tight.plan.chance).toBeGreaterThan(0.8)
  expect(Number(tight.p50)).toBe(Number(tight.plan.likely))
  expect(Number(tight.p50)).toBeGreaterThan(500_000)
  expect(Number(tight.p50)).toBeLessThan(1_000_000)
  expect(quote({}, credits(1))).toMatchObject({ refusal: 'cap_too_low', detail: { needed: credits(2).toString() } })
  expect(quote({ deadline: market.now + HOUR - 1 })).toMatchObject({ refusal: 'impossible_request' })
})
