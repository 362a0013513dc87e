// The same promises from every driver: it runs, it limits, it hides the machine, it cleans up. Run by the test of each driver. Attacks aim only
// at loopback addresses and at victims that the test itself started.
import { expect, test } from 'vitest'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import type { Runtime } from '@lumaris/protocol'
import type { ExitReport, IsolationDriver, SandboxLimits } from './driver.ts'
import { runToEnd } from './probe.ts'
import { collectOutputs } from './collect-outputs.ts'
import type { Stages } from './stage.ts'

export const MIB = 1024 * 1024
const LIMITS: SandboxLimits = { cpuMillis: 2000, memoryBytes: 512 * MIB, pids: 64, diskBytes: 16 * MIB, outputBytes: MIB, wallMs: 20_000, openFiles: 256 }
export type Ran = { end: ExitReport; out: string; err: string; files: Record<string, string>; workDir: string }

export async function runIn(driver: IsolationDriver, job: { runtime: Runtime; image?: string; command: string[]; files?: Record<string, string>; env?: Record<string, string>; limits?: Partial<SandboxLimits>; stdin?: string }): Promise<Ran> {
  const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
  for (const [path, text] of Object.entries(job.files ?? {})) { mkdirSync(join(workDir, path, '..'), { recursive: true }); writeFileSync(join(workDir, path), text) }
  const ended = await runToEnd(driver, { attemptId: 'att_test', runtime: job.runtime, ...(job.image === undefined ? {} : { image: job.image }), command: job.command, env: job.env ?? {}, workDir, limits: { ...LIMITS, ...job.limits }, ...(job.stdin === undefined ? {} : { stdin: Buffer.from(job.stdin) }) })
  const files: Record<string, string> = {}
  for await (const file of collectOutputs(workDir)) files[file.path] = readFileSync(join(workDir, file.path), 'utf8')
  rmSync(workDir, { recursive: true, force: true })
  return { ...ended, files, workDir }
}

/** As where a job's kind was seen before and nothing else begins: whatever can stand ready does, before it is asked for. `taken`: how many sandboxes began so. */
export function alwaysReady(stages: Stages): Stages & { readonly taken: () => number } {
  let taken = 0
  return {
    ...stages, taken: () => taken,
    async open(job, limits, makeDisk, kind) {
      if (kind) { await stages.ready.keep(2048 * MIB); stages.ready.want(kind); await stages.ready.settled() }
      const stage = await stages.open(job, limits, makeDisk, kind)
      return { ...stage, wrap(...words) { const launcher = stage.wrap(...words); if (launcher.ahead) taken++; return launcher } }
    },
  }
}

/** Programs of one language, so that the same promise can be asked of each driver in words it understands. */
export type Language = {
  readonly runtime: Runtime
  readonly program: (what: { print?: string; warn?: string; exit?: number; write?: [string, string]; read?: string; /** Each of them, or the word `refused`. */ reads?: string[]; env?: string; spin?: boolean; hold?: number; fill?: number; flood?: boolean; hole?: number; sleep?: number; connect?: { tcp: number; tcp6: number; udp: number }; echoStdin?: boolean; args?: boolean }) => { command: string[]; files?: Record<string, string> }
}

export const PYTHON_READS = (paths: readonly string[]): string => `for path in ${JSON.stringify(paths)}:\n  try: print(open(path).read())\n  except OSError: print('refused')`
/** In words for the machine's own Python, run as a native program. */
export const systemPython: Language = {
  runtime: 'native',
  program: (what) => ({ command: ['/usr/bin/python3', '-c', [
    'import sys, os, json, time, socket',
    ...(what.args ? ['print(json.dumps(sys.argv[1:]))'] : []), ...(what.print ? [`print(${JSON.stringify(what.print)}, flush=True)`] : []), ...(what.warn ? [`print(${JSON.stringify(what.warn)}, file=sys.stderr)`] : []),
    ...(what.env ? [`print(os.environ.get(${JSON.stringify(what.env)}, ''))`] : []), ...(what.echoStdin ? ['print(sys.stdin.read())'] : []), ...(what.read ? [`print(open(${JSON.stringify(what.read)}).read())`] : []), ...(what.reads ? [PYTHON_READS(what.reads)] : []),
    ...(what.write ? [`os.makedirs(os.path.dirname(${JSON.stringify(what.write[0])}) or '.', exist_ok=True)`, `open(${JSON.stringify(what.write[0])}, 'w').write(${JSON.stringify(what.write[1])})`] : []),
    ...(what.hold ? [`b = [bytearray(${MIB}) for _ in range(${what.hold})]`] : []), ...(what.fill ? [`n = 0\ntry:\n  f = open('fill', 'wb')\n  while n < ${what.fill}:\n    f.write(b'x' * ${MIB}); f.flush(); n += 1\nexcept OSError: pass\nprint(n)`] : []),
    ...(what.flood ? ["while True: sys.stdout.write('x' * 65536)"] : []), ...(what.connect ? [`def tried(f):\n  try: f(); print('reached')\n  except OSError: print('no')\ntried(lambda: socket.create_connection(('127.0.0.1', ${what.connect.tcp}), 2))\ntried(lambda: socket.create_connection(('::1', ${what.connect.tcp6}), 2))\ndef asked():\n  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1); s.connect(('127.0.0.1', ${what.connect.udp})); s.send(b'x'); s.recv(1)\ntried(asked)`] : []), ...(what.hole ? [`open('hole', 'wb').truncate(${what.hole})`] : []),
    ...(what.sleep ? [`time.sleep(${what.sleep})`] : []), ...(what.spin ? ['while True: pass'] : []), ...(what.exit !== undefined ? [`sys.exit(${what.exit})`] : []),
  ].join('\n')] }),
}

export function driverContract(name: string, getDriver: () => IsolationDriver, language: Language, { kept = true, reaps = true }: { /** The kernel keeps the limits here. */ kept?: boolean; /** Without control groups, bubblewrap ends with its agent, and there is nothing to find. */ reaps?: boolean } = {}): void {
  const { runtime, program } = language
  const run = (what: Parameters<Language['program']>[0], more: Partial<Parameters<typeof runIn>[1]> = {}) => { const { command, files } = program(what); return runIn(getDriver(), { runtime, command, ...(files ? { files } : {}), ...more }) }

  test(`${name}: output, errors and exit code come apart and whole`, async () => {
    const { end, out, err } = await run({ print: 'to out', warn: 'to err', exit: 7 })
    expect({ out: out.trim(), err: err.trim() }).toEqual({ out: 'to out', err: 'to err' })
    expect(end).toMatchObject({ cause: 'exit', code: 7 })
    expect(end.usage.outBytes).toBe(out.length + err.length)
  })
  test(`${name}: arguments arrive as they were, and no shell looks at them`, async () => {
    const { command, files } = program({ args: true })
    const odd = ['two words', '"quoted"', "it's", '$HOME', '`id`', '; rm -rf /', '*', 'ü', '']
    const { out } = await runIn(getDriver(), { runtime, command: [...command, ...odd], ...(files ? { files } : {}) })
    expect(JSON.parse(out)).toEqual(odd)
  })
  test(`${name}: the environment is what the job asked for, and nothing of the agent's`, async () => {
    process.env['LUMARIS_SECRET_OF_THE_AGENT'] = 'hidden'
    expect((await run({ env: 'WANTED' }, { env: { WANTED: 'seen' } })).out.trim()).toBe('seen')
    expect((await run({ env: 'LUMARIS_SECRET_OF_THE_AGENT' })).out.trim()).not.toContain('hidden')
    delete process.env['LUMARIS_SECRET_OF_THE_AGENT']
  })
  test(`${name}: standard input is the job's`, async () => {
    expect((await run({ echoStdin: true }, { stdin: 'line of input\n' })).out.trim()).toBe('line of input')
  })
  test(`${name}: inputs are there, outputs come back`, async () => {
    const { files, command } = program({ read: 'in/data.txt' })
    const { out } = await runIn(getDriver(), { runtime, command, files: { ...files, 'in/data.txt': 'given' } })
    expect(out.trim()).toBe('given')
    expect((await run({ write: ['out/result.txt', 'made'] })).files).toMatchObject({ 'out/result.txt': 'made' })
  })
  test(`${name}: a program that runs too long is ended, with everything it started`, async () => {
    const { end } = await run({ spin: true }, { limits: { wallMs: 1_500 } })
    expect(end).toMatchObject({ cause: 'wall', code: null })
  })
  test(`${name}: memory is limited`, async () => {
    const { end } = await run({ hold: 600 }, { limits: { memoryBytes: 256 * MIB } })
    expect(end.cause === 'memory' || (end.cause === 'exit' && end.code !== 0), JSON.stringify(end)).toBe(true)
    if (kept) expect(end.usage.memoryPeakBytes).toBeLessThanOrEqual(257 * MIB)
  })
  test(`${name}: the disk is limited`, async () => {
    const { end, out } = await run({ fill: 64 }, { limits: { diskBytes: 8 * MIB } })
    expect(end.cause === 'disk' || end.code !== 0 || Number(out.trim()) < 16, `${JSON.stringify(end)} ${out}`).toBe(true)
  })
  test(`${name}: what is one big hole on the disk is not brought out of it`, async () => {
    const { end, files } = await run({ hole: 100 * MIB, write: ['small', 'x'] }, { limits: { diskBytes: 8 * MIB } })
    if (kept || end.cause !== 'exit') expect(end.cause).toBe('disk')
    else expect(end.code).not.toBe(0) // refused at once: no file may be so large
    expect(files['hole'] ?? '').toBe('')
  })
  test(`${name}: inputs larger than the disk are the order's fault, and nothing runs`, async () => {
    const { end, out } = await run({ print: 'ran' }, { files: { ...program({ print: 'ran' }).files, big: 'x'.repeat(3 * MIB) }, limits: { diskBytes: MIB } })
    expect(end.cause).toBe('disk')
    if (kept) expect(out).toBe('')
  })
  if (kept) test(`${name}: the processor is limited`, async () => {
    const { end } = await run({ spin: true }, { limits: { wallMs: 2_500, cpuMillis: 300 } })
    expect(end.cause).toBe('wall')
    expect(end.usage.cpuMs).toBeGreaterThan(0)
    expect(end.usage.cpuMs).toBeLessThan(2_500 * 0.3 * 1.5)
  })
  test(`${name}: output is cut at its limit`, async () => {
    const { end, out } = await run({ flood: true }, { limits: { outputBytes: 100_000 } })
    expect(end).toMatchObject({ cause: 'output' })
    expect(out.length).toBeLessThanOrEqual(100_000)
  })
  test(`${name}: no network, not even this machine, by TCP, IPv6 or UDP`, async () => {
    let reached = 0
    const listen = (host: string) => { const server = createServer((socket) => { reached++; socket.destroy() }); return new Promise<{ port: number; close(): void }>((resolve) => server.once('error', () => resolve({ port: 9, close: () => undefined })).listen(0, host, () => resolve({ port: (server.address() as { port: number }).port, close: () => server.close() }))) }
    const four = await listen('127.0.0.1'), six = await listen('::1'), udp = createSocket('udp4', (_said, from) => { reached++; udp.send('y', from.port, from.address) }) // a datagram may leave for nobody: only an answer shows that it arrived
    await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve))
    const { out } = await run({ connect: { tcp: four.port, tcp6: six.port, udp: udp.address().port } })
    expect(out.trim().split('\n')).toEqual(['no', 'no', 'no'])
    expect(reached).toBe(0)
    four.close(); six.close(); udp.close()
  })
  test(`${name}: files of the machine cannot be read`, async () => {
    const secret = join(mkdtempSync(join(tmpdir(), 'lumaris-secret-')), 'secret.txt')
    writeFileSync(secret, 'the secret of the seller', { mode: 0o644 })
    const { out } = await run({ reads: [secret, '/etc/shadow', '/root/.bashrc', '/proc/1/environ', '/proc/self/environ/../../1/environ'] })
    expect(out).not.toMatch(/secret of the seller|root:|LUMARIS|SHELL=/)
    expect(out.split('\n').slice(0, 3)).toEqual(['refused', 'refused', 'refused']) // a sandbox may have a /proc of its own
    rmSync(join(secret, '..'), { recursive: true })
  })
  test(`${name}: kill ends it and says so`, async () => {
    const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
    const { command, files } = program({ print: 'up', sleep: 60 })
    for (const [path, text] of Object.entries(files ?? {})) writeFileSync(join(workDir, path), text)
    const sandbox = await getDriver().start({ attemptId: 'att_kill', runtime, command, env: {}, workDir, limits: LIMITS })
    sandbox.stderr.resume()
    await new Promise<void>((resolve) => sandbox.stdout.once('data', () => resolve()))
    sandbox.stdout.resume()
    await sandbox.kill('the test says so')
    expect(await sandbox.exit).toMatchObject({ cause: 'killed', detail: 'the test says so' })
    rmSync(workDir, { recursive: true, force: true })
  })
  test(`${name}: a report does not wait for somebody to read the output`, async () => {
    const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
    const { command, files } = program({ flood: true })
    for (const [path, text] of Object.entries(files ?? {})) writeFileSync(join(workDir, path), text)
    const sandbox = await getDriver().start({ attemptId: 'att_unread', runtime, command, env: {}, workDir, limits: { ...LIMITS, outputBytes: 64 * MIB } })
    await expect.poll(async () => (await sandbox.stats()).outBytes).toBeGreaterThan(100_000)
    await sandbox.kill('nobody reads')
    expect(await sandbox.exit).toMatchObject({ cause: 'killed' })
    sandbox.stdout.resume(); sandbox.stderr.resume()
    rmSync(workDir, { recursive: true, force: true })
  })
  test(`${name}: what a crashed agent left behind is found and ended`, async () => {
    const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
    const { command, files } = program({ print: 'up', sleep: 60 })
    for (const [path, text] of Object.entries(files ?? {})) writeFileSync(join(workDir, path), text)
    const sandbox = await getDriver().start({ attemptId: 'att_left', runtime, command, env: {}, workDir, limits: LIMITS })
    sandbox.stderr.resume()
    await new Promise<void>((resolve) => sandbox.stdout.once('data', () => resolve()))
    sandbox.stdout.resume()
    if (reaps) {
      expect(await getDriver().reap()).toBeGreaterThan(0)
      expect((await sandbox.exit).cause).not.toBe('wall')
      expect(await getDriver().reap()).toBe(0)
    } else await sandbox.kill('done')
    rmSync(workDir, { recursive: true, force: true })
  })
  test(`${name}: a variable that tears lists apart is refused, and the driver is not to blame`, async () => {
    for (const env of [{ A: 'x\0--bind\0/\0/host' }, { '': 'x' }, { 'A=B': 'x' }]) expect((await run({ print: 'ran' }, { env })).end).toMatchObject({ cause: 'exit', code: 126 })
  })
  test(`${name}: paused it uses no CPU, resumed it goes on`, async () => {
    const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
    const { command, files } = program({ print: 'up', spin: true })
    for (const [path, text] of Object.entries(files ?? {})) writeFileSync(join(workDir, path), text)
    const sandbox = await getDriver().start({ attemptId: 'att_pause', runtime, command, env: {}, workDir, limits: LIMITS })
    sandbox.stderr.resume()
    await new Promise<void>((resolve) => sandbox.stdout.once('data', () => resolve()))
    await sandbox.pause()
    const before = (await sandbox.stats()).cpuMs
    await new Promise((resolve) => setTimeout(resolve, 1_000)) // the thing measured is what happens in this time: nothing
    expect((await sandbox.stats()).cpuMs - before).toBeLessThan(60)
    await sandbox.resume()
    await expect.poll(async () => (await sandbox.stats()).cpuMs - before).toBeGreaterThan(60)
    await sandbox.kill('done')
    rmSync(workDir, { recursive: true, force: true })
  })
  test(`${name}: two at once do not see each other`, async () => {
    const [one, two] = await Promise.all([run({ write: ['mine.txt', 'one'] }), run({ write: ['mine.txt', 'two'] })])
    expect([one.files['mine.txt'], two.files['mine.txt']]).toEqual(['one', 'two'])
    expect(existsSync(one.workDir)).toBe(false)
  })
}

/** A process of the test that a job must not be able to touch. */
export function startVictim(): { pid: number; alive(): boolean; stop(): void } {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  return { pid: child.pid as number, alive: () => child.exitCode === null && child.signalCode === null, stop: () => child.kill('SIGKILL') }
}
export const namesIn = (dir: string): string[] => (existsSync(dir) ? readdirSync(dir) : [])

/** A process of the machine can neither be ended nor seen from inside. */
export async function seesNoProcesses(sh: (script: string) => Promise<Pick<Ran, 'out'>>): Promise<void> {
  const victim = startVictim()
  const { out } = await sh(`kill -9 ${victim.pid} && echo killed; ls /proc | grep -c '^[0-9]'`)
  expect(victim.alive()).toBe(true)
  expect(out).not.toContain('killed')
  expect(Number(out.trim())).toBeLessThan(10)
  victim.stop()
}

/** Two at once, each with marks in every place that could be shared. `processes`: of one, as it counts them itself. */
export async function shareNothing(driver: IsolationDriver, processes: number): Promise<void> {
  const look = (name: string): Promise<Ran> => runIn(driver, { runtime: 'native', command: ['/usr/bin/python3', '-c', `
import os, socket, time
open('/tmp/${name}', 'w'); open('/dev/shm/${name}', 'w')
s = socket.socket(socket.AF_UNIX); s.bind('\\0${name}'); s.listen()
time.sleep(0.7)
other = {'one': 'two', 'two': 'one'}['${name}']
try: socket.socket(socket.AF_UNIX).connect('\\0' + other); print('connected')
except OSError: pass
print(os.listdir('/tmp'), os.listdir('/dev/shm'), len([p for p in os.listdir('/proc') if p.isdigit()]))`] })
  const [one, two] = await Promise.all([look('one'), look('two')])
  expect([one.out.trim(), two.out.trim()]).toEqual([`['one'] ['one'] ${processes}`, `['two'] ['two'] ${processes}`])
}
