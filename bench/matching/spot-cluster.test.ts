import { expect, test } from 'vitest'
import type { Capacity } from '@lumaris/protocol'
import { GRACE_S, play } from './spot-cluster.ts'
import type { Job, Policy, Preempt } from './spot-cluster.ts'

const gpus = (count: number): Capacity => ({ cpuMillis: 0, memoryBytes: 0, diskBytes: 0, gpus: count * 1000 })
const node = { ...gpus(1), cpuMillis: 1, memoryBytes: 1 }
let id = 0
const aJob = (spot: boolean, at: number, workS: number, change: Partial<Job> = {}): Job => ({ id: id++, spot, at, needs: gpus(1), workS, microsPerHour: 1, savesEveryS: null, ...change })
const anyone: Preempt = (_, nodes) => { const victim = [...nodes[0]?.runs ?? []].find((run) => run.job.spot && !run.leaving); return victim ? { node: victim.node, victims: [victim] } : null }
const preempting: Policy = { preempt: anyone, requeue: 'first' }
/** Ends the play: a job that arrives last and is not looked at. */
const end = (at: number): Job => aJob(true, at, 1, { needs: gpus(9) })

test('firm work starts when the notice is over, and who was taken off begins again, having lost what was not saved', () => {
  const outcome = play([node], [aJob(true, 0, 1_000), aJob(false, 100, 50), end(5_000)], preempting, 0)
  expect(outcome).toMatchObject({ firmWaits: [GRACE_S], evictions: 1, lostGpuS: 100 + GRACE_S, spotEnded: 1, spotLeft: 1 })
  expect(outcome.spotWaits[0]).toBe(50) // from its eviction until the firm job has ended
})
test('who saves on notice loses nothing', () => {
  expect(play([node], [aJob(true, 0, 1_000, { savesEveryS: 600 }), aJob(false, 100, 50), end(5_000)], preempting, 0)).toMatchObject({ evictions: 1, lostGpuS: 0, spotEnded: 1 })
})
test('who ends within its notice was not evicted', () => {
  expect(play([node], [aJob(true, 0, 110), aJob(false, 100, 50), end(5_000)], preempting, 0)).toMatchObject({ evictions: 0, firmWaits: [GRACE_S] })
})
test('without preemption firm work waits for its turn', () => {
  expect(play([node], [aJob(true, 0, 1_000), aJob(false, 100, 50), end(5_000)], { preempt: null, requeue: 'first' }, 0)).toMatchObject({ evictions: 0, firmWaits: [900] })
})
test('a policy that takes firm work off is stopped', () => {
  const wrong: Preempt = (_, nodes) => ({ node: nodes[0] as never, victims: [...nodes[0]?.runs ?? []] })
  expect(() => play([node], [aJob(false, 0, 1_000), aJob(false, 100, 50), end(5_000)], { preempt: wrong, requeue: 'first' }, 0)).toThrow(/a firm job/)
})
test('a policy that promises room which its victims do not have is stopped', () => {
  const small: Preempt = (_, nodes) => { const victim = [...nodes[0]?.runs ?? []][0]; return victim ? { node: victim.node, victims: [victim] } : null }
  const half = aJob(true, 0, 1_000, { needs: { ...gpus(1), gpus: 500 } }), other = aJob(true, 0, 1_000, { needs: { ...gpus(1), gpus: 500 } })
  expect(() => play([node], [half, other, aJob(false, 100, 50), end(5_000)], { preempt: small, requeue: 'first' }, 0)).toThrow(/not there/)
})
test('no spot job starts that the policy does not let start', () => {
  expect(play([node], [aJob(true, 0, 10), end(100)], { ...preempting, maySpotStart: () => false }, 0)).toMatchObject({ spotEnded: 0, spotLeft: 2, spotWaits: [100, 0] })
})
test('who was evicted waits first of all, or behind those who had less', () => {
  const jobs = (): Job[] => [aJob(true, 0, 1_000), aJob(false, 100, 50), aJob(true, 110, 10), end(5_000)]
  expect(play([node], jobs(), preempting, 0).spotWaits.slice(0, 2)).toEqual([50, 1070]) // the evicted one first: 180 to 1180, then the other
  expect(play([node], jobs(), { ...preempting, requeue: 'least served' }, 0).spotWaits.slice(0, 2)).toEqual([70, 60])
})
