import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { GIB } from '@lumaris/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { configOf, nameFrom } from './main.ts'
import { startTinyMarket } from './tiny-market.ts'

const MAIN = new URL('./main.ts', import.meta.url).pathname

async function setup() {
  const market = await startTinyMarket()
  const dir = await mkdtemp(join(tmpdir(), 'lumaris-main-'))
  const module = join(dir, 'drivers.mjs')
  await writeFile(module, `import { createFakeDriver } from ${JSON.stringify(import.meta.resolve('@lumaris/testkit'))}\nexport default [createFakeDriver()]\n`)
  const children: ChildProcess[] = []
  const run = (...more: string[]) => {
    const child = spawn(process.execPath, [MAIN, '--server', market.url, '--data', join(dir, 'data'), '--driver-module', module, ...more], { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    return { child, out: text(child.stdout), says: text(child.stderr), exit: once(child, 'exit') as Promise<[number | null, string | null]> }
  }
  onTestFinished(async () => {
    for (const child of children) if (child.exitCode === null && child.signalCode === null) { child.kill('SIGKILL'); await once(child, 'exit') }
    await market.close()
    await rm(dir, { recursive: true })
  })
  return { market, run }
}

test('started as a process, it joins, works, and leaves in good order when asked', async () => {
  const { market, run } = await setup()
  const { child, out, exit } = run('--token', market.token('north'), '--name', 'north', '--cpu-hour', '0.25')
  await market.until(() => market.joined.size > 0)
  const job = market.submit({ command: ['fake:print', 'hello'], outputs: [] })
  await market.until(() => market.market.job(job)?.state === 'completed')
  expect(market.attemptOf(job)?.prices.cpuHour).toBe('250000')
  child.kill('SIGTERM')
  expect(await exit).toEqual([0, null])
  expect(market.received.at(-1)).toMatchObject({ type: 'bye' })
  const lines = (await out).trim().split('\n').map((line) => JSON.parse(line) as { msg: string; attempt?: string })
  expect(lines.find((line) => line.msg === 'attempt ended')?.attempt).toBe(market.attemptOf(job)?.id)
})

test('killed in the middle of work, the next start is let in, and the market learns at once what was lost', async () => {
  const { market, run } = await setup()
  const first = run('--token', market.token('north'), '--name', 'north')
  await market.until(() => market.joined.size > 0)
  const job = market.submit({ command: ['fake:hang'], limits: { runMs: 60_000 } })
  const lost = await market.until(() => (market.attemptOf(job)?.state === 'running' ? market.attemptOf(job) : null))
  first.child.kill('SIGKILL')
  await first.exit
  run()
  // The new session does not list it: no need to wait until its lease has run out.
  await market.until(() => market.market.attempt(lost.id)?.state === 'ended')
  expect(market.market.attempt(lost.id)).toMatchObject({ cause: 'seller_offline', session: 1 })
  const next = market.submit({ command: ['fake:exit', '0'], outputs: [] })
  await market.until(() => market.market.job(next)?.state === 'completed')
  expect(market.attemptOf(next)?.session).toBe(2)
})

test('what cannot be done is one sentence on stderr and exit code 1', async () => {
  const { run } = await setup()
  const { says, exit } = run('--name', 'north')
  expect(await exit).toEqual([1, null])
  expect(await says).toMatch(/^\/.*\/data has not joined a market yet; give a join token \(make one with: lumaris agent token\)\.\n$/)
})

test.each([
  [['--server', 'ftp://x'], '--server must be an address such as https://market.example, not "ftp://x".'],
  [['--server', 'http://x', '--cpu-hour', '-1'], 'See --help.'],
  [['--server', 'http://x', '--cpu-hour', 'many'], '--cpu-hour must be credits such as 0.5, not "many".'],
  [['--server', 'http://x', '--memory', '4 apples'], '--memory must be a size such as 512MiB or 4GiB, not "4 apples".'],
  [['--server', 'http://x', '--driver', 'docker'], '--driver docker is none of'],
  [['--server', 'http://x', '--label', 'gpu'], '--label must be KEY=VALUE, not "gpu".'],
  [['--server', 'http://x', '--gui-port', '70000'], '--gui-port must be a port from 0 to 65535, not "70000".'],
  [['--nonsense'], 'See --help.'],
  [['--server', 'http://x', '--container-runtime', 'kata'], '--container-runtime must be one of runc, crun, runsc, not "kata".'],
  [['--server', 'http://x', '--container-socket', 'docker.sock'], '--container-socket must be the whole path of a socket, or own, not "docker.sock".'],
  [['--server', 'http://x', '--registry', 'https://docker.io'], '--registry must be a host such as docker.io or registry.example:5000, not "https://docker.io".'],
  [['--server', 'http://x', '--registry-auth', '/no/such/file'], '--registry-auth: there is no file /no/such/file.'],
  [['--server', 'http://x', '--egress-limit', '1GiB'], '--egress-limit is for --egress'],
  [['--server', 'http://x', '--egress', '--egress-limit', 'all'], '--egress-limit must be a size such as 512MiB or 4GiB, not "all".'],
  [[], 'Which market?'],
])('%j is told what is wrong', (argv, says) => { expect(() => configOf(argv, {})).toThrow(says) })

test('options become a configuration', () => {
  expect(configOf(['--server', 'http://x', '--data', '/d', '--name', 'n', '--cpus', '1.5', '--memory', '4GiB', '--disk', '10g', '--cpu-hour', '0.5', '--label', 'a=b=c', '--driver', 'deno'], { LUMARIS_TOKEN: 't' })).toEqual({
    server: 'http://x', dataDir: '/d', name: 'n', token: 't', prices: { cpuHour: '500000' }, shares: { cpuMillis: 1500, memoryBytes: 4 * GIB, diskBytes: 10 * GIB }, labels: { a: 'b=c' }, driverIds: ['deno'],
    logLevel: 'info', driverModule: null, owner: {}, gui: { port: 0 },
  })
})

test('jobs are let out only when it is said on the command line, and no variable says so', () => {
  const variables = { LUMARIS_EGRESS: '1', EGRESS: 'true', HTTP_PROXY: 'http://x' }
  expect(configOf(['--server', 'http://x'], variables)).not.toHaveProperty('egress')
  expect(configOf(['--server', 'http://x', '--egress'], variables).egress).toEqual({})
  expect(configOf(['--server', 'http://x', '--egress', '--egress-limit', '1GiB'], {}).egress).toEqual({ limits: { bytes: GIB } })
})
test('options of containers become their settings', () => {
  expect(configOf(['--server', 'http://x', '--registry', 'docker.io', '--registry', 'r.example:5000', '--image-cache', '5GiB', '--container-socket', 'own', '--container-runtime', 'crun', '--registry-auth', MAIN], {}).containers)
    .toEqual({ registries: ['docker.io', 'r.example:5000'], imageCacheBytes: 5 * GIB, socket: null, runtime: 'crun', registryAuth: MAIN })
})

test.each([['Bob’s Laptop.local', 'bob-s-laptop-local'], ['---', 'node'], ['a'.repeat(80), 'a'.repeat(63)]])('the host %s becomes a node name', (host, name) => { expect(nameFrom(host)).toBe(name) })
