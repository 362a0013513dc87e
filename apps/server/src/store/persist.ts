// Changes → statements of one transaction. Rows of one kind travel together as one JSON array, so a commit has a dozen statements however many
// jobs it carries; of several changes to one row only the last is written. The SQL is the same for both databases but for the function that
// unrolls the array.
import { account } from '@lumaris/protocol'
import type { AccountName, JobEvent } from '@lumaris/protocol'
import { holdsNode } from '@lumaris/domain'
import type { AttemptRow, Change, EntryRow, JobRow, SealRow, TickRow } from '@lumaris/domain'
import type { Database, Statement } from '../database/database.ts'

type Json = Record<string, unknown>
const wire = (amount: bigint | null): string | null => (amount === null ? null : amount.toString())

export function jobDoc(row: JobRow): Json {
  const { spec: _, ...rest } = row // the spec never changes: it stands in a column of its own, written once
  return { ...rest, cap: wire(row.cap), attemptCap: wire(row.attemptCap), cost: wire(row.cost), refunded: wire(row.refunded) }
}
export const attemptDoc = (row: AttemptRow): Json => ({ ...row, billed: wire(row.billed), fee: wire(row.fee) })

/** Entries of up to this many lines keep their order within the entry. */
const lines = (row: EntryRow): Json[] => row.postings.map((posting, line) => ({
  entry: row.id, line, kind: row.kind, at: row.at, job: row.job, attempt: row.attempt, debit: posting.from, credit: posting.to, amount: posting.amount.toString(),
}))

type Batch = {
  newJobs: Json[]; jobs: Map<string, JobRow>; tasks: Map<string, Json>; attempts: Map<string, AttemptRow>; nodes: Map<string, Json>; quotes: Json[]; enrolments: Map<string, Json>
  keys: Map<string, Json>; postings: Json[]; released: string[]; events: Map<string, JobEvent[]>; ticks: Map<string, TickRow>; seals: SealRow[]
}

function gather(changes: readonly Change[]): Batch {
  const batch: Batch = { newJobs: [], jobs: new Map(), tasks: new Map(), attempts: new Map(), nodes: new Map(), quotes: [], enrolments: new Map(), keys: new Map(), postings: [], released: [], events: new Map(), ticks: new Map(), seals: [] }
  const fresh = new Set<string>()
  for (const change of changes) {
    switch (change.kind) {
      case 'job': if (change.row.version === 0) fresh.add(change.row.id); batch.jobs.set(change.row.id, change.row); break
      case 'task': batch.tasks.set(`${change.row.job}.${change.row.index}`, change.row); break
      case 'attempt': batch.attempts.set(change.row.id, change.row); break
      case 'node': batch.nodes.set(change.row.id, change.row); break
      case 'quote': batch.quotes.push(change.row); break
      case 'enrolment': batch.enrolments.set(change.row.id, change.row); break
      case 'key': batch.keys.set(change.row.id, change.row); break
      case 'entry': batch.postings.push(...lines(change.row)); if (change.row.kind === 'release' && change.row.attempt) batch.released.push(change.row.attempt); break
      case 'event': { const list = batch.events.get(change.row.job); if (list) list.push(change.row); else batch.events.set(change.row.job, [change.row]); break }
      case 'tick': batch.ticks.set(`${change.row.attempt}.${change.row.seq}`, change.row); break
      case 'seal': batch.seals.push(change.row)
    }
  }
  for (const id of fresh) {
    const row = batch.jobs.get(id) as JobRow // it was put in this very batch
    batch.newJobs.push({ spec: row.spec, row: jobDoc(row) })
    batch.jobs.delete(id)
  }
  return batch
}

const SQL = {
  newJobs: (from: string) => `INSERT INTO jobs (id, buyer, state, created_at, ended_at, cap, cost, version, spec, doc)
    SELECT v->'row'->>'id', v->'row'->>'buyer', v->'row'->>'state', CAST(v->'row'->>'createdAt' AS BIGINT), CAST(v->'row'->>'endedAt' AS BIGINT), CAST(v->'row'->>'cap' AS BIGINT),
      CAST(v->'row'->>'cost' AS BIGINT), CAST(v->'row'->>'version' AS BIGINT), CAST(v->'spec' AS TEXT), CAST(v->'row' AS TEXT) FROM ${from}`,
  jobs: (from: string) => `UPDATE jobs SET state = v->>'state', ended_at = CAST(v->>'endedAt' AS BIGINT), cost = CAST(v->>'cost' AS BIGINT), version = CAST(v->>'version' AS BIGINT), doc = CAST(v AS TEXT)
    FROM ${from} WHERE jobs.id = v->>'id'`,
  tasks: (from: string) => `INSERT INTO tasks (job, idx, doc) SELECT v->>'job', CAST(v->>'index' AS INTEGER), CAST(v AS TEXT) FROM ${from} WHERE true
    ON CONFLICT (job, idx) DO UPDATE SET doc = excluded.doc`,
  attempts: (from: string) => `INSERT INTO attempts (id, job, task, slot, fence, node, seller, state, live, billed, fee, ended_at, tick_seq, doc)
    SELECT v->>'id', v->>'job', CAST(v->>'task' AS INTEGER), CAST(v->>'slot' AS INTEGER), CAST(v->>'fence' AS BIGINT), v->>'node', v->>'seller', v->>'state', CAST(v->>'live' AS INTEGER),
      CAST(v->>'billed' AS BIGINT), CAST(v->>'fee' AS BIGINT), CAST(v->>'endedAt' AS BIGINT), CAST(v->>'tickSeq' AS INTEGER), CAST(v AS TEXT) FROM ${from} WHERE true
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, live = excluded.live, billed = excluded.billed, fee = excluded.fee, ended_at = excluded.ended_at, tick_seq = excluded.tick_seq, doc = excluded.doc`,
  nodes: (from: string) => `INSERT INTO nodes (id, owner, public_key, session, lease_gen, doc)
    SELECT v->>'id', v->>'owner', v->>'publicKey', CAST(v->>'session' AS BIGINT), CAST(v->>'leaseGen' AS BIGINT), CAST(v AS TEXT) FROM ${from} WHERE true
    ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, session = excluded.session, lease_gen = excluded.lease_gen, doc = excluded.doc`,
  quotes: (from: string) => `INSERT INTO quotes (id, buyer, valid_until, doc) SELECT v->>'id', v->>'buyer', CAST(v->>'validUntil' AS BIGINT), CAST(v AS TEXT) FROM ${from}`,
  enrolments: (from: string) => `INSERT INTO enrolments (id, token_hash, expires_at, doc) SELECT v->>'id', v->>'tokenHash', CAST(v->>'expiresAt' AS BIGINT), CAST(v AS TEXT) FROM ${from} WHERE true
    ON CONFLICT (id) DO UPDATE SET doc = excluded.doc`,
  keys: (from: string) => `INSERT INTO idempotency (id, body_hash, subject, at) SELECT v->>'id', v->>'bodyHash', v->>'subject', CAST(v->>'at' AS BIGINT) FROM ${from}`,
  postings: (from: string) => `INSERT INTO postings (entry, line, kind, at, job, attempt, debit, credit, amount)
    SELECT v->>'entry', CAST(v->>'line' AS INTEGER), v->>'kind', CAST(v->>'at' AS BIGINT), v->>'job', v->>'attempt', v->>'debit', v->>'credit', CAST(v->>'amount' AS BIGINT) FROM ${from}`,
  released: (from: string) => `UPDATE attempts SET released = 1 FROM ${from} WHERE attempts.id = v->>'id'`,
  events: (from: string) => `INSERT INTO events (job, version, doc) SELECT v->>'job', CAST(v->>'version' AS BIGINT), CAST(v->'events' AS TEXT) FROM ${from}`,
  ticks: (from: string) => `INSERT INTO ticks (attempt, seq, hash, doc) SELECT v->>'attempt', CAST(v->>'seq' AS INTEGER), v->>'hash', CAST(v AS TEXT) FROM ${from}`,
  // A seal counts for the ticks that we hold under the very hash it names; the first seal of a tick stays.
  sealed: (from: string) => `UPDATE ticks SET seal = v->>'seal', leaf = CAST(v->>'leaf' AS INTEGER) FROM ${from}
    WHERE ticks.attempt = v->>'attempt' AND ticks.seq = CAST(v->>'seq' AS INTEGER) AND ticks.hash = v->>'hash' AND ticks.seal IS NULL`,
  seals: (from: string) => `INSERT INTO seals (id, node, doc) SELECT v->>'id', v->>'node', CAST(v AS TEXT) FROM ${from} WHERE true ON CONFLICT (id) DO NOTHING`,
}
// One row per element, in a column named v: that is all the two dialects differ in.
const FROM = { sqlite: '(SELECT value AS v FROM json_each($1))', postgres: "(SELECT value AS v FROM json_array_elements($1::json)) AS r" } as const
const TEXTS = {
  sqlite: Object.fromEntries(Object.entries(SQL).map(([name, make]) => [name, make(FROM.sqlite)])) as Record<keyof typeof SQL, string>,
  postgres: Object.fromEntries(Object.entries(SQL).map(([name, make]) => [name, make(FROM.postgres)])) as Record<keyof typeof SQL, string>,
}

export const sealId = (seal: { node: string; session: number; number: number }): string => `${seal.node}:${seal.session}:${seal.number}`

export function statementsFor(changes: readonly Change[], dialect: Database['dialect']): Statement[] {
  const batch = gather(changes)
  const sql = TEXTS[dialect]
  const statements: Statement[] = []
  const add = (name: keyof typeof SQL, rows: readonly unknown[], expectAll = false) => {
    if (rows.length > 0) statements.push({ sql: sql[name], params: [JSON.stringify(rows)], ...(expectAll ? { expectRows: rows.length } : {}) })
  }
  add('newJobs', batch.newJobs)
  add('jobs', [...batch.jobs.values()].map(jobDoc), true)
  add('tasks', [...batch.tasks.values()])
  // Two passes: an attempt that ends must leave its slot before the next one takes it, or the index that allows one live attempt refuses.
  const attempts = [...batch.attempts.values()].map((row) => ({ ...attemptDoc(row), live: holdsNode(row.state) || row.state === 'reported' ? 1 : 0 }))
  add('attempts', attempts.filter((row) => row.live === 0))
  add('attempts', attempts.filter((row) => row.live === 1))
  add('nodes', [...batch.nodes.values()])
  add('quotes', batch.quotes)
  add('enrolments', [...batch.enrolments.values()])
  add('keys', [...batch.keys.values()])
  add('postings', batch.postings)
  add('released', batch.released.map((id) => ({ id })), true)
  add('events', [...batch.events].map(([job, events]) => ({ job, version: events.at(-1)?.version, events })))
  add('ticks', [...batch.ticks.values()])
  add('seals', batch.seals.map((seal) => ({ ...seal, id: sealId(seal) })))
  add('sealed', batch.seals.flatMap((seal) => seal.leaves.map((leaf, index) => ({ ...leaf, seal: sealId(seal), leaf: index }))))
  return statements
}

/** Every commit of the engine begins with this: under an old epoch it touches no row, and the whole transaction is refused. */
export const epochStatement = (region: string, epoch: number, nowMs: number): Statement =>
  ({ sql: 'UPDATE writer SET beat = $3 WHERE region = $1 AND epoch = $2', params: [region, epoch, nowMs], expectRows: 1 })

export const availableOf = (user: string): AccountName => account.available(user as Parameters<typeof account.available>[0])
