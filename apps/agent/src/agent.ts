// The seller's agent: the pure core of packages/domain, and its hands, put together. Nothing here decides; everything is carried out.
//
// Start-up, in this order: lock the data directory → key → journal → drivers proved, and what an earlier agent left running ended → work
// directories wiped → (first time: enrol) → connect. A crash at any point is repaired by the next start, which is the ordinary one.
import { EventEmitter } from 'node:events'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DEFAULT_AGENT_SETTINGS, createAgentState, listAttempts, nextClockMs, restoreAgent, shareOf } from '@lumaris/domain'
import type { AgentSettings, AgentState, JournalRecord } from '@lumaris/domain'
import { NodeName } from '@lumaris/protocol'
import type { AttemptId, AvailabilityUpdate, Capacity, DriverId, DriverOffer, JobDispatch, NodeId, OwnerSettingsInput, OwnerStatus, PriceSheet, Welcome } from '@lumaris/protocol'
import { createRankNetworks } from './mesh/rank-network.ts'
import { createAttempts } from './attempts.ts'
import type { AgentDriver, AttemptPorts, Attempts } from './attempts.ts'
import { createBlobs } from './blobs.ts'
import { createClock } from './clock.ts'
import type { Clock } from './clock.ts'
import type { ContainerSettings } from './drivers/container.ts'
import type { EgressConfig } from './egress/egress.ts'
import { createConnection } from './connection.ts'
import type { Connection } from './connection.ts'
import { AGENT_VERSION, enrol, loadEnrolment } from './enrol.ts'
import type { Enrolled } from './enrol.ts'
import { removeTree } from './files.ts'
import { loadIdentity } from './identity.ts'
import type { Identity } from './identity.ts'
import { findCapacity } from './inventory.ts'
import { memoryJournal, openJournal } from './journal.ts'
import type { LiveMoves } from './moves/live-moves.ts'
import type { Journal } from './journal.ts'
import { lockDataDir } from './lock.ts'
import { AgentStopped, saysOf, silent } from './log.ts'
import type { Log } from './log.ts'
import type { Owner } from './owner/owner.ts'
import { readOwnerFiles } from './owner/files.ts'
import { MACHINE } from './owner/sense.ts'
import type { SenseRoots } from './owner/sense.ts'
import { tapLog } from './gui/recent-log.ts'
import { createMachine } from './machine.ts'
import { createRunner } from './runner.ts'
import type { Act, Runner } from './runner.ts'
import { createPace } from './pace.ts'
import type { ServicePorts } from './service.ts'
import { sealOf, sha256 } from './seal.ts'

export type AgentConfig = {
  /** Where the market is: `https://…`. */
  readonly server: string
  /** Key, journal and work directories; one agent each. */
  readonly dataDir: string
  /** Join token; needed once. */
  readonly token?: string
  readonly name?: string
  readonly region?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly prices?: Partial<PriceSheet>
  /** What to offer, taken as it is. Without it the machine is measured, and `shares` says how much of it. */
  readonly capacity?: Capacity
  readonly shares?: Partial<Capacity>
  /** Instead of those that this machine has. */
  readonly drivers?: readonly AgentDriver[]
  /** Only these of the machine's drivers. */
  readonly driverIds?: readonly DriverId[]
  /** Engine, registries and image cache of the container driver. */
  readonly containers?: ContainerSettings
  /** A TCP port at which agents of the same gang may connect, sealed end to end. Without it their packets go over the market's relay. */
  readonly gangPort?: number
  /** Jobs may have outgoing connections to the public hosts that they name, from this machine's address. Absent: none. */
  readonly egress?: EgressConfig
  /** Which addresses of other agents may be called, for machines that move; tests call 127.0.0.1. */
  readonly mayDial?: (host: string) => boolean
  /** Instead of the network that joins the ranks of a gang; null: no gangs here. */
  readonly network?: AttemptPorts['network']
  /** How to find the files of a job, for drivers that keep them elsewhere. */
  readonly collect?: AttemptPorts['collect']
  readonly settings?: Partial<AgentSettings>
  /** The owner of the machine comes first: settings, wishes and the kill switch of the data directory are obeyed. Without it there is no owner but the caller. */
  readonly owner?: { readonly defaults?: OwnerSettingsInput; readonly roots?: Partial<SenseRoots>; readonly timeZone?: string }
  /** The owner's screen on 127.0.0.1, at this port or any. Only with `owner`. */
  readonly gui?: { readonly port?: number }
  /** `memory` keeps nothing through a restart: for benchmarks. */
  readonly journal?: 'file' | 'memory'
  /** How long `stop` waits for the ends of what runs to be known to the market. */
  readonly stopMs?: number
  readonly log?: Log
  /** How this agent is started, where it may be made to start with the system. */
  readonly service?: Omit<ServicePorts, 'dataDir'>
  /** What is told to it and kept of it, until the owner says otherwise; all, where nothing is said. */
  readonly logLevel?: keyof Log
  readonly clock?: Clock
}
export type AgentEvents = { welcome: [session: number]; disconnected: []; started: [attempt: AttemptId]; ended: [attempt: AttemptId, cause: string]; stopped: [says: string | null]; changed: [] }
export type AgentSnapshot = {
  readonly node: NodeId; readonly name: string; readonly server: string; readonly connected: boolean; readonly session: number; readonly paused: boolean; readonly stopping: boolean
  readonly capacity: Capacity; readonly drivers: readonly DriverOffer[]; readonly journal: { readonly bytes: number; readonly trouble: string | null }; readonly unconfirmed: number
  readonly attempts: readonly { readonly id: AttemptId; readonly job: string; readonly state: string; readonly driver: DriverId; readonly runMs: number; readonly cause: string | null }[]
}
export interface RunningAgent {
  readonly nodeId: NodeId
  readonly events: EventEmitter<AgentEvents>
  /** Resolves with the first welcome. */
  readonly ready: Promise<void>
  /** Resolves when the agent has ended: with a sentence when not by its own `stop`. */
  readonly ended: Promise<string | null>
  state(): AgentSnapshot
  /** No new work, or work again. */
  pause(paused: boolean): void
  /** Where the owner's screen is. */
  readonly gui: string | null
  /** What that screen shows. */
  owner(): OwnerStatus | null
  /** Gives back what runs, waits until the market knows, and leaves. */
  stop(): Promise<void>
}
const STOP_MS = 15_000
const POLL_MS = 1000
/** Of the memory for rent, what stands ready for jobs to come may take at most; and never more than no job has. */
const READY_SHARE = 1 / 4
/** Answers to this many heartbeats may be missing before the socket counts as dead. */
const SILENT_HEARTBEATS = 3

export async function startAgent(config: AgentConfig): Promise<RunningAgent> {
  const tap = tapLog(config.log ?? silent, () => config.clock?.wall() ?? Date.now(), config.logLevel ?? 'debug')
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 })
  const lock = lockDataDir(config.dataDir)
  try { return await start(config, tap, lock) } catch (error) { lock.release(); throw error }
}

async function start(config: AgentConfig, tap: ReturnType<typeof tapLog>, lock: { release(): void }): Promise<RunningAgent> {
  const { dataDir } = config, { log } = tap
  const clock = config.clock ?? createClock()
  const identity = await loadIdentity(dataDir)
  let onTrouble: (says: string | null) => void = () => undefined
  const { journal, records } = config.journal === 'memory' ? { journal: memoryJournal(), records: [] as JournalRecord[] } : await openJournal(join(dataDir, 'journal'), { log, onTrouble: (says) => onTrouble(says) })
  const { drivers, offers } = await provenDrivers(config, log).catch(async (error: unknown) => { await journal.close(); throw error })
  try {
    for (const driver of drivers.values()) {
      const ended = await driver.reap()
      if (ended > 0) log.warn({ driver: driver.id, ended }, 'sandboxes of an earlier agent were still there, and were ended')
    }
    const workDir = join(dataDir, 'work')
    await wipeLeftovers(workDir)
    const capacity = config.capacity ?? await findCapacity(dataDir, config.shares, config.drivers ? undefined : [...drivers.values()].flatMap((driver) => driver.gpus ?? []))
    const wanted = config.shares?.gpus ?? 0
    if (wanted > capacity.gpus) log.warn({ wanted, offered: capacity.gpus }, 'fewer graphics cards can be given to containers than were to be offered; lumaris doctor --node says why')
    if (config.owner) readOwnerFiles(dataDir, config.owner.defaults) // an owner's settings that cannot be read are no reason to take the usual ones
    const enrolled = await enrolledAs(config, identity, capacity)
    const settings = { ...DEFAULT_AGENT_SETTINGS, ...config.settings }
    const state = createAgentState(enrolled.node, capacity, settings)
    restoreAgent(state, records)
    log.info({ node: enrolled.node, drivers: [...drivers.keys()], capacity, results: state.attempts.size }, 'agent starts')
    const agent = compose({ config, log, lock, clock, identity, journal, drivers, offers, workDir, enrolled, state, settings, tap })
    onTrouble = agent.trouble
    await agent.open()
    return agent.running
  } catch (error) { for (const driver of drivers.values()) await driver.close?.(); await journal.close(); throw error }
}

type Parts = {
  config: AgentConfig; log: Log; lock: { release(): void }; clock: Clock; identity: Identity; journal: Journal; drivers: Map<DriverId, AgentDriver>; offers: DriverOffer[]
  workDir: string; enrolled: Enrolled; state: AgentState; tap: ReturnType<typeof tapLog>; settings: { -readonly [Name in keyof AgentSettings]: AgentSettings[Name] }
}
function compose({ config, log, lock, clock, identity, journal, drivers, offers, workDir, enrolled, state, settings, tap }: Parts): { running: RunningAgent; trouble: (says: string | null) => void; open(): Promise<void> } {
  const events = new EventEmitter<AgentEvents>()
  const ready = Promise.withResolvers<void>(), ended = Promise.withResolvers<string | null>()
  const leaving = new AbortController()
  const full = state.capacity
  let httpToken = ''
  let pausedByOwner = false, pausedByGuard = false, pausedForTest = false, stopping = false
  let owner: Owner | null = null, agents: Welcome['agents'] | null = null
  const changed = (): void => { events.emit('changed') }

  /** Resolves when it is true; looks again whenever something has changed. */
  const until = (isTrue: () => boolean, give: AbortSignal): Promise<void> => new Promise((resolve, reject) => {
    const look = (): void => { if (isTrue()) finish(resolve) }
    const stop = (): void => finish(() => reject(give.reason as Error))
    const finish = (then: () => void): void => { events.off('changed', look); give.removeEventListener('abort', stop); then() }
    if (give.aborted) return reject(give.reason as Error)
    events.on('changed', look)
    give.addEventListener('abort', stop)
    look()
  })
  events.setMaxListeners(0)

  const leaseAge = (): number => clock.now() - state.leaseFrom
  const blobs = createBlobs({ server: config.server, token: () => httpToken, log, worthIt: () => leaseAge() <= state.settings.selfStopMs, down: createPace(() => bytesOf(owner?.share.downKiBs), () => clock.now()), up: createPace(() => bytesOf(owner?.share.upKiBs), () => clock.now()) })
  const runner: Runner = createRunner({
    state, journal, ports: () => ({ now: clock.now(), wall: clock.wall(), hash: sha256 }), act, stepped: () => { setClock(); setReady(); changed() }, drained: changed,
    broken(error) { log.error({ error }, 'the agent broke'); void end(`The agent broke: ${saysOf(error)}`, null) },
  })
  const networks = createRankNetworks({ server: config.server, token: () => httpToken, dataDir: config.dataDir, log, port: config.gangPort })
  let moves: Promise<LiveMoves> | null = null
  // Loaded with the first machine that moves.
  const live = (): Promise<LiveMoves> => (moves ??= import('./moves/live-moves.ts').then(({ createLiveMoves }) => createLiveMoves({ drivers, makerOf: (id) => offers.find((offer) => offer.id === id && offer.live)?.memory, workDir, identity, node: state.node, server: config.server, token: () => httpToken, listener: networks.listener, log, input: (input) => runner.input(input), ...(config.mayDial ? { mayDial: config.mayDial } : {}) })))
  const attempts: Attempts = createAttempts({
    drivers, workDir, blobs, clock, log, network: config.network === undefined ? networks.make : config.network, live, identity, node: state.node, egress: config.egress ? egressLater(config.egress) : null, say: (message) => runner.say(message), room: () => (journal.trouble === null ? connection.room() : until(() => journal.trouble === null, leaving.signal).catch(() => undefined /* nobody will read on */)),
    collect: config.collect ?? collectLater,
    input(input) {
      if (input.kind === 'started') events.emit('started', input.attempt)
      if (input.kind === 'ended') { events.emit('ended', input.attempt, input.end.cause); owner?.earnings.stir() }
      runner.input(input)
    },
    freshLease(give) {
      const isFresh = (): boolean => leaseAge() <= state.settings.startLeaseMs
      return isFresh() ? null : until(isFresh, give)
    },
  })
  const connection: Connection = createConnection({
    server: config.server, identity, clock, log, silenceMs: () => settings.heartbeatMs * SILENT_HEARTBEATS,
    describe: () => ({ node_id: state.node, agent_version: AGENT_VERSION, capacity: state.capacity, drivers: offers, attempts: listAttempts(state), heartbeat: state.heartbeat, paused: state.paused }),
    welcomed(welcome, helloSentAt) {
      httpToken = welcome.http_token
      // The market sets the pace, unless this agent was told otherwise.
      settings.heartbeatMs = config.settings?.heartbeatMs ?? welcome.heartbeat_ms
      log.info({ session: welcome.session }, 'connected to the market')
      agents = welcome.agents ?? null
      owner?.earnings.stir()
      hoursTold = null
      saidTold = null
      testTold = null
      runner.input({ kind: 'welcome', welcome, helloSentAt })
      events.emit('welcome', welcome.session)
      ready.resolve()
    },
    message(message) {
      if (message.type === 'self_test') return owner?.test(message.number)
      if (message.type !== 'owner_settings') return runner.input({ kind: 'message', message })
      // Confirmed by the next heartbeat; one that could not be kept is not in it, and is said again.
      owner?.ask(message).then(() => runner.input({ kind: 'tell' }), (error: unknown) => log.error({ error }, 'settings that were asked over the market could not be kept'))
    },
    disconnected() { runner.input({ kind: 'disconnected' }); events.emit('disconnected') },
    confirmed: changed,
    stop(says) { log.error({}, says); void end(says, null) },
  })

  const machine = createMachine({ roots: { ...MACHINE, ...config.owner?.roots }, dataDir: config.dataDir, now: () => clock.now(), jobsMs: () => attempts.cpuMs })
  /** What was told of the owner's hours in this connection. */
  let hoursTold: string | null = null, saidTold: string | null = null, testTold: string | null = null
  /** How the machine is stands in each heartbeat; its owner's hours only where the market does not know them yet. */
  function withMachine(heartbeat: AvailabilityUpdate): AvailabilityUpdate {
    const now = machine.read(), hours = owner?.status.now.settings.hours
    const isNew = hours !== undefined && JSON.stringify(hours) !== hoursTold
    if (isNew) hoursTold = JSON.stringify(hours)
    const said = owner?.said, says = JSON.stringify(said), isSaid = said === undefined || says === saidTold
    if (!isSaid) saidTold = says
    const tested = owner?.tested, found = JSON.stringify(tested), isTold = tested === undefined || found === testTold
    if (!isTold) testTold = found
    return { ...heartbeat, cpu_percent: now.cpu_percent, machine: now, ...(isNew ? { hours } : {}), ...(said ? { settings_number: said.number } : {}), ...(isSaid ? {} : { owner: said }), ...(tested ? { self_test_number: tested.number } : {}), ...(isTold || tested.number === 0 ? {} : { self_test: tested }) }
  }
  function act(output: Act): void {
    switch (output.kind) {
      case 'send': return connection.send(output.message.type === 'availability_update' ? withMachine(output.message) : output.message)
      case 'seal': return connection.send(sealOf(identity, { node: state.node, session: state.session, number: output.number }, output.leaves))
      case 'start': return attempts.start(output.order)
      case 'join': return attempts.join(output.attempt, output.peers)
      case 'kill': return attempts.kill(output.attempt, output.cause)
      case 'leave': return attempts.leave(output.attempt, output.what, output.peer)
      case 'readyToLeave': return attempts.readyToLeave(output.attempt)
      case 'stay': return attempts.stay(output.attempt)
      case 'receive': return attempts.receive(output.order)
      case 'dontReceive': return attempts.dontReceive(output.attempt)
      case 'wipe': return attempts.wipe(output.attempt)
    }
  }

  // The clock: one timer, set to when the core has a use for it.
  let clockTimer: NodeJS.Timeout | null = null
  let clockDue = Infinity
  function setClock(): void {
    if (over) return
    const now = performance.now()
    const due = now + (state.connected ? nextClockMs(state) : Math.max(nextClockMs(state), Math.min(POLL_MS, state.settings.heartbeatMs / 2)))
    if (clockTimer && clockDue <= due) return
    if (clockTimer) clearTimeout(clockTimer)
    clockDue = due
    clockTimer = setTimeout(() => {
      clockTimer = null
      connection.check()
      runner.input({ kind: 'clock' })
    }, due - now)
  }
  // What drivers keep ready is memory of the owner's: none of it while he has the machine for himself. A job that only begins may be about to take one of them.
  let readyBytes = 0
  function setReady(): void {
    const reserved = [...state.attempts.values()].reduce((sum, { state: now, order }) => sum + (now === 'running' ? order.resources.memoryBytes : 0), 0), { memoryBytes } = state.capacity
    const bytes = over || state.paused || !state.connected ? 0 : Math.max(0, Math.floor(Math.min(memoryBytes * READY_SHARE, memoryBytes - reserved)))
    if (bytes === readyBytes) return
    readyBytes = bytes
    for (const driver of drivers.values()) driver.keepReady?.(bytes).catch((error: unknown) => log.error({ driver: driver.id, error }, 'what stood ready for jobs could not be taken down; the next start of the agent does it'))
  }
  let meters: NodeJS.Timeout | undefined

  let over: Promise<void> | null = null
  /** `bye` null: the market is not told, or would not listen. */
  function end(says: string | null, bye: string | null): Promise<void> {
    over ??= (async () => {
      if (clockTimer) clearTimeout(clockTimer)
      leaving.abort(new AgentStopped('the agent stops'))
      for (const { attempt_id } of listAttempts(state)) attempts.kill(attempt_id, 'seller_offline')
      await connection.close(bye)
      await attempts.idle()
      await (await moves)?.close()
      await networks.close()
      clearInterval(meters)
      await owner?.close()
      // What stands ready goes before its folder may: whoever started this agent may take that away now.
      for (const driver of drivers.values()) await (driver.keepReady?.(0) ?? Promise.resolve()).then(() => driver.reap()).then(() => driver.close?.()).catch((error: unknown) => log.error({ driver: driver.id, error }, 'the driver could not clean up'))
      await journal.close()
      lock.release()
      if (says !== null) ready.reject(new AgentStopped(says))
      ended.resolve(says)
      events.emit('stopped', says)
    })()
    return over
  }

  async function stop(): Promise<void> {
    if (!stopping && !over) {
      stopping = true
      log.info({ running: attempts.running }, 'agent stops')
      runner.input({ kind: 'shutdown' })
      // Without the market, the journal keeps the results; only what runs must have ended.
      const known = (): boolean => attempts.running === 0 && runner.idle && (!connection.connected || (state.unsealed.length === 0 && connection.unconfirmed === 0))
      await until(known, AbortSignal.timeout(config.stopMs ?? STOP_MS)).catch(() => log.warn({ running: attempts.running, unconfirmed: connection.unconfirmed }, 'not everything was confirmed in time; the next start goes on'))
    }
    await end(null, 'the seller stopped the agent')
  }

  function pause(): void {
    const paused = pausedByOwner || pausedByGuard || pausedForTest || journal.trouble !== null
    if (paused === state.paused) return
    runner.input({ kind: 'pause', paused })
    // Past the queue, which may stand still for a full disk: it claims nothing.
    if (connection.connected) connection.send({ type: 'pause', paused })
  }
  ready.promise.catch(() => undefined) // whoever waits for it is told; nobody has to wait
  /** The owner's word first, then the market's. */
  async function open(): Promise<void> {
    meters = setInterval(() => attempts.poll(), POLL_MS)
    try {
      if (config.owner) owner = await (await import('./owner/owner.ts')).startOwner({
        config, log, clock, state, enrolled, full, offers, journal, attempts, connection, drivers, lines: () => tap.lines(), level: (level) => tap.level(level), market: () => agents ?? null, secrets: () => [httpToken, config.token ?? ''].filter(Boolean),
        hold(held) { pausedForTest = held; pause() }, tell: () => runner.input({ kind: 'tell' }),
        pause(paused) { pausedByGuard = paused; pause() },
        reclaim: (ids) => runner.input(ids ? { kind: 'reclaim', attempts: ids } : { kind: 'reclaim' }),
        share(share) {
          const capacity = shareOf(full, share)
          if (capacity.cpuMillis === state.capacity.cpuMillis && capacity.memoryBytes === state.capacity.memoryBytes && capacity.diskBytes === state.capacity.diskBytes) return
          runner.input({ kind: 'capacity', capacity })
          connection.again()
        },
        token: () => httpToken,
      })
      // What is changed on the machine is told with a heartbeat of its own.
      owner?.status.onChange(() => { if (saidTold !== null && JSON.stringify(owner?.said) !== saidTold) runner.input({ kind: 'tell' }) })
    } catch (error) { clearInterval(meters); throw error }
    connection.open()
    setClock()
  }
  const running: RunningAgent = {
    nodeId: state.node, events, ready: ready.promise, ended: ended.promise, stop,
    get gui() { return owner?.gui ?? null }, owner: () => owner?.status.now ?? null,
    pause(paused) { pausedByOwner = paused; pause() },
    state: () => ({
      node: state.node, name: enrolled.name, server: config.server, connected: state.connected, session: state.session, paused: state.paused, stopping: state.stopping, capacity: state.capacity,
      drivers: offers, journal: { bytes: journal.bytes, trouble: journal.trouble }, unconfirmed: connection.unconfirmed,
      attempts: [...state.attempts].map(([id, one]) => ({ id, job: one.order.job_id, state: one.state, driver: one.order.driver, runMs: one.usage.runMs, cause: one.result?.cause ?? one.stopping })),
    }),
  }
  return { running, trouble: () => { pause(); changed() }, open }
}

const bytesOf = (kib: number | null | undefined): number | null => (kib === null || kib === undefined ? null : kib * 1024)

async function enrolledAs(config: AgentConfig, identity: Identity, capacity: Capacity): Promise<Enrolled> {
  const known = await loadEnrolment(config.dataDir)
  if (known) return known
  if (config.token === undefined) throw new AgentStopped(`${config.dataDir} has not joined a market yet; give a join token (make one with: lumaris agent token).`)
  const name = NodeName.safeParse(config.name)
  if (!name.success) throw new AgentStopped(`A node needs a name of lower-case letters, digits and dashes, at most 63; ${config.name === undefined ? 'none was given' : `"${config.name}" is not one`}.`)
  return enrol(config.dataDir, identity, {
    server: config.server, token: config.token, name: name.data, capacity, ...(config.region === undefined ? {} : { region: config.region }), ...(config.labels ? { labels: config.labels } : {}), ...(config.prices ? { prices: config.prices } : {}),
  })
}

/** Only what has proved itself on this machine is offered. */
async function provenDrivers(config: AgentConfig, log: Log): Promise<{ drivers: Map<DriverId, AgentDriver>; offers: DriverOffer[] }> {
  const found = config.drivers ? await Promise.all(config.drivers.map(async (driver) => ({ driver, report: await driver.probe({ egress: config.egress !== undefined }) }))) : await machineDrivers(config, log)
  const drivers = new Map<DriverId, AgentDriver>()
  const offers: DriverOffer[] = []
  for (const { driver, report } of found) {
    if (!report.usable || (config.driverIds && !config.driverIds.includes(driver.id))) { log.info({ driver: driver.id, reason: report.reason }, 'driver not offered'); continue }
    drivers.set(driver.id, driver)
    offers.push({ id: driver.id, level: report.level, runtimes: [...report.runtimes], limits: { ...report.limits }, ...(report.gang && config.network !== null ? { gang: true } : {}), ...(report.memory === undefined ? {} : { memory: report.memory }), ...(report.live && driver.receive ? { live: true } : {}), ...(driver.openVault ? { encryptedScratch: true } : {}), ...(config.egress && report.egress ? { egress: true } : {}), ...(config.drivers ? {} : { gpus: driver.gpus !== undefined }) })
  }
  if (drivers.size === 0) log.warn({}, 'no isolation driver works on this machine: the node will get no work')
  return { drivers, offers }
}
// Loaded when they are needed: a process that brings its own drivers does without.
const machineDrivers = async (config: AgentConfig, log: Log) => (await import('./drivers/find-drivers.ts')).findDrivers({ dataDir: config.dataDir, ...(config.egress ? { egress: true } : {}), ...(config.driverIds ? { only: config.driverIds } : {}), containers: { progress: (progress) => log.debug({ ...progress }, 'an image is coming'), ...config.containers } })
const egressLater = (config: EgressConfig) => async (order: JobDispatch) => (await import('./egress/egress.ts')).egressOf(config, order)
const collectLater = async function* (root: string) { yield* (await import('./drivers/collect-outputs.ts')).collectOutputs(root) }

/** Results are with the market or named in the journal; whatever else lies there belongs to nobody. */
async function wipeLeftovers(workDir: string): Promise<void> {
  await mkdir(workDir, { recursive: true, mode: 0o700 })
  for (const name of await readdir(workDir)) await removeTree(join(workDir, name))
}
