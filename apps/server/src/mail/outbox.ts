// Mailing alerts.
//
//   alerts (of who has mail on) → a mail in the outbox, and its alerts marked with it: one transaction → sent, or tried again, or given up after a day
//
// So each alert goes into one mail, whatever happens to this process; and a mail leaves the outbox only by an answer of the mail server, so each is sent at least once: one that was
// sent and not noted is sent again, under the same Message-ID. How many alerts go into one mail is decided when it is made: few by themselves, many, or those that come while an earlier
// mail cannot be sent, together. What is wrong with the mail server itself holds up all mails, and is the failure of this loop, for operators to see.
import type { AlertKind, MailedKind, UserId } from '@lumaris/protocol'
import { MAILS_AN_HOUR, MAIL_CODE_VALID_MS, PASSWORD_RESET_VALID_MS, isRefusal } from '@lumaris/protocol'
import type { AlertRow } from '@lumaris/domain'
import { DatabaseError, took } from '../database/database.ts'
import type { Database, Statement } from '../database/database.ts'
import type { Ids } from '../ids.ts'
import type { Log } from '../log.ts'
import { oneAtATime } from '../one-at-a-time.ts'
import type { Seal } from '../sealed.ts'
import { GIVEN_UP_MS, WAITS_MS, waitAfter } from '../webhooks/outbox.ts'
import { alertText, changedText, codeText, resetText, testText } from './text.ts'
import type { Text } from './text.ts'
import type { Became, MailSender } from './send.ts'

const HOUR = 3_600_000
/** People of one look, and alerts of one mail: what is left comes with the next. */
const PEOPLE_MAX = 100, ALERTS_MAX = 1_000
/** Sent at one time. */
const AT_ONCE = 4
const KEPT_MS = 7 * 24 * HOUR
/** Also without news: what failed is due again some time, and an hour's bound ends. */
const PASS_MS = 1_000
/** The mail server is asked again after this at the latest: what is wrong with it is mended by somebody who waits for it. */
const HELD_MAX_MS = 10 * 60_000
/** What is wrong with the operator's own server is for him to read. */
const TROUBLE = 'this market cannot send mail just now, and its operator sees why'

export type MailPorts = {
  readonly db: Database; readonly ids: Ids; readonly now: () => number; readonly random: (size: number) => Buffer; readonly seal: Seal; readonly log: Log
  /** Each look at what is to be mailed; a failure does not stop the next. */ readonly pass: (once: () => Promise<void>) => Promise<void>
  readonly sender: MailSender; readonly publicUrl: string; readonly offUrl: (user: UserId, address: string) => string
  /** Puts a notice into the inbox of whoever has an address that takes no mail. */ readonly tellRefused: (what: { user: UserId; address: string; because: string; since: number }) => Promise<unknown>
}
type PersonSql = { user_id: UserId; kinds: string | null; address: string; on_since: number; made: string }
type MailSql = { id: string; user_id: UserId; kind: 'alerts' | 'code' | 'test' | 'reset' | 'changed'; address: string; sealed: string | null; created_at: number; give_up_at: number; tries: number; on_since: number | null; proved: string | null }
/** About the account itself, not asked for as alerts are: as a list for SQL. */
export const OF_PASSWORDS = "'reset', 'changed'"
const isOfPasswords = ({ kind }: Pick<MailSql, 'kind'>): boolean => kind === 'reset' || kind === 'changed'
export type MailOutbox = ReturnType<typeof createMailOutbox>

export const insertMail = (one: { id: string; user: UserId; kind: MailSql['kind']; address: string; sealed?: string; now: number; giveUpAt: number }): Statement => ({
  sql: "INSERT INTO mails (id, user_id, kind, address, sealed, state, created_at, give_up_at, tries, next_at) VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $7, 0, $6)",
  params: [one.id, one.user, one.kind, one.address, one.sealed ?? null, one.now, one.giveUpAt],
})

export function createMailOutbox(ports: MailPorts) {
  const { db, ids, now, random, log } = ports
  let stopped = false, timer: NodeJS.Timeout | null = null
  /** While there is trouble with the mail server. */
  let heldUntil = -Infinity, troubles = 0

  /** Alerts of those who may get another mail → outbox. False when there was nothing more. */
  async function fanOut(): Promise<boolean> {
    const at = now()
    // Of whoever has a mail that could not be sent yet, the next alerts are gathered until it is through.
    const people = await db.query<PersonSql>(`SELECT * FROM (SELECT m.user_id, m.kinds, m.address, m.on_since, (SELECT CAST(COUNT(*) AS TEXT) FROM mails h WHERE h.user_id = m.user_id AND h.kind = 'alerts' AND h.created_at > $1) AS made FROM alert_mail m
      WHERE m.on_since IS NOT NULL AND EXISTS (SELECT 1 FROM alerts a WHERE a.user_id = m.user_id AND a.mail IS NULL AND a.at >= m.on_since AND a.at > $2) AND NOT EXISTS (SELECT 1 FROM mails w WHERE w.user_id = m.user_id AND w.kind = 'alerts' AND w.state = 'waiting' AND w.tries > 0)
      ) due WHERE CAST(made AS INTEGER) < ${MAILS_AN_HOUR} ORDER BY user_id LIMIT ${PEOPLE_MAX}`, [at - HOUR, at - GIVEN_UP_MS])
    for (const person of people) {
      if (stopped) return false
      const raised = (await db.query<{ doc: string }>(`SELECT doc FROM alerts WHERE user_id = $1 AND mail IS NULL AND at >= $2 AND at > $3 ORDER BY id LIMIT ${ALERTS_MAX}`, [person.user_id, person.on_since, at - GIVEN_UP_MS])).map(({ doc }) => JSON.parse(doc) as AlertRow)
      const kinds = person.kinds === null ? null : new Set<AlertKind>(JSON.parse(person.kinds) as MailedKind[]), wanted = raised.filter(({ kind }) => kind !== 'mail_off' && (kinds === null || kinds.has(kind)))
      const together = wanted.length + Number(person.made) > MAILS_AN_HOUR ? ids.make('mil') : null, mails = new Set<string>()
      const statements: Statement[] = [{ sql: 'UPDATE alert_mail SET user_id = user_id WHERE user_id = $1 AND on_since = $2', params: [person.user_id, person.on_since], expectRows: 1 }]
      const isWanted = new Set(wanted.map(({ id }) => id))
      for (const { id } of raised) {
        const mail = isWanted.has(id) ? together ?? ids.make('mil') : 'none'
        if (mail !== 'none' && !mails.has(mail)) statements.push(insertMail({ id: mail, user: person.user_id, kind: 'alerts', address: person.address, now: at, giveUpAt: at + GIVEN_UP_MS }))
        mails.add(mail)
        statements.push({ sql: 'UPDATE alerts SET mail = $2 WHERE id = $1 AND mail IS NULL', params: [id, mail], expectRows: 1 })
      }
      // Stale: somebody else has looked through the same alerts, or mail was turned off under our hands. The next look begins where things stand.
      await took(db, statements)
    }
    return people.length > 0
  }

  async function textOf(one: MailSql): Promise<Text | null> {
    const ways = { publicUrl: ports.publicUrl, offUrl: ports.offUrl(one.user_id, one.address) }
    if (one.kind === 'test') return testText(ways)
    if (one.kind === 'changed') return changedText(one.created_at, ways)
    if (one.kind === 'reset') return one.sealed === null ? null : resetText(ports.seal.open(one.sealed, one.id).toString(), PASSWORD_RESET_VALID_MS, ways)
    if (one.kind === 'code') return one.sealed === null ? null : codeText(ports.seal.open(one.sealed, one.id).toString(), MAIL_CODE_VALID_MS, ways)
    const alerts = (await db.query<{ doc: string }>('SELECT doc FROM alerts WHERE mail = $1 ORDER BY id', [one.id])).map(({ doc }) => JSON.parse(doc) as AlertRow)
    return alerts.length === 0 ? null : alertText(alerts, ways)
  }

  /** Sends what is due, a few at a time, and ends when nothing is; or throws what is wrong with the mail server. */
  async function deliver(): Promise<void> {
    while (!stopped && now() >= heldUntil) {
      const due = await db.query<MailSql>(`SELECT l.id, l.user_id, l.kind, l.address, l.sealed, l.created_at, l.give_up_at, l.tries, m.on_since, CASE WHEN m.proved_at IS NULL THEN NULL ELSE m.address END AS proved FROM mails l LEFT JOIN alert_mail m ON m.user_id = l.user_id
        WHERE l.state = 'waiting' AND l.next_at <= $1 ORDER BY l.next_at, l.id LIMIT ${AT_ONCE}`, [now()])
      if (due.length === 0) return
      // All of them are waited for, whatever becomes of one: what is still on its way must not be found again by the next pass.
      let trouble: string | null = null
      for (const one of await Promise.allSettled(due.map(tryOnce))) {
        if (one.status === 'rejected') throw one.reason
        trouble ??= one.value
      }
      if (trouble === null) { troubles = 0; continue }
      heldUntil = now() + Math.min(HELD_MAX_MS, WAITS_MS[Math.min(troubles++, WAITS_MS.length - 1)] as number)
      throw new Error(`${trouble}; mails wait`)
    }
  }

  /** Null, or what is wrong with the mail server. */
  async function tryOnce(one: MailSql): Promise<string | null> {
    const at = now(), end = (state: string, problem: string | null): Promise<void> => db.transact([{ sql: "UPDATE mails SET state = $2, problem = COALESCE($3, problem), sealed = NULL WHERE id = $1 AND state = 'waiting'", params: [one.id, state, problem] }])
    if (at >= one.give_up_at) { await end('failed', null); return null }
    // Asked for when it was made; it counts what holds now.
    const text = (one.kind === 'alerts' ? one.on_since !== null : true) && (one.kind === 'code' || isOfPasswords(one) || one.proved === one.address) ? await textOf(one) : null
    if (text === null) { await end('dropped', null); return null }
    const became: Became = await ports.sender.send({ id: one.id, at: one.created_at, to: one.address, ...text, ...(isOfPasswords(one) ? {} : { offUrl: ports.offUrl(one.user_id, one.address) }) })
    const tried = 'tries = tries + 1, last_try_at = $2'
    if (became.kind === 'sent') {
      await db.transact([
        // Also what was dropped while it was on its way has been sent.
        { sql: `UPDATE mails SET state = 'sent', ${tried}, problem = NULL, sealed = NULL WHERE id = $1`, params: [one.id, at] },
        ...(isOfPasswords(one) ? [] : [{ sql: 'UPDATE alert_mail SET last_sent_at = $2 WHERE user_id = $1', params: [one.user_id, at] }]),
      ])
      return null
    }
    if (became.kind === 'refused') { await giveUpAddress(one, became.because, at); return null }
    const wait = waitAfter(one.tries + 1, random)
    const isOver = at + wait > one.give_up_at
    await db.transact([{ sql: `UPDATE mails SET state = '${isOver ? 'failed' : 'waiting'}', ${tried}, next_at = $3, problem = $4 WHERE id = $1 AND state = 'waiting'`, params: [one.id, at, Math.round(at + wait), became.kind === 'trouble' ? TROUBLE : became.because] }])
    return became.kind === 'trouble' ? became.because : null
  }

  /** The recipient's own server said no for good. Told in the inbox first: whatever happens in between, mail is not off without a word; the notice is put in once. */
  async function giveUpAddress(one: MailSql, because: string, at: number): Promise<void> {
    if (one.proved === one.address && one.on_since !== null) {
      const told = await ports.tellRefused({ user: one.user_id, address: one.address, because, since: one.on_since })
      if (isRefusal(told)) throw new Error(`a notice was not taken: ${told.refusal}`)
      log.warn({ user: one.user_id }, 'mail was turned off for an address that takes none')
    }
    await db.transact([
      { sql: "UPDATE mails SET state = 'failed', tries = tries + 1, last_try_at = $2, problem = $3, sealed = NULL WHERE id = $1 AND state = 'waiting'", params: [one.id, at, because] },
      { sql: `UPDATE mails SET state = 'dropped', sealed = NULL WHERE user_id = $1 AND kind NOT IN ('code', ${OF_PASSWORDS}) AND state = 'waiting'`, params: [one.user_id] },
      ...(one.kind === 'code' ? [] : [{ sql: 'UPDATE alert_mail SET on_since = NULL, proved_at = NULL, off_at = $3, off_because = $4 WHERE user_id = $1 AND address = $2', params: [one.user_id, one.address, at, `The address takes no mail: ${because}.`] }]),
    ])
  }

  async function pass(): Promise<void> {
    try { while (!stopped && await fanOut()); } catch (error) {
      if (!(error instanceof DatabaseError && error.kind === 'refused')) throw error
    }
    await deliver()
  }
  const passes = oneAtATime(() => ports.pass(pass))
  /** Something was committed: one pass now, or another one after the one that is under way. */
  function kick(): void { if (!stopped) void passes.ask() }

  return {
    kick,
    start(): void {
      timer = setInterval(kick, PASS_MS)
      kick()
    },
    /** Old ones are kept for a week. */
    sweep: (): Promise<void> => db.transact([{ sql: "DELETE FROM mails WHERE state <> 'waiting' AND created_at < $1", params: [now() - KEPT_MS] }]),
    /** What is being sent is waited for: its time is bounded. */
    async stop(): Promise<void> {
      stopped = true
      if (timer) clearInterval(timer)
      await passes.idle()
      ports.sender.close()
    },
  }
}
