// Money that leaves the market. It is set aside in an account of its own when it is asked for, so that it can be neither spent nor paid twice while the
// provider works; it leaves the books when the provider says that it arrived, and goes back to its seller when the provider says that it did not.
//
//   requested ──send──▶ sent ──pay──▶ paid        seller:available → payout:{id}, then → external:{provider}
//        └──────fail──────┴──fail──▶ failed       … or back → seller:available
//
// `sent` is committed before the provider is asked: after a crash it is asked again under the same id, and answers what it answered.
import { account, formatCredits } from '@lumaris/protocol'
import type { Micros, PayoutId, PayoutState, Refusal, UserId } from '@lumaris/protocol'
import type { PayoutRow } from '../rows.ts'
import { may, next } from '../job/lifecycle.ts'
import type { Table } from '../job/lifecycle.ts'
import { raise } from '../alerts/raise.ts'
import { stopPayoutRule } from './payout-rule.ts'
import { emit, putEntry, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'

export type PayoutEventName = 'send' | 'pay' | 'fail'
export const PAYOUT: Table<PayoutState, PayoutEventName> = { requested: { send: 'sent', fail: 'failed' }, sent: { pay: 'paid', fail: 'failed' }, paid: {}, failed: {} }
/** Open ones of one seller: more would only be one sum in pieces. */
export const OPEN_MAX = 20

export type PayoutCommand = { readonly kind: 'payout'; readonly user: UserId; readonly amount: Micros; readonly provider: 'demo'; readonly destination: string; readonly key: string; readonly bodyHash: string }
export type PayoutStepCommand = { readonly kind: 'payoutStep'; readonly id: PayoutId; readonly event: PayoutEventName; readonly reference?: string; readonly reason?: string }
export const payoutKey = (command: Pick<PayoutCommand, 'user' | 'key'>): string => `payout:${command.user}:${command.key}`

/** The key names the request: said again it is the same payout, and with another body it is refused. */
export function requestPayout(turn: Turn, command: PayoutCommand): { readonly id: PayoutId; readonly replayed: boolean } | Refusal {
  const { settings, keys, accounts, payouts, guards } = turn.state
  if (settings.demoTopupMaxMicros === null) return refused('payout_not_allowed', { provider: command.provider })
  const key = payoutKey(command), used = keys.get(key)
  if (guards.idempotencyKey && used) return used.bodyHash === command.bodyHash ? { id: used.subject as PayoutId, replayed: true } : refused('idempotency_conflict')
  if (turn.state.suspended.has(command.user)) return refused('account_suspended')
  const available = accounts.get(account.earned(command.user)) ?? 0n
  if (command.amount < settings.payoutMinMicros) return refused('amount_not_allowed', { min: settings.payoutMinMicros.toString() })
  if (command.amount > available) return refused('insufficient_earnings', { asked: command.amount.toString(), available: available.toString() })
  let open = 0
  for (const row of payouts.values()) if (row.user === command.user) open++
  if (open >= OPEN_MAX) return refused('queue_full', { max: OPEN_MAX })
  const { id } = makePayout(turn, command)
  emit(turn, { kind: 'key', row: { id: key, bodyHash: command.bodyHash, subject: id, at: turn.now } })
  return { id, replayed: false }
}
/** Of what has cleared: whoever calls has seen that it is there. */
export function makePayout(turn: Turn, { user, amount, provider, destination, byRule }: Pick<PayoutRow, 'user' | 'amount' | 'provider' | 'destination' | 'byRule'>): PayoutRow {
  const id = turn.id('pay') as PayoutId
  const row: PayoutRow = { id, user, amount, provider, destination, state: 'requested', requestedAt: turn.now, sentAt: null, endedAt: null, reference: null, reason: null, ...(byRule ? { byRule } : {}) }
  emit(turn, { kind: 'payout', row })
  putEntry(turn, { id: `payout:${id}`, kind: 'payout', at: turn.now, job: null, attempt: null, postings: [{ from: account.earned(user), to: account.payout(id), amount }] })
  return row
}

/** What the provider did with it. Asked again about one that has ended, it refuses: the entries are named by the payout, so each happens once. */
export function stepPayout(turn: Turn, command: PayoutStepCommand): PayoutRow | Refusal {
  const before = turn.state.payouts.get(command.id)
  if (!before) return refused('not_found')
  if (!may(PAYOUT, before.state, command.event)) return refused('not_in_this_state', { state: before.state, possible: Object.keys(PAYOUT[before.state]) })
  // What is asked of the provider already goes on; nothing new goes out to somebody who is suspended.
  if (command.event === 'send' && turn.state.suspended.has(before.user)) return refused('account_suspended')
  const state = next(PAYOUT, before.state, command.event, `payout ${before.id}`), isOver = state !== 'sent'
  const row: PayoutRow = { ...before, state, sentAt: command.event === 'send' ? turn.now : before.sentAt, endedAt: isOver ? turn.now : null, reference: command.reference ?? before.reference, reason: command.reason ?? before.reason }
  emit(turn, { kind: 'payout', row })
  const stopped = state === 'failed' ? stopPayoutRule(turn, row) : ''
  if (state === 'failed') raise(turn, { user: row.user, kind: 'payout_failed', subject: row.id, says: `A payout of ${formatCredits(row.amount)} credits to ${row.destination} came back: ${row.reason ?? 'the provider gives no reason'}. The money is available again.${stopped}` }, row.requestedAt)
  if (isOver) putEntry(turn, { id: `payout:${row.id}:${state}`, kind: 'payout', at: turn.now, job: null, attempt: null, postings: [{ from: account.payout(row.id), to: state === 'paid' ? account.external(row.provider) : account.earned(row.user), amount: row.amount }] })
  return row
}
