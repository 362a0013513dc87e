import { z } from 'zod'
import { AttemptId, Instant, JobId, NodeId } from './ids.ts'
import { Amount } from './money.ts'
import { DriverId, Level, Runtime } from './job-spec.ts'
import { SelfTestLine } from './owner.ts'

// What happens on a node, as its seller and admins see it. Work is what the market knows now. Events are kept as readings are: the newest hundred,
// written down every minute. Of a buyer's job no more is shown than the agent shows on the machine itself: the name of the program, not its arguments.

/** A self-test that its seller asked for over the market, as the agent tells of it. Kept by the agent, so that it is told again after every connection. */
export const SelfTestSaid = z.object({
  /** Which it was asked: the last number that was heard; 0: none yet. */
  number: z.number().int().min(0),
  /** `waiting`: work runs, which is not to be disturbed. `given_up`: it ran all the time. */
  state: z.enum(['waiting', 'running', 'done', 'given_up']),
  /** When it ended, by the machine's clock. */
  at: Instant.optional(), ms: z.number().int().min(0).optional(),
  lines: z.array(SelfTestLine.extend({ check: z.string().max(80), says: z.string().max(500) })).max(32),
}).meta({ id: 'SelfTestSaid' })
export type SelfTestSaid = z.infer<typeof SelfTestSaid>
/** As often as this a test may be asked for: it starts sandboxes and fills memory on the machine. */
export const SELF_TEST_EVERY_MS = 60_000
/** After this nobody waits for it any more, and the agent is not told again. */
export const SELF_TEST_VALID_MS = 15 * 60_000

export const NodeTest = z.object({
  asked: z.object({ number: z.number().int(), at: Instant, /** When it may be asked for again. */ againAt: Instant }).nullable(),
  /** Null: its agent has told of none. */
  said: SelfTestSaid.nullable(),
}).meta({ id: 'NodeTest' })
export type NodeTest = z.infer<typeof NodeTest>

export const NodeWork = z.object({
  attempt: AttemptId, job: JobId, state: z.enum(['offered', 'accepted', 'running', 'reported']),
  driver: DriverId, level: Level, runtime: Runtime, image: z.string().optional(), /** Without its folder and its arguments. */ program: z.string(),
  cpuMillis: z.number().int(), memoryBytes: z.number().int(), gpus: z.number().int(),
  startedAt: Instant.optional(), /** As its meter was read last. */ runMs: z.number().int(), /** Of the time it may run at most. */ leftMs: z.number().int(),
  /** For an hour, before the market's fee; without what each start and each byte out costs. */
  perHour: Amount, /** So far, before the fee. */ earning: Amount,
}).meta({ id: 'NodeWork' })
export type NodeWork = z.infer<typeof NodeWork>

export const NODE_EVENTS = {
  joined: 'It joined', started: 'Its agent was started', connected: 'Its agent connected again', disconnected: 'Its connection ended', silent: 'It fell silent', lost: 'It was given up: what ran there goes on elsewhere', back: 'It is heard again',
  offers: 'What it offers changed', version: 'Its agent is of another version', paused: 'Paused', draining: 'Drained', resumed: 'Takes work again', priced: 'New prices', settings: 'Hours and limits were asked of it', self_test: 'A self-test was asked of it',
  cordoned: 'An operator holds it back', uncordoned: 'The operator let it go', banned: 'An operator banned it', unbanned: 'The ban was lifted', retired: 'Removed from the market', fault: 'Work ended by its fault', late: 'Work took longer than its buyer had said',
} as const
export const NodeEventKind = z.enum(Object.keys(NODE_EVENTS) as [keyof typeof NODE_EVENTS, ...(keyof typeof NODE_EVENTS)[]])
export const NodeEvent = z.object({ at: Instant, what: NodeEventKind, detail: z.string().optional(), attempt: AttemptId.optional() }).meta({ id: 'NodeEvent' })
export type NodeEvent = z.infer<typeof NodeEvent>
export const NodeActivity = z.object({ at: Instant, work: z.array(NodeWork), /** The newest first. */ events: z.array(NodeEvent), test: NodeTest }).meta({ id: 'NodeActivity' })
export type NodeActivity = z.infer<typeof NodeActivity>

/** Of many nodes at once, for a list: means over a minute, oldest first, at most an hour. */
export const NodeLoad = z.object({ node: NodeId, everyMs: z.number(), from: Instant.nullable(), cpu: z.array(z.number().nullable()), memory: z.array(z.number().nullable()) }).meta({ id: 'NodeLoad' })
export type NodeLoad = z.infer<typeof NodeLoad>
