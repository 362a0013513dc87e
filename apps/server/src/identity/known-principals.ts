// Who was recognised lately, by token. A request costs one look here. What is revoked by this process is forgotten at once; what another replica
// revoked, when the entry is over.
import type { UserPrincipal } from '../http/policy.ts'

/** How long a revocation by another replica can go unseen. */
export const KNOWN_MS = 5_000
/** Callers remembered, some 10 MiB; the longest unseen goes first. */
const KNOWN_MAX = 20_000

export type KnownPrincipals = ReturnType<typeof createKnownPrincipals>
export function createKnownPrincipals(now: () => number, max = KNOWN_MAX) {
  const entries = new Map<string, { readonly principal: UserPrincipal; readonly until: number }>()
  let generation = 0
  const listeners: ((id: string) => void)[] = []
  return {
    /** Told of every id that is forgotten, when the tables know. */
    onForget(listener: (id: string) => void): void { listeners.push(listener) },
    get(token: string): UserPrincipal | undefined {
      const entry = entries.get(token)
      if (!entry) return undefined
      entries.delete(token)
      if (entry.until <= now()) return undefined
      entries.set(token, entry) // to the end: the first is the longest unseen
      return entry.principal
    },
    /** Grows when somebody is forgotten. An answer that was asked for before that may be out of date, and is not kept. */
    get generation(): number { return generation },
    put(token: string, principal: UserPrincipal, until: number, asOf: number): void {
      if (asOf !== generation) return
      if (entries.size >= max) for (const oldest of entries.keys()) { entries.delete(oldest); break }
      entries.set(token, { principal, until: Math.min(until, now() + KNOWN_MS) })
    },
    /** Everything of this key, session or user. */
    forget(id: string): void {
      generation++
      for (const [token, { principal }] of entries) if (principal.keyId === id || principal.sessionId === id || principal.userId === id || principal.member?.by === id || principal.readOnly?.by === id) entries.delete(token)
      for (const listener of listeners) listener(id)
    },
  }
}
