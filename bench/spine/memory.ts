// Memory of the server with much work waiting: `node tools/run.mjs bench/spine/memory.ts [JOBS]`. In one process without agents: idle, then jobs that no
// node can run are queued through the engine, a thousand a batch, and memory is read after a collection. Also prints the cost of one more submit at
// each size, to show whether it grows.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { JobSpec } from '@lumaris/protocol'
import { createLog, seedDemo, startServer } from '@lumaris/server'

setFlagsFromString('--expose_gc')
const collect = runInNewContext('gc') as () => void
const most = Number(process.argv[2] ?? 100_000)
const dir = mkdtempSync(join(tmpdir(), 'lumaris-memory-'))
const server = await startServer({ dataDir: join(dir, 'server'), host: '127.0.0.1', port: 0, rates: false, log: createLog('error', 'server') })
const { buyer } = await seedDemo(server.app)
const mib = (): string => { collect(); const { rss, heapUsed, external } = process.memoryUsage(); return `${(rss / 2 ** 20).toFixed(0)} (heap ${(heapUsed / 2 ** 20).toFixed(0)}, outside ${(external / 2 ** 20).toFixed(0)})` }
await server.app.engine.act({ kind: 'topup', user: buyer.id, amount: 1_000_000_000_000n, provider: 'demo', key: 'bench', bodyHash: 'b' })
process.stdout.write(`| queued jobs | RSS (MiB) | ms per 1 000 submits |\n|---|---|---|\n| 0 | ${mib()} | |\n`)
let queued = 0
for (const size of [1_000, 10_000, 100_000, 1_000_000].filter((one) => one <= most)) {
  let lastMs = 0
  while (queued < size) {
    const from = performance.now()
    await Promise.all(Array.from({ length: 1_000 }, () => {
      // Parsed anew for each, as from a request: nothing is shared but what the engine itself shares.
      const spec = JobSpec.parse({ command: ['python3', 'work.py', String(queued)], resources: { cpuMillis: 2000 } })
      queued++
      return server.app.engine.act({ kind: 'submit', buyer: buyer.id, id: null, key: null, bodyHash: 'b'.repeat(64), spec, specHash: '', quote: null, cap: 1000n, noWait: false })
    }))
    lastMs = performance.now() - from
  }
  process.stdout.write(`| ${size} | ${mib()} | ${lastMs.toFixed(0)} |\n`)
}
await server.stop()
const from = performance.now()
const again = await startServer({ dataDir: join(dir, 'server'), host: '127.0.0.1', port: 0, rates: false, log: createLog('error', 'server') })
process.stdout.write(`\nStarted again with ${again.app.engine.state.jobs.size} queued jobs in ${((performance.now() - from) / 1000).toFixed(1)} s.\n`)
await again.stop()
rmSync(dir, { recursive: true, force: true })
