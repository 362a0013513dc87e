// A child process from its start to its last breath: output counted and cut at its limit, wall clock, memory watched where the kernel does not,
// pause, kill of everything it started, and one honest report how it ended. What the drivers have in common.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { PassThrough } from 'node:stream'
import { readFileSync, readdirSync } from 'node:fs'
import type { Cgroup } from './cgroup.ts'
import type { ExitCause, ExitReport, Sandbox, SandboxLimits, SandboxUsage } from './driver.ts'

export type Launch = {
  readonly program: string; readonly args: readonly string[]
  /** The whole environment of the child: nothing of the agent's is added. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string; readonly limits: SandboxLimits; readonly cgroup: Cgroup | null
  /** Bytes for file descriptor 3 (a seccomp filter). */
  readonly extra?: Buffer | null
  readonly stdin?: Uint8Array | undefined
  /** Bytes used in the work directory, where no file system limits them; checked with the watch. */
  readonly diskUsed: () => number
  /** Is the disk limit watched (true) or kept by a file system (false)? */
  readonly watchDisk: boolean
  /** After the last process is gone: bring the files home, take down what was set up. */
  readonly cleanUp: () => Promise<void>
  /** Exit codes of the wrapper itself that mean "the sandbox could not be set up", with what it said on stderr. */
  readonly isDriverFailure?: (code: number | null, stderr: string) => boolean
}

/** Without a control group this often: memory and disk are looked at, and ended when over. */
const WATCH_MS = 100
/** What is kept of stderr's start, to tell a failed set-up from a failed program. */
const STDERR_HEAD = 2_000
const ZERO: SandboxUsage = { cpuMs: 0, memoryBytes: 0, memoryPeakBytes: 0, diskBytes: 0, outBytes: 0 }

export function supervise(launch: Launch): Sandbox {
  const { limits, cgroup } = launch
  const child = spawn(launch.program, [...launch.args], { cwd: launch.cwd, env: { ...launch.env }, stdio: ['pipe', 'pipe', 'pipe', launch.extra ? 'pipe' : 'ignore'], detached: true })
  const stdout = new PassThrough({ highWaterMark: 256 * 1024 }), stderr = new PassThrough({ highWaterMark: 256 * 1024 })
  let outBytes = 0, said = '', peak = 0, cpuMs = 0
  let cause: ExitCause | null = null, detail: string | undefined
  let spawnError: Error | null = null
  let timeLeft = limits.wallMs, timeFrom = performance.now(), wall: NodeJS.Timeout | null = null

  const stopTree = (): void => {
    cgroup?.killAll()
    // The child leads a group of its own; inside bubblewrap the end of the first process ends its whole pid namespace.
    if (child.pid !== undefined) try { process.kill(-child.pid, 'SIGKILL') } catch { /* it has ended already */ }
    child.kill('SIGKILL')
  }
  const endAs = (why: ExitCause, says?: string): void => { if (cause === null) { cause = why; detail = says; stopTree() } }

  const flow = (from: NodeJS.ReadableStream, to: PassThrough, head: boolean): void => {
    from.on('data', (chunk: Buffer) => {
      const room = limits.outputBytes - outBytes
      const part = chunk.length > room ? chunk.subarray(0, Math.max(0, room)) : chunk
      outBytes += part.length
      if (head && said.length < STDERR_HEAD) said += part.toString('latin1').slice(0, STDERR_HEAD - said.length)
      if (part.length > 0 && !to.write(part)) { from.pause(); to.once('drain', () => from.resume()) }
      if (chunk.length > room) endAs('output', `it wrote more than ${limits.outputBytes} bytes of output`)
    })
    from.on('end', () => to.end())
    from.on('error', () => to.end())
  }
  flow(child.stdout as NodeJS.ReadableStream, stdout, false)
  flow(child.stderr as NodeJS.ReadableStream, stderr, true)
  const ignoreClosed = (): void => undefined // a program need not read its input to the end
  child.stdin?.on('error', ignoreClosed)
  child.stdin?.end(launch.stdin ? Buffer.from(launch.stdin) : undefined)
  if (launch.extra) { const fd3 = child.stdio[3] as NodeJS.WritableStream; fd3.on('error', ignoreClosed); fd3.end(launch.extra) }

  const armWall = (): void => { timeFrom = performance.now(); wall = setTimeout(() => endAs('wall', `it ran longer than ${limits.wallMs} ms`), timeLeft) }
  armWall()
  const measure = (): SandboxUsage => {
    const tree = cgroup ? null : treeUsage(child.pid)
    const memoryBytes = cgroup ? cgroup.memoryBytes() : (tree?.memoryBytes ?? 0)
    peak = Math.max(peak, memoryBytes, cgroup ? cgroup.memoryPeakBytes() : 0)
    cpuMs = Math.max(cpuMs, cgroup ? cgroup.cpuMs() : (tree?.cpuMs ?? 0))
    return { cpuMs: Math.round(cpuMs), memoryBytes, memoryPeakBytes: peak, diskBytes: launch.diskUsed(), outBytes }
  }
  const watch = setInterval(() => {
    const now = cgroup && !launch.watchDisk ? null : measure()
    if (!now) return
    if (!cgroup && now.memoryBytes > limits.memoryBytes) endAs('memory', `it used more than ${limits.memoryBytes} bytes of memory`)
    if (launch.watchDisk && now.diskBytes > limits.diskBytes) endAs('disk', `it wrote more than ${limits.diskBytes} bytes of files`)
  }, WATCH_MS)

  const exit = new Promise<ExitReport>((resolve) => {
    child.on('error', (error) => { spawnError = error })
    // `close`: the process has ended and every pipe is drained.
    child.on('close', (code, signal) => { void finish(child, code, signal).then(resolve) })
  })
  async function finish(_child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): Promise<ExitReport> {
    clearInterval(watch)
    if (wall) clearTimeout(wall)
    const usage = spawnError ? ZERO : measure()
    const outOfMemory = cgroup?.ranOutOfMemory() ?? false
    stopTree() // daemons it left behind
    let failed: Error | null = spawnError
    try { await launch.cleanUp(); await cgroup?.remove() } catch (error) { failed ??= error as Error }
    stdout.end()
    stderr.end()
    const report = (why: ExitCause, says?: string): ExitReport => ({ cause: why, code: why === 'exit' ? code : null, ...(signal ? { signal } : {}), usage, ...(says ? { detail: says } : {}) })
    if (failed) return report('driver', failed.message)
    if (cause) return report(cause, detail)
    // A program that catches the refusal of memory and goes on is its own business; one that died of it hit the limit.
    if (outOfMemory && (code === null || code === 137 || code === 9)) return report('memory', `it used more than ${limits.memoryBytes} bytes of memory`)
    if (launch.isDriverFailure?.(code, said)) return report('driver', said.split('\n')[0] ?? 'the sandbox could not be set up')
    // Ended by a signal from inside, as by its own abort(): shells say 128 + n, and so do we.
    return code === null ? { cause: 'exit', code: 128 + signalNumber(signal), ...(signal ? { signal } : {}), usage } : report('exit')
  }

  return {
    stdout, stderr, exit,
    stats: async () => measure(),
    async pause() {
      if (wall) { clearTimeout(wall); wall = null; timeLeft -= performance.now() - timeFrom }
      if (cgroup) cgroup.freeze(true)
      else if (child.pid !== undefined) process.kill(-child.pid, 'SIGSTOP')
    },
    async resume() {
      if (cgroup) cgroup.freeze(false)
      else if (child.pid !== undefined) process.kill(-child.pid, 'SIGCONT')
      if (!wall) armWall()
    },
    async kill(reason) { endAs('killed', reason); await exit },
  }
}

const NUMBERS: Partial<Record<NodeJS.Signals, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGILL: 4, SIGTRAP: 5, SIGABRT: 6, SIGBUS: 7, SIGFPE: 8, SIGKILL: 9, SIGSEGV: 11, SIGPIPE: 13, SIGTERM: 15, SIGXCPU: 24, SIGXFSZ: 25, SIGSYS: 31 }
const signalNumber = (signal: NodeJS.Signals | null): number => (signal ? (NUMBERS[signal] ?? 0) : 0)

/** Memory and CPU of a process and its descendants, from /proc; zero where there is none (macOS, Windows), and then nothing is claimed. */
function treeUsage(root: number | undefined): { memoryBytes: number; cpuMs: number } | null {
  if (root === undefined) return null
  let entries: string[]
  try { entries = readdirSync('/proc').filter((name) => /^\d+$/.test(name)) } catch { return null }
  const parents = new Map<number, { parent: number; rss: number; ticks: number }>()
  for (const pid of entries) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      parents.set(Number(pid), { parent: Number(fields[1]), rss: Number(fields[21]), ticks: Number(fields[11]) + Number(fields[12]) })
    } catch { /* it ended while we looked */ }
  }
  let pages = 0, ticks = 0
  for (const [pid, one] of parents) {
    let at: number | undefined = pid
    for (let depth = 0; at !== undefined && at !== root && depth < 64; depth++) at = parents.get(at)?.parent
    if (at === root) { pages += one.rss; ticks += one.ticks }
  }
  return { memoryBytes: pages * 4096, cpuMs: ticks * 10 } // 4 KiB pages and 100 ticks a second, as on every Linux Node runs on today
}
