// Two peers, because no one setting is good at both: woken by NOTIFY it starts a job within milliseconds, but PostgreSQL commits transactions that
// notify one after another, each with its own sync; without NOTIFY it runs a quarter to two thirds more per second and a job waits up to the
// shortest poll, half a second. Both take jobs in batches and come back at once while batches are full. Tried here and not better: 1 or 4
// workers, batches of 50 or 500, 20 or 40 connections.
import { peerOf, type MeasuredPeer } from './peer.ts'
import { importPeer } from './packages.ts'
import { postgresMissing, postgresVersion, startPostgres } from './servers.ts'
import type { Queue } from './load.ts'

interface PgBoss {
  PgBoss: new (options: object) => {
    on(event: 'error', listener: (error: Error) => void): void
    start(): Promise<unknown>
    stop(options: object): Promise<void>
    createQueue(name: string, options: object): Promise<void>
    send(name: string, data: object): Promise<string | null>
    insert(name: string, jobs: object[]): Promise<unknown>
    work(name: string, options: object, handler: (jobs: { data: { job: number } }[]) => Promise<void>): Promise<string>
    offWork(name: string, options: object): Promise<void>
    getDb(): { executeSql(sql: string): Promise<{ rows: { open: number }[] }> }
  }
}
const NAME = 'noop'

interface Mode { name: string; notify: boolean; batchSize: number }
const MODES: Mode[] = [
  { name: 'pg-boss', notify: true, batchSize: 250 },
  // Only a full batch is followed by the next at once: with 256 jobs under way, batches have to be smaller than that.
  { name: 'pg-boss-poll', notify: false, batchSize: 128 },
]

async function openQueue(url: string, { notify, batchSize }: Mode): Promise<Queue> {
  const { PgBoss } = await importPeer<PgBoss>('pg-boss')
  const boss = new PgBoss({ connectionString: url, max: 10, useListenNotify: notify, supervise: false, schedule: false })
  boss.on('error', (error) => { process.stderr.write(`pg-boss: ${error.message}\n`) })
  await boss.start()
  await boss.createQueue(NAME, { notify })
  return {
    add: (job) => boss.send(NAME, { job }),
    addMany: (jobs) => boss.insert(NAME, jobs.map((job) => ({ data: { job } }))),
    async startWorker(handler) {
      const options = { batchSize, localConcurrency: 2, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }
      await boss.work(NAME, options, async (jobs) => { for (const { data } of jobs) handler(data.job) })
    },
    stopWorker: () => boss.offWork(NAME, { wait: true }),
    countOpen: async () => (await boss.getDb().executeSql(`select count(*)::int as open from pgboss.job where name = '${NAME}' and state < 'completed'`)).rows[0]?.open ?? -1,
    close: () => boss.stop({ graceful: false }),
  }
}

export const peers: MeasuredPeer[] = MODES.map((mode) => peerOf(import.meta.filename, {
  name: mode.name, packages: ['pg-boss', 'pg'], openQueue: (url) => openQueue(url, mode),
  serverMissing: postgresMissing, serverVersion: () => ({ postgresql: postgresVersion() }), startServer: startPostgres,
}))
