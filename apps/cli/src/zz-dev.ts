import { startServer, createLog, seedDemo } from '@lumaris/server'
import { startAgent } from '@lumaris/agent'
import { createClient } from '@lumaris/sdk'
import { rmSync, writeFileSync } from 'node:fs'
const dir = '/tmp/owner-shots/market'
rmSync(dir, { recursive: true, force: true })
const server = await startServer({ dataDir: dir + '/server', host: '127.0.0.1', port: 0, databaseUrl: undefined, log: createLog('error', 's') })
const demo = await seedDemo(server.app)
const seller = demo.sellers[0]!
const { token } = await createClient({ url: server.url, token: seller.key }).api.createEnrolment({ body: { name: 'office-tower' } })
const agent = await startAgent({ server: server.url, dataDir: dir + '/agent', token, name: 'office-tower', prices: { cpuHour: '200000', memoryGibHour: '40000' }, owner: {}, gui: {}, log: createLog('info', 'a') })
await agent.ready
writeFileSync(dir + '/info.json', JSON.stringify({ url: server.url, buyer: demo.buyer.key }))
console.log('READY', agent.gui)
process.on('SIGTERM', () => { void agent.stop().then(() => server.stop()).then(() => process.exit(0)) })
const buyer = createClient({ url: server.url, token: demo.buyer.key })

const loop = (n: number) => ({ name: 'x', runtime: 'native', command: ['sh', '-c', 'while :; do i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; sleep 0.4; done'], resources: { cpuMillis: n, memoryBytes: 256 * 2 ** 20 }, limits: { runMs: 3_000_000 } })
await buyer.submit({ runtime: 'native', command: ['sh', '-c', 'i=0; while [ $i -lt 900000 ]; do i=$((i+1)); done'], resources: { cpuMillis: 600, memoryBytes: 256 * 2 ** 20 } } as never)
await new Promise((r) => setTimeout(r, 6000))
for (const n of [400, 600]) await buyer.submit(loop(n) as never)
