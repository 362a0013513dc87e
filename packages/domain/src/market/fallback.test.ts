import { expect, test } from 'vitest'
import { FallbackStep, GIB, JobSpec } from '@lumaris/protocol'
import type { JobId } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import { createState } from '../state.ts'
import { apply } from '../state.ts'
import type { Submitted } from '../job/submit.ts'

const buyer = aUser('buyer')
const LADDER: FallbackStep[] = [{ afterMs: 10_000, regions: ['north', 'south'] }, { afterMs: 20_000, regions: null, labels: {} }]
function marketWith(region: string, labels: Record<string, string> = {}) {
  const market = aMarket()
  market.fund(buyer, credits(100))
  const node = market.join('one', { region, labels })
  node.connect()
  const spec = aSpec({ placement: { regions: ['north'], labels: { tier: 'gold' } }, fallback: LADDER })
  const id = (market.submit(buyer, spec, { cap: credits(1) }) as Submitted).job.id
  return { market, node, id }
}
const eventsOf = (market: ReturnType<typeof aMarket>, id: JobId) => market.log.flatMap((change) => (change.kind === 'event' && change.row.job === id && change.row.type === 'fallback' ? [change.row.state] : []))

test('concessions are made in their order and at their time, each is told, and the first that helps places the job', () => {
  const { market, id } = marketWith('south', { tier: 'gold' })
  market.pass(9_000)
  expect(market.job(id)).toMatchObject({ state: 'queued', rung: 0 })
  market.pass(1_001)
  expect(market.job(id)).toMatchObject({ state: 'running', rung: 1 })
  market.pass(15_000)
  expect(market.job(id)?.rung).toBe(1)
  expect(eventsOf(market, id)).toEqual(['step 1 of 2'])
})
test('a step drops a wish with null, and the last one is the end of the ladder', () => {
  const { market, id } = marketWith('mars')
  market.pass(10_001)
  expect(market.job(id)).toMatchObject({ state: 'queued', rung: 1 })
  market.pass(10_000)
  expect(market.job(id)).toMatchObject({ state: 'running', rung: 2 })
  expect(eventsOf(market, id)).toEqual(['step 1 of 2', 'step 2 of 2'])
})
test('others of the old class are not served by what one has conceded', () => {
  const { market, id } = marketWith('south', { tier: 'gold' })
  const stubborn = (market.submit(buyer, aSpec({ placement: { regions: ['north'], labels: { tier: 'gold' } } }), { cap: credits(1) }) as Submitted).job.id
  market.pass(10_001)
  expect(market.job(id)?.state).toBe('running')
  expect(market.job(stubborn)?.state).toBe('queued')
})
test('a new writer goes on with the ladder where the old one was', () => {
  const { market, id } = marketWith('mars')
  market.pass(10_001)
  const fresh = createState(market.state.settings)
  const last = new Map(market.log.flatMap((change) => (change.kind === 'job' || change.kind === 'task' ? [[`${change.kind}${'index' in change.row ? change.row.index : ''}`, change] as const] : [])))
  for (const change of last.values()) apply(fresh, change)
  expect(fresh.jobs.get(id)?.row.rung).toBe(1)
  expect(fresh.timers.peek()).toMatchObject({ kind: 'fallback', task: 1 })
})
test('a ladder goes down only: later steps come later, and what is reserved cannot be a step', () => {
  expect(JobSpec.safeParse({ command: ['x'], fallback: [{ afterMs: 5000, regions: null }, { afterMs: 5000, labels: {} }] }).success).toBe(false)
  expect(FallbackStep.safeParse({ afterMs: 5000, memoryBytes: GIB }).success).toBe(false)
  expect(FallbackStep.safeParse({ afterMs: 5000, residency: null }).success).toBe(false)
})
