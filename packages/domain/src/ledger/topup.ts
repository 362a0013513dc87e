import { account } from '@lumaris/protocol'
import type { Micros, Refusal, UserId } from '@lumaris/protocol'
import { topupMaxNow } from '../operator/settings.ts'
import { emit, putEntry, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'

export type TopupCommand = { readonly kind: 'topup'; readonly user: UserId; readonly amount: Micros; readonly provider: 'demo'; readonly key: string; readonly bodyHash: string }
export const topupEntry = (command: Pick<TopupCommand, 'user' | 'key'>): string => `topup:${command.user}:${command.key}`

/** Money from outside. The key names the entry, so the same top-up arrives once; the same key for another amount is refused. */
export function topup(turn: Turn, command: TopupCommand): { ok: true; replayed: boolean } | Refusal {
  const max = topupMaxNow(turn.state)
  if (max === null || max === 0n) return refused('topup_not_allowed', { provider: command.provider })
  if (command.amount <= 0n || command.amount > max) return refused('amount_not_allowed', { min: '1', max: max.toString() })
  const id = topupEntry(command)
  const used = turn.state.keys.get(id)
  if (turn.state.guards.idempotencyKey) {
    if (used) return used.bodyHash === command.bodyHash ? { ok: true, replayed: true } : refused('idempotency_conflict')
  }
  const entry = turn.state.guards.idempotencyKey || !used ? id : `${id}:${turn.id('job')}`
  bringIn(turn, { ...command, key: id, entry, from: command.provider })
  return { ok: true, replayed: false }
}

/** The entry of money from outside, and the key that makes it come once. */
export function bringIn(turn: Turn, { key, bodyHash, entry, from, user, amount }: { key: string; bodyHash: string; entry: string; from: string; user: UserId; amount: Micros }): void {
  emit(turn, { kind: 'key', row: { id: key, bodyHash, subject: entry, at: turn.now } })
  putEntry(turn, { id: entry, kind: 'topup', at: turn.now, job: null, attempt: null, postings: [{ from: account.external(from), to: account.available(user), amount }] })
}
