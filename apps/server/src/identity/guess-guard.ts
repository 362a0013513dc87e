// Password guessing is slowed, per account and per address, by waits that double. Nobody is locked out for good, so nobody can lock another out.
const FREE_TRIES = 5
const FIRST_WAIT_MS = 1_000, WAIT_MAX_MS = 15 * 60_000
/** Accounts and addresses remembered; when full the whole memory starts afresh, which only ever lets a guess through early. */
const REMEMBERED_MAX = 50_000

export function createGuessGuard(now: () => number) {
  const tries = new Map<string, { count: number; at: number }>()
  const keys = (account: string, address: string): [string, number][] => [[`a:${account}`, 1], [`i:${address}`, 4]] // an address may stand for an office: it gets four times the tries
  const wait = (key: string, share: number): number => {
    const seen = tries.get(key)
    if (!seen || seen.count < FREE_TRIES * share) return 0
    const span = Math.min(WAIT_MAX_MS, FIRST_WAIT_MS * 2 ** Math.min(20, seen.count - FREE_TRIES * share))
    return Math.max(0, seen.at + span - now())
  }
  return {
    waitMs: (account: string, address: string): number => Math.max(...keys(account, address).map(([key, share]) => wait(key, share))),
    failed(account: string, address: string): void {
      if (tries.size >= REMEMBERED_MAX) tries.clear()
      for (const [key] of keys(account, address)) tries.set(key, { count: (tries.get(key)?.count ?? 0) + 1, at: now() })
    },
    succeeded(account: string): void { tries.delete(`a:${account}`) },
  }
}
