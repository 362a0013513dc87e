// The engine, as production runs it, on simulated time: commands gather in an inbox; a turn is decided on memory; its Changes travel to the
// tables in one transaction; only when that is through are callers answered and nodes told. The next turn is decided while a commit is in
// flight, and waits for it. After a commit that failed, or whose fate nobody knows, all memory goes and the tables are read again, under a new
// epoch. Several writers may exist at once: a paused one that wakes up late, or a rival; only the tables' epoch says whose word counts.
import { account, isRefusal } from '@lumaris/protocol'
import type { AccountName, AttemptId, JobId, Refusal, UserId } from '@lumaris/protocol'
import { InvariantError, accountsToReverse, apply, createState, forgetJob, depositEntry, payoutKey, runTurn, topupEntry } from '@lumaris/domain'
import type { Command, Effect, MarketState, Turn } from '@lumaris/domain'
import { DatabaseRefusal } from './database.ts'
import type { Database } from './database.ts'
import { loadState } from './load.ts'
import { Gateway } from './gateway.ts'
import { watchQueue } from './waiting.ts'
import type { Waits } from './waiting.ts'
import { sha256 } from './world.ts'
import type { World } from './world.ts'

export const UNAVAILABLE: Refusal = { refusal: 'unavailable' }
const BATCH_MAX = 50
const CLOCK_MS = 1000
const EPOCH_TRUST_MS = 2000
const RELEASE_MS = 90_000
const PAY_OUT_MS = 15_000
/** Much shorter than in production: so that it happens within a simulated hour. */
const DISPUTE_MS = 300_000

type Pending = { readonly command: Command; readonly answer: (answer: unknown) => void }
type Batch = { readonly pending: readonly Pending[]; readonly turn: Turn; readonly answers: readonly unknown[]; readonly leaving: readonly JobId[]; readonly fetched: readonly string[] }
type Needs = { jobs: Set<JobId>; keys: Set<string>; accounts: Set<AccountName>; entries: Set<string>; people: boolean; faults: Set<AttemptId> }

export class Writer {
  readonly world: World
  readonly name: string
  alive = true
  ready = false
  paused = false
  epoch = 0
  state: MarketState
  waits: Waits
  readonly gateway: Gateway
  #inbox: Pending[] = []
  #deciding: Pending[] | null = null
  #held: Batch | null = null
  #flying: Batch | null = null
  #afterFlight: (() => void) | null = null
  #through: Batch[] = []
  #backlog: (() => void)[] = []
  #confirmedAt = -Infinity
  #clockAsked = false
  #releasing = false
  /** Grows with each reload: what was under way before it no longer counts. */
  #life = 0
  readonly #bornAt: number
  readonly #rate: number
  readonly #offset: number

  constructor(world: World, name: string) {
    this.world = world
    this.name = name
    this.gateway = new Gateway(world, this)
    this.#bornAt = world.now
    this.#rate = 1 + (world.chance.next() - 0.5) * 0.04
    this.#offset = world.chance.between(-500, 500)
    this.state = createState(world.settings, world.guards)
    this.waits = watchQueue(this.state)
    this.#reload('starts')
    this.#tick()
    this.#release()
    this.#forfeit()
    this.#payOut()
  }

  /** Its own idea of the time: it runs a little fast or slow. */
  get now(): number { return Math.floor(1_700_000_000_000 + this.#bornAt + this.#offset + (this.world.now - this.#bornAt) * this.#rate) }
  get idle(): boolean { return this.ready && !this.paused && !this.#deciding && !this.#held && !this.#flying && this.#inbox.length === 0 }

  act(command: Command, answer: (answer: unknown) => void): void {
    if (!this.alive) return
    if (this.paused) { this.#backlog.push(() => this.act(command, answer)); return }
    if (!this.ready) { answer(UNAVAILABLE); return }
    this.#inbox.push({ command, answer })
    this.#kick()
  }

  /** Later, by a process that may have been paused or killed until then. */
  later(ms: number, run: () => void): void { this.world.time.after(ms, () => this.run(run)) }
  run(what: () => void): void {
    if (!this.alive) return
    if (this.paused) this.#backlog.push(what)
    else what()
  }

  crash(): void {
    if (!this.alive) return
    this.world.note(`* ${this.name} dies`)
    this.alive = false
    this.ready = false
    this.#life++
    this.gateway.closeAll(true)
  }
  pause(): void { this.paused = true; this.world.note(`* ${this.name} stands still`) }
  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.world.note(`* ${this.name} goes on`)
    const backlog = this.#backlog.splice(0)
    for (const what of backlog) this.run(what)
    this.gateway.pumpAll()
  }

  #tick(): void {
    this.later(CLOCK_MS, () => {
      if (this.ready && !this.#clockAsked) {
        this.#clockAsked = true
        this.act({ kind: 'clock' }, () => { this.#clockAsked = false })
      }
      this.#tick()
    })
  }

  /** Pays out what has waited long enough. One pass at a time: the next begins when the last one is answered. */
  #release(): void {
    this.later(RELEASE_MS, () => {
      const due = this.ready && !this.#releasing ? dueReleases(this.world.db, this.now) : []
      if (due.length > 0) {
        this.#releasing = true
        this.act({ kind: 'release', due }, (answer) => { this.#releasing = false; if (!isRefusal(answer)) this.world.saw('released') })
      }
      this.#release()
    })
  }

  /** Looks up what pays the debts for wrong results, once all that was decided before them is in the tables. */
  #forfeit(): void {
    this.later(RELEASE_MS, () => {
      for (const { attempt, owner } of this.ready ? [...this.state.forfeits.values()] : []) this.act({ kind: 'clock' }, (answer) => {
        if (isRefusal(answer)) return
        const { db } = this.world, earnings = [...db.attempts.values()].filter((row) => row.seller === owner && (row.billed ?? 0n) > (row.fee ?? 0n) && !db.released.has(row.id)).map((row) => ({ attempt: row.id, amount: row.billed! - row.fee! })).reverse()
        this.act({ kind: 'forfeit', attempt, earnings }, (paid) => { if (!isRefusal(paid)) this.world.saw((paid as { taken: string }).taken === '0' ? 'nothing to forfeit' : 'forfeited') })
      })
      this.#forfeit()
    })
  }

  /** Sends what was asked for, and asks the provider after what was sent: again and again, until it answers. */
  #payOut(): void {
    this.later(PAY_OUT_MS, () => {
      for (const payout of this.ready ? [...this.state.payouts.values()] : []) {
        const carry = (): void => this.world.provider.carry(payout, (arrived) => this.run(() => this.act({ kind: 'payoutStep', id: payout.id, event: arrived ? 'pay' : 'fail' }, (answer) => { if (!isRefusal(answer)) this.world.saw(arrived ? 'payout paid' : 'payout came back') })))
        if (payout.state === 'sent') carry()
        else this.act({ kind: 'payoutStep', id: payout.id, event: 'send' }, (answer) => { if (!isRefusal(answer)) this.run(carry) })
      }
      this.#payOut()
    })
  }

  #kick(): void {
    if (!this.ready || this.#deciding || this.#held || this.#inbox.length === 0) return
    this.#deciding = []
    const life = this.#life
    this.later(this.world.chance.between(0, 3), () => { if (life === this.#life) this.#begin() })
  }

  #begin(): void {
    this.#forget()
    const pending = this.#inbox.splice(0, BATCH_MAX)
    this.#deciding = pending
    const needs = this.#needsOf(pending)
    // A balance read while a commit that moves it is still under way would be out of date for ever.
    if ((needs.accounts.size > 0 || needs.entries.size > 0 || needs.faults.size > 0 || needs.people) && this.#flying) this.#afterFlight = () => this.#fetch(pending, needs)
    else this.#fetch(pending, needs)
  }

  #needsOf(pending: readonly Pending[]): Needs {
    const { state } = this
    const needs: Needs = { jobs: new Set(), keys: new Set(), accounts: new Set(), entries: new Set(), people: false, faults: new Set() }
    const wallet = (name: AccountName) => { if (!state.accounts.has(name)) needs.accounts.add(name) }
    for (const name of state.accountsWanted) wallet(name)
    state.accountsWanted.clear()
    for (const { command } of pending) {
      if (command.kind === 'submit') {
        if (command.id && command.id <= state.highestForgotten && !state.jobs.has(command.id)) needs.jobs.add(command.id)
        if (command.key && !state.keys.has(command.key)) needs.keys.add(command.key)
        wallet(account.available(command.buyer))
      } else if (command.kind === 'createSchedule') {
        if (command.key && !state.keys.has(command.key)) needs.keys.add(command.key)
        wallet(account.available(command.buyer))
      } else if (command.kind === 'cancel' || command.kind === 'pause' || command.kind === 'move') {
        if (!state.jobs.has(command.job)) needs.jobs.add(command.job)
      } else if (command.kind === 'topup') {
        if (!state.keys.has(topupEntry(command))) needs.keys.add(topupEntry(command))
        wallet(account.available(command.user))
      } else if (command.kind === 'deposit') {
        if (!state.keys.has(depositEntry(command))) needs.keys.add(depositEntry(command))
        needs.people = true
        wallet(account.available(command.user))
      } else if (command.kind === 'payout') {
        if (!state.keys.has(payoutKey(command))) needs.keys.add(payoutKey(command))
        wallet(account.earned(command.user))
      } else if (command.kind === 'proposeReversal') needs.entries.add(command.entry)
      else if (command.kind === 'approveReversal') { const entry = state.reversals.get(command.id)?.entry; if (entry) needs.entries.add(entry) }
      else if (command.kind === 'appeal' || command.kind === 'decideAppeal') needs.faults.add(command.attempt)
      else if (command.kind === 'suspend' || command.kind === 'unsuspend') needs.people = true
    }
    return needs
  }

  #fetch(pending: Pending[], needs: Needs): void {
    if (needs.jobs.size + needs.keys.size + needs.accounts.size + needs.entries.size + needs.faults.size === 0 && !needs.people) { this.#decide(pending, []); return }
    const life = this.#life
    this.later(this.world.chance.between(1, 8), () => {
      if (life !== this.#life) return
      const { db } = this.world, { state } = this
      if (needs.faults.size > 0) state.faults.clear()
      for (const id of needs.faults) state.faults.set(id, db.faults.get(id) ?? null)
      if (needs.people) for (const [id, row] of db.people) state.people.set(id as UserId, row)
      if (needs.entries.size > 0) state.entries.clear()
      for (const name of needs.entries) {
        const entry = db.entries.get(name) ?? null
        for (const one of [name, `reversal:${name}`, ...(entry?.attempt ? [`release:${entry.attempt}`] : [])]) state.entries.set(one, db.entries.get(one) ?? null)
        if (!entry) continue
        const debt = entry.kind === 'forfeit' ? db.forfeits.get(entry.attempt ?? '') : undefined
        if (debt) state.forfeited.set(debt.attempt, debt)
        if (entry.attempt && [...db.forfeits.values()].some(({ of }) => of.includes(entry.attempt!))) state.takenBack.add(entry.attempt)
        if (entry.job && !state.jobs.has(entry.job)) needs.jobs.add(entry.job)
        for (const account of accountsToReverse(entry, entry.job ? db.jobs.get(entry.job)?.buyer : undefined)) if (!state.accounts.has(account)) needs.accounts.add(account)
      }
      for (const id of needs.keys) {
        const key = db.keys.get(id)
        if (!key) continue
        state.keys.set(id, key)
        if (key.subject.startsWith('job_') && !state.jobs.has(key.subject as JobId)) needs.jobs.add(key.subject as JobId)
      }
      for (const id of needs.jobs) {
        const row = db.jobs.get(id)
        if (row && !state.jobs.has(id)) { apply(state, { kind: 'job', row }); this.world.saw('forgotten job asked for') }
      }
      for (const name of needs.accounts) state.accounts.set(name, db.balances.get(name) ?? 0n)
      if (db.epoch !== this.epoch && !this.world.without('epochCheck')) { this.world.saw('read after a successor had written'); this.#fenced(); return }
      this.#decide(pending, [...needs.keys])
    })
  }

  #decide(pending: Pending[], fetched: readonly string[]): void {
    let batch: Batch
    try {
      const { turn, answers } = runTurn(this.state, pending.map((one) => one.command), { now: this.now, id: this.world.id, hash: sha256, keyed: this.world.keyed })
      batch = { pending, turn, answers, leaving: [...this.state.ended], fetched }
      this.state.ended.clear()
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error
      this.world.fail('bug', `${error.message}, in a turn of ${pending.map((one) => one.command.kind).join(', ')}`, error.message.match(/(?:job|att|nod)_\w+/g) ?? [])
    }
    this.#deciding = null
    if (this.#flying) { this.#held = batch; this.world.saw('pipelined turn') }
    else { this.#commit(batch); this.#kick() }
  }

  #commit(batch: Batch): void {
    const { world } = this, { changes } = batch.turn
    this.#flying = batch
    if (changes.length === 0 && world.now - this.#confirmedAt <= EPOCH_TRUST_MS) {
      world.saw('empty batch released on trust')
      this.#landed(batch)
      return
    }
    const life = this.#life, epoch = this.epoch, startedAt = world.now
    const slow = world.stormy && world.chance.happens(0.01)
    if (slow) world.saw('commit slow')
    const fate = world.stormy ? world.chance.weighted({ fine: 1000, aborted: 2, applied: 2, lost: 1, late: 1 }) : 'fine'
    const arrives = slow ? world.chance.between(100, 3000) : world.chance.between(1, 10)
    if (fate === 'late') world.time.after(world.chance.happens(0.5) ? world.chance.between(5, 150) : world.chance.between(1000, 15_000), () => { if (this.#store(epoch, batch)) world.saw('commit unknown, applied late') })
    world.time.after(arrives, () => {
      const stored = fate === 'fine' || fate === 'applied' ? this.#store(epoch, batch) : false
      this.later(world.chance.between(1, 5), () => {
        if (life !== this.#life) return
        if (stored && fate === 'fine') { this.#confirmedAt = startedAt; this.#landed(batch); return }
        if (fate === 'fine' || fate === 'applied') { if (!stored) { this.#fenced(); return } world.saw('commit unknown, applied') }
        if (fate === 'aborted') world.saw('commit aborted')
        if (fate === 'lost') world.saw('commit unknown, lost')
        if (fate !== 'aborted' && world.without('rereadAfterUnknown')) { this.#landed({ ...batch, answers: batch.answers.map(() => UNAVAILABLE) }); return }
        this.#reload(`does not know what became of its commit (${fate})`)
      })
    })
  }

  /** What the database does with it, whether or not anybody hears of it. */
  #store(epoch: number, batch: Batch): boolean {
    try {
      this.world.db.commit(epoch, batch.turn.changes)
      return true
    } catch (error) {
      if (!(error instanceof DatabaseRefusal)) throw error
      if (error.because === 'epoch') { this.world.saw('zombie refused'); return false }
      return this.world.fail(error.because, error.message, error.about)
    }
  }

  #landed(batch: Batch): void {
    this.#flying = null
    this.#through.push(batch)
    batch.pending.forEach((one, i) => one.answer(batch.answers[i]))
    this.gateway.carry(batch.turn.effects as Effect[])
    const wait = this.#afterFlight
    this.#afterFlight = null
    wait?.()
    const held = this.#held
    this.#held = null
    if (held) this.#commit(held)
    this.#kick()
  }

  /** What is in the tables now and needed by nobody leaves memory: between turns, so that no turn is decided on what is half gone. */
  #forget(): void {
    for (const { turn, leaving, fetched } of this.#through.splice(0)) {
      // A key must not outlive its job here: known without it, it would be taken for a new one.
      for (const key of fetched) this.state.keys.delete(key)
      for (const change of turn.changes) if (change.kind === 'key') this.state.keys.delete(change.row.id)
      for (const id of leaving) forgetJob(this.state, id)
    }
  }

  #fenced(): void {
    this.world.note(`* ${this.name} learns that epoch ${this.epoch} is over`)
    if (this.world.writers.some((other) => other !== this && other.alive)) this.crash()
    else this.#reload('was fenced')
  }

  #reload(why: string): void {
    const { world } = this
    this.#life++
    this.ready = false
    this.#afterFlight = null
    if (this.#held) world.saw('batch dropped behind a failed commit')
    const dropped = [...(this.#flying?.pending ?? []), ...(this.#held?.pending ?? []), ...(this.#deciding ?? []), ...this.#inbox]
    this.#flying = this.#held = this.#deciding = null
    this.#inbox = []
    this.#through = []
    this.#clockAsked = false
    world.note(`* ${this.name} ${why}; it loads the tables`)
    this.gateway.closeAll(false)
    for (const one of dropped) one.answer(UNAVAILABLE)
    this.#load()
  }

  #load(): void {
    const life = this.#life, { world } = this
    this.later(world.chance.between(5, 400), () => {
      if (life !== this.#life) return
      if (world.stormy && world.chance.happens(0.1)) { world.saw('reload failed once'); this.#load(); return }
      this.epoch = ++world.db.epoch
      this.#confirmedAt = -Infinity
      this.state = createState(world.settings, world.guards)
      this.waits = watchQueue(this.state)
      loadState(world.db, this.now, world.settings, world.guards, this.state)
      this.ready = true
      world.note(`* ${this.name} writes under epoch ${this.epoch}`)
    })
  }
}

function dueReleases(db: Database, now: number): Extract<Command, { kind: 'release' }>['due'] {
  const due: { attempt: AttemptId; seller: UserId; amount: bigint }[] = []
  for (const entry of db.entries.values()) {
    if ((entry.kind !== 'settle' && entry.kind !== 'displace') || entry.at > now - DISPUTE_MS || !entry.attempt || db.released.has(entry.attempt)) continue
    const row = db.attempts.get(entry.attempt)
    const amount = (row?.billed ?? 0n) - (row?.fee ?? 0n)
    if (row && amount > 0n && due.length < 20) due.push({ attempt: row.id, seller: row.seller, amount })
  }
  return due
}

export const isUnavailable = (answer: unknown): boolean => isRefusal(answer) && answer.refusal === 'unavailable'
