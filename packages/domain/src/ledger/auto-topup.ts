// A wallet that is topped up by itself: when what is available falls below a bound, so much is added, and at most so much in a calendar month (UTC). Decided at the end of every
// turn that moved the balance, by the same command that people top up with; entry and rule change in one commit, so a fall is answered once or not at all, whatever crashes.
//
//   armed: below the bound → added, and unarmed until it has been at or above the bound again (often at once: by what was added)
//   the month's limit is reached → nothing is added, its owner is told once, and it is looked at again when the next month begins
import { AUTO_RUNS_MAX, account, formatCredits, isRefusal, monthOf } from '@lumaris/protocol'
import type { AccountName, AutoTopupRun, Micros, Refusal, UserId } from '@lumaris/protocol'
import { raise } from '../alerts/raise.ts'
import { topupMaxNow } from '../operator/settings.ts'
import type { AutoTopupRow } from '../rows.ts'
import { emit, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { topup } from './topup.ts'

/** Null: no more. */
export type SetAutoTopupCommand = { readonly kind: 'setAutoTopup'; readonly user: UserId; readonly rule: { readonly below: Micros; readonly add: Micros; readonly most: Micros } | null }

/** Between a look at a balance that is not in memory and the next. */
const AGAIN_MS = 1_000
const NEVER: Omit<AutoTopupRow, 'user'> = { on: false, below: '0', add: '0', most: '0', month: '', added: '0', number: 0, armed: false, runs: [] }

export const addedThisMonth = (row: AutoTopupRow, now: number): Micros => (row.month === monthOf(now).name ? BigInt(row.added) : 0n)

/** What was added this month goes on counting: another rule is no way around the limit of the one before, but by its owner's own word. */
export function setAutoTopup(turn: Turn, { user, rule }: SetAutoTopupCommand): AutoTopupRow | Refusal {
  const before = turn.state.autoTopups.get(account.available(user)) ?? { ...NEVER, user }
  const { limited: _, ...rest } = before
  if (rule === null) { const row: AutoTopupRow = { ...rest, on: false, armed: false }; emit(turn, { kind: 'autoTopup', row }); return row }
  if (turn.state.suspended.has(user)) return refused('account_suspended')
  const max = topupMaxNow(turn.state)
  if (max === null || max === 0n) return refused('topup_not_allowed', { provider: 'demo' })
  if (rule.add <= 0n || rule.add > max) return refused('amount_not_allowed', { field: 'add', min: '1', max: max.toString() })
  if (rule.most < rule.add) return refused('amount_not_allowed', { field: 'monthlyMost', min: rule.add.toString() })
  if (rule.below <= 0n) return refused('amount_not_allowed', { field: 'below', min: '1' })
  const said = { below: rule.below.toString(), add: rule.add.toString(), most: rule.most.toString() }
  // Said again, because its answer was lost: what fell is answered already.
  if (before.on && before.below === said.below && before.add === said.add && before.most === said.most) return before
  const row: AutoTopupRow = { ...rest, ...said, on: true, armed: true }
  emit(turn, { kind: 'autoTopup', row })
  return row
}

export function topUpBelow(turn: Turn): void {
  const { topupsDue, autoTopups, accounts, accountsWanted, timers } = turn.state
  for (const name of topupsDue) {
    topupsDue.delete(name)
    const row = autoTopups.get(name), available = accounts.get(name)
    if (!row?.on) continue
    if (available === undefined) { accountsWanted.add(name); timers.push(turn.now + AGAIN_MS, { kind: 'topup', id: name, task: 0, slot: 0 }); continue }
    look(turn, name, row, available)
  }
}

function look(turn: Turn, name: AccountName, row: AutoTopupRow, available: Micros): void {
  const { user } = row, month = monthOf(turn.now), below = BigInt(row.below), add = BigInt(row.add), most = BigInt(row.most), added = addedThisMonth(row, turn.now)
  if (available >= below) { if (!row.armed) emit(turn, { kind: 'autoTopup', row: { ...row, armed: true } }); return }
  const isNewMonth = row.limited !== undefined && row.limited !== month.name
  if ((!row.armed && !isNewMonth) || turn.state.suspended.has(user)) return
  const ran = (run: AutoTopupRun, more: Partial<AutoTopupRow>): void => {
    const { limited: _, ...rest } = row
    emit(turn, { kind: 'autoTopup', row: { ...rest, armed: false, ...more, runs: [run, ...row.runs].slice(0, AUTO_RUNS_MAX) } })
  }
  const said = { at: turn.now, available: available.toString(), amount: row.add }
  if (added + add > most) {
    ran({ ...said, outcome: 'limit' }, { limited: month.name })
    turn.state.timers.push(month.to, { kind: 'topup', id: name, task: 0, slot: 0 })
    return raise(turn, { user, kind: 'topup_limit', subject: month.name, says: `Your wallet holds ${formatCredits(available)} credits, less than ${formatCredits(below)}, and was not topped up: of the ${formatCredits(most)} credits that it may be topped up by in ${month.name}, ${formatCredits(added)} are used.` }, month.from)
  }
  // Nobody can have used this key for a top-up of his own: it follows from a key of the market's.
  const number = row.number + 1, key = turn.keyed(`auto top-up ${user} ${number}`)
  const done = topup(turn, { kind: 'topup', user, amount: add, provider: 'demo', key, bodyHash: key })
  if (isRefusal(done)) {
    ran({ ...said, outcome: 'refused', refused: done.refusal }, { number })
    return raise(turn, { user, kind: 'topup_limit', subject: month.name, step: 'refused', says: `Your wallet holds ${formatCredits(available)} credits, less than ${formatCredits(below)}, and was not topped up by itself: this market gives no such top-up just now.` }, month.from)
  }
  ran({ ...said, outcome: 'added' }, { number, month: month.name, added: (added + add).toString(), armed: available + add >= below })
}
