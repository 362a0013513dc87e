import type { Template, UserId } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'
import { page } from './page.ts'
import type { PageOf } from './page.ts'

type Doc = { doc: string }
const templateOf = ({ doc }: Doc): Template => JSON.parse(doc) as Template

export async function readTemplate(db: Database, buyer: UserId, name: string): Promise<Template | null> {
  const [row] = await db.query<Doc>('SELECT doc FROM templates WHERE buyer = $1 AND name = $2', [buyer, name])
  return row ? templateOf(row) : null
}
export async function listTemplates(db: Database, buyer: UserId, limit: number, cursor: string | undefined): Promise<PageOf<Template>> {
  const rows = await db.query<Doc>(`SELECT doc FROM templates WHERE buyer = $1 AND name > $2 ORDER BY name LIMIT ${limit + 1}`, [buyer, cursor ?? ''])
  return page(rows.map(templateOf), limit, (row) => row, ({ name }) => name)
}
export async function countTemplates(db: Database, buyer: UserId): Promise<number> {
  return Number((await db.query<{ n: number | string }>('SELECT COUNT(*) AS n FROM templates WHERE buyer = $1', [buyer]))[0]?.n ?? 0)
}
export const putTemplate = (db: Database, buyer: UserId, template: Template): Promise<unknown> =>
  db.transact([{ sql: 'INSERT INTO templates (buyer, name, doc) VALUES ($1, $2, $3) ON CONFLICT (buyer, name) DO UPDATE SET doc = excluded.doc', params: [buyer, template.name, JSON.stringify(template)] }])
export const removeTemplate = (db: Database, buyer: UserId, name: string): Promise<unknown> => db.transact([{ sql: 'DELETE FROM templates WHERE buyer = $1 AND name = $2', params: [buyer, name] }])
