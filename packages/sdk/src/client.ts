// The client: a method for every route of the protocol (`api`), and over them the few things people do.
import { parseCredits, routes } from '@lumaris/protocol'
import type { Attempt, AutoTopup, BodyInput, Entry, Hold, Job, JobEvent, JobFilter, JobSpecInput, LedgerAccount, Mismatch, MismatchKind, Node, NodeFilter, NodeLoad, Params, Query, Reply, Results, RevenueBy, Route, RouteName, Routes, Schedule, Standing, Task, Template, Wallet } from '@lumaris/protocol'
import { bodyOf, download, readBlob, upload } from './blobs.ts'
import type { DownloadTarget, TransferOptions, Uploaded, UploadSource } from './blobs.ts'
import { LumarisError } from './errors.ts'
import { readEvents } from './events.ts'
import { checked, followJob, readLogs, watchJob } from './follow.ts'
import type { Followed, FollowOptions, LogOptions, LogPiece, WatchOptions } from './follow.ts'
import { newJobId } from './ids.ts'
import type { LargeWork } from './large-work.ts'
import type { MapRun } from './map/map.ts'
import type { MapOptions, Prepared } from './map/prepare.ts'
import type { PipelineOptions, PipelineRun } from './pipeline/pipeline.ts'
import { createTransport } from './transport.ts'
import type { QueryValues, TransportOptions } from './transport.ts'

export type CallOptions = {
  readonly signal?: AbortSignal | undefined
  /** Names this request: sent again with the same key, it happens at most once. */
  readonly key?: string | undefined
  /** How long an answer may take, where it may take longer than others. */
  readonly timeoutMs?: number | undefined
}
/** Of what an admin does to somebody else's: why. Its owner needs none. */
export type ReasonOptions = CallOptions & { readonly reason?: string | undefined }
type Loose<T> = { readonly [Name in keyof T]?: T[Name] | undefined }
type Nothing = Record<never, never>
/** What a route is called with. Ids are plain strings here: one of the wrong shape names nothing, and the server says so. */
export type CallInput<R> =
  & (R extends { params: unknown } ? { readonly params: { readonly [Name in keyof Params<R>]: string } } : Nothing)
  & (R extends { query: unknown } ? { readonly query?: Loose<Query<R>> | undefined } : Nothing)
  & (R extends { body: unknown } ? (Nothing extends BodyInput<R> ? { readonly body?: BodyInput<R> } : { readonly body: BodyInput<R> }) : Nothing)
type Method<R> = Nothing extends CallInput<R> ? (input?: CallInput<R>, options?: CallOptions) => Promise<Reply<R>> : (input: CallInput<R>, options?: CallOptions) => Promise<Reply<R>>
/** Routes answered by one JSON document (or by nothing); streams and bytes have methods of their own on the client. */
type Plain = { [Name in RouteName]: Routes[Name] extends { sends: 'bytes' | 'events' } | { takes: 'raw' } | { method: 'HEAD' } ? never : Name }[RouteName]
export type Api = { readonly [Name in Plain]: Method<Routes[Name]> }

export type SubmitOptions = CallOptions & {
  /** The most the job may cost, in micro-credits. Without it and without a quote, the server's own estimate is the cap. */
  readonly cap?: bigint | string | undefined
  readonly quote?: string | undefined
  /** Refuse instead of waiting in the queue when no node could ever run it. */
  readonly noWait?: boolean | undefined
  readonly id?: string | undefined
  /** Values of the variables that the spec names in `secrets`: given to the job's attempts, and never told again. */
  readonly secrets?: Readonly<Record<string, string>> | undefined
}
type MismatchesWanted = { readonly account?: string | undefined; readonly kind?: MismatchKind | undefined; readonly state?: 'open' | 'settled' | undefined }
export type Ended = { readonly job: Job; /** Null when no task has one. */ readonly results: Results | null }
export interface Client extends ReturnType<typeof clientOf> {
  /**
   * A client that acts for an account I work for, within my role; what it does stands there under my name. Its token renews itself.
   *
   * @example
   * const labs = await client.actFor('usr_01jcd3k8w9e5r7t2y4u6p8a0sd')
   * await labs.run({ command: ['echo', 'hello'] })
   */
  actFor(account: string, more?: CallOptions): Promise<Client>
}

/**
 * A client of one market.
 *
 * @example
 * const client = createClient({ url: 'https://market.example', token: process.env.LUMARIS_TOKEN })
 * const { job } = await client.run({ command: ['echo', 'hello'] })
 * console.log(job.state, job.cost)
 */
export function createClient(options: TransportOptions): Client {
  const client = clientOf(options)
  const actFor = async (account: string, more?: CallOptions): Promise<Client> => {
    const ask = (how?: CallOptions) => client.api.actForAccount({ params: { account } }, how)
    let acting = await ask(more)
    return createClient({ ...options, token: () => acting.accessToken, renew: async () => (acting = await ask()).accessToken })
  }
  return { ...client, actFor }
}

function clientOf(options: TransportOptions) {
  const transport = createTransport(options)

  async function call<R extends Route>(route: R, input: CallInput<R>, { signal, key, timeoutMs }: CallOptions = {}): Promise<Reply<R>> {
    const { params, query, body } = input as { params?: Record<string, string>; query?: QueryValues; body?: unknown }
    const path = route.path.replace(/:([A-Za-z0-9]+)/g, (_match, name: string) => encodeURIComponent(params?.[name] ?? ''))
    const named = key !== undefined || (typeof body === 'object' && body !== null && 'id' in body && body.id !== undefined)
    return transport.send({
      method: route.method, path, query, signal, timeoutMs, safe: route.method !== 'POST' || named,
      headers: { accept: 'application/json', ...(key === undefined ? {} : { 'idempotency-key': key }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }, async (response) => {
      if (route.sends === 'text') return (await response.text()) as Reply<R>
      if (!route.reply) { await response.body?.cancel(); return undefined as Reply<R> }
      const text = await response.text()
      let value: unknown
      try { value = JSON.parse(text) } catch (cause) { throw new LumarisError('bad_reply', 'The server’s answer is not JSON', { status: response.status, cause }) }
      return checked(route.reply, value) as Reply<R>
    })
  }
  const api = Object.fromEntries(Object.entries(routes).map(([name, route]) => [name, (input: object = {}, more?: CallOptions) => call(route as Route, input, more)])) as unknown as Api

  /** Every item of a list, page by page, as far as the reader goes. */
  async function* pages<Item>(page: (cursor: string | undefined) => Promise<{ data: Item[]; nextCursor: string | null }>): AsyncGenerator<Item, void, undefined> {
    for (let cursor: string | undefined; ;) {
      const { data, nextCursor } = await page(cursor)
      yield* data
      if (nextCursor === null) return
      cursor = nextCursor
    }
  }

  const submit = (spec: JobSpecInput, { cap, quote, noWait, secrets, id = newJobId(), ...more }: SubmitOptions = {}): Promise<Job> =>
    api.submitJob({ body: { id, spec, ...(cap === undefined ? {} : { cap: cap.toString() }), ...(quote === undefined ? {} : { quote }), ...(noWait === undefined ? {} : { noWait }), ...(secrets === undefined ? {} : { secrets: { ...secrets } }) } }, more)
  const watch = (job: string, more?: WatchOptions): AsyncGenerator<JobEvent, void, undefined> => watchJob(transport, job, more)
  const results = (job: string, more?: CallOptions): Promise<Results> => api.getResults({ params: { job } }, more)
  async function wait(job: string, more: CallOptions = {}): Promise<Ended> {
    let last: JobEvent | null = null
    for await (const event of watch(job, more)) last = event
    const ended = await api.getJob({ params: { job } }, more)
    if (last?.type !== 'ended') throw new LumarisError('bad_reply', 'The event stream ended before the job')
    return { job: ended, results: await results(job, more).catch((error: unknown) => { if (error instanceof LumarisError && error.code === 'results_not_ready') return null; throw error }) }
  }

  // Maps and pipelines come when they are first asked for: a page that never makes one need not load what cuts, merges and orders them.
  let large: Promise<LargeWork> | null = null
  const largeWork = (): Promise<LargeWork> => (large ??= import('./large-work.ts').then(({ createLargeWork }) => createLargeWork({ api, transport, submit, watch, results, pages })))

  return {
    /** Every route of the protocol, typed by it: `client.api.getJob({ params: { job } })`. */
    api,
    origin: transport.origin,
    /** Submits a job under an id made here, so that sending it again after a lost answer is the same job. */
    submit,
    /** Submits and waits for the end; a job that failed is an answer too (`job.state`), not an error. */
    async run(spec: JobSpecInput, more: SubmitOptions = {}): Promise<Ended> {
      const { id } = await submit(spec, more)
      return wait(id, { signal: more.signal })
    },
    /** Waits for the end of a job. */
    wait,
    /** The history of a job and then its life, until it ends; goes on by itself over lost connections. */
    watch,
    /** What happens to all my jobs from now on. After a gap, read the jobs again. */
    async *events(more: { type?: JobEvent['type'] | undefined; signal?: AbortSignal | undefined } = {}): AsyncGenerator<JobEvent, void, undefined> {
      for await (const message of readEvents(transport, { path: routes.myEvents.path, query: { type: more.type }, signal: more.signal })) yield checked(routes.myEvents.reply, JSON.parse(message.data))
    },
    /** The output of an attempt from its first byte, until the attempt ends. */
    logs: (attempt: string, more?: LogOptions): AsyncGenerator<LogPiece, void, undefined> => readLogs(transport, attempt, more),
    /** History and output of all attempts of a job as one stream; `ended` comes last. */
    followJob: (job: string, more?: FollowOptions): AsyncGenerator<Followed, void, undefined> =>
      followJob(transport, job, (attempt, signal) => api.getAttempt({ params: { attempt } }, { signal }), more),
    results,
    /**
     * One piece of work over many nodes: the input is split into parts, each runs where there is room, and the results become one.
     *
     * @example
     * const map = await client.map({ input: { by: 'csv', source: 'big.csv' }, command: ['python3', 'part.py'], merge: { kind: 'sum', by: ['year'] } })
     * for await (const part of map) console.log(part.part, part.attempt?.nodeName)
     * const { sha256 } = await map.merge('sums.csv')
     */
    map: async (options: MapOptions): Promise<MapRun> => (await largeWork()).map(options),
    /** Reads and uploads as `map` does, without submitting: for who wants to ask the price first. */
    prepareMap: async (options: MapOptions): Promise<Prepared> => (await largeWork()).prepareMap(options),
    /** A map that was begun before, by anybody with this account, from any of its jobs. */
    openMap: async (job: string, more: { signal?: AbortSignal | undefined } = {}): Promise<MapRun> => (await largeWork()).openMap(job, more.signal),
    /**
     * Jobs that come after one another, from one description; `submit()` submits them. With the `id` of one that was begun before, it goes on.
     *
     * @example
     * const pipeline = await client.pipeline({ steps: [{ name: 'fetch', command: ['./fetch'] }, { name: 'train', needs: [{ step: 'fetch', inputs: [{ from: '*.csv' }] }], command: ['./train'] }] })
     * console.log(pipeline.cap)
     * await pipeline.submit()
     */
    pipeline: async (pipeline: unknown, more?: PipelineOptions): Promise<PipelineRun> => (await largeWork()).pipeline(pipeline, more),
    /**
     * The same request once more, as a new job: same files, same cap unless another is given (micro-credits), held at once. With an `id` made before the first try, trying again makes no second
     * one. Throws what `submit` throws, and `not_found`.
     */
    async rerun(job: string, { id = newJobId(), cap, ...more }: CallOptions & { readonly id?: string | undefined; readonly cap?: bigint | string | undefined } = {}): Promise<Job> {
      const before = await api.getJob({ params: { job } }, more)
      return submit(before.spec, { ...more, id, cap: cap ?? before.cap })
    },
    job: (job: string, more?: CallOptions): Promise<Job> => api.getJob({ params: { job } }, more),
    pause: (job: string, { reason, ...more }: ReasonOptions = {}): Promise<Job> => api.pauseJob({ params: { job }, body: { reason } }, more),
    resume: (job: string, { reason, ...more }: ReasonOptions = {}): Promise<Job> => api.resumeJob({ params: { job }, body: { reason } }, more),
    cancel: (job: string, { reason, ...more }: ReasonOptions = {}): Promise<Job> => api.cancelJob({ params: { job }, body: { reason } }, more),
    /** Moves what runs of it to another node, with what it has done; `to` is a node's id. */
    move: (job: string, to: { readonly to?: string; readonly task?: number; readonly reason?: string | undefined } = {}, more?: CallOptions): Promise<Job> => api.moveJob({ params: { job }, body: to }, more),
    /** With a cap: a budget, and only nodes that it pays for are counted. */
    quote: (spec: JobSpecInput, { cap, ...more }: CallOptions & { readonly cap?: bigint | undefined } = {}) => api.createQuote({ body: { spec, ...(cap === undefined ? {} : { cap: cap.toString() }) } }, more),
    /** What the same job would cost with one thing asked for differently, and how long jobs like it have waited for a node. Nothing is kept of it. */
    quoteAround: (spec: JobSpecInput, { cap, ...more }: CallOptions & { readonly cap?: bigint | undefined } = {}) => api.quoteAround({ body: { spec, ...(cap === undefined ? {} : { cap: cap.toString() }) } }, more),
    receipt: (attempt: string, more?: CallOptions) => api.getReceipt({ params: { attempt } }, more),
    explain: (job: string, more?: CallOptions) => api.explainJob({ params: { job } }, more),
    explainNode: (node: string, more?: CallOptions) => api.explainNode({ params: { node } }, more),
    standing: (more?: CallOptions): AsyncGenerator<Standing, void, undefined> => pages((cursor) => api.listStanding({ query: { limit: 200, cursor } }, more)),
    /** Waits until a standing request is met or over. */
    async standingOver(standing: string, more: { signal?: AbortSignal | undefined } = {}): Promise<Standing> {
      for await (const message of readEvents(transport, { path: routes.standingEvents.path.replace(':standing', standing), signal: more.signal })) return checked(routes.standingEvents.reply, JSON.parse(message.data))
      return api.getStanding({ params: { standing } }, more)
    },
    schedules: (more?: CallOptions): AsyncGenerator<Schedule, void, undefined> => pages((cursor) => api.listSchedules({ query: { limit: 200, cursor } }, more)),
    templates: (more?: CallOptions): AsyncGenerator<Template, void, undefined> => pages((cursor) => api.listTemplates({ query: { limit: 200, cursor } }, more)),
    marketTable: (more?: CallOptions) => api.marketTable({}, more),

    /** Uploads what the server lacks of it; an upload that was cut off goes on from there. */
    upload: (source: UploadSource, more?: TransferOptions & { readonly pieceBytes?: number; readonly sha256?: string }): Promise<Uploaded> => upload(transport, source, more),
    /** The market fetches a file from an address on the public internet, and keeps it as a blob; with `sha256`, only if it is that one. */
    fetchUrl: (url: string, { sha256, ...more }: CallOptions & { readonly sha256?: string | undefined } = {}) => api.fetchBlob({ body: { url, ...(sha256 === undefined ? {} : { sha256 }) } }, { timeoutMs: 120_000, ...more }),
    /** Downloads a blob to a path (Node) or a stream, and checks that it is the one that was asked for. */
    download: (blob: string, target: DownloadTarget, more?: TransferOptions & { readonly overwrite?: boolean | undefined }): Promise<void> => download(transport, blob, target, more),
    /** The bytes of a blob as they come; throws at the end when they were other ones. */
    readBlob: (blob: string, more?: TransferOptions): AsyncGenerator<Uint8Array, void, undefined> => readBlob(transport, blob, more),

    wallet: (more?: CallOptions): Promise<Wallet> => api.getWallet({}, more),
    /** Whether the wallet is topped up by itself; `setAutoTopup({ below: '5', add: '20', monthlyMost: '100' })` in credits, and null: no more. */
    autoTopup: (more?: CallOptions): Promise<AutoTopup> => api.getAutoTopup({}, more),
    async setAutoTopup(rule: { readonly below: string | number; readonly add: string | number; readonly monthlyMost: string | number } | null, more: CallOptions = {}): Promise<AutoTopup> {
      if (rule === null) { await api.stopAutoTopup({}, more); return api.getAutoTopup({}, more) }
      const micros = (said: string | number): string => { const found = parseCredits(String(said)); if (found === null) throw new TypeError(`"${said}" is not an amount of credits such as 12.5`); return found.toString() }
      return api.setAutoTopup({ body: { below: micros(rule.below), add: micros(rule.add), monthlyMost: micros(rule.monthlyMost) } }, more)
    },
    /** Adds credits (`'12.5'`). Sent with a key, so a retry never pays twice. */
    topup(credits: string | number, more: CallOptions = {}): Promise<Wallet> {
      const micros = parseCredits(String(credits))
      if (micros === null) throw new TypeError(`"${credits}" is not an amount of credits such as 12.5`)
      return api.createTopup({ body: { amount: micros.toString() } }, { ...more, key: more.key ?? globalThis.crypto.randomUUID() })
    },

    /** A table for spreadsheets, in pieces as they come. */
    async *csv(what: 'jobs' | 'entries' | 'spend' | 'actions' | 'statement', more: Loose<JobFilter> & { /** Of a statement: this one. */ year?: number | undefined; /** Of spend: the last so many days (UTC). */ days?: number | undefined; /** Of admin actions. */ format?: 'csv' | 'jsonl' | undefined; subject?: string | undefined; /** Of admin actions: whose; of spend: `day`, `name` or `template`. */ by?: string | undefined; action?: string | undefined; signal?: AbortSignal | undefined } = {}): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
      const { signal: _signal, ...query } = more, route = what === 'jobs' ? routes.exportJobs : what === 'entries' ? routes.exportEntries : what === 'spend' ? routes.exportSpend : what === 'statement' ? routes.exportStatement : routes.exportActions
      const reply = await transport.open({ method: 'GET', path: route.path, query, safe: true, signal: more.signal, headers: { accept: 'text/csv, application/jsonl' } })
      yield* bodyOf(transport, reply, more.signal)
    },
    /** All files of a job as one zip, in pieces as they come, under names that are safe to unpack. Throws `results_not_ready` while no part has ended. */
    async *resultsZip(job: string, more: CallOptions = {}): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
      const reply = await transport.open({ method: 'GET', path: routes.getResultsZip.path.replace(':job', encodeURIComponent(job)), safe: true, signal: more.signal, headers: { accept: 'application/zip' } })
      yield* bodyOf(transport, reply, more.signal)
    },
    /** What the market turned over, as CSV; and the entries of the ledger as a signed file (`checkLedgerFile`), both in pieces as they come. For operators. */
    async *operatorFile(what: 'revenue' | 'ledger' | 'mismatches', query: { from?: number | undefined; to?: number | undefined; by?: RevenueBy | undefined } | MismatchesWanted = {}, more: CallOptions = {}): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
      const route = what === 'revenue' ? routes.exportRevenue : what === 'mismatches' ? routes.exportMismatches : routes.exportLedger
      const reply = await transport.open({ method: 'GET', path: route.path, query, safe: true, signal: more.signal, headers: { accept: what === 'ledger' ? 'application/x-ndjson' : 'text/csv' } })
      yield* bodyOf(transport, reply, more.signal)
    },
    marketNodes: (filter: Loose<NodeFilter> = {}, more?: CallOptions): AsyncGenerator<Node, void, undefined> => pages((cursor) => api.findNodes({ query: { ...filter, limit: 200, cursor } }, more)),
    /** What the books and the statements of accounts outside do not agree on, oldest first; or what was settled by hand. */
    mismatches: (query: MismatchesWanted = {}, more?: CallOptions): AsyncGenerator<Mismatch, void, undefined> => pages((cursor) => api.listMismatches({ query: { ...query, limit: 200, cursor } }, more)),
    /** Of a class such as `seller:pending`, those that hold something. */
    ledgerAccounts: (of: string, more?: CallOptions): AsyncGenerator<LedgerAccount, void, undefined> => pages((cursor) => api.listLedgerAccounts({ query: { class: of, limit: 200, cursor } }, more)),
    holds: (olderThanMs?: number, more?: CallOptions): AsyncGenerator<Hold, void, undefined> => pages((cursor) => api.listHolds({ query: { olderThanMs, limit: 200, cursor } }, more)),
    jobs: (filter: Loose<JobFilter> & { limit?: number | undefined } = {}, more?: CallOptions): AsyncGenerator<Job, void, undefined> => pages((cursor) => api.listJobs({ query: { ...filter, cursor } }, more)),
    tasks: (job: string, more?: CallOptions): AsyncGenerator<Task, void, undefined> => pages((cursor) => api.listTasks({ params: { job }, query: { limit: 200, cursor } }, more)),
    attempts: (job: string, more?: CallOptions): AsyncGenerator<Attempt, void, undefined> => pages((cursor) => api.listAttempts({ params: { job }, query: { limit: 200, cursor } }, more)),
    /** Processor and memory of my nodes in the last hour, by minute. */
    nodeLoads: (more?: CallOptions): AsyncGenerator<NodeLoad, void, undefined> => pages((cursor) => api.listNodeLoads({ query: { limit: 200, cursor } }, more)),
    nodes: (more?: CallOptions): AsyncGenerator<Node, void, undefined> => pages((cursor) => api.listNodes({ query: { limit: 200, cursor } }, more)),
    entries: (more?: CallOptions): AsyncGenerator<Entry, void, undefined> => pages((cursor) => api.listEntries({ query: { limit: 200, cursor } }, more)),
  }
}
