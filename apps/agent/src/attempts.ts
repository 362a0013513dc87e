// One attempt, from its order to its end:
//
//   work directory → inputs → image → a fresh lease → sandbox → started → (output, meter) → exit → outputs stored → ended
//
// Every attempt ends exactly once with a cause, whatever happens on the way; being stopped is one of the ways. The core decides what is started
// and stopped; here it is done. What has no inputs and needs no directory touches no disk.
import { createReadStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { AgentInput, SandboxEnd } from '@lumaris/domain'
import type { Known } from './checkpoints.ts'
import { canonical, inputHash, matches } from '@lumaris/protocol'
import type { AttemptId, Cause, DriverId, GangPlace, InputFile, JobDispatch, LivePeer, LogMessage, MeshOffer, MeshPeer, NodeId, Receive, ResultFile, Saved, Sha256, Usage } from '@lumaris/protocol'
import { OPEN_FILES_MAX } from './drivers/driver.ts'
import type { Checkpoint, ExitReport, Guest, IsolationDriver, Sandbox, SandboxNetwork, SandboxSpec } from './drivers/driver.ts'
import { vaultBytes } from './drivers/work-disk.ts'
import type { Vault } from './drivers/vault.ts'
import { BlobMissing, BlobRefused } from './blobs.ts'
import type { Blobs, Part } from './blobs.ts'
import type { Clock } from './clock.ts'
import { removeTree } from './files.ts'
import type { Identity } from './identity.ts'
import { captureTo } from './capture.ts'
import { coverSecrets } from './cover-secrets.ts'
import type { Capture } from './capture.ts'
import { pipeLog } from './log-pipe.ts'
import type { LogPipe } from './log-pipe.ts'
import { saysOf } from './log.ts'
import type { Log } from './log.ts'
import type { LiveMoves } from './moves/live-moves.ts'
import { createSaves } from './saves.ts'
import { sha256 } from './seal.ts'
import type { AttemptEgress } from './egress/egress.ts'

/** A driver may say that some commands need no files at all; then no directory is made for them. */
export type AgentDriver = IsolationDriver & { needsWorkDir?(job: { readonly command: readonly string[] }): boolean }

/** A file that a job left in its directory. */
export type FoundFile = { readonly path: string; readonly size: number; readonly sha256: string; open(from?: number): Readable | Promise<Readable> }

/** The private network of a gang, as one rank of it has it: ready when it is made, joined when all ranks are. */
export type RankNetwork = { readonly offer: MeshOffer; join(place: GangPlace, peers: readonly MeshPeer[]): Promise<SandboxNetwork>; close(): Promise<void> }

export type AttemptPorts = {
  readonly drivers: ReadonlyMap<DriverId, AgentDriver>; readonly workDir: string; readonly blobs: Blobs; readonly clock: Clock; readonly log: Log
  /** Who signs what is taken of programs here. */
  readonly identity: Identity; readonly node: NodeId
  /** Walks a work directory that its job may have filled with anything. */
  readonly collect: (root: string) => AsyncIterable<FoundFile>
  readonly input: (input: AgentInput) => void
  readonly say: (message: LogMessage) => void
  /** Null where gangs cannot be joined. */
  readonly network: ((order: JobDispatch, lost: (why: string) => void) => Promise<RankNetwork>) | null
  /** Machines that move while they run; null where none do. */
  readonly live: (() => Promise<LiveMoves>) | null
  /** Outgoing connections for an order that names hosts; null where the owner allows none. */
  readonly egress: ((order: JobDispatch) => AttemptEgress | Promise<AttemptEgress>) | null
  /** Whether more output can go out just now; see PipeOptions.room. */
  readonly room: () => Promise<void> | null
  /** Resolves when the lease is young enough to start something under it; null when it is now. */
  readonly freshLease: (until: AbortSignal) => Promise<void> | null
}
export interface Attempts {
  start(order: JobDispatch): void
  /** A rank's gang begins. Said more than once, the first time counts. */
  join(id: AttemptId, peers: readonly MeshPeer[]): void
  kill(id: AttemptId, cause: Cause): void
  /** Stores a checkpoint of it while it stands still, and says `saved` or `stays`. */
  leave(id: AttemptId, what: Saved['kind'], peer?: LivePeer): void
  /** Says how this agent is reached by the one that is to receive it. */
  readyToLeave(id: AttemptId): void
  /** It was sent elsewhere while it ran, and goes on here after all. */
  stay(id: AttemptId): void
  /** What another node sends while it runs; and: it does not come. */
  receive(order: Receive): void
  dontReceive(id: AttemptId): void
  wipe(id: AttemptId): void
  /** All that runs stands still, and its meter with it; nothing is started meanwhile. Resolves when it is so. What cannot be made to stand is given back. */
  freeze(frozen: boolean): Promise<void>
  list(): AttemptNow[]
  /** CPU time of all sandboxes so far, ended ones too. */
  readonly cpuMs: number
  /** Reads every meter once. */
  poll(): void
  readonly running: number
  /** Resolves when nothing runs and nothing is being removed. */
  idle(): Promise<void>
}

export type AttemptNow = { readonly id: AttemptId; readonly order: JobDispatch; readonly state: 'starting' | 'running' | 'frozen' | 'ending'; readonly runMs: number; readonly frozenMs: number; readonly cpuMs: number; readonly memoryBytes: number; readonly outBytes: number }

export type Running = {
  readonly order: JobDispatch; readonly stop: AbortController; readonly peers: PromiseWithResolvers<readonly MeshPeer[]>; network: RankNetwork | null; egress: AttemptEgress | null; /** Its program has ended. */ readonly over: AbortController
  /** Its encrypted scratch: then nothing of it lies anywhere else. */
  vault: Vault | null
  killed: Cause | null; sandbox: Sandbox | null; pipes: { stdout: LogPipe | Capture; stderr: LogPipe } | null
  startedAt: number; pausedAt: number | null; pausedMs: number; polling: boolean; settling: Promise<void> | null; cpuMs: number; memoryBytes: number
  /** Checkpoints: it stands still for one, when the next is due, what the last one had. */
  holding: boolean; saveAt: number; saving: Promise<void> | null; saved: number; readonly known: Known
  /** Inputs as they were brought here: path, SHA-256. */
  readonly came: Map<string, string>
}
/** Files fetched or stored at the same time, for one attempt. */
const TRANSFERS_MAX = 4
/** A report names every file in about 105 bytes and the file's path: at most 715 KiB, which fits into one frame (1 MiB) behind other messages. */
const FILES_MAX = 3000
const FILE_NAMES_BYTES_MAX = 200 * 1024
/** A pipe that a driver leaves open after the end is cut after this. */
const PIPES_CLOSE_MS = 5000
const NO_USAGE: ExitReport['usage'] = { cpuMs: 0, memoryBytes: 0, memoryPeakBytes: 0, diskBytes: 0, outBytes: 0 }

class Stopped extends Error { override readonly name = 'Stopped' }
/** An end that is known, with its cause. */
class Ended extends Error {
  override readonly name = 'Ended'
  readonly reason: Cause
  constructor(reason: Cause, detail: string) { super(detail); this.reason = reason }
}

export function createAttempts(ports: AttemptPorts): Attempts {
  const attempts = new Map<AttemptId, Running>()
  const dirs = new Set<AttemptId>()
  const busy = new Set<Promise<void>>()
  let cpuMs = 0
  /** While the owner has the machine. */
  let frozen: PromiseWithResolvers<void> | null = null
  const dirOf = ({ vault, order }: Running): string => (vault ? join(vault.dir, 'files') : join(ports.workDir, order.attempt_id))
  /** Beside the directory, not in it: what lies there is the program's, which could put a link in its place. */
  const stdoutOf = ({ vault, order }: Running): string => (vault ? join(vault.dir, 'stdout') : join(ports.workDir, `${order.attempt_id}.stdout`))
  const track = (work: Promise<void>): void => { busy.add(work); void work.finally(() => busy.delete(work)) }

  async function run(attempt: Running): Promise<void> {
    const { order } = attempt
    const log = { attempt: order.attempt_id, job: order.job_id }
    const end = await work(attempt).catch((error: unknown): SandboxEnd => {
      if (attempt.killed) return endOf(attempt, { cause: attempt.killed })
      if (error instanceof Ended) return endOf(attempt, { cause: error.reason, detail: error.message })
      ports.log.error({ ...log, error }, 'the attempt broke on this node')
      return endOf(attempt, { cause: 'driver_failed', detail: 'the attempt could not be run on this node' }) // the log has the rest
    })
    await closeEgress(attempt)
    await attempt.network?.close().catch(failed(order.attempt_id, 'the network of the gang could not be taken down'))
    if (order.stdout !== undefined) await rm(stdoutOf(attempt), { force: true }).catch(failed(order.attempt_id, 'the output file could not be removed; the next start of the agent tries again'))
    // Its results are with the market: nobody needs the key again, and nothing is worth keeping for the market's last word.
    await attempt.vault?.close().catch(failed(order.attempt_id, 'the encrypted scratch could not be closed'))
    attempts.delete(order.attempt_id)
    ports.log.info({ ...log, cause: end.cause, exitCode: end.exitCode, runMs: end.usage.runMs, ...(attempt.egress ? { egress: attempt.egress.meter() } : {}) }, 'attempt ended')
    ports.input({ kind: 'ended', attempt: order.attempt_id, end })
  }

  async function work(attempt: Running): Promise<SandboxEnd> {
    const { order } = attempt
    const driver = ports.drivers.get(order.driver)
    if (!driver) throw new Ended('driver_failed', `this node has no driver ${order.driver}`)
    const guest = order.resume?.kind === 'live' ? await claim(attempt) : null
    try { return await workIn(attempt, driver, guest) } finally { await guest?.drop() }
  }
  async function workIn(attempt: Running, driver: AgentDriver, guest: Guest | null): Promise<SandboxEnd> {
    const { order } = attempt, command = [order.payload.command, ...order.payload.args]
    const restored = order.resume?.memory && !guest ? await prepareMemory(attempt) : null
    if (order.encrypted_scratch) {
      if (!driver.openVault) throw new Ended('driver_failed', `the driver ${order.driver} has no encrypted scratch on this node`)
      attempt.vault = await driver.openVault(order.attempt_id, vaultBytes(order.resources.diskBytes, order.stdout === undefined ? 0 : order.limits.outputBytes))
    }
    if (!restored && !guest && (attempt.vault || order.inputs.length > 0 || order.checkpoint || order.resume || (driver.needsWorkDir?.({ command }) ?? true))) await prepare(attempt)
    if (order.egress) {
      if (!ports.egress) throw new Ended('driver_failed', 'this node allows no outgoing connections')
      attempt.egress = await ports.egress(order)
    }
    const spec = specOf(order, command, dirOf(attempt), attempt.vault, attempt.egress)
    const obstacle = await driver.prepare?.(spec, attempt.stop.signal)
    if (obstacle) {
      const { cause, detail } = meaningOf({ cause: obstacle.cause, code: null, usage: NO_USAGE, ...(obstacle.detail === undefined ? {} : { detail: obstacle.detail }) }, null)
      throw new Ended(cause, detail ?? 'the job could not be prepared')
    }
    const network = order.gang ? await meet(attempt, order.gang) : null
    for (let waits = frozen?.promise ?? ports.freshLease(attempt.stop.signal); waits; waits = frozen?.promise ?? ports.freshLease(attempt.stop.signal)) {
      await Promise.race([waits, stopped(attempt.stop.signal)])
      if (attempt.killed) break
    }
    if (attempt.killed) throw new Stopped()

    const sandbox = await (guest ? guest.take(spec) : restored ? restore(driver, spec, restored) : driver.start(network ? { ...spec, network } : spec))
    attempt.sandbox = sandbox
    attempt.startedAt = ports.clock.now()
    if (order.checkpoint) attempt.saveAt = attempt.startedAt + order.checkpoint.everyMs
    const { stdout, stderr } = sandbox
    attempt.pipes = { stdout: order.stdout === undefined ? pipe(attempt, 'stdout', stdout) : captureTo(stdoutOf(attempt), stdout), stderr: pipe(attempt, 'stderr', stderr) }
    if (attempt.killed) await sandbox.kill(attempt.killed)
    else if (frozen) track(settle(attempt))
    ports.input({ kind: 'started', attempt: order.attempt_id })
    const exit = await sandbox.exit
    const { runMs } = meterOf(attempt)
    await closeEgress(attempt)
    count(attempt, exit.usage)
    attempt.over.abort(new Stopped())
    await attempt.saving
    await pipesClosed(attempt)
    attempt.sandbox = null
    return conclude(attempt, exit, runMs)
  }

  /** Before its last meter reading: what is counted stands still. */
  async function closeEgress({ egress, order }: Running): Promise<void> {
    if (!egress) return
    await egress.close().catch(failed(order.attempt_id, 'the outgoing connections could not be closed'))
  }

  /** A rank that has all it needs says so, and waits for the others. */
  async function meet(attempt: Running, gang: GangPlace): Promise<SandboxNetwork> {
    const { order } = attempt
    if (!ports.network) throw new Ended('driver_failed', 'this node cannot join the network of a gang')
    // A rank that hears of nobody any more is of no use to the others: they begin again elsewhere.
    attempt.network = await ports.network(order, (why) => { if (attempt.sandbox && !attempt.killed) { ports.log.warn({ attempt: order.attempt_id, why }, 'the network of a gang is gone, and its rank with it'); track(kill(attempt, 'driver_failed').catch(failed(order.attempt_id, 'the sandbox could not be stopped'))) } })
    ports.input({ kind: 'ready', attempt: order.attempt_id, mesh: attempt.network.offer })
    const peers = await Promise.race([attempt.peers.promise, stopped(attempt.stop.signal)])
    if (!peers || attempt.killed) throw new Stopped()
    return attempt.network.join(gang, peers)
  }

  const pipe = (attempt: Running, stream: 'stdout' | 'stderr', from: Sandbox['stdout']): LogPipe => pipeLog(from, {
    room: ports.room, cover: coverSecrets((attempt.order.secrets ?? []).map((name) => attempt.order.env[name] ?? '')),
    say: (offset, data) => ports.say({ type: 'log', attempt_id: attempt.order.attempt_id, fence: attempt.order.fence, stream, offset, data: data.toString('base64'), at: ports.clock.wall() }),
  })

  /** What came from elsewhere while it ran. Its directory is for the files at its end. */
  async function claim({ order }: Running): Promise<Guest> {
    const root = join(ports.workDir, order.attempt_id)
    await removeTree(root)
    await mkdir(root, { mode: 0o700 })
    dirs.add(order.attempt_id)
    try { return (await ports.live?.() ?? lacking()).claim(order) } catch (error) { throw new Ended('driver_failed', saysOf(error)) }
  }
  const lacking = (): never => { throw new Error('nothing moves to this node while it runs') }

  type Restored = { readonly from: string; readonly checkpoint: Checkpoint }
  /** All that it had in its directory comes with its memory: also what of its inputs it has removed. */
  async function prepareMemory(attempt: Running): Promise<Restored> {
    const { order } = attempt, root = dirOf(attempt), from = `${root}.memory`
    await removeTree(root)
    await mkdir(root, { mode: 0o700 })
    dirs.add(order.attempt_id)
    const { fetchMemory } = await import('./memory.ts')
    try {
      return { from, checkpoint: await fetchMemory(order.resume as NonNullable<JobDispatch['resume']>, from, root, ports.blobs, attempt.stop.signal, order.resources.diskBytes + 3 * order.resources.memoryBytes) }
    } catch (error) {
      await removeTree(from)
      if (attempt.killed) throw new Stopped()
      ports.log.error({ attempt: order.attempt_id, error: saysOf(error) }, 'a memory was not restored')
      throw new Ended('driver_failed', error instanceof Error && error.name === 'MemoryRefused' ? error.message : 'the memory to go on from could not be brought to the node')
    }
  }
  async function restore(driver: AgentDriver, spec: SandboxSpec, { from, checkpoint }: Restored): Promise<Sandbox> {
    try {
      if (!driver.restore) throw new Ended('driver_failed', `the driver ${driver.id} restores no memory here`)
      return await driver.restore(spec, from, checkpoint)
    } finally { await removeTree(from) }
  }

  async function prepare(attempt: Running): Promise<void> {
    const { order } = attempt
    const root = dirOf(attempt)
    await removeTree(root)
    await mkdir(root, { mode: 0o700 })
    dirs.add(order.attempt_id)
    const clash = clashOf(order.inputs.map((input) => input.path))
    if (clash) throw new Ended('input_unavailable', `two inputs claim the path ${clash}`)
    await each(order.inputs, async (input) => {
      const path = join(root, input.path)
      await mkdir(dirname(path), { recursive: true })
      const came = await ports.blobs.fetchTo({ sha256: input.blob, size: input.size, path, part: partOf(input) }, attempt.stop.signal).catch((error: unknown) => {
        if (attempt.killed) throw new Stopped()
        if (error instanceof BlobMissing) throw new Ended('input_unavailable', `${input.path}: ${error.message}`)
        // Not the buyer's doing: this machine's disk, or its way to the market.
        ports.log.error({ attempt: order.attempt_id, input: input.path, error: saysOf(error) }, 'an input could not be brought here')
        throw new Ended('driver_failed', `the input ${input.path} could not be brought to the node`)
      })
      attempt.came.set(input.path, came)
    })
    if (!order.resume) return
    const { layOver } = await import('./checkpoints.ts')
    await layOver(root, order.resume, ports.blobs, attempt.stop.signal).catch((error: unknown) => {
      if (attempt.killed) throw new Stopped()
      ports.log.error({ attempt: order.attempt_id, checkpoint: order.resume?.number, error: saysOf(error) }, 'a checkpoint could not be brought here')
      throw new Ended('driver_failed', 'the checkpoint to go on from could not be brought to the node')
    })
  }

  /** What the exit means, and the files that belong to it. A stopped attempt has no result, so nothing of it is sent. */
  async function conclude(attempt: Running, exit: ExitReport, runMs: number): Promise<SandboxEnd> {
    const { cause, detail } = meaningOf(exit, attempt.killed)
    if (attempt.killed || !isResult(cause)) return endOf(attempt, { cause, detail, exit, runMs })
    const files = await storeOutputs(attempt)
    if (attempt.killed) return endOf(attempt, { cause: attempt.killed, exit, runMs })
    const resultDigest = sha256(canonical({
      exitCode: exit.code, files: files.map((file) => [file.path, file.blob]).sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1)), stdout: attempt.pipes?.stdout.digest(),
    }))
    return endOf(attempt, { cause, detail, exit, runMs, files, resultDigest })
  }

  async function storeOutputs(attempt: Running): Promise<ResultFile[]> {
    const { order } = attempt
    const stdout = order.stdout === undefined ? null : { path: order.stdout, pipe: attempt.pipes?.stdout as Capture }
    if (stdout?.pipe.failed()) throw new Ended('driver_failed', 'the output of the program could not be written to the disk of the node')
    if (order.outputs.length === 0 && !stdout) return []
    const given = new Map(order.inputs.map((input) => [input.path, inputHash(input) ?? attempt.came.get(input.path)]))
    const files: (ResultFile & Pick<FoundFile, 'open'>)[] = []
    let nameBytes = 0
    if (stdout) files.push({ path: stdout.path, blob: stdout.pipe.digest() as Sha256, size: stdout.pipe.bytes(), open: (from = 0) => createReadStream(stdoutOf(attempt), { start: from }) })
    if (dirs.has(order.attempt_id)) for await (const found of ports.collect(dirOf(attempt))) {
      if (found.path === stdout?.path) continue
      if (!order.outputs.some((pattern) => matches(pattern, found.path)) || given.get(found.path as ResultFile['path']) === found.sha256) continue
      nameBytes += Buffer.byteLength(found.path)
      if (files.length >= FILES_MAX || nameBytes > FILE_NAMES_BYTES_MAX) throw new Ended('buyer_limit', `more result files than one report can name (${FILES_MAX}); pack them into one`)
      files.push({ path: found.path, blob: found.sha256 as Sha256, size: found.size, open: (from) => found.open(from) })
    }
    await each(files, (file) => ports.blobs.store({ sha256: file.blob, size: file.size, open: file.open }, attempt.stop.signal).catch((error: unknown) => {
      if (attempt.killed) throw new Stopped()
      if (error instanceof BlobRefused) throw new Ended('buyer_limit', `${file.path}: ${error.message}`)
      throw error
    }))
    return files.map(({ path, blob, size }) => ({ path, blob, size }))
  }

  function meterOf(attempt: Running): { runMs: number; logBytes: number } {
    const now = attempt.pausedAt ?? ports.clock.now()
    const runMs = attempt.startedAt === -Infinity ? 0 : Math.max(0, Math.floor(now - attempt.startedAt - attempt.pausedMs))
    return { runMs, logBytes: (attempt.pipes?.stdout.bytes() ?? 0) + (attempt.pipes?.stderr.bytes() ?? 0) }
  }

  function endOf(attempt: Running, known: { cause: Cause; detail?: string | null; exit?: ExitReport; runMs?: number; files?: ResultFile[]; resultDigest?: string }): SandboxEnd {
    const { runMs, logBytes } = meterOf(attempt)
    const files = known.files ?? []
    return {
      cause: known.cause, detail: known.detail ?? null, exitCode: known.exit?.code ?? null, files, resultDigest: known.resultDigest ?? null,
      // Output that became a file was counted as it came.
      usage: usageOf(known.exit?.usage, known.runMs ?? runMs, logBytes + files.reduce((sum, file) => sum + (file.path === attempt.order.stdout ? 0 : file.size), 0), attempt.egress),
    }
  }

  const frozenMsOf = (attempt: Running): number => attempt.pausedMs + (attempt.pausedAt === null ? 0 : Math.max(0, ports.clock.now() - attempt.pausedAt))
  function count(attempt: Running, usage: ExitReport['usage']): void {
    cpuMs += Math.max(0, usage.cpuMs - attempt.cpuMs)
    attempt.cpuMs = Math.max(attempt.cpuMs, usage.cpuMs)
    attempt.memoryBytes = usage.memoryBytes
  }

  /** Brings a sandbox to what is wanted now, however often that changes on the way. The meter stops when the program has, and starts after it. */
  function settle(attempt: Running): Promise<void> {
    // Cleared after it is kept, not inside: where nothing is to be done the work ends before the promise is kept, and would stand there for ever.
    return (attempt.settling ??= bringAbout(attempt).finally(() => { attempt.settling = null }))
  }
  async function bringAbout(attempt: Running): Promise<void> {
    try {
      while (attempt.sandbox && !attempt.killed && (attempt.pausedAt !== null) !== (frozen !== null || attempt.holding)) {
        if (frozen || attempt.holding) {
          await attempt.sandbox.pause()
          attempt.pausedAt = ports.clock.now()
        } else {
          await attempt.sandbox.resume()
          attempt.pausedMs = frozenMsOf(attempt)
          attempt.pausedAt = null
        }
      }
    } catch (error) {
      ports.log.error({ attempt: attempt.order.attempt_id, error }, 'a sandbox could not be made to stand still or go on; it is given back')
      ports.input({ kind: 'reclaim', attempts: [attempt.order.attempt_id] })
    }
  }

  async function read(attempt: Running, sandbox: Sandbox): Promise<void> {
    attempt.polling = true
    try {
      const stats = await sandbox.stats()
      const { runMs, logBytes } = meterOf(attempt)
      count(attempt, stats)
      if (attempt.sandbox === sandbox) ports.input({ kind: 'usage', attempt: attempt.order.attempt_id, usage: usageOf(stats, runMs, logBytes, attempt.egress) })
    } catch (error) {
      ports.log.warn({ attempt: attempt.order.attempt_id, error: saysOf(error) }, 'the meter could not be read; the next reading counts')
    } finally { attempt.polling = false }
  }

  async function kill(attempt: Running, cause: Cause): Promise<void> {
    attempt.killed = cause
    attempt.stop.abort(new Stopped())
    await attempt.sandbox?.kill(cause)
  }
  const saves = createSaves({ ...ports, dirOf, meterOf, settle, failed: (id, what) => failed(id, what) })
  const failed = (id: AttemptId, what: string) => (error: unknown): void => ports.log.error({ attempt: id, error }, what)

  return {
    start(order) {
      const attempt: Running = { order, stop: new AbortController(), over: new AbortController(), peers: Promise.withResolvers(), network: null, egress: null, vault: null, killed: null, sandbox: null, pipes: null, startedAt: -Infinity, pausedAt: null, pausedMs: 0, polling: false, settling: null, cpuMs: 0, memoryBytes: 0, holding: false, saveAt: Infinity, saving: null, saved: order.resume?.number ?? 0, known: new Map(), came: new Map() }
      attempts.set(order.attempt_id, attempt)
      ports.log.debug({ attempt: order.attempt_id, job: order.job_id, driver: order.driver }, 'attempt accepted')
      track(run(attempt))
    },
    join(id, peers) { attempts.get(id)?.peers.resolve(peers) },
    kill(id, cause) {
      const attempt = attempts.get(id)
      if (attempt && !attempt.killed) track(kill(attempt, cause).catch(failed(id, 'the sandbox could not be stopped')))
    },
    leave(id, what, peer) {
      const attempt = attempts.get(id)
      if (attempt) track(saves.leave(attempt, what, peer))
      else ports.input({ kind: 'stays', attempt: id, says: 'it does not run' })
    },
    readyToLeave(id) {
      const attempt = attempts.get(id)
      if (attempt && ports.live) track(ports.live().then((live) => live.readyToLeave(attempt.order)).catch(failed(id, 'it could not be made ready to leave')))
    },
    stay(id) { const attempt = attempts.get(id); if (attempt) track(saves.stay(attempt)) },
    receive(order) {
      if (ports.live && !frozen) track(ports.live().then((live) => { live.receive(order) }))
      else ports.input({ kind: 'receiveFailed', attempt: order.attempt_id, fence: order.fence, says: frozen ? 'the owner of the node has it for himself just now' : 'nothing moves to this node while it runs' })
    },
    dontReceive(id) { if (ports.live) track(ports.live().then((live) => live.drop(id)).catch(failed(id, 'a machine that came could not be removed'))) },
    wipe(id) {
      if (dirs.delete(id)) track(removeTree(join(ports.workDir, id)).catch(failed(id, 'the work directory could not be removed; the next start of the agent tries again')))
    },
    async freeze(on) {
      if (on === (frozen !== null)) { for (const one of attempts.values()) await one.settling; return }
      frozen?.resolve()
      frozen = on ? Promise.withResolvers<void>() : null
      const arriving = on && ports.live ? ports.live().then((live) => live.dropArriving()) : null
      const all = Promise.all([...attempts.values()].map(settle).concat(arriving ?? [])).then(() => undefined)
      track(all)
      await all
    },
    list: () => [...attempts].map(([id, one]) => {
      const { runMs, logBytes } = meterOf(one)
      return { id, order: one.order, state: one.killed ? 'ending' : one.pausedAt !== null ? 'frozen' : one.sandbox ? 'running' : one.startedAt === -Infinity ? 'starting' : 'ending', runMs, frozenMs: frozenMsOf(one), cpuMs: one.cpuMs, memoryBytes: one.memoryBytes, outBytes: logBytes }
    }),
    get cpuMs() { return cpuMs },
    poll() {
      for (const attempt of attempts.values()) {
        const { sandbox } = attempt
        if (sandbox && !attempt.polling) void read(attempt, sandbox)
        if (sandbox && !attempt.saving && !attempt.killed && !frozen && ports.clock.now() >= attempt.saveAt) track(attempt.saving = saves.save(attempt, sandbox, false))
      }
    },
    get running() { return attempts.size },
    async idle() { while (busy.size > 0) await Promise.all(busy) },
  }
}

function specOf(order: JobDispatch, command: string[], workDir: string, vault: Vault | null, egress: AttemptEgress | null): SandboxSpec {
  const { resources, limits } = order
  return {
    attemptId: order.attempt_id, runtime: order.runtime, ...(order.image === undefined ? {} : { image: order.image }), command, env: egress ? { ...egress.env, ...order.env } : order.env, workDir, ...(egress ? { egress: egress.door } : {}), ...(vault ? { vault: vault.dir } : {}), ...(resources.gpus > 0 ? { gpus: resources.gpus } : {}),
    limits: {
      cpuMillis: resources.cpuMillis, memoryBytes: resources.memoryBytes, diskBytes: resources.diskBytes, pids: limits.processes,
      // Output that becomes a file lies on this machine's disk until it is stored.
      outputBytes: order.stdout === undefined ? limits.outputBytes : Math.min(limits.outputBytes, resources.diskBytes), wallMs: limits.runMs,
      openFiles: OPEN_FILES_MAX,
    },
  }
}

/** The agent's own words for a driver's report; each limit is told so that a buyer knows what to raise. */
export function meaningOf(exit: ExitReport, killed: Cause | null): { cause: Cause; detail: string | null } {
  const limit = (says: string): { cause: Cause; detail: string } => ({ cause: 'buyer_limit', detail: exit.detail ? `${says}: ${exit.detail}` : says })
  switch (exit.cause) {
    case 'exit':
      if (exit.code === 0) return { cause: 'succeeded', detail: null }
      return { cause: 'buyer_exit', detail: exit.detail ?? (exit.signal ? `the program was ended by signal ${exit.signal}` : `the program ended with exit code ${exit.code}`) }
    case 'memory': return limit('the program used more memory than the job reserved')
    case 'wall': return limit('the program ran longer than the time limit of the job')
    case 'pids': return limit('the program made more processes than the job allows')
    case 'disk': return limit('the program wrote more to disk than the job reserved')
    case 'output': return limit('the program printed more than the job allows')
    case 'image': return { cause: 'input_unavailable', detail: exit.detail ?? 'the image of the job cannot be had' }
    case 'killed': return { cause: killed ?? 'driver_failed', detail: exit.detail ?? (killed ? null : 'the sandbox was ended by somebody else on this node') }
    case 'driver': return { cause: 'driver_failed', detail: exit.detail ?? 'the isolation driver failed' }
  }
}
const isResult = (cause: Cause): boolean => cause === 'succeeded' || cause === 'buyer_exit' || cause === 'buyer_limit'

function usageOf(stats: ExitReport['usage'] | undefined, runMs: number, outBytes: number, egress: AttemptEgress | null): Usage {
  const moved = egress?.meter()
  return { ...(moved ? { egressInBytes: moved.inBytes, egressOutBytes: moved.outBytes } : {}), runMs, cpuMs: whole(stats?.cpuMs), memoryPeakBytes: whole(stats?.memoryPeakBytes), diskBytes: whole(stats?.diskBytes), outBytes }
}
function partOf({ from, to, header, hash, pieces }: InputFile): Part | undefined {
  const check = pieces ? { pieces } : hash === undefined ? null : { sha256: hash }
  return from === undefined || to === undefined || check === null ? undefined : { header, range: { from, to }, check }
}
const whole = (value = 0): number => (Number.isFinite(value) && value > 0 ? Math.floor(value) : 0)

/** A pipe that waits for the market to take more may take its time; one that nobody ends may not. */
async function pipesClosed(attempt: Running): Promise<void> {
  const pipes = Object.values(attempt.pipes ?? {})
  while (pipes.some((pipe) => !pipe.over())) {
    const patience = new AbortController()
    const done = Promise.all(pipes.map((pipe) => pipe.done)).then(() => true)
    const inTime = await Promise.race([done, delay(PIPES_CLOSE_MS, false, { signal: patience.signal }).catch(() => false /* not needed any more */)])
    patience.abort()
    if (inTime || (!attempt.killed && pipes.some((pipe) => pipe.blocked()))) continue
    for (const pipe of pipes) pipe.cut()
  }
}

/** Resolves when the attempt is to end. */
const stopped = (signal: AbortSignal): Promise<void> => new Promise((resolve) => { if (signal.aborted) resolve(); else signal.addEventListener('abort', () => resolve(), { once: true }) })

/** A path that is named twice, or that another one needs as a directory. */
function clashOf(paths: readonly string[]): string | null {
  const all = new Set(paths)
  if (all.size < paths.length) return paths.find((path, index) => paths.indexOf(path) !== index) ?? null
  for (const path of paths) for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) if (all.has(path.slice(0, at))) return path.slice(0, at)
  return null
}

/** A few at a time; after the first failure nothing new is begun, and the failure is thrown when the others have stopped. */
async function each<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  let broken = false
  const worker = async (): Promise<void> => {
    while (next < items.length && !broken) await act(items[next++] as T).catch((error: unknown) => { broken = true; throw error })
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(TRANSFERS_MAX, items.length) }, worker))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
