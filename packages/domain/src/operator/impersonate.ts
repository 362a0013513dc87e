// An admin looks at what a user sees: with a token that only reads, for a quarter of an hour, and in nobody's name but his own. That it was made stands in the
// log in the same commit; what is done with it is kept by the identity (apps/server/src/identity/impersonations.ts), and its user is shown all of it.
import type { ImpersonationId, Refusal, UserId } from '@lumaris/protocol'
import type { ImpersonationRow } from '../rows.ts'
import { emit, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { recordAction } from './record-action.ts'

export const IMPERSONATION_MS = 15 * 60_000

/** `session` or `key`: what the admin is signed in with; when that ends, so does this. */
export type ImpersonateCommand = { readonly kind: 'impersonate'; readonly by: UserId; readonly user: UserId; readonly reason: string; readonly tokenHash: string; readonly session: string | null; readonly key: string | null }

export function impersonate(turn: Turn, { by, user, reason, tokenHash, session, key }: ImpersonateCommand): ImpersonationRow | Refusal {
  if (!turn.state.people.has(user)) return refused('not_found')
  if (by === user) return refused('own_account')
  const row: ImpersonationRow = { by, user, reason, tokenHash, session, key, id: turn.id('imp') as ImpersonationId, at: turn.now, expiresAt: turn.now + IMPERSONATION_MS }
  emit(turn, { kind: 'impersonation', row })
  recordAction(turn, { by: row.by, action: 'user.impersonate', subject: row.user, reason: row.reason, before: null, after: { impersonation: row.id, expiresAt: row.expiresAt } })
  return row
}
