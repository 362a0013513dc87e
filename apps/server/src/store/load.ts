// Tables → memory: what a writer needs to go on from where the last one was. Ended jobs stay in the tables.
import { Availability, apply, grantLeases, beginTurn } from '@lumaris/domain'
import type { AlertSettingsRow, AttemptRow, AutoTopupRow, AvailabilityRows, Change, EnrolmentRow, ForfeitRow, IncidentRow, InvitationRow, JobRow, LessonRow, MarketState, MemberRow, NodeRow, PayoutRow, PayoutRuleRow, PersonRow, QuoteRow, ReversalRow, ScheduleRow, SettingsRow, StandingRow, TaskRow } from '@lumaris/domain'
import type { Database } from '../database/database.ts'

/** So long after a debt was paid a list of what is due to clear may still be on its way that was made before. */
const FORFEITS_KNOWN_MS = 24 * 3_600_000
/** The longest that anything is told of once: a month, and a node that nobody has switched on for a year. */
const ALERTS_KNOWN_MS = 366 * 24 * 3_600_000
/** Rows of one page: enough to be quick, few enough that a page of large specs does not fill the memory. */
const PAGE = 5_000

type Doc = { doc: string }
export function jobRow(stored: { doc: string; spec: string }): JobRow {
  const doc = JSON.parse(stored.doc) as Omit<JobRow, 'spec' | 'cap' | 'attemptCap' | 'cost' | 'refunded' | 'displaced'> & Record<'cap' | 'attemptCap' | 'cost' | 'refunded', string> & { displaced?: string }
  return { ...doc, rung: doc.rung ?? 0, spec: JSON.parse(stored.spec) as JobRow['spec'], cap: BigInt(doc.cap), attemptCap: BigInt(doc.attemptCap), cost: BigInt(doc.cost), refunded: BigInt(doc.refunded), displaced: BigInt(doc.displaced ?? 0) }
}
export function attemptRow(stored: Doc): AttemptRow {
  const doc = JSON.parse(stored.doc) as Omit<AttemptRow, 'billed' | 'fee'> & { billed: string | null; fee: string | null }
  return { ...doc, billed: doc.billed === null ? null : BigInt(doc.billed), fee: doc.fee === null ? null : BigInt(doc.fee) }
}
export function payoutRow(stored: Doc): PayoutRow {
  const doc = JSON.parse(stored.doc) as Omit<PayoutRow, 'amount'> & { amount: string }
  return { ...doc, amount: BigInt(doc.amount) }
}
export function reversalRow(stored: Doc): ReversalRow {
  const doc = JSON.parse(stored.doc) as Omit<ReversalRow, 'postings'> & { postings: { from: string; to: string; amount: string }[] }
  return { ...doc, postings: doc.postings.map((posting) => ({ ...posting, amount: BigInt(posting.amount) })) }
}
export function forfeitRow(stored: Doc): ForfeitRow {
  const doc = JSON.parse(stored.doc) as Omit<ForfeitRow, 'price' | 'most' | 'taken'> & Record<'price' | 'most' | 'taken', string>
  return { ...doc, price: BigInt(doc.price), most: BigInt(doc.most), taken: BigInt(doc.taken) }
}
export const personRow = (stored: { id: string; roles: string; suspended: string | null }): PersonRow => ({ id: stored.id as PersonRow['id'], roles: JSON.parse(stored.roles) as PersonRow['roles'], suspended: stored.suspended === null ? null : (JSON.parse(stored.suspended) as PersonRow['suspended']) })
export const plainRow = <Row>(stored: Doc): Row => JSON.parse(stored.doc) as Row

/** Applies every live row to an empty state. `intern` lets equal parts of specs be shared. */
export async function loadState(db: Database, state: MarketState, nowMs: number, intern: (row: JobRow) => JobRow): Promise<void> {
  const put = (change: Change) => apply(state, change)
  const [seen] = await db.query<Doc>("SELECT doc FROM lessons WHERE id = 'availability'")
  if (seen) state.availability = Availability.load(JSON.parse(seen.doc) as AvailabilityRows)
  state.highestForgotten = (await db.query<{ id: string | null }>('SELECT MAX(id) AS id FROM jobs'))[0]?.id ?? ''
  for (const row of await db.query<Doc>('SELECT doc FROM nodes')) put({ kind: 'node', row: plainRow<NodeRow>(row) })
  for (const row of await db.query<Doc>("SELECT doc FROM lessons WHERE what IN ('node', 'owner', 'cohort', 'speed')")) put({ kind: 'lesson', row: plainRow<LessonRow>(row) })
  await pages(db, `SELECT id, spec, doc FROM jobs WHERE state IN ('queued', 'running') AND id > $1 ORDER BY id LIMIT ${PAGE}`, async (rows: { id: string; spec: string; doc: string }[]) => {
    const first = (rows[0] as { id: string }).id, last = (rows.at(-1) as { id: string }).id
    for (const row of rows) put({ kind: 'job', row: intern(jobRow(row)) })
    const live = `job IN (SELECT id FROM jobs WHERE state IN ('queued', 'running') AND id >= $1 AND id <= $2)`
    for (const row of await db.query<Doc>(`SELECT doc FROM tasks WHERE ${live} ORDER BY job, idx`, [first, last])) put({ kind: 'task', row: plainRow<TaskRow>(row) })
    for (const row of await db.query<Doc>(`SELECT doc FROM attempts WHERE ${live} ORDER BY id`, [first, last])) put({ kind: 'attempt', row: attemptRow(row) })
  })
  for (const row of await db.query<Doc>('SELECT doc FROM quotes WHERE valid_until >= $1', [nowMs])) put({ kind: 'quote', row: plainRow<QuoteRow>(row) })
  for (const row of await db.query<Doc>("SELECT doc FROM standing WHERE state = 'open'")) put({ kind: 'standing', row: plainRow<StandingRow>(row) })
  for (const row of await db.query<Doc>("SELECT doc FROM schedules WHERE state <> 'removed' ORDER BY id")) put({ kind: 'schedule', row: plainRow<ScheduleRow>(row) })
  for (const row of await db.query<Doc>("SELECT doc FROM payouts WHERE state IN ('requested', 'sent') ORDER BY id")) put({ kind: 'payout', row: payoutRow(row) })
  for (const row of await db.query<Doc>("SELECT doc FROM payout_rules WHERE state <> 'removed' ORDER BY user_id")) put({ kind: 'payoutRule', row: plainRow<PayoutRuleRow>(row) })
  for (const row of await db.query<Doc>("SELECT doc FROM reversals WHERE state = 'proposed' OR (state = 'done' AND attempt IS NOT NULL) ORDER BY id")) put({ kind: 'reversal', row: reversalRow(row) })
  for (const row of await db.query<Doc>("SELECT doc FROM forfeits WHERE state = 'due' OR at > $1 ORDER BY id", [nowMs - FORFEITS_KNOWN_MS])) put({ kind: 'forfeit', row: forfeitRow(row) })
  const bonds = db.query<{ id: string; balance: string }>(`SELECT id, CAST(balance AS TEXT) AS balance FROM accounts WHERE id LIKE 'seller:%:pending' AND balance > 0`)
  for (const { id, balance } of await bonds) if (state.accounts.has(id)) state.accounts.set(id, BigInt(balance))
  for (const row of await db.query<Doc>("SELECT doc FROM incidents WHERE state = 'open' ORDER BY id")) put({ kind: 'incident', row: plainRow<IncidentRow>(row) })
  for (const row of await db.query<Doc>('SELECT doc FROM alert_settings')) put({ kind: 'alertSettings', row: plainRow<AlertSettingsRow>(row) })
  // What is older is over, or may be said again.
  for (const { key, at } of await db.query<{ key: string; at: string }>('SELECT key, CAST(MAX(at) AS TEXT) AS at FROM alerts WHERE at > $1 GROUP BY key', [nowMs - ALERTS_KNOWN_MS])) state.alerted.set(key, Number(at))
  for (const row of await db.query<Doc>('SELECT doc FROM settings_versions ORDER BY version DESC LIMIT 1')) put({ kind: 'settings', row: plainRow<SettingsRow>(row) })
  for (const row of await db.query<Parameters<typeof personRow>[0]>('SELECT id, roles, suspended FROM users WHERE suspended IS NOT NULL')) put({ kind: 'person', row: personRow(row) })
  for (const row of await db.query<Doc>('SELECT doc FROM auto_topups')) put({ kind: 'autoTopup', row: plainRow<AutoTopupRow>(row) })
  for (const row of await db.query<Doc>("SELECT doc FROM members WHERE state = 'active'")) put({ kind: 'member', row: plainRow<MemberRow>(row) })
  for (const row of await db.query<Doc>("SELECT doc FROM invitations WHERE state = 'open'")) put({ kind: 'invitation', row: plainRow<InvitationRow>(row) })
  for (const row of await db.query<Doc>('SELECT doc FROM enrolments WHERE expires_at >= $1', [nowMs])) put({ kind: 'enrolment', row: plainRow<EnrolmentRow>(row) })
  grantLeases(beginTurn(state, { now: nowMs, id: () => '', hash: () => '', keyed: () => '' }))
}

async function pages<Row extends { id: string }>(db: Database, sql: string, each: (rows: Row[]) => Promise<void>): Promise<void> {
  for (let after = ''; ;) {
    const rows = await db.query<Row>(sql, [after])
    if (rows.length === 0) return
    await each(rows)
    after = (rows.at(-1) as Row).id
  }
}
