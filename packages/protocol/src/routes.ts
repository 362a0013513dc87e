import { z } from 'zod'
import { AttemptId, Instant, JobId, KeyId, NodeId, QuoteId, ScheduleId, Sha256, StandingId } from './ids.ts'
import { Amount } from './money.ts'
import { Attempt, Explanation, Job, JobEvent, JobState, MarketSummary, MarketTable, MergedResult, NodeExplanation, Results, Task } from './job.ts'
import { JobSpec } from './job-spec.ts'
import { EnrolNode, Enrolment, Node, NodeName, PriceSheet } from './node.ts'
import { Entry, LedgerCheck, Topup, Wallet } from './ledger.ts'
import { Quote } from './quote.ts'
import { Receipt } from './receipt.ts'
import { CreateSchedule, Schedule } from './schedule.ts'
import { PutTemplate, Template, TemplateName } from './template.ts'
import { CreateStanding, Standing } from './standing.ts'
import { BrowserTokens, CreateKey, Key, Login, NewKey, Refresh, Register, Tokens, User } from './identity.ts'
import type { Scope } from './identity.ts'
import { Earnings } from './owner.ts'
import type { RefusalCode } from './refusals.ts'

// The HTTP interface, route by route. From these objects come: validation on the server, the methods of the SDK, openapi.json, the help of
// the command line, and the table of who may call what (a test calls every route as every kind of caller, for every owner).

/** Who may call: nobody in particular, any signed-in user, a role, or an agent with its session token. `owner` says whose object it must be. */
export type Who = 'anyone' | 'user' | 'buyer' | 'seller' | 'admin' | 'agent' | 'user-or-agent'
export type Route = {
  id: string; method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD'; path: string; summary: string
  who: Who; scope?: Scope; owner?: 'job' | 'node' | 'attempt' | 'quote' | 'key' | 'standing' | 'schedule' | 'template'
  params?: z.ZodObject; query?: z.ZodObject; body?: z.ZodType; reply?: z.ZodType; status?: number
  /** `bytes` and `events` replies are streamed; `raw` bodies are streamed in. */
  sends?: 'json' | 'bytes' | 'events' | 'text'; takes?: 'json' | 'raw'
  /** Takes an Idempotency-Key: the same key and body get the first answer again. */
  idempotent?: boolean
  refuses: readonly RefusalCode[]
}
const route = <const R extends Route>(r: R): R => r

const Page = z.object({ limit: z.coerce.number().int().min(1).max(200).default(50), cursor: z.string().max(200).optional() })
const list = <Item extends z.ZodType>(item: Item) => z.object({ data: z.array(item), nextCursor: z.string().nullable() })
const jobParams = z.object({ job: JobId })
const nodeParams = z.object({ node: NodeId })
const scheduleParams = z.object({ schedule: ScheduleId })
const templateParams = z.object({ template: TemplateName })
const attemptParams = z.object({ attempt: AttemptId })
const blobParams = z.object({ sha256: Sha256 })

export const SubmitJob = z.strictObject({
  /** Made by the caller, so that a retry is the same job. */
  id: JobId.optional(), spec: JobSpec, quote: QuoteId.optional(),
  /** The most the job may cost. Without it and without a quote, the server quotes and takes that cap. */
  cap: Amount.optional(),
  /** Refuse instead of queueing when no node could ever run it. */
  noWait: z.boolean().default(false),
}).meta({ id: 'SubmitJob' })

export const routes = {
  // who
  register: route({ id: 'register', method: 'POST', path: '/v1/users', summary: 'Make an account', who: 'anyone', body: Register, reply: User, status: 201, refuses: ['email_taken', 'weak_password'] }),
  login: route({ id: 'login', method: 'POST', path: '/v1/sessions', summary: 'Sign in', who: 'anyone', body: Login, reply: Tokens, status: 201, refuses: ['invalid_credentials', 'too_many_attempts'] }),
  refresh: route({ id: 'refresh', method: 'POST', path: '/v1/sessions/refresh', summary: 'Exchange a refresh token for new tokens', who: 'anyone', body: Refresh, reply: Tokens, refuses: ['token_revoked', 'token_expired', 'invalid_credentials'] }),
  logout: route({ id: 'logout', method: 'DELETE', path: '/v1/sessions', summary: 'End this session', who: 'user', status: 204, refuses: [] }),
  openBrowserSession: route({ id: 'openBrowserSession', method: 'POST', path: '/v1/browser-sessions', summary: 'Sign in from a page: the refresh token stays in a cookie that no script can read', who: 'anyone', body: Login, reply: BrowserTokens, status: 201, refuses: ['foreign_origin', 'invalid_credentials', 'too_many_attempts'] }),
  renewBrowserSession: route({ id: 'renewBrowserSession', method: 'POST', path: '/v1/browser-sessions/renew', summary: 'A new access token for the cookie of this browser', who: 'anyone', reply: BrowserTokens, refuses: ['foreign_origin', 'unauthenticated', 'token_revoked', 'token_expired', 'invalid_credentials'] }),
  endBrowserSession: route({ id: 'endBrowserSession', method: 'DELETE', path: '/v1/browser-sessions', summary: 'Forget the cookie and end its session', who: 'anyone', status: 204, refuses: ['foreign_origin'] }),
  me: route({ id: 'me', method: 'GET', path: '/v1/users/me', summary: 'Who am I', who: 'user', reply: User, refuses: [] }),
  createKey: route({ id: 'createKey', method: 'POST', path: '/v1/keys', summary: 'Make an API key; its secret is shown once', who: 'user', scope: 'keys:write', body: CreateKey, reply: NewKey, status: 201, refuses: ['scope_not_allowed'] }),
  listKeys: route({ id: 'listKeys', method: 'GET', path: '/v1/keys', summary: 'My API keys', who: 'user', scope: 'keys:write', reply: list(Key), refuses: [] }),
  revokeKey: route({ id: 'revokeKey', method: 'DELETE', path: '/v1/keys/:key', summary: 'Revoke an API key', who: 'user', scope: 'keys:write', owner: 'key', params: z.object({ key: KeyId }), status: 204, refuses: ['not_found'] }),
  // work
  createQuote: route({ id: 'createQuote', method: 'POST', path: '/v1/quotes', summary: 'What would this cost, and when could it start', who: 'buyer', scope: 'jobs:write', body: z.strictObject({ spec: JobSpec }), reply: Quote, status: 201, refuses: ['impossible_request', 'no_node_fits', 'overloaded'] }),
  getQuote: route({ id: 'getQuote', method: 'GET', path: '/v1/quotes/:quote', summary: 'A quote', who: 'buyer', scope: 'jobs:read', owner: 'quote', params: z.object({ quote: QuoteId }), reply: Quote, refuses: ['not_found'] }),
  submitJob: route({ id: 'submitJob', method: 'POST', path: '/v1/jobs', summary: 'Submit a job and hold its cap', who: 'buyer', scope: 'jobs:write', body: SubmitJob, reply: Job, status: 201, idempotent: true, refuses: ['insufficient_funds', 'cap_too_low', 'quote_expired', 'quote_mismatch', 'blob_missing', 'no_node_fits', 'impossible_request', 'parent_not_found', 'parent_failed', 'parent_cycle', 'parent_files', 'queue_full', 'idempotency_conflict', 'overloaded'] }),
  listJobs: route({ id: 'listJobs', method: 'GET', path: '/v1/jobs', summary: 'My jobs, newest first', who: 'user', scope: 'jobs:read', query: Page.extend({ state: JobState.optional() }), reply: list(Job), refuses: [] }),
  getJob: route({ id: 'getJob', method: 'GET', path: '/v1/jobs/:job', summary: 'A job', who: 'user', scope: 'jobs:read', owner: 'job', params: jobParams, reply: Job, refuses: ['not_found'] }),
  recordMerged: route({ id: 'recordMerged', method: 'PUT', path: '/v1/jobs/:job/merged', summary: 'Record the hash of a map’s merged result; the first one stays', who: 'buyer', scope: 'jobs:write', owner: 'job', params: jobParams, body: MergedResult, reply: Job, refuses: ['not_found', 'not_in_this_state', 'merged_otherwise'] }),
  cancelJob: route({ id: 'cancelJob', method: 'POST', path: '/v1/jobs/:job/cancel', summary: 'Cancel a job; what ran is billed, the rest refunded', who: 'user', scope: 'jobs:write', owner: 'job', params: jobParams, reply: Job, refuses: ['not_found', 'job_ended'] }),
  listTasks: route({ id: 'listTasks', method: 'GET', path: '/v1/jobs/:job/tasks', summary: 'The tasks of a job', who: 'user', scope: 'jobs:read', owner: 'job', params: jobParams, query: Page, reply: list(Task), refuses: ['not_found'] }),
  listAttempts: route({ id: 'listAttempts', method: 'GET', path: '/v1/jobs/:job/attempts', summary: 'Every attempt of a job, in order', who: 'user', scope: 'jobs:read', owner: 'job', params: jobParams, query: Page, reply: list(Attempt), refuses: ['not_found'] }),
  jobEvents: route({ id: 'jobEvents', method: 'GET', path: '/v1/jobs/:job/events', summary: 'History of a job; as an event stream it goes on live, from Last-Event-ID', who: 'user', scope: 'jobs:read', owner: 'job', params: jobParams, query: z.object({ after: z.coerce.number().int().min(0).default(0) }), reply: JobEvent, sends: 'events', refuses: ['not_found'] }),
  myEvents: route({ id: 'myEvents', method: 'GET', path: '/v1/events', summary: 'What happens to all my jobs from now on, as an event stream; after a gap, read the jobs again', who: 'user', scope: 'jobs:read', query: z.object({ type: JobEvent.shape.type.optional() }), reply: JobEvent, sends: 'events', refuses: [] }),
  getAttempt: route({ id: 'getAttempt', method: 'GET', path: '/v1/attempts/:attempt', summary: 'An attempt', who: 'user', scope: 'jobs:read', owner: 'attempt', params: attemptParams, reply: Attempt, refuses: ['not_found'] }),
  attemptLogs: route({ id: 'attemptLogs', method: 'GET', path: '/v1/attempts/:attempt/logs', summary: 'Output of an attempt; as an event stream it goes on live, from Last-Event-ID', who: 'user', scope: 'jobs:read', owner: 'attempt', params: attemptParams, query: z.object({ cursor: z.string().max(40).optional() }), reply: z.object({ stream: z.enum(['stdout', 'stderr']), offset: z.number().int(), data: z.string(), at: Instant }), sends: 'events', refuses: ['not_found'] }),
  getReceipt: route({ id: 'getReceipt', method: 'GET', path: '/v1/attempts/:attempt/receipt', summary: 'The receipt of an attempt: terms, sealed ticks, bill', who: 'user', scope: 'jobs:read', owner: 'attempt', params: attemptParams, reply: Receipt, refuses: ['not_found'] }),
  getResults: route({ id: 'getResults', method: 'GET', path: '/v1/jobs/:job/results', summary: 'Files of a job, task by task; fetch each as a blob', who: 'user', scope: 'jobs:read', owner: 'job', params: jobParams, reply: Results, refuses: ['not_found'] }),
  explainJob: route({ id: 'explainJob', method: 'GET', path: '/v1/jobs/:job/explain', summary: 'Why here, why this price, why waiting', who: 'user', scope: 'jobs:read', owner: 'job', params: jobParams, reply: Explanation, refuses: ['not_found'] }),
  createStanding: route({ id: 'createStanding', method: 'POST', path: '/v1/standing-requests', summary: 'Tell me when nodes with room for such a job appear', who: 'buyer', scope: 'jobs:write', body: CreateStanding, reply: Standing, status: 201, refuses: ['impossible_request', 'queue_full', 'overloaded'] }),
  listStanding: route({ id: 'listStanding', method: 'GET', path: '/v1/standing-requests', summary: 'My standing requests, newest first', who: 'buyer', scope: 'jobs:read', query: Page, reply: list(Standing), refuses: [] }),
  getStanding: route({ id: 'getStanding', method: 'GET', path: '/v1/standing-requests/:standing', summary: 'A standing request', who: 'buyer', scope: 'jobs:read', owner: 'standing', params: z.object({ standing: StandingId }), reply: Standing, refuses: ['not_found'] }),
  standingEvents: route({ id: 'standingEvents', method: 'GET', path: '/v1/standing-requests/:standing/events', summary: 'A standing request; as an event stream it answers once, when the request is met or over', who: 'buyer', scope: 'jobs:read', owner: 'standing', params: z.object({ standing: StandingId }), reply: Standing, sends: 'events', refuses: ['not_found'] }),
  dropStanding: route({ id: 'dropStanding', method: 'DELETE', path: '/v1/standing-requests/:standing', summary: 'Take a standing request back', who: 'buyer', scope: 'jobs:write', owner: 'standing', params: z.object({ standing: StandingId }), status: 204, refuses: ['not_found'] }),
  createSchedule: route({ id: 'createSchedule', method: 'POST', path: '/v1/schedules', summary: 'Make a job again and again, at the times of a cron', who: 'buyer', scope: 'jobs:write', body: CreateSchedule, reply: Schedule, status: 201, idempotent: true, refuses: ['impossible_request', 'cap_too_low', 'blob_missing', 'queue_full', 'idempotency_conflict', 'overloaded'] }),
  listSchedules: route({ id: 'listSchedules', method: 'GET', path: '/v1/schedules', summary: 'My schedules with their last firings, newest first', who: 'buyer', scope: 'jobs:read', query: Page, reply: list(Schedule), refuses: [] }),
  getSchedule: route({ id: 'getSchedule', method: 'GET', path: '/v1/schedules/:schedule', summary: 'A schedule and its last firings', who: 'buyer', scope: 'jobs:read', owner: 'schedule', params: scheduleParams, reply: Schedule, refuses: ['not_found'] }),
  pauseSchedule: route({ id: 'pauseSchedule', method: 'POST', path: '/v1/schedules/:schedule/pause', summary: 'No more firings until it is resumed', who: 'buyer', scope: 'jobs:write', owner: 'schedule', params: scheduleParams, reply: Schedule, refuses: ['not_found'] }),
  resumeSchedule: route({ id: 'resumeSchedule', method: 'POST', path: '/v1/schedules/:schedule/resume', summary: 'Fire again, from the next moment on', who: 'buyer', scope: 'jobs:write', owner: 'schedule', params: scheduleParams, reply: Schedule, refuses: ['not_found'] }),
  removeSchedule: route({ id: 'removeSchedule', method: 'DELETE', path: '/v1/schedules/:schedule', summary: 'End a schedule; jobs that it made go on', who: 'buyer', scope: 'jobs:write', owner: 'schedule', params: scheduleParams, status: 204, refuses: ['not_found'] }),
  putTemplate: route({ id: 'putTemplate', method: 'PUT', path: '/v1/templates/:template', summary: 'Keep a job with parameters under a name', who: 'buyer', scope: 'jobs:write', params: templateParams, body: PutTemplate, reply: Template, refuses: ['impossible_request', 'blob_missing', 'queue_full'] }),
  listTemplates: route({ id: 'listTemplates', method: 'GET', path: '/v1/templates', summary: 'My templates, by name', who: 'buyer', scope: 'jobs:read', query: Page, reply: list(Template), refuses: [] }),
  getTemplate: route({ id: 'getTemplate', method: 'GET', path: '/v1/templates/:template', summary: 'A template', who: 'buyer', scope: 'jobs:read', owner: 'template', params: templateParams, reply: Template, refuses: ['not_found'] }),
  removeTemplate: route({ id: 'removeTemplate', method: 'DELETE', path: '/v1/templates/:template', summary: 'Forget a template', who: 'buyer', scope: 'jobs:write', owner: 'template', params: templateParams, status: 204, refuses: ['not_found'] }),
  // bytes
  statBlob: route({ id: 'statBlob', method: 'HEAD', path: '/v1/blobs/:sha256', summary: 'Is it there, and how much of an upload has arrived (Upload-Offset)', who: 'user-or-agent', params: blobParams, refuses: ['blob_not_found'] }),
  putBlob: route({ id: 'putBlob', method: 'PUT', path: '/v1/blobs/:sha256', summary: 'Upload a blob, or go on with an upload from Upload-Offset; Upload-Length is its whole size', who: 'user-or-agent', scope: 'jobs:write', params: blobParams, takes: 'raw', status: 201, refuses: ['blob_hash_mismatch', 'blob_offset_mismatch', 'blob_size_mismatch', 'blob_too_large', 'storage_full'] }),
  getBlob: route({ id: 'getBlob', method: 'GET', path: '/v1/blobs/:sha256', summary: 'Download a blob; Range works', who: 'user-or-agent', scope: 'jobs:read', params: blobParams, sends: 'bytes', refuses: ['blob_not_found', 'bad_range'] }),
  // nodes
  createEnrolment: route({ id: 'createEnrolment', method: 'POST', path: '/v1/enrolments', summary: 'Make a join token for one node; works once, for 15 minutes', who: 'seller', scope: 'nodes:write', body: z.strictObject({ name: NodeName.optional() }), reply: Enrolment, status: 201, refuses: [] }),
  enrolNode: route({ id: 'enrolNode', method: 'POST', path: '/v1/nodes', summary: 'An agent enrols with its join token and its own new key', who: 'anyone', body: EnrolNode, reply: Node, status: 201, refuses: ['enrolment_invalid', 'node_key_taken', 'bad_signature'] }),
  listNodes: route({ id: 'listNodes', method: 'GET', path: '/v1/nodes', summary: 'My nodes (all of them for an admin)', who: 'user', scope: 'nodes:read', query: Page, reply: list(Node), refuses: [] }),
  getNode: route({ id: 'getNode', method: 'GET', path: '/v1/nodes/:node', summary: 'A node', who: 'user', scope: 'nodes:read', owner: 'node', params: nodeParams, reply: Node, refuses: ['not_found'] }),
  explainNode: route({ id: 'explainNode', method: 'GET', path: '/v1/nodes/:node/explain', summary: 'Why this node was not chosen in the last 100 placements', who: 'user', scope: 'nodes:read', owner: 'node', params: nodeParams, reply: NodeExplanation, refuses: ['not_found'] }),
  pauseNode: route({ id: 'pauseNode', method: 'POST', path: '/v1/nodes/:node/pause', summary: 'No new work; what runs goes on', who: 'user', scope: 'nodes:write', owner: 'node', params: nodeParams, reply: Node, refuses: ['not_found', 'not_in_this_state'] }),
  resumeNode: route({ id: 'resumeNode', method: 'POST', path: '/v1/nodes/:node/resume', summary: 'Take work again', who: 'user', scope: 'nodes:write', owner: 'node', params: nodeParams, reply: Node, refuses: ['not_found', 'not_in_this_state'] }),
  priceNode: route({ id: 'priceNode', method: 'PUT', path: '/v1/nodes/:node/prices', summary: 'Set the price sheet; running attempts keep theirs', who: 'user', scope: 'nodes:write', owner: 'node', params: nodeParams, body: PriceSheet, reply: Node, refuses: ['not_found'] }),
  nodeEarnings: route({ id: 'nodeEarnings', method: 'GET', path: '/v1/agent/earnings', summary: 'What this node has earned: for the screen of its owner, asked by its agent', who: 'agent', query: z.object({ since: z.coerce.number().int().min(0).default(0) }), reply: Earnings, refuses: [] }),
  // money
  getWallet: route({ id: 'getWallet', method: 'GET', path: '/v1/wallet', summary: 'My balances', who: 'user', scope: 'wallet:read', reply: Wallet, refuses: [] }),
  listEntries: route({ id: 'listEntries', method: 'GET', path: '/v1/entries', summary: 'Every movement of my money, newest first', who: 'user', scope: 'wallet:read', query: Page, reply: list(Entry), refuses: [] }),
  createTopup: route({ id: 'createTopup', method: 'POST', path: '/v1/topups', summary: 'Add credits', who: 'buyer', scope: 'wallet:write', body: Topup, reply: Wallet, status: 201, idempotent: true, refuses: ['topup_not_allowed', 'amount_not_allowed', 'idempotency_conflict', 'overloaded'] }),
  // the market itself
  marketSummary: route({ id: 'marketSummary', method: 'GET', path: '/v1/market', summary: 'The market in figures: what is on offer, at which prices, and how busy it is', who: 'anyone', reply: MarketSummary, refuses: [] }),
  checkLedger: route({ id: 'checkLedger', method: 'GET', path: '/v1/admin/ledger', summary: 'Does everything sum to zero', who: 'admin', scope: 'admin', reply: LedgerCheck, refuses: [] }),
  marketTable: route({ id: 'marketTable', method: 'GET', path: '/v1/admin/market', summary: 'The matchmaking table: nodes, waiting work, last decisions', who: 'admin', scope: 'admin', reply: MarketTable, refuses: [] }),
  healthz: route({ id: 'healthz', method: 'GET', path: '/healthz', summary: 'Is the process alive', who: 'anyone', reply: z.object({ status: z.literal('ok'), version: z.string() }), refuses: [] }),
  readyz: route({ id: 'readyz', method: 'GET', path: '/readyz', summary: 'Can it serve: database, writer', who: 'anyone', reply: z.object({ status: z.enum(['ready', 'not_ready']), reason: z.string().optional() }), refuses: ['unavailable'] }),
  metrics: route({ id: 'metrics', method: 'GET', path: '/metrics', summary: 'Prometheus metrics', who: 'anyone', sends: 'text', refuses: [] }),
  openapi: route({ id: 'openapi', method: 'GET', path: '/openapi.json', summary: 'This interface as OpenAPI 3.1', who: 'anyone', reply: z.unknown(), refuses: [] }),
} as const
export type Routes = typeof routes
export type RouteName = keyof Routes

export type Query<R> = R extends { query: infer Q extends z.ZodType } ? z.infer<Q> : undefined
export type Params<R> = R extends { params: infer P extends z.ZodType } ? z.infer<P> : undefined
export type Body<R> = R extends { body: infer B extends z.ZodType } ? z.infer<B> : undefined
export type BodyInput<R> = R extends { body: infer B extends z.ZodType } ? z.input<B> : undefined
export type Reply<R> = R extends { reply: infer S extends z.ZodType } ? z.infer<S> : undefined
