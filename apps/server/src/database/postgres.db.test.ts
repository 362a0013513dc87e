import { describe, expect, test } from 'vitest'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import pg from 'pg'
import { postgresMissing, startPostgres } from '@lumaris/testkit'
import { databaseContract, kindOf, statement, write, writingProcess } from './database.contract.ts'
import type { Database } from './database.ts'
import { migrate, migrationSteps } from './migrate.ts'
import { openPostgres } from './postgres.ts'
import { onPostgres } from './test-databases.ts'

onPostgres((server) => {
  databaseContract('postgres', async () => {
    const url = await server().createDatabase()
    return { where: url, open: () => openPostgres(url) }
  })

  const setup = async (): Promise<{ url: string; db: Database }> => {
    const url = await server().createDatabase()
    const db = await openPostgres(url)
    await write(db, 'CREATE TABLE things (id TEXT PRIMARY KEY, n BIGINT)')
    return { url, db }
  }
  /** Another client, as an operator would have one. */
  const beside = async <Result>(url: string, act: (client: pg.Client) => Promise<Result>): Promise<Result> => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try { return await act(client) } finally { await client.end() }
  }
  const ids = async (db: Database): Promise<string[]> => (await db.query<{ id: string }>('SELECT id FROM things ORDER BY id')).map((row) => row.id)

  test('a connection that was terminated in the middle of a transaction: not applied, and the next one works', async () => {
    const { url, db } = await setup()
    await write(db, "INSERT INTO things VALUES ('held', 0)")
    await beside(url, async (other) => {
      await other.query("BEGIN; UPDATE things SET n = 1 WHERE id = 'held'")
      const waiting = kindOf(db.transact([statement("INSERT INTO things VALUES ('lost', 0)"), statement("UPDATE things SET n = 2 WHERE id = 'held'")]))
      // Terminated once the server says that it waits for the row.
      while ((await other.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).rowCount === 0) continue
      expect(await waiting).toBe('unavailable')
      await other.query('ROLLBACK')
    })
    await write(db, "INSERT INTO things VALUES ('next', 0)")
    expect(await ids(db)).toEqual(['held', 'next'])
    await db.close()
  })

  test('connections that were terminated while idle, the readers\' too, are replaced without anybody noticing', async () => {
    const { url, db } = await setup()
    await Promise.all(Array.from({ length: 4 }, () => db.query('SELECT 1')))
    await beside(url, async (other) => {
      await other.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()')
      while ((await other.query('SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()')).rowCount !== 0) continue
    })
    // The news of the end may still be on its way to us; then the answer is that it was not applied, and it is asked again.
    while (await kindOf(write(db, "INSERT INTO things VALUES ('next', 0)")) === 'unavailable') continue
    while (await kindOf(db.query('SELECT 1')) === 'unavailable') continue
    expect(await ids(db)).toEqual(['next'])
    await db.close()
  })

  test('a row that another holds: locked when the time is over, not applied', async () => {
    const { url, db: plain } = await setup()
    await write(plain, "INSERT INTO things VALUES ('held', 0)")
    const db = await openPostgres(url, { timeoutMs: 500, silenceMs: 5_000 })
    await beside(url, async (other) => {
      await other.query("BEGIN; UPDATE things SET n = 1 WHERE id = 'held'")
      expect(await kindOf(db.transact([statement("INSERT INTO things VALUES ('x', 0)"), statement("UPDATE things SET n = 2 WHERE id = 'held'")]))).toBe('locked')
      await other.query('ROLLBACK')
    })
    expect(await ids(db)).toEqual(['held'])
    await Promise.all([db.close(), plain.close()])
  })

  // Stands between us and the server, and does something at the moment a COMMIT passes.
  type AtCommit = 'cut before the server has it' | 'cut before we have the answer' | 'say nothing any more'
  const throughProxy = async (url: string, atCommit: AtCommit, act: (url: string, passes: { open(): void }) => Promise<void>): Promise<void> => {
    let isTransparent = false
    const sockets = new Set<Socket>()
    const proxy = createServer((here) => {
      const there = connect(Number(new URL(url).port), '127.0.0.1')
      let isSilent = false
      for (const socket of [here, there]) { sockets.add(socket); socket.on('error', () => undefined) } // cut off on purpose
      const cut = () => { here.destroy(); there.destroy() }
      here.on('close', cut).on('data', (chunk) => {
        if (isTransparent || !chunk.includes('COMMIT\0')) { if (!isSilent) there.write(chunk); return }
        if (atCommit === 'say nothing any more') isSilent = true
        else if (atCommit === 'cut before the server has it') cut()
        else { there.removeAllListeners('data'); there.once('data', cut); there.write(chunk) }
      })
      there.on('data', (chunk) => { if (!isSilent) here.write(chunk) }).on('close', () => { if (!isSilent) cut() })
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const through = new URL(url)
    through.port = String((proxy.address() as AddressInfo).port)
    try { await act(through.href, { open: () => { isTransparent = true } }) } finally {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => proxy.close(() => resolve()))
    }
  }
  test.each<[AtCommit, string[]]>([['cut before the server has it', []], ['cut before we have the answer', ['a']], ['say nothing any more', []]])(
    'a connection lost with COMMIT under way (%s) is unknown, and the next transaction works', async (atCommit, applied) => {
      const { url, db: direct } = await setup()
      await throughProxy(url, atCommit, async (proxied, passes) => {
        const db = await openPostgres(proxied, { timeoutMs: 200, silenceMs: 200 })
        expect(await kindOf(write(db, "INSERT INTO things VALUES ('a', 0)"))).toBe('unknown')
        expect(await ids(direct)).toEqual(applied)
        passes.open()
        await write(db, "INSERT INTO things VALUES ('b', 0)")
        expect(await ids(direct)).toEqual([...applied, 'b'])
        await db.close()
      })
      await direct.close()
    })

  test('servers that start together migrate once', async () => {
    const { url, db } = await setup()
    const others = await Promise.all(Array.from({ length: 4 }, () => openPostgres(url)))
    const applied = await Promise.all(others.map((other) => migrate(other)))
    expect(applied.reduce((sum, one) => sum + one, 0)).toBe(migrationSteps('postgres').length)
    await Promise.all([db, ...others].map((one) => one.close()))
  })

  test('a migration may take longer than a statement of the engine', async () => {
    const { url, db } = await setup()
    const hasty = await openPostgres(url, { timeoutMs: 50, silenceMs: 5_000 })
    const slow = [statement('INSERT INTO things SELECT CAST(pg_sleep(0.2) AS TEXT), 1')]
    expect(await kindOf(hasty.transact(slow))).toBe('unavailable')
    await hasty.transact(slow, { timeoutMs: 5_000 })
    expect(await ids(db)).toEqual([''])
    await Promise.all([db.close(), hasty.close()])
  })

  test('a server that is not there, or does not know us, is unavailable, and the password is in no message', async () => {
    const { url, db } = await setup()
    const wrong = new URL(url)
    wrong.password = 'Hunter2Hunter2'
    const error = await openPostgres(wrong.href).then(() => null, (reason: Error) => reason)
    expect(error).toMatchObject({ kind: 'unavailable', message: expect.stringContaining('cannot reach the database') as string })
    expect(error?.message).not.toContain('Hunter2')
    expect(await kindOf(openPostgres('postgres://nobody@localhost:1/none'))).toBe('unavailable')
    await db.close()
  })
})

const missing = postgresMissing()
describe.skipIf(missing)(`a server whose power fails${missing ? ` (${missing})` : ''}`, () => {
  test('has what it said was committed when it comes back, and the same Database object goes on', async () => {
    const server = await startPostgres()
    try {
      const url = await server.createDatabase()
      const db = await openPostgres(url)
      const writer = await writingProcess('postgres', url, 30)
      await server.kill9()
      await writer.ended
      expect(await kindOf(write(db, 'CREATE TABLE x (id TEXT)'))).toBe('unavailable')
      await server.start()
      const rows = await db.query<{ n: number; sides: number }>('SELECT n, COUNT(*) AS sides FROM pairs GROUP BY n')
      const there = new Set(rows.map((row) => row.n))
      expect(writer.said().filter((n) => !there.has(n))).toEqual([])
      expect(rows.filter((row) => row.sides !== 2)).toEqual([])
      await write(db, 'CREATE TABLE x (id TEXT)')
      await db.close()
    } finally { await server.stop() }
  })
})
