// Changes → statements of one transaction: a dozen however many jobs it carries. Of several changes to one row only the last is written.
import type { JobEvent } from '@lumaris/protocol'
import { isLive, isPart, payerOf } from '@lumaris/domain'
import type { ActionRow, AlertRow, AlertSettingsRow, AttemptRow, AutoTopupRow, AvailabilityRows, Change, EnrolmentRow, EntryRow, FaultRow, ForfeitRow, ImpersonationRow, IncidentRow, InvitationRow, JobRow, KeyRow, LessonRow, MemberActRow, MemberRow, NodeRow, PayoutRow, PayoutRuleRow, PersonRow, QuoteRow, ReputationDayRow, ReversalRow, ScheduleRow, SealRow, SettingsRow, StandingRow, TaskRow, TickRow } from '@lumaris/domain'
import { pack } from '../database/database.ts'
import type { Database, Statement } from '../database/database.ts'

type Json = Record<string, unknown>
const wire = (amount: bigint | null): string | null => (amount === null ? null : amount.toString())

export function jobDoc(row: JobRow): Json {
  const { spec: _, ...rest } = row // the spec never changes: it stands in a column of its own, written once
  return { ...rest, cap: wire(row.cap), attemptCap: wire(row.attemptCap), cost: wire(row.cost), refunded: wire(row.refunded), displaced: wire(row.displaced) }
}
export const attemptDoc = (row: AttemptRow): Json => ({ ...row, billed: wire(row.billed), fee: wire(row.fee) })

export const payoutDoc = (row: PayoutRow): Json => ({ ...row, amount: wire(row.amount) })
export const forfeitDoc = (row: ForfeitRow): Json => ({ ...row, price: wire(row.price), most: wire(row.most), taken: wire(row.taken) })
export const reversalDoc = (row: ReversalRow): Json => ({ ...row, postings: row.postings.map((posting) => ({ ...posting, amount: wire(posting.amount) })) })

type Batch = {
  payouts: Map<string, PayoutRow>; payoutRules: Map<string, PayoutRuleRow>; faults: Map<string, FaultRow>; reputationDays: Map<string, ReputationDayRow>; reversals: Map<string, ReversalRow>; forfeits: Map<string, ForfeitRow>; incidents: Map<string, IncidentRow>; people: Map<string, PersonRow>; settings: SettingsRow[]; impersonations: ImpersonationRow[]; alerts: AlertRow[]; alertSettings: Map<string, AlertSettingsRow>; actions: ActionRow[]
  autoTopups: Map<string, AutoTopupRow>; memberActs: MemberActRow[]; members: Map<string, MemberRow>; invitations: Map<string, InvitationRow>
  newJobs: JobRow[]; jobs: Map<string, JobRow>; tasks: Map<string, TaskRow>; attempts: Map<string, AttemptRow>; nodes: Map<string, NodeRow>; lessons: Map<string, LessonRow>; standing: Map<string, StandingRow>; schedules: Map<string, ScheduleRow>; quotes: QuoteRow[]; enrolments: Map<string, EnrolmentRow>
  keys: Map<string, KeyRow>; entries: EntryRow[]; events: Map<string, JobEvent[]>; ticks: Map<string, TickRow>; seals: SealRow[]
}

function gather(changes: readonly Change[]): Batch {
  const batch: Batch = { payouts: new Map(), payoutRules: new Map(), faults: new Map(), reputationDays: new Map(), reversals: new Map(), forfeits: new Map(), incidents: new Map(), people: new Map(), settings: [], impersonations: [], alerts: [], alertSettings: new Map(), actions: [], memberActs: [], autoTopups: new Map(), members: new Map(), invitations: new Map(), newJobs: [], jobs: new Map(), tasks: new Map(), attempts: new Map(), nodes: new Map(), lessons: new Map(), standing: new Map(), schedules: new Map(), quotes: [], enrolments: new Map(), keys: new Map(), entries: [], events: new Map(), ticks: new Map(), seals: [] }
  const fresh = new Set<string>()
  for (const change of changes) {
    switch (change.kind) {
      case 'job': if (change.row.version === 0) fresh.add(change.row.id); batch.jobs.set(change.row.id, change.row); break
      case 'task': batch.tasks.set(`${change.row.job}.${change.row.index}`, change.row); break
      case 'attempt': batch.attempts.set(change.row.id, change.row); break
      case 'node': batch.nodes.set(change.row.id, change.row); break
      case 'lesson': batch.lessons.set(`${change.row.what}:${change.row.key}`, change.row); break
      case 'standing': batch.standing.set(change.row.id, change.row); break
      case 'schedule': batch.schedules.set(change.row.id, change.row); break
      case 'payout': batch.payouts.set(change.row.id, change.row); break
      case 'fault': batch.faults.set(change.row.attempt, change.row); break
      case 'reputationDay': batch.reputationDays.set(`${change.row.node} ${change.row.day}`, change.row); break
      case 'payoutRule': batch.payoutRules.set(change.row.user, change.row); break
      case 'reversal': batch.reversals.set(change.row.id, change.row); break
      case 'forfeit': batch.forfeits.set(change.row.attempt, change.row); break
      case 'incident': batch.incidents.set(change.row.id, change.row); break
      case 'alert': batch.alerts.push(change.row); break
      case 'alertSettings': batch.alertSettings.set(change.row.user, change.row); break
      case 'autoTopup': batch.autoTopups.set(change.row.user, change.row); break
      case 'member': batch.members.set(`${change.row.account} ${change.row.user}`, change.row); break
      case 'invitation': batch.invitations.set(change.row.id, change.row); break
      case 'memberAct': batch.memberActs.push(change.row); break
      case 'impersonation': batch.impersonations.push(change.row); break
      case 'settings': batch.settings.push(change.row); break
      case 'person': batch.people.set(change.row.id, change.row); break
      case 'action': batch.actions.push(change.row); break
      case 'quote': batch.quotes.push(change.row); break
      case 'enrolment': batch.enrolments.set(change.row.id, change.row); break
      case 'key': batch.keys.set(change.row.id, change.row); break
      case 'entry': batch.entries.push(change.row); break
      case 'event': { const list = batch.events.get(change.row.job); if (list) list.push(change.row); else batch.events.set(change.row.job, [change.row]); break }
      case 'tick': batch.ticks.set(`${change.row.attempt}.${change.row.seq}`, change.row); break
      case 'seal': batch.seals.push(change.row)
    }
  }
  for (const id of fresh) {
    batch.newJobs.push(batch.jobs.get(id) as JobRow) // it was put in this very batch
    batch.jobs.delete(id)
  }
  return batch
}

// A write, once: its table and columns. SQLite runs the statement per row (a prepared statement takes two microseconds; unrolling JSON took ten
// times that), PostgreSQL takes whole columns in one go.
type Column = readonly [name: string, type: 'text' | 'bigint']
type Write = { readonly columns: readonly Column[]; readonly sqlite: string; readonly postgres: string }
const unnest = (columns: readonly Column[]): string => `unnest(${columns.map(([, type], i) => `string_to_array($${i + 1}, E'\\x1f', E'\\x01')::${type}[]`).join(', ')})`
const names = (columns: readonly Column[]): string => columns.map(([name]) => name).join(', ')

function inserts(table: string, columns: readonly Column[], tail = ''): Write {
  const into = `INSERT INTO ${table} (${names(columns)})`
  return { columns, sqlite: `${into} VALUES (${columns.map((_, i) => `$${i + 1}`).join(', ')}) ${tail}`, postgres: `${into} SELECT * FROM ${unnest(columns)} WHERE true ${tail}` }
}
/** The first `keys` columns find the row, the others are set; `also` is a further condition on the row. */
function updates(table: string, keys: number, columns: readonly Column[], also = ''): Write {
  const set = columns.slice(keys), key = columns.slice(0, keys)
  return {
    columns,
    sqlite: `UPDATE ${table} SET ${set.map(([name], i) => `${name} = $${keys + i + 1}`).join(', ')} WHERE ${key.map(([name], i) => `${name} = $${i + 1}`).join(' AND ')} ${also}`,
    postgres: `UPDATE ${table} SET ${set.map(([name]) => `${name} = v.${name}`).join(', ')} FROM ${unnest(columns)} AS v (${names(columns)}) WHERE ${key.map(([name]) => `${table}.${name} = v.${name}`).join(' AND ')} ${also}`,
  }
}
const replacing = (key: string, columns: readonly string[]): string => `ON CONFLICT (${key}) DO UPDATE SET ${columns.map((name) => `${name} = excluded.${name}`).join(', ')}`

const WRITES = {
  newJobs: inserts('jobs', [['id', 'text'], ['buyer', 'text'], ['state', 'text'], ['created_at', 'bigint'], ['ended_at', 'bigint'], ['cap', 'bigint'], ['cost', 'bigint'], ['version', 'bigint'], ['image', 'text'], ['spec', 'text'], ['doc', 'text']]),
  jobs: updates('jobs', 1, [['id', 'text'], ['state', 'text'], ['ended_at', 'bigint'], ['cost', 'bigint'], ['version', 'bigint'], ['doc', 'text']]),
  tasks: inserts('tasks', [['job', 'text'], ['idx', 'bigint'], ['doc', 'text']], replacing('job, idx', ['doc'])),
  attempts: inserts('attempts', [['id', 'text'], ['job', 'text'], ['task', 'bigint'], ['slot', 'bigint'], ['fence', 'bigint'], ['node', 'text'], ['seller', 'text'], ['state', 'text'], ['live', 'bigint'], ['billed', 'bigint'], ['fee', 'bigint'], ['ended_at', 'bigint'], ['tick_seq', 'bigint'], ['payer', 'text'], ['part', 'bigint'], ['doc', 'text']],
    replacing('id', ['state', 'live', 'billed', 'fee', 'ended_at', 'tick_seq', 'payer', 'part', 'doc'])),
  nodes: inserts('nodes', [['id', 'text'], ['owner', 'text'], ['public_key', 'text'], ['session', 'bigint'], ['lease_gen', 'bigint'], ['doc', 'text']], replacing('id', ['owner', 'session', 'lease_gen', 'doc'])),
  lessons: inserts('lessons', [['id', 'text'], ['what', 'text'], ['doc', 'text']], replacing('id', ['doc'])),
  standing: inserts('standing', [['id', 'text'], ['buyer', 'text'], ['state', 'text'], ['doc', 'text']], replacing('id', ['state', 'doc'])),
  schedules: inserts('schedules', [['id', 'text'], ['buyer', 'text'], ['state', 'text'], ['doc', 'text']], replacing('id', ['state', 'doc'])),
  quotes: inserts('quotes', [['id', 'text'], ['buyer', 'text'], ['valid_until', 'bigint'], ['doc', 'text']]),
  enrolments: inserts('enrolments', [['id', 'text'], ['token_hash', 'text'], ['expires_at', 'bigint'], ['doc', 'text']], replacing('id', ['doc'])),
  keys: inserts('idempotency', [['id', 'text'], ['body_hash', 'text'], ['subject', 'text'], ['at', 'bigint']]),
  postings: inserts('postings', [['entry', 'text'], ['line', 'bigint'], ['kind', 'text'], ['at', 'bigint'], ['job', 'text'], ['attempt', 'text'], ['debit', 'text'], ['credit', 'text'], ['amount', 'bigint']]),
  payouts: inserts('payouts', [['id', 'text'], ['user_id', 'text'], ['state', 'text'], ['amount', 'bigint'], ['doc', 'text']], replacing('id', ['state', 'doc'])),
  faults: inserts('faults', [['id', 'text'], ['node', 'text'], ['at', 'bigint'], ['appeal', 'text'], ['appealed_at', 'bigint'], ['doc', 'text']], replacing('id', ['appeal', 'appealed_at', 'doc'])),
  reputationDays: inserts('reputation_days', [['node', 'text'], ['day', 'bigint'], ['doc', 'text']], replacing('node, day', ['doc'])),
  payoutRules: inserts('payout_rules', [['user_id', 'text'], ['state', 'text'], ['doc', 'text']], replacing('user_id', ['state', 'doc'])),
  reversals: inserts('reversals', [['id', 'text'], ['entry', 'text'], ['state', 'text'], ['attempt', 'text'], ['doc', 'text']], replacing('id', ['state', 'doc'])),
  forfeits: inserts('forfeits', [['id', 'text'], ['owner', 'text'], ['state', 'text'], ['at', 'bigint'], ['doc', 'text']], replacing('id', ['state', 'at', 'doc'])),
  incidents: inserts('incidents', [['id', 'text'], ['state', 'text'], ['doc', 'text']], replacing('id', ['state', 'doc'])),
  people: updates('users', 1, [['id', 'text'], ['roles', 'text'], ['suspended', 'text']]),
  alerts: inserts('alerts', [['id', 'text'], ['user_id', 'text'], ['key', 'text'], ['at', 'bigint'], ['doc', 'text']]),
  alertSettings: inserts('alert_settings', [['user_id', 'text'], ['doc', 'text']], replacing('user_id', ['doc'])),
  autoTopups: inserts('auto_topups', [['user_id', 'text'], ['doc', 'text']], replacing('user_id', ['doc'])),
  members: inserts('members', [['account', 'text'], ['user_id', 'text'], ['role', 'text'], ['state', 'text'], ['doc', 'text']], replacing('account, user_id', ['role', 'state', 'doc'])),
  invitations: inserts('invitations', [['id', 'text'], ['account', 'text'], ['code_hash', 'text'], ['state', 'text'], ['expires_at', 'bigint'], ['doc', 'text']], replacing('id', ['state', 'doc'])),
  impersonations: inserts('impersonations', [['id', 'text'], ['by_user', 'text'], ['user_id', 'text'], ['reason', 'text'], ['token_hash', 'text'], ['session_id', 'text'], ['key_id', 'text'], ['at', 'bigint'], ['expires_at', 'bigint']]),
  settings: inserts('settings_versions', [['version', 'bigint'], ['by_user', 'text'], ['doc', 'text']]),
  actions: inserts('admin_actions', [['id', 'text'], ['at', 'bigint'], ['by_user', 'text'], ['action', 'text'], ['subject', 'text'], ['doc', 'text']]),
  memberActs: inserts('member_acts', [['id', 'text'], ['account', 'text'], ['by_user', 'text'], ['at', 'bigint'], ['route', 'text'], ['subject', 'text'], ['request', 'text'], ['address', 'text']]),
  released: updates('attempts', 1, [['id', 'text'], ['released', 'bigint']]),
  events: inserts('events', [['job', 'text'], ['version', 'bigint'], ['doc', 'text']]),
  ticks: inserts('ticks', [['attempt', 'text'], ['seq', 'bigint'], ['hash', 'text'], ['doc', 'text']]),
  // A seal counts for the ticks that we hold under the very hash it names; the first seal of a tick stays.
  sealed: updates('ticks', 3, [['attempt', 'text'], ['seq', 'bigint'], ['hash', 'text'], ['seal', 'text'], ['leaf', 'bigint']], 'AND ticks.seal IS NULL'),
  seals: inserts('seals', [['id', 'text'], ['node', 'text'], ['doc', 'text']], 'ON CONFLICT (id) DO NOTHING'),
} as const satisfies Record<string, Write>

type Cell = string | number | bigint | null
function statement(write: Write, dialect: Database['dialect'], rows: readonly (readonly Cell[])[], expectAll: boolean): Statement {
  const expected = expectAll ? { expectRows: rows.length } : {}
  const packed = pack(rows)
  return dialect === 'sqlite' ? { sql: write.sqlite, params: [], packed, ...expected } : { sql: write.postgres, params: packed.columns, ...expected }
}

/** Of the image that a job names: what it is looked for by. */
const digestOf = (spec: JobRow['spec']): string | null => spec.image?.slice(spec.image.indexOf('@') + 1) ?? null

export const sealId = (seal: { node: string; session: number; number: number }): string => `${seal.node}:${seal.session}:${seal.number}`

export function statementsFor(changes: readonly Change[], dialect: Database['dialect']): Statement[] {
  const batch = gather(changes)
  const statements: Statement[] = []
  const add = (name: keyof typeof WRITES, rows: readonly (readonly Cell[])[], expectAll = false) => {
    if (rows.length > 0) statements.push(statement(WRITES[name], dialect, rows, expectAll))
  }
  const text = JSON.stringify
  add('newJobs', batch.newJobs.map((row) => [row.id, row.buyer, row.state, row.createdAt, row.endedAt, row.cap, row.cost, row.version, digestOf(row.spec), text(row.spec), text(jobDoc(row))]))
  add('jobs', [...batch.jobs.values()].map((row) => [row.id, row.state, row.endedAt, row.cost, row.version, text(jobDoc(row))]), true)
  add('tasks', [...batch.tasks.values()].map((row) => [row.job, row.index, text(row)]))
  // Two passes: an attempt that ends must leave its slot before the next one takes it, or the index that allows one live attempt refuses.
  const attempts = [...batch.attempts.values()].map((row) => [
    row.id, row.job, row.task, row.slot, row.fence, row.node, row.seller, row.state, isLive(row.state) ? 1 : 0, row.billed, row.fee, row.endedAt, isPart(row) ? (row.saved?.tick ?? row.tickSeq) : row.tickSeq, payerOf(row), isPart(row) ? row.fence : 0, text(attemptDoc(row)),
  ])
  add('attempts', attempts.filter((row) => row[8] === 0))
  add('attempts', attempts.filter((row) => row[8] === 1))
  add('nodes', [...batch.nodes.values()].map((row) => [row.id, row.owner, row.publicKey, row.session, row.leaseGen, text(row)]))
  add('lessons', [...batch.lessons].map(([id, row]) => [id, row.what, text(row)]))
  add('standing', [...batch.standing.values()].map((row) => [row.id, row.buyer, row.state, text(row)]))
  add('schedules', [...batch.schedules.values()].map((row) => [row.id, row.buyer, row.state, text(row)]))
  add('quotes', batch.quotes.map((row) => [row.id, row.buyer, row.validUntil, text(row)]))
  add('enrolments', [...batch.enrolments.values()].map((row) => [row.id, row.tokenHash, row.expiresAt, text(row)]))
  add('keys', [...batch.keys.values()].map((row) => [row.id, row.bodyHash, row.subject, row.at]))
  add('postings', batch.entries.flatMap((row) => row.postings.map((posting, line) => [row.id, line, row.kind, row.at, row.job, row.attempt, posting.from, posting.to, posting.amount])))
  // 1: it cleared; 2: it was taken back, and never clears.
  const cleared = batch.entries.flatMap(({ kind, attempt }) => (attempt && (kind === 'release' || kind === 'reversal') ? [[attempt, kind === 'release' ? 1 : 2] as const] : []))
  const forfeited = [...batch.forfeits.values()].flatMap(({ of }) => of.map((attempt) => [attempt, 2] as const))
  add('released', [...new Map([...cleared, ...forfeited])], true)
  add('payouts', [...batch.payouts.values()].map((row) => [row.id, row.user, row.state, row.amount, text(payoutDoc(row))]))
  add('faults', [...batch.faults.values()].map((row) => [row.attempt, row.node, row.at, row.appeal?.state ?? null, row.appeal?.at ?? null, text(row)]))
  add('reputationDays', [...batch.reputationDays.values()].map((row) => [row.node, row.day, text(row)]))
  add('payoutRules', [...batch.payoutRules.values()].map((row) => [row.user, row.state, text(row)]))
  add('reversals', [...batch.reversals.values()].map((row) => [row.id, row.entry, row.state, row.attempt, text(reversalDoc(row))]))
  add('forfeits', [...batch.forfeits.values()].map((row) => [row.attempt, row.owner, row.state, row.endedAt ?? row.at, text(forfeitDoc(row))]))
  add('incidents', [...batch.incidents.values()].map((row) => [row.id, row.state, text(row)]))
  add('people', [...batch.people.values()].map((row) => [row.id, text(row.roles), row.suspended ? text(row.suspended) : null]), true)
  add('alerts', batch.alerts.map((row) => [row.id, row.user, row.key, row.at, text(row)]))
  add('alertSettings', [...batch.alertSettings.values()].map((row) => [row.user, text(row)]))
  add('autoTopups', [...batch.autoTopups.values()].map((row) => [row.user, text(row)]))
  add('members', [...batch.members.values()].map((row) => [row.account, row.user, row.role, row.state, text(row)]))
  // What somebody made for an account ends in the commit in which he goes.
  for (const { account, user, state, goneAt } of batch.members.values()) if (state === 'gone') statements.push(
    { sql: 'UPDATE api_keys SET revoked_at = $3 WHERE user_id = $1 AND made_by = $2 AND revoked_at IS NULL', params: [account, user, goneAt ?? 0] },
    { sql: "UPDATE webhooks SET disabled_at = $3, disabled_because = 'whoever made it works for this account no more' WHERE buyer = $1 AND made_by = $2 AND disabled_at IS NULL", params: [account, user, goneAt ?? 0] })
  add('invitations', [...batch.invitations.values()].map((row) => [row.id, row.account, row.codeHash, row.state, row.expiresAt, text(row)]))
  add('impersonations', batch.impersonations.map((row) => [row.id, row.by, row.user, row.reason, row.tokenHash, row.session, row.key, row.at, row.expiresAt]))
  add('settings', batch.settings.map((row) => [row.version, row.by, text(row)]))
  add('actions', batch.actions.map((row) => [row.id, row.at, row.by, row.action, row.subject, text(row)]))
  add('memberActs', batch.memberActs.map((row) => [row.id, row.account, row.by, row.at, row.route, row.subject, row.request, row.from]))
  add('events', [...batch.events].map(([job, events]) => [job, (events.at(-1) as JobEvent).version, text(events)]))
  add('ticks', [...batch.ticks.values()].map((row) => [row.attempt, row.seq, row.hash, text(row)]))
  add('seals', batch.seals.map((row) => [sealId(row), row.node, text(row)]))
  add('sealed', batch.seals.flatMap((seal) => seal.leaves.map((leaf, index) => [leaf.attempt, leaf.seq, leaf.hash, sealId(seal), index])))
  return statements
}

/** What is known of the nodes' coming and going. A forecast: losing its last minutes loses nothing that anybody was promised, so it is written now and then, not with each heartbeat. */
export const availabilityStatement = (rows: AvailabilityRows, dialect: Database['dialect']): Statement => statement(WRITES.lessons, dialect, [['availability', 'availability', JSON.stringify(rows)]], false)

/** Every commit of the engine begins with this: under an old epoch it touches no row, and the whole transaction is refused. */
export const epochStatement = (region: string, epoch: number, nowMs: number): Statement =>
  ({ sql: 'UPDATE writer SET beat = $3 WHERE region = $1 AND epoch = $2', params: [region, epoch, nowMs], expectRows: 1 })

