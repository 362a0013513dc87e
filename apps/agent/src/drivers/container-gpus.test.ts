// Cards that are none: device files of the test's own, and a CDI file that names them, where podman looks for such files. What a container is given, what it
// is not, and what happens when the engine forgets it.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { busyboxFiles, startRegistry } from '@lumaris/testkit'
import type { TestRegistry } from '@lumaris/testkit'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { findGpus } from '../gpus/find-gpus.ts'
import type { FoundGpus } from '../gpus/find-gpus.ts'
import { wrongDevices } from '../gpus/hand-out.ts'
import { startTinyMarket } from '../tiny-market.ts'
import { createContainers } from './container.ts'
import { INSTALL } from './container-engine.ts'
import { MIB, runIn } from './driver.contract.ts'
import type { IsolationDriver } from './driver.ts'
import { createStages, inPath } from './stage.ts'
import type { Stages } from './stage.ts'

const busybox = busyboxFiles() ?? []
const missing = process.platform !== 'linux' || process.getuid?.() !== 0 ? ' (containers need root on Linux)' : !inPath('podman') || !inPath('runc') ? ` (podman is not installed: ${INSTALL})` : busybox.length === 0 ? ' (busybox-static is not installed)' : ''
/** Where podman reads them; nothing else of the machine is touched. */
const CDI = '/var/run/cdi'
const kind = `lumaris-${process.pid}.test/gpu`, cdiFile = join(CDI, `lumaris-test-${process.pid}.json`)
/** A character device that anybody may open (FUSE's), and one behind which there is no driver. */
const NUMBERS = [[10, 229], [241, 77]] as const

/** A machine with two cards, made of files. */
function makeCards(): { home: string; find: () => Promise<FoundGpus> } {
  const home = mkdtempSync(join(tmpdir(), 'lumaris-cards-')), at = (path: string): string => join(home, path)
  const had = existsSync(CDI)
  for (const dir of [CDI, at('dev')]) mkdirSync(dir, { recursive: true })
  for (const [i, [major, minor]] of NUMBERS.entries()) {
    const pci = `0000:0${i + 1}:00.0`
    mkdirSync(at(`proc/driver/nvidia/gpus/${pci}`), { recursive: true })
    writeFileSync(at(`proc/driver/nvidia/gpus/${pci}/information`), `Model: NVIDIA H200\nGPU UUID: GPU-${i}\nDevice Minor: ${i}\n`)
    spawnSync('mknod', ['-m', '666', at(`dev/nvidia${i}`), 'c', String(major), String(minor)])
  }
  writeFileSync(at('library'), 'of the vendor\n')
  writeFileSync(cdiFile, JSON.stringify({
    cdiVersion: '0.5.0', kind, devices: NUMBERS.map((_, i) => ({ name: `${i}`, containerEdits: { env: [`CARD_${i}=given`], deviceNodes: [{ path: `/dev/nvidia${i}`, hostPath: at(`dev/nvidia${i}`) }] } })),
    containerEdits: { mounts: [{ hostPath: at('library'), containerPath: '/opt/library', options: ['ro', 'nosuid', 'nodev', 'bind'] }] },
  }))
  clean = () => { rmSync(cdiFile, { force: true }); rmSync(home, { recursive: true, force: true }); if (!had && readdirSync(CDI).length === 0) rmSync(CDI, { recursive: true }) }
  return { home, find: () => findGpus({ proc: at('proc'), sys: at('sys'), dev: at('dev'), cdi: [CDI], nvidiaSmi: at('no-smi') }) }
}
let clean = (): void => undefined

describe.skipIf(missing)(`graphics cards for containers${missing}`, () => {
  const owner = `testgpu${process.pid}`, scratch = join(tmpdir(), `lumaris-${owner}`)
  let cards: ReturnType<typeof makeCards>, home: string, registry: TestRegistry, stages: Stages, driver: IsolationDriver, image: string
  beforeAll(async () => {
    cards = makeCards()
    home = mkdtempSync(join(tmpdir(), 'lumaris-test-gpus-'))
    registry = await startRegistry()
    stages = await createStages({ scratch: join(scratch, 'stages'), owner })
    const opened = await createContainers({ dataDir: join(home, 'data'), runDir: join(scratch, 'engine'), stages, owner, socket: null, runtime: 'runc', registries: [registry.host], findGpus: () => cards.find() })
    if ('reason' in opened) throw new Error(opened.reason)
    driver = opened.driver
    image = registry.add('tools', { layers: [busybox], config: { Env: ['PATH=/usr/bin:/bin'] } })
  }, 300_000)
  afterAll(async () => {
    await driver.reap(); await driver.close?.(); await stages.reap(); await registry.close()
    clean()
    rmSync(home, { recursive: true, force: true }); rmSync(scratch, { recursive: true, force: true })
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toMatch(new RegExp(`${owner}|${home}`))
  })
  const sh = (script: string, gpus?: number, limits = {}) => runIn({ ...driver, start: (job) => driver.start({ ...job, image, ...(gpus === undefined ? {} : { gpus }) }) }, { runtime: 'container', command: ['/bin/sh', '-c', script], limits })
  const LOOK = 'for f in /dev/nvidia*; do [ -e $f ] && stat -c "%n %t:%T" $f; done; echo "0=$CARD_0 1=$CARD_1"; cat /opt/library 2>/dev/null'

  test('the probe hands out what a container of this engine really saw', { timeout: 300_000 }, async () => {
    const report = await driver.probe()
    expect(report, JSON.stringify(report)).toMatchObject({ usable: true, evidence: { gpus: '2 × nvidia-h200' } })
    expect(driver.gpus).toMatchObject([{ model: 'nvidia-h200', cdi: { name: `${kind}=0` } }, { cdi: { name: `${kind}=1` } }])
  })
  test('a job sees the cards it was given: their files, what the vendor\'s CDI file sets and mounts, and may open them', async () => {
    const { out, end } = await sh(`${LOOK}; exec 3<>/dev/nvidia0 && echo opened`, 1)
    expect({ out, cause: end.cause, code: end.code }).toEqual({ out: '/dev/nvidia0 a:e5\n0=given 1=\nof the vendor\nopened\n', cause: 'exit', code: 0 })
    expect((await sh(LOOK, 2)).out).toBe('/dev/nvidia0 a:e5\n/dev/nvidia1 f1:4d\n0=given 1=given\nof the vendor\n')
  })
  test('a job without cards sees none, and neither makes nor opens one', async () => {
    const { out } = await sh(`${LOOK}; mknod /tmp/card c 10 229 2>/dev/null && echo made; mknod /work/card c 10 229 2>/dev/null && echo made; ls /proc/driver/nvidia 2>/dev/null; find / -type c -name 'nvidia*' 2>/dev/null`)
    expect(out).toBe('0= 1=\n')
  })
  test('two jobs at once have one each, a third is told that none is free, and an end gives them back', { timeout: 300_000 }, async () => {
    const start = async (id: string, then = 'true') => {
      const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
      const sandbox = await driver.start({ attemptId: id, runtime: 'container', image, command: ['/bin/sh', '-c', `echo /dev/nvidia*; ${then}`], env: {}, workDir, gpus: 1, limits: { cpuMillis: 500, memoryBytes: 64 * MIB, pids: 16, diskBytes: MIB, outputBytes: 1000, wallMs: 60_000, openFiles: 64 } })
      let out = ''
      sandbox.stdout.setEncoding('utf8').on('data', (piece: string) => { out += piece })
      sandbox.stderr.resume()
      return { sandbox, said: () => out.trim(), workDir }
    }
    const one = await start('att_one', 'exec sleep 60'), two = await start('att_two', 'exec sleep 60')
    await expect.poll(one.said).not.toBe('')
    await expect.poll(two.said).not.toBe('')
    expect([one.said(), two.said()].sort()).toEqual(['/dev/nvidia0', '/dev/nvidia1'])
    const three = await start('att_three')
    expect(await three.sandbox.exit).toMatchObject({ cause: 'driver', detail: '1 graphics cards are wanted, and 0 are free' })
    await one.sandbox.kill('enough')
    const four = await start('att_four')
    expect(await four.sandbox.exit).toMatchObject({ cause: 'exit' })
    expect(four.said()).toBe(one.said())
    await two.sandbox.kill('enough')
    for (const { workDir } of [one, two, three, four]) rmSync(workDir, { recursive: true })
    expect((await sh(LOOK, 3)).end).toMatchObject({ cause: 'driver', detail: '3 graphics cards are wanted, and 2 are free' })
  })
  test('the container with cards is kept in as the others are', { timeout: 300_000 }, async () => {
    const { out } = await sh(`id -u; grep -E '^(Cap(Eff|Bnd|Prm)|NoNewPrivs|Seccomp):' /proc/self/status | tr '\\t' ' '; ls /sys/class/net; touch /x 2>/dev/null && echo written; touch /opt/library 2>/dev/null && echo written; unshare -r true 2>/dev/null && echo namespace; mount -t tmpfs none /tmp 2>/dev/null && echo mounted; ls /proc | grep -c '^[0-9]'; hostname; df -m /work | tail -1 | awk '{print ($2 < 40)}'; for d in /run /var/tmp /dev/shm /tmp; do df -m $d | tail -1 | awk '{print $2}'; done; ulimit -n; ulimit -c`, 1)
    const lines = out.trim().split('\n')
    expect(Number(lines.shift())).toBeGreaterThanOrEqual(61_000)
    expect(lines).toEqual(['CapPrm: 0000000000000000', 'CapEff: 0000000000000000', 'CapBnd: 0000000000000000', 'NoNewPrivs: 1', 'Seccomp: 2', 'lo', expect.stringMatching(/^\d$/), 'job', '1', '1', '1', '16', '64', '256', '0'])
    expect((await sh('dd if=/dev/zero of=/dev/shm/x bs=1M count=15 2>/dev/null; yes | tr \\\\n x | head -c 200m | grep n', 1, { memoryBytes: 48 * MIB })).end).toMatchObject({ cause: 'memory' })
    expect((await sh('while :; do :; done', 1, { wallMs: 700, cpuMillis: 250 })).end).toMatchObject({ cause: 'wall' })
    expect((await sh('i=0; while [ $i -lt 64 ]; do sleep 1 & i=$((i+1)); done; echo all', 1, { pids: 8 })).out).not.toContain('all')
  })
  test('a card that the engine forgets, or another than was given, ends the attempt before its program begins', async () => {
    // The CDI file loses its device between the look at start and the order, as when a driver is updated.
    const before = readFileSync(cdiFile, 'utf8')
    try {
      writeFileSync(cdiFile, before.replace('"path":"/dev/nvidia0"', '"path":"/dev/elsewhere"'))
      expect(await sh('echo begun', 1)).toMatchObject({ out: '', end: { cause: 'driver', detail: `the container does not see /dev/nvidia0 of ${kind}=0` } })
      const [zero, one] = (JSON.parse(before) as { devices: [{ containerEdits: { deviceNodes: object[] } }, { containerEdits: { deviceNodes: object[] } }] }).devices
      zero.containerEdits.deviceNodes.push(...one.containerEdits.deviceNodes)
      writeFileSync(cdiFile, JSON.stringify({ ...JSON.parse(before) as object, devices: [zero, one] }))
      expect(await sh('echo begun', 1)).toMatchObject({ out: '', end: { cause: 'driver', detail: `the container sees ${kind}=1, which was not given to it` } })
      writeFileSync(cdiFile, before.replace('/opt/library', '/opt/other'))
      expect(await sh('echo begun', 1)).toMatchObject({ out: '', end: { cause: 'driver', detail: expect.stringContaining('does not see /opt/library') } })
      rmSync(cdiFile)
      expect(await sh('echo begun', 1)).toMatchObject({ out: '', end: { cause: 'driver', detail: expect.stringMatching(/could not be started: .*CDI/) } })
    } finally { writeFileSync(cdiFile, before) }
    expect((await sh('echo begun', 1)).out).toBe('begun\n')
  })
  test('where the cards are hidden from a look, a file is not taken for one', () => {
    const root = mkdtempSync(join(tmpdir(), 'lumaris-root-'))
    mkdirSync(join(root, 'dev'))
    writeFileSync(join(root, 'dev/nvidia0'), '')
    expect(wrongDevices(root, driver.gpus?.slice(0, 1) ?? [], driver.gpus ?? [])).toContain('does not see /dev/nvidia0')
    rmSync(root, { recursive: true })
  })
  test('drivers that give none refuse a job that wants one', async () => {
    await expect(stages.open({ attemptId: 'att_x', runtime: 'native', command: ['x'], env: {}, workDir: home, gpus: 1, limits: { cpuMillis: 100, memoryBytes: MIB, pids: 1, diskBytes: MIB, outputBytes: 1, wallMs: 1, openFiles: 1 } })).rejects.toThrow('to containers only')
  })
})

describe.skipIf(missing)(`partitions of a card for containers${missing}`, () => {
  const owner = `testmig${process.pid}`, scratch = join(tmpdir(), `lumaris-${owner}`), partsFile = join(CDI, `lumaris-test-parts-${process.pid}.json`), parts = `lumaris-${process.pid}.test/part`
  /** Their card's file, which all of them are given, and one for each that no other has. */
  const NODES = [[10, 229], [241, 81], [241, 82]] as const
  let home: string, registry: TestRegistry, stages: Stages, driver: IsolationDriver | undefined, image: string, had: boolean
  const at = (name: string): string => join(home, 'dev', name), file = (i: number): string => (i === 0 ? 'nvidia0' : `nvidia-cap${i}`)
  const entry = (i: number, has: readonly number[]) => ({ name: `0:${i - 1}`, containerEdits: { deviceNodes: has.map((one) => ({ path: `/dev/${file(one)}`, hostPath: at(file(one)) })) } })
  const write = (devices: readonly object[]): void => { writeFileSync(partsFile, JSON.stringify({ cdiVersion: '0.5.0', kind: parts, devices })) }
  const part = (i: number) => ({
    vendor: 'nvidia' as const, pci: '0000:01:00.0', model: 'nvidia-h200', memoryBytes: null, node: at('nvidia0'), part: { profile: '1g.18gb', share: 142, nodes: [at(file(i))] },
    cdi: { name: `${parts}=0:${i - 1}`, own: [{ path: '/dev/nvidia0', hostPath: at('nvidia0') }, { path: `/dev/${file(i)}`, hostPath: at(file(i)) }], shared: [], mounts: [] },
  })
  beforeAll(async () => {
    had = existsSync(CDI)
    home = mkdtempSync(join(tmpdir(), 'lumaris-test-parts-'))
    for (const dir of [CDI, join(home, 'dev')]) mkdirSync(dir, { recursive: true })
    NODES.forEach(([major, minor], i) => spawnSync('mknod', ['-m', '666', at(file(i)), 'c', String(major), String(minor)]))
    write([entry(1, [0, 1]), entry(2, [0, 2])])
    registry = await startRegistry()
    stages = await createStages({ scratch: join(scratch, 'stages'), owner })
    const opened = await createContainers({ dataDir: join(home, 'data'), runDir: join(scratch, 'engine'), stages, owner, socket: null, runtime: 'runc', registries: [registry.host], findGpus: () => Promise.resolve({ gpus: [part(1)], others: [part(2)], problems: [] }) })
    if ('reason' in opened) throw new Error(opened.reason)
    driver = opened.driver
    image = registry.add('tools', { layers: [busybox], config: { Env: ['PATH=/usr/bin:/bin'] } })
    expect(await opened.driver.probe()).toMatchObject({ usable: true, evidence: { gpus: '1 × nvidia-h200/1g.18gb' } })
  }, 300_000)
  afterAll(async () => {
    await driver?.reap(); await driver?.close?.(); await stages.reap(); await registry.close()
    for (const path of [partsFile, home, scratch]) rmSync(path, { recursive: true, force: true })
    if (!had && readdirSync(CDI).length === 0) rmSync(CDI, { recursive: true })
  })
  const look = (gpus: number) => runIn({ ...(driver as IsolationDriver), start: (job) => (driver as IsolationDriver).start({ ...job, image, gpus }) }, { runtime: 'container', command: ['/bin/sh', '-c', 'ls /dev | grep nvidia; mknod /tmp/other c 241 82 2>/dev/null && echo made; exec 4<>/dev/nvidia-cap2 && echo opened'] })
  test('a job sees its card and its own partition, and none beside it', { timeout: 300_000 }, async () => {
    expect((await look(1)).out).toBe('nvidia-cap1\nnvidia0\n')
    expect((await look(0)).out).toBe('')
    expect((await look(2)).end).toMatchObject({ cause: 'driver', detail: '2 graphics cards are wanted, and 1 are free' })
  })
  test('an entry that would show a neighbour, even one that is not handed out here, ends the attempt before its program begins', { timeout: 300_000 }, async () => {
    try {
      write([entry(1, [0, 1, 2]), entry(2, [0, 2])])
      expect(await look(1)).toMatchObject({ out: '', end: { cause: 'driver', detail: `the container sees ${parts}=0:1, which was not given to it` } })
    } finally { write([entry(1, [0, 1]), entry(2, [0, 2])]) }
    expect((await look(1)).out).toBe('nvidia-cap1\nnvidia0\n')
  })
})

const AGENT = `const { startAgent } = await import(process.argv[1] + 'agent.ts'), { findGpus } = await import(process.argv[1] + 'gpus/find-gpus.ts')
const [, , server, dataDir, home, registry, token] = process.argv
const agent = await startAgent({ server, dataDir, name: 'north', ...(token ? { token } : {}), driverIds: ['container'], containers: { socket: null, runtime: 'runc', registries: [registry], findGpus: () => findGpus({ proc: home + '/proc', sys: home + '/sys', dev: home + '/dev', cdi: ['${CDI}'], nvidiaSmi: home + '/no-smi' }) } })
process.on('SIGTERM', () => void agent.stop())
await agent.ended`
test.skipIf(missing)(`a node offers the cards it found; those of a job whose agent was killed are free again with the next start, and the job is ended${missing}`, { timeout: 300_000 }, async () => {
  const market = await startTinyMarket(), registry = await startRegistry(), cards = makeCards()
  const dataDir = mkdtempSync(join(tmpdir(), 'lumaris-agent-')), owner = createHash('sha256').update(dataDir).digest('hex').slice(0, 12)
  const children: ChildProcess[] = []
  const start = (token = '') => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', AGENT, new URL('../', import.meta.url).pathname, market.url, dataDir, cards.home, registry.host, token], { stdio: ['ignore', 'ignore', 'pipe'] })
    children.push(child)
    return { child, says: text(child.stderr), exit: once(child, 'exit') }
  }
  onTestFinished(async () => {
    for (const child of children) if (child.exitCode === null && child.signalCode === null) { child.kill('SIGTERM'); await once(child, 'exit') }
    await market.close(); await registry.close()
    clean()
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toMatch(new RegExp(`${owner}|${dataDir}`))
    rmSync(dataDir, { recursive: true, force: true }); rmSync(join(tmpdir(), `lumaris-${owner}`), { recursive: true, force: true })
  })
  const word = `4646${process.pid}`
  const running = (): number => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).filter((pid) => { try { return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`sleep\0${word}`) } catch { return false /* gone */ } }).length
  const first = start(market.token('north'))
  await market.until(() => market.joined.size > 0)
  const [node] = [...market.market.state.nodes.values()]
  expect(node).toMatchObject({ capacity: { gpus: 2, gpuModel: 'nvidia-h200' }, drivers: [{ id: 'container', gpus: true }] })
  const image = registry.add('tools', { layers: [busybox] })
  const resources = { memoryBytes: 64 * MIB, gpus: 2, gpuModels: ['nvidia-h200'] }
  market.submit({ runtime: 'container', image, command: ['/bin/sh', '-c', `exec sleep ${word}`], resources, limits: { retries: 0 } })
  await expect.poll(running, { timeout: 60_000 }).toBe(1)
  first.child.kill('SIGKILL')
  await first.exit
  expect(running()).toBe(1)
  const second = start()
  await expect.poll(running, { timeout: 60_000 }).toBe(0)
  await market.until(() => market.joined.size > 0)
  const next = market.submit({ runtime: 'container', image, command: ['/bin/sh', '-c', 'echo /dev/nvidia*'], resources, outputs: [] })
  await market.until(() => ['completed', 'failed'].includes(market.market.job(next)?.state ?? ''))
  expect(market.attemptOf(next)).toMatchObject({ cause: 'succeeded' })
  expect(market.logOf(market.attemptOf(next)?.id)).toBe('/dev/nvidia0 /dev/nvidia1\n')
  second.child.kill('SIGTERM')
  await second.exit
  expect(await second.says).toBe('')
})
