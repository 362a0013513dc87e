// The tables, as the simulator has them: a second applier of Changes that shares no code with the one in memory. It keeps its own ledger
// (balances folded from postings) and refuses what a database refuses: an old epoch, a second entry under one id, a balance below zero, two live
// attempts on a slot, two settlements of a slot, an update of what is only ever added. A refused transaction leaves nothing behind.
import type { ActionRow, AttemptRow, AutoTopupRow, Change, EnrolmentRow, EntryRow, FaultRow, ForfeitRow, IncidentRow, InvitationRow, JobRow, KeyRow, LessonRow, MemberRow, NodeRow, PayoutRow, PayoutRuleRow, PersonRow, QuoteRow, ReversalRow, ScheduleRow, SealRow, SettingsRow, StandingRow, TaskRow, TickRow } from '@lumaris/domain'
import { CAUSES } from '@lumaris/protocol'
import type { AccountName, JobEvent } from '@lumaris/protocol'

export type RefusedBecause = 'epoch' | 'I2' | 'I4' | 'I6' | 'I8' | 'I15' | 'I16' | 'I18' | 'rows'
export class DatabaseRefusal extends Error {
  override name = 'DatabaseRefusal'
  readonly because: RefusedBecause
  readonly about: readonly string[]
  constructor(because: RefusedBecause, message: string, about: readonly string[] = []) {
    super(message)
    this.because = because
    this.about = about
  }
}

/** A change and the row it replaced. */
export type Written = { readonly change: Change; readonly before: unknown }
export type Committed = (epoch: number, written: readonly Written[]) => void

const LIVE: ReadonlySet<string> = new Set(['offered', 'accepted', 'running', 'reported'])
export const slotKey = (attempt: { job: string; task: number; slot: number }): string => `${attempt.job}.${attempt.task}.${attempt.slot}`

export class Database {
  /** The row that says who may write: only ever grows. */
  epoch = 0
  readonly jobs = new Map<string, JobRow>()
  readonly tasks = new Map<string, TaskRow[]>()
  readonly attempts = new Map<string, AttemptRow>()
  readonly attemptsOfJob = new Map<string, Set<string>>()
  readonly nodes = new Map<string, NodeRow>()
  readonly lessons = new Map<string, LessonRow>()
  readonly schedules = new Map<string, ScheduleRow>()
  readonly standing = new Map<string, StandingRow>()
  readonly quotes = new Map<string, QuoteRow>()
  readonly enrolments = new Map<string, EnrolmentRow>()
  readonly keys = new Map<string, KeyRow>()
  readonly entries = new Map<string, EntryRow>()
  readonly balances = new Map<AccountName, bigint>()
  readonly events = new Map<string, JobEvent[]>()
  readonly ticks = new Map<string, TickRow[]>()
  readonly seals = new Map<string, SealRow>()
  readonly payouts = new Map<string, PayoutRow>()
  readonly faults = new Map<string, FaultRow>()
  readonly payoutRules = new Map<string, PayoutRuleRow>()
  readonly reversals = new Map<string, ReversalRow>()
  readonly forfeits = new Map<string, ForfeitRow>()
  readonly alerted = new Map<string, number>()
  readonly settings = new Map<number, SettingsRow>()
  readonly incidents = new Map<string, IncidentRow>()
  readonly autoTopups = new Map<string, AutoTopupRow>()
  readonly members = new Map<string, MemberRow>()
  readonly invitations = new Map<string, InvitationRow>()
  readonly people = new Map<string, PersonRow>()
  readonly actions = new Map<string, ActionRow>()
  readonly settledSlots = new Map<string, string>()
  readonly liveBySlot = new Map<string, Set<string>>()
  readonly openJobs = new Set<string>()
  readonly released = new Set<string>()
  readonly #checksEpoch: boolean
  readonly #committed: Committed
  #undo: (() => void)[] = []

  constructor(checksEpoch: boolean, committed: Committed) {
    this.#checksEpoch = checksEpoch
    this.#committed = committed
  }

  /** One transaction: all of it, or a DatabaseRefusal and none of it. */
  commit(epoch: number, changes: readonly Change[]): void {
    if (epoch !== this.epoch) {
      if (this.#checksEpoch) throw new DatabaseRefusal('epoch', `epoch ${epoch} is over: it is ${this.epoch} now`)
      if (changes.length > 0) this.#committed(epoch, []) // with the check off, the auditor must see it before any constraint does
    }
    this.#undo = []
    const written: Written[] = []
    try {
      for (const change of changes) written.push({ change, before: this.#write(change) })
      this.#checkSlots(changes)
    } catch (error) {
      for (const back of this.#undo.reverse()) back()
      throw error
    }
    this.#committed(epoch, written)
  }

  #set<Key, Row>(table: Map<Key, Row>, key: Key, row: Row): Row | undefined {
    const before = table.get(key)
    this.#undo.push(before === undefined ? () => table.delete(key) : () => table.set(key, before))
    table.set(key, row)
    return before
  }
  #add<Item>(set: Set<Item>, item: Item): void {
    if (set.has(item)) return
    set.add(item)
    this.#undo.push(() => set.delete(item))
  }
  #remove<Item>(set: Set<Item>, item: Item): void {
    if (set.delete(item)) this.#undo.push(() => set.add(item))
  }
  #of<Key, Item>(table: Map<Key, Set<Item>>, key: Key): Set<Item> {
    let set = table.get(key)
    if (!set) { set = new Set(); table.set(key, set) }
    return set
  }
  #append<Key, Row>(table: Map<Key, Row[]>, key: Key, row: Row): void {
    let list = table.get(key)
    if (!list) { list = []; table.set(key, list) }
    const rows = list
    rows.push(row)
    this.#undo.push(() => rows.pop())
  }

  #write(change: Change): unknown {
    switch (change.kind) {
      case 'job': {
        if (change.row.state === 'queued' || change.row.state === 'running') this.#add(this.openJobs, change.row.id)
        else this.#remove(this.openJobs, change.row.id)
        return this.#set(this.jobs, change.row.id, change.row)
      }
      case 'task': {
        if (!this.jobs.has(change.row.job)) throw new DatabaseRefusal('rows', `a task of the unknown job ${change.row.job}`)
        const tasks = this.tasks.get(change.row.job) ?? []
        this.tasks.set(change.row.job, tasks)
        const index = change.row.index, before = tasks[index]
        this.#undo.push(() => { if (before) tasks[index] = before; else tasks.length = index })
        tasks[index] = change.row
        return before
      }
      case 'attempt': {
        const { row } = change, slot = slotKey(row)
        if (LIVE.has(row.state)) this.#add(this.#of(this.liveBySlot, slot), row.id)
        else this.#remove(this.#of(this.liveBySlot, slot), row.id)
        this.#add(this.#of(this.attemptsOfJob, row.job), row.id)
        return this.#set(this.attempts, row.id, row)
      }
      case 'node': return this.#set(this.nodes, change.row.id, change.row)
      case 'lesson': return this.#set(this.lessons, `${change.row.what}:${change.row.key}`, change.row)
      case 'schedule': return this.#set(this.schedules, change.row.id, change.row)
      case 'standing': return this.#set(this.standing, change.row.id, change.row)
      case 'quote': return this.#set(this.quotes, change.row.id, change.row)
      case 'enrolment': return this.#set(this.enrolments, change.row.id, change.row)
      case 'key':
        if (this.keys.has(change.row.id)) throw new DatabaseRefusal('I15', `the key ${change.row.id} was used before`, [change.row.subject])
        return this.#set(this.keys, change.row.id, change.row)
      case 'entry': return this.#entry(change.row)
      case 'payout': return this.#set(this.payouts, change.row.id, change.row)
      case 'reputationDay': return undefined
      case 'fault': return this.#set(this.faults, change.row.attempt, change.row)
      case 'payoutRule': return this.#set(this.payoutRules, change.row.user, change.row)
      case 'reversal': return this.#set(this.reversals, change.row.id, change.row)
      case 'forfeit':
        for (const attempt of change.row.of) {
          if (this.released.has(attempt)) throw new DatabaseRefusal('I2', `what ${attempt} earned is forfeited and was gone before`, [attempt])
          this.#add(this.released, attempt)
        }
        return this.#set(this.forfeits, change.row.attempt, change.row)
      case 'incident': return this.#set(this.incidents, change.row.id, change.row)
      case 'memberAct': case 'impersonation': return undefined
      case 'autoTopup': return this.#set(this.autoTopups, change.row.user, change.row)
      case 'member': return this.#set(this.members, `${change.row.account} ${change.row.user}`, change.row)
      case 'invitation': return this.#set(this.invitations, change.row.id, change.row)
      case 'alert': return this.#set(this.alerted, change.row.key, change.row.at)
      case 'alertSettings': return undefined
      case 'settings':
        if (change.row.version !== this.settings.size + 1) throw new DatabaseRefusal('rows', `version ${change.row.version} of the settings after ${this.settings.size}`)
        return this.#set(this.settings, change.row.version, change.row)
      case 'person':
        if (!this.people.has(change.row.id)) throw new DatabaseRefusal('rows', `the unknown user ${change.row.id}`)
        return this.#set(this.people, change.row.id, change.row)
      case 'action':
        if (this.actions.has(change.row.id)) throw new DatabaseRefusal('rows', `the action ${change.row.id} is written twice`)
        return this.#set(this.actions, change.row.id, change.row)
      case 'event': {
        const last = this.events.get(change.row.job)?.at(-1)?.version ?? 0
        if (change.row.version !== last + 1) throw new DatabaseRefusal('I16', `event ${change.row.version} of ${change.row.job} after ${last}`, [change.row.job])
        return this.#append(this.events, change.row.job, change.row)
      }
      case 'tick': {
        const last = this.ticks.get(change.row.attempt)?.at(-1)?.seq ?? 0
        if (change.row.seq !== last + 1) throw new DatabaseRefusal('I18', `tick ${change.row.seq} of ${change.row.attempt} after ${last}`, [change.row.attempt])
        return this.#append(this.ticks, change.row.attempt, change.row)
      }
      case 'seal': {
        const id = `${change.row.node}:${change.row.session}:${change.row.number}`
        return this.seals.has(id) ? undefined : this.#set(this.seals, id, change.row)
      }
    }
  }

  #entry(row: EntryRow): void {
    if (this.entries.has(row.id)) throw new DatabaseRefusal('I4', `a second entry ${row.id}`, [row.job ?? row.id])
    if (row.kind === 'settle') {
      const attempt = this.attempts.get(row.attempt ?? '')
      if (!attempt) throw new DatabaseRefusal('rows', `${row.id} pays for an unknown attempt`)
      // What was kept of an interrupted attempt is paid once per fence, a result once per slot.
      const part = attempt.cause !== null && CAUSES[attempt.cause].bears !== 'buyer', seat = part ? `${slotKey(attempt)}:${attempt.fence}` : slotKey(attempt)
      const earlier = this.settledSlots.get(seat)
      if (earlier) throw new DatabaseRefusal('I6', `${row.id} settles a slot that ${earlier} has settled`, [attempt.job])
      this.#set(this.settledSlots, seat, row.id)
    }
    if ((row.kind === 'release' || row.kind === 'reversal') && row.attempt) this.#add(this.released, row.attempt)
    this.#set(this.entries, row.id, row)
    for (const { from, to, amount } of row.postings) {
      if (amount <= 0n) throw new DatabaseRefusal('rows', `${row.id} moves ${amount}`)
      const left = (this.balances.get(from) ?? 0n) - amount
      if (left < 0n && !from.startsWith('external:')) throw new DatabaseRefusal('I2', `${row.id} takes ${from} to ${left}`, [row.job ?? from])
      this.#set(this.balances, from, left)
      this.#set(this.balances, to, (this.balances.get(to) ?? 0n) + amount)
    }
  }

  #checkSlots(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind !== 'attempt') continue
      const live = this.liveBySlot.get(slotKey(change.row))
      if (live && live.size > 1) throw new DatabaseRefusal('I8', `two live attempts of ${slotKey(change.row)}: ${[...live].join(', ')}`, [change.row.job, ...live])
    }
  }
}
