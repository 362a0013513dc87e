import { Readable } from 'node:stream'
import { CAUSES, INPUTS_MAX, canonical, isRefusal, isWanted, merklePath, placesOf, refereeOf, refuse, wantedOf } from '@lumaris/protocol'
import type { Attempt, Explanation, Job, JobId, Receipt, Refusal, Results, SealedTick } from '@lumaris/protocol'
import { contradiction, filesFrom, isTerminal, nearby, newSearch, progressOf, rangeOf, termsOf } from '@lumaris/domain'
import type { AttemptRow, EndedParent, JobRow, SubmitCommand, Submitted } from '@lumaris/domain'
import type { App } from '../app.ts'
import { listAttempts, listJobs, listTasks, readAttempt, readEvents, readJob, readNode, readQuote, readResults, readSeal, readTicks } from '../store/read.ts'
import { given, viewAttempt, viewJob, viewTask } from '../store/views.ts'
import type { Handlers } from './server.ts'
import { actingOn, asked, byMember, isAdmin, owns } from './policy.ts'
import type { Acting, As, Principal } from './policy.ts'
import { lastEventId, sendEvents, wantsStream } from './sse.ts'
import { followBuyer, followJob } from '../live/follow-job.ts'
import { explain } from '../live/explain.ts'
import { safeNames, zipLength, zipOf } from './zip.ts'
import type { Packed } from './zip.ts'

type Names = 'retryJob' | 'createQuote' | 'getQuote' | 'submitJob' | 'listJobs' | 'getJob' | 'cancelJob' | 'pauseJob' | 'resumeJob' | 'moveJob' | 'recordMerged' | 'listTasks' | 'listAttempts' | 'jobEvents' | 'myEvents' | 'getAttempt' | 'attemptLogs' | 'getReceipt' | 'getResults' | 'getResultsZip' | 'explainJob' | 'quoteAround'

/** The job, if it is the caller's to see; else the same "not found" as for one that never was. */
async function mine(app: App, who: Principal, id: JobId): Promise<JobRow | Refusal> {
  const job = await readJob(app.db, id)
  return job && owns(who, job.buyer) ? job : refuse('not_found')
}
const nameOf = async (app: App, row: AttemptRow): Promise<string> => app.engine.state.nodes.get(row.node)?.name ?? (await readNode(app.db, row.node))?.name ?? ''

export async function missingBlobs(app: App, spec: JobRow['spec']): Promise<Refusal | null> {
  // By blob and size: each range was checked against the size that its own entry names, so every named size must be the true one.
  const wanted = new Map([...spec.inputs, ...spec.tasks.flatMap((task) => task.inputs ?? []), ...(spec.map?.merge.kind === 'reduce' ? spec.map.merge.inputs : []), ...(refereeOf(spec)?.inputs ?? [])].map((file) => [`${file.blob} ${file.size}`, file]))
  const missing: string[] = []
  for (const { blob, size } of wanted.values()) {
    const known = await app.blobs.stat(blob)
    if (!known || known.size !== size) missing.push(blob)
  }
  return missing.length > 0 ? refuse('blob_missing', { blobs: missing.slice(0, 20) }) : null
}

/** The caller's parents that have ended, with their results where the job takes files of them; and no for files that are gone. */
async function endedParents(app: App, buyer: JobRow['buyer'], spec: JobRow['spec']): Promise<EndedParent[] | Refusal> {
  const ended: EndedParent[] = [], search = newSearch()
  let tasks = 0, looked = 0
  for (const after of spec.after ?? []) {
    const row = await readJob(app.db, after.job)
    if (!row || row.buyer !== buyer || !isTerminal(row.state)) continue
    // Over this many the domain refuses: nothing is read for it.
    if (after.inputs) tasks += row.tasksTotal
    const results = after.inputs && row.state === 'completed' && tasks <= INPUTS_MAX ? await readResults(app.db, row.id) : []
    const parent: EndedParent = { job: row.id, buyer: row.buyer, state: row.state, tasks: row.tasksTotal, files: results.flatMap(({ task, attempt }) => attempt.files.map((file) => ({ ...file, task }))) }
    const taken = filesFrom(after, parent, search)
    // More than a task may have is refused by the domain, whether or not they are there.
    if (typeof taken !== 'string' && (looked += taken.length) <= INPUTS_MAX) for (const { path, blob, size } of taken) {
      const stored = await app.blobs.stat(blob)
      if (!stored || stored.size !== size) return refuse('parent_files', { job: row.id, reason: `the result ${path} is not stored any more` })
    }
    ended.push(parent)
  }
  return ended
}

export function jobHandlers(app: App): Pick<Handlers, Names> {
  /** Asks the engine for a change of a job that is the caller's, or of somebody else's as an admin. */
  const change = async (call: Acting & { readonly params: { readonly job: JobId } }, act: (job: JobId, as: As) => Promise<JobRow | Refusal>): Promise<Job | Refusal> => {
    const job = await mine(app, call.who, call.params.job)
    if (isRefusal(job)) return job
    const as = actingOn(call, job.buyer, app.now())
    if (isRefusal(as)) return as
    const answer = await act(job.id, as)
    return isRefusal(answer) ? answer : viewJob(answer)
  }
  /** A parent may end and leave memory between our look at the tables and the decision: then we look again. */
  const submit = async (command: SubmitCommand & Partial<As>, tries = 3): Promise<Submitted | Refusal> => {
    const ended = await endedParents(app, command.buyer, command.spec)
    if (isRefusal(ended)) return ended
    const answer = await app.engine.act({ ...command, ...(ended.length === 0 ? {} : { ended }) })
    return isRefusal(answer) && answer.refusal === 'parent_not_found' && tries > 0 && (await readJob(app.db, answer.detail?.['job'] as JobId))?.buyer === command.buyer ? submit(command, tries - 1) : answer
  }
  return {
    createQuote: async ({ body, who }) => app.engine.act({ kind: 'quote', buyer: who.userId, spec: body.spec, specHash: app.hash(canonical(body.spec)), cap: body.cap === undefined ? null : BigInt(body.cap) }),
    quoteAround: async ({ body }) => {
      const wrong = contradiction(body.spec, app.now())
      if (wrong) return wrong
      const { base, cap, changes } = nearby(app.engine.state, body.spec, app.now(), body.cap === undefined ? null : BigInt(body.cap)), wait = app.waits.of(body.spec)
      const figures = (found: typeof base, at: bigint) => ({ p50: found.p50.toString(), cap: at.toString(), nodes: found.nodes, nodesFree: found.nodesFree })
      return { ...figures(base, cap), changes: changes.map(({ what, from, to, found, cap: at }) => ({ what, from, to, ...figures(found, at) })), ...(wait ? { wait } : {}) }
    },
    getQuote: async ({ params, who }) => {
      const quote = await readQuote(app.db, params.quote)
      return quote && owns(who, quote.buyer) ? quote : refuse('not_found')
    },
    submitJob: async ({ body, who, text, idempotencyKey, reply, request }) => {
      const missing = await missingBlobs(app, body.spec)
      if (missing) return missing
      // What is sealed is bound to the job's id: one without gets it here.
      const id = body.id ?? (body.spec.secrets ? (app.ids.make('job') as JobId) : null), closed = app.jobSecrets.close(id ?? '', body.spec, body.secrets)
      if (isRefusal(closed)) return closed
      const answer = await submit({
        kind: 'submit', buyer: who.userId, id, ...closed, key: idempotencyKey ? `submit:${who.userId}:${idempotencyKey}` : null, bodyHash: closed ? app.jobSecrets.hash(text) : app.hash(text), spec: body.spec,
        specHash: body.quote ? app.hash(canonical(body.spec)) : '', quote: body.quote ?? null, cap: body.cap === undefined ? null : BigInt(body.cap), noWait: body.noWait, ...byMember(who), ...asked(request, who),
      })
      if (isRefusal(answer)) return answer
      if (answer.replayed) void reply.header('idempotency-replayed', 'true')
      return viewJob(answer.job)
    },
    retryJob: async ({ params, body, who, request }) => {
      const job = await readJob(app.db, params.job)
      if (!job) return refuse('not_found')
      if (job.state !== 'failed' || !job.cause || CAUSES[job.cause].bears === 'buyer') return refuse('not_in_this_state', { state: job.state, ...given('cause', job.cause) })
      if (job.spec.map) return refuse('cannot_retry', { reason: 'its parts are merged by the program of its buyer, who repeats what failed: lumaris retry' })
      if (job.tasksDone > 0 || job.cost > 0n) return refuse('cannot_retry', { reason: 'some of it is done and paid: trying all of it again would cost its buyer more than was agreed' })
      if (job.spec.secrets) return refuse('cannot_retry', { reason: 'the values of its secrets went with its end: only its buyer can submit it again' })
      const missing = await missingBlobs(app, job.spec)
      if (missing) return missing
      const answer = await submit({
        kind: 'submit', buyer: job.buyer, id: null, key: `retry:${job.id}`, bodyHash: job.bodyHash, spec: job.spec, specHash: '', quote: null, cap: job.cap, noWait: false,
        retries: { job: job.id, name: job.spec.name ?? job.spec.command.join(' '), by: who.userId, reason: body.reason }, ...asked(request),
      })
      return isRefusal(answer) ? answer : viewJob(answer.job)
    },
    listJobs: async ({ query, who }) => listJobs(app.db, isAdmin(who) ? null : who.userId, query, viewJob),
    getJob: async ({ params, who }) => {
      const job = await mine(app, who, params.job)
      if (isRefusal(job)) return job
      const live = app.engine.state.jobs.get(job.id)
      return { ...viewJob(job), ...(live && !isTerminal(job.state) ? { progress: progressOf(app.engine.state, live, app.now()) } : {}) }
    },
    cancelJob: (call) => change(call, (job, as) => app.engine.act({ kind: 'cancel', job, ...as })),
    pauseJob: (call) => change(call, (job, as) => app.engine.act({ kind: 'pause', job, paused: true, ...as })),
    resumeJob: (call) => change(call, (job, as) => app.engine.act({ kind: 'pause', job, paused: false, ...as })),
    moveJob: (call) => change(call, (job, as) => app.engine.act({ kind: 'move', job, to: call.body.to ?? null, task: call.body.task ?? null, ...as })),
    // What its results were merged into is the buyer's own word: no admin has one.
    recordMerged: async ({ params, body, who, request }) => {
      if ((await readJob(app.db, params.job))?.buyer !== who.userId) return refuse('not_found')
      const answer = await app.engine.act({ kind: 'recordMerged', job: params.job, merged: body, ...asked(request, who) })
      return isRefusal(answer) ? answer : viewJob(answer)
    },
    listTasks: async ({ params, query, who }) => {
      const job = await mine(app, who, params.job)
      if (isRefusal(job)) return job
      const page = await listTasks(app.db, params.job, query.limit, query.cursor)
      return { data: page.data.map(viewTask), nextCursor: page.nextCursor }
    },
    listAttempts: async ({ params, query, who }) => {
      const job = await mine(app, who, params.job)
      if (isRefusal(job)) return job
      const page = await listAttempts(app.db, params.job, query.limit, query.cursor)
      const data: Attempt[] = []
      for (const row of page.data) data.push(viewAttempt(row, await nameOf(app, row)))
      return { data, nextCursor: page.nextCursor }
    },
    jobEvents: async ({ params, query, who, request, reply }) => {
      const job = await mine(app, who, params.job)
      if (isRefusal(job)) return job
      const after = Math.max(query.after, Number(lastEventId(request) ?? 0) || 0)
      if (!wantsStream(request)) {
        await reply.header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(await readEvents(app.db, params.job, after)))
        return null
      }
      await sendEvents(app.log, request, reply, (signal) => followJob(app, params.job, after, signal))
      return null
    },
    myEvents: async ({ query, who, request, reply }) => {
      await sendEvents(app.log, request, reply, (signal) => followBuyer(app, who.userId, query.type, signal))
      return null
    },
    getAttempt: async ({ params, who }) => {
      const found = await myAttempt(app, who, params.attempt)
      return isRefusal(found) ? found : viewAttempt(found.attempt, await nameOf(app, found.attempt))
    },
    attemptLogs: async ({ params, query, who, request, reply }) => {
      const found = await myAttempt(app, who, params.attempt)
      if (isRefusal(found)) return found
      const cursor = lastEventId(request) ?? query.cursor
      const shown = (record: { stream: string; offset: number; data: Uint8Array; atMs: number }) => ({ stream: record.stream, offset: record.offset, data: Buffer.from(record.data).toString('base64'), at: record.atMs })
      if (!wantsStream(request)) {
        const { records, nextCursor } = await app.logs.read(params.attempt, cursor, 1000)
        await reply.header('content-type', 'application/json; charset=utf-8').send(JSON.stringify({ data: records.map(shown), nextCursor }))
        return null
      }
      await sendEvents(app.log, request, reply, async function* (signal) {
        for await (const record of app.logs.follow(params.attempt, cursor, signal)) yield [{ id: record.cursor, event: 'log', data: shown(record) }]
      })
      return null
    },
    getReceipt: async ({ params, who }) => {
      const found = await myAttempt(app, who, params.attempt, true)
      return isRefusal(found) ? found : receiptOf(app, found.job, found.attempt)
    },
    getResults: async ({ params, who }) => {
      const job = await mine(app, who, params.job)
      if (isRefusal(job)) return job
      return resultsOf(app, job)
    },
    getResultsZip: async ({ params, who, reply }) => {
      const job = await mine(app, who, params.job)
      if (isRefusal(job)) return job
      const results = await resultsOf(app, job)
      if (isRefusal(results)) return results
      const wanted = wantedOf(job.spec), found = placesOf(results).filter(({ path }) => isWanted(path, wanted)), names = safeNames(found.map(({ place }) => place)), files: Packed[] = []
      for (const [i, { blob, size, path }] of found.entries()) {
        if ((await app.blobs.stat(blob))?.size !== size) return refuse('blob_not_found', { path })
        files.push({ name: names[i] as string, size, at: job.endedAt ?? app.now(), read: () => app.blobs.read(blob) })
      }
      await reply.code(200).header('content-type', 'application/zip').header('content-length', String(zipLength(files))).header('content-disposition', `attachment; filename="${job.id}.zip"`).header('cache-control', 'no-store').send(Readable.from(zipOf(files), { objectMode: false }))
      return null
    },
    explainJob: async ({ params, who }): Promise<Explanation | Refusal> => {
      const job = await mine(app, who, params.job)
      return isRefusal(job) ? job : explain(app, job)
    },
  }
}

async function resultsOf(app: App, job: JobRow): Promise<Results | Refusal> {
  const tasks = (await readResults(app.db, job.id)).map(({ task, attempt }) => ({ task, attempt: attempt.id, exitCode: attempt.exitCode, files: [...attempt.files], ...rangeOf(attempt.piece) }))
  return tasks.length === 0 && !isTerminal(job.state) ? refuse('results_not_ready', { state: job.state }) : { job: job.id, tasks }
}

/** An attempt belongs to its job's buyer; its receipt also to the seller it is the receipt of. */
async function myAttempt(app: App, who: Principal, id: AttemptRow['id'], sellerToo = false): Promise<{ attempt: AttemptRow; job: JobRow } | Refusal> {
  const attempt = await readAttempt(app.db, id)
  const job = attempt && (await readJob(app.db, attempt.job))
  if (!attempt || !job) return refuse('not_found')
  return owns(who, job.buyer) || (sellerToo && owns(who, attempt.seller)) ? { attempt, job } : refuse('not_found')
}

async function receiptOf(app: App, job: JobRow, attempt: AttemptRow): Promise<Receipt | Refusal> {
  const node = await readNode(app.db, attempt.node)
  if (!node) return refuse('not_found')
  const ticks: SealedTick[] = []
  for (const { tick, seal, leaf } of await readTicks(app.db, attempt.id)) {
    const { hash, ...body } = tick
    const row = seal ? await readSeal(app.db, seal) : null
    ticks.push({
      tick: body, hash: hash as SealedTick['hash'],
      ...(row && leaf !== null ? { seal: {
        number: row.number, session: row.session, root: row.root as SealedTick['hash'], index: leaf, count: row.leaves.length, signature: row.signature, countersignature: row.countersignature,
        path: merklePath(app.hash, row.leaves.map((one) => one.hash), leaf) as SealedTick['hash'][],
      } } : {}),
    })
  }
  return {
    version: 1, terms: termsOf(job, attempt), nodeKey: node.publicKey, platformKey: app.platformKey, ticks,
    ...(attempt.cause ? { cause: attempt.cause } : {}), ...(attempt.endedAt ? { endedAt: attempt.endedAt } : {}),
    ...(attempt.billed !== null && attempt.fee !== null ? { bill: { amount: attempt.billed.toString(), sellerGets: (attempt.billed - attempt.fee).toString(), fee: attempt.fee.toString() } } : {}),
  }
}
