// Real processes that are really killed, under load: a buyer who never stops submitting and retries whatever was not answered, with the same id.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { freePort } from '@lumaris/testkit'

const children = new Set<ChildProcess>()
export function start(file: string, args: string[]): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, file), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).once('line', (line) => resolve({ child, line }))
    child.once('exit', (code, signal) => reject(new Error(`${file} ended early (${code ?? signal})`)))
  })
}
export function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  const over = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill(signal)
  return over
}

const OPEN_AT_ONCE = 5

export type Keys = { buyer: string; admin: string; seller: string }
export async function harness() {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-crash-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  let keys: Keys = { buyer: '', admin: '', seller: '' }
  let server: ChildProcess | null = null
  const acknowledged = new Set<string>()
  let submitting = true
  let unanswered = 0

  async function call<Body>(key: string, method: string, path: string, body?: unknown): Promise<{ status: number; body: Body }> {
    const response = await fetch(url + path, { method, headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) }, ...(body ? { body: JSON.stringify(body) } : {}), signal: AbortSignal.timeout(5_000) })
    return { status: response.status, body: (await response.json()) as Body }
  }
  /** Says it again until it is answered; a definite no ends the test. */
  async function insist<Body>(key: () => string, method: string, path: string, body?: unknown): Promise<Body> {
    for (;;) {
      const answer = await call<Body>(key(), method, path, body).catch(() => null)
      if (answer && answer.status < 300) return answer.body
      // 401: the keys of the new process are not here yet.
      if (answer && answer.status < 500 && answer.status !== 401) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
      unanswered++
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  return {
    dir, url, acknowledged,
    /** Kills in the middle of work: some jobs have come in since the last start, and then a random moment more. */
    async killOften(times: number, next: () => number, kill: () => Promise<void>): Promise<void> {
      for (let i = 0; i < times; i++) {
        const before = acknowledged.size
        await expect.poll(() => acknowledged.size, { timeout: 30_000, interval: 5 }).toBeGreaterThan(before + 3)
        await new Promise((resolve) => setTimeout(resolve, next() * 60))
        await kill()
      }
    },
    get keys() { return keys },
    get unanswered() { return unanswered },
    async startServer(databaseUrl?: string): Promise<void> {
      const { child, line } = await start('server-process.ts', [join(dir, 'server'), String(port), ...(databaseUrl ? [databaseUrl] : [])])
      server = child
      keys = JSON.parse(line) as Keys
    },
    async killServer(): Promise<void> { if (server) await end(server) },
    async startAgent(name: string, again = false): Promise<ChildProcess> {
      const token = again ? [] : [(await insist<{ token: string }>(() => keys.seller, 'POST', '/v1/enrolments', { name })).token]
      return (await start('agent-process.ts', [url, join(dir, name), name, ...token])).child
    },
    /** Submits jobs one after the other, with a few of its own waiting or running at any time; `stopSubmitting` ends it. A queue without bound would only
     *  show how fast the machine submits, until the buyer's credits are all on hold. */
    async buy(command: string[]): Promise<void> {
      const open: string[] = []
      while (submitting) {
        const id = `job_${randomBytes(13).toString('hex')}`
        await insist(() => keys.buyer, 'POST', '/v1/jobs', { id, cap: '20000', spec: { command, limits: { runMs: 10_000, retries: 20 } } })
        acknowledged.add(id)
        open.push(id)
        while (submitting && open.length > OPEN_AT_ONCE) {
          const oldest = await insist<{ state: string }>(() => keys.buyer, 'GET', `/v1/jobs/${open[0] as string}`)
          if (/queued|running/.test(oldest.state)) await new Promise((resolve) => setTimeout(resolve, 10))
          else open.shift()
        }
      }
    },
    stopSubmitting(): void { submitting = false },
    /** Every job that was acknowledged is there, ended well, and was paid once; the books balance. */
    async everythingIsRight(): Promise<{ jobs: number; attempts: number; lost: number }> {
      let attempts = 0, lost = 0
      for (const id of acknowledged) {
        const read = () => insist<{ state: string; cause?: string; cost: string }>(() => keys.buyer, 'GET', `/v1/jobs/${id}`)
        await expect.poll(async () => (await read()).state, { timeout: 60_000, message: `job ${id} ends` }).not.toMatch(/queued|running/)
        const job = await read()
        expect(job, id).toMatchObject({ state: 'completed' })
        const { data } = await insist<{ data: { state: string; cause: string; billed?: string }[] }>(() => keys.buyer, 'GET', `/v1/jobs/${id}/attempts`)
        attempts += data.length
        lost += data.filter((attempt) => attempt.cause === 'seller_offline').length
        // Paid exactly once: one attempt is settled, and it is the one that the job cost.
        expect(data.filter((attempt) => attempt.state === 'valid'), id).toHaveLength(1)
        expect(data.filter((attempt) => attempt.billed !== undefined).map((attempt) => attempt.billed), id).toEqual([job.cost])
      }
      expect(await insist(() => keys.admin, 'GET', '/v1/admin/ledger')).toMatchObject({ balanced: true, sum: '0', problems: [] })
      return { jobs: acknowledged.size, attempts, lost }
    },
    async stop(): Promise<void> {
      submitting = false
      await Promise.all([...children].map((child) => end(child)))
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
/** Kills must fall at many different moments of a commit; chance with a seed, so that a bad one can be found again. */
export function chance(seed: number): () => number {
  let state = seed >>> 0
  return () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state / 2 ** 32 }
}
