// What is asked of every job queue, and how it is timed. The same three loads for all, run inside the peer's own process:
//   closed loop   256 jobs under way at any time, each added by a call of its own; the next is added when one has run
//   drain         jobs preloaded in bulk, then a worker is started
//   latency       one job every 50 ms on an idle queue: from the call that adds it to the first line of its handler
// Jobs do nothing. A job counts as done when its handler returned: what the queue still writes about it afterwards is not waited for, which is
// generous to the peer, but before a peer may report a figure its own tables must say that nothing was left behind.
import { setTimeout as sleep } from 'node:timers/promises'

export interface Load {
  closedLoop: { jobs: number; warmUp: number; inFlight: number; msMax: number }
  drain: { jobs: number }
  latency: { jobs: number; warmUp: number; everyMs: number }
  /** The whole run of one peer, servers included; then it is killed and reported as failed. */
  msMax: number
}

export interface Measures {
  closedLoopPerSecond: number
  drainPerSecond: number
  latencyMsP50: number
  latencyMsP99: number
  /** Of the process that adds and runs the jobs, at its highest; the database or Redis is not in it. */
  rssMiB: number
}

export interface Peer {
  name: string
  /** The packages and servers it stands on, for the report. */
  versions(): Record<string, string>
  /** Why it cannot be measured here; undefined if it can. */
  available(): string | undefined
  run(load: Load, progress?: (line: string) => void): Promise<Measures>
}

/** A queue as the loads see it. Jobs carry one number, so that a handler knows which one it runs. */
export interface Queue {
  add(job: number): Promise<unknown>
  addMany(jobs: number[]): Promise<unknown>
  startWorker(handler: (job: number) => void): Promise<void>
  stopWorker(): Promise<void>
  /** Jobs that are still waiting or running, by the queue's own account. */
  countOpen(): Promise<number>
  close(): Promise<void>
}

// 10 000 jobs or 15 s of closed loop: long enough to pass the first checkpoints of the database, short enough that five peers and three rounds
// stay below ten minutes. 200 samples make p99 the third worst; the median over the rounds steadies it.
export const FULL: Load = {
  closedLoop: { jobs: 10_000, warmUp: 1_000, inFlight: 256, msMax: 15_000 },
  drain: { jobs: 20_000 },
  latency: { jobs: 200, warmUp: 20, everyMs: 50 },
  msMax: 120_000,
}
export const QUICK: Load = {
  closedLoop: { jobs: 2_000, warmUp: 256, inFlight: 256, msMax: 4_000 },
  drain: { jobs: 5_000 },
  latency: { jobs: 40, warmUp: 5, everyMs: 50 },
  msMax: 60_000,
}

// A job that is lost must end the run with a sentence, not with the limit of the whole run.
const STALL_MS = 20_000
const PRELOAD_BATCH = 1_000

export async function measure(queue: Queue, load: Load, progress: (line: string) => void, stallMs = STALL_MS): Promise<Measures> {
  let rssMax = 0
  const sampling = setInterval(() => { rssMax = Math.max(rssMax, process.memoryUsage.rss()) }, 50)
  try {
    const drainPerSecond = await drain(queue, load.drain, stallMs)
    progress(`drain of ${load.drain.jobs}: ${Math.round(drainPerSecond)} jobs/s`)
    const closedLoopPerSecond = await closedLoop(queue, load.closedLoop, stallMs)
    progress(`closed loop, ${load.closedLoop.inFlight} in flight: ${Math.round(closedLoopPerSecond)} jobs/s`)
    const delays = await latency(queue, load.latency, stallMs)
    const [latencyMsP50, latencyMsP99] = [quantile(delays, 0.5), quantile(delays, 0.99)]
    progress(`submit to start at ${1000 / load.latency.everyMs}/s: p50 ${latencyMsP50.toFixed(1)} ms, p99 ${latencyMsP99.toFixed(1)} ms`)
    return { closedLoopPerSecond, drainPerSecond, latencyMsP50, latencyMsP99, rssMiB: rssMax / 2 ** 20 }
  } finally {
    clearInterval(sampling)
  }
}

/** Jobs per second from the first handler to the last: starting a worker and its connections is not counted. */
async function drain(queue: Queue, { jobs }: Load['drain'], stallMs: number): Promise<number> {
  for (let from = 0; from < jobs; from += PRELOAD_BATCH) {
    await queue.addMany(Array.from({ length: Math.min(PRELOAD_BATCH, jobs - from) }, (_, i) => from + i))
  }
  const all = countdown(jobs, stallMs)
  let firstAt = 0
  let lastAt = 0
  await queue.startWorker(() => {
    lastAt = performance.now()
    firstAt ||= lastAt
    all.tick()
  })
  await all.done
  await settle(queue, stallMs)
  return (jobs - 1) / ((lastAt - firstAt) / 1000)
}

async function closedLoop(queue: Queue, { jobs, warmUp, inFlight, msMax }: Load['closedLoop'], stallMs: number): Promise<number> {
  let added = 0
  let ran = 0
  let countFrom = 0
  let startedAt = 0
  let lastAt = 0
  let stop = false
  let failure: unknown
  const idle = Promise.withResolvers<void>()
  const watch = stallWatch(() => ran, stallMs, (error) => idle.reject(error))
  const addOne = (): void => {
    added++
    queue.add(added).catch((error: unknown) => { failure ??= error; idle.reject(error) })
  }
  await queue.startWorker(() => {
    ran++
    if (!stop) {
      lastAt = performance.now()
      if (ran === warmUp) { startedAt = lastAt; countFrom = ran }
      if (ran >= warmUp + jobs || (startedAt > 0 && lastAt - startedAt > msMax)) { stop = true; jobs = ran - countFrom }
    }
    if (!stop) addOne()
    else if (ran === added) idle.resolve()
  })
  try {
    for (let i = 0; i < inFlight; i++) addOne()
    await idle.promise
  } finally {
    clearInterval(watch)
  }
  if (failure !== undefined) throw failure
  await settle(queue, stallMs)
  return jobs / ((lastAt - startedAt) / 1000)
}

async function latency(queue: Queue, { jobs, warmUp, everyMs }: Load['latency'], stallMs: number): Promise<number[]> {
  const submittedAt = new Map<number, number>()
  const delays: number[] = []
  const all = countdown(jobs + warmUp, stallMs)
  await queue.startWorker((job) => {
    const delay = performance.now() - (submittedAt.get(job) ?? Number.NaN)
    if (job >= warmUp) delays.push(delay)
    all.tick()
  })
  await sleep(200)   // the worker's own start is not what is measured
  const begin = performance.now()
  const adds: Promise<unknown>[] = []
  for (let job = 0; job < jobs + warmUp; job++) {
    await sleep(Math.max(0, begin + job * everyMs - performance.now()))
    submittedAt.set(job, performance.now())
    adds.push(queue.add(job))
  }
  await Promise.all(adds)
  await all.done
  await settle(queue, stallMs)
  if (delays.length !== jobs || delays.some(Number.isNaN)) throw new Error(`${delays.length} of ${jobs} delays were measured`)
  return delays
}

/** Stops the worker and checks that the queue itself counts no open job: a figure for jobs that were not recorded as done would be a lie. */
async function settle(queue: Queue, stallMs: number): Promise<void> {
  await queue.stopWorker()
  const deadline = performance.now() + stallMs
  for (;;) {
    const open = await queue.countOpen()
    if (open === 0) return
    if (performance.now() > deadline) throw new Error(`${open} jobs were left open after their handlers had run`)
    await sleep(50)
  }
}

function countdown(total: number, stallMs: number): { tick(): void; done: Promise<void> } {
  let count = 0
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const watch = stallWatch(() => count, stallMs, reject)
  return {
    tick() { if (++count === total) { clearInterval(watch); resolve() } },
    done: promise,
  }
}

function stallWatch(read: () => number, stallMs: number, fail: (error: Error) => void): NodeJS.Timeout {
  let [seen, since] = [-1, performance.now()]
  const watch = setInterval(() => {
    const now = read()
    if (now !== seen) { [seen, since] = [now, performance.now()]; return }
    if (performance.now() - since > stallMs) { clearInterval(watch); fail(new Error(`no job ran for ${stallMs / 1000} s, after ${now} had`)) }
  }, Math.min(1000, stallMs))
  return watch
}

/** Nearest rank. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[half] ?? Number.NaN : ((sorted[half - 1] ?? Number.NaN) + (sorted[half] ?? Number.NaN)) / 2
}
