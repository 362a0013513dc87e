// What both databases promise. Run by sqlite.db.test.ts and by postgres.db.test.ts.
import { describe, expect, onTestFinished, test } from 'vitest'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pack } from './database.ts'
import type { Database, DatabaseError, SqlValue, Statement } from './database.ts'
import { migrate, migrationSteps } from './migrate.ts'

/** A place for one database: opening it twice is coming back to the same data. */
export type Place = { readonly where: string; readonly open: () => Promise<Database> }

export const kindOf = (outcome: Promise<unknown>): Promise<DatabaseError['kind'] | 'fine'> => outcome.then(() => 'fine' as const, (error: DatabaseError) => error.kind ?? Promise.reject(error))
export const statement = (sql: string, params: readonly SqlValue[] = [], expectRows?: number): Statement => ({ sql, params, ...(expectRows === undefined ? {} : { expectRows }) })
export const write = (db: Database, sql: string, ...params: SqlValue[]): Promise<void> => db.transact([statement(sql, params)])

const CHILD = fileURLToPath(new URL('./writes-until-killed.ts', import.meta.url))
/** Starts the writing process and waits until it has committed so many; `said` are the numbers it has said by the time it is asked. */
export async function writingProcess(dialect: Database['dialect'], where: string, commits: number): Promise<{ child: ChildProcess; said: () => number[]; ended: Promise<void> }> {
  const child = spawn(process.execPath, [CHILD, dialect, where], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = '', wrong = ''
  child.stderr.on('data', (chunk: Buffer) => { wrong += String(chunk) })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => { text += String(chunk); if (text.split('\n').length > commits) resolve() })
    child.once('close', () => reject(new Error(`the writing process ended: ${wrong}`)))
  })
  // A number without its line end was cut off by the kill: it may have been said only in part.
  return { child, said: () => text.split('\n').slice(0, -1).map(Number), ended }
}

export function databaseContract(dialect: Database['dialect'], place: () => Promise<Place>): void {
  const fresh = async (...tables: string[]): Promise<Database> => {
    const db = await (await place()).open()
    for (const sql of tables) await write(db, sql)
    return db
  }
  const THINGS = 'CREATE TABLE things (id TEXT PRIMARY KEY, n BIGINT CHECK (n >= 0), doc TEXT, bytes BLOB)'.replace('BLOB', dialect === 'sqlite' ? 'BLOB' : 'BYTEA')
  const count = async (db: Database): Promise<number> => ((await db.query<{ n: number }>('SELECT COUNT(*) AS n FROM things'))[0] as { n: number }).n

  describe('transactions', () => {
    test('all statements are applied, or none', async () => {
      const db = await fresh(THINGS)
      await db.transact([statement("INSERT INTO things (id) VALUES ('a')"), statement("INSERT INTO things (id) VALUES ('b')")])
      expect(await kindOf(db.transact([statement("INSERT INTO things (id) VALUES ('c')"), statement("INSERT INTO things (id) VALUES ('a')")]))).toBe('refused')
      expect(await count(db)).toBe(2)
      await db.close()
    })

    test('a statement that touches other than the expected rows undoes everything, and says which it was', async () => {
      const db = await fresh(THINGS)
      await write(db, "INSERT INTO things (id, n) VALUES ('a', 1)")
      const stale = db.transact([statement("INSERT INTO things (id) VALUES ('b')", [], 1), statement('UPDATE things SET n = n + 1 WHERE id = $1 AND n = $2', ['a', 7], 1), statement("INSERT INTO things (id) VALUES ('c')")])
      await expect(stale).rejects.toMatchObject({ kind: 'stale', message: expect.stringContaining('touched 0 rows, not 1: UPDATE things SET') as string })
      expect(await count(db)).toBe(1)
      await db.transact([statement('UPDATE things SET n = n + 1 WHERE id = $1 AND n = $2', ['a', 1], 1)])
      expect(await db.query('SELECT id, n FROM things')).toEqual([{ id: 'a', n: 2 }])
      await db.close()
    })

    test('a statement with rows runs once for each, and expects of all together', async () => {
      const db = await fresh(THINGS)
      await db.transact([{ sql: 'INSERT INTO things (id, n) VALUES ($1, $2)', params: [], packed: pack([['a', 1], ['b', 2], ['c', null]]), expectRows: 3 }])
      expect(await db.query('SELECT id, n FROM things ORDER BY id')).toEqual([{ id: 'a', n: 1 }, { id: 'b', n: 2 }, { id: 'c', n: null }])
      expect(await kindOf(db.transact([{ sql: 'UPDATE things SET n = $2 WHERE id = $1', params: [], packed: pack([['a', 5], ['nobody', 5]]), expectRows: 2 }]))).toBe('stale')
      expect(await kindOf(db.transact([{ sql: 'INSERT INTO things (id, n) VALUES ($1, $2)', params: [], packed: pack([['d', 1], ['e', -1]]) }]))).toBe('refused')
      expect(await db.query('SELECT id, n FROM things ORDER BY id')).toEqual([{ id: 'a', n: 1 }, { id: 'b', n: 2 }, { id: 'c', n: null }])
      await db.close()
    })

    test.each([
      ['a second row with one key', "INSERT INTO things (id) VALUES ('a')"], ['a broken CHECK', "INSERT INTO things (id, n) VALUES ('b', -1)"],
      ['a missing value', 'INSERT INTO needy (thing) VALUES (NULL)'], ['a reference to nothing', "INSERT INTO needy (thing) VALUES ('nobody')"],
      ['SQL that cannot be read', 'INSRT INTO things'], ['a table that is not there', "INSERT INTO nothing (id) VALUES ('a')"],
    ])('%s is refused, alone or among others, and the next transaction works', async (_what, sql) => {
      const db = await fresh(THINGS, 'CREATE TABLE needy (thing TEXT NOT NULL REFERENCES things (id))')
      await write(db, "INSERT INTO things (id) VALUES ('a')")
      expect(await kindOf(write(db, sql))).toBe('refused')
      expect(await kindOf(db.transact([statement("INSERT INTO things (id) VALUES ('x')"), statement(sql), statement("INSERT INTO things (id) VALUES ('y')")]))).toBe('refused')
      await write(db, "INSERT INTO things (id) VALUES ('z')")
      expect(await db.query('SELECT id FROM things ORDER BY id')).toEqual([{ id: 'a' }, { id: 'z' }])
      await db.close()
    })

    test('many callers at once are put in a row: no count is lost', async () => {
      const db = await fresh(THINGS, "INSERT INTO things (id, n) VALUES ('a', 0)")
      await Promise.all(Array.from({ length: 200 }, () => db.transact([statement("UPDATE things SET n = n + 1 WHERE id = 'a'", [], 1)])))
      expect(await db.query('SELECT n FROM things')).toEqual([{ n: 200 }])
      await db.close()
    })

    test('one that fails does not hurt those asked beside it', async () => {
      const db = await fresh(THINGS)
      const kinds = await Promise.all(['a', 'b', 'a', 'c'].map((id) => kindOf(db.transact([statement('INSERT INTO things (id) VALUES ($1)', [id])]))))
      expect(kinds).toEqual(['fine', 'fine', 'refused', 'fine'])
      expect(await count(db)).toBe(3)
      await db.close()
    })
  })

  describe('values', () => {
    test('come back as they went in', async () => {
      const db = await fresh(THINGS)
      const big = JSON.stringify(Array.from({ length: 100_000 }, (_, i) => ({ id: `job_${i}`, name: 'größer “als” 普通 🚀' })))
      const docs = ['', 'zwölf 普通 🚀 \u0001 \\ \' " $1 ?1', null, big]
      for (const [i, doc] of docs.entries()) await write(db, 'INSERT INTO things (id, n, doc) VALUES ($1, $2, $3)', `t${i}`, i, doc)
      const rows = await db.query<{ id: string; n: number; doc: string | null }>('SELECT id, n, doc FROM things ORDER BY n')
      expect(rows.map((row) => row.doc === big ? 'big' : row.doc)).toEqual(docs.map((doc) => doc === big ? 'big' : doc))
      await write(db, 'UPDATE things SET bytes = $1', new Uint8Array([0, 1, 255, 128]))
      const [found] = await db.query<{ bytes: Uint8Array }>('SELECT bytes FROM things WHERE n = $1', [0])
      expect([...(found as { bytes: Uint8Array }).bytes]).toEqual([0, 1, 255, 128])
      await db.close()
    })

    test('a whole number in a text column is its digits', async () => {
      const db = await fresh(THINGS)
      await write(db, 'INSERT INTO things (id, doc) VALUES ($1, $2)', 'a', 1_700_000_000_000)
      expect(await db.query('SELECT doc FROM things')).toEqual([{ doc: '1700000000000' }])
      await db.close()
    })

    test('money past 2^53 is exact as text, and refused rather than rounded as a number', async () => {
      const db = await fresh(THINGS)
      await write(db, 'INSERT INTO things (id, n) VALUES ($1, $2), ($3, $4)', 'a', 9_007_199_254_740_993n, 'b', '9223372036854775807')
      expect(await db.query('SELECT CAST(n AS TEXT) AS n FROM things ORDER BY id')).toEqual([{ n: '9007199254740993' }, { n: '9223372036854775807' }])
      expect(await kindOf(db.query('SELECT n FROM things'))).toBe('refused')
      expect(await count(db)).toBe(2)
      await db.close()
    })

    test('a place without its parameter is refused, not taken for nothing', async () => {
      const db = await fresh(THINGS)
      expect(await kindOf(write(db, 'INSERT INTO things (id, doc) VALUES ($1, $2)', 'a'))).toBe('refused')
      expect(await kindOf(db.query('SELECT id FROM things WHERE id = $1', []))).toBe('refused')
      expect(await db.query("SELECT '$1' AS price")).toEqual([{ price: '$1' }])
      await db.close()
    })
  })

  describe('questions', () => {
    test('are answered from what is committed, while a transaction is under way', async () => {
      const db = await fresh(THINGS, "INSERT INTO things (id, n) VALUES ('a', 1)")
      const order: string[] = []
      const slow = db.transact([statement("UPDATE things SET n = 2"), statement("INSERT INTO things (id, n) SELECT 'counted', COUNT(*) FROM (WITH RECURSIVE up (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM up WHERE i < 2000000) SELECT i FROM up) AS many")]).then(() => order.push('transaction'))
      const seen = await db.query('SELECT id, n FROM things').then((rows) => { order.push('question'); return rows })
      await slow
      expect({ seen, order }).toEqual({ seen: [{ id: 'a', n: 1 }], order: ['question', 'transaction'] })
      expect(await db.query('SELECT id, n FROM things ORDER BY id')).toEqual([{ id: 'a', n: 2 }, { id: 'counted', n: 2_000_000 }])
      await db.close()
    })

    test('see a transaction as soon as it has resolved', async () => {
      const db = await fresh(THINGS)
      for (let n = 1; n <= 50; n++) {
        await write(db, 'INSERT INTO things (id) VALUES ($1)', `t${n}`)
        expect(await count(db)).toBe(n)
      }
      await db.close()
    })

    test('cannot write', async () => {
      const db = await fresh(THINGS)
      expect(await kindOf(db.query("INSERT INTO things (id) VALUES ('a') RETURNING id"))).toBe('readonly')
      expect(await count(db)).toBe(0)
      await db.close()
    })
  })

  describe('lasting', () => {
    test('closing lets what was asked before end; after it, everything is unavailable; a second closing is nothing', async () => {
      const where = await place()
      const db = await where.open()
      await write(db, THINGS)
      const asked = Array.from({ length: 20 }, (_, i) => write(db, 'INSERT INTO things (id) VALUES ($1)', `t${i}`))
      await Promise.all([...asked, db.close()])
      await db.close()
      expect(await kindOf(write(db, "INSERT INTO things (id) VALUES ('late')"))).toBe('unavailable')
      expect(await kindOf(db.query('SELECT 1 AS one'))).toBe('unavailable')
      const again = await where.open()
      expect(await count(again)).toBe(20)
      await again.close()
    })

    test('what a process was told is committed is there after kill -9, and nothing is there by half', async () => {
      const { where, open } = await place()
      let known = 0
      for (const commits of [1, 40, 120]) {
        const writer = await writingProcess(dialect, where, commits)
        writer.child.kill('SIGKILL')
        await writer.ended
        const said = writer.said()
        const db = await open()
        const rows = await db.query<{ n: number; sides: number }>('SELECT n, COUNT(*) AS sides FROM pairs GROUP BY n ORDER BY n')
        await db.close()
        const there = new Set(rows.map((row) => row.n))
        expect(said.length).toBeGreaterThanOrEqual(commits)
        expect(said.filter((n) => !there.has(n))).toEqual([])
        expect(rows.filter((row) => row.sides !== 2)).toEqual([])
        expect(said[0]).toBeGreaterThan(known)
        known = said.at(-1) as number
      }
    })
  })

  describe('migrations', () => {
    const steps = (files: Record<string, string>): string => {
      const dir = mkdtempSync(join(tmpdir(), 'lumaris-steps-'))
      onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
      for (const [name, sql] of Object.entries(files)) writeFileSync(join(dir, name), sql)
      return dir
    }

    test('every step we have applies, once, in order', async () => {
      const where = await place()
      const db = await where.open()
      const names = migrationSteps(dialect).map((step) => step.name)
      expect(await migrate(db, undefined, 42)).toBe(names.length)
      expect(await migrate(db, undefined, 43)).toBe(0)
      expect(await db.query('SELECT name, at FROM migrations ORDER BY number')).toEqual(names.map((name) => ({ name, at: 42 })))
      await db.close()
      const again = await where.open()
      expect(await migrate(again)).toBe(0)
      await again.close()
    })

    test('a step that fails leaves nothing of itself, and is tried again when it is mended', async () => {
      const db = await fresh()
      const good = 'CREATE TABLE one (id TEXT);'
      const broken = steps({ '0001-one.sql': good, '0002-two.sql': "CREATE TABLE two (id TEXT); INSERT INTO two (id) VALUES ('x'); INSERT INTO nothing (id) VALUES ('x');" })
      const mended = steps({ '0001-one.sql': good, '0002-two.sql': 'CREATE TABLE two (id TEXT);' })
      expect(await kindOf(migrate(db, broken))).toBe('refused')
      expect(await db.query('SELECT name FROM migrations')).toEqual([{ name: '0001-one.sql' }])
      expect(await migrate(db, mended)).toBe(1)
      await db.close()
    })

    test('a file that was changed afterwards, and a database from the future, are refused by name', async () => {
      const db = await fresh()
      const first = steps({ '0001-one.sql': 'CREATE TABLE one (id TEXT);', '0002-two.sql': 'CREATE TABLE two (id TEXT);' })
      const changed = steps({ '0001-one.sql': 'CREATE TABLE one (id INTEGER);', '0002-two.sql': 'CREATE TABLE two (id TEXT);' })
      const older = steps({ '0001-one.sql': 'CREATE TABLE one (id TEXT);' })
      await migrate(db, first)
      await expect(migrate(db, changed)).rejects.toMatchObject({ kind: 'damaged', message: expect.stringContaining('0001-one.sql has changed') as string })
      await expect(migrate(db, older)).rejects.toMatchObject({ kind: 'newer', message: expect.stringContaining('newer Lumaris (its step 2 is unknown') as string })
      await db.close()
    })
  })
}
