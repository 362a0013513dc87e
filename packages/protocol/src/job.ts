import { z } from 'zod'
import { AttemptId, Instant, JobId, NodeId, QuoteId, ScheduleId, Sha256, SlotId, TaskId, UserId } from './ids.ts'
import { Amount, Money } from './money.ts'
import { Cause } from './causes.ts'
import { ByteRange, DriverId, JobSpec, Level, RelativePath } from './job-spec.ts'
import { Capacity, PriceSheet } from './node.ts'
import { MatchingPause } from './matching-pauses.ts'
import { PlannedTask } from './plan.ts'

export const JobState = z.enum(['queued', 'running', 'completed', 'failed', 'cancelled', 'expired']).meta({ id: 'JobState' })
export type JobState = z.infer<typeof JobState>
/** `joined`: it was so small that it became a part of the task before it, and is empty now. */
export const TaskState = z.enum(['waiting', 'queued', 'running', 'done', 'failed', 'cancelled', 'joined']).meta({ id: 'TaskState' })
export type TaskState = z.infer<typeof TaskState>
export const SlotState = z.enum(['pending', 'assigned', 'reported', 'done', 'dropped']).meta({ id: 'SlotState' })
export type SlotState = z.infer<typeof SlotState>
export const AttemptState = z.enum(['offered', 'accepted', 'running', 'reported', 'valid', 'invalid', 'ended']).meta({ id: 'AttemptState' })
export type AttemptState = z.infer<typeof AttemptState>

export const ResultFile = z.object({ path: RelativePath, blob: Sha256, size: z.number().int().min(0) }).meta({ id: 'ResultFile' })
export type ResultFile = z.infer<typeof ResultFile>

/** What an attempt used, as metered on the node: running totals. */
export const Usage = z.object({
  runMs: z.number().int().min(0), cpuMs: z.number().int().min(0), memoryPeakBytes: z.number().int().min(0),
  diskBytes: z.number().int().min(0), outBytes: z.number().int().min(0),
  /** Bytes from and to the hosts of `network.egress`; only where the job names some. Shown, never billed. */
  egressInBytes: z.number().int().min(0).optional(), egressOutBytes: z.number().int().min(0).optional(),
}).meta({ id: 'Usage' })
export type Usage = z.infer<typeof Usage>
export const NO_USAGE: Usage = { runMs: 0, cpuMs: 0, memoryPeakBytes: 0, diskBytes: 0, outBytes: 0 }

/** One term of a placement decision: what it added to the expected cost of this node, in micro-credits. */
export const ScoreTerms = z.object({ price: Money, risk: Money, load: Money, /** Below zero: it takes what nobody else could use. */ fragmentation: Money.optional(), total: Money }).meta({ id: 'ScoreTerms' })
export type ScoreTerms = z.infer<typeof ScoreTerms>

export const NO_REASONS = ['not_online', 'driver', 'level', 'runtime', 'cpu', 'memory', 'disk', 'gpu', 'cpu_busy', 'memory_busy', 'disk_busy', 'gpu_busy',
  'gpu_model', 'gpu_share', 'gpu_memory', 'region', 'residency', 'trust', 'label', 'price', 'same_owner_as_copy', 'same_network_as_copy', 'failed_here', 'kept_for_overdue', 'kept_for_firm', 'deadline', 'spread', 'no_spot', 'bid', 'gang', 'gang_room', 'moved_away', 'scratch', 'egress', 'matching_paused',
  'owner_driver', 'owner_level', 'owner_image', 'owner_gang', 'owner_egress', 'owner_gpu', 'owner_tag', 'agent_too_old'] as const
/** Why a node was not taken. `cpu` means it never has enough, `cpu_busy` that it has not enough just now, `owner_…` that its owner does not want such work there. */
export const NoReason = z.enum(NO_REASONS).meta({ id: 'NoReason' })
export type NoReason = z.infer<typeof NoReason>

/** Why an attempt went where it went: the terms of the winner, and how many others were refused for which reason. */
export const Decision = z.object({
  terms: ScoreTerms,
  /** The chance, as believed then, that the attempt ends on this node: by its record, and by how long such nodes stay. */
  completes: z.number().min(0).max(1).optional(),
  /** It is a second try beside this one, which had run so long when so much was foreseen. */
  copyOf: z.object({ attempt: AttemptId, ranMs: z.number().int(), foreseenMs: z.number().int() }).optional(),
  candidates: z.number().int(), refused: z.partialRecord(NoReason, z.number().int()), runnerUp: z.object({ node: NodeId, total: Money }).optional(),
}).meta({ id: 'Decision' })
export type Decision = z.infer<typeof Decision>

/** A checkpoint, as a tick names it: what had been run when it was taken, and the list of its files (CheckpointManifest), by its hash. Numbers grow over all attempts of a slot. */
export const Saved = z.object({ number: z.number().int().min(1), kind: z.enum(['files', 'memory', 'live']), runMs: z.number().int().min(0), manifest: Sha256, manifestSize: z.number().int().min(0), /** Of all its files. */ size: z.number().int().min(0) }).meta({ id: 'Saved' })
export type Saved = z.infer<typeof Saved>

export const Attempt = z.object({
  id: AttemptId, job: JobId, task: TaskId, slot: SlotId, node: NodeId, nodeName: z.string(), driver: DriverId, level: Level,
  state: AttemptState, cause: Cause.optional(), fence: z.number().int(), prices: PriceSheet, usage: Usage,
  exitCode: z.number().int().nullable(), detail: z.string().optional(), resultDigest: Sha256.optional(), files: z.array(ResultFile),
  offeredAt: Instant, startedAt: Instant.optional(), endedAt: Instant.optional(),
  /** What the buyer pays for it; absent until it is settled. */
  billed: Amount.optional(), decision: Decision,
  /** It ran the buyer's command that compares, on this result; and on this other one. */
  referee: z.object({ of: AttemptId, with: AttemptId.optional() }).optional(),
  /** Its last checkpoint, and the attempt whose checkpoint it went on from. */
  saved: Saved.optional(), resumes: z.object({ attempt: AttemptId, number: z.number().int() }).optional(),
  /** Of a job that is cut while it runs: the part of its input that it had. */
  range: ByteRange.optional(),
}).meta({ id: 'Attempt' })
export type Attempt = z.infer<typeof Attempt>

export const Slot = z.object({ id: SlotId, state: SlotState, fence: z.number().int(), attempt: AttemptId.optional(), paid: z.boolean() }).meta({ id: 'Slot' })
export type Slot = z.infer<typeof Slot>

export const Task = z.object({
  id: TaskId, job: JobId, index: z.number().int(), state: TaskState, retries: z.number().int(), slots: z.array(Slot),
  exitCode: z.number().int().nullable(), result: AttemptId.optional(), cause: Cause.optional(),
  /** Of a job that is cut while it runs: which part of its input this is. While the task waits, it may still become less. */
  range: ByteRange.optional(),
}).meta({ id: 'Task' })
export type Task = z.infer<typeof Task>

export const MergedResult = z.strictObject({ sha256: Sha256, size: z.number().int().min(0) }).meta({ id: 'MergedResult' })
export type MergedResult = z.infer<typeof MergedResult>

/** How far a live job is. `etaMs`: how long it still takes, by what its nodes have shown; absent until one of its tasks has ended well (or the buyer has said how long one takes), and while nobody works on it. */
export const JobProgress = z.object({
  unit: z.enum(['bytes', 'items', 'tasks']), total: z.number(), done: z.number(), /** Since it began. */ perSecond: z.number().optional(), etaMs: z.number().int().optional(),
  /** Tasks that were begun a second time because they were late. */
  copies: z.number().int().optional(),
}).meta({ id: 'JobProgress' })
export type JobProgress = z.infer<typeof JobProgress>

export const Job = z.object({
  id: JobId, buyer: UserId, state: JobState, spec: JobSpec, quote: QuoteId.optional(), cap: Amount,
  /** Billed so far; never above the cap. */
  cost: Amount, refunded: Amount,
  /** Of the cost: paid for interruptible work whose place it took. */
  displaced: Amount.optional(),
  tasks: z.object({ total: z.number().int(), queued: z.number().int(), running: z.number().int(), done: z.number().int(), failed: z.number().int() }),
  /** Of one job that is asked for while it lives. */
  progress: JobProgress.optional(),
  cause: Cause.optional(), exitCode: z.number().int().nullable(),
  /** Of a map: its merged result, as whoever merged it has recorded it. */
  merged: MergedResult.optional(),
  /** Jobs that it comes after and that have not completed yet: until then no node is asked. */
  waitsFor: z.array(JobId).optional(),
  /** Held back by its buyer: nothing more of it starts. */
  paused: z.boolean().optional(),
  /** The schedule that made it. */
  schedule: ScheduleId.optional(),
  /** The job that an admin tried again, and this is it. */
  retries: JobId.optional(),
  /** Who submitted it, where it was a member of the account and not its owner; the name as it was then. */
  submittedBy: z.object({ user: UserId, name: z.string() }).optional(),
  /** Of the cause: which parent, which file. */
  detail: z.string().optional(),
  /** Steps of the fallback ladder that have been taken. */
  fallbackSteps: z.number().int().default(0),
  createdAt: Instant, startedAt: Instant.optional(), endedAt: Instant.optional(),
}).meta({ id: 'Job' })
export type Job = z.infer<typeof Job>

/** What a line of a job's history can be about. */
export const JobEventType = z.enum(['submitted', 'ready', 'fallback', 'paused', 'resumed', 'copy', 'task', 'attempt', 'settled', 'displaced', 'moved', 'plan', 'cancelling', 'ended'])
/** One line of a job's history, numbered without gaps; also the body of its event stream. */
export const JobEvent = z.object({
  job: JobId, version: z.number().int(), at: Instant,
  type: JobEventType,
  task: z.number().int().optional(), attempt: AttemptId.optional(), node: NodeId.optional(), nodeName: z.string().optional(),
  state: z.string(), cause: Cause.optional(), amount: Money.optional(),
  /** An admin did it, and said why. */
  reason: z.string().optional(),
  /** A member of the account did it: his name. */
  by: z.string().optional(),
  /** Of a job that is cut while it runs: the part of its input that it is about. */
  range: ByteRange.optional(),
}).meta({ id: 'JobEvent' })
export type JobEvent = z.infer<typeof JobEvent>

export const ResultEntry = z.object({ task: z.number().int(), attempt: AttemptId, exitCode: z.number().int().nullable(), files: z.array(ResultFile), range: ByteRange.optional() }).meta({ id: 'ResultEntry' })
export const Results = z.object({ job: JobId, tasks: z.array(ResultEntry) }).meta({ id: 'Results' })
export type Results = z.infer<typeof Results>

/** The files of the results that the job asked for: a node may send others. */
export const wantedOf = ({ outputs, stdout }: Pick<JobSpec, 'outputs' | 'stdout'>): string[] => [...outputs, ...(stdout === undefined ? [] : [stdout])]
/** Where each file goes: as it is named, and in a folder per task where tasks would share a name. */
export function placesOf(results: Results): { readonly task: number; readonly path: string; readonly place: string; readonly blob: Sha256; readonly size: number }[] {
  const uses = new Map<string, number>()
  for (const task of results.tasks) for (const file of task.files) uses.set(file.path, (uses.get(file.path) ?? 0) + 1)
  return results.tasks.flatMap((task) => task.files.map((file) => ({ task: task.task, ...file, place: (uses.get(file.path) ?? 0) > 1 ? `task-${task.task}/${file.path}` : file.path })))
}

export const Explanation = z.object({
  job: JobId, state: JobState, summary: z.string(),
  /** For each attempt: why this node, and what the others lacked. */
  placed: z.array(z.object({ attempt: AttemptId, node: NodeId, nodeName: z.string(), decision: Decision, /** It went on there from a checkpoint. */ resumes: z.object({ attempt: AttemptId, number: z.number().int() }).optional() })),
  /** Of a job with a plan, for its open tasks. */
  plan: z.array(PlannedTask).optional(),
  /** Operators have paused all that could take it: it keeps its place and its hold, and its time to find a node stands still. */
  paused: MatchingPause.optional(),
  /** For work that waits: every node and its first reason, and what would help. */
  waiting: z.object({
    tasks: z.number().int(), nodes: z.array(z.object({ node: NodeId, name: z.string(), reason: NoReason, says: z.string() })),
    /** Smallest changes to the request, fewest first: how many nodes could then run it, how soon the first could begin, and what an attempt there costs, likely and at most. */
    changes: z.array(z.object({
      change: z.string(), steps: z.array(z.object({ reason: NoReason, from: z.union([z.string(), z.number()]), to: z.union([z.string(), z.number()]) })),
      nodes: z.number().int(), startsInMs: z.number().int().optional(), likely: Amount, attemptCap: Amount,
    })),
  }).optional(),
}).meta({ id: 'Explanation' })
export type Explanation = z.infer<typeof Explanation>

/** For a seller: what became of the market's last placements for this node, as it stands now. */
export const NodeExplanation = z.object({
  node: NodeId, name: z.string(), summary: z.string(), decisions: z.number().int(), chosen: z.number().int(),
  /** `count` of the decisions had this against the node, `alone` of them nothing else. */
  reasons: z.array(z.object({ reason: z.enum([...NO_REASONS, 'dearer']), count: z.number().int(), alone: z.number().int(), says: z.string() })),
  /** Results of its owner that were shown to be wrong, and what was forfeited for them: what happened and what to do, the newest first. */
  forfeits: z.array(z.string()).optional(),
  /** What lowered its reputation since this market was started, the newest first, and what to do about each. */
  faults: z.array(z.object({ at: Instant, cause: Cause, says: z.string(), whatToDo: z.string() })).optional(),
  /** Where only the price stood against it: hundredths above the winner, the middle one. */
  medianGapPercent: z.number().optional(),
}).meta({ id: 'NodeExplanation' })
export type NodeExplanation = z.infer<typeof NodeExplanation>

/** The matchmaking table as an operator sees it: who offers, who waits, and what was decided last. */
export const MarketTable = z.object({
  at: Instant,
  nodes: z.array(z.object({
    node: NodeId, name: z.string(), state: z.string(), region: z.string(), level: Level.optional(), capacity: Capacity, free: Capacity, cpuHour: Amount, reliability: z.number(), running: z.number().int(),
  })),
  lines: z.array(z.object({ need: z.string(), job: JobId, waiting: z.number().int(), oldestAt: Instant, asleep: z.boolean() })),
  decisions: z.array(z.object({ at: Instant, job: JobId, node: NodeId, nodeName: z.string(), need: z.string(), total: Amount })),
}).meta({ id: 'MarketTable' })
export type MarketTable = z.infer<typeof MarketTable>

const Spread = z.object({ least: Amount, median: Amount, most: Amount })
/** The market as anybody may see it: sums and spreads, nobody's nodes or jobs by name. */
export const MarketSummary = z.object({
  at: Instant,
  /** Nodes that take work now, of all that ever joined and were not retired. */
  nodes: z.object({ online: z.number().int(), joined: z.number().int() }),
  /** What the nodes that take work offer, and what of it is free. */
  offered: Capacity, free: Capacity,
  attempts: z.object({ live: z.number().int() }), jobs: z.object({ live: z.number().int() }),
  /** What the market keeps of a bill, in hundredths of a percent. */
  feeBasisPoints: z.number().int(),
  /** Versions of agents: that of this market, and the oldest that it lets in. */
  agents: z.object({ version: z.string(), oldest: z.string() }).optional(),
  /** What its operators have paused, and what they say of it. */
  paused: z.object({ newJobs: z.string().optional(), signUps: z.string().optional(), /** What nothing new starts of. */ matching: z.array(MatchingPause).optional() }).optional(),
  /** One line for each region and strongest level of isolation. */
  prices: z.array(z.object({ region: z.string(), level: Level, nodes: z.number().int(), cpuHour: Spread, memoryGibHour: Spread, gpuHour: Spread.optional() })),
}).meta({ id: 'MarketSummary' })
export type MarketSummary = z.infer<typeof MarketSummary>
