// A market of real processes for splitting: a server, agents with real sandboxes, and the command line, each of which may be killed at any moment.
import { createHash } from 'node:crypto'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '@lumaris/testkit'
import { createClient } from '@lumaris/sdk'
import { dataFile } from '../../examples/weather/check.ts'

const ROOT = join(import.meta.dirname, '..', '..')
export const PART = join(ROOT, 'examples/sums/part.py'), SUM = join(ROOT, 'examples/sums/sum.py')
const NODE = ['--disable-warning=ExperimentalWarning']
export type Ran = { readonly child: ChildProcess; readonly exit: Promise<number | null>; readonly text: () => string }

/** With `drivers`, agents have these and no others. `patient`: nobody is called lost because the machine is busy. */
export async function processes(options: { readonly drivers?: readonly string[]; readonly patient?: boolean } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-split-')), port = await freePort(), url = `http://127.0.0.1:${port}`
  const children = new Set<ChildProcess>()
  const agents = new Map<string, { child: ChildProcess; nodeId: string; cpuMillis: number }>()
  let server: ChildProcess | null = null, keys = { buyer: '', admin: '', seller: '' }, drivers: string[] = []

  function begin(file: string, args: string[]): Promise<{ child: ChildProcess; line: string }> {
    const child = spawn(process.execPath, [...NODE, join(ROOT, file), ...args], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...(options.drivers ? { LUMARIS_TEST_DRIVERS: options.drivers.join() } : {}), ...(options.patient ? { LUMARIS_TEST_PATIENT: '1' } : {}) } })
    children.add(child)
    child.once('exit', () => children.delete(child))
    return new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', (line) => resolve({ child, line }))
      child.once('exit', (code, signal) => reject(new Error(`${file} ended early (${code ?? signal})`)))
    })
  }
  const gone = (child: ChildProcess): Promise<void> => (child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((resolve) => child.once('exit', () => resolve())))
  async function kill(child: ChildProcess): Promise<void> { const over = gone(child); child.kill('SIGKILL'); await over }

  async function startAgent(name: string, cpuMillis: number): Promise<void> {
    const token = agents.has(name) ? [] : [(await createClient({ url, token: keys.seller }).api.createEnrolment({ body: { name } })).token]
    const { child, line } = await begin('tests/split/agent-process.ts', [url, join(dir, name), name, String(cpuMillis), ...token])
    const said = JSON.parse(line) as { nodeId: string; drivers: string[] }
    drivers = said.drivers
    agents.set(name, { child, nodeId: said.nodeId, cpuMillis })
  }
  return {
    dir, url, agents,
    get keys() { return keys },
    get server() { return server as ChildProcess },
    /** What runs Python there: the machine's own behind bubblewrap, or WebAssembly. */
    get runtime() { return drivers.includes('bwrap') ? ('native' as const) : ('python' as const) },
    async startServer(): Promise<void> {
      const { child, line } = await begin('tests/crash/server-process.ts', [join(dir, 'server'), String(port)])
      server = child
      keys = JSON.parse(line) as typeof keys
    },
    startAgent, kill,
    client: () => createClient({ url, token: keys.buyer }),
    cli(args: string[]): Ran {
      const child = spawn(process.execPath, [...NODE, join(ROOT, 'apps/cli/src/main.ts'), ...args], { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], HOME: dir, LUMARIS_CHECKOUT: dir, LUMARIS_URL: url, LUMARIS_TOKEN: keys.buyer } })
      children.add(child)
      child.once('exit', () => children.delete(child))
      let said = ''
      child.stdout.on('data', (text: Buffer) => { said += text.toString() })
      child.stderr.on('data', (text: Buffer) => { said += text.toString() })
      return { child, text: () => said, exit: new Promise((resolve) => child.once('close', (code) => resolve(code))) }
    },
    /** The table of the sample, again and again, up to so many bytes; every copy has other years. */
    writeInput(name: string, bytes: number): string {
      const path = join(dir, name), [header = '', ...rows] = readFileSync(dataFile(), 'utf8').trim().split('\n'), file = openSync(path, 'w')
      writeSync(file, `${header}\n`)
      for (let at = header.length + 1, copy = 0; at < bytes; copy++) { const text = rows.map((row) => `${2000 + copy % 400}${row.slice(4)}\n`).join(''); writeSync(file, text); at += text.length }
      closeSync(file)
      return path
    },
    /** What one process makes of it. */
    alone(path: string): string {
      const run = (args: string[]): string => { const { stdout, status, stderr } = spawnSync('python3', args, { encoding: 'utf8', maxBuffer: 2 ** 28 }); if (status !== 0) throw new Error(stderr); return stdout }
      const part = join(dir, 'alone.csv')
      writeFileSync(part, run([PART, path]))
      return run([SUM, part])
    },
    /** Everybody ends; agents that were killed start once more, to take away what their sandboxes left. */
    async stop(): Promise<void> {
      for (const [name, { child, cpuMillis }] of agents) if (child.exitCode !== null || child.signalCode !== null) await startAgent(name, cpuMillis)
      await Promise.all([...agents.values()].map(({ child }) => { const over = gone(child); child.stdin?.end(); return over }))
      await Promise.all([...children].map(kill))
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
      // Where a root agent sets up its sandboxes (drivers/find-drivers.ts): named by its data directory, and nobody's when that is gone.
      for (const name of agents.keys()) rmSync(join(tmpdir(), `lumaris-${createHash('sha256').update(join(dir, name)).digest('hex').slice(0, 12)}`), { recursive: true, force: true })
    },
  }
}
export type Processes = Awaited<ReturnType<typeof processes>>
