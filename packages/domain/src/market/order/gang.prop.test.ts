import { test, expect } from 'vitest'
import fc from 'fast-check'
import { endGang, passGangs, seat } from './gang.ts'
import type { Booking, Gang } from './gang.ts'
import { Profile } from './profile.ts'

type Job = Gang & { readonly id: number; readonly submit: number; readonly run: number }
const nodesOf = (capacity: readonly (readonly number[])[]) => capacity.map((total, i) => ({ id: `n${i}`, profile: new Profile(total) }))

/** Plays gangs on nodes, a pass at every event; checks at each start that all members start, within what the nodes have. */
function play(capacity: readonly (readonly number[])[], jobs: readonly Job[], bookingsMax: number) {
  const nodes = nodesOf(capacity), free = new Map(nodes.map((node, i) => [node.id, [...(capacity[i] as number[])]]))
  const running: Booking<Job>[] = [], begun = new Map<Job, number>(), promised = new Map<Job, number>()
  let booked: readonly Booking<Job>[] = [], waiting: Job[] = []
  const count = ({ gang, seats }: Booking<Job>, sign: number) => seats.forEach((node, i) => gang.members[i]?.forEach((amount, r) => { const left = free.get(node.id) as number[]; left[r] = (left[r] as number) + sign * amount; expect(left[r]).toBeGreaterThanOrEqual(0) }))
  for (let now = 0; now < 5_000 && begun.size < jobs.length; now++) {
    for (const one of running.filter(({ gang, at }) => at + gang.run === now)) { endGang(one, now); count(one, 1); running.splice(running.indexOf(one), 1) }
    waiting.push(...jobs.filter((job) => job.submit === now))
    const pass = passGangs({ nodes, now, waiting, booked, bookingsMax })
    for (const one of pass.started) {
      expect(begun.has(one.gang)).toBe(false)
      expect(one.seats.filter(Boolean)).toHaveLength(one.gang.members.length)
      count(one, -1); running.push(one); begun.set(one.gang, now)
      expect(now).toBeLessThanOrEqual(promised.get(one.gang) ?? Infinity)
    }
    booked = pass.booked
    expect(booked.length).toBeLessThanOrEqual(bookingsMax)
    for (const { gang, at } of booked) { expect(at).toBeLessThanOrEqual(promised.get(gang) ?? Infinity); promised.set(gang, at) }
    for (const gang of promised.keys()) expect(begun.has(gang) || booked.some((booking) => booking.gang === gang)).toBe(true)
    waiting = waiting.filter((job) => !begun.has(job))
  }
  return begun
}

const amounts = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 3 }))
const jobs = fc.array(fc.record({ members: fc.oneof(fc.array(amounts, { minLength: 1, maxLength: 4 }), fc.tuple(amounts, fc.integer({ min: 1, max: 6 })).map(([one, k]) => Array.from({ length: k }, () => one))), submit: fc.nat(40), limitMs: fc.integer({ min: 1, max: 15 }), part: fc.nat(100) }), { minLength: 1, maxLength: 15 })

test('gangs start whole, once, within what the nodes have; a booking never moves back; and everybody who fits the empty pool starts', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 4, max: 8 }), fc.integer({ min: 3, max: 6 })), { minLength: 1, maxLength: 4 }), jobs, fc.constantFrom(1, 3), (capacity, rows, bookingsMax) => {
    const empty = nodesOf(capacity)
    const all = rows.map(({ part, ...row }, id): Job => ({ ...row, id, run: Math.max(1, Math.floor((row.limitMs * part) / 100)) })).filter((job) => seat(empty, job, 0))
    expect(play(capacity, all, bookingsMax).size).toBe(all.length)
  }), { numRuns: 500 })
})

test('two gangs that each need more than half of the nodes run one after the other, none with a part of its seats', () => {
  const gang = (id: number): Job => ({ id, submit: 0, run: 5, limitMs: 10, members: [[4], [4], [4]] })
  const begun = play([[4], [4], [4], [4]], [gang(0), gang(1)], 1)
  expect([...begun.values()]).toEqual([0, 5])
})

test('small work does not hold a gang up: what runs past the time of its booking is not started on its seats', () => {
  const small = Array.from({ length: 60 }, (_, i): Job => ({ id: i + 1, submit: i, run: 3, limitMs: 3, members: [[2]] }))
  const wide: Job = { id: 0, submit: 5, run: 2, limitMs: 2, members: [[4], [4]] }
  expect(play([[4], [4]], [wide, ...small], 1).get(wide)).toBeLessThanOrEqual(8)
})

test('seating takes nothing, and a mixed gang is fitted round the odd one', () => {
  const nodes = nodesOf([[4], [3]])
  expect(seat(nodes, { members: [[1], [3], [3]], limitMs: 5 }, 0)?.map((node) => node.id)).toEqual(['n0', 'n1', 'n0'])
  expect(seat(nodes, { members: [[4], [4]], limitMs: 5 }, 0)).toBeNull()
  // The tightest node for the first leaves no room for the last: it is taken back.
  expect(seat(nodesOf([[5], [4]]), { members: [[3], [2], [2], [2]], limitMs: 5 }, 0)?.map((node) => node.id)).toEqual(['n0', 'n1', 'n1', 'n0'])
  expect(nodes.map(({ profile }) => profile.free(0))).toEqual([[4], [3]])
})
