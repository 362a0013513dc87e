// Signing in a program where nobody types a password, as RFC 8628 has it: the program gets a device code, which it keeps, and a user code, which it shows;
// somebody who is signed in elsewhere looks the user code up, sees who asks, and approves or refuses; the program, asking again and again, then gets a session
// of that user, once. User codes are short, so looking them up is slowed like any guess; device codes are 256 bits of chance.
//
//   waiting → approved → used        waiting → refused        each of them → expired after ten minutes
import { refuse } from '@lumaris/protocol'
import type { DeviceLogin, Refusal, Tokens, UserId, WaitingDevice } from '@lumaris/protocol'
import { took } from '../database/database.ts'
import type { IdentityParts } from './identity.ts'
import { openSession } from './login.ts'
import { sha256Hex } from '../signatures.ts'
import { isSuspended } from './suspended.ts'
import { drawn } from './second-factor.ts'
import { findUser } from './users.ts'

const VALID_MS = 10 * 60_000, INTERVAL_MS = 5_000
/** Who asks too soon waits so much longer from then on (RFC 8628 §3.5). */
const SLOWER_MS = 5_000
/** RFC 8628 §6.1: consonants that are not mixed up and make no words; eight of twenty are 34 bits. */
const ALPHABET = 'BCDFGHJKLMNPQRSTVWXZ', LENGTH = 8
/** Those that wait at one time; over it, callers are told to come back. */
const WAITING_MAX = 10_000

type DeviceSql = { id: string; client: string; address: string; created_at: number; expires_at: number; state: string; user_id: string | null; polled_at: number; interval_ms: number }
const COLUMNS = 'id, client, address, created_at, expires_at, state, user_id, polled_at, interval_ms'
const plain = (code: string): string => code.toUpperCase().replace(/[^A-Z]/g, '')
const shown = (code: string): string => `${code.slice(0, 4)}-${code.slice(4)}`

export async function startDeviceLogin({ db, ids, now, random }: IdentityParts, client: string, from: string): Promise<DeviceLogin | Refusal> {
  const at = now()
  const [waiting] = await db.query<{ count: string }>('SELECT CAST(COUNT(*) AS TEXT) AS count FROM device_logins WHERE expires_at > $1', [at])
  if (Number(waiting?.count ?? 0) >= WAITING_MAX) return refuse('overloaded', { retryAfterMs: 60_000 })
  const deviceCode = random(32).toString('base64url'), userCode = drawn(random, LENGTH, ALPHABET)
  await db.transact([
    { sql: 'DELETE FROM device_logins WHERE expires_at < $1', params: [at - VALID_MS] },
    { sql: "INSERT INTO device_logins (id, device_hash, user_hash, client, address, created_at, expires_at, state, polled_at, interval_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', 0, $8)", params: [ids.make('dev'), sha256Hex(deviceCode), sha256Hex(userCode), client, from, at, at + VALID_MS, INTERVAL_MS] },
  ])
  return { deviceCode, userCode: shown(userCode), path: '/device', expiresInMs: VALID_MS, intervalMs: INTERVAL_MS }
}

export async function deviceToken(parts: IdentityParts, deviceCode: string): Promise<Tokens | Refusal> {
  const { db, now } = parts, at = now()
  const [row] = await db.query<DeviceSql>(`SELECT ${COLUMNS} FROM device_logins WHERE device_hash = $1`, [sha256Hex(deviceCode)])
  if (!row || row.expires_at <= at || row.state === 'used') return refuse('device_code_expired')
  if (row.state === 'refused') return refuse('access_denied')
  if (row.state === 'waiting') {
    const early = at - row.polled_at < row.interval_ms
    const intervalMs = row.interval_ms + (early ? SLOWER_MS : 0)
    await db.transact([{ sql: 'UPDATE device_logins SET polled_at = $2, interval_ms = $3 WHERE id = $1', params: [row.id, at, intervalMs] }])
    return refuse(early ? 'slow_down' : 'authorization_pending', { retryAfterMs: intervalMs })
  }
  // Approved before they were shut out: the code is no way around it. It stays: who is let in again within its ten minutes may go on.
  if (row.user_id !== null && (await isSuspended(db, row.user_id as UserId))) return refuse('account_suspended')
  // Or somebody else was quicker with the same code.
  if (!(await took(db, [{ sql: "UPDATE device_logins SET state = 'used' WHERE id = $1 AND state = 'approved'", params: [row.id], expectRows: 1 }]))) return refuse('device_code_expired')
  const user = await findUser(db, 'id', row.user_id ?? '')
  return user ? openSession(parts, user, { address: row.address, client: row.client }) : refuse('device_code_expired')
}

/** Whose request it is that waits under this user code. */
async function waiting(parts: IdentityParts, user: UserId, userCode: string, from: string): Promise<DeviceSql | Refusal> {
  const guess = `device code by ${user}`, waitMs = parts.guesses.begin(guess, from)
  if (waitMs > 0) return refuse('too_many_attempts', { retryAfterMs: waitMs })
  const [row] = await parts.db.query<DeviceSql>(`SELECT ${COLUMNS} FROM device_logins WHERE user_hash = $1 AND state = 'waiting' AND expires_at > $2`, [sha256Hex(plain(userCode)), parts.now()])
  if (!row) return refuse('device_code_expired')
  parts.guesses.succeeded(guess, from)
  return row
}

export async function lookAtDevice(parts: IdentityParts, user: UserId, userCode: string, from: string): Promise<WaitingDevice | Refusal> {
  const row = await waiting(parts, user, userCode, from)
  return 'refusal' in row ? row : { userCode: shown(plain(userCode)), client: row.client, address: row.address, createdAt: row.created_at, expiresAt: row.expires_at }
}

export async function decideDevice(parts: IdentityParts, user: UserId, userCode: string, approve: boolean, from: string): Promise<Refusal | null> {
  const row = await waiting(parts, user, userCode, from)
  if ('refusal' in row) return row
  const decided = await took(parts.db, [{ sql: "UPDATE device_logins SET state = $2, user_id = $3 WHERE id = $1 AND state = 'waiting'", params: [row.id, approve ? 'approved' : 'refused', user], expectRows: 1 }])
  return decided ? null : refuse('device_code_expired')
}
