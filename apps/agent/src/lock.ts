// One agent in one data directory: two would run one identity twice, and the market would see a cloned node. The lock must vanish with its
// process, however that ends, and Node has no flock; SQLite's file lock is one that the system itself takes back, on every platform, and it
// also holds between two agents of one process.
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { AgentStopped } from './log.ts'

export const LOCK_FILE = 'agent.lock'
const SQLITE_BUSY = 5

export function lockDataDir(dataDir: string): { release(): void } {
  const database = new DatabaseSync(join(dataDir, LOCK_FILE))
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) throw new AgentStopped(`Another agent is running in ${dataDir}; stop it, or give this one its own --data directory.`)
    throw error
  }
  return { release: () => database.close() }
}
