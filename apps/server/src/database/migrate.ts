// Numbered SQL files, forward only. Each is applied in one transaction together with the row that remembers it.
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DatabaseError } from './database.ts'
import type { Database, Statement } from './database.ts'

const DIR = fileURLToPath(new URL('./migrations/', import.meta.url))
type Step = { readonly number: number; readonly name: string; readonly sql: string; readonly hash: string }

export function migrationSteps(dialect: Database['dialect'], dir = DIR): Step[] {
  return readdirSync(dir).filter((file) => file.endsWith(`.${dialect}.sql`) || /^\d{4}-[a-z0-9-]+\.sql$/.test(file)).sort().map((file) => {
    const sql = readFileSync(`${dir}/${file}`, 'utf8')
    return { number: Number(file.slice(0, 4)), name: file, sql, hash: createHash('sha256').update(sql).digest('hex') }
  })
}

export async function migrate(db: Database, dir = DIR, nowMs = 0): Promise<number> {
  await db.transact([{ sql: 'CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL, at BIGINT NOT NULL)', params: [] }])
  const done = new Map((await db.query<{ number: number; name: string; hash: string }>('SELECT number, name, hash FROM migrations')).map((row) => [Number(row.number), row]))
  const steps = migrationSteps(db.dialect, dir)
  const newest = Math.max(0, ...done.keys())
  if (newest > Math.max(0, ...steps.map((step) => step.number))) {
    throw new DatabaseError('newer', `the database was written by a newer Lumaris (its step ${newest} is unknown here): start that version, or a newer one`)
  }
  let applied = 0
  for (const step of steps) {
    const before = done.get(step.number)
    if (before && before.hash !== step.hash) throw new DatabaseError('damaged', `the migration ${step.name} has changed since it was applied: restore the file as it was`)
    if (before) continue
    await db.transact([...split(step.sql), { sql: 'INSERT INTO migrations (number, name, hash, at) VALUES ($1, $2, $3, $4)', params: [step.number, step.name, step.hash, nowMs] }])
    applied++
  }
  return applied
}

/** Cuts a file into its statements: at semicolons that stand outside of quotes, of $$ bodies and of BEGIN … END blocks. */
export function split(sql: string): Statement[] {
  const statements: Statement[] = []
  let text = '', quote: string | null = null, depth = 0
  for (const line of sql.split('\n')) {
    if (quote === null && line.trimStart().startsWith('--')) continue
    for (let i = 0; i < line.length; i++) {
      const two = line.slice(i, i + 2)
      if (quote !== null && (quote === '$$' ? two === '$$' : line[i] === quote)) { text += quote; i += quote.length - 1; quote = null; continue }
      if (quote === null) {
        if (two === '$$') { quote = '$$'; text += two; i++; continue }
        if (line[i] === "'") quote = "'"
        const word = /^(BEGIN|END)\b/.exec(line.slice(i))
        if (word && !/\w/.test(line[i - 1] ?? ' ')) depth += word[1] === 'BEGIN' ? 1 : -1
        if (line[i] === ';' && depth === 0) { if (text.trim()) statements.push({ sql: text.trim(), params: [] }); text = ''; continue }
      }
      text += line[i]
    }
    text += '\n'
  }
  if (text.trim()) statements.push({ sql: text.trim(), params: [] })
  return statements
}
