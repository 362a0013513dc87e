// The one writer. Every command that changes the market goes through this loop:
//
//   drain → prefetch → decide → commit → release
//
// Deciding is synchronous and runs on memory; the Changes of a whole batch go to the database in one transaction that begins by checking the
// writer's epoch; only when it is through are callers answered and nodes told. While one batch commits the next is decided, and its own effects
// wait for its own commit. If a commit fails, or nobody knows whether it did, everything decided since is dropped with the memory it was decided
// on, the state is loaded again from the tables, and the callers are told to ask again: their keys make that safe.
import { EventEmitter } from 'node:events'
import { refuse } from '@lumaris/protocol'
import type { JobId, Refusal } from '@lumaris/protocol'
import { createState, forgetJob, internSpec, runTurn } from '@lumaris/domain'
import type { Answer, Asked, Command, Effect, MarketSettings, MarketState, Turn, TurnPorts } from '@lumaris/domain'
import type { Database } from '../database/database.ts'
import { availabilityStatement, epochStatement, statementsFor } from '../store/persist.ts'
import { loadState } from '../store/load.ts'
import { isNone, mustWait, needsOf, prefetch } from '../store/prefetch.ts'
import { acquireEpoch, isReplaced } from './epoch.ts'
import type { Log } from '../log.ts'

/** Commands that wait to be decided: some seconds of the fastest market; over it callers are told to come back. */
const INBOX_MAX = 20_000
/** Commands of one batch: a turn stays within a few tens of milliseconds. */
const BATCH_MAX = 1_000
/** The clock's step. Times in the market are seconds and more; offers and leases need no finer one. */
export const CLOCK_MS = 250
/** An empty batch may be released without asking the database if the epoch was confirmed this recently: a taker waits five times as long. */
const EPOCH_TRUST_MS = 2_000
/** What was learned of the nodes' coming and going is written this often, and at the end. */
const KEEP_MS = 600_000
/** Between attempts to load again while the database does not answer. */
const RELOAD_PAUSE_MS = 500

type Pending = { readonly command: Command & { readonly asked?: Asked }; readonly resolve: (answer: unknown) => void; readonly reject: (error: Error) => void }
type Batch = { readonly pending: readonly Pending[]; readonly turn: Turn; readonly answers: readonly unknown[]; /** Jobs that ended, and leave memory when this is through. */ readonly leaving: readonly JobId[] }

export type EnginePorts = {
  readonly db: Database; readonly settings: MarketSettings; readonly log: Log; readonly holder: string
  readonly now: () => number; readonly monotonic: () => number; readonly id: TurnPorts['id']; readonly hash: TurnPorts['hash']; readonly keyed: TurnPorts['keyed']
}
export type EngineEvents = { effects: [readonly Effect[]]; reloaded: []; /** A turn is through: what it took. */ turned: [ms: number]; fenced: [] }
export type EngineStats = { commits: number; commands: number; reloads: number; commitMs: number; changes: number; largestBatch: number }

export class Engine extends EventEmitter<EngineEvents> {
  #ports: EnginePorts
  #state: MarketState
  #epoch = 0
  #inbox: Pending[] = []
  #wake: (() => void) | null = null
  /** Through, and not yet forgotten. */
  #committed: Batch[] = []
  #inFlight: Promise<void> = Promise.resolve()
  #stopped = false
  #running: Promise<void> | null = null
  #clock: NodeJS.Timeout | null = null
  #keeper: NodeJS.Timeout | null = null
  #clockQueued = false
  #confirmedAt = -Infinity
  #ready = false
  readonly stats: EngineStats = { commits: 0, commands: 0, reloads: 0, commitMs: 0, changes: 0, largestBatch: 0 }

  constructor(ports: EnginePorts) {
    super()
    this.#ports = ports
    this.#state = createState(ports.settings)
  }

  /** For questions that need no commit (quotes of a kind, explanations, gauges). Nothing may be told from it that a commit has not settled. */
  get state(): MarketState { return this.#state }
  get ready(): boolean { return this.#ready }
  get epoch(): number { return this.#epoch }
  get waiting(): number { return this.#inbox.length }

  async start(): Promise<void> {
    await this.#load(true)
    this.#running = this.#loop()
    this.#clock = setInterval(() => this.#tick(), CLOCK_MS)
    this.#keeper = setInterval(() => void this.#keep(), KEEP_MS)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#clock) clearInterval(this.#clock)
    if (this.#keeper) clearInterval(this.#keeper)
    this.#wake?.()
    await this.#running
    if (this.#ready) await this.#keep()
    this.#ready = false
    for (const pending of this.#inbox.splice(0)) pending.resolve(refuse('unavailable'))
  }

  /** Decides a command and answers when its commit is through. Never throws for an expected no; rejects only on a bug. */
  act<C extends Command & { readonly asked?: Asked }>(command: C): Promise<Answer<C['kind']> | Refusal> {
    if (this.#stopped || !this.#ready) return Promise.resolve(refuse('unavailable'))
    if (this.#inbox.length >= INBOX_MAX) return Promise.resolve(refuse('overloaded', { retryAfterMs: 1000 }))
    return new Promise((resolve, reject) => {
      this.#inbox.push({ command, resolve: resolve as (answer: unknown) => void, reject })
      this.#wake?.()
    })
  }

  /** Under the epoch like everything that is written; a failure is told, and the next time tries again. */
  async #keep(): Promise<void> {
    const { db, settings, now, log } = this.#ports
    if (!this.#ready || this.#state.nodes.size === 0) return
    try { await db.transact([epochStatement(settings.region, this.#epoch, now()), availabilityStatement(this.#state.availability.rows(), db.dialect)]) } catch (error) { log.warn({ err: error }, 'the forecast of availability was not kept') }
  }

  #tick(): void {
    if (this.#clockQueued || !this.#ready) return
    this.#clockQueued = true
    void this.act({ kind: 'clock' }).finally(() => { this.#clockQueued = false })
  }

  async #loop(): Promise<void> {
    while (!this.#stopped) {
      if (this.#inbox.length === 0) {
        await new Promise<void>((wake) => { this.#wake = wake })
        this.#wake = null
        // Commands tend to come in bursts (one socket read brings many): one more turn of the event loop gathers the burst.
        await new Promise((next) => setImmediate(next))
        if (this.#stopped) break
      }
      const batch = this.#inbox.splice(0, BATCH_MAX)
      if (batch.length > 0) await this.#turn(batch)
    }
    await this.#inFlight
  }

  async #turn(pending: Pending[]): Promise<void> {
    // Here and nowhere else: between prefetching and deciding, memory must not lose what was found in it.
    for (const batch of this.#committed.splice(0)) this.#forget(batch)
    const commands = pending.map((one) => one.command)
    // Whatever is found and decided below belongs to this memory: if a commit fails meanwhile, memory is loaded afresh and this turn is void.
    const state = this.#state
    const needs = needsOf(state, commands)
    try {
      // A balance read while a commit that moves it is still under way would be out of date for ever.
      if (mustWait(needs)) await this.#inFlight
      if (!isNone(needs)) {
        const { db, settings } = this.#ports
        await prefetch(db, state, needs)
        // What a successor wrote does not go with this memory; it could not be committed anyway.
        if (await isReplaced(db, settings.region, this.#epoch)) throw new Error('another has become the writer')
      }
      if (this.#state !== state) return giveUp(pending)
    } catch (error) {
      giveUp(pending)
      await this.#inFlight
      if (this.#state !== state) return
      this.#ports.log.error({ err: error }, 'prefetch failed; the state is loaded again')
      return this.#reload()
    }
    let batch: Batch
    try {
      const { turn, answers } = runTurn(state, commands, { now: this.#ports.now(), id: this.#ports.id, hash: this.#ports.hash, keyed: this.#ports.keyed })
      batch = { pending, turn, answers, leaving: [...state.ended] }
      state.ended.clear()
    } catch (error) {
      // A bug: memory may be half changed, so it goes. The rest of the batch is innocent and may ask again.
      this.#ports.log.fatal({ err: error, commands: commands.map((command) => command.kind) }, 'a decision broke an invariant; the state is loaded again')
      giveUp(pending)
      await this.#inFlight
      return this.#state === state ? this.#reload() : undefined
    }
    // Only one commit is under way at a time: a later one must never be through when an earlier one was not.
    await this.#inFlight
    if (this.#state !== state) return giveUp(pending)
    this.#inFlight = this.#commit(batch) // never rejects
  }

  /** On failure the state is loaded again before this resolves, so whoever waited for it finds other memory. */
  async #commit(batch: Batch): Promise<void> {
    const { db, now, monotonic, log } = this.#ports
    const { turn } = batch
    const started = monotonic()
    try {
      if (turn.changes.length > 0 || started - this.#confirmedAt > EPOCH_TRUST_MS) {
        await db.transact([epochStatement(this.#ports.settings.region, this.#epoch, now()), ...statementsFor(turn.changes, db.dialect)])
        this.#confirmedAt = started
        this.stats.commits++
        this.stats.commitMs += monotonic() - started
        this.stats.changes += turn.changes.length
      }
    } catch (error) {
      log.error({ err: error, changes: turn.changes.length }, 'a commit did not go through; the state is loaded again')
      giveUp(batch.pending)
      return this.#reload()
    }
    this.stats.commands += batch.pending.length
    this.emit('turned', monotonic() - started)
    this.stats.largestBatch = Math.max(this.stats.largestBatch, batch.pending.length)
    this.#committed.push(batch)
    batch.pending.forEach((one, i) => one.resolve(batch.answers[i]))
    if (turn.effects.length === 0) return
    const tell = (): void => { this.emit('effects', turn.effects) }
    // A node that has just been welcomed must be in the gateway's books before it is sent anything: its answer goes first.
    if (batch.pending.some((one) => one.command.kind === 'hello')) setImmediate(tell)
    else tell()
  }

  /** What is in the tables now and needed by nobody leaves memory. */
  #forget({ turn, leaving }: Batch): void {
    for (const change of turn.changes) if (change.kind === 'key') this.#state.keys.delete(change.row.id)
    for (const id of leaving) forgetJob(this.#state, id)
  }

  async #reload(): Promise<void> {
    this.#ready = false
    this.stats.reloads++
    this.emit('reloaded')
    for (const pending of this.#inbox.splice(0)) pending.resolve(refuse('unavailable', { retryAfterMs: 1000 }))
    while (!this.#stopped) {
      try { return await this.#load(false) } catch (error) {
        this.#ports.log.error({ err: error }, 'loading the state failed; trying again')
        await new Promise((resolve) => setTimeout(resolve, RELOAD_PAUSE_MS))
      }
    }
  }

  async #load(first: boolean): Promise<void> {
    const { db, settings, log, now, monotonic, holder } = this.#ports
    const started = monotonic()
    this.#epoch = await acquireEpoch({ db, region: settings.region, holder, now, monotonic, log, isStopped: () => this.#stopped })
    this.#confirmedAt = -Infinity
    const state = createState(settings)
    await loadState(db, state, now(), (row) => ({ ...row, spec: internSpec(state, row.spec) }))
    this.#state = state
    this.#committed = []
    this.#ready = true
    log.info({ epoch: this.#epoch, jobs: state.jobs.size, nodes: state.nodes.size, ms: Math.round(monotonic() - started), first }, 'the market is loaded')
  }
}

function giveUp(pending: readonly Pending[]): void {
  for (const one of pending) one.resolve(refuse('unavailable', { retryAfterMs: 1000 }))
}
