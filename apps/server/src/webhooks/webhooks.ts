// The webhooks of a buyer: made, listed, tried, removed. What happens is put into the outbox by outbox.ts.
import { WEBHOOKS_MAX, refuse } from '@lumaris/protocol'
import type { Delivery, DeliveryId, NewWebhook, Refusal, UserId, Webhook, WebhookEvent, WebhookId } from '@lumaris/protocol'
import { took } from '../database/database.ts'
import type { Statement } from '../database/database.ts'
import { page } from '../store/page.ts'
import { given } from '../store/views.ts'
import { problemOfUrl } from './address.ts'
import { createOutbox, insert } from './outbox.ts'
import type { Outbox, OutboxPorts } from './outbox.ts'
import { secretText } from './send.ts'

/** 256 bits; the standard asks for 192 to 512. */
const SECRET_BYTES = 32

type HookSql = { id: string; url: string; events: string; created_at: number; disabled_at: number | null; disabled_because: string | null; last_delivered_at: number | null; waiting: string }
type RowSql = { id: string; webhook: string; subject: string; type: string; state: string; created_at: number; tries: number; last_try_at: number | null; next_at: number; status: number | null; problem: string | null }
const HOOK = "w.id, w.url, w.events, w.created_at, w.disabled_at, w.disabled_because, w.last_delivered_at, (SELECT CAST(COUNT(*) AS TEXT) FROM deliveries d WHERE d.webhook = w.id AND d.state = 'waiting') AS waiting"
const ROW = 'id, webhook, subject, type, state, created_at, tries, last_try_at, next_at, status, problem'

const viewHook = (row: HookSql): Webhook => ({
  id: row.id as WebhookId, url: row.url, events: JSON.parse(row.events) as WebhookEvent[], createdAt: row.created_at, ...given('disabledAt', row.disabled_at), ...given('disabledBecause', row.disabled_because), waiting: Number(row.waiting), ...given('lastDeliveredAt', row.last_delivered_at),
})
const viewRow = (row: RowSql): Delivery => ({
  id: row.id as DeliveryId, webhook: row.webhook as WebhookId, type: row.type as Delivery['type'], subject: row.subject, state: row.state as Delivery['state'], createdAt: row.created_at, tries: row.tries,
  ...given('lastTryAt', row.last_try_at), ...(row.state === 'waiting' && row.tries > 0 ? { nextTryAt: row.next_at } : {}), ...given('status', row.status), ...given('problem', row.problem),
})
/** When the first webhook of a market is made, events before it are of no interest; after that the cursor is moved by the outbox alone. */
const CURSOR_TO_NOW = { sql: "UPDATE webhook_cursor SET seq = (SELECT COALESCE(MAX(seq), 0) FROM events) WHERE id = 'events' AND NOT EXISTS (SELECT 1 FROM webhooks WHERE disabled_at IS NULL)", params: [] }

export type Webhooks = ReturnType<typeof createWebhooks>
export function createWebhooks(ports: OutboxPorts) {
  const { db, ids, now, random, seal, rules } = ports
  const outbox: Outbox = createOutbox(ports)
  const find = async (id: WebhookId): Promise<Webhook | null> => { const [row] = await db.query<HookSql>(`SELECT ${HOOK} FROM webhooks w WHERE w.id = $1`, [id]); return row ? viewHook(row) : null }
  const delivery = async (id: DeliveryId): Promise<Delivery | Refusal> => { const [row] = await db.query<RowSql>(`SELECT ${ROW} FROM deliveries WHERE id = $1`, [id]); return row ? viewRow(row) : refuse('not_found') }
  return {
    outbox,
    ownerOf: async (id: WebhookId): Promise<UserId | null> => ((await db.query<{ buyer: string }>('SELECT buyer FROM webhooks WHERE id = $1', [id]))[0]?.buyer ?? null) as UserId | null,
    async create(buyer: UserId, body: { url: string; events: readonly WebhookEvent[] }, madeBy?: UserId): Promise<NewWebhook | Refusal> {
      const problem = problemOfUrl(body.url, rules)
      if (problem !== null) return refuse('webhook_url_not_allowed', { reason: problem })
      const id = ids.make('whk') as WebhookId, secret = random(SECRET_BYTES), at = now()
      const room = await took(db, [CURSOR_TO_NOW, {
        sql: `INSERT INTO webhooks (id, buyer, url, events, sealed, created_at, since, made_by) SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS BIGINT), CAST($6 AS BIGINT), CAST($7 AS TEXT) WHERE (SELECT COUNT(*) FROM webhooks WHERE buyer = $2) < ${WEBHOOKS_MAX}`,
        params: [id, buyer, new URL(body.url).href, JSON.stringify([...new Set(body.events)]), seal.close(secret, id), at, madeBy ?? null], expectRows: 1,
      }])
      if (!room) return refuse('webhook_limit', { most: WEBHOOKS_MAX })
      await outbox.count()
      const made = await find(id)
      return made ? { ...made, secret: secretText(secret) } : refuse('not_found')
    },
    list: async (buyer: UserId): Promise<Webhook[]> => (await db.query<HookSql>(`SELECT ${HOOK} FROM webhooks w WHERE w.buyer = $1 ORDER BY w.id DESC`, [buyer])).map(viewHook),
    async remove(id: WebhookId): Promise<void> {
      await db.transact([{ sql: 'DELETE FROM deliveries WHERE webhook = $1', params: [id] }, { sql: 'DELETE FROM webhooks WHERE id = $1', params: [id] }])
      await outbox.count()
    },
    async enable(id: WebhookId): Promise<Webhook | Refusal> {
      const hook = await find(id)
      if (!hook) return refuse('not_found')
      const problem = problemOfUrl(hook.url, rules)
      if (problem !== null) return refuse('webhook_url_not_allowed', { reason: problem })
      await db.transact([CURSOR_TO_NOW, { sql: 'UPDATE webhooks SET disabled_at = NULL, disabled_because = NULL, since = $2 WHERE id = $1 AND disabled_at IS NOT NULL', params: [id, now()] }])
      await outbox.count()
      return (await find(id)) ?? refuse('not_found')
    },
    async test(id: WebhookId): Promise<Delivery | Refusal> {
      const hook = await find(id)
      if (!hook) return refuse('not_found')
      if (hook.disabledAt !== undefined) return refuse('webhook_disabled')
      const message = ids.make('msg') as DeliveryId, at = now()
      await db.transact([insert(message, id, message, 'ping', at, { webhook: id }, at)])
      outbox.kick()
      return delivery(message)
    },
    async deliveries(id: WebhookId, limit: number, cursor: string | undefined): Promise<{ data: Delivery[]; nextCursor: string | null }> {
      const rows = await db.query<RowSql>(`SELECT ${ROW} FROM deliveries WHERE webhook = $1 AND id < $2 ORDER BY id DESC LIMIT ${limit + 1}`, [id, cursor ?? 'msg~'])
      return page(rows, limit, viewRow, ({ id }) => id)
    },
    /** Now, whether it waits for its next try, has failed, or was delivered. Its day begins anew. `also`: what is written with it. */
    async resend(id: WebhookId, message: DeliveryId, also: readonly Statement[] = []): Promise<Delivery | Refusal> {
      const hook = await find(id)
      if (!hook) return refuse('not_found')
      if (hook.disabledAt !== undefined) return refuse('webhook_disabled')
      if (!(await took(db, [{ sql: "UPDATE deliveries SET state = 'waiting', next_at = $3, first_try_at = NULL, tries = 0 WHERE id = $1 AND webhook = $2", params: [message, id, now()], expectRows: 1 }, ...also]))) return refuse('not_found')
      outbox.kick()
      return delivery(message)
    },
  }
}
