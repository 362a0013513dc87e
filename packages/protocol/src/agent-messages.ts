import { z } from 'zod'
import { AttemptId, Instant, JobId, NodeId, Sha256, SlotId, TaskId } from './ids.ts'
import { Cause } from './causes.ts'
import { CheckpointSpec, DriverId, InputFile, Level, Limits, RelativePath, Resources, Runtime } from './job-spec.ts'
import { EgressRule } from './egress.ts'
import { GangPlace, MeshOffer, MeshPeer } from './gang.ts'
import { Capacity, DriverOffer, PriceSheet } from './node.ts'
import { ResultFile, Saved, Usage } from './job.ts'
import { HoursSaid, MachineNow, OwnerSaid } from './machine.ts'
import { SelfTestSaid } from './node-activity.ts'
import { Seal, Signature, Terms, Tick } from './receipt.ts'
import { Money } from './money.ts'
import { REFUSAL_CODES } from './refusals.ts'

// The agents' socket, /v1/agent. First a handshake of plain frames (challenge → hello → welcome | refused), then the frames of packages/link.
// Unknown keys are ignored both ways: agents update late. The origin design's messages keep their names and fields
// (availability_update, job_dispatch, job_status); ours adds fields to them and messages beside them. Rules: docs/reference/agent-link.md.

export const PROTOCOL_VERSION = 1
/** Agents older than this are refused; the number only grows. */
export const PROTOCOL_VERSION_MIN = 1
export const AGENT_FRAME_BYTES_MAX = 1_048_576

export const AttemptReport = z.object({ attempt_id: AttemptId, fence: z.number().int(), state: z.enum(['accepted', 'running', 'reported']) })
export type AttemptReport = z.infer<typeof AttemptReport>

export const Challenge = z.object({ type: z.literal('challenge'), nonce: z.string(), protocol: z.number().int(), protocol_min: z.number().int() })
export const Hello = z.object({
  type: z.literal('hello'), protocol: z.number().int(), node_id: NodeId,
  /** Random, new at each start of the agent: one incarnation. */
  boot_id: z.string().min(8).max(64), agent_version: z.string().max(40), nonce: z.string().max(200), signature: Signature,
  capacity: Capacity, drivers: z.array(DriverOffer).max(10),
  /** Every attempt the agent knows of and has not been told to forget. */
  attempts: z.array(AttemptReport).max(10_000),
  stream_id: z.string().max(64).optional(), last_seen: z.number().int().min(0).default(0),
  /** Number of its last heartbeat in this session: what an older one lists is older than `attempts`, also for a writer that has heard none. */
  heartbeat: z.number().int().min(0).optional(),
  /** It takes no work just now: nothing is offered between this hello and the first heartbeat. */
  paused: z.boolean().optional(),
}).meta({ id: 'Hello' })
export type Hello = z.infer<typeof Hello>
export const helloText = (hello: { nonce: string; node_id: string; boot_id: string }): string => `lumaris-hello:${hello.nonce}:${hello.node_id}:${hello.boot_id}`

export const AttemptOrder = z.object({ attempt_id: AttemptId, action: z.enum(['continue', 'stop', 'forget', 'send_result']) })
export type AttemptOrder = z.infer<typeof AttemptOrder>

export const Welcome = z.object({
  type: z.literal('welcome'), session: z.number().int(), lease_gen: z.number().int(), stream_id: z.string(), last_seen: z.number().int(),
  heartbeat_ms: z.number().int(), attempts: z.array(AttemptOrder),
  /** Bearer token for fetching inputs and storing results over HTTP; lives as long as the session. */
  http_token: z.string(), platform_key: z.string(),
  /** Versions of agents: this market's own, and the oldest that it lets in. */
  agents: z.object({ version: z.string(), oldest: z.string() }).optional(),
}).meta({ id: 'Welcome' })
export type Welcome = z.infer<typeof Welcome>
export const Refused = z.object({ type: z.literal('refused'), code: z.enum(REFUSAL_CODES), detail: z.record(z.string(), z.unknown()).optional() })
export const HandshakeToAgent = z.discriminatedUnion('type', [Challenge, Welcome, Refused])
export type HandshakeToAgent = z.infer<typeof HandshakeToAgent>

/** The heartbeat. `attempts` lists everything live, so that both sides repair by difference. */
export const AvailabilityUpdate = z.object({
  type: z.literal('availability_update'), node_id: NodeId, cpu_available: z.number(), mem_available: z.number(), status: z.enum(['ready', 'busy', 'paused', 'draining']),
  heartbeat: z.number().int().min(1), attempts: z.array(AttemptReport).max(10_000),
  cpu_percent: z.number().min(0).max(100).optional(),
  machine: MachineNow.optional(),
  /** Told once in a connection, and again when they change. Null: at all hours. */
  hours: HoursSaid.nullable().optional(),
  /** The number of the settings that it was last asked over the market; 0: none. Absent: it takes none. */
  settings_number: z.number().int().min(0).optional(),
  /** As `hours`: once in a connection, and again when something of it changes. */
  owner: OwnerSaid.optional(),
  /** The number of the self-test that it was last asked for; 0: none. Absent: it takes none. */
  self_test_number: z.number().int().min(0).optional(),
  /** As `owner`. */
  self_test: SelfTestSaid.optional(),
})
export type AvailabilityUpdate = z.infer<typeof AvailabilityUpdate>

export const JobStatusMessage = z.object({
  type: z.literal('job_status'), job_id: JobId, attempt_id: AttemptId, fence: z.number().int(),
  status: z.enum(['accepted', 'refused', 'running', 'succeeded', 'failed', 'stopped']),
  progress: z.number().min(0).max(1).optional(),
  resources_used: z.object({ cpu_time_sec: z.number(), peak_memory_mb: z.number() }).optional(),
  usage: Usage.optional(), cause: Cause.optional(), exit_code: z.number().int().nullable().optional(), detail: z.string().max(2000).optional(),
  files: z.array(ResultFile).max(10_000).optional(), result_digest: Sha256.optional(),
  /** The last tick of the chain, with every end. */
  final: z.object({ tick: Tick, hash: Sha256 }).optional(),
  /** With `accepted`, for a rank of a gang. */
  mesh: MeshOffer.optional(),
})
export type JobStatusMessage = z.infer<typeof JobStatusMessage>

export const TickMessage = z.object({ type: z.literal('tick'), tick: Tick, hash: Sha256 })
export const MemoryLock = z.object({ driver: DriverId, /** Only the same can restore it. */ maker: z.string().max(100), /** AES-256, base64url. */ key: z.string().regex(/^[A-Za-z0-9_-]{43}$/) })
export type MemoryLock = z.infer<typeof MemoryLock>
/** It was to be moved, and no checkpoint could be taken: it runs on. */
export const CheckpointFailed = z.object({ type: z.literal('checkpoint_failed'), attempt_id: AttemptId, fence: z.number().int(), detail: z.string().max(500), kind: Saved.shape.kind.optional() })
/** Of a move while it runs: how one of the two agents reaches the other, signed with its node's key (see `liveText`). `attempt_id` is always that of the one that leaves. */
export const LiveOffer = MeshOffer.extend({ signature: Signature })
export type LiveOffer = z.infer<typeof LiveOffer>
export const LivePeer = LiveOffer.extend({ node: NodeId, /** Its enrolled key. */ nodeKey: z.string() })
export type LivePeer = z.infer<typeof LivePeer>
export const liveText = ({ attempt, node, key }: { attempt: string; node: string; key: string }): string => `lumaris-live:${attempt}:${node}:${key}`
export const LiveReady = z.object({ type: z.literal('live_ready'), attempt_id: AttemptId, fence: z.number().int(), mesh: LiveOffer })
export type LiveReady = z.infer<typeof LiveReady>
/** It was to be received here, and cannot be. */
export const ReceiveFailed = z.object({ type: z.literal('receive_failed'), attempt_id: AttemptId, fence: z.number().int(), detail: z.string().max(500) })
export type ReceiveFailed = z.infer<typeof ReceiveFailed>
/** A checkpoint is stored: the tick says which, and is one of the chain like the others. */
export const CheckpointMessage = z.object({
  type: z.literal('checkpoint'), attempt_id: AttemptId, fence: z.number().int(), tick: Tick, hash: Sha256,
  /** Of a memory: what it takes to go on, for whoever is to. The market hands the key on and shows it to nobody else. */
  memory: MemoryLock.optional(),
})
export type CheckpointMessage = z.infer<typeof CheckpointMessage>
/** A seal over ticks the node has sent: the leaves name them in the order of the tree. */
export const SealMessage = z.object({
  type: z.literal('seal'), seal: Seal, leaves: z.array(z.object({ attempt_id: AttemptId, seq: z.number().int(), hash: Sha256 })).min(1).max(4096),
})
/** A piece of output. `offset` counts bytes of that stream from the start; `data` is base64. */
export const LogMessage = z.object({
  type: z.literal('log'), attempt_id: AttemptId, fence: z.number().int(), stream: z.enum(['stdout', 'stderr']), offset: z.number().int().min(0),
  data: z.string().max(700_000), at: Instant,
})
export type LogMessage = z.infer<typeof LogMessage>
export const Bye = z.object({ type: z.literal('bye'), reason: z.string().max(200) })
export const Pause = z.object({ type: z.literal('pause'), paused: z.boolean() })

export const FromAgent = z.discriminatedUnion('type', [AvailabilityUpdate, JobStatusMessage, TickMessage, CheckpointMessage, CheckpointFailed, LiveReady, ReceiveFailed, SealMessage, LogMessage, Bye, Pause])
export type FromAgent = z.infer<typeof FromAgent>

export const JobDispatch = z.object({
  type: z.literal('job_dispatch'), job_id: JobId,
  requirements: z.object({ cpu_cores: z.number(), memory_mb: z.number(), expected_duration_sec: z.number() }),
  payload: z.object({ command: z.string(), args: z.array(z.string()) }),
  attempt_id: AttemptId, task_id: TaskId, slot_id: SlotId, fence: z.number().int(), session: z.number().int(), lease_gen: z.number().int(),
  driver: DriverId, level: Level, runtime: Runtime, image: z.string().optional(), env: z.record(z.string(), z.string()), inputs: z.array(InputFile), outputs: z.array(z.string()), stdout: RelativePath.optional(),
  resources: Resources, limits: Limits, prices: PriceSheet, attempt_cap: Money, disconnect: z.enum(['replace', 'wait', 'exclusive']), terms: Terms,
  /** Which of the variables are secrets of the buyer: not for a disk, and covered in what it prints. */
  secrets: z.array(z.string()).optional(),
  /** What to keep of it, and how often. */
  checkpoint: CheckpointSpec.optional(),
  /** It goes on from here: these files are laid over its inputs. */
  resume: Saved.extend({ memory: MemoryLock.extend({ /** Who has taken it: node, and its enrolled key. */ node: NodeId, publicKey: z.string(), attempt: AttemptId }).optional() }).optional(),
  /** All that it brings to a disk must be encrypted: only for drivers that offered it. */
  encrypted_scratch: z.boolean().optional(),
  /** Where it may connect to: only for drivers that offered it. */
  egress: z.array(EgressRule).optional(),
  /** A rank of a gang is made ready and accepted, and starts at `gang_start`. */
  gang: GangPlace.optional(),
})
export type JobDispatch = z.infer<typeof JobDispatch>

/** Acknowledges a heartbeat by its number: the agent dates its leases from the moment it sent that heartbeat. */
export const LeaseRenew = z.object({ type: z.literal('lease_renew'), session: z.number().int(), heartbeat: z.number().int(), lease_gen: z.number().int(), orders: z.array(AttemptOrder) })
export const Cancel = z.object({ type: z.literal('cancel'), attempt_id: AttemptId, reason: Cause })
export const Forget = z.object({ type: z.literal('forget'), attempt_id: AttemptId })
/** It is to go on elsewhere: store a checkpoint, then end it. */
export const Leave = z.object({ type: z.literal('checkpoint'), attempt_id: AttemptId, fence: z.number().int(), kind: Saved.shape.kind, /** Of `live`: who receives it. Without: say how you are reached (`live_ready`). */ peer: LivePeer.optional() })
export type Leave = z.infer<typeof Leave>
/** What another node is about to send while it runs: make ready for it, or, when the peer is named, let it come. */
export const Receive = z.object({ type: z.literal('receive'), attempt_id: AttemptId, fence: z.number().int(), driver: DriverId, maker: z.string().max(100), runtime: Runtime, resources: Resources, limits: Limits, peer: LivePeer.optional() })
export type Receive = z.infer<typeof Receive>
/** It does not come, or was not taken: whatever is there of it goes. */
export const ReceiveOver = z.object({ type: z.literal('receive_over'), attempt_id: AttemptId, fence: z.number().int() })
/** It was sent elsewhere, as that checkpoint, and goes on here all the same. An answer to an earlier one must not make it run while it goes elsewhere. */
export const Stay = z.object({ type: z.literal('stay'), attempt_id: AttemptId, fence: z.number().int(), number: z.number().int() })
export const Drain = z.object({ type: z.literal('drain'), draining: z.boolean() })
/** Settings that its seller asks over the market. Said until a heartbeat has their number; looked at by the agent, so that a newer market cannot break it. */
export const AskOwner = z.object({ type: z.literal('owner_settings'), number: z.number().int().min(1), settings: z.record(z.string(), z.unknown()) })
export type AskOwner = z.infer<typeof AskOwner>
/** Its seller wants to know whether all still works there. Said until a heartbeat has the number; the agent waits until nothing runs. */
export const AskTest = z.object({ type: z.literal('self_test'), number: z.number().int().min(1) })
export type AskTest = z.infer<typeof AskTest>
/** Every rank has accepted: now. Names all of them, this one too, in the order of their ranks. */
export const GangStart = z.object({ type: z.literal('gang_start'), attempt_id: AttemptId, peers: z.array(MeshPeer).min(2) })
export type GangStart = z.infer<typeof GangStart>
export type Stay = z.infer<typeof Stay>
export const ToAgent = z.discriminatedUnion('type', [JobDispatch, GangStart, LeaseRenew, Cancel, Forget, Leave, Receive, ReceiveOver, Stay, Drain, AskOwner, AskTest])
export type ToAgent = z.infer<typeof ToAgent>
