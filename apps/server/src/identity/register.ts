import { isRefusal, refuse } from '@lumaris/protocol'
import type { Refusal, Role, User, UserId } from '@lumaris/protocol'
import { DatabaseError } from '../database/database.ts'
import type { IdentityParts } from './identity.ts'
import { isWeak } from './passwords.ts'
import { plainEmail, viewUser } from './users.ts'
import type { UserRow } from './users.ts'

export async function register({ db, ids, now, passwords }: IdentityParts, body: { email: string; password: string; name: string; roles: readonly Role[] }): Promise<User | Refusal> {
  const email = plainEmail(body.email)
  if (isWeak(body.password, email)) return refuse('weak_password')
  const password = await passwords.hash(body.password)
  if (isRefusal(password)) return password
  const row: UserRow = { id: ids.make('usr') as UserId, email, name: body.name, password, roles: body.roles, createdAt: now() }
  try {
    await db.transact([{ sql: 'INSERT INTO users (id, email, name, password, roles, created_at) VALUES ($1, $2, $3, $4, $5, $6)', params: [row.id, email, row.name, password, JSON.stringify(row.roles), row.createdAt] }])
  } catch (error) {
    // The table decides, so of two at once only one gets the address. Its only other key is the id, which is new.
    if (error instanceof DatabaseError && error.kind === 'refused') return refuse('email_taken')
    throw error
  }
  return viewUser(row)
}
