import { expect, test } from 'vitest'
import fc from 'fast-check'
import { createPlacement } from './placement.ts'
import { Reference } from './reference.ts'
import type { Grant, Need, NodeView, Typical } from './view.ts'

// Small numbers that meet often: fits, near misses and ties are all common.
const price = fc.constantFrom(0, 1, 900, 1000, 1010, 30_000, 2_000_000)
const aView = (id: number): fc.Arbitrary<NodeView> => fc.record({
  id: fc.constant(id), region: fc.nat(1), hardware: fc.nat(2), traits: fc.constantFrom(0, 1, 3), owner: fc.nat(3),
  cpuMillis: fc.constantFrom(0, 50, 1000, 4000, 8000, 9000, 64_000), memoryMib: fc.constantFrom(512, 4096, 5000, 65_536), diskMib: fc.constantFrom(0, 100, 10_000), gpus: fc.constantFrom(0, 0, 1, 2, 8),
  prices: fc.record({ start: price, cpuHour: price, memoryGibHour: price, diskGibHour: price, gpuHour: price, outGib: price }), riskPpm: fc.constantFrom(0, 1000, 90_000), open: fc.constantFrom(true, true, true, false),
})
const aNeed: fc.Arbitrary<Need> = fc.record({
  cpuMillis: fc.constantFrom(0, 10, 1000, 3000, 4000, 8000), memoryMib: fc.constantFrom(0, 100, 4096, 5000), diskMib: fc.constantFrom(0, 100), gpus: fc.constantFrom(0, 0, 1, 1, 2, 4), gpuMillis: fc.constantFrom(1000, 1000, 500, 300),
  regions: fc.constantFrom(0, 1, 2, 3), hardware: fc.constantFrom(0, 0, 1, 6), traits: fc.constantFrom(0, 0, 1, 2), expectedMs: fc.constantFrom(0, 60_000, 3_600_000), limitMs: fc.constant(7_200_000), outMib: fc.constantFrom(0, 512),
  maxCost: fc.constantFrom(Infinity, Infinity, 50_000, 3_000_000),
})
const TYPICAL: readonly Typical[] = [
  { cpuMillis: 1000, gpus: 1, gpuMillis: 300, hardware: 0, share: 3 }, { cpuMillis: 4000, gpus: 1, gpuMillis: 1000, hardware: 0, share: 4 }, { cpuMillis: 3000, gpus: 2, gpuMillis: 1000, hardware: 3, share: 1 },
  { cpuMillis: 4000, gpus: 0, gpuMillis: 0, hardware: 0, share: 2 }, { cpuMillis: 0, gpus: 2, gpuMillis: 500, hardware: 4, share: 0.3 },
]
type Event = { kind: 'put'; view: NodeView } | { kind: 'flip'; node: number } | { kind: 'remove'; node: number } | { kind: 'place'; need: number } | { kind: 'release'; which: number } | { kind: 'avoid'; need: number; nodes: number[]; owners: number[] }
const NODES = 7
const anEvent: fc.Arbitrary<Event> = fc.oneof(
  { weight: 3, arbitrary: fc.nat(NODES).chain((id) => fc.record({ kind: fc.constant('put' as const), view: aView(id) })) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flip' as const), node: fc.nat(NODES) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), node: fc.nat(NODES) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('place' as const), need: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('avoid' as const), need: fc.nat(5), nodes: fc.array(fc.nat(NODES), { maxLength: 3 }), owners: fc.array(fc.nat(3), { maxLength: 2 }) }) },
)
const aMarket = fc.record({
  views: fc.tuple(...Array.from({ length: NODES }, (_, id) => aView(id))), needs: fc.array(aNeed, { minLength: 6, maxLength: 6 }), events: fc.array(anEvent, { minLength: 5, maxLength: 60 }),
})

/** Plays the events on the engine and on the reference, and asks `check` about every question put. */
function play(market: { views: NodeView[]; needs: Need[]; events: Event[] }, policy: { lookAllBelow: number; look?: number }, check: (engine: ReturnType<typeof createPlacement>, reference: Reference, need: Need, avoid: number[], owners: number[]) => void): string {
  const engine = createPlacement({ policy, typical: TYPICAL }), reference = new Reference(policy, TYPICAL)
  const grants: Grant[] = [], story: unknown[] = []
  const there = new Map<number, NodeView>()
  const put = (view: NodeView): void => { engine.putNode(view); reference.putNode(view); there.set(view.id, view) }
  market.views.forEach(put)
  for (const event of market.events) {
    if (event.kind === 'put') put(event.view)
    else if (event.kind === 'flip') { const view = there.get(event.node); if (view) put({ ...view, open: !view.open }) }
    else if (event.kind === 'remove') { engine.removeNode(event.node); reference.removeNode(event.node); there.delete(event.node) }
    else if (event.kind === 'release') {
      const grant = grants[event.which % Math.max(1, grants.length)]
      if (grant) { grants.splice(grants.indexOf(grant), 1); expect(engine.release(grant)).toBe(reference.release(grant)) }
    } else {
      const need = market.needs[event.need % market.needs.length] as Need
      const avoid = event.kind === 'avoid' ? event.nodes : [], owners = event.kind === 'avoid' ? event.owners : []
      check(engine, reference, need, avoid, owners)
      const index = engine.classOf(need), found = engine.best(index, avoid, owners)
      story.push(found)
      if (!found) continue
      const grant = engine.reserve(found.node, need, found.devices)
      expect(grant).not.toBeNull()
      reference.book(grant as Grant)
      grants.push(grant as Grant)
    }
    for (const node of there.keys()) {
      const free = reference.free(node), mine = engine.free(node)
      expect([mine.cpuMillis, mine.memoryMib, mine.diskMib]).toEqual([free.cpu, free.memory, free.disk])
      expect(mine.devices).toEqual(free.devices.slice(0, mine.devices.length))
    }
  }
  return JSON.stringify(story)
}

test('in a small market the engine decides what the slow reference decides: same node, same devices, same terms', () => {
  fc.assert(fc.property(aMarket, (market) => {
    play(market, { lookAllBelow: 100 }, (engine, reference, need, avoid, owners) => {
      const found = engine.best(engine.classOf(need), avoid, owners), right = reference.best(need, avoid, owners)
      expect(found && { node: found.node, devices: found.devices, terms: found.terms }).toEqual(right && { node: right.node, devices: right.devices, terms: right.terms })
      const scanned = engine.scan(engine.classOf(need)), unasked = reference.best(need)
      expect(scanned && { node: scanned.node, terms: scanned.terms, candidates: scanned.candidates }).toEqual(unasked && { node: unasked.node, terms: unasked.terms, candidates: unasked.candidates })
    })
  }), { numRuns: 400 })
})

test('when it samples, it finds a place exactly when there is one, scores it right, and never beats the exact answer', () => {
  fc.assert(fc.property(aMarket, (market) => {
    play(market, { lookAllBelow: 0, look: 2 }, (engine, reference, need, avoid, owners) => {
      const found = engine.best(engine.classOf(need), avoid, owners), right = reference.best(need, avoid, owners)
      expect(found === null).toBe(right === null)
      if (!found || !right) return
      expect(reference.fits(found.node, need)).toBe(true)
      expect(avoid.includes(found.node)).toBe(false)
      expect(found.runnerUp?.node).not.toBe(found.node)
      expect(found.terms).toEqual(reference.score(found.node, need).terms)
      expect(found.terms.total).toBeGreaterThanOrEqual(right.terms.total)
    })
  }), { numRuns: 400 })
})

test('nothing is ever taken that is not free, and giving back everything leaves every node as it was', () => {
  fc.assert(fc.property(fc.tuple(...Array.from({ length: NODES }, (_, id) => aView(id))), fc.array(aNeed, { minLength: 1, maxLength: 30 }), (views, needs) => {
    const engine = createPlacement({ typical: TYPICAL })
    views.forEach((view) => engine.putNode(view))
    const before = views.map((view) => engine.free(view.id))
    const grants = needs.flatMap((need) => {
      const found = engine.best(engine.classOf(need))
      const grant = found && engine.reserve(found.node, need, found.devices)
      return grant ? [grant] : []
    })
    for (const view of views) {
      const { cpuMillis, memoryMib, diskMib, devices } = engine.free(view.id)
      expect(Math.min(cpuMillis, memoryMib, diskMib, ...devices)).toBeGreaterThanOrEqual(0)
    }
    for (const grant of grants) expect(engine.release(grant)).toBe(true)
    expect(views.map((view) => engine.free(view.id))).toEqual(before)
  }), { numRuns: 300 })
})

test('the same events give the same decisions', () => {
  fc.assert(fc.property(aMarket, (market) => {
    expect(play(market, { lookAllBelow: 0, look: 3 }, () => undefined)).toBe(play(market, { lookAllBelow: 0, look: 3 }, () => undefined))
  }), { numRuns: 100 })
})

test('a class that found no place sleeps, and wakes exactly when some change lets it fit', () => {
  fc.assert(fc.property(aMarket, (market) => {
    const engine = createPlacement({ typical: TYPICAL }), reference = new Reference({}, TYPICAL)
    const grants: Grant[] = []
    const there = new Map<number, NodeView>()
    const put = (view: NodeView): void => { engine.putNode(view); reference.putNode(view); there.set(view.id, view) }
    const sleeping = new Set<number>()
    const settle = (): void => {
      for (const woken of engine.takeWoken()) {
        expect(sleeping.delete(woken)).toBe(true)
        expect(reference.best(engine.needOf(woken))).not.toBeNull()
      }
      for (const index of sleeping) expect(reference.best(engine.needOf(index))).toBeNull()
    }
    market.views.forEach(put)
    for (const event of market.events) {
      if (event.kind === 'put') put(event.view)
      else if (event.kind === 'flip') { const view = there.get(event.node); if (view) put({ ...view, open: !view.open }) }
      else if (event.kind === 'remove') { engine.removeNode(event.node); reference.removeNode(event.node); there.delete(event.node) }
      else if (event.kind === 'release') {
        const grant = grants.splice(event.which % Math.max(1, grants.length), 1)[0]
        if (grant) { engine.release(grant); reference.release(grant) }
      } else if (event.kind === 'place') {
        const need = market.needs[event.need % market.needs.length] as Need, index = engine.classOf(need), found = engine.best(index)
        expect(engine.asleep(index)).toBe(found === null)
        if (found) { const grant = engine.reserve(found.node, need, found.devices) as Grant; reference.book(grant); grants.push(grant) } else sleeping.add(index)
      }
      settle()
    }
  }), { numRuns: 400 })
})

test('explain counts every node once: those that would take it, and the others by reason', () => {
  fc.assert(fc.property(fc.tuple(...Array.from({ length: NODES }, (_, id) => aView(id))), aNeed, (views, need) => {
    const engine = createPlacement(), reference = new Reference()
    for (const view of views) { engine.putNode(view); reference.putNode(view) }
    const { fits, refused } = engine.explain(engine.classOf(need))
    expect(fits).toBe(views.filter((view) => reference.fits(view.id, need)).length)
    expect(fits + Object.values(refused).reduce((sum, count) => sum + count, 0)).toBe(NODES)
    expect(refused.closed ?? 0).toBe(views.filter((view) => !view.open).length)
  }), { numRuns: 200 })
})

test('one node that fits among a hundred of its cell that nearly do is found, though a walk gives up on a cell after a few misses', () => {
  const engine = createPlacement({ policy: { lookAllBelow: 0 } })
  const view = (id: number, memoryMib: number): NodeView =>
    ({ id, region: 0, hardware: 0, traits: 0, owner: 0, cpuMillis: 8000, memoryMib, diskMib: 0, gpus: 0, prices: { start: 0, cpuHour: 1000, memoryGibHour: 0, diskGibHour: 0, gpuHour: 0, outGib: 0 }, riskPpm: 0, open: true })
  engine.putNode(view(0, 7000))
  for (let id = 1; id <= 100; id++) engine.putNode(view(id, 4096 + id))
  const index = engine.classOf({ cpuMillis: 1000, memoryMib: 6000, diskMib: 0, gpus: 0, gpuMillis: 0, regions: 0, hardware: 0, traits: 0, expectedMs: 1000, limitMs: 1000, outMib: 0, maxCost: Infinity })
  expect(engine.best(index)).toMatchObject({ node: 0, candidates: 1, refused: { memory: 104 } })
})

const PLAIN: NodeView = { id: 0, region: 0, hardware: 0, traits: 0, owner: 0, cpuMillis: 8000, memoryMib: 8192, diskMib: 100, gpus: 0, prices: { start: 0, cpuHour: 1000, memoryGibHour: 0, diskGibHour: 0, gpuHour: 1000, outGib: 0 }, riskPpm: 0, open: true }
const SMALL: Need = { cpuMillis: 1000, memoryMib: 512, diskMib: 100, gpus: 0, gpuMillis: 0, regions: 0, hardware: 0, traits: 0, expectedMs: 1000, limitMs: 1000, outMib: 0, maxCost: Infinity }

test('a pool where a walk asked its fill in vain is asked whole before it counts as full', () => {
  const engine = createPlacement({ policy: { lookAllBelow: 0 } })
  // Three of a size, so that no cell is given up early: the walk ends because it has asked twelve.
  const cores = [4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 7, 8, 10, 10, 10, 12, 12, 12]
  cores.forEach((count, id) => engine.putNode({ ...PLAIN, id, cpuMillis: count * 1000, diskMib: count === 8 ? 100 : 0 }))
  expect(engine.best(engine.classOf(SMALL))?.node).toBe(cores.indexOf(8))
})

test('work without GPUs that finds nobody without idle GPUs takes one with', () => {
  const engine = createPlacement({ policy: { lookAllBelow: 0 }, typical: TYPICAL })
  engine.putNode({ ...PLAIN, id: 0, gpus: 2 })
  engine.putNode({ ...PLAIN, id: 1, gpus: 2 })
  expect(engine.reserve(0, { ...SMALL, cpuMillis: 8000, gpus: 2, gpuMillis: 1000 })).not.toBeNull()
  expect(engine.best(engine.classOf(SMALL))?.node).toBe(1)
})
