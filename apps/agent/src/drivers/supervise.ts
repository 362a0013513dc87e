// A child process from its start to its last breath: output counted and cut at its limit, wall clock, memory and disk watched where the kernel does
// not keep them, pause, kill of everything it started, and one honest report how it ended. What the drivers have in common.
//
//   spawn → (output, watch, wall clock) → main process ends → everything else of it is ended, and waited for → files brought home → report
//
// Who pays depends on the report, so nothing in it may rest on words a job can say: whether the sandbox came up at all is told by the launcher on a
// descriptor of its own, which the job does not have, never by what stands on stderr.
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess, StdioOptions } from 'node:child_process'
import { PassThrough } from 'node:stream'
import type { Duplex, Readable, Writable } from 'node:stream'
import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Cgroup } from './cgroup.ts'
import type { ExitCause, ExitReport, Sandbox, SandboxLimits, SandboxUsage } from './driver.ts'

/** Where a job's files are, and how much of the disk they take. */
export type Disk = { /** Its limit is kept by a file system, so nobody needs to watch. */ readonly limited: boolean; readonly dir?: string; used(): number | Promise<number> }
export type End = { readonly code: number | null; readonly signal: NodeJS.Signals | null; /** What the launcher said on its descriptor. */ readonly status: string; readonly stderrHead: string; readonly stderrTail: string }
export type Verdict = { readonly cause: ExitCause; readonly code?: number | null; readonly detail?: string }
/** A launcher that was started before there was a job for it. */
export type Ahead = {
  readonly child: ChildProcess
  /** What it has reported so far. */
  readonly said: string
  /** What it is to become, told on a descriptor of its own after the one for reports. Null: it knows, was fed, and takes its order from standard input. */
  readonly words: readonly string[] | null
}
export type Launch = {
  readonly ahead?: Ahead
  readonly program: string; readonly args: readonly string[]
  /** The whole environment of the child: nothing of the agent's is added. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string; readonly limits: SandboxLimits; readonly cgroup: Cgroup | null
  /** What the child finds on descriptors 3, 4, …; the next one after them is the launcher's, for its status. */
  readonly feeds: readonly Buffer[]
  readonly stdin?: Uint8Array | undefined
  readonly disk: Disk
  /** When its descriptor has said whose turn it is (`pid`: told all of it and the child's own id), the launcher waits: it is told a line there when what must be done for that process from outside is done. */
  readonly waits?: { pid(status: string, child: number): number | null; act(pid: number): void | Promise<void> }
  /** The launcher's own process besides the child, to be waited for where there is no control group to look into. */
  readonly innerPid?: (status: string) => number | null
  /** A child that speaks for the program instead of being it: told over sockets, which it finds after the launcher's descriptor. */
  readonly through?: { readonly sockets: number; open(hands: Hands): Through }
  /** An end that is not what the exit code says; asked when no limit ended it. */
  readonly explain: (end: End) => Verdict | null
  /** Looked at every so often while it runs: what ends it although no limit of ours was met. */
  readonly fatal?: () => Verdict | null
  /** Told the process id; what it gives back is called after the end. */
  readonly started?: (pid: number) => () => void
  /** After the last process is gone: bring the files home, take down what was set up. A verdict replaces an ordinary exit. */
  readonly cleanUp: () => Promise<Verdict | null>
}

export type Hands = {
  readonly sockets: readonly Duplex[]
  /** The child's own words. */
  readonly said: readonly Readable[]
  readonly endAs: (verdict: Verdict) => void
  /** The program has ended: from now on only what is left to be done takes time, for which this has its own bounds. */
  readonly timeIsUp: () => void
  /** Its time begins now, and is so long. */
  readonly timeBegins: (ms: number) => void
}
export type Through = {
  readonly stdout: Readable; readonly stderr: Readable; readonly stdin: Writable
  /** The time or the output is used up: ends the program inside and brings out what it left, if that can be done at once. */
  readonly lastWords: () => Promise<void>
}

/** This often memory and disk are looked at where the kernel does not keep their limits; a look that takes longer delays the next one. */
const WATCH_MS = 100
/** What is kept of the start and of the end of stderr. */
const STDERR_KEPT = 2_000
const STATUS_MAX = 4_000
/** What is done for a launcher that waits: two starts of Deno and a handshake, on a busy machine. */
const ACT_MS = 20_000
/** A killed process may take a while to give back its memory; after this its files are collected all the same, and the report says so. */
const GONE_MS = 10_000
const NOTHING: SandboxUsage = { cpuMs: 0, memoryBytes: 0, memoryPeakBytes: 0, diskBytes: 0, outBytes: 0 }

/** `pipes`: descriptors after the usual three. It leads a group of processes, so that all of it can be ended at once. */
export function spawnLauncher({ program, args, cwd, env }: Pick<Launch, 'program' | 'args' | 'cwd' | 'env'>, pipes: number): ChildProcess {
  const stdio: StdioOptions = ['pipe', 'pipe', 'pipe', ...Array.from({ length: pipes }, () => 'pipe' as const)]
  return spawn(program, [...args], { cwd, env: { ...env }, stdio, detached: process.platform !== 'win32', windowsHide: true })
}

export function supervise(launch: Launch): Sandbox {
  const { limits, cgroup, disk, ahead } = launch
  let child: ChildProcess
  try { child = ahead?.child ?? spawnLauncher(launch, launch.feeds.length + 1 + (launch.through?.sockets ?? 0)) } catch (error) { return notSpawned(launch, error as NodeJS.ErrnoException) }
  const over = child.pid === undefined ? undefined : launch.started?.(child.pid)
  const stdout = new PassThrough({ highWaterMark: 256 * 1024 }), stderr = new PassThrough({ highWaterMark: 256 * 1024 })
  let outBytes = 0, stderrHead = '', stderrTail = '', status = ahead?.said ?? '', peak = 0, cpuMs = 0, memoryBytes = 0, diskBytes = 0
  let verdict: Verdict | null = null
  let ended = false
  // What it took while it waited for a job is nobody's bill.
  const cpuBefore = ahead ? (cgroup?.cpuMs() ?? 0) : 0
  let timeLeft = limits.wallMs, timeFrom = performance.now(), wall: NodeJS.Timeout | null = null

  const stopTree = (): void => {
    cgroup?.killAll()
    if (child.pid === undefined) return
    // The child leads a group of its own; inside bubblewrap the end of the first process ends its whole pid namespace.
    try { process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL') } catch { /* it has ended already */ }
  }
  const endAs = (cause: ExitCause, detail: string, code?: number | null): void => {
    if (verdict !== null || ended) return
    verdict = { cause, detail, ...(code === undefined ? {} : { code }) }
    if (through && (cause === 'wall' || cause === 'output')) void through.lastWords().then(stopTree, stopTree)
    else stopTree()
  }
  const through = launch.through?.open({
    sockets: (child.stdio.slice(4 + launch.feeds.length) as unknown as Duplex[]), said: [child.stdout as Readable, child.stderr as Readable],
    endAs: ({ cause, detail, code }) => endAs(cause, detail ?? '', code), timeIsUp() { if (wall) clearTimeout(wall); wall = null; timeLeft = Infinity },
    timeBegins(ms) { if (wall) clearTimeout(wall); wall = null; timeLeft = ms; armWall() },
  })

  const sources: Readable[] = []
  const flow = (from: Readable, to: PassThrough, isStderr: boolean): void => {
    sources.push(from)
    from.on('data', (chunk: Buffer) => {
      const room = limits.outputBytes - outBytes
      const part = chunk.length > room ? chunk.subarray(0, Math.max(0, room)) : chunk
      outBytes += part.length
      if (isStderr && part.length > 0) {
        const text = part.toString('latin1')
        if (stderrHead.length < STDERR_KEPT) stderrHead += text.slice(0, STDERR_KEPT - stderrHead.length)
        stderrTail = (stderrTail + text).slice(-STDERR_KEPT)
      }
      // A slow reader slows the program down. Once it has ended, what is left is a full pipe at most, and the report does not wait for readers.
      if (part.length > 0 && !to.write(part) && !ended) { from.pause(); to.once('drain', () => from.resume()) }
      if (chunk.length > room) endAs('output', `it wrote more than ${limits.outputBytes} bytes of output`)
    })
    from.on('end', () => to.end())
    from.on('error', () => to.end())
  }
  flow(through?.stdout ?? child.stdout as Readable, stdout, false)
  flow(through?.stderr ?? child.stderr as Readable, stderr, true)
  const ignoreClosed = (): void => undefined // a program need not read its input to the end
  child.stdin?.on('error', ignoreClosed)
  if (through) child.stdin?.end()
  const input = through?.stdin ?? child.stdin
  input?.on('error', ignoreClosed)
  input?.end(launch.stdin ? Buffer.from(launch.stdin) : undefined)
  if (ahead?.words) { const to = child.stdio[4 + launch.feeds.length] as Writable; to.on('error', ignoreClosed); to.end(ahead.words.map((word) => `${word}\0`).join('')) }
  if (!ahead || ahead.words) launch.feeds.forEach((bytes, i) => { const to = child.stdio[3 + i] as Writable; to.on('error', ignoreClosed); to.end(bytes) })
  const told = child.stdio[3 + launch.feeds.length] as Readable | undefined
  let waited = false, patience: NodeJS.Timeout | undefined
  told?.on('data', (chunk: Buffer) => {
    if (status.length < STATUS_MAX) status += chunk.toString('latin1')
    const pid = waited || !launch.waits || child.pid === undefined ? null : launch.waits.pid(status, child.pid)
    if (pid === null || !launch.waits) return
    waited = true
    const { waits } = launch, late = new Promise<never>((_, reject) => { patience = setTimeout(() => reject(new Error(`what the sandbox waited for was not done in ${ACT_MS} ms`)), ACT_MS) })
    void Promise.race([(async () => waits.act(pid))(), late]).then(() => { if (!ended) (told as unknown as Writable).write('go\n') }, (error: Error) => endAs('driver', error.message)).finally(() => clearTimeout(patience))
  })
  told?.on('error', ignoreClosed)
  if (ahead) for (const from of [...sources, told]) from?.resume() // whoever waited for it had stopped them

  const armWall = (): void => { if (timeLeft === Infinity) return; timeFrom = performance.now(); wall = setTimeout(() => endAs('wall', `it ran longer than ${limits.wallMs} ms`), Math.max(0, timeLeft)) }
  armWall()
  let looking: Promise<void> | null = null
  /** One look at a time: whoever asks meanwhile gets the same one. */
  const look = (): Promise<void> => (looking ??= (async () => {
    try {
      const now = cgroup ? { memoryBytes: cgroup.memoryBytes(), cpuMs: cgroup.cpuMs() - cpuBefore } : await treeUsage(child.pid)
      if (now && !ended) memoryBytes = now.memoryBytes
      peak = Math.max(peak, now?.memoryBytes ?? 0, cgroup ? cgroup.memoryPeakBytes() : 0)
      cpuMs = Math.max(cpuMs, now?.cpuMs ?? 0)
      const used = await disk.used()
      if (!ended) diskBytes = used
    } finally { looking = null }
  })())
  const usage = (): SandboxUsage => ({ cpuMs: Math.round(cpuMs), memoryBytes: ended ? 0 : memoryBytes, memoryPeakBytes: peak, diskBytes: Number.isFinite(diskBytes) ? diskBytes : limits.diskBytes, outBytes })
  const unwatched = cgroup !== null && disk.limited
  const watch = unwatched ? null : setInterval(() => {
    if (!looking) look().then(() => {
      if (!cgroup && memoryBytes > limits.memoryBytes) endAs('memory', `it used more than ${limits.memoryBytes} bytes of memory`)
      if (!disk.limited && diskBytes > limits.diskBytes) endAs('disk', diskLimit(limits))
    }, (error: Error) => endAs('driver', `it could not be watched: ${error.message}`))
  }, WATCH_MS)

  const { fatal } = launch
  const deadly = fatal ? setInterval(() => { const found = fatal(); if (found) endAs(found.cause, found.detail ?? '') }, WATCH_MS) : null

  const exit = new Promise<ExitReport>((resolve) => {
    let spawnError: NodeJS.ErrnoException | null = null
    const conclude = async (code: number | null, signal: NodeJS.Signals | null): Promise<void> => {
      resolve(await finish({ code, signal, status, stderrHead, stderrTail }, spawnError).catch((error: Error): ExitReport => ({ cause: 'driver', code: null, usage: usage(), detail: error.message })))
    }
    child.on('error', (error) => { spawnError = error; if (child.pid === undefined) void conclude(null, null) })
    // The main process has ended. What it left behind would hold the pipes open, so it ends now.
    child.on('exit', () => { void look().catch(() => undefined /* the last reading is missing, not the end */); stopTree(); ended = true; for (const from of sources) from.resume() })
    // Every pipe is drained.
    child.on('close', (code, signal) => { if (child.pid !== undefined) void conclude(code, signal) })
  })
  async function finish(end: End, spawnError: NodeJS.ErrnoException | null): Promise<ExitReport> {
    ended = true
    if (watch) clearInterval(watch)
    if (deadly) clearInterval(deadly)
    if (wall) clearTimeout(wall)
    wall = null
    await looking?.catch(() => undefined /* as above */)
    if (!spawnError) await look().catch(() => undefined)
    try { diskBytes = await disk.used() } catch { /* what the last look found stays */ }
    const outOfMemory = cgroup?.ranOutOfMemory() ?? false
    stopTree()
    over?.()
    let failed: Error | null = null, kept: Verdict | null = null
    try {
      const inner = launch.innerPid?.(end.status) ?? null
      await until(() => { if (cgroup && !cgroup.isEmpty()) { cgroup.killAll(); return false } return inner === null || !isAlive(inner) })
      kept = await launch.cleanUp()
      await cgroup?.remove()
    } catch (error) { failed = error as Error }
    stdout.end()
    stderr.end()
    const { code, signal } = end
    const report = ({ cause, code: says, detail }: Verdict): ExitReport => ({ cause, code: cause === 'exit' ? (says ?? code) : null, ...(signal ? { signal } : {}), usage: spawnError ? NOTHING : usage(), ...(detail ? { detail } : {}) })
    if (spawnError ?? failed) return report(spawnVerdict(spawnError ?? failed as Error))
    if (verdict) return report(verdict)
    // A program that is refused memory and goes on is its own business; one that was ended for it has hit the limit.
    if (outOfMemory && (code === null || code === 137)) return report({ cause: 'memory', detail: `it used more than ${limits.memoryBytes} bytes of memory` })
    const explained = launch.explain(end) ?? kept
    if (explained) return report(explained)
    // Ended by a signal from inside, as by its own abort(): shells say 128 + n, and so do we.
    return report({ cause: 'exit', code: code ?? 128 + signalNumber(signal) })
  }

  return {
    stdout, stderr, exit, ...(disk.dir === undefined ? {} : { dir: disk.dir }),
    async stats() { if (!ended) await look(); return usage() },
    async pause() {
      if (ended) return
      if (wall) { clearTimeout(wall); wall = null; timeLeft -= performance.now() - timeFrom }
      if (cgroup) await cgroup.freeze(true)
      else signalTree(child.pid, 'SIGSTOP')
    },
    async resume() {
      if (ended) return
      if (cgroup) await cgroup.freeze(false)
      else signalTree(child.pid, 'SIGCONT')
      if (!wall) armWall()
    },
    async kill(reason) { endAs('killed', reason); await exit },
  }
}

export const diskLimit = (limits: SandboxLimits): string => `its files take more than ${limits.diskBytes} bytes, or are too many; none was kept`

/** The buyer's own words may not fit: that is not the seller's fault. */
const spawnVerdict = (error: NodeJS.ErrnoException): Verdict => (error.code === 'E2BIG' ? { cause: 'exit', code: 126, detail: 'the arguments and the environment are too long for this machine' } : { cause: 'driver', detail: error.message })
function notSpawned(launch: Launch, error: Error): Sandbox {
  const exit = (async (): Promise<ExitReport> => {
    let verdict = spawnVerdict(error)
    try { await launch.cleanUp(); await launch.cgroup?.remove() } catch (failed) { verdict = { cause: 'driver', detail: (failed as Error).message } }
    return await endedSandbox(verdict).exit
  })()
  return { ...endedSandbox(spawnVerdict(error)), exit }
}

/** A sandbox that never came to be, for a reason that lies in the order itself. */
export function endedSandbox(verdict: Verdict): Sandbox {
  const streams = [new PassThrough().end(), new PassThrough().end()] as const
  const none = async (): Promise<void> => undefined
  const exit = Promise.resolve<ExitReport>({ cause: verdict.cause, code: verdict.code ?? null, usage: NOTHING, ...(verdict.detail ? { detail: verdict.detail } : {}) })
  return { stdout: streams[0], stderr: streams[1], exit, stats: async () => NOTHING, pause: none, resume: none, kill: none }
}

/** Words that no process can be given: they would tear the lists they are written into. */
export function unspeakable(job: { readonly command: readonly string[]; readonly env: Readonly<Record<string, string>> }): Verdict | null {
  if (job.command.length === 0 || job.command.some((word) => word.includes('\0'))) return { cause: 'exit', code: 126, detail: 'the command is empty or has a NUL character in it' }
  if (Object.entries(job.env).some(([name, value]) => name === '' || name.includes('=') || `${name}${value}`.includes('\0'))) return { cause: 'exit', code: 126, detail: 'a variable has an impossible name or a NUL character in it' }
  return null
}

async function until(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + GONE_MS; !isSo();) {
    if (performance.now() > end) throw new Error(`a process of the sandbox did not end within ${GONE_MS} ms`)
    await delay(2)
  }
}
/** A zombie is dead: the first process of a pid namespace becomes one only after all the others are gone, and whoever adopts it may take seconds. */
const isAlive = (pid: number): boolean => { try { const stat = readFileSync(`/proc/${pid}/stat`, 'utf8'); return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2)) } catch { return false /* gone altogether */ } }

const NUMBERS: Partial<Record<NodeJS.Signals, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGILL: 4, SIGTRAP: 5, SIGABRT: 6, SIGBUS: 7, SIGFPE: 8, SIGKILL: 9, SIGSEGV: 11, SIGPIPE: 13, SIGTERM: 15, SIGXCPU: 24, SIGXFSZ: 25, SIGSYS: 31 }
const signalNumber = (signal: NodeJS.Signals | null): number => (signal ? (NUMBERS[signal] ?? 0) : 0)

type Known = { readonly parent: number; readonly rss: number; readonly ticks: number }
/** Every process and its parent, from /proc; null where there is none (macOS, Windows). */
function processes(): Map<number, Known> | null {
  let names: string[]
  try { names = readdirSync('/proc').filter((name) => /^\d+$/.test(name)) } catch { return null /* another system */ }
  const known = new Map<number, Known>()
  for (const pid of names) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      known.set(Number(pid), { parent: Number(fields[1]), rss: Number(fields[21]), ticks: Number(fields[11]) + Number(fields[12]) })
    } catch { /* it ended while we looked */ }
  }
  return known
}
function treeOf(root: number, known: ReadonlyMap<number, Known>): number[] {
  return [...known.keys()].filter((pid) => {
    let at: number | undefined = pid
    for (let depth = 0; at !== undefined && at !== root && depth < 4096; depth++) at = known.get(at)?.parent
    return at === root
  })
}

/** Memory and CPU of a process and its descendants; null where nothing can be read, and then nothing is claimed. */
async function treeUsage(root: number | undefined): Promise<{ memoryBytes: number; cpuMs: number } | null> {
  if (root === undefined || process.platform === 'win32') return null
  const known = processes()
  if (!known) return psUsage(root)
  let pages = 0, ticks = 0
  for (const pid of treeOf(root, known)) { const one = known.get(pid); pages += one?.rss ?? 0; ticks += one?.ticks ?? 0 }
  return { memoryBytes: pages * 4096, cpuMs: ticks * 10 } // 4 KiB pages and 100 ticks a second, as on nearly every Linux; larger pages only make it kinder
}
/** macOS: only Deno runs there, as one process. */
export async function psUsage(pid: number): Promise<{ memoryBytes: number; cpuMs: number } | null> {
  const line = await new Promise<string>((resolve) => { execFile('ps', ['-o', 'rss=,time=', '-p', String(pid)], (_error, out) => resolve(out ?? '')) })
  const [, rss, time] = /^\s*(\d+)\s+([\d:.-]+)/.exec(line) ?? []
  if (rss === undefined || time === undefined) return null
  const [clock = '', days = '0'] = time.split('-').reverse()
  return { memoryBytes: Number(rss) * 1024, cpuMs: Math.round((Number(days) * 86_400 + clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)) * 1000) }
}

/** Without a freezer, one by one; again while new ones turn up, which stops when all that could fork are stopped. */
function signalTree(root: number | undefined, signal: 'SIGSTOP' | 'SIGCONT'): void {
  if (root === undefined || process.platform === 'win32') return
  const reached = new Set<number>()
  for (let round = 0; round < 20; round++) {
    const known = processes()
    const fresh = (known ? treeOf(root, known) : [root]).filter((pid) => !reached.has(pid))
    if (fresh.length === 0) return
    for (const pid of fresh) { reached.add(pid); try { process.kill(pid, signal) } catch { /* it ended meanwhile */ } }
  }
}
