import { expect, test } from 'vitest'
import type { JobDispatch, JobId, JobSpecInput } from '@lumaris/protocol'
import { copiesMax, isRefusal } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import { capOf } from '../market/quote.ts'
import type { Submitted } from './submit.ts'
import { apply, createState } from '../state.ts'

const buyer = aUser('ann'), DAY = 86_400_000
/** One core each, so a node runs one task at a time; nodes stay online though nobody sends heartbeats. */
function marketOf(names: readonly string[], owners: Record<string, string> = {}) {
  const market = aMarket({ settings: { suspectMs: DAY, lostMs: 2 * DAY, offerMs: DAY } })
  market.fund(buyer, credits(10_000))
  const nodes = names.map((name) => { const node = market.join(name, { owner: aUser(owners[name] ?? `owner of ${name}`), cpuMillis: 1000 }); node.connect(); return node })
  const orders = new Map<string, JobDispatch>()
  /** What each node has been given and runs now, by its name. */
  function hear(): Map<string, JobDispatch> {
    nodes.forEach((node, i) => {
      for (const message of market.sentTo(node.id)) {
        const name = names[i] as string
        if (message.type === 'job_dispatch') orders.set(name, message)
        if (message.type === 'cancel' && orders.get(name)?.attempt_id === message.attempt_id) orders.delete(name)
      }
    })
    return orders
  }
  const on = (name: string): JobDispatch => { const order = hear().get(name); if (!order) throw new Error(`${name} runs nothing`); return order }
  const row = (id: JobId) => market.state.jobs.get(id)!
  return {
    market, nodes, hear, on, row,
    submit: (tasks: number, more: Partial<JobSpecInput> = {}) => { const answer = market.submit(buyer, aSpec({ tasks: Array.from({ length: tasks }, () => ({})), speculate: 0.5, limits: { runMs: 600_000 }, ...more })); if (isRefusal(answer)) throw new Error(JSON.stringify(answer)); return (answer as Submitted).job.id },
    starts: (name: string) => { const order = on(name); market.act({ kind: 'status', node: order.terms.node, session: order.session, message: { type: 'job_status', attempt_id: order.attempt_id, fence: order.fence, status: 'running' } as never }); return order },
    ends: (name: string, end: { exitCode?: number; cause?: 'buyer_limit' | 'driver_failed' | 'input_unavailable'; runMs?: number } = {}) => { const order = on(name); orders.delete(name); market.report(order, end); return order },
    copies: (id: JobId) => market.log.flatMap((change) => (change.kind === 'event' && change.row.job === id && change.row.type === 'copy' ? [change.row] : [])),
    /** In steps, as the clock goes. */
    pass: (ms: number) => { for (let left = ms; left > 0; left -= 1000) market.pass(Math.min(1000, left)) },
    slots: (id: JobId, task: number) => row(id).tasks[task]!.slots.map((slot) => slot.state),
  }
}
/** Four tasks on four nodes: three take ten seconds, that on `d` goes on. */
function late(more: Partial<JobSpecInput> = {}, owners: Record<string, string> = {}) {
  const market = marketOf(['a', 'b', 'c', 'd'], owners), job = market.submit(4, more)
  for (const name of ['a', 'b', 'c', 'd']) market.starts(name)
  market.pass(10_000)
  for (const name of ['a', 'b', 'c']) market.ends(name, { runMs: 10_000 })
  return { ...market, job, task: market.on('d').task_id.endsWith('.3') ? 3 : Number(market.on('d').task_id.split('.')[1]) }
}
const paid = (one: ReturnType<typeof late>) => one.row(one.job).attempts.filter((attempt) => (attempt.billed ?? 0n) > 0n)

test('what takes far longer than the others did gets one copy on another owner’s node; the first result counts, the other is stopped and paid for its seconds, inside the cap', () => {
  const one = late(), { job, task } = one
  one.pass(8_000)
  expect(one.copies(job)).toHaveLength(0) // 18 s of 10: not yet twice
  one.pass(10_000)
  expect(one.copies(job)).toMatchObject([{ state: 'late', task, node: one.on('d').terms.node }])
  expect(one.slots(job, task)).toEqual(['assigned', 'assigned'])
  one.pass(60_000)
  expect(one.slots(job, task)).toHaveLength(2) // one copy at most
  const copy = [...one.hear().keys()].find((name) => name !== 'd') as string
  const { decision } = one.market.attempt(one.on(copy).attempt_id)!
  expect(decision.copyOf).toMatchObject({ attempt: one.on('d').attempt_id, foreseenMs: 10_000 })
  expect(decision.copyOf!.ranMs).toBeGreaterThanOrEqual(20_000)
  const slow = one.on('d')
  one.starts(copy)
  one.ends(copy, { runMs: 10_000 })
  expect(one.row(job).tasks[task]!.state).toBe('done')
  expect(one.hear().has('d')).toBe(false) // told to stop
  one.market.report(slow, { cause: 'buyer_cancelled' as never, runMs: 70_000 })
  const { row, attempts } = one.row(job)
  expect(row).toMatchObject({ state: 'completed', tasksDone: 4 })
  expect(one.slots(job, task)).toEqual(['dropped', 'done'])
  expect(paid(one)).toHaveLength(5)
  expect(attempts.filter(({ state }) => state === 'valid')).toHaveLength(4)
  expect(attempts.find(({ id }) => id === slow.attempt_id)).toMatchObject({ state: 'ended', cause: 'buyer_cancelled' })
  expect(attempts.reduce((sum, { billed }) => sum + (billed ?? 0n), 0n)).toBe(row.cost)
  expect(row.cost + row.refunded).toBe(row.cap)
  expect(row.cap).toBe(row.attemptCap * 6n) // four tasks, and two of four may be copied
})
test('the first one may win after all: then the copy is the one that is stopped', () => {
  const one = late(), { job, task } = one
  one.pass(20_000)
  const copy = [...one.hear().keys()].find((name) => name !== 'd') as string, order = one.starts(copy)
  one.pass(3000)
  one.ends('d', { runMs: 33_000 })
  expect(one.row(job).tasks[task]!.result).toBe(one.row(job).attempts.find(({ slot, task: of }) => of === task && slot === 0)!.id)
  one.market.report(order, { cause: 'buyer_cancelled' as never, runMs: 3000 })
  expect(one.row(job).row.state).toBe('completed')
  expect(one.slots(job, task)).toEqual(['done', 'dropped'])
  expect(paid(one)).toHaveLength(5)
})
test('a copy is made only when nothing waits, where somebody else has room, and only within the share', () => {
  const market = marketOf(['a', 'd']), job = market.submit(4)
  market.starts('a'); market.starts('d')
  for (let i = 0; i < 2; i++) { market.pass(10_000); market.ends('a', { runMs: 10_000 }); market.starts('a') }
  market.pass(60_000)
  expect(market.copies(job)).toHaveLength(0) // the last task runs on `a`: no room
  market.ends('a', { runMs: 10_000 })
  market.pass(10_000)
  expect(market.copies(job)).toHaveLength(1)
  // The other node is the same owner's.
  const house = late({}, { a: 'one', b: 'one', c: 'one', d: 'one' })
  house.pass(300_000)
  expect(house.copies(house.job)).toHaveLength(0)
  // One of four is more than a fifth.
  const little = late({ speculate: 0.2 })
  little.pass(300_000)
  expect(little.copies(little.job)).toHaveLength(0)
  expect(little.row(little.job).row.cap).toBe(little.row(little.job).row.attemptCap * 4n)
  const off = late({ speculate: 0 })
  off.pass(300_000)
  expect(off.copies(off.job)).toHaveLength(0)
})
test('two late, and room in the share for one: one copy, of the one that is later', () => {
  const market = marketOf(['a', 'b', 'c', 'd']), job = market.submit(4, { speculate: 0.25 })
  for (const name of ['a', 'b', 'c', 'd']) market.starts(name)
  market.pass(10_000)
  for (const name of ['a', 'b']) market.ends(name, { runMs: 10_000 })
  market.pass(100_000)
  expect(market.copies(job)).toHaveLength(1)
})
test('a try that is lost is not missed while the other runs, in whichever order; the last of them is tried again', () => {
  for (const first of ['d', 'copy'] as const) {
    const one = late(), { job, task } = one
    one.pass(20_000)
    const copy = [...one.hear().keys()].find((name) => name !== 'd') as string
    one.starts(copy)
    const [lost, left] = first === 'd' ? ['d', copy] : [copy, 'd']
    one.ends(lost, { cause: 'driver_failed' })
    expect(one.slots(job, task).toSorted()).toEqual(['assigned', 'dropped'])
    expect(one.row(job).tasks[task]!.state).toBe('running')
    one.ends(left, { cause: 'driver_failed' })
    expect(one.row(job).tasks[task]!.state).toBe('queued')
    one.pass(5000)
    const [again] = [...one.hear().keys()] as [string]
    one.starts(again)
    one.pass(100_000)
    expect(one.slots(job, task)).toHaveLength(2) // never a second copy
    one.ends(again)
    expect(one.row(job).row.state).toBe('completed')
    expect(paid(one)).toHaveLength(4)
  }
})
test('a bad result of one try waits for the other; when that is bad too, or lost, it counts', () => {
  for (const then of ['good', 'bad', 'lost'] as const) {
    const one = late(), { job, task } = one
    one.pass(20_000)
    const copy = [...one.hear().keys()].find((name) => name !== 'd') as string
    one.starts(copy)
    one.ends('d', { cause: 'buyer_limit', exitCode: 1 })
    expect(one.row(job).tasks[task]!.state).toBe('running')
    one.ends(copy, then === 'good' ? {} : then === 'bad' ? { exitCode: 1 } : { cause: 'driver_failed' })
    expect(one.row(job).row).toMatchObject(then === 'good' ? { state: 'completed' } : { state: 'failed', cause: 'buyer_limit' })
    expect(one.slots(job, task).every((state) => state === 'done' || state === 'dropped')).toBe(true)
    expect(one.row(job).attempts.filter(({ task: of, billed }) => of === task && (billed ?? 0n) > 0n)).toHaveLength(then === 'lost' ? 1 : 2)
  }
})
test('without a finished task only the buyer’s own word says what is long', () => {
  const silent = marketOf(['a', 'b']), job = silent.submit(1, { speculate: 1 })
  silent.pass(300_000)
  expect(silent.copies(job)).toHaveLength(0)
  const said = marketOf(['a', 'b']), other = said.submit(1, { speculate: 1, expectedMs: 10_000 })
  said.pass(15_000)
  expect(said.copies(other)).toHaveLength(0)
  said.pass(15_000)
  expect(said.copies(other)).toHaveLength(1)
})
test('a cancelled job stops both tries, and a deadline gives up only what nobody runs', () => {
  const one = late(), { job } = one
  one.pass(20_000)
  one.market.act({ kind: 'cancel', job })
  one.pass(20_000)
  expect(one.row(job).row.state).toBe('cancelled')
  const due = late({ deadline: 1_000_000 + 60_000, limits: { runMs: 30_000 } })
  due.pass(20_000)
  expect(due.copies(due.job)).toHaveLength(1)
  due.pass(60_000)
  due.ends('d')
  expect(due.row(due.job).row.tasksDone).toBe(4)
})
test('what cannot have copies is refused, with what to leave out', () => {
  const { market } = marketOf(['a'])
  for (const more of [{ copies: 2 }, { assurance: '1e-2' }, { interruptible: {} }, { disconnect: 'exclusive' }, { gang: true, tasks: [{}, {}] }] as Partial<JobSpecInput>[]) {
    expect(market.submit(buyer, aSpec({ speculate: 0.05, ...more }))).toMatchObject({ refusal: 'impossible_request', detail: { reason: expect.stringContaining('leave out speculate') } })
    expect(market.submit(buyer, aSpec({ speculate: 0, ...more }))).not.toMatchObject({ refusal: 'impossible_request' })
  }
})
test('the cap covers as many copies as the share of the work can pay, and no more', () => {
  const file = (size: number) => ({ inputs: [{ path: 'x', blob: 'a'.repeat(64), size }] })
  const specOf = (sizes: number[], speculate: number) => aSpec({ speculate, tasks: sizes.map(file) as JobSpecInput['tasks'] })
  expect(copiesMax(specOf(Array(19).fill(10), 0.05))).toBe(0)
  expect(copiesMax(specOf(Array(20).fill(10), 0.05))).toBe(1)
  expect(copiesMax(specOf([900, 50, 25, 25], 0.05))).toBe(1) // no more tasks than that share of them, rounded up
  expect(capOf(specOf(Array(100).fill(1), 0.05), 7n)).toBe(735n)
})
test('a new writer goes on with what it finds: paces, copies, and the watch over the tail', () => {
  const one = late()
  one.pass(20_000)
  const loaded = createState(one.market.state.settings)
  const { row, tasks, attempts, pace } = one.row(one.job)
  for (const node of one.market.state.nodes.values()) apply(loaded, { kind: 'node', row: node })
  apply(loaded, { kind: 'job', row })
  for (const task of tasks) apply(loaded, { kind: 'task', row: task })
  for (const attempt of attempts) apply(loaded, { kind: 'attempt', row: attempt })
  expect(loaded.jobs.get(one.job)!.pace).toEqual(pace)
  expect(loaded.jobs.get(one.job)!.look).toEqual({ tasks: null, extra: 0, copies: 0 })
})
