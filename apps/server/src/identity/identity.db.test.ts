import { afterAll, beforeAll, describe, test } from 'vitest'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { postgresMissing, startPostgres } from '@lumaris/testkit'
import type { TestPostgres } from '@lumaris/testkit'
import { openDatabase } from '../database/open.ts'
import { identityContract } from './identity.contract.ts'

const dir = mkdtempSync(join(tmpdir(), 'lumaris-identity-'))
let made = 0
afterAll(() => rmSync(dir, { recursive: true, force: true }))
identityContract('SQLite', () => openDatabase({ dataDir: join(dir, String(made++)), nowMs: 1 }))

const missing = postgresMissing()
if (missing) test.skip(`PostgreSQL: ${missing}`, () => undefined)
else describe('on a real server', () => {
  let server: TestPostgres
  beforeAll(async () => { server = await startPostgres() })
  afterAll(async () => { await server?.stop() })
  identityContract('PostgreSQL', async () => openDatabase({ dataDir: dir, databaseUrl: await server.createDatabase(), nowMs: 1 }))
})
