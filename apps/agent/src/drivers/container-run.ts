// A container from its start to its last breath: what supervise.ts does for a child process, for one that an engine holds. Output arrives on one
// attached stream in frames; the exit is asked of the engine when that stream has ended, or when waiting for it has an answer first (a slow reader
// holds the stream up). Meters are read from the control groups that the engine made; the last reading is taken the moment the stream ends, because
// the groups go with the container.
import { readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { Container, ContainerState } from 'dockerode'
import { groupOf } from './container-engine.ts'
import type { Group } from './container-engine.ts'
import type { ExitCause, ExitReport, Sandbox, SandboxLimits, SandboxUsage } from './driver.ts'
import { diskLimit } from './supervise.ts'
import type { Disk, Verdict } from './supervise.ts'

/** Meters, and the disk where the kernel does not keep its limit. */
const WATCH_MS = 100
/** After a kill, or after the stream's end, the engine has seen the end within this; else something is broken. */
const GONE_MS = 15_000
/** Output still on its way when the engine says that the container has ended. */
const DRAIN_MS = 5_000
const HEADER_BYTES = 8
/** Frames of the job's own bytes: an engine never makes larger ones than its copy buffer, 32 KiB; more than this is not its protocol. */
const FRAME_BYTES_MAX = 16 * 1024 * 1024
/** Output that came after the sandbox's end was decided is kept so far; a flood goes on until the kill has arrived. */
const AFTERWARDS_BYTES = 1024 * 1024

export type Running = {
  readonly container: Container; readonly stream: Duplex; readonly limits: SandboxLimits; readonly disk: Disk; readonly stdin?: Uint8Array | undefined
  /** Asked when its first process waits to begin, by its number (0: the engine has none yet). It is not started where this rejects. */
  readonly ready?: (pid: number) => Promise<void>
  /** Removes the container, brings the files home, takes down what was set up. A verdict replaces an ordinary exit. */
  readonly cleanUp: () => Promise<Verdict | null>
}

/** Starts it, too: a program may be over before anything else can be asked, so whoever listens does so before. Rejects when it cannot be started. */
export async function runContainer({ container, stream, limits, disk, stdin, ready, cleanUp }: Running): Promise<Sandbox> {
  const stdout = new PassThrough({ highWaterMark: 256 * 1024 }), stderr = new PassThrough({ highWaterMark: 256 * 1024 })
  let outBytes = 0, verdict: Verdict | null = null, ended = false, over = false, paused = false, killing: Promise<void> | null = null
  let last: Group = { cpuMs: 0, memoryBytes: 0, memoryPeakBytes: 0, outOfMemory: false }, diskBytes = 0
  let timeLeft = limits.wallMs, timeFrom = performance.now(), wall: NodeJS.Timeout | null = null

  let pid = 0, group: ReturnType<typeof groupOf> = null
  const readGroup = (): void => { const now = group?.(); if (now) last = { ...now, memoryPeakBytes: Math.max(now.memoryPeakBytes, last.memoryPeakBytes), outOfMemory: now.outOfMemory || last.outOfMemory } }
  const kill = (): Promise<void> => (killing ??= (async () => {
    for (const end = performance.now() + GONE_MS; performance.now() < end;) {
      // What is frozen takes no signal; podman says so, docker waits. Not found and not running is what is wanted.
      if (paused) await container.unpause().then(() => { paused = false }, () => undefined)
      const says = await container.kill({ signal: 'SIGKILL' }).then(() => null, (error: Error & { statusCode?: number }) => error)
      if (says === null || says.statusCode === 404 || says.statusCode === 409 && !(await container.inspect()).State.Running) return
      await delay(50)
    }
  })().catch(() => undefined /* the wait for the end says what is wrong */))
  const endAs = (cause: ExitCause, detail: string): void => {
    if (verdict !== null || ended) return
    verdict = { cause, detail }
    // A slow reader would hold up the engine, and the engine the end.
    stream.resume()
    void kill()
  }

  // Frames: who (1 stdout, 2 stderr), three zeros, length, bytes. A slow reader slows the program down: the stream is not read meanwhile.
  let header = Buffer.alloc(0), left = 0, to = stdout
  const take = (part: Buffer): boolean => {
    if (verdict !== null && to.writableLength > AFTERWARDS_BYTES) return true
    const room = limits.outputBytes - outBytes
    const kept = part.length > room ? part.subarray(0, Math.max(0, room)) : part
    outBytes += kept.length
    if (part.length > room) endAs('output', `it wrote more than ${limits.outputBytes} bytes of output`)
    return kept.length === 0 || to.write(kept)
  }
  stream.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length;) {
      if (left === 0) {
        const part = chunk.subarray(at, at + HEADER_BYTES - header.length)
        header = Buffer.concat([header, part])
        at += part.length
        if (header.length < HEADER_BYTES) return
        left = header.readUInt32BE(4)
        to = header[0] === 2 ? stderr : stdout
        if (left > FRAME_BYTES_MAX || (header[0] ?? 3) > 2) { endAs('driver', 'the engine sent output that is not in its own protocol'); stream.destroy(); return }
        header = Buffer.alloc(0)
        continue
      }
      const part = chunk.subarray(at, at + left)
      at += part.length
      left -= part.length
      if (!take(part) && verdict === null && !over) { const slow = to; stream.pause(); slow.once('drain', () => stream.resume()) }
    }
  })
  const streamOver = new Promise<void>((resolve) => { for (const event of ['end', 'close', 'error']) stream.once(event, () => { readGroup(); resolve() }) })
  stream.on('error', () => undefined) // its end says the rest

  // Podman has a first process ready before the start, Docker makes it then.
  const know = async (): Promise<void> => { pid = (await container.inspect()).State.Pid; group = pid > 0 ? groupOf(pid, container.id) : null }
  try {
    await know()
    await ready?.(pid)
    await container.start()
    if (pid === 0) await know()
  } catch (error) { stream.destroy(); throw error }
  if (stdin) stream.end(Buffer.from(stdin))

  const armWall = (): void => { timeFrom = performance.now(); wall = setTimeout(() => endAs('wall', `it ran longer than ${limits.wallMs} ms`), Math.max(0, timeLeft)) }
  armWall()
  const look = async (): Promise<void> => { readGroup(); const used = await disk.used(); if (!ended) diskBytes = used }
  let looking: Promise<void> | null = null
  // The engine notices the end only when its output is read: who reads slowly must not make the program look alive.
  const gone = Promise.withResolvers<void>()
  const watch = setInterval(() => {
    if (pid > 0 && !over && !isAlive(pid)) { over = true; readGroup(); stream.resume(); gone.resolve() }
    looking ??= look().then(() => { if (!disk.limited && diskBytes > limits.diskBytes) endAs('disk', diskLimit(limits)) }, (error: Error) => endAs('driver', `it could not be watched: ${error.message}`)).finally(() => { looking = null })
  }, WATCH_MS)
  const usage = (): SandboxUsage => ({ cpuMs: Math.round(last.cpuMs), memoryBytes: ended ? 0 : last.memoryBytes, memoryPeakBytes: last.memoryPeakBytes, diskBytes: Number.isFinite(diskBytes) ? diskBytes : limits.diskBytes, outBytes })

  /** The state after the end. The stream ends a moment before the engine knows, or long before, when a job closes its outputs and runs on. */
  async function stateAtEnd(): Promise<ContainerState> {
    const waiting = new AbortController()
    const waited = container.wait({ abortSignal: waiting.signal }).then(() => undefined, () => streamOver)
    await Promise.race([streamOver, waited, gone.promise])
    for (let pause = 2, since = performance.now(); ; pause = Math.min(250, pause * 1.5)) {
      const { State } = await container.inspect()
      if (!State.Running && !State.Paused) { waiting.abort(); return State }
      if (!over && (verdict === null || killing === null)) since = performance.now()
      if (performance.now() - since > GONE_MS) { waiting.abort(); throw new Error(`the container did not end within ${GONE_MS} ms`) }
      await delay(pause)
    }
  }
  async function finish(): Promise<ExitReport> {
    let state: ContainerState | null = null, failed: Error | null = null, kept: Verdict | null = null
    try { state = await stateAtEnd() } catch (error) { failed = error as Error }
    readGroup()
    ended = true
    clearInterval(watch)
    if (wall) clearTimeout(wall)
    wall = null
    stream.resume()
    const patience = new AbortController()
    await Promise.race([streamOver, delay(DRAIN_MS, undefined, { signal: patience.signal }).catch(() => undefined /* not needed */)])
    patience.abort()
    stream.destroy()
    await looking?.catch(() => undefined /* the last reading is missing, not the end */)
    try { diskBytes = await disk.used() } catch { /* what the last look found stays */ }
    try { kept = await cleanUp() } catch (error) { failed ??= error as Error }
    stdout.end()
    stderr.end()
    const report = ({ cause, code, detail }: Verdict): ExitReport => ({ cause, code: cause === 'exit' ? (code ?? null) : null, usage: usage(), ...(detail ? { detail } : {}) })
    if (failed || !state) return report({ cause: 'driver', detail: failed?.message ?? 'the engine does not know how it ended' })
    if (verdict) return report(verdict)
    // Podman does not say it on version 1 of control groups; the group itself does.
    if ((state.OOMKilled || last.outOfMemory) && state.ExitCode === 137) return report({ cause: 'memory', detail: `it used more than ${limits.memoryBytes} bytes of memory` })
    return report(kept ?? { cause: 'exit', code: state.ExitCode })
  }
  const exit = finish()

  return {
    stdout, stderr, exit, ...(disk.dir === undefined ? {} : { dir: disk.dir }),
    async stats() { if (!ended) await look(); return usage() },
    async pause() {
      if (ended || paused) return
      if (wall) { clearTimeout(wall); wall = null; timeLeft -= performance.now() - timeFrom }
      await container.pause()
      paused = true
    },
    async resume() {
      if (ended) return
      if (paused) await container.unpause()
      paused = false
      if (!wall) armWall()
    },
    async kill(reason) { endAs('killed', reason); await exit },
  }
}

/** A zombie has ended; its number is not given to another before the engine has seen it. */
const isAlive = (pid: number): boolean => { try { const stat = readFileSync(`/proc/${pid}/stat`, 'utf8'); return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2)) } catch { return false /* gone */ } }
