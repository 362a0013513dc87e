import { z } from 'zod'
import { AttemptId, NodeId, Sha256 } from './ids.ts'
import { DriverId } from './job-spec.ts'
import { ResultFile } from './job.ts'
import { canonical } from './receipt.ts'

/** Files that one checkpoint may have: its list stays below a MiB. */
export const CHECKPOINT_FILES_MAX = 3000
export const CHECKPOINT_MANIFEST_BYTES_MAX = 4 * 1024 * 1024

/** The files of a checkpoint, kept as a blob like them. Whoever knows its hash, which stands in a sealed tick, can check all of it. */
export const CheckpointManifest = z.strictObject({ version: z.literal(1), files: z.array(ResultFile).max(CHECKPOINT_FILES_MAX) }).meta({ id: 'CheckpointManifest' })
export type CheckpointManifest = z.infer<typeof CheckpointManifest>

/** Memory is stored in pieces of this size, encrypted one by one. */
export const MEMORY_CHUNK_BYTES = 8 * 1024 * 1024
/** What AES-GCM adds to each: its tag. */
export const MEMORY_TAG_BYTES = 16
const Chunk = z.object({ blob: Sha256, size: z.number().int().min(MEMORY_TAG_BYTES).max(MEMORY_CHUNK_BYTES + MEMORY_TAG_BYTES) })
/**
 * A program's memory with its files, as one stream in encrypted pieces. Whoever restores it runs it with whatever rights it says it has inside; so it is
 * signed by the node that took it, and restored by nobody who does not find that node's enrolled key under the very attempt that is to go on.
 */
export const MemoryManifest = z.strictObject({
  version: z.literal(1), attempt: AttemptId, node: NodeId, driver: DriverId, maker: z.string().max(100), size: z.number().int().min(0), chunks: z.array(Chunk).min(1).max(10_000),
  signature: z.string().regex(/^[A-Za-z0-9_-]{86}$/),
}).meta({ id: 'MemoryManifest' })
export type MemoryManifest = z.infer<typeof MemoryManifest>
/** What its signature is over. */
export const memoryText = ({ signature: _signature, ...manifest }: MemoryManifest | Omit<MemoryManifest, 'signature'> & { readonly signature?: string }): string => `lumaris-memory:${canonical(manifest)}`
