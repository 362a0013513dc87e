import type { ActionId } from '@lumaris/protocol'
import type { ActionRow } from '../rows.ts'
import { emit } from '../turn.ts'
import type { Turn } from '../turn.ts'

/** One line of the log of admin actions, in the same commit as what was done: there is no way to do the one without the other. */
export function recordAction(turn: Turn, action: Omit<ActionRow, 'id' | 'at'>): void {
  emit(turn, { kind: 'action', row: { ...action, id: turn.id('act') as ActionId, at: turn.now } })
}
