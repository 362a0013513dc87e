// A real PostgreSQL for tests: a fresh directory, a free port on 127.0.0.1, commits flushed to the disk. It can be killed like a power cut and
// started again on the same data. Where we are root it runs as the user postgres, because it refuses root.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync, chownSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const isRoot = process.getuid?.() === 0
const BASE = '/usr/lib/postgresql'
const binaries = (): string | undefined => (existsSync(BASE) ? readdirSync(BASE).sort((a, b) => Number(b) - Number(a)).map((version) => join(BASE, version, 'bin')).find((dir) => existsSync(join(dir, 'postgres'))) : undefined)
const idOf = (flag: '-u' | '-g'): number => Number.parseInt(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout, 10)

/** Why there is no PostgreSQL for tests here; undefined when there is. */
export function postgresMissing(): string | undefined {
  if (!binaries()) return 'PostgreSQL is not installed (Debian: apt-get install postgresql)'
  return isRoot && Number.isNaN(idOf('-u')) ? 'PostgreSQL refuses root, and there is no user postgres' : undefined
}

export type TestPostgres = {
  readonly url: string
  /** The postmaster's; undefined while it is not running. */
  readonly pid: number | undefined
  createDatabase(): Promise<string>
  /** Every process of the server at once: what was not flushed is gone, as after a crash of the machine. */
  kill9(): Promise<void>
  start(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

export async function startPostgres(): Promise<TestPostgres> {
  const bin = binaries()
  if (!bin) throw new Error(postgresMissing())
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-pg-'))
  const data = join(dir, 'data'), password = randomBytes(12).toString('hex'), passwordFile = join(dir, 'password')
  writeFileSync(passwordFile, password)
  if (isRoot) for (const path of [dir, passwordFile]) chownSync(path, idOf('-u'), idOf('-g'))
  const as = (program: string, args: string[]): [string, string[]] => (isRoot ? ['setpriv', ['--reuid', 'postgres', '--regid', 'postgres', '--init-groups', '--pdeathsig', 'QUIT', program, ...args]] : [program, args])
  const made = spawnSync(...as(join(bin, 'initdb'), ['-D', data, '-U', 'test', '--pwfile', passwordFile, '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C', '--no-sync']), { encoding: 'utf8', cwd: dir })
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`)
  const port = await freePort()
  const url = `postgres://test:${password}@127.0.0.1:${port}/postgres`
  let child: ChildProcess | null = null
  const start = async (): Promise<void> => {
    const settings = { listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: '', fsync: 'on', max_connections: '60', shared_buffers: '64MB' }
    const fresh = spawn(...as(join(bin, 'postgres'), ['-D', data, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])]), { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] })
    child = fresh
    await new Promise<void>((resolve, reject) => {
      let said = ''
      fresh.stderr?.on('data', (text: Buffer) => { said = (said + String(text)).slice(-4000); if (said.includes('ready to accept connections')) resolve() })
      fresh.once('exit', (code) => reject(new Error(`PostgreSQL ended (${code}): ${said}`)))
    })
  }
  const ended = async (signal: NodeJS.Signals): Promise<void> => {
    const old = child
    child = null
    if (!old || old.exitCode !== null || old.signalCode !== null) return
    const over = new Promise<void>((resolve) => old.once('exit', () => resolve()))
    old.kill(signal)
    await over
  }
  // If the test process ends without stopping us, the kernel ends the server (--pdeathsig); only the directory is left for us.
  const sweep = (): void => { child?.kill('SIGKILL'); rmSync(dir, { recursive: true, force: true, maxRetries: 5 }) }
  process.once('exit', sweep)
  try { await start() } catch (error) { process.off('exit', sweep); sweep(); throw error }
  return {
    url, start,
    get pid() { return child?.pid },
    restart: async () => { await ended('SIGINT'); await start() },
    createDatabase: async () => {
      const name = `t${randomBytes(6).toString('hex')}`
      const { default: pg } = await import('pg')
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      try { await client.query(`CREATE DATABASE ${name}`) } finally { await client.end() }
      return url.replace(/\/postgres$/, `/${name}`)
    },
    kill9: async () => {
      const backends = child?.pid === undefined ? [] : childrenOf(child.pid)
      const over = ended('SIGKILL')
      for (const pid of backends) try { process.kill(pid, 'SIGKILL') } catch { /* it ended by itself */ }
      await over
      // Until the last backend is gone the server does not start again: it still holds the shared memory.
      while (backends.some((pid) => existsSync(`/proc/${pid}`))) await new Promise((next) => setImmediate(next))
    },
    stop: async () => { process.off('exit', sweep); await ended('SIGINT'); rmSync(dir, { recursive: true, force: true, maxRetries: 5 }) },
  }
}

const childrenOf = (pid: number): number[] => spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' }).stdout.split('\n').map(Number).filter((child) => child > 0)

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}
