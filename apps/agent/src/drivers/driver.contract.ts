// The same promises from every driver: it runs, it limits, it hides the machine, it cleans up. Run by bwrap.test.ts and deno.test.ts. Attacks aim only
// at loopback addresses and at victims that the test itself started.
import { expect, test } from 'vitest'
import { createServer } from 'node:net'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import type { Runtime } from '@lumaris/protocol'
import type { ExitReport, IsolationDriver, SandboxLimits } from './driver.ts'
import { runToEnd } from './probe.ts'
import { collectOutputs } from './collect-outputs.ts'

export const MIB = 1024 * 1024
const LIMITS: SandboxLimits = { cpuMillis: 2000, memoryBytes: 512 * MIB, pids: 64, diskBytes: 16 * MIB, outputBytes: MIB, wallMs: 20_000, openFiles: 256 }
export type Ran = { end: ExitReport; out: string; err: string; files: Record<string, string>; workDir: string }

export async function runIn(driver: IsolationDriver, job: { runtime: Runtime; command: string[]; files?: Record<string, string>; env?: Record<string, string>; limits?: Partial<SandboxLimits>; stdin?: string }): Promise<Ran> {
  const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
  for (const [path, text] of Object.entries(job.files ?? {})) { mkdirSync(join(workDir, path, '..'), { recursive: true }); writeFileSync(join(workDir, path), text) }
  const ended = await runToEnd(driver, { attemptId: 'att_test', runtime: job.runtime, command: job.command, env: job.env ?? {}, workDir, limits: { ...LIMITS, ...job.limits }, ...(job.stdin === undefined ? {} : { stdin: Buffer.from(job.stdin) }) })
  const files: Record<string, string> = {}
  for await (const file of collectOutputs(workDir)) files[file.path] = readFileSync(join(workDir, file.path), 'utf8')
  rmSync(workDir, { recursive: true, force: true })
  return { ...ended, files, workDir }
}

/** Programs of one language, so that the same promise can be asked of each driver in words it understands. */
export type Language = {
  readonly runtime: Runtime
  readonly program: (what: { print?: string; warn?: string; exit?: number; write?: [string, string]; read?: string; env?: string; spin?: boolean; hold?: number; fill?: number; flood?: boolean; sleep?: number; connect?: number; echoStdin?: boolean; args?: boolean; fork?: boolean }) => { command: string[]; files?: Record<string, string> }
}

export function driverContract(name: string, getDriver: () => IsolationDriver, language: Language): void {
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
    expect(end.usage.memoryPeakBytes).toBeLessThanOrEqual(300 * MIB)
  })
  test(`${name}: the disk is limited`, async () => {
    const { end, out } = await run({ fill: 64 }, { limits: { diskBytes: 8 * MIB } })
    expect(end.cause === 'disk' || end.code !== 0 || Number(out.trim()) < 16, `${JSON.stringify(end)} ${out}`).toBe(true)
  })
  test(`${name}: output is cut at its limit`, async () => {
    const { end, out } = await run({ flood: true }, { limits: { outputBytes: 100_000 } })
    expect(end).toMatchObject({ cause: 'output' })
    expect(out.length).toBeLessThanOrEqual(100_000)
  })
  test(`${name}: no network, not even this machine`, async () => {
    let reached = 0
    const server = createServer((socket) => { reached++; socket.destroy() })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { out } = await run({ connect: (server.address() as { port: number }).port })
    expect(out.trim()).not.toBe('connected')
    expect(reached).toBe(0)
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
  test(`${name}: files of the machine cannot be read`, async () => {
    const secret = join(mkdtempSync(join(tmpdir(), 'lumaris-secret-')), 'secret.txt')
    writeFileSync(secret, 'the secret of the seller', { mode: 0o644 })
    for (const path of [secret, '/etc/shadow', '/root/.bashrc', '/proc/1/environ', '/proc/self/environ/../../1/environ']) {
      const { command, files } = program({ read: path })
      const { out, end } = await runIn(getDriver(), { runtime, command, ...(files ? { files } : {}) })
      expect(out, path).not.toMatch(/secret of the seller|root:|LUMARIS|SHELL=/)
      if (!path.startsWith('/proc')) expect(end.code, path).not.toBe(0)
    }
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
  test(`${name}: paused it uses no CPU, resumed it goes on`, async () => {
    const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
    const { command, files } = program({ print: 'up', spin: true })
    for (const [path, text] of Object.entries(files ?? {})) writeFileSync(join(workDir, path), text)
    const sandbox = await getDriver().start({ attemptId: 'att_pause', runtime, command, env: {}, workDir, limits: LIMITS })
    sandbox.stderr.resume()
    await new Promise<void>((resolve) => sandbox.stdout.once('data', () => resolve()))
    await sandbox.pause()
    const before = (await sandbox.stats()).cpuMs
    await new Promise((resolve) => setTimeout(resolve, 300)) // the thing measured is what happens in this time: nothing
    expect((await sandbox.stats()).cpuMs - before).toBeLessThan(60)
    await sandbox.resume()
    await expect.poll(async () => (await sandbox.stats()).cpuMs - before, { timeout: 5_000 }).toBeGreaterThan(60)
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
