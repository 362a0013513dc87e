// A password is changed by who knows it, and set anew by who reads the address of the account: by a link that is mailed there, works once and for half an hour. Either ends every session
// that the old one opened, and what waits to become one. API keys go on: they are not of the password, and programs hang on them. A second factor stays: a link alone signs nobody in.
import { PASSWORD_RESET_VALID_MS, isRefusal, refuse } from '@lumaris/protocol'
import type { Refusal, UserId } from '@lumaris/protocol'
import { took } from '../database/database.ts'
import type { Statement } from '../database/database.ts'
import { sha256Hex } from '../signatures.ts'
import type { IdentityParts } from './identity.ts'
import { isWeak } from './passwords.ts'
import { checkSecondFactor, prove } from './second-factor.ts'
import { findUser, plainEmail } from './users.ts'
import type { UserRow } from './users.ts'

/** Open at one time. Whoever asks for more finds one of them in the mail already, also when others did the asking. */
const OPEN_MAX = 3
const CODE_BYTES = 32

/** What is to be written beside the new password: the mail that tells its owner. */
export type TellsOwner = (user: UserId, address: string) => Promise<readonly Statement[]>
/** A mail with the code, or null where none can be sent to this address. */
export type MailsCode = (user: UserId, address: string, code: string) => readonly Statement[] | null

/** How many sessions it ended; `session` is the one that goes on. */
export async function changePassword(parts: IdentityParts, user: UserId, session: string, { password, code, next }: { password: string; code?: string | undefined; next: string }, from: string, tells: TellsOwner): Promise<number | Refusal> {
  const row = await findUser(parts.db, 'id', user)
  if (!row) return refuse('not_found')
  if (isWeak(next, row.email)) return refuse('weak_password')
  const no = await prove(parts, user, password, from, () => checkSecondFactor(parts, user, code))
  if (no) return no
  // Not taken: somebody else was quicker, and what was proved here is the password no more.
  return (await setPassword(parts, row, next, session, await tells(row.id, row.email))) ?? refuse('invalid_credentials')
}

/** True when there is a mail to be sent. Whether there is such an account is told to nobody. */
export async function askPasswordReset({ db, now, random }: IdentityParts, email: string, mails: MailsCode): Promise<boolean> {
  const user = await findUser(db, 'email', plainEmail(email)), at = now(), code = random(CODE_BYTES).toString('base64url')
  const mail = user && mails(user.id, user.email, code)
  if (!mail) return false
  return took(db, [
    { sql: 'DELETE FROM password_resets WHERE until <= $1', params: [at] },
    { sql: `INSERT INTO password_resets (code_hash, user_id, asked_at, until) SELECT $1, $2, $3, $4 WHERE (SELECT COUNT(*) FROM password_resets WHERE user_id = $2) < ${OPEN_MAX}`, params: [sha256Hex(code), user.id, at, at + PASSWORD_RESET_VALID_MS], expectRows: 1 },
    ...mail,
  ])
}

export async function usePasswordReset(parts: IdentityParts, code: string, next: string, from: string, tells: TellsOwner): Promise<number | Refusal> {
  const hash = sha256Hex(code), [open] = await parts.db.query<{ user_id: UserId }>('SELECT user_id FROM password_resets WHERE code_hash = $1 AND until > $2', [hash, parts.now()])
  const row = open ? await findUser(parts.db, 'id', open.user_id) : null
  if (!row) return refuse('reset_invalid')
  if (isWeak(next, row.email)) return refuse('weak_password')
  const ended = await setPassword(parts, row, next, null, [{ sql: 'DELETE FROM password_resets WHERE code_hash = $1', params: [hash], expectRows: 1 }, ...await tells(row.id, row.email)])
  if (ended === null) return refuse('reset_invalid')
  // They have shown who they are: waiting for guesses that others made is over.
  if (!isRefusal(ended)) parts.guesses.succeeded(row.email, from)
  return ended
}

/** By whoever holds the server's own data: the way back where no mail can be sent. Null: no such account. */
export async function setPasswordOf(parts: IdentityParts, email: string, next: string): Promise<number | Refusal | null> {
  const row = await findUser(parts.db, 'email', plainEmail(email))
  if (!row) return null
  return isWeak(next, row.email) ? refuse('weak_password') : setPassword(parts, row, next, null, [])
}

/** Null when the password, or what stands beside it, is not what it was when it was read. */
async function setPassword(parts: IdentityParts, user: UserRow, next: string, keep: string | null, beside: readonly Statement[]): Promise<number | Refusal | null> {
  const { db, now, passwords, known } = parts, fresh = await passwords.hash(next)
  if (isRefusal(fresh)) return fresh
  const at = now(), others = await db.query<{ id: string }>("SELECT id FROM sessions WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL AND expires_at > $3", [user.id, keep ?? '', at])
  try {
    return (await took(db, [
      ...beside,
      { sql: 'UPDATE users SET password = $2 WHERE id = $1 AND password = $3', params: [user.id, fresh, user.password], expectRows: 1 },
      { sql: 'DELETE FROM password_resets WHERE user_id = $1', params: [user.id] },
      { sql: 'UPDATE sessions SET revoked_at = $3 WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL', params: [user.id, keep ?? '', at] },
      { sql: "UPDATE device_logins SET state = 'refused' WHERE user_id = $1 AND state = 'approved'", params: [user.id] },
    ])) ? others.length : null
  } finally { for (const { id } of others) known.forget(id) }
}
