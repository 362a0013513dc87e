// Starts a PostgreSQL or a Redis of our own for one measurement: a fresh directory, a free port on 127.0.0.1, a random password, durable commits.
// Whatever was started is in `running` until it was stopped and its directory removed; `stopAll` is what Ctrl-C calls. Servers get their own
// process group, so that Ctrl-C in a terminal reaches only us and they are stopped in order; on Linux the kernel also stops them if we are killed.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { accessSync, chownSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Server {
  url: string
  stop(): Promise<void>
}

const START_MS = 30_000
const STOP_MS = 10_000
// A server that cannot start says why in its first lines; more would only fill memory.
const LOG_CHARACTERS = 8_000

const running = new Set<() => Promise<void>>()
let closing = false
/** For the end of the process: nothing can be started after it. */
export async function stopAll(): Promise<void> {
  closing = true
  await Promise.allSettled([...running].map((stop) => stop()))
}

const isRoot = process.getuid?.() === 0

function findProgram(name: string, directories: string[] = []): string | undefined {
  return [...directories, ...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'].filter(Boolean).map((directory) => join(directory, name)).find((path) => {
    try { accessSync(path, constants.X_OK); return true } catch { return false /* not here, or not ours to run: the next directory may have it */ }
  })
}

/** Debian keeps the server programs of each version out of PATH; the newest one is taken. */
function postgresDirectories(): string[] {
  const base = '/usr/lib/postgresql'
  if (!existsSync(base)) return []
  return readdirSync(base).toSorted((a, b) => Number(b) - Number(a)).map((version) => join(base, version, 'bin'))
}
const findPostgres = (): string | undefined => findProgram('postgres', postgresDirectories())
const findInitdb = (): string | undefined => findProgram('initdb', postgresDirectories())

export function postgresMissing(): string | undefined {
  if (!findPostgres() || !findInitdb()) return 'PostgreSQL is not installed (Debian: apt-get install postgresql)'
  if (isRoot && !findProgram('setpriv')) return 'PostgreSQL refuses to run as root and setpriv is not installed (Debian: apt-get install util-linux)'
  if (isRoot && postgresIds() === undefined) return 'PostgreSQL refuses to run as root and there is no user postgres'
  return undefined
}
export const redisMissing = (): string | undefined => findProgram('redis-server') ? undefined : 'redis-server is not installed (Debian: apt-get install redis-server)'

const firstLine = (command: string, args: string[]): string => spawnSync(command, args, { encoding: 'utf8', timeout: 5_000 }).stdout?.split('\n')[0]?.trim() ?? ''
export const postgresVersion = (): string => firstLine(findPostgres() ?? 'postgres', ['--version']).replace(/^postgres \(PostgreSQL\) (\S+).*/, '$1')
export const redisVersion = (): string => /v=(\S+)/.exec(firstLine(findProgram('redis-server') ?? 'redis-server', ['--version']))?.[1] ?? ''

function postgresIds(): { uid: number; gid: number } | undefined {
  const [uid, gid] = ['-u', '-g'].map((flag) => Number.parseInt(firstLine('id', [flag, 'postgres']), 10))
  return Number.isInteger(uid) && Number.isInteger(gid) ? { uid: uid as number, gid: gid as number } : undefined
}

/** The command as another user where we are root, and with the wish to get `signal` when this process dies, where setpriv can do that. */
function guarded(program: string, args: string[], { user, signal }: { user?: string; signal?: string }): [string, string[]] {
  const setpriv = findProgram('setpriv')
  if (!setpriv) return [program, args]
  const options = [
    ...(isRoot && user ? ['--reuid', user, '--regid', user, '--init-groups'] : []),
    ...(signal ? ['--pdeathsig', signal] : []),
  ]
  return options.length > 0 ? [setpriv, [...options, program, ...args]] : [program, args]
}

export async function startPostgres(): Promise<Server> {
  const why = postgresMissing()
  if (why) throw new Error(why)
  const directory = newDirectory('pg')
  const data = join(directory, 'data')
  const password = randomBytes(16).toString('hex')
  const passwordFile = join(directory, 'password')
  return owning(directory, async (adopt) => {
    writeFileSync(passwordFile, password, { mode: 0o600 })
    mkdirSync(data, { mode: 0o700 })
    const ids = isRoot ? postgresIds() : undefined
    if (ids) for (const path of [directory, data, passwordFile]) chownSync(path, ids.uid, ids.gid)
    // --no-sync concerns the files initdb writes, which nobody needs after a crash; the server below syncs every commit.
    const [command, args] = guarded(findInitdb() as string,
      ['-D', data, '-U', 'bench', '--pwfile', passwordFile, '--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C', '--no-sync'], { user: 'postgres' })
    const made = spawnSync(command, args, { encoding: 'utf8', timeout: START_MS, cwd: directory })
    if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || made.error?.message || made.status}`)
    rmSync(passwordFile)
    const port = await freePort()
    const settings = {
      listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: '',
      fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on',
      shared_buffers: '256MB', max_connections: '100',
      // Few checkpoints inside a short run: where one falls would be chance.
      max_wal_size: '2GB', checkpoint_timeout: '15min',
    }
    const flags = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])
    const child = adopt(spawn(...guarded(findPostgres() as string, ['-D', data, ...flags], { user: 'postgres', signal: 'QUIT' }), { cwd: directory, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }), 'SIGINT')
    await untilReady('PostgreSQL', child, (log) => log.includes('database system is ready to accept connections'))
    return `postgres://bench:${password}@127.0.0.1:${port}/postgres`
  })
}

export type RedisSync = 'always' | 'everysec' | 'no'
export async function startRedis(sync: RedisSync): Promise<Server> {
  const why = redisMissing()
  if (why) throw new Error(why)
  const directory = newDirectory('redis')
  const password = randomBytes(16).toString('hex')
  return owning(directory, async (adopt) => {
    const port = await freePort()
    const child = adopt(spawn(...guarded(findProgram('redis-server') as string, ['-'], { signal: 'TERM' }), { cwd: directory, detached: true, stdio: ['pipe', 'pipe', 'pipe'] }), 'SIGTERM')
    // Through standard input, so that the password stands in no argument list and no file.
    child.stdin?.end([
      'bind 127.0.0.1', `port ${port}`, `dir ${directory}`, `requirepass ${password}`, 'daemonize no', 'save ""', 'maxmemory-policy noeviction',
      'appendonly yes', `appendfsync ${sync}`,
    ].join('\n'))
    await untilReady('Redis', child, (log) => log.includes('Ready to accept connections'))
    return `redis://:${password}@127.0.0.1:${port}`
  })
}

function newDirectory(name: string): string {
  if (closing) throw new Error('the run is being stopped')
  return mkdtempSync(join(tmpdir(), `lumaris-bench-${name}-`))
}

/** Runs `start` and hands out its server; whatever happens, process and directory go away with `stop`, once. */
async function owning(directory: string, start: (adopt: (child: ChildProcess, signal: NodeJS.Signals) => ChildProcess) => Promise<string>): Promise<Server> {
  let owned: { child: ChildProcess; signal: NodeJS.Signals } | undefined
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => stopping ??= (async () => {
    if (owned) await end(owned.child, owned.signal)
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
    running.delete(stop)
  })()
  running.add(stop)
  try {
    const url = await start((child, signal) => {
      owned = { child, signal }
      if (stopping) child.kill('SIGKILL')   // stopped between finding a port and starting: the directory is gone already
      child.on('error', () => { /* said by untilReady, which sees that the process is not there */ })
      return child
    })
    if (stopping) throw new Error('stopped while starting')
    return { url, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function untilReady(name: string, child: ChildProcess, isReady: (log: string) => boolean): Promise<void> {
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8')
    stream?.on('data', (text: string) => { if (log.length < LOG_CHARACTERS) log += text })   // keeps reading: a full pipe would block the server
  }
  const deadline = performance.now() + START_MS
  while (!isReady(log)) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) throw new Error(`${name} did not start: ${log.trim() || 'no output'}`)
    if (performance.now() > deadline) throw new Error(`${name} was not ready after ${START_MS / 1000} s: ${log.trim()}`)
    await sleep(20)
  }
}

/** A polite signal, then an impolite one. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill(signal)
  const killing = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await gone
  clearTimeout(killing)
}

/** A port that was free a moment ago. Someone else may take it first; then the server does not start and says so. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')))
    })
  })
}
