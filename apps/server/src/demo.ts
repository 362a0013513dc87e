// The people of a demo market: a buyer with credits, three sellers and an operator, made once per data directory. Their keys go to the profile of
// whoever started it; there is no password anyone could guess, because nobody knows it.
import { isRefusal } from '@lumaris/protocol'
import type { Role, Scope, User } from '@lumaris/protocol'
import { MICROS_PER_CREDIT } from '@lumaris/protocol'
import type { App } from './app.ts'

export type Demo = { readonly buyer: { id: User['id']; key: string }; readonly admin: { id: User['id']; key: string }; readonly sellers: readonly { id: User['id']; name: string; key: string }[] }
const DEMO_CREDITS = 100n * MICROS_PER_CREDIT
const ALL: Scope[] = ['jobs:read', 'jobs:write', 'wallet:read', 'wallet:write', 'nodes:read', 'nodes:write', 'keys:write']

export async function seedDemo(app: App): Promise<Demo> {
  const someone = async (name: string, roles: Role[]): Promise<{ id: User['id']; key: string }> => {
    const email = `${name}@demo.lumaris.test`
    let user = await app.identity.byEmail(email)
    if (!user) {
      const made = await app.identity.register({ email, name, password: app.random(24).toString('base64url'), roles })
      if (isRefusal(made)) throw new Error(`cannot make the demo user ${name}: ${made.refusal}`)
      user = made
    }
    const key = await app.identity.createKey({ kind: 'user', userId: user.id, roles, scopes: 'all' }, { label: 'demo', scopes: roles.includes('admin') ? [...ALL, 'admin'] : ALL })
    if (isRefusal(key)) throw new Error(`cannot make a key for ${name}: ${key.refusal}`)
    return { id: user.id, key: key.secret }
  }
  const buyer = await someone('buyer', ['buyer'])
  const granted = await app.engine.act({ kind: 'topup', user: buyer.id, amount: DEMO_CREDITS, provider: 'demo', key: 'welcome', bodyHash: 'welcome' })
  if (isRefusal(granted)) throw new Error(`cannot grant demo credits: ${granted.refusal}`)
  const admin = await someone('operator', ['admin'])
  const sellers = []
  for (const name of ['ada', 'bo', 'cy']) sellers.push({ name, ...(await someone(`seller-${name}`, ['seller'])) })
  return { buyer, admin, sellers }
}
