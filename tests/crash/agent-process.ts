// An agent to be killed: node agent-process.ts SERVER DIR NAME [TOKEN]. Prints its node id when the market knows it.
import { startAgent } from '@lumaris/agent'
import { createFakeDriver } from '@lumaris/testkit'
import { GIB } from '@lumaris/protocol'
import { QUICK_AGENT } from '../start-market.ts'

const [server, dataDir, name, token] = process.argv.slice(2) as [string, string, string, string | undefined]
const agent = await startAgent({
  server, dataDir, name, ...(token ? { token } : {}), prices: { cpuHour: '3600000' }, drivers: [createFakeDriver()], settings: QUICK_AGENT,
  capacity: { cpuMillis: 16_000, memoryBytes: 64 * GIB, diskBytes: 100 * GIB, gpus: 0 },
})
await agent.ready
process.stdout.write(`${agent.nodeId}\n`)
