// When a key was last used, for people's eyes. Uses are gathered and written together, at most once a minute however many keys and requests.
import { pack } from '../database/database.ts'
import type { Database } from '../database/database.ts'

const EVERY_MS = 60_000
/** Keys of one write. */
const GATHERED_MAX = 1_000

export type LastUsed = ReturnType<typeof createLastUsed>
export function createLastUsed(db: Database, now: () => number) {
  let gathered = new Map<string, number>()
  let writtenAt = -Infinity
  const write = async (): Promise<void> => {
    const rows = [...gathered]
    gathered = new Map()
    writtenAt = now()
    if (rows.length === 0) return
    // If it does not succeed, the next use says it again; nothing but a date on a screen hangs on it.
    await db.transact([{ sql: 'UPDATE api_keys SET last_used_at = $2 WHERE id = $1', params: [], packed: pack(rows) }]).catch(() => undefined)
  }
  return {
    note(key: string): void {
      gathered.set(key, now())
      if (now() - writtenAt >= EVERY_MS || gathered.size >= GATHERED_MAX) void write()
    },
    /** What was gathered and not written yet; for the end of the server. */
    write,
  }
}
