// Payouts that a seller does not ask for each time: all that has cleared, on one day of each week, or as soon as it comes to so much. The moment that was
// served and its payout are one commit, so whatever crashes, a moment pays once or not at all. A payout that comes back stops its rule: it would only come back again.
import { DAYS, account, formatCredits } from '@lumaris/protocol'
import type { Instant, Micros, PayoutRule, Refusal, UserId } from '@lumaris/protocol'
import type { PayoutRow, PayoutRuleRow } from '../rows.ts'
import { emit, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { OPEN_MAX, makePayout } from './payout.ts'

export type SetPayoutRuleCommand = { readonly kind: 'setPayoutRule'; readonly user: UserId; readonly rule: PayoutRule }
export type DropPayoutRuleCommand = { readonly kind: 'dropPayoutRule'; readonly user: UserId }

const DAY_MS = 86_400_000
/** The first moment (UTC) of the next such day; never this very moment. The first day of all, 1 January 1970, was a Thursday. */
export function nextWeekly(day: (typeof DAYS)[number], after: Instant): Instant {
  const today = Math.floor(after / DAY_MS), wanted = DAYS.indexOf(day), weekday = (today + 3) % 7
  return (today + (((wanted - weekday + 6) % 7) + 1)) * DAY_MS
}
const nextOf = ({ when }: PayoutRule, now: Instant): Instant | null => (when.kind === 'weekly' ? nextWeekly(when.day, now) : null)

/** In place of the one before; one that was stopped is begun anew by it. */
export function setPayoutRule(turn: Turn, { user, rule }: SetPayoutRuleCommand): PayoutRuleRow | Refusal {
  const { settings, suspended } = turn.state
  if (settings.demoTopupMaxMicros === null) return refused('payout_not_allowed', { provider: rule.provider })
  if (suspended.has(user)) return refused('account_suspended')
  if (rule.when.kind === 'cleared' && BigInt(rule.when.amount) < settings.payoutMinMicros) return refused('amount_not_allowed', { min: settings.payoutMinMicros.toString() })
  const row: PayoutRuleRow = { user, rule, state: 'active', setAt: turn.now, nextAt: nextOf(rule, turn.now), last: null, reason: null }
  emit(turn, { kind: 'payoutRule', row })
  return row
}
export function dropPayoutRule(turn: Turn, { user }: DropPayoutRuleCommand): null {
  const before = turn.state.payoutRules.get(user)
  if (before) emit(turn, { kind: 'payoutRule', row: { ...before, state: 'removed', nextAt: null } })
  return null
}

/** Called with the clock. */
export function payByRules(turn: Turn): void {
  const { payoutRules, suspended, settings } = turn.state
  if (settings.demoTopupMaxMicros !== null) for (const row of payoutRules.values()) if (row.state === 'active' && !suspended.has(row.user)) serve(turn, row)
}
function serve(turn: Turn, row: PayoutRuleRow): void {
  const { accounts, accountsWanted, payouts, settings } = turn.state, { when } = row.rule
  if (when.kind === 'weekly' && (row.nextAt ?? Infinity) > turn.now) return
  const name = account.earned(row.user), cleared = accounts.get(name)
  if (cleared === undefined) { accountsWanted.add(name); return }
  const least = when.kind === 'cleared' && BigInt(when.amount) > settings.payoutMinMicros ? BigInt(when.amount) : settings.payoutMinMicros
  if (cleared < least) { if (when.kind === 'weekly') served(turn, row, null, cleared); return }
  let open = 0
  for (const payout of payouts.values()) if (payout.user === row.user) open++
  // Too many are on their way: the moment waits for one of them.
  if (open >= OPEN_MAX) return
  served(turn, row, makePayout(turn, { user: row.user, amount: cleared, provider: row.rule.provider, destination: row.rule.destination, byRule: true }).id, cleared)
}
/** Of several moments that were missed one is served. */
function served(turn: Turn, row: PayoutRuleRow, payout: PayoutRow['id'] | null, amount: Micros): void {
  emit(turn, { kind: 'payoutRule', row: { ...row, nextAt: nextOf(row.rule, turn.now), last: { at: turn.now, due: row.nextAt ?? turn.now, payout, amount: amount.toString() } } })
}

/** Its payout has come back; says what its owner is to know, or nothing when the rule is another one by now. */
export function stopPayoutRule(turn: Turn, payout: PayoutRow): string {
  const row = turn.state.payoutRules.get(payout.user)
  if (!payout.byRule || row?.state !== 'active' || row.last?.payout !== payout.id) return ''
  emit(turn, { kind: 'payoutRule', row: { ...row, state: 'stopped', nextAt: null, reason: payout.reason ?? 'the provider gives no reason' } })
  return ` The rule that asked for it is stopped, with ${formatCredits(payout.amount)} credits free again: set it anew with an account that takes money.`
}
