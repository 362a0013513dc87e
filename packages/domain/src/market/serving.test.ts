// Who is served first, on a whole market: the flood of one buyer, wide work behind narrow work, and what has waited longest.
import { expect, test } from 'vitest'
import { GIB } from '@lumaris/protocol'
import type { JobDispatch, JobId, JobSpecInput } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { Submitted } from '../job/submit.ts'

const MINUTE = 60_000, HOUR = 60 * MINUTE
const PATIENT = { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 }
/** One node whose work takes as long as it says, minute by minute. */
function marketOf(cores: number) {
  const market = aMarket({ settings: PATIENT })
  const node = market.join('one', { cpuMillis: cores * 1000, memoryBytes: 1000 * GIB, diskBytes: 1000 * GIB })
  node.connect()
  const running: { order: JobDispatch; until: number }[] = [], startedAt = new Map<JobId, number>()
  const pick = () => { for (const order of market.dispatched(node.id)) { startedAt.set(order.job_id, market.now); running.push({ order, until: market.now + Number(order.env['MS']) }) } }
  return {
    market, startedAt, get running() { return running.length },
    buyer(name: string) { const user = aUser(name); market.fund(user, credits(1_000_000)); return user },
    submit(user: ReturnType<typeof aUser>, ms: number, more: Partial<JobSpecInput> = {}): JobId {
      const spec = aSpec({ env: { MS: String(ms) }, expectedMs: ms, limits: { runMs: ms }, ...more, resources: { memoryBytes: GIB / 4, ...more.resources } })
      const { id } = (market.submit(user, spec, { cap: credits(100) }) as Submitted).job
      pick()
      return id
    },
    pass(ms: number) {
      for (const end = market.now + ms; market.now < end;) {
        market.pass(Math.min(MINUTE, end - market.now))
        for (const one of running.filter(({ until }) => until <= market.now)) { running.splice(running.indexOf(one), 1); market.report(one.order, { runMs: Number(one.order.env['MS']) }) }
        pick()
      }
    },
  }
}

test('a flood of one buyer does not make another wait: their work starts in turn', () => {
  const one = marketOf(4), flood = one.buyer('flood'), light = one.buyer('light')
  for (let i = 0; i < 200; i++) one.submit(flood, 10 * MINUTE)
  one.pass(MINUTE)
  const late = Array.from({ length: 4 }, () => one.submit(light, 10 * MINUTE))
  one.pass(25 * MINUTE)
  // Two rounds of four: half of each is the light buyer's. First come first served would start them after fifty rounds.
  expect(late.filter((id) => one.startedAt.has(id))).toHaveLength(4)
})

test('short work of a buyer goes before the long, and the long is not put off for ever', () => {
  const one = marketOf(1), buyer = one.buyer('ann')
  one.submit(buyer, 10 * MINUTE)
  const long = one.submit(buyer, 60 * MINUTE), short = one.submit(buyer, 5 * MINUTE)
  one.pass(16 * MINUTE)
  expect([one.startedAt.has(short), one.startedAt.has(long)]).toEqual([true, true])
  expect(one.startedAt.get(short)).toBeLessThan(one.startedAt.get(long) ?? 0)
})

test('wide work that has waited beyond its patience gets a place kept, and starts although narrow work keeps coming', () => {
  const one = marketOf(4), narrow = one.buyer('narrow'), wide = one.buyer('wide')
  for (let i = 0; i < 3; i++) one.submit(narrow, (10 + i) * MINUTE)
  const id = one.submit(wide, 30 * MINUTE, { resources: { cpuMillis: 4000 }, limits: { runMs: 30 * MINUTE, queueMs: 24 * HOUR } })
  let started: number | undefined
  for (let minute = 0; minute < 8 * 60 && started === undefined; minute += 3) {
    if (one.running < 8) one.submit(narrow, (9 + (minute % 7)) * MINUTE)
    one.pass(3 * MINUTE)
    started = one.startedAt.get(id)
  }
  // Overdue after three hours (market/order/key.ts); then at most what runs may run on, and what the market grants beyond a limit.
  expect(started).toBeDefined()
  expect((started ?? 0) - 1_000_000).toBeLessThan(3 * HOUR + 30 * MINUTE)
  expect((started ?? 0) - 1_000_000).toBeGreaterThan(3 * HOUR)
})

test('a place that is kept is used by what is over in time', () => {
  const one = marketOf(4), narrow = one.buyer('narrow'), wide = one.buyer('wide')
  one.submit(narrow, 5 * HOUR, { limits: { runMs: 5 * HOUR } })
  const id = one.submit(wide, 30 * MINUTE, { resources: { cpuMillis: 4000 }, limits: { runMs: 30 * MINUTE, queueMs: 24 * HOUR } })
  one.pass(3 * HOUR + 10 * MINUTE)
  const brief = one.submit(narrow, 30 * MINUTE), lengthy = one.submit(narrow, 4 * HOUR, { limits: { runMs: 4 * HOUR } })
  one.pass(MINUTE)
  expect([one.startedAt.has(brief), one.startedAt.has(lengthy)]).toEqual([true, false])
  one.pass(2 * HOUR)
  expect(one.startedAt.has(id)).toBe(true)
})
