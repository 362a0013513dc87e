// What everything in a simulated market shares: one clock, one source of chance, the tables, the trace, the counts of what was seen, and who is
// there. Nothing here decides; the parts meet through it.
import { createHash } from 'node:crypto'
import { ALL_GUARDS, DEFAULT_SETTINGS } from '@lumaris/domain'
import type { Guards, MarketSettings } from '@lumaris/domain'
import { virtualChance } from '../../packages/testkit/src/virtual-chance.ts'
import { VirtualTime } from '../../packages/testkit/src/virtual-time.ts'
import { Database } from './database.ts'
import { Auditor } from './auditor.ts'
import { Provider } from './operators.ts'
import { Trace, Violation } from './trace.ts'
import type { Seen } from './seen.ts'
import type { Writer } from './writer.ts'
import type { Machine } from './machine.ts'
import type { Client } from './client.ts'

/** Guards outside the core that a mutation can take away. */
export const SIM_GUARDS = ['epochCheck', 'rereadAfterUnknown', 'journalBeforeAccept', 'ackAfterCommit'] as const
export type SimGuard = (typeof SIM_GUARDS)[number]
export type GuardName = keyof Guards | SimGuard
export const GUARD_NAMES: readonly GuardName[] = [...(Object.keys(ALL_GUARDS) as (keyof Guards)[]), ...SIM_GUARDS]

export type Options = { seed: number; hours: number; without?: readonly GuardName[]; machines?: number; buyers?: number; stepsMax?: number; /** All jobs are cut while they run. */ divided?: boolean }

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

export class World {
  readonly options: Options
  readonly time = new VirtualTime()
  readonly trace = new Trace()
  readonly chance
  readonly seen = new Map<Seen, number>()
  readonly settings: MarketSettings = { ...DEFAULT_SETTINGS, demoTopupMaxMicros: 1_000_000_000n, payoutMinMicros: 100n, reversalMs: 1_200_000, changeMs: 30_000 }
  readonly guards: Guards
  readonly db: Database
  readonly auditor: Auditor
  readonly provider: Provider
  readonly writers: Writer[] = []
  readonly machines: Machine[] = []
  readonly clients: Client[] = []
  /** Of result files, by hash: what they say, however it is spelled. */
  readonly meanings = new Map<string, string>()
  /** Faults happen until this is false. */
  stormy = true
  #made = 0

  constructor(options: Options) {
    this.options = options
    this.chance = virtualChance(options.seed, 'market')
    this.guards = Object.fromEntries(Object.keys(ALL_GUARDS).map((name) => [name, !this.without(name as GuardName)])) as unknown as Guards
    this.auditor = new Auditor(this)
    this.provider = new Provider(this)
    this.db = new Database(!this.without('epochCheck'), (epoch, written) => this.auditor.committed(epoch, written))
  }

  without(guard: GuardName): boolean { return this.options.without?.includes(guard) ?? false }
  get now(): number { return this.time.now }
  note(text: string): void { this.trace.note(this.time.now, text) }
  saw(what: Seen): void { this.seen.set(what, (this.seen.get(what) ?? 0) + 1) }
  keyed = (text: string): string => sha256(`the secret of ${this.options.seed}: ${text}`)
  id = (prefix: string): string => `${prefix}_${(this.#made++).toString(10).padStart(26, '0')}`
  fail(invariant: string, message: string, about: readonly string[] = []): never { throw new Violation(invariant, message, about) }

  /** The writer that the load balancer sends people and agents to. */
  get writer(): Writer | undefined { return this.writers.findLast((writer) => writer.alive) }
}
