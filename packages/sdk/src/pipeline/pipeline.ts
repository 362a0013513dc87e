// A pipeline is jobs that come after one another, made from one file. The market knows nothing of it but the jobs: their ids follow from the pipeline's id
// and the names of the steps, so whoever has the file and the id goes on after any crash, and a step that was submitted is never submitted twice.
import { JobSpec, canonical } from '@lumaris/protocol'
import type { AfterJob, Job, JobEvent, JobSpecInput, Pipeline, PipelineStep, Quote } from '@lumaris/protocol'
import { LumarisError, isLumarisError } from '../errors.ts'
import { newJobId } from '../ids.ts'
import { followingId, found } from '../map/map.ts'
import { parsePipeline } from './order-steps.ts'

export type PipelinePorts = {
  job(id: string, signal?: AbortSignal): Promise<Job>
  quote(spec: JobSpecInput, signal?: AbortSignal): Promise<Quote>
  mustFit(spec: JobSpecInput, cap: bigint, signal?: AbortSignal): Promise<void>
  available(signal?: AbortSignal): Promise<bigint>
  submit(spec: JobSpecInput, more: { id: string; cap: bigint; signal?: AbortSignal | undefined }): Promise<Job>
  watch(job: string, signal?: AbortSignal): AsyncGenerator<JobEvent, void, undefined>
}
type Input = NonNullable<JobSpecInput['inputs']>[number]
export type PipelineOptions = {
  /** `pip_…`, of a pipeline that was begun before. */
  readonly id?: string | undefined
  /** The most that all steps together may cost, in micro-credits; the file may name one too. */
  readonly cap?: bigint | undefined
  /** Uploads the local files of a step. */
  readonly upload?: ((step: PipelineStep) => Promise<Input[]>) | undefined
  readonly onPhase?: ((phase: 'asking' | 'submitting', step: string) => void) | undefined
  readonly signal?: AbortSignal | undefined
}
export type PipelineJob = { readonly name: string; readonly job: string; readonly needs: readonly string[]; readonly spec: JobSpecInput; /** Of the step: the most it may cost. */ readonly cap: bigint; /** What it is likely to cost; null when it was submitted before. */ readonly likely: bigint | null; /** As it was found, when it was submitted before. */ readonly there: Job | null }
export type PipelineRun = {
  readonly id: string; readonly steps: readonly PipelineJob[]
  /** The most that all of it may cost: shown before anything is held. */
  readonly cap: bigint
  /** Submits what is not there yet, parents first. */
  submit(options?: { signal?: AbortSignal | undefined }): Promise<Job[]>
  /** Names of steps that were not submitted, because one that they need had failed before. */
  readonly dropped: ReadonlySet<string>
  /** What happens to all steps, until the last has ended. */
  watch(options?: { signal?: AbortSignal | undefined }): AsyncGenerator<{ readonly step: PipelineJob; readonly event: JobEvent }, void, undefined>
  jobs(options?: { signal?: AbortSignal | undefined }): Promise<Job[]>
}

export const newPipelineId = (nowMs?: number): string => `pip_${newJobId(nowMs).slice(4)}`
const jobOf = (pipeline: string, step: string): Promise<string> => followingId(`job_${pipeline.slice(4)}`, `pipeline/${step}`)

/** Reads, uploads and asks the prices; nothing is submitted. */
export async function preparePipeline(ports: PipelinePorts, value: unknown, options: PipelineOptions = {}): Promise<PipelineRun> {
  const pipeline = parsePipeline(value), id = options.id ?? newPipelineId()
  if (!/^pip_[0-9a-z]{26}$/.test(id)) throw new LumarisError('bad_pipeline', `${id} is not the id of a pipeline`, { hint: 'It begins with pip_ and was printed when the pipeline was submitted.' })
  const ids = new Map<string, string>()
  for (const { name } of pipeline.steps) ids.set(name, await jobOf(id, name))
  const steps: PipelineJob[] = []
  for (const step of pipeline.steps) steps.push(await prepareStep(ports, pipeline, step, ids, options))
  const cap = steps.reduce((sum, step) => sum + step.cap, 0n), most = options.cap ?? (pipeline.cap === undefined ? undefined : BigInt(pipeline.cap))
  if (most !== undefined && cap > most) throw new LumarisError('cap_too_low', 'The steps together could cost more than the cap', { detail: { needed: cap.toString(), cap: most.toString() }, hint: 'Raise the cap, shorten the time limits of the steps, or give each a cap of its own.' })

  const dropped = new Set<string>(), submitted = (): PipelineJob[] => steps.filter((step) => !dropped.has(step.name))
  async function submit(more: { signal?: AbortSignal | undefined } = {}): Promise<Job[]> {
    const missing = steps.filter((step) => !step.there), needed = missing.reduce((sum, step) => sum + step.cap, 0n)
    // All or nothing, as far as that can be known: half a pipeline helps nobody.
    const available = missing.length === 0 ? needed : await ports.available(more.signal)
    if (available < needed) throw new LumarisError('insufficient_funds', 'Not enough credits for all steps', { detail: { needed: needed.toString(), available: available.toString() } })
    const jobs: Job[] = []
    for (const step of steps) {
      if (step.needs.some((need) => dropped.has(need))) { dropped.add(step.name); continue }
      options.onPhase?.('submitting', step.name)
      const job = step.there ?? (await ports.submit(step.spec, { id: step.job, cap: step.cap, signal: more.signal }).catch(async (error: unknown) => {
        // What it needs has failed already: so does this, and the steps beside it go on.
        if (isLumarisError(error, 'parent_failed')) return null
        // Somebody went on with it at the same time, under a cap of another minute.
        if (isLumarisError(error, 'idempotency_conflict')) return same(step.name, step.spec, await ports.job(step.job, more.signal))
        throw error
      }))
      if (job) jobs.push(job)
      else dropped.add(step.name)
    }
    return jobs
  }
  return { id, steps, cap, submit, dropped, watch: (more = {}) => watchAll(ports, submitted(), more.signal), jobs: (more = {}) => Promise.all(submitted().map((step) => ports.job(step.job, more.signal))) }
}

async function prepareStep(ports: PipelinePorts, pipeline: Pipeline, step: PipelineStep, ids: ReadonlyMap<string, string>, { upload, signal, onPhase }: PipelineOptions): Promise<PipelineJob> {
  const { name, needs, files, cap: own, inputs, ...rest } = step
  const after = needs.map((need): AfterJob => { const { step: parent, ...more } = typeof need === 'string' ? { step: need } : need; return { job: ids.get(parent) as AfterJob['job'], ...more } })
  const uploaded = files.length > 0 ? (await upload?.(step)) ?? [] : []
  const spec = { ...rest, name: pipeline.name === undefined ? name : `${pipeline.name}: ${name}`, inputs: [...inputs, ...uploaded], ...(after.length > 0 ? { after } : {}) } as JobSpecInput
  const job = ids.get(name) as string, there = await found(ports.job(job, signal))
  const asStep = { name, job, needs: needs.map((need) => (typeof need === 'string' ? need : need.step)), spec }
  if (there) return { ...asStep, there: same(name, spec, there), cap: BigInt(there.cap), likely: null }
  onPhase?.('asking', name)
  try {
    if (own !== undefined) { await ports.mustFit(spec, BigInt(own), signal); return { ...asStep, there, cap: BigInt(own), likely: null } }
    const quote = await ports.quote(spec, signal)
    if (quote.nodes === 0) throw new LumarisError('no_node_fits', 'No node that is there could run it', { detail: quote.refused, hint: 'Change what the step asks for; or give it a cap to let it wait for a node.' })
    return { ...asStep, there, cap: BigInt(quote.cap), likely: BigInt(quote.p50) }
  } catch (error) {
    if (!(error instanceof LumarisError)) throw error
    throw new LumarisError(error.code, `Step "${name}": ${error.message}`, { status: error.status, hint: error.hint, retry: error.retry, requestId: error.requestId, detail: error.detail, cause: error })
  }
}

/** A job that is there must be what the file says, or going on would mix two pipelines. */
function same(name: string, spec: JobSpecInput, there: Job): Job {
  if (canonical(JobSpec.parse(spec)) === canonical(JobSpec.parse(there.spec))) return there
  throw new LumarisError('bad_pipeline', `Step "${name}" was submitted otherwise, as ${there.id}`, { hint: 'The file or one of its files has changed since: begin a new pipeline, without --resume.' })
}

async function* watchAll(ports: PipelinePorts, steps: readonly PipelineJob[], outer?: AbortSignal): ReturnType<PipelineRun['watch']> {
  const leaving = new AbortController(), signal = outer ? AbortSignal.any([outer, leaving.signal]) : leaving.signal
  const news: { step: PipelineJob; event: JobEvent }[] = []
  let open = steps.length, failure: { readonly error: unknown } | null = null, wake = (): void => undefined
  for (const step of steps) {
    void (async () => { for await (const event of ports.watch(step.job, signal)) { news.push({ step, event }); wake() } })()
      .catch((error: unknown) => { failure ??= { error } }).finally(() => { open--; wake() })
  }
  try {
    for (;;) {
      for (let next = news.shift(); next; next = news.shift()) yield next
      if (failure) throw (failure as { error: unknown }).error
      if (open === 0) return
      await new Promise<void>((resolve) => { wake = resolve })
    }
  } finally { leaving.abort() }
}
