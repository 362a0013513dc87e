// Streams that are open, by whom they were opened for: whoever is not let in any more is not told any more either.
import type { UserPrincipal } from '../http/policy.ts'

type Stream = { destroy(): unknown; once(event: 'close', listener: () => void): unknown }
export type OpenStreams = ReturnType<typeof createOpenStreams>
export function createOpenStreams() {
  const byId = new Map<string, Set<Stream>>()
  return {
    note(who: UserPrincipal, stream: Stream): void {
      const ids = [who.userId, who.sessionId, who.keyId, who.member?.by, who.readOnly?.by].filter((id) => id !== undefined)
      for (const id of ids) { const all = byId.get(id) ?? new Set(); all.add(stream); byId.set(id, all) }
      stream.once('close', () => { for (const id of ids) { const all = byId.get(id); if (all?.delete(stream) && all.size === 0) byId.delete(id) } })
    },
    /** All of this user, session or key. */
    cut(id: string): void { for (const stream of Array.from(byId.get(id) ?? [])) stream.destroy() },
  }
}
