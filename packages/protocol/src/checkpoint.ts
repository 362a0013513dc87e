import { z } from 'zod'
import { ResultFile } from './job.ts'

/** Files that one checkpoint may have: its list stays below a MiB. */
export const CHECKPOINT_FILES_MAX = 3000
export const CHECKPOINT_MANIFEST_BYTES_MAX = 4 * 1024 * 1024

/** The files of a checkpoint, kept as a blob like them. Whoever knows its hash, which stands in a sealed tick, can check all of it. */
export const CheckpointManifest = z.strictObject({ version: z.literal(1), files: z.array(ResultFile).max(CHECKPOINT_FILES_MAX) }).meta({ id: 'CheckpointManifest' })
export type CheckpointManifest = z.infer<typeof CheckpointManifest>
