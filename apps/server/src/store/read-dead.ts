// What was given up for good: messages to webhooks, and jobs that failed through no fault of their buyers.
import { CAUSES } from '@lumaris/protocol'
import type { Cause, DeadDelivery, DeadJob, DeliveryId, JobId, MarketQueue, UserId, WebhookId } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'
import { jobRow } from './load.ts'
import { page } from './page.ts'
import type { PageOf } from './page.ts'
import { given } from './views.ts'

/** More than this are not counted. */
const COUNT_MAX = 1_000
/** Asked of the tables as words of our own: no name of a cause comes from outside. */
const NOT_THEIRS = (Object.keys(CAUSES) as Cause[]).filter((cause) => CAUSES[cause].bears !== 'buyer').map((cause) => `'${cause}'`).join(', ')
const deadJobs = (db: Database): string => `jobs WHERE state = 'failed' AND ${db.dialect === 'sqlite' ? "json_extract(doc, '$.cause')" : "doc::json->>'cause'"} IN (${NOT_THEIRS})`

export async function countDead(db: Database): Promise<MarketQueue['dead']> {
  const count = async (from: string): Promise<number> => Number((await db.query<{ value: string }>(`SELECT CAST(COUNT(*) AS TEXT) AS value FROM (SELECT id FROM ${from} LIMIT ${COUNT_MAX}) some_of_them`))[0]?.value ?? '0')
  return { deliveries: await count("deliveries WHERE state = 'failed'"), jobs: await count(deadJobs(db)) }
}

type DeliverySql = { id: string; webhook: string; buyer: string; type: string; subject: string; created_at: number; tries: number; last_try_at: number | null; status: number | null; problem: string | null; disabled_at: number | null }
const viewDelivery = (row: DeliverySql): DeadDelivery => ({
  id: row.id as DeliveryId, webhook: row.webhook as WebhookId, owner: row.buyer as UserId, type: row.type, subject: row.subject, createdAt: row.created_at, tries: row.tries, off: row.disabled_at !== null,
  ...given('lastTryAt', row.last_try_at), ...given('status', row.status), ...given('problem', row.problem),
})
const DELIVERY = 'd.id, d.webhook, w.buyer, d.type, d.subject, d.created_at, d.tries, d.last_try_at, d.status, d.problem, w.disabled_at'
export async function listDeadDeliveries(db: Database, limit: number, cursor: string | undefined): Promise<PageOf<DeadDelivery>> {
  const rows = await db.query<DeliverySql>(`SELECT ${DELIVERY} FROM deliveries d JOIN webhooks w ON w.id = d.webhook WHERE d.state = 'failed' AND d.id < $1 ORDER BY d.id DESC LIMIT ${limit + 1}`, [cursor ?? 'msg~'])
  return page(rows, limit, viewDelivery, ({ id }) => id)
}
/** Null: there is no such message. */
export async function readDelivery(db: Database, id: string): Promise<(DeadDelivery & { readonly state: string }) | null> {
  const [row] = await db.query<DeliverySql & { state: string }>(`SELECT ${DELIVERY}, d.state FROM deliveries d JOIN webhooks w ON w.id = d.webhook WHERE d.id = $1`, [id])
  return row ? { ...viewDelivery(row), state: row.state } : null
}

export async function listDeadJobs(db: Database, limit: number, cursor: string | undefined): Promise<PageOf<DeadJob>> {
  const rows = await db.query<{ spec: string; doc: string; again: string | null }>(`SELECT spec, doc, (SELECT subject FROM idempotency WHERE idempotency.id = 'retry:' || jobs.id) AS again FROM ${deadJobs(db)} AND id < $1 ORDER BY id DESC LIMIT ${limit + 1}`, [cursor ?? 'job~'])
  return page(rows.map((row) => ({ ...jobRow(row), again: row.again as JobId | null })), limit, (row) => {
    const cause = row.cause as Cause // one of those that were asked for
    return { job: row.id as JobId, buyer: row.buyer, ...given('name', row.spec.name), cause, says: CAUSES[cause].says, ...given('detail', row.detail), ...given('retriedAs', row.again), tasksFailed: row.tasksFailed, createdAt: row.createdAt, ...given('endedAt', row.endedAt) }
  }, (row) => row.id)
}
