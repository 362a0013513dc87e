import { expect, test } from 'vitest'
import fc from 'fast-check'
import type { AttemptId, Capacity, NodeId } from '@lumaris/protocol'
import { VICTIMS_MAX, chooseVictims, lossOf, mayEvict } from './preempt.ts'
import type { Candidate, Holder } from './preempt.ts'

const room = fc.record({ cpuMillis: fc.integer({ min: 0, max: 8 }), memoryBytes: fc.integer({ min: 0, max: 8 }), diskBytes: fc.constant(0), gpus: fc.integer({ min: 0, max: 4 }) })
const terms = { now: 1_000, graceMs: 30_000, gainMicros: null, botherMicros: 100_000 }
const holder = fc.record({
  holds: room, interruptible: fc.boolean(), safeUntil: fc.constantFrom(0, 500, 2_000), unsavedMs: fc.nat(7_200_000), saveMs: fc.constantFrom(null, 1_000, 60_000), restartMs: fc.nat(60_000),
  endsInMs: fc.constantFrom(null, 10_000, 3_600_000), microsPerHour: fc.nat(5_000_000), evictions: fc.nat(3),
})
const candidates = fc.array(fc.record({ free: room, holders: fc.array(holder, { maxLength: 6 }) }), { maxLength: 6 }).map((list): Candidate[] =>
  list.map(({ free, holders }, n) => ({ node: `nod_${n}` as NodeId, free, holders: holders.map((one, i): Holder => ({ attempt: `att_${n}_${i}` as AttemptId, ...one })) })))
const aHolder = (name: string, change: Partial<Holder> = {}): Holder => ({
  attempt: name as AttemptId, holds: { cpuMillis: 1_000, memoryBytes: 0, diskBytes: 0, gpus: 1 }, interruptible: true, safeUntil: 0, unsavedMs: 3_600_000, saveMs: null, restartMs: 0, endsInMs: null,
  microsPerHour: 1_000_000, evictions: 0, ...change,
})
const none: Capacity = { cpuMillis: 0, memoryBytes: 0, diskBytes: 0, gpus: 0 }, oneGpu: Capacity = { ...none, gpus: 1 }
const chosen = (holders: readonly Holder[], need: Capacity, change: Partial<typeof terms> & { gainMicros?: number | null } = {}): string[] | null =>
  chooseVictims(need, [{ node: 'nod_1' as NodeId, free: none, holders }], { ...terms, ...change })?.victims.map(({ attempt }) => attempt as string).toSorted() ?? null
const fits = (need: Capacity, has: Capacity): boolean => need.cpuMillis <= has.cpuMillis && need.memoryBytes <= has.memoryBytes && need.diskBytes <= has.diskBytes && need.gpus <= has.gpus
const sum = (list: readonly Capacity[]): Capacity => list.reduce((a, b) => ({ cpuMillis: a.cpuMillis + b.cpuMillis, memoryBytes: a.memoryBytes + b.memoryBytes, diskBytes: a.diskBytes + b.diskBytes, gpus: a.gpus + b.gpus }), none)

test('no firm job is ever evicted, nobody within its slice, and everyone gets notice', () => {
  fc.assert(fc.property(room, candidates, (need, nodes) => {
    const plan = chooseVictims(need, nodes, terms)
    for (const victim of plan?.victims ?? []) {
      const found = nodes.find(({ node }) => node === plan?.node)?.holders.find(({ attempt }) => attempt === victim.attempt)
      expect(found?.interruptible).toBe(true)
      expect(found?.safeUntil).toBeLessThanOrEqual(terms.now)
      expect(victim.endBy).toBe(terms.now + terms.graceMs)
    }
  }), { numRuns: 500 })
})

test('the room suffices afterwards, no victim is superfluous, and a plan is found whenever one node could give the room', () => {
  fc.assert(fc.property(room, candidates, (need, nodes) => {
    const plan = chooseVictims(need, nodes, terms)
    const able = nodes.some(({ free, holders }) => fits(need, sum([free, ...holders.filter((one) => mayEvict(one, terms.now)).map(({ holds }) => holds)])))
    expect(plan !== null).toBe(able)
    if (!plan) return
    const node = nodes.find((one) => one.node === plan.node) as Candidate
    const held = plan.victims.map(({ attempt }) => (node.holders.find((one) => one.attempt === attempt) as Holder).holds)
    expect(fits(need, sum([node.free, ...held]))).toBe(true)
    expect(plan.victims.length).toBeLessThanOrEqual(VICTIMS_MAX)
    held.forEach((_, i) => { expect(fits(need, sum([node.free, ...held.filter((__, k) => k !== i)]))).toBe(false) })
  }), { numRuns: 500 })
})

test('the order in which nodes and attempts are listed does not matter', () => {
  fc.assert(fc.property(room, candidates, (need, nodes) => {
    const turned = nodes.toReversed().map((one) => ({ ...one, holders: one.holders.toReversed() }))
    const names = (list: readonly Candidate[]): unknown => { const plan = chooseVictims(need, list, terms); return plan && [plan.node, plan.victims.map(({ attempt }) => attempt as string).toSorted()] }
    expect(names(turned)).toEqual(names(nodes))
  }))
})

test('who has just saved goes before who has not, the cheaper before the dearer, the spared before the often taken', () => {
  expect(chosen([aHolder('a'), aHolder('b', { unsavedMs: 60_000 })], oneGpu)).toEqual(['b'])
  expect(chosen([aHolder('a'), aHolder('b', { saveMs: 20_000 })], oneGpu)).toEqual(['b'])
  expect(chosen([aHolder('a'), aHolder('b', { microsPerHour: 900_000 })], oneGpu)).toEqual(['b'])
  expect(chosen([aHolder('a', { evictions: 1 }), aHolder('b')], oneGpu)).toEqual(['b'])
})
test('who ends within the notice loses nothing', () => {
  expect(lossOf(aHolder('a', { endsInMs: 30_000 }), terms)).toBe(0)
  expect(chosen([aHolder('a', { unsavedMs: 0 }), aHolder('b', { endsInMs: 10_000 })], oneGpu)).toEqual(['b'])
})
test('one large victim goes before many small ones that lose as much', () => {
  const small = Array.from({ length: 4 }, (_, i) => aHolder(`s${i}`, { microsPerHour: 250_000 }))
  expect(chosen([...small, aHolder('large', { holds: { ...none, gpus: 4 } })], { ...none, gpus: 4 })).toEqual(['large'])
})
test('room is not taken when it is worth less than 1.2 times what is lost', () => {
  const loss = lossOf(aHolder('a'), terms)
  expect(chosen([aHolder('a')], oneGpu, { gainMicros: loss * 1.1 } as never)).toBe(null)
  expect(chosen([aHolder('a')], oneGpu, { gainMicros: loss * 1.3 } as never)).toEqual(['a'])
})
test('being taken off costs more than what is lost: one victim goes before four that lose a little less together', () => {
  const small = Array.from({ length: 4 }, (_, i) => aHolder(`s${i}`, { microsPerHour: 240_000 }))
  expect(chosen([...small, aHolder('large', { holds: { ...none, gpus: 4 }, unsavedMs: 3_600_000 * 1.1 })], { ...none, gpus: 4 })).toEqual(['large'])
  expect(chosen([...small.map((one) => ({ ...one, microsPerHour: 100_000 })), aHolder('large', { holds: { ...none, gpus: 4 } })], { ...none, gpus: 4 })).toHaveLength(4)
})
test('more victims than eight are not taken; one that does alone is', () => {
  const many = Array.from({ length: VICTIMS_MAX + 1 }, (_, i) => aHolder(`s${i}`, { microsPerHour: 1 })), need = { ...none, gpus: VICTIMS_MAX + 1 }
  expect(chosen(many, need)).toBe(null)
  expect(chosen([...many, aHolder('large', { holds: need })], need)).toEqual(['large'])
})
test('room that is missing in two kinds is found with two holders that have one kind each', () => {
  const need = { ...none, cpuMillis: 1_000, gpus: 1 }
  expect(chosen([aHolder('cpu', { holds: { ...none, cpuMillis: 1_000 } }), aHolder('gpu', { holds: oneGpu })], need)).toEqual(['cpu', 'gpu'])
})
