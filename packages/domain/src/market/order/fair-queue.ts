// Who waits, in the order of serving. Slots that need the same thing stand in one class: a class that found no place is asleep, with everybody in it,
// until some node gains room, so a million jobs that fit nowhere cost nothing. Inside a class each buyer has lines, one per kind of work (how long it
// is expected to run, and its priority); a line is first come first served, and its head speaks for it.
//
// Served is: first the overdue, oldest due first, RESERVATIONS_MAX of them at most; who answers `no_room` to one of these reserves for it, and places
// nothing later that would delay it (bound.ts). Then the buyer with the lowest mark (fair.ts), and of this buyer the line with the lowest ageing key
// (key.ts). Entries are dropped lazily: `place` says `gone` for what no longer counts.
//
// Heaps here may hold a thing under a key that has since grown, or twice: what comes out is checked against what is true now, and put back if it rose.
import { Heap } from '../../heap.ts'
import { RESERVATIONS_MAX } from './backfill.ts'
import { FairShares, dominantCost } from './fair.ts'
import type { Buyer } from './fair.ts'
import { InTurn } from './in-turn.ts'
import { BACKLOG_TIMES, kindOf, patienceMs } from './key.ts'
import { lookForBest } from './lines.ts'
import type { Class, Entry, Line, Member, Promised } from './lines.ts'
import type { Amounts, Demand } from './profile.ts'

export type Standing = Demand & {
  readonly buyer: string; readonly since: number; readonly priority: number; readonly expectedMs: number
  /** What `add` answered when it waited before: a second try keeps its place and its due time. */
  readonly entitledAt?: number
}
export type Lane = 'overdue' | 'ordinary'
/** `gone`: counts no longer. `no_room`: not now. `never`: no node there is could take it, however free; it keeps no place in the overdue lane until woken. */
export type Answer = 'placed' | 'gone' | 'no_room' | 'never'
export type Place<Item> = (item: Item, classKey: string, lane: Lane) => Answer

export class FairQueue<Item> {
  #total: Amounts
  #shares = new FairShares()
  #classes = new Map<string, Class<Item>>()
  #awake = new Set<Class<Item>>()
  /** Classes that came while others are being served: what is left of a task that is cut asks for itself. */
  #fresh: Class<Item>[] = []
  #ofBuyer = new Map<string, Set<Member<Item>>>()
  #dues = new Heap<Line<Item>>()
  #lane: Promised<Item>[] = []
  #size = 0

  /** `total` is what the pool has of each resource: costs are shares of it. */
  constructor(total: Amounts) { this.#total = total }

  get size(): number { return this.#size }
  get classes(): number { return this.#classes.size }
  get awake(): number { return this.#awake.size }

  /** Nodes came or went: what is added from now on is costed by the new total. */
  resize(total: Amounts): void { this.#total = total }
  weigh(buyer: string, weight: number): void { this.#shares.weigh(buyer, weight) }

  /** Answers when it is entitled to run, for a second try: later than `since` for a buyer that has much waiting already. */
  add(classKey: string, item: Item, standing: Standing): number {
    const line = this.#lineFor(classKey, standing), { buyer } = line.member, { since } = standing
    const at = standing.entitledAt ?? this.#shares.entitle(buyer, since, BACKLOG_TIMES)
    this.#shares.join(buyer, line.cost)
    const dueAt = since + patienceMs(line.sized, Math.max(0, at - since))
    line.entries.push({ item, since, dueAt })
    line.member.bestAt = -Infinity
    this.#expect(line)
    this.#size++
    return at
  }

  /** The classes as they stand, with the longest waiting of each. An entry that no longer counts may stand in front. */
  table(): { readonly head: Item; readonly since: number; readonly waiting: number; readonly buyers: number; readonly asleep: boolean }[] {
    return [...this.#classes.values()].flatMap((one) => {
      let waiting = one.inLane, head: Entry<Item> | undefined = this.#lane.find(({ line }) => line.member.class === one)?.entry
      for (const member of one.members.values()) for (const { entries } of member.lines.values()) {
        waiting += entries.size
        const first = entries.head
        if (first && (!head || first.since < head.since)) head = first
      }
      return head ? [{ head: head.item, since: head.since, waiting, buyers: one.members.size, asleep: one.asleep }] : []
    }).sort((a, b) => a.since - b.since)
  }

  /** Room was gained: everyone may look again, or only the classes that could use it. */
  wake(could?: (classKey: string) => boolean): void {
    if (this.#awake.size === this.#classes.size) return
    for (const one of this.#classes.values()) {
      if (!one.asleep || (could && !could(one.key))) continue
      one.asleep = false
      this.#awake.add(one)
      if (!one.parked) continue
      one.parked = false
      for (const member of one.members.values()) for (const line of member.lines.values()) this.#expect(line)
    }
  }

  /** It ended, and cost its buyer so many milliseconds more (or less, below zero) than it was charged when it was placed. */
  correct(buyer: string, amounts: Amounts, moreMs: number): void {
    this.#shares.correct(buyer, Math.sign(moreMs) * dominantCost(amounts, this.#total, Math.abs(moreMs)))
    for (const member of this.#ofBuyer.get(buyer) ?? []) if (member.buyer.finish < member.markKey) this.#mark(member)
  }

  /** Offers what waits to `place`, until `most` were placed or every class sleeps. The overdue are offered at every call, asleep or not. */
  serve(place: Place<Item>, most: number, now: number): number {
    let placed = this.#serveOverdue(place, most, now)
    const order = new Heap<Class<Item>>()
    const queue = (one: Class<Item>) => { if (!one.asleep) { const lowest = this.#lowest(one); if (lowest) order.push(lowest.markKey, one) } }
    this.#fresh.length = 0
    for (const one of this.#awake) queue(one)
    while (placed < most) {
      for (const one of this.#fresh.splice(0)) queue(one)
      const key = order.peekKey(), one = order.pop()
      if (!one || key === undefined) break
      const member = one.asleep ? undefined : this.#lowest(one)
      if (!member) continue
      if (member.markKey > key) { order.push(member.markKey, one); continue }
      if (this.#serveOrdinary(this.#shortest(member.buyer, now), place) === 'placed') placed++
      queue(one)
    }
    return placed
  }

  #serveOrdinary(line: Line<Item>, place: Place<Item>): Answer {
    const head = line.entries.head as Entry<Item>, { class: of } = line.member
    const answer = place(head.item, of.key, 'ordinary')
    if (answer === 'never') this.#park(of)
    if (answer === 'no_room' || answer === 'never') {
      of.asleep = true
      this.#awake.delete(of)
      return answer
    }
    line.entries.shift()
    this.#tidy(line)
    this.#done(line, answer)
    return answer
  }

  #serveOverdue(place: Place<Item>, most: number, now: number): number {
    let placed = 0
    for (let i = 0; placed < most;) {
      if (i >= this.#lane.length) this.#pull(now)
      const promised = this.#lane[i]
      if (!promised) break
      const { entry, line } = promised, of = line.member.class, answer = place(entry.item, of.key, 'overdue')
      if (answer === 'no_room') { i++; continue }
      if (answer === 'never') {
        i -= this.#lane.slice(0, i).filter((one) => one.line.member.class === of).length
        this.#park(of)
        continue
      }
      this.#lane.splice(i, 1)
      of.inLane--
      if (answer === 'placed') placed++
      this.#done(line, answer)
      this.#tidy(line)
    }
    return placed
  }

  /** What no node can take must not hold the lane up: the class leaves it, back to its lines, and is not expected there until it is woken. */
  #park(of: Class<Item>): void {
    of.parked = true
    of.asleep = true
    this.#awake.delete(of)
    const back = this.#lane.filter(({ line }) => line.member.class === of)
    this.#lane = this.#lane.filter(({ line }) => line.member.class !== of)
    for (const { entry, line: was } of back) {
      const member = this.#memberFor(of.key, was.member.buyer.id), known = member.lines.get(was.kind)
      const line = known ?? { ...was, member, entries: new InTurn<Entry<Item>>(), dueKey: Infinity }
      if (!known) member.lines.set(line.kind, line)
      line.entries.push(entry)
      member.bestAt = -Infinity
      of.inLane--
    }
  }

  /** Fills the lane with the oldest due. Who is in it stays until placed or gone. */
  #pull(now: number): void {
    while (this.#lane.length < RESERVATIONS_MAX && (this.#dues.peekKey() ?? Infinity) <= now) {
      const key = this.#dues.peekKey(), line = this.#dues.pop() as Line<Item>
      if (key !== line.dueKey) continue
      line.dueKey = Infinity
      const { head } = line.entries
      if (!head || line.member.class.parked) continue
      if (head.dueAt <= now) { this.#lane.push({ entry: head, line }); line.entries.shift(); line.member.class.inLane++; this.#tidy(line) }
      this.#expect(line)
    }
  }

  #done(line: Line<Item>, answer: Answer): void {
    if (answer === 'placed') this.#shares.charge(line.member.buyer, line.cost)
    this.#shares.leave(line.member.buyer, line.cost)
    this.#size--
  }

  /** The line's head turns overdue at some time: remembered, unless an earlier time is. */
  #expect(line: Line<Item>): void {
    const { head } = line.entries
    if (!head || head.dueAt >= line.dueKey || line.member.class.parked) return
    line.dueKey = head.dueAt
    this.#dues.push(line.dueKey, line)
  }

  /** The member of the class whose buyer has the lowest mark, under its true key. */
  #lowest(of: Class<Item>): Member<Item> | undefined {
    for (;;) {
      const key = of.marks.peekKey(), member = of.marks.peek()
      if (!member) return undefined
      if (key === member.markKey && member.lines.size > 0 && member.buyer.finish <= key) return member
      of.marks.pop()
      if (key === member.markKey && member.lines.size > 0) this.#mark(member)
    }
  }
  #mark(member: Member<Item>): void { member.markKey = member.buyer.finish; member.class.marks.push(member.markKey, member) }

  /** Of all the buyer's lines in classes that are awake, the one with the lowest ageing key. */
  #shortest(buyer: Buyer, now: number): Line<Item> {
    let best: Member<Item> | undefined
    for (const member of this.#ofBuyer.get(buyer.id) ?? []) {
      if (member.class.asleep || member.lines.size === 0) continue
      lookForBest(member, now)
      if (!best || member.bestKey < best.bestKey) best = member
    }
    return best?.best as Line<Item> // asked only for a buyer with a line in a class that is awake
  }

  #lineFor(classKey: string, standing: Standing): Line<Item> {
    const member = this.#memberFor(classKey, standing.buyer), { kind, expectedMs } = kindOf(standing)
    let line = member.lines.get(kind)
    if (!line) {
      const { limitMs, priority, amounts } = standing
      line = {
        member, kind, sized: { limitMs, expectedMs, priority, width: dominantCost(amounts, this.#total, 1) }, cost: dominantCost(amounts, this.#total, expectedMs),
        entries: new InTurn(), dueKey: Infinity,
      }
      member.lines.set(kind, line)
    }
    return line
  }

  #memberFor(classKey: string, buyerId: string): Member<Item> {
    let of = this.#classes.get(classKey)
    if (!of) { of = { key: classKey, members: new Map(), marks: new Heap(), asleep: false, parked: false, inLane: 0 }; this.#classes.set(classKey, of); this.#awake.add(of); this.#fresh.push(of) }
    let member = of.members.get(buyerId)
    if (!member) {
      member = { buyer: this.#shares.buyer(buyerId), class: of, lines: new Map(), markKey: 0, best: null, bestKey: Infinity, bestAt: -Infinity }
      of.members.set(buyerId, member)
      const all = this.#ofBuyer.get(buyerId)
      if (all) all.add(member)
      else this.#ofBuyer.set(buyerId, new Set([member]))
      this.#mark(member)
    }
    return member
  }

  /** An empty line goes, and with it an empty member and an empty class. A line of the lane's may be gone already, with another in its place. */
  #tidy(line: Line<Item>): void {
    const { member } = line, of = member.class
    member.bestAt = -Infinity
    if (line.entries.size === 0 && member.lines.get(line.kind) === line) member.lines.delete(line.kind)
    if (member.lines.size === 0 && of.members.get(member.buyer.id) === member) {
      of.members.delete(member.buyer.id)
      const all = this.#ofBuyer.get(member.buyer.id)
      all?.delete(member)
      if (all?.size === 0) this.#ofBuyer.delete(member.buyer.id)
    }
    if (of.members.size > 0 || of.inLane > 0 || this.#classes.get(of.key) !== of) return
    this.#classes.delete(of.key)
    this.#awake.delete(of)
  }
}
