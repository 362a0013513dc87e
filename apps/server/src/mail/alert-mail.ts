// Alerts by mail, as its owner has them: which, where to, and whether the address was proved to be read. Decided on by nobody, so it is written beside the engine. Mails are made and sent by outbox.ts.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { MAIL_CODES_A_DAY, MAIL_CODE_AGAIN_MS, MAIL_CODE_DIGITS, MAIL_CODE_TRIES_MAX, MAIL_CODE_VALID_MS, PASSWORD_RESET_VALID_MS, refuse } from '@lumaris/protocol'
import type { AlertMail, MailedKind, Refusal, UserId } from '@lumaris/protocol'
import { took } from '../database/database.ts'
import type { Database, Statement } from '../database/database.ts'
import type { Ids } from '../ids.ts'
import { given } from '../store/views.ts'
import type { Seal } from '../sealed.ts'
import { isMailable } from './config.ts'
import { OF_PASSWORDS, insertMail } from './outbox.ts'
import type { MailOutbox } from './outbox.ts'

const DAY = 86_400_000
/** Who reads an address and has asked for no mail, without ever having proved it, gets no more codes for so long. */
const UNWANTED_MS = 30 * DAY
/** A test mail is given up sooner than an alert: who waits for it has long gone. */
const TEST_MS = 3_600_000, TEST_AGAIN_MS = 60_000

export type AlertMailPorts = { readonly db: Database; readonly ids: Ids; readonly now: () => number; readonly random: (size: number) => Buffer; readonly seal: Seal; /** Signs codes and links. */ readonly key: Buffer }
type RowSql = { on_since: number | null; kinds: string | null; address: string | null; proved_at: number | null; off_at: number | null; off_because: string | null; code_at: number | null; code_until: number | null; codes_from: number | null; codes_sent: number; code_hash: string | null; unwanted_until: number | null; tested_at: number | null; last_sent_at: number | null }
export type AlertMails = ReturnType<typeof createAlertMail>

/** Links that turn mail off: whoever has one may do that, and nothing else. Signed for the address too, so that it is of no use once another one takes its place. */
export function createMailLinks(key: Buffer, publicUrl: string) {
  const tokenOf = (user: UserId, address: string): string => `${user}.${createHmac('sha256', key).update(`mail off\n${user}\n${address}`).digest('base64url')}`
  return { tokenOf, offUrl: (user: UserId, address: string): string => `${publicUrl}/v1/mail-off/${tokenOf(user, address)}` }
}

/** `outbox`: null in a market without a mail server. */
export function createAlertMail(ports: AlertMailPorts, outbox: MailOutbox | null) {
  const { db, ids, now, random, seal, key } = ports, { tokenOf } = createMailLinks(key, '')
  const hashOf = (user: UserId, address: string, code: string): string => createHmac('sha256', key).update(`code\n${user}\n${address}\n${code}`).digest('base64url')
  const addressOf = async (user: UserId): Promise<string> => (await db.query<{ email: string }>('SELECT email FROM users WHERE id = $1', [user]))[0]?.email ?? ''
  const rowOf = async (user: UserId): Promise<RowSql | null> => (await db.query<RowSql>('SELECT on_since, kinds, address, proved_at, off_at, off_because, code_at, code_until, codes_from, codes_sent, code_hash, unwanted_until, tested_at, last_sent_at FROM alert_mail WHERE user_id = $1', [user]))[0] ?? null
  const isProved = (row: RowSql | null, address: string): boolean => row !== null && row.proved_at !== null && row.address === address
  // What is about a password is sent also to who wants no alerts.
  const ALERTS = `kind NOT IN (${OF_PASSWORDS})`, DROP = `UPDATE mails SET state = 'dropped', sealed = NULL WHERE user_id = $1 AND state = 'waiting' AND ${ALERTS}`

  async function view(user: UserId): Promise<AlertMail> {
    const [row, address, [mails], [failing]] = await Promise.all([rowOf(user), addressOf(user), db.query<{ waiting: string }>(`SELECT CAST(COUNT(*) AS TEXT) AS waiting FROM mails WHERE user_id = $1 AND state = 'waiting' AND ${ALERTS}`, [user]), db.query<{ problem: string | null; state: string }>(`SELECT problem, state FROM mails WHERE user_id = $1 AND ${ALERTS} ORDER BY created_at DESC, id DESC LIMIT 1`, [user])])
    const proved = isProved(row, address)
    return {
      here: outbox !== null, address, proved, on: proved && typeof row?.on_since === 'number', kinds: row?.kinds ? JSON.parse(row.kinds) as MailedKind[] : null, ...given('offBecause', row?.off_because ?? null), ...given('offAt', row?.off_at ?? null),
      ...(row?.code_hash && row.code_at !== null && (row.code_until ?? 0) > now() ? { code: { sentAt: row.code_at, until: row.code_until as number } } : {}),
      waiting: Number(mails?.waiting ?? 0), ...(failing && failing.state !== 'sent' && failing.state !== 'dropped' ? given('problem', failing.problem) : {}), ...given('lastSentAt', row?.last_sent_at ?? null),
    }
  }

  const mailChanged = (user: UserId, address: string): Statement[] => (isMailable(address) ? [insertMail({ id: ids.make('mil'), user, kind: 'changed', address, now: now(), giveUpAt: now() + DAY })] : [])
  return {
    view,
    /** Mails about passwords; null in a market without a mail server. */
    passwords: outbox && {
      kick: () => outbox.kick(), mailChanged,
      mailCode: (user: UserId, address: string, code: string): Statement[] | null => {
        const id = ids.make('mil')
        return isMailable(address) ? [insertMail({ id, user, kind: 'reset', address, sealed: seal.close(Buffer.from(code), id), now: now(), giveUpAt: now() + PASSWORD_RESET_VALID_MS })] : null
      },
      /** Only where somebody has shown that he reads it: else a stranger could have mails sent to any address. */
      tellChanged: async (user: UserId, address: string): Promise<Statement[]> => (isProved(await rowOf(user), address) ? mailChanged(user, address) : []),
    },
    async set(user: UserId, { on, kinds }: { on: boolean; kinds?: readonly MailedKind[] | null | undefined }): Promise<AlertMail | Refusal> {
      const at = now(), [row, address] = await Promise.all([rowOf(user), addressOf(user)])
      if (on && outbox === null) return refuse('no_mail_here')
      if (on && !isProved(row, address)) return refuse('mail_not_proved')
      const wanted = kinds === undefined ? row?.kinds ?? null : kinds === null ? null : JSON.stringify([...new Set(kinds)])
      if (on) {
        // Turned on again, it begins with what is raised from now on. Proved still, by then: an address that was refused meanwhile is not.
        if (!(await took(db, [{ sql: 'UPDATE alert_mail SET on_since = COALESCE(on_since, $2), kinds = $3, off_at = NULL, off_because = NULL WHERE user_id = $1 AND proved_at IS NOT NULL AND address = $4', params: [user, at, wanted, address], expectRows: 1 }]))) return refuse('mail_not_proved')
      } else await db.transact([
        { sql: 'INSERT INTO alert_mail (user_id, kinds, off_at) VALUES ($1, $2, $3) ON CONFLICT (user_id) DO UPDATE SET on_since = NULL, kinds = excluded.kinds, off_at = excluded.off_at, off_because = NULL', params: [user, wanted, at] },
        { sql: `${DROP} AND kind = 'alerts'`, params: [user] },
      ])
      return view(user)
    },
    async sendCode(user: UserId): Promise<AlertMail | Refusal> {
      const at = now(), [row, address] = await Promise.all([rowOf(user), addressOf(user)])
      if (outbox === null) return refuse('no_mail_here')
      if (!isMailable(address)) return refuse('mail_address_unfit')
      if (row?.unwanted_until && row.unwanted_until > at) return refuse('mail_unwanted', { until: row.unwanted_until })
      const sameDay = row !== null && row.codes_from !== null && at - row.codes_from < DAY, sent = sameDay ? row.codes_sent : 0
      const againInMs = Math.max((row?.code_at ?? -Infinity) + MAIL_CODE_AGAIN_MS - at, sent >= MAIL_CODES_A_DAY ? (row?.codes_from ?? 0) + DAY - at : 0)
      if (againInMs > 0) return refuse('mail_too_soon', { againInMs })
      const code = String(random(6).readUIntBE(0, 6) % 10 ** MAIL_CODE_DIGITS).padStart(MAIL_CODE_DIGITS, '0'), id = ids.make('mil')
      const isOurs = await took(db, [
        { sql: `${DROP} AND kind = 'code'`, params: [user] },
        // Pressed twice at the same moment, one mail goes.
        { sql: `INSERT INTO alert_mail (user_id, code_hash, code_at, code_until, code_tries, codes_from, codes_sent) VALUES ($1, $2, $3, $4, 0, $5, $6)
          ON CONFLICT (user_id) DO UPDATE SET code_hash = excluded.code_hash, code_at = excluded.code_at, code_until = excluded.code_until, code_tries = 0, codes_from = excluded.codes_from, codes_sent = excluded.codes_sent WHERE alert_mail.code_at IS NULL OR alert_mail.code_at <= $7`,
          params: [user, hashOf(user, address, code), at, at + MAIL_CODE_VALID_MS, sameDay ? row.codes_from : at, sent + 1, at - MAIL_CODE_AGAIN_MS], expectRows: 1 },
        insertMail({ id, user, kind: 'code', address, sealed: seal.close(Buffer.from(code), id), now: at, giveUpAt: at + MAIL_CODE_VALID_MS }),
      ])
      if (!isOurs) return refuse('mail_too_soon', { againInMs: MAIL_CODE_AGAIN_MS })
      outbox.kick()
      return view(user)
    },
    async prove(user: UserId, typed: string): Promise<AlertMail | Refusal> {
      const at = now(), [row, address] = await Promise.all([rowOf(user), addressOf(user)])
      if (outbox === null) return refuse('no_mail_here')
      // The try counts before it is looked at, or a thousand at once would all be free.
      if (!row?.code_hash || !(await took(db, [{ sql: `UPDATE alert_mail SET code_tries = code_tries + 1 WHERE user_id = $1 AND code_hash = $2 AND code_until > $3 AND code_tries < ${MAIL_CODE_TRIES_MAX}`, params: [user, row.code_hash, at], expectRows: 1 }]))) return refuse('mail_code_wrong')
      const same = (one: string, other: string): boolean => one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))
      if (!same(hashOf(user, address, typed.replace(/[\s-]/g, '')), row.code_hash)) return refuse('mail_code_wrong')
      const isOurs = await took(db, [{ sql: 'UPDATE alert_mail SET address = $3, proved_at = $4, on_since = $4, off_at = NULL, off_because = NULL, unwanted_until = NULL, code_hash = NULL WHERE user_id = $1 AND code_hash = $2', params: [user, row.code_hash, address, at], expectRows: 1 }])
      return isOurs ? view(user) : refuse('mail_code_wrong')
    },
    async test(user: UserId): Promise<AlertMail | Refusal> {
      const at = now(), [row, address] = await Promise.all([rowOf(user), addressOf(user)])
      if (outbox === null) return refuse('no_mail_here')
      if (!isProved(row, address)) return refuse('mail_not_proved')
      const isOurs = await took(db, [
        { sql: 'UPDATE alert_mail SET tested_at = $2 WHERE user_id = $1 AND (tested_at IS NULL OR tested_at <= $3)', params: [user, at, at - TEST_AGAIN_MS], expectRows: 1 },
        insertMail({ id: ids.make('mil'), user, kind: 'test', address, now: at, giveUpAt: at + TEST_MS }),
      ])
      if (!isOurs) return refuse('mail_too_soon', { againInMs: Math.max(1, (row?.tested_at ?? at) + TEST_AGAIN_MS - at) })
      outbox.kick()
      return view(user)
    },
    /** Whose link it is; null: nobody's. */
    async readLink(token: string): Promise<UserId | null> {
      const user = token.slice(0, Math.max(0, token.indexOf('.'))) as UserId, address = user === '' ? '' : await addressOf(user), right = Buffer.from(tokenOf(user, address)), shown = Buffer.from(token)
      return address !== '' && right.length === shown.length && timingSafeEqual(right, shown) ? user : null
    },
    /** By a link. Somebody who never proved the address is sent no more codes for a while; an owner who did can turn it on again. */
    async stop(user: UserId): Promise<void> {
      const at = now()
      await db.transact([
        { sql: `INSERT INTO alert_mail (user_id, unwanted_until) VALUES ($1, $3) ON CONFLICT (user_id) DO UPDATE SET unwanted_until = CASE WHEN alert_mail.proved_at IS NULL THEN excluded.unwanted_until ELSE NULL END,
          off_at = CASE WHEN alert_mail.on_since IS NULL THEN alert_mail.off_at ELSE $2 END, off_because = CASE WHEN alert_mail.on_since IS NULL THEN alert_mail.off_because ELSE 'A link in a mail has turned it off.' END, on_since = NULL, code_hash = NULL`, params: [user, at, at + UNWANTED_MS] },
        { sql: DROP, params: [user] },
      ])
    },
  }
}
