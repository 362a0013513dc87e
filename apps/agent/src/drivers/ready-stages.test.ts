// What waits for jobs, looked at while it waits: that it knows nothing of the jobs before it, is used once, stays within its bounds, and goes when it should.
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startAgent } from '../agent.ts'
import { startTinyMarket } from '../tiny-market.ts'
import { createBwrapDriver, createWall } from './bwrap.ts'
import { createDenoDriver } from './deno.ts'
import type { ExitReport } from './driver.ts'
import { MIB, namesIn, runIn } from './driver.contract.ts'
import { scratchOf } from './find-drivers.ts'
import { createStages } from './stage.ts'

const scratch = join(tmpdir(), `lumaris-test-ready-${process.pid}`), owner = `testr${process.pid}`
const stages = await createStages({ scratch: join(scratch, 'stages'), owner })
const wall = createWall({ scratch: join(scratch, 'wall'), stages })
const deno = createDenoDriver({ scratch: join(scratch, 'deno'), stages, wall }), bwrap = wall ? createBwrapDriver(wall) : null
afterEach(() => stages.ready.keep(0))
afterAll(async () => { await stages.reap(); rmSync(scratch, { recursive: true, force: true }) })

const ROOM = 2048 * MIB, SHAPE = { memoryBytes: 256 * MIB, diskBytes: 8 * MIB }
const group = (controller = 'pids'): string => `/sys/fs/cgroup/${stages.cgroups?.version === 1 ? `${controller}/` : ''}lumaris-${owner}`
const waiting = (): string[] => namesIn(group()).filter((name) => name.startsWith('ready-'))
const pidsOf = (name: string): string[] => { try { return readFileSync(join(group(), name, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean) } catch { return [] /* gone */ } }
const pidsWaiting = (): string[] => waiting().flatMap(pidsOf)
const mounts = (): number => readFileSync('/proc/self/mounts', 'utf8').split('\n').filter((line) => line.includes(scratch)).length
const fileOf = (pid: string, name: string): string => { try { return readFileSync(`/proc/${pid}/${name}`, 'latin1') } catch { return '' /* gone */ } }
const hello = (secret: string) => ({ runtime: 'javascript' as const, command: ['main.js', secret], files: { 'main.js': `console.log(Deno.args[0]); Deno.writeTextFileSync('left', Deno.args[0])`, input: secret }, limits: SHAPE, stdin: secret })

const missing = !deno || !bwrap ? 'deno or bubblewrap is not installed' : !stages.cgroups || !stages.limitsDisk ? 'it needs root, control groups and disks of their own' : null
if (missing || !deno || !bwrap) test.skip(`what stands ready: ${missing}`, () => undefined)
else describe('what stands ready', () => {
  test('nothing does, until it is given room', async () => {
    await runIn(deno, hello('x'))
    await stages.ready.settled()
    expect([waiting(), mounts()]).toEqual([[], 0])
  })
  test('it knows nothing of the jobs before it: no word, variable, input or result', async () => {
    await stages.ready.keep(ROOM)
    const secret = `secret-${process.pid}-of-the-buyer`
    for (let i = 0; i < 2; i++) {
      // With a variable of its own; and without, as the ones that wait are for.
      await runIn(deno, { ...hello(secret), env: { TOKEN_OF_THE_BUYER: secret } })
      expect((await runIn(deno, hello(secret))).out.trim()).toBe(secret)
      await runIn(bwrap, { runtime: 'native', command: ['/bin/sh', '-c', `echo ${secret} > left`], env: { TOKEN_OF_THE_BUYER: secret }, limits: SHAPE })
      await stages.ready.settled()
    }
    const pids = pidsWaiting()
    expect(pids.length).toBeGreaterThan(2)
    for (const pid of pids) expect(`${fileOf(pid, 'cmdline')} ${fileOf(pid, 'environ')}`, pid).not.toMatch(new RegExp(`${secret}|TOKEN_OF_THE_BUYER`))
    for (const name of waiting()) expect(readdirSync(join(scratch, 'stages', 'disks', name))).toEqual([])
  })
  test('one is for disks of any usual size, and each job has the size it asked for, however it fills it', async () => {
    await stages.ready.keep(ROOM)
    // As much as it can write; then holes, names and room that is only reserved, which must not be more either.
    const fill = 'head -c 1000000000 /dev/zero > all 2> /dev/null; stat -c %s all; rm all; head -c 1000000000 /dev/zero | split -a 5 -b 16385 - many 2> /dev/null; du -s --block-size=1 . | cut -f 1; rm -r many*; fallocate -l 300000000 reserved 2> /dev/null || echo refused'
    await runIn(bwrap, { runtime: 'native', command: ['/bin/true'], limits: SHAPE })
    for (const diskBytes of [3 * MIB, 40 * MIB]) {
      await stages.ready.settled()
      const before = waiting(), { out, end } = await runIn(bwrap, { runtime: 'native', command: ['/bin/sh', '-c', fill], limits: { ...SHAPE, diskBytes, wallMs: 60_000 } })
      expect(before.filter((name) => !waiting().includes(name))).toHaveLength(1)
      expect(out.split('\n'), end.detail).toHaveLength(4)
      const [all, many] = out.split('\n').map(Number) as [number, number]
      for (const took of [all, many]) { expect(took).toBeGreaterThanOrEqual(diskBytes * 0.95); expect(took).toBeLessThan(diskBytes * 1.05 + 5 * MIB) }
      expect(out).toContain('refused')
    }
  })
  test('before anybody has asked, what is usual stands ready, and the first job of its kind takes it', async () => {
    const fresh = await createStages({ scratch: join(scratch, 'fresh'), owner: `${owner}f` }), behind = createWall({ scratch: join(scratch, 'fresh-wall'), stages: fresh })
    const js = createDenoDriver({ scratch: join(scratch, 'fresh-deno'), stages: fresh, wall: behind }), sh = behind && createBwrapDriver(behind)
    if (!js || !sh) throw new Error('they were there above')
    try {
      for (const driver of [js, sh]) await driver.keepReady?.(ROOM)
      await fresh.ready.settled()
      expect(fresh.ready.count).toBe(3)
      const usual = { ...SHAPE, openFiles: 1024, memoryBytes: 512 * MIB }, env = Object.fromEntries(['JOB', 'ATTEMPT', 'TASK', 'TASKS', 'FENCE'].map((name) => [`LUMARIS_${name}`, '1']))
      // A job that begins cold has a control group in its own name.
      const seen = new Set<string>(), looks = setInterval(() => { for (const name of namesIn(group().replace(owner, `${owner}f`))) if (!/^ready-|\./.test(name)) seen.add(name) }, 1)
      const begins = async (job: Promise<{ end: ExitReport }>): Promise<string[]> => { seen.clear(); expect((await job).end.cause).toBe('exit'); await fresh.ready.settled(); return [...seen].filter((name) => name.startsWith('att')) }
      try {
        expect(await begins(runIn(sh, { runtime: 'native', command: ['/bin/sleep', '0.1'], limits: { ...usual, diskBytes: 500 * MIB } }))).toEqual([])
        expect(await begins(runIn(js, { ...hello('x'), env, limits: { ...usual, diskBytes: 512 * MIB } }))).toEqual([])
        expect(await begins(runIn(sh, { runtime: 'native', command: ['/bin/sleep', '0.1'], limits: { ...usual, diskBytes: 2048 * MIB } }))).toHaveLength(1)
      } finally { clearInterval(looks) }
    } finally { await fresh.ready.keep(0); await fresh.reap() }
  })
  test('each is used by one job and never again, and its end leaves nothing', async () => {
    await stages.ready.keep(ROOM)
    await runIn(deno, hello('first'))
    const seen = new Set<string>()
    for (let i = 0; i < 3; i++) {
      await stages.ready.settled()
      const before = waiting()
      for (const name of before) expect(seen.has(name)).toBe(false)
      await runIn(deno, hello('next'))
      const used = before.filter((name) => !waiting().includes(name))
      expect(used).toHaveLength(1)
      for (const name of used) { seen.add(name); expect(existsSync(join(scratch, 'stages', 'disks', name))).toBe(false) }
    }
    await stages.ready.settled()
    const both = await Promise.all(['one', 'two'].map((word) => runIn(deno, hello(word))))
    expect(both.map(({ out, files }) => [out.trim(), files['left']])).toEqual([['one', 'one'], ['two', 'two']])
    await stages.ready.keep(0)
    expect([waiting(), mounts(), namesIn(join(scratch, 'stages', 'disks'))]).toEqual([[], 0, []])
  })
  test('so many and no more, and no more memory than there is room for; what becomes too much goes at once', async () => {
    await stages.ready.keep(ROOM)
    for (const more of [1, 2, 3, 4, 5, 6, 7, 8]) await runIn(bwrap, { runtime: 'native', command: ['/bin/true'], limits: { ...SHAPE, openFiles: 64 + more } })
    await stages.ready.settled()
    expect(waiting()).toHaveLength(5) // four kinds, and two of the last
    await stages.ready.keep(40 * MIB)
    expect(waiting()).toHaveLength(2) // of 16 MiB each
    await runIn(deno, hello('x'))
    await stages.ready.settled()
    expect(waiting()).toHaveLength(2) // Deno's 96 do not fit
    await stages.ready.keep(0)
    expect(waiting()).toEqual([])
  })
  test('its control group keeps it small while it waits, and is the job\'s when there is one', async () => {
    await stages.ready.keep(ROOM)
    const limitOf = (name: string): number => Number(readFileSync(stages.cgroups?.version === 1 ? join(group('memory'), name, 'memory.limit_in_bytes') : join(group(), name, 'memory.max'), 'utf8'))
    await runIn(deno, hello('x'))
    await stages.ready.settled()
    const [before] = waiting() as [string]
    expect(limitOf(before)).toBe(96 * MIB)
    const grows = (memoryBytes: number) => runIn(deno, { runtime: 'javascript', command: ['main.js'], files: { 'main.js': `const all = []; for (let i = 0; i < 160; i++) all.push(new Uint8Array(${MIB}).fill(1)); console.log(all.length)` }, limits: { ...SHAPE, memoryBytes } })
    expect((await grows(SHAPE.memoryBytes)).out.trim()).toBe('160') // more than it might have while it waited
    await runIn(deno, { ...hello('x'), limits: { ...SHAPE, memoryBytes: 128 * MIB } })
    await stages.ready.settled()
    expect((await grows(128 * MIB)).end).toMatchObject({ cause: 'memory' })
  })
  test('what it took while it waited is not on the bill', async () => {
    await stages.ready.keep(ROOM)
    const shape = { ...SHAPE, memoryBytes: 300 * MIB } // which none of the tests above has
    const cold = await runIn(deno, { ...hello('1'), limits: shape })
    await stages.ready.settled()
    const warm = await runIn(deno, { ...hello('1'), limits: shape })
    expect([cold.out, warm.out]).toEqual(['1\n', '1\n'])
    expect(warm.end.usage.cpuMs).toBeLessThan(cold.end.usage.cpuMs / 2)
  })
  test('one that was ended while it waited is given to nobody: the job begins as ever', async () => {
    await stages.ready.keep(ROOM)
    await runIn(deno, hello('first'))
    await stages.ready.settled()
    const before = waiting()
    for (const pid of pidsWaiting()) try { process.kill(Number(pid), 'SIGKILL') } catch { /* it went with another */ }
    await expect.poll(() => waiting().filter((name) => before.includes(name))).toEqual([])
    const { out, end } = await runIn(deno, hello('second'))
    expect([out.trim(), end.cause]).toEqual(['second', 'exit'])
  })
  test('a kind that cannot stand ready is tried once, and its jobs begin as ever', async () => {
    await stages.ready.keep(ROOM)
    // Deno takes more than this before it could wait.
    const tiny = { runtime: 'javascript' as const, command: ['main.js'], files: { 'main.js': 'console.log("ran")' }, limits: { ...SHAPE, memoryBytes: 4 * MIB } }
    const ends = [await runIn(deno, tiny)]
    await stages.ready.settled()
    expect(pidsWaiting().map((pid) => fileOf(pid, 'cmdline')).filter((words) => words.includes('max-old-space-size=16'))).toEqual([])
    ends.push(await runIn(deno, tiny))
    expect(new Set(ends.map(({ end }) => end.cause)).size).toBe(1)
  })
  test('jobs of a market are taken from it, variables of theirs and all, and an agent that stops leaves nothing of it', { timeout: 300_000 }, async () => {
    const market = await startTinyMarket(), dataDir = mkdtempSync(join(tmpdir(), 'lumaris-ready-'))
    const root = group().replace(owner, createHash('sha256').update(dataDir).digest('hex').slice(0, 12)), groups = (): string[] => namesIn(root).filter((name) => /^(ready|att|probe)/.test(name))
    const agent = await startAgent({ server: market.url, dataDir, token: market.token('north'), name: 'north', capacity: { cpuMillis: 8000, memoryBytes: 8192 * MIB, diskBytes: 8192 * MIB, gpus: 0 }, driverIds: ['deno'] })
    try {
      const input = market.put('console.log(Deno.env.get("LUMARIS_TASK"), Deno.args[0]); if (Deno.args[0] === "stay") setInterval(() => {}, 1000)')
      const submit = (word: string) => market.submit({ runtime: 'javascript', command: ['main.js', word], inputs: [{ path: 'main.js', ...input }], outputs: [], resources: { memoryBytes: 256 * MIB, diskBytes: 8 * MIB } })
      const first = submit('first')
      await market.until(() => market.market.job(first)?.state === 'completed')
      await expect.poll(groups, { timeout: 60_000 }).toEqual(Array.from({ length: 3 }, () => expect.stringMatching(/^ready-/) as string)) // two of its kind, and the usual one
      const ready = groups(), second = submit('stay')
      await market.until(() => market.logOf(market.attemptOf(second)?.id) === '0 stay\n')
      expect(groups().filter((name) => !name.startsWith('ready-'))).toEqual([]) // an attempt that began cold has one in its own name
      expect(ready.filter((name) => groups().includes(name)).length).toBeGreaterThan(0)
    } finally { await agent.stop(); await market.close() }
    expect(existsSync(root)).toBe(false)
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(createHash('sha256').update(dataDir).digest('hex').slice(0, 12))
    for (const dir of [dataDir, scratchOf(dataDir)]) rmSync(dir, { recursive: true, force: true })
  })
  test('when the agent is killed, what waits ends by itself; the next start takes the rest away', { timeout: 300_000 }, async () => {
    const other = `${owner}k`, place = mkdtempSync(join(tmpdir(), 'lumaris-ready-'))
    const child = spawn(process.execPath, ['--input-type=module', '-e', `
      import { chmodSync } from 'node:fs'
      const { createStages } = await import(${JSON.stringify(join(import.meta.dirname, 'stage.ts'))}), { createWall } = await import(${JSON.stringify(join(import.meta.dirname, 'bwrap.ts'))}), { createDenoDriver } = await import(${JSON.stringify(join(import.meta.dirname, 'deno.ts'))})
      const { mkdtempSync, writeFileSync } = await import('node:fs')
      chmodSync(${JSON.stringify(place)}, 0o711)
      const stages = await createStages({ scratch: ${JSON.stringify(join(place, 'stages'))}, owner: ${JSON.stringify(other)} }), wall = createWall({ scratch: ${JSON.stringify(join(place, 'wall'))}, stages })
      for (const behind of [wall, null]) {
        const deno = createDenoDriver({ scratch: ${JSON.stringify(join(place, 'deno'))}, stages, wall: behind })
        await deno.keepReady(${ROOM})
        const workDir = mkdtempSync(${JSON.stringify(join(place, 'job-'))})
        writeFileSync(workDir + '/main.js', '')
        const sandbox = await deno.start({ attemptId: 'att_x', runtime: 'javascript', command: ['main.js'], env: {}, workDir, limits: { cpuMillis: 1000, memoryBytes: ${256 * MIB}, pids: 16, diskBytes: ${8 * MIB}, outputBytes: 1000, wallMs: 20000, openFiles: 64 } })
        sandbox.stdout.resume(); sandbox.stderr.resume()
        await sandbox.exit
      }
      stages.ready.want(stages.launcherKind({ diskBytes: ${8 * MIB}, openFiles: 64 }, 5))
      await stages.ready.settled()
      console.log('ready', stages.ready.count)
      setInterval(() => {}, 1000)`], { stdio: ['ignore', 'pipe', 'inherit'] })
    const root = group().replace(owner, other)
    const left = (): string[] => namesIn(root).filter((name) => name.startsWith('ready-')).flatMap((name) => { try { return readFileSync(join(root, name, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean) } catch { return [] /* gone */ } })
    const said = await new Promise<string>((resolve) => { child.stdout.once('data', (chunk) => resolve(String(chunk))) })
    expect(said.trim()).toBe('ready 5')
    expect(left().length).toBeGreaterThan(3)
    child.kill('SIGKILL')
    await expect.poll(left, { timeout: 60_000 }).toEqual([])
    const next = await createStages({ scratch: join(place, 'stages'), owner: other })
    expect(await next.reap()).toBeGreaterThan(0)
    expect(namesIn(root)).toEqual([])
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(place)
    rmSync(place, { recursive: true, force: true })
  })
})
