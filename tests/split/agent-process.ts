// An agent with the real drivers of this machine, to be killed: node agent-process.ts SERVER DIR NAME CPU_MILLIS [TOKEN]. Prints which drivers it has when the market
// knows it; on its standard input's end it leaves in good order.
import { findDrivers, silent, startAgent } from '@lumaris/agent'
import type { Log } from '@lumaris/agent'
import { GIB } from '@lumaris/protocol'
import { PATIENT, QUICK_AGENT } from '../start-market.ts'

const [server, dataDir, name, cpuMillis, token] = process.argv.slice(2) as [string, string, string, string, string | undefined]
// One wall is enough to be a real process, and the strongest takes no seconds to try.
const only = process.env['LUMARIS_TEST_DRIVERS']?.split(',') as Parameters<typeof findDrivers>[0]['only']
let found = (await findDrivers({ dataDir, only: only ?? ['bwrap'] })).filter(({ report }) => report.usable)
if (found.length === 0 && !only) found = (await findDrivers({ dataDir })).filter(({ report }) => report.usable)
// For whoever looks for what went wrong.
const log = process.env['LUMARIS_TEST_LOG'] ? { log: { ...silent, ...Object.fromEntries(['info', 'warn', 'error'].map((level) => [level, (what: object, says: string) => process.stderr.write(`${name} ${new Date().toISOString().slice(17, 23)} ${level} ${says} ${JSON.stringify(what)}\n`)])) } as Log } : {}
const agent = await startAgent({
  ...log,
  server, dataDir, name, ...(token ? { token } : {}), prices: { cpuHour: '3600000' }, drivers: found.map(({ driver, report }) => ({ ...driver, probe: async () => report })), settings: process.env['LUMARIS_TEST_PATIENT'] ? { ...QUICK_AGENT, heartbeatMs: PATIENT.heartbeatMs, startLeaseMs: 10_000, selfStopMs: 15_000 } : QUICK_AGENT,
  capacity: { cpuMillis: Number(cpuMillis), memoryBytes: 8 * GIB, diskBytes: 20 * GIB, gpus: 0 },
})
await agent.ready
process.stdout.write(`${JSON.stringify({ nodeId: agent.nodeId, drivers: found.map(({ driver }) => driver.id) })}\n`)
process.stdin.resume().once('end', () => { void agent.stop().then(() => process.exit(0)) })
