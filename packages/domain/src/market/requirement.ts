// What a slot needs, as a key: slots with the same key fit on the same nodes at the same price, so one answer serves them all.
import type { FallbackStep, JobId, JobSpec, NodeId, UserId } from '@lumaris/protocol'
import { asPlanned } from '../deadline/as.ts'
import { restCap, restOf } from '../job/kept.ts'
import type { JobRow, KeptRow, MoveRow, NodeRow, SlotRow, TaskRow } from '../rows.ts'

const NONE: readonly NodeId[] = []

// The text of the shared parts of a spec, made once per part: specs are interned, so the part itself is the key.
const texts = new WeakMap<object, string>()
export const textOf = (part: object): string => {
  let known = texts.get(part)
  if (known === undefined) { known = JSON.stringify(part); texts.set(part, known) }
  return known
}

// One object for each rung of a spec's ladder: what is kept by the identity of its parts (costs, class texts) is then found again.
const ladders = new WeakMap<JobSpec, JobSpec[]>()
/** The job's wishes as they stand now, after the steps of its fallback ladder that were taken. */
export function wishesOf(job: Pick<JobRow, 'spec' | 'rung'>): JobSpec {
  const { spec, rung } = job
  if (rung === 0 || !spec.fallback) return spec
  let specs = ladders.get(spec)
  if (!specs) ladders.set(spec, (specs = [spec]))
  for (let i = specs.length; i <= Math.min(rung, spec.fallback.length); i++) specs.push(stepDown(specs[i - 1] as JobSpec, spec.fallback[i - 1] as FallbackStep))
  return specs[Math.min(rung, specs.length - 1)] as JobSpec
}
function stepDown(spec: JobSpec, step: FallbackStep): JobSpec {
  const { gpuModels, ...wishes } = step
  const placement: Record<string, unknown> = { ...spec.placement, ...wishes }, resources: Record<string, unknown> = { ...spec.resources, ...(gpuModels === undefined ? {} : { gpuModels }) }
  delete placement['afterMs']
  for (const part of [placement, resources]) for (const [name, value] of Object.entries(part)) if (value === null || value === undefined) delete part[name]
  return { ...spec, placement: placement as JobSpec['placement'], resources: resources as JobSpec['resources'] }
}

export function classKeyOf(job: JobRow, task: TaskRow, slot: number): string {
  const spec = wishesOf(job)
  const row = task.slots[slot] as SlotRow
  // A slot with copies (but the first, where the market chooses them), or one that failed somewhere, has wishes of its own: it stands alone, so that its "no" puts nobody else to sleep. Who may be a referee is another question than who may give a result.
  const own = spec.copies > 1 || asksProven(spec) || slot > 0 || task.slots.length > 1 || row.failedOn.length > 0 || row.kept || row.move ? `|${job.id}.${task.index}${row.referee ? ` referee ${slot}` : ''}` : ''
  // A gang asks for all its ranks at once. What is spread looks at where its own job runs; and one that is late for its own deadline must not put others to sleep.
  const alone = spec.placement.spread === undefined ? '' : `|${job.id}`
  return `${spec.runtime}|${textOf(spec.resources)}|${textOf(spec.placement)}|${job.attemptCap}|${spec.limits.runMs}|${spec.expectedMs ?? spec.divide?.targetMs ?? ''}|${spec.deadline ?? ''}${spec.assurance ? `|${spec.assurance}` : ''}${spec.interruptible ? `|bid ${spec.interruptible.bidHour ?? ''}` : ''}${spec.network ? '|egress' : ''}${spec.image ? `|${spec.image}` : ''}${spec.tags ? `|about ${spec.tags.join()}` : ''}${spec.gang ? `|gang ${job.id}` : ''}${alone}${own}`
}

/** Tighter bounds ask only owners who have shown something, and that changes with every lesson. */
const asksProven = ({ assurance }: JobSpec): boolean => assurance !== undefined && assurance !== '1e-2'

export type Requirement = {
  readonly spec: JobSpec; readonly attemptCap: bigint; readonly job: JobId
  /** Nodes where this slot has failed: taken only when no other can. */
  readonly avoid: readonly NodeId[]
  /** Owners that hold, or held, another copy of the same task. */
  readonly owners: readonly UserId[]
  /** The nodes of those copies: their neighbours in the network are no second opinion either. */
  readonly beside?: readonly NodeRow[]
  /** Who was drawn to check a result: they are asked first. */
  readonly drawn?: (owner: UserId) => boolean
  /** Nodes on which it is worth most; others only when none of them has room. */
  readonly prefers?: (node: NodeRow) => boolean
  /** Where other tasks of the job run, when it asks to be spread. */
  readonly near?: readonly NodeRow[]
  /** It goes on from a checkpoint: what is left of its time and cap is its own. */
  readonly kept?: KeptRow
  readonly move?: MoveRow
  /** The most that an hour may cost as interruptible work, so that what is left of the cap pays for the firm way. */
  readonly hourMax?: bigint
}
export const requirementOf = (job: JobRow, slot: SlotRow | undefined, owners: readonly UserId[], near: readonly NodeRow[] = []): Requirement =>
  ({ spec: restOf(asPlanned(wishesOf(job), slot), slot?.kept), attemptCap: restCap(job.attemptCap, slot?.kept), ...(slot?.kept ? { kept: slot.kept } : {}), ...(slot?.move ? { move: slot.move } : {}), job: job.id, avoid: slot?.failedOn ?? NONE, owners, ...(near.length > 0 ? { near } : {}) })
/** What a job would need that is not there yet: filters that look at its job do not apply. */
export const needBefore = (spec: JobSpec, attemptCap: bigint): Requirement => ({ spec, attemptCap, job: '' as JobId, avoid: NONE, owners: [] })
/** Its answers follow from the class alone: what was asked for another slot of the class, a moment ago, holds for this one. */
export const asksAsItsClass = (need: Requirement): boolean => need.spec.copies === 1 && !asksProven(need.spec) && need.owners.length === 0 && need.drawn === undefined && need.prefers === undefined && need.avoid.length === 0 && need.near === undefined && need.kept === undefined && need.move === undefined && need.spec.deadline === undefined
