// What makes many jobs, or many parts, of one piece of work: maps and pipelines over the same client.
import { EXTRA_COPIES_MAX, copiesMax, partsMax } from '@lumaris/protocol'
import type { Job, JobEvent, JobSpec, JobSpecInput, MapPlan, Results } from '@lumaris/protocol'
import { download, readBlob, upload } from './blobs.ts'
import type { Api, CallOptions, SubmitOptions } from './client.ts'
import { LumarisError, isLumarisError } from './errors.ts'
import type { WatchOptions } from './follow.ts'
import { openMap, runOf } from './map/map.ts'
import type { MapPorts, MapRun } from './map/map.ts'
import { prepareMap } from './map/prepare.ts'
import type { MapOptions, Prepared } from './map/prepare.ts'
import { preparePipeline } from './pipeline/pipeline.ts'
import type { PipelineOptions, PipelinePorts, PipelineRun } from './pipeline/pipeline.ts'
import type { Transport } from './transport.ts'

export type LargeWork = ReturnType<typeof createLargeWork>
type Needs = {
  readonly api: Api; readonly transport: Transport
  readonly submit: (spec: JobSpecInput, options?: SubmitOptions) => Promise<Job>
  readonly watch: (job: string, options?: WatchOptions) => AsyncGenerator<JobEvent, void, undefined>
  readonly results: (job: string, options?: CallOptions) => Promise<Results>
  readonly pages: <Item>(page: (cursor: string | undefined) => Promise<{ data: Item[]; nextCursor: string | null }>) => AsyncGenerator<Item, void, undefined>
}
export function createLargeWork({ api, transport, submit, watch, results, pages }: Needs) {
  /** Under a cap only nodes are taken that cannot exceed a part's share of it: where there is none, the job would wait for ever. */
  async function mustFit(spec: JobSpecInput, cap: bigint, more: CallOptions): Promise<void> {
    const copies = spec.copies ?? 1, tasks = spec.tasks ?? [{}], cut = { speculate: spec.speculate, tasks: tasks as JobSpec['tasks'], divide: spec.divide as JobSpec['divide'] }, seats = BigInt(partsMax(cut)) * BigInt(copies === 1 ? 1 : copies + EXTRA_COPIES_MAX) + BigInt(copiesMax(cut))
    const share = { ...spec, placement: { ...spec.placement, maxAttemptCost: (cap / seats).toString() } }
    const fits = await api.createQuote({ body: { spec: share } }, more).then((quote) => quote.nodes > 0, (error: unknown) => { if (isLumarisError(error, 'no_node_fits')) return false; throw error })
    if (fits) return
    const quote = await api.createQuote({ body: { spec } }, more)
    if (quote.nodes === 0) return // it waits for a node, and not for the cap's sake
    const runMs = spec.limits?.runMs ?? 600_000, fittingMs = Math.max(1000, Math.floor((runMs * Number((cap * 1000n) / BigInt(quote.cap))) / 1_000_000) * 1000)
    throw new LumarisError('cap_too_low', `No node is sure to run ${seats} parts of up to ${runMs / 1000} s each within the cap`, { detail: { cap: cap.toString(), needed: quote.cap }, hint: `Raise the cap, or shorten the time limit of a part: ${Math.floor(fittingMs / 1000)} s would fit.` })
  }
  const mapPorts: MapPorts = {
    mustFit: (spec, cap, signal) => mustFit(spec, cap, { signal }),
    job: (job, signal) => api.getJob({ params: { job } }, { signal }),
    submit: (spec, { id, cap, signal }) => submit(spec, { id, key: id, cap, signal }),
    recordMerged: (job, body, signal) => api.recordMerged({ params: { job }, body }, { signal }),
    watch: (job, signal) => watch(job, { signal }), results: (job, signal) => results(job, { signal }),
    tasks: (job, signal) => pages((cursor) => api.listTasks({ params: { job }, query: { limit: 200, cursor } }, { signal })),
    attempt: (attempt, signal) => api.getAttempt({ params: { attempt } }, { signal }),
    readBlob: (blob, signal) => readBlob(transport, blob, { signal }),
    download: (blob, target, more) => download(transport, blob, target, more),
  }

  const pipelinePorts: PipelinePorts = {
    job: (job, signal) => api.getJob({ params: { job } }, { signal }), quote: (spec, signal) => api.createQuote({ body: { spec } }, { signal }), mustFit: (spec, cap, signal) => mustFit(spec, cap, { signal }),
    available: async (signal) => BigInt((await api.getWallet({}, { signal })).available), submit: (spec, { id, cap, signal }) => submit(spec, { id, key: id, cap, signal }), watch: (job, signal) => watch(job, { signal }),
  }

  /** Reads the input, uploads it, and says what would be submitted. */
  const prepare = async (more: MapOptions): Promise<Prepared> => {
    const prepared = await split(more)
    if (more.cap !== undefined) await mustFit(prepared.spec, BigInt(more.cap), { signal: more.signal })
    return prepared
  }
  const split = (more: MapOptions): Promise<Prepared> => prepareMap(more, {
    upload: (source, { sha256, onProgress }) => upload(transport, source, { signal: more.signal, onProgress, ...(sha256 === undefined ? {} : { sha256 }) }),
    // As many as could take a part, so that large chunks come first and small ones last; where that is not known, a few.
    workers: async () => {
      const { input: _input, command, result: _result, merge: _merge, chunks: _chunks, chunkSize: _size, divide: _divide, cap: _cap, id: _id, signal, onPhase: _phase, inputs: _inputs, ...spec } = more
      const nodes = await api.createQuote({ body: { spec: { ...spec, command: [...command] } } }, { signal }).then((quote) => quote.nodes, (error: unknown) => { if (isLumarisError(error, 'no_node_fits')) return 0; throw error })
      return nodes || 4
    },
  })

  return {
    async map(options: MapOptions): Promise<MapRun> {
      const { spec } = await prepare(options)
      options.onPhase?.('submitting', 0, 1)
      const job = await submit(spec, { id: options.id, cap: options.cap, signal: options.signal })
      return runOf(mapPorts, job, job.spec.map as MapPlan)
    },
    prepareMap: prepare,
    openMap: (job: string, signal: AbortSignal | undefined): Promise<MapRun> => openMap(mapPorts, job, signal),
    pipeline: (pipeline: unknown, options?: PipelineOptions): Promise<PipelineRun> => preparePipeline(pipelinePorts, pipeline, options),
  }
}
