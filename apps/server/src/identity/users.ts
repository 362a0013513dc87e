// The table of users, as the verbs beside this file need it.
import type { Role, Scope, User, UserId } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'

export type UserRow = { readonly id: UserId; readonly email: string; readonly name: string; readonly password: string; readonly roles: readonly Role[]; readonly createdAt: number }
type UserSql = { id: string; email: string; name: string; password: string; roles: string; created_at: number }

const USER_SCOPES: readonly Scope[] = ['jobs:read', 'jobs:write', 'wallet:read', 'wallet:write', 'nodes:read', 'nodes:write', 'keys:write']
export const scopesOf = (roles: readonly Role[]): readonly Scope[] => (roles.includes('admin') ? [...USER_SCOPES, 'admin'] : USER_SCOPES)

/** One spelling of an address: two that look alike are one account. */
export const plainEmail = (email: string): string => email.trim().normalize('NFKC').toLowerCase()
export const parseRoles = (text: string): Role[] => JSON.parse(text) as Role[] // we wrote it

export async function findUser(db: Database, column: 'id' | 'email', value: string): Promise<UserRow | null> {
  const [row] = await db.query<UserSql>(`SELECT id, email, name, password, roles, created_at FROM users WHERE ${column} = $1`, [value])
  return row ? { id: row.id as UserId, email: row.email, name: row.name, password: row.password, roles: parseRoles(row.roles), createdAt: row.created_at } : null
}
export const viewUser = (row: UserRow): User => ({ id: row.id, email: row.email, name: row.name, roles: [...row.roles], createdAt: row.createdAt })
