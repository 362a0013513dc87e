// Questions about people, incidents and what admins did.
import type { AdminAction, NodeId, Person, PersonDetail, SettingsVersion, UserId } from '@lumaris/protocol'
import type { ActionRow, IncidentRow, SettingsRow } from '@lumaris/domain'
import type { Database } from '../database/database.ts'
import { personRow, plainRow } from './load.ts'
import { page } from './page.ts'
import type { PageOf } from './page.ts'
import { readWallet } from './read.ts'

type Doc = { doc: string }
type UserSql = { id: string; email: string; name: string; roles: string; created_at: number; suspended: string | null }
const COLUMNS = 'id, email, name, roles, created_at, suspended'
function viewPerson(row: UserSql): Person {
  const { id, roles, suspended } = personRow(row)
  return { id, email: row.email, name: row.name, roles: [...roles], createdAt: row.created_at, ...(suspended ? { suspended } : {}) }
}
/** What people type is searched for as it is: the signs that mean something to LIKE do not. */
const literally = (text: string): string => text.normalize('NFKC').toLowerCase().replace(/[\\%_]/g, (sign) => `\\${sign}`)

export async function listPeople(db: Database, filter: { q?: string | undefined; suspended?: 'yes' | 'no' | undefined }, limit: number, cursor: string | undefined): Promise<PageOf<Person>> {
  const where = ['id < $1'], params = [cursor ?? 'usr~']
  if (filter.q) { params.push(`%${literally(filter.q.trim())}%`, filter.q.trim()); where.push("(email LIKE $2 ESCAPE '\\' OR LOWER(name) LIKE $2 ESCAPE '\\' OR id = $3)") }
  if (filter.suspended) where.push(`suspended IS ${filter.suspended === 'yes' ? 'NOT NULL' : 'NULL'}`)
  const rows = await db.query<UserSql>(`SELECT ${COLUMNS} FROM users WHERE ${where.join(' AND ')} ORDER BY id DESC LIMIT ${limit + 1}`, params)
  return page(rows, limit, viewPerson, (row) => row.id)
}

/** Nodes of one user that are shown; whoever has more looks at the list of nodes. */
const NODES_SHOWN = 100
export async function readPerson(db: Database, id: UserId, now: number): Promise<Omit<PersonDetail, 'limits'> | null> {
  const [row] = await db.query<UserSql>(`SELECT ${COLUMNS} FROM users WHERE id = $1`, [id])
  if (!row) return null
  const count = async (sql: string, params: (string | number)[]): Promise<number> => Number((await db.query<{ value: string }>(`SELECT CAST(COUNT(*) AS TEXT) AS value FROM ${sql}`, params))[0]?.value ?? '0')
  const nodes = await db.query<{ doc: string }>(`SELECT doc FROM nodes WHERE owner = $1 ORDER BY id LIMIT ${NODES_SHOWN}`, [id])
  return {
    ...viewPerson(row), wallet: await readWallet(db, id),
    jobs: { live: await count("jobs WHERE buyer = $1 AND state IN ('queued', 'running')", [id]), all: await count('jobs WHERE buyer = $1', [id]) },
    nodes: nodes.map((node) => plainRow<{ id: NodeId; name: string }>(node)).map((node) => ({ id: node.id, name: node.name })),
    sessions: await count('sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2', [id, now]), keys: await count('api_keys WHERE user_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)', [id, now]),
  }
}

export async function listIncidents(db: Database, state: string | undefined, limit: number, cursor: string | undefined): Promise<PageOf<IncidentRow>> {
  const rows = await db.query<Doc>(`SELECT doc FROM incidents WHERE id < $1 ${state === undefined ? '' : 'AND state = $2'} ORDER BY id DESC LIMIT ${limit + 1}`, [cursor ?? 'inc~', ...(state === undefined ? [] : [state])])
  return page(rows.map((row) => plainRow<IncidentRow>(row)), limit, (row) => row, (row) => row.id)
}
export async function readIncident(db: Database, id: string): Promise<IncidentRow | null> {
  const [row] = await db.query<Doc>('SELECT doc FROM incidents WHERE id = $1', [id])
  return row ? plainRow<IncidentRow>(row) : null
}

export async function listSettingsVersions(db: Database, limit: number, cursor: string | undefined): Promise<PageOf<SettingsVersion>> {
  const before = /^\d{1,9}$/.test(cursor ?? '') ? Number(cursor) : 2 ** 31
  const rows = await db.query<Doc & { name: string | null }>(`SELECT s.doc, u.name FROM settings_versions s LEFT JOIN users u ON u.id = s.by_user WHERE s.version < $1 ORDER BY s.version DESC LIMIT ${limit + 1}`, [before])
  return page(rows.map((row) => ({ ...plainRow<SettingsRow>(row), byName: row.name ?? '' })), limit, ({ values: _values, ...row }) => row, (row) => String(row.version))
}

export async function listActions(db: Database, filter: { action?: string | undefined; by?: string | undefined; subject?: string | undefined }, limit: number, cursor: string | undefined): Promise<PageOf<AdminAction>> {
  const where = ['a.id < $1'], params = [cursor ?? 'act~']
  const add = (column: string, value: string | undefined): void => { if (value !== undefined) { params.push(value); where.push(`a.${column} = $${params.length}`) } }
  add('action', filter.action)
  add('by_user', filter.by)
  add('subject', filter.subject)
  const rows = await db.query<{ doc: string; name: string | null }>(`SELECT a.doc, u.name FROM admin_actions a LEFT JOIN users u ON u.id = a.by_user WHERE ${where.join(' AND ')} ORDER BY a.id DESC LIMIT ${limit + 1}`, params)
  return page(rows.map((row) => ({ ...plainRow<ActionRow>(row), byName: row.name ?? '' })), limit, ({ before, after, ...row }) => ({ ...row, before: before && { ...before }, after: after && { ...after } }), (row) => row.id)
}
