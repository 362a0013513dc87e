// Access tokens: a signed statement who it is and until when, checked without a look-up. One algorithm, one key, one issuer; whatever else a
// token's head says is not read, so there is nothing to confuse.
import { createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { refuse } from '@lumaris/protocol'
import type { Refusal, Role, UserId } from '@lumaris/protocol'

export const ACCESS_MS = 10 * 60_000
const HEAD = Buffer.from('{"alg":"EdDSA","typ":"at+jwt"}').toString('base64url')
export type Claims = { readonly sub: UserId; readonly sid: string; readonly roles: readonly Role[]; readonly exp: number }

export function issueAccessToken(key: KeyObject, claims: Omit<Claims, 'exp'>, nowMs: number): string {
  const body = `${HEAD}.${Buffer.from(JSON.stringify({ ...claims, iss: 'lumaris', exp: nowMs + ACCESS_MS })).toString('base64url')}`
  return `${body}.${sign(null, Buffer.from(body), key).toString('base64url')}`
}

export function readAccessToken(key: KeyObject, token: string, nowMs: number): Claims | Refusal {
  const [head, body, signature] = token.split('.')
  if (head !== HEAD || !body || !signature || !verify(null, Buffer.from(`${head}.${body}`), createPublicKey(key), Buffer.from(signature, 'base64url'))) return refuse('unauthenticated')
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Claims // we signed it, so it has our shape
  return claims.exp > nowMs ? claims : refuse('token_expired')
}
