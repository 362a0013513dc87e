// One contract, on both databases: SQLite in a directory of its own, and a real PostgreSQL where one is installed.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { postgresMissing, startPostgres } from '@lumaris/testkit'
import type { TestPostgres } from '@lumaris/testkit'
import type { Database } from './database.ts'
import { openDatabase } from './open.ts'

/** Runs `suite` with a server that it may ask for; skipped, and why, where there is none. */
export function onPostgres(suite: (server: () => TestPostgres) => void): void {
  const missing = postgresMissing()
  if (missing) { test.skip(`PostgreSQL: ${missing}`, () => undefined); return }
  describe('on a real server', () => {
    let server: TestPostgres
    beforeAll(async () => { server = await startPostgres() })
    afterAll(async () => { await server?.stop() })
    suite(() => server)
  })
}

export function onBothDatabases(contract: (name: string, open: () => Promise<Database>) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-contract-'))
  let made = 0
  afterAll(() => rmSync(dir, { recursive: true, force: true }))
  contract('SQLite', () => openDatabase({ dataDir: join(dir, String(made++)), nowMs: 1 }))
  onPostgres((server) => contract('PostgreSQL', async () => openDatabase({ dataDir: dir, databaseUrl: await server().createDatabase(), nowMs: 1 })))
}
