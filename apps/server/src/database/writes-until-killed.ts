// Run by the tests as a process of its own: commits one pair of rows after another and says each number once it is committed, until it is killed.
// Arguments: sqlite FILE, or postgres URL.
import { writeSync } from 'node:fs'
import { openPostgres } from './postgres.ts'
import { openSqlite } from './sqlite.ts'

const [dialect, where] = process.argv.slice(2)
if (!where) throw new Error('say where')
const db = dialect === 'sqlite' ? await openSqlite(where) : await openPostgres(where)
await db.transact([{ sql: 'CREATE TABLE IF NOT EXISTS pairs (n INTEGER NOT NULL, side TEXT NOT NULL, filling TEXT NOT NULL, PRIMARY KEY (n, side))', params: [] }])
const [last] = await db.query<{ n: number }>('SELECT COALESCE(MAX(n), 0) AS n FROM pairs')
const filling = 'x'.repeat(5_000)
for (let n = (last?.n ?? 0) + 1; ; n++) {
  await db.transact(['left', 'right'].map((side) => ({ sql: 'INSERT INTO pairs (n, side, filling) VALUES ($1, $2, $3)', params: [n, side, filling], expectRows: 1 })))
  writeSync(1, `${n}\n`)
}
