// The second factor: codes that follow from a shared secret and the time (TOTP, RFC 6238, in the form that every app knows: SHA-1, six digits, thirty
// seconds). A code is taken once, and so is a recovery code; the table decides, so of two at once only one is right. Guessing is slowed with that of
// passwords: it is the same account's.
import { createHmac } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'
import { isRefusal, refuse } from '@lumaris/protocol'
import type { NewSecondFactor, RecoveryCodes, Refusal, SecondFactor, UserId } from '@lumaris/protocol'
import { took } from '../database/database.ts'
import type { Statement } from '../database/database.ts'
import type { IdentityParts } from './identity.ts'
import { findUser } from './users.ts'

const SECRET_BYTES = 20, STEP_MS = 30_000
/** Clocks of phones are off by some seconds, and typing takes some: the step before and the one after count. */
const WINDOW = 1
const RECOVERY_CODES = 10
/** Without letters and digits that look alike. Ten of 31: about 49 bits each, and guesses are slowed. */
const ALPHABET = '23456789abcdefghjkmnpqrstuvwxyz', CODE_LENGTH = 10

type FactorSql = { sealed: string; last_step: number; confirmed_at: number | null }
type Parts = Pick<IdentityParts, 'db' | 'now' | 'random' | 'factorSeal' | 'recoveryKey' | 'passwords' | 'guesses'>

const totpOf = (secret: Uint8Array, label = ''): TOTP => new TOTP({ issuer: 'Lumaris', label, algorithm: 'SHA1', digits: 6, period: STEP_MS / 1000, secret: new Secret({ buffer: new Uint8Array(secret).buffer }) })
const plain = (code: string): string => code.replace(/[\s-]/g, '').toLowerCase()
const recoveryHash = ({ recoveryKey }: Pick<Parts, 'recoveryKey'>, user: UserId, code: string): string => createHmac('sha256', recoveryKey).update(`${user}|${code}`).digest('hex')

async function factorOf({ db }: Pick<Parts, 'db'>, user: UserId): Promise<FactorSql | null> {
  return (await db.query<FactorSql>('SELECT sealed, last_step, confirmed_at FROM second_factors WHERE user_id = $1', [user]))[0] ?? null
}
const tookOne = ({ db }: Pick<Parts, 'db'>, statement: Statement): Promise<boolean> => took(db, [{ ...statement, expectRows: 1 }])

/** Null when nothing more is needed, or the code was right (and is used up). */
export async function checkSecondFactor(parts: Parts, user: UserId, code: string | undefined): Promise<Refusal | null> {
  const factor = await factorOf(parts, user)
  if (!factor || factor.confirmed_at === null) return null
  if (code === undefined) return refuse('second_factor_needed')
  return (await takeCode(parts, user, factor, plain(code))) ? null : refuse('second_factor_wrong')
}

async function takeCode(parts: Parts, user: UserId, factor: FactorSql, code: string): Promise<boolean> {
  if (!/^\d{6}$/.test(code)) return takeRecoveryCode(parts, user, code)
  const delta = totpOf(parts.factorSeal.open(factor.sealed, user)).validate({ token: code, timestamp: parts.now(), window: WINDOW })
  if (delta === null) return false
  const step = Math.floor(parts.now() / STEP_MS) + delta
  return tookOne(parts, { sql: 'UPDATE second_factors SET last_step = $2 WHERE user_id = $1 AND last_step < $2', params: [user, step] })
}
const takeRecoveryCode = (parts: Parts, user: UserId, code: string): Promise<boolean> =>
  tookOne(parts, { sql: 'UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL', params: [user, recoveryHash(parts, user, code), parts.now()] })

export async function secondFactorOf(parts: Parts, user: UserId): Promise<SecondFactor> {
  const factor = await factorOf(parts, user)
  if (!factor || factor.confirmed_at === null) return { on: false, recoveryCodesLeft: 0 }
  const [left] = await parts.db.query<{ count: string }>('SELECT CAST(COUNT(*) AS TEXT) AS count FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL', [user])
  return { on: true, since: factor.confirmed_at, recoveryCodesLeft: Number(left?.count ?? 0) }
}

/** The password anew, slowed like a sign-in. What `more` finds counts as one guess with it. */
export async function prove(parts: Parts, user: UserId, password: string, from: string, more: () => Promise<Refusal | null> = async () => null): Promise<Refusal | null> {
  const row = await findUser(parts.db, 'id', user)
  if (!row) return refuse('not_found')
  const waitMs = parts.guesses.begin(row.email, from)
  if (waitMs > 0) return refuse('too_many_attempts', { retryAfterMs: waitMs })
  const right = await parts.passwords.verify(row.password, password)
  if (isRefusal(right)) return right
  const no = right ? await more() : refuse('invalid_credentials')
  if (no) return no
  parts.guesses.succeeded(row.email, from)
  return null
}

/** A new secret, which asks nothing of anybody before it is confirmed. One that was begun and not confirmed is replaced. */
export async function startSecondFactor(parts: Parts, user: UserId, password: string, from: string): Promise<NewSecondFactor | Refusal> {
  const no = await prove(parts, user, password, from)
  if (no) return no
  const row = await findUser(parts.db, 'id', user)
  const secret = parts.random(SECRET_BYTES)
  const made = await tookOne(parts, {
    sql: `INSERT INTO second_factors (user_id, sealed, last_step, created_at) VALUES ($1, $2, 0, $3)
      ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, last_step = 0, created_at = excluded.created_at WHERE second_factors.confirmed_at IS NULL`, params: [user, parts.factorSeal.close(secret, user), parts.now()],
  })
  if (!made) return refuse('second_factor_on')
  const totp = totpOf(secret, row?.email ?? '')
  return { secret: totp.secret.base32, uri: totp.toString() }
}

export async function confirmSecondFactor(parts: Parts, user: UserId, code: string, from: string): Promise<RecoveryCodes | Refusal> {
  const factor = await factorOf(parts, user)
  if (!factor) return refuse('second_factor_off')
  if (factor.confirmed_at !== null) return refuse('second_factor_on')
  const guess = `second factor of ${user}`, waitMs = parts.guesses.begin(guess, from)
  if (waitMs > 0) return refuse('too_many_attempts', { retryAfterMs: waitMs })
  const digits = plain(code)
  if (!/^\d{6}$/.test(digits) || !(await takeCode(parts, user, factor, digits))) return refuse('second_factor_wrong')
  parts.guesses.succeeded(guess, from)
  const { recoveryCodes, statements } = newCodes(parts, user)
  const on = { sql: 'UPDATE second_factors SET confirmed_at = $2 WHERE user_id = $1 AND confirmed_at IS NULL AND sealed = $3', params: [user, parts.now(), factor.sealed], expectRows: 1 }
  return (await took(parts.db, [on, ...statements])) ? { recoveryCodes } : refuse('second_factor_wrong') // else it was begun anew meanwhile, under another secret
}

export async function renewRecoveryCodes(parts: Parts, user: UserId, password: string, code: string, from: string): Promise<RecoveryCodes | Refusal> {
  const no = await proveBoth(parts, user, password, code, from)
  if (no) return no
  const { recoveryCodes, statements } = newCodes(parts, user)
  await parts.db.transact(statements)
  return { recoveryCodes }
}

export async function stopSecondFactor(parts: Parts, user: UserId, password: string, code: string, from: string): Promise<Refusal | null> {
  const no = await proveBoth(parts, user, password, code, from)
  if (no) return no
  await parts.db.transact([{ sql: 'DELETE FROM recovery_codes WHERE user_id = $1', params: [user] }, { sql: 'DELETE FROM second_factors WHERE user_id = $1', params: [user] }])
  return null
}
/** The password again, and a code where there is a second factor: what `login` asks for, for a session that stands. */
export async function proveSession(parts: IdentityParts, user: UserId, session: string, { password, code }: { password: string; code?: string | undefined }, from: string): Promise<number | Refusal> {
  const no = await prove(parts, user, password, from, () => checkSecondFactor(parts, user, code))
  if (no) return no
  const at = parts.now()
  try { await parts.db.transact([{ sql: 'UPDATE sessions SET proved_at = $2 WHERE id = $1 AND revoked_at IS NULL', params: [session, at] }]) } finally { parts.known.forget(session) }
  return at
}
async function proveBoth(parts: Parts, user: UserId, password: string, code: string, from: string): Promise<Refusal | null> {
  const factor = await factorOf(parts, user)
  if (!factor || factor.confirmed_at === null) return refuse('second_factor_off')
  return prove(parts, user, password, from, () => checkSecondFactor(parts, user, code))
}

function newCodes(parts: Parts, user: UserId): { recoveryCodes: string[]; statements: Statement[] } {
  const codes = Array.from({ length: RECOVERY_CODES }, () => drawn(parts.random))
  return {
    recoveryCodes: codes.map((code) => `${code.slice(0, 5)}-${code.slice(5)}`),
    statements: [{ sql: 'DELETE FROM recovery_codes WHERE user_id = $1', params: [user] }, ...codes.map((code) => ({ sql: 'INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)', params: [user, recoveryHash(parts, user, code)] }))],
  }
}
/** Bytes that would make some signs likelier than others are drawn again. */
export function drawn(random: (size: number) => Buffer, length = CODE_LENGTH, alphabet = ALPHABET): string {
  const most = 256 - (256 % alphabet.length)
  let text = ''
  while (text.length < length) for (const byte of random(2 * length)) if (byte < most && text.length < length) text += alphabet[byte % alphabet.length]
  return text
}
