import type { Micros, Refusal, UserId } from '@lumaris/protocol'
import { depositMaxNow } from '../operator/settings.ts'
import { recordAction } from '../operator/record-action.ts'
import { refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { bringIn } from './topup.ts'

export type DepositCommand = { readonly kind: 'deposit'; readonly by: UserId; readonly user: UserId; readonly amount: Micros; readonly reference: string; readonly reason: string }
/** Of the whole market, not of one user: a payment that was booked for one must not be booked for another. */
export const depositEntry = ({ reference }: Pick<DepositCommand, 'reference'>): string => `deposit:${reference}`

/** Money that came in outside, as one admin books it: an entry like a top-up, so that two admins can reverse it; its reference names it. */
export function deposit(turn: Turn, { by, user, amount, reference, reason }: DepositCommand): { replayed: boolean } | Refusal {
  if (!turn.state.people.has(user)) return refused('not_found')
  const max = depositMaxNow(turn.state)
  if (amount <= 0n || amount > max) return refused('amount_not_allowed', { min: '1', max: max.toString() })
  const id = depositEntry({ reference }), used = turn.state.keys.get(id), bodyHash = `${user} ${amount}`
  if (used) return used.bodyHash === bodyHash ? { replayed: true } : refused('deposit_booked', { entry: id })
  bringIn(turn, { key: id, bodyHash, entry: id, from: 'bank', user, amount })
  recordAction(turn, { by, action: 'user.deposit', subject: user, reason, before: null, after: { entry: id, amount: amount.toString() } })
  return { replayed: false }
}
