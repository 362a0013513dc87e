// What operators decide about users. A suspended user cannot sign in or submit, and their nodes get no new work; what runs may end, and is paid. At any time
// there is an admin who can sign in: the last one is neither suspended nor robbed of the role, and no two admins can do that to one another at once, because
// there is one writer.
import type { Refusal, Role, UserId } from '@lumaris/protocol'
import type { PersonRow } from '../rows.ts'
import type { MarketState } from '../state.ts'
import { emit, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { recordAction } from './record-action.ts'

type By = { readonly by: UserId; readonly user: UserId; readonly reason: string }
export type SuspendCommand = By & { readonly kind: 'suspend' }
export type UnsuspendCommand = By & { readonly kind: 'unsuspend' }
export type RolesCommand = By & { readonly kind: 'roles'; readonly roles: readonly Role[] }

export function suspend(turn: Turn, command: SuspendCommand): PersonRow | Refusal {
  const before = turn.state.people.get(command.user)
  if (!before) return refused('not_found')
  if (command.by === command.user) return refused('own_account')
  if (before.suspended) return refused('not_in_this_state', { state: 'suspended', possible: ['unsuspend'] })
  if (isLastAdmin(turn.state, before)) return refused('last_admin')
  return put(turn, command, before, { ...before, suspended: { at: turn.now, by: command.by, reason: command.reason } }, 'user.suspend')
}

export function unsuspend(turn: Turn, command: UnsuspendCommand): PersonRow | Refusal {
  const before = turn.state.people.get(command.user)
  if (!before) return refused('not_found')
  if (!before.suspended) return refused('not_in_this_state', { state: 'not suspended', possible: ['suspend'] })
  return put(turn, command, before, { ...before, suspended: null }, 'user.unsuspend')
}

export function setRoles(turn: Turn, command: RolesCommand): PersonRow | Refusal {
  const before = turn.state.people.get(command.user)
  if (!before) return refused('not_found')
  if (isLastAdmin(turn.state, before) && !command.roles.includes('admin')) return refused('last_admin')
  return put(turn, command, before, { ...before, roles: [...command.roles] }, 'user.roles')
}

const isAdmin = (row: PersonRow): boolean => row.roles.includes('admin') && row.suspended === null
const isLastAdmin = (state: MarketState, row: PersonRow): boolean => isAdmin(row) && ![...state.people.values()].some((other) => other.id !== row.id && isAdmin(other))

function put(turn: Turn, { by, reason, user }: By, before: PersonRow, row: PersonRow, action: 'user.suspend' | 'user.unsuspend' | 'user.roles'): PersonRow {
  emit(turn, { kind: 'person', row })
  recordAction(turn, { by, action, subject: user, reason, before: outline(before), after: outline(row) })
  return row
}
const outline = ({ roles, suspended }: PersonRow): Record<string, unknown> => ({ roles: [...roles], suspended: suspended !== null })
