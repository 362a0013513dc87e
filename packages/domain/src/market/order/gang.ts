// Gangs: members that start together or not at all, each on one node. A gang is seated whole in one decision, so there is no moment at which one holds
// some of its seats and waits for others: that is why two gangs cannot wait for each other. Who does not fit now may get a booking, seats on named nodes
// at a time to come; a booking stays with its gang, moves only forwards, and whoever starts meanwhile leaves it free.
//
// A single is a gang of one. Like everything that may take long, the search has a bound; what it misses is a better time, never a start at all.
import type { Amounts, Profile } from './profile.ts'

export type Gang = { readonly members: readonly Amounts[]; readonly limitMs: number }
export type GangNode = { readonly id: string; readonly profile: Profile }
/** The node of each member, in their order. */
export type Seats = readonly GangNode[]
export type Booking<Job> = { readonly gang: Job; readonly at: number; readonly seats: Seats }
export type GangPass<Job> = { readonly started: readonly Booking<Job>[]; readonly booked: readonly Booking<Job>[] }

/** So many seats are reconsidered before a mixed gang is said not to fit. For equal members the first try is exact. */
const RECONSIDERED_MAX = 64
/** So many of the next changes are looked at for a time to start; after them only the last, when everything has ended. */
const TIMES_MAX = 64

/** Gangs in the order of serving. `booked` is what the last pass answered; of those that wait, `bookingsMax` have a booking. Profiles are left with running work only. */
export function passGangs<Job extends Gang>({ nodes, now, waiting, booked, bookingsMax }: {
  readonly nodes: readonly GangNode[]; readonly now: number; readonly waiting: readonly Job[]; readonly booked: readonly Booking<Job>[]; readonly bookingsMax: number
}): GangPass<Job> {
  for (const { profile } of nodes) profile.advance(now)
  const started: Booking<Job>[] = [], kept: Booking<Job>[] = []
  const still = booked.filter(({ gang, at }) => at >= now && waiting.includes(gang))
  for (const booking of still) take(booking)
  const begin = (gang: Job, seats: Seats) => { const booking = { gang, at: now, seats }; take(booking); started.push(booking) }

  for (const booking of still) {
    give(booking)
    const better = earliest(nodes, booking.gang, now, booking.at) ?? booking
    if (better.at === now) begin(booking.gang, better.seats)
    else { const moved = { gang: booking.gang, ...better }; take(moved); kept.push(moved) }
  }
  const settled = new Set(still.map(({ gang }) => gang))
  for (const gang of waiting) {
    if (settled.has(gang)) continue
    const seats = seat(nodes, gang, now)
    if (seats) { begin(gang, seats); continue }
    if (kept.length >= bookingsMax) continue
    const first = earliest(nodes, gang, now, Infinity)
    if (first) { const booking = { gang, at: first.at, seats: first.seats }; take(booking); kept.push(booking) }
  }
  for (const booking of kept) give(booking)
  return { started, booked: kept }
}

/** Ends early, or at its limit. */
export function endGang({ gang, at, seats }: Booking<Gang>, now: number): void {
  seats.forEach((node, i) => { node.profile.advance(now); node.profile.give(now, at + gang.limitMs, gang.members[i] as Amounts) })
}

function take({ gang, at, seats }: Booking<Gang>): void { seats.forEach(({ profile }, i) => profile.take(at, at + gang.limitMs, gang.members[i] as Amounts)) }
function give({ gang, at, seats }: Booking<Gang>): void { seats.forEach(({ profile }, i) => profile.give(at, at + gang.limitMs, gang.members[i] as Amounts)) }

/** The first time before `before` at which the whole gang has seats. */
function earliest(nodes: readonly GangNode[], gang: Gang, now: number, before: number): { readonly at: number; readonly seats: Seats } | null {
  const times = [...new Set([now, ...nodes.flatMap(({ profile }) => profile.changes(now))])].sort((a, b) => a - b)
  const tried = times.length > TIMES_MAX ? [...times.slice(0, TIMES_MAX), times.at(-1) as number] : times
  for (const at of tried) {
    if (at >= before) return null
    const seats = seat(nodes, gang, at)
    if (seats) return { at, seats }
  }
  return null
}

/** Seats for everybody from `at` on, the fullest nodes first, so that whole nodes stay whole; null when not everybody has one. Takes nothing. */
export function seat(nodes: readonly GangNode[], gang: Gang, at: number): Seats | null {
  if (!mayFit(nodes, gang, at)) return null
  const order = gang.members.map((_, i) => i).sort((a, b) => size(gang.members[b] as Amounts) - size(gang.members[a] as Amounts) || a - b)
  const alike = gang.members.every((member) => member.every((amount, r) => amount === gang.members[0]?.[r]))
  const ranked = [...nodes].sort((a, b) => size(a.profile.free(at)) - size(b.profile.free(at)) || (a.id < b.id ? -1 : 1))
  const seats: GangNode[] = []
  let reconsidered = 0
  const from = (turn: number): boolean => {
    const member = order[turn]
    if (member === undefined) return true
    const amounts = gang.members[member] as Amounts
    for (const node of ranked) {
      if (!node.profile.fits(at, { amounts, limitMs: gang.limitMs })) continue
      node.profile.take(at, at + gang.limitMs, amounts)
      seats[member] = node
      const found = from(turn + 1)
      node.profile.give(at, at + gang.limitMs, amounts)
      if (found) return true
      if (alike || ++reconsidered > RECONSIDERED_MAX) return false
    }
    return false
  }
  return from(0) ? seats : null
}

const size = (amounts: Amounts): number => amounts.reduce((sum, amount) => sum + amount, 0)

/** Sums only, to spare the search: what is free at that moment, whatever comes later. */
function mayFit(nodes: readonly GangNode[], gang: Gang, at: number): boolean {
  const need: number[] = []
  for (const member of gang.members) for (let r = 0; r < member.length; r++) need[r] = (need[r] ?? 0) + (member[r] as number)
  for (const { profile } of nodes) {
    const free = profile.free(at)
    for (let r = 0; r < need.length; r++) need[r] = (need[r] as number) - (free[r] as number)
  }
  return need.every((left) => left <= 0)
}
