// An agent with the real drivers of this machine, to be killed: node agent-process.ts SERVER DIR NAME CPU_MILLIS [TOKEN]. Prints which drivers it has when the market
// knows it; on its standard input's end it leaves in good order.
import { findDrivers, startAgent } from '@lumaris/agent'
import { GIB } from '@lumaris/protocol'
import { QUICK_AGENT } from '../start-market.ts'

const [server, dataDir, name, cpuMillis, token] = process.argv.slice(2) as [string, string, string, string, string | undefined]
// One wall is enough to be a real process, and the strongest takes no seconds to try.
const only = process.env['LUMARIS_TEST_DRIVERS']?.split(',') as Parameters<typeof findDrivers>[0]['only']
let found = (await findDrivers({ dataDir, only: only ?? ['bwrap'] })).filter(({ report }) => report.usable)
if (found.length === 0 && !only) found = (await findDrivers({ dataDir })).filter(({ report }) => report.usable)
const agent = await startAgent({
  server, dataDir, name, ...(token ? { token } : {}), prices: { cpuHour: '3600000' }, drivers: found.map(({ driver, report }) => ({ ...driver, probe: async () => report })), settings: QUICK_AGENT,
  capacity: { cpuMillis: Number(cpuMillis), memoryBytes: 8 * GIB, diskBytes: 20 * GIB, gpus: 0 },
})
await agent.ready
process.stdout.write(`${JSON.stringify({ nodeId: agent.nodeId, drivers: found.map(({ driver }) => driver.id) })}\n`)
process.stdin.resume().once('end', () => { void agent.stop().then(() => process.exit(0)) })
