// The control plane of one measurement, in a process of its own: prints its address and keys as one JSON line, then serves until it is ended.
import { createLog, seedDemo, startServer } from '@lumaris/server'

const [dataDir, databaseUrl] = process.argv.slice(2)
const server = await startServer({ dataDir: dataDir as string, host: '127.0.0.1', port: 0, rates: false, databaseUrl: databaseUrl || undefined, log: createLog('warn', 'server') })
const demo = await seedDemo(server.app)
const granted = await server.app.engine.act({ kind: 'topup', user: demo.buyer.id, amount: 1_000_000_000_000n, provider: 'demo', key: 'bench', bodyHash: 'bench' })
if ('refusal' in granted) throw new Error(granted.refusal)
process.stdout.write(`${JSON.stringify({ url: server.url, buyerKey: demo.buyer.key, adminKey: demo.admin.key, sellerKey: demo.sellers[0]?.key })}\n`)
process.on('message', (ask) => {
  if (ask === 'collect') { globalThis.gc?.(); process.send?.({ rss: process.memoryUsage.rss(), heap: process.memoryUsage().heapUsed, cpu: process.cpuUsage() }) }
  if (ask === 'stats') process.send?.({ rss: process.memoryUsage.rss(), cpu: process.cpuUsage(), engine: server.app.engine.stats })
})
process.on('SIGTERM', () => { void server.stop().then(() => process.exit(0)) })
