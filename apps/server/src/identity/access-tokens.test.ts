import { expect, test } from 'vitest'
import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { UserId } from '@lumaris/protocol'
import { rawPublicKey } from '../signatures.ts'
import { createAccessTokens } from './access-tokens.ts'

const key = generateKeyPairSync('ed25519').privateKey
const tokens = createAccessTokens(key, randomBytes)
const NOW = 1_700_000_000_500
const subject = { sub: 'usr_01jcd3k8w9e5r7t2y4u6p8a0sd' as UserId, sid: 'ses_01jcd3k8w9e5r7t2y4u6p8a0sd', scope: 'jobs:read', roles: ['buyer'] as const }
const token = tokens.issue(subject, NOW)
const [head, body, signature] = token.split('.') as [string, string, string]
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (part: string): Record<string, unknown> => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
const signed = (claims: object, by = key, first = head): string => { const text = `${first}.${encode(claims)}`; return `${text}.${sign(null, Buffer.from(text), by).toString('base64url')}` }

test('a token says who, for what and until when, as RFC 9068 has it', () => {
  expect(decode(head)).toEqual({ alg: 'EdDSA', typ: 'at+jwt', kid: expect.stringMatching(/^[A-Za-z0-9_-]{16}$/) as string })
  expect(decode(body)).toEqual({ iss: 'lumaris', aud: 'lumaris-api', ...subject, jti: expect.any(String) as string, iat: 1_700_000_000, exp: 1_700_000_600 })
  expect(tokens.read(token, NOW)).toMatchObject(subject)
})

test('it ends after ten minutes', () => {
  expect(tokens.read(token, 1_700_000_599_999)).toMatchObject(subject)
  expect(tokens.read(token, 1_700_000_600_000)).toEqual({ refusal: 'token_expired' })
})

const claims = decode(body)
const secretOfHmac = rawPublicKey(key)
test.each<[string, string]>([
  ['nothing', ''], ['words', 'not a token'], ['a part too few', `${head}.${body}`], ['a part too many', `${token}.x`],
  ['no signature', `${encode({ alg: 'none', typ: 'at+jwt' })}.${body}.`], ['another claim', `${head}.${encode({ ...claims, sub: 'usr_other' })}.${signature}`],
  ['another key', signed(claims, generateKeyPairSync('ed25519').privateKey)],
  ['a key of its own in the head', signed(claims, generateKeyPairSync('ed25519').privateKey, encode({ ...decode(head), jwk: { kty: 'OKP' } }))],
  ['an HMAC by our public key', (() => { const text = `${encode({ alg: 'HS256', typ: 'at+jwt' })}.${body}`; return `${text}.${createHmac('sha256', secretOfHmac).update(text).digest('base64url')}` })()],
  ['another type, truly signed', signed(claims, key, encode({ ...decode(head), typ: 'JWT' }))], ['a kid that is a path, truly signed', signed(claims, key, encode({ ...decode(head), kid: '../../etc/passwd' }))],
  ['another audience, truly signed', signed({ ...claims, aud: 'somebody' })], ['another issuer, truly signed', signed({ ...claims, iss: 'somebody' })],
  ['another spelling of the signature', `${head}.${body}.${signature.slice(0, -1)}${String.fromCharCode(signature.charCodeAt(85) + 1)}`], ['a signature with a tail', `${token}A`],
])('%s is not let in', (_what, forged) => {
  expect(tokens.read(forged, NOW)).toEqual({ refusal: 'unauthenticated' })
})
