// A gang is given all its seats in one turn or none: there is no moment at which it holds some of them and waits for the others, so two gangs cannot wait
// for each other. Its ranks are alike, so the cheapest seats, one after the other, are a place whenever there is one. The slot of rank 0 stands in
// the queue for all of them.
import type { DriverOffer } from '@lumaris/protocol'
import type { JobRow, NodeRow, TaskRow } from '../rows.ts'
import { freeOn } from '../state.ts'
import type { LiveJob, MarketState, Waiting } from '../state.ts'
import { liveJob } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { lookAfresh } from './candidates.ts'
import type { Seen } from './candidates.ts'
import type { Claims } from './claims.ts'
import { isNear, obstacles, seatsOn } from './filter.ts'
import { offer } from './offer.ts'
import type { Answer, Lane } from './order/fair-queue.ts'
import { classKeyOf, requirementOf } from './requirement.ts'
import type { Requirement } from './requirement.ts'
import type { Refusals, Score } from './score.ts'

/** What every rank of it asks for: nodes that failed one of them are avoided for all. */
export function gangNeedOf(live: LiveJob): Requirement {
  return { ...requirementOf(live.row, undefined, []), avoid: [...new Set(live.tasks.flatMap((task) => task.slots.flatMap((slot) => slot.failedOn)))] }
}

export function placeGang(turn: Turn, { job: id, fence }: Waiting, classKey: string, lane: Lane, claims: Claims): Answer {
  const { state, now } = turn, live = state.jobs.get(id), leader = live?.tasks[0]?.slots[0]
  if (!live || live.row.cancelling || live.row.paused || leader?.state !== 'pending' || leader.fence !== fence) return 'gone'
  if (live.row.rung > 0 && classKeyOf(live.row, live.tasks[0] as TaskRow, 0) !== classKey) return 'gone' // it has made a concession since
  if (!live.tasks.every((task) => task.slots[0]?.state === 'pending' && task.slots[0].notBefore <= now)) return leader.notBefore > now ? 'gone' : 'no_room' // the last of them asks again
  const need = gangNeedOf(live), ranks = live.tasks.length
  const seats = seatsFor(turn, need, ranks, claims)
  if (seats.taken.length === ranks) { live.tasks.forEach((task, rank) => seat(turn, liveJob(turn, id).row, task.index, need, seats, seats.taken[rank] as Seen)); return 'placed' }
  if (roomFor(state, need, ranks) < ranks) return 'never'
  if (lane === 'overdue') claims.makeGang(turn, need, ranks)
  return 'no_room'
}

type Seats = { readonly taken: readonly Seen[]; readonly candidates: number; readonly refused: Refusals }
function seatsFor(turn: Turn, need: Requirement, ranks: number, claims: Claims): Seats {
  const refused: Refusals = {}, able: Seen[] = []
  for (const one of lookAfresh(turn.state, need, turn.now)) {
    const no: keyof Refusals | null = one.no ?? (claims.size > 0 && !claims.leave(turn, one.node, need) ? 'kept_for_overdue' : null)
    if (no === null) able.push(one)
    else refused[no] = (refused[no] ?? 0) + 1
  }
  // Where one of them failed is the last choice.
  const failed = (one: Seen): number => (need.avoid.includes(one.node.id) ? 1 : 0)
  able.sort((a, b) => failed(a) - failed(b) || (a.score as Score).total - (b.score as Score).total || (a.node.id < b.node.id ? -1 : 1))
  const taken: Seen[] = []
  for (const one of able) {
    for (let count = 1; taken.length < ranks && isApart(need, one.node, taken) && seatsOn(freeOn(turn.state, one.node), need) >= count && claims.leave(turn, one.node, need, count); count++) taken.push(one)
  }
  return { taken, candidates: able.length, refused }
}
const isApart = ({ spec }: Requirement, node: NodeRow, taken: readonly Seen[]): boolean => spec.placement.spread === undefined || !taken.some((other) => isNear(node, other.node, spec.placement.spread))

function seat(turn: Turn, job: JobRow, rank: number, need: Requirement, { candidates, refused, taken }: Seats, { node, driver, score }: Seen): void {
  const task = liveJob(turn, job.id).tasks[rank]
  const next = taken.find((other) => other.node.id !== node.id && (other.score as Score).total >= (score as Score).total)
  if (task) offer(turn, { job, task, need }, 0, { node, driver: driver as DriverOffer, score: score as Score, candidates, refused, runnerUp: next ? { node: next.node.id, score: next.score as Score } : null })
}

/** Ranks that these nodes could take at once, up to as many as are wanted. */
export function roomOn(nodes: readonly NodeRow[], need: Requirement, ranks: number, room: (node: NodeRow) => number): number {
  const taken: NodeRow[] = [], { spread } = need.spec.placement
  let seats = 0
  for (const node of nodes) {
    if (spread === undefined) seats += room(node)
    else if (room(node) > 0 && !taken.some((other) => isNear(node, other, spread))) { taken.push(node); seats++ }
    if (seats >= ranks) return ranks
  }
  return seats
}
const roomFor = (state: MarketState, need: Requirement, ranks: number): number =>
  roomOn([...state.nodes.values()].filter((node) => obstacles(node, need).length === 0), need, ranks, (node) => seatsOn(node.capacity, need))

/** Of a gang that waits: its ranks, and how many of them would find a seat just now. */
export function gangRoom(state: MarketState, live: LiveJob, now: number): { readonly ranks: number; readonly seats: number } {
  const need = gangNeedOf(live), ranks = live.tasks.length
  return { ranks, seats: roomOn(lookAfresh(state, need, now).flatMap(({ no, node }) => (no === null ? [node] : [])), need, ranks, (node) => seatsOn(freeOn(state, node), need)) }
}
