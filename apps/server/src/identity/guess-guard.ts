// Password guessing is slowed by waits that double: per account, and per address from which it comes. A try counts when it begins, or a thousand
// at once would all be free. Nobody can lock another out of an account: from where its owner has signed in before, only tries from there count.
const FREE_TRIES = 5
/** An address may stand for an office: it gets four times the tries. */
const ADDRESS_TRIES = 4 * FREE_TRIES
const FIRST_WAIT_MS = 1_000, WAIT_MAX_MS = 15 * 60_000
/** After this long without a try, all is forgotten. Longer than the longest wait, or waiting would be worth nothing. */
const FORGET_MS = 60 * 60_000
/** Counters and homes remembered, about 20 MiB at most. The longest untouched goes first; to push one out costs as many guesses. */
const REMEMBERED_MAX = 50_000

type Tries = { readonly count: number; readonly at: number }
type Counter = readonly [key: string, free: number]

export type GuessGuard = ReturnType<typeof createGuessGuard>
export function createGuessGuard(now: () => number, max = REMEMBERED_MAX) {
  const tries = new Map<string, Tries>()
  const homes = new Map<string, true>()
  const countersOf = (account: string, address: string): readonly Counter[] => {
    const from = networkOf(address), home = `${account} ${from}`
    return [homes.has(home) ? [`home:${home}`, FREE_TRIES] : [`account:${account}`, FREE_TRIES], [`address:${from}`, ADDRESS_TRIES]]
  }
  const seen = (key: string): Tries | undefined => { const found = tries.get(key); return found && now() - found.at < FORGET_MS ? found : undefined }
  const waitOf = ([key, free]: Counter): number => {
    const found = seen(key)
    if (!found || found.count < free) return 0
    return Math.max(0, found.at + Math.min(WAIT_MAX_MS, FIRST_WAIT_MS * 2 ** Math.min(20, found.count - free)) - now())
  }
  return {
    /** How long this caller has to wait; if not at all, the try has begun and counts as failed until `succeeded` says otherwise. */
    begin(account: string, address: string): number {
      const counters = countersOf(account, address)
      const wait = Math.max(...counters.map(waitOf))
      if (wait > 0) return wait
      for (const [key] of counters) remember(tries, key, { count: (seen(key)?.count ?? 0) + 1, at: now() }, max)
      return 0
    },
    succeeded(account: string, address: string): void {
      const [own, from] = countersOf(account, address) as [Counter, Counter]
      tries.delete(own[0])
      // The address keeps what others tried from it, less this one.
      const before = seen(from[0])
      if (before) tries.set(from[0], { count: before.count - 1, at: before.at })
      remember(homes, `${account} ${networkOf(address)}`, true, max)
    },
  }
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value, max: number): void {
  map.delete(key)
  if (map.size >= max) for (const oldest of map.keys()) { map.delete(oldest); break }
  map.set(key, value)
}

/** Whoever has one IPv6 address has the 2^64 beside it: they count as one. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  if (!plain.includes(':')) return plain
  const [head = '', tail] = plain.split('::')
  const groups = head.split(':').filter(Boolean)
  const after = tail === undefined ? [] : tail.split(':').filter(Boolean)
  while (tail !== undefined && groups.length + after.length < 8) groups.push('0')
  return [...groups, ...after].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(':')
}
