// A wrong entry is never changed: another one, its reverse, is made beside it. It takes two admins: one proposes and says why, another approves; then it
// is made, once, because it is named by what it reverses. Reversed is what a mistake can be in without breaking a job's own account: a top-up, and what was
// paid for an attempt. What came from the escrow of a job goes to the job's buyer, not back into the escrow: the job's cap and cost stay what was agreed.
import { account, isExternal } from '@lumaris/protocol'
import type { AccountName, EntryKind, Refusal, ReversalId, ReversalState, UserId } from '@lumaris/protocol'
import type { EntryRow, PostingRow, ReversalRow } from '../rows.ts'
import type { MarketState } from '../state.ts'
import { may } from '../job/lifecycle.ts'
import type { Table } from '../job/lifecycle.ts'
import { emit, putEntry, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { giveBack } from '../assurance/records.ts'
import { recordAction } from '../operator/record-action.ts'

export const REVERSAL: Table<ReversalState, 'approve' | 'reject' | 'expire'> = { proposed: { approve: 'done', reject: 'rejected', expire: 'expired' }, done: {}, rejected: {}, expired: {} }
/** Proposals that wait: more than admins look through. */
const OPEN_MAX = 200
/** What else can be done about the others. */
const INSTEAD: Readonly<Partial<Record<EntryKind, string>>> = {
  hold: 'cancel the job: what was not used of its cap comes back', refund: 'what came back to a buyer stays with the buyer; reverse the settlement or the top-up behind it', release: 'reverse the settlement that it cleared',
  payout: 'the provider has the money, or gives it back by itself', reversal: 'what was reversed by two people stays reversed; pay again by a new entry',
}
const isReversible = (kind: EntryKind): boolean => kind === 'topup' || kind === 'settle' || kind === 'displace' || kind === 'forfeit'

export type ProposeReversalCommand = { readonly kind: 'proposeReversal'; readonly by: UserId; readonly entry: string; readonly reason: string }
export type ApproveReversalCommand = { readonly kind: 'approveReversal'; readonly by: UserId; readonly id: ReversalId; readonly reason: string }
export type RejectReversalCommand = { readonly kind: 'rejectReversal'; readonly by: UserId; readonly id: ReversalId; readonly reason: string }

export function proposeReversal(turn: Turn, command: ProposeReversalCommand): ReversalRow | Refusal {
  const { state } = turn
  const entry = state.entries.get(command.entry)
  if (!entry) return refused('not_found')
  if (!isReversible(entry.kind)) return refused('not_reversible', { kind: entry.kind, instead: INSTEAD[entry.kind] ?? '' })
  if (state.entries.get(nameOf(entry.id))) return refused('already_reversed', { entry: nameOf(entry.id) })
  for (const row of state.reversals.values()) if (row.entry === entry.id) return refused('already_reversed', { reversal: row.id, state: row.state })
  if (state.reversals.size >= OPEN_MAX) return refused('queue_full', { max: OPEN_MAX })
  const postings = reverse(state, entry)
  if ('refusal' in postings) return postings
  const row: ReversalRow = {
    id: turn.id('rev') as ReversalId, entry: entry.id, kind: entry.kind, job: entry.job, attempt: entry.attempt, postings, reason: command.reason, state: 'proposed',
    proposedBy: command.by, proposedAt: turn.now, expiresAt: turn.now + state.settings.reversalMs, decidedBy: null, decidedAt: null,
  }
  emit(turn, { kind: 'reversal', row })
  recordAction(turn, { by: command.by, action: 'reversal.propose', subject: row.id, reason: command.reason, before: { entry: entry.id, postings: plain(entry.postings) }, after: { state: row.state, postings: plain(postings) } })
  return row
}

export function approveReversal(turn: Turn, command: ApproveReversalCommand): ReversalRow | Refusal {
  const before = open(turn, command.id, 'approve')
  if ('refusal' in before) return before
  if (before.proposedBy === command.by) return refused('same_person', { proposedBy: before.proposedBy })
  const entry = turn.state.entries.get(before.entry)
  if (!entry) return refused('not_found')
  // Asked anew: what was pending when it was proposed may have cleared since, and balances have moved.
  const postings = reverse(turn.state, entry)
  if ('refusal' in postings) return postings
  putEntry(turn, { id: nameOf(entry.id), kind: 'reversal', at: turn.now, job: entry.job, attempt: entry.attempt, postings })
  const debt = entry.kind === 'forfeit' && entry.attempt ? turn.state.forfeited.get(entry.attempt) : undefined
  if (debt) giveBack(turn, debt.owner, debt.record)
  return decided(turn, command, { ...before, postings, state: 'done', decidedBy: command.by, decidedAt: turn.now }, 'reversal.approve')
}

/** By anybody, also by who proposed it. */
export function rejectReversal(turn: Turn, command: RejectReversalCommand): ReversalRow | Refusal {
  const before = open(turn, command.id, 'reject')
  return 'refusal' in before ? before : decided(turn, command, { ...before, state: 'rejected', decidedBy: command.by, decidedAt: turn.now }, 'reversal.reject')
}

/** Called with the clock. */
export function expireReversals(turn: Turn): void {
  for (const row of turn.state.reversals.values()) if (row.expiresAt <= turn.now) emit(turn, { kind: 'reversal', row: { ...row, state: 'expired', decidedAt: turn.now } })
}

function open(turn: Turn, id: ReversalId, event: 'approve' | 'reject'): ReversalRow | Refusal {
  const row = turn.state.reversals.get(id)
  if (!row) return refused('not_found')
  if (!may(REVERSAL, row.state, event) || row.expiresAt <= turn.now) return refused('not_in_this_state', { state: 'expired', expiredAt: row.expiresAt })
  return row
}
function decided(turn: Turn, command: ApproveReversalCommand | RejectReversalCommand, row: ReversalRow, action: 'reversal.approve' | 'reversal.reject'): ReversalRow {
  emit(turn, { kind: 'reversal', row })
  recordAction(turn, { by: command.by, action, subject: row.id, reason: command.reason, before: { state: 'proposed', proposedBy: row.proposedBy }, after: { state: row.state, entry: row.entry, postings: plain(row.postings) } })
  return row
}

const nameOf = (entry: string): string => `reversal:${entry}`
const plain = (postings: readonly PostingRow[]): unknown => postings.map(({ from, to, amount }) => ({ from, to, amount: amount.toString() }))

/** The movements that undo it, or which account could not bear them. */
function reverse(state: MarketState, entry: EntryRow): readonly PostingRow[] | Refusal {
  const buyer = entry.job ? state.jobs.get(entry.job)?.row.buyer : undefined
  const cleared = entry.attempt !== null && Boolean(state.entries.get(`release:${entry.attempt}`))
  // The money is not where it was paid to any more.
  if (entry.kind !== 'forfeit' && entry.attempt !== null && state.takenBack.has(entry.attempt)) return refused('already_reversed', { forfeited: entry.attempt, instead: 'it was forfeited for a wrong result: reverse the forfeit' })
  const postings: PostingRow[] = []
  for (const { from, to, amount } of entry.postings) {
    const isEscrow = from.startsWith('escrow:')
    if (isEscrow && !buyer) return refused('not_found')
    // What was forfeited by mistake is the seller's, and its time in the dispute window is over.
    if (entry.kind === 'forfeit') { postings.push({ from: to, to: from.replace(/:pending$/, ':available'), amount }); continue }
    postings.push({ from: cleared ? to.replace(/:pending$/, ':available') : to, to: isEscrow && buyer ? account.available(buyer) : from, amount })
  }
  const needed = new Map<AccountName, bigint>()
  for (const { from, amount } of postings) needed.set(from, (needed.get(from) ?? 0n) + amount)
  for (const [name, amount] of needed) {
    const balance = state.accounts.get(name) ?? 0n
    if (!isExternal(name) && balance < amount) return refused('would_go_below_zero', { account: name, balance: balance.toString(), needed: amount.toString(), lacks: (amount - balance).toString() })
  }
  return postings
}
/** Every account that the reverse of an entry may touch: to be fetched before it is decided. */
export function accountsToReverse(entry: EntryRow, buyer: UserId | undefined): AccountName[] {
  const names = entry.postings.flatMap(({ from, to }) => [to, to.replace(/:pending$/, ':available'), from])
  if (buyer) names.push(account.available(buyer))
  return [...new Set(names)].filter((name) => !name.startsWith('escrow:'))
}
