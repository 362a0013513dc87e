// Who may write. One row per region holds an epoch that only grows; each commit of the engine touches that row under its own epoch, so a writer
// that was replaced cannot commit again, however late it wakes up. A lock would not do: its holder may be paused and come back.
import type { Database } from '../database/database.ts'
import type { Log } from '../log.ts'

/** A writer whose row has not moved for this long, on our own clock, is taken to be gone. It touches the row at least every two seconds. */
const TAKE_OVER_MS = 10_000
const POLL_MS = 1_000

type Ports = { db: Database; region: string; holder: string; now: () => number; monotonic: () => number; log: Log; isStopped: () => boolean }
type Row = { epoch: string; holder: string; beat: string }

/**
 * Whether another has become the writer since. Asked after a read: no means that nothing that was read is newer than this writer's memory, since a
 * successor takes the epoch before it writes anything. SQLite's file has one process, so there is nobody.
 */
export async function isReplaced(db: Database, region: string, epoch: number): Promise<boolean> {
  if (db.dialect === 'sqlite') return false
  const [row] = await db.query<{ epoch: string }>('SELECT CAST(epoch AS TEXT) AS epoch FROM writer WHERE region = $1', [region])
  return Number(row?.epoch) !== epoch
}

/** Waits until this process may write, and returns its epoch. */
export async function acquireEpoch(ports: Ports): Promise<number> {
  const { db, region, holder, now, monotonic, log } = ports
  let seen: Row | undefined, since = monotonic()
  while (!ports.isStopped()) {
    const [row] = await db.query<Row>('SELECT CAST(epoch AS TEXT) AS epoch, holder, CAST(beat AS TEXT) AS beat FROM writer WHERE region = $1', [region])
    if (!row) {
      await db.transact([{ sql: 'INSERT INTO writer (region, epoch, holder, beat) VALUES ($1, 1, $2, $3)', params: [region, holder, now()] }])
      return 1
    }
    if (!seen) log.info({ writer: row.holder, silentMs: TAKE_OVER_MS }, 'another server was the writer: this one takes over when it falls silent')
    if (!seen || row.epoch !== seen.epoch || row.beat !== seen.beat) { seen = row; since = monotonic() }
    // SQLite's file belongs to one process (the adapter holds its lock), and our own earlier epoch is nobody else's: neither has to be waited for.
    const free = db.dialect === 'sqlite' || row.holder === holder || monotonic() - since >= TAKE_OVER_MS
    if (free) {
      const epoch = Number(row.epoch) + 1
      try {
        await db.transact([{ sql: 'UPDATE writer SET epoch = $3, holder = $4, beat = $5 WHERE region = $1 AND epoch = $2', params: [region, Number(row.epoch), epoch, holder, now()], expectRows: 1 }])
        if (epoch > 1) log.info({ epoch, before: row.holder }, 'took over as writer')
        return epoch
      } catch (error) {
        // Another was quicker, or the answer was lost: look again. It is ours exactly if the row says so.
        const [after] = await db.query<Row>('SELECT CAST(epoch AS TEXT) AS epoch, holder, CAST(beat AS TEXT) AS beat FROM writer WHERE region = $1', [region])
        if (after && Number(after.epoch) === epoch && after.holder === holder) return epoch
        log.warn({ err: error }, 'taking over did not succeed')
      }
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  throw new Error('stopped while waiting to become the writer')
}
