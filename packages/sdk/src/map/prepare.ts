// An input and a command into the tasks of one job: the input is read once, its chunks are ranges of one blob, and only then anything is sent.
import type { JobSpecInput, MergeInput, TaskSpec } from '@lumaris/protocol'
import { PIECES_MAX, TASKS_MAX, divisibleOf, partsNeeded } from '@lumaris/protocol'
import { asBlob } from '../blobs.ts'
import type { Uploaded, UploadSource } from '../blobs.ts'
import { SplitError, planChunks } from '../split/plan.ts'
import { divideItems, fillCommand, gridPoints, groupFiles, listPoints, rangePoints } from '../split/params.ts'
import type { Divided } from '../split/params.ts'
import { equal, sizesOf } from '../split/sizes.ts'

export type MapInput =
  | { readonly by: 'lines' | 'csv' | 'jsonl' | 'bytes'; readonly source: UploadSource; /** What the part is called in the job: `part` and this ending. */ readonly extension?: string | undefined; /** CSV: false when the first record is one like the others. */ readonly header?: boolean | undefined; readonly delimiter?: string | undefined; readonly recordBytes?: number | undefined }
  | { readonly by: 'files'; readonly files: readonly { readonly path: string; readonly source: UploadSource; readonly size: number }[] }
  | { readonly by: 'list'; readonly items: readonly string[] }
  | { readonly by: 'range'; readonly range: string }
  | { readonly by: 'grid'; readonly axes: readonly string[] }
type Shared = Partial<Omit<JobSpecInput, 'command' | 'tasks' | 'outputs' | 'stdout' | 'map' | 'divide'>>
export type MapOptions = Shared & {
  readonly input: MapInput
  /** The program for one part. The part's file (or arguments) take the place of `{}`, or stand at the end. */
  readonly command: readonly string[]
  /** The file that is the part's result; without it, what the program prints is. */
  readonly result?: string | undefined
  readonly merge?: MergeInput | undefined
  /** So many parts; or parts of so many bytes, items or files. Without either: large ones first, smaller ones towards the end. */
  readonly chunks?: number | undefined
  readonly chunkSize?: number | undefined
  /**
   * Whether the market cuts the parts while the map runs, so that each lasts `targetMs` on the node that takes it (the default for a file that is cut at records or bytes, for files of a folder and for a range,
   * without `chunks`, `chunkSize`, `expectedMs`, `gang` or `interruptible`, whose parts are merged); or all of them are planned before (false). There come to be `most` parts at most, and the cap has room for each.
   * Items of a list and points of a grid are one to a part unless this is named: then the program gets several of them, each as one argument (a point as `lr=0.1,seed=1`).
   */
  readonly divide?: boolean | { readonly targetMs?: number | undefined; readonly most?: number | undefined } | undefined
  /** The most that all of it may cost, in micro-credits. */
  readonly cap?: bigint | string | undefined
  readonly id?: string | undefined
  readonly signal?: AbortSignal | undefined
  readonly onPhase?: ((phase: 'reading' | 'uploading' | 'submitting', done: number, total: number) => void) | undefined
}
export type Prepared = { readonly spec: JobSpecInput; readonly parts: number; /** So many at most: they are cut while it runs. */ readonly divided: boolean; readonly bytes: number | null; readonly records: number | null; readonly notUtf8At: number | null; readonly longest: number; /** Fewer and larger parts than were asked for: a job has at most 10 000. */ readonly capped: boolean }
export type Upload = (source: UploadSource, more: { sha256?: string; onProgress: (done: number, total: number) => void }) => Promise<Uploaded>
/** `POST /v1/jobs` takes 16 MiB. */
const SPEC_BYTES_MAX = 15 * 1024 * 1024
const RESULT = 'result'

export async function prepareMap(options: MapOptions, ports: { readonly workers: () => Promise<number>; readonly upload: Upload }): Promise<Prepared> {
  const { input, command, result, merge, chunks, chunkSize, divide, cap, id: _id, signal, onPhase, ...shared } = options
  const sizing = { chunks, chunkSize, workers: chunks === undefined && chunkSize === undefined ? await ports.workers() : 1 }
  let about: Omit<Prepared, 'spec' | 'parts' | 'divided'> = { bytes: null, records: null, notUtf8At: null, longest: 0, capped: false }
  let divided: JobSpecInput['divide']
  let filled: { command: string[]; args: string[][] }, files: (TaskSpec['inputs'] | undefined)[] = []
  let whole: TaskSpec | null = null
  const sent = (source: UploadSource, sha256?: string) => ports.upload(source, { ...(sha256 ? { sha256 } : {}), onProgress: (done, total) => onPhase?.('uploading', done, total) })
  const items = 'source' in input || !mayDivide(options) ? null : divideItems(command, input)
  if (items) {
    const { task, bytes } = await taskOf(items)
    about = { ...about, bytes }
    divided = seatsOf(items.count, partsNeeded(divisibleOf([task], 0) as NonNullable<ReturnType<typeof divisibleOf>>))
    filled = { command: items.command, args: [items.args] }
    whole = task
  } else switch (input.by) {
    case 'list': filled = fillCommand(command, listPoints(input.items, sizing)); break
    case 'range': filled = fillCommand(command, rangePoints(input.range, sizing)); break
    case 'grid': filled = fillCommand(command, gridPoints(input.axes, TASKS_MAX)); break
    case 'files': {
      const groups = groupFiles(input.files, sizing)
      filled = fillCommand(command, groups.map((group) => ({ words: {}, all: group.map((file) => file.path) })))
      const blobs = new Map<string, Uploaded>()
      for (const file of input.files) blobs.set(file.path, await sent(file.source))
      files = groups.map((group) => group.map(({ path }) => { const { blob, size } = blobs.get(path) as Uploaded; return { path, blob, size } })) as typeof files
      about = { ...about, bytes: input.files.reduce((sum, file) => sum + file.size, 0) }
      break
    }
    default: {
      const bytes = await asBlob(input.source)
      const largest = Math.floor((shared.resources?.diskBytes ?? 512 * 1024 * 1024) / 4)
      const cuts = mayDivide(options), { sizes, capped } = cuts ? { sizes: equal(bytes.size, piecesOf(bytes.size, sizing.workers)), capped: false } : sizesOf(bytes.size, { ...sizing, largest })
      const plan = await planChunks(readThrough(bytes, signal, (done) => onPhase?.('reading', done, bytes.size)), { ...input, by: input.by, sizes })
      await sent(bytes, plan.blob)
      const path = `part${input.extension ?? ''}`
      filled = fillCommand(command, plan.chunks.map(() => ({ words: {}, all: [path] })))
      // The same for all parts: said once. 10 000 parts say the rest 10 000 times.
      if (new Set(filled.args.map((args) => args.join('\u0000'))).size === 1) filled = { command: [...filled.command, ...(filled.args[0] ?? [])], args: [] }
      const [first] = plan.chunks
      if (cuts && first) {
        divided = seatsOf(plan.chunks.length, 1)
        files = [[{ path, blob: plan.blob, size: plan.size, from: first.from, to: plan.size, pieces: plan.chunks.map(({ to, hash }) => ({ to, hash })), ...(plan.header ? { header: plan.header } : {}) }]] as typeof files
        filled = { command: filled.command, args: [] }
      } else files = plan.chunks.map(({ from, to, hash }) => [{ path, blob: plan.blob, size: plan.size, from, to, hash, ...(plan.header ? { header: plan.header } : {}) }]) as typeof files
      about = { bytes: plan.size, records: plan.records, notUtf8At: plan.notUtf8At, longest: plan.longest, capped }
    }
  }
  if (divide && !divided) throw new SplitError('bad_request', mayDivide(options) ? 'The command has room for one item at a time, and a part of a map that is cut while it runs has several' : 'Its parts are planned before it runs', mayDivide(options) ? 'Put {} alone, where all of them go; or leave divide out.' : 'Leave divide out; or chunks, chunkSize, expectedMs, gang and interruptible.')
  const parts = Math.max(filled.args.length, files.length)
  const spec: JobSpecInput = {
    ...shared, command: filled.command, outputs: result === undefined ? [] : [result], ...(result === undefined ? { stdout: RESULT, limits: { outputBytes: 1024 ** 3, ...shared.limits } } : {}),
    tasks: whole ? [whole] : Array.from({ length: parts }, (_one, i) => ({ ...(filled.args[i] ? { args: filled.args[i] } : {}), ...(files[i] ? { inputs: files[i] } : {}) })),
    map: { merge: merge ?? { kind: 'lines' }, result: result ?? RESULT, ...(cap === undefined ? {} : { cap: cap.toString() }) },
  }
  if (divided) spec.divide = divided
  if (JSON.stringify(spec).length > SPEC_BYTES_MAX) throw new SplitError('too_many', `The description of ${parts} parts is too long for one request`, 'Take fewer and larger parts, or write the arguments into a file and split that: --by lines.')
  return { spec, parts: divided?.most ?? parts, divided: divided !== undefined, ...about }

  /** One seat for each part that there may come to be: at least as many as it takes to tell nodes what they are. */
  function seatsOf(count: number, needed: number): NonNullable<JobSpecInput['divide']> {
    const { targetMs, most } = typeof divide === 'object' ? divide : {}
    if (needed > Math.min(TASKS_MAX, most ?? TASKS_MAX)) throw new SplitError('too_many', `It takes at least ${needed} parts, and there may be ${Math.min(TASKS_MAX, most ?? TASKS_MAX)}`, 'A part has at most 200 items or files. Allow more parts, pack the files, or write the items into a file and split that: --by lines.')
    return { most: Math.min(TASKS_MAX, most ?? Math.max(PARTS_MIN, PARTS_PER_WORKER * sizing.workers, 2 * needed), count), ...(targetMs === undefined ? {} : { targetMs }) }
  }
  async function taskOf({ items, args }: Divided): Promise<{ task: TaskSpec; bytes: number | null }> {
    if (input.by !== 'files') return { task: { args, items }, bytes: null }
    const inputs: NonNullable<TaskSpec['inputs']> = []
    for (const { path, source } of input.files) { const { blob, size } = await sent(source); inputs.push({ path, blob, size } as (typeof inputs)[number]) }
    return { task: { args, items, inputs }, bytes: inputs.reduce((sum, { size }) => sum + size, 0) }
  }
}

/** Seats for parts: as many as planned sizes come to, so that the cap is no higher for being cut later. */
export const PARTS_PER_WORKER = 24
const PARTS_MIN = 16
/** Points at which it may be cut: so many that the last parts of the slowest worker are short too, and none so small that its hash is most of it. */
const PIECES_PER_WORKER = 256, PIECE_BYTES_MIN = 1024
const piecesOf = (bytes: number, workers: number): number => Math.max(1, Math.min(PIECES_MAX, PIECES_PER_WORKER * workers, Math.floor(bytes / PIECE_BYTES_MIN)))
/** By default where nobody named the parts. Where they stay apart too: they are numbered in the order of the input once all are done. */
function mayDivide({ input, divide, chunks, chunkSize, expectedMs, gang, interruptible }: MapOptions): boolean {
  if (divide === false || chunks !== undefined || chunkSize !== undefined || expectedMs !== undefined || gang || interruptible) return false
  // A program that was written for one item of a list would silently leave out the others.
  return divide !== undefined || (input.by !== 'list' && input.by !== 'grid')
}

async function* readThrough(bytes: Blob, signal: AbortSignal | undefined, tell: (done: number) => void): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = bytes.stream().getReader()
  let at = 0
  for (;;) {
    signal?.throwIfAborted()
    const { done, value } = await reader.read().catch((cause: unknown) => { throw new SplitError('changed', `The input cannot be read on: ${(cause as Error).message}`, 'Was it changed meanwhile? Try again when nobody writes to it.') })
    if (done) return
    tell((at += value.length))
    yield value
  }
}
