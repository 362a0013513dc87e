// Two admins who make mistakes and mend them: they reverse entries, sometimes the wrong ones, sometimes alone; they suspend a seller for a while. And
// the provider that carries payouts, which forgets to answer now and then, and refuses some.
import { LEVELS, isRefusal } from '@lumaris/protocol'
import type { MatchingScope, NodeId, PayoutId, UserId } from '@lumaris/protocol'
import type { MatchingPauseRow, PayoutRow, ReversalRow } from '@lumaris/domain'
import { virtualChance } from '../../packages/testkit/src/virtual-chance.ts'
import { Client } from './client.ts'
import type { World } from './world.ts'

export const ADMINS = ['usr_admin0', 'usr_admin1'] as UserId[]

export class Operators {
  readonly #world: World
  readonly #client: Client
  // Chance of their own: what they do does not shift what others draw.
  readonly #chance
  readonly #nodes
  #suspended: UserId | null = null
  #held: NodeId | null = null

  constructor(world: World) {
    this.#world = world
    this.#client = new Client(world)
    this.#chance = virtualChance(world.options.seed, 'operators')
    this.#nodes = virtualChance(world.options.seed, 'operators and nodes')
    for (const id of ADMINS) world.db.people.set(id, { id, roles: ['admin'], suspended: null })
    this.#next()
    this.#operate()
    this.#pauseMatching()
    this.#hear()
  }

  /** The fee changes under running jobs now and then; sometimes by who has looked at an old version. */
  #operate(): void {
    const chance = virtualChance(this.#world.options.seed, 'settings')
    const next = (): void => this.#world.time.after(chance.exponential(600_000), () => {
      if (!this.#world.stormy) return
      const newest = this.#world.db.settings.size
      this.#client.ask({ kind: 'changeSettings', by: chance.pick(ADMINS), reason: 'as agreed', version: chance.happens(0.2) ? newest + 1 : newest, set: { fee: chance.between(0, 3_000) } }, (answer) => {
        if (!isRefusal(answer)) this.#world.saw('fee changed')
        else if (answer.refusal === 'settings_changed') this.#world.saw('fee not changed: an old version')
      })
      next()
    })
    next()
    this.#book()
  }
  /** Payments that came in by a bank: some are said twice, some to the wrong buyer, and each is booked once. */
  #book(): void {
    const chance = virtualChance(this.#world.options.seed, 'deposits'), { time, db } = this.#world
    const next = (): void => time.after(chance.exponential(900_000), () => {
      if (!this.#world.stormy) return
      const users = ['usr_buyer0', 'usr_buyer1'] as UserId[]
      for (const id of users) if (!db.people.has(id)) db.people.set(id, { id, roles: ['buyer'], suspended: null })
      const sent = { kind: 'deposit', by: chance.pick(ADMINS), user: chance.pick(users), amount: BigInt(chance.between(1_000, 500_000)), reference: `RF${chance.between(1, 12)}`, reason: 'as the bank says' } as const
      for (let times = chance.happens(0.3) ? 2 : 1; times > 0; times--) this.#client.ask(sent, (answer) => {
        if (isRefusal(answer)) { if (answer.refusal === 'deposit_booked') this.#world.saw('deposit refused: booked') }
        else this.#world.saw((answer as { replayed: boolean }).replayed ? 'deposit replayed' : 'deposit booked')
      })
      next()
    })
    next()
  }

  /** Nothing new starts for a while, anywhere or of a class; what becomes of who waits is the auditor's. */
  #pauseMatching(): void {
    const chance = virtualChance(this.#world.options.seed, 'pauses')
    const next = (): void => this.#world.time.after(chance.exponential(900_000), () => {
      if (!this.#world.stormy) return
      const regions = [...new Set([...this.#world.db.nodes.values()].map(({ region }) => region))]
      const scope: MatchingScope = chance.happens(0.5) || regions.length === 0 ? {} : chance.happens(0.5) ? { regions: [chance.pick(regions)] } : chance.happens(0.5) ? { levels: [chance.pick(LEVELS)] } : { gpus: true }
      this.#client.ask({ kind: 'pauseMatching', by: chance.pick(ADMINS), scope, says: 'We look at it.', reason: 'to be looked at' }, (answer) => { if (!isRefusal(answer)) this.#world.saw(Object.keys(scope).length === 0 ? 'matching paused' : 'a class of matching paused') })
      this.#world.time.after(chance.between(10_000, 120_000), () => { if (this.#world.stormy) this.#resumeMatching() })
      next()
    })
    next()
  }
  #resumeMatching(): void {
    const open = (): MatchingPauseRow[] => [...this.#world.db.settings.values()].at(-1)?.pauses?.filter(({ endedAt }) => endedAt === null) ?? []
    for (const { id } of open()) {
      const again = (): void => this.#client.ask({ kind: 'resumeMatching', by: ADMINS[1] as UserId, id, reason: 'all is well' }, () => { if (open().some((one) => one.id === id)) this.#world.time.after(5_000, again) })
      again()
    }
  }

  /** Sellers appeal against some of what lowered their records, now and then twice, or against what is another's; an admin decides, also twice. */
  #hear(): void {
    const world = this.#world, chance = virtualChance(world.options.seed, 'appeals')
    const next = (): void => world.time.after(chance.exponential(120_000), () => {
      if (!world.stormy) return
      const faults = [...world.db.faults.values()]
      if (faults.length > 0) {
        const { attempt, owner, appeal } = chance.pick(faults), decision = { kind: 'decideAppeal', attempt, by: chance.happens(0.1) ? owner : chance.pick(ADMINS), accept: chance.happens(0.6), reason: 'looked at' } as const
        this.#client.ask({ kind: 'appeal', attempt, by: chance.happens(0.1) ? (ADMINS[0] as UserId) : owner, text: 'the line was down' }, (answer) => {
          if (appeal && !isRefusal(answer)) world.fail('I52', `${attempt} is appealed against twice`, [attempt])
          world.time.after(chance.between(100, 200_000), () => { for (let i = chance.between(1, 2); i > 0; i--) this.#client.ask(decision, () => undefined) })
        })
      }
      next()
    })
    next()
  }

  #next(): void {
    this.#world.time.after(this.#chance.exponential(240_000), () => {
      if (!this.#world.stormy) return
      if (this.#chance.happens(0.15)) this.#suspend()
      else this.#propose()
      if (this.#nodes.happens(0.3)) this.#holdNode()
      this.#next()
    })
  }

  #propose(): void {
    const chance = this.#chance, { db } = this.#world
    const names = [...db.entries.keys()]
    if (names.length === 0) return
    // Mostly of the last ones: money that has not cleared yet.
    const wanted = chance.happens(0.7) ? names.slice(-60) : names, mistakes = wanted.filter((name) => chance.happens(0.05) || /^(topup|settle|displace|forfeit):/.test(name))
    if (mistakes.length === 0) return
    const by = chance.pick(ADMINS), entry = chance.pick(mistakes)
    this.#client.ask({ kind: 'proposeReversal', by, entry, reason: 'a mistake' }, (answer) => {
      if (isRefusal(answer)) { this.#saw(answer.refusal); return }
      const { id } = answer as ReversalRow
      // Some wait for nobody, and lapse.
      if (chance.happens(0.1)) return
      this.#world.time.after(chance.between(100, 900_000), () => this.#decide(id, by))
    })
  }
  #decide(id: ReversalRow['id'], proposer: UserId): void {
    const chance = this.#chance
    const by = chance.happens(0.2) ? proposer : (ADMINS.find((one) => one !== proposer) as UserId)
    const kind = chance.happens(0.15) ? 'rejectReversal' : 'approveReversal'
    this.#client.ask({ kind, by, id, reason: 'looked at' }, (answer) => {
      if (isRefusal(answer)) { this.#saw(answer.refusal); return }
      const { state, postings, kind: what } = answer as ReversalRow
      if (state === 'rejected') this.#world.saw('reversal rejected')
      else this.#world.saw(what === 'settle' && postings.some(({ from }) => from.endsWith(':available')) ? 'reversal of what had cleared' : 'reversal done')
      if (kind === 'approveReversal' && by === proposer) this.#world.fail('I29', `${id} was proposed and approved by ${by}`, [id])
    })
  }
  #saw(refusal: string): void {
    if (refusal === 'same_person') this.#world.saw('reversal refused: same person')
    if (refusal === 'would_go_below_zero') this.#world.saw('reversal refused: below zero')
    if (refusal === 'already_reversed') this.#world.saw('reversal refused: once only')
  }

  #suspend(): void {
    const sellers = [...new Set(this.#world.machines.map((machine) => machine.owner))]
    if (this.#suspended || sellers.length === 0) return
    const user = this.#chance.pick(sellers)
    if (!this.#world.db.people.has(user)) this.#world.db.people.set(user, { id: user, roles: ['seller'], suspended: null })
    this.#suspended = user
    this.#client.ask({ kind: 'suspend', by: ADMINS[0] as UserId, user, reason: 'to be looked at' }, (answer) => { if (!isRefusal(answer)) this.#world.saw('seller suspended') })
    this.#world.time.after(this.#chance.between(60_000, 400_000), () => { if (this.#world.stormy) this.calm() })
  }
  /** One node at a time is held back, or emptied, by a deadline or not. */
  #holdNode(): void {
    const { machines, time } = this.#world, chance = this.#nodes
    const joined = machines.map((machine) => machine.node)
    if (this.#held || joined.length === 0) return
    const node = chance.pick(joined), by = ADMINS[0] as UserId
    const drain = chance.happens(0.3) ? null : { withinMs: chance.happens(0.3) ? null : chance.between(0, 120_000) }
    this.#held = node
    this.#client.ask({ kind: 'cordon', by, node, reason: 'to be looked at', drain }, (answer) => { if (!isRefusal(answer)) this.#world.saw(drain === null ? 'node cordoned' : drain.withinMs === null ? 'node emptied' : 'node emptied by a deadline') })
    time.after(chance.between(30_000, 300_000), () => { if (this.#world.stormy) this.#letNodeGo() })
  }
  #letNodeGo(): void {
    const node = this.#held
    if (!node) return
    this.#held = null
    const again = (): void => this.#client.ask({ kind: 'uncordon', by: ADMINS[1] as UserId, node, reason: 'all is well' }, () => { if (this.#world.db.nodes.get(node)?.cordon) this.#world.time.after(5_000, again) })
    again()
  }

  /** After the storm everybody may work again. */
  calm(): void {
    this.#letNodeGo()
    // A pause that was asked for just before may still be on its way.
    this.#world.time.after(60_000, () => this.#resumeMatching())
    this.#resumeMatching()
    const user = this.#suspended
    if (!user) return
    this.#suspended = null
    const again = (): void => this.#client.ask({ kind: 'unsuspend', by: ADMINS[1] as UserId, user, reason: 'all is well' }, () => { if (this.#world.db.people.get(user)?.suspended) this.#world.time.after(5_000, again) })
    again()
  }
}

/** Carries money out; keeps its own book, so that whoever asks twice hears the same. */
export class Provider {
  readonly #world: World
  readonly #chance
  readonly #book = new Map<PayoutId, boolean>()
  constructor(world: World) { this.#world = world; this.#chance = virtualChance(world.options.seed, 'provider') }
  /** Answers later, or never. */
  carry(payout: PayoutRow, answer: (arrived: boolean) => void): void {
    const { time, stormy } = this.#world
    if (stormy && this.#chance.happens(0.1)) return // the question is lost
    const arrived = this.#book.get(payout.id) ?? this.#chance.happens(0.8)
    this.#book.set(payout.id, arrived)
    if (stormy && this.#chance.happens(0.1)) return // the answer is lost
    time.after(this.#chance.between(50, 8_000), () => answer(arrived))
  }
}
