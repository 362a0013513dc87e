import { z } from 'zod'
import { AttemptId, Instant, JobId, NodeId, Sha256, SlotId, TaskId } from './ids.ts'
import { Amount } from './money.ts'
import { Cause } from './causes.ts'
import { ByteRange, DriverId, Level, Resources } from './job-spec.ts'
import { Saved, Usage } from './job.ts'
import { PriceSheet } from './node.ts'

// A receipt is a chain of ticks: each carries running totals and the hash of the one before, and starts from the hash of the agreed terms, so
// no price can be exchanged afterwards. The node does not sign every tick (a signature costs more than all the rest of a short job): it seals
// them in batches. A seal is one Ed25519 signature over the root of a Merkle tree of tick hashes; each tick keeps its path to the root. The
// control plane countersigns the same root. See docs/adr/0005-seals.md.

export const Signature = z.string().regex(/^[A-Za-z0-9_-]{86}$/, 'an Ed25519 signature, 64 bytes, base64url')
export const PublicKey = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'an Ed25519 public key, 32 bytes, base64url')

/** What was agreed when the attempt was offered; its hash is the `prev` of the first tick. */
export const Terms = z.object({
  attempt: AttemptId, job: JobId, task: TaskId, slot: SlotId, fence: z.number().int(), node: NodeId, driver: DriverId, level: Level,
  resources: Resources, prices: PriceSheet, attemptCap: Amount,
  /** Of a job that is cut while it runs: the part of its input that this attempt is for. */
  range: ByteRange.optional(),
}).meta({ id: 'Terms' })
export type Terms = z.infer<typeof Terms>

/** A metering statement: running totals since the start of the attempt. `final` carries the result. */
export const Tick = z.object({
  attempt: AttemptId, seq: z.number().int().min(1), prev: Sha256, at: Instant, usage: Usage, final: z.boolean(),
  exitCode: z.number().int().nullable().optional(), resultDigest: Sha256.optional(),
  /** A checkpoint was stored since the tick before. */
  checkpoint: Saved.optional(),
}).meta({ id: 'Tick' })
export type Tick = z.infer<typeof Tick>

export const Seal = z.object({ node: NodeId, session: z.number().int(), number: z.number().int().min(1), root: Sha256, count: z.number().int().min(1), signature: Signature }).meta({ id: 'Seal' })
export type Seal = z.infer<typeof Seal>

/** A tick's way to a sealed root: the sibling hashes from leaf to root, and the leaf's place. */
export const SealedTick = z.object({
  tick: Tick, hash: Sha256,
  seal: z.object({ number: z.number().int(), session: z.number().int(), root: Sha256, index: z.number().int(), count: z.number().int(), path: z.array(Sha256), signature: Signature, countersignature: Signature }).optional(),
}).meta({ id: 'SealedTick' })
export type SealedTick = z.infer<typeof SealedTick>

export const Receipt = z.object({
  version: z.literal(1), terms: Terms, nodeKey: PublicKey, platformKey: PublicKey, ticks: z.array(SealedTick), cause: Cause.optional(),
  bill: z.object({ amount: Amount, sellerGets: Amount, fee: Amount }).optional(), endedAt: Instant.optional(),
}).meta({ id: 'Receipt' })
export type Receipt = z.infer<typeof Receipt>

/** What a seal signs: bound to node and session, so that a root cannot be replayed under another name. */
export const sealText = (seal: { node: string; session: number; number: number; root: string; count: number }): string =>
  `lumaris-seal:${seal.node}:${seal.session}:${seal.number}:${seal.count}:${seal.root}`

/** One spelling of a value as bytes: keys sorted, no white space, no floats that differ between machines. What is hashed and signed. */
export function canonical(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('canonical: not a finite number')
    return JSON.stringify(value)
  }
  if (typeof value === 'bigint') return `"${value}"`
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value === 'object') {
    const fields = value as Record<string, unknown>
    let text = ''
    for (const key of Object.keys(fields).sort()) if (fields[key] !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonical(fields[key])}`
    return `{${text}}`
  }
  throw new TypeError(`canonical: ${typeof value} has no place in a document`)
}
