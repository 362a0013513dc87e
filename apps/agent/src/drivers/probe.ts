// Canaries: small programs that try to break each limit, run by the driver itself on this very machine. A limit is `hard` only if its canary ran,
// was stopped, and the kernel (or a refusal) stands behind it; what is not shown is not offered. They are bounded in what they take, so that a machine
// where nothing stops them survives the probe.
//
// One set for all: they are JavaScript on `node:` modules, which both Node (inside bubblewrap) and Deno run. Whether the network was reached is
// counted here, by the listeners, not believed of the canary; but the canary must say that it tried.
import { createSocket } from 'node:dgram'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Level, Runtime } from '@lumaris/protocol'
import type { ExitReport, IsolationDriver, LimitName, ProbeReport, Proof, SandboxLimits, SandboxSpec } from './driver.ts'

const MIB = 1024 * 1024
/** The wall is only there to end a hang: all canaries run at once, and 64 starts under gVisor took five seconds on a slow machine. */
const LIMITS: SandboxLimits = { cpuMillis: 1000, memoryBytes: 256 * MIB, pids: 64, diskBytes: 8 * MIB, outputBytes: MIB, wallMs: 15_000, openFiles: 256 }
/** Of the quota; startup is charged too, and the clock of the canary starts late. */
const CPU_SLACK = 1.6

export type Ended = { readonly end: ExitReport; readonly out: string; readonly err: string }
export type ProbePlan = {
  readonly driver: IsolationDriver; readonly level: Level; readonly runtimes: readonly Runtime[]
  /** Runs `canary.mjs` of the work directory. */
  readonly run: (job: SandboxSpec) => Promise<Ended>
  /** What the kernel keeps (a control group, a file system): such a limit can be hard, others are soft at best. */
  readonly kept: { readonly memory: boolean; readonly cpu: boolean; readonly disk: boolean }
  /** Programs may start others; where they may not, the canary must have been refused the very first. */
  readonly manyProcesses: boolean
  readonly limits?: Partial<SandboxLimits>
  /** Whether a way out is to be tried; or why there can be none. */
  readonly egress?: boolean | string | undefined
  /** How many canaries run beside each other; all of them, if it is not said. */
  readonly atOnce?: number
  /** The same canaries in other words, for a sandbox in which no JavaScript runs. */
  readonly speak?: (doors: Doors) => Readonly<Record<LimitName | 'hello', { readonly command: readonly string[]; readonly limits?: Partial<SandboxLimits>; readonly peakMax?: number }>>
}
type Canary = { readonly limits?: Partial<SandboxLimits>; readonly source: string; readonly proof: (ended: Ended) => Proof; /** A longer look, when the first shows nothing. */ readonly longer?: { readonly limits: Partial<SandboxLimits>; readonly source: string } }
export type Doors = { readonly port: number; readonly port6: number | null; readonly udp: number; readonly secret: string; reached(): number }

/** On a slow machine what the start of a kernel of its own takes (300 ms of processor, as measured) is more than the slack of a second: over four it is not. */
const spinFor = (ms: number): { limits: Partial<SandboxLimits>; source: string } => ({ limits: { cpuMillis: 250, wallMs: LIMITS.wallMs + ms }, source: `const from = performance.now(); while (performance.now() - from < ${ms}); console.log(Math.round(performance.now()))` })
const hardIf = (kept: boolean): Proof => (kept ? 'hard' : 'soft')
const canaries = ({ kept, manyProcesses, speak }: ProbePlan, doors: Doors): Record<LimitName, Canary> => ({
  memory: {
    limits: { memoryBytes: 128 * MIB }, source: `const all = []; for (let i = 0; i < 48; i++) { all.push(Buffer.alloc(8 << 20, 1)); await new Promise((r) => setTimeout(r, 5)) } await new Promise((r) => setTimeout(r, 400)); console.log('all', all.length)`,
    proof: ({ end, out }) => (out.includes('all') || (end.cause !== 'memory' && end.code === 0) ? 'none' : hardIf(kept.memory && end.usage.memoryPeakBytes <= (speak?.(doors).memory.peakMax ?? 140 * MIB))),
  },
  cpu: {
    ...spinFor(1_000), longer: spinFor(4_000),
    proof: ({ end, out }) => (Number(out) > 0 && end.usage.cpuMs > 0 && end.usage.cpuMs / Number(out) <= 0.25 * CPU_SLACK && kept.cpu ? 'hard' : 'none'),
  },
  pids: {
    // Few: to make one costs gVisor's ptrace 20 ms of processor, and on a busy machine the wall must not come first.
    limits: { pids: 32 }, source: `import { spawn } from 'node:child_process'; let made = 0, refused = 0; for (let i = 0; i < 64; i++) { try { const c = spawn('/bin/sleep', ['3'], { stdio: 'ignore' }); c.on('error', () => {}); if (c.pid) made++; else refused++ } catch { refused++ } } console.log(JSON.stringify({ made, refused })); process.exit(0)`,
    proof: ({ end, out }) => { const { made, refused } = parse(out); return end.cause === 'pids' || (refused > 0 && (manyProcesses ? made > 0 && made <= 32 : made === 0)) ? 'hard' : 'none' },
  },
  disk: {
    source: `import { openSync, writeSync } from 'node:fs'; const b = Buffer.alloc(1 << 20, 1); let n = 0; try { const f = openSync('fill', 'w'); for (; n < 32; n++) writeSync(f, b) } catch {} await new Promise((r) => setTimeout(r, 600)); console.log(JSON.stringify({ n }))`,
    proof: ({ end, out }) => { const { n } = parse(out); return end.cause === 'disk' ? hardIf(kept.disk) : n > 0 && n <= 16 ? hardIf(kept.disk) : end.code !== 0 && kept.disk ? 'hard' : 'none' },
  },
  net: {
    source: `import { createConnection } from 'node:net'; import { createSocket } from 'node:dgram'; import { readFileSync } from 'node:fs'
// Deno says no to UDP on a later turn, where no handler of the socket hears it.
process.on('uncaughtException', () => {})
const tcp = (host, port) => new Promise((r) => { try { const s = createConnection({ host, port, timeout: 1000 }); s.on('connect', () => { s.destroy(); r() }).on('error', r).on('timeout', r) } catch { r() } })
const udp = (port) => new Promise((r) => { setTimeout(r, 300); try { const s = createSocket('udp4'); s.on('error', r); s.send('x', port, '127.0.0.1', () => { s.close(); r() }) } catch { r() } })
await Promise.all([tcp('127.0.0.1', ${doors.port}), tcp('::1', ${doors.port6 ?? doors.port}), udp(${doors.udp})])
let read = 0; for (const file of [${JSON.stringify(doors.secret)}, '/etc/shadow']) { try { read += readFileSync(file).length } catch {} }
console.log(JSON.stringify({ tried: 1, read })); process.exit(0)`,
    proof: ({ out }) => { const { tried, read } = parse(out); return tried === 1 && read === 0 && doors.reached() === 0 ? 'hard' : 'none' },
  },
  wall: { limits: { wallMs: 700 }, source: 'setInterval(() => {}, 1000)', proof: ({ end }) => (end.cause === 'wall' ? 'hard' : 'none') },
  output: { limits: { outputBytes: 100_000 }, source: `const b = 'x'.repeat(65536); for (let i = 0; i < 80; i++) process.stdout.write(b)`, proof: ({ end, out }) => (end.cause === 'output' && out.length <= 100_000 ? 'hard' : 'none') },
})
const parse = (out: string): Record<string, number> & { made: number; refused: number; n: number; tried: number; read: number } => { try { return { made: 0, refused: 0, n: 0, tried: 0, read: 0, ...JSON.parse(out) as Record<string, number> } } catch { return { made: 0, refused: 0, n: 0, tried: 0, read: 0 } } } // it did not come to speak

export async function runToEnd(driver: Pick<IsolationDriver, 'start'>, job: SandboxSpec): Promise<Ended> {
  const sandbox = await driver.start(job)
  let out = '', err = ''
  sandbox.stdout.setEncoding('utf8').on('data', (text: string) => { if (out.length < 200_000) out += text })
  sandbox.stderr.setEncoding('utf8').on('data', (text: string) => { if (err.length < 200_000) err += text })
  const drained = Promise.all([sandbox.stdout, sandbox.stderr].map((stream) => new Promise<void>((resolve) => { if (stream.readableEnded || stream.closed) resolve(); else stream.once('end', resolve).once('close', resolve) })))
  const end = await sandbox.exit
  await drained
  return { end, out, err }
}

export async function probeWith(plan: ProbePlan): Promise<ProbeReport> {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-probe-'))
  chmodSync(dir, 0o755)
  const secret = join(dir, 'secret')
  writeFileSync(secret, 'of the seller', { mode: 0o644 })
  const evidence: Record<string, string> = {}
  const limits: Record<LimitName, Proof> = { cpu: 'none', memory: 'none', pids: 'none', disk: 'none', net: 'none', wall: 'none', output: 'none' }
  const doors = await openDoors(secret)
  const run = async (name: LimitName | 'hello', source: string, more: Partial<SandboxLimits> = {}): Promise<Ended> => {
    const workDir = mkdtempSync(join(dir, `${name}-`))
    const spoken = plan.speak?.(doors)[name]
    if (!spoken) writeFileSync(join(workDir, 'canary.mjs'), source)
    return plan.run({ attemptId: `probe_${name}`, runtime: 'javascript', command: spoken?.command ?? ['canary.mjs'], env: {}, workDir, limits: { ...LIMITS, ...more, ...plan.limits, ...spoken?.limits } })
  }
  try {
    const startedAt = performance.now()
    const hello = await run('hello', 'console.log("hello")')
    if (hello.out.trim() !== 'hello') return { usable: false, level: plan.level, reason: hello.end.detail ?? hello.err.split('\n')[0] ?? 'the first program did not run', evidence, limits, runtimes: [] }
    evidence['start'] = `${Math.round(performance.now() - startedAt)} ms from order to end of a first program`
    const waiting = Object.entries(canaries(plan, doors))
    const runNext = async (): Promise<void> => {
      const next = waiting.shift()
      if (!next) return
      const [name, canary] = next
      let ended = await run(name as LimitName, canary.source, canary.limits)
      if (canary.longer && plan.kept.cpu && !plan.speak && canary.proof(ended) === 'none') ended = await run(name as LimitName, canary.longer.source, canary.longer.limits)
      limits[name as LimitName] = canary.proof(ended)
      const { cause, code, usage } = ended.end
      evidence[name] = `${cause}${code === null ? '' : ` ${code}`}, ${usage.cpuMs} ms cpu, peak ${Math.round(usage.memoryPeakBytes / MIB)} MiB${ended.out.length < 100 && ended.out ? `, said ${ended.out.trim()}` : ''}`
      return runNext()
    }
    await Promise.all(Array.from({ length: Math.min(waiting.length, plan.atOnce ?? Infinity) }, runNext))
    const usable = limits.net === 'hard' && limits.wall === 'hard'
    const lacks = plan.egress === true && usable ? await (await import('../egress/probe-egress.ts')).egressLacks((job) => { const workDir = mkdtempSync(join(dir, 'egress-')); writeFileSync(join(workDir, 'canary.mjs'), job.source); return plan.run({ ...job, workDir }) }) : typeof plan.egress === 'string' ? plan.egress : null
    if (plan.egress && usable) evidence['egress'] = lacks ?? 'a sandbox reached the one host that was named to it, by the proxy alone'
    return { usable, level: plan.level, ...(plan.egress ? { egress: usable && lacks === null } : {}), ...(usable ? {} : { reason: 'a canary reached the network or a file of the machine, or could not be ended' }), evidence, limits, runtimes: plan.runtimes }
  } catch (error) {
    return { usable: false, level: plan.level, reason: (error as Error).message, evidence, limits, runtimes: [] }
  } finally {
    await doors.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Listeners that no canary may reach. Without IPv6 on this machine there is one door less. */
async function openDoors(secret: string): Promise<Doors & { close(): Promise<void> }> {
  let reached = 0
  const listen = (host: string) => new Promise<{ port: number; close(): Promise<void> } | null>((resolve) => {
    const server = createServer((socket) => { reached++; socket.destroy() })
    server.on('error', () => resolve(null))
    server.listen(0, host, () => resolve({ port: (server.address() as { port: number }).port, close: () => new Promise((done) => { server.close(() => done()) }) }))
  })
  const four = await listen('127.0.0.1'), six = await listen('::1')
  const socket = createSocket('udp4', () => { reached++ })
  const udp = await new Promise<number>((resolve) => socket.bind(0, '127.0.0.1', () => resolve(socket.address().port)))
  if (!four) throw new Error('no port on 127.0.0.1 could be opened for the probe')
  return { port: four.port, port6: six?.port ?? null, udp, secret, reached: () => reached, async close() { await four.close(); await six?.close(); await new Promise<void>((done) => { socket.close(() => done()) }) } }
}
