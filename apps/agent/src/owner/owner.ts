// Everything that is there for the owner of the machine, started and stopped as one: the senses, the guard, the figures, and the screen.
import type { AskOwner, AttemptId, Capacity, DriverId, DriverOffer, OwnerSaid, OwnerService, OwnerSettings, PauseReason, SelfTestSaid } from '@lumaris/protocol'
import type { AgentState } from '@lumaris/domain'
import type { AgentConfig } from '../agent.ts'
import type { AgentDriver, Attempts } from '../attempts.ts'
import type { Clock } from '../clock.ts'
import type { Connection } from '../connection.ts'
import type { Enrolled } from '../enrol.ts'
import { watchEarnings } from '../gui/earnings.ts'
import type { EarningsWatch } from '../gui/earnings.ts'
import type { LogLine } from '../gui/recent-log.ts'
import { selfTest } from '../gui/self-test.ts'
import { startGui } from '../gui/serve.ts'
import type { Gui } from '../gui/serve.ts'
import { watchStatus } from '../gui/status.ts'
import type { StatusWatch, Versions } from '../gui/status.ts'
import type { Journal } from '../journal.ts'
import { saysOf } from '../log.ts'
import type { Log } from '../log.ts'
import { createService } from '../service.ts'
import { createAskedTest } from './asked-test.ts'
import { takeAsked } from './files.ts'
import { createGuard } from './guard.ts'
import { MACHINE, createSense } from './sense.ts'

export type OwnerPorts = {
  readonly config: AgentConfig; readonly log: Log; readonly clock: Clock; readonly state: AgentState; readonly enrolled: Enrolled; readonly full: Capacity; readonly offers: readonly DriverOffer[]; readonly journal: Journal
  readonly attempts: Attempts; readonly connection: Connection; readonly drivers: ReadonlyMap<DriverId, AgentDriver>; readonly lines: () => readonly LogLine[]; readonly secrets: () => readonly string[]; readonly token: () => string
  readonly level: (level: OwnerSettings['logLevel']) => void; /** Versions of agents, as the market said. */ readonly market: () => Versions | null
  readonly hold: (held: boolean) => void; readonly tell: () => void
  readonly pause: (paused: boolean) => void; readonly reclaim: (attempts?: readonly AttemptId[]) => void; readonly share: (share: OwnerSettings['share']) => void
}
export interface Owner {
  readonly earnings: EarningsWatch; readonly status: StatusWatch
  /** Settings of the seller, asked over the market: kept, and in force before this resolves. */
  ask(asked: AskOwner): Promise<void>
  /** What the market is told of the settings. */
  readonly said: OwnerSaid
  /** A self-test, asked over the market. */
  test(number: number): void
  readonly tested: SelfTestSaid
  readonly share: OwnerSettings['share']
  readonly gui: string | null
  close(): Promise<void>
}

/** Reasons to rest for which nobody sits at the machine, or needs it. */
const UNDISTURBED: ReadonlySet<PauseReason> = new Set(['paused', 'outside_hours', 'metered'])

export async function startOwner(ports: OwnerPorts): Promise<Owner> {
  const { config, log, clock, attempts, connection } = ports, { dataDir } = config
  const roots = { ...MACHINE, ...config.owner?.roots }
  const timeZone = config.owner?.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
  const sense = createSense(roots, () => attempts.cpuMs)
  const guard = createGuard({ dataDir, defaults: config.owner?.defaults, sense, clock, log, attempts, pause: ports.pause, reclaim: ports.reclaim, share: ports.share, level: ports.level })
  const earnings = watchEarnings({ server: config.server, dataDir, timeZone, token: ports.token, connected: () => connection.connected, wall: () => clock.wall(), log })
  let gui: Gui | null = null, service: OwnerService | null = null
  const unit = config.service ? createService({ ...config.service, dataDir }) : null
  const status = watchStatus({ ...ports, name: ports.enrolled.name, server: config.server, dataDir, timeZone, proc: roots.proc, guard, sense, earnings, gui: () => gui?.url ?? null, agents: ports.market, service: () => service })
  const test = (): ReturnType<typeof selfTest> => selfTest({ drivers: ports.drivers, server: config.server, dataDir })
  const askedTest = createAskedTest({ dataDir, now: () => clock.now(), wall: () => clock.wall(), log, hold: ports.hold, tell: ports.tell, test, quiet: () => attempts.running === 0 && !guard.decision.reasons.some((reason) => !UNDISTURBED.has(reason)) })
  const lookAtService = (found: OwnerService): OwnerService => { service = found; status.refresh(); return found }
  const stop = (): void => { status.close(); earnings.close(); guard.close() }
  try {
    if (config.gui) gui = await startGui({ dataDir, port: config.gui.port ?? 0, status, guard, usual: config.owner?.defaults, timeZone, log, wall: () => clock.wall(), lines: ports.lines, secrets: ports.secrets, again: () => connection.again(), selfTest: test, service: unit && (async (on) => lookAtService(await (on ? unit.install(false) : unit.remove()))) })
    unit?.status().then(lookAtService, (error: unknown) => log.debug({ error: saysOf(error) }, 'whether this agent starts with the system is not known'))
  } catch (error) { stop(); throw error }
  // One after the other: the later of two words of the market is the one that holds.
  let asking = Promise.resolve()
  const take = async (message: AskOwner): Promise<void> => {
    const { refused } = await takeAsked(dataDir, message)
    guard.look()
    status.refresh()
    log.info({ number: message.number, ...(refused === undefined ? {} : { refused }) }, refused === undefined ? 'settings were asked over the market' : 'settings that were asked over the market are not taken')
  }
  return {
    earnings, status,
    ask: (message) => (asking = asking.catch(() => undefined /* the one before it was told of that */).then(() => take(message))),
    get said() {
      const { settings: { fromMarket, logLevel: _its, ...settings }, local, asked } = guard.files, { cpuMillis, memoryBytes, diskBytes } = ports.full
      return { number: asked.number, ...(asked.refused === undefined ? {} : { refused: asked.refused }), from_market: fromMarket, local: [...local], full: { cpuMillis, memoryBytes, diskBytes }, settings }
    },
    test: (number) => askedTest.ask(number), get tested() { return askedTest.said },
    get share() { return guard.files.settings.share },
    get gui() { return gui?.url ?? null }, async close() { stop(); await askedTest.close(); await gui?.close() },
  }
}
