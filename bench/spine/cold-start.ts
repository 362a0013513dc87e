// How long a server takes to open its market: `node tools/run.mjs bench/spine/cold-start.ts [LIVE] [ENDED]`. Live jobs are queued through the engine;
// ended ones are copies of one real ended job, its task, attempt and events, written into the file by SQL, because a million would take minutes.
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { JobSpec } from '@lumaris/protocol'
import { createLog, seedDemo, startServer } from '@lumaris/server'
import type { RunningServer } from '@lumaris/server'

const live = Number(process.argv[2] ?? 100_000), ended = Number(process.argv[3] ?? 1_000_000)
const dir = mkdtempSync(join(tmpdir(), 'lumaris-cold-'))
const open = (): Promise<RunningServer> => startServer({ dataDir: dir, host: '127.0.0.1', port: 0, rates: false, log: createLog('error', 'server') })
const timed = async (): Promise<[RunningServer, string]> => { const from = performance.now(); const server = await open(); return [server, ((performance.now() - from) / 1000).toFixed(1)] }

const [first, emptySeconds] = await timed()
const { buyer } = await seedDemo(first.app)
const { engine } = first.app
await engine.act({ kind: 'topup', user: buyer.id, amount: 1_000_000_000_000n, provider: 'demo', key: 'bench', bodyHash: 'b' })
const submit = () => engine.act({ kind: 'submit', buyer: buyer.id, id: null, key: null, bodyHash: 'b'.repeat(64), spec: JobSpec.parse({ command: ['python3', 'work.py'], resources: { cpuMillis: 2000 } }), specHash: '', quote: null, cap: 1000n, noWait: false })
const done = await submit()
if (!('job' in done)) throw new Error(done.refusal)
await engine.act({ kind: 'cancel', job: done.job.id })
for (let i = 0; i < live; i += 1_000) await Promise.all(Array.from({ length: Math.min(1_000, live - i) }, submit))
await first.stop()

const file = join(dir, 'market.sqlite'), db = new DatabaseSync(file)
db.exec('PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; BEGIN')
for (const [table, key] of [['jobs', 'id'], ['tasks', 'job'], ['events', 'job']] as const) {
  const columns = (db.prepare(`SELECT name FROM pragma_table_info('${table}')`).all() as { name: string }[]).map(({ name }) => name)
  db.prepare(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) INSERT INTO ${table} (${columns.join(', ')}) SELECT ${columns.map((name) => (name === key ? `printf('job_00%024d', n.i)` : `t.${name}`)).join(', ')} FROM n, ${table} t WHERE t.${key} = ?2`).run(ended, done.job.id)
}
db.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)')
db.close()

const [again, seconds] = await timed()
process.stdout.write(`| start | seconds |\n|---|---|\n| empty data | ${emptySeconds} |\n| ${again.app.engine.state.jobs.size} live jobs beside ${ended} ended ones (file of ${(statSync(file).size / 2 ** 20).toFixed(0)} MiB) | ${seconds} |\n`)
await again.stop()
rmSync(dir, { recursive: true, force: true })
