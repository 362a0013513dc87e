// Tuned as its own documentation does for speed: a local queue that takes 500 jobs at once, and finished jobs written in batches. Tried here
// and not better: 10 or 100 concurrent jobs, 20 or 40 connections for adding, 5 or 50 ms of waiting for a batch. About half of a job's
// time in the closed loop is waiting for the disk: PostgreSQL commits transactions that notify one after another, each with its own sync (README.md).
import { peerOf, type MeasuredPeer } from './peer.ts'
import { importPeer } from './packages.ts'
import { postgresMissing, postgresVersion, startPostgres } from './servers.ts'
import type { Queue } from './load.ts'

interface GraphileWorker {
  run: (options: object) => Promise<{ stop(): Promise<void> }>
  makeWorkerUtils: (options: object) => Promise<{
    migrate(): Promise<void>
    addJob(task: string, payload: object): Promise<unknown>
    addJobs(jobs: object[]): Promise<unknown>
    withPgClient<T>(use: (client: { query(sql: string): Promise<{ rows: T[] }> }) => Promise<T>): Promise<T>
    release(): Promise<void>
  }>
  Logger: new (factory: () => () => void) => unknown
}

async function openQueue(url: string): Promise<Queue> {
  const { run, makeWorkerUtils, Logger } = await importPeer<GraphileWorker>('graphile-worker')
  const logger = new Logger(() => () => {})   // a line per job would be measured with it
  const utils = await makeWorkerUtils({ connectionString: url, maxPoolSize: 10, logger })
  await utils.migrate()
  let runner: { stop(): Promise<void> } | undefined
  return {
    add: (job) => utils.addJob('noop', { job }),
    addMany: (jobs) => utils.addJobs(jobs.map((job) => ({ identifier: 'noop', payload: { job } }))),
    async startWorker(handler) {
      runner = await run({
        preset: { worker: { connectionString: url, concurrentJobs: 24, maxPoolSize: 25, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0, logger } },
        noHandleSignals: true,
        taskList: { noop: (payload: { job: number }) => { handler(payload.job) } },
      })
    },
    async stopWorker() { await runner?.stop(); runner = undefined },
    countOpen: async () => (await utils.withPgClient<{ open: number }>(async (client) => (await client.query('select count(*)::int as open from graphile_worker.jobs')).rows[0] ?? { open: -1 })).open,
    close: () => utils.release(),
  }
}

export const peers: MeasuredPeer[] = [peerOf(import.meta.filename, {
  name: 'graphile-worker', packages: ['graphile-worker', 'pg'], openQueue,
  serverMissing: postgresMissing, serverVersion: () => ({ postgresql: postgresVersion() }), startServer: startPostgres,
})]
