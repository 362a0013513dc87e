// Standing requests: a buyer asks to be told when nodes with room for such a job appear. Looked at with the clock, each every few seconds, so that a
// market of thousands of them costs a bounded part of a turn; met once, then over.
import { STANDING_MAX } from '@lumaris/protocol'
import type { Instant, JobSpec, Micros, Refusal, StandingId, UserId } from '@lumaris/protocol'
import type { StandingRow } from '../rows.ts'
import { internSpec } from '../state.ts'
import type { MarketState } from '../state.ts'
import { effect, emit, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { recordAction } from '../operator/record-action.ts'
import type { AsAdmin } from '../operator/record-action.ts'
import { busyReason, obstacles } from './filter.ts'
import { contradiction } from './quote.ts'
import { needBefore } from './requirement.ts'

/** Between two looks at the same request. */
const LOOK_MS = 5_000
/** Looks of one tick of the clock. */
const LOOKS_MAX = 50

export type StandingCommand = { readonly kind: 'standing'; readonly buyer: UserId; readonly spec: JobSpec; readonly attemptCap: Micros | null; readonly nodes: number; readonly validMs: number }
export type DropStandingCommand = { readonly kind: 'dropStanding'; readonly id: StandingId; /** An admin who is not its buyer. */ readonly admin?: AsAdmin }

export function makeStanding(turn: Turn, command: StandingCommand): StandingRow | Refusal {
  const wrong = contradiction(command.spec, turn.now)
  if (wrong) return wrong
  let mine = 0
  for (const row of turn.state.standing.values()) if (row.buyer === command.buyer) mine++
  if (mine >= STANDING_MAX) return refused('queue_full', { max: STANDING_MAX })
  const row: StandingRow = {
    id: turn.id('sta') as StandingId, buyer: command.buyer, spec: internSpec(turn.state, command.spec), attemptCap: command.attemptCap === null ? null : command.attemptCap.toString(), nodes: command.nodes,
    createdAt: turn.now, expiresAt: turn.now + command.validMs, state: 'open', metAt: null, found: null,
  }
  emit(turn, { kind: 'standing', row })
  // What is there already need not be waited for.
  return look(turn, row)
}

export function dropStanding(turn: Turn, command: DropStandingCommand): Refusal | null {
  const row = turn.state.standing.get(command.id)
  if (!row) return refused('not_found')
  if (command.admin) recordAction(turn, { ...command.admin, action: 'standing.drop', subject: row.id, before: { state: row.state }, after: { state: 'dropped' } })
  emit(turn, { kind: 'standing', row: { ...row, state: 'dropped' } })
  return null
}

/** Called with the clock. */
export function lookForStanding(turn: Turn): void {
  const { standing, standingLooks } = turn.state
  let looks = 0
  for (const row of standing.values()) {
    if (row.expiresAt <= turn.now) { end(turn, { ...row, state: 'expired' }); continue }
    const last = standingLooks.get(row.id) ?? -Infinity
    if (turn.now - last < LOOK_MS && turn.now >= last) continue
    if (++looks > LOOKS_MAX) return
    standingLooks.set(row.id, turn.now)
    look(turn, row)
  }
}

/** The row as it is now. */
function look(turn: Turn, row: StandingRow): StandingRow {
  const found = nodesWithRoom(turn.state, row, turn.now)
  return found >= row.nodes ? end(turn, { ...row, state: 'met', metAt: turn.now, found }) : row
}
function end(turn: Turn, row: StandingRow): StandingRow {
  emit(turn, { kind: 'standing', row })
  effect(turn, { kind: 'standing', row })
  return row
}

function nodesWithRoom(state: MarketState, row: StandingRow, now: Instant): number {
  const need = needBefore(row.spec, row.attemptCap === null ? 2n ** 62n : BigInt(row.attemptCap))
  let found = 0
  for (const node of state.nodes.values()) if (busyReason(state, node, need, now) === null && obstacles(node, need).length === 0 && ++found >= row.nodes) break
  return found
}
