// The sellers of one measurement: many agents in one process, each the real one, with the fake driver and a journal in memory.
import { startAgent } from '@lumaris/agent'
import { createFakeDriver } from '@lumaris/testkit'
import { GIB } from '@lumaris/protocol'
import { join } from 'node:path'

const [url, sellerKey, count, dir] = process.argv.slice(2) as [string, string, string, string]
const agents = []
for (let i = 0; i < Number(count); i++) {
  const response = await fetch(`${url}/v1/enrolments`, { method: 'POST', headers: { authorization: `Bearer ${sellerKey}`, 'content-type': 'application/json' }, body: '{}' })
  const { token } = (await response.json()) as { token: string }
  const agent = await startAgent({
    server: url, dataDir: join(dir, `agent-${i}`), token, name: `bench-${i}`, prices: { cpuHour: String(1_000_000 + i) }, journal: 'memory',
    capacity: { cpuMillis: 64_000, memoryBytes: 256 * GIB, diskBytes: 1024 * GIB, gpus: 0 }, drivers: [createFakeDriver()],
  })
  await agent.ready
  agents.push(agent)
}
process.stdout.write('ready\n')
process.on('SIGTERM', () => process.exit(0))
