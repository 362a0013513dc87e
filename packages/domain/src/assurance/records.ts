// What owners' results have shown. Kept per owner, not per node: a new machine of a cheat is not a newcomer, and neither is a second one of an honest seller.
import type { UserId } from '@lumaris/protocol'
import type { MarketState } from '../state.ts'
import { emit } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { NO_RECORD } from './enough.ts'
import type { OwnerRecord } from './enough.ts'

export const recordOf = (state: MarketState, owner: UserId): OwnerRecord => state.owners.get(owner) ?? NO_RECORD

/** It was a mistake to call that result wrong: what the owner had shown before counts again, with what it has shown since. */
export function giveBack(turn: Turn, owner: UserId, before: OwnerRecord): void {
  const { valid, wrong } = recordOf(turn.state, owner)
  emit(turn, { kind: 'lesson', row: { what: 'owner', key: owner, valid: valid + before.valid, wrong: Math.max(0, wrong - 1) } })
}

export function learnOwner(turn: Turn, owner: UserId, right: boolean): void {
  const { valid, wrong } = recordOf(turn.state, owner)
  emit(turn, { kind: 'lesson', row: { what: 'owner', key: owner, valid: right ? valid + 1 : 0, wrong: right ? wrong : wrong + 1 } })
}
