// One piece of work over many nodes: a job whose tasks are the parts, jobs that repeat the parts that failed, and jobs that reduce. All of them have ids
// that follow from the first one's, so that its id is all that anybody needs to go on after a crash, and whoever asks twice gets the same jobs.
//
//   map ── retry 1 ── retry 2 …    (each repeats what the ones before it have not done)
//    └─ reduce level 0 ── level 1 … until one result is left
import type { Attempt, ByteRange, FallbackStep, Job, JobEvent, JobSpecInput, MapPlan, MergeInput, ResultFile, Results, Task } from '@lumaris/protocol'
import { JobSpec, digestText, divisibleOf, partsNeeded } from '@lumaris/protocol'
import { LumarisError, isLumarisError } from '../errors.ts'
import { hashText } from '../hash.ts'
import { MergeError } from '../split/values.ts'
import { equal } from '../split/sizes.ts'
import { isBuiltIn, mergeToFile } from './merge-file.ts'
import type { Merged } from './merge-file.ts'

/** What is asked of the client that this is a part of. */
export type MapPorts = {
  job(id: string, signal?: AbortSignal): Promise<Job>
  /** Throws `cap_too_low` where no node could take a part of it under that cap. */
  mustFit(spec: JobSpecInput, cap: bigint, signal?: AbortSignal): Promise<void>
  submit(spec: JobSpecInput, more: { id: string; cap?: bigint | undefined; signal?: AbortSignal | undefined }): Promise<Job>
  recordMerged(job: string, merged: { sha256: string; size: number }, signal?: AbortSignal): Promise<Job>
  watch(job: string, signal?: AbortSignal): AsyncGenerator<JobEvent, void, undefined>
  results(job: string, signal?: AbortSignal): Promise<Results>
  tasks(job: string, signal?: AbortSignal): AsyncGenerator<Task, void, undefined>
  attempt(id: string, signal?: AbortSignal): Promise<Attempt>
  readBlob(blob: string, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined>
  download(blob: string, target: string, more: { overwrite?: boolean | undefined; signal?: AbortSignal | undefined }): Promise<void>
}
export type MapPart = {
  /** Its number; of a map that is cut while it runs, the byte of the input (or the item) where it begins. */
  readonly part: number; readonly range?: ByteRange | undefined; readonly state: 'done' | 'failed'; readonly job: string; readonly task: number
  /** Of a part that is done: where it ran, for how long, and what it left. */
  readonly attempt?: Attempt | undefined; readonly result?: ResultFile | undefined; readonly cause?: string | undefined
  /** The result, as it comes from the market; throws for a part that has none. */
  bytes(signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined>
}
type Waiting = { readonly signal?: AbortSignal | undefined }
export type MergeOptions = Waiting & {
  readonly overwrite?: boolean | undefined
  /** Run a reduce command again that has failed before. */
  readonly again?: boolean | undefined
  /** Parts merged; or, of a reduce command, runs that are done. */
  readonly onProgress?: ((done: number, total: number, what: 'parts' | 'reduce') => void) | undefined
  readonly onJob?: ((job: Job, level: number) => void) | undefined
}
export type MapRun = {
  /** The first job: its id is the map's. */
  readonly job: Job
  readonly plan: MapPlan
  /** Of a map that is cut while it runs: those there were when it was last looked at. */
  readonly parts: number
  /** Every part once: those that are done as they are done, then those that nobody repeats any more. */
  [Symbol.asyncIterator](): AsyncGenerator<MapPart, void, undefined>
  /** What happens to the map's jobs, one after the other, until the last has ended. `part` counts over the whole. */
  watch(options?: Waiting): AsyncGenerator<{ readonly job: Job; readonly event: JobEvent; readonly part: number | null }, void, undefined>
  /** All jobs of the parts so far, the first one first. */
  jobs(options?: Waiting): Promise<Job[]>
  /** Waits for the end; the parts that have no result. */
  missing(options?: Waiting): Promise<number[]>
  /** Repeats the parts without a result; null when there are none. */
  retry(options?: Waiting): Promise<Job | null>
  /** Waits for all parts and makes one file of their results; what a crash has interrupted goes on where it was. */
  merge(target: string, options?: MergeOptions): Promise<Merged>
  /** What all jobs together have cost so far, reducing included, in micro-credits. */
  cost(options?: Waiting): Promise<bigint>
}

/** An id for a job that belongs to another: the same for everybody, and as old, so that nothing takes it for a later one. */
export async function followingId(job: string, what: string): Promise<string> {
  return `${job.slice(0, 14)}${digestText(await hashText(`${job}/${what}`))}`
}
const ended = (job: Job): boolean => job.state !== 'queued' && job.state !== 'running'
export const found = (work: Promise<Job>): Promise<Job | null> => work.catch((error: unknown) => { if (isLumarisError(error, 'not_found')) return null; throw error })

export async function openMap(ports: MapPorts, id: string, signal?: AbortSignal): Promise<MapRun> {
  const asked = await ports.job(id, signal)
  const root = asked.spec.map?.of === undefined ? asked : await ports.job(asked.spec.map.of, signal)
  const plan = root.spec.map
  if (!plan) throw new LumarisError('not_a_map', `${id} is not a map`)
  return runOf(ports, root, plan)
}

export function runOf(ports: MapPorts, root: Job, plan: MapPlan): MapRun {
  // Of a map that is cut while it runs, what is one part is known when it is done: a part is its range, and the parts in order are the input.
  // (Bytes of a file; or items of a list, numbers of a range, bytes of files one after the other.)
  const whole = root.spec.divide ? divisibleOf(root.spec.tasks, 0) : null
  let parts = whole ? root.tasks.total : root.spec.tasks.length
  const partOf = (job: Job, task: number, range: ByteRange | undefined): number => range?.from ?? job.spec.map?.parts?.[task] ?? task
  const jobAfter = async (n: number, signal?: AbortSignal): Promise<Job | null> => found(ports.job(await followingId(root.id, `retry/${n}`), signal))

  async function* chain(signal?: AbortSignal): AsyncGenerator<Job, void, undefined> {
    yield ports.job(root.id, signal)
    for (let n = 1; ; n++) { const next = await jobAfter(n, signal); if (!next) return; yield next }
  }
  async function jobs({ signal }: Waiting = {}): Promise<Job[]> {
    const all: Job[] = []
    for await (const job of chain(signal)) all.push(job)
    return all
  }
  /** Each job to its end; a retry that somebody made meanwhile is followed too. */
  async function* watch({ signal }: Waiting = {}): ReturnType<MapRun['watch']> {
    for await (const job of chain(signal)) {
      for await (const event of ports.watch(job.id, signal)) yield { job, event, part: event.task === undefined ? null : partOf(job, event.task, event.range) }
    }
  }
  const partDone = (job: Job, task: number, attempt: Attempt): MapPart => {
    const result = attempt.files.find((file) => file.path === plan.result)
    return {
      part: partOf(job, task, attempt.range), range: attempt.range, state: 'done', job: job.id, task, attempt, result,
      bytes(signal) { if (!result) throw new MergeError(`Part ${partOf(job, task, attempt.range)} left no file ${plan.result}`); return ports.readBlob(result.blob, signal) },
    }
  }
  async function* iterate(): AsyncGenerator<MapPart, void, undefined> {
    const done = new Set<number>(), reported = new Map<string, string[]>()
    for await (const { job, event } of watch()) {
      if (event.task === undefined) continue
      const key = `${job.id}.${event.task}`
      if (event.type === 'attempt' && event.state === 'reported' && event.attempt) reported.set(key, [...(reported.get(key) ?? []), event.attempt])
      if (event.type !== 'task' || event.state !== 'done') continue
      // Of several copies only those count that agreed.
      for (const id of reported.get(key) ?? []) {
        const attempt = await ports.attempt(id)
        if (attempt.state !== 'valid' || attempt.referee) continue
        done.add(partOf(job, event.task, attempt.range))
        yield partDone(job, event.task, attempt)
        break
      }
      reported.delete(key)
    }
    if (!whole && done.size === parts) return
    const last = new Map<number, { job: Job; task: Task }>()
    for await (const job of chain()) {
      if (whole) last.clear() // the last one repeats all that the others have left
      for await (const task of ports.tasks(job.id)) if (task.state !== 'done' && task.state !== 'joined') last.set(partOf(job, task.index, task.range), { job, task })
    }
    for (const [part, { job, task }] of [...last].toSorted(([a], [b]) => a - b)) {
      if (!done.has(part)) yield { part, range: task.range, state: 'failed', job: job.id, task: task.index, cause: task.cause ?? job.cause, bytes() { throw new LumarisError('parts_failed', `Part ${part} has no result`) } }
    }
  }

  async function endOf(job: Job, signal?: AbortSignal): Promise<Job> {
    if (ended(job)) return job
    for await (const _event of ports.watch(job.id, signal)) { /* until it has ended */ }
    return ports.job(job.id, signal)
  }
  /** The result files of the parts in their order, after the end of all jobs; and the parts that have none (of a map that is cut while it runs: what is missing of the input). */
  async function collected(signal?: AbortSignal): Promise<{ files: ResultFile[]; missing: number[]; gaps: ByteRange[]; last: Job; costs: bigint; retries: number }> {
    const files = Array.from({ length: whole ? 0 : parts }, (): ResultFile | null => null), found: { range: ByteRange; file: ResultFile }[] = []
    let last = root, costs = 0n, retries = -1
    for await (const one of chain(signal)) {
      last = await endOf(one, signal)
      costs += BigInt(last.cost)
      retries++
      const { tasks } = await ports.results(last.id, signal).catch((error: unknown) => { if (isLumarisError(error, 'results_not_ready')) return { tasks: [] }; throw error })
      for (const task of tasks) {
        // A program that failed has left files too; they are no result.
        if (task.exitCode !== 0) continue
        const part = partOf(last, task.task, task.range), file = task.files.find(({ path }) => path === plan.result)
        if (!file) throw new MergeError(`Part ${part} left no file ${plan.result}`)
        if (!whole) files[part] ??= file
        else if (task.range) found.push({ range: task.range, file })
        else throw new MergeError(`The market does not say which part of the input task ${task.task} of ${last.id} is`)
      }
    }
    if (!whole) return { files: files.filter((file) => file !== null), missing: files.flatMap((file, part) => (file ? [] : [part])), gaps: [], last, costs, retries }
    found.sort((a, b) => a.range.from - b.range.from)
    const gaps = gapsOf(whole, found.map(({ range }) => range))
    parts = found.length + gaps.length
    return { files: found.map(({ file }) => file), missing: gaps.map(({ from }) => from), gaps, last, costs, retries }
  }

  /** What is left of the buyer's cap; undefined where none was named. */
  const left = (costs: bigint): bigint | undefined => (plan.cap === undefined ? undefined : BigInt(plan.cap) > costs ? BigInt(plan.cap) - costs : 0n)
  async function submit(spec: JobSpecInput, id: string, cap: bigint | undefined, signal?: AbortSignal): Promise<Job> {
    // Made by somebody else at the same time, perhaps by another version that spells it in another way: one of them is enough.
    const there = await found(ports.job(id, signal))
    if (there) return there
    if (cap !== undefined) await ports.mustFit(spec, cap, signal)
    return ports.submit(spec, { id, cap, signal }).catch(async (error: unknown) => { if (isLumarisError(error, 'idempotency_conflict')) return ports.job(id, signal); throw error })
  }

  async function retry({ signal }: Waiting = {}): Promise<Job | null> {
    const { missing, gaps, costs, retries } = await collected(signal)
    if (missing.length === 0) return null
    const { divide } = root.spec
    // As many seats as its share of the input: a cap that is nearly spent would be spread too thin over all of them.
    const share = whole ? gaps.reduce((sum, { from, to }) => sum + to - from, 0) / (whole.to - whole.from) : 1
    const spec: JobSpecInput = whole && divide ? {
      ...inputOf(root.spec), divide: { ...divide, most: Math.min(divide.most, Math.max(2 * gaps.length, gaps.reduce((sum, gap) => sum + partsNeeded(whole, gap), 0), Math.ceil(divide.most * share))) }, map: { ...plan, of: root.id } as NonNullable<JobSpecInput['map']>,
      tasks: gaps.map((gap) => whole.narrow(gap)),
    } : { ...inputOf(root.spec), tasks: missing.map((part) => root.spec.tasks[part] as JobSpec['tasks'][number]), map: { ...plan, of: root.id, parts: missing } as NonNullable<JobSpecInput['map']> }
    return submit(spec, await followingId(root.id, `retry/${retries + 1}`), left(costs), signal)
  }

  async function merge(target: string, options: MergeOptions = {}): Promise<Merged> {
    const { signal } = options, { files: all, missing, last, costs } = await collected(signal)
    if (missing.length > 0) throw new LumarisError('parts_failed', `${missing.length} of ${parts} parts have no result${last.cause ? ` (${last.cause.replaceAll('_', ' ')})` : ''}`, { detail: { job: root.id, parts: missing.slice(0, 50) } })
    if (isBuiltIn(plan.merge)) {
      const source = { parts: all.length, hashes: all.map((file) => file.blob), open: readAhead(all, (blob) => ports.readBlob(blob, signal)) }
      return recorded(await mergeToFile(plan.merge, source, { target, overwrite: options.overwrite, signal, onProgress: (done) => options.onProgress?.(done, all.length, 'parts') }), signal)
    }
    if (plan.merge.kind === 'none') throw new LumarisError('cannot_merge', 'The parts of this map are to stay apart', { hint: 'Fetch them with lumaris results.' })
    const { blob, size } = await reduce(plan.merge, all, costs, options)
    await ports.download(blob, target, { overwrite: options.overwrite, signal })
    return recorded({ path: target, sha256: blob, size }, signal)
  }
  /** The first to merge says what came out; who merges again learns whether it is the same. */
  async function recorded(merged: Merged, signal?: AbortSignal): Promise<Merged> {
    // A market of an older version keeps no such record; the file is right all the same.
    await ports.recordMerged(root.id, { sha256: merged.sha256, size: merged.size }, signal).catch((error: unknown) => { if (!isLumarisError(error, 'route_not_found')) throw error })
    return merged
  }

  /** Rounds of runs over neighbours, in order, so that a command need not be commutative; one run at least, so that every result went through it. */
  async function reduce(by: Extract<MapPlan['merge'], { kind: 'reduce' }>, files: readonly ResultFile[], costsBefore: bigint, { signal, again, onProgress, onJob }: MergeOptions): Promise<ResultFile> {
    let level = files, costs = costsBefore
    for (let n = 0; ; n++) {
      const sizes = equal(level.length, Math.ceil(level.length / by.fanIn))
      let at = 0
      const groups = sizes.map((size) => level.slice(at, (at += size)))
      const spec: JobSpecInput = {
        // It comes after the parts, whatever those came after.
        ...withoutReferee(aloneOf(inputOf(root.spec))), name: `reduce ${n} of ${root.spec.name ?? root.id}`.slice(0, 100), command: [...by.command], inputs: [...by.inputs], outputs: [], stdout: REDUCED, onFailure: 'stop',
        limits: { ...root.spec.limits, outputBytes: Math.max(root.spec.limits.outputBytes, 1024 ** 3) }, map: { merge: { kind: 'none' }, result: REDUCED, of: root.id } as NonNullable<JobSpecInput['map']>,
        tasks: groups.map((group) => { const inputs = group.map(({ blob, size }, i) => ({ path: `in/${String(i).padStart(3, '0')}`, blob, size })); return { args: inputs.map((input) => input.path), inputs } }),
      }
      let tries = 0, id = await followingId(root.id, `reduce/${n}/0`)
      for (let before = await found(ports.job(id, signal)); before; before = await found(ports.job(id, signal))) {
        if (!ended(before) || before.state === 'completed') break
        const next = await followingId(root.id, `reduce/${n}/${tries + 1}`)
        if (!again && !(await found(ports.job(next, signal)))) break
        costs += BigInt(before.cost)
        id = next
        tries++
      }
      const job = await submit(spec, id, left(costs), signal)
      onJob?.(job, n)
      let done = 0
      onProgress?.(0, groups.length, 'reduce')
      if (!ended(job)) for await (const event of ports.watch(job.id, signal)) if (event.type === 'task' && event.state === 'done') onProgress?.(++done, groups.length, 'reduce')
      const over = await ports.job(job.id, signal)
      if (over.state !== 'completed') throw new LumarisError('reduce_failed', `The reduce command ended as ${over.state}${over.cause ? ` (${over.cause.replaceAll('_', ' ')}${over.exitCode ? `, exit code ${over.exitCode}` : ''})` : ''}`, { detail: { job: over.id, map: root.id } })
      costs += BigInt(over.cost)
      const { tasks } = await ports.results(job.id, signal)
      const next = tasks.toSorted((a, b) => a.task - b.task).flatMap((task) => task.files.filter((file) => file.path === REDUCED))
      if (next.length !== groups.length) throw new LumarisError('bad_reply', `${next.length} of ${groups.length} results of ${job.id} are there`)
      if (next.length === 1) return next[0] as ResultFile
      level = next
    }
  }

  async function cost({ signal }: Waiting = {}): Promise<bigint> {
    let sum = 0n
    for await (const job of chain(signal)) sum += BigInt(job.cost)
    if (plan.merge.kind !== 'reduce') return sum
    for (let n = 0; ; n++) for (let tries = 0; ; tries++) {
      const job = await found(ports.job(await followingId(root.id, `reduce/${n}/${tries}`), signal))
      if (!job && tries === 0) return sum
      if (!job) break
      sum += BigInt(job.cost)
    }
  }

  return { job: root, plan, get parts() { return parts }, [Symbol.asyncIterator]: iterate, watch, jobs, retry, merge, cost, async missing({ signal } = {}) { return (await collected(signal)).missing } }
}
const REDUCED = 'reduced'
export type { MergeInput }

/** So many small results are asked for before their turn: one after the other, ten thousand of them are ten thousand waits for an answer. */
const AHEAD = 8, SMALL_BYTES = 256 * 1024

export function readAhead(files: readonly Pick<ResultFile, 'blob' | 'size'>[], read: (blob: string) => AsyncGenerator<Uint8Array, void, undefined>): (part: number) => AsyncIterable<Uint8Array> {
  const asked = new Map<number, Promise<Uint8Array[]>>()
  async function whole(blob: string): Promise<Uint8Array[]> {
    const pieces: Uint8Array[] = []
    for await (const piece of read(blob)) pieces.push(piece)
    return pieces
  }
  return async function* (part) {
    for (let next = part; next < Math.min(files.length, part + AHEAD); next++) {
      const file = files[next] as ResultFile
      if (file.size > SMALL_BYTES || asked.has(next)) continue
      const bytes = whole(file.blob)
      bytes.catch(() => undefined) // told to whoever comes for it; the merge may end before
      asked.set(next, bytes)
    }
    const bytes = asked.get(part)
    asked.delete(part)
    if (bytes) yield* await bytes
    else yield* read((files[part] as ResultFile).blob)
  }
}

/** A spec as it is kept, as one that can be sent again. */
/** It was made for what the parts write. What a reduce writes is compared by its bytes. */
const withoutReferee = ({ compare, ...spec }: JobSpecInput): JobSpecInput => (compare === undefined || compare.kind === 'command' ? spec : { ...spec, compare })
const aloneOf = ({ after: _after, divide: _divide, ...spec }: JobSpecInput): JobSpecInput => spec
/** What is between these ranges, which are in order; that two of them share a byte cannot be. */
export function gapsOf({ from, to }: ByteRange, ranges: readonly ByteRange[]): ByteRange[] {
  const gaps: ByteRange[] = []
  let at = from
  for (const range of ranges) {
    if (range.from < at || range.to > to) throw new MergeError(`Two results are of the same part of the input, at byte ${range.from}`)
    if (range.from > at) gaps.push({ from: at, to: range.from })
    at = range.to
  }
  return at < to ? [...gaps, { from: at, to }] : gaps
}
function inputOf(spec: JobSpec): JobSpecInput {
  const { fallback, after, ...rest } = spec
  return { ...rest, ...(after ? { after: after as NonNullable<JobSpecInput['after']> } : {}), ...(fallback ? { fallback: fallback as FallbackStep[] } : {}) }
}
