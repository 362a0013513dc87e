import { z } from 'zod'
import { EnrolmentId, Instant, NodeId, UserId } from './ids.ts'
import { Amount } from './money.ts'
import { AdminWord } from './operator.ts'
import { NodePolicy } from './node-policy.ts'
import { DriverId, GpuModel, GpuProfile, LabelName, Level, Runtime } from './job-spec.ts'

/** What a node charges, in micro-credits. Reserved resources are charged for the time an attempt runs; rounded once, down, for the buyer. */
export const PriceSheet = z.strictObject({
  start: Amount.default('0'),
  cpuHour: Amount.default('0'),
  memoryGibHour: Amount.default('0'),
  /** For a whole card; a partition costs its share of this. */
  gpuHour: Amount.default('0'),
  diskGibHour: Amount.default('0'),
  outGib: Amount.default('0'),
  /** Interruptible work is taken from this many hundredths of the prices above; absent: none is. */
  spotPercent: z.number().int().min(1).max(100).optional(),
}).meta({ id: 'PriceSheet' })
export type PriceSheet = z.infer<typeof PriceSheet>
/** The amounts in a price sheet, in the order they are shown. */
export const PRICE_NAMES = ['start', 'cpuHour', 'memoryGibHour', 'gpuHour', 'diskGibHour', 'outGib'] as const satisfies readonly (keyof PriceSheet)[]
export type PriceName = (typeof PRICE_NAMES)[number]

export const Capacity = z.strictObject({
  cpuMillis: z.number().int().min(0).max(4_096_000), memoryBytes: z.number().int().min(0).max(2 ** 50), diskBytes: z.number().int().min(0).max(2 ** 53 - 1),
  gpus: z.number().int().min(0).max(1024),
  /** All GPUs of a node are alike; a machine with two kinds joins as two nodes. */
  gpuModel: GpuModel.optional(), gpuMemoryBytes: z.number().int().min(0).max(2 ** 45).optional(),
  /** Its GPUs are partitions of this kind, each so many thousandths of a card of that model. Absent: whole cards. */
  gpuShare: z.number().int().min(1).max(1000).optional(), gpuProfile: GpuProfile.optional(),
}).meta({ id: 'Capacity' })
export type Capacity = z.infer<typeof Capacity>

export const LimitProof = z.enum(['hard', 'soft', 'none'])
/** A driver as the node has proved it: what it can run and which limits held against the canaries. */
export const DriverOffer = z.object({
  id: DriverId, level: Level, runtimes: z.array(Runtime).min(1).max(Runtime.options.length),
  limits: z.record(z.string().max(20), LimitProof).refine((limits) => Object.keys(limits).length <= 16, 'at most 16 limits'),
  /** It can join what it runs to the private network of a gang. */
  gang: z.boolean().optional(),
  /** It can take a program's memory, and restore what was taken by exactly this. */
  memory: z.string().max(100).optional(),
  /** And send it while it runs, to a node with the same `memory`, or receive one. */
  live: z.boolean().optional(),
  /** With it, what a job brings to the disk is encrypted with a key of its own that is never written down. */
  encryptedScratch: z.boolean().optional(),
  /** The owner allows outgoing connections to hosts that jobs name, and this driver was seen to keep them there. */
  egress: z.boolean().optional(),
  /** False: it hands out no graphics cards, whatever the node has. */
  gpus: z.boolean().optional(),
}).meta({ id: 'DriverOffer' })
export type DriverOffer = z.infer<typeof DriverOffer>

export const NodeState = z.enum(['pending', 'online', 'suspect', 'lost', 'paused', 'draining', 'cordoned', 'retired', 'banned']).meta({ id: 'NodeState' })
export type NodeState = z.infer<typeof NodeState>

/** `mean` is expected, `lower` holds with 95 % confidence, `evidence` is the endings it rests on. */
const Belief = z.object({ mean: z.number(), lower: z.number(), evidence: z.number() })
export const Reputation = z.object({ completion: Belief, correctness: Belief, timeliness: Belief }).meta({ id: 'Reputation' })
export const Node = z.object({
  id: NodeId, owner: UserId, name: z.string(), state: NodeState, region: z.string(), labels: z.record(z.string(), z.string()),
  capacity: Capacity, reserved: Capacity, drivers: z.array(DriverOffer), prices: PriceSheet, agentVersion: z.string(),
  session: z.number().int(), running: z.number().int(),
  /** Attempts that ended well, and those the node is to blame for. */
  succeeded: z.number().int(), failed: z.number().int(),
  /** Lower bound of the share of work it ends: what it has shown, not what is hoped. */
  reliability: z.number(), reputation: Reputation.optional(), /** The chances that it is still there after some times. */ outlook: z.array(z.object({ afterMs: z.number(), stays: z.number() })).optional(),
  /** An operator holds it back, and why; what runs there is ended by then, where there is a deadline. */
  cordon: z.object({ at: Instant, reason: z.string(), until: Instant.optional() }).optional(),
  /** What its owner wants of what it could run; absent: all of it. */
  policy: NodePolicy.optional(),
  /** Its agent is too old for new work: the market asks for this version at least. */
  updateTo: z.string().optional(),
  connected: z.boolean(), lastSeenAt: Instant.optional(), enrolledAt: Instant, admin: AdminWord.optional(),
}).meta({ id: 'Node' })
export type Node = z.infer<typeof Node>

export const NodeName = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and dashes, at most 63')

export const Enrolment = z.object({ id: EnrolmentId, token: z.string(), expiresAt: Instant, name: NodeName.optional() }).meta({ id: 'Enrolment' })
export type Enrolment = z.infer<typeof Enrolment>

/** What an agent sends, once, with its join token. `proof` signs `lumaris-enrol:{token}` with the new key. */
export const EnrolNode = z.strictObject({
  token: z.string().min(20).max(200), publicKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'an Ed25519 public key, 32 bytes, base64url'),
  proof: z.string().regex(/^[A-Za-z0-9_-]{86}$/), name: NodeName, region: z.string().min(1).max(40).default('local'),
  labels: z.record(LabelName, z.string().max(63)).default({}),
  capacity: Capacity, prices: PriceSheet.prefault({}), agentVersion: z.string().max(40),
}).meta({ id: 'EnrolNode' })
export type EnrolNode = z.infer<typeof EnrolNode>

