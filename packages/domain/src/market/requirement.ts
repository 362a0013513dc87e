// What a slot needs, as a key: slots with the same key fit on the same nodes at the same price, so one answer serves them all.
import type { JobId, JobSpec, NodeId, UserId } from '@lumaris/protocol'
import type { JobRow, SlotRow, TaskRow } from '../rows.ts'

const NONE: readonly NodeId[] = []

// The text of the shared parts of a spec, made once per part: specs are interned, so the part itself is the key.
const texts = new WeakMap<object, string>()
const text = (part: object): string => {
  let known = texts.get(part)
  if (known === undefined) { known = JSON.stringify(part); texts.set(part, known) }
  return known
}

export function classKeyOf(job: JobRow, task: TaskRow, slot: number): string {
  const { spec } = job
  const row = task.slots[slot] as SlotRow
  // A slot with copies, or one that failed somewhere, has wishes of its own: it stands alone, so that its "no" puts nobody else to sleep.
  const own = spec.copies > 1 || row.failedOn.length > 0 ? `|${job.id}.${task.index}` : ''
  return `${spec.runtime}|${text(spec.resources)}|${text(spec.placement)}|${job.attemptCap}|${spec.limits.runMs}|${spec.expectedMs ?? ''}${own}`
}

export type Requirement = {
  readonly spec: JobSpec; readonly attemptCap: bigint; readonly job: JobId
  /** Nodes where this slot has failed: taken only when no other can. */
  readonly avoid: readonly NodeId[]
  /** Owners that hold, or held, another copy of the same task. */
  readonly owners: readonly UserId[]
}
export const requirementOf = (job: JobRow, slot: SlotRow | undefined, owners: readonly UserId[]): Requirement =>
  ({ spec: job.spec, attemptCap: job.attemptCap, job: job.id, avoid: slot?.failedOn ?? NONE, owners })
