import { z } from 'zod'
import { Cause } from './causes.ts'
import { AttemptId, Instant, JobId, NodeId, UserId } from './ids.ts'
import { AttemptState, JobState } from './job.ts'
import { Amount, Money } from './money.ts'
import { NodeState } from './node.ts'
import { AccountClass } from './ledger.ts'

// What operators see of the market and of the server at one look.

/** So far back the overview looks. */
export const OVERVIEW_MS = 86_400_000
const Count = z.number().int()
export const MarketOverview = z.object({
  at: Instant, /** The start of the span that `ended`, `money` and `waits` are of. */ from: Instant, startedAt: Instant,
  nodes: z.partialRecord(NodeState, Count),
  /** That have not ended; and that ended in the span. */ jobs: z.object({ queued: Count, running: Count, ended: z.partialRecord(JobState, Count) }),
  /** Parts that run now. */ running: Count,
  /** How long jobs waited until a node was found, of so many that are remembered; absent: too few to tell. */
  waits: z.object({ starts: Count, p50Ms: z.number(), p90Ms: z.number(), p99Ms: z.number() }).optional(),
  money: z.object({ settled: Count, volume: Amount, fees: Amount }),
  incidents: Count,
  /** Payments that the books and the statements of accounts outside do not agree on, and nobody has settled: as of a minute ago at most. */ mismatches: Count,
  /** Every so often, oldest first; the last one is of now. */
  history: z.object({ everyMs: Count, at: z.array(Instant), online: z.array(Count), running: z.array(Count) }),
  newest: z.array(z.object({ node: NodeId, name: z.string(), state: NodeState, owner: UserId, enrolledAt: Instant })),
}).meta({ id: 'MarketOverview' })
export type MarketOverview = z.infer<typeof MarketOverview>

/** What the server does without being asked. */
export const LOOPS = {
  writer: 'Decides and commits', clearing: 'Clears earnings whose dispute window is over', payouts: 'Pays out', debts: 'Collects debts for wrong results', budgets: 'Looks at budgets', webhooks: 'Fills and sends messages to webhooks', mail: 'Mails alerts', settings: 'Looks for settings of another writer', uploads: 'Takes away uploads that were given up', deliveries: 'Forgets old messages to webhooks, and old mails', memory: 'Writes down what plots and waits are made of',
} as const
export const LoopName = z.enum(Object.keys(LOOPS) as [keyof typeof LOOPS, ...(keyof typeof LOOPS)[]])
export type LoopName = z.infer<typeof LoopName>
export const BACKLOGS = { commands: 'Commands that wait to be decided', events: 'Events not yet looked through for webhooks', messages: 'Messages to webhooks that wait', mails: 'Mails that wait', clearing: 'Earnings that could clear', payouts: 'Payouts on their way', debts: 'Debts for wrong results that are due' } as const
export const BacklogName = z.enum(Object.keys(BACKLOGS) as [keyof typeof BACKLOGS, ...(keyof typeof BACKLOGS)[]])
/** More of one kind are not counted. */
export const BACKLOG_COUNTED_MAX = 10_000
export const BackgroundWork = z.object({
  at: Instant, /** The start of this process. */ startedAt: Instant,
  loops: z.array(z.object({
    name: LoopName, /** So often it runs; null: when there is something to do. */ everyMs: Count.nullable(), runs: Count, failures: Count,
    /** When its last run that went well ended, and what it took. */ lastAt: Instant.optional(), tookMs: z.number().optional(),
    failedAt: Instant.optional(), /** What the last failure said. */ problem: z.string().optional(),
    /** It should have run by now, or its last run failed. */ late: z.boolean(),
  })),
  backlogs: z.array(z.object({ what: BacklogName, waiting: Count, oldestAt: Instant.optional() })),
  commits: z.object({ epoch: Count, commits: Count, commands: Count, /** Absent: there was none yet. */ meanMs: z.number().optional(), largestBatch: Count, reloads: Count }),
}).meta({ id: 'BackgroundWork' })
export type BackgroundWork = z.infer<typeof BackgroundWork>

/** Attempts of one node that are told. */
export const NODE_ATTEMPTS_SHOWN = 20
/** What a node has shown of itself: to the market, and to whoever looks closer. */
export const NodeEvidence = z.object({
  node: NodeId,
  /** Ed25519. It was enrolled with it, proves it with each connection, and signs its meter readings; it does not run out. */
  key: z.object({ publicKey: z.string(), /** SHA-256 of it. */ fingerprint: z.string() }),
  /** From which block of addresses, where the address says something. */ enrolledFrom: z.string().optional(), connectedFrom: z.string().optional(),
  /** How it said hello, signed with its key. Null: not since this market was started. */
  hello: z.object({ at: Instant, protocol: Count, agentVersion: z.string(), boot: z.string() }).nullable(),
  /** What its last heartbeat said, word for word, but of its attempts at most the first twenty. Null: none since this market was started. */
  heartbeat: z.object({ at: Instant, attempts: Count, message: z.record(z.string(), z.unknown()) }).nullable(),
  /** The last ones there, newest first. `others`: results of other nodes that its own was held against. */
  attempts: z.array(z.object({ attempt: AttemptId, job: JobId, state: AttemptState, cause: Cause.optional(), others: Count, offeredAt: Instant, endedAt: Instant.optional(), billed: Amount.optional() })),
}).meta({ id: 'NodeEvidence' })
export type NodeEvidence = z.infer<typeof NodeEvidence>

/** One account of the ledger. */
export const LedgerAccount = z.object({ account: z.string(), class: AccountClass, balance: Money }).meta({ id: 'LedgerAccount' })
export type LedgerAccount = z.infer<typeof LedgerAccount>
