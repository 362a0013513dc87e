// What a slot still has when it goes on from a checkpoint.
import type { JobSpec, Micros } from '@lumaris/protocol'
import type { KeptRow } from '../rows.ts'

/** What is left for who goes on: of the time of one attempt, and of its cap. */
export const restMs = (spec: JobSpec, kept: KeptRow | undefined): number => Math.max(1, spec.limits.runMs - (kept?.runMs ?? 0))
export const restCap = (attemptCap: Micros, kept: KeptRow | undefined): Micros => attemptCap - BigInt(kept?.spent ?? 0)
/** The job as it stands for one who goes on from there. */
export const restOf = (spec: JobSpec, kept: KeptRow | undefined): JobSpec => (kept ? { ...spec, limits: { ...spec.limits, runMs: restMs(spec, kept) }, ...(spec.expectedMs === undefined ? {} : { expectedMs: Math.max(1, spec.expectedMs - kept.runMs) }) } : spec)
