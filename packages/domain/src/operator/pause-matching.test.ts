// Nothing new starts of what operators have paused; nothing is lost by it, and it goes on where it stood.
import { expect, test } from 'vitest'
import { Hello } from '@lumaris/protocol'
import type { DriverOffer, JobId, JobSpecInput, MatchingScope, NodeId } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { Submitted } from '../job/submit.ts'
import type { ActionRow, MatchingPauseRow } from '../rows.ts'
import { pauseOf } from './pause-matching.ts'

const ann = aUser('ann'), bob = aUser('bob'), buyer = aUser('buyer'), MINUTE = 60_000
function setup() {
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12, spotEveryMs: 1_000 } })
  market.fund(buyer, credits(100))
  const here = market.join('here', { region: 'here', spotPercent: 50 }), there = market.join('there', { region: 'there', gpus: 1 })
  here.connect(); there.connect()
  const submit = (more: Partial<JobSpecInput> = {}): JobId => (market.submit(buyer, aSpec({ limits: { runMs: 5 * MINUTE, queueMs: 10 * MINUTE }, ...more }), { cap: credits(10) }) as Submitted).job.id
  const pause = (scope: MatchingScope = {}): MatchingPauseRow => market.act({ kind: 'pauseMatching', by: ann, scope, says: 'A flaw is looked at.', reason: 'a report' }) as MatchingPauseRow
  const resume = ({ id }: MatchingPauseRow) => market.act({ kind: 'resumeMatching', by: bob, id, reason: 'it is mended' })
  const ran = (job: JobId): string[] => market.state.jobs.get(job)?.attempts.map(({ node }) => node) ?? []
  return { market, here, there, submit, pause, resume, ran }
}

test('while all is paused nothing starts, in whatever way; what runs ends and is paid, what waits goes on where it stood', () => {
  const { market, here, there, submit, pause, resume, ran } = setup()
  submit({ placement: { regions: ['here'] } })
  const [order] = market.dispatched(here.id), row = pause()
  const jobs = [submit(), submit({ interruptible: {} }), submit({ gang: true, tasks: [{}, {}] } as Partial<JobSpecInput>), submit({ copies: 2 }), submit({ resources: { gpus: 1, cpuMillis: 1000 } })]
  market.pass(2_000)
  market.report(order!, { runMs: 5_000 })
  market.pass(30_000)
  expect(market.attempt(order!.attempt_id)).toMatchObject({ state: 'valid', cause: 'succeeded' })
  expect([market.dispatched(here.id), market.dispatched(there.id), jobs.map((job) => market.job(job)?.state)]).toEqual([[], [], jobs.map(() => 'queued')])
  expect(market.job(jobs[0]!)).toMatchObject({ cap: credits(10), refunded: 0n })
  resume(row)
  market.pass(2_000)
  for (const job of jobs.filter((_one, i) => i !== 2)) expect(ran(job).length, job).toBeGreaterThan(0)
})

test('time to find a node and concessions stand still for who could go nowhere, and for nobody else; a deadline does not wait', () => {
  const { market, submit, pause, resume } = setup()
  const large = { resources: { cpuMillis: 64_000 } }
  const mine = submit({ ...large, placement: { regions: ['here'] }, fallback: [{ afterMs: 5 * MINUTE, regions: null }] }), others = submit(large), late = submit({ ...large, placement: { regions: ['here'] }, deadline: market.now + 30 * MINUTE, limits: { runMs: MINUTE, queueMs: 60 * MINUTE } })
  market.pass(4 * MINUTE)
  const row = pause({ regions: ['here'] })
  for (let i = 0; i < 40; i++) market.pass(MINUTE)
  expect([market.job(mine), market.job(others)?.state, market.job(late)?.state]).toMatchObject([{ state: 'queued', rung: 0 }, 'expired', 'expired'])
  resume(row)
  for (let i = 0; i < 3; i++) market.pass(MINUTE)
  expect(market.job(mine)).toMatchObject({ state: 'queued', rung: 1 }) // 4 and 1 minutes
  for (let i = 0; i < 2; i++) market.pass(MINUTE)
  expect(market.job(mine)?.state).toBe('queued')
  for (let i = 0; i < 2; i++) market.pass(MINUTE)
  expect(market.job(mine)?.state).toBe('expired') // 4 and 6
})

test.each<[MatchingScope, Partial<JobSpecInput>, string[]]>([
  [{ regions: ['here'] }, {}, ['there']], [{ regions: ['here'] }, { placement: { regions: ['here'] } }, []], [{ gpus: true }, { resources: { gpus: 1 } }, []], [{ gpus: true }, { placement: { regions: ['there'] } }, ['there']], [{ regions: ['here'], gpus: true }, { resources: { gpus: 1 } }, ['there']],
  [{ levels: ['namespace'] }, {}, []], [{ levels: ['vm'] }, { placement: { regions: ['here'] } }, ['here']],
])('a pause of %j concerns work of its class alone: %j', (scope, more, expected) => {
  const { market, here, there, submit, pause, ran } = setup(), names: Record<NodeId, string> = { [here.id]: 'here', [there.id]: 'there' }
  pause(scope)
  const job = submit(more)
  market.pass(1_000)
  expect(ran(job).map((node) => names[node as NodeId])).toEqual(expected)
})

test('where one level is paused a node gives a stronger wall, if it has one', () => {
  const { market, here, submit, pause, ran } = setup()
  const driver = (id: string, level: string): DriverOffer => ({ id, level, runtimes: ['native'], limits: {} }) as unknown as DriverOffer
  const hello = Hello.parse({ type: 'hello', protocol: 1, node_id: here.id, boot_id: 'boot-here-2', agent_version: '0.1.0', nonce: 'n', signature: 'x'.repeat(86), capacity: here.row().capacity, drivers: [driver('bwrap', 'namespace'), driver('gvisor', 'kernel')], attempts: [] })
  market.act({ kind: 'disconnected', node: here.id, session: 1 })
  market.act({ kind: 'hello', block: undefined, hello })
  const weak = submit({ placement: { regions: ['here'] } })
  expect(market.state.jobs.get(weak)?.attempts[0]).toMatchObject({ driver: 'bwrap' })
  pause({ levels: ['namespace'] })
  const strong = submit({ placement: { regions: ['here'] } })
  expect(market.state.jobs.get(strong)?.attempts[0]).toMatchObject({ driver: 'gvisor', level: 'kernel' })
  expect(ran(strong)).toHaveLength(1)
})

test('what runs is not sent away while it could begin nowhere; a buyer who asks is told why', () => {
  const { market, here, submit, pause } = setup()
  const job = submit({ placement: { regions: ['here', 'there'] }, checkpoint: { paths: ['state'] } } as Partial<JobSpecInput>), live = () => market.state.jobs.get(job)?.attempts[0]
  const row = live()!
  market.act({ kind: 'status', node: row.node, session: row.session, message: { type: 'job_status', job_id: job, attempt_id: row.id, fence: row.fence, status: 'running' } })
  pause()
  expect(market.act({ kind: 'move', job, to: null, task: null })).toMatchObject({ refusal: 'cannot_move' })
  market.act({ kind: 'will', node: row.node, will: 'draining' })
  expect(live()).not.toHaveProperty('moving')
  expect(here.id).toBeTruthy()
})

test('each pause and its end is a version and a line of the log; changes of settings keep it; twenty are enough', () => {
  const { market, pause, resume, submit } = setup(), row = pause({ regions: ['here'] })
  expect(market.act({ kind: 'changeSettings', by: bob, reason: 'as agreed', version: 1, set: { fee: 400 } })).toMatchObject({ version: 2, pauses: [{ id: row.id }] })
  expect(market.state.pauses).toMatchObject([{ id: row.id, by: ann, says: 'A flaw is looked at.' }])
  expect(pauseOf(market.state, market.job(submit({ placement: { regions: ['here'] } }))!)?.id).toBe(row.id)
  expect(resume(row)).toMatchObject({ endedAt: market.now })
  expect(resume(row)).toMatchObject({ refusal: 'not_found' })
  expect(market.state.operating).toMatchObject({ version: 3, values: { fee: 400 } })
  const actions = market.log.flatMap((change): ActionRow[] => (change.kind === 'action' ? [change.row] : []))
  expect(actions).toMatchObject([{ action: 'matching.pause', by: ann, subject: row.id, reason: 'a report', before: null, after: { of: 'all work in region here', state: 'paused' } }, { action: 'settings.change' }, { action: 'matching.resume', by: bob, reason: 'it is mended', after: { state: 'over' } }])
  for (let i = 0; i < 20; i++) pause()
  expect(pause()).toMatchObject({ refusal: 'queue_full' })
  market.now += 31 * 86_400_000
  for (const one of market.state.pauses.slice(0, 19)) resume(one)
  market.now += 31 * 86_400_000
  resume(market.state.pauses[0]!)
  expect(market.state.operating?.pauses).toHaveLength(1)
})
