// What is kept of a program that runs, and how it leaves: checkpoints of files, its memory, or all of it while it runs. It stands still for as long as each takes.
import { mkdir } from 'node:fs/promises'
import type { AttemptId, LivePeer, Saved } from '@lumaris/protocol'
import type { AttemptPorts, Running } from './attempts.ts'
import type { Sandbox } from './drivers/driver.ts'
import { removeTree } from './files.ts'
import { saysOf } from './log.ts'

/** For a move it stands still until its files are with the market; what is not there by then stays where it is. */
const LEAVE_MS_MAX = 120_000
/** For a move while it runs: disk, memory and what changes meanwhile. */
const LIVE_MS_MAX = 10 * 60_000

export type SavePorts = Pick<AttemptPorts, 'blobs' | 'clock' | 'log' | 'identity' | 'node' | 'input' | 'live'> & {
  readonly dirOf: (attempt: Running) => string
  readonly meterOf: (attempt: Running) => { readonly runMs: number }
  /** Brings it to what is wanted now: standing still or not. */
  readonly settle: (attempt: Running) => Promise<void>
  readonly failed: (id: AttemptId, what: string) => (error: unknown) => void
}
export type Saves = { save(attempt: Running, sandbox: Sandbox, leaves: boolean): Promise<void>; leave(attempt: Running, what: Saved['kind'], peer?: LivePeer): Promise<void>; /** It was sent, and goes on here. */ stay(attempt: Running): Promise<void> }

export function createSaves(ports: SavePorts): Saves {
  /** One checkpoint: stand still, copy, go on; then store. What goes wrong costs this one checkpoint, and the program runs on. One that leaves stands still until it is ended. */
  async function save(attempt: Running, sandbox: Sandbox, leaves: boolean): Promise<void> {
    const { order } = attempt, id = order.attempt_id, staging = `${ports.dirOf(attempt)}.save`
    const until = AbortSignal.any([attempt.stop.signal, attempt.over.signal, ...(leaves ? [AbortSignal.timeout(LEAVE_MS_MAX)] : [])])
    const goOn = async (): Promise<void> => { attempt.holding = false; await ports.settle(attempt) }
    let left = false
    try {
      const { stageFiles, storeFiles } = await import('./checkpoints.ts')
      if (!order.checkpoint) throw new Error('the job names no files to keep')
      if (sandbox.dir === null) throw new Error('the files of a machine cannot be looked at while it runs')
      attempt.holding = true
      await ports.settle(attempt)
      const { runMs } = ports.meterOf(attempt), stoodAt = attempt.pausedAt
      if (stoodAt === null) throw new Error('it could not be made to stand still')
      const staged = await stageFiles(sandbox.dir ?? ports.dirOf(attempt), staging, order.checkpoint, attempt.known, { bytesMax: order.resources.diskBytes, until })
      if (!leaves) await goOn()
      const stoodMs = Math.round(ports.clock.now() - stoodAt), copied = staged.filter(({ copy }) => copy !== null).length
      const stored = await storeFiles(staged, attempt.known, ports.blobs, until)
      ports.log.info({ attempt: id, job: order.job_id, number: attempt.saved + 1, files: staged.length, copied, bytes: stored.size, stoodMs }, 'checkpoint stored')
      left = leaves
      ports.input({ kind: 'saved', attempt: id, saved: { number: ++attempt.saved, kind: 'files', runMs, ...stored }, ...(leaves ? { leaves } : {}) })
    } catch (error) {
      if (!until.aborted || leaves) ports.log.warn({ attempt: id, job: order.job_id, error: saysOf(error) }, 'a checkpoint could not be taken; the program runs on')
      if (leaves) ports.input({ kind: 'stays', attempt: id, says: saysOf(error) })
    } finally {
      if (!left) await goOn()
      await removeTree(staging).catch(ports.failed(id, 'copies for a checkpoint could not be removed; the next start of the agent tries again'))
      attempt.saveAt = ports.clock.now() + (order.checkpoint?.everyMs ?? Infinity)
      attempt.saving = null
    }
  }

  /** Its memory is taken, which ends it here, and stored; then it is told to the market. Once it is taken there is no way back: an upload is tried until it is through, or until nobody wants it any more. */
  async function leaveWithMemory(attempt: Running, sandbox: Sandbox): Promise<void> {
    const { order } = attempt, id = order.attempt_id, memory = `${ports.dirOf(attempt)}.memory`
    try {
      if (!sandbox.checkpoint) throw new Error(`the driver ${order.driver} takes no memory here`)
      const { storeMemory } = await import('./memory.ts')
      attempt.saveAt = Infinity
      attempt.holding = true // the meter stands; the driver itself makes the program stand still
      await ports.settle(attempt)
      const { runMs } = ports.meterOf(attempt), began = ports.clock.now()
      await mkdir(memory, { mode: 0o700 })
      const checkpoint = await sandbox.checkpoint(memory), takenMs = Math.round(ports.clock.now() - began)
      await sandbox.exit // its files are in the work directory
      const { saved, lock } = await storeMemory({ attempt: id, node: ports.node, checkpoint, memory, work: ports.dirOf(attempt) }, ports.identity, ports.blobs, attempt.stop.signal)
      ports.log.info({ attempt: id, job: order.job_id, bytes: saved.size, takenMs, storedMs: Math.round(ports.clock.now() - began) - takenMs }, 'memory stored')
      ports.input({ kind: 'saved', attempt: id, saved: { number: ++attempt.saved, kind: 'memory', runMs, ...saved }, leaves: true, memory: lock })
    } catch (error) {
      ports.log.warn({ attempt: id, job: order.job_id, error: saysOf(error) }, 'its memory could not be taken along')
      ports.input({ kind: 'stays', attempt: id, says: saysOf(error) })
      attempt.holding = false
      await ports.settle(attempt)
    } finally {
      await removeTree(memory).catch(ports.failed(id, 'a memory that was taken could not be removed; the next start of the agent tries again'))
      attempt.saving = null
    }
  }

  /** All of it goes while it runs. When it is there, it stands still here until the market says which of the two goes on. */
  async function leaveLive(attempt: Running, sandbox: Sandbox, peer: LivePeer): Promise<void> {
    const { order } = attempt, id = order.attempt_id, began = ports.clock.now()
    const until = AbortSignal.any([attempt.stop.signal, attempt.over.signal, AbortSignal.timeout(LIVE_MS_MAX)])
    try {
      if (!ports.live) throw new Error('nothing leaves this node while it runs')
      const { saved, lock, way } = await (await ports.live()).leave(order, sandbox, peer, { until, stood() { attempt.holding = true; attempt.pausedAt ??= ports.clock.now() } })
      const { runMs } = ports.meterOf(attempt), stoodMs = Math.round(ports.clock.now() - (attempt.pausedAt ?? ports.clock.now()))
      ports.log.info({ attempt: id, job: order.job_id, bytes: saved.size, way, tookMs: Math.round(ports.clock.now() - began), stoodMs }, 'it is there as well, and stands still')
      ports.input({ kind: 'saved', attempt: id, saved: { number: ++attempt.saved, kind: 'live', runMs, ...saved }, leaves: true, memory: lock })
    } catch (error) {
      ports.log.warn({ attempt: id, job: order.job_id, error: saysOf(error) }, 'it could not leave while it runs')
      attempt.holding = false
      await ports.settle(attempt)
      ports.input({ kind: 'stays', attempt: id, says: saysOf(error) })
    } finally { attempt.saving = null }
  }

  return {
    save,
    /** After the checkpoint that is being taken, if there is one. */
    async leave(attempt, what, peer) {
      await attempt.saving
      if (!attempt.sandbox || attempt.killed) { ports.input({ kind: 'stays', attempt: attempt.order.attempt_id, says: 'it does not run' }); return }
      await (attempt.saving = what === 'live' && peer ? leaveLive(attempt, attempt.sandbox, peer) : what === 'memory' ? leaveWithMemory(attempt, attempt.sandbox) : save(attempt, attempt.sandbox, true))
    },
    async stay(attempt) {
      await attempt.saving
      ports.log.info({ attempt: attempt.order.attempt_id, job: attempt.order.job_id }, 'it goes on here after all')
      attempt.holding = false
      await ports.settle(attempt)
    },
  }
}
