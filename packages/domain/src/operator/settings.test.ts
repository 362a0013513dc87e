import { expect, test } from 'vitest'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import { busyReason } from '../market/filter.ts'
import { requirementOf } from '../market/requirement.ts'
import { canonical, compareVersions, readSetting } from '@lumaris/protocol'
import type { JobDispatch, JobId, QuoteId, SettingName, SettingValues } from '@lumaris/protocol'
import { isRefusal } from '@lumaris/protocol'
import type { Submitted } from '../job/submit.ts'
import type { SettingsRow } from '../rows.ts'

const ann = aUser('ann'), bob = aUser('bob'), buyer = aUser('buyer')
function setup() {
  const market = aMarket()
  market.fund(buyer, credits(100))
  const version = (): number => market.state.operating?.version ?? 0
  const set = (values: { [Name in SettingName]?: SettingValues[Name] | null }, at = version(), by = ann) => market.act({ kind: 'changeSettings', by, reason: 'as agreed', version: at, set: values })
  const actions = () => market.log.flatMap((change) => (change.kind === 'action' ? [change.row] : []))
  /** Runs to its end; what was billed, and what of it the market kept. */
  const run = (order: JobDispatch): readonly [bigint, bigint] => { market.now += 3_600_000; market.report(order, { runMs: 60_000 }); const attempt = market.log.findLast((change) => change.kind === 'attempt' && change.row.id === order.attempt_id && change.row.billed !== null); if (attempt?.kind !== 'attempt') throw new Error('not settled'); return [attempt.row.billed ?? 0n, attempt.row.fee ?? 0n] }
  return { market, set, actions, run, version }
}

test('a quote that binds and a job that was submitted keep their fee; what comes after pays the new one', () => {
  const { market, set, run } = setup()
  const node = market.join('north')
  node.connect()
  const spec = aSpec(), quote = market.act({ kind: 'quote', buyer, spec, specHash: sha256(canonical(spec)) })
  if (isRefusal(quote)) throw new Error(quote.refusal)
  const before = (market.submit(buyer, aSpec({ name: 'before' })) as Submitted).job.id
  set({ fee: 2_000 })
  const quoted = (market.submit(buyer, spec, { quote: quote.id as QuoteId }) as Submitted).job.id, after = (market.submit(buyer, aSpec({ name: 'after' })) as Submitted).job.id
  const share = (job: JobId): bigint => { const order = market.dispatched(node.id).find((one) => one.job_id === job) ?? orders.find((one) => one.job_id === job); const [billed, fee] = run(order!); return (fee * 10_000n + billed / 2n) / billed }
  const orders = market.dispatched(node.id)
  expect([share(before), share(quoted), share(after)]).toEqual([500n, 500n, 2_000n])
})

test('who has looked at an older version changes nothing, and neither does who changes nothing; each change is a version and a line of the log', () => {
  const { set, actions, version, market } = setup()
  expect(set({ fee: 400 })).toMatchObject({ version: 1, changed: { fee: { before: null, after: 400 } } })
  expect(set({ fee: 300 }, 0, bob)).toEqual({ refusal: 'settings_changed', detail: { version: 1, by: ann, at: market.now } })
  expect(set({ fee: 400 })).toMatchObject({ refusal: 'nothing_to_change' })
  expect(set({ fee: null, topupMax: '5' }, 1, bob)).toMatchObject({ version: 2, values: { topupMax: '5' }, changed: { fee: { before: 400, after: null }, topupMax: { before: null, after: '5' } } })
  expect(version()).toBe(2)
  expect(actions()).toMatchObject([{ action: 'settings.change', by: ann, subject: 'settings 1', before: { fee: null }, after: { fee: 400 } }, { by: bob, before: { fee: 400, topupMax: null }, after: { fee: null, topupMax: '5' } }])
})

test('while new jobs are paused nobody submits and no schedule fires, each told why; what was submitted is answered and goes on', () => {
  const { market, set, run } = setup()
  const node = market.join('north')
  node.connect()
  const spec = aSpec(), first = market.submit(buyer, spec, { key: 'k' }) as Submitted
  market.act({ kind: 'createSchedule', buyer, key: null, bodyHash: 'x', name: null, cron: '* * * * *', timeZone: 'UTC', spec, cap: 1_000_000n, budget: null, overlap: 'allow' })
  set({ newJobsPaused: 'A switch is replaced until noon.' })
  expect(market.submit(buyer, aSpec({ name: 'another' }))).toEqual({ refusal: 'new_jobs_paused', detail: { says: 'A switch is replaced until noon.' } })
  expect(market.submit(buyer, spec, { key: 'k' })).toMatchObject({ replayed: true, job: { id: first.job.id } })
  expect(run(market.dispatched(node.id)[0]!)[0]).toBeGreaterThan(0n)
  market.pass(60_000)
  expect([...market.state.schedules.values()][0]?.firings[0]).toMatchObject({ outcome: 'refused', refused: 'new_jobs_paused' })
  set({ newJobsPaused: '' })
  expect(market.submit(buyer, aSpec({ name: 'another' }))).toMatchObject({ replayed: false })
})

test('a top-up is bounded by what is set; no operator turns demo credits on where the server was started without them', () => {
  const { market, set } = setup()
  const topup = (amount: bigint, key: string) => market.act({ kind: 'topup', user: buyer, amount, provider: 'demo', key, bodyHash: 'x' })
  set({ topupMax: '5' })
  expect(topup(6n, 'a')).toMatchObject({ refusal: 'amount_not_allowed', detail: { max: '5' } })
  expect(topup(5n, 'b')).toMatchObject({ ok: true })
  set({ topupMax: '0' })
  expect(topup(1n, 'c')).toMatchObject({ refusal: 'topup_not_allowed' })
  const without = aMarket({ settings: { demoTopupMaxMicros: null } })
  without.act({ kind: 'changeSettings', by: ann, reason: 'a try', version: 0, set: { topupMax: '5' } })
  expect(without.act({ kind: 'topup', user: buyer, amount: 1n, provider: 'demo', key: 'd', bodyHash: 'x' })).toMatchObject({ refusal: 'topup_not_allowed' })
})

test('an agent that is too old is sent away when it has no work, and refused at the door until it is newer', () => {
  const { market, set } = setup()
  const busy = market.join('busy'), idle = market.join('idle', { cpuMillis: 100 })
  busy.connect()
  idle.connect()
  market.submit(buyer, aSpec())
  expect(market.dispatched(busy.id)).toHaveLength(1)
  set({ agentVersionMin: '0.2.0' })
  // It brings to its end what it has, and gets nothing more, however much room it has.
  const next = market.submit(buyer, aSpec(), { cap: credits(1) }) as Submitted
  expect([market.dispatched(busy.id), market.job(next.job.id)?.state, busyReason(market.state, busy.row(), requirementOf(next.job, undefined, []), market.now)]).toEqual([[], 'queued', 'agent_too_old'])
  expect(market.effects.filter((one) => one.kind === 'cut').map((one) => one.node)).toEqual([idle.id])
  expect(idle.connect()).toMatchObject({ refusal: 'agent_too_old', detail: { version: '0.1.0', oldest: '0.2.0' } })
  expect(market.act({ kind: 'enrol', tokenHash: 'x', body: {} as never })).toMatchObject({ refusal: 'enrolment_invalid' })
  set({ agentVersionMin: '0.1.0' })
  expect(market.dispatched(busy.id)).toHaveLength(1) // asked again at once
  expect(idle.connect()).not.toMatchObject({ refusal: expect.anything() as string })
  expect((set({ agentVersionMin: null }) as SettingsRow).values).toEqual({})
})

test('versions are compared by their numbers; what is none comes before all', () => {
  expect([compareVersions('1.10.0', '1.9.9'), compareVersions('1.2.3', '1.2.3'), compareVersions('0.9.0-rc1', '1.0.0'), compareVersions('nightly', '0.0.0'), compareVersions('0.0.0', 'nightly')]).toEqual([1, 0, -1, -1, 1])
})

test('what people type becomes a value, or is told what would have been right', () => {
  expect([readSetting('fee', '4.5%'), readSetting('fee', '4'), readSetting('topupMax', '100'), readSetting('agentVersionMin', 'any'), readSetting('newJobsPaused', 'open'), readSetting('callerRate', '600')]).toEqual([{ value: 450 }, { value: 400 }, { value: '100000000' }, { value: '0.0.0' }, { value: '' }, { value: 600 }])
  for (const [name, text] of [['fee', '51%'], ['fee', 'four'], ['fee', '-1%'], ['topupMax', '1,5'], ['agentVersionMin', '1.2'], ['callerRate', '1'], ['callerRate', '1.5'], ['newJobsPaused', 'a\u202eb']] as const) expect(readSetting(name, text), `${name} ${text}`).toMatchObject({ wrong: expect.any(String) as string })
})
