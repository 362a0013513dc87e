// Access tokens: a signed statement who it is and until when (RFC 9068: a JWT of type at+jwt, times in seconds). One algorithm, one key, one
// issuer; the head must be, letter by letter, the one we write, so there is nothing in it to confuse us with.
import { createHash, createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { refuse } from '@lumaris/protocol'
import type { Refusal, Role, UserId } from '@lumaris/protocol'
import { rawPublicKey } from '../signatures.ts'

export const ACCESS_MS = 10 * 60_000
const ISSUER = 'lumaris', AUDIENCE = 'lumaris-api'
/** An Ed25519 signature in base64url, exactly: the decoder would let other spellings of one signature pass. */
const SIGNATURE = /^[A-Za-z0-9_-]{85}[AQgw]$/
export type Claims = { readonly iss: string; readonly aud: string; readonly sub: UserId; readonly sid: string; readonly scope: string; readonly roles: readonly Role[]; readonly jti: string; /** Whose account he acts for, and, where there is no session, which key of his says so. */ readonly for?: UserId; readonly kid?: string; readonly iat: number; readonly exp: number }
type Subject = Pick<Claims, 'sub' | 'sid' | 'scope' | 'roles' | 'for' | 'kid'>

export type AccessTokens = ReturnType<typeof createAccessTokens>
export function createAccessTokens(key: KeyObject, random: (size: number) => Buffer) {
  const publicKey = createPublicKey(key)
  const kid = createHash('sha256').update(rawPublicKey(key)).digest('base64url').slice(0, 16)
  const head = Buffer.from(JSON.stringify({ alg: 'EdDSA', typ: 'at+jwt', kid })).toString('base64url')
  return {
    issue(subject: Subject, nowMs: number): string {
      const iat = Math.floor(nowMs / 1000)
      const claims: Claims = { iss: ISSUER, aud: AUDIENCE, ...subject, jti: random(12).toString('base64url'), iat, exp: iat + ACCESS_MS / 1000 }
      const body = `${head}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
      return `${body}.${sign(null, Buffer.from(body), key).toString('base64url')}`
    },
    read(token: string, nowMs: number): Claims | Refusal {
      const [first, body, signature, more] = token.split('.')
      if (first !== head || !body || !signature || more !== undefined || !SIGNATURE.test(signature)) return refuse('unauthenticated')
      if (!verify(null, Buffer.from(`${first}.${body}`), publicKey, Buffer.from(signature, 'base64url'))) return refuse('unauthenticated')
      const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Claims // we signed it, so it has our shape
      if (claims.iss !== ISSUER || claims.aud !== AUDIENCE) return refuse('unauthenticated')
      return claims.exp * 1000 > nowMs ? claims : refuse('token_expired')
    },
  }
}
