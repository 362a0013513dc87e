// What the owner's screen shows, put together once a second from what the agent knows: one word for the whole, jobs, problems with what to do about
// them, and an hour of samples.
import { availableParallelism, userInfo } from 'node:os'
import { statfsSync } from 'node:fs'
import { basename } from 'node:path'
import { GIB, PAUSE_REASONS, compareVersions } from '@lumaris/protocol'
import type { AttemptId, Capacity, DriverOffer, OwnerJob, OwnerProblem, OwnerService, OwnerStatus, Sample, Welcome } from '@lumaris/protocol'
import { priceOf } from '@lumaris/domain'
import type { AgentState } from '@lumaris/domain'
import type { Attempts } from '../attempts.ts'
import type { Clock } from '../clock.ts'
import type { Connection } from '../connection.ts'
import { AGENT_VERSION } from '../enrol.ts'
import type { Journal } from '../journal.ts'
import { memoryOf } from '../machine.ts'
import type { Guard } from '../owner/guard.ts'
import type { Sense } from '../owner/sense.ts'
import type { EarningsWatch } from './earnings.ts'

/** Of agents, as the market said with its welcome. */
export type Versions = NonNullable<Welcome['agents']>
export type StatusPorts = {
  readonly state: AgentState; readonly name: string; readonly server: string; readonly dataDir: string; readonly full: Capacity; readonly offers: readonly DriverOffer[]; readonly clock: Clock; readonly timeZone: string; readonly proc: string
  readonly attempts: Pick<Attempts, 'list'>; readonly guard: Guard; readonly sense: Sense; readonly connection: Pick<Connection, 'connected' | 'heardAt'>; readonly journal: Pick<Journal, 'trouble'>; readonly earnings: EarningsWatch; readonly gui: () => string | null; readonly agents: () => Versions | null; readonly service: () => OwnerService | null
}
export interface StatusWatch { readonly now: OwnerStatus; readonly samples: readonly Sample[]; /** Told of every second, and of what happened in between (`refresh`), which brings no sample. */ onChange(listener: (second: boolean) => void): () => void; refresh(): void; close(): void }

export const SAMPLES_MAX = 3_600
const SECOND_MS = 1_000
/** A connection that breaks is usually back before anybody could read that it was gone. */
const ALONE_MS = 10_000
const SKEW_MAX_MS = 30_000
const DISK_LOW = GIB

export function watchStatus(ports: StatusPorts): StatusWatch {
  const { clock, sense, attempts } = ports
  const samples: Sample[] = []
  const listeners = new Set<(second: boolean) => void>()
  const startedAt = clock.now()
  let cpu = new Map<AttemptId, { cpuMs: number; at: number; percent: number }>()
  let now = build()

  function second(): void {
    const at = clock.now()
    const next: typeof cpu = new Map()
    for (const one of attempts.list()) {
      const before = cpu.get(one.id)
      const percent = before && at > before.at ? Math.max(0, ((one.cpuMs - before.cpuMs) / (at - before.at)) * 100_000 / Math.max(1, one.order.resources.cpuMillis)) : 0
      next.set(one.id, { cpuMs: one.cpuMs, at, percent: Math.round(Math.min(100, percent)) })
    }
    cpu = next
    now = build()
    samples.push([now.at, now.cpuPercent, now.jobsCpuPercent, Math.round((now.memoryUsedBytes / now.memoryBytes) * 1000) / 10, now.celsius])
    if (samples.length > SAMPLES_MAX) samples.shift()
    for (const listener of listeners) listener(true)
  }

  function build(): OwnerStatus {
    const { state, guard, connection, earnings } = ports
    const { decision, readings, files } = guard
    const memory = memoryOf(ports.proc), versions = ports.agents()
    const jobs = attempts.list().map((one): OwnerJob => ({
      attempt: one.id, job: one.order.job_id, program: basename(one.order.payload.command).slice(0, 60), driver: one.order.driver, state: one.state, runMs: one.runMs, frozenMs: Math.round(one.frozenMs), cpuPercent: cpu.get(one.id)?.percent ?? 0,
      memoryBytes: one.memoryBytes, cpuMillis: one.order.resources.cpuMillis, earning: one.runMs > 0 ? priceOf(one.order.prices, one.order.resources, { runMs: one.runMs, outBytes: one.outBytes }).toString() : '0',
    }))
    const problems = problemsOf(ports, clock.now() - startedAt)
    const running = jobs.filter((job) => job.state === 'running').length
    const word = !decision.work ? 'paused' : problems.some((one) => STOPPING.has(one.code)) ? 'problem' : running > 0 ? 'earning' : 'idle'
    const reason = decision.reasons[0]
    const says = reason ? `${PAUSE_REASONS[reason]}.` : word === 'problem' ? (problems.find((one) => STOPPING.has(one.code))?.says ?? '') : running > 0 ? `${running} ${running === 1 ? 'job runs' : 'jobs run'} on this computer.` : 'Ready, and waiting for work.'
    return {
      at: clock.wall(), pid: process.pid, version: AGENT_VERSION, node: state.node, name: ports.name, market: ports.server, connected: connection.connected, heardAt: connection.heardAt > 0 ? Math.round(clock.wall() - Math.max(0, clock.now() - connection.heardAt)) : null,
      word, says, reasons: [...decision.reasons], nextAt: decision.nextAt === null ? null : Math.round(decision.nextAt), handBackAt: guard.handBackAt === null ? null : Math.max(0, Math.round(guard.handBackAt)), wish: files.wish, stopped: files.stopped, settings: files.settings, local: [...files.local], asked: files.asked.number === 0 ? null : files.asked,
      offered: { cpuMillis: state.capacity.cpuMillis, memoryBytes: state.capacity.memoryBytes }, full: { cpuMillis: ports.full.cpuMillis, memoryBytes: ports.full.memoryBytes, diskBytes: ports.full.diskBytes }, cpuLimitPercent: Math.min(100, Math.round(state.capacity.cpuMillis / (availableParallelism() * 10))),
      cpuPercent: sense.load.cpuPercent, jobsCpuPercent: sense.load.jobsPercent, memoryUsedBytes: memory.used, memoryBytes: memory.all, celsius: readings.celsius, batteryPercent: readings.batteryPercent, onBattery: readings.onBattery, idleMs: readings.idleMs === null ? null : Math.round(readings.idleMs),
      earnings: earnings.known, agents: versions && { ...versions, older: compareVersions(AGENT_VERSION, versions.version) < 0 }, service: ports.service(), jobs, problems, drivers: [...ports.offers], timeZone: ports.timeZone, gui: ports.gui(),
    }
  }
  const timer = setInterval(second, SECOND_MS)
  return { get now() { return now }, samples, onChange(listener) { listeners.add(listener); return () => listeners.delete(listener) }, refresh() { now = build(); for (const listener of listeners) listener(false) }, close() { clearInterval(timer); listeners.clear() } }
}

/** While one of these stands, nothing can be earned. */
const STOPPING = new Set(['no_connection', 'no_driver', 'disk', 'settings'])

function problemsOf({ agents, guard, connection, clock, server, offers, journal, earnings, dataDir, sense }: StatusPorts, upMs: number): OwnerProblem[] {
  const found: OwnerProblem[] = []
  const alone = connection.connected ? 0 : clock.now() - (connection.heardAt > 0 ? connection.heardAt : clock.now() - upMs)
  if (guard.files.trouble !== null) found.push({ code: 'settings', says: 'Your settings cannot be read; the last good ones hold.', fix: guard.files.trouble, action: 'mend' })
  if (journal.trouble !== null) found.push({ code: 'disk', says: `New work is not taken: ${journal.trouble}.`, fix: `Make room on the disk that holds ${dataDir}; the agent goes on by itself.`, command: roomOf(dataDir) })
  else if (freeBytes(dataDir) < DISK_LOW) found.push({ code: 'disk_low', says: 'Less than 1 GiB is free on the disk.', fix: `Make room on the disk that holds ${dataDir}, before jobs fail.`, command: roomOf(dataDir) })
  if (alone > ALONE_MS) found.push({ code: 'no_connection', says: 'The market cannot be reached.', fix: `Is this computer online, and can it open ${server}? What runs goes on, and results are kept until it can.`, action: 'reconnect' })
  if (offers.length === 0) found.push({ code: 'no_driver', says: 'No way to isolate jobs works here, so none are taken.', fix: 'Install bubblewrap, start the agent again, and run the self-test.', action: 'self_test', command: 'sudo apt install bubblewrap' })
  if (earnings.skewMs !== null && Math.abs(earnings.skewMs) > SKEW_MAX_MS) found.push({ code: 'clock', says: `The clock of this computer is ${Math.round(Math.abs(earnings.skewMs) / 1000)} s ${earnings.skewMs > 0 ? 'ahead' : 'behind'}.`, fix: 'Switch on automatic time.', command: 'sudo timedatectl set-ntp true' })
  const versions = agents()
  if (versions !== null && compareVersions(AGENT_VERSION, versions.oldest) < 0) found.push({ code: 'version', says: `This agent is of version ${AGENT_VERSION}; the market asks for ${versions.oldest} at least. What runs goes on, and then it is refused.`, fix: 'Update it in its checkout, and start it again. Its node, key and work are kept.', command: 'git pull --ff-only && npm ci' })
  const { pauseWhen } = guard.files.settings
  if (pauseWhen.inUse && sense.inputs.unreadable > 0 && guard.readings.idleMs === null) found.push({ code: 'inputs', says: 'The agent may not see whether keyboard and mouse are in use, so it cannot give way to you.', fix: 'Add its user to the group "input" and start it again; or set a limit for other programs below.', command: `sudo usermod -aG input ${userInfo().username}` })
  return found
}
/** What takes the room there. */
const roomOf = (dir: string): string => `du -xh --max-depth=2 '${dir.replaceAll("'", "'\\''")}' | sort -h | tail`
let disk = { at: -Infinity, dir: '', free: Infinity }
function freeBytes(dir: string): number {
  if (performance.now() - disk.at > 30_000 || disk.dir !== dir) { const { bavail, bsize } = statfsSync(dir); disk = { at: performance.now(), dir, free: bavail * bsize } }
  return disk.free
}
