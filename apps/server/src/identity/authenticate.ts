// Who is behind this bearer token. Runs on every request: somebody seen within the last seconds costs one look in memory and is answered without
// waiting; anybody else costs one question to the database, however many of his requests arrive meanwhile.
import { isRefusal, refuse } from '@lumaris/protocol'
import type { Refusal } from '@lumaris/protocol'
import type { UserPrincipal } from '../http/policy.ts'
import { recogniseKey } from './api-keys.ts'
import { isViewToken, recogniseView } from './impersonations.ts'
import type { IdentityParts } from './identity.ts'
import { recogniseActing } from './members.ts'
import { parseRoles } from './users.ts'

type Recognised = { principal: UserPrincipal; until: number } | Refusal
export type Authenticate = (token: string) => UserPrincipal | Refusal | Promise<UserPrincipal | Refusal>

/** What stands after `Bearer` in an authorization header; null where there is none that could be a token. */
export const bearerOf = (header: string | undefined): string | null => /^Bearer ([\x21-\x7e]{1,1000})$/i.exec(header ?? '')?.[1] ?? null

export function createAuthenticate(parts: IdentityParts): Authenticate {
  const { known, lastUsed } = parts
  /** Questions under way, each with the generation it began in: one that began before a revocation is nothing to wait for. */
  const asked = new Map<string, { readonly asOf: number; readonly answer: Promise<UserPrincipal | Refusal> }>()
  const ask = async (token: string, asOf: number): Promise<UserPrincipal | Refusal> => {
    const found = await (isViewToken(token) ? recogniseView(parts, token) : token.startsWith('lum_') ? recogniseKey(parts, token) : recogniseToken(parts, token))
    if (isRefusal(found)) return found
    known.put(token, found.principal, found.until, asOf)
    if (found.principal.keyId) lastUsed.note(found.principal.keyId)
    return found.principal
  }
  return (token) => {
    const hit = known.get(token)
    if (hit) {
      if (hit.keyId) lastUsed.note(hit.keyId)
      return hit
    }
    const asOf = known.generation, before = asked.get(token)
    if (before?.asOf === asOf) return before.answer
    const mine = { asOf, answer: ask(token, asOf).finally(() => { if (asked.get(token) === mine) asked.delete(token) }) }
    asked.set(token, mine)
    return mine.answer
  }
}

/** The signature says who it was; the tables, whether the session still stands and what the user may do today. */
async function recogniseToken(parts: IdentityParts, token: string): Promise<Recognised> {
  const { db, accessTokens, now } = parts, claims = accessTokens.read(token, now())
  if (isRefusal(claims)) return claims
  if (claims.for !== undefined) return recogniseActing(parts, { ...claims, for: claims.for })
  const [row] = await db.query<{ roles: string; revoked_at: number | null; suspended: string | null; proved_at: number }>('SELECT u.roles, u.suspended, s.revoked_at, s.proved_at FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1 AND s.user_id = $2', [claims.sid, claims.sub])
  if (!row || row.revoked_at !== null) return refuse('token_revoked')
  if (row.suspended !== null) return refuse('account_suspended')
  return { principal: { kind: 'user', userId: claims.sub, roles: parseRoles(row.roles), scopes: 'all', sessionId: claims.sid, provedAt: row.proved_at }, until: claims.exp * 1000 }
}
