import { z } from 'zod'
import { Instant, KeyId, UserId } from './ids.ts'

export const Role = z.enum(['buyer', 'seller', 'admin']).meta({ id: 'Role' })
export type Role = z.infer<typeof Role>
export const Scope = z.enum(['jobs:read', 'jobs:write', 'wallet:read', 'wallet:write', 'nodes:read', 'nodes:write', 'keys:write', 'admin']).meta({ id: 'Scope' })
export type Scope = z.infer<typeof Scope>

const Email = z.string().max(254).regex(/^[^\s@\u0000-\u001f]+@[^\s@\u0000-\u001f]+$/, 'an e-mail address')
export const Register = z.strictObject({ email: Email, password: z.string().min(1).max(200), name: z.string().min(1).max(80), roles: z.array(z.enum(['buyer', 'seller'])).min(1).max(2).default(['buyer']) }).meta({ id: 'Register' })
export const Login = z.strictObject({ email: Email, password: z.string().min(1).max(200) }).meta({ id: 'Login' })
export const Refresh = z.strictObject({ refreshToken: z.string().min(20).max(200) }).meta({ id: 'Refresh' })
export const Tokens = z.object({ accessToken: z.string(), refreshToken: z.string(), expiresInMs: z.number().int(), user: UserId }).meta({ id: 'Tokens' })
export type Tokens = z.infer<typeof Tokens>
/** As `Tokens`, for a page: its refresh token is in the cookie. */
export const BrowserTokens = z.object({ accessToken: z.string(), expiresInMs: z.number().int(), user: UserId }).meta({ id: 'BrowserTokens' })
export type BrowserTokens = z.infer<typeof BrowserTokens>
export const User = z.object({ id: UserId, email: z.string(), name: z.string(), roles: z.array(Role), createdAt: Instant }).meta({ id: 'User' })
export type User = z.infer<typeof User>
export const CreateKey = z.strictObject({ label: z.string().min(1).max(80), scopes: z.array(Scope).min(1).max(8), expiresInMs: z.number().int().min(60_000).optional() }).meta({ id: 'CreateKey' })
export const Key = z.object({ id: KeyId, label: z.string(), prefix: z.string(), scopes: z.array(Scope), createdAt: Instant, lastUsedAt: Instant.optional(), expiresAt: Instant.optional(), revokedAt: Instant.optional() }).meta({ id: 'Key' })
export type Key = z.infer<typeof Key>
/** Shown once: the secret is not kept. */
export const NewKey = Key.extend({ secret: z.string() }).meta({ id: 'NewKey' })
export type NewKey = z.infer<typeof NewKey>
