// Jobs that come after others: when they are offered, what they are given, how they end.
import { expect, test } from 'vitest'
import { JobSpec, isRefusal } from '@lumaris/protocol'
import type { JobDispatch, JobId, JobSpecInput, ResultFile } from '@lumaris/protocol'
import { aJobId, aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import { forgetJob } from '../state.ts'
import type { Submitted } from './submit.ts'

const buyer = aUser('buyer')
const file = (path: string, size = 3): ResultFile => ({ path: path as ResultFile['path'], blob: sha256(path) as ResultFile['blob'], size })
const after = (...parents: NonNullable<JobSpecInput['after']>): JobSpec => aSpec({ after: parents })

function setup(settings: { slotsPerBuyerMax?: number } = {}) {
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12, ...settings } })
  market.fund(buyer, credits(100))
  const node = market.join('north', { cpuMillis: 16_000, memoryBytes: 2 ** 36 })
  node.connect()
  const orders: JobDispatch[] = []
  const submit = (spec: JobSpec = aSpec(), more: object = {}) => market.submit(buyer, spec, { id: aJobId(String(market.log.length)), ...more })
  return {
    market, node, submit,
    made: (spec?: JobSpec, more?: object): JobId => { const answer = submit(spec, more); if (isRefusal(answer)) throw new Error(JSON.stringify(answer)); return (answer as Submitted).job.id },
    orderOf(job: JobId, task = 0): JobDispatch | undefined { orders.push(...market.dispatched(node.id)); return orders.find((order) => order.job_id === job && order.task_id === `${job}.${task}`) },
    done(job: JobId, files: ResultFile[] = [], task = 0, exitCode = 0) { const order = this.orderOf(job, task); if (!order) throw new Error(`${job} runs nowhere`); market.now += 1_000; market.report(order, { runMs: 500, files, exitCode }) },
    row: (job: JobId) => market.state.jobs.get(job)!.row,
    spent: () => credits(100) - (market.state.accounts.get(`buyer:${buyer}:available`) ?? 0n),
  }
}

test('a child is taken with its cap held, waits, and is offered when all its parents have completed', () => {
  const world = setup()
  const a = world.made(), b = world.made(), child = world.made(after({ job: a }, { job: b }))
  expect(world.row(child)).toMatchObject({ state: 'queued', parents: { left: [a, b], readyAt: null } })
  expect(world.market.state.jobs.get(child)!.tasks[0]).toMatchObject({ state: 'waiting' })
  expect(world.spent()).toBe([a, b, child].reduce((sum, job) => sum + world.row(job).cap, 0n))
  world.done(a)
  world.market.pass(60_000)
  expect(world.orderOf(child)).toBeUndefined()
  world.done(b)
  expect(world.row(child)).toMatchObject({ parents: { left: [], readyAt: world.market.now } })
  expect(world.orderOf(child)).toBeDefined()
  world.done(child)
  expect(world.row(child)).toMatchObject({ state: 'completed', cause: 'succeeded' })
  expect(world.market.state.children.size + world.market.state.waitingByBuyer.size).toBe(0)
})
test('files of a parent lie in the child’s directory: by pattern, below a directory, in task-N where tasks share a name', () => {
  const world = setup()
  const parts = world.made(aSpec({ tasks: [{}, {}] })), one = world.made()
  const child = world.made(aSpec({ inputs: [{ path: 'own.txt', blob: sha256('own') as never, size: 1 }], after: [{ job: parts, inputs: [{ from: 'out/*.csv', to: 'data' }] }, { job: one, inputs: [{ from: '**' }] }] }))
  world.done(parts, [file('out/a.csv'), file('log.txt')], 0)
  world.done(parts, [file('out/a.csv'), file('out/b.csv')], 1)
  world.done(one, [file('model/weights'), file('notes')])
  expect(world.orderOf(child)?.inputs.map(({ path, blob, size }) => [path, blob, size])).toEqual([
    ['own.txt', sha256('own'), 1], ['data/task-0/out/a.csv', sha256('out/a.csv'), 3], ['data/task-1/out/a.csv', sha256('out/a.csv'), 3], ['data/out/b.csv', sha256('out/b.csv'), 3], ['model/weights', sha256('model/weights'), 3], ['notes', sha256('notes'), 3],
  ])
})
test('without inputs only the order counts', () => {
  const world = setup()
  const a = world.made(), child = world.made(after({ job: a }))
  world.done(a, [file('big')])
  expect(world.orderOf(child)?.inputs).toEqual([])
})
test.each(['fails', 'is cancelled', 'expires'] as const)('a parent that %s ends its child, and its child’s child, unpaid and with the cause', (how) => {
  const world = setup()
  const parent = world.made(how === 'expires' ? aSpec({ resources: { cpuMillis: 900_000 }, limits: { queueMs: 60_000 } }) : aSpec(), { cap: credits(1) })
  const child = world.made(after({ job: parent })), grandchild = world.made(after({ job: child }))
  if (how === 'fails') world.done(parent, [], 0, 3)
  else if (how === 'is cancelled') { const order = world.orderOf(parent)!; world.market.act({ kind: 'cancel', job: parent }); world.market.report(order, { runMs: 1, cause: 'buyer_cancelled' }); world.market.pass(20_000) }
  else world.market.pass(61_000)
  for (const [job, cause] of [[child, parent], [grandchild, child]] as const) {
    expect(world.row(job)).toMatchObject({ state: 'failed', cause: 'parent_failed', cost: 0n, refunded: world.row(job).cap, detail: expect.stringContaining(`${cause} ended as`) })
    expect(world.market.state.jobs.get(job)!.tasks[0]).toMatchObject({ state: 'cancelled', slots: [{ state: 'dropped' }] })
  }
  expect(world.spent()).toBe(world.row(parent).cost)
})
test('the time to find a node counts from when the parents have completed; a deadline counts always', () => {
  const world = setup()
  const parent = world.made(aSpec({ limits: { runMs: 7_200_000 } }))
  const waits = world.made(aSpec({ resources: { cpuMillis: 900_000 }, limits: { queueMs: 60_000 }, after: [{ job: parent }] }), { cap: credits(1) })
  const late = world.made(aSpec({ deadline: world.market.now + 100_000, after: [{ job: parent }] }))
  world.market.pass(3_600_000)
  expect([world.row(waits).state, world.row(late).state]).toEqual(['queued', 'expired'])
  world.done(parent)
  world.market.pass(59_000)
  expect(world.row(waits).state).toBe('queued')
  world.market.pass(2_000)
  expect(world.row(waits)).toMatchObject({ state: 'expired', cause: 'queue_timeout' })
})
test('concessions begin when the parents have completed', () => {
  const world = setup()
  const parent = world.made()
  const child = world.made(aSpec({ placement: { regions: ['elsewhere'] }, fallback: [{ afterMs: 30_000, regions: null }], after: [{ job: parent }] }))
  const order = world.orderOf(parent)!
  world.market.pass(60_000)
  expect(world.row(child).rung).toBe(0)
  world.market.report(order, { runMs: 500 })
  world.market.pass(29_000)
  expect(world.row(child).rung).toBe(0)
  world.market.pass(2_000)
  expect(world.row(child).rung).toBe(1)
  expect(world.orderOf(child)).toBeDefined()
})
test('a child that is cancelled while it waits gets all of its cap back', () => {
  const world = setup()
  const parent = world.made(), child = world.made(after({ job: parent }))
  world.market.act({ kind: 'cancel', job: child })
  expect(world.row(child)).toMatchObject({ state: 'cancelled', cause: 'buyer_cancelled', refunded: world.row(child).cap })
  world.done(parent)
  expect(world.row(child).state).toBe('cancelled')
})
test('a parent that has ended: its results at once, also when it has left memory; one that did not complete is refused', () => {
  const world = setup()
  const parent = world.made(), bad = world.made()
  world.done(parent, [file('a')])
  world.done(bad, [], 0, 1)
  const want = after({ job: parent, inputs: [{ from: 'a' }] })
  const child = world.made(want)
  expect(world.orderOf(child)?.inputs.map(({ path }) => path)).toEqual(['a'])
  expect(world.submit(after({ job: bad }))).toMatchObject({ refusal: 'parent_failed', detail: { job: bad, state: 'failed' } })
  forgetJob(world.market.state, parent)
  expect(world.submit(want)).toMatchObject({ refusal: 'parent_not_found', detail: { job: parent } })
  const ended = { job: parent, buyer, state: 'completed' as const, tasks: 1, files: [{ ...file('a'), task: 0 }] }
  expect(world.orderOf(world.made(want, { ended: [ended] }))?.inputs.map(({ path }) => path)).toEqual(['a'])
  expect(world.submit(want, { ended: [{ ...ended, buyer: aUser('other') }] })).toMatchObject({ refusal: 'parent_not_found' })
  expect(world.submit(want, { ended: [{ ...ended, state: 'cancelled' }] })).toMatchObject({ refusal: 'parent_failed' })
})
test('no circle can be made: not with itself, and not with a job that does not exist yet; nor after a job of somebody else', () => {
  const world = setup()
  const a = aJobId('a'), b = aJobId('b')
  expect(world.submit(after({ job: a }), { id: a })).toMatchObject({ refusal: 'parent_cycle', detail: { job: a } })
  expect(world.submit(after({ job: b }), { id: a })).toMatchObject({ refusal: 'parent_not_found', detail: { job: b } })
  world.made(aSpec(), { id: a })
  world.made(after({ job: a }), { id: b })
  // The same id again, now after its own child: another body, so it is no retry, and the job stays as it is.
  expect(world.submit(after({ job: b }), { id: a })).toMatchObject({ refusal: 'idempotency_conflict' })
  world.market.fund(aUser('other'), credits(100))
  expect(world.market.submit(aUser('other'), after({ job: a }), { id: aJobId('c') })).toMatchObject({ refusal: 'parent_not_found' })
  expect(world.submit(after({ job: a }, { job: a }))).toMatchObject({ refusal: 'impossible_request' })
})
test('a submit that is repeated after its parents have ended is the same job', () => {
  const world = setup()
  const parent = world.made(), child = world.made(after({ job: parent }), { id: aJobId('child') })
  world.done(parent, [], 0, 1)
  expect(world.row(child).cause).toBe('parent_failed')
  expect(world.submit(after({ job: parent }), { id: child })).toMatchObject({ replayed: true, job: { id: child } })
})
test.each([
  ['nothing matches', [{ from: '*.parquet' }], [file('a.csv')], 'matches *.parquet'], ['two files at one place', [{ from: 'x' }, { from: 'x' }], [file('x')], 'two files would be at x'],
  ['a file where another needs a directory', [{ from: '*', to: 'own.txt' }], [file('a')], 'own.txt would be a file and a directory'], ['more bytes than the disk asked for', [{ from: 'x' }], [file('x', 2 ** 40)], 'the disk asked for has'],
  ['too many files', [{ from: '**' }], Array.from({ length: 1001 }, (_one, i) => file(`f${i}`)), 'more than 1000'], ['a path that is too long', [{ from: '*', to: 'd'.repeat(510) }], [file('abc')], 'too long a path'],
])('files that do not fit: %s is refused when the parent has ended, and ends the child when it has not', (_what, inputs, files, says) => {
  const world = setup()
  const spec = (job: JobId) => aSpec({ inputs: [{ path: 'own.txt', blob: sha256('own') as never, size: 1 }], after: [{ job, inputs }] })
  const parent = world.made(), child = world.made(spec(parent))
  world.done(parent, files)
  expect(world.row(child)).toMatchObject({ state: 'failed', cause: 'input_unavailable', detail: expect.stringContaining(says), cost: 0n })
  expect(world.submit(spec(parent))).toMatchObject({ refusal: 'parent_files', detail: { reason: expect.stringContaining(says) } })
})
test('a task’s own file in the way of a parent’s is refused', () => {
  const world = setup()
  const parent = world.made()
  world.done(parent, [file('x/y')])
  expect(world.submit(aSpec({ tasks: [{ inputs: [{ path: 'x', blob: sha256('x') as never, size: 1 }] }], after: [{ job: parent, inputs: [{ from: '**' }] }] }))).toMatchObject({ refusal: 'parent_files' })
})
test('files of more than a thousand tasks are not searched; their order may still be asked for', () => {
  const world = setup()
  const many = world.made(aSpec({ tasks: Array.from({ length: 1001 }, () => ({})) }), { cap: credits(50) })
  expect(world.submit(after({ job: many, inputs: [{ from: 'x' }] }))).toMatchObject({ refusal: 'parent_files' })
  expect(world.submit(after({ job: many }))).toMatchObject({ replayed: false })
})
test('a chain of thousands ends in one turn, without a stack of calls', () => {
  const world = setup()
  world.market.act({ kind: 'topup', user: buyer, amount: credits(100_000), provider: 'demo', key: 'more', bodyHash: 'x' })
  const first = world.made(aSpec({ resources: { cpuMillis: 900_000 } }), { cap: 1000n })
  let last = first
  for (let i = 0; i < 9_999; i++) last = world.made(after({ job: last }), { cap: 1000n })
  world.made(after({ job: first }), { cap: 1000n })
  expect(world.submit(after({ job: last }), { cap: 1000n })).toMatchObject({ refusal: 'queue_full' })
  world.market.act({ kind: 'cancel', job: first })
  expect(world.row(last)).toMatchObject({ state: 'failed', cause: 'parent_failed' })
  expect(world.spent() - credits(100)).toBe(-credits(100_100))
}, 300_000)
// Without the bound this one alone would take minutes.
test('a search that would hold the writer up is refused: many stars over many long paths, and very many files; plain names are found among thousands', () => {
  const world = setup()
  const files = Array.from({ length: 5_000 }, (_one, i) => file(`${'a'.repeat(200)}${i}`))
  const parent = world.made(), stars = [{ from: '*a'.repeat(250) }]
  world.done(parent, files)
  expect(world.submit(after({ job: parent, inputs: stars }))).toMatchObject({ refusal: 'parent_files', detail: { reason: expect.stringContaining('takes too long') } })
  expect(world.submit(after({ job: parent, inputs: [{ from: `${'a'.repeat(200)}4999` }] }))).toMatchObject({ replayed: false })
  const most = world.made()
  world.done(most, Array.from({ length: 20_001 }, (_one, i) => file(`f${i}`)))
  expect(world.submit(after({ job: most, inputs: [{ from: 'f1' }] }))).toMatchObject({ refusal: 'parent_files', detail: { reason: expect.stringContaining('merge them first') } })
})
test('only so many may wait for files of one job; for its end alone any number may', () => {
  const world = setup(), parent = world.made()
  for (let i = 0; i < 50; i++) world.made(after({ job: parent, inputs: [{ from: 'x' }] }), { cap: 1000n })
  expect(world.submit(after({ job: parent, inputs: [{ from: 'x' }] }))).toMatchObject({ refusal: 'queue_full' })
  expect(world.submit(after({ job: parent }))).toMatchObject({ replayed: false })
})
