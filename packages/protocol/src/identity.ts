import { z } from 'zod'
import { Instant, KeyId, SessionId, UserId } from './ids.ts'

export const Role = z.enum(['buyer', 'seller', 'admin']).meta({ id: 'Role' })
export type Role = z.infer<typeof Role>
export const Scope = z.enum(['jobs:read', 'jobs:write', 'wallet:read', 'wallet:write', 'nodes:read', 'nodes:write', 'keys:write', 'admin']).meta({ id: 'Scope' })
export type Scope = z.infer<typeof Scope>

export const Email = z.string().max(254).regex(/^[^\s@\u0000-\u001f]+@[^\s@\u0000-\u001f]+$/, 'an e-mail address')
export const Register = z.strictObject({ email: Email, password: z.string().min(1).max(200), name: z.string().min(1).max(80), roles: z.array(z.enum(['buyer', 'seller'])).min(1).max(2).default(['buyer']) }).meta({ id: 'Register' })
/** Of a second factor: six digits of the app, or a recovery code. Spaces and hyphens are for the eye. */
export const SecondCode = z.string().min(6).max(40)
export const Login = z.strictObject({ email: Email, password: z.string().min(1).max(200), code: SecondCode.optional() }).meta({ id: 'Login' })
export const Refresh = z.strictObject({ refreshToken: z.string().min(20).max(200) }).meta({ id: 'Refresh' })
export const Tokens = z.object({ accessToken: z.string(), refreshToken: z.string(), expiresInMs: z.number().int(), user: UserId }).meta({ id: 'Tokens' })
export type Tokens = z.infer<typeof Tokens>
/** As `Tokens`, for a page: its refresh token is in the cookie. */
export const BrowserTokens = z.object({ accessToken: z.string(), expiresInMs: z.number().int(), user: UserId }).meta({ id: 'BrowserTokens' })
export type BrowserTokens = z.infer<typeof BrowserTokens>
export const User = z.object({ id: UserId, email: z.string(), name: z.string(), roles: z.array(Role), createdAt: Instant }).meta({ id: 'User' })
export type User = z.infer<typeof User>
export const CreateKey = z.strictObject({ label: z.string().min(1).max(80), scopes: z.array(Scope).min(1).max(8), expiresInMs: z.number().int().min(60_000).optional() }).meta({ id: 'CreateKey' })
export const Key = z.object({ id: KeyId, label: z.string(), prefix: z.string(), scopes: z.array(Scope), createdAt: Instant, lastUsedAt: Instant.optional(), expiresAt: Instant.optional(), revokedAt: Instant.optional(), /** A member made it for the account: it may no more than he, and goes with him. */ madeBy: z.object({ user: UserId, name: z.string() }).optional() }).meta({ id: 'Key' })
export type Key = z.infer<typeof Key>
/** Shown once: the secret is not kept. */
export const NewKey = Key.extend({ secret: z.string() }).meta({ id: 'NewKey' })
export type NewKey = z.infer<typeof NewKey>

/** `on` counts from the first code that was right; before that nothing asks for one. */
export const SecondFactor = z.object({ on: z.boolean(), since: Instant.optional(), recoveryCodesLeft: z.number().int() }).meta({ id: 'SecondFactor' })
export type SecondFactor = z.infer<typeof SecondFactor>
export const StartSecondFactor = z.strictObject({ password: z.string().min(1).max(200) }).meta({ id: 'StartSecondFactor' })
/** Shown once, for the app: as text, and as the address that a QR code carries. */
export const NewSecondFactor = z.object({ secret: z.string(), uri: z.string() }).meta({ id: 'NewSecondFactor' })
export type NewSecondFactor = z.infer<typeof NewSecondFactor>
export const ConfirmSecondFactor = z.strictObject({ code: SecondCode }).meta({ id: 'ConfirmSecondFactor' })
export const ProveBoth = z.strictObject({ password: z.string().min(1).max(200), code: SecondCode }).meta({ id: 'ProveBoth' })
/** As at a sign-in: the code only where the account has a second factor. */
export const ProveSession = z.strictObject({ password: z.string().min(1).max(200), code: SecondCode.optional() }).meta({ id: 'ProveSession' })
export const Proved = z.object({ freshUntil: Instant }).meta({ id: 'Proved' })
export type Proved = z.infer<typeof Proved>
/** Proved as at a sign-in; `next` is what it is from then on. */
export const ChangePassword = z.strictObject({ password: z.string().min(1).max(200), code: SecondCode.optional(), next: z.string().min(1).max(200) }).meta({ id: 'ChangePassword' })
/** `ended`: how many sessions had to sign in again. */
export const PasswordChanged = z.object({ ended: z.number().int() }).meta({ id: 'PasswordChanged' })
export type PasswordChanged = z.infer<typeof PasswordChanged>
/** So long a link that was mailed sets a new password, once. */
export const PASSWORD_RESET_VALID_MS = 30 * 60_000
export const AskPasswordReset = z.strictObject({ email: Email }).meta({ id: 'AskPasswordReset' })
/** The same whether there is such an account or not. */
export const PasswordResetAsked = z.object({ validMs: z.number().int() }).meta({ id: 'PasswordResetAsked' })
export const UsePasswordReset = z.strictObject({ code: z.string().min(20).max(100), password: z.string().min(1).max(200) }).meta({ id: 'UsePasswordReset' })
/** Shown once: only hashes are kept. Each works once, in the place of a code. */
export const RecoveryCodes = z.object({ recoveryCodes: z.array(z.string()) }).meta({ id: 'RecoveryCodes' })
export type RecoveryCodes = z.infer<typeof RecoveryCodes>

/** A sign-in that stands: where it came from, and when it was last renewed. */
export const Session = z.object({ id: SessionId, current: z.boolean(), createdAt: Instant, renewedAt: Instant, expiresAt: Instant, address: z.string().optional(), client: z.string().optional() }).meta({ id: 'Session' })
export type Session = z.infer<typeof Session>

/** Signing in a program on a machine where nobody types a password (as RFC 8628): it shows the user code, somebody who is signed in elsewhere approves it. */
export const StartDeviceLogin = z.strictObject({ client: z.string().min(1).max(80) }).meta({ id: 'StartDeviceLogin' })
export const DeviceLogin = z.object({ deviceCode: z.string(), userCode: z.string(), path: z.string(), expiresInMs: z.number().int(), intervalMs: z.number().int() }).meta({ id: 'DeviceLogin' })
export type DeviceLogin = z.infer<typeof DeviceLogin>
const UserCode = z.string().min(8).max(20)
export const LookAtDevice = z.strictObject({ userCode: UserCode }).meta({ id: 'LookAtDevice' })
export const WaitingDevice = z.object({ userCode: z.string(), client: z.string(), address: z.string(), createdAt: Instant, expiresAt: Instant }).meta({ id: 'WaitingDevice' })
export type WaitingDevice = z.infer<typeof WaitingDevice>
export const DecideDevice = z.strictObject({ userCode: UserCode, approve: z.boolean() }).meta({ id: 'DecideDevice' })
export const DeviceToken = z.strictObject({ deviceCode: z.string().min(20).max(200) }).meta({ id: 'DeviceToken' })
