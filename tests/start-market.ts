// A whole market for a test, in this process: the real server on a data directory of its own, real agents with the fake driver, and people with
// keys. Everything is gone after `stop`.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog, seedDemo, startServer } from '@lumaris/server'
import type { Demo, RunningServer, ServerConfig } from '@lumaris/server'
import { startAgent } from '@lumaris/agent'
import type { AgentConfig, RunningAgent } from '@lumaris/agent'
import { createFakeDriver } from '@lumaris/testkit'
import { GIB } from '@lumaris/protocol'
import type { Job, JobId, JobSpecInput } from '@lumaris/protocol'

export type Answer = { status: number; body: any; headers: Headers } // eslint-disable-line -- a test looks into whatever came back
export type TestMarket = Awaited<ReturnType<typeof startMarket>>

/** A market's times, a hundredth of the real ones; a silence is noticed within two seconds. Within one, machines that were only busy lost nodes that nobody had touched. */
export const QUICK = { heartbeatMs: 100, suspectMs: 900, lostMs: 1_800, offerMs: 1_000, resendMs: 100, cancelMs: 500, sliceMs: 200, spotEveryMs: 200, changeMs: 1_000, retryBackoffMs: 20, retryBackoffMaxMs: 200 }
/** For what takes whole seconds of a machine's processors: nobody is called lost for it. */
export const PATIENT = { ...QUICK, heartbeatMs: 500, suspectMs: 10_000, lostMs: 20_000, offerMs: 30_000 }
export const QUICK_AGENT = { heartbeatMs: 100, startLeaseMs: 900, selfStopMs: 1_350, orphanMs: 20_000, tickMs: 100, sealMs: 20 }

const fakeNetwork: NonNullable<AgentConfig['network']> = async () => ({ offer: { public_key: randomBytes(32).toString('base64'), addresses: [] }, join: async () => ({ attach: async () => undefined }), close: async () => undefined })

export async function startMarket(options: { server?: Partial<ServerConfig>; agents?: number } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-market-'))
  const log = createLog(process.env['LOG'] ?? 'silent', 'test')
  const server: RunningServer = await startServer({ dataDir: join(dir, 'server'), host: '127.0.0.1', port: 0, log, settings: QUICK, disputeMs: 3_600_000, rates: false, ...options.server })
  const demo: Demo = await seedDemo(server.app)
  const agents: RunningAgent[] = []

  async function call(key: string | null, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const raw = typeof body === 'string' || body instanceof Uint8Array
    const response = await fetch(server.url + path, {
      method, headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), ...(body === undefined ? {} : { 'content-type': raw && typeof body !== 'string' ? 'application/octet-stream' : 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: raw ? (body as string | Uint8Array<ArrayBuffer>) : JSON.stringify(body) }),
    })
    const text = await response.text()
    let parsed: unknown = text
    try { parsed = JSON.parse(text) } catch { /* not every reply is JSON; then the text itself is the answer */ }
    return { status: response.status, body: parsed, headers: response.headers }
  }

  async function join_(name: string, more: { seller?: number; cpuHour?: number; cpuMillis?: number; spotPercent?: number; /** What takes time takes so many times as long on it. */ slowness?: number; /** A network of gangs without packets. */ gang?: boolean; /** Whose it is, if not one of the demo's sellers. */ key?: string; writes?: (path: string, text: string) => string } = {}): Promise<RunningAgent> {
    const key = more.key ?? demo.sellers[more.seller ?? agents.length % demo.sellers.length]?.key ?? ''
    const { body } = await call(key, 'POST', '/v1/enrolments', { name })
    const agent = await startAgent({
      server: server.url, dataDir: join(dir, name), token: body.token, name, prices: { cpuHour: String(Math.round((more.cpuHour ?? 1) * 1_000_000)), ...(more.spotPercent === undefined ? {} : { spotPercent: more.spotPercent }) }, drivers: [createFakeDriver({ gang: more.gang ?? false, slowness: more.slowness ?? 1, writes: more.writes })], ...(more.gang ? { network: fakeNetwork } : {}), settings: QUICK_AGENT, stopMs: 1_000,
      capacity: { cpuMillis: more.cpuMillis ?? 8000, memoryBytes: 16 * GIB, diskBytes: 100 * GIB, gpus: 0 },
    })
    await agent.ready
    agents.push(agent)
    return agent
  }

  const market = {
    dir, url: server.url, server, app: server.app, demo, agents, call, join: join_, buyer: demo.buyer.key,
    submit: (spec: JobSpecInput, more: object = {}) => call(demo.buyer.key, 'POST', '/v1/jobs', { spec, ...more }),
    /** Waits for the job's own history to say that it is over. */
    async ended(job: JobId): Promise<Job> {
      const response = await fetch(`${server.url}/v1/jobs/${job}/events`, { headers: { authorization: `Bearer ${demo.buyer.key}`, accept: 'text/event-stream' } })
      await response.text()
      return (await call(demo.buyer.key, 'GET', `/v1/jobs/${job}`)).body as Job
    },
    async stop(): Promise<void> {
      for (const agent of agents) await agent.stop()
      await server.stop()
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
  for (let i = 0; i < (options.agents ?? 0); i++) await join_(`node-${i}`)
  return market
}
