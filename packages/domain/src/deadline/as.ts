// As what a slot of a job with a plan is placed just now. Everything that asks whether work is interruptible asks here.
import type { JobSpec } from '@lumaris/protocol'
import type { AttemptRow, SlotRow } from '../rows.ts'

const both = new WeakMap<JobSpec, JobSpec>()
/** The job as this slot asks for it: interruptible until it has become firm. One object for each, because answers are kept by the identity of its parts. */
export function asPlanned(spec: JobSpec, slot: Pick<SlotRow, 'firm'> | undefined): JobSpec {
  if (spec.plan === undefined || slot?.firm) return spec
  let made = both.get(spec)
  if (!made) both.set(spec, (made = { ...spec, interruptible: {} }))
  return made
}
export const waitsForSale = (spec: Pick<JobSpec, 'interruptible' | 'plan'>, slot: Pick<SlotRow, 'firm'>): boolean => (spec.plan === undefined ? spec.interruptible !== undefined : slot.firm === undefined)
/** May others take its place? */
export const isInterruptible = (spec: Pick<JobSpec, 'interruptible' | 'plan'>, attempt: Pick<AttemptRow, 'as'>): boolean => (spec.plan === undefined ? spec.interruptible !== undefined : attempt.as === 'interruptible')
