import { z } from 'zod'
import { AfterJob, JobSpec } from './job-spec.ts'
import { Amount } from './money.ts'

/** Steps of one file: each is a job, and is watched by itself. */
export const PIPELINE_STEPS_MAX = 100
export const StepName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$/, 'letters, digits, dot, dash and underscore, at most 60').meta({ id: 'StepName' })
/** What a step comes after: the name of another step, or that with the files it takes over from it. */
export const StepNeed = z.union([StepName, z.strictObject({ step: StepName, inputs: AfterJob.shape.inputs })]).meta({ id: 'StepNeed' })
/** A job with a name and needs. `files` lie beside the pipeline's file; `FILE=NAME` gives one another name in the job. */
export const PipelineStep = JobSpec.omit({ name: true, after: true, map: true }).extend({
  name: StepName, needs: z.array(StepNeed).max(50).default([]), files: z.array(z.string().min(1).max(1000)).max(1000).default([]),
  /** The most this step may cost; absent: what the market's quote says. */
  cap: Amount.optional(),
}).meta({ id: 'PipelineStep' })
export type PipelineStep = z.infer<typeof PipelineStep>
/** A whole pipeline, as a file has it. */
export const Pipeline = z.strictObject({
  name: z.string().min(1).max(30).optional(),
  /** The most that all steps together may cost. */
  cap: Amount.optional(),
  steps: z.array(PipelineStep).min(1).max(PIPELINE_STEPS_MAX),
}).meta({ id: 'Pipeline' })
export type Pipeline = z.infer<typeof Pipeline>
/** As somebody writes it. */
export type PipelineInput = z.input<typeof Pipeline>
