import { isRefusal } from '@lumaris/protocol'
import type { Refusal, User } from '@lumaris/protocol'
import type { App } from './app.ts'

/** Whether anybody operates this market. Whoever starts a server over a database without one makes the first (`lumaris serve --operator`). */
export async function hasOperator({ db }: Pick<App, 'db'>): Promise<boolean> {
  return (await db.query(`SELECT id FROM users WHERE roles LIKE '%"admin"%' LIMIT 1`, [])).length > 0
}

/**
 * Makes the first operator: only whoever holds the server's own data can, never a request over HTTP. Null when there is one already.
 * Refusals: `weak_password`, and `email_taken`, also when the address is a buyer's or a seller's: who signed up under it need not be who starts the server.
 */
export async function makeFirstOperator(app: App, who: { email: string; name: string; password: string }): Promise<User | Refusal | null> {
  if (await hasOperator(app)) return null
  const made = await app.identity.register({ ...who, roles: ['admin'] })
  if (!isRefusal(made)) app.log.info({ user: made.id }, 'the first operator was made')
  return made
}
