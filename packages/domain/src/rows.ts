// What the market knows, as plain rows. A row is never changed in place: a change is a new row under the same id, so that a row that was
// handed to the store for its commit cannot move under it.
import type {
  AccountName, AutoTopupRun, AttemptId, AttemptState, Capacity, Cause, Decision, DriverId, DriverOffer, EnrolmentId, EntryKind, Firing, InputFile, Instant, JobEvent, JobId, JobSpec, JobState,
  Level, LiveOffer, MatchingPause, MemoryLock, MergedResult, MeshOffer, Micros, NodeId, NodePolicy, OwnerAsked, PriceSheet, Quote, QuoteId, ResultFile, Schedule, ScheduleId, Saved, SlotState, Standing, StandingId, Tick, TaskState, Usage, UserId,
  ActionId, ActionName, AdminWord, AlertId, AlertKind, AlertSettings, ImpersonationId, Incident, InvitationId, MemberRole, PayoutId, PayoutRule, PayoutState, ReversalId, ReversalState, Role, SettingsVersion, SettingValues, Suspension,
} from '@lumaris/protocol'

import type { As, Why } from './deadline/course.ts'
import type { Aspect, CohortRow, ReputationRow } from './fleet/profile/reputation.ts'
import type { LogMean, SpeedCellRow } from './fleet/profile/speed.ts'

/** An amount in a price sheet, parsed once. */
export type Prices = { readonly start: Micros; readonly cpuHour: Micros; readonly memoryGibHour: Micros; readonly gpuHour: Micros; readonly diskGibHour: Micros; readonly outGib: Micros }

/** A member, with the name that he had then. */
export type By = { readonly user: UserId; readonly name: string }

export type JobRow = {
  readonly id: JobId; readonly buyer: UserId; readonly state: JobState; readonly spec: JobSpec; readonly quote: QuoteId | null
  /** Hash of the request's body: the same id with another body is refused. */
  readonly bodyHash: string
  readonly cap: Micros; readonly attemptCap: Micros; readonly cost: Micros; readonly refunded: Micros; /** Of the cost: paid for interruptible work whose place it took. */ readonly displaced: Micros
  readonly cancelling: boolean; readonly tasksTotal: number; readonly tasksDone: number; readonly tasksFailed: number; readonly tasksRunning: number
  readonly cause: Cause | null; readonly exitCode: number | null
  /** Of a map: what its results became. */
  readonly merged?: MergedResult
  /** Of a job that comes after others: those of them that have not completed, the files of those that have, and since when it waits for a node (null: not yet). */
  readonly parents?: { readonly left: readonly JobId[]; readonly files: readonly InputFile[]; readonly readyAt: Instant | null }
  /** Of the cause: which parent, which file. */
  readonly detail?: string
  /** Held back by its buyer; and when it was last let go on. */
  readonly paused?: true; readonly resumedAt?: Instant
  /** The schedule that made it. */
  readonly schedule?: ScheduleId
  /** The job that an admin tried again by making this one. */
  readonly retries?: JobId
  /** Values of its secrets, which only the server can open. Gone when it has ended. */
  readonly sealed?: string
  /** Who submitted it, where it was not the buyer: a member of the account. */
  readonly by?: By
  /** What the market keeps of its bills, in hundredths of a percent, as agreed when it was submitted. Older jobs have none. */
  readonly fee?: number
  /** Steps of its fallback ladder that have been taken. */
  readonly rung: number
  readonly createdAt: Instant; readonly startedAt: Instant | null; readonly endedAt: Instant | null
  /** Number of its last event: grows by one with each. */
  readonly version: number
}

/** What a slot goes on from: its newest stored checkpoint, what all its attempts had run by then, and what the buyer has paid for that (micro-credits). */
export type KeptRow = { readonly attempt: AttemptId; readonly fence: number; readonly saved: Saved; readonly runMs: number; readonly spent: string; readonly memory?: MemoryLock & { readonly node: NodeId; readonly publicKey: string }; /** Of memory: what there is when it cannot be restored. */ readonly before?: KeptRow | undefined }
/** A slot that is being moved: not back there, and only to the named node, for a while. */
export type MoveRow = { readonly from: NodeId; readonly to: NodeId | null; readonly until: Instant }

/** What a referee is asked: is this result the same as that one, or, without one, is it right? */
export type RefereeRow = { readonly of: AttemptId; readonly with?: AttemptId; /** Of these results, where the command finds them. */ readonly files: readonly InputFile[] }

export type SlotRow = {
  readonly state: SlotState; readonly fence: number; readonly attempt: AttemptId | null; readonly paid: boolean
  /** Not to be placed before this time (backoff after a failure). */
  readonly notBefore: Instant
  /** Nodes that failed it: tried again there only when nothing else is left. */
  readonly failedOn: readonly NodeId[]
  readonly kept?: KeptRow
  readonly move?: MoveRow
  /** It is for the buyer's command that compares: see assurance/referee.ts. */
  readonly referee?: RefereeRow
  /** Of a job with a plan: since when it is firm, and why. */
  readonly firm?: { readonly at: Instant; readonly why: Why }
}

/** Of a job that is cut while it runs: bytes of the input of one task of the spec. */
export type PieceRow = { readonly of: number; readonly from: number; readonly to: number }

export type TaskRow = {
  readonly job: JobId; readonly index: number; readonly state: TaskState; readonly slots: readonly SlotRow[]; readonly retries: number
  readonly exitCode: number | null; readonly result: AttemptId | null; readonly cause: Cause | null
  /** What it is of the input. While it waits it may become less; the rest is then a task of its own. */
  readonly piece?: PieceRow
}

export type AttemptRow = {
  readonly id: AttemptId; readonly job: JobId; readonly task: number; readonly slot: number; readonly node: NodeId; readonly seller: UserId
  readonly session: number; readonly leaseGen: number; readonly fence: number; readonly state: AttemptState; readonly cause: Cause | null
  readonly driver: DriverId; readonly level: Level; readonly prices: PriceSheet
  readonly usage: Usage; readonly tickSeq: number; readonly tickHash: string
  readonly exitCode: number | null; readonly detail: string | null; readonly digest: string | null; readonly files: readonly ResultFile[]
  readonly offeredAt: Instant; readonly startedAt: Instant | null; readonly endedAt: Instant | null
  readonly billed: Micros | null; readonly fee: Micros | null; readonly decision: Decision
  /** Interruptible work that must make place: for which job, which pays what it has cost until it ends, and at most so much (micro-credits). */
  readonly displaced?: { readonly by: JobId; readonly most: string }
  /** Of a rank of a gang: it is ready to start, and this is how the others reach it. */
  readonly mesh?: MeshOffer
  /** What it went on from, and its own last checkpoint: in which tick of its chain, and when the market had it. */
  readonly resumes?: KeptRow; readonly saved?: Saved & { readonly tick: number; readonly at: Instant; readonly memory?: MemoryLock }
  /** Its last checkpoint of files, behind one of memory that nobody has gone on from yet. */
  readonly filed?: AttemptRow['saved']
  /** Its node was told to store a checkpoint and end it, so that it goes on elsewhere. */
  readonly moving?: { readonly to: NodeId | null; readonly kind: Saved['kind']; readonly at: Instant; /** It goes on as that, and may come back. */ readonly as?: As; /** The node is the market's choice, and nobody's wish. */ readonly chosen?: true; /** While it runs: how the agents of both nodes are reached. Its place there is reserved. */ readonly from?: LiveOffer; readonly into?: LiveOffer }
  /** Of a job with a plan: what it was placed as; and it could not be moved to become interruptible again. */
  readonly as?: As; readonly stays?: true
  /** Where the buyer has said how to compare: what all results of its task have in common that say the same; found by the server, which reads the files. */
  readonly alike?: string
  /** It compares results, and has none of its own. */
  readonly referee?: RefereeRow
  /** What its task was when it was offered. */
  readonly piece?: PieceRow
  /** Digest of a result that came under an old fence: kept, never paid. */
  readonly evidence: string | null
}

/** `presence` is what the market sees of the node, `will` what its seller or an admin wants; a node takes work when it is online and open. */
export type Presence = 'pending' | 'online' | 'suspect' | 'lost'
export type Will = 'open' | 'paused' | 'draining' | 'retired' | 'banned'
export type NodeRow = {
  readonly id: NodeId; readonly owner: UserId; readonly name: string; readonly publicKey: string; readonly region: string; readonly labels: Readonly<Record<string, string>>
  readonly presence: Presence; readonly will: Will; readonly session: number; readonly leaseGen: number
  readonly bootId: string; readonly oldBoots: readonly string[]
  readonly capacity: Capacity; readonly drivers: readonly DriverOffer[]; readonly prices: PriceSheet; readonly agentVersion: string
  readonly enrolledAt: Instant; readonly lastSeenAt: Instant | null
  /** The block of addresses that it is connected from, and the one that it was enrolled from. Absent: an address that says nothing, such as one of a private network. */
  readonly block?: string; readonly enrolledFrom?: string
  /** What an admin did to it last, until its owner changes it. */
  readonly admin?: AdminWord
  /** Hours and limits that its seller asks of the machine. */
  readonly asked?: { readonly number: number; readonly at: Instant; readonly settings: OwnerAsked }
  /** What its owner takes of what it could run; absent: all of it. */
  readonly policy?: NodePolicy
  /** When its cores, memory, cards or drivers became others than before; absent: they never did. */
  readonly changedAt?: Instant
  /** A self-test that its seller asked for. */
  readonly test?: { readonly number: number; readonly at: Instant }
  /** An operator holds it back, whatever its owner wants: no new work. With `until`, what runs there is ended then: operator/hold-node.ts. */
  readonly cordon?: { readonly at: Instant; readonly by: UserId; readonly reason: string; readonly until?: Instant }
}

/** What was learned from endings: about a node, about nodes like it, about how long work of a kind takes. */
export type NodeLesson = { readonly what: 'node'; readonly key: NodeId; readonly succeeded: number; readonly failed: number; readonly reputation: ReputationRow; readonly speed: LogMean }
/** What an owner's results have shown, all nodes together: right ones since the last wrong one, counted only where others confirmed them, and how often one was wrong. */
export type OwnerLesson = { readonly what: 'owner'; readonly key: UserId; readonly valid: number; readonly wrong: number }
export type LessonRow = NodeLesson | OwnerLesson | { readonly what: 'cohort'; readonly key: string; readonly row: CohortRow } | { readonly what: 'speed'; readonly key: string; readonly row: SpeedCellRow }
export type QuoteRow = Quote
export type StandingRow = {
  readonly id: StandingId; readonly buyer: UserId; readonly spec: JobSpec; readonly attemptCap: string | null; readonly nodes: number; readonly createdAt: Instant; readonly expiresAt: Instant
  readonly state: Standing['state']; readonly metAt: Instant | null; readonly found: number | null
}
export type ScheduleRow = {
  readonly id: ScheduleId; readonly buyer: UserId; readonly name: string | null; readonly cron: string; readonly timeZone: string; readonly spec: JobSpec; readonly cap: string; readonly budget: string | null
  readonly overlap: Schedule['overlap']; readonly state: Schedule['state']; readonly createdAt: Instant; readonly nextAt: Instant | null; readonly committed: string; readonly running: readonly JobId[]; readonly firings: readonly Firing[]; readonly admin?: AdminWord; /** A member made it, and it fires as his. */ readonly by?: By
}
export type EnrolmentRow = { readonly id: EnrolmentId; readonly owner: UserId; readonly tokenHash: string; readonly expiresAt: Instant; readonly name: string | null; readonly usedBy: NodeId | null }
/** An Idempotency-Key that was used: what it was used for, and with which body. */
export type KeyRow = { readonly id: string; readonly bodyHash: string; readonly subject: string; readonly at: Instant }
export type PostingRow = { readonly from: AccountName; readonly to: AccountName; readonly amount: Micros }
export type EntryRow = {
  readonly id: string; readonly kind: EntryKind; readonly at: Instant; readonly job: JobId | null; readonly attempt: AttemptId | null; readonly postings: readonly PostingRow[]
}
/** Money on its way out: see ledger/payout.ts. */
export type PayoutRow = {
  readonly id: PayoutId; readonly user: UserId; readonly amount: Micros; readonly provider: 'demo'; readonly destination: string; readonly state: PayoutState
  readonly requestedAt: Instant; readonly sentAt: Instant | null; readonly endedAt: Instant | null; readonly reference: string | null; readonly reason: string | null; /** Nobody asked for it but its seller's rule. */ readonly byRule?: true
}
/** What a seller has paid out without asking each time: see ledger/payout-rule.ts. `last` is the moment that was served last; no payout: too little had cleared. */
export type PayoutRuleRow = {
  readonly user: UserId; readonly rule: PayoutRule; readonly state: 'active' | 'stopped' | 'removed'; readonly setAt: Instant; readonly nextAt: Instant | null; readonly reason: string | null
  readonly last: { readonly at: Instant; readonly due: Instant; readonly payout: PayoutId | null; readonly amount: string } | null
}
/** A proposal to reverse an entry, and what became of it: see ledger/reversal.ts. Of the postings, those that are made if it is approved. */
export type ReversalRow = {
  readonly id: ReversalId; readonly entry: string; readonly kind: EntryKind; readonly job: JobId | null; readonly attempt: AttemptId | null; readonly postings: readonly PostingRow[]
  readonly reason: string; readonly state: ReversalState; readonly proposedBy: UserId; readonly proposedAt: Instant; readonly expiresAt: Instant; readonly decidedBy: UserId | null; readonly decidedAt: Instant | null
}
/**
 * Pending earnings that answer for a result that was shown to be wrong, named by its attempt: see ledger/forfeit.ts. `record` is the owner's as it was
 * then; `of` are the attempts whose earnings were taken.
 */
export type ForfeitRow = {
  readonly attempt: AttemptId; readonly job: JobId; readonly owner: UserId; readonly at: Instant; readonly state: 'due' | 'done'; readonly record: { readonly valid: number; readonly wrong: number }
  readonly price: Micros; readonly most: Micros; readonly taken: Micros; readonly of: readonly AttemptId[]; readonly endedAt: Instant | null
}
/** An ending that lowered what is believed of its node, with what had been counted of each aspect by then; and the appeal against it: see fleet/profile/appeal.ts. */
export type FaultRow = {
  readonly attempt: AttemptId; readonly job: JobId; readonly node: NodeId; readonly owner: UserId; readonly at: Instant; readonly cause: Cause; readonly aspects: readonly Aspect[]; readonly seen: Readonly<Partial<Record<Aspect, number>>>
  readonly appeal: { readonly state: 'open' | 'accepted' | 'refused'; readonly at: Instant; readonly text: string; readonly decidedAt: Instant | null; readonly by: UserId | null; readonly reason: string | null } | null
}
/** The lower bounds of a node as they stood last on a day (of UTC, counted from 1970). */
export type ReputationDayRow = { readonly node: NodeId; readonly day: number } & Readonly<Record<Aspect, number>>
export type IncidentRow = Incident
/** A version of what operators may change: `values` holds all that were set, `changed` what this version did. */
export type SettingsRow = { readonly version: number; readonly at: Instant; readonly by: UserId; readonly reason: string; readonly values: Partial<SettingValues>; readonly changed: SettingsVersion['changed']; /** What nothing new starts of: those that are open, and past ones while they count. */ readonly pauses?: readonly MatchingPauseRow[] }
/** See operator/pause-matching.ts. */
export type MatchingPauseRow = MatchingPause & { readonly by: UserId; readonly reason: string; readonly endedAt: Instant | null }
/** Of a user, what operators decide on. */
export type PersonRow = { readonly id: UserId; readonly roles: readonly Role[]; readonly suspended: Suspension | null }
/** Somebody who works for an account: members/members.ts. `used`: of the jobs that he submitted in `month`, the caps of those that run and the costs of those that have ended. */
export type MemberRow = {
  readonly account: UserId; readonly accountName: string; readonly user: UserId; readonly name: string; readonly email: string; readonly role: MemberRole; readonly limit: string | null; readonly invitedBy: UserId; readonly since: Instant
  readonly month: string; readonly used: string; readonly state: 'active' | 'gone'; readonly goneAt?: Instant
}
export type InvitationRow = {
  readonly id: InvitationId; readonly account: UserId; readonly accountName: string; readonly by: UserId; readonly byName: string; readonly email: string; readonly role: MemberRole; readonly limit: string | null
  readonly codeHash: string; readonly at: Instant; readonly expiresAt: Instant; readonly state: 'open' | 'accepted' | 'revoked'
}
/** `key` names what it is about: of one key, one is raised at a time. */
export type AlertRow = { readonly id: AlertId; readonly user: UserId; readonly key: string; readonly kind: AlertKind; readonly at: Instant; readonly subject: string; readonly says: string }
/** What a member did for an account: only ever added to. */
export type MemberActRow = { readonly id: string; readonly account: UserId; readonly by: UserId; readonly at: Instant; readonly route: string; readonly subject: string | null; readonly request: string; readonly from: string }
/** When a wallet is topped up by itself: ledger/auto-topup.ts. `number` grows with each run that asked for money; `limited`: the month in which its most was reached. */
export type AutoTopupRow = {
  readonly user: UserId; readonly on: boolean; readonly below: string; readonly add: string; readonly most: string; readonly month: string; readonly added: string; readonly number: number
  readonly armed: boolean; readonly limited?: string; readonly runs: readonly AutoTopupRun[]
}
export type AlertSettingsRow = { readonly user: UserId; readonly settings: AlertSettings; readonly at: Instant }
/** A token by which an admin sees what a user sees. */
export type ImpersonationRow = { readonly id: ImpersonationId; readonly by: UserId; readonly user: UserId; readonly reason: string; readonly tokenHash: string; readonly session: string | null; readonly key: string | null; readonly at: Instant; readonly expiresAt: Instant }
/** One line of the log of admin actions: written with its effect, never changed. */
export type ActionRow = {
  readonly id: ActionId; readonly at: Instant; readonly by: UserId; readonly action: ActionName; readonly subject: string; readonly reason: string
  readonly before: Readonly<Record<string, unknown>> | null; readonly after: Readonly<Record<string, unknown>> | null
  /** The request that asked for it, and the address that it came from. Older lines have none. */
  readonly request?: string; readonly from?: string
}
export type TickRow = Tick & { readonly hash: string }
export type SealRow = {
  readonly node: NodeId; readonly session: number; readonly number: number; readonly root: string; readonly signature: string; readonly countersignature: string
  readonly leaves: readonly { readonly attempt: AttemptId; readonly seq: number; readonly hash: string }[]; readonly at: Instant
}

/** Everything that can be written. Two appliers exist, one for memory (state.ts) and one for SQL (server/store). */
export type Change =
  | { readonly kind: 'job'; readonly row: JobRow }
  | { readonly kind: 'task'; readonly row: TaskRow }
  | { readonly kind: 'attempt'; readonly row: AttemptRow }
  | { readonly kind: 'node'; readonly row: NodeRow }
  | { readonly kind: 'lesson'; readonly row: LessonRow }
  | { readonly kind: 'quote'; readonly row: QuoteRow }
  | { readonly kind: 'standing'; readonly row: StandingRow }
  | { readonly kind: 'schedule'; readonly row: ScheduleRow }
  | { readonly kind: 'enrolment'; readonly row: EnrolmentRow }
  | { readonly kind: 'key'; readonly row: KeyRow }
  | { readonly kind: 'entry'; readonly row: EntryRow }
  | { readonly kind: 'payout'; readonly row: PayoutRow }
  | { readonly kind: 'payoutRule'; readonly row: PayoutRuleRow }
  | { readonly kind: 'reversal'; readonly row: ReversalRow }
  | { readonly kind: 'forfeit'; readonly row: ForfeitRow }
  | { readonly kind: 'fault'; readonly row: FaultRow }
  | { readonly kind: 'reputationDay'; readonly row: ReputationDayRow }
  | { readonly kind: 'incident'; readonly row: IncidentRow }
  | { readonly kind: 'person'; readonly row: PersonRow }
  | { readonly kind: 'alert'; readonly row: AlertRow }
  | { readonly kind: 'alertSettings'; readonly row: AlertSettingsRow }
  | { readonly kind: 'autoTopup'; readonly row: AutoTopupRow }
  | { readonly kind: 'member'; readonly row: MemberRow }
  | { readonly kind: 'invitation'; readonly row: InvitationRow }
  | { readonly kind: 'impersonation'; readonly row: ImpersonationRow }
  | { readonly kind: 'settings'; readonly row: SettingsRow }
  | { readonly kind: 'action'; readonly row: ActionRow }
  | { readonly kind: 'memberAct'; readonly row: MemberActRow }
  | { readonly kind: 'event'; readonly row: JobEvent }
  | { readonly kind: 'tick'; readonly row: TickRow }
  | { readonly kind: 'seal'; readonly row: SealRow }
