import { expect, test } from 'vitest'
import { isRefusal } from '@lumaris/protocol'
import type { StandingId } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { StandingRow } from '../rows.ts'

const buyer = aUser('buyer')
const ask = (market: ReturnType<typeof aMarket>, more: Partial<Parameters<typeof market.act>[0] & object> = {}) =>
  market.act({ kind: 'standing', buyer, spec: aSpec({ resources: { cpuMillis: 4000 } }), attemptCap: null, nodes: 1, validMs: 3_600_000, ...more } as never) as StandingRow
const told = (market: ReturnType<typeof aMarket>) => market.effects.flatMap((effect) => (effect.kind === 'standing' ? [[effect.row.state, effect.row.found]] : []))
const PATIENT = { settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 } }

test('what is there already is told at once', () => {
  const market = aMarket()
  market.join('north').connect()
  expect(ask(market)).toMatchObject({ state: 'met', found: 1 })
  expect(market.state.standing.size).toBe(0)
})
test('a request stands until nodes with room appear, and is told once', () => {
  const market = aMarket(PATIENT)
  market.fund(buyer, credits(100))
  const north = market.join('north')
  north.connect()
  market.submit(buyer, aSpec())
  const [order] = market.dispatched(north.id)
  expect(ask(market)).toMatchObject({ state: 'open' })
  market.pass(6_000)
  expect(told(market)).toEqual([])
  market.report(order!, { runMs: 6_000 })
  market.pass(6_000)
  expect(told(market)).toEqual([['met', 1]])
  market.pass(60_000)
  expect(told(market)).toHaveLength(1)
})
test('it counts nodes, prices and wishes: two nodes, cheap enough, in the region', () => {
  const market = aMarket(PATIENT)
  ask(market, { nodes: 2, attemptCap: credits(1), spec: aSpec({ placement: { regions: ['north'] } }) } as never)
  for (const [name, more] of [['a', { region: 'north', cpuHour: 1 }], ['b', { region: 'south', cpuHour: 1 }], ['c', { region: 'north', cpuHour: 100 }]] as const) { market.join(name, more).connect(); market.pass(6_000) }
  expect(told(market)).toEqual([])
  market.join('d', { region: 'north', cpuHour: 1 }).connect()
  market.pass(6_000)
  expect(told(market)).toEqual([['met', 2]])
})
test('it ends when its time is over, or when it is taken back; then nothing is told any more', () => {
  const market = aMarket(PATIENT)
  ask(market, { validMs: 60_000 } as never)
  const { id } = ask(market)
  expect(market.act({ kind: 'dropStanding', id })).toBeNull()
  market.pass(61_000)
  expect(told(market)).toEqual([['expired', null]])
  market.join('north').connect()
  market.pass(10_000)
  expect(told(market)).toHaveLength(1)
  expect(market.act({ kind: 'dropStanding', id })).toMatchObject({ refusal: 'not_found' })
  expect(market.act({ kind: 'dropStanding', id: 'sta_00000000000000000000000009' as StandingId })).toMatchObject({ refusal: 'not_found' })
})
test('what could never be is refused, and so is a hundred and first', () => {
  const market = aMarket()
  expect(ask(market, { spec: aSpec({ resources: { gpuModels: ['x'] } }) } as never)).toMatchObject({ refusal: 'impossible_request' })
  for (let i = 0; i < 100; i++) expect(isRefusal(ask(market))).toBe(false)
  expect(ask(market)).toMatchObject({ refusal: 'queue_full' })
  expect(ask(market, { buyer: aUser('other') } as never)).toMatchObject({ state: 'open' })
})
