// Numbered SQL files, forward only: NNNN-title.sql for both databases, or NNNN-title.sqlite.sql and NNNN-title.postgres.sql. Each is applied in
// one transaction together with the row that remembers it by its hash, so a step is there whole or not at all, and a file that was changed
// afterwards is noticed. Servers that start together on one PostgreSQL race for that row: one wins, the others see that the step is done.
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DatabaseError } from './database.ts'
import type { Database, Statement } from './database.ts'

const DIR = fileURLToPath(new URL('./migrations/', import.meta.url))
/** A step may build an index over years of rows; it stands in nobody's way, because the server does not serve before it is through. */
const STEP_MS = 3_600_000
type Step = { readonly number: number; readonly name: string; readonly sql: string; readonly hash: string }

export function migrationSteps(dialect: Database['dialect'], dir = DIR): Step[] {
  const files = readdirSync(dir).filter((file) => /^\d{4}-[a-z0-9-]+(\.[a-z]+)?\.sql$/.test(file) && (file.endsWith(`.${dialect}.sql`) || !/\.[a-z]+\.sql$/.test(file)))
  return files.sort().map((file, i) => {
    // Two steps of one number, or a gap, come from two branches: which is older would be chance.
    if (Number(file.slice(0, 4)) !== i + 1) throw new Error(`migration ${file} should be number ${i + 1}: the numbers of ${dialect} go up by one`)
    const sql = readFileSync(join(dir, file), 'utf8')
    return { number: i + 1, name: file, sql, hash: createHash('sha256').update(sql).digest('hex') }
  })
}

/** Brings the database to the newest step; says how many it applied itself. */
export async function migrate(db: Database, dir = DIR, nowMs = 0): Promise<number> {
  const steps = migrationSteps(db.dialect, dir)
  const table = [{ sql: 'CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL, at BIGINT NOT NULL)', params: [] }]
  await unlessDone(() => db.transact(table), async () => { await appliedSteps(db); return true })
  const done = await appliedSteps(db)
  const newest = Math.max(0, ...done.keys())
  if (newest > Math.max(0, ...steps.map((step) => step.number))) {
    throw new DatabaseError('newer', `the database was written by a newer Lumaris (its step ${newest} is unknown here): start that version, or a newer one`)
  }
  let applied = 0
  for (const step of steps) {
    const before = done.get(step.number)
    if (before && before.hash !== step.hash) throw new DatabaseError('damaged', `the migration ${step.name} has changed since it was applied: restore the file as it was`)
    if (before) continue
    // The row first: whoever comes second waits there for the first one's end, before touching anything.
    const remember = { sql: 'INSERT INTO migrations (number, name, hash, at) VALUES ($1, $2, $3, $4)', params: [step.number, step.name, step.hash, nowMs] }
    const isOurs = await unlessDone(() => db.transact([remember, ...split(step.sql)], { timeoutMs: STEP_MS }), async () => (await appliedSteps(db)).get(step.number)?.hash === step.hash)
    if (isOurs) applied++
  }
  return applied
}

const appliedSteps = async (db: Database): Promise<Map<number, { name: string; hash: string }>> =>
  new Map((await db.query<{ number: number; name: string; hash: string }>('SELECT number, name, hash FROM migrations')).map((row) => [row.number, row]))

/** True when `act` did it; false when it could not because somebody else has done it meanwhile. */
async function unlessDone(act: () => Promise<void>, isDone: () => Promise<boolean>): Promise<boolean> {
  try { await act(); return true } catch (error) {
    if (await isDone().catch(() => false)) return false // whatever went wrong with looking, the first error is the one to tell
    throw error
  }
}

/** Cuts a file into its statements: at semicolons that stand outside of quotes, of comments, of $$ bodies and of BEGIN … END and CASE … END. */
export function split(sql: string): Statement[] {
  const statements: Statement[] = []
  let text = '', quote: string | null = null, depth = 0
  for (const line of sql.split('\n')) {
    for (let i = 0; i < line.length; i++) {
      const two = line.slice(i, i + 2)
      if (quote !== null && (quote === '$$' ? two === '$$' : line[i] === quote)) { text += quote; i += quote.length - 1; quote = null; continue }
      if (quote === null) {
        if (two === '--') break
        if (two === '$$') { quote = '$$'; text += two; i++; continue }
        if (line[i] === "'") quote = "'"
        const word = /^(BEGIN|CASE|END)\b/.exec(line.slice(i))
        if (word && !/\w/.test(line[i - 1] ?? ' ')) depth += word[1] === 'END' ? -1 : 1
        if (line[i] === ';' && depth === 0) { if (text.trim()) statements.push({ sql: text.trim(), params: [] }); text = ''; continue }
      }
      text += line[i]
    }
    text += '\n'
  }
  if (text.trim()) statements.push({ sql: text.trim(), params: [] })
  return statements
}
