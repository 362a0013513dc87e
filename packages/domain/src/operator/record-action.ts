import type { ActionId, ActionName, AdminWord, UserId } from '@lumaris/protocol'
import type { ActionRow } from '../rows.ts'
import { emit } from '../turn.ts'
import type { Turn } from '../turn.ts'

/** An admin who does something to what is somebody else's. */
export type AsAdmin = { readonly by: UserId; readonly reason: string }

/** One line of the log of admin actions, in the same commit as what was done: there is no way to do the one without the other. */
export function recordAction(turn: Turn, action: Omit<ActionRow, 'id' | 'at' | 'request' | 'from'>): void {
  emit(turn, { kind: 'action', row: { ...action, ...(turn.asked ? { request: turn.asked.request, from: turn.asked.from } : {}), id: turn.id('act') as ActionId, at: turn.now } })
}

/** What the owner is told of it. */
export const adminWord = (turn: Turn, action: ActionName, admin: AsAdmin | undefined): { admin?: AdminWord } => (admin ? { admin: { at: turn.now, action, reason: admin.reason } } : {})
