import { expect, test } from 'vitest'
import type { JobDispatch, JobId, JobSpecInput } from '@lumaris/protocol'
import { canonical, isRefusal } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import { capOf } from '../market/quote.ts'
import type { Submitted } from '../job/submit.ts'
import { progressOf } from '../job/progress.ts'
import { apply, createState } from '../state.ts'
import { termsOf } from '../fleet/dispatch.ts'

const buyer = aUser('ann'), DAY = 86_400_000, BYTES = 100_000, PIECE = 100
const hashOf = (to: number) => sha256(`up to ${to}`)
const anInput = (from = 0, to = BYTES) => ({ path: 'part', blob: sha256('input'), size: BYTES, from, to, pieces: Array.from({ length: (to - from) / PIECE }, (_one, i) => { const end = from + (i + 1) * PIECE; return { to: end, hash: hashOf(end) } }) })
const aDivided = (more: Partial<JobSpecInput> = {}) => aSpec({ tasks: [{ inputs: [anInput() as never] }], divide: { most: 200, targetMs: 60_000 }, limits: { runMs: 600_000 }, ...more })

/** Nodes of so many bytes a second, one task at a time. */
function marketOf(speeds: Record<string, number>) {
  const market = aMarket({ settings: { suspectMs: DAY, lostMs: 2 * DAY, offerMs: DAY } }), orders = new Map<string, JobDispatch>()
  market.fund(buyer, credits(10_000))
  const nodes = Object.fromEntries(Object.keys(speeds).map((name) => { const node = market.join(name, { owner: aUser(`owner of ${name}`), cpuMillis: 1000 }); node.connect(); return [name, node] }))
  function hear() {
    for (const [name, node] of Object.entries(nodes)) for (const message of market.sentTo(node.id)) {
      if (message.type === 'job_dispatch') orders.set(name, message)
      if (message.type === 'cancel' && orders.get(name)?.attempt_id === message.attempt_id) orders.delete(name)
    }
    return orders
  }
  const begunAt = new Map<string, number>(), bytesOf = (order: JobDispatch) => order.terms.range!.to - order.terms.range!.from
  const starts = (name: string) => { const order = hear().get(name)!; if (begunAt.has(order.attempt_id)) return; begunAt.set(order.attempt_id, market.now); for (const status of ['accepted', 'running']) market.act({ kind: 'status', node: order.terms.node, session: order.session, message: { type: 'job_status', attempt_id: order.attempt_id, fence: order.fence, status } as never }) }
  return {
    market, nodes, hear, starts, bytesOf,
    tasks: (id: JobId) => market.state.jobs.get(id)!.tasks,
    submit: (spec = aDivided(), more = {}) => { const answer = market.submit(buyer, spec, more); if (isRefusal(answer)) throw new Error(JSON.stringify(answer)); return (answer as Submitted).job.id },
    ends: (name: string, end: Parameters<typeof market.report>[1] = {}) => { const order = hear().get(name)!; orders.delete(name); market.report(order, end) },
    /** Everybody works at its speed until the job has ended; answers what each run took. */
    work(id: JobId, total = BYTES) {
      const runs: { name: string; bytes: number; ms: number; order: JobDispatch }[] = []
      for (let steps = 0; market.job(id)!.endedAt === null && steps < 20_000; steps++) {
        for (const name of hear().keys()) starts(name)
        const next = [...orders].map(([name, order]) => ({ name, at: begunAt.get(order.attempt_id)! + (1000 * bytesOf(order)) / speeds[name]! })).sort((a, b) => a.at - b.at)[0]
        if (!next) { market.pass(1000); continue }
        if (next.at > market.now) market.pass(Math.ceil(next.at - market.now))
        const order = orders.get(next.name)!, ms = market.now - begunAt.get(order.attempt_id)!
        runs.push({ name: next.name, bytes: bytesOf(order), ms, order })
        orders.delete(next.name)
        market.report(order, { runMs: ms })
        partition(id, total)
      }
      return runs
    },
    partition,
  }
  /** The parts of the input touch each other and cover it. */
  function partition(id: JobId, total = BYTES) {
    let at = 0
    for (const { piece } of market.state.jobs.get(id)!.tasks.filter(({ state }) => state !== 'joined').toSorted((a, b) => a.piece!.from - b.piece!.from)) { expect(piece!.from).toBe(at); expect(piece!.to).toBeGreaterThan(at); at = piece!.to }
    expect(at).toBe(total)
  }
}

test('a waiting task is cut when it is offered: each node gets what it does in the target time, by what it has shown; who is unknown gets little; at the tail parts get smaller; all of it is done once', () => {
  const one = marketOf({ slow: 20, usual: 60, quick: 200 }), id = one.submit()
  expect(one.tasks(id).map(({ piece, state }) => [piece!.from < piece!.to, state])).toEqual([[true, 'running'], [true, 'running'], [true, 'running'], [true, 'queued']])
  expect(Math.max(...[...one.hear().values()].map(one.bytesOf))).toBeLessThan(BYTES / 50)
  const runs = one.work(id), of = (name: string) => runs.filter((run) => run.name === name)
  expect(one.market.job(id)).toMatchObject({ state: 'completed', tasksTotal: runs.length, tasksDone: runs.length })
  expect(runs.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(BYTES)
  // In the middle everybody's parts last about as long, though a quick node's are ten times as large.
  for (const name of ['slow', 'usual', 'quick']) { const longest = Math.max(...of(name).map(({ ms }) => ms)); expect(longest).toBeGreaterThan(40_000); expect(longest).toBeLessThan(80_000) }
  expect(Math.max(...of('quick').map(({ bytes }) => bytes))).toBeGreaterThan(5 * Math.max(...of('slow').map(({ bytes }) => bytes)))
  expect(runs.at(-1)!.ms).toBeLessThan(20_000)
  expect(one.market.now - 1_000_000).toBeLessThan(1.1 * (BYTES / 280) * 1000)
})

test('cut and offer are one turn; what was committed loads as the same market, with what waits', () => {
  const one = marketOf({ a: 50, b: 50 }), id = one.submit(), again = createState()
  for (const change of one.market.log) apply(again, change)
  expect(again.jobs.get(id)!.tasks).toEqual(one.tasks(id))
  expect(again.jobs.get(id)!.left).toBe(one.tasks(id).filter(({ state }) => state === 'queued').reduce((sum, { piece }) => sum + piece!.to - piece!.from, 0))
  expect(again.jobs.get(id)!.left).toBeGreaterThan(BYTES / 2)
  const turn = one.market.log.filter((change) => change.kind === 'task' || change.kind === 'attempt')
  expect(turn.map(({ kind }) => kind)).toContain('attempt')
})

test('the program gets its range, each piece of it with its hash; its terms name the range, and so the first tick of its chain hangs on it', () => {
  const one = marketOf({ a: 50 }), id = one.submit(), order = one.hear().get('a')!, [file] = order.inputs, { range } = order.terms
  expect(file).toMatchObject({ path: 'part', ...range })
  expect(file!.pieces!.at(-1)).toEqual({ to: range!.to, hash: hashOf(range!.to) })
  expect(file!.pieces).toHaveLength((range!.to - range!.from) / PIECE)
  const attempt = one.market.attempt(order.attempt_id)!
  expect(attempt.tickHash).toBe(sha256(canonical(order.terms)))
  expect(sha256(canonical({ ...order.terms, range: { from: 0, to: BYTES } }))).not.toBe(attempt.tickHash)
  expect(order.env).not.toHaveProperty('LUMARIS_TASKS')
  void id
})

test('a part that was lost is cut anew for whoever takes it next; the attempts keep the ranges they had, and a late word of the first counts for nothing', () => {
  const one = marketOf({ quick: 1000 }), id = one.submit()
  for (let i = 0; i < 2; i++) { one.starts('quick'); one.market.pass(10_000); one.ends('quick', { runMs: 10_000 }) }
  const order = one.hear().get('quick')!, [, index] = order.task_id.split('.'), before = one.tasks(id)[Number(index)]!.piece!
  one.starts('quick')
  one.ends('quick', { cause: 'driver_failed' })
  const node = one.market.join('new', { owner: aUser('owner of new'), cpuMillis: 1000 })
  one.market.pass(2000)
  node.connect()
  one.market.pass(2000)
  const attempts = one.market.state.jobs.get(id)!.attempts.filter(({ task }) => task === Number(index))
  expect(attempts[0]!.piece).toEqual(before)
  one.partition(id)
  expect(termsOf(one.market.job(id)!, attempts[0]!).range).toEqual({ from: before.from, to: before.to })
  for (const attempt of one.market.state.jobs.get(id)!.attempts) if (attempt.state === 'valid') expect(one.tasks(id)[attempt.task]!.piece).toEqual(attempt.piece)
  one.market.report(order, { runMs: 10_000 })
  one.partition(id)
  expect(one.market.attempt(order.attempt_id)!.billed ?? 0n).toBe(0n)
})

test('all copies of a part have one range, also those that assurance asks for later', () => {
  for (const more of [{ copies: 2 }, { assurance: '1e-2' as const }]) {
    const one = marketOf({ a: 50, b: 60, c: 70, d: 80 }), id = one.submit(aDivided(more))
    one.work(id)
    expect(one.market.job(id)!.state).toBe('completed')
    for (const { task, piece, state } of one.market.state.jobs.get(id)!.attempts) if (state === 'valid') expect(piece).toEqual(one.tasks(id)[task]!.piece)
    if ('copies' in more) for (const { index } of one.tasks(id)) expect(one.market.state.jobs.get(id)!.attempts.filter(({ task }) => task === index).length).toBeGreaterThan(1)
  }
})

test('there come to be no more parts than were agreed, and so no more seats than the cap has; at the bound what is left goes whole', () => {
  for (const most of [1, 4, 9]) {
    const spec = aDivided({ divide: { most, targetMs: 1000 }, limits: { runMs: 7 * DAY } }), one = marketOf({ a: 50, b: 500 }), id = one.submit(spec), { cap, attemptCap } = one.market.job(id)!
    expect(cap).toBe(capOf(spec, attemptCap))
    one.work(id)
    expect(one.market.job(id)).toMatchObject({ state: 'completed', cap })
    expect(one.tasks(id).length).toBeLessThanOrEqual(most)
    expect(one.market.job(id)!.cost).toBeLessThanOrEqual(cap)
    if (most > 1) expect(one.tasks(id).length).toBeGreaterThan(most / 2)
  }
})

test('what goes on from a checkpoint keeps its range; a part that fails for good is one part, and the others are done', () => {
  const one = marketOf({ a: 50 }), id = one.submit(aDivided({ onFailure: 'finish' }))
  one.starts('a')
  one.market.pass(5000)
  one.ends('a', { exitCode: 3 })
  expect(one.tasks(id).filter(({ state }) => state === 'failed')).toHaveLength(1)
  one.work(id)
  expect(one.market.job(id)).toMatchObject({ state: 'failed', tasksFailed: 1 })
  one.partition(id)
})

test('how far it is and how long still counts bytes, whatever the number of parts', () => {
  const one = marketOf({ a: 100, b: 100 }), id = one.submit()
  for (let i = 0; i < 4; i++) { for (const name of ['a', 'b']) one.starts(name); const size = one.bytesOf(one.hear().get('a')!); one.market.pass(size * 10); for (const name of ['a', 'b']) one.ends(name, { runMs: size * 10 }) }
  const live = one.market.state.jobs.get(id)!, progress = progressOf(one.market.state, live, one.market.now), left = BYTES - progress.done
  expect(progress).toMatchObject({ unit: 'bytes', total: BYTES })
  expect(progress.done).toBe(live.tasks.filter(({ state }) => state === 'done').reduce((sum, { piece }) => sum + piece!.to - piece!.from, 0))
  expect(progress.etaMs).toBeGreaterThan(left * 5 * 0.7)
  expect(progress.etaMs).toBeLessThan(left * 5 * 1.3)
})

test('what cannot be cut is refused before anything is spent', () => {
  const one = marketOf({ a: 50 }), whole = { ...anInput(), pieces: undefined, hash: hashOf(1) }
  const says = (spec: JobSpecInput) => { const answer = one.market.submit(buyer, aSpec(spec)); return isRefusal(answer) ? `${answer.refusal} ${JSON.stringify(answer.detail)}` : 'taken' }
  expect(says({ ...aDivided(), divide: undefined } as never)).toContain('nothing says that it may be cut')
  expect(says({ ...aDivided(), tasks: [{ inputs: [whole as never] }] } as never)).toContain('one input with pieces')
  expect(says({ ...aDivided(), expectedMs: 1000 } as never)).toContain('targetMs')
  expect(says({ ...aDivided({ divide: { most: 2, targetMs: 1000 } }), tasks: [0, 1, 2].map(() => ({ inputs: [anInput() as never] })), gang: true } as never)).toContain('more than the 2')
  expect(says({ ...aDivided(), assurance: '1e-2', tasks: [{ inputs: [anInput() as never], known: [{ path: 'out', blob: sha256('known') }] }] } as never)).toContain('a whole task')
  expect(says({ ...aDivided(), interruptible: {} } as never)).toContain('plan its parts')
  expect(says({ ...aDivided(), inputs: [{ ...anInput(), path: 'other' } as never] } as never)).toContain('never cut')
  for (const pieces of [[{ to: 50, hash: hashOf(1) }], [{ to: 60, hash: hashOf(1) }, { to: 60, hash: hashOf(1) }, { to: BYTES, hash: hashOf(1) }], []]) expect(() => aDivided({ tasks: [{ inputs: [{ ...anInput(), pieces } as never] }] })).toThrow()
})

test('a node that says it is done at once gets no more than a share of what is left; what it has metered counts against what the market saw', () => {
  const names = Object.fromEntries(Array.from({ length: 40 }, (_one, i) => [`n${i}`, 50])), one = marketOf(names), id = one.submit()
  for (const name of Object.keys(names)) one.starts(name)
  // Start and end in one frame, before anybody else has shown anything: by that, it could do all of it in no time.
  one.ends('n0', { runMs: 0 })
  const liar = one.bytesOf(one.hear().get('n0')!), rest = one.market.state.jobs.get(id)!.left
  expect(liar).toBeLessThanOrEqual((16 / 40) * (liar + rest) + PIECE)
  one.market.pass(10_000)
  one.ends('n4', { runMs: 20_000 })
  expect(one.market.state.jobs.get(id)!.pace!.nodes.get(one.nodes['n4']!.id)!.ms).toBe(20_000)
})

/** What every part was told, in the order of what they are of. */
const toldOf = (orders: readonly JobDispatch[]): string[] => orders.toSorted((a, b) => a.terms.range!.from - b.terms.range!.from).flatMap(({ payload }) => payload.args)
/** A job that is worked off, and every order of it. */
function workedOff(spec: JobSpecInput, total: number, speeds: Record<string, number>) {
  const one = marketOf(speeds), id = one.submit(aDivided(spec)), runs = one.work(id, total), orders = runs.map(({ order }) => order)
  expect(one.market.job(id)!.state).toBe('completed')
  return { one, id, runs, orders }
}
test('items of a list are cut like bytes: several in a part where they are small, in their order, each once; who is quick gets more, and parts get smaller at the tail', () => {
  const values = Array.from({ length: 3000 }, (_one, i) => `item ${i}`)
  const { runs, orders } = workedOff({ command: ['work', '--of'], tasks: [{ args: ['x', '{}', 'y'], items: { kind: 'list', values } }], divide: { most: 400, targetMs: 60_000 } }, 3000, { slow: 0.3, quick: 2 })
  expect(toldOf(orders).filter((word) => word.startsWith('item'))).toEqual(values)
  for (const { payload, terms } of orders) expect([payload.args[1], payload.args.at(-1), payload.args.length - 3]).toEqual(['x', 'y', terms.range!.to - terms.range!.from])
  const most = (name: string) => Math.max(...runs.filter((run) => run.name === name).map(({ bytes }) => bytes))
  expect(most('quick')).toBeGreaterThan(3 * most('slow'))
  expect(runs.at(-1)!.bytes).toBeLessThan(most('quick') / 3)
})
test('a range is cut between any two numbers, however many there are; its part is named by its first and last', () => {
  const { orders } = workedOff({ command: ['work'], tasks: [{ args: ['--from={from}', '--to={to}', 'by {step}', '{}'], items: { kind: 'range', from: 0, to: 100_000, first: -7, step: 3 } }] }, 100_000, { slow: 20, usual: 60, quick: 200 })
  let next = -7
  for (const { payload: { args: [from, to, step, ...all] } } of orders.toSorted((a, b) => a.terms.range!.from - b.terms.range!.from)) {
    expect(from).toBe(`--from=${next}`)
    expect([step, ...all]).toEqual(['by 3', String(next), to!.slice('--to='.length)])
    next = Number(to!.slice('--to='.length)) + 3
  }
  expect(next).toBe(-7 + 3 * 100_000)
  expect(orders.length).toBeGreaterThan(20)
})
test('files are counted by their bytes, and never cut: each goes with its bytes to one part, in their order, an empty one too', () => {
  const inputs = Array.from({ length: 400 }, (_one, i) => ({ path: `in/${i}`, blob: sha256(`file ${i}`), size: i % 10 === 0 ? 0 : (i * 37) % 900 })), total = inputs.reduce((sum, { size }) => sum + Math.max(1, size), 0)
  const { orders } = workedOff({ command: ['work'], tasks: [{ args: ['{}'], items: { kind: 'files' }, inputs: inputs as never }], divide: { most: 300, targetMs: 60_000 } }, total, { a: 30, b: 200 })
  expect(toldOf(orders)).toEqual(inputs.map(({ path }) => path))
  for (const { payload, inputs: given, terms } of orders) { expect(given.map(({ path }) => path)).toEqual(payload.args); expect(given.reduce((sum, { size }) => sum + Math.max(1, size), 0)).toBe(terms.range!.to - terms.range!.from) }
  expect(Math.max(...orders.map(({ inputs: given }) => given.length))).toBeGreaterThan(3)
})
test('no part has more items than a node is told, however quick it is and however few seats are left; too few seats for that are refused', () => {
  const values = Array.from({ length: 2000 }, (_one, i) => `${i}`), spec = (most: number) => ({ command: ['work'], tasks: [{ args: ['{}'], items: { kind: 'list' as const, values } }], divide: { most, targetMs: 40_000_000 }, limits: { runMs: 2 * DAY } })
  for (const most of [10, 11, 14, 60]) {
    const { orders, one, id } = workedOff(spec(most), 2000, { a: 1, b: 1000 })
    expect(toldOf(orders)).toEqual(values)
    expect(Math.max(...orders.map(({ payload }) => payload.args.length))).toBeLessThanOrEqual(200)
    expect(one.tasks(id).length).toBeLessThanOrEqual(most)
  }
  const one = marketOf({ a: 1 }), long = Array.from({ length: 40 }, (_one, i) => `${i}${'x'.repeat(30_000)}`)
  expect(one.market.submit(buyer, aDivided(spec(9)))).toMatchObject({ refusal: 'impossible_request', detail: { reason: expect.stringContaining('there come to be 10 parts') } })
  expect(one.market.submit(buyer, aDivided({ ...spec(7), tasks: [{ args: ['{}'], items: { kind: 'list', values: long } }] }))).toMatchObject({ detail: { reason: expect.stringContaining('there come to be 8 parts') } })
})
test('items that cannot become arguments are refused before anything is spent', () => {
  const one = marketOf({ a: 50 }), items = { kind: 'list' as const, values: ['a', 'b'] }
  const says = (task: object, more: object = {}) => { const answer = one.market.submit(buyer, aDivided({ tasks: [task as never], ...more })); return isRefusal(answer) ? String(answer.detail?.['reason']) : 'taken' }
  expect(says({ items, args: ['{}'] })).toBe('taken')
  expect(says({ items, args: ['--x={}'] })).toContain('put {} alone')
  expect(says({ items, args: ['--x'] })).toContain('where the items go')
  expect(says({ items: { kind: 'range', to: 5, first: 1 }, args: ['{to}'] })).toBe('taken')
  expect(says({ items: { kind: 'files' }, args: ['{}'] })).toContain('has none')
  expect(says({ items, args: ['{}'], inputs: [anInput() as never] })).toContain('leave one of them out')
  expect(says({ items, args: ['{}'] }, { divide: undefined })).toContain('nothing says that it may be cut')
  for (const wrong of [{ kind: 'list', values: [] }, { kind: 'range', to: 0, first: 1 }, { kind: 'range', to: 10 ** 15, first: 10 ** 15 }, { kind: 'range', to: 5, first: 1, step: 0 }]) expect(() => aDivided({ tasks: [{ items: wrong as never, args: ['{}'] }] })).toThrow()
  expect(() => aDivided({ tasks: [{ args: [], inputs: Array.from({ length: 1001 }, (_one, i) => ({ path: `${i}`, blob: sha256('x'), size: 1 })) as never }] })).toThrow('1000')
})

/** One input that was planned in far too many parts. */
const tiny = (parts: number, most = 4 * parts) => ({ tasks: Array.from({ length: parts }, (_one, i) => ({ inputs: [anInput((i * BYTES) / parts, ((i + 1) * BYTES) / parts) as never] })), divide: { most, targetMs: 60_000 } })
test('parts that were planned too small are joined with what waits behind them, when a node has shown that they are: it gets as much as it should, every byte once, in far fewer runs; what is empty then has no seat and no count', () => {
  const one = marketOf({ a: 1000, b: 3000 }), id = one.submit(aDivided(tiny(1000, 1000)))
  expect([...one.hear().values()].map(one.bytesOf)).toEqual([100, 100])
  const runs = one.work(id), tasks = one.tasks(id), joined = tasks.filter(({ state }) => state === 'joined')
  expect(runs.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(BYTES)
  expect(runs.length).toBeLessThan(60)
  expect(runs.find(({ name, bytes }) => name === 'b' && bytes > 10_000)).toBeDefined()
  // With no seat left to cut with, the first to have shown something is not given all that waits.
  expect(Math.max(...runs.map(({ bytes }) => bytes))).toBeLessThanOrEqual(BYTES / 2)
  expect(joined.length).toBeGreaterThan(900)
  for (const { piece, slots } of joined) { expect(piece!.from).toBe(piece!.to); expect(slots.map(({ state }) => state)).toEqual(['dropped']) }
  expect(one.market.job(id)).toMatchObject({ state: 'completed', tasksTotal: runs.length, tasksDone: runs.length })
  expect(tasks).toHaveLength(runs.length + joined.length)
  const again = createState()
  for (const change of one.market.log) apply(again, change)
  expect(again.jobs.get(id)!.tasks).toEqual(tasks)
  expect([again.jobs.get(id)!.open, again.jobs.get(id)!.left, again.jobs.get(id)!.waits!.size]).toEqual([0, 0, 0])
})
test('the program of a joined part gets its range with the hash of each piece, whichever tasks they were planned in', () => {
  const one = marketOf({ a: 2000 }), id = one.submit(aDivided(tiny(500)))
  one.starts('a')
  one.market.pass(100)
  one.ends('a', { runMs: 100 })
  const order = one.hear().get('a')!, file = order.inputs[0]!, { range } = order.terms
  expect(range!.to - range!.from).toBeGreaterThan(5000)
  expect(file).toMatchObject(range!)
  expect(file.pieces!.map(({ to }) => to)).toEqual(Array.from({ length: (range!.to - range!.from) / PIECE }, (_one, i) => range!.from + (i + 1) * PIECE))
  for (const { to, hash } of file.pieces!) expect(hash).toBe(hashOf(to))
  one.partition(id)
})
test('nothing is joined over what a node has, nor with other arguments, nor for a node that has shown nothing', () => {
  const different = tiny(20), one = marketOf({ a: 1000 })
  const id = one.submit(aDivided({ ...different, tasks: different.tasks.map((task, i) => ({ ...task, args: i < 10 ? ['first'] : ['second'] })) }))
  const ends = (name: string, order = one.hear().get(name)!) => { one.starts(name); one.market.pass(one.bytesOf(order)); one.ends(name, { runMs: one.bytesOf(order) }); return order.terms.range! }
  expect(ends('a').to).toBeLessThan(5000)
  // b has shown nothing yet, and takes what waits first.
  const rest = one.market.join('b', { owner: aUser('owner of b'), cpuMillis: 1000 })
  rest.connect()
  one.market.pass(1000)
  const [order] = one.market.sentTo(rest.id).filter((message): message is JobDispatch => message.type === 'job_dispatch')
  expect(one.bytesOf(order!)).toBeLessThanOrEqual(5000)
  const seen: { from: number; to: number }[] = []
  for (let i = 0; i < 30 && one.hear().has('a'); i++) { seen.push(ends('a')); one.partition(id) }
  expect(seen.some(({ from, to }) => to - from > 5000)).toBe(true)
  expect(seen.some(({ to }) => to === 50_000)).toBe(true)
  for (const { from, to } of seen) expect(from < 50_000 && to > 50_000).toBe(false)
  for (const { from, to } of seen) expect(from < order!.terms.range!.to && to > order!.terms.range!.from).toBe(false)
})
test('what was lost once is joined with nothing, so that what is wrong with it takes no neighbours along; what was only refused is', () => {
  for (const [cause, joins] of [['driver_failed', false], ['seller_refused', true]] as const) {
    const one = marketOf({ a: 1000, b: 1000 }), id = one.submit(aDivided(tiny(100)))
    for (const name of ['a', 'b']) one.starts(name)
    const lost = one.hear().get('b')!.terms.range!
    one.market.pass(100)
    one.ends('a', { runMs: 100 })
    one.starts('a')
    one.ends('b', { cause })
    one.market.act({ kind: 'will', node: one.nodes['b']!.id, will: 'paused' })
    if (one.hear().has('b')) one.ends('b', { cause: 'seller_refused' })
    one.market.pass(30_000)
    one.work(id)
    const again = one.market.state.jobs.get(id)!.attempts.find(({ state, piece }) => state === 'valid' && piece!.from === lost.from)!
    expect([again.piece!.to > lost.to, one.market.job(id)!.state]).toEqual([joins, 'completed'])
  }
})
