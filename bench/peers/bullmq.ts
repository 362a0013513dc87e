// One peer per way of Redis to keep its promises: a sync of the append-only file before each answer, once a second, or when the kernel likes.
// Concurrency 100: 256 and 500 were no faster. No automatic pipelining of commands: with it the closed loop lost a quarter.
import { peerOf, type MeasuredPeer } from './peer.ts'
import { importPeer } from './packages.ts'
import { redisMissing, redisVersion, startRedis, type RedisSync } from './servers.ts'
import type { Queue } from './load.ts'

interface BullMq {
  Queue: new (name: string, options: object) => {
    add(name: string, data: object, options?: object): Promise<unknown>
    addBulk(jobs: object[]): Promise<unknown>
    getJobCounts(...states: string[]): Promise<Record<string, number>>
    close(): Promise<void>
  }
  Worker: new (name: string, handler: (job: { data: { job: number } }) => Promise<void>, options: object) => {
    on(event: 'error', listener: (error: Error) => void): void
    waitUntilReady(): Promise<unknown>
    close(): Promise<void>
  }
}
const NAME = 'noop'

async function openQueue(url: string): Promise<Queue> {
  const { Queue, Worker } = await importPeer<BullMq>('bullmq')
  const { hostname: host, port, password } = new URL(url)
  const connection = { host, port: Number(port), password, maxRetriesPerRequest: null }
  const queue = new Queue(NAME, { connection, defaultJobOptions: { removeOnComplete: true, removeOnFail: true } })
  let worker: InstanceType<BullMq['Worker']> | undefined
  return {
    add: (job) => queue.add(NAME, { job }),
    addMany: (jobs) => queue.addBulk(jobs.map((job) => ({ name: NAME, data: { job } }))),
    async startWorker(handler) {
      worker = new Worker(NAME, async ({ data }) => { handler(data.job) }, { connection, concurrency: 100 })
      worker.on('error', (error) => { process.stderr.write(`bullmq: ${error.message}\n`) })
      await worker.waitUntilReady()
    },
    async stopWorker() { await worker?.close(); worker = undefined },
    countOpen: async () => Object.values(await queue.getJobCounts('waiting', 'active', 'delayed', 'prioritized')).reduce((sum, count) => sum + count, 0),
    close: () => queue.close(),
  }
}

const MODES: [RedisSync, string][] = [['always', 'fsync always'], ['everysec', 'fsync every second'], ['no', 'no fsync']]
export const peers: MeasuredPeer[] = MODES.map(([sync, words]) => peerOf(import.meta.filename, {
  name: `bullmq-${sync}`, packages: ['bullmq', 'ioredis'], openQueue,
  serverMissing: redisMissing, serverVersion: () => ({ redis: `${redisVersion()}, ${words}` }), startServer: () => startRedis(sync),
}))
