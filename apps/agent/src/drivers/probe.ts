// Canaries: small programs that try to break each limit, run by the driver itself on this very machine. A limit is `hard` only if its canary was
// stopped; what is not shown is not offered.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Level, Runtime } from '@lumaris/protocol'
import type { ExitReport, IsolationDriver, LimitName, ProbeReport, Proof, SandboxLimits, SandboxSpec } from './driver.ts'

const MIB = 1024 * 1024
const LIMITS: SandboxLimits = { cpuMillis: 1000, memoryBytes: 256 * MIB, pids: 48, diskBytes: 8 * MIB, outputBytes: MIB, wallMs: 8_000, openFiles: 256 }

export type ProbePlan = {
  readonly level: Level; readonly runtimes: readonly Runtime[]
  /** In which language the canaries are written for this driver. */
  readonly language: 'shell' | 'javascript'
  /** What the kernel keeps for it (a control group, a file system): such a limit can be hard, others are soft at best. */
  readonly wanted: { readonly cpu: boolean; readonly disk: boolean; readonly pids: boolean; readonly memoryHard: boolean }
}
type Canary = { readonly limits?: Partial<SandboxLimits>; readonly shell: readonly string[]; readonly javascript: string; readonly stopped: (end: ExitReport, out: string) => boolean }

const sh = (script: string): string[] => ['/bin/sh', '-c', script]
const CANARIES: Record<Exclude<LimitName, 'cpu'>, (port: number) => Canary> = {
  memory: () => ({ limits: { memoryBytes: 128 * MIB }, shell: sh('a=x; while :; do a="$a$a"; done'), javascript: 'const all = []; for (;;) all.push(new Uint8Array(16 << 20).fill(1))', stopped: (end) => end.cause === 'memory' || (end.cause === 'exit' && end.code !== 0) }),
  pids: () => ({ shell: sh('i=0; while [ $i -lt 200 ]; do sleep 5 & i=$((i+1)); done 2>/dev/null; jobs -p | wc -l'), javascript: 'let ran = 0; try { new Deno.Command("/bin/sh").spawn(); ran = 1000 } catch {} console.log(ran)', stopped: (end, out) => end.cause === 'pids' || end.code !== 0 || Number(out.trim()) < 100 }),
  disk: () => ({ shell: sh('head -c 20000000 /dev/zero > fill; sleep 0.3; wc -c < fill'), javascript: 'const f = Deno.openSync("fill", { write: true, create: true }); const b = new Uint8Array(1 << 20); let n = 0; try { for (; n < 20; n++) f.writeSync(b) } catch {} await new Promise((r) => setTimeout(r, 300)); console.log(n << 20)', stopped: (end, out) => end.cause === 'disk' || end.code !== 0 || Number(out.trim()) < 16 * MIB }),
  net: (port) => ({ shell: sh(`if command -v python3 >/dev/null; then python3 -c "import socket; socket.create_connection(('127.0.0.1', ${port}), 1)" 2>/dev/null; else exec 3<>/dev/tcp/127.0.0.1/${port}; fi && echo reached`), javascript: `try { await Deno.connect({ hostname: "127.0.0.1", port: ${port} }); console.log("reached") } catch { console.log("no") }`, stopped: (_end, out) => !out.includes('reached') }),
  wall: () => ({ limits: { wallMs: 700 }, shell: sh('sleep 5'), javascript: 'await new Promise((r) => setTimeout(r, 5000))', stopped: (end) => end.cause === 'wall' }),
  output: () => ({ limits: { outputBytes: 100_000 }, shell: sh('head -c 5000000 /dev/zero'), javascript: 'const b = new Uint8Array(65536); for (let i = 0; i < 100; i++) Deno.stdout.writeSync(b)', stopped: (end) => end.cause === 'output' }),
}

export async function runToEnd(driver: IsolationDriver, job: SandboxSpec): Promise<{ end: ExitReport; out: string; err: string }> {
  const sandbox = await driver.start(job)
  let out = '', err = ''
  sandbox.stdout.setEncoding('utf8').on('data', (text: string) => { if (out.length < 100_000) out += text })
  sandbox.stderr.setEncoding('utf8').on('data', (text: string) => { if (err.length < 100_000) err += text })
  const drained = Promise.all([sandbox.stdout, sandbox.stderr].map((stream) => new Promise<void>((resolve) => stream.once('end', resolve).once('close', resolve))))
  const end = await sandbox.exit
  await drained
  return { end, out, err }
}

export async function probeWith(driver: IsolationDriver, plan: ProbePlan): Promise<ProbeReport> {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-probe-'))
  const evidence: Record<string, string> = {}
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const limits: Record<LimitName, Proof> = { cpu: plan.wanted.cpu ? 'hard' : 'none', memory: 'none', pids: 'none', disk: 'none', net: 'none', wall: 'none', output: 'none' }
  const run = async (name: string, canary: Pick<Canary, 'limits' | 'shell' | 'javascript'>) => {
    const workDir = mkdtempSync(join(dir, `${name}-`))
    const script = join(workDir, 'canary.js')
    if (plan.language === 'javascript') (await import('node:fs')).writeFileSync(script, canary.javascript)
    return runToEnd(driver, { attemptId: `probe${name}`, runtime: plan.language === 'javascript' ? 'javascript' : 'native', command: plan.language === 'javascript' ? ['canary.js'] : canary.shell, env: {}, workDir, limits: { ...LIMITS, ...canary.limits } })
  }
  try {
    const hello = await run('hello', { shell: sh('echo hello'), javascript: 'console.log("hello")' })
    if (hello.out.trim() !== 'hello') return { usable: false, level: plan.level, reason: hello.end.detail ?? hello.err.split('\n')[0] ?? 'the first program did not run', evidence, limits, runtimes: [] }
    await Promise.all(Object.entries(CANARIES).map(async ([name, make]) => {
      const canary = make(port)
      const { end, out } = await run(name, canary)
      const stopped = canary.stopped(end, out)
      const soft = (name === 'disk' && !plan.wanted.disk) || (name === 'memory' && !plan.wanted.memoryHard) || (name === 'pids' && !plan.wanted.pids && plan.language === 'shell')
      limits[name as LimitName] = stopped ? (soft ? 'soft' : 'hard') : 'none'
      evidence[name] = `${end.cause}${end.code === null ? '' : ` ${end.code}`}`
    }))
    const usable = limits.net === 'hard' && limits.wall === 'hard'
    return { usable, level: plan.level, ...(usable ? {} : { reason: 'a canary reached the network or could not be ended' }), evidence, limits, runtimes: plan.runtimes }
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()))
    rmSync(dir, { recursive: true, force: true })
  }
}
