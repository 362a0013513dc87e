import { join } from 'node:path'
import type { Database } from './database.ts'
import { migrate } from './migrate.ts'
import { openPostgres } from './postgres.ts'
import { openSqlite } from './sqlite.ts'

/** The market's database, at the newest schema: PostgreSQL when a URL is given, else SQLite in the data directory. */
export async function openDatabase(where: { dataDir: string; databaseUrl?: string | undefined; nowMs: number }): Promise<Database> {
  const db = where.databaseUrl ? await openPostgres(where.databaseUrl) : await openSqlite(join(where.dataDir, 'market.sqlite'))
  try { await migrate(db, undefined, where.nowMs); return db } catch (error) { await db.close(); throw error }
}
