// The agent as a process of its own, with containers and nothing else to offer: jobs that name an image go all the way through a market; and what a
// killed agent leaves running is ended by the next start.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { MIB } from '@lumaris/protocol'
import { busyboxFiles, startRegistry } from '@lumaris/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { startTinyMarket } from '../tiny-market.ts'
import { INSTALL } from './container-engine.ts'
import { inPath } from './stage.ts'

const MAIN = new URL('../main.ts', import.meta.url).pathname
const busybox = busyboxFiles()
const missing = process.platform !== 'linux' || process.getuid?.() !== 0 ? ' (containers need root on Linux)' : !inPath('podman') || !inPath('runc') ? ` (podman is not installed: ${INSTALL})` : !busybox ? ' (busybox-static is not installed)' : ''

async function setup() {
  const market = await startTinyMarket(), registry = await startRegistry()
  const dataDir = mkdtempSync(join(tmpdir(), 'lumaris-agent-'))
  const owner = createHash('sha256').update(dataDir).digest('hex').slice(0, 12)
  const children: ChildProcess[] = []
  const start = (...more: string[]) => {
    const child = spawn(process.execPath, [MAIN, '--server', market.url, '--data', dataDir, '--name', 'north', '--driver', 'container', '--container-socket', 'own', '--registry', registry.host, ...more], { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    return { child, out: text(child.stdout), says: text(child.stderr), exit: once(child, 'exit') }
  }
  onTestFinished(async () => {
    for (const child of children) if (child.exitCode === null && child.signalCode === null) { child.kill('SIGKILL'); await once(child, 'exit') }
    await market.close()
    await registry.close()
    // A test that failed on the way leaves what an agent would have ended.
    const left = mountsOf(dataDir)
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) try { if (left.length > 0 && [dataDir, word].some((mark) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark))) process.kill(Number(pid), 'SIGKILL') } catch { /* gone */ }
    for (const place of left) spawnSync('umount', ['-l', place])
    rmSync(dataDir, { recursive: true, force: true })
    rmSync(join(tmpdir(), `lumaris-${owner}`), { recursive: true, force: true })
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(owner)
    expect(left).toEqual([])
    expect(readdirSync('/sys/fs/cgroup').filter((name) => existsSync(join('/sys/fs/cgroup', name, `lumaris-${owner}-containers`)))).toEqual([])
  })
  return { market, registry, start, dataDir }
}
const mountsOf = (dir: string): string[] => readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' ')[1] ?? '').filter((path) => path.startsWith(dir))
/** Marks the processes of this test's jobs. */
const word = `4545${process.pid}`
/** Processes of this machine that were started with this word. */
const running = (word: string): number => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).filter((pid) => { try { return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, 2).join(' ') === `sleep ${word}` } catch { return false /* gone */ } }).length

test.skipIf(missing)(`a job that names an image is run, one whose image does not exist ends as input_unavailable and costs no time${missing}`, { timeout: 300_000 }, async () => {
  const { market, registry, start } = await setup()
  const { child, exit, out } = start('--token', market.token('north'))
  await market.until(() => market.joined.size > 0)
  const image = registry.add('tools', { layers: [busybox ?? []] })
  const well = market.submit({ runtime: 'container', image, command: ['/bin/sh', '-c', 'echo $LUMARIS_TASK > made.txt'], resources: { memoryBytes: 64 * MIB } })
  const lost = market.submit({ runtime: 'container', image: `${registry.host}/nobody@sha256:${'0'.repeat(64)}`, command: ['/bin/true'] })
  const wrong = market.submit({ runtime: 'container', image, command: ['/bin/no-such-program'] })
  await market.until(() => [well, lost, wrong].every((id) => ['completed', 'failed'].includes(market.market.job(id)?.state ?? '')))
  expect(market.attemptOf(well)).toMatchObject({ cause: 'succeeded', driver: 'container', level: 'namespace' })
  expect(market.attemptOf(lost)).toMatchObject({ cause: 'input_unavailable' })
  expect(market.attemptOf(wrong)).toMatchObject({ cause: 'buyer_exit' })
  expect(market.attemptOf(lost)?.usage.runMs).toBe(0) // neither looking for an image nor fetching it is billed
  child.kill('SIGTERM')
  await exit
  expect(await out).toContain('agent starts')
})

test.skipIf(missing)(`what an agent leaves running when it is killed, the next start ends${missing}`, { timeout: 300_000 }, async () => {
  const { market, registry, start, dataDir } = await setup()
  const first = start('--token', market.token('north'))
  await market.until(() => market.joined.size > 0)
  const image = registry.add('tools', { layers: [busybox ?? []] })
  market.submit({ runtime: 'container', image, command: ['/bin/sh', '-c', `trap '' TERM; sleep ${word} & exec sleep ${word}`] })
  await expect.poll(() => running(word), { timeout: 60_000 }).toBe(2)
  first.child.kill('SIGKILL')
  await first.exit
  expect(running(word)).toBe(2)
  // The engine went with the agent. Of mounts there is what the job stands on, and nothing of the storage's own.
  expect(mountsOf(dataDir).map((path) => path.replaceAll(/[0-9a-f]{64}/g, 'ID')).sort()).toEqual([`${dataDir}/container/storage/overlay-containers/ID/userdata/shm`, `${dataDir}/container/storage/overlay/ID/merged`])
  const second = start('--log-level', 'info')
  await expect.poll(() => running(word), { timeout: 60_000 }).toBe(0)
  await market.until(() => market.joined.size > 0)
  second.child.kill('SIGTERM')
  await second.exit
  expect(await second.out).toContain('sandboxes of an earlier agent were still there, and were ended')
  expect(running(word)).toBe(0)
})
