// One turn of the engine: commands in, Changes and Effects out. A handler changes the state only through `emit`, so that memory and tables
// see the same Changes; effects wait for the commit (commit, then tell).
import type { AttemptId, Cause, Instant, JobEvent, JobId, NodeEvent, NodeId, Refusal, RefusalCode, ToAgent, UserId } from '@lumaris/protocol'
import type { AlertRow, AttemptRow, Change, EntryRow, JobRow, NodeRow, StandingRow, TaskRow } from './rows.ts'
import { apply } from './state.ts'
import type { LiveJob, MarketState } from './state.ts'
import type { ActsFor } from './members/members.ts'
import { invariant } from './invariant.ts'

/** What the outside gives a turn, so that the same turn can be replayed: time, ids and hashing. */
export type TurnPorts = {
  readonly now: Instant
  /** A fresh id with this prefix; in order of making. */
  readonly id: (prefix: 'job' | 'att' | 'nod' | 'quo' | 'enr' | 'sta' | 'sch' | 'pay' | 'rev' | 'inc' | 'act' | 'imp' | 'alr' | 'hal' | 'inv' | 'mac') => string
  /** SHA-256 of a text, hex. */
  readonly hash: (text: string) => string
  /** A digest of a text under a secret key, hex: what nobody outside can foresee, and a replay finds again. */
  readonly keyed: (text: string) => string
}

export type Effect =
  /** To a node's socket, if this session of it is connected; else dropped: hello and heartbeats repair it from the rows. */
  | { readonly kind: 'send'; readonly node: NodeId; readonly session: number; readonly message: ToAgent }
  | { readonly kind: 'event'; readonly event: JobEvent; readonly buyer: UserId }
  | { readonly kind: 'standing'; readonly row: StandingRow }
  | { readonly kind: 'alert'; readonly row: AlertRow }
  /** Something happened to a node: for its seller's page, kept by nobody. */
  | { readonly kind: 'noted'; readonly node: NodeId; readonly event: NodeEvent }
  | { readonly kind: 'cut'; readonly node: NodeId; readonly session: number; readonly code: RefusalCode }

export type Turn = TurnPorts & { readonly state: MarketState; readonly changes: Change[]; readonly effects: Effect[]; /** Jobs that ended in it: what comes after them is looked at when its commands are done. */ readonly closed: JobId[]; /** Of the command that is being decided. */ asked: Asked | null }
/** Which request asks for it, from where, and who acts for an account that is not his. */
export type Asked = { readonly request: string; readonly from: string; /** Who asks works for the account. */ readonly member?: ActsFor & { readonly name: string; /** Of a request that changes something, for the log of what members did: what was asked, and of what, where the address names it. */ readonly act?: { readonly route: string; readonly subject: string | null } } }
export const beginTurn = (state: MarketState, ports: TurnPorts): Turn => ({ ...ports, state, changes: [], effects: [], closed: [], asked: null })

export function emit(turn: Turn, change: Change): void {
  turn.changes.push(change)
  apply(turn.state, change)
}
export const effect = (turn: Turn, sent: Effect): void => { turn.effects.push(sent) }
export const note = (turn: Turn, node: NodeId, what: NodeEvent['what'], detail?: string): void => effect(turn, { kind: 'noted', node, event: { at: turn.now, what, ...(detail === undefined ? {} : { detail }) } })
export const tell = (turn: Turn, node: NodeId, session: number, message: ToAgent): void => effect(turn, { kind: 'send', node, session, message })

// Short forms for the rows that handlers change most; each gives the new row back.
export function putJob(turn: Turn, row: JobRow): JobRow { emit(turn, { kind: 'job', row }); return row }
export function putTask(turn: Turn, row: TaskRow): TaskRow { emit(turn, { kind: 'task', row }); return row }
export function putAttempt(turn: Turn, row: AttemptRow): AttemptRow { emit(turn, { kind: 'attempt', row }); return row }
export function putNode(turn: Turn, row: NodeRow): NodeRow { emit(turn, { kind: 'node', row }); return row }
export function putEntry(turn: Turn, row: EntryRow): void { emit(turn, { kind: 'entry', row }) }

export function liveJob(turn: Turn, id: JobId): LiveJob {
  const live = turn.state.jobs.get(id)
  invariant(live, `job ${id} is not in memory`)
  return live
}
export function liveAttempt(turn: Turn, id: AttemptId): AttemptRow {
  const row = turn.state.attempts.get(id)
  invariant(row, `attempt ${id} is not in memory`)
  return row
}

/** What somebody asks for; the rest of a history comes by itself. */
const BY_PEOPLE: ReadonlySet<JobEvent['type']> = new Set(['submitted', 'paused', 'resumed', 'moved', 'cancelling'])
type EventBody = { type: JobEvent['type']; state: string; task?: number; attempt?: AttemptRow; cause?: Cause | null; amount?: bigint; reason?: string | undefined }
/** Adds one line to a job's history: numbered without gaps, because the number stands in the job's own row. */
export function record(turn: Turn, jobId: JobId, body: EventBody): void {
  const live = liveJob(turn, jobId)
  const version = live.row.version + 1
  putJob(turn, { ...live.row, version })
  const attempt = body.attempt, piece = attempt?.piece ?? (body.task === undefined ? undefined : live.tasks[body.task]?.piece)
  const event: JobEvent = {
    job: jobId, version, at: turn.now, type: body.type, state: body.state,
    ...(body.task !== undefined ? { task: body.task } : {}),
    ...(attempt ? { attempt: attempt.id, node: attempt.node, task: attempt.task, nodeName: turn.state.nodes.get(attempt.node)?.name ?? '' } : {}),
    ...(body.cause ? { cause: body.cause } : {}),
    ...(body.amount !== undefined ? { amount: body.amount.toString() } : {}),
    ...(body.reason ? { reason: body.reason } : {}),
    ...(turn.asked?.member && BY_PEOPLE.has(body.type) ? { by: turn.asked.member.name } : {}),
    ...(piece ? { range: { from: piece.from, to: piece.to } } : {}),
  }
  emit(turn, { kind: 'event', row: event })
  effect(turn, { kind: 'event', event, buyer: live.row.buyer })
}

export const refused = (code: RefusalCode, detail?: Record<string, unknown>): Refusal => (detail ? { refusal: code, detail } : { refusal: code })
