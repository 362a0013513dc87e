// One measurement of Lumaris: a server, a hundred agents and this buyer, each in a process of its own.
//   closed loop   256 jobs under way; each submitted by a request of its own, counted when its settlement is committed and told
//   latency       one job every 50 ms: from writing the request to hearing that an agent has started it
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Connection, listen, newJobId } from './client.ts'

export type SpineLoad = { jobs: number; warmUp: number; inFlight: number; latencyJobs: number; everyMs: number; nodes: number }
export type SpineResult = { settledPerSecond: number; httpP99Ms: number; startP50Ms: number; startP99Ms: number; serverRssMiB: number; jobsPerCommit: number; balanced: boolean; serverCores: number }

const quantile = (values: number[], share: number): number => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? NaN
const children = new Set<ChildProcess>()
export const endChildren = (): void => { for (const child of children) child.kill('SIGKILL') }
function start(file: string, args: string[]): ChildProcess {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, file), ...args], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}
const firstLine = (child: ChildProcess): Promise<string> => new Promise((resolve, reject) => {
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).once('line', resolve)
  child.once('exit', (code) => reject(new Error(`a process ended early (${code})`)))
})
const ended = (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => new Promise((resolve) => { child.once('exit', () => resolve()); child.kill(signal) })
type Stats = { rss: number; cpu: { user: number; system: number }; engine: { commits: number; commands: number } }
const statsOf = (child: ChildProcess): Promise<Stats> => new Promise((resolve) => { child.once('message', (stats) => resolve(stats as Stats)); child.send('stats') })

export async function measureSpine(load: SpineLoad, databaseUrl: string, progress: (line: string) => void): Promise<SpineResult> {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-bench-'))
  const server = start('server.ts', [join(dir, 'server'), databaseUrl])
  try {
    const { url: address, buyerKey, adminKey, sellerKey } = JSON.parse(await firstLine(server)) as Record<'url' | 'buyerKey' | 'adminKey' | 'sellerKey', string>
    const url = new URL(address)
    const agents = start('agents.ts', [address, sellerKey, String(load.nodes), dir])
    await firstLine(agents)
    progress(`${load.nodes} agents are connected`)
    const head = `POST /v1/jobs HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${buyerKey}\r\ncontent-type: application/json\r\n`
    const body = (id: string): string => JSON.stringify({ id, cap: '1000000', spec: { command: ['fake:exit', '0'] } })

    const http: number[] = []
    const whenEnded = new Map<string, () => void>()
    const early = new Set<string>()
    const stop = await listen(url, buyerKey, 'ended', (job) => { const done = whenEnded.get(job); if (done) { whenEnded.delete(job); done() } else early.add(job) })
    const connections = Array.from({ length: load.inFlight }, () => new Connection(url))
    const settled = async (connection: Connection): Promise<void> => {
      const id = newJobId(), from = performance.now()
      const end = new Promise<void>((resolve) => whenEnded.set(id, resolve))
      const status = await connection.request(head, body(id))
      http.push(performance.now() - from)
      if (status !== 201) throw new Error(`submit answered ${status}`)
      await end
    }
    const run = async (jobs: number): Promise<number> => {
      let left = jobs
      const from = performance.now()
      await Promise.all(connections.map(async (connection) => { while (left-- > 0) await settled(connection) }))
      return jobs / ((performance.now() - from) / 1000)
    }
    await run(load.warmUp)
    http.length = 0
    const before = await statsOf(server), from = performance.now()
    const settledPerSecond = await run(load.jobs)
    const after = await statsOf(server)
    const seconds = (performance.now() - from) / 1000
    progress(`closed loop: ${Math.round(settledPerSecond)} settled/s`)
    stop()
    for (const connection of connections) connection.close()

    const started: number[] = []
    const sentAt = new Map<string, number>()
    const stopStarts = await listen(url, buyerKey, 'attempt', (job, state) => { const at = sentAt.get(job); if (state === 'running' && at !== undefined) { started.push(performance.now() - at); sentAt.delete(job) } })
    const one = new Connection(url)
    for (let i = 0; i < load.latencyJobs; i++) {
      const id = newJobId()
      sentAt.set(id, performance.now())
      void one.request(head, body(id))
      await sleep(load.everyMs)
    }
    for (let i = 0; i < 100 && sentAt.size > 0; i++) await sleep(20)
    stopStarts()
    one.close()
    const check = (await (await fetch(`${address}/v1/admin/ledger`, { headers: { authorization: `Bearer ${adminKey}` } })).json()) as { balanced: boolean }
    await ended(agents, 'SIGTERM')
    await ended(server, 'SIGTERM')
    return {
      settledPerSecond, httpP99Ms: quantile(http, 0.99), startP50Ms: quantile(started, 0.5), startP99Ms: quantile(started, 0.99), serverRssMiB: after.rss / 2 ** 20, balanced: check.balanced,
      jobsPerCommit: load.jobs / (after.engine.commits - before.engine.commits), serverCores: (after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system) / 1e6 / seconds,
    }
  } finally { endChildren(); rmSync(dir, { recursive: true, force: true, maxRetries: 5 }) }
}
