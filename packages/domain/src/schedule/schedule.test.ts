import { expect, test } from 'vitest'
import { isRefusal } from '@lumaris/protocol'
import type { JobDispatch, JobId, ScheduleId } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import { apply, createState } from '../state.ts'
import { runTurn } from '../decide.ts'
import type { ScheduleRow } from '../rows.ts'
import type { CreateScheduleCommand } from './schedule.ts'

const buyer = aUser('buyer'), CAP = credits(1), MINUTE = 60_000
const START = Date.parse('2026-06-01T00:00:30Z')
const at = (time: string): number => Date.parse(`2026-06-01T${time}Z`)

function setup(funds = 100) {
  const market = aMarket({ settings: { suspectMs: 1e15, lostMs: 1e15, offerMs: 1e15 } })
  market.now = START
  market.fund(buyer, credits(funds))
  const node = market.join('north', { cpuMillis: 16_000, memoryBytes: 2 ** 36 })
  node.connect()
  const orders: JobDispatch[] = []
  const ask = (more: Partial<CreateScheduleCommand> = {}) => market.act({ kind: 'createSchedule', buyer, key: null, bodyHash: 'x', name: null, cron: '*/5 * * * *', timeZone: 'UTC', spec: aSpec(), cap: CAP, budget: null, overlap: 'skip', ...more })
  return {
    market, ask,
    made(more: Partial<CreateScheduleCommand> = {}): ScheduleId { const row = ask(more); if (isRefusal(row)) throw new Error(JSON.stringify(row)); return row.id },
    row: (id: ScheduleId): ScheduleRow => market.state.schedules.get(id)!,
    to(time: string) { market.now = at(time); market.act({ kind: 'clock' }) },
    finish(job: JobId, exitCode = 0) { orders.push(...market.dispatched(node.id)); const order = orders.find((one) => one.job_id === job)!; market.now += 1000; market.report(order, { runMs: 1000, exitCode }) },
    jobs: (): JobId[] => market.log.flatMap((change) => (change.kind === 'job' && change.row.version === 0 ? [change.row.id] : [])),
  }
}

test('it fires at its moments, each once, with a job under its cap; what the job did not cost may be spent again', () => {
  const world = setup(), id = world.made()
  expect(world.row(id)).toMatchObject({ state: 'active', nextAt: at('00:05:00') })
  world.to('00:04:59')
  expect(world.jobs()).toEqual([])
  world.to('00:05:00')
  world.to('00:05:01')
  const [job] = world.jobs() as [JobId]
  expect(world.jobs()).toHaveLength(1)
  expect(world.market.job(job)).toMatchObject({ buyer, cap: CAP, schedule: id, state: 'running' })
  expect(world.row(id)).toMatchObject({ nextAt: at('00:10:00'), running: [job], committed: CAP.toString(), firings: [{ due: at('00:05:00'), at: at('00:05:00'), outcome: 'submitted', job }] })
  world.finish(job)
  const { cost } = world.market.job(job)!
  expect(cost).toBeGreaterThan(0n)
  expect(world.row(id)).toMatchObject({ running: [], committed: cost.toString(), firings: [{ state: 'completed', cost: cost.toString() }] })
  world.to('00:10:00')
  expect(world.jobs()).toHaveLength(2)
})
test('of many moments that were missed the newest fires, once, also after a restart', () => {
  const world = setup(), id = world.made(), row = world.row(id)
  world.to('07:43:10')
  expect(world.row(id)).toMatchObject({ nextAt: at('07:45:00'), firings: [{ due: at('07:40:00'), at: at('07:43:10'), outcome: 'submitted' }] })
  expect(world.jobs()).toHaveLength(1)
  // The same from the tables: what stood there before the silence.
  const state = createState(), ports = { now: at('07:43:10'), id: () => '', hash: (text: string) => text, keyed: (text: string) => Array.from(text, (letter) => letter.charCodeAt(0).toString(16)).join('') }
  apply(state, { kind: 'schedule', row })
  expect([...state.accountsWanted]).toEqual([`buyer:${buyer}:available`])
  expect(runTurn(state, [{ kind: 'clock' }], ports).turn.changes).toEqual([]) // the balance is not here yet
  state.accounts.set(`buyer:${buyer}:available`, credits(10))
  const { turn } = runTurn(state, [{ kind: 'clock' }], { ...ports, now: ports.now + 1000 })
  expect(turn.changes.filter((change) => change.kind === 'job' && change.row.version === 0)).toHaveLength(1)
  expect(state.schedules.get(id)?.firings).toMatchObject([{ due: at('07:40:00'), outcome: 'submitted' }])
})
test('the id of a job follows from schedule and moment under a key that nobody outside has', () => {
  const ids = ['one', 'one', 'two'].map((secret) => {
    const world = setup()
    const state = world.market.state, id = world.made(), ports = { now: at('00:05:00'), id: () => '', hash: (text: string) => text, keyed: (text: string) => Array.from(secret + text, (letter) => letter.charCodeAt(0).toString(16)).join('') }
    runTurn(state, [{ kind: 'clock' }], ports)
    return state.schedules.get(id)?.running[0]
  })
  expect(ids[0]).toMatch(/^job_[0-9a-hjkmnp-tv-z]{26}$/)
  expect(ids[0]).toBe(ids[1])
  expect(ids[0]).not.toBe(ids[2])
})
test('while the last one runs: left out, or beside it', () => {
  const world = setup(), skips = world.made(), allows = world.made({ overlap: 'allow' })
  world.to('00:05:00')
  world.to('00:10:00')
  expect(world.row(skips).firings).toMatchObject([{ due: at('00:10:00'), outcome: 'skipped' }, { outcome: 'submitted' }])
  expect(world.row(allows).running).toHaveLength(2)
  world.finish(world.row(skips).running[0]!, 1)
  world.to('00:15:00')
  expect(world.row(skips).firings).toMatchObject([{ due: at('00:15:00'), outcome: 'submitted' }, { outcome: 'skipped' }, { outcome: 'submitted', state: 'failed' }])
})
test('without the money a firing is refused, and says so; the next one is tried again', () => {
  const world = setup(1), id = world.made({ cap: credits(2) })
  world.to('00:05:00')
  expect(world.row(id)).toMatchObject({ committed: '0', running: [], nextAt: at('00:10:00'), firings: [{ outcome: 'refused', refused: 'insufficient_funds', detail: expect.stringContaining('2000000') }] })
  world.market.fund(buyer, credits(5))
  world.to('00:10:00')
  expect(world.row(id).firings[0]).toMatchObject({ outcome: 'submitted' })
})
test('the budget bounds what is held and spent together', () => {
  const world = setup(), id = world.made({ overlap: 'allow', budget: CAP * 2n + 1n })
  for (const time of ['00:05:00', '00:10:00', '00:15:00']) world.to(time)
  expect(world.row(id)).toMatchObject({ committed: (CAP * 2n).toString(), firings: [{ outcome: 'refused', refused: 'budget_used_up' }, { outcome: 'submitted' }, { outcome: 'submitted' }] })
  world.finish(world.row(id).running[0]!)
  world.to('00:20:00')
  // What the first gave back is not enough for a whole cap: it cost something.
  expect(world.row(id).firings[0]).toMatchObject({ outcome: 'refused', refused: 'budget_used_up' })
  expect(BigInt(world.row(id).committed)).toBeLessThanOrEqual(CAP * 2n + 1n)
})
test('paused it does not fire, and makes up for nothing; removed it is gone, and its running job goes on', () => {
  const world = setup(), id = world.made()
  world.market.act({ kind: 'changeSchedule', id, to: 'paused' })
  world.to('00:30:00')
  expect(world.row(id)).toMatchObject({ state: 'paused', nextAt: null, firings: [] })
  world.market.act({ kind: 'changeSchedule', id, to: 'active' })
  expect(world.row(id).nextAt).toBe(at('00:35:00'))
  world.to('00:35:00')
  const [job] = world.jobs() as [JobId]
  expect(world.market.act({ kind: 'changeSchedule', id, to: 'removed' })).toMatchObject({ state: 'removed', nextAt: null })
  expect(world.market.state.schedules.size).toBe(0)
  world.to('00:50:00')
  expect(world.jobs()).toEqual([job])
  world.finish(job)
  expect(world.market.job(job)).toMatchObject({ state: 'completed' })
  expect(world.market.act({ kind: 'changeSchedule', id, to: 'active' })).toMatchObject({ refusal: 'not_found' })
})
test('a clock that steps back does not fire a moment again', () => {
  const world = setup(), id = world.made()
  world.to('00:05:00')
  world.finish(world.jobs()[0]!)
  world.to('00:04:00')
  world.to('00:05:30')
  expect(world.row(id).firings).toHaveLength(1)
})
test('the same key is the same schedule; with other words it is refused', () => {
  const world = setup(), id = world.made({ key: 'k' })
  expect(world.ask({ key: 'k' })).toMatchObject({ id })
  expect(world.ask({ key: 'k', bodyHash: 'y' })).toMatchObject({ refusal: 'idempotency_conflict' })
  expect(world.market.state.schedules.size).toBe(1)
})
test.each([
  [{ cron: '0 0 31 2 *' }, 'never comes'], [{ cron: '61 * * * *' }, 'no minute'], [{ cron: 'soon' }, 'has 1 fields'], [{ timeZone: 'Europe/Atlantis' }, 'no time zone'], [{ spec: aSpec({ deadline: START + 1e6 }) }, 'cannot have deadline'],
  [{ spec: aSpec({ after: [{ job: `job_${'0'.repeat(26)}` }] }) }, 'cannot have after'], [{ budget: CAP - 1n }, 'does not cover one firing'], [{ spec: aSpec({ resources: { gpuModels: ['x'] } }) }, 'no GPU'],
] as [Partial<CreateScheduleCommand>, string][])('%o is refused when it is made', (more, says) => expect(setup().ask(more)).toMatchObject({ refusal: 'impossible_request', detail: { reason: expect.stringContaining(says) } }))
test('a cap that cannot cover the job, and a hundred and first schedule', () => {
  const world = setup()
  expect(world.ask({ cap: 1n, spec: aSpec({ tasks: [{}, {}] }) })).toMatchObject({ refusal: 'cap_too_low' })
  for (let i = 0; i < 100; i++) world.made()
  expect(world.ask()).toMatchObject({ refusal: 'queue_full' })
  expect(world.ask({ buyer: aUser('other') })).toMatchObject({ state: 'active' })
})
test('at most twenty firings are kept', () => {
  const world = setup(), id = world.made({ cron: '* * * * *' })
  for (let i = 1; i <= 30; i++) { world.market.now = at('01:00:00') + i * MINUTE; world.market.act({ kind: 'clock' }) }
  expect(world.row(id).firings).toHaveLength(20)
})
