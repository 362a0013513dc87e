import { describe, expect, test } from 'vitest'
import { measure, median, quantile, type Load, type Queue } from './load.ts'

const LOAD: Load = {
  closedLoop: { jobs: 500, warmUp: 50, inFlight: 16, msMax: 5_000 },
  drain: { jobs: 1_500 },
  latency: { jobs: 20, warmUp: 2, everyMs: 2 },
  msMax: 10_000,
}

/** A queue in memory that runs each job a turn later; `fate` says what becomes of the n-th job that it runs. */
function memoryQueue(fate: (n: number) => 'run' | 'lose' | 'leave open' = () => 'run') {
  const waiting: number[] = []
  let handler: ((job: number) => void) | undefined
  let seen = 0
  let open = 0
  let inFlight = 0
  const state = { inFlightMax: 0, added: 0 }
  const pump = (): void => {
    setImmediate(() => {
      while (handler && waiting.length > 0) {
        const job = waiting.shift() as number
        const what = fate(++seen)
        inFlight--
        if (what !== 'leave open') open--
        if (what !== 'lose') handler(job)
      }
    })
  }
  const push = (jobs: number[]): void => {
    waiting.push(...jobs)
    open += jobs.length
    inFlight += jobs.length
    state.added += jobs.length
    if (handler) state.inFlightMax = Math.max(state.inFlightMax, inFlight)
    pump()
  }
  const queue: Queue = {
    add: async (job) => push([job]),
    addMany: async (jobs) => push(jobs),
    startWorker: async (given) => { handler = given; pump() },
    stopWorker: async () => { handler = undefined },
    countOpen: async () => open,
    close: async () => {},
  }
  return { queue, state }
}

describe('measure', () => {
  test('gives a figure for each load and never has more under way than it was told', async () => {
    const { queue, state } = memoryQueue()
    const lines: string[] = []
    const measures = await measure(queue, LOAD, (line) => lines.push(line), 1_000)
    for (const value of Object.values(measures)) expect(value).toBeGreaterThan(0)
    expect(measures.latencyMsP99).toBeGreaterThanOrEqual(measures.latencyMsP50)
    expect(lines).toHaveLength(3)
    expect(state.inFlightMax).toBe(LOAD.closedLoop.inFlight)
    expect(state.added).toBe(1_500 + 22 + 50 + 500 + LOAD.closedLoop.inFlight - 1)
  })

  test('the closed loop ends after its time even if there are jobs left to add', async () => {
    const { queue } = memoryQueue()
    const load = { ...LOAD, closedLoop: { ...LOAD.closedLoop, jobs: 1e12, msMax: 50 } }
    expect((await measure(queue, load, () => {}, 1_000)).closedLoopPerSecond).toBeGreaterThan(0)
  })

  test.each([['drain', 700], ['closed loop', 1_600]])('a job lost in the %s is an error and not a figure', async (_, n) => {
    const { queue } = memoryQueue((job) => job === n ? 'lose' : 'run')
    await expect(measure(queue, LOAD, () => {}, 100)).rejects.toThrow(/no job ran for 0.1 s, after \d+ had/)
  })

  test('a job that ran but was not recorded as done is an error and not a figure', async () => {
    const { queue } = memoryQueue((n) => n === 700 ? 'leave open' : 'run')
    await expect(measure(queue, LOAD, () => {}, 100)).rejects.toThrow('1 jobs were left open')
  })

  test('an add that fails ends the run with its reason', async () => {
    const { queue } = memoryQueue()
    const failing = { ...queue, add: async () => { throw new Error('disk full') } }
    await expect(measure(failing, LOAD, () => {}, 1_000)).rejects.toThrow('disk full')
  })
})

test('quantile is the nearest rank, median the middle', () => {
  const values = Array.from({ length: 200 }, (_, i) => 200 - i)
  expect([quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1), quantile([7], 0.99)]).toEqual([100, 198, 200, 7])
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5])
})
