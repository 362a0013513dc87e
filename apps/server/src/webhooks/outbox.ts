// Telling webhooks what was committed.
//
//   events (and standing requests that were met) → outbox → sent, in the order of each subject → delivered, or tried again, or given up after a day
//
// Events are looked through in the order of their commits by a cursor that is kept in the database; what is found goes into the outbox in the transaction that
// moves the cursor. So whatever happens to this process, each event is put into the outbox once; and it leaves the outbox only by an answer, so each is sent at least once.
import type { JobEvent, StandingId, UserId, WebhookEvent, WebhookId } from '@lumaris/protocol'
import type { AlertRow, StandingRow } from '@lumaris/domain'
import { DatabaseError } from '../database/database.ts'
import type { Database, Statement } from '../database/database.ts'
import type { Ids } from '../ids.ts'
import type { Log } from '../log.ts'
import { oneAtATime } from '../one-at-a-time.ts'
import type { Seal } from '../sealed.ts'
import { sendOnce } from './send.ts'
import type { AddressRules } from './address.ts'

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR
/** How long after each failed try the next one comes; the last holds until the day is over. */
export const WAITS_MS = [5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR] as const
export const GIVEN_UP_MS = DAY
/** Until the next try after so many, a tenth more or less, so that what failed together does not come back together. */
export const waitAfter = (tries: number, random: (size: number) => Buffer): number => (WAITS_MS[Math.min(tries, WAITS_MS.length) - 1] as number) * (0.9 + (random(1)[0] as number) / 1280)
/** Events of one look. */
const LOOK_MAX = 1_000
/** Sent at one time, in all and to one webhook: one that is slow must not hold up the others. */
const AT_ONCE = 16, AT_ONCE_EACH = 4
/** Messages that may wait for one webhook; one that is so far behind is turned off. */
const WAITING_MAX = 10_000
const KEPT_MS = 7 * DAY
/** Also without news: what failed is due again some time. */
const PASS_MS = 1_000

export type OutboxPorts = { readonly db: Database; readonly ids: Ids; readonly now: () => number; readonly random: (size: number) => Buffer; readonly seal: Seal; readonly log: Log; /** Each look at what is to be told; a failure does not stop the next. */ readonly pass: (once: () => Promise<void>) => Promise<void>; readonly rules: AddressRules; readonly version: string; readonly timeoutMs?: number | undefined }
type HookSql = { id: string; buyer: string; url: string; events: string; sealed: string; since: number }
type DeliverySql = { id: string; webhook: string; body: string; tries: number; first_try_at: number | null; url: string; sealed: string }
export type Outbox = ReturnType<typeof createOutbox>

export function createOutbox(ports: OutboxPorts) {
  const { db, ids, now, random, seal, log } = ports
  let hooks = 0, stopped = false
  const underWay = new Map<string, Promise<void>>()
  let timer: NodeJS.Timeout | null = null

  /** Market without webhooks: no event is looked at for them. */
  const count = async (): Promise<void> => { hooks = Number((await db.query<{ count: string }>('SELECT CAST(COUNT(*) AS TEXT) AS count FROM webhooks WHERE disabled_at IS NULL'))[0]?.count ?? 0) }

  /** Events of one look → outbox. False when there was nothing more. */
  async function fanOut(): Promise<boolean> {
    const [cursor] = await db.query<{ seq: number }>("SELECT seq FROM webhook_cursor WHERE id = 'events'")
    const after = cursor?.seq ?? 0
    const [head] = await db.query<{ seq: number | null }>(`SELECT MAX(seq) AS seq FROM (SELECT seq FROM events WHERE seq > $1 ORDER BY seq LIMIT ${LOOK_MAX}) next_ones`, [after])
    const met = await db.query<{ doc: string }>(`SELECT doc FROM standing WHERE state = 'met' AND told = 0 ORDER BY id LIMIT ${LOOK_MAX}`)
    const raised = await db.query<{ doc: string }>(`SELECT doc FROM alerts WHERE told = 0 ORDER BY id LIMIT ${LOOK_MAX}`)
    const upTo = head?.seq ?? after
    if (upTo === after && met.length === 0 && raised.length === 0) return false
    const active = await db.query<HookSql>('SELECT id, buyer, url, events, sealed, since FROM webhooks WHERE disabled_at IS NULL')
    const byBuyer = Map.groupBy(active.map((hook) => ({ ...hook, wants: new Set(JSON.parse(hook.events) as WebhookEvent[]) })), (hook) => hook.buyer)
    const statements: Statement[] = []
    const put = (buyer: UserId, type: WebhookEvent, subject: string, at: number, data: object): void => {
      for (const hook of byBuyer.get(buyer) ?? []) if (hook.wants.has(type) && at >= hook.since) statements.push(insert(ids.make('msg'), hook.id, subject, type, at, data, now()))
    }
    const rows = upTo === after ? [] : await db.query<{ doc: string; buyer: string; name: string | null }>(`SELECT e.doc, j.buyer, ${db.dialect === 'sqlite' ? "json_extract(j.spec, '$.name')" : "j.spec::json->>'name'"} AS name FROM events e JOIN jobs j ON j.id = e.job
      WHERE e.seq > $1 AND e.seq <= $2 AND j.buyer IN (SELECT buyer FROM webhooks WHERE disabled_at IS NULL) ORDER BY e.seq`, [after, upTo])
    for (const row of rows) for (const event of JSON.parse(row.doc) as JobEvent[]) for (const type of typesOf(event)) put(row.buyer as UserId, type, event.job, event.at, { ...event, ...(row.name === null ? {} : { name: row.name }) })
    for (const { doc } of met) {
      const row = JSON.parse(doc) as StandingRow
      put(row.buyer, 'standing.met', row.id, row.metAt ?? row.createdAt, { standing: row.id, nodes: row.nodes, found: row.found, metAt: row.metAt })
      statements.push({ sql: 'UPDATE standing SET told = 1 WHERE id = $1 AND told = 0', params: [row.id satisfies StandingId], expectRows: 1 })
    }
    for (const { doc } of raised) {
      const { user, key: _key, ...row } = JSON.parse(doc) as AlertRow
      put(user, 'alert.raised', row.subject, row.at, row)
      statements.push({ sql: 'UPDATE alerts SET told = 1 WHERE id = $1 AND told = 0', params: [row.id], expectRows: 1 })
    }
    if (upTo !== after) statements.push({ sql: "UPDATE webhook_cursor SET seq = $1 WHERE id = 'events' AND seq = $2", params: [upTo, after], expectRows: 1 })
    try { await db.transact(statements) } catch (error) {
      // Somebody else has looked through the same events, or a webhook was removed under our hands: the next look begins where things stand.
      if (!(error instanceof DatabaseError && (error.kind === 'stale' || error.kind === 'refused'))) throw error
    }
    return true
  }

  /** Sends what is due, as much as may be sent at one time. Of one subject the next goes only when the one before is through. */
  async function deliver(): Promise<void> {
    if (underWay.size >= AT_ONCE) return
    // What is on its way now may be through before the answer is here, which would still say that it waits.
    const before = new Set(underWay.keys())
    const due = await db.query<DeliverySql>(`SELECT * FROM (
        SELECT d.id, d.webhook, d.body, d.tries, d.first_try_at, w.url, w.sealed, d.next_at, ROW_NUMBER() OVER (PARTITION BY d.webhook ORDER BY d.next_at, d.id) AS place FROM deliveries d JOIN webhooks w ON w.id = d.webhook
        WHERE d.state = 'waiting' AND d.next_at <= $1 AND w.disabled_at IS NULL AND NOT EXISTS (SELECT 1 FROM deliveries b WHERE b.webhook = d.webhook AND b.subject = d.subject AND b.state = 'waiting' AND b.id < d.id)
      ) due WHERE place <= ${AT_ONCE_EACH} ORDER BY next_at, id LIMIT ${4 * AT_ONCE}`, [now()])
    for (const one of due) {
      if (stopped || underWay.size >= AT_ONCE) return
      if (before.has(one.id)) continue
      underWay.set(one.id, tryOnce(one).catch((error: unknown) => log.error({ err: error, delivery: one.id }, 'what became of a delivery could not be kept; it is sent again')).finally(() => { underWay.delete(one.id); kick() }))
    }
  }

  async function tryOnce(one: DeliverySql): Promise<void> {
    const at = now(), sent = await sendOnce({ url: one.url, id: one.id, body: one.body, secret: seal.open(one.sealed, one.webhook) }, { rules: ports.rules, now: at, version: ports.version, timeoutMs: ports.timeoutMs })
    const tries = one.tries + 1, firstAt = one.first_try_at ?? at
    if (sent.problem === null) {
      await db.transact([
        { sql: "UPDATE deliveries SET state = 'delivered', tries = $2, first_try_at = $3, last_try_at = $4, status = $5, problem = NULL WHERE id = $1", params: [one.id, tries, firstAt, at, sent.status] },
        { sql: 'UPDATE webhooks SET last_delivered_at = $2 WHERE id = $1', params: [one.webhook, at] },
      ])
      return
    }
    const wait = waitAfter(tries, random)
    // What was given up while it was on its way stays given up.
    const isOver = sent.status === 410 || at + wait - firstAt > GIVEN_UP_MS
    await db.transact([{ sql: `UPDATE deliveries SET state = '${isOver ? 'failed' : 'waiting'}', tries = $2, first_try_at = $3, last_try_at = $4, next_at = $5, status = $6, problem = $7 WHERE id = $1 AND state = 'waiting'`, params: [one.id, tries, firstAt, at, Math.round(at + wait), sent.status, sent.problem] }])
    if (isOver) await disable(one.webhook as WebhookId, sent.status === 410 ? 'The address said that it is gone (410).' : `A message could not be delivered for a day: ${sent.problem}.`)
  }

  /** Turned off with a notice; what still waits for it is given up, and can be sent again by hand. */
  async function disable(webhook: WebhookId, because: string): Promise<void> {
    await db.transact([
      { sql: 'UPDATE webhooks SET disabled_at = $2, disabled_because = $3 WHERE id = $1 AND disabled_at IS NULL', params: [webhook, now(), because] },
      { sql: "UPDATE deliveries SET state = 'failed', problem = COALESCE(problem, 'the webhook was turned off') WHERE webhook = $1 AND state = 'waiting'", params: [webhook] },
    ])
    log.warn({ webhook, because }, 'a webhook was turned off')
    await count()
  }

  async function pass(): Promise<void> {
    if (hooks === 0) return
    while (!stopped && await fanOut());
    for (const { webhook } of await db.query<{ webhook: WebhookId }>(`SELECT webhook FROM deliveries WHERE state = 'waiting' GROUP BY webhook HAVING COUNT(*) > ${WAITING_MAX}`)) await disable(webhook, `More than ${WAITING_MAX} messages waited for it.`)
    await deliver()
  }
  const passes = oneAtATime(() => ports.pass(pass))
  /** Something was committed: one pass now, or another one after the one that is under way. */
  function kick(): void { if (!stopped && hooks > 0) void passes.ask() }

  return {
    kick, count, disable,
    async start(): Promise<void> {
      await count()
      timer = setInterval(kick, PASS_MS)
      kick()
    },
    /** Delivered ones are kept for a week. */
    sweep: (): Promise<void> => db.transact([{ sql: "DELETE FROM deliveries WHERE state <> 'waiting' AND created_at < $1", params: [now() - KEPT_MS] }]),
    /** What is being sent is waited for: its time is bounded. */
    async stop(): Promise<void> {
      stopped = true
      if (timer) clearInterval(timer)
      await passes.idle()
      await Promise.all(underWay.values())
    },
  }
}

const typesOf = (event: JobEvent): WebhookEvent[] => [`job.${event.type}`, ...(event.type === 'attempt' && event.state === 'running' ? ['job.running' as const] : [])]

export const insert = (id: string, webhook: string, subject: string, type: string, at: number, data: object, now: number): Statement => ({
  sql: "INSERT INTO deliveries (id, webhook, subject, type, body, state, created_at, tries, next_at) VALUES ($1, $2, $3, $4, $5, 'waiting', $6, 0, $6)",
  params: [id, webhook, subject, type, JSON.stringify({ type, timestamp: new Date(at).toISOString(), data }), now],
})
