// Can sandboxes of this driver be given a way out here, and only that one? One is, and tries what it may and what it may not; who was reached is counted
// by the listener, not believed of the canary.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { EGRESS_PORT } from '@lumaris/protocol'
import type { SandboxSpec } from '../drivers/driver.ts'
import type { Ended } from '../drivers/probe.ts'
import { doorLacks } from './door.ts'
import { openEgress } from './egress.ts'

const MIB = 1024 * 1024, HOST = 'canary.example'
const LIMITS = { cpuMillis: 1000, memoryBytes: 256 * MIB, pids: 64, diskBytes: 8 * MIB, outputBytes: MIB, wallMs: 20_000, openFiles: 256 }
/** In words that both Node and Deno understand. */
const canary = (port: number): string => `import { createConnection } from 'node:net'
process.on('uncaughtException', () => {})
const say = (host, port, words) => new Promise((done) => { let said = ''; const end = () => done(said); try { const s = createConnection({ host, port }); s.setTimeout(3000, () => { s.destroy(); end() }); s.on('data', (b) => { said += b; if (said.includes('hello')) { s.destroy(); end() } }).on('error', end).on('close', end).on('connect', () => s.write(words)) } catch { end() } })
const connect = (to) => say('127.0.0.1', ${EGRESS_PORT}, 'CONNECT ' + to + ' HTTP/1.1\\r\\nHost: ' + to + '\\r\\n\\r\\nGET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')
const through = await connect('${HOST}:${port}'), other = await connect('other.example:${port}'), straight = await say('127.0.0.1', ${port}, 'GET /straight HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
console.log(JSON.stringify({ through: through.includes('hello'), other: other.split(' ')[1], straight: straight !== '' })); process.exit(0)`

/** Null when it can; else what stands in the way. `run` runs the source as `canary.mjs` of a work directory. */
export async function egressLacks(run: (job: Omit<SandboxSpec, 'workDir'> & { readonly source: string }) => Promise<Ended>): Promise<string | null> {
  const lacks = doorLacks()
  if (lacks) return lacks.reason
  let straight = 0
  const host = createServer((request, reply) => { if (request.url !== '/') straight++; reply.end('hello') })
  await new Promise<void>((resolve) => { host.listen(0, '127.0.0.1', resolve) })
  const { port } = host.address() as AddressInfo
  const egress = openEgress({ resolve: async () => ['127.0.0.1'], reachable: (address) => address === '127.0.0.1' }, [{ host: HOST, port }])
  try {
    const { out, err, end } = await run({ attemptId: 'probe_egress', runtime: 'javascript', command: ['canary.mjs'], env: {}, limits: LIMITS, egress: egress.door, source: canary(port) })
    const { connections, refused } = egress.meter()
    if (straight === 0 && connections === 1 && refused === 1 && out.trim() === JSON.stringify({ through: true, other: '403', straight: false })) return null
    return end.cause !== 'exit' ? (end.detail ?? end.cause) : `a sandbox with one way out said: ${(out.trim() || err.split('\n')[0] || 'nothing').slice(0, 200)}`
  } catch (error) { return (error as Error).message } finally {
    await egress.close()
    await new Promise<void>((resolve) => { host.close(() => resolve()); host.closeAllConnections() })
  }
}
